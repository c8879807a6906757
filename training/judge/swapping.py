"""Sentences with words from all over the dictionary, and with near words in their place."""

from __future__ import annotations

import random
import re

from training.judge.near_words import NearWords
from training.judge.rewrite import Rewriter
from training.judge.wording import bare, fix_articles, progressive, third_person

Swapped = tuple[str, str, int, str]  # new, cached, label, kind


class Swapping:
    """Half of the sentences keep their word; the others first get any other of its sort, so that what is learned holds for all words."""

    def __init__(self, rewriter: Rewriter, near: NearWords, rng: random.Random) -> None:
        self._rewriter, self._near, self._rng = rewriter, near, rng

    def swapped(self, text: str) -> Swapped | None:
        rng = self._rng
        spot = self._spot(text)
        if spot is None or re.search(r"(?i)\b(no|not|without|nobody)\b", text):
            return None
        start, end, word, kind, form = spot
        if rng.random() < 0.5:
            word = rng.choice(self._near.words[(self._near.sort[(word, kind)], kind)])

        def put(other: str) -> str:
            return fix_articles(text[:start] + _inflected(other, form) + text[end:])

        cached = put(word)
        draw = rng.random()
        if draw < 0.58 and (near := self._near.near.get((word, kind))):
            new, label, name = put(rng.choice(near)), 0, "near_word"
            if rng.random() < 0.12:
                other = put(rng.choice(near))  # both are strangers to the sentence
                new, cached = (new, other) if new != other else (new, cached)
        elif draw < 0.76 and kind == "n" and (wider := self._near.wider.get(word)):
            new, label, name = put(rng.choice(wider)), 1, "wider_word"
            if rng.random() < 0.5:
                new, cached, label, name = cached, new, 0, "narrower_word"
        else:
            same = self._rewriter.net.synonyms.get((word, kind), [])
            new, label, name = put(rng.choice(same) if same and rng.random() < 0.6 else word), 1, "same_word"
        if label and name == "same_word" and new == cached:
            return self._rewriter.same(new, 2), self._rewriter.same(cached, 1), label, name
        times = rng.choice([0, 0, 1, 1, 2])
        return self._rewriter.same(new, times), self._rewriter.same(cached, rng.choice([0, 0, 1, 1, 2])), label, name

    def exchanged(self, text: str) -> str | None:
        """The sentence with one word for another thing, near it."""
        spot = self._spot(text)
        if spot is None:
            return None
        start, end, word, kind, form = spot
        near = self._near.near.get((word, kind))
        return fix_articles(text[:start] + _inflected(self._rng.choice(near), form) + text[end:]) if near else None

    def _spot(self, text: str) -> tuple[int, int, str, str, str] | None:
        """The spot of a known word: start, end, lemma, part of speech, and the form it has there."""
        found = []
        for match in re.finditer(r"\b[a-z]{3,}\b", text):
            known = self._lemma(match.group())
            if known is not None:
                found.append((match.start(), match.end(), *known))
        if not found:
            return None
        kinds = sorted({one[3] for one in found})
        kind = self._rng.choices(kinds, [4 if kind == "n" else 1 for kind in kinds])[0]
        return self._rng.choice([one for one in found if one[3] == kind])

    def _lemma(self, word: str) -> tuple[str, str, str] | None:
        sort = self._near.sort
        if word.endswith("ing") and (base := bare(word, self._rewriter.net)) and (base, "v") in sort:
            return base, "v", "ing"
        if word in self._rewriter.third and (base := bare(self._rewriter.third[word], self._rewriter.net)) and (base, "v") in sort:
            return base, "v", "s"
        for noun, form in ((word, ""), (word[:-1], "s")):
            if word == noun + form and (noun, "n") in sort and self._rewriter.net.kind(noun) == "n":
                return noun, "n", form
        return None


def _inflected(lemma: str, form: str) -> str:
    if form == "ing":
        head, *rest = lemma.split(" ")
        return " ".join([progressive(head), *rest])
    if form == "s":
        head, *rest = lemma.split(" ")
        return " ".join([third_person(head), *rest]) if rest else third_person(lemma)
    return lemma
