"""`reprise profile PROMPT`: the time that each part of one render takes, by torch's own profiler."""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cache.catalog import AskedSettings, resolve
from cache.errors import RenderFailed, Unavailable
from cache.recipe import Recipe
from cache.settings import Settings
from gateway.answering.renderers import build_renderer
from generator import video_encoding
from generator.pipeline import PipelineRenderer
from generator.renderer import ProfiledOperation, Rendered, RenderOrder

_GB = 1e9


@dataclass(frozen=True)
class Profile:
    """The outcome of a profile run. `first` is the render after loading and warm-up, without the profiler: the stage times are its own."""

    described: str
    choices: str
    recipe: Recipe
    first: Rendered
    video_encode_ms: float
    operations: Sequence[ProfiledOperation]


async def run_profile(settings: Settings, prompt: str, ask: AskedSettings, trace: Path) -> Profile:
    """Loads the model, renders once to be timed and once to be profiled, and writes the trace."""
    renderer = build_renderer(settings)
    if not isinstance(renderer, PipelineRenderer):
        raise Unavailable("only our own pipeline can be profiled: REPRISE_RENDERER=pipeline")
    try:
        await renderer.load()
        recipe = resolve(renderer.served, ask)
        order = RenderOrder(prompt, recipe, seed=0)
        (first,) = await renderer.render([order], lambda _: None, threading.Event())
        _, operations = await renderer.profile(order, trace)
        return Profile(renderer.described, renderer.choices, recipe, first, await _encoded(first, recipe), operations)
    finally:
        await renderer.close()


async def _encoded(rendered: Rendered, recipe: Recipe) -> float:
    if rendered.frames is None:
        raise RenderFailed("the renderer returned no frames")
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        await video_encoding.encode_video(rendered.frames, recipe.fps, Path(folder))
        return (time.perf_counter() - began) * 1000


def profile_lines(profile: Profile, trace: Path) -> list[str]:
    recipe, first = profile.recipe, profile.first
    stages: Mapping[str, float] = {**first.stages_ms, "video_encode": profile.video_encode_ms}
    whole = sum(stages.values())
    steps = sorted(first.steps_ms)
    told = [
        f"{profile.described}; {profile.choices}",
        f"{recipe.size}, {recipe.frames} frames, {recipe.steps} steps, guidance {recipe.guidance:g}",
        "",
        f"{'stage':<14}{'ms':>12}{'share':>9}",
        *(f"{stage:<14}{ms:>12.1f}{ms / whole:>9.1%}" for stage, ms in stages.items()),
        f"{'total':<14}{whole:>12.1f}",
        f"per step: median {steps[len(steps) // 2]:.1f} ms, range {steps[0]:.1f} to {steps[-1]:.1f}",
    ]
    if first.peak_bytes is not None:
        told.append(f"peak memory: {first.peak_bytes / _GB:.1f} GB")
    width = min(60, max(len(row.name) for row in profile.operations))
    spent = sum(row.ms for row in profile.operations)
    told += ["", f"{'operation':<{width}}{'calls':>9}{'ms':>12}{'share':>10}"]
    told += [f"{row.name[:width]:<{width}}{row.count:>9}{row.ms:>12.1f}{row.ms / spent:>10.1%}" for row in profile.operations]
    return [*told, "", f"trace: {trace} (open it in chrome://tracing or ui.perfetto.dev)"]
