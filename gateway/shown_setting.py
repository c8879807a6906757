"""A setting as people may see it: its value, where that came from, and what it means. Secrets never leave."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

from cache.settings import PREFIX, Settings

HIDDEN = "(hidden)"
# A user, and perhaps a password, in a URL. Up to the last @, for whoever forgot to encode one, or a slash, in a password.
_NAMED = re.compile(r"(?<=//)\S*@")
# What drivers take as parameters of a URL, too.
_PARAMETER = re.compile(r"([?&][^=&#\s]*(?:user|pass|secret|token|key)[^=&#\s]*=)[^&#\s]*", re.IGNORECASE)


@dataclass(frozen=True)
class ShownSetting:
    """`value` is "set" for a secret that there is, and empty for nothing. `source` is "environment", a file's name, or "default"."""

    name: str
    value: str
    default: str
    source: str
    secret: bool
    meaning: str


def shown(settings: Settings) -> list[ShownSetting]:
    """Secrets, and those inside URLs, are left out."""
    found = []
    for name, field in Settings.model_fields.items():
        secret = not field.repr
        value = getattr(settings, name)
        words = ("set" if value else "") if secret else masked(value_text(value))
        default = "" if secret else value_text(field.default)
        found.append(
            ShownSetting(PREFIX + name.upper(), words, default, settings.came_from.get(name, "default"), secret, field.description or "")
        )
    return found


def masked(words: str) -> str:
    """Without users, passwords and keys inside URLs."""
    return _PARAMETER.sub(rf"\g<1>{HIDDEN}", _NAMED.sub(f"{HIDDEN}@", words))


def value_text(value: object) -> str:
    """As one would write it into the environment; empty for nothing."""
    if value is None or value in ("", (), {}):
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        return json.dumps(dict(value), ensure_ascii=False)
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
