"""The port to a renderer: our own pipeline, or another server that speaks /v1/videos."""

from __future__ import annotations

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
class DonorLatent:
    """A Donor's final latent, as it was stored (`Rendered.latent`), and the sigma that it is noised to."""

    latent: bytes
    sigma: float


@dataclass(frozen=True)
class RenderOrder:
    """An order to render. `tiled`: to be decoded in tiles from the start, because it would not fit otherwise. `pinned`: a client chose
    the seed. `picture`: the file of the picture whose digest the Recipe has.
    """

    prompt: str
    recipe: Recipe
    seed: int
    donor: DonorLatent | None = None
    tiled: bool = False
    pinned: bool = False
    picture: bytes | None = None


@dataclass(frozen=True)
class Progress:
    """The progress of a render. `percent` never goes back and reaches 100 only with the finished clip; `stage`: a key of `stages_ms`."""

    stage: str
    percent: int


OnProgress = Callable[[Progress], None]


@dataclass(frozen=True)
class Rendered:
    """A rendered clip. `frames` is (F, H, W, 3) uint8 RGB, or None if `video` is a finished MP4 (upstream).

    `latent` is the final latent as safetensors bytes, normalised as the transformer sees it, or None.
    `stages_ms` holds text_encode, denoise, vae_decode, `steps_ms` each denoise step; `gpu_seconds` is what the renderer was
    held for. All three are this clip's share of its batch. `peak_bytes` is the most device memory that the batch took,
    weights included; None where the device does not tell. `tiled`: it was decoded in tiles. `steps_skipped`: the steps that its donor
    spared; `steps_ms` has only those that ran.
    """

    frames: Frames | None
    video: Path | None
    latent: bytes | None
    stages_ms: Mapping[str, float]
    gpu_seconds: float
    peak_bytes: int | None = None
    notes: tuple[str, ...] = field(default=())
    steps_ms: tuple[float, ...] = ()
    tiled: bool = False
    steps_skipped: int = 0


@dataclass(frozen=True)
class ProfiledOperation:
    """A row of a profile: what the device (or the CPU) did `count` times, and the milliseconds in it alone."""

    name: str
    count: int
    ms: float


class Stop(Protocol):
    """A `threading.Event`, or several of them taken together."""

    def is_set(self) -> bool: ...

    def set(self) -> None: ...


@dataclass(frozen=True)
class Room:
    """The memory of the device that renders: its name, and the bytes that renders may take in all, weights included."""

    device: str
    limit: int


class Renderer(Protocol):
    """Built light; `load` does the heavy part. Calls of `render` come one at a time."""

    @property
    def served(self) -> ServedModel:
        """The model with its revision and row; known before the weights are loaded."""

    @property
    def room(self) -> Room | None:
        """Known once it is loaded; None where nobody counts memory (a CPU, another server)."""

    @property
    def longest_batch(self) -> int:
        """Clips that it can make at once; 1 where that gains nothing."""

    async def load(self) -> None:
        """Idempotent. Raises RenderFailed where the model cannot be loaded."""

    async def render(self, orders: list[RenderOrder], on_progress: OnProgress, stop: Stop) -> list[Rendered]:
        """Renders one clip per order, all of one Recipe and one start (a batch). `on_progress` is called from the renderer's own thread.

        Once `stop` is set RenderStopped is raised within one denoise step, and the next call works as usual.
        Raises RenderFailed (OutOfMemory, BadDonor) and nothing else. Out of memory in the decoder it frees what it can and decodes in
        tiles, once; any other OutOfMemory is the caller's to answer.
        """

    async def close(self) -> None: ...
