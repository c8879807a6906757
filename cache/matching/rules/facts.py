"""Facts that a prompt pins, as types with the words they came from."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

_NONE: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Fact:
    """`about` is the stem of the thing it binds to ("" when the prompt does not say), `noun` that thing as written."""

    slot: str
    value: str
    about: str = ""
    noun: str = ""
    words: str = ""


@dataclass(frozen=True)
class Slots:
    """All that was read in one prompt. `content` is the content words as stems, in order, synonyms folded. `foreign`: it
    has more function words of other languages than of English, or its words are not English. `written`: as read, in lower case,
    with its signs and without what is to be shown as text."""

    facts: tuple[Fact, ...] = ()
    content: tuple[str, ...] = ()
    stems: frozenset[str] = frozenset()
    plain: str = field(default="", compare=False)
    foreign: bool = False
    written: str = field(default="", compare=False)

    def of(self, slot: str) -> tuple[Fact, ...]:
        return self._by_slot.get(slot, ())

    def values(self, slot: str) -> frozenset[str]:
        return self._values.get(slot, _NONE)

    # A prompt is read once and compared often: what every comparison asks for is kept.

    @cached_property
    def asked(self) -> frozenset[str]:
        """The content words, each once."""
        return frozenset(self.content)

    @cached_property
    def _by_slot(self) -> dict[str, tuple[Fact, ...]]:
        found: dict[str, list[Fact]] = {}
        for fact in self.facts:
            found.setdefault(fact.slot, []).append(fact)
        return {slot: tuple(facts) for slot, facts in found.items()}

    @cached_property
    def _values(self) -> dict[str, frozenset[str]]:
        return {slot: frozenset(fact.value for fact in facts) for slot, facts in self._by_slot.items()}


@dataclass(frozen=True)
class EventOrder:
    """Two tellings of one thing before another, compared by the words of each event: how many `kept` their place, how many `turned`."""

    kept: int
    turned: int


def compare_order(one: Fact, other: Fact) -> EventOrder:
    """The comparison of two facts of the slot "order", whose values are `words of the first>words of the second`."""
    first, then = (set(part.split()) for part in one.value.split(">"))
    other_first, other_then = (set(part.split()) for part in other.value.split(">"))
    kept = len(first & other_first - then) + len(then & other_then - first)
    return EventOrder(kept, len(first & other_then - then) + len(then & other_first - first))
