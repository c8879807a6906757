"""A real sentence edited: it no longer holds."""

from __future__ import annotations

import re

from cache.matching.rules.opposites import OPPOSITES
from training.judge.pool import Pool
from training.judge.scenes import CAMERAS, EXTRAS, STYLES, TIMES, WEATHERS
from training.judge.vocabulary import COLOURS
from training.judge.wording import (
    ADDED,
    BE_ING,
    DET_NP,
    NEAR_PREPOSITIONS,
    NUMBERS,
    PREPOSITIONS,
    SAME,
    THINGS,
    bare,
    fix_articles,
    third_person,
)


class Contradictions(Pool):
    def swap_noun(self, text: str) -> str | None:
        found = self._nouns(text)
        if not found:
            return None
        match = self.rng.choice(found)
        other = self.rng.choice(self.nouns)
        if self._kin(match.group(), other):
            return None
        return fix_articles(text[: match.start()] + other + text[match.end() :])

    def sibling(self, text: str) -> str | None:
        found = [match for match in self._nouns(text) if self.net.siblings.get((match.group(), "n"))]
        if not found:
            return None
        match = self.rng.choice(found)
        other = self.rng.choice(self.net.siblings[(match.group(), "n")])
        if self._kin(match.group(), other) or other not in self.noun_set:
            return None
        return fix_articles(text[: match.start()] + other + text[match.end() :])

    def swap_verb(self, text: str) -> str | None:
        found = [match for match in re.finditer(r"\b[a-z]+\b", text) if match.group() in self.verbs or match.group() in self.third]
        if not found:
            return None
        match = self.rng.choice(found)
        other = self.rng.choice(self.verbs)
        word = match.group()
        if other in SAME.get(word, []) or other == word or {other, word} & {"wearing", "using", "being", "having", "looking"}:
            return None
        if word in self.third:
            base = bare(other, self.net)
            if base is None or self.third[word] == other:
                return None
            other = third_person(base)
        return text[: match.start()] + other + text[match.end() :]

    def change_number(self, text: str) -> str | None:
        match = re.search(r"(?i)\b(two|three|four|five|six|seven|\d+)\b", text)
        if match:
            other = self.rng.choice([word for word in NUMBERS[1:] if word != match.group().lower()])
            return text[: match.start()] + (other if match.group().isalpha() else str(self.rng.randint(2, 12))) + text[match.end() :]
        match = re.match(r"(?i)an? ((?:[a-z]+ )?)([a-z]+) (?=\w+ing\b|with\b|in\b|on\b)", text)
        if (
            match
            and match.group(2) in self.noun_set
            and match.group(2) not in {"man", "woman", "person", "child", "people", "group", "mouse"}
        ):
            return f"{self.rng.choice(NUMBERS[1:6]).capitalize()} {match.group(1)}{match.group(2)}s {text[match.end() :]}"
        return None

    def change_colour(self, text: str) -> str | None:
        match = re.search(r"(?i)\b(red|blue|green|yellow|orange|purple|pink|black|white|brown|grey|gray)\b", text)
        if match is None:
            return None
        other = self.rng.choice([colour for colour in COLOURS if colour != match.group().lower()])
        return fix_articles(text[: match.start()] + other + text[match.end() :])

    def change_preposition(self, text: str) -> str | None:
        found = [match for match in re.finditer(r"\b[a-z]+\b", text) if match.group() in PREPOSITIONS]
        if not found:
            return None
        match = self.rng.choice(found)
        other = self.rng.choice(PREPOSITIONS)
        if other == match.group() or {other, match.group()} in NEAR_PREPOSITIONS:
            return None
        return text[: match.start()] + other + text[match.end() :]

    def opposite(self, text: str) -> str | None:
        found = []
        for sides in OPPOSITES.values():
            for one, other in (sides, sides[::-1]):
                for word in one.split():
                    match = re.search(rf"\b{word}(s|ing|ed)?\b", text)
                    if match:
                        found.append((match, other.split()[0]))
        if not found:
            return None
        match, other = self.rng.choice(found)
        ending = match.group(1) or ""
        if ending == "ing":
            other = (other[:-1] if other.endswith("e") else other) + "ing"
        elif ending == "ed":
            other = other + ("d" if other.endswith("e") else "ed")
        elif ending == "s":
            other = third_person(other)
        return text[: match.start()] + other + text[match.end() :]

    def antonym(self, text: str) -> str | None:
        found = [match for match in re.finditer(r"\b[a-z]+\b", text) if (match.group(), "a") in self.net.antonyms]
        if not found:
            return None
        match = self.rng.choice(found)
        other = self.rng.choice(self.net.antonyms[(match.group(), "a")])
        return fix_articles(text[: match.start()] + other.replace("_", " ") + text[match.end() :])

    def swap_roles(self, text: str) -> str | None:
        found = [match for match in DET_NP.finditer(text[0].lower() + text[1:]) if match.group(3) in self.noun_set]
        pairs = [(one, other) for at, one in enumerate(found) for other in found[at + 1 :]]
        self.rng.shuffle(pairs)
        for one, other in pairs:
            between = text[one.end() : other.start()].strip().lower()
            if (
                one.group(3) == other.group(3)
                or between in {"and", "or", ",", "with", "beside", "near", "next to", "and a", "by"}
                or not between
            ):
                continue
            if self.rng.random() < 0.5:
                first, second = one.span(3), other.span(3)
            else:
                first, second = one.span(), other.span()
            swapped = (
                text[: first[0]]
                + text[second[0] : second[1]]
                + text[first[1] : second[0]]
                + text[first[0] : first[1]].lower()
                + text[second[1] :]
            )
            return fix_articles(swapped)
        return None

    def swap_adjectives(self, text: str) -> str | None:
        found = [
            match
            for match in re.finditer(r"\b([a-z-]+) ([a-z]+)\b", text)
            if self._adjective(match.group(1)) and match.group(2) in self.noun_set
        ]
        if len(found) >= 2:
            one, other = self.rng.sample(found, 2)
            if one.start() > other.start():
                one, other = other, one
            if one.group(1) != other.group(1) and one.group(2) != other.group(2):
                return fix_articles(
                    text[: one.start(1)] + other.group(1) + text[one.end(1) : other.start(1)] + one.group(1) + text[other.end(1) :]
                )
        nouns = self._nouns(text)
        if len(found) == 1 and nouns:
            match = found[0]
            other = self.rng.choice(nouns)
            if other.group() != match.group(2) and other.start() > match.end():
                return fix_articles(
                    text[: match.start(1)]
                    + match.group(2)
                    + text[match.end() : other.start()]
                    + f"{match.group(1)} {other.group()}"
                    + text[other.end() :]
                )
        return None

    def negate(self, text: str) -> str | None:
        match = BE_ING.search(text)
        choice = self.rng.random()
        if match and choice < 0.5:
            return text[: match.start(2)] + "not " + text[match.start(2) :]
        if re.search(r"\bwith\b", text) and choice < 0.8:
            return re.sub(r"\bwith\b", "without", text, count=1)
        match = re.match(r"(?i)(?:there is |there are )?(an?|the|some|two) ", text)
        if match:
            return f"{self.rng.choice(['There is no', 'No', 'There are no'])} {text[match.end() :]}"
        return None

    def change_actor(self, text: str) -> str | None:
        swaps = {"man": ["woman", "boy", "girl"], "woman": ["man", "girl", "boy"], "boy": ["girl", "man"], "girl": ["boy", "woman"], "men": ["women", "boys"], "women": ["men", "girls"], "boys": ["girls"], "girls": ["boys"], "person": ["dog", "robot"], "child": ["adult", "old man"], "children": ["adults", "dogs"], "people": ["dogs", "children", "robots"], "guy": ["girl", "lady"], "lady": ["man", "boy"]}  # fmt: skip
        found = [match for match in re.finditer(r"\b[a-z]+\b", text) if match.group() in swaps]
        if not found:
            return None
        match = self.rng.choice(found)
        return text[: match.start()] + self.rng.choice(swaps[match.group()]) + text[match.end() :]

    def add_adjective(self, text: str) -> str | None:
        found = self._nouns(text)
        if not found:
            return None
        match = self.rng.choice(found)
        before = text[: match.start()].split()
        if before and self._adjective(before[-1].lower()):
            return None
        return fix_articles(text[: match.start()] + self.rng.choice(ADDED) + " " + text[match.start() :])

    def add_object(self, text: str) -> str | None:
        thing = self.rng.choice(THINGS)
        if thing.split()[-1] in text:
            return None
        found = [match for match in DET_NP.finditer(text) if match.group(3) in self.noun_set]
        if found and self.rng.random() < 0.65:
            match = self.rng.choice(found)
            return f"{text[: match.end()]} and {thing}{text[match.end() :]}"
        return f"{text.rstrip('. ')} {self.rng.choice(['with', 'next to', 'near', 'and', 'while holding'])} {thing}"

    def add_setting(self, text: str) -> str | None:
        group = self.rng.choice(self.rng.choice([TIMES, WEATHERS, EXTRAS]))
        said = self.rng.choice(group)
        return None if said.split()[-1] in text.lower() else f"{text.rstrip('. ')}{self.rng.choice([' ', ', '])}{said}"

    def add_camera(self, text: str) -> str | None:
        row = self.rng.choice([*CAMERAS, *STYLES])
        said = self.rng.choice(row[0])
        return None if said.split()[-1] in text.lower() else f"{text.rstrip('. ')}, {said}"

    def add_adverb(self, text: str) -> str | None:
        found = [match for match in re.finditer(r"\b[a-z]+ing\b", text) if match.group() in self.verbs]
        if not found:
            return None
        match = self.rng.choice(found)
        return f"{text[: match.start()]}{self.rng.choice(['slowly', 'quickly', 'violently', 'carefully', 'angrily', 'quietly', 'loudly', 'barely'])} {text[match.start() :]}"

    def swap_order(self, text: str) -> str | None:
        match = re.match(r"(?i)^(.*?\b)(\w+ing|\w+s)\b(.*?)(,? and then|,? then|before|after| and) (\w+ing|\w+s)\b(.*)$", text)
        if match is None or (match.group(4).strip() == "and" and self.rng.random() < 0.9):
            return None
        if match.group(2) not in self.verbs and match.group(2) not in self.third:
            return None
        middle = match.group(4)
        if self.rng.random() < 0.4 and middle.strip() in {"before", "after"}:
            return text.replace(f" {middle.strip()} ", " after " if middle.strip() == "before" else " before ", 1)
        if middle.strip() == "and":
            return None
        return (
            f"{match.group(1)}{match.group(5)}{match.group(6).rstrip('.')} {middle.strip(' ,')} {match.group(2)}{match.group(3)}".replace(
                "  ", " "
            )
        )
