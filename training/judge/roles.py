"""Roles: who does what to whom, in one clause or two, and who stands beside whom: one meaning in many forms, and its mirror image."""

from __future__ import annotations

import random
from collections.abc import Callable

from training.judge.scenes import ANIMALS, BETWEEN, INTRANSITIVE, PERSONS, PLACES, THINGS, VEHICLES, Group, article

_RARE = """outrun outruns outrunning outrun|serenade serenades serenading serenaded|shield shields shielding shielded|nudge nudges nudging nudged|
bandage bandages bandaging bandaged|rescue rescues rescuing rescued|scold scolds scolding scolded|salute salutes saluting saluted|tackle tackles tackling tackled|
lift lifts lifting lifted|spray sprays spraying sprayed|groom grooms grooming groomed|applaud applauds applauding applauded|film films filming filmed|
overtake overtakes overtaking overtaken|tow tows towing towed|block blocks blocking blocked|surprise surprises surprising surprised|kiss kisses kissing kissed|
pat pats patting patted|circle circles circling circled|escort escorts escorting escorted|dress dresses dressing dressed|splash splashes splashing splashed|
arrest arrests arresting arrested|knock$over knocks$over knocking$over knocked$over|cover covers covering covered|call calls calling called|wake wakes waking woken|
imitate imitates imitating imitated|drag drags dragging dragged|weigh weighs weighing weighed|measure measures measuring measured|swallow swallows swallowing swallowed"""
_WITH_PASSIVE = [verb[0] for verb in BETWEEN if len(verb[0]) > 3 and verb[0][3] != "-"]
_VERBS = [*_WITH_PASSIVE, *(tuple(form.replace("$", " ") for form in part.split()) for part in _RARE.replace("\n", "").split("|"))]
_NEAR = frozenset(["follow", "watch", "lead", "help", "protect", "comfort", "hug", "chase", "attack", "bite", "scare", "push", "carry"])
_MARKS = """young|old|tall|tired|laughing|barefoot|muddy|wet|shy|angry|sleepy|huge|tiny|red-haired|one-eyed|grey|white|black|brown|striped|injured|
painted|wooden|rusty|shiny""".replace("\n", "").split("|")
_ACTIVE = ["{s} {third} {o}", "{s} is {ing} {o}", "{s} {ing} {o}", "{s}, {ing} {o}", "{s} who {third} {o}", "there is {s} {ing} {o}"]
_PASSIVE = ["{o} is {done} by {s}", "{o} {done} by {s}", "{o} being {done} by {s}", "{o} gets {done} by {s}", "{o} that {s} is {ing}", "{o} which is being {done} by {s}"]  # fmt: skip
_TOGETHER = ["{a} and {b}", "{a} next to {b}", "{a} beside {b}", "{a} with {b} beside it", "{a} together with {b}", "{a} alongside {b}"]
_SIDES = [
    ("{a} on the left and {b} on the right", "{b} on the right, {a} on the left"),
    ("{a} in front of {b}", "{b} behind {a}"),
    ("{a} above {b}", "{b} below {a}"),
    ("{a} on the left of {b}", "{b} to the right of {a}"),
    ("{a} follows behind {b}", "{b} ahead of {a}"),
]
_JOINTS = [" while ", " and ", ", while ", " as ", "; "]
Pair = tuple[str, str, int, str]  # new, cached, label, kind


class Roles:
    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._animate: list[Group] = [*PERSONS, *ANIMALS]
        self._main: list[Group] = [*PERSONS, *ANIMALS, *VEHICLES]

    def drawn(self) -> Pair:
        draw = self._rng.random()
        if draw < 0.5:
            return self._who()
        return self._clauses() if draw < 0.75 else self._sides()

    def beside(self) -> Pair:
        """A further main subject that nobody asked for is wrong, or one that was asked for and is not there; a thing beside it is not."""
        rng = self._rng
        a, b = self._two(self._main)
        place = self._place()
        deed = f" {rng.choice(rng.choice(INTRANSITIVE))[2]}" if rng.random() < 0.3 else ""
        alone = f"{a}{deed}{place}"
        draw = rng.random()
        if draw < 0.3:
            return self._cast(alone), self._cast(self._together(a, b) + deed + place), 0, "beside_further"
        if draw < 0.55:
            return self._cast(self._together(a, b) + deed + place), self._cast(alone), 0, "beside_lacking"
        if draw < 0.75:
            thing = article(rng.choice(rng.choice(THINGS)))
            cached = f"{a}{deed} {rng.choice(['next to', 'beside', 'with', 'near'])} {thing}{place}"
            return self._cast(alone), self._cast(cached), 1, "beside_thing"
        if draw < 0.9:
            return self._cast(self._together(b, a) + deed + place), self._cast(self._together(a, b) + deed + place), 1, "beside_same"
        other = self._being(self._main, {*a.split(), *b.split()})
        return self._cast(self._together(a, other) + place), self._cast(self._together(b, a) + place), 0, "beside_other"

    def _who(self) -> Pair:
        rng = self._rng
        s, o = self._two(self._animate)
        verb, place = rng.choice(_VERBS), self._place()
        cached = self._told(s, verb, o) + place
        draw = rng.random()
        if draw < 0.42:
            return self._cast(self._told(s, verb, o) + place), self._cast(cached), 1, "roles_same"
        if draw < 0.82:
            return self._cast(self._told(o, verb, s) + place), self._cast(cached), 0, "roles_swapped"
        if draw < 0.92:
            near = _NEAR if verb[0] in _NEAR else {verb[0]}
            other = rng.choice([one for one in _WITH_PASSIVE if one[0] not in near])
            return self._cast(self._told(s, other, o) + place), self._cast(cached), 0, "roles_verb"
        stranger = self._being(self._animate, {*s.split(), *o.split()})
        told = self._told(stranger, verb, o) if rng.random() < 0.5 else self._told(s, verb, stranger)
        return self._cast(told + place), self._cast(cached), 0, "roles_other"

    def _clauses(self) -> Pair:
        """Two who do something each: in either order the same, with their deeds exchanged not."""
        rng = self._rng
        a, b = self._two(self._animate)
        one, other = rng.sample(INTRANSITIVE, 2)
        place = self._place()

        def said(first: tuple[str, Group], second: tuple[str, Group]) -> str:
            parts = [first, second]
            if rng.random() < 0.5:
                parts.reverse()
            form: Callable[[tuple[str, Group]], str] = rng.choice([lambda it: f"{it[0]} {it[1][1]}", lambda it: f"{it[0]} is {it[1][2]}"])
            told = rng.choice(_JOINTS).join(form(part) for part in parts)
            return f"{place.strip()}, {told}" if place and rng.random() < 0.3 else told + place

        deeds = rng.choice(one), rng.choice(other)
        cached = said((a, deeds[0]), (b, deeds[1]))
        if rng.random() < 0.5:
            return self._cast(said((a, rng.choice(one)), (b, rng.choice(other)))), self._cast(cached), 1, "roles_clauses"
        return self._cast(said((b, deeds[0]), (a, deeds[1]))), self._cast(cached), 0, "roles_exchanged"

    def _sides(self) -> Pair:
        rng = self._rng
        a, b = self._two(self._main)
        forms, place = rng.choice(_SIDES), self._place()
        cached = rng.choice(forms).format(a=a, b=b) + place
        if rng.random() < 0.5:
            return self._cast(rng.choice(forms).format(a=a, b=b) + place), self._cast(cached), 1, "sides_same"
        return self._cast(rng.choice(forms).format(a=b, b=a) + place), self._cast(cached), 0, "sides_swapped"

    def _told(self, s: str, verb: Group, o: str) -> str:
        form = self._rng.choice(_ACTIVE if self._rng.random() < 0.5 else _PASSIVE)
        return form.format(s=s, o=o, third=verb[1], ing=verb[2], done=verb[3])

    def _together(self, a: str, b: str) -> str:
        return self._rng.choice(_TOGETHER).format(a=a, b=b)

    def _place(self) -> str:
        if self._rng.random() < 0.45:
            return ""
        noun = self._rng.choice(list(PLACES))
        return f" {PLACES[noun]} the {noun[0]}"

    def _two(self, pool: list[Group]) -> tuple[str, str]:
        one = self._being(pool, set())
        return one, self._being(pool, set(one.split()))

    def _being(self, pool: list[Group], not_these: set[str]) -> str:
        """One that surely is none of those: its kind shares no sort of person and no word with theirs."""
        taken = {_sort(group) for group in pool if {*group[0].split()} & not_these}
        while True:
            group = self._rng.choice(pool)
            if _sort(group) not in taken and not {*" ".join(group).split()} & not_these:
                mark = f"{self._rng.choice(_MARKS)} " if self._rng.random() < 0.35 and " " not in group[0] else ""
                told = mark + group[0]
                return article(told) if self._rng.random() < 0.85 else f"the {told}"

    def _cast(self, text: str) -> str:
        text = text[0].upper() + text[1:] if self._rng.random() < 0.6 else text
        return f"{text}." if self._rng.random() < 0.3 else text


def _sort(group: Group) -> str:
    if group in PERSONS:
        return "person " + ("job" if PERSONS[group].endswith("job") else "body")
    return ANIMALS.get(group) or group[0]
