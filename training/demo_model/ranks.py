"""Several GPUs training one model: one process each, started by torchrun; gradients and the clock are their mean."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor


@dataclass(frozen=True)
class Ranks:
    """`rank` of `count` processes. Alone, nothing here does anything."""

    rank: int = 0
    count: int = 1

    @classmethod
    def join(cls) -> Ranks:
        """By torchrun's environment; alone without it."""
        if "WORLD_SIZE" not in os.environ:
            return cls()
        if torch.cuda.is_available():
            torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
        dist.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
        return cls(dist.get_rank(), dist.get_world_size())

    @property
    def first(self) -> bool:
        """True if this is the process that speaks and writes."""
        return self.rank == 0

    def same(self, tensors: Iterable[Tensor]) -> None:
        """Everyone takes the first process's values."""
        if self.count > 1:
            for tensor in tensors:
                dist.broadcast(tensor.detach(), 0)

    def mean(self, tensor: Tensor) -> None:
        """In place, over all processes."""
        if self.count > 1:
            dist.all_reduce(tensor)
            tensor /= self.count

    def wait(self) -> None:
        if self.count > 1:
            dist.barrier()

    def leave(self) -> None:
        if self.count > 1:
            dist.destroy_process_group()
