"""Counts of this process's answers as plain numbers: recorded once per answer, read at a scrape."""

from __future__ import annotations

from collections import Counter
from typing import get_args

from litestar.types import Message, Scope

from cache.durations import Durations
from cache.verdict import VerdictWord

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
RouteStatus = tuple[str, str, int]  # method, route, status


class AnswerCounts:
    """The counts. `answers` has declared routes as keys, never paths: a client cannot make it grow."""

    def __init__(self) -> None:
        self.verdicts: dict[str, Durations] = {verdict: Durations() for verdict in get_args(VerdictWord)}
        self.gpu_seconds_saved = 0.0
        self.answers: Counter[RouteStatus] = Counter()

    def answered(self, verdict: VerdictWord, seconds: float, saved: float) -> None:
        """Records an answer. `seconds`: from arrival to answer, including `Prefer: wait`; `saved`: GPU-seconds."""
        self.verdicts[verdict].note(seconds)
        self.gpu_seconds_saved += saved

    async def add_answer(self, message: Message, scope: Scope) -> None:
        """A `before_send` hook."""
        if message["type"] == "http.response.start":
            method = scope.get("method", "")
            self.answers[method if method in _METHODS else "other", route_of(scope), message["status"]] += 1


def route_of(scope: Scope) -> str:
    """The declared path of the route that answers, "unmatched" where none does."""
    return scope.get("path_template") or "unmatched"
