"""The renderer that is our own pipeline: one thread that loads the model and renders, behind plain `await`.

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
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from cache.catalog import Ask, ServedModel, resolve
from cache.errors import OutOfMemory, RenderFailed, RepriseError
from generator.model import FoundModel
from generator.renderer import Operation, Order, Rendered, Room, Stop
from generator.speed import Speed

if TYPE_CHECKING:
    from generator.diffusion.wan import Told, Wan

T = TypeVar("T")

_BATCH = 8  # clips at once on an accelerator, where that pays


class PipelineRenderer:
    """`threads` are torch's on a CPU; 0 is all cores but one. Measured on two cores with weights of the demo's size: one thread
    renders within 1.4x of two, while two stall each other up to tenfold as soon as anything else runs, the event loop included.

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
    ) -> None:
        """`batch`: clips at once, at most; 0 decides by the device."""
        self._model, self._device, self._speed = model, device, speed or Speed()
        self._threads = threads or max(1, _cores() - 1)
        self._cold, self._batch = warm, batch
        self._wan: Wan | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="render", initializer=_step_back, initargs=(niceness,))

    @property
    def served(self) -> ServedModel:
        return self._model.served

    @property
    def described(self) -> str:
        """For the log: "reprise-demo on cpu in bfloat16"."""
        return f"{self.served.name} on {self._wan.where}" if self._wan else f"{self.served.name}, not loaded"

    @property
    def choices(self) -> str:
        """For the log: what is compiled, which attention, and so on; empty until the model is loaded."""
        return self._wan.choices if self._wan else ""

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
        return Room(self._wan.device, self._wan.limit)

    @property
    def longest_batch(self) -> int:
        return self._batch or (_BATCH if self.room is not None else 1)

    async def load(self) -> None:
        await self._run(self._load)
        if self._cold:
            self._cold = False
            one_step = Order("", resolve(self.served, Ask(steps=1)), seed=0)
            with suppress(OutOfMemory):  # a device too small for the default size may still do for others
                await self.render([one_step], lambda _: None, threading.Event())

    async def render(self, orders: list[Order], told: Told, stop: Stop) -> list[Rendered]:
        if not orders or any(order.recipe != orders[0].recipe for order in orders):
            raise ValueError("a batch is one or more orders of one Recipe")
        try:
            return await self._run(lambda: self._load().render(orders, told, stop))
        except asyncio.CancelledError:
            stop.set()  # nobody waits any more; the next render would queue behind this one
            raise

    async def profile(self, order: Order, trace: Path) -> tuple[Rendered, list[Operation]]:
        """One clip with torch's profiler beside it: its trace, and what took most time."""

        def run() -> tuple[Rendered, list[Operation]]:
            from generator.diffusion.profiling import profiled  # noqa: PLC0415  # as in _load

            wan = self._load()
            (rendered,), operations = profiled(lambda: wan.render([order], lambda _: None, threading.Event()), trace)
            return rendered, operations

        return await self._run(run)

    async def close(self) -> None:
        """Waits for the render at hand; set its `stop` first to be quick."""
        await asyncio.to_thread(self._thread.shutdown, wait=True, cancel_futures=True)
        self._wan = None

    async def _run(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, _told_as_facts, work)

    def _load(self) -> Wan:
        from generator.diffusion.wan import load  # noqa: PLC0415  # seconds of import, in the render thread

        if self._wan is None:
            self._wan = load(self._model, self._device, self._speed, self._threads)
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
