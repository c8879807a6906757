"""Surprises: the loud additions of a clip, less what only sounds like one: a lipstick in nude, black and white by another name. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator

from cache.matching.rules.additions import additions
from cache.matching.rules.facts import Slots

# A colour of cosmetics, shoes and tights.
_WARES = (
    r"(?:lip|lips|lipsticks?|lipgloss|gloss|make-?up|nails?|polish|eye ?shadows?|foundation|blush|palettes?|shades?|tones?|heels?"
    r"|pumps?|shoes?|sandals?|tights|stockings|nylons|manicure|bras?|colou?rs?|colou?red|pink|beige)"
)
_NUDE_SHADE = re.compile(
    rf"\bnude (?:[\w-]+ ){{0,2}}?{_WARES}\b|\b{_WARES}(?: [\w-]+)?,? (?:in|of|,) (?:an? )?(?:[\w-]+ )?nude\b|\bin nude(?= ?,| ?\.|$| and)"
)
_NUDE = re.compile(r"\bnudes?\b|\bnaked\b|\btopless\b|\bnudity\b|\bnsfw\b|\bundress|\berotic")


# What a clip's prompt says of itself before all else, however long it is.
_BLACK_AND_WHITE = re.compile(
    r"^(?:an? |the )?(?:[\w-]+ ){0,2}?(?:black[- ]and[- ]white|monochrome|greyscale|grayscale) (?:[a-z]+[- ]style |animated )?"
    r"(?:film|video|clip|footage|animation|movie)\b"
)


def surprises(new: Slots, cached: Slots) -> Iterator[str]:
    found = _BLACK_AND_WHITE.search(cached.written)
    if found is not None and "monochrome" not in new.values("style") and not {"black", "whit"} <= new.stems:
        yield f"style: not asked for / {found.group()}"
    for reason in additions(new, cached):
        kind = reason.partition(":")[0]
        if kind == "style" and new.values("style") & cached.values("style"):
            continue  # asked for by another of its names
        if kind == "nudity" and len(_NUDE_SHADE.findall(cached.written)) == len(_NUDE.findall(cached.written)):
            continue
        yield reason
