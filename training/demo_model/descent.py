"""The parts that every stage of training shares: the clock, the optimiser, the source of clips, how the GPU is used."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from typing import ParamSpec, TypeVar

import torch
from torch import Tensor, nn

from training.demo_model.deck import Deck, Hand
from training.demo_model.drawing import draw
from training.demo_model.muon import Muon
from training.demo_model.ranks import Ranks
from training.demo_model.staging import Stage

START = time.monotonic()


def say(text: str) -> None:
    print(f"{time.monotonic() - START:6.1f} s  {text}", flush=True)


class Clock:
    """A share of the wall clock: how far along we are, and whether it is over."""

    def __init__(self, until: float) -> None:
        self._begin, self._end = time.monotonic() - START, until

    @classmethod
    def lasting(cls, seconds: float) -> Clock:
        """From now on."""
        return cls(time.monotonic() - START + seconds)

    @property
    def progress(self) -> float:
        """0 at the start, 1 at the end."""
        return min(1.0, (time.monotonic() - START - self._begin) / max(self._end - self._begin, 1e-6))


class Pace:
    """Seconds that a step takes."""

    def __init__(self) -> None:
        self._since = time.monotonic()

    def __call__(self, steps: int) -> float:
        """The mean over these steps, which are all since the last call."""
        now = time.monotonic()
        taken, self._since = now - self._since, now
        return taken / steps


class Average:
    """A running average of weights, which samples far better than the last step's."""

    def __init__(self, model: nn.Module, decay: float) -> None:
        self._live = list(model.state_dict().values())
        self._decay, self._steps = decay, 0
        self.weights = {name: value.detach().clone() for name, value in model.state_dict().items()}

    @torch.no_grad()
    def follow(self) -> None:
        self._steps += 1
        # Early on the average forgets faster, or it would be mostly noise from the start.
        weight = 1 - min(self._decay, self._steps / (self._steps + 10))
        torch._foreach_lerp_(list(self.weights.values()), self._live, weight)


class Descent:
    """Muon for the matrices inside blocks and AdamW for the rest, with warm-up over steps, cosine decay over the wall clock,
    clipped gradients and averaged weights. All ranks take the same steps: gradients are their mean, and so is the clock.
    """

    def __init__(
        self, models: list[nn.Module], peak: float, decay: float, clock: Clock, ranks: Ranks, *, hold: bool = False, muon: bool = True
    ) -> None:
        self._weights = [p for model in models for p in model.parameters()]
        matrices = [
            p for model in models for name, p in model.named_parameters() if p.dim() == 2 and min(p.shape) >= 64 and "block" in name
        ]
        turned = {id(p) for p in matrices}
        rest = [p for p in self._weights if id(p) not in turned]
        fused = self._weights[0].is_cuda
        self._adam = torch.optim.AdamW(rest, lr=peak, betas=(0.9, 0.98), weight_decay=0.01, fused=fused)
        self._muon = Muon(matrices, 0.01)
        self._peak, self._clock, self._hold, self._ranks = peak, clock, hold, ranks
        ranks.same(self._weights)
        # All gradients in one piece of memory are averaged by one call; the last cell takes the clock along.
        self._flat = torch.zeros(sum(p.numel() for p in self._weights) + 1, device=self._weights[0].device)
        at = 0
        for weight in self._weights:
            weight.grad = self._flat.as_strided(weight.shape, weight.stride(), at)
            at += weight.numel()
        self.averages = [Average(model, decay) for model in models]
        self.steps, self.progress = 0, 0.0

    def step(self, loss: Tensor) -> None:
        loss.backward()  # type: ignore[no-untyped-call]
        self._flat[-1] = self._clock.progress
        self._ranks.mean(self._flat)
        if self.steps % 20 == 0:  # reading it waits for the GPU
            self.progress = float(self._flat[-1])
        gradients = self._flat[:-1]
        gradients *= (1.0 / (gradients.norm() + 1e-6)).clamp(max=1.0)
        for group in self._adam.param_groups:
            group["lr"] = self._rate()
        self._adam.step()
        self._muon.step(self._rate())
        self._flat.zero_()
        self.steps += 1
        for average in self.averages:
            average.follow()

    def _rate(self) -> float:
        warm = min(1.0, (self.steps + 1) / 150)
        fall = 1.0 if self._hold else 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * self.progress))
        return self._peak * warm * fall


class Studio:
    """Draws clips of dealt scenes on the training device."""

    def __init__(self, deck: Deck, device: torch.device) -> None:
        self._hands, self.device = iter(deck), device

    def hand(self) -> Hand:
        return next(self._hands)

    def draw(self, stage: Stage, rows: slice) -> Tensor:
        """[batch, 3, 17, 128, 128] in -1..1."""
        part = Stage(stage.track[rows], stage.shape[rows], stage.colour[rows], stage.background[rows])
        return draw(part, self.device) * 2 - 1

    def clips(self, batch: int) -> Iterator[Tensor]:
        while True:
            stage = self.hand().stage
            for start in range(0, len(stage.shape) - batch + 1, batch):
                yield self.draw(stage, slice(start, start + batch))


def autocast(device: torch.device, *, cached: bool = True) -> torch.autocast:
    """Not to be cached where one block takes several steps: it would go on with the weights' copies of before the first."""
    return torch.autocast(device.type, torch.bfloat16, cache_enabled=cached)


P = ParamSpec("P")
T = TypeVar("T")


def compiled(function: Callable[P, T], device: torch.device) -> Callable[P, T]:
    return torch.compile(function, dynamic=False) if device.type == "cuda" else function


def channels_last(model: nn.Module) -> None:
    """The layout in which tensor cores convolve. One weight at a time: the VAE has 4-d and 5-d ones."""
    for weight in model.parameters():
        if weight.dim() in (4, 5):
            weight.data = weight.data.to(memory_format=torch.channels_last if weight.dim() == 4 else torch.channels_last_3d)
