"""The speed of a model's passes, and what was compiled at all: a graph that fails to compile says so nowhere else."""

from __future__ import annotations

import time

import torch
from torch import Tensor, nn
from torch._dynamo.utils import counters

from training.demo_model.descent import autocast
from training.demo_model.matching import SHAPE, velocity


@torch.no_grad()
def passes(net: nn.Module, words: Tensor, times: int = 5) -> str:
    """A line on passes without gradients of a batch with these words."""
    noisy, level = torch.randn(len(words), *SHAPE, device=words.device), torch.full((len(words),), 0.5, device=words.device)

    def taken() -> float:
        velocity(net, noisy, level, words)
        _finish(words.device)
        begun = time.monotonic()
        for _ in range(times if words.is_cuda else 1):
            velocity(net, noisy, level, words)
        _finish(words.device)
        return (time.monotonic() - begun) / (times if words.is_cuda else 1)

    with autocast(words.device):
        compiled = taken()
        with torch.compiler.set_stance("force_eager"):
            written = taken()
    return f"a pass of {len(words)} clips takes {1000 * compiled:.1f} ms, {1000 * written:.1f} as written; {compiled_so_far()}"


def compiled_so_far() -> str:
    frames, breaks = counters["frames"], counters["graph_break"]
    told = f"{counters['stats']['unique_graphs']} graphs of {frames['ok']} in {frames['total']} frames compiled"
    return told + "".join(f"; broken {count} times: {why.splitlines()[0]}" for why, count in breaks.most_common(3))


def _finish(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
