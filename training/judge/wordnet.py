"""WordNet 3.0 as word tables (Debian's wordnet-base): only for making training pairs, nothing of it ships.

Sense counts choose what a word mostly means; words whose first sense does not dominate are left alone.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

WORDNET = Path("/usr/share/wordnet")
_KIND = {"n": "noun", "v": "verb", "a": "adj"}
_SENSE_KIND = {"1": "n", "2": "v", "3": "a", "4": "r", "5": "a"}
# Lexicographer files of things that can be seen: act, animal, artifact, body, communication, event, food, group,
# location, object, person, phenomenon, plant, possession, substance.
SEEN = {4, 5, 6, 8, 10, 11, 13, 14, 15, 17, 18, 19, 20, 21, 27}


@dataclass
class Wordnet:
    counts: dict[str, dict[str, int]] = field(default_factory=dict)  # word -> part of speech -> how often
    synonyms: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    wider: dict[str, list[str]] = field(default_factory=dict)  # noun -> nouns that hold for all it holds for
    siblings: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    antonyms: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    seen: set[str] = field(default_factory=set)

    def kind(self, word: str) -> str | None:
        counts = self.counts.get(word)
        if not counts:
            return None
        best = max(counts, key=lambda kind: counts[kind])
        others = sum(counts.values()) - counts[best]
        return best if counts[best] >= 2 * others else None


class Synset(NamedTuple):
    lemmas: list[str]  # as WordNet spells them
    pointers: list[tuple[str, str, str]]  # mark, offset, and which of the lemmas it holds for
    file: int  # the lexicographer file


def read_wordnet(folder: Path = WORDNET) -> Wordnet:
    net = Wordnet()
    senses: dict[tuple[str, str], dict[int, int]] = defaultdict(dict)
    for line in (folder / "cntlist.rev").read_text().splitlines():
        sense, number, times = line.split()
        lemma, rest = sense.split("%")
        kind = _SENSE_KIND[rest[0]]
        senses[(lemma, kind)][int(number)] = int(times)
        net.counts.setdefault(lemma, {}).setdefault(kind, 0)
        net.counts[lemma][kind] += int(times)
    first = {(lemma, kind): offsets[0] for kind in _KIND for lemma, offsets in read_senses(folder, kind).items()}
    synsets = {(kind, offset): synset for kind in _KIND for offset, synset in read_synsets(folder, kind).items()}
    dominant = {}
    for key, offset in first.items():
        found = senses.get(key, {})
        total = sum(found.values())
        if total == 0 or found.get(1, 0) >= 0.6 * total:
            dominant[key] = offset
    for (word, kind), offset in dominant.items():
        if "_" in word or not word.isalpha():
            continue
        lemmas, pointers, file = synsets[(kind, offset)]
        if kind == "n" and file in SEEN:
            net.seen.add(word)
        used = sum(senses.get((word, kind), {}).values())
        same = [
            other.lower().replace("_", " ")
            for other in lemmas
            if other.lower() != word and dominant.get((other.lower(), kind)) == offset and other.islower()
        ]
        if same:
            net.synonyms[(word, kind)] = [other for other in same if used or " " not in other][:4]
        ups = [target for mark, target, _ in pointers if mark == "@"]
        for up in ups:
            up_lemmas, up_pointers, _ = synsets[(kind, up)]
            for other in up_lemmas[:1]:
                if kind == "n" and other.isalpha() and other.islower() and net.counts.get(other, {}).get("n", 0) >= 5:
                    net.wider.setdefault(word, []).append(other)
            children = [target for mark, target, _ in up_pointers if mark == "~" and target != offset]
            beside = [
                lemma
                for child in children
                for lemma in synsets[(kind, child)][0][:2]
                if lemma.isalpha() and lemma.islower() and net.counts.get(lemma, {}).get(kind, 0) >= 2
            ]
            if beside:
                net.siblings.setdefault((word, kind), []).extend(beside[:60])
    for (kind, _), (lemmas, pointers, _) in sorted(synsets.items(), key=lambda entry: entry[0][0]):
        for mark, target, where in pointers:
            if kind != "n" and mark == "!" and where != "0000" and (kind, target) in synsets:
                others = synsets[(kind, target)].lemmas
                other = others[min(int(where[2:], 16), len(others)) - 1]
                net.antonyms.setdefault((lemmas[int(where[:2], 16) - 1].lower(), kind), []).append(other.lower())
    return net


def read_synsets(folder: Path, kind: str) -> dict[str, Synset]:
    """All of one part of speech, by their offset."""
    found = {}
    for parts in _entries(folder / f"data.{_KIND[kind]}"):
        count = int(parts[3], 16)
        at = 4 + 2 * count
        lemmas = [parts[4 + 2 * n].split("(")[0] for n in range(count)]
        pointers = [(parts[at + 1 + 4 * n], parts[at + 2 + 4 * n], parts[at + 4 + 4 * n]) for n in range(int(parts[at]))]
        found[parts[0]] = Synset(lemmas, pointers, int(parts[1]))
    return found


def read_senses(folder: Path, kind: str) -> dict[str, list[str]]:
    """The synsets of each lemma (in lower case), by their offsets, the most frequent first."""
    return {parts[0]: parts[-int(parts[2]) :] for parts in _entries(folder / f"index.{_KIND[kind]}")}


def _entries(path: Path) -> Iterator[list[str]]:
    for line in path.read_text().splitlines():
        if not line.startswith("  "):  # the licence
            yield line.split(" | ")[0].split()
