"""The choices of speed put into a loaded pipeline: compiled blocks, attention backend, the VAE's layout and fused norms."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import structlog
import torch
from diffusers.models.attention_dispatch import AttentionBackendName, dispatch_attention_fn

from generator.diffusion.blocks import LinearGELU, fuse_gelu, read_texts_once, unfuse_gelu
from generator.speed import Chosen, Speed

log = structlog.get_logger(__name__)

_SHAPES = 64  # shapes that compiled blocks may see; over it torch gives up, and says so with an error
_DYNAMIC = {"mixed": None, "static": False, "dynamic": True}


def accelerate(pipe: Any, chosen: Chosen, speed: Speed) -> str:
    """In words what was put in, for the log and `reprise worker`."""
    read_texts_once(pipe.transformer)
    attention = _attend(pipe.transformer, chosen.attention)
    gelu = "GELU within its product, " if chosen.ffn_fuse and fuse_gelu(pipe.transformer) else ""
    vae = [f"VAE in {chosen.vae_precision}"]
    if chosen.channels_last:
        _channels_last(pipe.vae)
        vae.append("channels last")
    if chosen.vae_fuse or chosen.compile != "off":
        _keep_compiled(speed)
        torch._dynamo.config.recompile_limit = max(_SHAPES, torch._dynamo.config.recompile_limit)
    if chosen.vae_fuse:
        _fuse_norms(pipe.vae.decoder)
        vae.append("norms fused")
    if chosen.vae_whole:
        vae.append("small clips in one pass")
    if chosen.compile != "off":
        pipe.transformer.compile_repeated_blocks(fullgraph=True, dynamic=_DYNAMIC[chosen.compile])
    compiles = "compiles nothing" if chosen.compile == "off" else f"compiles the transformer's blocks ({chosen.compile})"
    guidance = "both passes of guidance at once" if chosen.together else "one pass of guidance after the other"
    return f"{compiles}, attention {attention}, {guidance}, {gelu}{', '.join(vae)}"


def compiled(function: Callable[[torch.Tensor], torch.Tensor], chosen: Chosen) -> Callable[[torch.Tensor], torch.Tensor]:
    """For each shape by itself; as it is, where nothing is to be compiled."""
    return function if chosen.compile == "off" else torch.compile(function, dynamic=False)


def compile_faults() -> tuple[type[Exception], ...]:
    """What a compiled module may raise at a shape that it meets for the first time."""
    return (torch._dynamo.exc.TorchDynamoException, torch._inductor.exc.InductorError) if _compiler_loaded() else ()


def _compiler_loaded() -> bool:
    # Looking must not load it: it takes seconds, and who compiles nothing has no need of it.
    return "_inductor" in vars(torch) and "exc" in vars(torch._inductor) and "exc" in vars(torch._dynamo)


def uncompiled(model: Any) -> None:
    """From here on every part of it runs as it is written."""
    for module in model.modules():
        module._compiled_call_impl = None


@contextmanager
def laid_off(model: Any) -> Iterator[None]:
    """As it was written, for a while: as `uncompiled`, and nothing fused."""
    compiled = {module: module._compiled_call_impl for module in model.modules() if module._compiled_call_impl is not None}
    fused = unfuse_gelu(model)
    uncompiled(model)
    try:
        yield
    finally:
        for module in fused:
            module.__class__ = LinearGELU
        for module, call in compiled.items():
            module._compiled_call_impl = call


def _attend(transformer: Any, wanted: tuple[str, ...]) -> str:
    """The first backend that is installed and gives what torch's own attention gives."""
    for name in wanted:
        if name == "native":
            break
        try:
            transformer.set_attention_backend(name)
            _try_attention(transformer, name)
        except Exception as error:  # whatever a library that is half there may raise
            log.info("attention backend not used", backend=name, reason=f"{type(error).__name__}: {str(error)[:200]}")
        else:
            return name
    transformer.set_attention_backend("native")  # or diffusers would go on with the last that was tried, in other models too
    return "native"


def _try_attention(transformer: Any, name: str) -> None:
    weight = transformer.blocks[0].attn1.to_q.weight
    size = (1, 128, transformer.config.num_attention_heads, transformer.config.attention_head_dim)
    drawn = [torch.randn(size, generator=torch.Generator("cpu").manual_seed(at)).to(weight) for at in range(3)]
    with torch.no_grad():
        given = dispatch_attention_fn(*drawn, backend=AttentionBackendName(name))
        expected = dispatch_attention_fn(*drawn, backend=AttentionBackendName.NATIVE)
    wrong = ((given - expected).norm() / expected.norm()).item()
    if not wrong < 0.02:
        raise ValueError(f"its result differs from torch's by {wrong:.3f}")


def _channels_last(vae: Any) -> None:
    # One by one: the VAE holds weights of several ranks, and `.to(memory_format=…)` takes all or none.
    for module in vae.modules():
        if isinstance(module, torch.nn.Conv3d):
            module.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]  # torch's stubs forget it
        elif isinstance(module, torch.nn.Conv2d):
            module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # as above


class _NormThenActivation(torch.nn.Module):
    def __init__(self, norm: torch.nn.Module, activation: torch.nn.Module) -> None:
        super().__init__()
        self.norm, self.activation = norm, activation

    def forward(self, given: torch.Tensor) -> torch.Tensor:
        return self.activation(self.norm(given))  # type: ignore[no-any-return]  # modules are not typed


def _fuse_norms(decoder: Any) -> None:
    """Norm and activation as one compiled kernel in place of about eight, each of which reads the whole picture."""
    fused = []
    for block in [module for module in decoder.modules() if type(module).__name__ == "WanResidualBlock"]:
        block.norm1 = _NormThenActivation(block.norm1, block.nonlinearity)
        block.norm2 = _NormThenActivation(block.norm2, block.nonlinearity)
        block.nonlinearity = torch.nn.Identity()
        fused += [block.norm1, block.norm2]
    decoder.norm_out = _NormThenActivation(decoder.norm_out, decoder.nonlinearity)
    decoder.nonlinearity = torch.nn.Identity()
    for module in (*fused, decoder.norm_out):
        module.compile(dynamic=True)


def _keep_compiled(speed: Speed) -> None:
    """So that the next start compiles nothing anew. Read by torch when its compiler is loaded: before the first compile."""
    if speed.compiled is not None:
        os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(speed.compiled / "inductor"))
        os.environ.setdefault("TRITON_CACHE_DIR", str(speed.compiled / "triton"))
