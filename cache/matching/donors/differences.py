"""The kind of difference between two prompts, as the judge named it: what a donor would have to let go of. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from cache.matching.rules.differences import differences
from cache.matching.rules.facts import Slots
from cache.matching.rules.slots import read
from cache.verdict import Refusal

_DOUBT = 0.5  # own probability under which the verifier's no is no doubt, but another clip

# The measured kind that stands for each slot of the rules. Style goes with shape, counts with colour, directions and the camera with
# motion, which stick soonest. What is not here is unknown: subjects, roles, texts, materials.
_KINDS: dict[str, tuple[str, ...]] = {
    "size": ("size",),
    "shape": ("shape", "style"),
    "colour": ("colour", "count", "number"),
    "motion": (
        "left or right", "up or down", "into or out of", "toward or away", "forward or backward", "clockwise", "grow", "accelerate", "pace",
        "float", "camera move", "camera position", "shot", "speed",
    ),
    "background": ("time of day", "weather", "season", "place"),
}  # fmt: skip
_KIND_OF = {slot: kind for kind, slots in _KINDS.items() for slot in slots}


@dataclass(frozen=True)
class Named:
    """The rules name every difference, and each is of a measured kind."""

    kinds: frozenset[str]


@dataclass(frozen=True)
class Doubted:
    """No rule sees a difference; the verifier takes them for the same with `probability`, which was not enough."""

    probability: float


@dataclass(frozen=True)
class Unknown:
    """Something differs that no curve was measured for."""


Gap = Named | Doubted | Unknown


def gap(new: str, refusal: Refusal) -> Gap:
    """The gap between `new` and the refused clip's prompt. A word on one side alone that no named difference has makes it unknown."""
    if refusal.prompt is None:
        return Unknown()
    asked, there = read(new), read(refusal.prompt)
    found = tuple(differences(asked, there))
    if not found:
        sure = refusal.confidence or 0.0
        return Doubted(sure) if sure >= _DOUBT else Unknown()
    kinds = {_KIND_OF.get(_slot(one)) for one in found}
    if refusal.reason not in found or None in kinds or not _explained(asked, there, found):
        return Unknown()  # a person refused it, or another rule did, or there is more to it
    return Named(frozenset(kind for kind in kinds if kind is not None))


def _slot(reason: str) -> str:
    return reason.partition(":")[0].partition(" of *")[0]


def _explained(asked: Slots, there: Slots, found: Iterable[str]) -> bool:
    ours, theirs = set[str](), set[str]()
    for reason in found:
        here, _, other = reason.partition(": ")[2].partition(" / ")
        slot = _slot(reason)
        ours |= read(here).asked | _stems(asked, slot)
        theirs |= read(other).asked | _stems(there, slot)
    return asked.asked - there.asked <= ours and there.asked - asked.asked <= theirs


def _stems(slots: Slots, slot: str) -> frozenset[str]:
    return read(" ".join(fact.words for fact in slots.of(slot))).asked
