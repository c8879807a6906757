"""Words near each other that name different things: what the most treacherous edits are made of.

WordNet says which two surely differ (no sense in common, neither above the other in any sense); the encoder says which are near.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from training.judge.wordnet import SEEN, Wordnet, read_senses, read_synsets

Word = tuple[str, str]  # a lemma and its part of speech

_QUANTITIES = 23
# Bodily care, change, competition, consumption, contact, creation, motion, perception, weather: verbs that show.
_DONE = {29, 30, 33, 34, 35, 36, 38, 39, 43}
_SORTS = {"n": SEEN | {_QUANTITIES}, "v": _DONE}
# Who is one of these may be an actor, a nurse or a twin as well.
_ANYBODY = {
    "man",
    "woman",
    "boy",
    "girl",
    "child",
    "kid",
    "adult",
    "person",
    "lady",
    "guy",
    "baby",
    "people",
    "teenager",
    "youth",
    "gentleman",
    "human",
}
_LEAST, _MOST = 0.35, 0.85  # cosine: under it nobody mistakes one for the other, over it the two may well be one
_KEPT = 24


@dataclass
class NearWords:
    sort: dict[Word, int] = field(default_factory=dict)  # WordNet's lexicographer file of the first sense
    # By sort and part of speech; words that people use stand there more often.
    words: dict[tuple[int, str], list[str]] = field(default_factory=dict)
    near: dict[Word, list[str]] = field(default_factory=dict)
    wider: dict[str, list[str]] = field(default_factory=dict)  # noun -> nouns that hold for all it holds for


class _Kind:
    """The words of one part of speech, and what stands above them."""

    def __init__(self, folder: Path, kind: str) -> None:
        self.synsets, self.senses = read_synsets(folder, kind), read_senses(folder, kind)

    def ups(self, offset: str) -> list[str]:
        return [target for mark, target, _ in self.synsets[offset].pointers if mark == "@"]

    def above(self, offset: str) -> set[str]:
        found: set[str] = set()
        waiting = [offset]
        while waiting:
            for up in self.ups(waiting.pop()):
                if up not in found:
                    found.add(up)
                    waiting.append(up)
        return found


def near_words(net: Wordnet, embed: Callable[[list[str]], NDArray[np.float32]], pieces: Callable[[str], int], folder: Path) -> NearWords:
    """`embed` gives unit vectors; `pieces` says of how many pieces of the encoder's vocabulary a word is: of more than four, and nobody uses it."""
    made = NearWords()
    tables = {kind: _Kind(folder, kind) for kind in _SORTS}
    for kind, table in tables.items():
        chosen: dict[int, list[str]] = defaultdict(list)
        for lemma, offsets in table.senses.items():
            used = net.counts.get(lemma, {}).get(kind, 0)
            if kind == "v":
                common = used >= 1 and net.kind(lemma) == kind
            else:
                common = pieces(lemma) <= (4 if used or lemma not in tables["v"].senses else 1)
            if (
                common
                and lemma in table.synsets[offsets[0]].lemmas
                and lemma.isascii()
                and lemma.isalpha()
                and lemma.islower()
                and len(lemma) > 2
            ):
                sort = table.synsets[offsets[0]].file
                if sort in _SORTS[kind]:
                    made.sort[(lemma, kind)] = sort
                    chosen[sort].append(lemma)
        for sort, words in chosen.items():
            made.words[(sort, kind)] = sorted(word for word in words for _ in range(4 if pieces(word) == 1 else 1))
        # Verbs of all sorts may be near each other; nouns of other sorts hardly ever stand in each other's place.
        parts = list(chosen.values()) if kind == "n" else [[word for part in chosen.values() for word in part]]
        for words in map(sorted, parts):
            _link(made, kind, words, table, embed(words))
    nouns = tables["n"]
    for lemma, kind in made.sort:
        if kind == "n":
            ups = [up for offset in nouns.senses[lemma][:1] for up in nouns.above(offset)]
            names = {name for up in ups for name in nouns.synsets[up].lemmas[:1] if net.counts.get(name, {}).get("n", 0) >= 5}
            made.wider[lemma] = sorted(name for name in names if (name, "n") in made.sort)
    return made


def _link(made: NearWords, kind: str, words: Sequence[str], table: _Kind, vectors: NDArray[np.float32]) -> None:
    senses = {word: set(table.senses[word]) for word in words}
    above = {word: set().union(*(table.above(offset) for offset in senses[word])) for word in words}
    first_up = {word: set(table.ups(table.senses[word][0])) for word in words}

    def one_thing(a: str, b: str) -> bool:
        if senses[a] & senses[b] or senses[a] & above[b] or senses[b] & above[a] or a[:4] == b[:4] or a.endswith(b) or b.endswith(a):
            return True
        if kind == "n":
            return a in _ANYBODY or b in _ANYBODY
        return bool(first_up[a] & first_up[b])  # mostly ways of doing one thing that a film hardly tells apart

    for start in range(0, len(words), 512):
        for at, row in enumerate(vectors[start : start + 512] @ vectors.T, start):
            word = words[at]
            nearest = np.argsort(-row)[1:120]
            others = [words[other] for other in nearest if _LEAST <= row[other] <= _MOST and not one_thing(word, words[other])]
            if others:
                made.near[(word, kind)] = others[:_KEPT]
