"""The layers of a verifier that ships, out of its int8 onnx file: where further training starts.

python -m training.judge.shipped cache/matching/verifier/model.onnx build/material/base_shipped.npz
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper

from training.judge.early_exit import all_nodes


def layers(path: Path) -> dict[str, np.ndarray]:
    """Whole matrices as they lie there, with a scale for each row."""
    graph = onnx.load(path).graph
    held = {one.name: numpy_helper.to_array(one) for one in graph.initializer}
    state: dict[str, np.ndarray] = {}
    for name, value in held.items():
        short = re.sub(r"^(?:(?:model|bert)\.)+", "", name)
        if (
            short.startswith(("encoder.", "embeddings.", "pooler.", "classifier.", "early."))
            and value.dtype == np.float32
            and not short.endswith("_scale")
        ):
            state[short] = value
        elif short.startswith("embeddings.") and short.endswith("_quantized"):
            base = name.removesuffix("_quantized")
            whole = (value.astype(np.float32) - held[f"{base}_zero_point"]) * held[f"{base}_scale"]
            _put(state, short.removesuffix("_quantized"), whole)
    for node in all_nodes(graph):
        if node.op_type != "MatMulInteger" or not node.input[1].endswith("_quantized"):
            continue
        base = node.input[1].removesuffix("_quantized")
        zero, scale = held[f"{base}_zero_point"].astype(np.float32), held[f"{base}_scale"]
        whole = (held[node.input[1]].astype(np.float32) - zero) * scale
        place = re.sub(r"^(?:(?:model|bert)/)+", "", re.split("/MatMul|/Gemm", node.output[0])[0].strip("/")).replace("/", ".")
        name = f"{place}.weight" if base.startswith("onnx::") else re.sub(r"^(?:(?:model|bert)\.)+", "", base)
        _put(state, name, np.ascontiguousarray(whole.T))
    return state


def words(path: Path, width: int = 384, block: int = 32) -> tuple[np.ndarray, np.ndarray]:
    """The table of words beside the model: digits of -8..7 and a scale for each block of a row."""
    raw = np.fromfile(path, np.uint8)
    rows = len(raw) // (width // 2 + 4 * width // block)
    packed, scale = raw[: rows * width // 2], raw[rows * width // 2 :].view(np.float32)
    digits = np.stack([packed & 15, packed >> 4], 1).astype(np.int8).reshape(rows, width)
    return np.where(digits > 7, digits - 16, digits).astype(np.int8), scale.reshape(rows, width // block)


def _put(state: dict[str, np.ndarray], name: str, whole: np.ndarray) -> None:
    if whole.ndim < 2 or whole.size < 100_000:
        state[name] = whole.astype(np.float32)
        return
    scale = np.abs(whole).max(1, keepdims=True) / 127 + 1e-12
    state[f"{name}|scale"], state[name] = scale.astype(np.float32), np.round(whole / scale).astype(np.int8)


if __name__ == "__main__":
    found = layers(Path(sys.argv[1]))
    np.savez_compressed(Path(sys.argv[2]), **found)  # type: ignore[arg-type]
    print(f"{len(found)} arrays")
