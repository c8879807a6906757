"""From a scene to the many ways in which people ask for it."""

from __future__ import annotations

import random
import re
from collections.abc import Callable

from generator.demo.scenes import Background, Colour, Motion, Scene, Size, Thing
from generator.demo.words import (
    BARE_PLACES,
    COLOURS,
    FILMED,
    JOINS,
    MADE,
    MANNERS,
    PLACES,
    PREMOTIONS,
    SHAPES,
    SIZES,
    STILL_JOINS,
    TOLD,
    UNMOVED,
    VERBS,
    gerund,
    third,
)

_RELATIVE = ("that", "which")


def describe(scene: Scene, rng: random.Random) -> str:
    """One caption of the scene; the same generator state gives the same caption.

    It may leave out medium size, standing still and a black background, since those are what silence means,
    and now and then a colour, which then may be any.
    """
    if scene.orbit:
        body = _orbiting(scene, rng)
    elif len(scene.things) == 1:
        body = rng.choices(_SINGLES, _SINGLE_WEIGHTS)[0](scene.things[0], rng)
    else:
        body = rng.choices(_PAIRS, _PAIR_WEIGHTS)[0](scene.things[0], scene.things[1], rng)
    return _dress(_place(body, scene.background, rng), rng)


def names(caption: str, colour: Colour) -> bool:
    """True if the caption has a word for this colour; that of a background counts, too, which few captions share with a thing."""
    return re.search(rf"\b({'|'.join(COLOURS[colour])})\b", caption.lower()) is not None


# --- noun phrases ---------------------------------------------------------------------------------------------------


def _adjectives(thing: Thing, rng: random.Random) -> list[str]:
    words = []
    if thing.size is not Size.MEDIUM or rng.random() < 0.25:
        words.append(rng.choice(SIZES[thing.size]))
    if rng.random() < 0.985:
        words.append(rng.choice(COLOURS[thing.colour]))
    if len(words) == 2 and rng.random() < 0.12:
        words.reverse()
    return words


def _article(phrase: str, rng: random.Random) -> str:
    """With "a" mostly; sometimes "the", "one" or nothing."""
    draw = rng.random()
    if draw < 0.78:
        return ("an " if phrase[0] in "aeiou" else "a ") + phrase
    if draw < 0.88:
        return "the " + phrase
    return ("one " if draw < 0.92 else "") + phrase


def _noun(thing: Thing, rng: random.Random, before: str = "") -> str:
    """ "a tiny pink star", "a star that is pink and tiny"; `before` is one more adjective."""
    shape = rng.choice(SHAPES[thing.shape])
    words = _adjectives(thing, rng)
    if not before and words and rng.random() < 0.07:
        joined = " and ".join(words) if rng.random() < 0.6 else ", ".join(words)
        shape = _article(shape, rng)
        return f"{shape} {rng.choice(_RELATIVE)} is {joined}" if rng.random() < 0.5 else f"{shape}, {joined}"
    if words and rng.random() < 0.04:
        words[-1] += rng.choice(("-coloured", "-colored", " colored", " coloured"))
    if before:
        words.insert(rng.randint(0, len(words)), before)
    glue = ", " if len(words) > 1 and rng.random() < 0.1 else " "
    return _article(" ".join([glue.join(words), shape]).strip(), rng)


def _verb(motion: Motion, rng: random.Random) -> str:
    return rng.choice(rng.choice(VERBS[motion]))


def _manner(rng: random.Random) -> str:
    return " " + rng.choice(MANNERS) if rng.random() < 0.12 else ""


def _doing(motion: Motion, rng: random.Random) -> str:
    """ "moving right", "perfectly still"."""
    if motion is Motion.STILL and rng.random() < 0.4:
        return rng.choice(UNMOVED)
    return gerund(_verb(motion, rng)) + _manner(rng)


def _does(motion: Motion, rng: random.Random) -> str:
    """ "moves right", "is moving right", "does not move"."""
    draw = rng.random()
    if motion is Motion.STILL and draw < 0.25:
        return rng.choice(("does not move", "doesn't move", "is not moving", "is still", "never moves", "is motionless"))
    if draw > 0.8:
        return "is " + gerund(_verb(motion, rng)) + _manner(rng)
    return third(_verb(motion, rng)) + _manner(rng)


# --- one thing ------------------------------------------------------------------------------------------------------


def _named(thing: Thing, rng: random.Random) -> str:
    """A noun phrase that carries the motion, or none when it is still."""
    draw = rng.random()
    if thing.motion is Motion.STILL and draw < 0.35:
        return _noun(thing, rng)
    if draw < 0.55:
        return _noun(thing, rng) + (", " if rng.random() < 0.12 else " ") + _doing(thing.motion, rng)
    if draw < 0.8:
        return f"{_noun(thing, rng)} {rng.choice(_RELATIVE)} {_does(thing.motion, rng)}"
    if thing.motion in (Motion.RIGHT, Motion.LEFT) and draw < 0.97:
        return f"{_noun(thing, rng)} {_doing(thing.motion, rng)}"
    return _noun(thing, rng, rng.choice(PREMOTIONS[thing.motion]))


def _told(thing: Thing, rng: random.Random) -> str:
    return f"{_noun(thing, rng)} {_does(thing.motion, rng)}"


def _shown(thing: Thing, rng: random.Random) -> str:
    return f"{_opening(FILMED, rng)} {_named(thing, rng)}"


def _made(thing: Thing, rng: random.Random) -> str:
    return f"{_opening(MADE, rng)} {_noun(thing, rng)} {_verb(thing.motion, rng)}{_manner(rng)}"


def _retold(thing: Thing, rng: random.Random) -> str:
    return f"{_opening(TOLD, rng)} {_told(thing, rng)}"


def _tagged(thing: Thing, rng: random.Random) -> str:
    shape = rng.choice(SHAPES[thing.shape])
    tags = [" ".join([*_adjectives(thing, rng), shape]), _doing(thing.motion, rng)]
    if rng.random() < 0.15:
        tags.reverse()
    return ", ".join(tags)


def _opening(table: tuple[str, ...], rng: random.Random) -> str:
    return rng.choice(table)


_SINGLES: tuple[Callable[[Thing, random.Random], str], ...] = (_named, _told, _shown, _made, _retold, _tagged)
_SINGLE_WEIGHTS = (30, 27, 22, 9, 5, 7)


# --- two things -----------------------------------------------------------------------------------------------------


def _joined(first: str, second: str, join: str) -> str:
    if join == ".":
        return f"{first}. {second[0].upper()}{second[1:]}"
    return f"{first}{'' if join[0] in ',;' else ' '}{join} {second}"


def _two_told(first: Thing, second: Thing, rng: random.Random) -> str:
    return _joined(_told(first, rng), _told(second, rng), rng.choice(JOINS))


def _two_named(first: Thing, second: Thing, rng: random.Random) -> str:
    if second.motion is Motion.STILL and rng.random() < 0.5:
        return _joined(_told(first, rng), _noun(second, rng), rng.choice(STILL_JOINS))
    return _joined(_named(first, rng), _named(second, rng), rng.choice(JOINS[:-1]))


def _two_shown(first: Thing, second: Thing, rng: random.Random) -> str:
    opening = rng.choice(FILMED)
    if rng.random() < 0.12:
        opening += rng.choice((" two shapes:", " two objects:", " two things:"))
    return f"{opening} {_two_named(first, second, rng) if rng.random() < 0.7 else _two_told(first, second, rng)}"


def _two_made(first: Thing, second: Thing, rng: random.Random) -> str:
    parts = [f"{_noun(t, rng)} {_verb(t.motion, rng)}" for t in (first, second)]
    return f"{rng.choice(MADE)} {_joined(parts[0], parts[1], rng.choice(('and', 'and', 'while', ', and', 'and also')))}"


def _two_retold(first: Thing, second: Thing, rng: random.Random) -> str:
    return f"{rng.choice(TOLD)} {_two_told(first, second, rng)}"


def _two_alike(first: Thing, second: Thing, rng: random.Random) -> str:
    """One verb for both; falls back when they move differently."""
    if first.motion is not second.motion:
        return _two_told(first, second, rng)
    pair = f"{_noun(first, rng)} and {_noun(second, rng)}"
    both = rng.choice(("", "", "both ", "both "))
    draw = rng.random()
    if draw < 0.45:
        return f"{pair} {both}{_verb(first.motion, rng)}{_manner(rng)}"
    if draw < 0.85:
        return f"{pair}{', both ' if both and rng.random() < 0.5 else ' ' + both}{_doing(first.motion, rng)}"
    return f"{rng.choice(FILMED)} {pair} {both}{_doing(first.motion, rng)}"


def _two_tagged(first: Thing, second: Thing, rng: random.Random) -> str:
    return f"{_tagged(first, rng)}{rng.choice((', ', '; ', ' and ', ' + '))}{_tagged(second, rng)}"


_PAIRS: tuple[Callable[[Thing, Thing, random.Random], str], ...] = (
    _two_told,
    _two_named,
    _two_shown,
    _two_made,
    _two_retold,
    _two_alike,
    _two_tagged,
)
_PAIR_WEIGHTS = (30, 26, 18, 6, 4, 10, 6)


def _orbiting(scene: Scene, rng: random.Random) -> str:
    """ "a small white ball orbits a big blue star"."""
    verb = rng.choice(("orbit", "circle", "circle around", "revolve around", "move in a circle around", "go around"))
    verb = gerund(verb) if rng.random() < 0.5 else third(verb)
    opening = rng.choice(FILMED) + " " if rng.random() < 0.3 else ""
    return f"{opening}{_noun(scene.things[0], rng)} {verb} {_noun(scene.things[1], rng)}"


# --- the whole sentence ---------------------------------------------------------------------------------------------


def _place(body: str, background: Background, rng: random.Random) -> str:
    if background is Background.BLACK and rng.random() < 0.6:
        return body
    where = rng.choice(PLACES[background])
    bare = rng.choice(BARE_PLACES[background])
    draw = rng.random()
    if draw < 0.58:
        return f"{body}{', ' if rng.random() < 0.12 else ' '}{where}"
    if draw < 0.8:
        return f"{where}{', ' if rng.random() < 0.6 else ' '}{body}"
    if draw < 0.88:
        return f"{body}, {bare}"
    if draw < 0.91:
        return f"{bare}, {body}"
    if draw < 0.94:
        return f"{body}. {rng.choice(('The background is', 'Background:', 'background is', 'Setting:'))} {bare}"
    return f"{bare} {rng.choice(('with', 'and', 'and on it', 'where'))} {body}"


def _dress(sentence: str, rng: random.Random) -> str:
    """Capitals and the end of the sentence, as careless as people are."""
    draw = rng.random()
    if draw < 0.03:
        sentence += rng.choice((", please", " please", ", thanks"))
    if draw < 0.5:
        sentence += "."
    elif draw < 0.53:
        sentence += "!"
    if rng.random() < 0.5:
        sentence = sentence[0].upper() + sentence[1:]
    return re.sub(r"\s+", " ", sentence).replace(" ,", ",").replace(" .", ".")
