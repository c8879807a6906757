"""The two marks in our own sentences, `*thing*` in a reason and `` `word` `` in a setting's meaning, as HTML.
Template filters of the same names; all other text is escaped.
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


def with_code(meaning: str) -> Markup:
    """Words between backticks as `<code>`."""
    return Markup(_WORD.sub(r"<code>\1</code>", str(escape(meaning))))  # noqa: S704  # escaped before


FILTERS: dict[str, Callable[..., str]] = {"things": things, "words": with_code}
