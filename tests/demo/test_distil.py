"""The distillation of the demo model, on a tiny folder: its teacher walks as the pipeline does, its losses fall, and what it writes loads
as any distilled model does. Nothing is said here about how good it gets: that takes a GPU.
"""

from __future__ import annotations

import copy
import threading
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import WanPipeline

from cache.catalog import AskedSettings, resolve
from generator.diffusion.wan import load_wan
from generator.model import find_model
from generator.renderer import RenderOrder
from generator.speed import Speed
from training.demo_model import distil
from training.demo_model.descent import autocast
from training.demo_model.distil import POINTS
from training.demo_model.matching import SHAPE, Teacher, clean, following, matching, regression, rollout

pytestmark = pytest.mark.usefixtures("one_thread")

GUIDANCE, SHIFT, STEPS = 5.0, 3.0, 20


@pytest.fixture(scope="module")
def pipeline(tiny_model: Path) -> Any:
    found = WanPipeline.from_pretrained(tiny_model, dtype=torch.float32)
    found.set_progress_bar_config(disable=True)
    return found


@pytest.fixture(scope="module")
def words(pipeline: Any) -> torch.Tensor:
    prompts = [f"a {colour} circle moves to the left" for colour in ("red", "blue")]
    with torch.no_grad():
        encoded: torch.Tensor = pipeline.encode_prompt(prompts, do_classifier_free_guidance=False, max_sequence_length=64)[0]
    return encoded


@pytest.fixture(scope="module")
def teacher(pipeline: Any) -> Teacher:
    with torch.no_grad():
        silence = pipeline.encode_prompt("", do_classifier_free_guidance=False, max_sequence_length=64)[0]
    return Teacher(pipeline.transformer.requires_grad_(False), silence, GUIDANCE, SHIFT)


def test_the_teacher_walks_as_the_pipeline_does(teacher: Teacher, words: torch.Tensor, pipeline: Any) -> None:
    torch.manual_seed(0)
    way = teacher.way(words, POINTS, STEPS)
    torch.manual_seed(0)
    noise = torch.randn(len(words), *SHAPE)
    seen = list[torch.Tensor]()

    def step_ended(_: Any, __: int, ___: Any, given: dict[str, Any]) -> dict[str, Any]:
        seen.append(given["latents"])
        return given

    stock = pipeline(
        prompt_embeds=words, negative_prompt_embeds=teacher.silence.expand(len(words), -1, -1), height=128, width=128, num_frames=17,
        num_inference_steps=STEPS, guidance_scale=GUIDANCE, latents=noise, output_type="latent", callback_on_step_end=step_ended,
    ).frames  # fmt: skip
    assert torch.equal(way[:, 0], noise)
    for point, step in zip((1, 2, 3), (5, 10, 15), strict=True):  # points are where these steps begin
        assert torch.allclose(way[:, point], seen[step - 1], atol=1e-3)
    assert torch.allclose(way[:, -1], stock, atol=1e-3)


def test_the_student_learns_where_the_walks_end(teacher: Teacher, words: torch.Tensor) -> None:
    torch.manual_seed(0)
    way, student = teacher.way(words, POINTS, STEPS), copy.deepcopy(teacher.net).requires_grad_(True)

    def loss() -> torch.Tensor:
        return torch.stack([regression(student, way, words, POINTS) for _ in range(4)]).mean()

    adam = torch.optim.Adam(student.parameters(), 5e-3)
    with torch.no_grad():
        before = loss().item()
    for _ in range(30):
        adam.zero_grad()
        regression(student, way, words, POINTS).backward()  # type: ignore[no-untyped-call]
        adam.step()
    with torch.no_grad():
        assert loss().item() < 0.5 * before


def test_a_critic_that_agrees_moves_nothing_and_one_that_does_not_does(teacher: Teacher, words: torch.Tensor) -> None:
    torch.manual_seed(0)
    plain = Teacher(teacher.net, teacher.silence, 1.0, SHIFT)
    made = torch.randn(len(words), *SHAPE, requires_grad=True)
    assert matching(plain, teacher.net, made, words).item() < 1e-8
    loss = matching(teacher, teacher.net, made, words)  # its guidance is what the critic lacks
    loss.backward()  # type: ignore[no-untyped-call]
    assert loss.item() > 1e-4
    assert made.grad is not None
    assert made.grad.abs().sum() > 0


def test_the_critic_follows_the_student(teacher: Teacher, words: torch.Tensor) -> None:
    torch.manual_seed(0)
    critic, made = copy.deepcopy(teacher.net).requires_grad_(True), 0.1 * torch.randn(len(words), *SHAPE)
    adam = torch.optim.Adam(critic.parameters(), 3e-3)
    losses = []
    for _ in range(30):
        adam.zero_grad()
        loss = following(critic, made, words, SHIFT)
        loss.backward()  # type: ignore[no-untyped-call]
        adam.step()
        losses.append(loss.item())
    assert sum(losses[-5:]) < 0.8 * sum(losses[:5])


def test_a_rollout_is_the_way_that_clips_are_sampled(teacher: Teacher, words: torch.Tensor) -> None:
    student, passes = copy.deepcopy(teacher.net).requires_grad_(True), list[bool]()
    hook = student.register_forward_hook(lambda _, __, given: passes.append(given[0].requires_grad))
    torch.manual_seed(0)
    starts, ends = rollout(student, words, POINTS)
    hook.remove()
    assert passes == [False] * len(POINTS)
    assert starts.shape == ends.shape == (len(POINTS), len(words), *SHAPE)
    torch.manual_seed(0)
    noisy = torch.randn(len(words), *SHAPE)
    with torch.no_grad():
        for step, point in enumerate(POINTS):
            assert torch.allclose(starts[step], noisy, atol=1e-5)
            made = clean(student, noisy, torch.full((len(words),), point / 1000), words)
            assert torch.allclose(ends[step], made, atol=1e-5)
            if point != POINTS[-1]:
                noisy = torch.lerp(made, torch.randn_like(made), POINTS[step + 1] / 1000)


def test_a_step_changes_the_next_pass_of_the_same_block() -> None:
    layer, given = torch.nn.Linear(4, 4), torch.randn(2, 4)
    with autocast(torch.device("cpu"), cached=False):
        before = layer(given)
        with torch.no_grad():
            layer.weight.add_(1)
        assert not torch.equal(layer(given), before)


@pytest.mark.timeout(600)
@pytest.mark.filterwarnings("ignore:Mismatch dtype between input and weight")  # of torch, under autocast
def test_what_it_writes_is_a_distilled_model(tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = (
        f"--out {tmp_path / 'fast'} --teacher {tiny_model} --minutes 30 --pair-minutes 0 --warm-minutes 30 --pairs 4 --least-pairs 4 "
        "--batch 2 --warm-steps 3 --steps 2 --critic-steps 1 --workers 1 --hand 4 --ahead 1 --tell-every 1 "
        "--reader-hands 1 --reader-steps 2 --grow-every 1"
    ).split()
    distil.train(distil.arguments(asked), torch.device("cpu"))
    told = capsys.readouterr().out
    lines = ("reader step 2", "fresh clips all right", "4 walks of the teacher", "ends step 3: loss", "of its ends read as asked", "saved")
    for line in lines:
        assert line in told
    assert (tmp_path / "fast-state.pt").is_file()
    model = find_model(str(tmp_path / "fast"), "", tmp_path / "data")
    recipe = resolve(model.served, AskedSettings())
    assert (recipe.sampler, recipe.timesteps, recipe.steps, recipe.guidance) == ("lcm", POINTS, 4, 1.0)
    wan = load_wan(model, "cpu", Speed(precision="float32"), 1)
    (clip,) = wan.render([RenderOrder("a red ball", recipe, 7)], lambda _: None, threading.Event())
    assert clip.frames is not None
    assert clip.frames.shape == (17, 128, 128, 3)
    before = (tmp_path / "fast-state.pt").read_bytes()
    distil.train(distil.arguments([*asked, "--resume", "--pairs", "0", "--least-pairs", "0", "--reader-minutes", "0"]), torch.device("cpu"))
    assert "goes on from" in capsys.readouterr().out
    assert (tmp_path / "fast-state.pt").read_bytes() != before
