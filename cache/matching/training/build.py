"""Labelled pairs without end: human rows said otherwise, rewritten sentences, told scenes. One seed, one stream."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from cache.matching.training.grammar import Teller
from cache.matching.training.groups import Group, drawn
from cache.matching.training.near_words import NearWords
from cache.matching.training.rewrite import Rewriter
from cache.matching.training.scenes import Scene
from cache.matching.training.sources import Row
from cache.matching.training.swapping import Swapping
from cache.matching.training.wordnet import Wordnet

Example = tuple[str, str, int, str]  # new, cached, label, kind


@dataclass(frozen=True)
class Material:
    rows: list[Row]
    texts: list[str]
    alike: list[tuple[str, str, int]]  # captions of one picture (1) and of two near ones (0)
    net: Wordnet
    near: NearWords
    groups: list[Group]


def stream(material: Material, seed: int, count: int, mix: dict[str, float]) -> Iterator[Example]:
    rng = random.Random(seed)
    teller = Teller(rng)
    rewriter = Rewriter(material.net, material.texts, rng)
    swapping = Swapping(rewriter, material.near, rng)
    expansions = [row for row in material.rows if row.kind == "expansion"]
    alike = [[pair for pair in material.alike if pair[2] == label] for label in (0, 1)]
    makers: dict[str, Callable[[], Example | None]] = {
        "human": lambda: _human(rng, rewriter, material.rows),
        "alike": lambda: _alike(rng, rewriter, alike),
        "rewritten": lambda: _rewritten(rng, rewriter, material.texts),
        "told": lambda: _told(rng, teller),
        "long": lambda: _long(rng, rewriter, expansions),
        "swapped": lambda: swapping.swapped(_short(rng.choice(material.texts))),
        "written": lambda: _written(rng, rewriter, material.groups),
        "unrelated": lambda: (rng.choice(material.texts), rng.choice(material.texts), 0, "unrelated"),
    }
    mix = {name: share for name, share in mix.items() if share > 0 and not (name == "alike" and not material.alike)}
    names, shares = list(mix), list(mix.values())
    made = 0
    while made < count:
        example = makers[rng.choices(names, shares)[0]]()
        if example is None or not example[0].strip() or not example[1].strip():
            continue
        made += 1
        yield example


def _short(text: str) -> str:
    return text if len(text.split()) <= 45 else ", ".join(text.split(",")[:4])


def _written(rng: random.Random, rewriter: Rewriter, groups: list[Group]) -> Example:
    new, cached, label, kind = drawn(rng.choice(groups), rng)
    if label and rng.random() < 0.15 and (edited := rewriter.edited(new)):
        return edited[1], cached, 0, f"{kind}_{edited[0]}"
    if rng.random() < 0.4:
        new, cached = rewriter.same(new, rng.randint(0, 1)), rewriter.same(cached, rng.randint(0, 1))
    return new, cached, label, kind


def _human(rng: random.Random, rewriter: Rewriter, rows: list[Row]) -> Example:
    row = rng.choice(rows)
    new, cached = row.new, row.cached
    if row.label and rng.random() < 0.15 and (edited := rewriter.edited(new)):
        return edited[1], cached, 0, f"{row.kind}_{edited[0]}"  # wrong, and in other words
    if rng.random() < 0.5:
        new, cached = rewriter.same(new, rng.randint(0, 2)), rewriter.same(cached, rng.randint(0, 2))
    return new, cached, row.label, row.kind


def _alike(rng: random.Random, rewriter: Rewriter, alike: list[list[tuple[str, str, int]]]) -> Example:
    new, cached, label = rng.choice(alike[0] if rng.random() < 0.5 else alike[1])
    if label and rng.random() < 0.15 and (edited := rewriter.edited(new)):
        return edited[1], cached, 0, f"alike_{edited[0]}"
    if rng.random() < 0.6:
        new, cached = rewriter.same(new, rng.randint(0, 2)), rewriter.same(cached, rng.randint(0, 2))
    return new, cached, label, "alike"


def _rewritten(rng: random.Random, rewriter: Rewriter, texts: list[str]) -> Example | None:
    text = _short(rng.choice(texts))
    new = cached = text
    label, kind = 1, "same"
    draw = rng.random()
    if draw < 0.22:
        for _ in range(rng.randint(1, 2)):
            new = rewriter.wider(new) or new
        if new != text:
            kind = "wider"
            if rng.random() < 0.5:
                new, cached, label, kind = cached, new, 0, "narrower"
    elif draw < 0.68:
        start = rewriter.wider(text) if rng.random() < 0.15 else None
        edited = rewriter.edited(start or text)
        if edited is None:
            return None
        kind, new = edited
        label = 0
        one_way = kind in {"adjective", "object", "setting", "camera", "adverb"}
        if one_way and start is None and rng.random() < 0.3:
            # What was added may be missing in what is asked for.
            new, cached, label, kind = cached, new, 1, f"{kind}_less"
        elif not one_way and rng.random() < 0.5:
            new, cached = cached, new
    new, cached = rewriter.same(new, rng.choice([0, 1, 1, 2, 3])), rewriter.same(cached, rng.choice([0, 0, 1, 1, 2]))
    return new, cached, label, kind


def _told(rng: random.Random, teller: Teller) -> Example:
    scene = teller.scene()
    asked: Scene = scene
    label, kind = 1, "told"
    draw = rng.random()
    if draw < 0.24:
        asked = teller.widen(scene) or scene
        if rng.random() < 0.4:
            asked = teller.widen(asked) or asked
        kind = "told_wider"
        if asked != scene and rng.random() < 0.5:
            return teller.tell(scene), teller.tell(asked), 0, "told_narrower"
    elif draw < 0.7:
        wider = teller.widen(scene) if rng.random() < 0.2 else None
        edit, asked = teller.edit(wider or scene)
        if asked == (wider or scene):
            return teller.tell(asked), teller.tell(scene), 1, kind
        label, kind = 0, f"told_{edit}"
    at_length = rng.random() < 0.12
    return teller.tell(asked), teller.tell_at_length(scene) if at_length else teller.tell(scene), label, kind


def _long(rng: random.Random, rewriter: Rewriter, expansions: list[Row]) -> Example | None:
    """A short prompt against its long form: other words still hold, an edit does not."""
    row = rng.choice(expansions)
    if rng.random() < 0.5:
        return rewriter.same(row.new, rng.randint(0, 2)), row.cached, 1, "long"
    edited = rewriter.edited(row.new)
    if edited is None or (edited[0] in {"setting", "adjective", "adverb", "object", "camera"} and rng.random() < 0.5):
        other = rng.choice(expansions)
        return (other.new, row.cached, 0, "long_other") if other.new != row.new else None
    return rewriter.same(edited[1], rng.randint(0, 1)), row.cached, 0, f"long_{edited[0]}"
