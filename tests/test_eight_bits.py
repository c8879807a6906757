"""Matrix products in eight bits: what rounding costs, that clips are their own, and that they are the same wherever the blocks lie.

A CPU multiplies eight bits as well as a card does, only no faster, so that here it is let.
"""

from __future__ import annotations

import threading
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cache.catalog import AskedSettings, resolve
from cache.errors import RenderFailed
from cache.recipe import Recipe
from cache.setting_values import Offload
from generator.diffusion import eight_bits
from generator.diffusion.acceleration import without_acceleration
from generator.diffusion.blocks import LinearGELU
from generator.diffusion.eight_bits import ScaledLinear, in_eight_bits, no_eight_bits
from generator.diffusion.placing import part_sizes
from generator.diffusion.wan import Wan, load_wan
from generator.loras import find_loras
from generator.model import FoundModel, find_model
from generator.renderer import Frames, RenderOrder
from generator.speed import Speed
from tests.test_loras import TINY, write_lora

COARSE = Speed(precision="float32", fp8_products="on")


@pytest.fixture(scope="module")
def model(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> FoundModel:
    return find_model(str(tiny_model), "", tmp_path_factory.mktemp("state"))


@pytest.fixture
def let(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(eight_bits, "no_eight_bits", lambda *_: None)


def recipe_of(model: FoundModel, lora: str | None = None) -> Recipe:
    return replace(resolve(model.served, AskedSettings(steps=2, lora=lora)), frames=1, width=32, height=32)


def frames(wan: Wan, recipe: Recipe) -> Frames:
    made = wan.render([RenderOrder("a red circle moves to the left", recipe, 7)], lambda _: None, threading.Event())[0].frames
    assert made is not None
    return made


def apart(one: Frames, other: Frames) -> float:
    return float(np.abs(one.astype(int) - other).mean())


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**31), st.floats(-30, 30), st.integers(1, 40), st.integers(1, 4))
def test_what_rounding_costs(seed: int, size: float, width: int, count: int) -> None:
    """Three bits behind the leading one: a sixteenth of a number, and of the smallest half their step."""
    rows = torch.randn((count, width), generator=torch.Generator("cpu").manual_seed(seed)) * 2.0**size
    eight, scale = in_eight_bits(rows)
    assert (eight.dtype, tuple(scale.shape)) == (torch.float8_e4m3fn, (count, 1))
    wrong = (eight.float() * scale - rows).abs()
    assert (wrong <= torch.maximum(rows.abs() / 16, scale / 2**10) * 1.001).all()
    assert in_eight_bits(torch.zeros(1, 16))[0].float().abs().max() == 0


def test_a_layer_in_eight_bits_is_nearly_that_in_more() -> None:
    drawn = torch.Generator("cpu").manual_seed(0)
    layer, rows = torch.nn.Linear(64, 32), torch.randn((2, 5, 64), generator=drawn) * torch.tensor([1.0, 1000.0])[:, None, None]
    with torch.no_grad():
        expected = layer(rows)
        eight_bits._round(layer, True)
        found = layer(rows)
    assert (found.shape, layer.weight.dtype) == (expected.shape, torch.float8_e4m3fn)
    wrong = ((found - expected).norm(dim=-1) / expected.norm(dim=-1)).max()
    assert 0.005 < wrong < 0.08, "row by row: a large one does not drown a small one"


def test_who_cannot_says_so_in_one_line(model: FoundModel) -> None:
    with pytest.raises(RenderFailed, match=r"^REPRISE_SPEED: fp8_products cannot be on: cpu is no faster with them$") as refused:
        load_wan(model, "cpu", replace(COARSE, precision="bfloat16"), 1)
    assert refused.value.code == "fp8_not_supported"
    with pytest.raises(RenderFailed, match="the model computes in float32"):
        load_wan(model, "cpu", COARSE, 1)
    own = replace(model, served=replace(model.served, row=replace(model.served.row, pipeline="LTXPipeline", sampler="own")))
    with pytest.raises(RenderFailed, match="has no products in eight bits"):
        own.with_fp8_products(True)


def test_an_older_card_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: (8, 6))
    told = no_eight_bits(torch.device("cuda:0"))
    assert told == "this card has compute capability 8.6; cards have them from 8.9 on"


def test_clips_are_their_own_and_near(model: FoundModel, let: None) -> None:
    assert model.with_fp8_products(False) is model
    coarse = model.with_fp8_products(True)
    assert coarse.served.revision == f"{model.served.revision}+fp8_products"
    assert recipe_of(coarse).key != recipe_of(model).key
    fine, wan = (
        load_wan(model, "cpu", replace(COARSE, fp8_products="off"), 2),
        load_wan(coarse, "cpu", replace(COARSE, gelu_fusion="on"), 2),
    )
    assert "products in eight bits" in wan.choices
    assert "products in eight bits" not in fine.choices
    blocks = wan._pipe.transformer.blocks
    rounded = {name for name, layer in blocks[0].named_modules() if isinstance(layer, ScaledLinear)}
    attention = {f"attn1.{name}" for name in ("to_q", "to_k", "to_v", "to_out.0")}
    assert rounded == attention | {"attn2.to_q", "attn2.to_out.0", "ffn.net.0.proj", "ffn.net.2"}
    assert not any(isinstance(layer, LinearGELU) for layer in blocks.modules())
    assert part_sizes(wan._pipe).transformer < part_sizes(fine._pipe).transformer
    assert 0 < apart(frames(wan, recipe_of(coarse)), frames(fine, recipe_of(model))) < 3


def test_they_are_the_same_wherever_the_blocks_lie(model: FoundModel, let: None) -> None:
    coarse = model.with_fp8_products(True)
    resident = frames(load_wan(coarse, "cpu", COARSE, 2), recipe_of(coarse))
    ways: tuple[Offload, ...] = ("model", "group")
    for offload in ways:
        np.testing.assert_array_equal(frames(load_wan(coarse, "cpu", replace(COARSE, offload=offload), 2), recipe_of(coarse)), resident)


@pytest.mark.filterwarnings("ignore")  # of torch's compiler, about itself
def test_they_compile_beneath_the_hooks(model: FoundModel, let: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Up to the compiler's kernels, which take seconds to make."""
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="aot_eager"))
    coarse = model.with_fp8_products(True)
    short = replace(recipe_of(coarse), steps=1, guidance=1.0)
    wan = load_wan(coarse, "cpu", replace(COARSE, compile="static", offload="group"), 2)
    made = frames(wan, short)
    assert all(block.forward.__wrapped__.on for block in wan._pipe.transformer.blocks), "it was compiled, and stayed so"
    with without_acceleration(wan._pipe.transformer):
        assert apart(made, frames(wan, short)) < 1


def test_a_lora_lies_beside_them(model: FoundModel, let: None, tmp_path: Path) -> None:
    file = write_lora(tmp_path / "style.safetensors", 2, TINY, 0.5)
    coarse = model.with_loras(find_loras([f"style={file}"])).with_fp8_products(True)
    wan, fine = load_wan(coarse, "cpu", COARSE, 2), load_wan(coarse, "cpu", replace(COARSE, fp8_products="off"), 2)
    assert not any("lora" in name for name, layer in wan._pipe.transformer.named_modules() if isinstance(layer, ScaledLinear))
    bare, styled = frames(wan, recipe_of(coarse)), frames(wan, recipe_of(coarse, "style"))
    assert apart(styled, frames(fine, recipe_of(coarse, "style"))) < apart(styled, bare)
    assert apart(frames(wan, recipe_of(coarse)), bare) == 0
