"""The parts of training that need no GPU: the step of a matrix, that a descent descends, and what the heads are told."""

from __future__ import annotations

import math
import random
from dataclasses import replace

import pytest
import torch
from torch import nn

from generator.demo.scenes import Background, Colour, Motion, Scene, Shape, Size, Thing
from training.demo_model import parts
from training.demo_model.descent import Clock, Descent
from training.demo_model.drawing import draw
from training.demo_model.muon import orthogonal
from training.demo_model.ranks import Ranks
from training.demo_model.staging import place, stack
from training.demo_model.supervision import CLASSES, TOKENS, Answers, Supervision, forward, owners


@pytest.mark.parametrize("shape", [(3, 64, 64), (2, 128, 64), (2, 64, 128)])
def test_the_step_of_a_matrix_is_nearly_orthogonal(shape: tuple[int, int, int]) -> None:
    torch.manual_seed(0)
    turned = orthogonal(torch.randn(shape) * 1e-3)
    assert turned.shape == shape
    for matrix in turned:
        values = torch.linalg.svdvals(matrix)
        assert values.max() < 1.3
        assert values.median() > 0.6


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.Sequential(nn.Linear(64, 128), nn.Tanh(), nn.Linear(128, 64))
        self.head = nn.Linear(64, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.head(self.blocks(x))
        return found


def test_a_descent_descends_and_its_average_follows() -> None:
    torch.manual_seed(0)
    net, inputs = Net(), torch.randn(256, 64)
    wanted = torch.sin(inputs.sum(dim=1, keepdim=True) / 4)
    descent = Descent([net], 1e-2, 0.9, Clock(math.inf), Ranks())
    losses = []
    for _ in range(120):
        loss = nn.functional.mse_loss(net(inputs), wanted)
        descent.step(loss)
        losses.append(loss.item())
    assert losses[-1] < 0.05 * losses[0]
    net.load_state_dict(descent.averages[0].weights)
    assert nn.functional.mse_loss(net(inputs), wanted).item() < 0.1 * losses[0]


def test_the_transformer_gives_its_middle_and_the_same_velocity() -> None:
    torch.manual_seed(0)
    denoiser = parts.transformer().eval()
    for weight in denoiser.parameters():
        nn.init.normal_(weight, std=0.05)
    noisy, words = torch.randn(2, 16, 5, 16, 16), torch.randn(2, 64, 256)
    timestep = torch.tensor([30.0, 700.0])
    with torch.no_grad():
        velocity, middle = forward(denoiser, noisy, timestep, words)
        expected = denoiser(noisy, timestep, words, return_dict=False)[0]
    assert torch.equal(velocity, expected)
    assert middle.shape == (2, math.prod(TOKENS), 256)


def test_a_place_is_owned_by_the_thing_that_covers_it() -> None:
    rng = random.Random(0)
    for shape in Shape:
        things = (Thing(shape, Colour.RED, size=Size.LARGE), Thing(Shape.CIRCLE, Colour.GREEN, Motion.RIGHT))
        stage = place(Scene(things, Background.BLACK), rng, tries=1000)
        assert stage is not None
        owner = owners(torch.from_numpy(stack([stage]).track))[0]
        bare = replace(stage, track=stage.track * 0)
        changed = (draw(stack([stage])) - draw(stack([bare]))).abs().amax(dim=1)[0] > 0.2
        # Rows of 16 x 16 pixels, in the first frame and in the last four.
        first = changed[0].float().reshape(8, 16, 8, 16).mean(dim=(1, 3))
        last = changed[-4:].float().mean(dim=0).reshape(8, 16, 8, 16).mean(dim=(1, 3))
        for covered, at in ((first, 0), (last, -1)):
            assert set(owner[at].flatten().tolist()) == {0, 1, 2}
            assert (owner[at][covered > 0.6] < 2).all()
            near = nn.functional.max_pool2d(covered[None, None], 3, 1, 1)[0, 0]
            assert (owner[at][near == 0] == 2).all()
    nobody = owners(torch.zeros(1, 2, 17, 4))
    assert (nobody == 2).all()


def test_the_heads_learn_what_is_there_to_be_read() -> None:
    torch.manual_seed(0)
    things = torch.stack([torch.randint(0, count, (32, 2)) for count in CLASSES], dim=-1)
    background, owner = torch.randint(0, len(Background), (32,)), torch.randint(0, 3, (32, *TOKENS))
    words, mask = torch.randn(32, 12, 64), torch.ones(32, 12, dtype=torch.bool)
    told = torch.randn(3, 64)[owner.flatten(1)] + words[:, :1]
    heads, answers = Supervision(64), Answers(things, background, owner)
    adam = torch.optim.Adam(heads.parameters(), 3e-3)
    before = heads(words, mask, told, answers)
    for _ in range(150):
        adam.zero_grad()
        torch.stack(heads(words, mask, told, answers)).sum().backward()  # type: ignore[no-untyped-call]
        adam.step()
    read, seen = heads(words, mask, told, answers)
    assert read < 0.2 * before[0]
    assert seen < 0.5 * before[1]
    mask[:, 1:] = False  # the empty prompt says nothing, so nothing is asked of it
    assert heads(words, mask, told, answers)[0] == 0
