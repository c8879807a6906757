"""The choices in REPRISE_SPEED: accelerations that leave a clip as it is up to rounding, each by the field's name. The one that does
not, `fp8_products`, is off by itself, and the model's revision tells of it.

They are read and checked at the start, also by a process that renders nothing. What "auto" means on a device,
generator/speed.py decides.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from difflib import get_close_matches
from typing import Any, Literal, get_args, get_type_hints

Precision = Literal["auto", "float32", "bfloat16"]
Compile = Literal["auto", "off", "mixed", "static", "dynamic"]
MemoryFormat = Literal["auto", "channels_last", "contiguous"]
Switch = Literal["auto", "on", "off"]
OnOff = Literal["on", "off"]
# diffusers' names of the exact ones. Quantised attention (sage) changes the result.
Attention = Literal[
    "auto", "native", "_native_cudnn", "_native_efficient", "_native_flash", "_native_math", "flash", "flash_hub", "flash_varlen",
    "flash_varlen_hub", "flash_4_hub", "_flash_3", "_flash_3_hub", "_flash_varlen_3", "_flash_3_varlen_hub", "flex", "xformers",
]  # fmt: skip


def _meaning(words: str, most: int = 0) -> dict[str, Any]:
    """`most`: the largest number that a number may be."""
    return {"meaning": words, "most": most}


@dataclass(frozen=True)
class SpeedChoices:
    """Each key's meaning stands beside it, for docs/settings.md; numbers are 0 or more."""

    precision: Precision = field(
        default="auto", metadata=_meaning("Of transformer and text encoder; auto: bfloat16 where the device computes in it.")
    )
    compile: Compile = field(
        default="auto",
        metadata=_meaning(
            "Compile the transformer's repeated blocks: static for each size anew, dynamic once for all, mixed the first size by itself "
            "and all others together; auto: mixed on a GPU, else off."
        ),
    )
    attention: Attention = field(
        default="auto",
        metadata=_meaning("Attention backend, as diffusers spells it; auto: `_flash_3` where it is installed, else torch's."),
    )
    cfg_batch: Switch = field(
        default="auto",
        metadata=_meaning(
            "Both passes of a step of classifier-free guidance as one batch of two, or one after the other; auto: on with a GPU."
        ),
    )
    gelu_fusion: Switch = field(
        default="auto", metadata=_meaning("GELU computed within the matrix product before it; auto: on with a GPU.")
    )
    fp8_products: OnOff = field(
        default="off",
        metadata=_meaning(
            "Matrix products of the transformer's blocks in eight bits, on cards that have them (compute capability 8.9 and newer). "
            "Changes pixels a little, and so the model's revision: such clips are their own."
        ),
    )
    vae_precision: Precision = field(default="auto", metadata=_meaning("Of the VAE; auto: that of the transformer."))
    vae_memory_format: MemoryFormat = field(
        default="auto", metadata=_meaning("Memory format of the VAE; auto: channels last where it computes in bfloat16.")
    )
    vae_norm_fusion: Switch = field(
        default="auto", metadata=_meaning("The decoder's norms compiled together with their activations; auto: on with a GPU.")
    )
    vae_whole_clip: Switch = field(
        default="auto",
        metadata=_meaning("All frames of a small clip decoded in one pass, compiled where blocks are; auto: on with a GPU that compiles."),
    )
    cudnn_benchmark: Switch = field(
        default="auto", metadata=_meaning("cuDNN tries its algorithms at each new size and keeps the fastest; auto: on with a GPU.")
    )
    text_cache_mb: int = field(
        default=256, metadata=_meaning("Main memory for encoded prompts, so that one that comes again is not encoded again.", 1_000_000)
    )
    batch_clips: int = field(
        default=0, metadata=_meaning("Background clips made at once, at most, where that was seen to pay; 0: 8 on a GPU, else 1.", 64)
    )
    encode_overlap: OnOff = field(default="on", metadata=_meaning("A clip is made into a video and stored while the next one renders."))
    warm_up: OnOff = field(default="on", metadata=_meaning("A first short render follows the loading of the model."))
    cpu_threads: int = field(default=0, metadata=_meaning("Torch's threads on a CPU; 0: all cores but one, which answers requests.", 1024))

    def __str__(self) -> str:
        """As one would write it into the environment."""
        return next((name for name, choices in NAMED.items() if self == choices), self.as_json())

    def as_json(self) -> str:
        """The choices that differ from auto."""
        usual = vars(SpeedChoices())
        return json.dumps({name: value for name, value in vars(self).items() if value != usual[name]})


# Precisions stay auto in `safe`: they are no other way to the same numbers, and float32 takes twice the memory.
NAMED: Mapping[str, SpeedChoices] = {
    "auto": SpeedChoices(),
    "safe": SpeedChoices(
        compile="off", attention="native", cfg_batch="off", gelu_fusion="off", vae_memory_format="contiguous", vae_norm_fusion="off",
        vae_whole_clip="off", cudnn_benchmark="off", text_cache_mb=0, batch_clips=1, encode_overlap="off",
    ),
}  # fmt: skip


@dataclass(frozen=True)
class SpeedKey:
    """A key as documents tell it. `allowed`: the words it may be, or none for a number up to `most`."""

    name: str
    default: object
    allowed: tuple[str, ...]
    most: int
    meaning: str

    @property
    def allowed_words(self) -> str:
        return ", ".join(self.allowed) if self.allowed else f"a whole number from 0 to {self.most}"

    def allows(self, value: object) -> bool:
        if self.allowed:
            return value in self.allowed
        return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= self.most


def speed_keys() -> dict[str, SpeedKey]:
    hints = get_type_hints(SpeedChoices)
    return {
        one.name: SpeedKey(one.name, one.default, get_args(hints[one.name]), one.metadata["most"], one.metadata["meaning"])
        for one in fields(SpeedChoices)
    }


def read_speed(value: object) -> object:
    """A name, an object of overrides as JSON or as a table of a file, or choices already made. ValueError names what is wrong and
    what is allowed.
    """
    if isinstance(value, SpeedChoices):
        return value
    if isinstance(value, str):
        if value in NAMED:
            return NAMED[value]
        try:
            value = json.loads(value)
        except ValueError:
            value = None
    if not isinstance(value, dict):
        raise ValueError(f'this is {", ".join(NAMED)}, or a JSON object of overrides such as {{"compile": "off"}}')
    keys = speed_keys()
    for name, chosen in value.items():
        if name not in keys:
            close = get_close_matches(str(name), keys, n=1)
            asked = f" (did you mean {close[0]}?)" if close else ""
            raise ValueError(f"there is no {str(name)[:60]!r}{asked}; there are {', '.join(keys)}")
        if not keys[name].allows(chosen):
            raise ValueError(f"{name} is {keys[name].allowed_words}, not {json.dumps(chosen)[:60]}")
    return SpeedChoices(**value)
