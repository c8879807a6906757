"""Muon: the step of a matrix is its momentum made orthogonal (Jordan and others, 2024), scaled so that a learning rate
tuned for AdamW holds (Liu and others, arXiv:2502.16982). Small transformers learn from fewer clips with it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import torch
from torch import Tensor

_MOMENTUM = 0.95


class Muon:
    """For the matrices inside blocks; embeddings, norms and what is convolved are AdamW's. Equal shapes step as one stack."""

    def __init__(self, weights: Sequence[Tensor], decay: float) -> None:
        stacks = defaultdict[tuple[int, ...], list[Tensor]](list)
        for weight in weights:
            stacks[tuple(weight.shape)].append(weight)
        self._stacks = list(stacks.values())
        self._momenta = [torch.zeros(len(stack), *stack[0].shape, device=stack[0].device) for stack in self._stacks]
        self._decay = decay

    @torch.no_grad()
    def step(self, rate: float) -> None:
        for stack, momentum in zip(self._stacks, self._momenta, strict=True):
            gradient = torch.stack([weight.grad for weight in stack if weight.grad is not None])
            momentum.lerp_(gradient, 1 - _MOMENTUM)
            step = orthogonal(gradient.lerp(momentum, _MOMENTUM))
            scale = 0.2 * max(step.shape[-2:]) ** 0.5
            torch._foreach_mul_(stack, 1 - rate * self._decay)
            torch._foreach_add_(stack, list((step * scale).unbind()), alpha=-rate)


def orthogonal(matrices: Tensor) -> Tensor:
    """Each of [count, rows, columns] with its singular values brought near 1, by five Newton-Schulz steps."""
    tall = matrices.shape[-2] > matrices.shape[-1]
    found = (matrices.mT if tall else matrices).to(torch.bfloat16 if matrices.is_cuda else torch.float32)
    found = found / (found.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(5):
        square = found @ found.mT
        found = 3.4445 * found + (-4.7750 * square + 2.0315 * square @ square) @ found
    turned: Tensor = (found.mT if tall else found).float()
    return turned
