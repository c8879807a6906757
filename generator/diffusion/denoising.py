"""The denoise loop: noise to a clean latent, as `WanPipeline` does it, with three differences that leave the result alone.

Every token of a clip made from text alone has the same timestep, so it is given once and not once per token, which spares
each block its largest reads. The text is read once and not at every step. And the two passes of guidance may run as one
batch of two.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import structlog
import torch

from cache.recipe import Recipe
from generator.diffusion.acceleration import compile_faults, uncompiled
from generator.diffusion.blocks import Reader
from generator.diffusion.step_caches import step_cache

log = structlog.get_logger(__name__)


def draw(shape: tuple[int, ...], seed: int) -> torch.Tensor:
    """Drawn on the CPU in float32, for each clip by itself: a seed means the same on every device and in every batch."""
    return torch.randn(shape, generator=torch.Generator("cpu").manual_seed(seed), dtype=torch.float32)


@dataclass(frozen=True)
class Guided:
    """What the model is told: `texts` are (clips, length, width), `against` is (length, width) of the negative prompt."""

    texts: torch.Tensor
    against: torch.Tensor
    together: bool


def denoise(pipe: Any, recipe: Recipe, noise: torch.Tensor, guided: Guided, step_ended: Callable[[int], None]) -> torch.Tensor:
    """Clean latents in float32. `step_ended` is told how many steps are done, and stops the loop by raising."""
    transformer, latents = pipe.transformer, noise
    scheduler = type(pipe.scheduler).from_config(pipe.scheduler.config, flow_shift=recipe.flow_shift)
    scheduler.set_timesteps(recipe.steps, device=noise.device)
    scheduler.set_begin_index(0)  # else the first step asks the device where it is
    texts = guided.texts.to(transformer.dtype)
    against = guided.against.to(transformer.dtype).expand(len(noise), -1, -1)
    with step_cache(transformer, recipe) as cached, Reader(transformer) as reader:
        together = guided.together and not cached  # a step cache keeps one memory for each of the two passes
        both = torch.cat([texts, against]) if together else texts
        for step, timestep in enumerate(scheduler.timesteps):
            known = {"step_index": step, "sigma": float(scheduler.sigmas[step]), "num_inference_steps": recipe.steps}
            now = _Now(transformer, reader, timestep, known)
            given = latents.to(transformer.dtype)
            if recipe.guidance <= 1:
                predicted = now.passed("cond", given, texts)
            else:
                if together:
                    wanted, unwanted = now.passed("cond", torch.cat([given, given]), both).chunk(2)
                else:
                    wanted, unwanted = now.passed("cond", given, texts), now.passed("uncond", given, against)
                predicted = unwanted + recipe.guidance * (wanted - unwanted)
            latents = scheduler.step(predicted, timestep, latents, return_dict=False)[0]
            step_ended(step + 1)
    return latents


@dataclass(frozen=True)
class _Now:
    """One step: where it stands, for the transformer and for whatever hooks it has."""

    transformer: Any
    reader: Reader
    timestep: torch.Tensor
    known: dict[str, Any]

    def passed(self, name: str, latents: torch.Tensor, text: torch.Tensor) -> torch.Tensor:
        """The transformer's prediction; `name` is which of the two passes of guidance it is."""
        self.reader.turn_to(text)
        try:
            return self._run(name, latents, text)
        except compile_faults() as error:
            # A machine without a compiler, or a shape that the compiler does not take: slower is better than not at all.
            log.warning("the transformer goes on uncompiled", reason=f"{type(error).__name__}: {str(error)[:300]}")
            uncompiled(self.transformer)
        return self._run(name, latents, text)

    def _run(self, name: str, latents: torch.Tensor, text: torch.Tensor) -> torch.Tensor:
        given = {"hidden_states": latents, "timestep": self.timestep.expand(len(latents)), "encoder_hidden_states": text}
        with self.transformer.cache_context(name, **self.known):
            return self.transformer(**given, return_dict=False)[0]  # type: ignore[no-any-return]  # diffusers is not typed
