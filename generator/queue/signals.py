"""Signals of jobs within this process: a waiter wakes when its job changes. Jobs of other processes are polled."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from generator.renderer import Progress


class Watch:
    """A watch on a job. It sees every change since it was opened: open it, read the row, then wait; no change is missed."""

    def __init__(self) -> None:
        self._told = asyncio.Event()

    def tell(self) -> None:
        self._told.set()

    async def changed(self, timeout: float) -> bool:
        """True as soon as there was a change since the last call; False after `timeout` seconds without one."""
        try:
            async with asyncio.timeout(timeout):
                await self._told.wait()
        except TimeoutError:
            return False
        self._told.clear()
        return True


class Signals:
    """Used from the event loop's thread only. Holds no more than what is watched and what is rendering now."""

    def __init__(self) -> None:
        self._watches: dict[str, set[Watch]] = {}
        self._progress: dict[str, Progress] = {}
        self._listeners: list[Callable[[], None]] = []

    @contextmanager
    def watch(self, job_id: str) -> Iterator[Watch]:
        opened = Watch()
        self._watches.setdefault(job_id, set()).add(opened)
        try:
            yield opened
        finally:
            others = self._watches[job_id]
            others.discard(opened)
            if not others:
                del self._watches[job_id]

    def tell(self, job_id: str) -> None:
        for watch in self._watches.get(job_id, ()):
            watch.tell()

    def progressed(self, job_id: str, progress: Progress) -> None:
        """Fresher than the row, which hears of it a few times a second."""
        self._progress[job_id] = progress
        self.tell(job_id)

    def progress(self, job_id: str) -> Progress | None:
        """The progress; None if this process is not rendering the job: then the row is right."""
        return self._progress.get(job_id)

    def ended(self, job_id: str) -> None:
        self._progress.pop(job_id, None)
        self.tell(job_id)
        for listener in self._listeners:
            listener()

    def at_every_end(self, listener: Callable[[], None]) -> None:
        """Registers `listener`, called whenever a render ends in this process, after its commit."""
        self._listeners.append(listener)
