"""Clips that begin with a picture: ours are what the stock image-to-video pipeline makes of the same tiny folder."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Sequence
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import FlowMatchLCMScheduler, WanImageToVideoPipeline, WanPipeline
from PIL import Image
from safetensors.torch import load as load_tensors

from cache.catalog import DEMO, ROWS, AskedSettings, check_picture, resolve
from cache.errors import BadDonor, NotSupported, RenderFailed
from cache.picture import decoded
from cache.recipe import Recipe
from generator.diffusion.step_caches import step_cache
from generator.diffusion.wan import Wan, load_wan
from generator.model import find_model
from generator.renderer import DonorLatent, Frames, Rendered, RenderOrder
from generator.speed import Speed

pytestmark = pytest.mark.usefixtures("one_thread")

PROMPTS = ("a red circle moves to the left", "a blue square", "a green star at dusk")
ROW = {
    "name": "tiny-i2v", "sizes": [[64, 48]], "default_seconds": 1, "longest_seconds": 2, "fps": 8, "guidance": 4.0, "flow_shift": 3.0,
    "steps": {"standard": 4}, "max_sequence_length": 32, "takes_picture": True,
}  # fmt: skip
POINTS = (1000, 757, 522)
FEW = ROW | {
    "name": "tiny-fast-i2v", "guidance": 1, "flow_shift": 1, "steps": {"standard": 3}, "sampler": "lcm", "timesteps": list(POINTS)
}  # fmt: skip


@pytest.fixture(scope="module")
def picture() -> bytes:
    """Of the size of the clips, so that the stock pipeline, which squeezes where we cut, sees the same."""
    rows, columns = np.mgrid[0:48, 0:64]
    packed = BytesIO()
    Image.fromarray(np.stack([rows * 5, columns * 4, (rows + columns) * 2], axis=2).astype(np.uint8)).save(packed, "PNG")
    return packed.getvalue()


@pytest.fixture(scope="module")
def folder(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny folder, with latents that are scaled as real ones are."""
    pipeline: Any = WanPipeline.from_pretrained(tiny_model, dtype=torch.float32)
    channels = pipeline.vae.config.z_dim
    pipeline.vae.register_to_config(
        latents_mean=[0.1 * at for at in range(channels)], latents_std=[1 + 0.2 * at for at in range(channels)]
    )  # fmt: skip
    folder = tmp_path_factory.mktemp("i2v") / "tiny"
    pipeline.save_pretrained(folder)
    (folder / "reprise.json").write_text(json.dumps(ROW))
    return folder


def loaded(folder: Path, state: Path, speed: Speed | None = None) -> Wan:
    return load_wan(find_model(str(folder), "", state), "cpu", speed or Speed(precision="float32"), 1)


@pytest.fixture(scope="module")
def wan(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Wan:
    return loaded(folder, tmp_path_factory.mktemp("state"))


def recipe_of(wan: Wan, picture: bytes, **changes: Any) -> Recipe:
    recipe = replace(resolve(wan._served, AskedSettings()), **changes)
    return replace(recipe, picture=decoded(picture, recipe.width, recipe.height).digest)


def made(wan: Wan, recipe: Recipe, picture: bytes | None, prompts: Sequence[str] = PROMPTS[:1], **more: Any) -> list[Rendered]:
    orders = [RenderOrder(prompt, recipe, 7 + at, picture=picture, **more) for at, prompt in enumerate(prompts)]
    return wan.render(orders, lambda _: None, threading.Event())


def frames_of(clip: Rendered) -> Frames:
    assert clip.frames is not None
    return clip.frames


def stock_of(folder: Path, transformer: Any = None) -> Any:
    parts = {} if transformer is None else {"transformer": transformer}
    stock: Any = WanImageToVideoPipeline.from_pretrained(
        folder, dtype=torch.float32, local_files_only=True, image_encoder=None, image_processor=None, **parts
    )
    stock.set_progress_bar_config(disable=True)
    assert stock.config.expand_timesteps
    return stock


def stocks(stock: Any, recipe: Recipe, picture: bytes, prompts: Sequence[str] = PROMPTS[:1], **more: Any) -> tuple[Any, Any]:
    """Frames and final latents as the stock pipeline makes them."""
    kept: list[torch.Tensor] = []
    hook = stock.vae.register_forward_pre_hook(lambda *_: None)
    decode, vae = stock.vae.decode, stock.vae
    mean, deviation = (torch.tensor(numbers).view(1, -1, 1, 1, 1) for numbers in (vae.config.latents_mean, vae.config.latents_std))

    def noted(latents: torch.Tensor, **kwargs: Any) -> Any:
        kept.append((latents - mean) / deviation)
        return decode(latents, **kwargs)

    stock.vae.decode = noted
    seeds = [torch.Generator("cpu").manual_seed(7 + at) for at in range(len(prompts))]
    try:
        video = stock(
            Image.open(BytesIO(picture)), list(prompts), negative_prompt=[recipe.negative_prompt] * len(prompts), height=recipe.height,
            width=recipe.width, num_frames=recipe.frames, num_inference_steps=recipe.steps, guidance_scale=recipe.guidance,
            max_sequence_length=recipe.max_sequence_length, generator=seeds,
            **more,
        ).frames  # fmt: skip
    finally:
        stock.vae.decode = decode
        hook.remove()
    return video, kept[0]


def check_same(clips: list[Rendered], video: Any, latents: torch.Tensor) -> None:
    assert len(clips) == len(video)
    for clip, frames, latent in zip(clips, video, latents, strict=True):
        assert frames_of(clip).std() > 1
        assert np.abs(frames_of(clip).astype(int) - np.round(frames * 255)).max() <= 1
        assert clip.latent is not None
        assert (load_tensors(clip.latent)["latent"].float() - latent).abs().max() < 5e-3  # it is stored in float16


@pytest.mark.parametrize("guidance", [4.0, 1.0])
def test_it_is_what_the_stock_pipeline_makes(wan: Wan, folder: Path, picture: bytes, guidance: float) -> None:
    recipe = recipe_of(wan, picture, guidance=guidance, negative_prompt="blue")
    clips = made(wan, recipe, picture)
    check_same(clips, *stocks(stock_of(folder), recipe, picture))
    assert clips[0].stages_ms.keys() == {"text_encode", "picture_encode", "denoise", "vae_decode"}


def test_a_batch_is_what_the_stock_pipeline_makes(wan: Wan, folder: Path, picture: bytes) -> None:
    recipe = recipe_of(wan, picture)
    together = made(wan, recipe, picture, PROMPTS)
    check_same(together, *stocks(stock_of(folder), recipe, picture, PROMPTS))
    alone = [
        wan.render([RenderOrder(one, recipe, 7 + at, picture=picture)], lambda _: None, threading.Event())[0]
        for at, one in enumerate(PROMPTS)
    ]
    for one, other in zip(together, alone, strict=True):
        assert np.abs(frames_of(one).astype(int) - frames_of(other)).max() <= 1


@pytest.mark.parametrize("offload", ["encoder", "model", "group"])
@pytest.mark.parametrize("together", ["on", "off"])
def test_wherever_its_parts_lie(folder: Path, wan: Wan, picture: bytes, tmp_path: Path, offload: Any, together: Any) -> None:
    recipe = recipe_of(wan, picture)
    elsewhere = loaded(folder, tmp_path, Speed(precision="float32", offload=offload, cfg_batch=together))
    assert elsewhere.placement.word == offload
    (here,), (there,) = made(wan, recipe, picture), made(elsewhere, recipe, picture)
    assert np.abs(frames_of(here).astype(int) - frames_of(there)).max() <= 1


@pytest.mark.parametrize("spelled", ["first_block:0.2", "taylor:2", "sea:0.3"])
def test_with_a_step_cache(wan: Wan, folder: Path, picture: bytes, spelled: str) -> None:
    """The stock pipeline with the same cache: both skip the same steps."""
    recipe = recipe_of(wan, picture, step_cache=spelled, steps=8, quality="custom")
    clips = made(wan, recipe, picture)
    stock = stock_of(folder)
    context = stock.transformer.cache_context
    step = iter(range(2 * recipe.steps))
    sigmas = iter(float(sigma) for sigma in _sigmas(stock, recipe) for _ in range(2))

    def told(name: str) -> Any:
        return context(name, step_index=next(step) // 2, sigma=next(sigmas), num_inference_steps=recipe.steps)

    stock.transformer.cache_context = told
    with step_cache(stock.transformer, recipe):
        check_same(clips, *stocks(stock, recipe, picture))
    plain = made(wan, replace(recipe, step_cache="none"), picture)
    assert (frames_of(plain[0]) != frames_of(clips[0])).any(), "the cache skipped something"


def _sigmas(stock: Any, recipe: Recipe) -> list[float]:
    scheduler = type(stock.scheduler).from_config(stock.scheduler.config)
    scheduler.set_timesteps(recipe.steps)
    return [float(sigma) for sigma in scheduler.sigmas[: recipe.steps]]


def test_a_distilled_model_begins_with_a_picture(folder: Path, picture: bytes, tmp_path: Path) -> None:
    """By the stock pipeline with diffusers' own scheduler for it, which is told the points and the noise that the seed means."""
    few = tmp_path / "tiny-fast"
    shutil.copytree(folder, few)
    (few / "reprise.json").write_text(json.dumps(FEW))
    wan = loaded(few, tmp_path / "state")
    recipe = recipe_of(wan, picture)
    clips = made(wan, recipe, picture)
    stock = stock_of(folder)

    class Told(FlowMatchLCMScheduler):  # type: ignore[misc]  # diffusers is not typed
        noise = torch.Generator("cpu").manual_seed(7)

        def set_timesteps(self, *_: Any, device: Any = None, **__: Any) -> None:
            super().set_timesteps(sigmas=[point / 1000 for point in POINTS], device=device)

        def step(self, *given: Any, **more: Any) -> Any:
            return super().step(*given, generator=[self.noise], **more)

    stock.scheduler = Told(num_train_timesteps=1000, shift=1.0)
    shape = (1, 16, 3, 6, 8)
    check_same(clips, *stocks(stock, recipe, picture, latents=torch.randn(shape, generator=Told.noise)))


def test_the_first_frame_is_the_picture_as_the_vae_keeps_it(wan: Wan, picture: bytes) -> None:
    recipe = recipe_of(wan, picture)
    (clip,) = made(wan, recipe, picture)
    shown = torch.tensor(np.array(Image.open(BytesIO(picture)))).permute(2, 0, 1)[None, :, None] / 127.5 - 1
    with torch.no_grad():
        kept = wan._pipe.vae.decode(wan._pipe.vae.encode(shown).latent_dist.mode(), return_dict=False)[0]
    expected = ((kept[0, :, 0] + 1) * 127.5).round().clamp(0, 255).permute(1, 2, 0).numpy()
    assert np.abs(frames_of(clip)[0].astype(int) - expected).max() <= 1
    other = made(wan, replace(recipe, picture=""), None)
    assert np.abs(frames_of(other[0]).astype(int) - frames_of(clip)).max() > 3, "without it another clip comes out"


def test_a_donor_and_a_picture(wan: Wan, picture: bytes) -> None:
    """An assisted render begins with the same picture, and skips the steps that its donor spares."""
    recipe = recipe_of(wan, picture, steps=8, quality="custom")
    (first,) = made(wan, recipe, picture)
    assert first.latent is not None
    (again,) = made(wan, recipe, picture, PROMPTS[1:2], donor=DonorLatent(first.latent, 0.9))
    assert again.steps_skipped > 0
    assert again.latent is not None
    mine, theirs = (load_tensors(latent)["latent"].float() for latent in (again.latent, first.latent))
    assert torch.equal(mine[:, 0], theirs[:, 0])
    assert not torch.equal(mine[:, 1:], theirs[:, 1:])
    with pytest.raises(BadDonor):
        made(wan, recipe, picture, donor=DonorLatent(b"no latent", 0.9))


def test_what_does_not_go_together_is_refused(wan: Wan, picture: bytes, folder: Path, tmp_path: Path) -> None:
    recipe = recipe_of(wan, picture)
    for wrong, sent in ((replace(recipe, picture=""), picture), (recipe, None)):
        with pytest.raises(RenderFailed, match="rendered from that picture"):
            made(wan, wrong, sent)
    older = tmp_path / "older"
    shutil.copytree(folder, older)
    index = json.loads((older / "model_index.json").read_text())
    (older / "model_index.json").write_text(json.dumps(index | {"expand_timesteps": False}))
    with pytest.raises(RenderFailed, match="expand_timesteps"):
        find_model(str(older), "", tmp_path / "state")
    (older / "reprise.json").write_text(json.dumps(ROW | {"takes_picture": False}))
    plain = find_model(str(older), "", tmp_path / "state").served
    with pytest.raises(NotSupported, match="image-to-video is not supported"):
        check_picture(plain.row)


def test_the_rows_say_which_models_take_pictures() -> None:
    assert {row.name for row in ROWS if row.takes_picture} == {"Wan2.2-TI2V-5B", "FastWan2.2-TI2V-5B"}
    assert not DEMO.takes_picture
