"""Choices of speed: how a clip is computed where that leaves its pixels alone, each with an "auto" that the device decides. Eight bits,
which do not, are asked for by name.

What the choices gain on a machine, `python -m benchmarks.generator --part settings` measures.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from cache.setting_values import Offload
from cache.speed_choices import Precision, SpeedChoices, Switch


@dataclass(frozen=True)
class Speed(SpeedChoices):
    """The choices with what a process adds to them. `compiled`: folder of what was compiled. `headroom`: bytes of device memory
    that stay free. `offload`: what leaves the device.
    """

    compiled: Path | None = None
    headroom: int = 2_000_000_000
    offload: Offload = "auto"


@dataclass(frozen=True)
class ChosenSpeed:
    """A Speed with every "auto" decided."""

    precision: Literal["float32", "bfloat16"]
    compile: Literal["off", "mixed", "static", "dynamic"]
    attention: tuple[str, ...]
    cfg_batch: bool
    gelu_fusion: bool
    fp8_products: bool
    vae_precision: Literal["float32", "bfloat16"]
    channels_last: bool
    vae_norm_fusion: bool
    vae_whole_clip: bool
    cudnn_benchmark: bool


def choose_speed(speed: Speed, *, cuda: bool, bfloat16: bool) -> ChosenSpeed:
    """`bfloat16`: whether the device computes in it, not merely emulates it. `attention` is what to try, in this order.

    What "auto" takes on a GPU was measured on an H200 (docs/generator.md). One pass over a clip pays only compiled.
    On a CPU compiling takes longer than it saves, and everything else was measured with the demo model.
    """
    precision = _either(speed.precision, bfloat16)
    compile_: Literal["off", "mixed", "static", "dynamic"] = speed.compile if speed.compile != "auto" else ("mixed" if cuda else "off")
    vae_precision = _either(speed.vae_precision, precision == "bfloat16")
    return ChosenSpeed(
        precision=precision,
        compile=compile_,
        attention=(speed.attention, "native") if speed.attention != "auto" else (("_flash_3", "native") if cuda else ("native",)),
        cfg_batch=_on(speed.cfg_batch, cuda),
        gelu_fusion=_on(speed.gelu_fusion, cuda),
        fp8_products=speed.fp8_products == "on",
        vae_precision=vae_precision,
        channels_last=speed.vae_memory_format == "channels_last" or (speed.vae_memory_format == "auto" and vae_precision == "bfloat16"),
        vae_norm_fusion=_on(speed.vae_norm_fusion, cuda),
        vae_whole_clip=_on(speed.vae_whole_clip, cuda and compile_ != "off"),
        cudnn_benchmark=_on(speed.cudnn_benchmark, cuda),
    )


def _either(asked: Precision, bfloat16: bool) -> Literal["float32", "bfloat16"]:
    if asked == "auto":
        return "bfloat16" if bfloat16 else "float32"
    return asked


def _on(asked: Switch, otherwise: bool) -> bool:
    return otherwise if asked == "auto" else asked == "on"
