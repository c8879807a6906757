"""Scenes drawn at random: who, what, where, and how it is shown."""

from __future__ import annotations

from dataclasses import replace

from training.judge import vocabulary as v
from training.judge.editing import Edits
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


class Drawing(Edits):
    """Draws scenes from the tables; each fact is there by a chance of its own."""

    def being(self, sort: str | None = None, rich: float = 0.4) -> Being:
        rng = self.rng
        sort = sort or rng.choices(["person", "animal", "vehicle", "thing"], [5, 4, 1, 2])[0]
        noun = rng.choice({"person": list(PERSONS), "animal": list(ANIMALS), "vehicle": VEHICLES, "thing": THINGS}[sort])
        being = Being(noun, sort, rng.choice(list(COUNTS)) if self.maybe(0.18) else 1)
        if sort != "person" and self.maybe(rich):
            being = replace(being, colour=rng.choice(v.COLOURS))
        if sort != "person" and self.maybe(rich * 0.6):
            being = replace(being, look=rng.choice(LOOKS))
        if sort in {"person", "animal"} and self.maybe(rich * 0.35):
            being = replace(being, mood=rng.choice(MOODS))
        if sort == "person" and self.maybe(rich):
            being = replace(being, wear=(rng.choice(v.COLOURS) if self.maybe(0.75) else "", rng.choice(WEAR)))
        return being

    def scene(self) -> Scene:
        rng = self.rng
        subject = self.being()
        target = None
        if subject.sort == "vehicle":
            verb = rng.choice(DRIVE)
        elif subject.sort == "thing":
            verb = rng.choice([(("stand", "stands", "standing"),), (("lie", "lies", "lying"),), (("fall", "falls", "falling"),), (("float", "floats", "floating"),), (("rotate", "rotates", "rotating"), ("spin", "spins", "spinning")), (("burn", "burns", "burning"),)])  # fmt: skip
        elif self.maybe(0.4):
            verb = rng.choice(INTRANSITIVE)
        elif self.maybe(0.45):
            verb, target = rng.choice(BETWEEN), self.being(rng.choice(["person", "animal"]), 0.3)
        else:
            verb, target = rng.choice(TRANSITIVE), self.being(rng.choice(["thing", "thing", "thing", "vehicle"]))
        scene = Scene(subject, verb, target)
        if target is not None and target.noun == subject.noun:
            scene = replace(scene, target=None, verb=rng.choice(INTRANSITIVE))
        if scene.target is None and self.maybe(0.3):
            scene = replace(scene, spot=(rng.choice(RELATIONS), replace(self.being(rng.choice(["thing", "vehicle", "animal"])), count=1)))
        if scene.target is None and scene.spot is None and subject.sort != "thing" and self.maybe(0.35):
            scene = replace(scene, direction=rng.choice(DIRECTIONS))
        for name, chance, pool in (
            ("manner", 0.12, MANNERS),
            ("time", 0.22, TIMES),
            ("weather", 0.12, WEATHERS),
            ("light", 0.08, LIGHTS),
            ("extra", 0.15, EXTRAS),
        ):
            if self.maybe(chance):
                scene = changed(scene, **{name: rng.choice(pool)})
        if self.maybe(0.5):
            noun = rng.choice(list(PLACES))
            scene = replace(scene, place=(noun, PLACES[noun]))
        if self.maybe(0.28):
            scene = replace(scene, camera=rng.randrange(len(CAMERAS)))
        if self.maybe(0.16):
            scene = replace(scene, style=rng.randrange(len(STYLES)))
        if subject.sort in {"person", "animal"} and self.maybe(0.15):
            scene = replace(scene, second=(rng.choice(["then", "while", "then"]), rng.choice(INTRANSITIVE)))
        if self.maybe(0.04):
            scene = replace(scene, text=rng.choice(TEXTS))
        if self.maybe(0.04):
            scene = replace(scene, negative=True)
        if self.maybe(0.04):
            scene = replace(scene, without=rng.choice(WEAR if subject.sort == "person" else THINGS))
        return scene
