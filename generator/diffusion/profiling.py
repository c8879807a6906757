"""The profile of one render, by torch's own profiler."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import torch
from torch.profiler import ProfilerActivity, profile

from generator.renderer import ProfiledOperation

T = TypeVar("T")


def profiled(work: Callable[[], T], trace: Path, most: int = 20) -> tuple[T, list[ProfiledOperation]]:
    """Writes a trace that chrome://tracing and Perfetto read; returns what `work` gave and the operations that took most time by
    themselves, of the device where there is one.
    """
    cuda = torch.cuda.is_available()
    watched = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if cuda else [])]
    with profile(activities=watched) as profiler:
        given = work()
    trace.parent.mkdir(parents=True, exist_ok=True)
    profiler.export_chrome_trace(str(trace))
    rows = [
        ProfiledOperation(row.key, int(row.count), (row.self_device_time_total if cuda else row.self_cpu_time_total) / 1000)
        for row in profiler.key_averages()
    ]
    return given, sorted(rows, key=lambda row: row.ms, reverse=True)[:most]
