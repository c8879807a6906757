"""Cards with less memory, on one with more: the allocator is limited to theirs, what CUDA itself holds included.

For each card: what `REPRISE_OFFLOAD=auto` takes there, whether the seed case and five seconds of 704x1280 render, in how long
against all parts resident in the same run, and the peak. Then the seed case once more with nothing compiled.
"""

from __future__ import annotations

import gc
import statistics
import time
from dataclasses import dataclass, replace
from typing import Any, assert_never

import numpy as np
import torch

from benchmarks.full_size import build
from benchmarks.generator_bench import PROMPT, SERVED, STAGES, Bench, ours, whole
from cache.errors import RenderFailed
from cache.recipe import Recipe
from cache.setting_values import Offload
from generator.diffusion.wan import Wan, out_of_memory
from generator.renderer import Frames, Rendered
from generator.speed import Speed, choose_speed

CARDS = (22, 14, 10)  # GB
_ENOUGH = 450.0  # seconds, after which nothing new is begun: the whole part is to end within nine minutes
_DRY: tuple[Offload, ...] = ("encoder", "model", "group")  # taken in turn where no memory is counted


@dataclass(frozen=True)
class CardCase:
    """`card`: GB, None for all that there is."""

    card: int | None
    offload: Offload
    compiled: bool = True

    @property
    def told(self) -> str:
        card = "the whole card" if self.card is None else f"{self.card} GB"
        return f"{card}, offload {self.offload}{'' if self.compiled else ', nothing compiled'}"


def cards(bench: Bench) -> dict[str, Any]:
    began, found = time.monotonic(), dict[str, Any]()
    resident: dict[str, Measured] = {}
    sizes = [bench.recipe("480x640", 17, 20), bench.recipe("704x1280", 121, 4)]
    if not bench.cuda:
        torch.set_num_threads(1)  # several stall each other as soon as anything else runs
        sizes = [replace(recipe, frames=5, steps=2, max_sequence_length=64) for recipe in sizes]
    first = [CardCase(None, "none"), *(CardCase(card, "auto" if bench.cuda else dry) for card, dry in zip(CARDS, _DRY, strict=True))]
    del bench.pipe  # each case builds its own, from the same seed
    try:
        for case in [*first, *(replace(one, compiled=False) for one in first)]:
            if time.monotonic() - began > _ENOUGH:
                print(f"\n{case.told}: not begun, for lack of time")
                continue
            wanted = sizes if case.compiled else sizes[:1]
            found[case.told] = _measured(bench, case, wanted, resident)
            print(f"  {time.monotonic() - began:.0f} s so far", flush=True)
    finally:
        _unlimited(bench)
        bench.pipe = build(bench.device, torch.bfloat16, tiny=bench.tiny)
    return found


@dataclass(frozen=True)
class Measured:
    """A size of a case: its stages in ms with kept prompts, the text's with a new one, and its frames."""

    stages_ms: dict[str, float]
    new_text_ms: float
    peak_bytes: int | None
    notes: tuple[str, ...]
    frames: Frames


@dataclass(frozen=True)
class OutOfRoom:
    """It does not render."""

    why: str


def _measured(bench: Bench, case: CardCase, sizes: list[Recipe], resident: dict[str, Measured]) -> dict[str, Any]:
    print(f"\n{case.told}", flush=True)
    began = time.monotonic()
    try:
        wan = _built(bench, case)
    except RenderFailed as error:
        print(f"  does not start: {error.message}")
        return {"does not start": error.message}
    finally:
        _clear(bench)
    limit = "" if wan.limit is None else f", renders may take {wan.limit / 1e9:.1f} GB"
    print(
        f"  ready after {time.monotonic() - began:.0f} s{limit}; offload {wan.placement.word}: {wan.placement}\n  {wan.choices}", flush=True
    )
    rows: dict[str, Any] = {"offload": wan.placement.word, "why": str(wan.placement), "needed_bytes": wan.placement.needed}
    for recipe in sizes:
        name = f"{recipe.size}x{recipe.frames}, {recipe.steps} steps"
        match _tried(wan, recipe):
            case OutOfRoom(why):
                print(f"  {name}: does not render ({why})", flush=True)
                rows[name] = {"renders": False, "why": why}
            case Measured() as seen:
                if case.card is None and case.compiled:
                    resident[name] = seen
                rows[name] = _row(name, seen, resident.get(name))
            case other:
                assert_never(other)
        _clear(bench)
    del wan
    _clear(bench)
    return rows


def _built(bench: Bench, case: CardCase) -> Wan:
    torch.compiler.reset()
    _unlimited(bench)
    pipe = build(bench.device, torch.bfloat16, tiny=bench.tiny)
    for weight in pipe.vae.parameters():
        weight.data = weight.data.to(torch.bfloat16)
    # Into main memory, where a folder's weights are read to. Narrowed on the device they lie in pieces that were once twice as wide, and
    # hold twice their bytes of it.
    pipe.to("cpu")
    _clear(bench)
    room = 0 if case.card is None else max(0, torch.cuda.mem_get_info(bench.device)[1] - case.card * 10**9) if bench.cuda else 0
    speed = Speed(headroom=room, offload=case.offload, compile="auto" if case.compiled else "off", precision="bfloat16")
    return Wan(pipe, SERVED, bench.device, speed, choose_speed(speed, cuda=bench.cuda, bfloat16=True))


def _tried(wan: Wan, recipe: Recipe) -> Measured | OutOfRoom:
    """One step to warm up, then a clip; of a small size three more with its words kept, and the text of two new prompts."""
    try:
        ours(wan, replace(recipe, steps=1), [""])
        first = ours(wan, recipe)[0]
        new, turns = [first.stages_ms["text_encode"]], [first]
        if recipe.frames <= 60:
            turns = [ours(wan, recipe)[0] for _ in range(3)]
            new = [ours(wan, replace(recipe, steps=1), [f"{PROMPT}, {turn}"])[0].stages_ms["text_encode"] for turn in range(2)]
    except Exception as error:
        if not out_of_memory(error):
            raise
        return OutOfRoom(str(error).splitlines()[0][:600])  # with what is held, and what lies in pieces
    stages = {stage: statistics.median(turn.stages_ms[stage] for turn in turns) for stage in STAGES}
    if recipe.frames > 60:
        stages["text_encode"] = 0.0  # as with kept prompts
    return Measured(stages, min(new), _most(turns), first.notes, _frames(first))


def _most(turns: list[Rendered]) -> int | None:
    peaks = [turn.peak_bytes for turn in turns if turn.peak_bytes is not None]
    return max(peaks) if peaks else None


def _frames(made: Rendered) -> Frames:
    assert made.frames is not None, "our pipeline gives frames"
    return made.frames


def _row(name: str, seen: Measured, resident: Measured | None) -> dict[str, Any]:
    took = whole(seen.stages_ms)
    against = None if resident is None else took / whole(resident.stages_ms)
    apart = None if resident is None else float(np.abs(seen.frames.astype(int) - resident.frames).mean())
    told = [f"text {seen.new_text_ms:.0f} ms if new", *(f"{stage} {seen.stages_ms[stage]:.0f}" for stage in STAGES[1:])]
    told.append(f"whole {took / 1000:.2f} s with kept prompts")
    if against is not None and apart is not None:
        told.append(f"{against:.2f} of resident, frames differ by {apart:.2f} of 255")
    if seen.peak_bytes is not None:
        told.append(f"peak {seen.peak_bytes / 1e9:.1f} GB")
    print(f"  {name}: renders; {', '.join([*told, *seen.notes])}", flush=True)
    return {"renders": True, "stages_ms": seen.stages_ms, "new_text_ms": seen.new_text_ms, "of_resident": against,
            "frames_apart": apart, "peak_bytes": seen.peak_bytes, "notes": list(seen.notes)}  # fmt: skip


def _unlimited(bench: Bench) -> None:
    _clear(bench)
    if bench.cuda:
        torch.cuda.set_per_process_memory_fraction(1.0, bench.device)


def _clear(bench: Bench) -> None:
    gc.collect()
    if bench.cuda:
        torch.cuda.empty_cache()
