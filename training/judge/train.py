"""Train verifiers: pairs are made by all cores while the device reads them; teachers may look over a student's shoulder.

    python -m training.judge.train FOLDER OUT PLAN.json

Each stage of the plan trains one network, starting from the encoder's layers or from those of an earlier stage. Word embeddings stay
as they are, so words never seen in training keep their place. `cached` is the premise (first), `new` the hypothesis (second).
"""

from __future__ import annotations

import gzip
import json
import lzma
import math
import multiprocessing
import pickle
import queue
import random
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer

from cache.prompt import normal_form
from training.judge.build import Material, stream
from training.judge.groups import Group
from training.judge.network import Network, chosen_layers, headed_early, small, unpacked, whole
from training.judge.packing import Packed, pack
from training.judge.sources import Row

LONGEST = 512
NEWEST = frozenset(["en_roles", "en_terse", "en_tags", "zh_terse"])  # files of written groups that have a share of their own
CARRIED, NET = "carried.json.xz", "wordnet.pickle.xz"
EARLY_SHARE = 0.4  # of the loss of the early head beside that of the last layer
LEARNS_BY, LEAST_RIGHT = 500, 0.65  # steps, and the share of pairs right in them under which a device is better given back
SHORTEST = 32  # tokens that the pairs of a step have at least, on average
_BASES = {
    "e5": ("base_e5.npz", "tokenizer_e5.json"),
    "minilm": ("base.npz", "tokenizer.json"),
    "shipped": ("base_shipped.npz", "tokenizer.json"),
}


def opened(folder: Path) -> Material:
    """The rows that are not held back; as `carry` left them, where it did."""
    if (folder / CARRIED).is_file():
        told = json.loads(lzma.open(folder / CARRIED, "rt", encoding="utf-8").read())
        net, near = pickle.loads(lzma.open(folder / NET).read())
        told["rows"], told["chinese"] = ([Row(**row, held=False) for row in told[name]] for name in ("rows", "chinese"))
        return Material(net=net, near=near, **told)
    made = json.loads(gzip.open(folder / "material.json.gz", "rt").read())
    real = json.loads(gzip.open(folder / "real.json.gz", "rt").read())
    kept_back = set(real["kept_back"])
    rows = [Row(**row) for row in made["rows"] if not row["held"]]
    texts = [text for text, held in made["texts"] if not held and text.lower() not in kept_back]
    net, near = pickle.loads(gzip.open(folder / "wordnet.pickle.gz").read())
    mined = json.loads(gzip.open(folder / "mined.json.gz", "rt").read()) if (folder / "mined.json.gz").is_file() else {}
    groups, later, newest = sorted_out(real["groups"])
    return Material(
        rows, texts, made["alike"], net, near, groups, real["lists"], real["near"], real["others"],
        [Row(**row) for row in real["chinese"] if not row["held"]], [text for text, held in real["chinese_texts"] if not held],
        later, newest, **mined,
    )  # fmt: skip


def sorted_out(found: Iterable[tuple[Group, bool, str]]) -> tuple[list[Group], list[Group], list[Group]]:
    """The written groups that train; those of them by later authors; and those that have a share of their own."""
    kept = [(group, stem) for group, held, stem in found if not held]
    return (
        [group for group, _ in kept],
        [group for group, stem in kept if stem != "written"],
        [group for group, stem in kept if stem in NEWEST],
    )


def reader(folder: Path, base: str) -> Tokenizer:
    tokenizer = Tokenizer.from_file(str(folder / _BASES[base][1]))
    tokenizer.no_padding()
    tokenizer.enable_truncation(LONGEST)
    return tokenizer


@dataclass
class Chunk:
    """Labelled pairs, packed for each of the tokenizers in use."""

    packed: dict[str, Packed]
    labels: dict[str, np.ndarray]


def _worker(folder: str, seed: int, mix: dict[str, float], bases: list[str], size: int, tokens: int, out: Any, stop: Event) -> None:
    torch.set_num_threads(1)
    material = opened(Path(folder))
    readers = {base: reader(Path(folder), base) for base in bases}
    pairs = stream(material, seed, 10**12, mix)
    rng = np.random.default_rng(seed)
    while not stop.is_set():
        examples = [next(pairs) for _ in range(size)]
        labels = np.array([label for _, _, label, _ in examples], np.float32)
        packed, put = {}, {}
        for base, tokenizer in readers.items():
            encodings = tokenizer.encode_batch([(normal_form(cached), normal_form(new)) for new, cached, _, _ in examples])
            packed[base] = pack(encodings, tokens, tokens // SHORTEST, rng.permutation(size))
            put[base] = np.where(packed[base].rows >= 0, labels[packed[base].rows], -1.0).astype(np.float32)
        while not stop.is_set():
            try:
                out.put(Chunk(packed, put), timeout=1.0)
                break
            except queue.Full:
                continue


class Supply:
    """Chunks as they come; an older one again where none is new."""

    def __init__(self, folder: Path, plan: dict[str, Any], bases: list[str]) -> None:
        context = multiprocessing.get_context("spawn")
        self._stop = context.Event()
        self._queue: Any = context.Queue(maxsize=plan.get("queue", 48))
        sizes = (str(folder), plan["mix"], bases, plan["chunk"], plan["tokens"])
        self._workers = [
            context.Process(
                target=_worker, args=(sizes[0], plan.get("data_seed", 0) * 1000 + at, *sizes[1:], self._queue, self._stop), daemon=True
            )
            for at in range(plan["workers"])
        ]
        for worker in self._workers:
            worker.start()
        self.seen: list[Chunk] = []
        self.taken = 0
        self._rng = random.Random(1)

    def next(self) -> Chunk:
        self.taken += 1
        while True:
            try:
                chunk: Chunk = self._queue.get(timeout=0.001 if self.seen else 5.0)
                self.seen.append(chunk)
                return chunk
            except queue.Empty:
                if self.seen:
                    return self._rng.choice(self.seen)
                if not any(worker.is_alive() for worker in self._workers):
                    raise RuntimeError("no worker is left that makes pairs") from None

    def close(self) -> None:
        self._stop.set()
        for worker in self._workers:
            worker.terminate()


def begun(folder: Path, out: Path, stage: dict[str, Any], device: torch.device, made: dict[str, Network]) -> Network:
    base = stage["base"]
    words = unpacked(folder, _BASES[base][0])
    state = words
    if stage.get("from"):
        # An earlier stage of this run, or files of an earlier run.
        state = made[stage["from"]].state() if stage["from"] in made else saved(Path(stage["from"]))
        state = {**{name: value for name, value in words.items() if "word_embeddings" in name}, **state}
    if stage.get("layers"):
        state = chosen_layers(state, stage["layers"])
    if stage.get("head") == "early":
        state = headed_early(state)
    torch.manual_seed(stage["seed"])
    network = Network(
        state, stage.get("dropout", 0.1), compiled=device.type == "cuda", rehearse=stage.get("rehearse", False), early=stage.get("early", 0)
    )
    return network.to(device)


def saved(folder: Path) -> dict[str, np.ndarray]:
    packed: dict[str, np.ndarray] = {}
    for path in sorted(folder.parent.glob(f"{folder.name}-*.npz")):
        packed |= dict(np.load(path))
    return whole(packed)


def save(model: Network, out: Path, name: str, parts: int = 2, *, as_int8: bool = False) -> None:
    """In files of about the same size: what comes back from a lent machine may be small."""
    state = model.state()
    state = small(state) if as_int8 else {key: value.astype(np.float16) for key, value in state.items()}
    shelves: list[dict[str, np.ndarray]] = [{} for _ in range(parts)]
    sizes = [0] * parts
    for key in sorted(state, key=lambda key: -state[key].nbytes):
        least = sizes.index(min(sizes))
        shelves[least][key] = state[key]
        sizes[least] += state[key].nbytes
    for part, shelf in enumerate(shelves, 1):
        np.savez(out / f"{name}-{part}.npz", **shelf)  # type: ignore[arg-type]


def rate_at(done: float, highest: float, warm: float = 0.04) -> float:
    return highest * (done / warm if done < warm else 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * (done - warm) / (1 - warm))))


def train(model: Network, supply: Supply, stage: dict[str, Any], device: torch.device, teachers: list[Network], out: Path) -> int:
    """One cycle of the clock: `seconds`. Hard examples count for more; the very hardest are often wrong labels, so their weight is capped.
    With `keep_every` (seconds) the weights so far are written to `out`, since a lease may end at any time.
    """
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(weights, lr=stage["lr"], weight_decay=0.01, fused=device.type == "cuda")
    model.train()
    base, share = stage["base"], stage.get("taught", 0.0)
    began, step, smooth, shown, waited = time.time(), 0, stage.get("smooth", 0.02), 0, 0.0
    kept, agreed = began, torch.zeros((), device=device)
    while True:
        asked = time.time()
        chunk = supply.next()
        waited += time.time() - asked
        if step == 0:
            began = time.time()
        packed, labels = chunk.packed[base], chunk.labels[base]
        for at in range(len(packed)):
            done = (time.time() - began) / stage["seconds"]
            if done >= 1:
                print(
                    f"  {stage['name']}: {step} steps of {packed.ids.shape[1]} tokens, {shown} pairs, {len(supply.seen)} chunks of {supply.taken}, waited {waited:.0f}s",
                    flush=True,
                )
                return step
            for group in optimizer.param_groups:
                group["lr"] = rate_at(done, stage["lr"])
            tokens = packed.step(at, device)
            label = torch.from_numpy(labels[at]).to(device)
            with torch.autocast(device.type, dtype=torch.bfloat16):
                both = model.both(*tokens, LONGEST) if model.early else (model(*tokens, LONGEST), None)
            logits = both[0].float()
            target = label.clamp(min=0) * (1 - 2 * smooth) + smooth
            if teachers:
                with torch.no_grad(), torch.autocast(device.type, dtype=torch.bfloat16):
                    words = torch.stack([teacher(*tokens, LONGEST).float() for teacher in teachers])
                said = torch.sigmoid(words.mean(0))
                target = (1 - share) * target + share * said
            loss = _loss(logits, target, label, stage)
            if both[1] is not None:  # The early head learns from labels and from what the last layer says.
                loss = loss + EARLY_SHARE * _loss(both[1].float(), (target + torch.sigmoid(logits.detach())) / 2, label, stage)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(weights, 1.0)
            optimizer.step()
            step += 1
            shown += int((labels[at] >= 0).sum())
            agreed += (((logits.detach() > 0) == (label > 0.5)) & (label >= 0)).sum() / (label >= 0).sum()
            if step % LEARNS_BY == 0:
                if step > LEARNS_BY and (right := agreed.item() / LEARNS_BY) < LEAST_RIGHT:  # the first ones warm up
                    raise RuntimeError(f"{stage['name']} learns nothing: of {LEARNS_BY} steps it had {right:.0%} of the pairs right")
                agreed.zero_()
            if step % 250 == 0 or step == 5:
                print(f"  step {step} loss {loss.item():.4f} {time.time() - began:.0f}s", flush=True)
            if time.time() - kept > stage.get("keep_every", math.inf):
                save(model, out, f"{stage['name']}_so_far", stage["keep"], as_int8=True)
                kept = time.time()


def _loss(logits: torch.Tensor, target: torch.Tensor, label: torch.Tensor, stage: dict[str, Any]) -> torch.Tensor:
    loss = torch.nn.functional.binary_cross_entropy_with_logits(logits, target, reduction="none")
    weight = (label >= 0).float() * torch.where(label > 0.5, 1.0, stage.get("negative", 1.0))
    weight = weight * loss.detach().clamp(0.05, 2.0).pow(stage.get("hard", 0.5))
    return (loss * weight).sum() / weight.sum()


@torch.no_grad()
def score(model: Network, packed: Packed, device: torch.device, rows: int) -> np.ndarray:
    model.eval()
    out = np.zeros(rows, np.float32)
    for at in range(len(packed)):
        with torch.autocast(device.type, dtype=torch.bfloat16):
            logits = model(*packed.step(at, device), LONGEST).float().cpu().numpy()
        real = packed.rows[at] >= 0
        out[packed.rows[at][real]] = logits[real]
    return out


def main(folder: Path, out: Path, plan_file: Path) -> None:
    began = time.time()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch._dynamo.config.cache_size_limit = 64
    plan = json.loads(plan_file.read_text())
    out.mkdir(parents=True, exist_ok=True)
    bases = sorted({stage["base"] for stage in plan["stages"]})
    supply = Supply(folder, plan, bases)
    measured = (
        [json.loads(line) for line in gzip.open(folder / "measured.jsonl.gz", "rt")] if (folder / "measured.jsonl.gz").is_file() else []
    )
    measured = measured[:: plan.get("every", 1)]
    pairs = [(normal_form(row["cached"]), normal_form(row["new"])) for row in measured]
    forms = (
        {base: pack(reader(folder, base).encode_batch(pairs), plan["tokens"], plan["tokens"] // SHORTEST, whole=True) for base in bases}
        if pairs
        else {}
    )
    print(f"{len(measured)} rows to measure, ready at {time.time() - began:.0f}s", flush=True)
    made: dict[str, Network] = {}
    scores: dict[str, np.ndarray] = {}
    for stage in plan["stages"]:
        if time.time() - began > plan["last_start"]:
            print(f"no time for {stage['name']}", flush=True)
            continue
        model = begun(folder, out, stage, device, made)
        teachers = [made[name].eval() for name in stage.get("teachers", [])]
        if stage["seconds"] > 0:
            train(model, supply, stage, device, teachers, out)
        made[stage["name"]] = model
        if forms and not stage.get("unscored"):
            scores[stage["name"]] = score(model, forms[stage["base"]], device, len(measured)).astype(np.float16)
            np.savez_compressed(out / "scores.npz", **scores)  # type: ignore[arg-type]
        if stage.get("keep"):
            save(model, out, stage["name"], stage["keep"], as_int8=stage.get("as_int8", False))
        print(f"{stage['name']} done at {time.time() - began:.0f}s", flush=True)
    supply.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]))
