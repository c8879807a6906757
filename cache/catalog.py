"""The catalogue of models: one row each, with the sizes and lengths it can render and its defaults with their source."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

from cache.errors import Invalid, NotSupported
from cache.picture import FIELD
from cache.recipe import Quality, Recipe, Sampler

WAN = "WanPipeline"
TRAINED = 1000  # timesteps that Wan's noise was trained in


@dataclass(frozen=True)
class ModelRow:
    """The abilities of one model. `sizes` are (width, height), the first is the default; `steps` is per quality that it offers.

    docs/generator.md tells every field, since a row may also be a file. `negative_prompt` None: it takes none. `timesteps` are the
    points of the sampler "lcm", of 1,000, downwards; `draft_timesteps` those of a second, distilled transformer, which makes drafts.
    `frame_step`: frames are a multiple of it and one more. `loras` are those that
    a request may choose, by name, `fused_lora` those in every clip; both as a Recipe spells them (generator/loras.py). `takes_picture`:
    a video may begin with a picture.
    """

    name: str
    sizes: tuple[tuple[int, int], ...]
    default_seconds: float
    longest_seconds: float
    fps: int
    steps: Mapping[Quality, int]
    guidance: float
    flow_shift: float
    max_sequence_length: int
    negative_prompt: str | None
    source: str
    world: str | None = None  # what the model can show, if that is limited
    step_cache: str = "none"  # of every Recipe: see generator/diffusion/step_caches.py
    pipeline: str = WAN
    sampler: Sampler = "unipc"
    timesteps: tuple[int, ...] = ()
    frame_step: int = 4
    loras: Mapping[str, str] = field(default_factory=dict)
    fused_lora: str = ""
    takes_picture: bool = False
    draft_timesteps: tuple[int, ...] = ()

    def made_as(self, quality: Quality) -> ModelRow:
        """The row by which clips of that quality are made: its own but for drafts of a distilled transformer."""
        return self._drafts if quality == "draft" and self.draft_timesteps else self

    @cached_property
    def _drafts(self) -> ModelRow:
        return replace(
            self, name=f"a draft of {self.name}", steps={"draft": len(self.draft_timesteps)}, guidance=1.0, flow_shift=1.0,
            negative_prompt=None, step_cache="none", sampler="lcm", timesteps=self.draft_timesteps, loras={}, fused_lora="",
        )  # fmt: skip

    @property
    def undistilled(self) -> ModelRow:
        """The same with one transformer alone: it makes a draft in half of standard's steps."""
        return replace(self, draft_timesteps=(), steps={**self.steps, "draft": max(1, self.steps["standard"] // 2)})

    @property
    def few_steps(self) -> bool:
        """True of a distilled model: its steps and its guidance are what it was distilled for, and no request may change them."""
        return self.sampler == "lcm"

    def frames(self, seconds: float) -> int:
        """The number of frames, 4n + 1 with Wan: after the first the VAE packs four frames into one latent frame."""
        return self.frame_step * round(seconds * self.fps / self.frame_step) + 1


DEMO = ModelRow(
    name="reprise-demo",
    sizes=((128, 128),),
    default_seconds=2,
    longest_seconds=2,
    fps=8,
    steps={"draft": 4, "standard": 20, "final": 40},
    guidance=5.0,
    flow_shift=3.0,
    max_sequence_length=64,
    negative_prompt="",
    source="generator/demo/README.md: what it was trained for",
    world="moving shapes",
    draft_timesteps=(1000, 900, 750, 500),
)

# The sizes besides the two trained ones are multiples of 32 that the seed case and common players use.
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
    takes_picture=True,
)

# What it was distilled for; the file's own presets (50 steps, guidance 5, shift 5) are the teacher's. The sigmas are timesteps / 1000,
# so a shift other than 1 would bend them.
FASTWAN_TI2V_5B = replace(
    WAN_TI2V_5B,
    name="FastWan2.2-TI2V-5B",
    steps={"standard": 3},
    guidance=1.0,
    flow_shift=1.0,
    negative_prompt=None,
    sampler="lcm",
    timesteps=(1000, 757, 522),
    source="hao-ai-lab/FastVideo DmdDenoisingStage, dmd_denoising_steps of FastWan: 1000, 757, 522; one pass each, no guidance",
)

WAN21_1_3B = ModelRow(
    name="Wan2.1-T2V-1.3B",
    sizes=((832, 480), (480, 832)),
    default_seconds=5,
    longest_seconds=5,
    fps=16,
    steps={"draft": 10, "standard": 20, "final": 50},
    guidance=6.0,
    flow_shift=8.0,
    max_sequence_length=512,
    negative_prompt="",
    source="Wan-Video/Wan2.1 wan/configs (16 fps, 81 frames, sizes), README (shift 8 to 12 and guidance 6 for this one)",
)

WAN21_14B = replace(
    WAN21_1_3B,
    name="Wan2.1-T2V-14B",
    sizes=((1280, 720), (720, 1280), (832, 480), (480, 832)),
    guidance=5.0,
    flow_shift=5.0,
    source="Wan-Video/Wan2.1 wan/configs (16 fps, 81 frames, sizes), generate.py (50 steps, shift 5; guidance 5 was not read there)",
)

FASTWAN21_1_3B = replace(
    WAN21_1_3B,
    name="FastWan2.1-T2V-1.3B",
    sizes=((832, 448), (448, 832)),
    default_seconds=3.75,
    steps={"standard": 3},
    guidance=1.0,
    flow_shift=1.0,
    negative_prompt=None,
    sampler="lcm",
    timesteps=(1000, 757, 522),
    source="hao-ai-lab/FastVideo FastWan T2V 480P (448x832, 61 frames, 16 fps, points 1000, 757, 522); the tall size is ours",
)

ROWS: tuple[ModelRow, ...] = (DEMO, WAN_TI2V_5B, FASTWAN_TI2V_5B, WAN21_1_3B, WAN21_14B, FASTWAN21_1_3B)


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
class AskedSettings:
    """The client's settings, converted but not yet resolved. None means "not given"."""

    seconds: float | None = None
    size: str | None = None
    quality: Quality | None = None
    steps: int | None = None
    guidance: float | None = None
    negative_prompt: str | None = None
    lora: str | None = None


MOST_STEPS = 100


def resolve(model: ServedModel, ask: AskedSettings) -> Recipe:
    """The Recipe for the client's settings. Raises Invalid, listing the allowed values; nothing is rounded silently."""
    row = model.row
    width, height = _size(row, ask.size)
    quality, steps = _quality(row, ask)
    made = row.made_as(quality)
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
        step_cache=made.step_cache,
        guidance=_guidance(made, ask.guidance),
        flow_shift=made.flow_shift,
        negative_prompt=_negative(made, ask.negative_prompt),
        max_sequence_length=row.max_sequence_length,
        sampler=made.sampler,
        timesteps=made.timesteps,
        lora=_lora(made, ask.lora),
        picture="",
    )


def check_picture(row: ModelRow) -> None:
    """Raises NotSupported for a model whose videos cannot begin with a picture."""
    if not row.takes_picture:
        raise NotSupported(FIELD, f"{row.name} makes videos of words alone: image-to-video is not supported by it")


def _size(row: ModelRow, size: str | None) -> tuple[int, int]:
    if size is None:
        return row.sizes[0]
    allowed = {f"{width}x{height}": (width, height) for width, height in row.sizes}
    if size not in allowed:
        raise Invalid("size", f"{row.name} makes {', '.join(allowed)}; not {size[:40]!r}")
    return allowed[size]


_SHOWN = 0.00051  # seconds: answers show three places


def _frames(row: ModelRow, seconds: float | None) -> int:
    length = row.default_seconds if seconds is None else seconds
    # A clip lasts a little longer than was asked; whoever sends back what an answer said means that very length.
    own = row.frames(row.longest_seconds) / row.fps
    allowed = 0 < length <= row.longest_seconds or abs(length - own) < _SHOWN
    if not allowed or row.frames(length) <= row.frame_step:
        raise Invalid(
            "seconds", f"{row.name} makes clips of {row.frame_step / row.fps:g} to {row.longest_seconds:g} seconds; not {length:g}"
        )
    return row.frames(length)


def _quality(row: ModelRow, ask: AskedSettings) -> tuple[Quality, int]:
    if ask.steps is None:
        quality = ask.quality or "standard"
        if quality not in row.steps:
            raise Invalid("quality", f"{row.name} makes {', '.join(row.steps)} clips; not {quality}")
        return quality, row.steps[quality]
    if ask.quality is not None:
        raise Invalid("steps", "give quality or steps, not both")
    if row.few_steps and ask.steps != len(row.timesteps):
        raise Invalid("steps", f"{row.name} was made for {len(row.timesteps)} steps; not {ask.steps}")
    if not 1 <= ask.steps <= MOST_STEPS:
        raise Invalid("steps", f"steps must be between 1 and {MOST_STEPS}, not {ask.steps}")
    # Steps that equal a quality's are that quality: the same pixels must have the same key. Drafts of a distilled transformer are others.
    named = [quality for quality, steps in row.steps.items() if steps == ask.steps and row.made_as(quality) is row]
    return (named[0] if named else "custom"), ask.steps


def _guidance(row: ModelRow, asked: float | None) -> float:
    guidance = row.guidance if asked is None else asked
    if row.few_steps and guidance != row.guidance:
        raise Invalid("guidance_scale", f"{row.name} has no guidance: guidance_scale is {row.guidance:g}, not {guidance:g}")
    if not 1.0 <= guidance <= 20.0:
        raise Invalid("guidance_scale", f"guidance_scale must be between 1 and 20, not {guidance:g}")
    return float(guidance)


def _negative(row: ModelRow, asked: str | None) -> str:
    if asked and (row.few_steps or row.negative_prompt is None):
        raise Invalid("negative_prompt", f"{row.name} reads no negative prompt: it would change nothing")
    return (row.negative_prompt or "") if asked is None else asked


def _lora(row: ModelRow, name: str | None) -> str:
    if name is None:
        return row.fused_lora
    if name not in row.loras:
        offered = f"there are {', '.join(row.loras)}" if row.loras else "there is none"
        raise Invalid("reprise.lora", f"{row.name} has no LoRA {name[:40]!r}; {offered}")
    return "+".join(filter(None, (row.fused_lora, row.loras[name])))
