"""What a prompt pins, as typed facts with the words they came from."""

from __future__ import annotations

from dataclasses import dataclass, field


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
    """All that was read in one prompt. `content` is the content words as stems, in order, synonyms folded."""

    facts: tuple[Fact, ...] = ()
    content: tuple[str, ...] = ()
    stems: frozenset[str] = frozenset()
    plain: str = field(default="", compare=False)

    def of(self, slot: str) -> tuple[Fact, ...]:
        return tuple(fact for fact in self.facts if fact.slot == slot)

    def values(self, slot: str) -> frozenset[str]:
        return frozenset(fact.value for fact in self.facts if fact.slot == slot)
