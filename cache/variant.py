"""The exact key of one film: Scope + Prompt + Recipe + seed or take."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from cache.canonical import digest
from cache.prompt import Prompt
from cache.recipe import Recipe

LARGEST_SEED = 2**63 - 1
SHARED = "shared"


def tenant_scope(tenant: str) -> str:
    """Whose cache: one tenant's. The shared pool is the Scope `shared`, which no tenant can be named."""
    return f"tenant:{tenant}"


@dataclass(frozen=True)
class Partition:
    """What may answer whom. A hard filter, never a score."""

    scope: str
    recipe_key: str
    embedder: str


@dataclass(frozen=True)
class Film:
    """What is asked for, before a seed or take is chosen."""

    scope: str
    prompt: Prompt
    recipe: Recipe

    @cached_property
    def key(self) -> str:
        """All takes and pinned seeds of the same words and settings share it."""
        return digest({"scope": self.scope, "prompt": self.prompt.normal, "recipe": self.recipe.key})


@dataclass(frozen=True)
class Variant:
    """One film. Exactly one of `pinned_seed` and `take` is set; a take's seed is derived from the rest."""

    film: Film
    take: int | None = None
    pinned_seed: int | None = None

    def __post_init__(self) -> None:
        if (self.take is None) == (self.pinned_seed is None):
            raise ValueError("a Variant has a take or a pinned seed, not both and not neither")

    @cached_property
    def key(self) -> str:
        return digest({"film": self.film.key, "take": self.take, "seed": self.pinned_seed})

    @cached_property
    def seed(self) -> int:
        """For the CPU noise generator. The same take of the same film has the same seed on every machine."""
        if self.pinned_seed is not None:
            return self.pinned_seed
        return int(digest({"seed of": self.key})[:16], 16) & LARGEST_SEED
