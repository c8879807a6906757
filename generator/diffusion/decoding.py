"""Decoding of latents by the VAE, clip by clip: small clips in one pass, others frame by frame, in tiles if memory is short."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import structlog
import torch

from generator.diffusion.acceleration import compile_faults, compiled, uncompiled
from generator.diffusion.whole_clip import decode_whole, run_whole
from generator.renderer import Frames
from generator.speed import ChosenSpeed

log = structlog.get_logger(__name__)

Way = Literal["whole", "frames", "tiles"]
"""All frames in one pass; one latent frame after the other, as diffusers does; or that, tile by tile. The most memory first."""

_SMALL = 2**23
"""Pixels of all frames of the largest clip that is decoded in one pass: 21 frames of 480x640. The 5B's decoder holds 128 bytes for
each of them in every one of its last layers. Compiling takes 15 s, so it is done for one size only, the first that comes; it
saves 30 % of a decode, where a pass that is not compiled saves 10 % for twice the memory."""

_BRIGHT = 8  # frames that become bytes at once, where a clip is long

_LOCKED = 64 * 2**20
"""Bytes of the largest video that is fetched into page-locked memory, of which a machine has no more than its own."""


class Decoder:
    """The VAE of a loaded pipeline, as `chosen` says; `chosen.cudnn_benchmark`: cuDNN tries its algorithms once at every new shape."""

    def __init__(self, pipe: Any, chosen: ChosenSpeed, device: torch.device) -> None:
        self._vae, self._chosen = pipe.vae, chosen
        self._scale = pipe.vae_scale_factor_temporal * pipe.vae_scale_factor_spatial**2
        self._mean = torch.tensor(pipe.vae.config.latents_mean).view(1, -1, 1, 1, 1).to(device)
        self._deviation = torch.tensor(pipe.vae.config.latents_std).view(1, -1, 1, 1, 1).to(device)
        self._too_large: dict[torch.Size, set[Way]] = {}  # the ways that ran out of memory with a latent of this shape
        self._whole: Callable[[torch.Tensor], torch.Tensor] | None = None
        self._compiled_for: torch.Size | None = None
        if chosen.vae_whole_clip:
            run_whole(pipe.vae)
            self._whole = compiled(self._in_one_pass, chosen)

    def ways(self, latent: torch.Tensor) -> list[Way]:
        """The ways that suit this latent, each to be tried if the one before ran out of memory."""
        small = latent[0, 0].numel() * self._scale <= _SMALL
        ready = self._chosen.compile == "off" or self._compiled_for in (None, latent.shape)
        ways: list[Way] = ["whole", "frames", "tiles"] if self._whole and small and ready else ["frames", "tiles"]
        return [way for way in ways if way not in self._too_large.get(latent.shape, ())]

    def did_not_fit(self, latent: torch.Tensor, way: Way) -> None:
        """Notes that this way ran out of memory: every later clip of the size begins with the next one, which spares it the vain try.
        Tiles are always left."""
        if way != "tiles":
            self._too_large.setdefault(latent.shape, set()).add(way)

    def __call__(self, latent: torch.Tensor, way: Way, piece_ended: Callable[[], None]) -> Frames:
        """(F, H, W, 3) of one latent. `piece_ended` is called after every piece (a latent frame, of every tile; or the whole clip)
        and stops the work by raising."""
        with torch.backends.cudnn.flags(enabled=True, benchmark=self._chosen.cudnn_benchmark):
            if way == "whole" and self._whole is not None:
                self._compiled_for = latent.shape
                try:
                    video = self._whole(latent)
                    piece_ended()
                    return _fetched(video)
                except compile_faults() as error:
                    log.warning("clips are decoded frame by frame", reason=_said(error))
                self._whole = None
            return _fetched(self._frame_by_frame(latent, way == "tiles", piece_ended))

    def _in_one_pass(self, latent: torch.Tensor) -> torch.Tensor:
        return _bright(decode_whole(self._vae, self._given(latent)))

    def _frame_by_frame(self, latent: torch.Tensor, tiled: bool, piece_ended: Callable[[], None]) -> torch.Tensor:
        vae = self._vae
        hook = vae.decoder.register_forward_hook(lambda *_: piece_ended())
        vae.use_tiling = tiled
        try:
            return torch.cat([_bright(some) for some in torch.split(self._decoded(self._given(latent)), _BRIGHT, dim=2)])
        finally:
            vae.use_tiling = False
            vae.clear_cache()  # features of earlier frames, which an exception leaves behind
            hook.remove()

    def _given(self, latent: torch.Tensor) -> torch.Tensor:
        given = (latent * self._deviation + self._mean).to(self._vae.dtype)
        return given.contiguous(memory_format=torch.channels_last_3d) if self._chosen.channels_last else given

    def _decoded(self, given: torch.Tensor) -> torch.Tensor:
        try:
            return self._vae.decode(given, return_dict=False)[0]  # type: ignore[no-any-return]  # diffusers is not typed
        except compile_faults() as error:
            log.warning("VAE not compiled", reason=_said(error))
            uncompiled(self._vae)
        self._vae.clear_cache()
        return self._vae.decode(given, return_dict=False)[0]  # type: ignore[no-any-return]  # as above


def _bright(video: torch.Tensor) -> torch.Tensor:
    """(F, H, W, 3) in 0..255, of (1, 3, F, H, W) in -1..1."""
    bright = ((video[0].float() + 1) * 127.5).round_().clamp_(0, 255).to(torch.uint8)
    return bright.permute(1, 2, 3, 0).contiguous()


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error)[:300]}"


def _fetched(video: torch.Tensor) -> Frames:
    """Into memory that the device writes to by itself and that torch keeps for the next clip: fresh pages cost more than the copy."""
    if video.device.type != "cuda" or video.nbytes > _LOCKED:
        return video.cpu().numpy()
    frames = torch.empty(video.shape, dtype=video.dtype, pin_memory=True)
    return frames.copy_(video).numpy()
