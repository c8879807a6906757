"""Latents to pictures: the VAE, clip by clip, in tiles where memory is short."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import structlog
import torch

from generator.diffusion.acceleration import compile_faults, uncompiled
from generator.renderer import Frames

log = structlog.get_logger(__name__)

_LOCKED = 64 * 2**20
"""Bytes of the largest film that is fetched into page-locked memory, of which a machine has no more than its own."""


class Decoder:
    """`search`: cuDNN tries its algorithms once at every new shape, and keeps the fastest."""

    def __init__(self, pipe: Any, channels_last: bool, search: bool) -> None:
        self._vae, self._channels_last, self._search = pipe.vae, channels_last, search
        self._mean = torch.tensor(pipe.vae.config.latents_mean).view(1, -1, 1, 1, 1).to(pipe.vae.device)
        self._deviation = torch.tensor(pipe.vae.config.latents_std).view(1, -1, 1, 1, 1).to(pipe.vae.device)

    def __call__(self, latent: torch.Tensor, tiled: bool, piece_ended: Callable[[], None]) -> Frames:
        """(F, H, W, 3) of one latent. `piece_ended` is called after every latent frame, of every tile, and stops the work by
        raising."""
        vae = self._vae
        given = (latent * self._deviation + self._mean).to(vae.dtype)
        if self._channels_last:
            given = given.contiguous(memory_format=torch.channels_last_3d)
        hook = vae.decoder.register_forward_hook(lambda *_: piece_ended())
        vae.use_tiling = tiled
        try:
            with torch.backends.cudnn.flags(enabled=True, benchmark=self._search):
                film = self._decoded(given)
        finally:
            vae.use_tiling = False
            vae.clear_cache()  # features of earlier frames, which an exception leaves behind
            hook.remove()
        bright = ((film[0].float() + 1) * 127.5).round_().clamp_(0, 255).to(torch.uint8)
        return _fetched(bright.permute(1, 2, 3, 0).contiguous())

    def _decoded(self, given: torch.Tensor) -> torch.Tensor:
        try:
            return self._vae.decode(given, return_dict=False)[0]  # type: ignore[no-any-return]  # diffusers is not typed
        except compile_faults() as error:
            log.warning("the VAE goes on uncompiled", reason=f"{type(error).__name__}: {str(error)[:300]}")
            uncompiled(self._vae)
        self._vae.clear_cache()
        return self._vae.decode(given, return_dict=False)[0]  # type: ignore[no-any-return]  # as above


def _fetched(film: torch.Tensor) -> Frames:
    """Into memory that the device writes to by itself and that torch keeps for the next clip: fresh pages cost more than the copy."""
    if film.device.type != "cuda" or film.nbytes > _LOCKED:
        return film.cpu().numpy()
    frames = torch.empty(film.shape, dtype=film.dtype, pin_memory=True)
    return frames.copy_(film).numpy()
