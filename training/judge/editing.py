"""Edits of a scene: the result contradicts it, or asks for what it does not show."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

from training.judge import vocabulary as v
from training.judge.kinship import NEAR_PLACES, NEAR_TIMES, NEAR_VERBS, related
from training.judge.scenes import (
    ANIMALS,
    BETWEEN,
    CAMERAS,
    COUNTS,
    DIRECTIONS,
    DRIVE,
    EXTRAS,
    INTRANSITIVE,
    LIGHTS,
    LOOKS,
    MANNERS,
    MOODS,
    PERSONS,
    PLACES,
    RELATIONS,
    STYLES,
    TEXTS,
    THINGS,
    TIMES,
    TRANSITIVE,
    VEHICLES,
    WEAR,
    WEATHERS,
    Being,
    Scene,
    changed,
)

Option = TypeVar("Option")


class Edits:
    def __init__(self, rng: random.Random) -> None:
        self.rng = rng

    def maybe(self, chance: float) -> bool:
        return self.rng.random() < chance

    def edit(self, scene: Scene) -> tuple[str, Scene]:
        rng = self.rng
        for _ in range(30):
            kind = rng.choice(_EDITS)
            edited = getattr(self, f"_{kind}")(scene)
            if edited is not None and edited != scene:
                return kind, edited
        return "noun", self._noun(scene) or scene

    def _other(self, pool: Sequence[Option], now: object) -> Option:
        while True:
            other = self.rng.choice(pool)
            if other != now:
                return other

    def _role(self, scene: Scene) -> str:
        return "target" if scene.target is not None and self.maybe(0.5) else "subject"

    def _noun(self, scene: Scene) -> Scene | None:
        role = self._role(scene)
        being: Being = getattr(scene, role)
        pool = {"person": list(PERSONS), "animal": list(ANIMALS), "vehicle": VEHICLES, "thing": THINGS}[being.sort]
        tag = PERSONS.get(being.noun) or ANIMALS.get(being.noun)
        kin = [noun for noun in pool if (PERSONS.get(noun) or ANIMALS.get(noun)) == tag and noun != being.noun]
        noun = self.rng.choice(kin) if kin and self.maybe(0.4) else self._other(pool, being.noun)
        if {*noun[0].split()} & {*being.noun[0].split()}:  # a corgi is a dog, a young woman a woman
            return None
        if related(tag, noun, being.noun):
            return None
        return changed(scene, **{role: replace(being, noun=noun, wider="")})

    def _count(self, scene: Scene) -> Scene | None:
        role = self._role(scene)
        being: Being = getattr(scene, role)
        return changed(scene, **{role: replace(being, count=self._other([1, *COUNTS], being.count))})

    def _colour(self, scene: Scene) -> Scene | None:
        role = self._role(scene)
        being: Being = getattr(scene, role)
        if being.wear[1]:
            return changed(scene, **{role: replace(being, wear=(self._other(v.COLOURS, being.wear[0]), being.wear[1]))})
        if being.sort == "person":
            return None
        return changed(scene, **{role: replace(being, colour=self._other(v.COLOURS, being.colour))})

    def _look(self, scene: Scene) -> Scene | None:
        role = self._role(scene)
        being: Being = getattr(scene, role)
        if being.sort == "person":
            return changed(scene, **{role: replace(being, mood=self._other(MOODS, being.mood))})
        return changed(scene, **{role: replace(being, look=self._other(LOOKS, being.look))})

    def _worn(self, scene: Scene) -> Scene | None:
        being = scene.subject
        return (
            replace(scene, subject=replace(being, wear=(being.wear[0], self._other(WEAR, being.wear[1]))))
            if being.sort == "person"
            else None
        )

    def _action(self, scene: Scene) -> Scene | None:
        pool = INTRANSITIVE if scene.target is None else (BETWEEN if scene.target.sort in {"person", "animal"} else TRANSITIVE)
        if scene.subject.sort == "vehicle":
            pool = DRIVE
        if scene.subject.sort == "thing":
            return None
        other = self._other(pool, scene.verb)
        if {form[0] for form in other} & {form[0] for form in scene.verb} or {other[0][0], scene.verb[0][0]} in NEAR_VERBS:
            return None
        return replace(scene, verb=other)

    def _swap_roles(self, scene: Scene) -> Scene | None:
        if scene.target is None or scene.verb not in BETWEEN:
            return None
        return replace(scene, subject=scene.target, target=scene.subject)

    def _swap_looks(self, scene: Scene) -> Scene | None:
        one, other = scene.subject, scene.target or (scene.spot[1] if scene.spot else None)
        if other is None or one.sort == "person" or other.sort == "person" or (one.colour == other.colour and one.look == other.look):
            return None
        first, second = replace(one, colour=other.colour, look=other.look), replace(other, colour=one.colour, look=one.look)
        return replace(scene, subject=first, target=second) if scene.target else replace(scene, subject=first, spot=(scene.spot[0], second))  # type: ignore[index]

    def _swap_counts(self, scene: Scene) -> Scene | None:
        if scene.target is None or scene.subject.count == scene.target.count:
            return None
        return replace(
            scene, subject=replace(scene.subject, count=scene.target.count), target=replace(scene.target, count=scene.subject.count)
        )

    def _spot(self, scene: Scene) -> Scene | None:
        if not scene.spot:
            return None
        relation, being = scene.spot
        if self.maybe(0.6):
            return replace(scene, spot=(self._other(RELATIONS, relation), being))
        if self.maybe(0.5) and scene.subject.sort == "thing" and relation[0] not in {"next to", "far from"}:
            return replace(scene, subject=being, spot=(relation, replace(scene.subject, count=1)))
        return replace(scene, spot=(relation, replace(being, noun=self._other(THINGS, being.noun))))

    def _place(self, scene: Scene) -> Scene | None:
        noun = self._other(list(PLACES), scene.place[0] if scene.place else None)
        if scene.place and {scene.place[0][0], noun[0]} in NEAR_PLACES:
            return None
        return replace(scene, place=(noun, PLACES[noun]))

    def _time(self, scene: Scene) -> Scene | None:
        other = self._other(TIMES, scene.time)
        if scene.time and {scene.time[0], other[0]} in NEAR_TIMES:
            return None
        return replace(scene, time=other)

    def _weather(self, scene: Scene) -> Scene | None:
        return replace(scene, weather=self._other(WEATHERS, scene.weather))

    def _extra(self, scene: Scene) -> Scene | None:
        return replace(scene, extra=self._other(EXTRAS, scene.extra))

    def _light(self, scene: Scene) -> Scene | None:
        return replace(scene, light=self._other(LIGHTS, scene.light)) if scene.light else None

    def _manner(self, scene: Scene) -> Scene | None:
        return replace(scene, manner=self._other(MANNERS, scene.manner)) if scene.manner else None

    def _direction(self, scene: Scene) -> Scene | None:
        if scene.target or scene.spot or scene.subject.sort == "thing":
            return None
        return replace(scene, direction=self._other(DIRECTIONS, scene.direction))

    def _negation(self, scene: Scene) -> Scene | None:
        return replace(scene, negative=not scene.negative)

    def _without(self, scene: Scene) -> Scene | None:
        return replace(scene, without=self._other(WEAR if scene.subject.sort == "person" else THINGS, scene.without))

    def _camera(self, scene: Scene) -> Scene | None:
        return replace(scene, camera=self._other(list(range(len(CAMERAS))), scene.camera))

    def _style(self, scene: Scene) -> Scene | None:
        return replace(scene, style=self._other([*range(len(STYLES))], scene.style))

    def _unstyle(self, scene: Scene) -> Scene | None:
        """A prompt without a style expects footage: a clip in oils would surprise."""
        return replace(scene, style=-1) if scene.style >= 0 and STYLES[scene.style][0][0] != "photorealistic" else None

    def _second(self, scene: Scene) -> Scene | None:
        if scene.second and scene.second[0] == "then" and scene.target is None and self.maybe(0.5):
            return replace(scene, verb=scene.second[1], second=("then", scene.verb)) if scene.verb != scene.second[1] else None
        if scene.subject.sort not in {"person", "animal"}:
            return None
        return replace(
            scene,
            second=(scene.second[0] if scene.second else "then", self._other(INTRANSITIVE, scene.second[1] if scene.second else None)),
        )

    def _text(self, scene: Scene) -> Scene | None:
        return replace(scene, text=self._other(TEXTS, scene.text)) if scene.text or self.maybe(0.2) else None


_EDITS = [
    "noun",
    "noun",
    "noun",
    "count",
    "colour",
    "colour",
    "look",
    "worn",
    "action",
    "action",
    "action",
    "swap_roles",
    "swap_roles",
    "swap_roles",
    "swap_looks",
    "swap_looks",
    "swap_counts",
    "spot",
    "spot",
    "place",
    "place",
    "time",
    "weather",
    "extra",
    "light",
    "manner",
    "direction",
    "direction",
    "negation",
    "without",
    "camera",
    "camera",
    "style",
    "unstyle",
    "second",
    "second",
    "text",
]
