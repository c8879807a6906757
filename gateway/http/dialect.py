"""The fields of the servers that Reprise stands in front of (vLLM-Omni, SGLang), turned into ours before wire.py reads them.

Each is taken where it means what we have, and refused by name where it does not: none is passed on unread, rounded or ignored. Of two
spellings of one setting a request gives one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from cache.catalog import MOST_STEPS, ModelRow
from cache.errors import Invalid
from gateway.answering.models import Models
from gateway.http.body import Fields, Form, json_fields
from gateway.http.samples import Json

MOST_PIXELS = 16_384  # of one side
_DIGITS = re.compile(r"[0-9]{1,9}")
_DECIMAL = re.compile(r"[0-9]{1,9}(\.[0-9]{1,20})?")
_INSIDE = re.compile(r"(metadata|extra_params)\[([^\[\]]+)\]")  # as forms write what stands inside an object
_MOVED = ("guidance_scale", "negative_prompt", "seed")  # ours, which may stand in extra_params too


def _may_be(tells: str, **schema: object) -> Json:
    return {"anyOf": [{**schema, "description": tells}, {"type": "null"}], "default": None}


def _count(most: int, tells: str) -> Json:
    return _may_be(tells, type="integer", minimum=1, maximum=most)


_SINGLE: dict[str, Json] = {
    "width": _count(MOST_PIXELS, "With `height`, what `size` says."),
    "height": _count(MOST_PIXELS, "With `width`, what `size` says."),
    "num_frames": _count(
        10_000, "The length in frames, instead of `seconds`: 4n + 1, or 4n for the same clip; both get 4n + 1, as these models render."
    ),
    "fps": _count(1000, "The model's own `fps`; another one is refused."),
    "num_inference_steps": _count(MOST_STEPS, "`steps`, as vLLM-Omni and SGLang spell it."),
    "flow_shift": _may_be("The model's own flow shift; another one is refused.", type="number", exclusiveMinimum=0),
    "n": _may_be("Videos per request: one.", const=1),
}

# Of the API's document, beside the fields of VideoBody.
SCHEMA: dict[str, Json] = {
    **_SINGLE,
    "extra_params": _may_be(
        "The same fields once more, in an object; in a form as JSON, or `extra_params[name]`. Another name is refused.",
        type="object",
        properties={**_SINGLE, **{name: {"description": f"`{name}`."} for name in _MOVED}},
        additionalProperties=False,
    ),
}


def _pair(one: str, kind: str, other: str, other_kinds: list[str]) -> Json:
    return {"not": {"properties": {one: {"type": kind}, other: {"type": other_kinds}}, "required": [one, other]}}


def _needs(one: str, other: str) -> Json:
    given = {"properties": {one: {"type": "integer"}}, "required": [one]}
    return {"if": given, "then": {"properties": {other: {"type": "integer"}}, "required": [other]}}


ACROSS_FIELDS: list[Json] = [
    _needs("width", "height"),
    _needs("height", "width"),
    _pair("width", "integer", "size", ["string"]),
    _pair("num_frames", "integer", "seconds", ["string", "number"]),
    _pair("num_inference_steps", "integer", "steps", ["integer"]),
    _pair("num_inference_steps", "integer", "quality", ["string"]),
]


@dataclass
class Translated:
    """A body in our words. `spelled`: our names of fields, and what the client called them."""

    fields: Fields | Form
    spelled: dict[str, str] = field(default_factory=dict)

    @contextmanager
    def in_their_words(self) -> Iterator[None]:
        """Faults of a field are told of the name that the client gave it."""
        try:
            yield
        except Invalid as error:
            theirs = self.spelled.get(error.field or "")
            if theirs is None:
                raise
            raise Invalid(theirs.partition(",")[0], f"{theirs}: {error.message}", error.code) from None


def is_dialect_field(name: str) -> bool:
    return name in SCHEMA or _INSIDE.fullmatch(name) is not None


def translated(fields: Fields | Form, models: Models) -> Translated:
    """`fields` in our words. Invalid, naming the client's field, for what the model does not have and for two spellings of one setting."""
    if not any(map(is_dialect_field, (name.removesuffix("[]") for name in fields))):
        return Translated(fields)
    theirs, ours, spelled = _sorted(fields)
    _size(theirs, ours, spelled)
    if (steps := _whole(theirs, spelled, "num_inference_steps", MOST_STEPS)) is not None:
        _move(ours, spelled, "steps", "num_inference_steps", steps)
    if _whole(theirs, spelled, "n", 10_000) not in {None, 1}:
        raise Invalid(spelled.get("n", "n"), "n is 1: a request is for one video")
    if theirs.keys() & {"num_frames", "fps", "flow_shift"} and isinstance(ours.get("model"), str | None):
        _of_the_model(theirs, ours, spelled, models.named(ours.get("model")).row)  # type: ignore[arg-type]  # checked above
    return Translated(_as_sent(fields, ours), spelled)


def _sorted(fields: Fields | Form) -> tuple[Fields, Fields, dict[str, str]]:
    """The fields of the dialect, flat; all others; and how those inside extra_params are called. Of a form a value is its text, and what
    came twice stays a list.
    """
    theirs, ours, inside = Fields(), Fields(), dict[str, Fields]()
    for name, sent in fields.items():
        value = sent[0] if isinstance(fields, Form) and isinstance(sent, list) and len(sent) == 1 else sent
        if (bracketed := _INSIDE.fullmatch(name)) is not None:
            if not isinstance(fields, Form):
                raise Invalid(name[:64], f"unknown field {name[:64]!r}; in JSON, {bracketed[1]} is an object", "unknown_parameter")
            inside.setdefault(bracketed[1], {})[bracketed[2]] = value
        elif name.removesuffix("[]") in SCHEMA:
            if name not in SCHEMA or isinstance(value, list):
                raise Invalid(
                    name,
                    f"{name} is given as a list",
                    "duplicate_parameter" if isinstance(fields, Form) and name in SCHEMA else "invalid_type",
                )
            theirs[name] = value
        else:
            ours[name] = value
    if "metadata" in inside:
        if "metadata" in ours:
            raise Invalid("metadata", "metadata is given twice", "duplicate_parameter")
        ours["metadata"] = inside["metadata"]
    extra = _object(theirs.pop("extra_params", None)) | inside.get("extra_params", {})
    return theirs, ours, _flattened(theirs, ours, extra)


def _flattened(theirs: Fields, ours: Fields, extra: Fields) -> dict[str, str]:
    """Puts what stood inside extra_params where it belongs; returns how it is called there."""
    spelled: dict[str, str] = {}
    for name, value in extra.items():
        if name not in _SINGLE and name not in _MOVED:
            known = ", ".join((*_SINGLE, *_MOVED))
            raise Invalid(f"extra_params.{name[:64]}", f"extra_params has no {name[:64]!r} here; known: {known}", "unknown_parameter")
        target = theirs if name in _SINGLE else ours
        beside = target.get(name)
        if value is None or (beside is not None and _text(beside) == _text(value)):
            continue
        if beside is not None:
            told = f"{name} is {_text(beside)[:40]}, but {_text(value)[:40]} inside extra_params"
            raise Invalid(f"extra_params.{name}", told, "duplicate_parameter")
        target[name], spelled[name] = value, f"extra_params.{name}"
    return spelled


def _object(value: object) -> Fields:
    if isinstance(value, str):
        try:
            return json_fields(value.encode("utf-8", "surrogatepass"))
        except Invalid as error:
            raise Invalid("extra_params", f"extra_params: {error.message}", "invalid_json") from None
    if value is None or isinstance(value, dict):
        return value or {}
    raise Invalid("extra_params", "extra_params must be an object", "invalid_type")


def _size(theirs: Fields, ours: Fields, spelled: dict[str, str]) -> None:
    sides = {name: _whole(theirs, spelled, name, MOST_PIXELS) for name in ("width", "height")}
    given = [name for name, side in sides.items() if side is not None]
    if len(given) == 1:
        raise Invalid(spelled.get(given[0], given[0]), "width and height go together")
    if given:
        _move(ours, spelled, "size", "width, height", f"{sides['width']}x{sides['height']}")


def _of_the_model(theirs: Fields, ours: Fields, spelled: dict[str, str], row: ModelRow) -> None:
    if (fps := _whole(theirs, spelled, "fps", 1000)) not in {None, row.fps}:
        raise Invalid(spelled.get("fps", "fps"), f"{row.name} makes {row.fps} fps; not {fps}")
    shift = _written(theirs, spelled, "flow_shift", _DECIMAL, "a number")
    if shift is not None and float(shift) != row.flow_shift:
        raise Invalid(spelled.get("flow_shift", "flow_shift"), f"{row.name} renders with a flow shift of {row.flow_shift:g}; not {shift}")
    frames = _whole(theirs, spelled, "num_frames", 10_000)
    if frames is None:
        return
    latent, most = frames // 4, row.frames(row.longest_seconds)
    if frames % 4 > 1 or not 5 <= 4 * latent + 1 <= most:
        told = f"{row.name} makes 4n + 1 frames (4n means the same), from 5 to {most}; not {frames}"
        raise Invalid(spelled.get("num_frames", "num_frames"), told)
    _move(ours, spelled, "seconds", "num_frames", min(4 * latent / row.fps, row.longest_seconds))


def _move(ours: Fields, spelled: dict[str, str], name: str, theirs: str, value: object) -> None:
    called = spelled.get(theirs, theirs)
    if ours.get(name) is not None:
        raise Invalid(called.partition(",")[0], f"give {name} or {theirs}, not both")
    ours[name], spelled[name] = value, called


def _whole(theirs: Fields, spelled: Mapping[str, str], name: str, most: int) -> int | None:
    text = _written(theirs, spelled, name, _DIGITS, f"an integer from 1 to {most}")
    if text is not None and not 1 <= int(text) <= most:
        raise Invalid(spelled.get(name, name), f"{name} must be an integer from 1 to {most}", "invalid_type")
    return None if text is None else int(text)


def _written(theirs: Fields, spelled: Mapping[str, str], name: str, form: re.Pattern[str], wanted: str) -> str | None:
    """A number as it is written, in a form or in JSON."""
    value = theirs.get(name)
    if value is None:
        return None
    text = value if isinstance(value, str) else json.dumps(value)
    if not form.fullmatch(text):
        raise Invalid(spelled.get(name, name), f"{name} must be {wanted}", "invalid_type")
    return text


def _as_sent(fields: Fields | Form, ours: Fields) -> Fields | Form:
    """`ours` in the kind of body that came: a form has texts."""
    if not isinstance(fields, Form):
        return ours
    return Form({name: value if isinstance(value, list) else [_text(value)] for name, value in ours.items()})


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)
