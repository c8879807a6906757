"""Any other text-to-video pipeline of diffusers, by its own call: progress and stop by its callback, and no acceleration of ours.

What its row says is passed by name (size, frames, steps, guidance, negative prompt); the scheduler is the folder's own. One clip after
the other, so that a clip does not depend on its batch. No latent is kept: each family has its own idea of one.
"""

from __future__ import annotations

import inspect
import time
from collections.abc import Sequence
from typing import Any

import diffusers
import numpy as np
import torch
from diffusers.utils.logging import disable_progress_bar
from transformers.utils import logging as transformers_logging

from cache.catalog import ServedModel
from cache.errors import RenderFailed, RenderStopped
from generator.diffusion.clocks import Stages
from generator.diffusion.device import device_of, likes_bfloat16, memory_of
from generator.diffusion.wan import DECODE_ENDS, DENOISE_ENDS, IN_TILES, TEXT_ENDS
from generator.model import FoundModel
from generator.placement import AllResident, Placement
from generator.renderer import Frames, OnProgress, Progress, Rendered, RenderOrder, Stop
from generator.speed import Speed, choose_speed


def load_plain(model: FoundModel, device: str, speed: Speed, threads: int) -> PlainPipeline:
    """Loads the pipeline that the model's row names, all in one precision. `threads`: torch's on a CPU, for this thread only."""
    disable_progress_bar()
    transformers_logging.disable_progress_bar()
    where = device_of(device)
    if where.type == "cpu":
        torch.set_num_threads(threads)
    chosen = choose_speed(speed, cuda=where.type == "cuda", bfloat16=likes_bfloat16(where))
    kind = getattr(diffusers, model.served.row.pipeline)
    dtype = getattr(torch, chosen.precision)
    pipe = kind.from_pretrained(model.source, revision=model.commit, dtype=dtype, local_files_only=model.local)
    return PlainPipeline(pipe, model.served, where, speed.headroom, chosen.precision)


class PlainPipeline:
    """The loaded pipeline, with what `Wan` shows of itself. Lives in the render thread; every method blocks."""

    def __init__(self, pipe: Any, served: ServedModel, device: torch.device, headroom: int, precision: str) -> None:
        self._served, self._device, self._cuda = served, device, device.type == "cuda"
        pipe.set_progress_bar_config(disable=True)
        self.memory, self.limit, self.device = memory_of(device, headroom)
        self.placement: Placement = AllResident("a pipeline by its own call is not placed otherwise", True, 0)
        self._pipe = pipe.to(device)
        self._takes = inspect.signature(type(pipe).__call__).parameters.keys()
        self.where = f"{device} in {precision}"
        self.choices = f"{served.row.pipeline} by its own call, nothing accelerated"

    def render(self, orders: Sequence[RenderOrder], on_progress: OnProgress, stop: Stop) -> list[Rendered]:
        recipe = orders[0].recipe
        if (recipe.model, recipe.revision, recipe.sampler) != (self._served.name, self._served.revision, "own"):
            raise RenderFailed(f"this renderer has {self._served.name} {self._served.revision[:12]}, not {recipe.model}")
        if recipe.step_cache != "none" or recipe.lora:
            raise RenderFailed(f"{recipe.model} is rendered by its own pipeline, without step cache and LoRA")
        count = len(orders)

        def told(at: int, stage: str, percent: int) -> None:
            on_progress(Progress(stage, (at * DECODE_ENDS + percent) // count))

        return [self._one(order, _Clip(at, told, stop, Stages(self._device), recipe.steps)) for at, order in enumerate(orders)]

    def _one(self, order: RenderOrder, clip: _Clip) -> Rendered:
        started = time.perf_counter()
        if self._cuda:
            torch.cuda.reset_peak_memory_stats(self._device)
        clip.begins("text_encode", 0)
        # The first pass of the transformer is the only sign that the text is encoded.
        hook = self._pipe.transformer.register_forward_pre_hook(clip.denoises)
        tiling = order.tiled and hasattr(self._pipe.vae, "enable_tiling")
        if tiling:
            self._pipe.vae.enable_tiling()
        try:
            with torch.no_grad():
                video = self._pipe(**self._given(order), callback_on_step_end=clip.step_ended).frames[0]
        finally:
            hook.remove()
            self._pipe.maybe_free_model_hooks()
            if tiling:
                self._pipe.vae.disable_tiling()
        frames = self._checked(np.asarray(video), order)
        taken = clip.stages.end()
        peak = torch.cuda.max_memory_allocated(self._device) if self._cuda else None
        held, notes = time.perf_counter() - started, (IN_TILES,) if tiling else ()
        return Rendered(frames, None, None, taken, held, peak, notes, tuple(clip.stages.steps()), tiling)

    def _given(self, order: RenderOrder) -> dict[str, Any]:
        recipe = order.recipe
        asked = {
            "prompt": order.prompt,
            "negative_prompt": recipe.negative_prompt or None,
            "height": recipe.height,
            "width": recipe.width,
            "num_frames": recipe.frames,
            "frame_rate": recipe.fps,
            "num_inference_steps": recipe.steps,
            "guidance_scale": recipe.guidance,
            "max_sequence_length": recipe.max_sequence_length,
            "generator": torch.Generator("cpu").manual_seed(order.seed),
            "output_type": "np",
        }
        return {name: value for name, value in asked.items() if name in self._takes}

    def _checked(self, video: Any, order: RenderOrder) -> Frames:
        """In 0..255. Pipelines round sizes and frames to what they can, without a word."""
        recipe = order.recipe
        expected = (recipe.frames, recipe.height, recipe.width, 3)
        if video.shape != expected:
            made = "x".join(map(str, video.shape))
            raise RenderFailed(
                f"{recipe.model} made {made} of frames, height, width and colours where {expected} were asked: its row is wrong"
            )
        if not np.isfinite(video).all():
            raise RenderFailed(f"{recipe.model} made numbers that are no colours")
        return np.asarray(np.round(np.clip(video, 0, 1) * 255), np.uint8)


class _Clip:
    """The progress of one clip, from what its pipeline calls back."""

    def __init__(self, at: int, told: Any, stop: Stop, stages: Stages, steps: int) -> None:
        self._at, self._told, self._stop, self.stages, self._steps = at, told, stop, stages, steps
        self._denoises = False

    def begins(self, stage: str, percent: int) -> None:
        self._check()
        self.stages.begin(stage)
        self._told(self._at, stage, percent)

    def denoises(self, *_: object) -> None:
        self._check()
        if not self._denoises:
            self._denoises = True
            self.begins("denoise", TEXT_ENDS)
            self.stages.step()

    def step_ended(self, _: Any, step: int, __: Any, given: dict[str, Any]) -> dict[str, Any]:
        self.stages.step()
        self._check()
        done = min(step + 1, self._steps)
        self._told(self._at, "denoise", TEXT_ENDS + (DENOISE_ENDS - TEXT_ENDS) * done // self._steps)
        if done == self._steps:
            self.begins("vae_decode", DENOISE_ENDS)
        return given

    def _check(self) -> None:
        if self._stop.is_set():
            raise RenderStopped("the render was told to stop")
