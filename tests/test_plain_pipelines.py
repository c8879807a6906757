"""Other text-to-video pipelines of diffusers, by their own call: LTX, CogVideoX and Mochi, each as a tiny folder of random weights."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import diffusers
import httpx
import numpy as np
import pytest
import torch
from transformers import AutoTokenizer

from cache.catalog import AskedSettings, resolve
from cache.errors import Invalid, RenderFailed, RenderStopped
from cache.recipe import Recipe
from generator.model import FoundModel, find_model
from generator.pipeline import PipelineRenderer
from generator.renderer import Progress, Rendered, RenderOrder
from generator.speed import Speed
from tests.families import ROWS, TOKENS, make_family
from tests.live import Live

PROMPT = "a red circle moves to the left"
NEVER = threading.Event()

pytestmark = pytest.mark.filterwarnings("ignore:(?s).*Autocast only supports")  # Mochi asks for float32 in one, which a CPU's does not know


@pytest.fixture(scope="module", params=sorted(ROWS))
def folder(request: Any, tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    tokenizer = AutoTokenizer.from_pretrained(tiny_model / "tokenizer")
    return make_family(request.param, tmp_path_factory.mktemp("family") / "tiny", tokenizer)


@pytest.fixture(scope="module")
def model(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> FoundModel:
    return find_model(str(folder), "", tmp_path_factory.mktemp("state"))


@pytest.fixture(scope="module")
def renderer(model: FoundModel) -> Iterator[PipelineRenderer]:
    made = PipelineRenderer(model, device="cpu", speed=Speed(precision="float32"), warm=False)
    asyncio.run(made.load())
    yield made
    asyncio.run(made.close())


@pytest.fixture(scope="module")
def recipe(model: FoundModel) -> Recipe:
    return resolve(model.served, AskedSettings(negative_prompt="blue"))


async def render(renderer: PipelineRenderer, recipe: Recipe, *seeds: int, told: Any = lambda _: None) -> list[Rendered]:
    return await renderer.render([RenderOrder(PROMPT, recipe, seed) for seed in seeds], told, NEVER)


async def test_it_is_what_the_pipeline_itself_makes(renderer: PipelineRenderer, recipe: Recipe, folder: Path, model: FoundModel) -> None:
    said = list[Progress]()
    (clip,) = await render(renderer, recipe, 7, told=said.append)
    row = model.served.row
    assert (recipe.sampler, recipe.frames % row.frame_step, renderer.longest_batch) == ("own", 1, 1)
    stock: Any = getattr(diffusers, row.pipeline).from_pretrained(folder, dtype=torch.float32, local_files_only=True)
    stock.set_progress_bar_config(disable=True)
    more = {"frame_rate": recipe.fps} if row.pipeline == "LTXPipeline" else {}
    video = stock(
        PROMPT, negative_prompt="blue", height=recipe.height, width=recipe.width, num_frames=recipe.frames, num_inference_steps=3,
        guidance_scale=3.0, max_sequence_length=TOKENS, generator=torch.Generator("cpu").manual_seed(7), output_type="np", **more,
    ).frames[0]  # fmt: skip
    assert clip.frames is not None
    assert clip.frames.shape == (recipe.frames, recipe.height, recipe.width, 3)
    assert np.abs(clip.frames.astype(int) - np.round(np.clip(video, 0, 1) * 255)).max() <= 1
    assert clip.frames.std() > 1
    assert (clip.latent, clip.notes, clip.tiled, len(clip.steps_ms)) == (None, (), False, 3)
    assert clip.stages_ms.keys() == {"text_encode", "denoise", "vae_decode"}
    assert all(ms > 0 for ms in (*clip.stages_ms.values(), *clip.steps_ms))
    assert [one.stage for one in said] == ["text_encode", *["denoise"] * 4, "vae_decode"]
    assert "nothing accelerated" in renderer.choices


async def test_a_clip_does_not_depend_on_its_batch(renderer: PipelineRenderer, recipe: Recipe) -> None:
    said = list[Progress]()
    together = await render(renderer, recipe, 7, 8, told=said.append)
    percents = [one.percent for one in said]
    assert percents == sorted(percents)
    assert percents[-1] < 100
    for seed, clip in zip((7, 8), together, strict=True):
        (alone,) = await render(renderer, recipe, seed)
        assert np.array_equal(alone.frames, clip.frames)  # type: ignore[arg-type]  # frames are there
    assert not np.array_equal(together[0].frames, together[1].frames)  # type: ignore[arg-type]  # as above


async def test_what_a_request_sets_reaches_the_pixels(renderer: PipelineRenderer, recipe: Recipe, model: FoundModel) -> None:
    other = resolve(model.served, AskedSettings(size="x".join(map(str, model.served.row.sizes[1])), quality="draft"))
    changed = [recipe, replace(recipe, guidance=8.0), replace(recipe, negative_prompt="a green star"), replace(recipe, steps=2), other]
    frames = [(await render(renderer, each, 7))[0].frames.tobytes() for each in changed]  # type: ignore[union-attr]  # as above
    assert len(set(frames)) == len(changed)


@pytest.mark.parametrize("percent", [0, 3, 20])
async def test_it_stops_when_told_and_renders_on(renderer: PipelineRenderer, recipe: Recipe, percent: int) -> None:
    stop, said = threading.Event(), list[Progress]()

    def told(progress: Progress) -> None:
        said.append(progress)
        if progress.percent >= percent:
            stop.set()

    with pytest.raises(RenderStopped):
        await renderer.render([RenderOrder(PROMPT, recipe, 7)], told, stop)
    assert said[-1].percent <= max(percent, 3) + 23, "no further than the step"
    assert (await render(renderer, recipe, 7))[0].frames is not None


async def test_what_it_cannot_do_is_refused(renderer: PipelineRenderer, recipe: Recipe, model: FoundModel) -> None:
    for change in ({"revision": "0" * 64}, {"step_cache": "sea"}, {"sampler": "unipc"}, {"lora": "style:1:00"}):
        with pytest.raises(RenderFailed):
            await render(renderer, replace(recipe, **change), 7)  # type: ignore[arg-type]  # fields of a Recipe
    with pytest.raises(RenderFailed, match="its row is wrong"):
        await render(renderer, replace(recipe, frames=recipe.frames + 1), 7)
    with pytest.raises(RenderFailed, match="REPRISE_STEP_CACHE must be none"):
        model.with_step_cache("sea")
    with pytest.raises(Invalid, match="final"):
        resolve(model.served, AskedSettings(quality="final"))


def test_a_row_names_what_is_in_the_folder(folder: Path, model: FoundModel, tmp_path: Path) -> None:
    row = json.loads((folder / "reprise.json").read_text())
    for change, said in (
        ({"pipeline": "HunyuanVideoPipeline", "negative_prompt": None}, "its row says HunyuanVideoPipeline"),
        ({"pipeline": "HunyuanVideoPipeline"}, "negative_prompt is null"),
        ({"sampler": "unipc"}, '"own" with any other'),
        ({"flow_shift": 3}, "flow_shift is for"),
    ):
        (tmp_path / "row.json").write_text(json.dumps(row | change))
        with pytest.raises(RenderFailed, match=said):
            find_model(str(folder), "", tmp_path, row=str(tmp_path / "row.json"))


def test_through_the_front_door(tiny_model: Path, tmp_path: Path) -> None:
    folder = make_family("LTXPipeline", tmp_path / "ltx", AutoTokenizer.from_pretrained(tiny_model / "tokenizer"))
    server = Live(tmp_path / "data", folder)
    try:
        server.start()
        video = server.made(PROMPT)
        assert (video["status"], video["size"], video["model"]) == ("completed", "32x32", "tiny-LTXPipeline")
        assert server.post(PROMPT)["reprise"]["verdict"] == "exact"
        assert httpx.get(f"{server.url}/v1/models").json()["data"][0]["reprise"]["sampler"] == "own"
    finally:
        server.close()
