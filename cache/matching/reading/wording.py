"""A prompt as encoder, rules and verifier read it. Pure."""

from __future__ import annotations

import re
from functools import lru_cache

from cache.matching.reading.chinese import plain_chinese, reads_as_chinese
from cache.matching.reading.filler import without_filler
from cache.matching.reading.flags import spoken
from cache.matching.reading.markup import unmarked
from cache.matching.reading.pictures import is_of_another_script, named, without_stray
from cache.matching.reading.shots import in_order
from cache.matching.reading.spelling import corrected
from cache.matching.reading.structure import as_sentences

READING = "r4"  # raise it when anything in this folder changes what is read: vectors of two readings must not meet
QUOTED = re.compile(r"\"[^\"]+\"|“[^”]+”|„[^“”]+[“”]|«[^»]+»|「[^」]+」|『[^』]+』|(?<![\w'])'[^']{2,}'(?![\w'])")
_HELD = 0xE000  # a quotation stands as one character of the private use area while its surroundings are read
_MOST = 256
_PRIVATE = re.compile("[\ue000-\uf8ff]")
_PEOPLE = re.compile(r"\b(\d{1,2})(boys?|girls?|man|men|woman|women|people|person|other|others|cats?|dogs?)\b", re.IGNORECASE)
_SPACE = re.compile(r"\s+")
_MARKS = re.compile(r"\s+([,.;!?])(?=\s|$)|([,;])(?:\s*[,;])+|([.!?])\s*[,;]+(?=\s)")
_ROUNDS = 8


@lru_cache(maxsize=32_768)
def as_read(text: str) -> str:
    """The prompt in plain words, without what asks for nothing. A fixed point: as_read(as_read(t)) == as_read(t).

    Text in quotation marks stays as it is, and so does a prompt in another script than Latin and Chinese.
    Facts stay, whatever form they were typed in: aspect
    ratio, length, "no text", counts.
    """
    seen = [text]
    for _ in range(_ROUNDS):
        form = _one_round(seen[-1])
        if form == seen[-1]:
            return form
        if form in seen:
            return min(seen[seen.index(form) :], key=lambda one: (len(one), one))
        seen.append(form)
    return seen[-1]


def _one_round(text: str) -> str:
    other = is_of_another_script(text)
    if _PRIVATE.search(text) or (other and not reads_as_chinese(text)):
        return text
    quoted: list[str] = []
    form = as_sentences(text) if text.lstrip()[:1] in {"{", "[", "`"} else text
    if other:
        form = plain_chinese(QUOTED.sub(lambda found: _held(found.group(), quoted), form)).strip(",;、 ")
        return _said(form, quoted, text)
    form = QUOTED.sub(lambda found: _held(found.group(), quoted), form)
    form = named(without_stray(form))
    form = unmarked(in_order(spoken(as_sentences(form))))
    form = corrected(_PEOPLE.sub(r"\1 \2", without_filler(form)))
    form = _MARKS.sub(lambda found: found[1] or found[2] or found[3], _SPACE.sub(" ", form)).strip().lstrip(",;. ").rstrip(",; ")
    return _said(form, quoted, text)


def _said(form: str, quoted: list[str], text: str) -> str:
    """`form` with its quotations again, or `text` where nothing is left."""
    form = _PRIVATE.sub(lambda found: quoted[ord(found.group()) - _HELD] if ord(found.group()) - _HELD < len(quoted) else "", form)
    return form if any(char.isalnum() for char in form) else text


def _held(shown: str, quoted: list[str]) -> str:
    if len(quoted) == _MOST:
        return shown
    quoted.append(shown)
    return chr(_HELD + len(quoted) - 1)
