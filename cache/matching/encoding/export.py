"""Set-up step: a sentence-transformers or cross-encoder folder becomes one onnx file with export.json beside it.

    python -m cache.matching.encoding.export embedder SOURCE FOLDER
    python -m cache.matching.encoding.export verifier SOURCE FOLDER

Needs torch; no run-time module imports this one. The parity of what is written is checked before it appears.
"""

from __future__ import annotations

import json
import logging
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnxruntime.quantization import QuantType, quantize_dynamic
from onnxruntime.quantization.matmul_nbits_quantizer import MatMulNBitsQuantizer
from onnxruntime.quantization.shape_inference import quant_pre_process
from transformers import AutoModel, AutoModelForSequenceClassification, AutoTokenizer

from cache.matching.encoding.exported import DEFAULT_EMBEDDER, DEFAULT_WEIGHTS, source_folder
from cache.matching.encoding.onnx_model import OnnxModel, Text, file_digest

PARITY = 0.999
PARITY_INT8 = 0.98  # of the bundled encoder, least of all texts; on average 0.994: half the time, and nine of the ten nearest stay
_PROBES = [
    "A corgi runs along the beach at sunset",
    "two red balloons drift over a grey harbour, slow motion",
    "close-up of hands kneading dough on a floury wooden table, warm light, shallow depth of field, the camera "
    "slowly pushes in while flour dust floats through a sunbeam from the left",
    "cat",
]


class _Sentence(torch.nn.Module):
    """Mean over the tokens that are not padding, then unit length: what modules.json of the folder says."""

    def __init__(self, bert: Any) -> None:
        super().__init__()
        self.bert = bert

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor, token_type_ids: torch.Tensor) -> torch.Tensor:
        hidden = self.bert(input_ids=input_ids, attention_mask=attention_mask, token_type_ids=token_type_ids)[0]
        mask = attention_mask.unsqueeze(-1).to(hidden.dtype)
        mean = (hidden * mask).sum(1) / mask.sum(1).clamp(min=1e-9)
        return torch.nn.functional.normalize(mean, dim=1)


class _Pair(torch.nn.Module):
    def __init__(self, bert: Any) -> None:
        super().__init__()
        self.bert = bert

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor, token_type_ids: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.bert(input_ids=input_ids, attention_mask=attention_mask, token_type_ids=token_type_ids).logits
        return out


def write_onnx(module: torch.nn.Module, target: Path, outputs: Sequence[str] = ("out",)) -> None:
    ids = torch.ones((2, 8), dtype=torch.long)
    axes = {0: "batch", 1: "length"}
    torch.onnx.export(
        module.eval(),
        (ids, ids, torch.zeros_like(ids)),
        str(target),
        input_names=["input_ids", "attention_mask", "token_type_ids"],
        output_names=list(outputs),
        dynamic_axes={"input_ids": axes, "attention_mask": axes, "token_type_ids": axes, **{name: {0: "batch"} for name in outputs}},
        opset_version=17,
        dynamo=False,
    )


def _local(source: str) -> Path:
    folder = Path(source_folder(source))
    if folder.is_dir():
        return folder
    from huggingface_hub import snapshot_download  # noqa: PLC0415  # only for a hub id

    return Path(snapshot_download(source))


def export_embedder(source: str, folder: Path) -> None:
    from sentence_transformers import SentenceTransformer  # noqa: PLC0415  # five seconds that a verifier's export need not wait

    local = _local(source)
    digest = file_digest(local / "model.safetensors")
    if source == DEFAULT_EMBEDDER and digest != DEFAULT_WEIGHTS:
        raise ValueError(f"{local / 'model.safetensors'} has digest {digest}, not the pinned {DEFAULT_WEIGHTS}")
    reference = SentenceTransformer(str(local), device="cpu")
    kinds = [type(module).__name__ for module in reference]
    if kinds[:2] != ["Transformer", "Pooling"] or reference[1].get_config_dict().get("pooling_mode", "mean") != "mean":
        raise ValueError(f"{source}: only mean-pooled encoders are exported, this one is {kinds}")
    bert = AutoModel.from_pretrained(local, attn_implementation="eager")
    AutoTokenizer.from_pretrained(local).backend_tokenizer.save(str(folder / "tokenizer.json"))
    window = int(reference.max_seq_length or bert.config.max_position_embeddings)
    wanted = np.asarray(reference.encode(_PROBES, normalize_embeddings=True))
    write_onnx(_Sentence(bert), folder / "wide.onnx")
    bar = PARITY_INT8 if source == DEFAULT_EMBEDDER else PARITY
    (_as_int8 if source == DEFAULT_EMBEDDER else _narrow)(folder / "wide.onnx", folder / "model.onnx")
    if _parity(folder, window, wanted) < bar:
        shutil.copyfile(folder / "wide.onnx", folder / "model.onnx")
    (folder / "wide.onnx").unlink()
    if (parity := _parity(folder, window, wanted)) < bar:
        raise ValueError(f"parity {parity:.4f} is under {bar}")
    _describe(folder, local, digest, window, int(bert.config.hidden_size))


def export_verifier(source: str, folder: Path) -> None:
    local = _local(source)
    bert = AutoModelForSequenceClassification.from_pretrained(local, attn_implementation="eager").eval()
    tokenizer = AutoTokenizer.from_pretrained(local)
    write_onnx(_Pair(bert), folder / "model.onnx")
    tokenizer.backend_tokenizer.save(str(folder / "tokenizer.json"))
    pairs: list[Text] = [(one, other) for one in _PROBES for other in _PROBES]
    with torch.no_grad():
        batch = tokenizer([p[0] for p in pairs], [p[1] for p in pairs], padding=True, return_tensors="pt")
        wanted = bert(**batch).logits.numpy()
    window = min(int(bert.config.max_position_embeddings), 512)
    out = OnnxModel(folder / "model.onnx", folder / "tokenizer.json", window, 2).run(pairs)
    if float(np.abs(out - wanted).max()) > 0.01:
        raise ValueError(f"the export of {source} differs from its source")
    _describe(folder, local, file_digest(local / "model.safetensors"), window, out.shape[1])


def _as_int8(wide: Path, target: Path) -> None:
    """Weights and activations in 8 bits, the latter scaled anew for each run."""
    clean = wide.with_name("clean.onnx")
    quant_pre_process(str(wide), str(clean), skip_symbolic_shape=True)
    quantize_dynamic(str(clean), str(target), op_types_to_quantize=["MatMul", "Gemm"], per_channel=True, weight_type=QuantType.QInt8)
    clean.unlink()


def _narrow(wide: Path, target: Path) -> None:
    """The layers' weights in blocks of 32 with 8 bits each: encoding one prompt mostly waits for weights to come from memory."""
    logging.getLogger("onnxruntime.quantization.matmul_nbits_quantizer").setLevel(logging.WARNING)
    quantizer = MatMulNBitsQuantizer(onnx.load(wide), bits=8, block_size=32, is_symmetric=True, accuracy_level=4)
    quantizer.process()
    quantizer.model.save_model_to_file(str(target), False)


def _parity(folder: Path, window: int, wanted: np.ndarray) -> float:
    """The least cosine between what was exported and `wanted`, the vectors of the probes."""
    model = OnnxModel(folder / "model.onnx", folder / "tokenizer.json", window, 2)
    out = np.stack([model.run([probe])[0] for probe in _PROBES])
    return float((out * wanted).sum(1).min())


def _describe(folder: Path, local: Path, weights: str, window: int, dimension: int) -> None:
    name = "all-minilm-l6-v2" if weights == DEFAULT_WEIGHTS else local.name.lower()
    facts = {
        "name": name,
        "weights": weights,
        "model": file_digest(folder / "model.onnx"),
        "window": window,
        "dimension": dimension,
    }
    (folder / "export.json").write_text(json.dumps(facts, indent=1) + "\n")


def export_command(kind: str, source: str, target: str) -> None:
    final = Path(target)
    final.parent.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(dir=final.parent, prefix=".export-"))
    try:
        {"embedder": export_embedder, "verifier": export_verifier}[kind](source, made)
        # A temporary folder is its maker's alone; what root exports at set-up is read by the user who serves.
        made.chmod(0o755)
        try:
            made.replace(final)
        except OSError:  # two processes exported at once: the other folder is as good
            if not (final / "export.json").is_file():
                raise
    finally:
        shutil.rmtree(made, ignore_errors=True)


if __name__ == "__main__":
    export_command(*sys.argv[1:4])
