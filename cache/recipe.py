"""A Recipe: every setting that changes pixels."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields, replace
from functools import cached_property
from typing import Literal

from cache.canonical import digest

Quality = Literal["draft", "standard", "final", "custom"]
Sampler = Literal["unipc", "lcm", "own"]
"""How noise becomes a clip. unipc: in any number of steps, with guidance; lcm: at the few points of a distilled model, one pass each,
with fresh noise between; own: by the scheduler and the loop of the model's own pipeline."""


@dataclass(frozen=True)
class Recipe:
    """The settings of a render. Two videos of one Recipe, prompt and seed are the same video.

    `quality` resolves to `steps` and `step_cache`; "custom" stands for steps chosen by the client.
    `timesteps` are the points of the sampler "lcm"; `lora` spells the LoRAs with digests and scales (generator/loras.py).
    `picture` is the digest of the picture that the video begins with (cache/picture.py), "" for a video of words alone.
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
    sampler: Sampler
    timesteps: tuple[int, ...]
    lora: str
    picture: str

    @cached_property
    def key(self) -> str:
        """The digest of all fields: a new field changes the key without anyone having to remember it."""
        return digest(self.as_fields())

    @property
    def without_words(self) -> Recipe:
        """The Recipe without its negative prompt and its picture, for rows whose words must not stay. Never used for keys."""
        return replace(self, negative_prompt="", picture="") if self.worded else self

    @property
    def worded(self) -> bool:
        """True where it says something of a client's own, beyond settings: a negative prompt or a picture."""
        return bool(self.negative_prompt or self.picture)

    @property
    def size(self) -> str:
        return f"{self.width}x{self.height}"

    @property
    def seconds(self) -> float:
        """The video's true length: frames over frame rate."""
        return self.frames / self.fps

    def as_fields(self) -> dict[str, object]:
        return asdict(self)

    @classmethod
    def from_fields(cls, stored: dict[str, object]) -> Recipe:
        """The Recipe of a stored row. Raises TypeError for a missing or unknown field: never a guess."""
        known = {field.name for field in fields(cls)}
        if stored.keys() != known:
            raise TypeError(f"a stored recipe has fields {sorted(stored)}, expected {sorted(known)}")
        points: tuple[int, ...] = tuple(stored["timesteps"])  # type: ignore[arg-type]  # JSON has no tuples
        return cls(**{**stored, "timesteps": points})  # type: ignore[arg-type]  # the columns hold what as_fields wrote
