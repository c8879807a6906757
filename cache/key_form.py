"""The key form of a prompt: its words without what cannot mean anything. Pure."""

from __future__ import annotations

import re
import unicodedata

# What stands in quotation marks of any kind is a text to be shown. An apostrophe is no quotation mark: "a dog's bone".
_QUOTED = re.compile(r""""[^"]*"|«[^»]*»|‹[^›]*›|「[^」]*」|『[^』]*』|`[^`]*`|(?<!\w)'[^']*'(?!\w)""")
_SAME_MARK = str.maketrans("“”„‘’‚", "\"\"\"'''")  # the shape of a mark says nothing
_SPACE = re.compile(r"\s+")
CLOSING = " \t.,;:!?…。、，；：！？․‥‼⁇⁈⁉"
_WORD = re.compile(r"[^\W\d_]+(?:['-][^\W\d_]+)*")
# Where a capital says no more than that a sentence begins.
_BEGINNING = re.compile(r"(?:^|[.!?:;。！？：；(\[]\s*)([^\W\d_]+)")
_LONG = 4  # letters of a word that a title writes with a capital
_TITLE = 3  # so many of them, of which hardly one is without, make a title


def key_form(text: str) -> str:
    """The text that an exact key is made of. A fixed point: key_form(key_form(t)) == key_form(t).

    Folded are canonical Unicode form, full and half width, the shape of quotation marks, spacing, closing punctuation, and capitals
    where a sentence begins or where all words have them. Kept are other capitals (a Jaguar is no jaguar), everything in
    quotation marks, and raised or lowered figures (10⁶ is not 106).
    """
    form = text
    # One folding can expose more to fold; each round only shrinks or settles.
    for _ in range(8):
        before, form = form, _one_round(form)
        if form == before:
            break
    return form


def _one_round(text: str) -> str:
    if not text.isascii():
        text = unicodedata.normalize("NFC", "".join(map(_width, text))).translate(_SAME_MARK)
    text = _SPACE.sub(" ", text).strip().rstrip(CLOSING).strip()
    capitals = _all_capitals(_QUOTED.sub(" ", text))
    parts, at = [], 0
    for quoted in [*_QUOTED.finditer(text), None]:
        said = text[at:] if quoted is None else text[at : quoted.start()]
        if capitals:
            said = said.lower()
        elif at == 0:
            said = _BEGINNING.sub(lambda found: found[0][: -len(found[1])] + _begun(found[1]), said)
        parts.append(said)
        if quoted is not None:
            parts.append(quoted.group())
            at = quoted.end()
    return unicodedata.normalize("NFC", "".join(parts))


def _width(char: str) -> str:
    """Full-width, half-width, small and vertical forms as the character that they are."""
    if unicodedata.decomposition(char).startswith(("<wide>", "<narrow>", "<small>", "<vertical>")):
        return unicodedata.normalize("NFKC", char)
    return char


def _begun(word: str) -> str:
    """In lower case, unless it has capitals inside as well: "iPhone", "NASA"."""
    return word.lower() if word[1:] == word[1:].lower() else word


def _all_capitals(text: str) -> bool:
    """True if it is written in capitals, or like a title: then they tell no name from a thing."""
    cased = [word for word in _WORD.findall(text) if word.lower() != word.upper()]
    if len(cased) > 1 and all(word == word.upper() for word in cased) and any(len(word) >= _LONG for word in cased):
        return True
    long = [word for word in cased if len(word) >= _LONG]
    return len(long) >= _TITLE and sum(word[0] != word[0].lower() for word in long) >= len(long) - len(long) // 5
