"""How a clip is computed where that leaves its pixels alone: choices of speed, each with an "auto" that the device decides.

What the choices gain on a machine, `python -m benchmarks.generator --part settings` measures.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Precision = Literal["auto", "float32", "bfloat16"]
Compile = Literal["auto", "off", "mixed", "static", "dynamic"]
Guidance = Literal["auto", "together", "apart"]
Layout = Literal["auto", "channels_last", "plain"]
Switch = Literal["auto", "on", "off"]


@dataclass(frozen=True)
class Speed:
    """`compile`: the transformer's repeated blocks; static: for each shape anew, dynamic: once for all, mixed: the first
    shape by itself and all others together. `attention`: a backend's name as diffusers spells it. `guidance`: both
    passes of a step as one batch of two, or one after the other. `ffn_fuse`: GELU within the matrix product before it.
    `vae_fuse`: the decoder's norms compiled together with what follows them. `vae_whole`: all frames of a small clip in one
    pass, compiled where the blocks are. `vae_search`: cuDNN tries its algorithms at each new shape. `compiled`: folder of what
    was compiled. `prompts_kept`: bytes of main memory for encoded prompts. `headroom`: bytes of device memory that stay free.
    """

    precision: Precision = "auto"
    compile: Compile = "auto"
    attention: str = "auto"
    guidance: Guidance = "auto"
    ffn_fuse: Switch = "auto"
    vae_precision: Precision = "auto"
    vae_layout: Layout = "auto"
    vae_fuse: Switch = "auto"
    vae_whole: Switch = "auto"
    vae_search: Switch = "auto"
    compiled: Path | None = None
    prompts_kept: int = 256 * 2**20
    headroom: int = 2 * 2**30


@dataclass(frozen=True)
class Chosen:
    """A Speed with every "auto" decided."""

    precision: Literal["float32", "bfloat16"]
    compile: Literal["off", "mixed", "static", "dynamic"]
    attention: tuple[str, ...]
    together: bool
    ffn_fuse: bool
    vae_precision: Literal["float32", "bfloat16"]
    channels_last: bool
    vae_fuse: bool
    vae_whole: bool
    vae_search: bool


def choose(speed: Speed, *, cuda: bool, bfloat16: bool) -> Chosen:
    """`bfloat16`: whether the device computes in it, not merely emulates it. `attention` is what to try, in this order.

    What "auto" takes on a GPU was measured on an H200 (docs/generator.md). One pass over a clip pays only compiled.
    On a CPU compiling takes longer than it saves, and everything else was measured with the demo model.
    """
    precision = _either(speed.precision, bfloat16)
    compile_: Literal["off", "mixed", "static", "dynamic"] = speed.compile if speed.compile != "auto" else ("mixed" if cuda else "off")
    vae_precision = _either(speed.vae_precision, precision == "bfloat16")
    return Chosen(
        precision=precision,
        compile=compile_,
        attention=(speed.attention, "native") if speed.attention != "auto" else (("_flash_3", "native") if cuda else ("native",)),
        together=speed.guidance == "together" or (speed.guidance == "auto" and cuda),
        ffn_fuse=_on(speed.ffn_fuse, cuda),
        vae_precision=vae_precision,
        channels_last=speed.vae_layout == "channels_last" or (speed.vae_layout == "auto" and vae_precision == "bfloat16"),
        vae_fuse=_on(speed.vae_fuse, cuda),
        vae_whole=_on(speed.vae_whole, cuda and compile_ != "off"),
        vae_search=_on(speed.vae_search, cuda),
    )


def _either(asked: Precision, bfloat16: bool) -> Literal["float32", "bfloat16"]:
    if asked == "auto":
        return "bfloat16" if bfloat16 else "float32"
    return asked


def _on(asked: Switch, otherwise: bool) -> bool:
    return otherwise if asked == "auto" else asked == "on"
