"""Quantities with a unit, a sign, a currency or a fraction, and signs that stand for words. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from cache.matching.reading.variants import ASKED_SHAPE, SHAPE
from cache.matching.rules.facts import Slots
from cache.matching.rules.lexicon import NUMBERS, table
from cache.matching.rules.words import stem

# unit -> (what it measures, how many of the first of its kind, what is added first)
_UNITS: dict[str, tuple[str, float, float]] = {
    **dict.fromkeys(["km/h", "kmh", "kph", "kilometers per hour", "kilometres per hour"], ("speed", 1.0, 0.0)),
    **dict.fromkeys(["mph", "miles per hour"], ("speed", 1.609344, 0.0)),
    **dict.fromkeys(["m/s", "meters per second", "metres per second"], ("speed", 3.6, 0.0)),
    **dict.fromkeys(["kg", "kilo", "kilos", "kilogram", "kilograms"], ("weight", 1.0, 0.0)),
    **dict.fromkeys(["g", "gram", "grams"], ("weight", 0.001, 0.0)),
    **dict.fromkeys(["lb", "lbs", "pound", "pounds"], ("weight", 0.45359237, 0.0)),
    **dict.fromkeys(["oz", "ounce", "ounces"], ("weight", 0.0283495, 0.0)),
    **dict.fromkeys(["ton", "tons", "tonne", "tonnes"], ("weight", 1000.0, 0.0)),
    **dict.fromkeys(["°c", "° c", "degrees celsius", "celsius", "degrees c"], ("temperature", 1.0, 0.0)),
    **dict.fromkeys(["°f", "° f", "degrees fahrenheit", "fahrenheit", "degrees f"], ("temperature", 5 / 9, -32.0)),
    **dict.fromkeys(["km", "kilometer", "kilometers", "kilometre", "kilometres"], ("length", 1000.0, 0.0)),
    **dict.fromkeys(["m", "meter", "meters", "metre", "metres"], ("length", 1.0, 0.0)),
    **dict.fromkeys(["cm", "centimeter", "centimeters", "centimetre", "centimetres"], ("length", 0.01, 0.0)),
    **dict.fromkeys(["ft", "foot", "feet"], ("length", 0.3048, 0.0)),
    **dict.fromkeys(["inch", "inches"], ("length", 0.0254, 0.0)),
    **dict.fromkeys(["mile", "miles"], ("length", 1609.344, 0.0)),
    **dict.fromkeys(["l", "liter", "liters", "litre", "litres"], ("volume", 1.0, 0.0)),
    **dict.fromkeys(["ml", "milliliters", "millilitres"], ("volume", 0.001, 0.0)),
    **dict.fromkeys(["gallon", "gallons"], ("volume", 3.78541, 0.0)),
    **dict.fromkeys(["mm", "millimeter", "millimeters", "millimetres"], ("millimetres", 1.0, 0.0)),
    **dict.fromkeys(["fps"], ("frame rate", 1.0, 0.0)),
    "%": ("share", 1.0, 0.0), "percent": ("share", 1.0, 0.0),
    **dict.fromkeys(["$", "dollar", "dollars", "usd"], ("dollars", 1.0, 0.0)),
    **dict.fromkeys(["€", "euro", "euros", "eur"], ("euros", 1.0, 0.0)),
    **dict.fromkeys(["£", "gbp"], ("pounds sterling", 1.0, 0.0)),
    **dict.fromkeys(["¥", "yen", "yuan"], ("yen", 1.0, 0.0)),
    **dict.fromkeys(["₹", "rupee", "rupees"], ("rupees", 1.0, 0.0)),
}  # fmt: skip
_SPELT = "|".join(re.escape(unit) for unit in sorted(_UNITS, key=len, reverse=True))
_SIGN = r"(?<![\w.,:/)-])(?P<sign>[-−+±]\s?|minus )?"
_NUMBER = rf"(?P<number>\d+(?:[.,]\d+)*|{'|'.join(NUMBERS)})"
_MEASURE = re.compile(rf"{_SIGN}(?<![a-z]){_NUMBER}[\s-]?(?P<unit>{_SPELT})(?![a-z0-9/])")
_MONEY = re.compile(rf"{_SIGN}(?P<unit>[$€£¥₹])\s?(?P<number>\d+(?:[.,]\d+)*)")
_SIGNED = re.compile(r"(?<![\w.,:/)\]-])(?P<sign>[-−+±]|minus )\s?(?P<number>\d+(?:[.,]\d+)*)(?!\s?[-–]\s?\d)")
_LONG = 30  # words of a prompt that has a "half" of many things
_NEAR = 0.015  # so far apart are two roundings of one quantity
_RATIO = re.compile(r"\b(\d{1,2}(?:\.\d+)?):(\d{1,2})\b(?![:\d])")
_RATIOS = frozenset({"16:9", "9:16", "4:3", "3:4", "1:1", "21:9", "9:21", "3:2", "2:3", "4:5", "5:4", "2:1", "1.85:1", "2.35:1", "2.39:1"})
_FRACTIONS = table(
    {
        "half": "half half-full half-empty half-eaten half-open ½ halfway", "quarter": "quarter quarters ¼", "third": "one-third ⅓",
        "three quarters": "three-quarters ¾", "two thirds": "two-thirds ⅔",
    }
)  # fmt: skip
_SCALES = table(
    {
        "dozens": "dozens", "hundreds": "hundreds", "thousands": "thousands", "millions": "millions", "billions": "billions",
        "decade": "decade decades", "century": "century centuries", "millennium": "millennium millennia",
    }
)  # fmt: skip
_WORD = re.compile(r"[^\W_]+(?:-[^\W_]+)*|[½¼⅓¾⅔]")
_NOT_SHARES = re.compile(
    r"\bhalf (?:a |an )?dozen\b|\bhalf moon\b|\bquarter(?:s)? (?:past|to|back|final|note)\b|\bclose quarters\b|\bheadquarters\b"
)
_SIGNS = re.compile(
    r"[←-⇿➔-➾♀♂♠-♧★☆™®©∞√≠≤≥±×÷]|->|<-|=>|(?<![\w:;])[:;]'?-?[()DPp|/](?!\w)|(?<=[\d\s])[+\-−=<>](?=\s?\d)|(?<=\w) [<>] (?=\w)"
    r"|(?<![\w])(?:c\+\+|c#|f#)(?!\w)|\*{3,}|[²³⁰¹⁴-⁹]"
)


def measures(new: Slots, cached: Slots) -> Iterator[str]:
    """Each quantity asked for must stand in the clip's prompt, in this unit or in another of its kind."""
    there = _quantities(cached.written)
    for kind, value, words in _quantities(new.written):
        others = [other for other in there if other[0] == kind]
        if not any(abs(value - other) <= _NEAR * max(abs(value), abs(other)) for _, other, _ in others):
            yield f"{kind}: {words} / {', '.join(other[2] for other in others) or 'not said'}"
    wanted, shown = _ratios(new.written), _ratios(cached.written)
    if SHAPE.search(cached.written) is None:
        wanted = _ratios(ASKED_SHAPE.sub(" ", new.written))
    if wanted - shown:
        yield f"aspect ratio: {', '.join(sorted(wanted))} / {', '.join(sorted(shown)) or 'not said'}"


def signs(new: Slots, cached: Slots) -> Iterator[str]:
    """Arrows, suits, signs of numbers, emoticons: each asked for must be there, and none may stand in its place."""
    wanted, there = _signs(new.written), _signs(cached.written)
    missing, instead = wanted - there, there - wanted
    if missing or (instead and any(mark[:1] in "-−+±" and mark[1:] for mark in instead) and not new.stems >= cached.stems | {""}):
        numbers = {mark[1:] for mark in instead}
        if missing or any(number in _digits(new.written) for number in numbers if number):
            yield f"sign: {' '.join(sorted(missing)) or 'not said'} / {' '.join(sorted(instead)) or 'not said'}"


def shares(new: Slots, cached: Slots) -> Iterator[str]:
    """Halves and quarters, dozens and hundreds."""
    for slot, listed in (("fraction", _FRACTIONS), ("scale", _SCALES)):
        wanted, there = _listed(new.written, slot), _listed(cached.written, slot)
        if wanted - there:
            yield f"{slot}: {', '.join(sorted(wanted))} / {', '.join(sorted(there)) or 'not said'}"
        elif there - wanted and slot == "fraction" and len(cached.stems) < _LONG and _bound(cached.written, listed) & new.stems:
            yield f"{slot}: not said / {', '.join(sorted(there))}"


@lru_cache(maxsize=32_768)
def _quantities(text: str) -> tuple[tuple[str, float, str], ...]:
    found = []
    for pattern in (_MEASURE, _MONEY):
        for match in pattern.finditer(text):
            kind, factor, offset = _UNITS[match["unit"]]
            number = float(NUMBERS.get(match["number"]) or _decimal(match["number"]))
            negative = (match["sign"] or "").strip() in {"-", "−", "minus"}
            found.append((kind, ((-number if negative else number) + offset) * factor, match.group().strip()))
    return tuple(found)


def _decimal(number: str) -> str:
    return (
        number.replace(",", "") if re.fullmatch(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?", number) else number.replace(",", ".", 1).replace(",", "")
    )


@lru_cache(maxsize=32_768)
def _ratios(text: str) -> frozenset[str]:
    return frozenset(f"{wide}:{high}" for wide, high in _RATIO.findall(text) if f"{wide}:{high}" in _RATIOS) if ":" in text else frozenset()


@lru_cache(maxsize=32_768)
def _signs(text: str) -> frozenset[str]:
    found = {match.group().strip() for match in _SIGNS.finditer(text)}
    signed = {("-" if match["sign"] in {"−", "minus "} else match["sign"]) + match["number"] for match in _SIGNED.finditer(text)}
    money = {"-" + match["number"] for match in _MONEY.finditer(text) if (match["sign"] or "").strip() in {"-", "−", "minus"}}
    return frozenset(found | signed | money)


@lru_cache(maxsize=32_768)
def _digits(text: str) -> frozenset[str]:
    return frozenset(re.findall(r"\d+(?:[.,]\d+)*", text))


@lru_cache(maxsize=32_768)
def _listed(text: str, slot: str) -> frozenset[str]:
    listed = _FRACTIONS if slot == "fraction" else _SCALES
    found = _WORD.findall(_NOT_SHARES.sub(" ", text))
    return frozenset(listed[word] for word in found if word in listed)


def _bound(text: str, listed: dict[str, str]) -> frozenset[str]:
    """The words within four of such a word, as stems."""

    found = _WORD.findall(text)
    near = [found[at + 1 : at + 5] for at, word in enumerate(found) if word in listed]
    return frozenset(stem(word) for part in near for word in part if len(word) > 2)
