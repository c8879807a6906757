"""A Prompt: the client's words, as sent and in normal form."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import cached_property, lru_cache

from cache.canonical import digest
from cache.errors import Invalid
from cache.key_form import key_form
from cache.visible import visible

LONGEST = 4_000  # characters of a prompt
LONGEST_NEGATIVE = 1_000

# Straight and typographic quotation marks. An apostrophe is not a quotation mark: "a dog's bone".
_QUOTED = re.compile(r"\"[^\"]*\"|“[^”]*”|„[^“”]*[“”]|«[^»]*»|「[^」]*」|『[^』]*』")
_HAN = re.compile("[\u3400-\u9fff]")
_SPACE = re.compile(r"\s+")
_TRAILING = " \t.,;:!?…。、，；：！？"


def check_text(text: str, field: str, longest: int) -> str:
    """`text` unchanged. Raises Invalid, naming `field`: NUL and lone surrogates fit neither PostgreSQL nor UTF-8."""
    if len(text) > longest:
        raise Invalid(field, f"{field} has {len(text)} characters; the limit is {longest}", "string_too_long")
    if "\x00" in text:
        raise Invalid(field, f"{field} contains a NUL character")
    if not text.isascii() and any("\ud800" <= char <= "\udfff" for char in text):
        raise Invalid(field, f"{field} contains a lone surrogate, which is not a character")
    return text


def is_chinese(*texts: str) -> bool:
    """True if any of these has a Chinese character in it."""
    return any(_HAN.search(text) for text in texts)


def normal_form(text: str) -> str:
    """The words as encoders read them: compatibility form (NFKC), lower case outside quotation marks, single spaces, no closing
    punctuation. Coarser than `key_form`: what it folds beyond that, a judge decides. A fixed point, too.
    """
    form = text
    # NFKC after lower() can compose again, and stripping can expose more to strip; each round only shrinks or settles.
    for _ in range(8):
        before, form = form, _one_round(form)
        if form == before:
            break
    return form


def _one_round(text: str) -> str:
    text = unicodedata.normalize("NFKC", text)
    pieces, at = [], 0
    for quoted in _QUOTED.finditer(text):
        pieces += [text[at : quoted.start()].lower(), quoted.group()]
        at = quoted.end()
    pieces.append(text[at:].lower())
    text = unicodedata.normalize("NFKC", "".join(pieces))
    return _SPACE.sub(" ", text).strip().rstrip(_TRAILING).strip()


@dataclass(frozen=True)
class Prompt:
    """A prompt. The model gets `text`, without hidden characters; keys are made of `normal`."""

    text: str

    @classmethod
    def parse(cls, text: str, field: str = "prompt") -> Prompt:
        check_text(text, field, LONGEST)
        prompt = cls(visible(text))
        if not prompt.normal:
            raise Invalid(field, f"{field} is empty", "missing_required_parameter")
        return prompt

    @cached_property
    def normal(self) -> str:
        return key_form(self.text)

    @cached_property
    def digest(self) -> str:
        return digest({"prompt": self.normal})


# Popular prompts recur: one Prompt for the same words computes their normal form once.
parsed = lru_cache(maxsize=4096)(Prompt.parse)
