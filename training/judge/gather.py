"""Gather what people send, once, beside what `prepare` gathers: lists of tags, a prompt extender's clips, Chinese, written groups.

python -m training.judge.gather DATA FOLDER
"""

from __future__ import annotations

import gzip
import json
import re
import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np

from cache.matching.encoding.embedder import Embedder
from cache.matching.rules.slots import read
from training.judge.groups import Group, files, groups, held
from training.judge.sources import PAIRS, Row, division, rows
from training.judge.tags import apart

MODELS = Path(".reprise/models")
FEW = 15
_TWO = re.compile(r"^an? [a-z ]+ (?:and|on the (?:left|right|top|bottom) of) an? [a-z]+")
CHINESE = frozenset({"paws-x-zh", "cnsd-stsb-zh"})


def paws_held(one: str, other: str) -> bool:
    """Pairs of PAWS-X come in families of nearly the same words: a fifth of the beginnings is held back."""
    return sum(map(ord, min(one, other)[:6])) % 5 == 0


def measured(data: Path) -> set[str]:
    """Prompts of real users that measure: none of them trains, though their source may."""
    found = rows(data / "real_neighbours_dev.jsonl.gz")
    return {row[name].lower() for row in found if row["set"] in {"diffusiondb", "refused"} for name in ("new", "cached")}


def tag_lists(data: Path, embedder: Embedder) -> tuple[list[str], list[tuple[str, str]]]:
    """Lists of tags, and pairs that lie near and name other things."""
    kept_back = measured(data)
    found = [row["prompt"].strip() for row in rows(data / "trace_diffusiondb_10k_dev.jsonl.gz")]
    found = sorted(
        {text for text in found if text.isascii() and 3 <= len(text.split()) <= 90 and text.lower() not in kept_back and not held(text)}
    )
    vectors = embedder.embed_now([text[:800] for text in found])
    near = []
    for at, text in enumerate(found):
        line = vectors @ vectors[at]
        line[at] = -1.0
        near += [(text, found[other]) for other in np.argsort(-line)[:6] if line[other] >= 0.5 and apart(text, found[other], 4)]
    return [text for text in found if text.count(",") >= 2], near


def others_clips(data: Path, embedder: Embedder) -> list[tuple[str, str]]:
    """Terse asks with enhanced clips of other prompts that lie near: what a cache of a prompt extender's clips is asked."""
    division_ = division(data)
    made = [(row["a"], row["b"]) for row in rows(data / "pairs_dev.jsonl.gz") if row["kind"] == "expansion" and row["source"] in PAIRS]
    made = [(terse, long) for terse, long in made if not division_.held(terse.lower())]
    asks = sorted(
        {terse for terse, _ in made}
        | {
            row["prompt"]
            for row in rows(data / "t2v_prompts_dev.jsonl.gz")
            if row["source"] in {"vbench", "vbench2", "fetv", "vbench-category"}
            and row["lang"] == "en"
            and not division_.held(row["prompt"].lower())
        }
    )
    ask_vectors, terse_vectors = embedder.embed_now(asks), embedder.embed_now([terse for terse, _ in made])
    long_vectors = embedder.embed_now([long[:1500] for _, long in made])
    found = []
    for at, ask in enumerate(asks):
        line = long_vectors @ ask_vectors[at]
        line[terse_vectors @ ask_vectors[at] > 0.9] = -1.0
        for near in np.argsort(-line)[:12]:
            terse, clip = made[near]
            if read(ask).asked - read(clip).asked:  # something asked for is not told there
                found.append((ask, clip))
            elif len(ask.split()) <= 3 and _TWO.search(terse) and not _TWO.search(ask):
                found += [(ask, clip)] * FEW  # one thing is asked for, and the clip has another beside it: few, so often
    return found


def chinese(data: Path) -> tuple[list[Row], list[tuple[str, bool]]]:
    found, texts = [], {}
    for row in rows(data / "zh_pairs_dev.jsonl.gz"):
        if row["source"] not in CHINESE or row["kind"] == "sts_same":
            continue
        back = paws_held(row["new"], row["cached"])
        found.append(Row(row["new"], row["cached"], row["label"], row["kind"], row["source"], back))
        if row["source"] == "paws-x-zh":
            texts[row["new"]] = back
    for row in rows(data / "pairs_dev.jsonl.gz"):
        if row["source"] == "vbench" and row["kind"] == "translation":
            back = held(row["a"])
            found += [Row(row["a"], row["b"], 1, "translation", "vbench", back), Row(row["b"], row["a"], 1, "translation", "vbench", back)]
    for row in rows(data / "captions_coco_cn_dev.jsonl.gz"):
        texts[row["caption"]] = held(row["caption"])
    for row in rows(data / "t2v_prompts_dev.jsonl.gz"):
        if row["lang"] == "zh" and row["source"] == "vbench":
            texts[row["prompt"]] = held(row["prompt"])
    return found, list(texts.items())


def every() -> list[tuple[Group, bool, str]]:
    """The written groups, whether each is held back, and the file it stands in."""
    return [(group, back, path.stem) for path in files() for group, back in groups(path)]


def main(data: Path, folder: Path) -> None:
    embedder = Embedder.load(cache_dir=MODELS)
    kept_back = sorted(measured(data))
    lists, near = tag_lists(data, embedder)
    others = others_clips(data, embedder)
    embedder.close()
    rows_zh, texts_zh = chinese(data)
    made = {
        "kept_back": kept_back, "lists": lists, "near": near, "others": others, "chinese": [asdict(row) for row in rows_zh],
        "chinese_texts": texts_zh, "groups": every(),
    }  # fmt: skip
    with gzip.open(folder / "real.json.gz", "wt") as file:
        json.dump(made, file)
    print({name: len(value) for name, value in made.items()})  # type: ignore[arg-type]


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
