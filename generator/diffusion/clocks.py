"""Clocks for stages and steps: device events on CUDA, where the host runs ahead of the device, else wall time."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import torch


class Stages:
    """Marks on the device's own time line. Reading them waits for the work that they follow."""

    def __init__(self, device: torch.device) -> None:
        self._cuda = device.type == "cuda"
        self._marks: list[tuple[str, Any]] = []
        self._steps: list[Any] = []

    def begin(self, stage: str) -> None:
        self._marks.append((stage, self._now()))

    def step(self) -> None:
        """The end of a denoise step, or the beginning of the first one.

        On CUDA it waits for the step before: the host only queues work, and would count steps that are not done yet.
        """
        self._steps.append(self._now())
        if self._cuda and len(self._steps) > 1:
            self._steps[-2].synchronize()

    def end(self) -> dict[str, float]:
        """Milliseconds by stage; a stage begun twice counts twice."""
        self.begin("end")
        if self._cuda:
            self._marks[-1][1].synchronize()
        taken: dict[str, float] = {}
        for (stage, start), (_, stop) in zip(self._marks, self._marks[1:], strict=False):
            taken[stage] = taken.get(stage, 0.0) + self._between(start, stop)
        return taken

    def steps(self) -> Sequence[float]:
        """Milliseconds of each denoise step; after `end`."""
        return [self._between(*pair) for pair in zip(self._steps, self._steps[1:], strict=False)]

    def _between(self, start: Any, stop: Any) -> float:
        return float(start.elapsed_time(stop) if self._cuda else (stop - start) * 1000)

    def _now(self) -> Any:
        if not self._cuda:
            return time.perf_counter()
        event = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
        event.record()
        return event
