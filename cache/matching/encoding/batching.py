"""Batching: calls of a model are batched across requests in a thread of their own."""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Generic, TypeVar

from cache.errors import Busy, Unavailable

Input = TypeVar("Input")
Output = TypeVar("Output")


class Batches(Generic[Input, Output]):
    """Plain `await` in front of a blocking model.

    The thread takes what waits, at most `size` at a time. It lingers for more only while others are about:
    a lone caller is never held back, a crowd fills its batches. When `answer` fails, every caller
    of that batch gets the error; a caller that left is dropped before the work, not after.
    """

    def __init__(
        self,
        answer: Callable[[list[Input]], Sequence[Output]],
        *,
        name: str,
        size: int = 16,
        linger: float = 0.003,
        limit: int = 1024,
    ) -> None:
        self._answer = answer
        self._size, self._linger, self._limit = size, linger, limit
        self._waiting: queue.Queue[tuple[Input, Future[Output]] | None] = queue.Queue(maxsize=limit)
        self._closed = False
        self._lock = threading.Lock()  # orders `ask` against `close`, so that nothing is queued behind the end mark
        self._name = name
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    async def ask(self, ask: Input) -> Output:
        return await asyncio.wrap_future(self._submit(ask))

    def _submit(self, ask: Input) -> Future[Output]:
        future: Future[Output] = Future()
        with self._lock:
            if self._closed:
                raise Unavailable(f"{self._name} is closed")
            try:
                self._waiting.put_nowait((ask, future))
            except queue.Full:
                raise Busy(f"{self._limit} texts wait for {self._name}", retry_after=1.0) from None
        return future

    def close(self) -> None:
        """Closes it after answering the pending calls, which blocks: call it in a thread."""
        with self._lock:
            already, self._closed = self._closed, True
        if not already:
            self._waiting.put(None)
        self._thread.join()

    def _run(self) -> None:
        crowded = False
        while True:
            first = self._waiting.get()
            if first is None:
                return
            batch, ended = self._gather(first, crowded)
            crowded = len(batch) > 1
            self._work(batch)
            if ended:
                return

    def _gather(self, first: tuple[Input, Future[Output]], crowded: bool) -> tuple[list[tuple[Input, Future[Output]]], bool]:
        batch = [first]
        until = time.monotonic() + self._linger
        while len(batch) < self._size:
            try:
                if crowded or len(batch) > 1:
                    entry = self._waiting.get(timeout=max(0.0, until - time.monotonic()))
                else:
                    entry = self._waiting.get_nowait()
            except queue.Empty:
                break
            if entry is None:
                return batch, True
            batch.append(entry)
        return batch, False

    def _work(self, batch: list[tuple[Input, Future[Output]]]) -> None:
        live = [(ask, future) for ask, future in batch if future.set_running_or_notify_cancel()]
        if not live:
            return
        try:
            answers = self._answer([ask for ask, _ in live])
            if len(answers) != len(live):
                raise RuntimeError(f"{self._name} returned {len(answers)} answers for {len(live)} requests")
        except Exception as error:  # the thread must outlive a bad batch; the error itself travels to every caller
            for _, future in live:
                future.set_exception(error)
            return
        for (_, future), answer in zip(live, answers, strict=True):
            future.set_result(answer)
