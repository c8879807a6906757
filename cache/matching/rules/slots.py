"""What a prompt pins, read by rule: English only. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from itertools import pairwise

from cache.matching.rules import lexicon
from cache.matching.rules.differences import difference
from cache.matching.rules.exclusive import EXCLUSIVE
from cache.matching.rules.facts import Fact, Slots
from cache.matching.rules.opposites import OPPOSITES
from cache.matching.rules.plain_words import HARMLESS, SYNONYMS
from cache.matching.rules.words import Word, is_foreign, quotations, stem, words

__all__ = ["Fact", "Slots", "difference", "read"]

_MODIFIERS: dict[str, list[tuple[str, str]]] = {}  # word -> what it says, on each axis that it speaks of
for _slot, _words in (("colour", lexicon.COLOURS), *lexicon.ATTRIBUTES.items()):
    for _word, _value in _words.items():
        _MODIFIERS.setdefault(_word, []).append((_slot, _value))
_CAMERA = {slot: [(value, re.compile(rf"\b(?:{pattern})")) for value, pattern in rows] for slot, rows in lexicon.CAMERA.items()}
# Most prompts say nothing of the camera: one look spares them the many.
_ANY_CAMERA = re.compile(rf"\b(?:{'|'.join(pattern for rows in lexicon.CAMERA.values() for _, pattern in rows)})")
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
_MONOCHROME = re.compile(
    r"\b(?:in|a) black[ -]and[ -]white(?= (?:photo|film|footage|video|style|movie|image|cinema|tones)|$| ,| \.)"
    r"|black[ -]and[ -]white (?:photo|film|footage|video|style|movie|image|cinema)"
    r"|, black[ -]and[ -]white(?= ,|$| \.)|^black[ -]and[ -]white ,"
)
_SEASON_FALL = re.compile(r"\b(?:in|during) (?:the )?(fall|spring)\b(?! of| from)|\b(fall|spring) (?:leaves|foliage|colou?rs|blossoms?)\b")
_UNITS = re.compile(r"^\d+(?:k|p|mm|fps|bit|°|%)|^\d+[a-z]+$")
_BY_PASSIVE = re.compile(r"(?:ed|en|own|ught|ung|ept|old|it|ut)$")
_SYNONYM_STEMS = {stem(word): stem(value) for word, value in SYNONYMS.items()}
_STYLE_WORDS = set(_LISTS["style"])
_COPULAS = {"is", "are", "was", "were"}


@lru_cache(maxsize=32_768)
def read(text: str) -> Slots:
    quoted = quotations(text)
    tokens = words(_without(text, quoted))
    plain = " ".join([word.text for word in tokens])
    facts = [Fact("text shown", shown, words=shown) for shown in quoted]
    facts += _counts(tokens)
    facts += _modifiers(tokens)
    facts += _negations(tokens)
    facts += _actors(tokens)
    facts += _camera(plain)
    facts += _listed(tokens, plain)
    facts += _opposites(tokens)
    facts += _names(tokens)
    facts += _roles(tokens)
    facts += _changes(tokens)
    facts += _events(tokens)
    content = tuple(_SYNONYM_STEMS.get(word.stem, word.stem) for word in tokens if word.is_content and word.text not in HARMLESS)
    stems = frozenset(word.stem for word in tokens if not word.is_mark)
    return Slots(tuple(facts), content, stems, plain, is_foreign(words(text) if quoted else tokens))


def _without(text: str, quoted: tuple[str, ...]) -> str:
    for shown in quoted:
        text = text.replace(shown, " ")
    return text


def _noun_after(tokens: list[Word], at: int) -> Word | None:
    """The thing that a number or adjective before `at` binds to: the next word that is neither adjective nor glue."""
    for word in tokens[at : at + 6]:
        if word.is_mark and word.text != ",":
            return None
        modifier = word.text in _MODIFIERS or word.text in lexicon.ADJECTIVES or word.text in lexicon.NUMBERS
        if word.text in {",", "and", "of", "or", "colored", "coloured", "the", "other"} or modifier or word.text.endswith("ly"):
            continue
        # "holding" is no thing; "building" is.
        return word if word.is_content and (not word.text.endswith("ing") or word.text in lexicon.THINGS_IN_ING) else None
    return None


def _counts(tokens: list[Word]) -> Iterator[Fact]:
    for at, word in enumerate(tokens):
        after = tokens[at + 1].text if at + 1 < len(tokens) else ""
        if word.text in {"pair", "couple"} and after == "of":
            noun = _noun_after(tokens, at + 1)
            if noun is not None and noun.stem not in lexicon.WORN_IN_PAIRS:
                yield Fact("count", "2", noun.stem, noun.text, f"{word.text} of")
            continue
        value = lexicon.NUMBERS.get(word.text) or (word.text if word.text.isdigit() else "")
        if word.text == "dozen" and "half" in {before.text for before in tokens[max(0, at - 2) : at]}:
            value = "6"
        if value == "1" and after in {"of", "another", "side", "by", "hand", "who", "that"}:
            continue
        if value:
            noun = _noun_after(tokens, at + 1)
            if noun is None or not (noun.stem.isalpha() or "-" in noun.stem):
                yield Fact("number", value, words=word.text)
            else:
                yield Fact("count", value, noun.stem, noun.text, word.text)
        elif word.text in {"a", "an", "another"} and after not in {"few", "lot", "couple", "pair", "group", "dozen"}:
            noun = _noun_after(tokens, at + 1)
            if noun is not None:
                yield Fact("single", "1", noun.stem, noun.text, word.text)
        elif (word.text[0].isdigit() or word.text[0] == "-") and (not _UNITS.match(word.text) or "°" in word.text):
            yield Fact("number", word.text, words=word.text)


def _modifiers(tokens: list[Word]) -> Iterator[Fact]:
    for at, word in enumerate(tokens):
        for slot, value in _MODIFIERS.get(word.text, ()):
            noun = _noun_after(tokens, at + 1)
            if noun is None or _predicate(tokens, at):
                noun = _noun_before(tokens, at) or noun
            if slot == "colour":
                yield Fact(slot, value, noun.stem if noun else "", noun.text if noun else "", word.text)
            elif noun is not None:
                yield Fact(slot, value, noun.stem, noun.text, word.text)


def _predicate(tokens: list[Word], at: int) -> bool:
    before = next((word.text for word in reversed(tokens[:at]) if word.text not in _MODIFIERS and word.text not in lexicon.ADJECTIVES), "")
    nexts = tokens[at + 1] if at + 1 < len(tokens) else None
    return before in _COPULAS and (nexts is None or not nexts.is_content)


def _noun_before(tokens: list[Word], at: int) -> Word | None:
    """ "the duck is yellow", "a car painted red", "dressed in red": the thing lies to the left."""
    for word in reversed(tokens[max(0, at - 4) : at]):
        if word.is_mark:
            return None
        if word.is_content and word.text not in _MODIFIERS and word.text not in {"painted", "colored", "dressed", "wearing", "dyed"}:
            return word
    return None


def _negations(tokens: list[Word]) -> Iterator[Fact]:
    for at, word in enumerate(tokens):
        apart = word.text == "with" and at + 1 < len(tokens) and tokens[at + 1].text == "out"
        if word.text in lexicon.NEGATIONS or apart:
            if at + 1 < len(tokens) and tokens[at + 1].text in {"longer", "matter", "doubt", "one's"}:
                continue
            rest = [next_ for next_ in tokens[at + 1 : at + 5] if next_.is_content and next_.text not in lexicon.NEGATIONS]
            about = rest[0] if rest else None
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
            yield Fact("actor", f"{gender}/{age}", word.stem, word.text, word.text)


def _camera(plain: str) -> Iterator[Fact]:
    if _ANY_CAMERA.search(plain) is None:
        return
    for slot, rows in _CAMERA.items():
        for value, pattern in rows:
            match = pattern.search(plain)
            if match:
                yield Fact(slot, value, words=match.group())


def _listed(tokens: list[Word], plain: str) -> Iterator[Fact]:
    found: list[tuple[int, str, str, str]] = []
    for at, word in enumerate(tokens):
        for place, phrase, slot, value in _LISTED.get(word.text, ()):
            if len(phrase) == 1 or [near.text for near in tokens[at : at + len(phrase)]] == phrase:
                found.append((place, slot, value, " ".join(phrase)))
    seen = set()
    for _, slot, value, quoted in sorted(found):
        if (slot, value) not in seen:
            seen.add((slot, value))
            yield Fact(slot, value, words=quoted)
    if (match := _MONOCHROME.search(plain)) is not None:
        yield Fact("style", "monochrome", words=match.group())
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


def _names(tokens: list[Word]) -> Iterator[Fact]:
    """Capitals inside a sentence that is not in title case."""
    letters = [word for word in tokens if not word.is_mark and word.text[0].isalpha()]
    if sum(word.capital for word in letters) * 2 > len(letters):
        return
    for at, word in enumerate(tokens):
        starts = at == 0 or tokens[at - 1].text in {".", "!", "?", ":", "("}
        if word.capital and not starts and len(word.text) > 1 and word.is_content and word.text not in _STYLE_WORDS:
            yield Fact("name", word.stem, words=word.text)


_DETERMINERS = {"a", "an", "the", "one", "two", "three", "four", "five", "his", "her", "their", "its", "another", "some"}


def _roles(tokens: list[Word]) -> Iterator[Fact]:
    """Who does what to whom: heads introduced by a determiner with one verb between them, the passive turned round."""
    heads: list[tuple[int, int, Word]] = []
    for at, word in enumerate(tokens):
        if word.text in _DETERMINERS:
            noun = _noun_after(tokens, at + 1)
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
        subject, target = (second, first) if "by" in texts and _BY_PASSIVE.search(verb.text) else (first, second)
        if "with" in texts or "and" in texts:
            continue
        yield Fact("who does it", f"{subject.stem}>{target.stem}", verb.stem, verb.text, f"{subject.text} → {target.text}")


def _changes(tokens: list[Word]) -> Iterator[Fact]:
    """ "from red to white" """
    for at, word in enumerate(tokens):
        if word.text != "from":
            continue
        before = [near for near in tokens[at + 1 : at + 4] if near.text in {"to", "into"}]
        if before:
            turn = tokens.index(before[0], at)
            start = next((near for near in tokens[at + 1 : turn] if near.text not in _DETERMINERS), None)
            end = next((near for near in tokens[turn + 1 : turn + 4] if near.text not in _DETERMINERS and not near.is_mark), None)
            if start and end:
                yield Fact("change", f"{start.stem}>{end.stem}", words=f"from {start.text} to {end.text}")


def _events(tokens: list[Word]) -> Iterator[Fact]:
    """What comes first: the content before and after "then", "before", "after"."""
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
