"""The catalogue's row of a model folder: its own `reprise.json`, the operator's file, or what its configs and its name tell.

A distilled model fits its teacher's architecture and renders wrong clips under the teacher's sampler without an error. So a name or a
scheduler that speaks of few steps has a row that knows how, or it is refused with the lines that would tell.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import fields, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from cache.catalog import (
    DEMO,
    FASTWAN21_1_3B,
    FASTWAN_TI2V_5B,
    MOST_STEPS,
    TRAINED,
    WAN,
    WAN21_1_3B,
    WAN21_14B,
    WAN_TI2V_5B,
    ModelRow,
)
from cache.errors import RenderFailed
from generator.hub import DRAFT, INDEX

ROW = "reprise.json"
SMALL = (INDEX, ROW, "transformer/config.json", "vae/config.json", "scheduler/scheduler_config.json", f"{DRAFT}/config.json")
"""The small files of a model that tell its row."""

PLAIN = ("LTXPipeline", "HunyuanVideoPipeline", "CogVideoXPipeline", "MochiPipeline")
"""Pipelines of diffusers that render by their own call, where a row names them (generator/diffusion/plain.py)."""

_WAN_CLASSES = (WAN, "WanDMDPipeline")  # the second is FastVideo's: the same parts, distilled
_LCM = "FlowMatchLCMScheduler"
_DISTILLED = re.compile(
    r"fastwan|turbo|distil|lightning|lightx2v|causvid|accvid|self-?forcing|(?<![a-z])(dmd|lcm|rcm|hyper)(?![a-z])|\d-?steps?(?![a-z])",
    re.IGNORECASE,
)
_TOO_LONG = 100_000  # bytes of a row


def model_row_of(folder: Path, named: str, own: Path | None = None) -> ModelRow:
    """The row of the model in `folder`, which is known as `named`; `own`: a file with its row. RenderFailed says what to write."""
    index = _config(folder / INDEX)
    if own is not None:
        row = read_row(own)
    elif (folder / ROW).is_file():
        row = read_row(folder / ROW)
    else:
        row = _recognised(folder, index, named)
    kind = index.get("_class_name")
    if kind != row.pipeline and not (row.pipeline == WAN and kind in _WAN_CLASSES):
        raise RenderFailed(f"{folder} holds a {kind}, and its row says {row.pipeline}", "model_not_supported")
    if row.pipeline == WAN and (_present(index.get("transformer_2")) or index.get("boundary_ratio") is not None):
        raise RenderFailed(
            f"{folder} has two transformers, one for each half of the noise (Wan2.2-T2V-A14B has); only one would be used, and the "
            "clips would be wrong, so it is not rendered",
            "model_not_supported",
        )
    told = own is not None or (folder / ROW).is_file()
    if row.draft_timesteps and not told and not (folder / DRAFT).is_dir():
        row = row.undistilled
    if row.draft_timesteps:
        _check_draft(folder)
    if row.takes_picture and index.get("expand_timesteps") is not True:
        if told:
            raise RenderFailed(f"{folder} takes no picture: its {INDEX} does not say expand_timesteps, as its row would need", _CODE)
        return replace(row, takes_picture=False)
    return row


_SHARED = ("in_channels", "out_channels", "patch_size", "text_dim", "image_dim", "num_attention_heads", "attention_head_dim", "ffn_dim")


def _check_draft(folder: Path) -> None:
    """Raises RenderFailed where the second transformer is not there, or is of another shape than the first."""
    if not (folder / DRAFT / "config.json").is_file():
        raise RenderFailed(f"{folder} has no {DRAFT}/, the distilled transformer of which its row's draft_timesteps speak", _CODE)
    first, second = _config(folder / "transformer" / "config.json"), _config(folder / DRAFT / "config.json")
    other = [name for name in _SHARED if first.get(name) != second.get(name)]
    if other:
        raise RenderFailed(f"{folder / DRAFT} is of another shape than the transformer beside it: {', '.join(other)} differ", _CODE)


def _present(part: object) -> bool:
    return isinstance(part, list) and any(part)


def read_row(path: Path) -> ModelRow:
    """The row in a JSON file. RenderFailed names the field that is wrong."""
    given = _config(path)
    unknown = given.keys() - {one.name for one in fields(ModelRow)} | given.keys() & OURS
    if unknown:
        raise _wrong(path, f"no row has a field {', '.join(sorted(unknown))}")
    try:
        row = TypeAdapter(ModelRow).validate_json(json.dumps({**_USUAL, "source": path.name, **given}), strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        raise _wrong(path, f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from error
    fault = next(row_faults(row), None)
    if fault is not None:
        raise _wrong(path, fault)
    return row


_USUAL = {"flow_shift": 1.0, "negative_prompt": ""}
OURS = {"loras", "fused_lora"}  # fields that no file has: they come from the settings


def row_faults(row: ModelRow) -> Iterator[str]:
    """The faults of a row. Pure."""
    yield from (f"{name} must be over 0" for name in _NUMBERS if getattr(row, name) <= 0)
    if not row.sizes or any(width < 16 or height < 16 for width, height in row.sizes):
        yield "sizes must be a list of [width, height], each at least 16"
    if "standard" not in row.steps or "custom" in row.steps or not all(1 <= count <= MOST_STEPS for count in row.steps.values()):
        yield f"steps must be an object with standard, and perhaps draft and final: numbers from 1 to {MOST_STEPS}"
    if row.pipeline not in (WAN, *PLAIN):
        yield f"pipeline must be one of {', '.join((WAN, *PLAIN))}"
    if (row.sampler == "own") != (row.pipeline != WAN):
        yield f'sampler must be "unipc" or "lcm" with a {WAN}, and "own" with any other'
    if row.sampler == "own" and row.flow_shift != 1:
        yield f"flow_shift is for a {WAN}: other pipelines take that of their folder's scheduler"
    if row.pipeline == "HunyuanVideoPipeline" and row.negative_prompt is not None:
        yield "with HunyuanVideoPipeline negative_prompt is null: its guidance reads none"
    if row.takes_picture and row.pipeline != WAN:
        yield f"takes_picture is for a {WAN}"
    if row.sampler != "unipc" and row.step_cache != "none":
        yield "step_cache is for the sampler unipc"
    if row.sampler != "lcm" and row.timesteps:
        yield "timesteps are for the sampler lcm"
    if row.draft_timesteps:
        yield from _draft_faults(row)
    if row.sampler == "lcm":
        yield from _few_step_faults(row)


_NUMBERS = ("default_seconds", "longest_seconds", "fps", "guidance", "flow_shift", "max_sequence_length", "frame_step")


def _few_step_faults(row: ModelRow) -> Iterator[str]:
    points = row.timesteps
    if not _falling(points):
        yield f"the sampler lcm needs timesteps, from {TRAINED} downwards"
    if row.steps != {"standard": len(points)}:
        yield f'steps must be {{"standard": {len(points)}}}: one for each of the timesteps, and no other quality'
    if (row.guidance, row.flow_shift) != (1.0, 1.0):
        yield "with the sampler lcm guidance and flow_shift are 1: it is not guided, and a shift would bend its timesteps"
    if row.negative_prompt:
        yield "with the sampler lcm negative_prompt is null: nothing reads it"


def _draft_faults(row: ModelRow) -> Iterator[str]:
    points = row.draft_timesteps
    if row.sampler != "unipc":
        yield "draft_timesteps are for the sampler unipc: they are those of a second transformer, beside the one that it samples"
    if not _falling(points):
        yield f"draft_timesteps must be numbers from {TRAINED} downwards"
    if row.steps.get("draft") != len(points):
        yield f"steps must say draft: {len(points)}, one for each of the draft_timesteps"


def _falling(points: tuple[int, ...]) -> bool:
    return bool(points) and points[0] <= TRAINED and points[-1] >= 1 and all(later < point for point, later in pairwise(points))


def _recognised(folder: Path, index: dict[str, Any], named: str) -> ModelRow:
    kind = str(index.get("_class_name"))
    if kind in PLAIN:
        raise RenderFailed(f'{folder} holds a {kind}; it needs a row with "pipeline": "{kind}" and "sampler": "own" {_HOW}', _CODE)
    if kind not in _WAN_CLASSES:
        raise RenderFailed(f"{folder} holds a {kind}; rendered are {', '.join((WAN, *PLAIN))}", _CODE)
    scheduler = str(_config(folder / "scheduler" / "scheduler_config.json").get("_class_name"))
    teacher = _teacher(folder)
    # The last part alone: a folder above may be called anything.
    said = " ".join(Path(name).name for name in (named, str(index.get("_name_or_path", ""))))
    if kind != WAN or scheduler == _LCM or _DISTILLED.search(said):
        return _student(teacher, said, folder, dmd=kind != WAN)
    if scheduler != "UniPCMultistepScheduler":
        row = (teacher or WAN_TI2V_5B).name
        raise RenderFailed(
            f"{folder} comes with the scheduler {scheduler}, which is not used here; to sample it with UniPC, put a row {_HOW} with "
            f'"sampler": "unipc" and its "flow_shift" (`reprise models {row}` prints one to start from)',
            _CODE,
        )
    if teacher is None:
        raise RenderFailed(f"{folder} is a WanPipeline that is not in the catalogue; put a row {_HOW}", _CODE)
    return teacher


_CODE = "model_not_supported"
# Its inference config lists 1000, 750, 500, 250 and says warp_denoising_step, and its pipeline warps them by the default shift of
# utils/wan_wrapper.py, which could not be read; where that file comes from the default is 8.
_TURBO = (
    "whose points 1000, 750, 500, 250 are warped by the default timestep_shift of its utils/wan_wrapper.py. That was not read here, and "
    "any other renders wrong clips: a shift of 8 makes timesteps [1000, 960, 889, 727], 5 makes [1000, 938, 833, 625]"
)
_HOW = f"in {ROW} in its folder, or in a file that REPRISE_MODEL_ROW names"


def _teacher(folder: Path) -> ModelRow | None:
    """The row by architecture alone."""
    transformer, vae = _config(folder / "transformer" / "config.json"), _config(folder / "vae" / "config.json")
    channels, packed = transformer.get("in_channels", 16), vae.get("scale_factor_spatial", 8)
    shape: tuple[object, ...] = (channels, packed, transformer.get("num_layers"), transformer.get("num_attention_heads"))
    if shape[:3] == (48, 16, 30):
        return WAN_TI2V_5B
    if shape[:2] == (16, 8) and int(transformer.get("text_dim", 4096)) <= 512:
        return DEMO  # the demo's own size and smaller: what generator/demo writes
    known: dict[tuple[object, ...], ModelRow] = {(16, 8, 30, 12): WAN21_1_3B, (16, 8, 40, 40): WAN21_14B}
    return known.get(shape)


def _student(teacher: ModelRow | None, said: str, folder: Path, *, dmd: bool) -> ModelRow:
    """The row of a distilled model that is known, by its teacher's architecture and its name; `dmd`: by FastVideo's pipeline class."""
    turbo = "turbo" in said.lower()
    fast = not turbo and (dmd or "fastwan" in said.lower())
    if fast and teacher in (WAN_TI2V_5B, WAN21_1_3B):
        return FASTWAN_TI2V_5B if teacher == WAN_TI2V_5B else FASTWAN21_1_3B
    if turbo and teacher == WAN_TI2V_5B:
        raise RenderFailed(f"{folder} looks like Wan2.2-TI2V-5B-Turbo, {_TURBO}; put a row {_HOW} with the right ones", _CODE)
    example = FASTWAN_TI2V_5B
    raise RenderFailed(
        f"{folder} looks distilled to few steps ({said.strip()}); sampled as its teacher is it would render wrong clips. Put a row "
        f'{_HOW} with "sampler": "lcm", "timesteps": {list(example.timesteps)}, "steps": {json.dumps(dict(example.steps))}, "guidance": 1, '
        f'"flow_shift": 1, at the timesteps that it was distilled for; or with "sampler": "unipc" if it is not distilled '
        f"(`reprise models {example.name}` prints one to start from)",
        _CODE,
    )


def _wrong(path: Path, fault: str) -> RenderFailed:
    return RenderFailed(f"{path} is not a valid row of a model: {fault}", _CODE)


def _config(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > _TOO_LONG:
            raise RenderFailed(f"{path} is too long for a config", _CODE)
        read = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise RenderFailed(f"{path} cannot be read: {error}", "model_not_found") from error
    if not isinstance(read, dict):
        raise RenderFailed(f"{path} is not a JSON object", "model_not_found")
    return read
