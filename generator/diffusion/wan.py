"""A loaded `WanPipeline` that renders one clip or a batch and stops when told. Importing this file costs seconds.

The stages (text encode, denoise, VAE decode) are the pipeline's own parts, called one by one to be timed, kept and stopped.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import structlog
import torch
from diffusers import WanPipeline
from diffusers.pipelines.wan.pipeline_wan import prompt_clean
from diffusers.utils.logging import disable_progress_bar
from safetensors.torch import save
from transformers.utils import logging as transformers_logging

from cache.catalog import ServedModel
from cache.errors import RenderFailed, RenderStopped
from cache.recipe import Recipe
from generator.diffusion.acceleration import accelerate
from generator.diffusion.clocks import Stages
from generator.diffusion.decoding import Decoder, Way
from generator.diffusion.denoising import Guided, denoise, draw
from generator.diffusion.prompts import Prompts
from generator.diffusion.step_caches import known_step_cache
from generator.model import FoundModel
from generator.renderer import Frames, Order, Progress, Rendered, Stop
from generator.speed import Chosen, Speed, choose

log = structlog.get_logger(__name__)

Told = Callable[[Progress], None]

# Percent at which each stage ends, by its share of the time (3 : 67 : 25 on the 5B, about the same on the demo model).
# What is left is the film's and the store's.
TEXT_ENDS, DENOISE_ENDS, DECODE_ENDS = 3, 70, 95

IN_TILES = "decoded in tiles, because memory was short"


def out_of_memory(error: BaseException) -> bool:
    return isinstance(error, (torch.OutOfMemoryError, MemoryError)) or "DefaultCPUAllocator" in str(error)


def free_memory() -> None:
    """Gives what nothing refers to back to the device; call it once the error that held tensors is gone."""
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


@dataclass
class Batch:
    """What is being made, and how far it is."""

    orders: Sequence[Order]
    told: Told
    stop: Stop
    stages: Stages
    ways: list[Way] = field(default_factory=list)  # of decoding, those that were not seen not to fit
    in_tiles: set[int] = field(default_factory=set)  # clips of it
    peak: int = 0  # bytes, before the device's own mark was set back

    @property
    def recipe(self) -> Recipe:
        return self.orders[0].recipe

    def check_stop(self) -> None:
        if self.stop.is_set():
            raise RenderStopped("the render was told to stop")


def load(model: FoundModel, device: str, speed: Speed, threads: int) -> Wan:
    """`threads` are torch's on a CPU, for this thread alone. RenderFailed where the pipeline is none that we can drive."""
    disable_progress_bar()
    transformers_logging.disable_progress_bar()
    where = torch.device(("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device)
    if str(where) == "cuda":
        where = torch.device("cuda", torch.cuda.current_device())  # what counts memory wants to know which
    if where.type == "cpu":
        torch.set_num_threads(threads)
    chosen = choose(speed, cuda=where.type == "cuda", bfloat16=_likes_bfloat16(where))
    # Without a dtype a 16-bit folder comes back half 16-bit and half 32-bit.
    precisions = {"default": getattr(torch, chosen.precision), "vae": getattr(torch, chosen.vae_precision)}
    pipe = WanPipeline.from_pretrained(model.source, revision=model.commit, dtype=precisions, local_files_only=model.local)
    return Wan(pipe, model.served, where, speed, chosen)


def _likes_bfloat16(device: torch.device) -> bool:
    # A CPU without bfloat16 arithmetic emulates it, slower than float32.
    able = torch.cpu.get_capabilities()
    return device.type == "cuda" or any(able.get(name) for name in ("avx512_bf16", "amx_bf16", "bf16"))


class Wan:
    """The loaded pipeline. Lives in the render thread; every method blocks.

    `where` is the device and how it computes, `choices` what makes it fast here, both in words; `device` is the device's own
    name. `memory` are its bytes, `limit` those that renders may take of them, weights included; both None on a CPU.
    """

    def __init__(self, pipe: Any, served: ServedModel, device: torch.device, speed: Speed, chosen: Chosen) -> None:
        if "flow_shift" not in pipe.scheduler.config:
            raise RenderFailed(f"the scheduler {type(pipe.scheduler).__name__} has no flow shift", "model_not_supported")
        self._served, self._device, self._chosen = served, device, chosen
        self._cuda = device.type == "cuda"
        pipe.set_progress_bar_config(disable=True)
        self.memory, self.limit, self.device = self._room(speed.headroom)
        self._pipe = pipe.to(device)
        self.choices = accelerate(pipe, chosen, speed)
        self._prompts = Prompts(speed.prompts_kept)
        self._decoder = Decoder(pipe, chosen)
        self.where = f"{device} in {chosen.precision}"

    def _room(self, headroom: int) -> tuple[int | None, int | None, str]:
        if not self._cuda:
            return None, None, "cpu"
        free, whole = torch.cuda.mem_get_info(self._device)
        limit = max(0, free + torch.cuda.memory_reserved(self._device) - headroom)
        # The allocator itself keeps to it: a render that wants more is out of memory before the card is.
        torch.cuda.set_per_process_memory_fraction(limit / whole, self._device)
        return whole, limit, torch.cuda.get_device_name(self._device)

    def render(self, orders: Sequence[Order], told: Told, stop: Stop) -> list[Rendered]:
        batch = Batch(orders, told, stop, Stages(self._device))
        self._check(batch.recipe)
        started, count = time.perf_counter(), len(orders)
        self._peak()
        with torch.no_grad():
            batch.stages.begin("text_encode")
            told(Progress("text_encode", 0))
            texts = torch.stack([self._encoded(order.prompt, batch) for order in orders])
            negative = self._encoded(batch.recipe.negative_prompt, batch) if batch.recipe.guidance > 1 else texts[0]
            batch.stages.begin("denoise")
            told(Progress("denoise", TEXT_ENDS))
            latents = self._denoised(batch, texts, negative)
            batch.stages.begin("vae_decode")
            told(Progress("vae_decode", DENOISE_ENDS))
            # One by one: a clip's pixels then do not depend on its batch, nor does peak memory.
            films = [self._decoded(latents[at : at + 1], batch, at) for at in range(count)]
        taken = {stage: ms / count for stage, ms in batch.stages.end().items()}
        steps = tuple(ms / count for ms in batch.stages.steps())
        held = (time.perf_counter() - started) / count
        peak = max(batch.peak, self._peak()) if self._cuda else None
        made = []
        for at, (order, film) in enumerate(zip(orders, films, strict=True)):
            tiled = at in batch.in_tiles
            made.append(Rendered(film, None, self._packed(latents[at]), taken, held, peak, self._notes(order, tiled), steps, tiled))
        return made

    def _peak(self) -> int:
        """Bytes that were in use at the most since the last call; 0 where nobody counts."""
        if not self._cuda:
            return 0
        taken = torch.cuda.max_memory_allocated(self._device)
        torch.cuda.reset_peak_memory_stats(self._device)
        return taken

    def _check(self, recipe: Recipe) -> None:
        """The pipeline would round sizes and frames in silence, and render another model's clip without a word."""
        served, pipe = self._served, self._pipe
        if (recipe.model, recipe.revision) != (served.name, served.revision):
            raise RenderFailed(f"this renderer has {served.name} {served.revision[:12]}, not {recipe.model} {recipe.revision[:12]}")
        _, tall, wide = (pipe.vae_scale_factor_spatial * side for side in pipe.transformer.config.patch_size)
        tall, wide, deep = math.lcm(16, tall), math.lcm(16, wide), pipe.vae_scale_factor_temporal
        if recipe.width % wide or recipe.height % tall or recipe.frames % deep != 1:
            raise RenderFailed(f"sizes are multiples of {wide}x{tall} and frames {deep}n + 1, not {recipe.size} and {recipe.frames}")
        if not known_step_cache(recipe.step_cache):
            raise RenderFailed(f"no such step cache: {recipe.step_cache}")

    def _encoded(self, text: str, batch: Batch) -> torch.Tensor:
        """(length, width) on the device. One text at a time, so that it is the same in every batch."""
        length = batch.recipe.max_sequence_length

        def encode() -> torch.Tensor:
            batch.check_stop()
            # The encoder does not see padding, so it is given none: of the 5B's 512 places most prompts need fifty.
            room = min(length, len(self._pipe.tokenizer(prompt_clean(text)).input_ids))
            given = self._pipe.encode_prompt(text, do_classifier_free_guidance=False, max_sequence_length=room)
            return given[0][0]  # type: ignore[no-any-return]  # diffusers is not typed

        return self._prompts.padded(text, length, self._device, encode)

    def _denoised(self, batch: Batch, texts: torch.Tensor, negative: torch.Tensor) -> torch.Tensor:
        recipe = batch.recipe

        def step_ended(done: int) -> None:
            batch.stages.step()
            batch.check_stop()
            batch.told(Progress("denoise", TEXT_ENDS + (DENOISE_ENDS - TEXT_ENDS) * done // recipe.steps))

        batch.check_stop()
        shape = self._latent_shape(recipe)
        noise = torch.cat([draw(shape, order.seed) for order in batch.orders]).to(self._device)
        batch.stages.step()
        return denoise(self._pipe, recipe, noise, Guided(texts, negative, self._chosen.together), step_ended)

    def _latent_shape(self, recipe: Recipe) -> tuple[int, ...]:
        pipe = self._pipe
        deep = (recipe.frames - 1) // pipe.vae_scale_factor_temporal + 1
        tall, wide = (side // pipe.vae_scale_factor_spatial for side in (recipe.height, recipe.width))
        return (1, pipe.transformer.config.in_channels, deep, tall, wide)

    def _decoded(self, latent: torch.Tensor, batch: Batch, clip: int) -> Frames:
        batch.ways = batch.ways or (["tiles"] if batch.orders[clip].tiled else self._decoder.ways(latent))
        batch.peak = max(batch.peak, self._peak())
        while len(batch.ways) > 1:
            try:
                return self._decode(latent, batch, clip)
            except Exception as error:
                if not out_of_memory(error):
                    raise
            # Outside the handler: the error's traceback held the tensors that are to be freed.
            free_memory()
            self._peak()  # of what did not fit: no measure of what does
            del batch.ways[0]
            log.warning("out of memory: decoding again", way=batch.ways[0], size=batch.recipe.size, frames=batch.recipe.frames)
        return self._decode(latent, batch, clip)

    def _decode(self, latent: torch.Tensor, batch: Batch, clip: int) -> Frames:
        way = batch.ways[0]
        of_clip = 1 if way == "whole" else latent.shape[2]
        pieces, done = of_clip * len(batch.orders), of_clip * clip
        if way == "tiles":
            batch.in_tiles.add(clip)

        def piece_ended() -> None:
            # Once a clip, or once a latent frame. Tiled decoding calls it more often: progress waits at the end.
            nonlocal done
            done = min(done + 1, (clip + 1) * of_clip)
            batch.check_stop()
            batch.told(Progress("vae_decode", DENOISE_ENDS + (DECODE_ENDS - DENOISE_ENDS) * done // pieces))

        return self._decoder(latent, way, piece_ended)

    def _packed(self, latent: torch.Tensor) -> bytes:
        # float16, not bfloat16: latents stay within a dozen deviations, so its finer steps cost nothing.
        return save({"latent": latent.to(torch.float16).contiguous().cpu()}, {"space": "normalised"})

    def _notes(self, order: Order, tiled: bool) -> tuple[str, ...]:
        tokens, most = len(self._pipe.tokenizer(order.prompt).input_ids), order.recipe.max_sequence_length
        cut = (f"the prompt has {tokens} tokens; the model reads the first {most}",) if tokens > most else ()
        return (*cut, IN_TILES) if tiled else cut
