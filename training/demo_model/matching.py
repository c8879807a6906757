"""The losses that a student of few steps is taught with: the teacher's own ends (regression, as in CausVid's first stage), then
distribution matching (Yin and others, arXiv:2405.14867): where a critic that follows the student disagrees with the teacher, the
student moves.

All latents are the transformer's, all levels are sigmas: 1 is noise.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from diffusers import UniPCMultistepScheduler
from torch import Tensor, nn

SHAPE = (16, 5, 16, 16)
"""Of the latent of a clip."""


def velocity(net: nn.Module, noisy: Tensor, level: Tensor, words: Tensor) -> Tensor:
    """`level` is one for each clip."""
    found: Tensor = net(noisy, level * 1000, words, return_dict=False)[0]
    return found.float()


def clean(net: nn.Module, noisy: Tensor, level: Tensor, words: Tensor) -> Tensor:
    return noisy - _wide(level) * velocity(net, noisy, level, words)


def noised(latents: Tensor, level: Tensor) -> Tensor:
    return (1 - _wide(level)) * latents + _wide(level) * torch.randn_like(latents)


def _wide(level: Tensor) -> Tensor:
    return level[:, None, None, None, None]


@dataclass(frozen=True)
class Teacher:
    """The model of many steps, with its guidance; `silence` is the empty prompt, encoded: [1, length, width]."""

    net: nn.Module
    silence: Tensor
    guidance: float
    shift: float

    def clean(self, noisy: Tensor, level: Tensor, words: Tensor) -> Tensor:
        both = torch.cat([words, self.silence.expand(len(words), -1, -1)])
        wanted, unwanted = velocity(self.net, torch.cat([noisy, noisy]), torch.cat([level, level]), both).chunk(2)
        return noisy - _wide(level) * (unwanted + self.guidance * (wanted - unwanted))

    @torch.no_grad()
    def way(self, words: Tensor, points: tuple[int, ...], steps: int) -> Tensor:
        """Its own way from noise to a clip, as the pipeline goes it: [clips, points + 1, *SHAPE], the last one the clean end. Each point
        is met by the step that is nearest to it.
        """
        scheduler = UniPCMultistepScheduler(
            prediction_type="flow_prediction", use_flow_sigmas=True, num_train_timesteps=1000, flow_shift=self.shift
        )
        scheduler.set_timesteps(steps, device=words.device)
        scheduler.set_begin_index(0)
        met = [int((scheduler.sigmas[:-1] * 1000 - point).abs().argmin()) for point in points]
        latents, seen = torch.randn(len(words), *SHAPE, device=words.device), {}
        for step, timestep in enumerate(scheduler.timesteps):
            if step in met:
                seen[step] = latents
            level = (timestep / 1000).expand(len(words)).float()
            predicted = (latents - self.clean(latents, level, words)) / _wide(level)
            latents = scheduler.step(predicted, timestep, latents, return_dict=False)[0]
        return torch.stack([*(seen[step] for step in met), latents], dim=1)


def regression(student: nn.Module, way: Tensor, words: Tensor, points: tuple[int, ...]) -> Tensor:
    """The distance from the teacher's end at which the student's clean latent is, each clip at a point drawn for it."""
    at = torch.randint(len(points), (len(way),), device=way.device)
    level = torch.tensor(points, device=way.device)[at] / 1000
    noisy = way[torch.arange(len(way), device=way.device), at].float()
    return nn.functional.mse_loss(clean(student, noisy, level, words), way[:, -1].float())


@torch.no_grad()
def rollout(student: nn.Module, words: Tensor, points: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """The student's way through its points, as generator/diffusion/few_step.py samples it: the noisy latents that each point starts from
    and the clean ones that it makes of them, each [points, clips, *SHAPE].
    """
    starts, ends = [torch.randn(len(words), *SHAPE, device=words.device)], list[Tensor]()
    levels = [torch.full((len(words),), point / 1000, device=words.device) for point in points]
    for step, level in enumerate(levels):
        ends.append(clean(student, starts[step], level, words))
        if step + 1 < len(points):
            starts.append(noised(ends[step], levels[step + 1]))
    return torch.stack(starts), torch.stack(ends)


def matching(teacher: Teacher, critic: nn.Module, made: Tensor, words: Tensor) -> Tensor:
    """A loss whose gradient moves what was made from where the critic sees it to where the teacher does."""
    with torch.no_grad():
        level = drawn_levels(len(made), teacher.shift, made.device)
        noisy = noised(made, level)
        wanted = teacher.clean(noisy, level, words)
        apart = clean(critic, noisy, level, words) - wanted
        # In units of how far the clip is from what the teacher wants, so that no level outweighs another.
        target = made - apart / (made - wanted).abs().mean(dim=(1, 2, 3, 4), keepdim=True).clamp(min=1e-3)
    return 0.5 * nn.functional.mse_loss(made, target)


def following(critic: nn.Module, made: Tensor, words: Tensor, shift: float) -> Tensor:
    """Flow matching of the critic on what the student makes."""
    level = drawn_levels(len(made), shift, made.device)
    noise = torch.randn_like(made)
    noisy = (1 - _wide(level)) * made + _wide(level) * noise
    return nn.functional.mse_loss(velocity(critic, noisy, level, words), noise - made)


def drawn_levels(count: int, shift: float, device: torch.device) -> Tensor:
    even = 0.02 + 0.96 * torch.rand(count, device=device)
    return shift * even / (1 + (shift - 1) * even)
