"""Words that ask for nothing to be seen: tags of quality, politeness, "create a video of". Pure."""

from __future__ import annotations

import re

from cache.matching.reading.flaws import is_flaw
from cache.matching.rules.lexicon import listed

# A part between commas is dropped where every word of it stands here. None of them is a count, a length, a shape or a style.
_QUALITY = listed(
    """
    masterpiece masterpieces best high highest top quality ultra hyper super highly extremely insanely incredibly very detailed detail details
    hyperdetailed ultradetailed ultra-detailed hyper-detailed highly-detailed realistic hyperrealistic hyper-realistic ultrarealistic
    ultra-realistic photorealistic photo-realistic sharp focus intricate award winning award-winning awardwinning trending on artstation
    4k 8k 16k 4 8 k uhd hd hdr ultra-hd full-hd full 1080p 720p 2160p resolution highres high-res high-resolution hires absurdres
    cinematic professional stunning beautiful amazing gorgeous breathtaking epic crisp dslr hq
    """
)
_ALONE = _QUALITY - listed("4 8 k full top on focus high very best super sharp detail details")
_WORD = re.compile(r"[\w-]+")
_PART = re.compile(r"\s*([,;])\s*")
_PLAIN = (
    r"(?:(?:short|quick|nice|cool|new|beautiful|stunning|amazing|realistic|high[- ]quality|hd|4k|8k|cinematic|great|good|professional)\s+)*"
)
_FILM = r"(?:video clip|video|clip|vid|footage|film clip|movie clip)"
_ASKING = r"(?:make|create|generate|render|produce|show|give|draw|film|design|build|gimme)"
_GREETING = re.compile(r"^(?:hi|hello|hey|yo|dear ai)(?: there)?\s*[,.!]+\s*", re.IGNORECASE)
_REQUEST = re.compile(
    rf"^(?:please,?\s+)?(?:(?:can|could|would|will) (?:you|u) (?:please |kindly |pls )?{_ASKING}|(?:i|we)(?:'d| would)? (?:want|need|like|wish)(?: to see| to have| you to {_ASKING})?"
    rf"|{_ASKING})(?:\s+(?:me|us|for me))?(?:\s+please)?\s*(?=(?:an?|the|some)\s+(?:[\w-]+\s+){{0,6}}{_FILM}\b|{_PLAIN}{_FILM}\b)",
    re.IGNORECASE,
)
_WISH = re.compile(
    r"^(?:please,?\s+)?(?:i(?:'d| would)? (?:want|like|love|need) to see|show me|imagine|picture this:|visuali[sz]e|let me see|i want a scene (?:of|where|with))\s+(?=\w)",
    re.IGNORECASE,
)
_OF = re.compile(
    rf"^(?:(?:an?|the|this|some)\s+)?{_PLAIN}{_FILM}\s*(?:of|:|where|showing|that shows|which shows|in which|shows|depicts|depicting|features|featuring|about)\s+(?=\S)",
    re.IGNORECASE,
)
_THANKS = re.compile(
    r"[\s,.!]*\b(?:thanks(?: a lot| so much| in advance)?|thank you(?: very much| so much)?|thx|pls|please)[\s.!]*$", re.IGNORECASE
)


def without_filler(text: str) -> str:
    """`text` without what asks for nothing; as it is where nothing else would be left."""
    rest = _THANKS.sub("", _GREETING.sub("", text))
    rest = _OF.sub("", _WISH.sub("", _REQUEST.sub("", rest)))
    if "," in rest or ";" in rest:
        rest = _untagged(rest)
    return rest if any(char.isalnum() for char in rest) else text


def _untagged(text: str) -> str:
    pieces = _PART.split(text)  # part, mark, part, mark, ..., part
    kept: list[str] = []
    for at in range(0, len(pieces), 2):
        if is_tag(pieces[at]):
            if kept and at + 1 >= len(pieces):
                kept.pop()  # the mark before it
            continue
        kept += pieces[at : at + 2]
    if len(kept) == len(pieces):
        return text
    if len(kept) % 2 == 0 and kept:
        kept.pop()
    return "".join(f"{piece} " if piece in {",", ";"} else piece for piece in kept)


def is_tag(part: str) -> bool:
    """True if every word of this part says how good the picture is, or which flaws it must not have, and nothing of what it shows."""
    if is_flaw(part.strip(" .")):
        return True
    found = _WORD.findall(part.lower())
    return bool(found) and all(word in _QUALITY for word in found) and (len(found) > 1 or found[0] in _ALONE)
