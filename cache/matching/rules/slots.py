"""Slots: the facts that a prompt pins, read by rule. English only. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from cache.matching.reading.language import is_english
from cache.matching.reading.variants import ASKED_SHAPE, in_one_spelling
from cache.matching.reading.wording import as_read
from cache.matching.rules import lexicon
from cache.matching.rules.camera import camera_facts, still_camera
from cache.matching.rules.differences import difference
from cache.matching.rules.exclusive import EXCLUSIVE
from cache.matching.rules.facts import Fact, Slots
from cache.matching.rules.names import names
from cache.matching.rules.opposites import OPPOSITES
from cache.matching.rules.plain_words import HARMLESS
from cache.matching.rules.sentences import DETERMINERS, MODIFIERS, changes, counted_thing, events, named_by, noun_after, roles
from cache.matching.rules.styles import MONOCHROME, folds_paper, told_styles
from cache.matching.rules.words import Word, folded, is_foreign, quotations, stem, words

__all__ = ["Fact", "Slots", "difference", "read"]

_LISTS = {
    "time of day": lexicon.TIMES,
    "weather": lexicon.WEATHER,
    "season": lexicon.SEASONS,
    "place": lexicon.PLACES,
    "style": lexicon.STYLES,
    **EXCLUSIVE,
}
# Each listed phrase under its first word, with its place in the list: of two words for one value the first listed is quoted.
_LISTED: dict[str, list[tuple[int, list[str], str, str]]] = {}
for _place, (_slot, _phrase, _value) in enumerate((slot, *entry) for slot, table in _LISTS.items() for entry in table.items()):
    _LISTED.setdefault(_phrase.split()[0], []).append((_place, _phrase.split(), _slot, _value))
_SEASON_FALL = re.compile(r"\b(?:in|during) (?:the )?(fall|spring)\b(?! of| from)|\b(fall|spring) (?:leaves|foliage|colou?rs|blossoms?)\b")
_UNITS = re.compile(r"^\d+(?:k|p|mm|fps|bit|°|%)|^\d+[a-z]+$")
_STYLED = re.compile(r"-(?:style|styled|inspired|look)$")
_STYLE_WORDS = set(_LISTS["style"])
_AFTER_A_THING = lexicon.listed(
    "is on in at next beside with placed sits lies rolls falls resting lying sitting cut being loses rolling falling against from . ,"
)
_NO_THINGS = {("8", "bit"), ("16", "bit"), ("3", "d"), ("2", "d")}  # a look, and nothing counted
_COPULAS = {"is", "are", "was", "were"}


@lru_cache(maxsize=32_768)
def read(text: str) -> Slots:
    text = as_read(text)
    quoted = quotations(text)
    written = in_one_spelling(_without(text, quoted))
    tokens = words(ASKED_SHAPE.sub(" ", written))
    plain = " ".join([word.text for word in tokens])
    facts = [Fact("text shown", shown, words=shown) for shown in quoted]
    facts += _counts(tokens)
    facts += _modifiers(tokens)
    facts += _negations(tokens)
    facts += _actors(tokens)
    facts += camera_facts(plain)
    facts += _listed(tokens, plain)
    facts += _opposites(tokens)
    facts += names(tokens, _STYLE_WORDS)
    facts += roles(tokens)
    facts += changes(tokens)
    facts += events(tokens)
    content = tuple(folded(word.text) for word in tokens if word.is_content and word.text not in HARMLESS)
    stems = frozenset(word.stem for word in tokens if not word.is_mark)
    foreign = is_foreign(words(text) if quoted else tokens) or not is_english(text)
    return Slots(tuple(facts), content, stems, plain, foreign, written.lower())


def _without(text: str, quoted: tuple[str, ...]) -> str:
    for shown in quoted:
        text = text.replace(shown, " ")
    return text


def _counts(tokens: list[Word]) -> Iterator[Fact]:
    for at, word in enumerate(tokens):
        after = tokens[at + 1].text if at + 1 < len(tokens) else ""
        if word.text in {"pair", "couple"} and after == "of":
            noun = noun_after(tokens, at + 1)
            if noun is not None and noun.stem not in lexicon.WORN_IN_PAIRS:
                yield Fact("count", "2", noun.stem, noun.text, f"{word.text} of")
            continue
        value = lexicon.NUMBERS.get(word.text) or (word.text if word.text.isdigit() else "")
        if word.text == "dozen" and "half" in {before.text for before in tokens[max(0, at - 2) : at]}:
            value = "6"
        if value == "1" and after in {"of", "another", "side", "by", "hand", "who", "that"}:
            continue
        if value:
            yield from _counted_as(tokens, at, value)
        elif word.text in {"a", "an", "another"} and after not in {"few", "lot", "couple", "pair", "group", "dozen"}:
            for noun in named_by(tokens, at + 1):
                yield Fact("single", "1", noun.stem, noun.text, word.text)
        elif (word.text[0].isdigit() or word.text[0] == "-") and (not _UNITS.match(word.text) or "°" in word.text):
            yield Fact("number", word.text, words=word.text)


def _counted_as(tokens: list[Word], at: int, value: str) -> Iterator[Fact]:
    """The fact of a number at this place, with the thing that it counts."""
    said = tokens[at].text
    if value == "360" and at + 1 < len(tokens) and tokens[at + 1].text in {"degree", "degrees"}:
        return  # a turn
    noun = counted_thing(tokens, at + 1, value)
    if noun is None or not (noun.stem.isalpha() or "-" in noun.stem):
        yield Fact("number", value, words=said)
    elif (value, noun.text) not in _NO_THINGS:
        for one in named_by(tokens, at + 1) if value == "1" else [noun]:
            yield Fact("count", value, one.stem, one.text, said)


def _modifiers(tokens: list[Word]) -> Iterator[Fact]:
    for at, word in enumerate(tokens):
        if word.text in {"black", "white"} and _is_monochrome(tokens, at):
            continue
        if word.text == "orange" and _is_fruit(tokens, at):
            yield Fact("fruit or vegetable", "orange", words=word.text)
            continue
        for slot, value in MODIFIERS.get(word.text, ()):
            noun = None if _alone(tokens, at) else noun_after(tokens, at + 1)
            if noun is None or _predicate(tokens, at):
                noun = _noun_before(tokens, at) or noun
            if slot == "colour":
                yield Fact(slot, value, noun.stem if noun else "", noun.text if noun else "", word.text)
            elif noun is not None:
                yield Fact(slot, value, noun.stem, noun.text, word.text)


def _is_fruit(tokens: list[Word], at: int) -> bool:
    """ "an orange and a clock", "an orange on a plate": no thing follows that could have the colour."""
    if at == 0 or tokens[at - 1].text not in {"an", "the", "one", ","}:
        return False
    after = [word.text for word in tokens[at + 1 : at + 3]]
    return not after or after[0] in _AFTER_A_THING or (after[0] == "and" and after[-1] in DETERMINERS)


def _alone(tokens: list[Word], at: int) -> bool:
    """True of a tag of its own, as in "handbag, tan, studio light": it belongs to no next thing. In "a big, red, shiny apple" it does."""
    if not 1 < at < len(tokens) - 1 or (tokens[at - 1].text, tokens[at + 1].text) != (",", ","):
        return False
    before = tokens[at - 2].text
    return before not in MODIFIERS and before not in lexicon.ADJECTIVES and not before.endswith(("y", "ful", "ous"))


def _is_monochrome(tokens: list[Word], at: int) -> bool:
    """True if this "black" or "white" says how the film is made, and is no thing's colour."""
    start = at if tokens[at].text == "black" else at - 2
    if start < 0 or [word.text for word in tokens[start : start + 3]] != ["black", "and", "white"]:
        return False
    texts = [word.text for word in tokens]
    place = len(" ".join(texts[:start])) + (start > 0)
    return any(match.start() <= place + 1 and place < match.end() for match in MONOCHROME.finditer(" ".join(texts)))


def _predicate(tokens: list[Word], at: int) -> bool:
    before = next((word.text for word in reversed(tokens[:at]) if word.text not in MODIFIERS and word.text not in lexicon.ADJECTIVES), "")
    nexts = tokens[at + 1] if at + 1 < len(tokens) else None
    return before in _COPULAS and (nexts is None or not nexts.is_content)


def _noun_before(tokens: list[Word], at: int) -> Word | None:
    """ "the duck is yellow", "a car painted red", "dressed in red": the thing lies to the left."""
    for word in reversed(tokens[max(0, at - 4) : at]):
        if word.is_mark:
            return None
        if word.is_content and word.text not in MODIFIERS and word.text not in {"painted", "colored", "dressed", "wearing", "dyed"}:
            return word
    return None


def _negations(tokens: list[Word]) -> Iterator[Fact]:
    texts = [word.text for word in tokens]
    still = "camera" in texts and still_camera(" ".join(texts))
    for at, word in enumerate(tokens):
        apart = word.text == "with" and at + 1 < len(tokens) and tokens[at + 1].text == "out"
        if word.text in lexicon.NEGATIONS or apart:
            if at + 1 < len(tokens) and tokens[at + 1].text in {"longer", "matter", "doubt", "one's"}:
                continue
            rest = [next_ for next_ in tokens[at + 1 : at + 5] if next_.is_content and next_.text not in lexicon.NEGATIONS]
            # "is not wearing a hat" has no hat.
            rest = rest[1:] if len(rest) > 1 and rest[0].text in {"wear", "wears", "wearing"} else rest
            about = rest[0] if rest else None
            if still and about is not None and "camera" in {near.text for near in tokens[max(0, at - 3) : at + 4]}:
                continue  # "no camera movement" is a camera that stands still
            yield Fact("negation", "no", about.stem if about else "", about.text if about else "", word.text)


def _actors(tokens: list[Word]) -> Iterator[Fact]:
    for at, word in enumerate(tokens):
        if word.text in lexicon.ACTORS:
            gender, age = lexicon.ACTORS[word.text]
            before = {near.text for near in tokens[max(0, at - 2) : at]}
            if before & {"young"} and age == "adult":
                age = ""
            if before & {"old", "elderly", "older", "aged"}:
                age = "old"
            if before & {"teenage", "teenaged", "teen", "adolescent"} and age == "child":
                age = "youth"  # no child, and a teenager whose sex is told
            yield Fact("actor", f"{gender}/{age}", word.stem, word.text, word.text)


def _listed(tokens: list[Word], plain: str) -> Iterator[Fact]:
    found: list[tuple[int, str, str, str]] = []
    for at, word in enumerate(tokens):
        # "anime-style" is anime
        for place, phrase, slot, value in _LISTED.get(word.text, _LISTED.get(_STYLED.sub("", word.text), ())):
            if word.text != phrase[0] and slot != "style":
                continue
            if len(phrase) == 1 or [near.text for near in tokens[at : at + len(phrase)]] == phrase:
                found.append((place, slot, value, " ".join(phrase)))
    seen = set()
    for _, slot, value, quoted in sorted(found):
        if (slot, value) not in seen and not (value == "paper" and quoted == "origami" and folds_paper(plain)):
            seen.add((slot, value))
            yield Fact(slot, value, words=quoted)
    yield from told_styles(plain)
    if (match := _SEASON_FALL.search(plain)) is not None:
        yield Fact("season", {"fall": "autumn", "spring": "spring"}[match.group(1) or match.group(2)], words=match.group())


_SIDES: dict[str, list[tuple[str, int]]] = {}
for _axis, _sides in OPPOSITES.items():
    for _side, _row in enumerate(_sides):
        for _word in _row.split():
            _SIDES.setdefault(stem(_word), []).append((_axis, _side))


def _opposites(tokens: list[Word]) -> Iterator[Fact]:
    for at, word in enumerate(tokens):
        before = tokens[at - 1].text if at else ""
        if (word.text == "back" and before != "the") or (word.text, before) == ("up", "close"):
            continue
        for axis, side in _SIDES.get(word.stem, []):
            sides = (tokens[at - 1 :: -1] if at else [], tokens[at + 1 :])
            near = [next((other.stem for other in part if other.is_content), "") for part in sides]
            yield Fact(axis, str(side), about="|".join(near), words=word.text)
