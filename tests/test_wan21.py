"""A tiny model of the shape that Wan2.1 has (an older VAE, no expanded timesteps): ours is what the stock pipeline makes."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKLWan, WanPipeline

from cache.catalog import WAN21_1_3B, AskedSettings, resolve
from generator.diffusion.wan import load_wan
from generator.model import find_model
from generator.renderer import RenderOrder
from generator.speed import Speed

pytestmark = pytest.mark.usefixtures("one_thread")

PROMPT = "a red circle moves to the left"


@pytest.fixture(scope="module")
def folder(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    pipeline: Any = WanPipeline.from_pretrained(tiny_model, dtype=torch.float32)
    torch.manual_seed(0)
    pipeline.register_modules(vae=AutoencoderKLWan(base_dim=8, z_dim=16, dim_mult=[1, 1, 1, 1], num_res_blocks=1))
    pipeline.register_to_config(expand_timesteps=False)
    folder = tmp_path_factory.mktemp("wan21") / "Wan2.1-tiny"
    pipeline.save_pretrained(folder)
    row = {
        "name": "tiny-2.1", "sizes": [[64, 64]], "default_seconds": 0.5, "longest_seconds": 2, "fps": WAN21_1_3B.fps,
        "steps": {"standard": 3}, "guidance": WAN21_1_3B.guidance, "flow_shift": 3, "max_sequence_length": 32,
    }  # fmt: skip
    (folder / "reprise.json").write_text(json.dumps(row))
    return folder


@pytest.mark.parametrize("whole", ["on", "off"])
def test_it_is_what_the_stock_pipeline_makes(folder: Path, tmp_path: Path, whole: Literal["on", "off"]) -> None:
    model = find_model(str(folder), "", tmp_path)
    wan = load_wan(model, "cpu", Speed(precision="float32", vae_whole_clip=whole), 1)
    recipe = replace(resolve(model.served, AskedSettings()), negative_prompt="blue")
    (clip,) = wan.render([RenderOrder(PROMPT, recipe, 7)], lambda _: None, threading.Event())
    stock: Any = WanPipeline.from_pretrained(folder, dtype=torch.float32, local_files_only=True)
    stock.set_progress_bar_config(disable=True)
    video = stock(
        PROMPT, negative_prompt="blue", height=64, width=64, num_frames=9, num_inference_steps=3, guidance_scale=recipe.guidance,
        max_sequence_length=32, generator=torch.Generator("cpu").manual_seed(7),
    ).frames[0]  # fmt: skip
    assert clip.frames is not None
    assert clip.frames.std() > 1
    assert np.abs(clip.frames.astype(int) - np.round(video * 255)).max() <= 1
