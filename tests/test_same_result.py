"""What makes a clip faster leaves it alone: one pass over all frames, texts that are read once, GELU within its product."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers.models.activations import GELU

from cache.catalog import AskedSettings, resolve
from cache.recipe import Recipe
from generator.diffusion import blocks, decoding
from generator.diffusion.acceleration import without_acceleration
from generator.diffusion.blocks import LinearGELU
from generator.diffusion.wan import Wan, load_wan
from generator.model import FoundModel, find_model
from generator.renderer import Progress, Rendered, RenderOrder
from generator.speed import Speed
from training.demo_model.tiny import make_tiny_folder

EXACT = Speed(precision="float32")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> FoundModel:
    folder = make_tiny_folder(tmp_path_factory.mktemp("model") / "tiny")
    return find_model(str(folder), "", tmp_path_factory.mktemp("state"))


@pytest.fixture(scope="module")
def recipe(model: FoundModel) -> Recipe:
    return replace(resolve(model.served, AskedSettings(steps=3)), frames=9, width=64, height=64)


@pytest.fixture(scope="module")
def plain(model: FoundModel) -> Wan:
    return load_wan(model, "cpu", EXACT, 2)


@pytest.fixture
def one_pass(model: FoundModel) -> Wan:
    return load_wan(model, "cpu", replace(EXACT, vae_whole_clip="on"), 2)


def made(wan: Wan, recipe: Recipe, *seeds: int, told: Callable[[Progress], None] = lambda _: None) -> list[Rendered]:
    orders = [RenderOrder(f"a red circle moves to the left, {seed}", recipe, seed) for seed in seeds or (7,)]
    return wan.render(orders, told, threading.Event())


def apart(one: Rendered, other: Rendered) -> int:
    """The largest difference of a byte."""
    assert one.frames is not None
    assert other.frames is not None
    return int(np.abs(one.frames.astype(int) - other.frames).max())


@pytest.mark.parametrize("frames", [1, 5, 9, 17])
def test_one_pass_over_all_frames(plain: Wan, one_pass: Wan, recipe: Recipe, frames: int) -> None:
    said = list[Progress]()
    clips = made(one_pass, replace(recipe, frames=frames), 7, 8, told=said.append)
    for clip, other in zip(clips, made(plain, replace(recipe, frames=frames), 7, 8), strict=True):
        assert apart(clip, other) <= 1
        assert (clip.notes, clip.tiled) == ((), False)
    assert [each.percent for each in said if each.stage == "vae_decode"] == [70, 82, 95]
    assert "small clips in one pass" in one_pass.choices
    assert "one pass" not in plain.choices.replace("one pass of guidance", "")


def test_a_large_clip_goes_frame_by_frame(one_pass: Wan, recipe: Recipe, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding, "_SMALL", 64 * 64 * 9 - 1)
    said = list[Progress]()
    made(one_pass, recipe, told=said.append)
    assert len([each for each in said if each.stage == "vae_decode"]) == 4


def test_without_memory_for_one_pass(plain: Wan, one_pass: Wan, recipe: Recipe, monkeypatch: pytest.MonkeyPatch) -> None:
    tried = list[int]()

    def decoded(*_: Any) -> Any:
        tried.append(1)
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(decoding, "decode_whole", decoded)
    for clip, other in zip(made(one_pass, recipe, 7, 8), made(plain, recipe, 7, 8), strict=True):
        assert apart(clip, other) == 0
        assert (clip.notes, clip.tiled) == ((), False)
    assert len(tried) == 1, "what did not fit once is not tried again"


def test_without_memory_for_all_of_a_frame(model: FoundModel, recipe: Recipe, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a small card: once a size was seen to need tiles, each later clip of it begins with them, and no other size does."""
    wan = load_wan(model, "cpu", replace(EXACT, vae_whole_clip="on"), 2)
    decoded, tried = wan._decoder._frame_by_frame, list[bool]()

    def short(latent: torch.Tensor, tiled: bool, piece_ended: Callable[[], None]) -> torch.Tensor:
        tried.append(tiled)
        if not tiled and latent.shape[-1] > 4:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return decoded(latent, tiled, piece_ended)

    def too_large(*_: Any) -> Any:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(wan._decoder, "_frame_by_frame", short)
    monkeypatch.setattr(decoding, "decode_whole", too_large)
    small = replace(recipe, steps=1, frames=5, height=32)
    for clips, tries in (((7, 8), [False, True, True]), ((7,), [True]), ((8,), [True])):
        tried.clear()
        assert {(clip.tiled, len(clip.notes)) for clip in made(wan, small, *clips)} == {(True, 1)}
        assert tried == tries
    tried.clear()
    assert not made(wan, replace(small, width=32), 7)[0].tiled
    assert tried == [False]


def test_it_is_compiled_for_the_first_size_alone(model: FoundModel, recipe: Recipe, monkeypatch: pytest.MonkeyPatch) -> None:
    def written(function: Any, *, dynamic: bool, fullgraph: bool = False) -> Any:
        assert not dynamic
        return function

    monkeypatch.setattr(torch, "compile", written)  # a compile takes seconds; the compiler's own result is benchmarks/generator.py's
    wan = load_wan(model, "cpu", replace(EXACT, compile="static", vae_whole_clip="on"), 2)
    pieces = []
    for each in (recipe, replace(recipe, width=96), recipe):
        said = list[Progress]()
        made(wan, replace(each, steps=1), told=said.append)
        pieces.append(len([one for one in said if one.stage == "vae_decode"]) - 1)
    assert pieces == [1, 3, 1]


def test_one_pass_that_does_not_compile(plain: Wan, one_pass: Wan, recipe: Recipe) -> None:
    def refused(_: torch.Tensor) -> torch.Tensor:
        raise torch._inductor.exc.InductorError(RuntimeError("no compiler is here"), None)

    one_pass._decoder._whole = refused
    assert apart(made(one_pass, recipe)[0], made(plain, recipe)[0]) == 0
    assert apart(made(one_pass, recipe)[0], made(plain, recipe)[0]) == 0


@pytest.mark.parametrize("cfg_batch", ["on", "off"])
def test_a_text_is_read_once(model: FoundModel, recipe: Recipe, cfg_batch: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    wan = load_wan(model, "cpu", replace(EXACT, cfg_batch=cfg_batch), 2)
    attentions, read = [block.attn2 for block in wan._pipe.transformer.blocks], list[object]()
    for attention in attentions:
        attention.to_k.register_forward_hook(lambda *_: read.append(1))
    once = made(wan, recipe)[0]
    assert len(read) == len(attentions) * (1 if cfg_batch == "on" else 2)
    assert all(attention.processor.key is None and attention.processor.value is None for attention in attentions)
    # With no room for them they are computed at every step, to the same result.
    monkeypatch.setattr(blocks, "_KEPT", 0)
    read.clear()
    assert made(wan, recipe)[0].latent == once.latent
    assert len(read) == len(attentions) * recipe.steps * (1 if cfg_batch == "on" else 2)


def test_a_stop_forgets_what_was_read(model: FoundModel, recipe: Recipe) -> None:
    wan = load_wan(model, "cpu", EXACT, 2)

    def stop(progress: Progress) -> None:
        if progress.percent > 40:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        made(wan, recipe, told=stop)
    assert all(block.attn2.processor.key is None for block in wan._pipe.transformer.blocks)


def test_gelu_within_its_product(plain: Wan, model: FoundModel, recipe: Recipe) -> None:
    wan = load_wan(model, "cpu", replace(EXACT, gelu_fusion="on"), 2)
    transformer, count = wan._pipe.transformer, len(wan._pipe.transformer.blocks)

    def kinds() -> list[type]:
        return [type(module) for module in transformer.modules() if isinstance(module, GELU)]

    assert "GELU within its product" in wan.choices
    assert kinds() == [LinearGELU] * count
    assert apart(made(wan, recipe)[0], made(plain, recipe)[0]) <= 2  # a CPU has it exact, not in the tanh approximation
    with without_acceleration(transformer):
        assert kinds() == [GELU] * count
    assert kinds() == [LinearGELU] * count


def refused(*_: Any) -> torch.Tensor:
    raise RuntimeError("not implemented for this device")


def other(given: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.relu(given @ weight.t() + bias)


@pytest.mark.parametrize("operation", [refused, other])
def test_a_gelu_that_is_not_there_or_another_is_not_used(model: FoundModel, monkeypatch: pytest.MonkeyPatch, operation: Any) -> None:
    monkeypatch.setattr(blocks, "_linear_gelu", operation)
    wan = load_wan(model, "cpu", replace(EXACT, gelu_fusion="on"), 2)
    assert "GELU" not in wan.choices
    assert not any(isinstance(module, LinearGELU) for module in wan._pipe.transformer.modules())


def test_everything_together(plain: Wan, model: FoundModel, recipe: Recipe, tmp_path: Path) -> None:
    speed = replace(EXACT, gelu_fusion="on", vae_whole_clip="on", cfg_batch="on", compiled=tmp_path)
    assert apart(made(load_wan(model, "cpu", speed, 2), recipe)[0], made(plain, recipe)[0]) <= 2
