"""The port behind which clips are made: our own pipeline, or another server that speaks /v1/videos."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from cache.catalog import ServedModel
from cache.recipe import Recipe

Frames = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Order:
    """What to render. `donor` is the safetensors file of a latent to start from (later work)."""

    prompt: str
    recipe: Recipe
    seed: int
    donor: Path | None = None


@dataclass(frozen=True)
class Progress:
    """`percent` never goes back and reaches 100 only with the finished clip; `stage` is a key of `stages_ms`."""

    stage: str
    percent: int


@dataclass(frozen=True)
class Rendered:
    """`frames` is (F, H, W, 3) uint8 RGB, or None where `video` is a finished MP4 (upstream).

    `latent` is the final latent as safetensors bytes, normalised as the transformer sees it, or None.
    `stages_ms` holds text_encode, denoise, vae_decode; `gpu_seconds` is what the renderer was held for.
    """

    frames: Frames | None
    video: Path | None
    latent: bytes | None
    stages_ms: Mapping[str, float]
    gpu_seconds: float
    peak_memory_mb: float | None = None
    notes: tuple[str, ...] = field(default=())


class Renderer(Protocol):
    """Built light; `load` does the heavy part. Calls of `render` come one at a time."""

    @property
    def served(self) -> ServedModel:
        """Which model, revision and row; known before the weights are loaded."""

    async def load(self) -> None:
        """Idempotent. Raises RenderFailed where the model cannot be loaded."""

    async def render(self, orders: list[Order], told: Callable[[Progress], None], stop: threading.Event) -> list[Rendered]:
        """One clip per order, all of one Recipe (a batch). `told` is called from the renderer's own thread.

        Once `stop` is set RenderStopped is raised within one denoise step, and the next call works as usual.
        Raises RenderFailed (OutOfMemory) and nothing else.
        """

    async def close(self) -> None: ...
