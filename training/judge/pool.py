"""A pool of sentences, and what all rewriting of it shares: its nouns, its verbs, and WordNet."""

from __future__ import annotations

import random
import re

from cache.matching.rules import lexicon
from training.judge.wording import BE_ING, DET_NP, SAME, WIDER, bare, third_person
from training.judge.wordnet import Wordnet


class Pool:
    def __init__(self, net: Wordnet, pool: list[str], rng: random.Random) -> None:
        self.net, self.rng = net, rng
        verbs: dict[str, int] = {}
        nouns: dict[str, int] = {}
        for text in pool:
            for _, verb in BE_ING.findall(text.lower()):
                verbs[verb] = verbs.get(verb, 0) + 1
            for _, _, noun in DET_NP.findall(text.lower()):
                if net.kind(noun) == "n" and noun in net.seen:
                    nouns[noun] = nouns.get(noun, 0) + 1
        self.verbs = [verb for verb, count in verbs.items() if count >= 3]
        self.nouns = [noun for noun, count in nouns.items() if count >= 4]
        self.noun_set = set(self.nouns) | {"man", "woman", "boy", "girl", "people", "person", "men", "women", "child", "children"}
        self.third = {third_person(base): ing for ing in self.verbs if (base := bare(ing, net))}

    def _adjective(self, word: str) -> bool:
        if word in {"same", "other", "first", "second", "last", "fake", "toy", "only"}:
            return False
        return word in lexicon.COLOURS or word in lexicon.ADJECTIVES or self.net.kind(word) == "a"

    def _nouns(self, text: str) -> list[re.Match[str]]:
        return [match for match in re.finditer(r"\b[a-z]{3,}\b", text) if match.group() in self.noun_set]

    def _kin(self, one: str, other: str) -> bool:
        if one == other or one.rstrip("s") == other.rstrip("s") or other in SAME.get(one, []) or one in SAME.get(other, []):
            return True
        if (
            WIDER.get(one) == other
            or WIDER.get(other) == one
            or other
            in {
                "person",
                "people",
                "animal",
                "group",
                "thing",
                "object",
                "photo",
                "picture",
                "image",
                "area",
                "place",
                "side",
                "top",
                "front",
                "view",
                "scene",
                "video",
            }
        ):
            return True
        return (
            other in self.net.synonyms.get((one, "n"), []) or one in self.net.wider.get(other, []) or other in self.net.wider.get(one, [])
        )
