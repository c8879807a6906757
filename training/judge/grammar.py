"""Scenes with known facts, told in many ways: exact labels for what a judge must tell apart."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from training.judge import vocabulary as v
from training.judge.drawing import Drawing
from training.judge.scenes import (
    AFTER,
    ANIMALS,
    BEFORE,
    CAMERAS,
    COUNTS,
    ELABORATIONS,
    PERSONS,
    STYLES,
    WIDER,
    Being,
    Group,
    Scene,
    article,
    changed,
    plural,
)


class Teller(Drawing):
    """Draws scenes, tells them, widens and edits them."""

    def group(self, words: Group) -> str:
        return self.rng.choice(words) if self.maybe(0.55) else words[0]

    def noun(self, being: Being, definite: bool = False) -> str:
        rng = self.rng
        base = being.wider or self.group(being.noun)
        parts = []
        after = ""
        adjectives = []
        if being.mood:
            adjectives.append(self.group(being.mood))
        if being.look:
            adjectives.append(self.group(being.look))
        if being.colour:
            adjectives.append(being.colour)
        colour, worn = being.wear
        if worn:
            what = self.group(worn)
            bare = what in v.PLURALS
            piece = f"{colour} {what}".strip()
            named = piece if bare else article(piece)
            after = rng.choice(
                [
                    f"wearing {named}",
                    f"in {named}",
                    f"with {named}",
                    f"dressed in {named}" if not bare else f"wearing {named}",
                    f"who {'are' if being.count > 1 else 'is'} wearing {named}",
                ]
            )
        if len(adjectives) == 1 and being.count == 1 and not after and self.maybe(0.08):
            after, adjectives = f"that is {adjectives[0]}", []
        parts = [*adjectives, plural(base) if being.count > 1 else base]
        told = " ".join(parts)
        if being.count > 1:
            told = f"{rng.choice(COUNTS[being.count])} {told}"
        elif definite or self.maybe(0.12):
            told = f"the {told}"
        else:
            told = article(told)
        return f"{told} {after}".strip()

    def clause(self, scene: Scene, mode: str) -> str:
        rng = self.rng
        verb = rng.choice(scene.verb) if self.maybe(0.5) else scene.verb[0]
        many = scene.subject.count > 1
        be = "are" if many else "is"
        subject = self.noun(scene.subject)
        target = self.noun(scene.target) if scene.target else ""
        manner = self.group(scene.manner) if scene.manner else ""
        no = " not" if scene.negative else ""
        told = ""
        passive = scene.target is not None and len(verb) > 3 and verb[3] != "-" and not scene.second and self.maybe(0.3)
        if passive and scene.target is not None:
            tbe = "are" if scene.target.count > 1 else "is"
            if mode == "participle":
                told = f"{target}{' not' if no else ''} being {verb[3]} by {subject}"
            else:
                told = f"{target} {tbe}{no} {rng.choice(['being ', ''])}{verb[3]} by {subject}"
            if (manner and " " not in manner) or manner:
                told += f" {manner}"
        else:
            if mode == "progressive":
                told = f"{subject} {be}{no} {verb[2]}"
            elif mode == "simple":
                told = f"{subject} {('do' if many else 'does') + ' not ' + verb[0] if no else (verb[0] if many else verb[1])}"
            elif mode == "relative":
                told = f"{subject} who {be}{no} {verb[2]}" if scene.subject.sort == "person" else f"{subject} that {be}{no} {verb[2]}"
            else:
                told = f"{subject}{no} {verb[2]}"
            told += f" {target}" if target else ""
            told += f" {manner}" if manner else ""
        if scene.spot:
            told += f" {self.group(scene.spot[0])} {self.noun(scene.spot[1])}"
        if scene.direction:
            told += f" {self.group(scene.direction)}"
        if scene.text:
            sign = rng.choice(
                [f'next to a sign that reads "{scene.text}"', f'beside a "{scene.text}" sign', f'by a sign saying "{scene.text}"']
            )
            told += f" {sign}"
        if scene.without:
            told += f" without {article(self.group(scene.without)) if self.maybe(0.7) else 'any ' + plural(self.group(scene.without))}"
        if scene.second:
            kind, second = scene.second
            form = rng.choice(second)
            if kind == "then":
                told += rng.choice(
                    [
                        f", then {form[2] if mode == 'participle' else (form[0] if many else form[1])}",
                        f" and then {form[2]}" if mode != "simple" else f" and then {form[0] if many else form[1]}",
                        f" before {form[2]}",
                    ]
                )
            else:
                told += f" while {form[2]}"
        return told

    def tell(self, scene: Scene) -> str:
        rng = self.rng
        mode = rng.choices(["progressive", "simple", "participle", "relative"], [5, 6, 4, 0.6])[0]
        core = self.clause(scene, mode)
        before: list[str] = []
        after: list[str] = []
        tags: list[str] = []
        prefix = ""
        if scene.place:
            spot = self.group(scene.place[0])
            place = f"{scene.place[1]} {rng.choice([article(spot), f'the {spot}', f'the {spot}'])}"
            place = place.replace(" an outer space", " outer space").replace(" the outer space", " outer space")
            [before, after, after, tags][rng.choices(range(4), [2, 3, 3, 1])[0]].append(place)
        for words in (scene.time, scene.weather):
            if words:
                said = self.group(words)
                adverb = said.split()[0] in {"at", "in", "on", "during", "as", "while", "under"}
                if adverb:
                    [before, after, tags][rng.choices(range(3), [2, 3, 2])[0]].append(said)
                else:
                    tags.append(said)
        for words in (scene.light, scene.extra):
            if words:
                tags.append(self.group(words))
        for row, _kind in (
            (CAMERAS[scene.camera] if scene.camera >= 0 else None, "camera"),
            (STYLES[scene.style] if scene.style >= 0 else None, "style"),
        ):
            if row is None:
                continue
            if len(row) > 1 and row[1] and not prefix and self.maybe(0.4):
                prefix = rng.choice(row[1])
            else:
                tags.append(rng.choice(row[0]))
        rng.shuffle(tags)
        told = " ".join([core, *after])
        if before:
            told = f"{' '.join(before)}, {told}"
        elif mode in {"participle", "progressive"} and not prefix and self.maybe(0.08):
            told = f"there {'are' if scene.subject.count > 1 else 'is'} {told}" if mode == "participle" else told
        if prefix and mode in {"participle", "relative"}:
            told = f"{prefix} {told}"
        elif prefix:
            told = f"{prefix.removesuffix(' of')}: {told}"
        elif mode == "participle" and self.maybe(0.2):
            told = f"{rng.choice(BEFORE)} {told}"
        if tags and self.maybe(0.25):
            cut = rng.randint(1, len(tags))
            told = ", ".join([*tags[:cut], told, *tags[cut:]])
        elif tags:
            told = ", ".join([told, *tags])
        if self.maybe(0.12):
            told = f"{told}, {rng.choice(AFTER)}"
        if self.maybe(0.04):
            told = told.replace(" a ", " ").replace(" the ", " ")
        if self.maybe(0.7):
            told = told[0].upper() + told[1:]
        if self.maybe(0.4):
            told += "."
        return told

    def tell_at_length(self, scene: Scene) -> str:
        told = self.tell(scene).rstrip(".") + "."
        told = told[0].upper() + told[1:]
        sentences = self.rng.sample(ELABORATIONS, self.rng.randint(1, 4))
        return " ".join([told, *sentences] if self.maybe(0.8) else [sentences[0], told, *sentences[1:]])

    # -- widening: the result holds wherever the scene does

    def widen(self, scene: Scene) -> Scene | None:
        moves: list[Callable[[], Scene]] = []

        def put(told: Scene, **fields: object) -> Callable[[], Scene]:
            return lambda: changed(told, **fields)

        for name in ("time", "weather", "light", "extra", "manner", "direction", "without"):
            if getattr(scene, name):
                moves.append(put(scene, **{name: ()}))
        if scene.place:
            moves.append(lambda: replace(scene, place=None))
        if scene.spot:
            moves.append(lambda: replace(scene, spot=None))
        if scene.camera >= 0:
            moves.append(lambda: replace(scene, camera=-1))
        if scene.second:
            moves.append(lambda: replace(scene, second=None))
        if scene.text:
            moves.append(lambda: replace(scene, text=""))
        for role in ("subject", "target"):
            being: Being | None = getattr(scene, role)
            if being is None:
                continue
            for name, none in (("colour", ""), ("look", ()), ("mood", ()), ("wear", ("", ()))):
                if getattr(being, name) and getattr(being, name) != ("", ()):
                    moves.append(put(scene, **{role: changed(being, **{name: none})}))
            tag = PERSONS.get(being.noun) or ANIMALS.get(being.noun)
            wider = [word for word in WIDER.get(tag or "", ()) if word not in being.noun]
            if wider and not being.wider:
                moves.append(put(scene, **{role: replace(being, wider=self.rng.choice(wider))}))
        return self.rng.choice(moves)() if moves else None
