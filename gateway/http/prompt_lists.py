"""Lists of prompts to make ahead of time: text with one a line, CSV with a column `prompt`, a JSON list, or JSON lines. Pure."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from cache.errors import Invalid, ModelAway, NotFound
from cache.recipe import Recipe
from gateway.answering.ask import Caller
from gateway.answering.models import Models
from gateway.http import reference
from gateway.http.wire import video_ask

Format = Literal["txt", "csv", "json", "jsonl"]
MOST_ROWS = 10_000

# What may stand beside a prompt: what makes its Recipe. A seed would make a clip that no ask without that seed gets.
SETTINGS = ("model", "seconds", "size", "quality", "steps", "guidance_scale", "negative_prompt")


@dataclass(frozen=True)
class ListRow:
    """A row of a list. `line` counts from 1, as in editors."""

    line: int
    prompt: str
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def shape(self) -> dict[str, Any]:
        """The row as the API takes it."""
        return {"prompt": self.prompt, **self.settings}


@dataclass(frozen=True)
class Fault:
    """A faulty line, with the reason that it is skipped."""

    line: int
    message: str


def format_of(name: str, lines: Sequence[str]) -> Format:
    """The format of a list, by the file's name or else its first line."""
    for ending, kind in _ENDINGS.items():
        if name.lower().endswith(ending):
            return kind
    first = next((line for line in lines if line.strip("\ufeff \t")), "")
    named = name.lower().endswith(".json")
    if first.lstrip("\ufeff \t").startswith("[") and (named or _is_json(lines)):
        return "json"  # else a prompt may begin so: "[wide shot] a ball"
    if first.lstrip("\ufeff \t").startswith("{"):
        return "json" if named and _is_json(lines) else "jsonl"
    header = next(csv.reader([first.lstrip("\ufeff")]), [])
    return "csv" if "prompt" in (name.strip() for name in header) and (len(header) > 1 or first.strip() == "prompt") else "txt"


_ENDINGS: dict[str, Format] = {".txt": "txt", ".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl"}


def _is_json(lines: Sequence[str]) -> bool:
    try:
        json.loads(_joined(lines))
    except ValueError:
        return False
    return True


def _joined(lines: Iterable[str]) -> str:
    return "\n".join(lines).lstrip("\ufeff")


def read_list(kind: Format, lines: Iterable[str]) -> Iterator[ListRow | Fault]:
    """Row by row; empty lines are nobody's fault. Invalid where the whole cannot be read: a CSV without the column, broken JSON."""
    for one in _read(kind, lines):
        yield one if isinstance(one, Fault) or _is_text(one) else Fault(one.line, "not UTF-8")


def _read(kind: Format, lines: Iterable[str]) -> Iterator[ListRow | Fault]:
    if kind == "csv":
        yield from _csv(lines)
        return
    if kind == "json":
        yield from _whole(_joined(lines))
        return
    for number, line in enumerate(lines, 1):
        text = line.lstrip("\ufeff").strip() if number == 1 else line.strip()
        if text:
            yield ListRow(number, text) if kind == "txt" else _json(number, text)


def _is_text(row: ListRow) -> bool:
    """False where bytes of a file were no UTF-8; reading left a mark in their place."""
    try:
        json.dumps(row.shape, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


def _whole(text: str) -> Iterator[ListRow | Fault]:
    """The entries of a JSON list, each with the line that it begins in, or one entry alone."""
    try:
        whole = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Invalid("prompts", f"the list is not JSON: {error}"[:200]) from None
    if not isinstance(whole, list):
        yield list_row_of(1, whole)
        return
    decoder, at = json.JSONDecoder(), text.index("[") + 1
    line = 1 + text.count("\n", 0, at)
    for _ in whole:
        start = next(entry.start() for entry in _ENTRY.finditer(text, at))
        line += text.count("\n", at, start)
        value, end = decoder.raw_decode(text, start)
        yield list_row_of(line, value)
        line += text.count("\n", start, end)
        at = end


_ENTRY = re.compile(r"[^\s,]", re.ASCII)


def _json(number: int, text: str) -> ListRow | Fault:
    try:
        row = json.loads(text)
    except ValueError as error:
        return Fault(number, f"not JSON: {error}"[:200])
    return list_row_of(number, row)


def list_row_of(number: int, row: object) -> ListRow | Fault:
    """A JSON value as a row: an object with `prompt`, or a string."""
    if isinstance(row, str):
        return ListRow(number, row)
    if not isinstance(row, dict):
        return Fault(number, "neither an object with `prompt` nor a string")
    if not isinstance(row.get("prompt"), str):
        return Fault(number, "prompt is missing" if "prompt" not in row else "prompt is not a string")
    settings = {name: value for name, value in row.items() if name != "prompt" and value is not None}
    unknown = next((name for name in settings if name not in SETTINGS), None)
    if unknown is not None and reference.knows(unknown):
        return Fault(number, f"{unknown} is not taken here: clips are made ahead of time of words alone")
    if unknown is not None:
        return Fault(number, f"unknown field {unknown[:64]!r}; known: prompt, {', '.join(SETTINGS)}")
    return ListRow(number, row["prompt"], settings)


def _csv(lines: Iterable[str]) -> Iterator[ListRow | Fault]:
    reader = csv.reader(line.lstrip("\ufeff") if at == 0 else line for at, line in enumerate(lines))
    try:
        header = [name.strip() for name in next(reader, [])]
        if "prompt" not in header:
            raise Invalid("prompt", "the first line of a CSV names its columns, and one of them is `prompt`")
        for values in reader:
            if not any(value.strip() for value in values):
                continue
            if len(values) > len(header):
                yield Fault(reader.line_num, f"{len(values)} values, and {len(header)} columns")
                continue
            named = {name: typed(name, value) for name, value in zip(header, values, strict=False) if value.strip()}
            yield list_row_of(reader.line_num, named)
    except csv.Error as error:
        yield Fault(reader.line_num, f"not CSV: {error}")


def typed(name: str, text: str) -> object:
    """The value of a field written as text; a text that is not a number stays text, so that the check can name it."""
    try:
        return {"steps": int, "guidance_scale": float}.get(name, str)(text.strip() if name != "prompt" else text)
    except ValueError:
        return text


def settings_of(text: str) -> dict[str, Any]:
    """The settings in `size=128x128,quality=draft` or a JSON object. Raises Invalid."""
    if text.lstrip().startswith("{"):
        try:
            found = json.loads(text)
        except ValueError as error:
            raise Invalid("recipe", f"the recipe is not JSON: {error}"[:200]) from None
    else:
        pairs = [part.partition("=") for part in text.split(",") if part.strip()]
        if any(not equals for _, equals, _ in pairs):
            raise Invalid("recipe", "a recipe is written size=…,seconds=…,quality=…, or as a JSON object")
        found = {name.strip(): typed(name.strip(), value) for name, _, value in pairs}
    unknown = next((name for name in found if name not in SETTINGS), None)
    if unknown is not None:
        raise Invalid("recipe", f"unknown field {unknown[:64]!r}; known: {', '.join(SETTINGS)}")
    return dict(found)


def resolved(row: ListRow, usual: Mapping[str, Any], caller: Caller, models: Models) -> tuple[str, Recipe] | Fault:
    """The words and the Recipe that a row means, `usual` holding where it says nothing; checked as a request would be."""
    try:
        ask = video_ask({**usual, **row.shape}, {}, caller, models, 0.0)
    except (Invalid, NotFound, ModelAway) as error:
        return Fault(row.line, error.message)
    return ask.prompt.text, ask.recipe


def parted(found: Iterable[ListRow | Fault]) -> tuple[list[ListRow], list[Fault]]:
    """Rows and faults, separated. Raises Invalid for more than MOST_ROWS rows."""
    rows: list[ListRow] = []
    faults: list[Fault] = []
    for one in found:
        if isinstance(one, Fault):
            faults.append(one)
        else:
            rows.append(one)
        if len(rows) + len(faults) > MOST_ROWS:
            raise Invalid("prompts", f"a list has at most {MOST_ROWS} prompts")
    return rows, faults
