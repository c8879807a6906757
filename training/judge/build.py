"""Labelled pairs without end: human rows said otherwise, rewritten sentences, told scenes, lists of tags. One seed, one stream."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from cache.prompt import is_chinese
from training.judge.grammar import Teller
from training.judge.grammar_zh import TellerZh
from training.judge.groups import Group, drawn, told_twice
from training.judge.mandarin import Mandarin
from training.judge.near_pairs import Near, terse_and_long
from training.judge.near_words import NearWords
from training.judge.rewrite import Rewriter
from training.judge.roles import Roles
from training.judge.scenes import Scene
from training.judge.snares import Snares
from training.judge.sources import Row
from training.judge.swapping import Swapping
from training.judge.tags import Tags, dressed
from training.judge.wordnet import Wordnet

Example = tuple[str, str, int, str]  # new, cached, label, kind


@dataclass(frozen=True)
class Material:
    rows: list[Row]
    texts: list[str]
    alike: list[tuple[str, str, int]]  # captions of one picture (1) and of two near ones (0)
    net: Wordnet
    near: NearWords
    groups: list[Group]
    lists: list[str] = field(default_factory=list)  # of tags
    near_lists: list[tuple[str, str]] = field(default_factory=list)  # lists that lie near and show other things
    others: list[tuple[str, str]] = field(default_factory=list)  # terse asks with enhanced clips of other prompts
    chinese: list[Row] = field(default_factory=list)
    chinese_texts: list[str] = field(default_factory=list)
    later: list[Group] = field(default_factory=list)  # groups of the later authors, among `groups` too
    newest: list[Group] = field(default_factory=list)  # and of the latest
    second: list[tuple[str, str, int]] = field(default_factory=list)  # of one picture, in other words
    lacking: list[tuple[str, str, int]] = field(default_factory=list)  # terse asks with long clips that lack something
    crossed: list[tuple[str, str, int]] = field(default_factory=list)  # a prompt of each language


def stream(material: Material, seed: int, count: int, mix: dict[str, float]) -> Iterator[Example]:
    rng = random.Random(seed)
    teller, chinese_teller = Teller(rng), TellerZh(rng)
    rewriter = Rewriter(material.net, material.texts, rng)
    swapping = Swapping(rewriter, material.near, rng)
    expansions = [row for row in material.rows if row.kind == "expansion"]
    tags, mandarin = Tags(rewriter, material.lists, material.near_lists, rng), Mandarin(rng)
    roles, near = Roles(rng), Near(rewriter, swapping, material.second, material.lacking, terse_and_long(expansions, material.groups), rng)
    newest = [group for group in material.newest if not is_chinese(group["base"])]
    snares = Snares(material.net, material.texts, rng)
    chinese_groups = [group for group in material.groups if is_chinese(group["base"])]
    english_groups = [group for group in material.groups if not is_chinese(group["base"])]
    later = [group for group in material.later if not is_chinese(group["base"])]
    short = [text.rstrip(". ") for text in material.texts if 4 <= len(text.split()) <= 11 and "," not in text]
    twice, newest_twice = told_twice(material.groups), told_twice(material.newest)
    alike = [[pair for pair in material.alike if pair[2] == label] for label in (0, 1)]
    makers: dict[str, Callable[[], Example | None]] = {
        "human": lambda: _human(rng, rewriter, material.rows),
        "alike": lambda: _alike(rng, rewriter, alike),
        "rewritten": lambda: _rewritten(rng, rewriter, material.texts),
        "told": lambda: _told(rng, teller, teller.tell, teller.tell),
        "told_chinese": lambda: _told(rng, teller, chinese_teller.tell, chinese_teller.tell),
        "told_between": lambda: _told(rng, teller, *rng.sample([teller.tell, chinese_teller.tell], 2)),
        "long": lambda: _long(rng, rewriter, expansions),
        "swapped": lambda: swapping.swapped(_short(rng.choice(material.texts))),
        "written": lambda: _written(rng, rewriter, english_groups),
        "unrelated": lambda: (rng.choice(material.texts), rng.choice(material.texts), 0, "unrelated"),
        "tags": lambda: tags.drawn() if material.lists else None,
        "others": lambda: (*rng.choice(material.others), 0, "others") if material.others else None,
        "written_later": lambda: _written(rng, rewriter, later) if later else None,
        "written_newest": lambda: _written(rng, rewriter, newest) if newest else None,
        "tags_one": lambda: tags.one(swapping) if material.lists else None,
        "roles": roles.drawn,
        "beside": roles.beside,
        "second": near.second,
        "terse": near.terse,
        "crossed": lambda: (*rng.choice(material.crossed), "crossed") if material.crossed else None,
        "snares": snares.drawn,
        "clauses": lambda: _clauses(rng, rewriter, short),
        "chinese_written": lambda: _chinese_written(rng, mandarin, chinese_groups),
        "between": lambda: _between(rng, twice),
        "between_newest": lambda: _between(rng, newest_twice),
        "chinese": lambda: _chinese(rng, mandarin, material),
    }
    mix = {name: share for name, share in mix.items() if share > 0 and not (name == "alike" and not material.alike)}
    names, shares = list(mix), list(mix.values())
    made = 0
    while made < count:
        example = makers[rng.choices(names, shares)[0]]()
        if example is None or not example[0].strip() or not example[1].strip():
            continue
        made += 1
        new, cached, label, kind = example
        if rng.random() < 0.06:
            new = dressed(new, rng)
        if rng.random() < 0.06:
            cached = dressed(cached, rng)
        yield new, cached, label, kind


def _clauses(rng: random.Random, rewriter: Rewriter, short: list[str]) -> Example | None:
    """Two things that go on at once are the same two in either order; one after the other they are not."""
    one, other = rng.choice(short), rng.choice(short)
    other = other[0].lower() + other[1:]
    lower = one[0].lower() + one[1:]
    joint = rng.choice([" and ", " while ", ", ", "; ", " as "])
    draw = rng.random()
    if draw < 0.45:
        return f"{other}{rng.choice([' and ', ' while ', joint])}{lower}", f"{one}{joint}{other}", 1, "clauses_same"
    if draw < 0.6:
        then = rng.choice([", then ", " and then ", " before "])
        return f"{other}{then}{lower}", f"{one}{rng.choice([', then ', ' and then ', then])}{other}", 0, "clauses_order"
    if draw < 0.68:
        return rng.choice([one, other]), f"{one}{joint}{other}", 1, "clauses_less"
    if draw < 0.76:
        return f"{one}{joint}{other}", rng.choice([one, other]), 0, "clauses_more"
    edited = rewriter.edited(lower)
    if edited is None:
        return None
    return f"{other}{joint}{edited[1]}", f"{one}{joint}{other}", 0, "clauses_edited"


def _between(rng: random.Random, twice: list[tuple[Group, Group]]) -> Example | None:
    if not twice:
        return None
    one, other = rng.choice(twice)
    return drawn(one, rng, other)


def _chinese_written(rng: random.Random, mandarin: Mandarin, groups: list[Group]) -> Example | None:
    if not groups:
        return None
    new, cached, label, kind = drawn(rng.choice(groups), rng)
    if label and rng.random() < 0.2 and (edited := mandarin.edited(new)):
        return edited, cached, 0, f"{kind}_edited"
    if rng.random() < 0.4:
        new, cached = mandarin.same(new, rng.randint(0, 1)), mandarin.same(cached, rng.randint(0, 1))
    return new, cached, label, f"chinese_{kind}"


def _chinese(rng: random.Random, mandarin: Mandarin, material: Material) -> Example | None:
    """A labelled row; or a sentence said otherwise, edited, shortened; or two sentences that have nothing to do with each other."""
    draw = rng.random()
    if draw < 0.25:
        row = rng.choice(material.chinese)
        return row.new, row.cached, row.label, f"chinese_{row.kind}"
    text = rng.choice(material.chinese_texts)
    if draw < 0.5:
        return mandarin.same(text, rng.randint(1, 3)), mandarin.same(text, rng.randint(0, 1)), 1, "chinese_same"
    if draw < 0.85:
        edited = mandarin.edited(text)
        return (
            None
            if edited is None
            else (mandarin.same(edited, rng.randint(0, 2)), mandarin.same(text, rng.randint(0, 1)), 0, "chinese_edited")
        )
    if draw < 0.93:
        less = mandarin.less(text)
        if less is None:
            return None
        return (less, text, 1, "chinese_less") if rng.random() < 0.5 else (text, less, 0, "chinese_more")
    return text, rng.choice(material.chinese_texts), 0, "chinese_unrelated"


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
    text = rng.choice(texts)
    text = text if rng.random() < 0.3 else _short(text)
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


def _told(rng: random.Random, teller: Teller, ask: Callable[[Scene], str], tell: Callable[[Scene], str]) -> Example:
    """`ask` tells what is asked for, `tell` what the clip shows; each in a language of its own."""
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
            return ask(scene), tell(asked), 0, "told_narrower"
    elif draw < 0.7:
        wider = teller.widen(scene) if rng.random() < 0.2 else None
        edit, asked = teller.edit(wider or scene)
        if asked == (wider or scene):
            return ask(asked), tell(scene), 1, kind
        label, kind = 0, f"told_{edit}"
    at_length = rng.random() < 0.12 and tell == teller.tell
    return ask(asked), teller.tell_at_length(scene) if at_length else tell(scene), label, kind


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
