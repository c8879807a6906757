"""Lists of prompts to make ahead of time: text with one a line, CSV with a column `prompt`, or JSON lines. Pure."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from cache.errors import Invalid
from cache.recipe import Recipe
from gateway.entry.access import Caller
from gateway.http.wire import video_ask
from gateway.models import Models

Format = Literal["txt", "csv", "jsonl"]
MOST_ROWS = 10_000

# What may stand beside a prompt: what makes its Recipe. A seed would make a film that no ask without that seed gets.
SETTINGS = ("model", "seconds", "size", "quality", "steps", "guidance_scale", "negative_prompt")


@dataclass(frozen=True)
class ListRow:
    """`line` counts from 1, as editors do."""

    line: int
    prompt: str
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def shape(self) -> dict[str, Any]:
        """As the API takes it."""
        return {"prompt": self.prompt, **self.settings}


@dataclass(frozen=True)
class Fault:
    """Why a line is passed over."""

    line: int
    message: str


def format_of(name: str, first: str) -> Format:
    """By the file's name, else by its first line."""
    for ending, kind in _ENDINGS.items():
        if name.lower().endswith(ending):
            return kind
    if first.lstrip("\ufeff \t").startswith("{"):
        return "jsonl"
    header = next(csv.reader([first.lstrip("\ufeff")]), [])
    return "csv" if "prompt" in (name.strip() for name in header) and (len(header) > 1 or first.strip() == "prompt") else "txt"


_ENDINGS: dict[str, Format] = {".txt": "txt", ".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl"}


def read_list(kind: Format, lines: Iterable[str]) -> Iterator[ListRow | Fault]:
    """Row by row; empty lines are nobody's fault. Invalid where the whole cannot be read: a CSV without the column."""
    if kind == "csv":
        yield from _csv(lines)
        return
    for number, line in enumerate(lines, 1):
        text = line.lstrip("\ufeff").strip() if number == 1 else line.strip()
        if text:
            yield ListRow(number, text) if kind == "txt" else _json(number, text)


def _json(number: int, text: str) -> ListRow | Fault:
    try:
        row = json.loads(text)
    except ValueError as error:
        return Fault(number, f"not JSON: {error}"[:200])
    return row_of(number, row)


def row_of(number: int, row: object) -> ListRow | Fault:
    """A JSON value as a row: an object with `prompt`, or a string."""
    if isinstance(row, str):
        return ListRow(number, row)
    if not isinstance(row, dict):
        return Fault(number, "neither an object with `prompt` nor a string")
    if not isinstance(row.get("prompt"), str):
        return Fault(number, "prompt is missing" if "prompt" not in row else "prompt is not a string")
    settings = {name: value for name, value in row.items() if name != "prompt" and value is not None}
    unknown = next((name for name in settings if name not in SETTINGS), None)
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
            yield row_of(reader.line_num, named)
    except csv.Error as error:
        yield Fault(reader.line_num, f"not CSV: {error}")


def typed(name: str, text: str) -> object:
    """What a field written as text stands for; what is no number stays text, for the check to name."""
    try:
        return {"steps": int, "guidance_scale": float}.get(name, str)(text.strip() if name != "prompt" else text)
    except ValueError:
        return text


def settings_of(text: str) -> dict[str, Any]:
    """Of `size=128x128,quality=draft` or of a JSON object."""
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
    except Invalid as error:
        return Fault(row.line, error.message)
    return ask.prompt.text, ask.recipe


def parted(found: Iterable[ListRow | Fault]) -> tuple[list[ListRow], list[Fault]]:
    """Invalid for a list of more than MOST_ROWS."""
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
