"""Spans: the time that each piece of work of a request or job takes, for a listener.

There is one listener per process, as with the log. Without one, the default, a span costs one call and nothing else.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Protocol

SpanAttribute = str | int | float | bool


class Listener(Protocol):
    def span(self, name: str) -> AbstractContextManager[object]:
        """A span around a piece of work of the current task; spans inside it are its children."""

    def set_attribute(self, name: str, fact: SpanAttribute) -> None:
        """Sets an attribute of the innermost current span. Never words of a prompt."""

    def traceparent(self) -> str | None:
        """The current span as W3C trace context, for resulting work in another process."""


_NOBODY = nullcontext()
_listener: Listener | None = None


def listen(listener: Listener | None) -> None:
    """Sets the listener of this process."""
    global _listener  # noqa: PLW0603  # see the head of this file
    _listener = listener


def span(name: str) -> AbstractContextManager[object]:
    return _NOBODY if _listener is None else _listener.span(name)


def set_attribute(name: str, fact: SpanAttribute | None) -> None:
    if _listener is not None and fact is not None:
        _listener.set_attribute(name, fact)


def traceparent() -> str | None:
    return None if _listener is None else _listener.traceparent()
