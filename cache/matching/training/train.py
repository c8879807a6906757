"""Train the verifier: a cross-encoder that starts from the embedder's own weights.

    python -m cache.matching.training.train FOLDER OUT PLAN.json

A plain loop instead of a trainer: pairs are made, tokenised and packed by length by all cores once, kept on the
device, and shared by every variant of the plan. Word embeddings stay frozen, so words never seen in training keep
their place, and what ships is the layers alone. `cached` is the premise (first), `new` the hypothesis (second).
"""

from __future__ import annotations

import gzip
import json
import math
import pickle
import re
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer
from transformers import BertConfig, BertForSequenceClassification

from cache.matching.training.build import Material, stream
from cache.matching.training.sources import Row

LONGEST = 224
_SHAPES = (16, 24, 32, 40, 48, 64, 80, 112, 160, LONGEST)
_material: Material | None = None
_tokenizer: Tokenizer | None = None


def _open(folder: str, held_out: list[str]) -> None:
    global _material, _tokenizer
    made = json.loads(gzip.open(Path(folder) / "material.json.gz", "rt").read())
    rows = [Row(**row) for row in made["rows"] if not row["held"] and row["source"] not in held_out]
    texts = [text for text, held in made["texts"] if not held]
    net, near = pickle.loads(gzip.open(Path(folder) / "wordnet.pickle.gz").read())
    groups = [group for group, held in made["groups"] if not held]
    _material = Material(rows, texts, [tuple(pair) for pair in made["alike"]], net, near, groups)
    _tokenizer = Tokenizer.from_file(str(Path(folder) / "tokenizer.json"))
    _tokenizer.no_padding()
    _tokenizer.enable_truncation(LONGEST)


def _make(seed: int, count: int, mix: dict[str, float]) -> tuple[np.ndarray, ...]:
    assert _material is not None and _tokenizer is not None
    examples = list(stream(_material, seed, count, mix))
    return _pack(_tokenizer, [(cached, new) for new, cached, _, _ in examples], [label for _, _, label, _ in examples])


def _pack(tokenizer: Tokenizer, pairs: list[tuple[str, str]], labels: list[int]) -> tuple[np.ndarray, ...]:
    encodings = tokenizer.encode_batch(pairs)
    lengths = np.array([len(encoding.ids) for encoding in encodings], np.int32)
    ids = np.concatenate([np.array(encoding.ids, np.uint16) for encoding in encodings])
    firsts = np.array([encoding.type_ids.count(0) for encoding in encodings], np.int32)
    return ids, lengths, firsts, np.array(labels, np.int8)


class Packed:
    """Pairs on the device; a batch is cut out of one flat array."""

    def __init__(self, parts: list[tuple[np.ndarray, ...]], device: torch.device) -> None:
        ids, lengths, firsts, labels = (np.concatenate([part[at] for part in parts]) for at in range(4))
        self.lengths = lengths
        self.ids = torch.from_numpy(ids.astype(np.int32)).to(device)
        self.starts = torch.from_numpy(np.concatenate([[0], np.cumsum(lengths[:-1], dtype=np.int64)])).to(device)
        self.size = torch.from_numpy(lengths.astype(np.int64)).to(device)
        self.firsts = torch.from_numpy(firsts.astype(np.int64)).to(device)
        self.labels = torch.from_numpy(labels.astype(np.float32)).to(device)

    def batch(self, at: torch.Tensor, longest: int) -> dict[str, torch.Tensor]:
        spots = torch.arange(longest, device=at.device)[None, :]
        mask = spots < self.size[at][:, None]
        ids = self.ids[(self.starts[at][:, None] + spots).clamp(max=len(self.ids) - 1)].long() * mask
        return {"input_ids": ids, "attention_mask": mask.long(), "token_type_ids": ((spots >= self.firsts[at][:, None]) & mask).long()}

    def batches(self, tokens: int, rng: np.random.Generator, *, all_rows: bool = False) -> list[tuple[np.ndarray, int]]:
        """About `tokens` tokens each, in random order, in few shapes: each new shape costs the device far more than padding."""
        made: list[tuple[np.ndarray, int]] = []
        shortest = 0
        for longest in _SHAPES:
            rows = rng.permutation(np.flatnonzero((self.lengths > shortest) & (self.lengths <= longest)))
            shortest, size = longest, tokens // longest
            parts = [rows[at : at + size] for at in range(0, len(rows), size)]
            made += [(part, longest) for part in parts if all_rows or len(part) == size]
        return [made[at] for at in rng.permutation(len(made))]


def _place(name: str, layers: list[int]) -> str:
    """Where a weight of the encoder goes in a model of these layers; empty where it has none."""
    match = re.match(r"(.*\.layer\.)(\d+)(\..*)", name)
    if match is None:
        return name
    return f"{match.group(1)}{layers.index(int(match.group(2)))}{match.group(3)}" if int(match.group(2)) in layers else ""


def fresh(folder: Path, device: torch.device, seed: int, dropout: float, layers: list[int] | None = None) -> BertForSequenceClassification:
    """`layers`: which layers of the encoder it starts from; all by default."""
    torch.manual_seed(seed)
    config = BertConfig.from_pretrained(folder, num_labels=1)
    layers = layers or [*range(config.num_hidden_layers)]
    config.num_hidden_layers = len(layers)
    config.hidden_dropout_prob = config.attention_probs_dropout_prob = dropout
    model = BertForSequenceClassification(config)
    base = np.load(folder / "base.npz")
    state = {
        f"bert.{name}": torch.from_numpy(base[name].astype(np.float32) * (base.get(f"{name}|scale", 1)))
        for name in base.files
        if "|" not in name and "position_ids" not in name
    }
    state = {place: value for name, value in state.items() if (place := _place(name, layers))}
    missing = model.load_state_dict(state, strict=False)
    assert all("pooler" in name or "classifier" in name for name in missing.missing_keys), missing
    model.bert.embeddings.word_embeddings.weight.requires_grad_(False)
    return model.to(device)


def train(model: Any, packed: Packed, plan: dict[str, Any], device: torch.device, until: float) -> int:
    rng = np.random.default_rng(plan["seed"])
    weights = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(weights, lr=plan["lr"], weight_decay=0.01, fused=device.type == "cuda")
    steps_planned = len(packed.batches(plan["tokens"], rng)) * plan["epochs"]
    model.train()
    step, began = 0, time.time()
    budget = until - began
    smooth = plan.get("smooth", 0.02)
    for _ in range(math.ceil(plan["epochs"])):
        for rows, longest in packed.batches(plan["tokens"], rng):
            # The schedule follows whichever runs out first: the steps or the clock.
            done = max(step / steps_planned, (time.time() - began) / budget)
            if done >= 1:
                return step
            rate = plan["lr"] * (min(1.0, done / 0.04) if done < 0.04 else 0.5 * (1 + math.cos(math.pi * (done - 0.04) / 0.96)))
            for group in optimizer.param_groups:
                group["lr"] = rate
            at = torch.from_numpy(rows).to(device)
            with torch.autocast(device.type, dtype=torch.bfloat16):
                logits = model(**packed.batch(at, longest)).logits[:, 0]
            target = packed.labels[at] * (1 - 2 * smooth) + smooth
            loss = torch.nn.functional.binary_cross_entropy_with_logits(logits.float(), target, reduction="none")
            weight = torch.where(packed.labels[at] > 0.5, 1.0, plan["negative"])
            if plan.get("hard"):
                # Hard examples count for more; the very hardest are often wrong labels, so the weight is capped.
                weight = weight * loss.detach().clamp(0.05, 2.0).pow(plan["hard"])
            loss = (loss * weight).sum() / weight.sum()
            optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(weights, 1.0)
            optimizer.step()
            step += 1
            if step % 200 == 0:
                print(f"  step {step}/{steps_planned:.0f} loss {loss.item():.4f} {time.time() - began:.0f}s", flush=True)
    return step


@torch.no_grad()
def score(model: Any, packed: Packed, device: torch.device) -> np.ndarray:
    model.eval()
    out = np.zeros(len(packed.lengths), np.float32)
    for rows, longest in packed.batches(131072, np.random.default_rng(0), all_rows=True):
        with torch.autocast(device.type, dtype=torch.bfloat16):
            logits = model(**packed.batch(torch.from_numpy(rows).to(device), longest)).logits[:, 0]
        out[rows] = logits.float().cpu().numpy()
    return out


def main(folder: Path, out: Path, plan_file: Path) -> None:
    began = time.time()
    torch.backends.cuda.enable_cudnn_sdp(False)  # builds a plan for each shape
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    plan = json.loads(plan_file.read_text())
    cores, total = plan["cores"], plan["pairs"]
    sets: dict[str, Packed] = {}
    measured = json.loads(gzip.open(folder / "measured.json.gz", "rt").read()) if (folder / "measured.json.gz").is_file() else []
    for variant in plan["variants"]:
        key = json.dumps([variant.get("held_out", []), variant["mix"], variant.get("data_seed", 0)])
        if key not in sets:
            each = math.ceil(total / cores)
            with ProcessPoolExecutor(cores, initializer=_open, initargs=(str(folder), variant.get("held_out", []))) as pool:
                seed = 1000 * (1 + variant.get("data_seed", 0))
                parts = list(pool.map(_make, range(seed, seed + cores), [each] * cores, [variant["mix"]] * cores))
            sets[key] = Packed(parts, device)
            print(
                f"made {len(sets[key].lengths)} pairs, {float(sets[key].labels.mean()):.3f} right, mean length {sets[key].lengths.mean():.1f}, {time.time() - began:.0f}s",
                flush=True,
            )
    _open(str(folder), [])
    assert _tokenizer is not None
    forward = Packed([_pack(_tokenizer, [(c, n) for n, c in measured], [0] * len(measured))], device) if measured else None
    backward = Packed([_pack(_tokenizer, [(n, c) for n, c in measured], [0] * len(measured))], device) if measured else None
    soup: dict[str, dict[str, torch.Tensor]] = {}
    for at, variant in enumerate(plan["variants"]):
        if time.time() - began > plan["last_start"]:
            break
        key = json.dumps([variant.get("held_out", []), variant["mix"], variant.get("data_seed", 0)])
        model = fresh(folder, device, variant["seed"], variant.get("dropout", 0.1), variant.get("layers"))
        for part in variant.get("from", []):
            model.load_state_dict({name: torch.from_numpy(array).float() for name, array in np.load(part).items()}, strict=False)
        start = time.time()
        steps = train(model, sets[key], variant, device, start + variant["seconds"])
        name = variant["name"]
        print(f"{name}: {steps} steps in {time.time() - start:.0f}s, at {time.time() - began:.0f}s", flush=True)
        if forward is not None and backward is not None:
            both = np.stack([score(model, forward, device), score(model, backward, device)]).astype(np.float16)
            np.save(out / f"scores-{at}.npy", both) if plan.get("scores_apart") else None
            plan.setdefault("scores", {})[name] = both
        if variant.get("keep"):
            soup[name] = {key: value.detach().float().cpu() for key, value in model.state_dict().items() if "word_embeddings" not in key}
    if plan.get("scores"):
        np.savez_compressed(out / "scores.npz", **plan["scores"])
    for name, state in soup.items():
        half = {key: value.to(torch.float16).numpy() for key, value in state.items() if value.is_floating_point()}
        keys = sorted(half)
        np.savez(out / f"{name}-1.npz", **{key: half[key] for key in keys[: len(keys) // 2]})  # type: ignore[arg-type]
        np.savez(out / f"{name}-2.npz", **{key: half[key] for key in keys[len(keys) // 2 :]})  # type: ignore[arg-type]
    print(f"done at {time.time() - began:.0f}s", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]))
