"""The encoder, the verifier and its table: loaded in the background, and awaited by the code that needs them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from cache.errors import EncoderFailed, StillLoading
from cache.matching.calibration import Calibration
from cache.matching.encoding.embedder import Embedder

if TYPE_CHECKING:
    from cache.matching.encoding.verifier import Verifier


@dataclass(frozen=True)
class Encoders:
    """`verifier` and `calibration` come together or not at all: a table holds only for the models it names."""

    embedder: Embedder
    verifier: Verifier | None
    calibration: Calibration | None

    def close(self) -> None:
        self.embedder.close()
        if self.verifier is not None:
            self.verifier.close()


_AGAIN = 60.0  # seconds after which a load that failed is tried again


class Loading:
    """`start` returns at once; `ready` waits, at most `wait` seconds, and then says when to come back. A load that failed is tried again
    by `retry`.
    """

    def __init__(self, load: Callable[[], Encoders], wait: float) -> None:
        self._load, self._wait = load, wait
        self._task: asyncio.Task[Encoders] | None = None
        self._moved: Encoders | None = None

    def start(self) -> None:
        if self._task is None:
            self._task = asyncio.create_task(asyncio.to_thread(self._load))

    @property
    def state(self) -> str:
        """loading, ready, or failed with its reason."""
        if self._task is None or not self._task.done():
            return "loading"
        if self._task.cancelled():
            return "failed: cancelled"
        error = self._task.exception()
        return "ready" if error is None else f"failed: {error}"

    @property
    def failure(self) -> str | None:
        """The reason why the last load failed; None while it runs and once it is done."""
        return None if self._task is None or not self._task.done() or self.at_hand() is not None else self.state.removeprefix("failed: ")

    async def retry(self) -> None:
        """Loads once more where the last load failed. Raises EncoderFailed where this one fails, too."""
        if self.failure is None:
            return
        task = asyncio.create_task(asyncio.to_thread(self._load))
        try:
            await asyncio.shield(task)
        except Exception as error:
            raise EncoderFailed(f"the encoder could not be loaded: {error}", retry_after=_AGAIN) from error
        self._task = task

    def at_hand(self) -> Encoders | None:
        """The encoders if they are loaded, without waiting."""
        done = self._task is not None and self._task.done() and not self._task.cancelled() and self._task.exception() is None
        return self._latest(self._task.result()) if done and self._task is not None else None

    def move(self, calibration: Calibration) -> None:
        """From now on they come with this table; it must hold for the models that are loaded."""
        loaded = self.at_hand()
        if loaded is None or not calibration.holds_for(loaded.embedder.version, loaded.verifier.version if loaded.verifier else ""):
            raise ValueError("this calibration table is for other models than those loaded")
        self._moved = replace(loaded, calibration=calibration)

    def _latest(self, loaded: Encoders) -> Encoders:
        return loaded if self._moved is None else self._moved

    async def loaded(self) -> Encoders:
        """However long it takes; for those whose work begins then. Raises EncoderFailed where the load fails."""
        self.start()
        assert self._task is not None, "start makes it"
        try:
            return self._latest(await asyncio.shield(self._task))
        except Exception as error:
            raise EncoderFailed(f"the encoder could not be loaded: {error}", retry_after=_AGAIN) from error

    async def ready(self) -> Encoders:
        if self._task is None:
            raise StillLoading("the encoder is not loading yet", retry_after=self._wait)
        try:
            return self._latest(await asyncio.wait_for(asyncio.shield(self._task), self._wait))
        except TimeoutError:
            raise StillLoading("the encoder is still loading", retry_after=self._wait) from None
        except Exception as error:  # onnxruntime's own are of no common kind
            raise EncoderFailed(f"the encoder could not be loaded: {error}", retry_after=_AGAIN) from error

    async def close(self) -> None:
        if self._task is None:
            return
        if not self._task.done():
            await asyncio.wait([self._task], timeout=self._wait)
        loaded = self.at_hand()
        if loaded is not None:
            await asyncio.to_thread(loaded.close)
