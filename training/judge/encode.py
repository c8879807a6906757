"""Train an encoder of two languages to give the vectors of an English one: a Chinese prompt gets its translation's.

    python -m training.judge.encode FOLDER OUT PLAN.json

The student starts from the layers of multilingual-e5-small; the teacher is the encoder that nominates in English today, so that what
it finds near stays near.
"""

from __future__ import annotations

import gzip
import json
import multiprocessing
import queue
import random
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from cache.prompt import is_chinese, normal_form
from training.judge.build import Material
from training.judge.grammar import Teller
from training.judge.grammar_zh import TellerZh
from training.judge.groups import Group, told_twice
from training.judge.mandarin import Mandarin
from training.judge.network import Network, chosen_layers, unpacked
from training.judge.packing import Packed, pack
from training.judge.rewrite import Rewriter
from training.judge.tags import dressed
from training.judge.train import LONGEST, opened, rate_at, reader, save

SHORTEST = 10  # tokens that the texts of a step have at least, on average
TEACHER_LONGEST = 256  # tokens that the English encoder reads


@dataclass
class Told:
    """Texts for the student with the English that the teacher reads; `alike` are two Chinese ones that should lie together."""

    student: Packed
    teacher: Packed
    count: int


def _texts(group: Group) -> list[str]:
    return [group["base"], *group["same"], *group["less"], *group["more"], *group["wrong"]]


def pairs(material: Material, seed: int) -> Callable[[], tuple[str, str]]:
    """Draws (what the student reads, the English of it)."""
    rng = random.Random(seed)
    teller, chinese = Teller(rng), TellerZh(rng)
    rewriter, mandarin = Rewriter(material.net, material.texts, rng), Mandarin(rng)
    written = [text for group in material.groups if not is_chinese(group["base"]) for text in _texts(group)]
    long = sorted({row.cached for row in material.rows if row.kind == "expansion"})
    twice = told_twice(material.groups)
    translated = [
        (row.new, row.cached) if is_chinese(row.new) else (row.cached, row.new) for row in material.chinese if row.kind == "translation"
    ]

    def one() -> tuple[str, str]:
        draw = rng.random()
        if draw < 0.22:
            text = rng.choice(material.texts)
            text = rewriter.same(text, 1) if rng.random() < 0.3 else text
        elif draw < 0.42:
            text = rng.choice(written)
        elif draw < 0.47:
            text = rng.choice(long)
        elif draw < 0.55:
            text = rng.choice(material.lists) if material.lists else rng.choice(written)
        elif draw < 0.72 and twice:
            english, other = rng.choice(twice)
            said = rng.choice([other["base"], *other["same"]])
            return mandarin.same(said, rng.choice([0, 0, 1])), rng.choice([english["base"], *english["same"]])
        elif draw < 0.74 and translated:
            return rng.choice(translated)
        else:
            scene = teller.scene()
            text = teller.tell(scene)
            return (chinese.tell(scene), text) if rng.random() < 0.85 else (text, text)
        text = dressed(text, rng) if rng.random() < 0.05 else text
        return text, text

    return one


def _worker(folder: str, seed: int, size: int, tokens: int, out: Any, stop: Any) -> None:
    torch.set_num_threads(1)
    draw = pairs(opened(Path(folder)), seed)
    student, teacher = reader(Path(folder), "e5"), reader(Path(folder), "minilm")
    teacher.enable_truncation(TEACHER_LONGEST)
    while not stop.is_set():
        drawn = [draw() for _ in range(size)]
        made = Told(
            pack(student.encode_batch([normal_form(one) for one, _ in drawn]), tokens, tokens // SHORTEST, whole=True),
            pack(teacher.encode_batch([normal_form(english) for _, english in drawn]), tokens, tokens // SHORTEST, whole=True), size,
        )  # fmt: skip
        while not stop.is_set():
            try:
                out.put(made, timeout=1.0)
                break
            except queue.Full:
                continue


@torch.no_grad()
def vectors(model: Network, packed: Packed, count: int, device: torch.device) -> torch.Tensor:
    was = model.training
    model.eval()
    out = torch.zeros(count, model.weight("embeddings.LayerNorm.weight").shape[0], device=device)
    for at in range(len(packed)):
        with torch.autocast(device.type, dtype=torch.bfloat16):
            found = model.vectors(*packed.step(at, device), LONGEST)
        rows = torch.from_numpy(packed.rows[at]).to(device).long()
        out[rows[rows >= 0]] = found[: len(rows)][rows >= 0].float()
    model.train(was)
    return out


def train(student: Network, teacher: Network, ask: Callable[[], Told], stage: dict[str, Any], device: torch.device) -> None:
    weights = [
        weight for name, weight in student.named_parameters() if weight.requires_grad and "pooler" not in name and "classifier" not in name
    ]
    optimizer = torch.optim.AdamW(weights, lr=stage["lr"], weight_decay=0.01, fused=device.type == "cuda")
    student.train()
    step, began = 0, time.time()
    while True:
        made = ask()
        if step == 0:
            began = time.time()
        wanted = vectors(teacher, made.teacher, made.count, device)
        for at in range(len(made.student)):
            done = (time.time() - began) / stage["seconds"]
            if done >= 1:
                print(f"  {stage['name']}: {step} steps", flush=True)
                return
            for group in optimizer.param_groups:
                group["lr"] = rate_at(done, stage["lr"])
            rows = torch.from_numpy(made.student.rows[at]).to(device).long()
            real = rows >= 0
            with torch.autocast(device.type, dtype=torch.bfloat16):
                found = student.vectors(*made.student.step(at, device), LONGEST)
            found, goal = found[: len(rows)][real].float(), wanted[rows[real]]
            near = (1 - (found * goal).sum(1)).mean()
            # Who lies near whom, too: the first few against all others.
            few = slice(0, 512)
            order = functional.mse_loss(found[few] @ found.T, goal[few] @ goal.T)
            loss = near + stage.get("order", 10.0) * order
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(weights, 1.0)
            optimizer.step()
            step += 1
            if step % 250 == 0 or step == 5:
                print(f"  step {step} off by {near.item():.4f}, order {order.item():.5f} {time.time() - began:.0f}s", flush=True)


def nominated(new: torch.Tensor, cached: torch.Tensor, pool: torch.Tensor, places: torch.Tensor, most: int = 10) -> float:
    """The share of asks whose right answer is among the `most` nearest of the pool."""
    found = 0
    for start in range(0, len(new), 512):
        line = new[start : start + 512] @ pool.T
        own = (new[start : start + 512] * cached[start : start + 512]).sum(1)
        found += int(((line > own[:, None] + 1e-6).sum(1) <= most).sum())
    return found / max(1, len(new))


def main(folder: Path, out: Path, plan_file: Path) -> None:
    began = time.time()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    plan = json.loads(plan_file.read_text())
    out.mkdir(parents=True, exist_ok=True)
    context = multiprocessing.get_context("spawn")
    stop, ready = context.Event(), context.Queue(maxsize=32)
    size = (plan["chunk"], plan["tokens"])
    workers = [
        context.Process(target=_worker, args=(str(folder), 77000 + at, *size, ready, stop), daemon=True) for at in range(plan["workers"])
    ]
    for worker in workers:
        worker.start()
    seen: list[Told] = []
    rng = random.Random(2)

    def ask() -> Told:
        while True:
            try:
                seen.append(ready.get(timeout=0.001 if seen else 5.0))
                return seen[-1]
            except queue.Empty:
                if seen:
                    return rng.choice(seen)
                if not any(worker.is_alive() for worker in workers):
                    raise RuntimeError("no worker is left") from None

    teacher = Network(unpacked(folder, "base.npz"), 0.0, compiled=False).to(device).eval()
    base = unpacked(folder, "base_e5.npz")
    rows = [json.loads(line) for line in gzip.open(folder / "measured.jsonl.gz", "rt")][:: plan.get("every", 1)]
    texts = sorted({row[name] for row in rows for name in ("new", "cached")})
    place = {text: at for at, text in enumerate(texts)}
    forms = pack(
        reader(folder, "e5").encode_batch([normal_form(text) for text in texts]), plan["tokens"], plan["tokens"] // SHORTEST, whole=True
    )
    short = reader(folder, "minilm")
    short.enable_truncation(TEACHER_LONGEST)
    before = vectors(
        teacher,
        pack(short.encode_batch([normal_form(text) for text in texts]), plan["tokens"], plan["tokens"] // SHORTEST, whole=True),
        len(texts),
        device,
    )
    english = torch.tensor([place[text] for text in texts if not is_chinese(text)], device=device)[:20000]
    right = {
        name: [row for row in rows if row["label"] == "right" and (is_chinese(row["new"]) or is_chinese(row["cached"])) is chinese]
        for name, chinese in (("english", False), ("chinese", True))
    }
    found: dict[str, Any] = {}
    cosines: dict[str, np.ndarray] = {}
    print(f"ready at {time.time() - began:.0f}s", flush=True)
    for stage in plan["stages"]:
        state = chosen_layers(base, stage["layers"])
        torch.manual_seed(stage["seed"])
        student = Network(state, stage.get("dropout", 0.0), compiled=device.type == "cuda", rehearse=stage.get("rehearse", False)).to(
            device
        )
        train(student, teacher, ask, stage, device)
        after = vectors(student, forms, len(texts), device)
        told: dict[str, Any] = {"teacher's vectors, English": float((after[english] * before[english]).sum(1).mean())}
        kept = []
        for at in english[::7]:
            old, new = (one[english] @ one[at] for one in (before, after))
            kept.append(len(set(old.topk(11).indices.tolist()) & set(new.topk(11).indices.tolist())) - 1)
        told["of the teacher's ten nearest"] = float(np.mean(kept)) / 10
        for name, side in right.items():
            at_new, at_cached = (torch.tensor([place[row[key]] for row in side], device=device) for key in ("new", "cached"))
            for who, where in (("teacher", before), ("student", after)):
                told[f"{name}, right one among ten: {who}"] = nominated(where[at_new], where[at_cached], where, at_cached)
        found[stage["name"]] = told
        cosines[stage["name"]] = np.array([float(after[place[row["new"]]] @ after[place[row["cached"]]]) for row in rows], np.float32)
        print(json.dumps({stage["name"]: told}, indent=1), flush=True)
        (out / "nominations.json").write_text(json.dumps(found, indent=1))
        np.savez_compressed(out / "cosines.npz", **cosines)  # type: ignore[arg-type]
        save(student, out, stage["name"], stage.get("keep", 2))
        print(f"{stage['name']} done at {time.time() - began:.0f}s", flush=True)
    stop.set()
    for worker in workers:
        worker.terminate()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]))
