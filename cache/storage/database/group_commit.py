"""Group commit: one transaction for all rows that wait, since a commit costs the same for one row as for fifty."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from cache.errors import Busy, RepriseError, Unavailable

Row = TypeVar("Row")
Written = TypeVar("Written")


class GroupCommit(Generic[Row, Written]):
    """A group commit. `add` returns once the row's transaction has committed.

    While one transaction runs, rows gather for the next, so there is no timer to tune: a single row commits at once.
    An error of the transaction reaches every caller in it. The row of a cancelled caller stays in.
    """

    def __init__(self, commit: Callable[[list[Row]], Awaitable[list[Written]]], most: int = 64, waiting: int = 4096) -> None:
        self._commit, self._most, self._limit = commit, most, waiting
        self._waiting: deque[tuple[Row, asyncio.Future[Written]]] = deque()
        self._running: asyncio.Task[None] | None = None
        self._closed = False

    async def add(self, row: Row) -> Written:
        if self._closed:
            raise Unavailable("shutting down")
        if len(self._waiting) >= self._limit:
            raise Busy("too many answers wait for the database", retry_after=1.0)
        future: asyncio.Future[Written] = asyncio.get_running_loop().create_future()
        self._waiting.append((row, future))
        if self._running is None:
            self._running = asyncio.create_task(self._drain())
        return await future

    async def _drain(self) -> None:
        try:
            while self._waiting:
                # Tasks that are ready to run now may still add their rows to this transaction.
                await asyncio.sleep(0)
                batch = [self._waiting.popleft() for _ in range(min(self._most, len(self._waiting)))]
                await self._one(batch)
        finally:
            self._running = None

    async def _one(self, batch: list[tuple[Row, asyncio.Future[Written]]]) -> None:
        try:
            outcomes = await self._commit([row for row, _ in batch])
        except BaseException as error:
            told = error if isinstance(error, Exception) else RepriseError("the commit was interrupted")
            for _, future in batch:
                if not future.done():
                    future.set_exception(told)
            if not isinstance(error, Exception):
                raise
            return
        for (_, future), outcome in zip(batch, outcomes, strict=True):
            if not future.done():
                future.set_result(outcome)

    async def close(self) -> None:
        """Commits the rows already added, then refuses new ones."""
        self._closed = True
        if self._running is not None:
            await asyncio.wait([self._running])
