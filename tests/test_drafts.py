"""Drafts of a second, distilled transformer: their Recipes, the folder that holds it, the render beside the first, and the front door."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import torch
from diffusers import WanTransformer3DModel
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load as load_tensors

from cache.catalog import DEMO, AskedSettings, ServedModel, resolve
from cache.errors import Invalid, RenderFailed
from cache.recipe import Recipe
from cache.renewal import again
from cache.setting_values import Offload
from cache.storage.fleet.announcements import _row_of
from generator.diffusion import eight_bits
from generator.diffusion.acceleration import _compiled_forwards
from generator.diffusion.placing import part_sizes
from generator.diffusion.wan import Wan, load_wan
from generator.hub import missing
from generator.loras import find_loras
from generator.model import FoundModel, find_model, find_upstream_model
from generator.pipeline import PipelineRenderer
from generator.placement import AllResident, BlocksTravel, FreeMemory, PartsInTurn, WorkingSet, decide_placement, locked_bytes, needs
from generator.renderer import Frames, RenderOrder
from generator.speed import Speed
from tests.live import Live
from tests.test_few_steps import published
from tests.test_loras import TINY, write_lora

POINTS = (1000, 750, 500)
ROW = {
    "name": "tiny-two", "sizes": [[64, 64]], "default_seconds": 1, "longest_seconds": 1, "fps": 8, "guidance": 3, "flow_shift": 3,
    "steps": {"draft": 3, "standard": 3}, "draft_timesteps": list(POINTS), "max_sequence_length": 32,
}  # fmt: skip
EXACT = Speed(precision="float32")
DEMO_SERVED = ServedModel(DEMO, "r1", "pipeline")
WITH_LORAS = replace(DEMO, loras={"style": "style:1:abc"}, fused_lora="base:1:def", step_cache="sea:0.25")

asked = st.builds(
    AskedSettings,
    seconds=st.sampled_from([None, 1.0, 2.0]),
    quality=st.sampled_from([None, "draft", "standard", "final"]),
    guidance=st.sampled_from([None, 1.0, 5.0, 7.5]),
    negative_prompt=st.sampled_from([None, "", "blur"]),
    lora=st.sampled_from([None, "style"]),
)


@given(asked)
def test_a_draft_is_made_as_it_was_distilled_or_refused_by_the_field(ask: AskedSettings) -> None:
    model = ServedModel(WITH_LORAS, "r1", "pipeline")
    fixed = {
        "guidance_scale": ask.guidance not in (None, 1.0),
        "negative_prompt": bool(ask.negative_prompt),
        "reprise.lora": ask.lora is not None,
    }
    if ask.quality == "draft" and any(fixed.values()):
        with pytest.raises(Invalid) as refused:
            resolve(model, ask)
        assert fixed.get(refused.value.field or "")
        assert "a draft of reprise-demo" in str(refused.value)
        return
    recipe = resolve(model, ask)
    made = (recipe.sampler, recipe.timesteps, recipe.guidance, recipe.flow_shift, recipe.negative_prompt, recipe.step_cache, recipe.lora)
    if ask.quality == "draft":
        assert (recipe.quality, recipe.steps, *made) == ("draft", 4, "lcm", DEMO.draft_timesteps, 1.0, 1.0, "", "none", "")
    else:
        assert made[:2] == ("unipc", ())
        assert recipe.lora.startswith("base:1:def")
    assert recipe.model == "reprise-demo"
    assert Recipe.from_fields(json.loads(json.dumps(recipe.as_fields()))) == recipe
    assert again(model, recipe) == recipe


@given(asked, asked)
def test_two_qualities_never_share_a_key(one: AskedSettings, other: AskedSettings) -> None:
    keys = []
    for ask in (one, other):
        try:
            keys.append(resolve(DEMO_SERVED, replace(ask, lora=None)))
        except Invalid:
            return
    assert (keys[0].key == keys[1].key) == (keys[0] == keys[1])
    assert keys[0].quality == keys[1].quality or keys[0].key != keys[1].key


def test_four_steps_by_number_are_the_whole_models() -> None:
    draft, four = resolve(DEMO_SERVED, AskedSettings(quality="draft")), resolve(DEMO_SERVED, AskedSettings(steps=4))
    assert (draft.steps, four.steps) == (4, 4)
    assert (four.quality, four.sampler, four.guidance, four.timesteps) == ("custom", "unipc", 5.0, ())
    assert again(DEMO_SERVED, four) == four
    undistilled = ServedModel(DEMO.undistilled, "r1", "pipeline")
    assert resolve(undistilled, AskedSettings(quality="draft")) == resolve(undistilled, AskedSettings(steps=10)), "as it was before"


def test_a_queued_draft_goes_on_in_the_other_way() -> None:
    before = ServedModel(DEMO.undistilled, "r0", "pipeline")
    plain, distilled = (resolve(model, AskedSettings(quality="draft")) for model in (before, DEMO_SERVED))
    assert again(DEMO_SERVED, plain) == distilled
    assert again(before, distilled) == plain
    assert again(DEMO_SERVED, replace(plain, guidance=7.0)) is None, "what was chosen is not dropped"
    assert again(DEMO_SERVED, replace(plain, negative_prompt="blur")) is None


def test_an_announced_row_is_read_as_it_was() -> None:
    fields = json.loads(json.dumps({name: value for name, value in vars(DEMO).items() if name in DEMO.__dataclass_fields__}))
    assert _row_of(fields) == DEMO
    del fields["draft_timesteps"]
    assert _row_of(fields).draft_timesteps == (), "of a worker before"


# The folder


@pytest.fixture(scope="module")
def folder(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model with a second transformer of other random weights."""
    folder = tmp_path_factory.mktemp("two") / "tiny-two"
    shutil.copytree(tiny_model, folder)
    torch.manual_seed(5)
    config: Any = WanTransformer3DModel.load_config(folder, subfolder="transformer")
    WanTransformer3DModel.from_config(config).save_pretrained(folder / "transformer_draft")
    (folder / "reprise.json").write_text(json.dumps(ROW))
    return folder


@pytest.fixture(scope="module")
def model(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> FoundModel:
    return find_model(str(folder), "", tmp_path_factory.mktemp("state"))


def changed(folder: Path, to: Path, change: dict[str, Any] | None = None, config: dict[str, Any] | None = None) -> Path:
    shutil.copytree(folder, to)
    (to / "reprise.json").write_text(json.dumps(ROW | (change or {})))
    told = to / "transformer_draft" / "config.json"
    told.write_text(json.dumps(json.loads(told.read_text()) | (config or {})))
    return to


@pytest.mark.parametrize(
    ("change", "config", "said"),
    [
        ({"draft_timesteps": [1000, 1000, 500]}, {}, "draft_timesteps must be numbers from 1000 downwards"),
        ({"draft_timesteps": [1000, 750]}, {}, "steps must say draft: 2"),
        ({"steps": {"standard": 3}}, {}, "steps must say draft: 3"),
        ({"draft_timesteps": "1000"}, {}, "draft_timesteps"),
        ({"sampler": "lcm", "timesteps": [1000], "guidance": 1, "flow_shift": 1}, {}, "are for the sampler unipc"),
        ({}, {"in_channels": 48}, "of another shape than the transformer beside it: in_channels differ"),
        ({}, {"num_attention_heads": 4, "ffn_dim": 1}, "num_attention_heads, ffn_dim differ"),
    ],
)
def test_a_wrong_row_or_subfolder_is_refused(
    folder: Path, tmp_path: Path, change: dict[str, Any], config: dict[str, Any], said: str
) -> None:
    with pytest.raises(RenderFailed, match=said):
        find_model(str(changed(folder, tmp_path / "m", change, config)), "", tmp_path / "state")


def test_a_subfolder_that_is_not_there(folder: Path, tiny_model: Path, tmp_path: Path) -> None:
    lacking = changed(folder, tmp_path / "m")
    shutil.rmtree(lacking / "transformer_draft")
    with pytest.raises(
        RenderFailed, match=r"has no transformer_draft/, the distilled transformer of which its row's draft_timesteps speak"
    ):
        find_model(str(lacking), "", tmp_path / "state")
    by_its_shape = find_model(str(tiny_model), "", tmp_path / "state").served.row
    assert by_its_shape == DEMO.undistilled, "nobody said that there is one"
    with pytest.raises(RenderFailed, match="not for another server's model"):
        find_upstream_model(str(folder / "reprise.json"), "", "http://localhost:1")
    assert find_upstream_model(DEMO.name, "", "http://localhost:1").row.made_as("draft").sampler == "unipc"


def test_weights_that_are_not_there_are_named(folder: Path, tmp_path: Path) -> None:
    lacking = changed(folder, tmp_path / "m")
    assert missing(lacking) == []
    weights = next((lacking / "transformer_draft").glob("*.safetensors"))
    weights.unlink()
    assert missing(lacking) == ["transformer_draft/*.safetensors"]
    with pytest.raises(RenderFailed, match="transformer_draft/ of tiny-two cannot be read"):
        load_wan(find_model(str(lacking), "", tmp_path / "state"), "cpu", EXACT, 1)


def test_other_weights_are_another_revision(folder: Path, model: FoundModel, tmp_path: Path) -> None:
    assert model.served.revision == find_model(str(shutil.copytree(folder, tmp_path / "same")), "", tmp_path / "s").served.revision
    linked = Path(shutil.copytree(folder, tmp_path / "linked"))
    shutil.move(linked / "transformer_draft", tmp_path / "elsewhere")
    (linked / "transformer_draft").symlink_to(tmp_path / "elsewhere")
    assert find_model(str(linked), "", tmp_path / "s").served.revision == model.served.revision
    weights = next((tmp_path / "elsewhere").glob("*.safetensors"))
    weights.write_bytes(weights.read_bytes()[:-1] + b"\1")
    assert find_model(str(linked), "", tmp_path / "s").served.revision != model.served.revision


# The render


@pytest.fixture(scope="module")
def wan(model: FoundModel) -> Wan:
    return load_wan(model, "cpu", EXACT, 1)


def recipe_of(model: FoundModel, quality: Any) -> Recipe:
    return resolve(model.served, AskedSettings(quality=quality))


def frames(wan: Wan, recipe: Recipe, seed: int = 7) -> Frames:
    made = wan.render([RenderOrder("a red circle", recipe, seed)], lambda _: None, threading.Event())[0].frames
    assert made is not None
    return made


@pytest.fixture(scope="module")
def usual(wan: Wan, model: FoundModel) -> dict[str, Frames]:
    return {quality: frames(wan, recipe_of(model, quality)) for quality in ("draft", "standard")}


@pytest.mark.usefixtures("one_thread")
def test_a_draft_is_the_second_transformers(wan: Wan, model: FoundModel, usual: dict[str, Frames]) -> None:
    made = wan.render([RenderOrder("a red circle", recipe_of(model, "draft"), 7)], lambda _: None, threading.Event())[0]
    assert made.latent is not None
    latent = load_tensors(made.latent)["latent"].float()
    pipe = type("Parts", (), {"encode_prompt": wan._pipe.encode_prompt, "transformer": wan._transformers["lcm"]})
    with torch.no_grad():
        expected = published(pipe, "a red circle", (1, *latent.shape), 7, POINTS)
    assert torch.allclose(latent, expected[-1][0], atol=4e-3)  # it is stored in float16
    assert len(made.steps_ms) == 3
    np.testing.assert_array_equal(frames(wan, recipe_of(model, "standard")), usual["standard"], "turn by turn")
    assert np.abs(usual["draft"].astype(int) - usual["standard"]).mean() > 1


@pytest.mark.usefixtures("one_thread")
def test_the_first_renders_as_without_it(model: FoundModel, folder: Path, tmp_path: Path, usual: dict[str, Frames]) -> None:
    alone = changed(folder, tmp_path / "m", {"draft_timesteps": []})
    shutil.rmtree(alone / "transformer_draft")
    plain = find_model(str(alone), "", tmp_path / "state")
    np.testing.assert_array_equal(frames(load_wan(plain, "cpu", EXACT, 1), recipe_of(plain, "standard")), usual["standard"])


@pytest.mark.parametrize("change", [{"guidance": 5.0}, {"step_cache": "sea"}, {"flow_shift": 3.0}, {"sampler": "own"}])
def test_a_recipe_of_no_transformer_is_refused(wan: Wan, model: FoundModel, change: dict[str, Any]) -> None:
    with pytest.raises(RenderFailed, match="is sampled by unipc and lcm"):
        frames(wan, replace(recipe_of(model, "draft"), **change))


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("offload", ["encoder", "encoder_cpu", "model", "group"])
def test_both_are_the_same_wherever_the_parts_lie(offload: Offload, model: FoundModel, usual: dict[str, Frames]) -> None:
    placed = load_wan(model, "cpu", replace(EXACT, offload=offload), 1)
    for quality in ("draft", "standard", "draft"):
        np.testing.assert_array_equal(frames(placed, recipe_of(model, quality)), usual[quality])


def test_both_are_to_be_compiled(model: FoundModel, tmp_path: Path) -> None:
    """At the first clip of each; that what is compiled renders the same, tests/test_same_result.py shows."""
    for offload in ("none", "group"):
        fast = load_wan(model, "cpu", replace(EXACT, compile="static", compiled=tmp_path, offload=offload), 1)
        for transformer in fast._transformers.values():
            compiled = [block._compiled_call_impl is not None for block in transformer.blocks]
            assert all(compiled) or len(_compiled_forwards(transformer)) == len(compiled)


def test_bytes_are_counted(wan: Wan) -> None:
    draft = wan._transformers["lcm"]
    alone, both = part_sizes(wan._pipe), part_sizes(wan._pipe, draft)
    assert alone.draft == 0
    assert both.draft == sum(weight.nbytes for weight in (*draft.parameters(), *draft.buffers()))
    assert (both.transformer, both.rest) == (alone.transformer, 2 * alone.rest)
    work = WorkingSet(2000, 1000, 500)
    for way, more in ((AllResident, both.draft), (BlocksTravel, both.rest - alone.rest), (PartsInTurn, 0)):
        assert needs(way, both, work, together=True) == needs(way, alone, work, together=True) + more
    assert locked_bytes(PartsInTurn, both) - locked_bytes(PartsInTurn, alone) == both.draft
    exact = FreeMemory(needs(AllResident, alone, work, together=False), 64 * 10**9)
    assert isinstance(decide_placement("auto", exact, alone, work), AllResident)
    assert not isinstance(decide_placement("auto", exact, both, work), AllResident)


@pytest.mark.usefixtures("one_thread")
def test_products_of_both_in_eight_bits(model: FoundModel, usual: dict[str, Frames], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(eight_bits, "no_eight_bits", lambda *_: None)
    coarse = model.with_fp8_products(True)
    wan = load_wan(coarse, "cpu", replace(EXACT, fp8_products="on"), 1)
    for transformer in wan._transformers.values():
        assert any(isinstance(module, eight_bits.ScaledLinear) for module in transformer.modules())
    assert 0 < np.abs(frames(wan, recipe_of(coarse, "draft")).astype(int) - usual["draft"]).mean() < 3


@pytest.mark.usefixtures("one_thread")
def test_no_lora_lies_on_drafts(model: FoundModel, usual: dict[str, Frames], tmp_path: Path) -> None:
    files = [write_lora(tmp_path / f"{name}.safetensors", 2, TINY, 0.5, seed=seed) for seed, name in enumerate(("base", "style"))]
    styled = model.with_loras(find_loras([str(files[0]), f"style={files[1]}"]))
    wan = load_wan(styled, "cpu", EXACT, 1)
    asked = resolve(styled.served, AskedSettings(lora="style"))
    shown = [frames(wan, recipe) for recipe in (recipe_of(styled, "draft"), asked, recipe_of(styled, "draft"))]
    np.testing.assert_array_equal(shown[0], usual["draft"])
    np.testing.assert_array_equal(shown[2], usual["draft"])
    assert np.abs(shown[1].astype(int) - usual["standard"]).mean() > 0.5
    assert recipe_of(styled, "draft").key == recipe_of(model, "draft").key, "the same pixels"


@pytest.mark.usefixtures("one_thread")
async def test_a_batch_of_drafts(model: FoundModel, usual: dict[str, Frames]) -> None:
    renderer = PipelineRenderer(model, device="cpu", speed=EXACT, threads=1, batch=2)
    await renderer.load()
    recipe = recipe_of(model, "draft")
    orders = [RenderOrder("a red circle", recipe, seed) for seed in (7, 8)]
    made = await renderer.render(orders, lambda _: None, threading.Event())
    assert made[0].frames is not None
    assert np.abs(made[0].frames.astype(int) - usual["draft"]).max() <= 1
    with pytest.raises(ValueError, match="one Recipe"):
        await renderer.render([orders[0], RenderOrder("a red circle", recipe_of(model, "standard"), 7)], lambda _: None, threading.Event())
    await renderer.close()


# The front door


@pytest.fixture(scope="module")
def server(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    live = Live(tmp_path_factory.mktemp("drafts"), folder)
    yield live.start()
    live.close()


def test_through_the_front_door(server: Live) -> None:
    told = httpx.get(f"{server.url}/v1/models").json()["data"][0]["reprise"]
    assert (told["sampler"], told["draft_sampler"], told["steps"]) == ("unipc", "lcm", {"draft": 3, "standard": 3})
    draft, whole = server.made("a red circle", quality="draft"), server.made("a red circle")
    assert (draft["status"], whole["reprise"]["verdict"]) == ("completed", "miss"), "a draft answers no standard request"
    assert draft["reprise"]["clip"] != whole["reprise"]["clip"]
    assert server.post("a red circle", quality="draft", guidance_scale=1, negative_prompt="")["reprise"]["verdict"] == "exact"
    assert server.post("a red circle", steps=3)["reprise"]["clip"] == whole["reprise"]["clip"], "by number it is the first transformer's"
    for field, value in {"guidance_scale": 5, "negative_prompt": "blur", "reprise": {"lora": "style"}}.items():
        refused = httpx.post(f"{server.url}/v1/videos", json={"prompt": "a red circle", "quality": "draft", field: value})
        assert refused.status_code == 400
        assert refused.json()["error"]["param"] in (field, "reprise.lora")
        assert "a draft of tiny-two" in refused.json()["error"]["message"]
