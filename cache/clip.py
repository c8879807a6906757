"""A Clip: finished, immutable, with its stored objects."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from cache.assist import Assistance
from cache.recipe import Recipe

ObjectKind = Literal["video", "thumbnail", "spritesheet", "latent"]
KINDS: tuple[ObjectKind, ...] = ("video", "thumbnail", "spritesheet", "latent")
StoredKind = Literal["video", "thumbnail", "spritesheet", "latent", "picture"]  # a picture is a Scope's, and no clip's

# live: answers lookups. superseded: a later take answers instead; its own requests still read it.
# withdrawn: out of service (invalidated, corrupt, evicted or erased); objects go after the grace time.
ClipState = Literal["live", "superseded", "withdrawn"]


@dataclass(frozen=True)
class StoredObject:
    """An object in the store. `name` is its key there: `clips/<clip id>/<sha256>.<ext>`, or `pictures/<picture id>/<sha256>.png`."""

    kind: StoredKind
    name: str
    sha256: str
    length: int
    content_type: str


@dataclass(frozen=True)
class Clip:
    """A rendered Variant. `prompt` is that of the first request, None where prompts are not stored. Times are Unix seconds.

    `sequence` grows with every change of the row, in commit order: a reader that has seen N asks for > N.
    `private`: made under no-store, only for those who hold its id. `provenance` is the signature of the row's writer.
    `stages_ms` and `gpu_seconds` are the cost of its render, `steps_ms` that of each denoising step; `peak_bytes` is the peak device
    memory of its batch. `assistance`: what it was started from; None: from noise alone. `reserved`: assisted, and answers its own asker
    alone until a person accepts it. `asker`: whose words it was made for (variant.asker_of).
    """

    id: str
    tenant: str
    scope: str
    variant_key: str
    spec_key: str
    prompt: str | None
    recipe: Recipe
    seed: int
    take: int | None
    state: ClipState
    sequence: int
    created_at: float
    expires_at: float | None
    gpu_seconds: float
    objects: Mapping[ObjectKind, StoredObject]
    stages_ms: Mapping[str, float] = field(default_factory=dict)
    steps_ms: tuple[float, ...] = ()
    peak_bytes: int | None = None
    notes: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    pinned: bool = False
    private: bool = False
    provenance: str | None = None
    assistance: Assistance | None = None
    reserved: bool = False
    asker: str | None = None

    @property
    def length(self) -> int:
        """The total bytes of its objects."""
        return sum(stored.length for stored in self.objects.values())

    def answers(self, now: float) -> bool:
        return self.state == "live" and (self.expires_at is None or self.expires_at > now)
