"""A BERT whose sentences lie end to end in one row of tokens: no padding, one shape, the same weights as transformers' own."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

WORDS = "embeddings.word_embeddings.weight"
EARLY = "early.layers"  # in a state: how many layers lie before its early head
_ROW = re.compile(r"encoder\.layer\.(\d+)\.(.*)")


def unpacked(folder: Path, name: str) -> dict[str, np.ndarray]:
    """Weights of base*.npz: whole numbers with a scale for a row, or for each 32 of a row."""
    return whole(dict(np.load(folder / name)))


def whole(packed: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    state = {}
    for key, digits in packed.items():
        if "|" in key or "position_ids" in key:
            continue
        value = digits.astype(np.float32)
        if f"{key}|scale" in packed:
            scale = packed[f"{key}|scale"].astype(np.float32)
            value = value * np.repeat(scale, value.shape[1] // scale.shape[1], axis=1)
        state[key] = value
    return state


def small(state: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Matrices as int8 with a scale for each row, to carry about."""
    found: dict[str, np.ndarray] = {}
    for name, value in state.items():
        if value.ndim == 2 and value.size > 100_000:
            scale = np.abs(value).max(1, keepdims=True) / 127 + 1e-12
            found[name], found[f"{name}|scale"] = np.round(value / scale).astype(np.int8), scale.astype(np.float32)
        else:
            found[name] = value.astype(np.float16)
    return found


def chosen_layers(state: dict[str, np.ndarray], layers: list[int]) -> dict[str, np.ndarray]:
    """The state of a smaller model that keeps these layers, in this order."""
    found = {}
    for name, value in state.items():
        match = _ROW.match(name)
        if match is None:
            found[name] = value
        elif int(match.group(1)) in layers:
            found[f"encoder.layer.{layers.index(int(match.group(1)))}.{match.group(2)}"] = value
    return found


def headed_early(state: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The state of a smaller model, with the layers up to the early head and that as its head."""
    kept = chosen_layers(state, list(range(int(state[EARLY]))))
    early = {name.removeprefix("early."): value for name, value in kept.items() if name.startswith("early.") and name != EARLY}
    return {name: value for name, value in kept.items() if not name.startswith("early.")} | early


def _attention(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, ends: torch.Tensor, longest: int) -> torch.Tensor:
    """Each sentence looks at itself alone. `ends`: where sentences begin, and the end of the last."""
    if query.is_cuda:
        from torch.nn.attention.varlen import varlen_attn  # needs a device

        out = varlen_attn(query, key, value, ends, ends, longest, longest)
        return out[0] if isinstance(out, tuple) else out
    bounds = ends.tolist()
    parts = []
    for start, end in pairwise(bounds):
        if end > start:
            one, other, told = (part[start:end].transpose(0, 1) for part in (query, key, value))
            parts.append(functional.scaled_dot_product_attention(one, other, told).transpose(0, 1))
    return torch.cat(parts)


def rehearsed(x: torch.Tensor) -> torch.Tensor:
    """The rounding of `x` to int8 with a scale for the whole run; its slope is that of `x` (a straight-through estimate)."""
    with torch.no_grad():
        low, high = x.amin().clamp(max=0).float(), x.amax().clamp(min=0).float()
        scale = ((high - low) / 255).clamp(min=1e-8)
        zero = torch.round(-low / scale)
        off = ((torch.clamp(torch.round(x / scale) + zero, 0, 255) - zero) * scale - x).to(x.dtype)
    return x + off


def _after(
    x: torch.Tensor, a: torch.Tensor, wo: torch.Tensor, bo: torch.Tensor, g1: torch.Tensor, b1: torch.Tensor,
    w1: torch.Tensor, c1: torch.Tensor, w2: torch.Tensor, c2: torch.Tensor, g2: torch.Tensor, b2: torch.Tensor, dropout: float,
    rehearse: bool,
) -> torch.Tensor:  # fmt: skip
    """The part of a layer after attention."""
    wide = x.shape[-1:]
    a = rehearsed(a) if rehearse else a
    x = functional.layer_norm(x + functional.dropout(functional.linear(a, wo, bo), dropout, dropout > 0), wide, g1, b1, 1e-12)
    inner = functional.gelu(functional.linear(rehearsed(x) if rehearse else x, w1, c1))
    h = functional.linear(rehearsed(inner) if rehearse else inner, w2, c2)
    return functional.layer_norm(x + functional.dropout(h, dropout, dropout > 0), wide, g2, b2, 1e-12)


class Network(torch.nn.Module):
    """`state` holds encoder weights under transformers' names; the head is one linear layer on the pooled first token."""

    def __init__(
        self, state: dict[str, np.ndarray], dropout: float = 0.0, heads: int = 12, *, compiled: bool = False, rehearse: bool = False,
        early: int = 0,
    ) -> None:  # fmt: skip
        """`rehearse`: it reads with the digits that int8 will leave it, so that it learns to need no others. `early`: layers after which
        a second head says what it thinks so far (0: as `state` has it, else none).
        """
        super().__init__()
        self.early = early or int(state.get(EARLY, np.array(0)))
        tensors = {name: torch.from_numpy(np.ascontiguousarray(value)) for name, value in state.items() if name != EARLY}
        self.layers = 1 + max(int(match.group(1)) for name in tensors if (match := _ROW.match(name)))
        self.heads, self.dropout, self.rehearse = heads, dropout, rehearse
        width = tensors[WORDS].shape[1]
        tensors.setdefault("pooler.dense.weight", torch.randn(width, width) * 0.02)
        tensors.setdefault("pooler.dense.bias", torch.zeros(width))
        tensors.setdefault("classifier.weight", torch.randn(1, width) * 0.02)
        tensors.setdefault("classifier.bias", torch.zeros(1))
        if self.early:
            tensors.setdefault("early.pooler.dense.weight", torch.randn(width, width) * 0.02)
            tensors.setdefault("early.pooler.dense.bias", torch.zeros(width))
            tensors.setdefault("early.classifier.weight", torch.randn(1, width) * 0.02)
            tensors.setdefault("early.classifier.bias", torch.zeros(1))
        self.names = {name.replace(".", "-"): name for name in tensors}
        for short, name in self.names.items():
            if name == WORDS:  # words that were never seen in training keep their place
                self.register_buffer(short, tensors[name].to(torch.bfloat16), persistent=False)
            else:
                self.register_parameter(short, torch.nn.Parameter(tensors[name].float()))
        self._after = torch.compile(_after) if compiled else _after
        self._rehearsed = torch.compile(rehearsed) if compiled else rehearsed

    def weight(self, name: str) -> torch.Tensor:
        found: torch.Tensor = getattr(self, name.replace(".", "-"))
        return found

    def state(self) -> dict[str, np.ndarray]:
        """Under transformers' names, without the words."""
        found = {name: self.weight(name).detach().float().cpu().numpy() for name in self.names.values() if name != WORDS}
        return found | ({EARLY: np.array(self.early)} if self.early else {})

    def hidden(
        self, ids: torch.Tensor, spots: torch.Tensor, kinds: torch.Tensor, ends: torch.Tensor, longest: int
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The outputs of the last layer and of the one before the early head (the embeddings, where there is none)."""
        w = self.weight
        dropout = self.dropout if self.training else 0.0
        x = functional.embedding(ids, w(WORDS)) + functional.embedding(spots, w("embeddings.position_embeddings.weight"))
        x = x + functional.embedding(kinds, w("embeddings.token_type_embeddings.weight"))
        x = functional.layer_norm(x.float(), x.shape[-1:], w("embeddings.LayerNorm.weight"), w("embeddings.LayerNorm.bias"), 1e-12)
        x = functional.dropout(x, dropout, dropout > 0)
        early = x
        for layer in range(self.layers):
            at = f"encoder.layer.{layer}."
            seen = self._rehearsed(x) if self.rehearse else x
            q, k, v = (
                functional.linear(seen, w(f"{at}attention.self.{part}.weight"), w(f"{at}attention.self.{part}.bias")).view(
                    len(x), self.heads, -1
                )
                for part in ("query", "key", "value")
            )
            a = _attention(q, k, v, ends, longest).reshape(len(x), -1)
            x = self._after(
                x, a,
                w(f"{at}attention.output.dense.weight"), w(f"{at}attention.output.dense.bias"),
                w(f"{at}attention.output.LayerNorm.weight"), w(f"{at}attention.output.LayerNorm.bias"),
                w(f"{at}intermediate.dense.weight"), w(f"{at}intermediate.dense.bias"),
                w(f"{at}output.dense.weight"), w(f"{at}output.dense.bias"),
                w(f"{at}output.LayerNorm.weight"), w(f"{at}output.LayerNorm.bias"), dropout, self.rehearse,
            )  # fmt: skip
            early = x if layer + 1 == self.early else early
        return x, early

    def forward(self, ids: torch.Tensor, spots: torch.Tensor, kinds: torch.Tensor, ends: torch.Tensor, longest: int) -> torch.Tensor:
        """A logit for each sentence (empty ones too)."""
        return self._head(self.hidden(ids, spots, kinds, ends, longest)[0], ends)

    def both(
        self, ids: torch.Tensor, spots: torch.Tensor, kinds: torch.Tensor, ends: torch.Tensor, longest: int
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The logits of the last layer and of the early head."""
        last, early = self.hidden(ids, spots, kinds, ends, longest)
        return self._head(last, ends), self._head(early, ends, "early.")

    def _head(self, x: torch.Tensor, ends: torch.Tensor, which: str = "") -> torch.Tensor:
        first = x[ends[:-1].clamp(max=len(x) - 1).long()]
        pooled = torch.tanh(functional.linear(first, self.weight(f"{which}pooler.dense.weight"), self.weight(f"{which}pooler.dense.bias")))
        pooled = functional.dropout(pooled, 0.1, self.training)
        return functional.linear(pooled, self.weight(f"{which}classifier.weight"), self.weight(f"{which}classifier.bias"))[:, 0]

    def vectors(self, ids: torch.Tensor, spots: torch.Tensor, kinds: torch.Tensor, ends: torch.Tensor, longest: int) -> torch.Tensor:
        """The mean over each sentence's tokens, of length 1."""
        x = self.hidden(ids, spots, kinds, ends, longest)[0].float()
        owner = torch.repeat_interleave(torch.arange(len(ends) - 1, device=x.device), ends.diff().long(), output_size=len(x))
        total = torch.zeros(len(ends) - 1, x.shape[1], device=x.device).index_add_(0, owner, x)
        return functional.normalize(total / ends.diff().clamp(min=1)[:, None], dim=1)
