"""Scenes with known facts: the words of the grammar as tables, and what a scene holds."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, TypeVar

from training.judge import vocabulary as v

Group = tuple[str, ...]


def _groups(text: str) -> list[Group]:
    return [tuple(part.strip().split("/")) for part in text.replace("\n", "").split("|")]


def _tagged(text: str) -> dict[Group, str]:
    found = {}
    for part in text.replace("\n", "").split("|"):
        words, _, tag = part.strip().partition(":")
        found[tuple(words.split("/"))] = tag
    return found


def _verbs(text: str) -> list[tuple[tuple[str, ...], ...]]:
    return [
        tuple(tuple(form.replace("$", " ") for form in verb.split()) for verb in group.split("/"))
        for group in "".join(line for line in text.splitlines()).split("|")
    ]


PERSONS, ANIMALS = _tagged(v.PERSONS), _tagged(v.ANIMALS)
VEHICLES, THINGS = _groups(v.VEHICLES), _groups(v.THINGS)
PLACES = _tagged(v.PLACES)
INTRANSITIVE, TRANSITIVE, BETWEEN, DRIVE = (_verbs(text) for text in (v.INTRANSITIVE, v.TRANSITIVE, v.BETWEEN, v.DRIVE))
LOOKS, MOODS, WEAR, TIMES, WEATHERS, SEASONS = (_groups(t) for t in (v.LOOKS, v.MOODS, v.WEAR, v.TIMES, v.WEATHERS, v.SEASONS))
LIGHTS, EXTRAS, MANNERS, DIRECTIONS, RELATIONS = (_groups(t) for t in (v.LIGHTS, v.EXTRAS, v.MANNERS, v.DIRECTIONS, v.RELATIONS))
CAMERAS = [tuple(part.split("/") if part else [] for part in row.strip().split(";")) for row in v.CAMERAS.replace("\n", "").split("|")]
STYLES = [tuple(part.split("/") if part else [] for part in row.strip().split(";")) for row in v.STYLES.replace("\n", "").split("|")]
BEFORE = [words for (words,) in _groups(v.FILLERS_BEFORE)]
AFTER = [words for (words,) in _groups(v.FILLERS_AFTER)]
ELABORATIONS = [text.strip() for text in v.ELABORATIONS.replace("\n", "").split("|")]
TEXTS = v.TEXTS.split("|")
COUNTS = {
    2: ("two", "2", "a pair of", "a couple of"),
    3: ("three", "3"),
    4: ("four", "4"),
    5: ("five", "5"),
    6: ("six", "6"),
    7: ("seven", "7"),
    10: ("ten", "10"),
}
WIDER = {
    "dog": ("dog", "animal"), "cat": ("cat", "animal"), "mammal": ("animal",), "bird": ("bird", "animal"), "insect": ("insect",),
    "fish": ("fish",), "sea": ("sea animal",), "reptile": ("reptile", "animal"), "creature": ("creature",), "animal": ("animal",),
    "male adult": ("person",), "female adult": ("person",), "male child": ("child", "kid"), "female child": ("child", "kid"),
    "male old": ("man", "person"), "female old": ("woman", "person"), "female young": ("woman", "person"), "male young": ("man", "person"),
    "job": ("person",), "male job": ("man", "person"), "female job": ("woman", "person"), "child": ("child",), "teen": ("person",),
    "male": ("man",), "female": ("woman",), "robot": ("machine",),
}  # fmt: skip


@dataclass(frozen=True)
class Being:
    noun: Group
    sort: str  # person, animal, vehicle, thing
    count: int = 1
    colour: str = ""
    look: Group = ()
    mood: Group = ()
    wear: tuple[str, Group] = ("", ())
    wider: str = ""


@dataclass(frozen=True)
class Scene:
    subject: Being
    verb: tuple[tuple[str, ...], ...]
    target: Being | None = None
    spot: tuple[Group, Being] | None = None
    manner: Group = ()
    direction: Group = ()
    negative: bool = False
    second: tuple[str, tuple[tuple[str, ...], ...]] | None = None  # then / while, a second verb
    place: tuple[Group, str] | None = None
    time: Group = ()
    weather: Group = ()
    light: Group = ()
    extra: Group = ()
    without: Group = ()
    camera: int = -1
    style: int = -1
    text: str = ""


Told = TypeVar("Told", Being, Scene)


def changed(told: Told, **fields: Any) -> Told:
    """`replace` where the field's name is drawn by lot."""
    return replace(told, **fields)


def article(words: str) -> str:
    if words.startswith(("tea", "coffee", "bread", "cheese")) and " " not in words:
        return words
    return f"{'an' if words[0] in 'aeiou' and not words.startswith(('uni', 'one', 'ukulele')) else 'a'} {words}"


def plural(noun: str) -> str:
    irregular = {"man": "men", "woman": "women", "child": "children", "person": "people", "mouse": "mice", "wolf": "wolves", "knife": "knives", "sheep": "sheep", "deer": "deer", "salmon": "salmon", "goldfish": "goldfish", "leaf": "leaves", "fish": "fish", "fisherman": "fishermen", "fireman": "firemen", "businessman": "businessmen", "businesswoman": "businesswomen"}  # fmt: skip
    head, _, last = noun.rpartition(" ")
    if last in irregular:
        last = irregular[last]
    elif last.endswith(("s", "x", "ch", "sh")) and last not in v.PLURALS:
        last += "es"
    elif last.endswith("y") and last[-2] not in "aeiou":
        last = last[:-1] + "ies"
    elif last not in v.PLURALS:
        last += "s"
    return f"{head} {last}".strip()
