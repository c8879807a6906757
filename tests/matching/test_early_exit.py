"""A model of two heads leaves off after the early one where that is sure of a no, and only there."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper

from training.judge.early_exit import all_nodes, leave_early

BAR = -3.0


@pytest.fixture
def leaving(tmp_path: Path) -> onnxruntime.InferenceSession:
    """early = x, out = 10 x."""
    rows = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", 1]) for name in ("x", "early", "out")]
    nodes = [helper.make_node("Identity", ["x"], ["early"]), helper.make_node("Mul", ["early", "ten"], ["out"])]
    graph = helper.make_graph(nodes, "two heads", rows[:1], [rows[2], rows[1]], [helper.make_tensor("ten", TensorProto.FLOAT, [], [10.0])])
    path = tmp_path / "model.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    leave_early(path, BAR)
    onnx.checker.check_model(onnx.load(path), full_check=True)
    return onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])


@pytest.mark.parametrize(("early", "told"), [([-3.5], [-3.5]), ([-2.5], [-25.0]), ([4.0], [40.0]), ([-9.0, -2.0], [-90.0, -20.0])])
def test_only_a_sure_no_leaves_early(leaving: onnxruntime.InferenceSession, early: list[float], told: list[float]) -> None:
    (found,) = leaving.run(None, {"x": np.array(early, np.float32)[:, None]})
    assert found[:, 0].tolist() == told


def test_layers_of_a_branch_are_found_for_further_training(tmp_path: Path, leaving: onnxruntime.InferenceSession) -> None:
    graph = onnx.load(tmp_path / "model.onnx").graph
    assert "Mul" not in {node.op_type for node in graph.node}
    assert "Mul" in {node.op_type for node in all_nodes(graph)}
