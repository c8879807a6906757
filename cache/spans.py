"""Where the time of one request or job goes, told as spans to whoever listens.

One listener per process, as with the log; nobody listens by default, and then a span costs a call and nothing else.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Protocol

Fact = str | int | float | bool


class Listener(Protocol):
    def span(self, name: str) -> AbstractContextManager[object]:
        """Around one piece of work of the task at hand; those inside it are its children."""

    def note(self, name: str, fact: Fact) -> None:
        """Of the innermost span at hand. Never words of a prompt."""

    def traceparent(self) -> str | None:
        """The span at hand as W3C trace context, for work that another process does because of it."""


_NOBODY = nullcontext()
_listener: Listener | None = None


def listen(listener: Listener | None) -> None:
    """From now on, in this process."""
    global _listener  # noqa: PLW0603  # see the head of this file
    _listener = listener


def span(name: str) -> AbstractContextManager[object]:
    return _NOBODY if _listener is None else _listener.span(name)


def note(name: str, fact: Fact | None) -> None:
    if _listener is not None and fact is not None:
        _listener.note(name, fact)


def traceparent() -> str | None:
    return None if _listener is None else _listener.traceparent()
