"""Text without characters that nobody sees, so that key, model and judge read the same words as a person. Pure."""

from __future__ import annotations

import re
import unicodedata

# Unicode's default-ignorable characters but for joiners, tags and variation selectors; and control characters that are no space.
_HIDDEN = re.compile(
    "[\x01-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180e\u200b\u200e\u200f\u202a-\u202e"
    "\u2060-\u206f\u3164\ufeff\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e001f\U000e0080-\U000e0fff]"
)
_TAGS = re.compile("(\U0001f3f4[\U000e0020-\U000e007f]+)|[\U000e0020-\U000e007f]+")  # flags of regions are spelt with tags
_JOINER = re.compile("[\u200c\u200d]")
_SELECTORS = "\ufe0e\ufe0f"
_PICTURES = {"So", "Sk"}  # emoji, and the colours of their skin
# Scripts whose letters a joiner shapes, by the first word of their Unicode names.
_SHAPED = frozenset(
    [
        "ARABIC",
        "SYRIAC",
        "MANDAIC",
        "NKO",
        "DEVANAGARI",
        "BENGALI",
        "GURMUKHI",
        "GUJARATI",
        "ORIYA",
        "TAMIL",
        "TELUGU",
        "KANNADA",
        "MALAYALAM",
        "SINHALA",
        "KHMER",
        "MYANMAR",
        "MONGOLIAN",
        "TIBETAN",
        "BALINESE",
        "JAVANESE",
    ]
)


def visible(text: str) -> str:
    """`text` without zero-width characters, tags, marks of direction, soft hyphens and controls. Joiners stay where a script or an
    emoji needs them, tags in the flags that are spelt with them.
    """
    if text.isascii() and text.isprintable():
        return text
    text = _TAGS.sub(lambda found: found[1] or "", _HIDDEN.sub("", text))
    return _JOINER.sub(lambda found: found[0] if _joins(text, found.start()) else "", text)


def _joins(text: str, at: int) -> bool:
    before, after = text[:at].rstrip(_SELECTORS)[-1:], text[at + 1 : at + 2]
    if not before or not after:
        return False
    if unicodedata.category(before) in _PICTURES:
        return unicodedata.category(after) in _PICTURES
    return unicodedata.name(before, "").split(" ")[0] in _SHAPED
