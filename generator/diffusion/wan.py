"""A loaded `WanPipeline` that renders one clip or a batch and stops when told. Importing this file costs seconds.

The stages (text encode, denoise, VAE decode) are the pipeline's own parts, called one by one to be timed, kept and stopped.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from typing import Any

import structlog
import torch
from diffusers import WanPipeline
from diffusers.pipelines.wan.pipeline_wan import prompt_clean
from diffusers.utils.logging import disable_progress_bar
from transformers.utils import logging as transformers_logging

from cache.catalog import ServedModel
from cache.errors import RenderFailed, RenderStopped
from cache.recipe import Recipe, Sampler
from generator.diffusion.acceleration import accelerate
from generator.diffusion.adapters import Adapters
from generator.diffusion.checks import check_recipe
from generator.diffusion.clocks import Stages
from generator.diffusion.decoding import Decoder, Way
from generator.diffusion.denoising import Given, Guided, denoise, draw
from generator.diffusion.device import device_of, likes_bfloat16, memory_of
from generator.diffusion.drafts import load_draft
from generator.diffusion.eight_bits import use_fp8_products
from generator.diffusion.few_step import denoise_in_few_steps
from generator.diffusion.first_frame import FirstFrame, check_order, first_frame
from generator.diffusion.latents import latent_shape, packed, unpacked
from generator.diffusion.placing import PlacedParts, architecture, part_sizes
from generator.diffusion.prompts import Prompts
from generator.hub import fetching
from generator.main_memory import free_main_memory
from generator.model import FoundModel
from generator.placement import DoesNotFit, FreeMemory, decide_placement, work_of
from generator.renderer import Frames, OnProgress, Progress, Rendered, RenderOrder, Stop
from generator.speed import ChosenSpeed, Speed, choose_speed

log = structlog.get_logger(__name__)

# Percent at which each stage ends, by its share of the time (3 : 67 : 25 on the 5B, about the same on the demo model).
# What is left is the video's and the store's.
TEXT_ENDS, DENOISE_ENDS, DECODE_ENDS = 3, 70, 95

IN_TILES = "decoded in tiles, because memory was short"


def out_of_memory(error: BaseException) -> bool:
    return isinstance(error, (torch.OutOfMemoryError, MemoryError)) or "DefaultCPUAllocator" in str(error)


def free_memory() -> None:
    """Returns unreferenced memory to the device; call it once the error that held tensors is gone."""
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


@dataclass
class Batch:
    """The clips being rendered, and their progress."""

    orders: Sequence[RenderOrder]
    on_progress: OnProgress
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


def load_wan(model: FoundModel, device: str, speed: Speed, threads: int, keep_latents: bool = True) -> Wan:
    """Loads a pipeline. `threads`: torch's on a CPU, for this thread only. Raises RenderFailed for an unsupported pipeline."""
    disable_progress_bar()
    transformers_logging.disable_progress_bar()
    where = device_of(device)
    if where.type == "cpu":
        torch.set_num_threads(threads)
    chosen = choose_speed(speed, cuda=where.type == "cuda", bfloat16=likes_bfloat16(where))
    # Without a dtype a 16-bit folder comes back half 16-bit and half 32-bit.
    main = free_main_memory()  # before the weights, which lie in it either way
    precisions = {"default": getattr(torch, chosen.precision), "vae": getattr(torch, chosen.vae_precision)}
    with nullcontext() if model.local else fetching(model.source):
        pipe = WanPipeline.from_pretrained(model.source, revision=model.commit, dtype=precisions, local_files_only=model.local)
        draft = load_draft(model, precisions["default"])
    adapters = Adapters(pipe, model.loras)
    return Wan(pipe, model.served, where, speed, chosen, keep_latents, main, adapters, draft)


class Wan:
    """The loaded pipeline. Lives in the render thread; every method blocks.

    `where` is the device and how it computes, `choices` what makes it fast here, both in words; `device` is the device's own
    name. `memory` are its bytes, `limit` those that renders may take of them, weights included; both None on a CPU. `placement`
    is where its parts lie. Without `keep_latents` clips come without their latent.
    """

    def __init__(
        self,
        pipe: Any,
        served: ServedModel,
        device: torch.device,
        speed: Speed,
        chosen: ChosenSpeed,
        keep_latents: bool = True,
        main: int | None = None,
        adapters: Adapters | None = None,
        draft: Any | None = None,
    ) -> None:
        """`main`: bytes of main memory that were free before the weights were read; None: those that are free now. `draft`: the second
        transformer, for drafts."""
        self._served, self._device = served, device
        self._cuda, self._keep_latents = device.type == "cuda", keep_latents
        pipe.set_progress_bar_config(disable=True)
        self.memory, self.limit, self.device = memory_of(device, speed.headroom)
        self._transformers: dict[Sampler, Any] = {served.row.sampler: pipe.transformer} | ({} if draft is None else {"lcm": draft})
        every = tuple(self._transformers.values())
        if chosen.fp8_products:
            for transformer in every:
                use_fp8_products(transformer, device, chosen.precision)  # first: half the bytes to place
        memory = FreeMemory(self.limit, free_main_memory() if main is None else main)
        placement = decide_placement(speed.offload, memory, part_sizes(pipe, draft), work_of(served.row, architecture(pipe, chosen)))
        if isinstance(placement, DoesNotFit):
            raise RenderFailed(placement.reason, "does_not_fit")
        self.placement = placement
        self._chosen = chosen = replace(chosen, cfg_batch=chosen.cfg_batch and placement.together)
        self._pipe, self._placed = pipe, PlacedParts(pipe, every, placement, device)
        self._adapters = adapters or Adapters(pipe, ())
        self._placed.prepare()
        self.choices = accelerate(every, pipe.vae, chosen, speed, blocks_travel=self._placed.blocks_travel) + self._adapters.choices
        self._placed.settle()
        self._prompts = Prompts(speed.text_cache_mb * 1_000_000)
        self._decoder = Decoder(pipe, chosen, device)
        self.where = f"{device} in {chosen.precision}"

    def render(self, orders: Sequence[RenderOrder], on_progress: OnProgress, stop: Stop) -> list[Rendered]:
        batch = Batch(orders, on_progress, stop, Stages(self._device))
        check_recipe(self._pipe, self._served, batch.recipe, self._transformers)
        check_order(self._pipe, batch.recipe, orders[0].picture)
        transformer = self._transformers[batch.recipe.sampler]
        if transformer is self._pipe.transformer:
            self._adapters.turn_to(batch.recipe.lora)  # none lies on the other
        started, count = time.perf_counter(), len(orders)
        self._peak()
        with torch.no_grad():
            batch.stages.begin("text_encode")
            on_progress(Progress("text_encode", 0))
            self._placed.only(None)
            texts = torch.stack([self._encoded(order.prompt, batch) for order in orders])
            negative = self._encoded(batch.recipe.negative_prompt, batch) if batch.recipe.guidance > 1 else texts[0]
            first = self._first_frame(batch)
            batch.stages.begin("denoise")
            on_progress(Progress("denoise", TEXT_ENDS))
            self._placed.only(transformer)
            latents, skipped = self._denoised(transformer, batch, texts, negative, first)
            batch.stages.begin("vae_decode")
            on_progress(Progress("vae_decode", DENOISE_ENDS))
            self._placed.only(self._pipe.vae)
            # One by one: a clip's pixels then do not depend on its batch, nor does peak memory.
            videos = [self._decoded(latents[at : at + 1], batch, at) for at in range(count)]
        taken = {stage: ms / count for stage, ms in batch.stages.end().items()}
        steps = tuple(ms / count for ms in batch.stages.steps())
        held = (time.perf_counter() - started) / count
        peak = max(batch.peak, self._peak()) if self._cuda else None
        made = []
        for at, (order, video) in enumerate(zip(orders, videos, strict=True)):
            tiled = at in batch.in_tiles
            latent = packed(latents[at]) if self._keep_latents else None
            made.append(Rendered(video, None, latent, taken, held, peak, self._notes(order, tiled), steps, tiled, skipped))
        return made

    def _peak(self) -> int:
        """Bytes that were in use at the most since the last call; 0 where nobody counts."""
        if not self._cuda:
            return 0
        taken = torch.cuda.max_memory_allocated(self._device)
        torch.cuda.reset_peak_memory_stats(self._device)
        return taken

    def _encoded(self, text: str, batch: Batch) -> torch.Tensor:
        """(length, width) on the device. One text at a time, so that it is the same in every batch."""
        length = batch.recipe.max_sequence_length

        def encode() -> torch.Tensor:
            batch.check_stop()
            # The encoder does not see padding, so it is given none: of the 5B's 512 places most prompts need fifty.
            room = min(length, len(self._pipe.tokenizer(prompt_clean(text)).input_ids))
            given = self._pipe.encode_prompt(text, do_classifier_free_guidance=False, max_sequence_length=room, device=self._device)
            return given[0][0]  # type: ignore[no-any-return]  # diffusers is not typed

        return self._prompts.padded(text, length, self._device, encode)

    def _first_frame(self, batch: Batch) -> FirstFrame | None:
        """That of all clips of the batch: they share their Recipe, and so the picture."""
        picture = batch.orders[0].picture
        if picture is None:
            return None
        batch.stages.begin("picture_encode")
        batch.on_progress(Progress("picture_encode", TEXT_ENDS))
        batch.check_stop()
        self._placed.only(self._pipe.vae)
        return first_frame(self._pipe, batch.recipe, picture, self._device)

    def _denoised(
        self, transformer: Any, batch: Batch, texts: torch.Tensor, negative: torch.Tensor, first: FirstFrame | None
    ) -> tuple[torch.Tensor, int]:
        recipe = batch.recipe

        def step_ended(done: int) -> None:
            batch.stages.step()
            batch.check_stop()
            batch.on_progress(Progress("denoise", TEXT_ENDS + (DENOISE_ENDS - TEXT_ENDS) * done // recipe.steps))

        batch.check_stop()
        shape = latent_shape(self._pipe, recipe)
        if recipe.sampler == "lcm":
            batch.stages.step()
            return denoise_in_few_steps(transformer, recipe, shape, [order.seed for order in batch.orders], texts, step_ended, first), 0
        noise = torch.cat([draw(shape, order.seed) for order in batch.orders]).to(self._device)
        batch.stages.step()
        given = self._given(batch.orders, shape)
        return denoise(self._pipe, recipe, noise, Guided(texts, negative, self._chosen.cfg_batch), step_ended, given, first)

    def _given(self, orders: Sequence[RenderOrder], shape: tuple[int, ...]) -> Given | None:
        donors = [order.donor for order in orders if order.donor is not None]
        if not donors:
            return None
        latents = torch.stack([unpacked(donor.latent, shape[1:]) for donor in donors])
        return Given(latents.to(self._device), donors[0].sigma)

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
            self._decoder.did_not_fit(latent, batch.ways[0])
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
            batch.on_progress(Progress("vae_decode", DENOISE_ENDS + (DECODE_ENDS - DENOISE_ENDS) * done // pieces))

        return self._decoder(latent, way, piece_ended)

    def _notes(self, order: RenderOrder, tiled: bool) -> tuple[str, ...]:
        tokens, most = len(self._pipe.tokenizer(order.prompt).input_ids), order.recipe.max_sequence_length
        cut = (f"the prompt has {tokens} tokens; the model reads the first {most}",) if tokens > most else ()
        return (*cut, IN_TILES) if tiled else cut
