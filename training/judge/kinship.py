"""Words too near each other for an edit: put in the other's place, they would not contradict it."""

from __future__ import annotations

from training.judge.scenes import Group

NEAR_PLACES = [
    set(pair.split("/"))
    for pair in [
        "park/garden",
        "park/lawn",
        "field/lawn",
        "river/lake",
        "lake/swimming",
        "pool",
        "street/city",
        "street/alley",
        "dock/harbor",
        "garden/lawn",
        "field/farm",
        "farm/barn",
        "field/snowy",
        "field",
        "park/playground",
        "hill/mountain",
        "ocean/beach",
        "city/market",
        "restaurant/cafe",
        "laboratory/workshop",
        "beach/ocean",
        "office/studio",
        "city/rooftop",
        "street/bridge",
    ]
]
NEAR_VERBS = [
    set(pair.split("/"))
    for pair in [
        "run/jump",
        "sit/rest",
        "lie/rest",
        "lie/sleep",
        "rest/sleep",
        "sit/wait",
        "stand/wait",
        "play/run",
        "smile/laugh",
        "exercise/stretch",
        "exercise/run",
        "chase/follow",
        "work/exercise",
        "hide/wait",
        "kneel/sit",
        "dance/spin",
        "play/dance",
        "lead/follow",
        "help/comfort",
        "touch/hold",
        "show/hold",
        "lift/hold",
        "pick",
        "up/lift",
        "destroy/break",
        "drop/put",
        "down",
        "lift/balance",
        "examine/look",
        "at",
        "attack/bite",
    ]
]
NEAR_TIMES = [
    {"at night", "at midnight"},
    {"in the evening", "at sunset"},
    {"in the morning", "at sunrise"},
    {"in the evening", "at night"},
]


def related(tag: str | None, one: Group, other: Group) -> bool:
    """True if one noun may name what the other names, as "child" may name a boy. `tag` is the kind of being (PERSONS, ANIMALS)."""
    broad = {"child", "teenager", "man", "woman", "dog", "cat", "boy", "girl", "robot", "student", "baby", "toddler"}
    return (
        (one[0] in broad or other[0] in broad)
        and tag is not None
        and not ({one[0], other[0]} <= {"man", "woman", "boy", "girl", "dog", "cat"})
    )
