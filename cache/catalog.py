"""One row per model: what it can make, and its defaults with their source."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cache.errors import Invalid
from cache.recipe import Quality, Recipe


@dataclass(frozen=True)
class ModelRow:
    """`sizes` are (width, height); the first is the default. `steps` is per quality."""

    name: str
    sizes: tuple[tuple[int, int], ...]
    default_seconds: float
    longest_seconds: float
    fps: int
    steps: Mapping[Quality, int]
    guidance: float
    flow_shift: float
    max_sequence_length: int
    negative_prompt: str
    source: str
    world: str | None = None  # what the model knows, where that is less than everything
    step_cache: str = "none"  # of every Recipe: see generator/diffusion/step_caches.py

    def frames(self, seconds: float) -> int:
        """The VAE packs four frames into one latent frame, after the first: 4n + 1."""
        return 4 * round(seconds * self.fps / 4) + 1


DEMO = ModelRow(
    name="reprise-demo",
    sizes=((128, 128),),
    default_seconds=2,
    longest_seconds=2,
    fps=8,
    steps={"draft": 10, "standard": 20, "final": 40},
    guidance=5.0,
    flow_shift=3.0,
    max_sequence_length=64,
    negative_prompt="",
    source="generator/demo/README.md: what it was trained for",
    world="moving shapes",
)

# Sizes beside the two trained ones are multiples of 32 that the seed case and common players use.
WAN_TI2V_5B = ModelRow(
    name="Wan2.2-TI2V-5B",
    sizes=((1280, 704), (704, 1280), (832, 480), (480, 832), (640, 480), (480, 640)),
    default_seconds=5,
    longest_seconds=5,
    fps=24,
    steps={"draft": 10, "standard": 20, "final": 50},
    guidance=5.0,
    flow_shift=5.0,
    max_sequence_length=512,
    negative_prompt="",
    source="Wan-Video/Wan2.2 wan/configs/wan_ti2v_5B.py (24 fps, shift 5, 50 steps, guidance 5, 121 frames)",
)

ROWS: tuple[ModelRow, ...] = (DEMO, WAN_TI2V_5B)


@dataclass(frozen=True)
class ServedModel:
    """The model that misses are rendered with: its row, and the revision and renderer that go into every Recipe."""

    row: ModelRow
    revision: str
    renderer: str
    aliases: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return self.row.name


@dataclass(frozen=True)
class Ask:
    """The client's settings, converted but not yet resolved; None is "not said"."""

    seconds: float | None = None
    size: str | None = None
    quality: Quality | None = None
    steps: int | None = None
    guidance: float | None = None
    negative_prompt: str | None = None


MOST_STEPS = 100


def resolve(model: ServedModel, ask: Ask) -> Recipe:
    """The Recipe that `ask` names, or Invalid with the allowed values; nothing is rounded in silence."""
    row = model.row
    width, height = _size(row, ask.size)
    quality, steps = _quality(row, ask)
    guidance = row.guidance if ask.guidance is None else ask.guidance
    if not 1.0 <= guidance <= 20.0:
        raise Invalid("guidance_scale", f"guidance_scale must lie between 1 and 20, not {guidance:g}")
    return Recipe(
        model=row.name,
        revision=model.revision,
        renderer=model.renderer,
        width=width,
        height=height,
        frames=_frames(row, ask.seconds),
        fps=row.fps,
        quality=quality,
        steps=steps,
        step_cache=row.step_cache,
        guidance=float(guidance),
        flow_shift=row.flow_shift,
        negative_prompt=row.negative_prompt if ask.negative_prompt is None else ask.negative_prompt,
        max_sequence_length=row.max_sequence_length,
    )


def _size(row: ModelRow, size: str | None) -> tuple[int, int]:
    if size is None:
        return row.sizes[0]
    allowed = {f"{width}x{height}": (width, height) for width, height in row.sizes}
    if size not in allowed:
        raise Invalid("size", f"{row.name} makes {', '.join(allowed)}; not {size[:40]!r}")
    return allowed[size]


def _frames(row: ModelRow, seconds: float | None) -> int:
    length = row.default_seconds if seconds is None else seconds
    if not 0 < length <= row.longest_seconds or row.frames(length) < 5:
        raise Invalid("seconds", f"{row.name} makes clips of {4 / row.fps:g} to {row.longest_seconds:g} seconds; not {length:g}")
    return row.frames(length)


def _quality(row: ModelRow, ask: Ask) -> tuple[Quality, int]:
    if ask.steps is None:
        quality = ask.quality or "standard"
        return quality, row.steps[quality]
    if ask.quality is not None:
        raise Invalid("steps", "give quality or steps, not both")
    if not 1 <= ask.steps <= MOST_STEPS:
        raise Invalid("steps", f"steps must lie between 1 and {MOST_STEPS}, not {ask.steps}")
    # Steps that a quality stands for are that quality: the same pixels must have the same key.
    named = [quality for quality, steps in row.steps.items() if steps == ask.steps]
    return (named[0] if named else "custom"), ask.steps
