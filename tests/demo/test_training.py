"""The parts of training that need no GPU: the step of a matrix, and that a descent descends."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from generator.demo.descent import Clock, Descent
from generator.demo.muon import orthogonal
from generator.demo.ranks import Ranks


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
