"""Sentences of English: who does what to whom, what turns into what, and what comes first. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

from cache.matching.rules import lexicon
from cache.matching.rules.facts import Fact
from cache.matching.rules.words import Word

_BE = frozenset(["is", "are", "was", "were", "being", "been", "be"])  # before a form that is none in -ed: "is held by"
_BY_PASSIVE = re.compile(r"(?:ed|en|own|ught|ung|ept|old|it|ut)$")
MODIFIERS: dict[str, list[tuple[str, str]]] = {}  # word -> what it says, on each axis that it speaks of
for _slot, _words in (("colour", lexicon.COLOURS), *lexicon.ATTRIBUTES.items()):
    for _word, _value in _words.items():
        MODIFIERS.setdefault(_word, []).append((_slot, _value))
_LOOKS = re.compile(r"\w{3}(?:ful|ous|less|ish|able|ible)$")  # adjectives by their form: "a large and colourful birdcage"
DETERMINERS = {"a", "an", "the", "one", "two", "three", "four", "five", "his", "her", "their", "its", "another", "some"}


def noun_after(tokens: list[Word], at: int) -> Word | None:
    """The thing that a number or adjective before `at` binds to: the next word that is neither adjective nor glue."""
    if _is_a_place(tokens, at - 1):
        return None
    for place, word in enumerate(tokens[at : at + 6], at):
        if word.is_mark and word.text != ",":
            return None
        if word.text[0].isdigit() and place and tokens[place - 1].text == ",":
            return None  # "on white, 360 degrees"
        if _is_a_place(tokens, place):
            return word
        modifier = word.text in MODIFIERS or word.text in lexicon.ADJECTIVES or word.text in lexicon.NUMBERS or _LOOKS.search(word.text)
        if word.text in {",", "and", "of", "or", "colored", "coloured", "the", "other"} or modifier or word.text.endswith("ly"):
            continue
        # "holding" is no thing; "building" is.
        return word if word.is_content and (not word.text.endswith("ing") or word.text in lexicon.THINGS_IN_ING) else None
    return None


_OF_A_PLACE = frozenset(["in", "at", "on", "with", "of", "near", "by", "under", "where", "during", "while"])


def _is_a_place(tokens: list[Word], at: int) -> bool:
    """True of the square in "an empty square, blue hour" and "a square in Lisbon", and not of that in "a square, red box"."""
    if at < 1 or tokens[at].text != "square" or at + 1 == len(tokens) or tokens[at - 1].is_mark:
        return False
    after = tokens[at + 1]
    return after.text in _OF_A_PLACE or (after.is_mark and tokens[at - 1].text not in DETERMINERS)


_COLLECTIVE = lexicon.listed(
    "people men women children geese mice feet teeth sheep deer fish cattle police aircraft wolves oxen dice cacti fungi salmon bison"
)
_PERSON = lexicon.listed("man woman person boy girl guy lady kid")
# With a number before them they describe what follows: a four wheel cart.
_MEASURING = lexicon.listed(
    "wheel door story storey tier lane star piece hour minute second day week month year meter metre foot inch mile pound kilo dollar euro"
    " rupee cent string leaf tone way part course page speed player seat bedroom storied level layer mast rail"
)
_RUN = 3  # words of one name that stand side by side: "ten wind farm turbines"


def named_by(tokens: list[Word], at: int) -> list[Word]:
    """The words of the name after `at`, its head last, where no verb may follow: "a wind farm" is both wind and farm."""
    noun = noun_after(tokens, at)
    if noun is None:
        return []
    found = [noun]
    for word in tokens[tokens.index(noun, at) + 1 :][: _RUN - 1]:
        if not word.is_content or word.is_mark or not word.text.isalpha() or word.text.endswith(("s", "ing", "ed", "ly")):
            break
        found.append(word)
    return found


def counted_thing(tokens: list[Word], at: int, number: str) -> Word | None:
    """The thing that a number before `at` counts: of "ten wind turbines" the turbines, since one that is counted is a plural."""
    noun = noun_after(tokens, at)
    if noun is None or number == "1" or _is_plural(noun) or not noun.text.isalpha() or noun.text in _PERSON | _MEASURING:
        return noun  # "a 10-year-old boy", "a two door car", and "2 man fights", as some write
    for word in tokens[tokens.index(noun, at) + 1 :][: _RUN - 1]:
        if not word.is_content or word.is_mark or word.text.endswith(("ing", "ed", "ly")):
            break
        if _is_plural(word):
            return word
    return noun


def _is_plural(word: Word) -> bool:
    return word.text in _COLLECTIVE or (word.text.endswith("s") and not word.text.endswith(("ss", "us", "is")))


def roles(tokens: list[Word]) -> Iterator[Fact]:
    """The roles, who does what to whom: heads introduced by a determiner with one verb between them, the passive turned round."""
    heads: list[tuple[int, int, Word]] = []
    for at, word in enumerate(tokens):
        if word.text in DETERMINERS:
            noun = noun_after(tokens, at + 1)
            if noun is not None:
                heads.append((at, tokens.index(noun, at), noun))
    for (_, first_at, first), (second_start, _, second) in pairwise(heads):
        between = tokens[first_at + 1 : second_start]
        if not between or any(word.is_mark for word in between) or first.stem == second.stem:
            continue
        verbs = [word for word in between if word.is_content]
        texts = [word.text for word in between]
        if len(verbs) != 1:
            if not verbs and len(texts) == 1 and texts[0] not in lexicon.SYMMETRIC:
                yield Fact("relation", f"{first.stem}>{second.stem}", texts[0], texts[0])
            continue
        verb = verbs[0]
        passive = _BY_PASSIVE.search(verb.text) or (not verb.text.endswith("ing") and _BE.intersection(texts[: texts.index(verb.text)]))
        subject, target = (second, first) if "by" in texts and passive else (first, second)
        if "with" in texts or "and" in texts:
            continue
        yield Fact("who does it", f"{subject.stem}>{target.stem}", verb.stem, verb.text, f"{subject.text} → {target.text}")


def changes(tokens: list[Word]) -> Iterator[Fact]:
    """ "from red to white" """
    for at, word in enumerate(tokens):
        if word.text != "from":
            continue
        before = [near for near in tokens[at + 1 : at + 4] if near.text in {"to", "into"}]
        if before:
            turn = tokens.index(before[0], at)
            start = next((near for near in tokens[at + 1 : turn] if near.text not in DETERMINERS), None)
            end = next((near for near in tokens[turn + 1 : turn + 4] if near.text not in DETERMINERS and not near.is_mark), None)
            if start and end:
                yield Fact("change", f"{start.stem}>{end.stem}", words=f"from {start.text} to {end.text}")


_LASTLY = frozenset(["finally", "eventually", "lastly", "later"])
_JOINTS = frozenset(["and", ",", ";", ".", "which", "that", "until", "but"])


def events(tokens: list[Word]) -> Iterator[Fact]:
    """The order of events: the content before and after "then", "before", "after", or what tells of the last one: "in the end"."""
    for at, word in enumerate(tokens):
        if word.text not in {"then", "afterwards", "before", "after"}:
            continue
        left = [near.stem for near in tokens[:at] if near.is_content]
        right = [near.stem for near in tokens[at + 1 :] if near.is_content]
        if not left:  # "after A, B"
            comma = next((spot for spot in range(at, len(tokens)) if tokens[spot].text == ","), None)
            if comma is None:
                continue
            left = [near.stem for near in tokens[at + 1 : comma] if near.is_content]
            right = [near.stem for near in tokens[comma:] if near.is_content]
            if word.text == "before":
                left, right = right, left
        elif word.text == "after":
            left, right = right, left
        yield Fact("order", " ".join(left) + ">" + " ".join(right), words=word.text)
        return
    yield from _last_event(tokens)


def _last_event(tokens: list[Word]) -> Iterator[Fact]:
    """ "A and in the end B", "A, and B in the end": B is the clause that the words stand in."""
    for at, word in enumerate(tokens):
        of = at + 1 < len(tokens) and tokens[at + 1].text == "of"  # "at the end of the pier" is a place
        phrase = [near.text for near in tokens[max(0, at - 2) : at]]
        if not (word.text in _LASTLY or (word.text == "end" and phrase in (["in", "the"], ["at", "the"]) and not of)):
            continue
        start = at if word.text in _LASTLY else at - 2
        begin = next((spot + 1 for spot in range(start - 1, -1, -1) if tokens[spot].text in _JOINTS), None)
        if begin is None:
            continue
        left, right = ([near.stem for near in part if near.is_content] for part in (tokens[:begin], tokens[begin:start] + tokens[at + 1 :]))
        yield Fact("order", " ".join(left) + ">" + " ".join(right), words=word.text)
        return
