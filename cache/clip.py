"""One finished, immutable film."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from cache.recipe import Recipe

ObjectKind = Literal["video", "thumbnail", "spritesheet", "latent"]
KINDS: tuple[ObjectKind, ...] = ("video", "thumbnail", "spritesheet", "latent")

# live: answers lookups. superseded: a later take answers instead; its own requests still read it.
# withdrawn: out of service (invalidated, corrupt, evicted or erased); objects go after the grace time.
ClipState = Literal["live", "superseded", "withdrawn"]


@dataclass(frozen=True)
class StoredObject:
    """Bytes at rest. `name` is the object's key in the store: `clips/<clip id>/<sha256>.<ext>`."""

    kind: ObjectKind
    name: str
    sha256: str
    length: int
    content_type: str


@dataclass(frozen=True)
class Clip:
    """`prompt` is the first asker's words, None where texts are not kept. Times are Unix seconds.

    `sequence` grows with every change of the row, in commit order: a reader that has seen N asks for > N.
    `private`: made under no-store, for those who hold its id alone. `provenance` is the signature of who wrote the row.
    `stages_ms` and `gpu_seconds` are what making it cost, `steps_ms` each denoise step's part of it; `peak_bytes` is the device
    memory that its batch took at the most.
    """

    id: str
    tenant: str
    scope: str
    variant_key: str
    film_key: str
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

    @property
    def length(self) -> int:
        """Bytes in the object store."""
        return sum(stored.length for stored in self.objects.values())

    def answers(self, now: float) -> bool:
        return self.state == "live" and (self.expires_at is None or self.expires_at > now)
