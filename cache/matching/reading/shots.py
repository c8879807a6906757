"""Listed shots, numbered scenes and time marks as sentences joined by "then". Pure."""

from __future__ import annotations

import re

_KINDS = "shot|scene|clip|part|step|frame|act|cut|segment|panel|beat|sequence"
_CLOCK = r"\d{1,2}:\d{2}(?:[.:]\d{1,2})?"
_SECONDS = r"\d+(?:\.\d+)?\s?(?:s|sec|secs|seconds?)?"
_TO = r"\s?(?:-|–|—|to)\s?"
# A mark by number, by time, or by being the first or the last.
_MARK = re.compile(
    rf"(?P<open>[\[(]?)\b(?:(?:{_KINDS})\s?\#?(?P<number>\d{{1,2}}))(?:\s?[\[(][^\])]*[\])])?(?P<shut>[\])]?)\s?(?:[:.–—-]|(?<=[\])]))\s?"
    rf"|[\[(](?P<listed>\d{{1,2}})[\])]\s?:?\s?|(?:^|(?<=[.,;!?\s]))(?P<item>\d{{1,2}})[.)]\s(?=\D)"
    rf"|[\[(]\s?(?P<time>(?:{_CLOCK}|\d+(?:\.\d+)?\s?(?:s|sec|secs|seconds?)?)(?:{_TO}(?:{_CLOCK}|{_SECONDS}))?)\s?[\])]\s?:?\s?"
    rf"|(?:^|(?<=[.,;!?\s]))(?P<bare>(?:{_CLOCK}|\d+(?:\.\d+)?s?)(?:{_TO}(?:{_CLOCK}|\d+(?:\.\d+)?\s?s(?:ec|econds)?)))\s?:\s?"
    r"|\b(?P<first>(?:opening|first|starting) (?:shot|scene|frame|image))\s?[:–—-]\s?"
    r"|\b(?P<last>(?:closing|last|final|ending|second|third|next) (?:shot|scene|frame|image))\s?[:–—-]\s?",
    re.IGNORECASE,
)
_NUMBERED = ("number", "listed", "item")


def in_order(text: str) -> str:
    """ "Shot 1: A. Shot 2: B." is "A. Then B."; a mark of time stays as its seconds. Left as it is where the marks do not go up from the first."""
    if not any(char.isdigit() for char in text) and ":" not in text and " - " not in text:
        return text
    marks = list(_MARK.finditer(text))
    if len(marks) < 2:
        return text
    kinds = {_kind(mark) for mark in marks}
    if len(kinds) > 1:
        return text
    (kind,) = kinds
    if kind == "number":
        numbers = [int(next(mark[name] for name in _NUMBERED if mark[name])) for mark in marks]
        if numbers != list(range(numbers[0], numbers[0] + len(numbers))) or numbers[0] > 1:
            return text
    elif kind == "time":
        starts = [_start(mark) for mark in marks]
        if starts != sorted(set(starts)):
            return text
    elif marks[0]["first"] is None or any(mark["first"] for mark in marks[1:]):
        return text
    said = [text[: marks[0].start()].strip(), _lead(marks[0], kind)]
    for mark, after in zip(marks, [*marks[1:], None], strict=True):
        if mark is not marks[0]:
            said.append(f"Then {_lead(mark, kind)}".strip())
        said.append(_sentence(text[mark.end() : after.start() if after else len(text)], after is None))
    return " ".join(part for part in said if part)


def _kind(mark: re.Match[str]) -> str:
    if any(mark[name] for name in _NUMBERED):
        return "number"
    return "time" if mark["time"] or mark["bare"] else "place"


def _start(mark: re.Match[str]) -> float:
    first = re.split(r"[-–—]|to", mark["time"] or mark["bare"])[0].strip()
    if ":" in first:
        minutes, seconds, *_ = first.split(":")
        return int(minutes) * 60 + float(seconds)
    number = re.match(r"[\d.]+", first)
    return float(number[0]) if number else 0.0


def _lead(mark: re.Match[str], kind: str) -> str:
    start = _start(mark) if kind == "time" else 0.0
    return f"at {start:g} seconds" if start else ""


def _sentence(part: str, last: bool) -> str:
    part = part.strip().rstrip(",;")
    return part if last or part.endswith((".", "!", "?")) else f"{part}."
