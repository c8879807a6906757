"""A real sentence said otherwise: the meaning stays."""

from __future__ import annotations

import re

from training.judge.pool import Pool
from training.judge.scenes import AFTER, BEFORE, article
from training.judge.wording import (
    ACTIVE,
    AND,
    BE_ING,
    NO_PASSIVE,
    NUMBERS,
    PP_END,
    SAME,
    bare,
    fix_articles,
    lower_first,
    participle,
    third_person,
)


class Sayings(Pool):
    def filler(self, text: str) -> str | None:
        if not re.match(r"(?i)(an?|the|two|three|some|people|man|woman|\w+s) ", text) or "." in text[:-1]:
            return None
        return f"{self.rng.choice(BEFORE)} {lower_first(text)}"

    def tag(self, text: str) -> str | None:
        return f"{text.rstrip('. ')}, {self.rng.choice(AFTER)}"

    def simple(self, text: str) -> str | None:
        match = BE_ING.search(text)
        base = bare(match.group(2), self.net) if match else None
        if match is None or base is None:
            return None
        verb = third_person(base) if match.group(1) == "is" else base
        return text[: match.start()] + verb + text[match.end() :]

    def progressive(self, text: str) -> str | None:
        parts = text.split(" ")
        for at in range(2, min(len(parts), 6)):
            before = parts[at - 1].lower()
            if parts[at] in self.third and (before in self.noun_set or self.net.kind(before) == "n"):
                return " ".join([*parts[:at], "is", self.third[parts[at]], *parts[at + 1 :]])
        return None

    def participle(self, text: str) -> str | None:
        match = BE_ING.search(text)
        if match and not re.search(r"(?i)\bthere (is|are)\b", text):
            return text[: match.start()] + match.group(2) + text[match.end() :]
        parts = text.split(" ")
        for at in range(1, min(len(parts), 6)):
            before = parts[at - 1].lower()
            if parts[at] in self.verbs and before in self.noun_set:
                many = before.endswith("s") or before in {"people", "men", "women", "children"}
                return " ".join([*parts[:at], "are" if many else "is", *parts[at:]])
        return None

    def there(self, text: str) -> str | None:
        if re.match(r"(?i)there (is|are) ", text):
            return re.sub(r"(?i)^there (is|are) ", "", text)
        if re.match(r"(?i)an? .*?\b\w+ing\b", text) and not BE_ING.search(text):
            return f"There is {lower_first(text)}"
        return None

    def articles(self, text: str) -> str | None:
        def flip(match: re.Match[str]) -> str:
            if self.rng.random() < 0.5:
                return match.group()
            word, rest = match.group(1), match.group(2)
            if word.lower() == "the" and rest.endswith("s"):
                return match.group()
            new = "the" if word.lower() in {"a", "an"} else article(rest).split(" ")[0]
            return f"{new.capitalize() if word[0].isupper() else new} {rest}"

        return re.sub(r"(?i)\b(a|an|the) (\w+)", flip, text)

    def front(self, text: str) -> str | None:
        match = PP_END.match(text)
        if match and not re.search(r"(?i)\b(no|not|without)\b|,", text):
            phrase = match.group(2).strip()
            return f"{phrase[0].upper()}{phrase[1:]}, {lower_first(match.group(1))}"
        return None

    def synonym(self, text: str) -> str | None:
        parts = text.split(" ")
        spots = [at for at, part in enumerate(parts) if part.lower().strip(".,") in SAME]
        if not spots:
            return None
        at = self.rng.choice(spots)
        word = parts[at].lower().strip(".,")
        other = self.rng.choice(SAME[word])
        parts[at] = parts[at].lower().replace(word, other)
        return fix_articles(" ".join(parts))

    def numbers(self, text: str) -> str | None:
        for at, word in enumerate(NUMBERS[1:], 2):
            if re.search(rf"(?i)\b{word}\b", text):
                return re.sub(rf"(?i)\b{word}\b", str(at), text)
            if re.search(rf"\b{at}\b", text):
                return re.sub(rf"\b{at}\b", word, text)
        return None

    def segments(self, text: str) -> str | None:
        parts = [part.strip() for part in text.rstrip(".").split(",")]
        if len(parts) < 3 or len(parts[0].split()) > 14 or any(part.startswith("and ") for part in parts):
            return None
        tail = parts[1:]
        self.rng.shuffle(tail)
        return ", ".join([parts[0], *tail])

    def typo(self, text: str) -> str | None:
        parts = text.split(" ")
        spots = [at for at, part in enumerate(parts) if len(part) > 5 and part.isalpha()]
        if not spots:
            return None
        at = self.rng.choice(spots)
        cut = self.rng.randint(1, len(parts[at]) - 3)
        word = parts[at]
        parts[at] = (
            word[:cut] + (word[cut + 1] + word[cut] if self.rng.random() < 0.6 else "") + word[cut + 2 :]
            if self.rng.random() < 0.7
            else word[:cut] + word[cut] + word[cut:]
        )
        return " ".join(parts)

    def case(self, text: str) -> str | None:
        return self.rng.choice([text.lower(), text[0].upper() + text[1:], text.rstrip(".") + "."])

    def conjunction(self, text: str) -> str | None:
        match = AND.match(text)
        if match is None:
            return None
        one, other = match.group(1), match.group(2)
        return f"{other[0].upper()}{other[1:]} and {lower_first(one)} {match.group(3)}{text[match.end() :]}"

    def wearing(self, text: str) -> str | None:
        for one, other in (
            ("wearing a ", "in a "),
            ("wearing an ", "in an "),
            ("who is wearing ", "wearing "),
            ("wearing ", "dressed in "),
            ("that is ", ""),
            ("who is ", ""),
            ("in order to ", "to "),
            ("while ", "as he is " if False else "while "),
        ):
            if one in text and one != other:
                return text.replace(one, other, 1)
        return None

    def bareness(self, text: str) -> str | None:
        return re.sub(r"(?i)\b(a|an|the) ", "", text) if self.rng.random() < 0.4 else None

    def punctuation(self, text: str) -> str | None:
        return self.rng.choice([text.replace(",", ""), text.replace("-", " "), f"{text.rstrip('.')} .", text.replace(". ", ", ")])

    def relative(self, text: str) -> str | None:
        """ "a brown dog" is "a dog which is brown"."""
        found = [
            match
            for match in re.finditer(r"\b([Aa]n?|[Tt]he) ([a-z-]+) ([a-z]+)\b", text)
            if self._adjective(match.group(2)) and match.group(3) in self.noun_set
        ]
        if not found:
            return None
        match = self.rng.choice(found)
        turned = f"{match.group(1)} {match.group(3)} {self.rng.choice(['that is', 'which is', 'that is'])} {match.group(2)}"
        return fix_articles(text[: match.start()] + turned + text[match.end() :])

    def passive(self, text: str) -> str | None:
        match = ACTIVE.match(text)
        if match is None:
            return None
        subject, verb, target, rest = match.groups()
        base = bare(verb, self.net) if verb.endswith("ing") else None
        if base is None or base in NO_PASSIVE or not self.net.counts.get(base, {}).get("v"):
            return None
        many = target.split()[0].lower() in {"two", "three", "some"} or (target.endswith("s") and not target.endswith("ss"))
        form = f"{'are' if many else 'is'} {self.rng.choice(['being ', 'being ', ''])}{participle(base)} by"
        return f"{target[0].upper()}{target[1:]} {form} {lower_first(subject)}{rest}"
