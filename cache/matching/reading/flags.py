"""Flags of other tools as plain words: `--ar 16:9` is "aspect ratio 16:9", `--no text` is "no text". Pure."""

from __future__ import annotations

import re

from cache.matching.reading.flaws import not_shown

_NAMES = {
    "aspect": "ar aspect aspect_ratio aspect-ratio ratio",
    "negative": "no neg negative negative_prompt negative-prompt n",
    "rate": "fps framerate frame_rate",
    "seconds": "duration dur length seconds",
    "camera": "camera cam",
    "style": "style",
    "loop": "loop",
    "motion": "motion",
    "resolution": "resolution res size",
    "anime": "niji",
    # How a tool renders, and nothing that is seen.
    "": "v version s stylize stylise q quality seed chaos c weird iw sw cw cfg gs guidance steps hd upbeta fast relax turbo stop"
    " draft repeat r sampler p profile test uplight",
}
_MEANT = {name: meaning for meaning, names in _NAMES.items() for name in names.split()}
_FREE = {"negative", "camera", "style"}  # their words go on up to the next flag
_SPELT = "|".join(sorted(map(re.escape, _MEANT), key=len, reverse=True))
# One dash is enough for names that are no words.
_FLAG = re.compile(rf"(?:^|(?<=[\s,.]))(?:(?:--|[—–])({_SPELT})|-(ar|motion|fps|neg|gs|seed))(?![\w-])[ =:]*", re.IGNORECASE)
_VALUE = re.compile(r"-?[\w.:/x]*[\w]")


def spoken(text: str) -> str:
    """`text` with what its flags ask for as words at the end, and without those that ask for nothing seen."""
    found = list(_FLAG.finditer(text)) if "-" in text or "—" in text or "–" in text else []
    if not found:
        return text
    kept, said = [text[: found[0].start()]], []
    for flag, after in zip(found, [*found[1:], None], strict=True):
        rest = text[flag.end() : after.start() if after else len(text)]
        meaning = _MEANT[(flag[1] or flag[2]).lower()]
        if meaning in _FREE:
            said.append(_words(meaning, rest.strip(" ,.")))
            continue
        value = _VALUE.match(rest) if meaning not in {"loop"} else None
        if meaning and (value or meaning in {"loop", "anime"}):
            said.append(_words(meaning, value.group() if value else ""))
        takes = value is not None and (meaning != "" or value.group()[0] in "-.0123456789")
        kept.append(rest[value.end() :] if takes and value else rest)
    return ", ".join(filter(None, [" ".join(part.strip() for part in kept if part.strip(" ,")).rstrip(" ,"), *said]))


def _words(meaning: str, value: str) -> str:
    match meaning:
        case "negative":
            return not_shown(value)
        case "aspect":
            return f"aspect ratio {value.replace('x', ':')}"
        case "rate":
            return f"{value} fps"
        case "seconds":
            return f"{value.rstrip('s')} seconds"
        case "style":
            return "" if value in {"", "raw"} else f"{value} style"
        case "loop":
            return "looping"
        case "anime":
            return "anime style"
        case _:
            return f"{meaning} {value}" if value else ""
