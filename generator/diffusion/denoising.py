"""The denoise loop, from noise to a clean latent, as in `WanPipeline` with three differences that do not change the result.

Every token of a clip made from text alone has the same timestep, so it is given once and not once per token, which spares
each block its largest reads; that of a clip with a picture in front is given by token (first_frame.py). The text is read once and not at
every step. And the two passes of guidance may run as one batch of two.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import structlog
import torch
from diffusers import UniPCMultistepScheduler

from cache.assist import begin_at
from cache.catalog import TRAINED
from cache.recipe import Recipe
from generator.diffusion.acceleration import compile_faults, uncompiled
from generator.diffusion.blocks import Reader
from generator.diffusion.first_frame import FirstFrame
from generator.diffusion.step_caches import step_cache

log = structlog.get_logger(__name__)


def draw(shape: tuple[int, ...], seed: int) -> torch.Tensor:
    """Drawn on the CPU in float32, for each clip by itself: a seed means the same on every device and in every batch."""
    return torch.randn(shape, generator=torch.Generator("cpu").manual_seed(seed), dtype=torch.float32)


def scheduler_of(pipe: Any, recipe: Recipe) -> UniPCMultistepScheduler:
    """UniPC as the folder has it, with the Recipe's shift; of a folder with another scheduler, as Wan's are."""
    if isinstance(pipe.scheduler, UniPCMultistepScheduler):
        return UniPCMultistepScheduler.from_config(pipe.scheduler.config, flow_shift=recipe.flow_shift)
    return UniPCMultistepScheduler(
        prediction_type="flow_prediction", use_flow_sigmas=True, num_train_timesteps=TRAINED, flow_shift=recipe.flow_shift
    )


@dataclass(frozen=True)
class Guided:
    """The conditioning: `texts` are (clips, length, width), `against` is (length, width) of the negative prompt."""

    texts: torch.Tensor
    against: torch.Tensor
    together: bool


@dataclass(frozen=True)
class Given:
    """Clean latents to start from, one for each clip in float32, and the sigma that they are noised to."""

    latents: torch.Tensor
    sigma: float


def denoise(
    pipe: Any,
    recipe: Recipe,
    noise: torch.Tensor,
    guided: Guided,
    step_ended: Callable[[int], None],
    given: Given | None = None,
    first: FirstFrame | None = None,
) -> tuple[torch.Tensor, int]:
    """Clean latents in float32, and the steps that `given` spared. `step_ended` is called with the number of the step that ended, and
    may stop the loop by raising. `first`: what all clips begin with.
    """
    transformer = pipe.transformer
    scheduler = scheduler_of(pipe, recipe)
    scheduler.set_timesteps(recipe.steps, device=noise.device)
    begin = 0 if given is None else begin_at(scheduler.sigmas[: recipe.steps].tolist(), given.sigma)
    scheduler.set_begin_index(begin)  # else the first step asks the device where it is
    latents = noise if given is None or begin == 0 else scheduler.sigmas[begin] * noise + (1 - scheduler.sigmas[begin]) * given.latents
    texts = guided.texts.to(transformer.dtype)
    against = guided.against.to(transformer.dtype).expand(len(noise), -1, -1)
    with step_cache(transformer, recipe) as cached, Reader(transformer) as reader:
        together = guided.together and not cached  # a step cache keeps one memory for each of the two passes
        both = torch.cat([texts, against]) if together else texts
        for step, timestep in enumerate(scheduler.timesteps[begin:], begin):
            known = {"step_index": step, "sigma": float(scheduler.sigmas[step]), "num_inference_steps": recipe.steps}
            now = Pass(transformer, reader, timestep, known, first)
            seen = (latents if first is None else first.shown(latents)).to(transformer.dtype)
            if recipe.guidance <= 1:
                predicted = now.passed("cond", seen, texts)
            else:
                if together:
                    wanted, unwanted = now.passed("cond", torch.cat([seen, seen]), both).chunk(2)
                else:
                    wanted, unwanted = now.passed("cond", seen, texts), now.passed("uncond", seen, against)
                predicted = unwanted + recipe.guidance * (wanted - unwanted)
            latents = scheduler.step(predicted, timestep, latents, return_dict=False)[0]
            step_ended(step + 1)
    return latents if first is None else first.shown(latents), begin


@dataclass(frozen=True)
class Pass:
    """The passes of the current step, for the transformer and its hooks."""

    transformer: Any
    reader: Reader
    timestep: torch.Tensor
    known: dict[str, Any]
    first: FirstFrame | None = None

    def passed(self, name: str, latents: torch.Tensor, text: torch.Tensor) -> torch.Tensor:
        """The transformer's prediction; `name` is which of the two passes of guidance it is."""
        self.reader.turn_to(text)
        try:
            return self._run(name, latents, text)
        except compile_faults() as error:
            # A machine without a compiler, or a shape that the compiler does not take: slower is better than not at all.
            log.warning("transformer not compiled", reason=f"{type(error).__name__}: {str(error)[:300]}")
            uncompiled(self.transformer)
        return self._run(name, latents, text)

    def _run(self, name: str, latents: torch.Tensor, text: torch.Tensor) -> torch.Tensor:
        told = self.timestep.expand(len(latents)) if self.first is None else self.first.told(self.timestep, latents)
        given = {"hidden_states": latents, "timestep": told, "encoder_hidden_states": text}
        with self.transformer.cache_context(name, **self.known):
            return self.transformer(**given, return_dict=False)[0]  # type: ignore[no-any-return]  # diffusers is not typed
