"""Spec, Variant and Partition: what is asked for, the exact key of one clip, and what may answer whom."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from cache.assist import Start
from cache.canonical import digest
from cache.prompt import Prompt
from cache.recipe import Recipe

LARGEST_SEED = 2**63 - 1
SHARED = "shared"
MINED = "mined"  # the asker of what a plan took from the requests: some end user's words, but nobody's in particular
_TENANTS = "tenant:"


def tenant_scope(tenant: str) -> str:
    """The Scope of a tenant's cache. The shared pool is the Scope `shared`, a name that no tenant can have."""
    return f"{_TENANTS}{tenant}"


def user_scope(tenant: str, end_user: str) -> str:
    """The sub-scope of a tenant's cache for one of its end users. It names nobody, but who knows the user's id can compute it."""
    return "user:" + digest({"tenant": tenant, "end_user": end_user})


def is_tenant_wide(scope: str) -> bool:
    return scope.startswith(_TENANTS)


def asker_of(tenant: str, end_user: str | None) -> str | None:
    """The mark of whoever asked first, kept with a job and its clip: words are told to the same asker. None: nobody was named."""
    return None if end_user is None else user_scope(tenant, end_user)


@dataclass(frozen=True)
class Partition:
    """A Partition: what may answer whom. A hard filter, never a score."""

    scope: str
    recipe_key: str
    embedder: str


@dataclass(frozen=True)
class Spec:
    """A Spec: Scope + Prompt + Recipe, what is asked for before a seed or take is chosen."""

    scope: str
    prompt: Prompt
    recipe: Recipe

    @cached_property
    def key(self) -> str:
        """The `spec_key`, which all takes and pinned seeds of the same words and settings share."""
        return digest({"scope": self.scope, "prompt": self.prompt.normal, "recipe": self.recipe.key})


@dataclass(frozen=True)
class Variant:
    """A Variant: a Spec with a seed or take. Exactly one of `pinned_seed` and `take` is set; a take's seed is derived from the rest.

    A take with a `start` is another Variant than the same take rendered cold: other pixels, another key, another seed.
    """

    spec: Spec
    take: int | None = None
    pinned_seed: int | None = None
    start: Start | None = None

    def __post_init__(self) -> None:
        if (self.take is None) == (self.pinned_seed is None):
            raise ValueError("a Variant has a take or a pinned seed, not both and not neither")
        if self.start is not None and self.take is None:
            raise ValueError("a pinned seed means one video: it starts from no other clip")

    @cached_property
    def key(self) -> str:
        cold: dict[str, object] = {"Spec": self.spec.key, "take": self.take, "seed": self.pinned_seed}
        return digest(cold if self.start is None else {**cold, "donor": self.start.donor, "sigma": self.start.sigma})

    @cached_property
    def seed(self) -> int:
        """The seed of the CPU noise generator. The same take of the same Spec has the same seed on every machine."""
        if self.pinned_seed is not None:
            return self.pinned_seed
        return int(digest({"seed of": self.key})[:16], 16) & LARGEST_SEED
