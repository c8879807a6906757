"""JSON, Markdown and labelled parts as plain sentences, in their order. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from cache.matching.reading.flaws import not_shown, without_settings
from cache.matching.rules.lexicon import listed

_FENCE = re.compile(r"```\w*\n?|~~~\w*\n?")
_BOLD = re.compile(r"\*\*(\S(?:[^*]*\S)?)\*\*|__(\S(?:[^_]*\S)?)__|(?<![\w*])\*([a-zA-Z][^*\n]*[a-zA-Z])\*(?![\w*])")
_LINK = re.compile(r"!?\[([^\]\n]+)\]\(\S+?\)")
_LEAD = re.compile(r"^[ \t]*(?:#{1,6}[ \t]+|>[ \t]*|[-*•–][ \t]+)", re.MULTILINE)
_RULE = re.compile(r"^[ \t]*(?:[-*_][ \t]*){3,}$", re.MULTILINE)
_LINE = re.compile(r"([.!?:;,|])?[ \t]*[\r\n]+\s*")
# Labels that say no more than what part of a prompt follows.
_OPEN = (
    "prompt|video prompt|positive prompt|positive|description|desc|scene description|scene|subject|subjects|main subject|character|characters|"
    "action|actions|activity|setting|location|place|environment|background|time|time of day|weather|style|visual style|mood|atmosphere|"
    "lighting|light|camera|camera movement|camera move|camera motion|camerawork|camera work|move|movement|motion|framing|camera angle|shot type|shot|shots|composition|colors|colours|color palette|details|quality|content|concept|video|"
    "tone|visuals|text to video|t2v|txt2vid|text2video"
)
_LABEL = re.compile(
    rf"\s*\[(?:{_OPEN})\]\s*:?\s*|(?:^|(?<=[.,;|!?\])])|(?<=[.,;|!?\])]\s))\s*(?:\((?:{_OPEN})\)\s*:|(?:{_OPEN})\s*:(?!\d))\s*",
    re.IGNORECASE,
)
# A label before a verb is its subject: "Camera: follows from behind".
_MOVING = re.compile(
    r"(?:^|(?<=[.,;|!?\])])|(?<=[.,;|!?\])]\s))\s*camera(?: movement| move| motion)?\s*:\s*(?=(?:[a-z]+ly )?(?:follow|track|trail|chas|mov|circl|orbit|rotat|rise|ris"
    r"|descend|push|pull|glid|fly?|swe+p|swing|lift|lower|hold|stay|remain|approach|retreat|travel|drift|float|creep|run)(?:s|es|ies|ing)\b(?! (?:shot|view|cam)))",
    re.IGNORECASE,
)
_BAR = re.compile(r"\s*(?<!\|)\|(?!\|)\s*(?![^\[\]]*\])")
# Bounded, or quotation marks that never close would cost the square of their number.
_SINGLE = re.compile(r"([{\[,:]\s*)'((?:[^'\n]|'(?!\s*[,:}\]])){0,1000}+)'(?=\s*[,:}\]])")
_BARE_KEY = re.compile(r"([{,]\s*)([A-Za-z_]\w*)\s*:")
_LAST_COMMA = re.compile(r",\s*([}\]])")
_DROPPED_KEYS = listed("seed steps cfg guidance guidance_scale sampler model version id quality fps_mode format")
_SHOWN_KEYS = listed("text caption title on_screen_text onscreen_text text_overlay overlay_text subtitle")
_KEY = re.compile(rf"(?:{_OPEN}|shots|scenes|timeline|sequence|order|number|index)", re.IGNORECASE)


def as_sentences(text: str) -> str:
    """`text` with its structure as sentences and its labels of no meaning left out; the order stays as it was."""
    whole = text.strip()
    if whole.startswith("```"):
        whole = _FENCE.sub("", whole).strip()
    if whole[:1] in {"{", "["} and whole[-1:] in {"}", "]"} and (said := _flat(whole)) is not None:
        return said
    if ":" in text or "=" in text:
        text = without_settings(text)
    if "\n" in text or "\r" in text or "*" in text or "`" in text or "__" in text or "](" in text or text.lstrip()[:1] in {"#", ">", "-"}:
        text = _LEAD.sub("", _RULE.sub("", _FENCE.sub("", text)))
        text = _LINK.sub(r"\1", _BOLD.sub(lambda found: found[1] or found[2] or found[3], text)).strip()
        text = _LINE.sub(lambda found: f"{found[1] or ','} ", text)
    if ":" in text or "]" in text:
        text = _MOVING.sub(" camera ", text)
        text = _LABEL.sub(lambda found: ", " if "[" in found[0] and found.start() else " ", text)
    return _BAR.sub(", ", text) if "|" in text else text


def _flat(text: str) -> str | None:
    try:
        told = json.loads(text)
    except (ValueError, RecursionError):
        if "'" not in text and '"' not in text:
            return None
        try:
            told = json.loads(_as_json(text))
        except (ValueError, RecursionError):
            return None
    if not isinstance(told, dict | list) or not told:
        return None
    try:
        said = ", ".join(part.strip() for part in _parts(told) if part.strip())
    except RecursionError:
        return None
    return said or None


def _as_json(text: str) -> str:
    """An object as JavaScript and Python write it, as JSON: `{scene: 'a lake'}`."""
    text = _SINGLE.sub(lambda found: found[1] + json.dumps(found[2]), text)
    return _LAST_COMMA.sub(r"\1", _BARE_KEY.sub(r'\1"\2":', text))


def _parts(told: object, key: str = "") -> Iterator[str]:
    name = key.lower().replace("-", "_")
    match told:
        case dict():
            for inner, value in told.items():
                yield from _parts(value, str(inner))
        case list() if name.startswith(("neg", "avoid")):
            yield not_shown(", ".join(map(str, told)))
        case list():
            steps = all(isinstance(value, dict) for value in told) or name in {"shots", "scenes", "timeline", "sequence"}
            for at, value in enumerate(told):
                part = ", ".join(_parts(value, "" if isinstance(value, str) else key))
                yield f"Shot {at + 1}: {part.rstrip('.')}." if steps and len(told) > 1 else part
        case None | False:
            return
        case _:
            yield _labelled(name, key.replace("_", " "), str(told).strip())


def _labelled(name: str, label: str, value: str) -> str:
    if name in _DROPPED_KEYS or not value:
        return ""
    if name.startswith(("neg", "avoid")):
        return not_shown(value)
    if name in _SHOWN_KEYS:
        return f'text "{value}"'
    if name in {"duration", "length", "seconds", "duration_seconds"}:
        return f"{value} seconds" if value.replace(".", "").isdigit() else value
    if name == "fps":
        return f"{value} fps"
    if name in {"aspect", "ar", "aspect_ratio", "ratio"}:
        return f"aspect ratio {value}"
    return value if not label or _KEY.fullmatch(label) else f"{label}: {value}"
