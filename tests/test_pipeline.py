"""The renderer on a real, tiny WanPipeline: what it makes, that it is the pipeline's own result, and that it stops."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
import threading
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKLWan, WanPipeline
from safetensors.torch import load
from torch._inductor.runtime.cache_dir_utils import default_cache_dir

from cache.catalog import DEMO, WAN_TI2V_5B, AskedSettings, resolve
from cache.errors import OutOfMemory, RenderFailed, RenderStopped, Unavailable
from cache.recipe import Recipe
from cache.settings import Settings
from gateway.commands.profile import profile_lines, run_profile
from generator.diffusion.prompts import Prompts
from generator.model import FoundModel, find_model, folder_revision
from generator.pipeline import PipelineRenderer
from generator.renderer import Progress, Rendered, RenderOrder
from generator.speed import Speed
from training.demo_model.tiny import make_tiny_folder

PROMPT = "a red circle moves to the left"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_folder(tmp_path_factory.mktemp("model") / "tiny")


@pytest.fixture(scope="module")
def model(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> FoundModel:
    return find_model(str(folder), "", tmp_path_factory.mktemp("state"))


@pytest.fixture(scope="module")
def recipe(model: FoundModel) -> Recipe:
    return replace(resolve(model.served, AskedSettings(steps=3)), frames=9, width=64, height=64)


@pytest.fixture
async def renderer(model: FoundModel, loaded: dict[str, PipelineRenderer]) -> PipelineRenderer:
    """One for all tests of this file, as in a worker: what a test leaves behind, the next one meets."""
    if "it" not in loaded:
        loaded["it"] = PipelineRenderer(model, device="cpu", speed=Speed(precision="float32"), warm=False)
        await loaded["it"].load()
    return loaded["it"]


@pytest.fixture(scope="module")
def loaded() -> Any:
    kept: dict[str, PipelineRenderer] = {}
    yield kept
    for renderer in kept.values():
        asyncio.run(renderer.close())


class Told:
    """Keeps what it is told, and may set `stop` at a stage and percent."""

    def __init__(self, stop_at: tuple[str, int] | None = None) -> None:
        self.said: list[Progress] = []
        self.stop, self.stop_at, self.stopped_at = threading.Event(), stop_at, 0.0
        self.denoising, self._loop = asyncio.Event(), asyncio.get_running_loop()

    def __call__(self, progress: Progress) -> None:
        self.said.append(progress)
        if progress.stage == "denoise":
            self._loop.call_soon_threadsafe(self.denoising.set)
        if self.stop_at and progress.stage == self.stop_at[0] and progress.percent >= self.stop_at[1] and not self.stop.is_set():
            self.stopped_at = time.perf_counter()
            self.stop.set()


async def one(renderer: PipelineRenderer, recipe: Recipe, prompt: str = PROMPT, seed: int = 7) -> Rendered:
    told = Told()
    return (await renderer.render([RenderOrder(prompt, recipe, seed)], told, told.stop))[0]


async def test_a_clip(renderer: PipelineRenderer, recipe: Recipe) -> None:
    told = Told()
    (clip,) = await renderer.render([RenderOrder(PROMPT, recipe, 7)], told, told.stop)
    assert clip.frames is not None
    assert clip.frames.shape == (9, 64, 64, 3)
    assert clip.frames.dtype == np.uint8
    assert clip.frames.std() > 1
    assert clip.stages_ms.keys() == {"text_encode", "denoise", "vae_decode"}
    assert all(ms > 0 for ms in clip.stages_ms.values())
    assert clip.gpu_seconds >= 0.99 * sum(clip.stages_ms.values()) / 1000
    assert len(clip.steps_ms) == 3
    assert all(ms > 0 for ms in clip.steps_ms)
    assert sum(clip.steps_ms) <= 1.01 * clip.stages_ms["denoise"]  # which has what comes before the first step, too
    assert (clip.video, clip.notes, clip.tiled) == (None, (), False)
    assert (clip.peak_bytes, renderer.room, renderer.longest_batch) == (None, None, 1)  # nobody counts a CPU's
    assert clip.latent is not None
    latent = load(clip.latent)["latent"]
    assert (tuple(latent.shape), latent.dtype) == ((16, 3, 8, 8), torch.float16)
    # One step per denoise step and per latent frame, forwards only, and the last percents left to video and store.
    stages = [said.stage for said in told.said]
    assert stages == ["text_encode", *["denoise"] * 4, *["vae_decode"] * 4]
    percents = [said.percent for said in told.said]
    assert percents == sorted(percents)
    assert (percents[0], percents[-1]) == (0, 95)


async def test_it_is_what_the_stock_pipeline_makes(renderer: PipelineRenderer, recipe: Recipe, folder: Path) -> None:
    clip = await one(renderer, replace(recipe, negative_prompt="blue"))
    stock: Any = WanPipeline.from_pretrained(folder, dtype=torch.float32, local_files_only=True)
    stock.set_progress_bar_config(disable=True)
    video = stock(
        PROMPT,
        negative_prompt="blue",
        height=64,
        width=64,
        num_frames=9,
        num_inference_steps=3,
        guidance_scale=recipe.guidance,
        max_sequence_length=recipe.max_sequence_length,
        generator=torch.Generator("cpu").manual_seed(7),
    ).frames[0]
    assert clip.frames is not None
    # At most the last bit of a colour: the thread counts differ, and so may the order of sums.
    assert np.abs(clip.frames.astype(int) - np.round(video * 255)).max() <= 1


async def test_the_choices_of_speed_leave_the_video_alone(renderer: PipelineRenderer, model: FoundModel, recipe: Recipe) -> None:
    other = PipelineRenderer(
        model, device="cpu", speed=Speed(precision="float32", cfg_batch="on", vae_memory_format="channels_last", attention="_native_math")
    )
    await other.load()
    assert "both passes of guidance at once" in other.choices
    assert "attention _native_math" in other.choices
    assert "channels last" in other.choices
    for guided in (recipe, replace(recipe, guidance=1.0)):
        video, plain = await one(other, guided), await one(renderer, guided)
        assert np.abs(video.frames.astype(int) - plain.frames).max() <= 1  # type: ignore[union-attr]  # frames are there
    await other.close()


@pytest.mark.filterwarnings("ignore")  # of torch's compiler, about itself
async def test_compiled_blocks_leave_the_video_alone(
    renderer: PipelineRenderer, model: FoundModel, recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", default_cache_dir())  # as torch leaves it
    speed = Speed(precision="float32", compile="static", compiled=tmp_path / "compiled")
    other = PipelineRenderer(model, device="cpu", speed=speed, niceness=0, warm=False)
    await other.load()
    assert "compiles the transformer's blocks (static)" in other.choices
    assert os.environ["TORCHINDUCTOR_CACHE_DIR"] == str(tmp_path / "compiled" / "inductor"), "not torch's own under /tmp"
    short = replace(recipe, frames=5, steps=1, guidance=1.0)  # one shape: a compile takes seconds
    video, plain = await one(other, short), await one(renderer, short)
    assert np.abs(video.frames.astype(int) - plain.frames).max() <= 1  # type: ignore[union-attr]  # frames are there
    await other.close()


@pytest.mark.filterwarnings("ignore")  # of torch's compiler, about itself
async def test_what_cannot_be_compiled_runs_as_it_is_written(renderer: PipelineRenderer, model: FoundModel, recipe: Recipe) -> None:
    other = PipelineRenderer(model, device="cpu", speed=Speed(precision="float32", compile="static", vae_norm_fusion="on"), warm=False)
    await other.load()

    def refused(*_: Any, **__: Any) -> Any:
        raise torch._inductor.exc.InductorError(RuntimeError("no compiler is here"), None)

    for part in (other._wan._pipe.transformer, other._wan._pipe.vae):  # type: ignore[union-attr]  # it is loaded
        for module in part.modules():
            if module._compiled_call_impl is not None:
                module._compiled_call_impl = refused
    video, plain = await one(other, recipe), await one(renderer, recipe)
    assert np.abs(video.frames.astype(int) - plain.frames).max() <= 1  # type: ignore[union-attr]  # frames are there
    await other.close()


async def test_an_attention_that_is_not_there_is_done_without(model: FoundModel, recipe: Recipe) -> None:
    other = PipelineRenderer(model, device="cpu", speed=Speed(attention="_native_cudnn"), warm=False)
    await other.load()
    assert "attention native" in other.choices
    assert (await one(other, recipe)).frames is not None
    await other.close()


async def test_a_step_cache_changes_pixels_and_leaves_nothing_behind(renderer: PipelineRenderer, recipe: Recipe) -> None:
    many = replace(recipe, steps=8)
    before = await one(renderer, many)
    for spelled in ("first_block:0.9", "taylor:4", "sea:0.9"):
        cached = await one(renderer, replace(many, step_cache=spelled))
        assert cached.latent != before.latent, spelled
    assert (await one(renderer, many)).latent == before.latent


@pytest.mark.parametrize("spelled", ["nonsense", "first_block:much", "none of these"])
def test_a_step_cache_that_nobody_knows(model: FoundModel, spelled: str) -> None:
    with pytest.raises(RenderFailed, match="unknown step cache"):
        model.with_step_cache(spelled)
    assert resolve(model.with_step_cache("sea:0.1").served, AskedSettings()).step_cache == "sea:0.1"


@pytest.mark.parametrize("when", [0, 1])
async def test_out_of_memory_in_the_decoder_is_tried_again_in_tiles(
    renderer: PipelineRenderer, recipe: Recipe, monkeypatch: pytest.MonkeyPatch, when: int
) -> None:
    recipe = replace(recipe, width=recipe.width + 16 * (when + 1))  # sizes of its own: the decoder remembers which were too large
    whole = [await one(renderer, recipe, seed=seed) for seed in (7, 8)]
    decode, calls = AutoencoderKLWan.decode, list[bool]()

    def decoded(self: Any, *args: Any, **more: Any) -> Any:
        calls.append(self.use_tiling)
        if len(calls) == when + 1:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return decode(self, *args, **more)

    monkeypatch.setattr(AutoencoderKLWan, "decode", decoded)
    told = Told()
    made = await renderer.render([RenderOrder(PROMPT, recipe, seed) for seed in (7, 8)], told, told.stop)
    assert calls == ([False, True, True] if when == 0 else [False, False, True])
    assert [clip.tiled for clip in made] == ([True, True] if when == 0 else [False, True])
    assert [clip.notes for clip in made] == [("decoded in tiles, because memory was short",) if clip.tiled else () for clip in made]
    for clip, plain in zip(made, whole, strict=True):  # so small a picture is one tile
        assert np.abs(clip.frames.astype(int) - plain.frames).max() <= 1  # type: ignore[union-attr]  # frames are there


async def test_out_of_memory_in_tiles_too_is_told(renderer: PipelineRenderer, recipe: Recipe, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = replace(recipe, width=recipe.width + 48)  # see above
    before = await one(renderer, recipe)

    def decoded(*_: Any, **__: Any) -> Any:
        raise torch.OutOfMemoryError("CUDA out of memory")

    with monkeypatch.context() as patched, pytest.raises(OutOfMemory):
        patched.setattr(AutoencoderKLWan, "decode", decoded)
        await one(renderer, recipe)
    assert (await one(renderer, recipe)).latent == before.latent


def test_prompts_are_kept_within_their_bytes() -> None:
    prompts, asked = Prompts(limit=3 * 4 * 8 * 2), list[str]()

    def encoded(text: str, tokens: int) -> torch.Tensor:
        def encode() -> torch.Tensor:
            asked.append(text)
            return torch.cat([torch.ones(tokens, 8, dtype=torch.bfloat16), torch.zeros(6 - tokens, 8, dtype=torch.bfloat16)])

        return prompts.padded(text, 6, torch.device("cpu"), encode)

    for text in ("a", "b", "c", "a", "d", "b"):  # room for three of four tokens: b is the oldest when d comes
        whole = encoded(text, 4)
        assert (tuple(whole.shape), int(whole.any(dim=-1).sum())) == ((6, 8), 4)
    assert asked == ["a", "b", "c", "d", "b"]
    assert len(prompts) == 3
    assert prompts.bytes == 3 * 4 * 8 * 2
    nothing_kept = Prompts(limit=0)
    nothing_kept.padded("a", 6, torch.device("cpu"), lambda: torch.ones(6, 8))
    assert (len(nothing_kept), nothing_kept.bytes) == (0, 0)


async def test_a_profile_tells_where_the_time_goes(renderer: PipelineRenderer, recipe: Recipe, tmp_path: Path) -> None:
    trace = tmp_path / "deep" / "trace.json"
    rendered, operations = await renderer.profile(RenderOrder(PROMPT, recipe, 7), trace)
    assert rendered.latent == (await one(renderer, recipe)).latent
    assert any("convolution" in row.name for row in operations)
    assert [row.ms for row in operations] == sorted((row.ms for row in operations), reverse=True)
    assert len(json.loads(trace.read_text())["traceEvents"]) > 100


async def test_the_profile_command(folder: Path, tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, model=str(folder), device="cpu")
    told = profile_lines(await run_profile(settings, PROMPT, AskedSettings(steps=2), tmp_path / "trace.json"), tmp_path / "trace.json")
    for expected in (
        "reprise-demo on cpu",
        "compiles nothing",
        "text_encode",
        "denoise",
        "vae_decode",
        "video_encode",
        "per step:",
        "convolution",
    ):
        assert any(expected in line for line in told), expected
    assert (tmp_path / "trace.json").stat().st_size > 1000
    with pytest.raises(Unavailable, match="only our own pipeline"):
        await run_profile(
            settings.model_copy(update={"renderer": "upstream", "model": "reprise-demo", "upstream_url": "http://127.0.0.1:9/v1"}),
            PROMPT,
            AskedSettings(),
            tmp_path / "no.json",
        )


async def test_equal_seed_equal_bits(renderer: PipelineRenderer, recipe: Recipe) -> None:
    first, second = await one(renderer, recipe), await one(renderer, recipe)
    other, words = await one(renderer, recipe, seed=8), await one(renderer, recipe, prompt="a blue square")
    assert np.array_equal(first.frames, second.frames)  # type: ignore[arg-type]  # frames are there
    assert first.latent == second.latent
    assert first.latent != other.latent != words.latent != first.latent


async def test_every_setting_of_the_recipe_reaches_the_pixels(renderer: PipelineRenderer, recipe: Recipe) -> None:
    changed = [
        recipe,
        replace(recipe, steps=2),
        replace(recipe, guidance=1.0),
        replace(recipe, guidance=3.0),
        replace(recipe, flow_shift=8.0),
        replace(recipe, negative_prompt="a green star"),
        replace(recipe, max_sequence_length=4),
        replace(recipe, frames=5),
        replace(recipe, width=96),
    ]
    latents = [(await one(renderer, each)).latent for each in changed]
    assert len(set(latents)) == len(changed)
    assert (await one(renderer, recipe)).latent == latents[0]


@pytest.mark.parametrize("seed", [0, 1, 2**63 - 1])
async def test_every_seed_is_drawn(renderer: PipelineRenderer, recipe: Recipe, seed: int) -> None:
    assert (await one(renderer, replace(recipe, steps=1), seed=seed)).frames is not None


async def test_a_repeated_prompt_pays_no_text_encode(renderer: PipelineRenderer, recipe: Recipe) -> None:
    fresh = await one(renderer, recipe, prompt="a prompt that was never seen before")
    again = await one(renderer, recipe, prompt="a prompt that was never seen before")
    assert again.stages_ms["text_encode"] < fresh.stages_ms["text_encode"] / 2
    assert again.latent == fresh.latent


async def test_a_clip_does_not_depend_on_its_batch(renderer: PipelineRenderer, recipe: Recipe) -> None:
    orders = [RenderOrder(PROMPT, recipe, 7), RenderOrder("a blue square", recipe, 8), RenderOrder("", recipe, 9)]
    told = Told()
    batch = await renderer.render(orders, told, told.stop)
    percents = [said.percent for said in told.said]
    assert percents == sorted(percents)
    for order, together in zip(orders, batch, strict=True):
        alone = await one(renderer, recipe, order.prompt, order.seed)
        assert alone.frames is not None
        assert together.frames is not None
        # Another batch size sums in another order: the last bit may differ, never the picture.
        assert np.abs(alone.frames.astype(int) - together.frames).max() <= 1
        assert together.gpu_seconds < sum(each.gpu_seconds for each in batch)


async def test_a_prompt_longer_than_the_model_reads_is_noted(renderer: PipelineRenderer, recipe: Recipe) -> None:
    clip = await one(renderer, replace(recipe, max_sequence_length=8), prompt="a red circle " * 20)
    assert len(clip.notes) == 1
    assert clip.notes[0].endswith("the model reads the first 8")


@pytest.mark.parametrize("at", [("text_encode", 0), ("denoise", 3), ("denoise", 20), ("denoise", 70), ("vae_decode", 78)])
async def test_it_stops_when_told_and_renders_on(renderer: PipelineRenderer, recipe: Recipe, at: tuple[str, int]) -> None:
    before = await one(renderer, recipe)
    many = replace(recipe, steps=20)
    whole = await one(renderer, many)
    told = Told(stop_at=at)
    with pytest.raises(RenderStopped):
        await renderer.render([RenderOrder("something new " + str(at), many, 7)], told, told.stop)
    taken = time.perf_counter() - told.stopped_at
    # Within one step: nothing more is told, and not the rest of the clip is waited for.
    assert told.said[-1].percent == next(said.percent for said in told.said if said.stage == at[0] and said.percent >= at[1])
    assert taken < 0.6 * whole.gpu_seconds
    assert (await one(renderer, recipe)).latent == before.latent


async def test_a_stop_before_the_start(renderer: PipelineRenderer, recipe: Recipe) -> None:
    told = Told()
    told.stop.set()
    with pytest.raises(RenderStopped):
        await renderer.render([RenderOrder(PROMPT, recipe, 7)], told, told.stop)
    assert {said.stage for said in told.said} <= {"text_encode", "denoise"}


async def test_whoever_waits_may_be_cancelled(renderer: PipelineRenderer, recipe: Recipe) -> None:
    told = Told()
    waiting = asyncio.create_task(renderer.render([RenderOrder(PROMPT, replace(recipe, steps=50), 7)], told, told.stop))
    await told.denoising.wait()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert told.stop.is_set()
    assert (await one(renderer, recipe)).frames is not None


@pytest.mark.parametrize(
    "change",
    [{"width": 72}, {"height": 24}, {"frames": 8}, {"frames": 10}, {"revision": "0" * 64}, {"model": "other"}, {"step_cache": "nonsense"}],
)
async def test_what_it_cannot_render_exactly_it_refuses(renderer: PipelineRenderer, recipe: Recipe, change: dict[str, Any]) -> None:
    with pytest.raises(RenderFailed):
        await one(renderer, replace(recipe, **change))


async def test_a_clip_that_does_not_fit_is_told_and_the_next_one_renders(renderer: PipelineRenderer, recipe: Recipe) -> None:
    with pytest.raises(OutOfMemory):
        await one(renderer, replace(recipe, width=2**20, height=2**20, frames=2**12 + 1))
    assert (await one(renderer, recipe)).frames is not None


async def test_the_event_loop_stays_free(renderer: PipelineRenderer, recipe: Recipe) -> None:
    rendering = asyncio.create_task(one(renderer, replace(recipe, steps=20)))
    late = []
    while not rendering.done():
        start = time.perf_counter()
        await asyncio.sleep(0.002)
        late.append(time.perf_counter() - start - 0.002)
    assert sorted(late)[len(late) // 2] < 0.02
    assert len(late) > 10


async def test_the_render_thread_steps_back(renderer: PipelineRenderer, recipe: Recipe) -> None:
    if sys.platform != "linux":
        pytest.skip("threads have no niceness of their own here")
    nice: list[int] = []
    told = Told()
    await renderer.render([RenderOrder(PROMPT, recipe, 7)], lambda _: nice.append(os.getpriority(os.PRIO_PROCESS, 0)), told.stop)
    assert min(nice) > os.getpriority(os.PRIO_PROCESS, os.getpid()) or min(nice) == 19


async def test_bfloat16_shows_the_same_video(model: FoundModel, recipe: Recipe, renderer: PipelineRenderer) -> None:
    other = PipelineRenderer(model, device="cpu", speed=Speed(precision="bfloat16"), warm=True)
    assert other.described == "reprise-demo, not loaded"
    await other.load()
    await other.load()
    assert other.described == "reprise-demo on cpu in bfloat16"
    coarse, fine = await one(other, recipe), await one(renderer, recipe)
    assert np.abs(coarse.frames.astype(int) - fine.frames).mean() < 3  # type: ignore[union-attr]  # frames are there
    await other.close()


@pytest.fixture
async def broken(folder: Path, tmp_path: Path) -> AsyncIterator[Path]:
    shutil.copytree(folder, tmp_path / "copy")
    yield tmp_path / "copy"


async def test_a_model_that_cannot_be_loaded_is_told(broken: Path, tmp_path: Path) -> None:
    (broken / "vae" / "diffusion_pytorch_model.safetensors").write_bytes(b"\x00" * 100)
    renderer = PipelineRenderer(find_model(str(broken), "", tmp_path))
    for _ in range(2):
        with pytest.raises(RenderFailed):
            await renderer.load()
    await renderer.close()


def test_the_revision_is_the_digest_of_the_files(broken: Path, folder: Path, tmp_path: Path) -> None:
    first = folder_revision(folder, tmp_path)
    assert folder_revision(broken, tmp_path) == first  # wherever it lies
    (broken / "README.md").write_text("words")
    (broken / ".cache").mkdir()
    (broken / ".cache" / "x").write_text("y")
    assert folder_revision(broken, tmp_path) == first
    weights = next(broken.rglob("*.safetensors"))
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x01")
    changed = folder_revision(broken, tmp_path)
    assert changed != first
    weights.rename(weights.with_name("other.safetensors"))
    assert len({first, changed, folder_revision(broken, tmp_path)}) == 3


def test_an_unchanged_folder_is_read_once(broken: Path, tmp_path: Path) -> None:
    first = folder_revision(broken, tmp_path)
    kept = tmp_path / "model_digests.json"
    entries = json.loads(kept.read_text())
    weights = next(broken.rglob("*.safetensors"))
    entries[str(weights)][2] = "0" * 64
    kept.write_text(json.dumps(entries))
    assert folder_revision(broken, tmp_path) != first  # the kept digest was believed: nothing was read
    os.utime(weights)
    assert folder_revision(broken, tmp_path) == first
    kept.write_text("{ broken")
    assert folder_revision(broken, tmp_path) == first


def test_which_row_a_folder_has(broken: Path, tmp_path: Path) -> None:
    assert find_model(str(broken), "", tmp_path).served.row == DEMO.undistilled
    config = broken / "transformer" / "config.json"
    fields = json.loads(config.read_text())
    config.write_text(json.dumps(fields | {"in_channels": 48, "num_layers": 30}))
    vae = broken / "vae" / "config.json"
    vae.write_text(json.dumps(json.loads(vae.read_text()) | {"scale_factor_spatial": 16}))
    assert find_model(str(broken), "", tmp_path).served.row == WAN_TI2V_5B
    config.write_text(json.dumps(fields | {"in_channels": 33}))
    with pytest.raises(RenderFailed, match="not in the catalogue"):
        find_model(str(broken), "", tmp_path)
    row = {
        "name": "ours", "sizes": [[64, 32]], "default_seconds": 1, "longest_seconds": 2, "fps": 8, "guidance": 2.0, "flow_shift": 3.0,
        "steps": {"draft": 1, "standard": 2, "final": 3}, "max_sequence_length": 16, "negative_prompt": "",
    }  # fmt: skip
    (broken / "reprise.json").write_text(json.dumps(row))
    found = find_model(str(broken), "", tmp_path, ("sora-2",))
    assert (found.served.name, found.served.row.sizes, found.served.aliases, found.local) == ("ours", ((64, 32),), ("sora-2",), True)
    for wrong in (row | {"colour": "red"}, row | {"sizes": []}, row | {"steps": {"draft": 1}}, row | {"sizes": [["x", 1]]}):
        (broken / "reprise.json").write_text(json.dumps(wrong))
        with pytest.raises(RenderFailed):
            find_model(str(broken), "", tmp_path)


@pytest.mark.parametrize("name", ["/not/there", "./not/there", "not-there", "a/b/c", "~/not/there"])
def test_a_folder_that_is_not_there(name: str, tmp_path: Path) -> None:
    with pytest.raises(RenderFailed, match="not a folder"):
        find_model(name, "", tmp_path)
