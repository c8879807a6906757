"""Pairs that lie near, found once by the encoder and the verifier that ship: second captions, terse asks, languages that meet.

python -m training.judge.mining DATA FOLDER
"""

from __future__ import annotations

import gzip
import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from cache.matching.encoding.embedder import Embedder
from cache.matching.encoding.verifier import Verifier
from cache.matching.judge import by_rule
from cache.matching.rules.slots import read
from cache.prompt import is_chinese
from training.judge.gather import MODELS, every
from training.judge.groups import Group, held
from training.judge.prepare import wider_than_any
from training.judge.sources import PROMPTS, division, permitted, rows
from training.judge.wordnet import Wordnet, read_wordnet

Pair = tuple[str, str, int]  # new, cached, label
TERSE, LONG = 9, 30  # words
_SURE, _NO = 2.5, -1.0  # words of the verifier


def second_captions(images: Iterable[Sequence[str]], embedder: Embedder, verifier: Verifier) -> list[Pair]:
    """Captions of one picture that no rule tells apart: right where the verifier says so, or all but says so and they share their words."""
    found, shared = [], []
    for captions in images:
        vectors = embedder.embed_now(list(captions))
        for at, one in enumerate(captions):
            for spot, other in enumerate(captions):
                if one != other and 0.62 <= float(vectors[at] @ vectors[spot]) <= 0.97 and by_rule(one, other) is None:
                    left, right = set(read(one).content), set(read(other).content)
                    found.append((one, other))
                    shared.append(len(left & right) / max(1, len(left | right)))
    said = zip(found, shared, words(found, verifier), strict=True)
    return [(*pair, 1) for pair, share, word in said if word >= 0.0 or (word >= -1.5 and share >= 0.35)]


def lacking(asks: Sequence[str], clips: Sequence[str], own: dict[str, set[str]], embedder: Embedder, net: Wordnet) -> list[Pair]:
    """Terse asks with long clips near them in which something asked for is not told, in no other form and under no other name.
    `own`: the clips that an ask was written for.
    """
    found: list[Pair] = []
    ask_vectors, clip_vectors = embedder.embed_now(list(asks)), embedder.embed_now([clip[:1500] for clip in clips])
    content = {clip: set(read(clip).content) for clip in clips}
    for at, ask in enumerate(asks):
        line = clip_vectors @ ask_vectors[at]
        taken = 0
        for near in np.argsort(-line)[:30]:
            clip = clips[near]
            if line[near] < 0.4 or taken == 6:
                break
            if clip in own.get(ask, ()):
                continue
            missing = read(ask).asked - read(clip).asked
            if any(not wider_than_any(word, content[clip], net) for word in missing):
                found.append((ask, clip, 0))
                taken += 1
    return found


def crossed(twice: Sequence[tuple[str, str]], others: Sequence[str], embedder: Embedder, verifier: Verifier) -> list[Pair]:
    """English prompts beside the Chinese of another that lies near: the label is what rules and verifier say of the English of both."""
    english = [one for one, _ in twice]
    at_home, near_by = embedder.embed_now(english), embedder.embed_now(list(others))
    asked: list[tuple[str, str]] = []
    said: list[tuple[str, str]] = []
    chinese = dict(twice)
    for at, (one, other) in enumerate(twice):
        line = near_by @ at_home[at]
        for near in np.argsort(-line)[:7]:
            text = others[near]
            if line[near] < 0.45 or text == one:
                continue
            asked += [(text, one), (one, text)]
            said += [(text, other), (other, text)]
            if text in chinese:
                asked.append((text, one))
                said.append((chinese[text], other))
    found: list[Pair] = []
    ruled = [by_rule(new, cached) is not None for new, cached in asked]
    left = [pair for pair, no in zip(asked, ruled, strict=True) if not no]
    told = iter(words(left, verifier))
    for pair, no in zip(said, ruled, strict=True):
        word = -9.0 if no else next(told)
        if word <= _NO or word >= _SURE:
            found.append((*pair, int(word >= _SURE)))
    return found


def words(pairs: Sequence[tuple[str, str]], verifier: Verifier, at_once: int = 2048) -> list[float]:
    print(f"{len(pairs)} pairs to read", flush=True)
    known: dict[tuple[str, str], float] = {}
    fresh = sorted({pair for pair in pairs if verifier.refuses(*pair) is None}, key=lambda pair: len(pair[0]) + len(pair[1]))
    for start in range(0, len(fresh), at_once):
        part = fresh[start : start + at_once]
        known |= {pair: word.forward for pair, word in zip(part, verifier.score_now(part), strict=True)}
    return [known.get(pair, -9.0) for pair in pairs]


def _terse(data: Path, groups: Sequence[Group]) -> tuple[list[str], list[str], dict[str, set[str]]]:
    """Asks, clips, and which clips were written for which asks."""
    own: dict[str, set[str]] = {}
    for row in permitted(data)[0]:
        if row.kind == "expansion" and not row.held:
            own.setdefault(row.new, set()).add(row.cached)
    for group in groups:
        told = [group["base"], *group["same"], *group["more"]]
        for ask in [text for text in [group["base"], *group["same"], *group["less"]] if len(text.split()) <= TERSE]:
            own.setdefault(ask, set()).update(text for text in told if len(text.split()) >= LONG)
        for text in told:
            if len(text.split()) >= LONG:
                own.setdefault("", set()).add(text)  # of an ask that has more words
    division_ = division(data)
    prompts = {
        row["prompt"]
        for row in rows(data / "t2v_prompts_dev.jsonl.gz")
        if row["source"] in PROMPTS and row["lang"] == "en" and not division_.held(row["prompt"].lower())
    }
    asks = sorted({ask for ask in {*own, *prompts} if 1 <= len(ask.split()) <= TERSE + 3})
    return asks, sorted(set().union(*own.values())), own


def main(data: Path, folder: Path) -> None:
    embedder, verifier, net = Embedder.load(cache_dir=MODELS), Verifier.load(cache_dir=MODELS), read_wordnet()
    groups = [group for group, back, _ in every() if not back]
    english = [group for group in groups if not is_chinese(group["base"])]
    asks, clips, own = _terse(data, english)
    made = {"lacking": lacking(asks, clips, own, embedder, net)}
    print(f"{len(asks)} terse asks, {len(clips)} long clips, {len(made['lacking'])} that lack something", flush=True)
    twice = [(group["of"], group["base"]) for group in groups if "of" in group and not is_chinese(group["of"])]
    division_ = division(data)
    twice += [
        (row["a"], row["b"])
        for row in rows(data / "pairs_dev.jsonl.gz")
        if row["source"] == "vbench" and row["kind"] == "translation" and not held(row["a"]) and not division_.held(row["a"].lower())
    ]
    twice = [(one, other) for one, other in dict(twice).items() if len(one.split()) <= 20]
    near = sorted({one for one, _ in twice} | {ask for ask in asks if len(ask.split()) >= 2})
    made["crossed"] = crossed(twice, near, embedder, verifier)
    print(f"{len(twice)} said twice, {len(made['crossed'])} pairs across, {sum(label for *_, label in made['crossed'])} right", flush=True)
    images = [captions for captions, back in permitted(data)[2] if not back]
    made["second"] = second_captions(images, embedder, verifier)
    print(f"{len(made['second'])} second captions", flush=True)
    with gzip.open(folder / "mined.json.gz", "wt", encoding="utf-8") as file:
        json.dump(made, file, ensure_ascii=False)
    embedder.close()
    verifier.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
