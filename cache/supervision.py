"""The supervisor of background tasks: it logs a failure once, restarts the task, and reports it to health."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog

from cache.errors import RepriseError

log = structlog.get_logger(__name__)

Run = Callable[[], Awaitable[object]]

_PROVEN = 5.0  # seconds that a restarted task must run before its failure counts as over


@dataclass
class _Watched:
    """A watched task. `trouble`: its last failure, as logged; None once it runs again."""

    trouble: str | None = None
    failures: int = 0


class Supervisor:
    """Starts background tasks and restarts them when they fail, after a pause that doubles from `first` to `longest` seconds.

    Unavailable (a database that is away) is logged as a warning, anything else as an error with its trace. The same failure in a
    row is logged once, and its end is logged too.
    """

    def __init__(self, *, first: float = 1.0, longest: float = 60.0) -> None:
        self._first, self._longest = first, longest
        self._watched: dict[str, _Watched] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    @property
    def troubles(self) -> dict[str, str]:
        """The tasks that currently fail, each with its last failure."""
        return {name: one.trouble for name, one in self._watched.items() if one.trouble is not None}

    def start(self, name: str, run: Run, *, longest: float | None = None) -> None:
        """Runs `run` until it returns, typically a loop that waits, listens or sleeps. `longest`: its own longest pause."""
        self._begin(name, self._keep(name, run, self._longest if longest is None else longest))

    def every(self, seconds: float, name: str, step: Run, *, later: bool = False) -> None:
        """Runs `step` at once (`later`: after the first pause) and again `seconds` after each end; after failures with pauses up to
        the longest.
        """
        self._begin(name, self._repeat(seconds, name, step, later))

    def _begin(self, name: str, work: Awaitable[None]) -> None:
        assert name not in self._tasks, f"{name} runs already"
        self._watched[name] = _Watched()
        self._tasks[name] = asyncio.ensure_future(work)

    async def _keep(self, name: str, run: Run, longest: float) -> None:
        one = self._watched[name]
        while True:
            settling = asyncio.get_running_loop().call_later(_PROVEN, self._recovered, name)
            try:
                await run()
            except Exception as error:
                self._failed(name, error)
            else:
                self._recovered(name)
                return
            finally:
                settling.cancel()
            await asyncio.sleep(min(longest, self._pause(one)))

    async def _repeat(self, seconds: float, name: str, step: Run, later: bool) -> None:
        one = self._watched[name]
        await asyncio.sleep(seconds if later else 0)
        while True:
            try:
                await step()
            except Exception as error:
                self._failed(name, error)
            else:
                self._recovered(name)
            await asyncio.sleep(seconds if not one.failures else max(seconds, self._pause(one)))

    def _pause(self, one: _Watched) -> float:
        return min(self._longest, self._first * 2.0 ** min(one.failures - 1, 30))

    def _failed(self, name: str, error: Exception) -> None:
        one = self._watched[name]
        one.failures += 1
        known = isinstance(error, RepriseError)
        trouble = error.message if isinstance(error, RepriseError) else f"{type(error).__name__}: {error}"
        if trouble != one.trouble:
            if known:
                log.warning("background task is waiting", task=name, reason=trouble)
            else:
                log.error("background task failed", task=name, reason=trouble, exc_info=error)
        one.trouble = trouble

    def _recovered(self, name: str) -> None:
        one = self._watched[name]
        if one.trouble is not None:
            log.info("background task recovered", task=name, failures=one.failures)
        one.trouble, one.failures = None, 0

    async def close(self) -> None:
        """Cancels all tasks, newest first, and waits for each."""
        for task in reversed(list(self._tasks.values())):
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        self._tasks.clear()
