"""LoRAs: what a file must be, that it changes pixels as it says, that it is in the key, and that it is chosen by name in a request."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import httpx
import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from structlog.testing import capture_logs

from cache.catalog import AskedSettings, resolve
from cache.errors import Invalid, RenderFailed
from cache.recipe import Recipe
from cache.renewal import again
from cache.setting_values import Offload
from cache.speed_choices import Compile
from generator.diffusion.acceleration import CompiledForward
from generator.diffusion.blocks import LinearGELU
from generator.diffusion.wan import Wan, load_wan
from generator.loras import find_loras
from generator.model import BUNDLED, FoundModel, find_model
from generator.renderer import Frames, RenderOrder
from generator.speed import Speed
from tests.live import Live

EXACT = Speed(precision="float32")
PROMPT = "a red circle moves to the left"
TINY = {"attn1.to_q": 48, "attn1.to_v": 48, "attn1.to_out.0": 48, "attn2.to_v": 48}
NAMES = {"attn1.to_q": "self_attn.q", "attn1.to_v": "self_attn.v", "attn1.to_out.0": "self_attn.o", "attn2.to_v": "cross_attn.v"}


def write_lora(
    file: Path,
    blocks: int,
    widths: dict[str, int],
    strength: float,
    seed: int = 0,
    rank: int = 4,
    more: dict[str, torch.Tensor] | None = None,
) -> Path:
    """Random low-rank matrices on attention, as diffusers spells them."""
    drawn = torch.Generator("cpu").manual_seed(seed)
    tensors = {}
    for block in range(blocks):
        for name, width in widths.items():
            key = f"transformer.blocks.{block}.{name}"
            tensors[f"{key}.lora_A.weight"] = torch.randn(rank, width, generator=drawn) / width**0.5
            tensors[f"{key}.lora_B.weight"] = strength * torch.randn(width, rank, generator=drawn)
    file.parent.mkdir(parents=True, exist_ok=True)
    save_file(tensors | (more or {}), file)
    return file


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_lora(tmp_path_factory.mktemp("lora") / "style.safetensors", 2, TINY, 0.5)


@pytest.fixture(scope="module")
def plain(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> FoundModel:
    return find_model(str(tiny_model), "", tmp_path_factory.mktemp("state"))


def with_loras(plain: FoundModel, *entries: object) -> FoundModel:
    return plain.with_loras(find_loras([str(entry) for entry in entries]))


def recipe_of(model: FoundModel, lora: str | None = None) -> Recipe:
    return replace(resolve(model.served, AskedSettings(steps=3, lora=lora)), frames=5, width=64, height=64)


def frames(wan: Wan, recipe: Recipe) -> Frames:
    made = wan.render([RenderOrder(PROMPT, recipe, 7)], lambda _: None, threading.Event())[0].frames
    assert made is not None
    return made


def apart(one: Frames, other: Frames) -> float:
    return float(np.abs(one.astype(int) - other).mean())


def test_one_is_chosen_and_another_and_none(plain: FoundModel, file: Path, tmp_path: Path) -> None:
    other = write_lora(tmp_path / "other.safetensors", 2, TINY, 0.5, seed=1)
    model = with_loras(plain, f"style={file}", f"half={file}:0.5", f"other={other}:-1")
    wan = load_wan(model, "cpu", EXACT, 1)
    bare = frames(load_wan(plain, "cpu", EXACT, 1), recipe_of(plain))
    shown = {name: frames(wan, recipe_of(model, name)) for name in ("style", "half", "other", None)}
    assert apart(shown[None], bare) == 0
    assert len({one.tobytes() for one in shown.values()}) == 4
    assert apart(shown["style"], bare) > apart(shown["half"], bare) > 0.5
    assert apart(frames(wan, recipe_of(model, "style")), shown["style"]) == 0, "nothing of the last one is left"
    assert "LoRA style at 1, LoRA half at 0.5, LoRA other at -1" in wan.choices
    assert len({recipe_of(model, name).key for name in ("style", "half", "other", None)}) == 4
    assert recipe_of(model, "half").lora == f"half:0.5:{model.loras[1].digest}"
    with pytest.raises(RenderFailed, match="does not have the LoRA"):
        frames(wan, replace(recipe_of(model), lora="style:1:00"))
    assert apart(frames(wan, recipe_of(model)), bare) == 0


@pytest.fixture(scope="module")
def switched(plain: FoundModel, file: Path) -> FoundModel:
    other = write_lora(file.parent / "more" / "other.safetensors", 2, TINY, 0.5, seed=1)
    return with_loras(plain, f"style={file}", f"other={other}:-1")


@pytest.fixture(scope="module")
def resident(switched: FoundModel) -> Frames:
    """Clips with one LoRA, with the other and with none, where nothing is compiled and nothing travels."""
    wan = load_wan(switched, "cpu", EXACT, 1)
    shown = np.stack([frames(wan, small(switched, name)) for name in ("style", "other", None)])
    assert min(apart(shown[0], shown[1]), apart(shown[0], shown[2]), apart(shown[1], shown[2])) > 0.5
    return shown


def small(model: FoundModel, lora: str | None) -> Recipe:
    return replace(recipe_of(model, lora), steps=1, guidance=1.0, frames=1, width=32, height=32)


@pytest.mark.filterwarnings("ignore")  # of torch's compiler, about itself
@pytest.mark.parametrize(("offload", "compile_"), [("encoder", "mixed"), ("group", "static"), ("group", "off"), ("model", "off")])
def test_switched_under_compiled_blocks_and_wherever_they_lie(
    offload: Offload, compile_: Compile, switched: FoundModel, resident: Frames, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The guards of compiled code notice it. They are all of the compiler that is here, since its kernels take seconds to make."""
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="eager"))
    wan = load_wan(switched, "cpu", replace(EXACT, offload=offload, compile=compile_), 1)
    names = ("style", "other", None)
    assert [at for at in (2, 0, 2, 1, 0, 2) if apart(frames(wan, small(switched, names[at])), resident[at]) > 0] == []
    blocks = wan._pipe.transformer.blocks
    beneath = [isinstance(getattr(block.forward, "__wrapped__", None), CompiledForward) for block in blocks]
    compiled = [block._compiled_call_impl is not None or hooked for block, hooked in zip(blocks, beneath, strict=True)]
    assert compiled == [compile_ != "off"] * len(blocks), "it was compiled where it was to be, and stayed so"


def test_one_in_every_clip_is_fused(plain: FoundModel, file: Path, tmp_path: Path) -> None:
    other = write_lora(tmp_path / "other.safetensors", 2, TINY, 0.5, seed=1)
    model = with_loras(plain, f"{file}:0.7", f"other={other}")
    wan, beside = load_wan(model, "cpu", EXACT, 1), with_loras(plain, f"style={file}:0.7")
    asked = recipe_of(model)
    assert asked.lora == f"style:0.7:{model.loras[0].digest}"
    assert apart(frames(wan, asked), frames(load_wan(beside, "cpu", EXACT, 1), recipe_of(beside, "style"))) < 0.5
    assert "LoRA style at 0.7 in every clip" in wan.choices
    both = recipe_of(model, "other")
    assert both.lora.count("+") == 1
    assert apart(frames(wan, both), frames(wan, asked)) > 0.5
    with pytest.raises(RenderFailed, match="does not have the LoRA"):
        frames(wan, recipe_of(plain))


def test_the_text_is_read_and_gelu_computed_with_it(plain: FoundModel, tmp_path: Path) -> None:
    """What is fast without it must not pass it by: keys and values that are kept, and GELU within its product."""
    product, key = "transformer.blocks.0.ffn.net.0.proj", "transformer.blocks.1.attn2.to_k"
    tensors = {f"{product}.lora_A.weight": torch.randn(4, 48), f"{product}.lora_B.weight": torch.randn(96, 4)}
    tensors |= {f"{key}.lora_A.weight": torch.randn(4, 48), f"{key}.lora_B.weight": torch.randn(48, 4)}
    save_file(tensors, tmp_path / "wide.safetensors")
    model = with_loras(plain, f"wide={tmp_path / 'wide.safetensors'}")
    fast, slow = load_wan(model, "cpu", replace(EXACT, gelu_fusion="on"), 1), load_wan(model, "cpu", EXACT, 1)
    fused = sum(isinstance(module, LinearGELU) for module in fast._pipe.transformer.modules())
    assert fused == 1, "the other block has a LoRA on it"
    for name in ("wide", None):
        assert apart(frames(fast, recipe_of(model, name)), frames(slow, recipe_of(model, name))) < 1
    assert apart(frames(fast, recipe_of(model, "wide")), frames(fast, recipe_of(model))) > 0.5


def test_what_diffusers_drops_is_counted_and_told(plain: FoundModel, file: Path, tmp_path: Path) -> None:
    """As ComfyUI's files are: other names, scales of their own, differences of norms, and a layer that this model lacks."""
    tensors: dict[str, torch.Tensor] = {
        "diffusion_model.blocks.0.norm3.diff": torch.ones(48),
        "diffusion_model.blocks.0.norm3.diff_b": torch.ones(48),
    }
    for block in (0, 1, 7):
        for name in NAMES.values():
            key = f"diffusion_model.blocks.{block}.{name}"
            tensors |= {
                f"{key}.lora_down.weight": torch.randn(4, 48),
                f"{key}.lora_up.weight": torch.randn(48, 4),
                f"{key}.alpha": torch.tensor(4.0),
            }
    # diffusers wants a tensor for every block between the first and the last.
    save_file(tensors, tmp_path / "comfy.safetensors")
    model = with_loras(plain, f"comfy={tmp_path / 'comfy.safetensors'}")
    with capture_logs() as logs:
        wan = load_wan(model, "cpu", EXACT, 1)
    assert "LoRA comfy at 1, 10 of its 26 tensors not used" in wan.choices
    assert [(one["unused"], one["tensors"]) for one in logs if one.get("lora") == "comfy"] == [(10, 26)]
    assert apart(frames(wan, recipe_of(model, "comfy")), frames(wan, recipe_of(model))) > 0.5


@pytest.mark.parametrize(
    ("widths", "said"),
    [({"attn1.to_q": 64}, "does not fit this model"), ({"attn9.to_q": 48}, "none of its 4 tensors belongs to this model")],
)
def test_one_of_another_model_is_refused_before_a_render(plain: FoundModel, tmp_path: Path, widths: dict[str, int], said: str) -> None:
    model = with_loras(plain, f"other={write_lora(tmp_path / 'other.safetensors', 2, widths, 0.5)}")
    with pytest.raises(RenderFailed, match=said):
        load_wan(model, "cpu", EXACT, 1)


def test_a_file_that_is_none_is_refused_at_the_start(plain: FoundModel, file: Path, tmp_path: Path) -> None:
    (tmp_path / "text.safetensors").write_text("no tensors")
    save_file({"blocks.0.weight": torch.ones(2)}, tmp_path / "weights.safetensors")
    save_file({"a.lora_A.weight": torch.ones(2, 2), "b.lora_B.weight": torch.ones(2, 2)}, tmp_path / "half.safetensors")
    write_lora(tmp_path / "dora.safetensors", 1, TINY, 1, more={"transformer.blocks.0.attn1.to_q.dora_scale": torch.ones(48)})
    for entry, said in {
        f"x={tmp_path / 'nowhere'}": "there is no",
        f"x={tmp_path}": "name the file",
        f"x={tmp_path / 'text.safetensors'}": "no safetensors file",
        f"x={tmp_path / 'weights.safetensors'}": "holds no LoRA",
        f"x={tmp_path / 'half.safetensors'}": "half a LoRA",
        f"x={tmp_path / 'dora.safetensors'}": "is a DoRA",
        f"x={file}:0": "a scale is between",
        f"x={file}:11": "a scale is between",
        f"x={file}:nan": "a scale is between",
    }.items():
        with pytest.raises(RenderFailed, match=said):
            find_loras([entry])
    with pytest.raises(RenderFailed, match="names x twice"):
        find_loras([f"x={file}", f"x={file}:2"])
    with pytest.raises(RenderFailed, match="at most 16"):
        find_loras([f"x{at}={file}" for at in range(17)])
    (found,) = find_loras([str(file.parent)])
    assert (found.name, found.scale, found.fused, found.file) == ("style", 1.0, True, file)
    own = replace(plain, served=replace(plain.served, row=replace(plain.served.row, pipeline="LTXPipeline", sampler="own")))
    with pytest.raises(RenderFailed, match="takes no LoRA"):
        own.with_loras((found,))


def test_which_one_a_request_may_choose(plain: FoundModel, file: Path) -> None:
    served = with_loras(plain, f"style={file}").served
    with pytest.raises(Invalid, match="there are style") as refused:
        resolve(served, AskedSettings(lora="other"))
    assert refused.value.field == "reprise.lora"
    with pytest.raises(Invalid, match="there is none"):
        resolve(plain.served, AskedSettings(lora="style"))
    for name in ("style", None):
        recipe = resolve(served, AskedSettings(lora=name))
        assert again(served, recipe) == recipe
    assert again(plain.served, resolve(served, AskedSettings(lora="style"))) is None


@pytest.mark.timeout(300)
def test_it_changes_what_the_demo_model_shows(tmp_path: Path) -> None:
    demo = find_model("", "", tmp_path)
    file = write_lora(tmp_path / "demo.safetensors", 8, {"attn1.to_v": 256, "attn2.to_v": 256, "attn1.to_out.0": 256}, 0.3, rank=8)
    model = with_loras(demo, f"demo={file}")
    wan = load_wan(model, "cpu", EXACT, 1)
    asked, base = (resolve(model.served, AskedSettings(steps=4, lora=name)) for name in ("demo", None))
    assert Path(demo.source) == BUNDLED
    assert apart(frames(wan, asked), frames(wan, base)) > 5


@pytest.fixture(scope="module")
def server(tiny_model: Path, file: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    live = Live(tmp_path_factory.mktemp("loras"), tiny_model, lora=f"style={file}:0.8")
    yield live.start()
    live.close()


def test_through_the_front_door(server: Live) -> None:
    assert httpx.get(f"{server.url}/v1/models").json()["data"][0]["reprise"]["loras"] == ["style"]
    plain, styled = server.made(PROMPT, steps=2), server.made(PROMPT, steps=2, reprise={"lora": "style"})
    assert (plain["status"], styled["status"], styled["reprise"]["verdict"]) == ("completed", "completed", "miss")
    assert server.content(plain["id"]) != server.content(styled["id"])
    assert server.post(PROMPT, steps=2, reprise={"lora": "style"})["reprise"]["verdict"] == "exact"
    form = httpx.post(f"{server.url}/v1/videos", files={"prompt": (None, PROMPT), "steps": (None, "2"), "reprise[lora]": (None, "style")})
    assert form.json()["reprise"]["verdict"] == "exact"
    for wrong in ("other", "", "x" * 41, 3):
        refused = httpx.post(f"{server.url}/v1/videos", json={"prompt": PROMPT, "reprise": {"lora": wrong}})
        assert (refused.status_code, refused.json()["error"]["param"]) == (400, "reprise.lora"), json.dumps(wrong)
