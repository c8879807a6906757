"""A Plan: prompts to render ahead of time, and the traffic that they are expected to cover."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from cache.recipe import Recipe

# mined from the requests, or given as a list.
PlanSource = Literal["mined", "list"]
PlanState = Literal["proposed", "running", "done", "cancelled"]
# hit: a clip existed already, or was being rendered for another request.
PromptState = Literal["waiting", "asked", "made", "hit", "failed"]


@dataclass(frozen=True)
class PlanCover:
    """A past prompt, requested `asks` times, that a prompt of the plan would answer."""

    spec_key: str
    prompt: str | None
    asks: int
    confidence: float


@dataclass(frozen=True)
class NewPrompt:
    prompt: str
    spec_key: str
    recipe: Recipe
    expected_hits: float = 0.0
    gpu_seconds: float = 0.0
    covers: tuple[PlanCover, ...] = ()


@dataclass(frozen=True)
class PlanCounts:
    """The number of a plan's prompts in each state."""

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
    """A plan. Times are Unix seconds, `horizon` and `gpu_seconds` seconds. `realised_hits`: requests answered by its clips, so far or,
    once the horizon is over, within it. `gpu_seconds`: the expected cost of what is still to be rendered.
    """

    id: str
    tenant: str
    source: PlanSource
    state: PlanState
    budget: int
    created_at: float
    started_at: float | None
    finished_at: float | None
    expected_hits: float
    horizon: float
    realised_hits: int
    error: str | None
    counts: PlanCounts
    gpu_seconds: float


@dataclass(frozen=True)
class PlanPrompt:
    """A prompt of a plan. `prompt` is None once erased, or where prompts are not stored."""

    plan_id: str
    rank: int
    prompt: str | None
    spec_key: str
    recipe: Recipe
    expected_hits: float
    gpu_seconds: float
    state: PromptState
    joined: bool
    clip_id: str | None
    error: str | None
    hits: int = 0
    covers: tuple[PlanCover, ...] = ()
