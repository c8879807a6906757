"""Assisted renders: denoising that starts from another clip's latent. The words as types, and the ladder of sigmas. Pure."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

AssistKind = Literal["take", "near"]
_ROUNDING = 1e-4  # of sigmas: a ladder in float32 meets a table in decimals


@dataclass(frozen=True)
class Start:
    """The start of an assisted render: the final latent of the clip `donor`, noised to `sigma` (1: noise alone, 0: the clip itself).

    `kind`: take, where the donor shows the same words; near, where it is a neighbour that the judge refused.
    """

    donor: str
    sigma: float
    kind: AssistKind


@dataclass(frozen=True)
class Assistance:
    """The assistance that a clip got. `saved_ms`: denoising spared on this machine, by the mean of the steps that ran."""

    start: Start
    steps_skipped: int
    saved_ms: float


def ladder(steps: int, shift: float) -> tuple[float, ...]:
    """The sigmas of a flow schedule of `steps`, from 1 downwards, as UniPC's `set_timesteps` makes them."""
    plain = [1.0 - at * (1.0 - 1e-3) / steps for at in range(steps)]
    return tuple(shift * one / (1.0 + (shift - 1.0) * one) for one in plain)


def begin_at(sigmas: Sequence[float], sigma: float) -> int:
    """The step to begin with: the last of these falling sigmas that is not under `sigma`, so that no render starts deeper than allowed."""
    rising = [-one for one in sigmas]
    return max(0, bisect_right(rising, -sigma + _ROUNDING) - 1)
