"""Denoising from a donor's latent, on a real, tiny WanPipeline."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load, save

from cache.catalog import AskedSettings, resolve
from cache.errors import BadDonor
from cache.recipe import Recipe
from generator.model import FoundModel, find_model
from generator.pipeline import PipelineRenderer
from generator.renderer import DonorLatent, Progress, Rendered, RenderOrder
from generator.speed import Speed

STEPS = 10


@pytest.fixture(scope="module")
def model(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> FoundModel:
    return find_model(str(tiny_model), "", tmp_path_factory.mktemp("state"))


@pytest.fixture(scope="module")
def recipe(model: FoundModel) -> Recipe:
    return replace(resolve(model.served, AskedSettings(steps=STEPS)), frames=5, width=64, height=64)


@pytest.fixture(scope="module")
def renderer(model: FoundModel) -> Iterator[PipelineRenderer]:
    made = PipelineRenderer(model, device="cpu", speed=Speed(precision="float32"), warm=False)
    yield made
    asyncio.run(made.close())


async def made(renderer: PipelineRenderer, *orders: RenderOrder) -> list[Rendered]:
    return await renderer.render(list(orders), lambda _: None, threading.Event())


def apart(one: Rendered, other: Rendered) -> float:
    return float((load(one.latent or b"")["latent"].float() - load(other.latent or b"")["latent"].float()).abs().mean())


async def test_the_deeper_it_starts_the_fewer_steps_run_and_the_more_it_is_like_its_donor(
    renderer: PipelineRenderer, recipe: Recipe
) -> None:
    (donor,) = await made(renderer, RenderOrder("a red circle", recipe, 1))
    (cold,) = await made(renderer, RenderOrder("a red circle", recipe, 2))
    assert (donor.steps_skipped, len(donor.steps_ms)) == (0, STEPS)
    distances, told = [apart(cold, donor)], list[Progress]()
    for sigma, skipped in ((0.96, 1), (0.75, 5), (0.25, 9)):
        order = RenderOrder("a red circle", recipe, 2, DonorLatent(donor.latent or b"", sigma))
        (one,) = await renderer.render([order], told.append, threading.Event())
        assert (one.steps_skipped, len(one.steps_ms)) == (skipped, STEPS - skipped)
        distances.append(apart(one, donor))
    assert distances == sorted(distances, reverse=True)
    assert distances[-1] < 0.5 * distances[0]
    assert max(said.percent for said in told) == 95


async def test_it_is_what_the_scheduler_makes_of_a_noised_latent(renderer: PipelineRenderer, recipe: Recipe) -> None:
    """At the last step the render is one step of the scheduler from (1 - sigma) donor + sigma noise, the noise being the seed's own."""
    (donor,) = await made(renderer, RenderOrder("a red circle", recipe, 1))
    first = DonorLatent(donor.latent or b"", 1.0)
    (cold,), (again,) = (
        await made(renderer, RenderOrder("a star", recipe, 2)),
        await made(renderer, RenderOrder("a star", recipe, 2, first)),
    )
    assert again.steps_skipped == 0
    assert np.array_equal(again.frames, cold.frames), "noise alone is no donor"  # type: ignore[arg-type]  # frames are there
    deep = RenderOrder("a star", recipe, 2, DonorLatent(donor.latent or b"", 0.3))
    (one,), (two,) = await made(renderer, deep), await made(renderer, deep)
    assert np.array_equal(one.frames, two.frames), "a seed means the same"  # type: ignore[arg-type]  # as above
    (other,) = await made(renderer, replace(deep, seed=3))
    assert not np.array_equal(one.frames, other.frames), "and another noise another clip"  # type: ignore[arg-type]  # as above


async def test_a_batch_has_one_start_and_donors_of_its_own(renderer: PipelineRenderer, recipe: Recipe) -> None:
    donors = [(await made(renderer, RenderOrder("a red circle", recipe, seed)))[0].latent or b"" for seed in (1, 2)]
    orders = [RenderOrder("a star", recipe, 5 + at, DonorLatent(donor, 0.75)) for at, donor in enumerate(donors)]
    together, alone = await made(renderer, *orders), [(await made(renderer, order))[0] for order in orders]
    assert all(apart(one, other) < 1e-2 for one, other in zip(together, alone, strict=True))
    assert apart(*together) > 0.1
    for donor in (None, DonorLatent(donors[1], 0.9)):
        with pytest.raises(ValueError, match="one start"):
            await made(renderer, orders[0], replace(orders[1], donor=donor))


@pytest.mark.parametrize("latent", ["garbage", "another name", "another shape", "not finite"])
async def test_what_is_no_latent_of_this_shape_is_refused(renderer: PipelineRenderer, recipe: Recipe, latent: str) -> None:
    (donor,) = await made(renderer, RenderOrder("a red circle", recipe, 1))
    found = load(donor.latent or b"")["latent"]
    broken = {
        "garbage": b"garbage",
        "another name": save({"other": found}),
        "another shape": save({"latent": found[:, :1].contiguous()}),
        "not finite": save({"latent": found * torch.nan}),
    }[latent]
    with pytest.raises(BadDonor):
        await made(renderer, RenderOrder("a star", recipe, 2, DonorLatent(broken, 0.75)))
    assert (await made(renderer, RenderOrder("a star", recipe, 2)))[0].frames is not None, "the next render works as usual"
