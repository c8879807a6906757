"""From trained layers to what ships: one int8 onnx file, its tokenizer and its facts.

    python -m training.judge.ship verifier MATERIAL LAYERS FOLDER
    python -m training.judge.ship encoder MATERIAL LAYERS FOLDER

LAYERS is a path whose files are LAYERS-1.npz, LAYERS-2.npz, … Words stay at the 4 bits that they were published at, in a file that
both models read. A verifier with an early head leaves off where that is sure enough of a no (`early_exit.py`).
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper
from onnxruntime.quantization import QuantType, quantize_dynamic
from onnxruntime.quantization.shape_inference import quant_pre_process
from transformers import BertConfig, BertForSequenceClassification
from transformers.models.bert.modeling_bert import BertPooler

from cache.matching.encoding.export import _Pair, _Sentence, write_onnx
from cache.matching.encoding.onnx_model import file_digest
from training.judge.early_exit import leave_early
from training.judge.network import WORDS, unpacked
from training.judge.train import saved

WINDOW = 512
EARLY_BAR = -3.0  # a logit under which the early head is sure of a no
BLOCK = 32
NAMES = {"verifier": "reprise-verifier-2", "encoder": "reprise-encoder"}
FILES = {"verifier": ("model.onnx", "export.json"), "encoder": ("encoder.onnx", "encoder.json")}
TABLE = "words.bin"


class _TwoHeads(torch.nn.Module):
    """A logit of the last layer, and one of the early head."""

    def __init__(self, model: Any, early: dict[str, np.ndarray], layers: int) -> None:
        super().__init__()
        self.model, self.layers = model, layers
        self.early = torch.nn.ModuleDict({"pooler": BertPooler(model.config), "classifier": torch.nn.Linear(model.config.hidden_size, 1)})
        self.early.load_state_dict({name: torch.from_numpy(value) for name, value in early.items()})

    def forward(
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor, token_type_ids: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        out = self.model(
            input_ids=input_ids, attention_mask=attention_mask, token_type_ids=token_type_ids, output_hidden_states=True, return_dict=True
        )
        return out.logits, self.early["classifier"](self.early["pooler"](out.hidden_states[self.layers]))


def whole(material: Path, state: dict[str, np.ndarray]) -> Any:
    """transformers' own model with these layers."""
    state[WORDS] = unpacked(material, "base_e5.npz")[WORDS]
    count = 1 + max(int(name.split(".")[2]) for name in state if name.startswith("encoder.layer."))
    config = BertConfig(
        vocab_size=len(state[WORDS]), hidden_size=384, num_hidden_layers=count, num_attention_heads=12, intermediate_size=1536,
        max_position_embeddings=512, type_vocab_size=2, num_labels=1, pad_token_id=1, attn_implementation="eager",
    )  # fmt: skip
    model = BertForSequenceClassification(config)
    named = {
        f"bert.{name}" if name.startswith(("encoder", "embeddings", "pooler")) else name: torch.from_numpy(value)
        for name, value in state.items()
    }
    missing = model.load_state_dict(named, strict=False)
    if missing.unexpected_keys or any("position_ids" not in name for name in missing.missing_keys):
        raise ValueError(f"these layers do not fit: {missing}")
    return model.eval()


def narrow_words(path: Path, digits: np.ndarray, scales: np.ndarray) -> None:
    """The table of words as it was published: 4 bits and a scale for each 32."""
    model = onnx.load(path)
    graph = model.graph
    table = next(one.name for one in graph.initializer if list(one.dims) == list(digits.shape))
    gather = next(node for node in graph.node if node.op_type == "Gather" and node.input[0] == table)
    kept = [one for one in graph.initializer if one.name != table]
    del graph.initializer[:]
    low = (digits.reshape(-1, 2) & 15).astype(np.uint8)
    parts = {
        "words": (TensorProto.INT4, digits.shape, (low[:, 0] | (low[:, 1] << 4)).tobytes()),
        "words_scale": (TensorProto.FLOAT, scales.shape, scales.astype(np.float32).tobytes()),
    }
    graph.initializer.extend(kept)
    start = 0
    for name, (kind, shape, raw) in parts.items():
        tensor = onnx.TensorProto(name=name, data_type=kind, dims=shape, data_location=TensorProto.EXTERNAL)
        for key, value in (("location", TABLE), ("offset", str(start)), ("length", str(len(raw)))):
            tensor.external_data.add(key=key, value=value)
        graph.initializer.append(tensor)
        start += len(raw)
    (path.parent / TABLE).write_bytes(b"".join(raw for _, _, raw in parts.values()))
    gather.op_type, gather.domain = "GatherBlockQuantized", "com.microsoft"
    ids, out = gather.input[1], gather.output[0]
    del gather.input[:], gather.attribute[:]
    gather.input.extend(["words", ids, "words_scale"])
    gather.attribute.extend(
        [helper.make_attribute("gather_axis", 0), helper.make_attribute("quantize_axis", 1), helper.make_attribute("block_size", BLOCK)]
    )
    assert out == gather.output[0]
    if not any(opset.domain == "com.microsoft" for opset in model.opset_import):
        model.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    onnx.save(model, path)


def main(kind: str, material: Path, layers: Path, folder: Path, bar: float = EARLY_BAR) -> None:
    state = saved(layers)
    early = {name.removeprefix("early."): state.pop(name) for name in sorted(state) if name.startswith("early.")}
    layers_before = int(early.pop("layers", np.array(0)))
    model = whole(material, state)
    if kind == "encoder":
        shaped: torch.nn.Module = _Sentence(model.bert)
    else:
        shaped = _TwoHeads(model, early, layers_before) if early else _Pair(model)
    folder.mkdir(parents=True, exist_ok=True)
    name, told = FILES[kind]
    packed = np.load(material / "base_e5.npz")
    with tempfile.TemporaryDirectory() as made:
        wide, clean = Path(made) / "wide.onnx", Path(made) / "clean.onnx"
        write_onnx(shaped, wide, ["out", "early"] if early else ["out"])
        quant_pre_process(str(wide), str(clean), skip_symbolic_shape=True)
        quantize_dynamic(
            str(clean), str(folder / name), op_types_to_quantize=["MatMul", "Gemm"], per_channel=True, weight_type=QuantType.QInt8
        )
        narrow_words(folder / name, packed[WORDS], packed[f"{WORDS}|scale"])
        if early:
            leave_early(folder / name, bar)
    told_tokenizer = json.loads((material / "tokenizer_e5.json").read_text())
    (folder / "tokenizer.json").write_text(json.dumps(told_tokenizer, ensure_ascii=False, separators=(",", ":")))
    digest = file_digest(folder / name)
    facts = {
        "name": NAMES[kind],
        "weights": digest,
        "model": digest,
        "words": file_digest(folder / TABLE),
        "window": WINDOW,
        "dimension": 1 if kind == "verifier" else model.config.hidden_size,
    }
    (folder / told).write_text(json.dumps(facts, indent=1) + "\n")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), Path(sys.argv[4]), *map(float, sys.argv[5:6]))
