"""The two marks that our own sentences carry, `*thing*` in a reason and `` `word` `` in a setting's meaning, as HTML.
Filters of the templates by the same names; everything else in the words is text.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from markupsafe import Markup, escape

_THING = re.compile(r"\*([^*]+)\*")
_WORD = re.compile(r"`([^`]+)`")


def things(reason: str) -> Markup:
    """colour of *ball*: the ball in italics."""
    return Markup(_THING.sub(r"<em>\1</em>", str(escape(reason))))  # noqa: S704  # escaped before


def words(meaning: str) -> Markup:
    """What one types, as code."""
    return Markup(_WORD.sub(r"<code>\1</code>", str(escape(meaning))))  # noqa: S704  # escaped before


FILTERS: dict[str, Callable[..., str]] = {"things": things, "words": words}
