"""Early exit: an onnx model of two heads that reads no further where the early one is sure of a no.

A pair that is plainly not served costs half of the layers. The idea is that of BranchyNet (Teerapittayanon, McDanel and Kung, 2016,
arXiv:1709.01686), here one-sided: only a no may leave early, so what is served was always read whole.
"""

from __future__ import annotations

from pathlib import Path

import onnx
from onnx import TensorProto, helper

OUT, EARLY = "out", "early"


def leave_early(path: Path, bar: float) -> None:
    """Rewrites the file in place: its one output is the early logit where that is under `bar` in every row, else the last layer's.

    The layers after the early head become a branch of an If node, so nothing of them runs where it is not taken.
    """
    model = onnx.load(path, load_external_data=False)
    graph = model.graph
    maker = {out: node for node in graph.node for out in node.output}
    first = _ancestors(EARLY, maker)
    later = [node for node in graph.node if id(node) not in first]
    kept = [node for node in graph.node if id(node) in first]
    whole = next(out for out in graph.output if out.name == OUT)
    inner = "out_read_whole"
    for node in later:
        node.output[:] = [inner if name == OUT else name for name in node.output]
    shape = [None, whole.type.tensor_type.shape.dim[1].dim_value or 1]
    early_branch = helper.make_graph(
        [helper.make_node("Identity", [EARLY], ["out_early"])], "sure_of_a_no", [],
        [helper.make_tensor_value_info("out_early", TensorProto.FLOAT, shape)],
    )  # fmt: skip
    later_branch = helper.make_graph(later, "read_whole", [], [helper.make_tensor_value_info(inner, TensorProto.FLOAT, shape)])
    ending = [
        helper.make_node("ReduceMax", [EARLY], ["surest"], keepdims=0),
        helper.make_node("Less", ["surest", "early_bar"], ["is_no"]),
        helper.make_node("If", ["is_no"], [OUT], then_branch=early_branch, else_branch=later_branch),
    ]
    del graph.node[:]
    graph.node.extend([*kept, *ending])
    graph.initializer.append(helper.make_tensor("early_bar", TensorProto.FLOAT, [], [bar]))
    del graph.output[:]
    graph.output.append(helper.make_tensor_value_info(OUT, TensorProto.FLOAT, shape))
    onnx.save(model, path)


def all_nodes(graph: onnx.GraphProto) -> list[onnx.NodeProto]:
    """The nodes of a graph and of the branches in it."""
    found = []
    for node in graph.node:
        found.append(node)
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.GRAPH:
                found += all_nodes(attribute.g)
    return found


def _ancestors(name: str, maker: dict[str, onnx.NodeProto]) -> set[int]:
    """The ids of the nodes that `name` is computed from."""
    waiting, found = [name], set()
    while waiting:
        node = maker.get(waiting.pop())
        if node is not None and id(node) not in found:
            found.add(id(node))
            waiting += node.input
    return found
