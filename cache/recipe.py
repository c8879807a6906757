"""Every setting that changes pixels."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields, replace
from functools import cached_property
from typing import Literal

from cache.canonical import digest

Quality = Literal["draft", "standard", "final", "custom"]


@dataclass(frozen=True)
class Recipe:
    """Two films of one Recipe, prompt and seed are the same film.

    `quality` resolves to `steps` and `step_cache`; "custom" stands for steps that the client chose itself.
    Compile mode and attention backend give the same result and are not part of it.
    """

    model: str
    revision: str
    renderer: str
    width: int
    height: int
    frames: int
    fps: int
    quality: Quality
    steps: int
    step_cache: str
    guidance: float
    flow_shift: float
    negative_prompt: str
    max_sequence_length: int

    @cached_property
    def key(self) -> str:
        """Canonical encoding of all fields: a new field changes the key without anyone remembering to."""
        return digest(self.as_fields())

    @property
    def without_words(self) -> Recipe:
        """The settings alone, for rows whose words must not stay. Keys are never made of it."""
        return replace(self, negative_prompt="") if self.negative_prompt else self

    @property
    def size(self) -> str:
        return f"{self.width}x{self.height}"

    @property
    def seconds(self) -> float:
        """The film's true length: frames over frame rate."""
        return self.frames / self.fps

    def as_fields(self) -> dict[str, object]:
        return asdict(self)

    @classmethod
    def from_fields(cls, stored: dict[str, object]) -> Recipe:
        """The Recipe of a stored row; a field missing or unknown there is a TypeError, never a guess."""
        known = {field.name for field in fields(cls)}
        if stored.keys() != known:
            raise TypeError(f"a stored recipe has fields {sorted(stored)}, expected {sorted(known)}")
        return cls(**stored)  # type: ignore[arg-type]  # the columns hold what as_fields wrote
