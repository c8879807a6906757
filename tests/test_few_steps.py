"""Distilled models: recognised or refused; sampled step by step as published, on a tiny folder; and fixed where a request would differ.

No distilled checkpoint is used: the weights are random, and what is checked is the transition and the configs.
"""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
import torch
from diffusers import WanPipeline
from safetensors.torch import load as load_tensors

from cache.catalog import DEMO, FASTWAN21_1_3B, FASTWAN_TI2V_5B, WAN21_1_3B, WAN21_14B, WAN_TI2V_5B, AskedSettings, ModelRow, resolve
from cache.errors import Invalid, RenderFailed, RenderStopped
from cache.recipe import Recipe
from cache.renewal import again
from generator.diffusion.wan import Wan, load_wan
from generator.model import FoundModel, find_model
from generator.pipeline import PipelineRenderer
from generator.renderer import Progress, Rendered, RenderOrder
from generator.speed import Speed
from tests.live import Live

POINTS = (1000, 757, 522)
FEW = {
    "name": "tiny-fast", "sizes": [[64, 64]], "default_seconds": 1, "longest_seconds": 2, "fps": 8, "guidance": 1, "steps": {"standard": 3},
    "sampler": "lcm", "timesteps": list(POINTS), "max_sequence_length": 32,
}  # fmt: skip
TI2V_5B = {"in_channels": 48, "num_layers": 30, "num_attention_heads": 24}, {"scale_factor_spatial": 16}
T2V_1_3B = {"in_channels": 16, "num_layers": 30, "num_attention_heads": 12, "text_dim": 4096}, {"scale_factor_spatial": 8}
T2V_14B: tuple[dict[str, Any], dict[str, Any]] = {"in_channels": 16, "num_layers": 40, "num_attention_heads": 40, "text_dim": 4096}, {}
UNIPC = {"_class_name": "UniPCMultistepScheduler", "flow_shift": 5.0}


def configs(folder: Path, parts: tuple[dict[str, Any], dict[str, Any]], scheduler: dict[str, Any], **index: Any) -> Path:
    """The small files of a model alone."""
    for name, fields in (("transformer/config", parts[0]), ("vae/config", parts[1]), ("scheduler/scheduler_config", scheduler)):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}.json").write_text(json.dumps(fields))
    (folder / "model_index.json").write_text(json.dumps({"_class_name": "WanPipeline", **index}))
    return folder


@pytest.mark.parametrize(
    ("name", "parts", "scheduler", "kind", "row"),
    [
        ("FastWan2.2-TI2V-5B-FullAttn-Diffusers", TI2V_5B, "UniPCMultistepScheduler", "WanPipeline", FASTWAN_TI2V_5B),
        ("snapshot", TI2V_5B, "UniPCMultistepScheduler", "WanDMDPipeline", FASTWAN_TI2V_5B),
        ("fastwan-5b", TI2V_5B, "FlowMatchLCMScheduler", "WanPipeline", FASTWAN_TI2V_5B),
        ("FastWan2.1-T2V-1.3B-Diffusers", T2V_1_3B, "UniPCMultistepScheduler", "WanDMDPipeline", FASTWAN21_1_3B),
        ("Wan2.2-TI2V-5B-Diffusers", TI2V_5B, "UniPCMultistepScheduler", "WanPipeline", WAN_TI2V_5B),
        ("Wan2.1-T2V-1.3B-Diffusers", T2V_1_3B, "UniPCMultistepScheduler", "WanPipeline", WAN21_1_3B),
        ("Wan2.1-T2V-14B-Diffusers", T2V_14B, "UniPCMultistepScheduler", "WanPipeline", WAN21_14B),
    ],
)
def test_what_a_name_and_the_configs_tell(tmp_path: Path, name: str, parts: Any, scheduler: str, kind: str, row: ModelRow) -> None:
    folder = configs(tmp_path / name, parts, UNIPC | {"_class_name": scheduler}, _class_name=kind, expand_timesteps=parts == TI2V_5B)
    assert find_model(str(folder), "", tmp_path / "state").served.row == row
    older = configs(tmp_path / "older" / name, parts, UNIPC | {"_class_name": scheduler}, _class_name=kind)
    assert not find_model(str(older), "", tmp_path / "state").served.row.takes_picture, "its folder does not say that it can"


@pytest.mark.parametrize(
    ("name", "parts", "scheduler", "index", "said"),
    [
        ("Wan2.2-TI2V-5B-Turbo", TI2V_5B, "UniPCMultistepScheduler", {}, "warped by the default timestep_shift"),
        ("Wan2.1-T2V-14B-StepDistill-CfgDistill", T2V_14B, "UniPCMultistepScheduler", {}, '"sampler": "lcm", "timesteps"'),
        ("some-5b-4steps", TI2V_5B, "UniPCMultistepScheduler", {}, "REPRISE_MODEL_ROW"),
        ("copy", TI2V_5B, "UniPCMultistepScheduler", {"_name_or_path": "someone/wan-lightning"}, "looks distilled"),
        ("copy", TI2V_5B, "FlowMatchLCMScheduler", {}, "looks distilled"),
        ("copy", T2V_14B, "UniPCMultistepScheduler", {"_class_name": "WanDMDPipeline"}, "looks distilled"),
        ("copy", TI2V_5B, "FlowMatchEulerDiscreteScheduler", {}, '"sampler": "unipc" and its "flow_shift"'),
        ("copy", TI2V_5B, "UniPCMultistepScheduler", {"_class_name": "WanImageToVideoPipeline"}, "holds a WanImageToVideoPipeline"),
        ("A14B", T2V_14B, "UniPCMultistepScheduler", {"transformer_2": ["diffusers", "X"], "boundary_ratio": 0.875}, "two transformers"),
        ("LTX", TI2V_5B, "UniPCMultistepScheduler", {"_class_name": "LTXPipeline"}, '"pipeline": "LTXPipeline"'),
    ],
)  # fmt: skip
def test_what_would_render_wrong_clips_is_refused(tmp_path: Path, name: str, parts: Any, scheduler: str, index: Any, said: str) -> None:
    folder = configs(tmp_path / name, parts, UNIPC | {"_class_name": scheduler}, **index)
    with pytest.raises(RenderFailed, match=said):
        find_model(str(folder), "", tmp_path / "state")


def test_a_row_of_the_operators_own(tmp_path: Path) -> None:
    folder = configs(tmp_path / "some-4step", TI2V_5B, UNIPC)
    own = tmp_path / "row.json"
    own.write_text(json.dumps(FEW))
    found = find_model(str(folder), "", tmp_path / "state", row=str(own)).served
    assert (found.row.sampler, found.row.timesteps, found.row.steps, found.row.flow_shift) == ("lcm", POINTS, {"standard": 3}, 1.0)
    recipe = resolve(found, AskedSettings())
    assert Recipe.from_fields(json.loads(json.dumps(recipe.as_fields()))) == recipe


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"sampler": "euler"}, "sampler"),
        ({"timesteps": []}, "needs timesteps"),
        ({"timesteps": [1000, 1000, 500]}, "downwards"),
        ({"timesteps": [1200, 700, 500]}, "downwards"),
        ({"timesteps": [1000, 757.5, 522]}, "timesteps"),
        ({"steps": {"draft": 3, "standard": 3, "final": 3}}, "one for each of the timesteps"),
        ({"guidance": 5}, "guidance and flow_shift are 1"),
        ({"flow_shift": 5}, "guidance and flow_shift are 1"),
        ({"negative_prompt": "blur"}, "negative_prompt is null"),
        ({"step_cache": "sea"}, "step_cache is for"),
        ({"sampler": "unipc"}, "timesteps are for the sampler lcm"),
        ({"sampler": "own"}, '"own" with any other'),
        ({"pipeline": "StablePipeline"}, "pipeline must be one of"),
        ({"fps": 0}, "fps must be over 0"),
        ({"fps": "8"}, "fps"),
        ({"sizes": [[64]]}, "sizes"),
        ({"colour": "red"}, "no row has a field colour"),
        ({"loras": {}}, "no row has a field loras"),
    ],
)
def test_a_wrong_row_is_refused_by_the_field(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    (tmp_path / "row.json").write_text(json.dumps(FEW | change))
    with pytest.raises(RenderFailed, match=said):
        find_model(str(configs(tmp_path / "m", TI2V_5B, UNIPC)), "", tmp_path / "state", row=str(tmp_path / "row.json"))


@pytest.mark.parametrize("missing", ["name", "sizes", "steps", "guidance", "fps"])
def test_a_row_that_lacks_a_field(tmp_path: Path, missing: str) -> None:
    (tmp_path / "row.json").write_text(json.dumps({name: value for name, value in FEW.items() if name != missing}))
    with pytest.raises(RenderFailed, match=missing):
        find_model(str(configs(tmp_path / "m", TI2V_5B, UNIPC)), "", tmp_path / "state", row=str(tmp_path / "row.json"))


@pytest.mark.parametrize(
    ("ask", "field"),
    [
        (AskedSettings(steps=20), "steps"),
        (AskedSettings(steps=2), "steps"),
        (AskedSettings(quality="draft"), "quality"),
        (AskedSettings(quality="final"), "quality"),
        (AskedSettings(guidance=5.0), "guidance_scale"),
        (AskedSettings(negative_prompt="blur"), "negative_prompt"),
    ],
)
def test_what_was_distilled_in_is_fixed(model: FoundModel, ask: AskedSettings, field: str) -> None:
    with pytest.raises(Invalid) as refused:
        resolve(model.served, ask)
    assert refused.value.field == field
    same = resolve(model.served, AskedSettings(steps=3, guidance=1.0, quality=None, negative_prompt=""))
    assert same == resolve(model.served, AskedSettings(quality="standard")) == resolve(model.served, AskedSettings())
    assert again(model.served, same) == same
    guided = replace(same, guidance=5.0, sampler="unipc", timesteps=())
    assert again(model.served, guided) is None, "a teacher's recipe is not one of the distilled model"
    assert len({same.key, replace(same, timesteps=(1000, 750, 522)).key, replace(same, sampler="unipc").key}) == 3


def test_a_step_cache_is_refused(model: FoundModel) -> None:
    with pytest.raises(RenderFailed, match="REPRISE_STEP_CACHE must be none"):
        model.with_step_cache("sea:0.1")
    assert model.with_step_cache("none") == model


# The render


@pytest.fixture(scope="module")
def folder(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As FastVideo ships FastWan: its own pipeline class, and the teacher's scheduler with the teacher's shift."""
    folder = tmp_path_factory.mktemp("fast") / "FastWan-tiny"
    shutil.copytree(tiny_model, folder)
    index = json.loads((folder / "model_index.json").read_text())
    (folder / "model_index.json").write_text(json.dumps(index | {"_class_name": "WanDMDPipeline"}))
    scheduler = json.loads((folder / "scheduler" / "scheduler_config.json").read_text())
    (folder / "scheduler" / "scheduler_config.json").write_text(json.dumps(scheduler | {"flow_shift": 5.0}))
    (folder / "reprise.json").write_text(json.dumps(FEW))
    return folder


@pytest.fixture(scope="module")
def model(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> FoundModel:
    return find_model(str(folder), "", tmp_path_factory.mktemp("state"))


@pytest.fixture(scope="module")
def wan(model: FoundModel) -> Wan:
    return load_wan(model, "cpu", Speed(precision="float32"), 1)


@pytest.fixture(scope="module")
def recipe(model: FoundModel) -> Recipe:
    return resolve(model.served, AskedSettings())


def made(wan: Wan, recipe: Recipe, *seeds: int, told: Any = lambda _: None) -> list[Rendered]:
    return wan.render([RenderOrder(f"a red circle {seed}", recipe, seed) for seed in seeds], told, threading.Event())


def published(pipe: Any, prompt: str, shape: tuple[int, ...], seed: int, points: tuple[int, ...]) -> list[torch.Tensor]:
    """What enters the transformer at each point, and the clean latent at last: FastVideo's DmdDenoisingStage in few lines. The clean
    latent is `noisy - sigma * velocity`, the next noisy one `(1 - sigma) * clean + sigma * fresh noise`.
    """
    noise = torch.Generator("cpu").manual_seed(seed)
    words = pipe.encode_prompt(prompt, do_classifier_free_guidance=False, max_sequence_length=32)[0]
    noisy, entered = torch.randn(shape, generator=noise), list[torch.Tensor]()
    for at, point in enumerate(points):
        entered.append(noisy)
        velocity = pipe.transformer(noisy, torch.tensor([float(point)]), words, return_dict=False)[0]
        clean = noisy - point / 1000 * velocity
        if at + 1 < len(points):
            sigma = points[at + 1] / 1000
            noisy = (1 - sigma) * clean + sigma * torch.randn(shape, generator=noise)
    return [*entered, clean]


@pytest.mark.parametrize("points", [POINTS, (1000, 750, 500, 250)])
def test_each_step_is_the_published_transition(wan: Wan, recipe: Recipe, folder: Path, points: tuple[int, ...]) -> None:
    entered, times = list[torch.Tensor](), list[float]()

    def seen(_: Any, __: Any, given: dict[str, Any]) -> None:
        entered.append(given["hidden_states"].clone())
        times.append(float(given["timestep"][0]))

    hook = wan._pipe.transformer.register_forward_pre_hook(seen, with_kwargs=True)
    asked = replace(recipe, timesteps=points, steps=len(points))
    latent = made(wan, asked, 7)[0].latent
    hook.remove()
    stock: Any = WanPipeline.from_pretrained(folder, dtype=torch.float32, local_files_only=True)
    with torch.no_grad():
        expected = published(stock, "a red circle 7", tuple(entered[0].shape), 7, points)
    assert times == pytest.approx(points)
    assert len(entered) == len(points), "one pass a step: no guidance"
    for given, wanted in zip(entered, expected, strict=False):
        assert torch.allclose(given, wanted, atol=2e-4)
    assert latent is not None
    assert torch.allclose(load_tensors(latent)["latent"].float(), expected[-1][0], atol=4e-3)  # it is stored in float16


def test_a_seed_means_the_same_in_every_batch(wan: Wan, recipe: Recipe) -> None:
    together = made(wan, recipe, 7, 8, 9)
    alone = [made(wan, recipe, seed)[0] for seed in (7, 8, 9)]
    for one, other in zip(together, alone, strict=True):
        assert abs(one.frames.astype(int) - other.frames).max() <= 1  # type: ignore[union-attr]  # frames are there
    assert len({clip.latent for clip in alone}) == 3
    assert made(wan, recipe, 7)[0].latent == alone[0].latent
    assert len(alone[0].steps_ms) == 3


def test_it_stops_within_a_step_and_tells_its_progress(wan: Wan, recipe: Recipe) -> None:
    said, stop = list[Progress](), threading.Event()

    def told(progress: Progress) -> None:
        said.append(progress)
        if progress.percent > 40:
            stop.set()

    with pytest.raises(RenderStopped):
        wan.render([RenderOrder("a red circle", recipe, 7)], told, stop)
    assert [one.percent for one in said if one.stage == "denoise"] == [3, 25, 47]
    made(wan, recipe, 7, told=said.append)
    assert [one.percent for one in said if one.stage == "denoise"][3:] == [3, 25, 47, 70]


@pytest.mark.parametrize("change", [{"sampler": "unipc"}, {"step_cache": "sea"}, {"guidance": 5.0}])
def test_a_recipe_that_is_none_of_its_own_is_refused(wan: Wan, recipe: Recipe, change: dict[str, Any]) -> None:
    with pytest.raises(RenderFailed, match="is sampled by lcm"):
        made(wan, replace(recipe, **change), 7)


async def test_it_warms_up(model: FoundModel) -> None:
    renderer = PipelineRenderer(model, device="cpu", speed=Speed(precision="float32"), warm=True)
    await renderer.load()
    assert "tiny-fast" in renderer.described
    await renderer.close()


# The front door


@pytest.fixture(scope="module")
def server(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    own = tmp_path_factory.mktemp("row") / "row.json"
    own.write_text(json.dumps(FEW))
    live = Live(tmp_path_factory.mktemp("few"), tiny_model, model_row=own)
    yield live.start()
    live.close()


def test_through_the_front_door(server: Live) -> None:
    model = httpx.get(f"{server.url}/v1/models").json()["data"][0]
    assert (model["id"], model["reprise"]["steps"], model["reprise"]["sampler"]) == ("tiny-fast", {"standard": 3}, "lcm")
    video = server.made("a red circle moves to the left")
    assert video["status"] == "completed"
    assert len(video["reprise"]["steps_ms"]) == 3
    assert server.post("a red circle moves to the left", steps=3, guidance_scale=1)["reprise"]["verdict"] == "exact"
    for field, value in {"quality": "final", "steps": 20, "guidance_scale": 5, "negative_prompt": "blur"}.items():
        refused = httpx.post(f"{server.url}/v1/videos", json={"prompt": "a red circle", field: value})
        assert (refused.status_code, refused.json()["error"]["param"]) == (400, field)


def test_the_demo_is_sampled_as_it_was() -> None:
    assert (DEMO.sampler, DEMO.timesteps, DEMO.negative_prompt) == ("unipc", (), "")
