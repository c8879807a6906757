"""A set of prompts to make ahead of time, and the traffic that it is expected to cover."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from cache.recipe import Recipe

# mined from the requests, or given as a list.
Source = Literal["mined", "list"]
State = Literal["proposed", "running", "done", "cancelled"]
# hit: a clip was there already, or was being made for somebody else.
PromptState = Literal["waiting", "asked", "made", "hit", "failed"]


@dataclass(frozen=True)
class PlanCover:
    """What was asked before, `asks` times, and would be answered by a prompt of the plan."""

    film_key: str
    prompt: str | None
    asks: int
    confidence: float


@dataclass(frozen=True)
class NewPrompt:
    prompt: str
    film_key: str
    recipe: Recipe
    expected_hits: float = 0.0
    gpu_seconds: float = 0.0
    covers: tuple[PlanCover, ...] = ()


@dataclass(frozen=True)
class Counts:
    """Prompts of a plan by where they stand."""

    waiting: int = 0
    asked: int = 0
    made: int = 0
    hit: int = 0
    failed: int = 0

    @property
    def total(self) -> int:
        return self.waiting + self.asked + self.made + self.hit + self.failed

    @property
    def settled(self) -> int:
        return self.made + self.hit + self.failed


@dataclass(frozen=True)
class Plan:
    """Times are Unix seconds, `horizon` and `gpu_seconds` seconds. `realised_hits`: answered by what it made, so far or,
    once the horizon is over, in that time. `gpu_seconds`: what is still to be made will take, as foreseen.
    """

    id: str
    tenant: str
    source: Source
    state: State
    budget: int
    created_at: float
    started_at: float | None
    finished_at: float | None
    expected_hits: float
    horizon: float
    realised_hits: int
    error: str | None
    counts: Counts
    gpu_seconds: float


@dataclass(frozen=True)
class PlanPrompt:
    """`prompt` is None once its words were erased, or where they are not kept."""

    plan_id: str
    rank: int
    prompt: str | None
    film_key: str
    recipe: Recipe
    expected_hits: float
    gpu_seconds: float
    state: PromptState
    joined: bool
    clip_id: str | None
    error: str | None
    hits: int = 0
    covers: tuple[PlanCover, ...] = ()
