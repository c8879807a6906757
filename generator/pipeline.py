"""The renderer with our own pipeline: one thread that loads the model and renders, behind plain `await`.

Only that thread imports the room diffusion/, the door to torch: a process that never renders never pays for it.
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import structlog

from cache.catalog import WAN, AskedSettings, ServedModel, resolve
from cache.errors import OutOfMemory, RenderFailed, RepriseError
from generator.model import FoundModel
from generator.placement import Placement
from generator.renderer import OnProgress, ProfiledOperation, Rendered, RenderOrder, Room, Stop
from generator.speed import Speed

if TYPE_CHECKING:
    from generator.diffusion.plain import PlainPipeline
    from generator.diffusion.wan import Wan

log = structlog.get_logger(__name__)

T = TypeVar("T")

_BATCH = 8  # clips at once on an accelerator, where that pays


class PipelineRenderer:
    """Our own pipeline. `threads`: torch's on a CPU, 0 for all cores but one. On two cores with weights of the demo's size, one thread
    renders within 1.4x of two; two stall each other up to tenfold as soon as anything else runs, even the event loop (measured).

    `niceness` is added to the render thread's, and with it to torch's own threads, where the system allows that (Linux).
    Measured with other work on both cores: p99 of one connection while rendering 7 ms with 5, 13 to 25 ms with 0; 10 gave
    no more and slowed the render.
    `warm` makes `load` render one step once, so that the first client does not pay for what torch builds at first use.
    """

    def __init__(
        self,
        model: FoundModel,
        device: str = "auto",
        speed: Speed | None = None,
        threads: int = 0,
        niceness: int = 5,
        warm: bool = True,
        batch: int = 0,
        keep_latents: bool = True,
    ) -> None:
        """`batch`: maximum clips at once; 0: depends on the device. Without `keep_latents` clips come without their latent."""
        self._model, self._device, self._speed, self._keep_latents = model, device, speed or Speed(), keep_latents
        self._threads = threads or max(1, _cores() - 1)
        self._cold, self._batch = warm, batch
        self._wan: Wan | PlainPipeline | None = None
        self._closing = threading.Event()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="render", initializer=_step_back, initargs=(niceness,))

    @property
    def served(self) -> ServedModel:
        return self._model.served

    @property
    def described(self) -> str:
        """A description for the log: "reprise-demo on cpu in bfloat16"."""
        return f"{self.served.name} on {self._wan.where}" if self._wan else f"{self.served.name}, not loaded"

    @property
    def choices(self) -> str:
        """A description of the choices of speed for the log; empty until the model is loaded."""
        return self._wan.choices if self._wan else ""

    @property
    def placement(self) -> Placement | None:
        """The places of the model's parts; None until it is loaded."""
        return self._wan.placement if self._wan else None

    @property
    def device(self) -> str:
        """The device's own name, as its driver tells it."""
        return self._wan.device if self._wan else self._device

    @property
    def memory(self) -> int | None:
        """Bytes of the accelerator, None where there is none."""
        return self._wan.memory if self._wan else None

    @property
    def room(self) -> Room | None:
        if self._wan is None or self._wan.limit is None:
            return None
        # What a render takes depends on what lies on the device beside it: peaks of one placement say nothing of another.
        placed = self._wan.placement.word
        return Room(self._wan.device if placed == "none" else f"{self._wan.device}, offload {placed}", self._wan.limit)

    @property
    def longest_batch(self) -> int:
        if self.served.row.pipeline != WAN:
            return 1
        return self._batch or (_BATCH if self.room is not None else 1)

    async def load(self) -> None:
        await self._run(self._load)
        if self._cold:
            self._cold = False
            recipes = [resolve(self.served, AskedSettings())]
            if self.served.row.draft_timesteps and self.room is not None:  # on a CPU it has the shapes of the first, and compiles nothing
                recipes.append(resolve(self.served, AskedSettings(quality="draft")))
            for recipe in recipes:
                one_step = RenderOrder("", replace(recipe, steps=1, timesteps=recipe.timesteps[:1]), seed=0)
                with suppress(OutOfMemory):  # a device too small for the default size may still do for others
                    await self.render([one_step], lambda _: None, self._closing)

    async def render(self, orders: list[RenderOrder], on_progress: OnProgress, stop: Stop) -> list[Rendered]:
        if len({(order.recipe, None if order.donor is None else order.donor.sigma) for order in orders}) != 1:
            raise ValueError("a batch is one or more orders of one Recipe and one start")
        try:
            return await self._run(lambda: self._load().render(orders, on_progress, stop))
        except asyncio.CancelledError:
            stop.set()  # nobody waits any more; the next render would queue behind this one
            raise

    async def profile(self, order: RenderOrder, trace: Path) -> tuple[Rendered, list[ProfiledOperation]]:
        """Renders one clip under torch's profiler: writes its trace, returns the slowest operations."""

        def run() -> tuple[Rendered, list[ProfiledOperation]]:
            from generator.diffusion.profiling import profiled  # noqa: PLC0415  # as in _load

            wan = self._load()
            (rendered,), operations = profiled(lambda: wan.render([order], lambda _: None, threading.Event()), trace)
            return rendered, operations

        return await self._run(run)

    async def close(self) -> None:
        """Waits for the current render; set its `stop` first to be quick. A model that is still being loaded is not waited for: nothing can
        stop that, and nothing is lost with it."""
        self._closing.set()
        await asyncio.to_thread(self._thread.shutdown, wait=self._wan is not None, cancel_futures=True)
        self._wan = None

    async def _run(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, _told_as_facts, work)

    def _load(self) -> Wan | PlainPipeline:
        from generator.diffusion.plain import load_plain  # noqa: PLC0415  # seconds of import, in the render thread
        from generator.diffusion.wan import load_wan  # noqa: PLC0415  # as above

        if self._wan is None and self.served.row.pipeline == WAN:
            self._wan = load_wan(self._model, self._device, self._speed, self._threads, self._keep_latents)
            placement = self._wan.placement
            log.info("model loaded", model=self.served.name, device=self.device, offload=placement.word, placement=str(placement))
        elif self._wan is None:
            self._wan = load_plain(self._model, self._device, self._speed, self._threads)
        return self._wan


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


def _step_back(niceness: int) -> None:
    # On Linux a thread has its own niceness, and the threads that torch starts from this one inherit it.
    if sys.platform == "linux":
        thread = threading.get_native_id()
        os.setpriority(os.PRIO_PROCESS, thread, min(19, os.getpriority(os.PRIO_PROCESS, thread) + niceness))


def _told_as_facts(work: Callable[[], T]) -> T:
    try:
        return work()
    except RepriseError:
        raise
    except Exception as error:
        wan = sys.modules.get("generator.diffusion.wan")
        if wan is None or not wan.out_of_memory(error):
            raise RenderFailed(f"the model failed with {type(error).__name__}") from error  # the rest is for the log, not the client
    # Outside the handler: the error's traceback held the tensors that are to be freed.
    wan.free_memory()
    raise OutOfMemory("the clip does not fit into memory")
