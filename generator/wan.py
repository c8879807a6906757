"""Door to torch and diffusers: a loaded `WanPipeline` that renders one clip or a batch and stops when told.

Importing this file costs seconds: only pipeline.py does, in its render thread. The stages (text encode, denoise, VAE
decode) are the pipeline's own parts, called one by one to be timed, kept and stopped.
"""

from __future__ import annotations

import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Literal

import torch
from diffusers import WanPipeline
from diffusers.utils.logging import disable_progress_bar
from safetensors.torch import save
from transformers.utils import logging as transformers_logging

from cache.errors import RenderFailed, RenderStopped
from cache.recipe import Recipe
from generator.model import FoundModel
from generator.renderer import Frames, Order, Progress, Rendered

Precision = Literal["auto", "float32", "bfloat16"]
Told = Callable[[Progress], None]

# Percent at which each stage ends, by its share of the time (3 : 67 : 25 on the 5B, about the same on the demo model).
# What is left is the film's and the store's.
TEXT_ENDS, DENOISE_ENDS, DECODE_ENDS = 3, 70, 95

_PROMPTS_KEPT = 256  # encoded prompts in main memory, only their real tokens: 4 MB each at most on the 5B, mostly far less


def out_of_memory(error: Exception) -> bool:
    return isinstance(error, (torch.OutOfMemoryError, MemoryError)) or "DefaultCPUAllocator" in str(error)


def free_memory() -> None:
    """Gives what nothing refers to back to the device; call it once the error that held tensors is gone."""
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


class _Stages:
    """How long each stage took, in ms: device events on CUDA, where the host runs ahead of the work; else the clock."""

    def __init__(self, cuda: bool) -> None:
        self._cuda = cuda
        self._marks: list[tuple[str, Any]] = []

    def begin(self, stage: str) -> None:
        self._marks.append((stage, self._now()))

    def end(self) -> dict[str, float]:
        self.begin("end")
        if self._cuda:
            self._marks[-1][1].synchronize()
        taken: dict[str, float] = {}
        for (stage, start), (_, stop) in zip(self._marks, self._marks[1:], strict=False):
            taken[stage] = taken.get(stage, 0.0) + (start.elapsed_time(stop) if self._cuda else (stop - start) * 1000)
        return taken

    def _now(self) -> Any:
        if not self._cuda:
            return time.perf_counter()
        event = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
        event.record()
        return event


class Wan:
    """The loaded pipeline. Lives in the render thread; every method blocks."""

    def __init__(self, model: FoundModel, device: str, precision: Precision, threads: int) -> None:
        disable_progress_bar()
        transformers_logging.disable_progress_bar()
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        self._device, self._served = torch.device(device), model.served
        self._cuda = self._device.type == "cuda"
        if not self._cuda:
            torch.set_num_threads(threads)  # of this thread only
        dtype = torch.bfloat16 if precision == "bfloat16" or (precision == "auto" and self._likes_bfloat16()) else torch.float32
        # Without a dtype a 16-bit folder comes back half 16-bit and half 32-bit.
        pipe: Any = WanPipeline.from_pretrained(model.source, revision=model.commit, dtype=dtype, local_files_only=model.local)
        if "flow_shift" not in pipe.scheduler.config:
            raise RenderFailed(f"the scheduler {type(pipe.scheduler).__name__} has no flow shift", "model_not_supported")
        pipe.set_progress_bar_config(disable=True)
        self._pipe = pipe.to(self._device)
        self._mean = torch.tensor(pipe.vae.config.latents_mean).view(1, -1, 1, 1, 1).to(self._device)
        self._deviation = torch.tensor(pipe.vae.config.latents_std).view(1, -1, 1, 1, 1).to(self._device)
        self._prompts: OrderedDict[tuple[str, int], torch.Tensor] = OrderedDict()
        self.where = f"{self._device} in {str(dtype).removeprefix('torch.')}"

    def _likes_bfloat16(self) -> bool:
        # A CPU without bfloat16 arithmetic emulates it, slower than float32.
        able = torch.cpu.get_capabilities()
        return self._cuda or any(able.get(name) for name in ("avx512_bf16", "amx_bf16", "bf16"))

    def render(self, orders: list[Order], told: Told, stop: threading.Event) -> list[Rendered]:
        recipe, count = orders[0].recipe, len(orders)
        self._check(recipe)
        started, stages = time.perf_counter(), _Stages(self._cuda)
        if self._cuda:
            torch.cuda.reset_peak_memory_stats(self._device)
        with torch.no_grad():
            stages.begin("text_encode")
            told(Progress("text_encode", 0))
            texts = [self._encoded(order.prompt, recipe, stop) for order in orders]
            negative = self._encoded(recipe.negative_prompt, recipe, stop)
            stages.begin("denoise")
            told(Progress("denoise", TEXT_ENDS))
            latents = self._denoised(orders, texts, negative, told, stop)
            stages.begin("vae_decode")
            told(Progress("vae_decode", DENOISE_ENDS))
            # One by one: a clip's pixels then do not depend on its batch, nor does peak memory.
            films = [self._decoded(latents[at : at + 1], told, stop, at, count) for at in range(count)]
        taken = {stage: ms / count for stage, ms in stages.end().items()}
        held = (time.perf_counter() - started) / count
        peak = torch.cuda.max_memory_allocated(self._device) / 2**20 if self._cuda else None
        return [
            Rendered(film, None, self._packed(latents[at]), taken, held, peak, self._notes(order))
            for at, (order, film) in enumerate(zip(orders, films, strict=True))
        ]

    def _check(self, recipe: Recipe) -> None:
        """The pipeline would round sizes and frames in silence, and render another model's clip without a word."""
        served, pipe = self._served, self._pipe
        if (recipe.model, recipe.revision) != (served.name, served.revision):
            raise RenderFailed(f"this renderer has {served.name} {served.revision[:12]}, not {recipe.model} {recipe.revision[:12]}")
        _, tall, wide = (pipe.vae_scale_factor_spatial * side for side in pipe.transformer.config.patch_size)
        tall, wide, deep = math.lcm(16, tall), math.lcm(16, wide), pipe.vae_scale_factor_temporal
        if recipe.width % wide or recipe.height % tall or recipe.frames % deep != 1:
            raise RenderFailed(f"sizes are multiples of {wide}x{tall} and frames {deep}n + 1, not {recipe.size} and {recipe.frames}")
        if recipe.step_cache != "none":
            raise RenderFailed(f"no such step cache: {recipe.step_cache}")

    def _encoded(self, text: str, recipe: Recipe, stop: threading.Event) -> torch.Tensor:
        """(length, width) on the device. One text at a time, so that it is the same in every batch."""
        length = recipe.max_sequence_length
        kept = self._prompts.get((text, length))
        if kept is None:
            _check_stop(stop)
            whole = self._pipe.encode_prompt(text, do_classifier_free_guidance=False, max_sequence_length=length)[0][0]
            # After the real tokens the pipeline itself puts zeros.
            kept = whole[: int(whole.any(dim=-1).sum())].cpu()
            self._prompts[text, length] = kept
            if len(self._prompts) > _PROMPTS_KEPT:
                self._prompts.popitem(last=False)
        self._prompts.move_to_end((text, length))
        padding = kept.new_zeros(length - kept.shape[0], kept.shape[1])
        return torch.cat([kept, padding]).to(self._device)

    def _denoised(
        self, orders: list[Order], texts: list[torch.Tensor], negative: torch.Tensor, told: Told, stop: threading.Event
    ) -> torch.Tensor:
        pipe, recipe = self._pipe, orders[0].recipe
        pipe.scheduler = type(pipe.scheduler).from_config(pipe.scheduler.config, flow_shift=recipe.flow_shift)
        steps_done: list[Any] = []

        def step_ended(_pipe: object, step: int, _timestep: object, _tensors: dict[str, Any]) -> dict[str, Any]:
            if self._cuda:
                # The host only queues work: wait for the step before, or it would count steps that are not done yet.
                event = torch.cuda.Event()  # type: ignore[no-untyped-call]
                event.record()
                steps_done.append(event)
                if step:
                    steps_done[-2].synchronize()
            _check_stop(stop)
            told(Progress("denoise", TEXT_ENDS + (DENOISE_ENDS - TEXT_ENDS) * (step + 1) // recipe.steps))
            return {}

        _check_stop(stop)
        try:
            latents: torch.Tensor = pipe(
                height=recipe.height,
                width=recipe.width,
                num_frames=recipe.frames,
                num_inference_steps=recipe.steps,
                guidance_scale=recipe.guidance,
                latents=torch.cat([self._noise(recipe, order.seed) for order in orders]),
                prompt_embeds=torch.stack(texts),
                negative_prompt_embeds=negative.expand(len(orders), -1, -1) if recipe.guidance > 1 else None,
                max_sequence_length=recipe.max_sequence_length,
                output_type="latent",
                return_dict=False,
                callback_on_step_end=step_ended,
            )[0]
        finally:
            # Resets step caches and the like; the pipeline itself does so only when nothing was raised.
            pipe.maybe_free_model_hooks()
        _check_stop(stop)
        return latents

    def _noise(self, recipe: Recipe, seed: int) -> torch.Tensor:
        """Drawn on the CPU in float32, for each clip by itself: a seed means the same on every device and in every batch."""
        pipe = self._pipe
        shape = (
            1,
            pipe.transformer.config.in_channels,
            (recipe.frames - 1) // pipe.vae_scale_factor_temporal + 1,
            recipe.height // pipe.vae_scale_factor_spatial,
            recipe.width // pipe.vae_scale_factor_spatial,
        )
        generator = torch.Generator("cpu").manual_seed(seed)
        return torch.randn(shape, generator=generator, dtype=torch.float32)

    def _decoded(self, latent: torch.Tensor, told: Told, stop: threading.Event, clip: int, clips: int) -> Frames:
        vae, pieces, done = self._pipe.vae, latent.shape[2] * clips, clip * latent.shape[2]

        def piece_ended(*_: object) -> None:
            # The decoder makes one latent frame at a time. Tiled decoding calls it more often: progress waits at the end.
            nonlocal done
            done = min(done + 1, (clip + 1) * latent.shape[2])
            _check_stop(stop)
            told(Progress("vae_decode", DENOISE_ENDS + (DECODE_ENDS - DENOISE_ENDS) * done // pieces))

        hook = vae.decoder.register_forward_hook(piece_ended)
        try:
            film = vae.decode((latent * self._deviation + self._mean).to(vae.dtype), return_dict=False)[0]
        finally:
            hook.remove()
        bright = ((film[0].float() + 1) * 127.5).round_().clamp_(0, 255).to(torch.uint8)
        return bright.permute(1, 2, 3, 0).contiguous().cpu().numpy()  # type: ignore[no-any-return]  # torch types it so

    def _packed(self, latent: torch.Tensor) -> bytes:
        # float16, not bfloat16: latents stay within a dozen deviations, so its finer steps cost nothing.
        return save({"latent": latent.to(torch.float16).contiguous().cpu()}, {"space": "normalised"})

    def _notes(self, order: Order) -> tuple[str, ...]:
        tokens, most = len(self._pipe.tokenizer(order.prompt).input_ids), order.recipe.max_sequence_length
        return (f"the prompt has {tokens} tokens; the model reads the first {most}",) if tokens > most else ()


def _check_stop(stop: threading.Event) -> None:
    if stop.is_set():
        raise RenderStopped("the render was told to stop")
