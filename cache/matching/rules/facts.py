"""What a prompt pins, as typed facts with the words they came from."""

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
    has more function words of other languages than of English."""

    facts: tuple[Fact, ...] = ()
    content: tuple[str, ...] = ()
    stems: frozenset[str] = frozenset()
    plain: str = field(default="", compare=False)
    foreign: bool = False

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
