"""The early head that was trained is the one that ships, after as many layers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from transformers import BertConfig, BertForSequenceClassification

from training.judge.network import EARLY, Network
from training.judge.ship import _TwoHeads
from training.judge.train import save, saved

WORDS = 50
CONFIG = BertConfig(
    vocab_size=WORDS, hidden_size=48, num_hidden_layers=3, num_attention_heads=12, intermediate_size=96, num_labels=1,
    attn_implementation="eager",
)  # fmt: skip


def test_both_heads_come_through_the_files(tmp_path: Path) -> None:
    torch.manual_seed(1)
    model = BertForSequenceClassification(CONFIG).eval()
    named = {name.removeprefix("bert."): value.numpy() for name, value in model.state_dict().items() if "position_ids" not in name}
    words = {name: value for name, value in named.items() if "word_embeddings" in name}
    network = Network({**named, **{name: value.astype(np.float32) for name, value in words.items()}}, early=2).eval()
    save(network, tmp_path, "two")
    state = saved(tmp_path / "two")
    again = Network({**state, **words}).eval()
    assert again.early == 2
    early = {name.removeprefix("early."): state.pop(name) for name in sorted(state) if name.startswith("early.")}
    shipped = _TwoHeads(model, early, int(early.pop("layers")))
    ids = torch.tensor([[2, 5, 7, 3, 9, 4, 3]])
    kinds = torch.tensor([[0, 0, 0, 0, 1, 1, 1]])
    packed = ids[0], torch.arange(7), kinds[0], torch.tensor([0, 7], dtype=torch.int32)
    with torch.no_grad():
        told = [tensor.item() for tensor in shipped(ids, torch.ones_like(ids), kinds)]
        for one in (network, again):
            assert np.allclose([tensor.item() for tensor in one.both(*packed, 512)], told, atol=5e-3)
        assert abs(told[0] - told[1]) > 1e-4, "they are two"
    assert EARLY in network.state()
