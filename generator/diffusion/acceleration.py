"""Acceleration of a loaded pipeline by the choices of speed: compiled blocks, attention backend, the VAE's layout and fused norms."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import structlog
import torch
from diffusers.models.attention_dispatch import AttentionBackendName, dispatch_attention_fn
from torch._inductor.runtime.cache_dir_utils import default_cache_dir

from generator.diffusion.blocks import LinearGELU, fuse_gelu, read_texts_once, unfuse_gelu
from generator.speed import ChosenSpeed, Speed

log = structlog.get_logger(__name__)

_SHAPES = 64  # shapes that compiled blocks may see; over it torch gives up, and says so with an error
_DYNAMIC = {"mixed": None, "static": False, "dynamic": True}


def accelerate(transformers: Sequence[Any], vae: Any, chosen: ChosenSpeed, speed: Speed, *, blocks_travel: bool = False) -> str:
    """Applies the choices; returns a description for the log and `reprise worker`.

    Of several transformers it describes the first. Where `blocks_travel`, their blocks are brought to the device by hooks around their
    forward: they are compiled beneath these, and their texts are read at every step, since reading them ahead would ask for weights that
    are not there.
    """
    prepared = [_prepare(transformer, chosen, blocks_travel) for transformer in transformers]
    attention, gelu = prepared[0]
    decoding = [f"VAE in {chosen.vae_precision}"]
    if chosen.channels_last:
        _channels_last(vae)
        decoding.append("channels last")
    if chosen.vae_norm_fusion or chosen.compile != "off":
        _keep_compiled(speed)
        torch._dynamo.config.recompile_limit = max(_SHAPES, torch._dynamo.config.recompile_limit)
    if chosen.vae_norm_fusion:
        _fuse_norms(vae.decoder)
        decoding.append("norms fused")
    if chosen.vae_whole_clip:
        decoding.append("small clips in one pass")
    for transformer in transformers if chosen.compile != "off" else ():
        _compile_blocks(transformer, _DYNAMIC[chosen.compile], blocks_travel)
    compiles = "compiles nothing" if chosen.compile == "off" else f"compiles the transformer's blocks ({chosen.compile})"
    guidance = "both passes of guidance at once" if chosen.cfg_batch else "one pass of guidance after the other"
    products = "products in eight bits, " if chosen.fp8_products else ""
    return f"{compiles}, attention {attention}, {guidance}, {gelu}{products}{', '.join(decoding)}"


def _prepare(transformer: Any, chosen: ChosenSpeed, blocks_travel: bool) -> tuple[str, str]:
    if not blocks_travel:
        read_texts_once(transformer)
    attention = _attend(transformer, chosen.attention)
    return attention, "GELU within its product, " if chosen.gelu_fusion and fuse_gelu(transformer) else ""


def _compile_blocks(transformer: Any, dynamic: bool | None, blocks_travel: bool) -> None:
    if not blocks_travel:
        transformer.compile_repeated_blocks(fullgraph=True, dynamic=dynamic)
        return
    for block in transformer.blocks:
        block.forward = CompiledForward(block.forward, dynamic)


class CompiledForward:
    """A forward that is compiled, and may be turned back into what was written, under the hooks that stand around it."""

    def __init__(self, forward: Callable[..., Any], dynamic: bool | None) -> None:
        self._written, self._compiled = forward, torch.compile(forward, fullgraph=True, dynamic=dynamic)
        self.on = True

    def __call__(self, *given: Any, **named: Any) -> Any:
        return self._compiled(*given, **named) if self.on else self._written(*given, **named)


def _compiled_forwards(model: Any) -> list[CompiledForward]:
    """Those in use. Hooks leave what they stand around in `__wrapped__`."""
    found = []
    for module in model.modules():
        forward = vars(module).get("forward")
        while forward is not None and not isinstance(forward, CompiledForward):
            forward = getattr(forward, "__wrapped__", None)
        if forward is not None and forward.on:
            found.append(forward)
    return found


def compiled(function: Callable[[torch.Tensor], torch.Tensor], chosen: ChosenSpeed) -> Callable[[torch.Tensor], torch.Tensor]:
    """The module compiled for each shape, or as it is if nothing is to be compiled."""
    return function if chosen.compile == "off" else torch.compile(function, dynamic=False)


def compile_faults() -> tuple[type[Exception], ...]:
    """The errors that a compiled module may raise at a new shape."""
    return (torch._dynamo.exc.TorchDynamoException, torch._inductor.exc.InductorError) if _compiler_loaded() else ()


def _compiler_loaded() -> bool:
    # Looking must not load it: it takes seconds, and who compiles nothing has no need of it.
    return "_inductor" in vars(torch) and "exc" in vars(torch._inductor) and "exc" in vars(torch._dynamo)


def uncompiled(model: Any) -> None:
    """Turns compilation off for all parts of the module from here on."""
    for module in model.modules():
        module._compiled_call_impl = None
    for forward in _compiled_forwards(model):
        forward.on = False


@contextmanager
def without_acceleration(model: Any) -> Iterator[None]:
    """A context in which the module runs as written: like `uncompiled`, and nothing fused."""
    compiled = {module: module._compiled_call_impl for module in model.modules() if module._compiled_call_impl is not None}
    fused, beneath = unfuse_gelu(model), _compiled_forwards(model)
    uncompiled(model)
    try:
        yield
    finally:
        for module in fused:
            module.__class__ = LinearGELU
        for module, call in compiled.items():
            module._compiled_call_impl = call
        for forward in beneath:
            forward.on = True


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
    weight = transformer.blocks[0].attn1.norm_q.weight  # not a product's, which may lie in eight bits
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
    """Sets the folder of compiled code, so that the next start need not compile again, and that it may be run: of a container's /tmp
    nothing may. Another folder that the environment names is left. Torch reads it at each compilation.
    """
    if speed.compiled is None:
        return
    # The import of diffusers loads enough of the compiler that torch has set the variable by now.
    if os.environ.get("TORCHINDUCTOR_CACHE_DIR") in {None, default_cache_dir()}:
        os.environ["TORCHINDUCTOR_CACHE_DIR"] = str(speed.compiled / "inductor")
    os.environ.setdefault("TRITON_CACHE_DIR", str(speed.compiled / "triton"))
