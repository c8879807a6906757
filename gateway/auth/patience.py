"""Timeouts for slow clients: the server itself only bounds the time between two requests."""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol


class PatientProtocol(HttpToolsProtocol):
    """A request has `patience` seconds to arrive, from its first byte (or the opening of the connection) to the last of its
    body. An answer has them again and again, as long as the client takes what fills a buffer (some 64 KiB) in each.
    """

    patience: float
    _arriving: asyncio.TimerHandle | None = None
    _leaving: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._expect()

    def on_message_begin(self) -> None:
        self._expect()
        super().on_message_begin()

    def on_message_complete(self) -> None:
        self._arrived()
        super().on_message_complete()

    def pause_writing(self) -> None:
        super().pause_writing()
        if self._leaving is None:
            self._leaving = self.loop.call_later(self.patience, self._abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        self._left()

    def connection_lost(self, exc: Exception | None) -> None:
        self._arrived()
        self._left()
        super().connection_lost(exc)

    def _expect(self) -> None:
        self._arrived()
        self._arriving = self.loop.call_later(self.patience, self._abort)

    def _arrived(self) -> None:
        if self._arriving is not None:
            self._arriving.cancel()
            self._arriving = None

    def _left(self) -> None:
        if self._leaving is not None:
            self._leaving.cancel()
            self._leaving = None

    def _abort(self) -> None:
        # Not close(): that would wait for the client to take what is buffered.
        self.transport.abort()


def patient(seconds: float) -> type[PatientProtocol]:
    """uvicorn makes one of these for each connection, and hands nothing of ours in."""
    return type("PatientProtocol", (PatientProtocol,), {"patience": seconds})
