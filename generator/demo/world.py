"""The check that a prompt stays within the demo world: one or two moving shapes before a simple background.

No torch here: a running server imports this file to warn about prompts that the demo model cannot follow.
"""

from __future__ import annotations

import re

from generator.demo.words import LEXICON, SHAPE_NOUNS


def demo_knows(prompt: str) -> bool:
    """True if the prompt names a shape of this world and nothing that the model has never seen.

    Adverbs pass ("merrily"): they change nothing that the model could get wrong.
    """
    return not strange_words(prompt) and bool(_NOUNS & set(_words(prompt)))


def strange_words(prompt: str) -> tuple[str, ...]:
    """The words of the prompt that lie outside the demo world, in order, each once."""
    return tuple(dict.fromkeys(w for w in _words(prompt) if w not in LEXICON and not w.endswith("ly")))


def _words(prompt: str) -> list[str]:
    # \w counts every script, so a prompt in another language is made of strange words, not of none.
    return re.findall(r"[^\W_]+", prompt.lower().replace("'", "").replace("\u2019", ""))


_NOUNS = SHAPE_NOUNS | {noun + "s" for noun in SHAPE_NOUNS} | {"boxes", "rhombuses"}
