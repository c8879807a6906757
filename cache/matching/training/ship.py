"""From trained layers to what ships: one int8 onnx file, its tokenizer and its facts.

python -m cache.matching.training.ship MATERIAL LAYERS-1.npz LAYERS-2.npz FOLDER
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from onnxruntime.quantization import QuantType, quantize_dynamic
from onnxruntime.quantization.shape_inference import quant_pre_process

from cache.matching.encoding.export import _Pair, write_onnx
from cache.matching.encoding.onnx_model import file_digest
from cache.matching.training.train import fresh

WINDOW = 256


def main(material: Path, layers: list[Path], folder: Path) -> None:
    model = fresh(material, torch.device("cpu"), 0, 0.0)
    state: dict[str, torch.Tensor] = {}
    for path in layers:
        state |= {name: torch.from_numpy(array.astype(np.float32)) for name, array in np.load(path).items()}
    missing = model.load_state_dict(state, strict=False)
    if missing.unexpected_keys or any("word_embeddings" not in name and "position_ids" not in name for name in missing.missing_keys):
        raise ValueError(f"these layers do not fit: {missing}")
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as made:
        whole, clean = Path(made) / "whole.onnx", Path(made) / "clean.onnx"
        model.config._attn_implementation = "eager"
        write_onnx(_Pair(model), whole)
        shutil.copy(whole, folder.with_suffix(".fp32.onnx"))
        quant_pre_process(str(whole), str(clean), skip_symbolic_shape=True)
        quantize_dynamic(str(clean), str(folder / "model.onnx"), per_channel=True, weight_type=QuantType.QInt8)
    shutil.copy(material / "tokenizer.json", folder / "tokenizer.json")
    facts = {
        "name": "reprise-verifier",
        "weights": file_digest(folder / "model.onnx"),
        "model": file_digest(folder / "model.onnx"),
        "window": WINDOW,
        "dimension": 1,
    }
    (folder / "export.json").write_text(json.dumps(facts, indent=1) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), [Path(sys.argv[2]), Path(sys.argv[3])], Path(sys.argv[4]))
