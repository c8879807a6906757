"""Real sentences said otherwise (the meaning stays), widened (it holds still), or edited (it does not)."""

from __future__ import annotations

import random
import re

from training.judge.contradictions import Contradictions
from training.judge.sayings import Sayings
from training.judge.wording import PP_END, WIDER, Change, fix_articles
from training.judge.wordnet import Wordnet


class Rewriter(Sayings, Contradictions):
    def __init__(self, net: Wordnet, pool: list[str], rng: random.Random) -> None:
        super().__init__(net, pool, rng)
        self.same_changes: list[Change] = [
            self.filler, self.filler, self.tag, self.simple, self.simple, self.progressive, self.participle, self.there, self.articles, self.articles, self.front, self.front,
            self.synonym, self.synonym, self.synonym, self.synonym, self.numbers, self.segments, self.typo, self.case, self.case, self.conjunction, self.wearing, self.bareness, self.punctuation, self.relative, self.relative, self.passive, self.passive,
        ]  # fmt: skip
        self.wider_changes: list[Change] = [
            self.drop_adjective,
            self.drop_adjective,
            self.drop_phrase,
            self.drop_phrase,
            self.hypernym,
            self.drop_segment,
        ]
        self.edits: dict[str, tuple[int, Change]] = {
            "noun": (5, self.swap_noun), "sibling": (3, self.sibling), "verb": (4, self.swap_verb), "number": (2, self.change_number), "colour": (2, self.change_colour),
            "preposition": (3, self.change_preposition), "opposite": (4, self.opposite), "role": (5, self.swap_roles), "attribute": (2, self.swap_adjectives), "negation": (2, self.negate),
            "actor": (2, self.change_actor), "adjective": (3, self.add_adjective), "object": (3, self.add_object), "setting": (2, self.add_setting), "camera": (1, self.add_camera),
            "order": (2, self.swap_order), "adverb": (1, self.add_adverb), "antonym": (2, self.antonym),
        }  # fmt: skip

    def same(self, text: str, times: int) -> str:
        for _ in range(times):
            text = self.rng.choice(self.same_changes)(text) or text
        return text

    def wider(self, text: str) -> str | None:
        return self.rng.choice(self.wider_changes)(text)

    def edited(self, text: str) -> tuple[str, str] | None:
        names = list(self.edits)
        for _ in range(6):
            name = self.rng.choices(names, [self.edits[name][0] for name in names])[0]
            result = self.edits[name][1](text)
            if result and result.lower() != text.lower():
                return name, result
        return None

    # -- it holds still

    def drop_adjective(self, text: str) -> str | None:
        found = list(re.finditer(r"(?i)\b(an?|the|his|her|two|three|their) ([a-z-]+) (?=[a-z])", text))
        found = [match for match in found if self._adjective(match.group(2).lower())]
        if not found:
            return None
        match = self.rng.choice(found)
        return fix_articles(text[: match.start()] + match.group(1) + " " + text[match.end() :])

    def drop_phrase(self, text: str) -> str | None:
        match = PP_END.match(text)
        if match is None or re.search(r"(?i)\b(no|not|without)\b", text) or len(match.group(1).split()) < 4:
            return None
        if match.group(1).split()[-1].lower() in {
            "sits",
            "stands",
            "lies",
            "sitting",
            "standing",
            "put",
            "puts",
            "placed",
            "looking",
            "lays",
            "is",
            "are",
            "up",
            "down",
            "next",
            "front",
            "and",
            "back",
        }:
            return None
        return match.group(1)

    def drop_segment(self, text: str) -> str | None:
        parts = [part.strip() for part in text.rstrip(".").split(",")]
        if len(parts) < 2 or len(parts[0].split()) < 3:
            return None
        del parts[self.rng.randrange(1, len(parts))]
        return ", ".join(parts)

    def hypernym(self, text: str) -> str | None:
        found = [match for match in re.finditer(r"\b[a-z]+\b", text) if match.group() in WIDER]
        if not found:
            return None
        match = self.rng.choice(found)
        word = match.group()
        if text.count(word) > 1:
            return None
        return fix_articles(text[: match.start()] + WIDER[word] + text[match.end() :])
