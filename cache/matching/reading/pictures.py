"""Emoji by their names, and the stray foreign letter that a prompt extender leaves in English. Pure."""

from __future__ import annotations

import re

import emoji

_FOREIGN_RUN = re.compile(r"\s?[\u0400-\u04ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]+\s?")
_LATIN = re.compile(r"[A-Za-z]{2,}")
_ENOUGH = 12  # English words beside which a foreign letter or two are a slip
_STRAY = 2  # letters
_FACE = re.compile(r"(?<![^\W_])(?:face|symbol|selector)(?![^\W_])|[-_]")


def named(text: str) -> str:
    """`text` with each emoji as the words of its name, once, where it does not say the same already."""
    if text.isascii():
        return text
    found = emoji.emoji_list(text)
    if not found:
        return text
    said = set(re.findall(r"\w+", emoji.replace_emoji(text, " ").lower()))
    parts, at = [], 0
    for one in found:
        parts.append(text[at : one["match_start"]])
        at = one["match_end"]
        name = " ".join(_FACE.sub(" ", emoji.demojize(one["emoji"], delimiters=("", "")).replace("’", "'")).split()) or "face"
        if not all(_told(word, said) for word in name.lower().split()):
            parts.append(f" {name} ")
            said.update(name.lower().split())
        else:
            parts.append(" ")
    return "".join([*parts, text[at:]])


def named_in_chinese(text: str) -> str:
    """`text` with each emoji as its Chinese name, where it does not say the same already."""
    found = emoji.emoji_list(text)
    rest = emoji.replace_emoji(text, "") if found else text
    for one in reversed(found):
        name = emoji.demojize(one["emoji"], delimiters=("", ""), language="zh").removesuffix("脸").replace("_", "")
        text = text[: one["match_start"]] + (f",{name}," if name and name not in rest else "") + text[one["match_end"] :]
    return text


def _told(word: str, said: set[str]) -> bool:
    return word in said or any(len(other) > 3 and word.startswith(other) for other in said)


def without_stray(text: str) -> str:
    """`text` without one or two letters of another script in the midst of English."""
    if text.isascii():
        return text
    runs = _FOREIGN_RUN.findall(text)
    if len(runs) != 1 or len(runs[0].strip()) > _STRAY or len(_LATIN.findall(text)) < _ENOUGH:
        return text
    return _FOREIGN_RUN.sub(" ", text)


def is_of_another_script(text: str) -> bool:
    """True if more than a stray letter is Chinese, Japanese, Korean or Cyrillic."""
    return not text.isascii() and _FOREIGN_RUN.search(without_stray(text)) is not None
