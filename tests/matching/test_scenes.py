"""The grammar that trains the verifier: the same seed tells the same, and an edit is never the scene itself."""

from __future__ import annotations

import random

from cache.matching.rules.slots import difference, read
from training.judge.grammar import Teller


def test_one_seed_one_story() -> None:
    def told(seed: int) -> list[str]:
        teller = Teller(random.Random(seed))
        return [teller.tell(teller.scene()) for _ in range(50)]

    assert told(3) == told(3)
    assert told(3) != told(4)


def test_edits_change_the_scene_and_widening_drops_a_fact() -> None:
    teller = Teller(random.Random(5))
    for _ in range(500):
        scene = teller.scene()
        assert teller.edit(scene)[1] != scene
        wider = teller.widen(scene)
        assert wider != scene


def test_rules_and_grammar_agree_on_the_same_scene() -> None:
    """Two tellings of one scene are alike; a rule that parts more than one in twenty has gone astray."""
    teller = Teller(random.Random(7))
    scenes = [teller.scene() for _ in range(400)]
    parted = [scene for scene in scenes if difference(read(teller.tell(scene)), read(teller.tell(scene)))]
    assert len(parted) <= len(scenes) // 20
