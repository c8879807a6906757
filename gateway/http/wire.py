"""The conversion of what clients send to our words, and JSON for what they get. Everything else calls `encode` and imports no msgspec."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import msgspec
from msgspec import Struct

from cache.canonical import digest
from cache.catalog import MOST_STEPS, AskedSettings
from cache.errors import Invalid, NotSupported
from cache.picture import FIELD
from cache.prompt import LONGEST_NEGATIVE, check_text, parsed
from cache.variant import LARGEST_SEED
from cache.visible import visible
from gateway.answering.ask import CacheOptions, Caller, VideoAsk
from gateway.answering.models import Models
from gateway.http import dialect, reference
from gateway.http.body import Fields, Form, json_fields
from gateway.http.directives import cache_control, preferred_wait
from gateway.http.shapes import FeedbackBody, RepriseOptions, VideoBody
from gateway.http.texts import LONGEST_NAME, LONGEST_TAG, LONGEST_URL, LONGEST_USER, LONGEST_VALUE, MOST_PAIRS, MOST_TAGS
from generator.job import Priority

_ENCODER = msgspec.json.Encoder()


def encode_json(shape: object) -> bytes:
    """JSON of a Struct, or of plain dicts and lists."""
    return _ENCODER.encode(shape)


_INTEGER = re.compile(r"-?[0-9]{1,19}")
# As many digits as a client prints of a double.
_DECIMAL = re.compile(r"-?[0-9]{1,9}(\.[0-9]{1,20})?")
_NUMBER = re.compile(_DECIMAL.pattern + r"([eE][+-]?[0-9]{1,3})?")  # as JSON writes a small one


def _integer(text: str) -> object:
    return int(text) if _INTEGER.fullmatch(text) else None


def _decimal(text: str) -> object:
    return float(text) if _NUMBER.fullmatch(text) else None


def _boolean(text: str) -> object:
    return {"true": True, "false": False}.get(text)


def _string(text: str) -> object:
    return text


def _object(text: str) -> object:
    try:
        return json_fields(text.encode("utf-8"))
    except Invalid:
        return None


def _nothing(_: str) -> object:
    return None


@dataclass(frozen=True)
class FieldShape:
    """The conversion of a form's string to a field's value (None: impossible), and the message for another type."""

    read: Callable[[str], object]
    wanted: str


SHAPES: dict[type[Struct], dict[str, FieldShape]] = {
    VideoBody: {
        "prompt": FieldShape(_string, "a string of 1 to 4,000 characters"),
        "model": FieldShape(_string, "a string"),
        "seconds": FieldShape(_string, "a number of seconds, as a string or a number"),
        "size": FieldShape(_string, 'a string such as "1280x704"'),
        FIELD: FieldShape(_nothing, "a picture"),  # taken out before: reference.py
        "seed": FieldShape(_integer, f"an integer from 0 to {LARGEST_SEED}"),
        "quality": FieldShape(_string, "one of draft, standard, final"),
        "negative_prompt": FieldShape(_string, f"a string of at most {LONGEST_NEGATIVE:,} characters"),
        "steps": FieldShape(_integer, f"an integer from 1 to {MOST_STEPS}"),
        "guidance_scale": FieldShape(_decimal, "a number from 1 to 20"),
        "priority": FieldShape(_string, "one of interactive, background"),
        "allow_smaller": FieldShape(_boolean, "true or false"),
        "tags": FieldShape(_string, f"a list of at most {MOST_TAGS} strings of 1 to {LONGEST_TAG} characters"),
        "user": FieldShape(_string, f"a string of 1 to {LONGEST_USER} characters"),
        "metadata": FieldShape(
            _object, f"an object of at most {MOST_PAIRS} names (to {LONGEST_NAME} characters) and strings (to {LONGEST_VALUE})"
        ),
        "reprise": FieldShape(_nothing, 'an object such as {"max_wrong": 0.005}; in a form `reprise[max_wrong]`'),
    },
    RepriseOptions: {
        "max_wrong": FieldShape(_decimal, "a number from 0 to 1"),
        "webhook_url": FieldShape(_string, f"an https URL of at most {LONGEST_URL:,} characters"),
        "assist": FieldShape(_boolean, "true or false"),
        "scope": FieldShape(_string, "one of tenant, user"),
        "lora": FieldShape(_string, "the name of a LoRA, of 1 to 40 characters"),
    },
    FeedbackBody: {"satisfied": FieldShape(_boolean, "true or false")},
}

_SAID_EMPTY = {"prompt", "negative_prompt", "satisfied"}  # other fields of a form say nothing by an empty string
_OPTION = re.compile(r"reprise\[([^\[\]]+)\]")  # as forms write what stands inside an object
_TYPES = {kind: {field.name: field.type for field in msgspec.structs.fields(kind)} for kind in SHAPES}

Body = TypeVar("Body", bound=Struct)

# The second is what msgspec says of a lone surrogate where it compares words.
_WRONG = (msgspec.ValidationError, UnicodeEncodeError)


def check_video_field(name: str, is_file: bool, *, pictures: bool = False) -> None:
    """`pictures`: some model that is served begins with one."""
    if reference.knows(name):
        if not pictures:
            raise NotSupported(FIELD, "image-to-video is not supported")
    elif (option := _OPTION.fullmatch(name)) is not None:
        _check_option(option[1], is_file)
    elif not dialect.is_dialect_field(name):
        _check_field(VideoBody, name, is_file, more=dialect.SCHEMA)
    elif is_file:
        raise Invalid(name, f"{name} must be a value, not a file")


def check_feedback_field(name: str, is_file: bool) -> None:
    _check_field(FeedbackBody, name, is_file)


def _check_field(kind: type[Struct], name: str, is_file: bool, more: Iterable[str] = ()) -> None:
    if name not in SHAPES[kind]:
        raise _unknown(kind, name, more)
    if is_file:
        raise Invalid(name, f"{name} must be {SHAPES[kind][name].wanted}, not a file")


def _unknown(kind: type[Struct], name: str, more: Iterable[str] = ()) -> Invalid:
    return Invalid(name[:64], f"unknown field {name[:64]!r}; known: {', '.join((*SHAPES[kind], *more))}", "unknown_parameter")


def _check_option(name: str, is_file: bool = False) -> None:
    shapes = SHAPES[RepriseOptions]
    if name not in shapes:
        raise Invalid(f"reprise.{name[:64]}", f"unknown option {name[:64]!r}; known: {', '.join(shapes)}", "unknown_parameter")
    if is_file:
        raise Invalid(f"reprise.{name}", f"reprise.{name} must be {shapes[name].wanted}, not a file")


def read_body(kind: type[Body], fields: Fields | Form) -> Body:
    """Names have been checked. Invalid for the first field that is missing or of the wrong type."""
    values = _from_form(SHAPES[kind], fields) if isinstance(fields, Form) else fields
    try:
        return msgspec.convert(values, kind)
    except _WRONG:
        raise _first_wrong(kind, values) from None


def _from_form(shapes: Mapping[str, FieldShape], form: Form) -> Fields:
    values: Fields = {}
    for name, texts in form.items():
        if texts == [""] and name not in _SAID_EMPTY:
            continue
        if (option := _OPTION.fullmatch(name)) is not None:
            options = values.setdefault("reprise", {})
            assert isinstance(options, dict), "made here"
            options[option[1]] = _value(f"reprise.{option[1]}", SHAPES[RepriseOptions][option[1]], texts)
            continue
        if name in {"tags", "tags[]"}:
            # The official client writes a list as `tags[]`, other clients repeat `tags`; nobody does both.
            if "tags" in values:
                raise Invalid("tags[]", "the tags are given twice, as 'tags' and as 'tags[]'", "duplicate_parameter")
            values["tags"] = list(texts)
            continue
        if name not in shapes:
            raise _mistyped(name, shapes[name.removesuffix("[]")])
        values[name] = _value(name, shapes[name], texts)
    return values


def _value(name: str, shape: FieldShape, texts: Sequence[str]) -> object:
    value = shape.read(texts[0])
    if value is None:
        raise _mistyped(name, shape)
    if len(texts) > 1:
        raise Invalid(name, f"{name!r} is given twice", "duplicate_parameter")
    return value


def _first_wrong(kind: type[Struct], values: Fields) -> Invalid:
    if (unknown := next((name for name in values if name not in SHAPES[kind]), None)) is not None:
        return _unknown(kind, unknown)  # in JSON, what only a form writes: `reprise[max_wrong]`
    for name, shape in SHAPES[kind].items():
        if name not in values:
            if name in _required(kind):
                return Invalid(name, f"{name} is required", "missing_required_parameter")
            continue
        try:
            msgspec.convert(values[name], _TYPES[kind][name])
        except _WRONG:
            options = values[name]
            return _wrong_option(options) if name == "reprise" and isinstance(options, dict) else _mistyped(name, shape)
    raise AssertionError(f"{kind.__name__} refuses what each of its fields accepts")


def _wrong_option(options: Fields) -> Invalid:
    for name in options:
        _check_option(name)
    wrong = _first_wrong(RepriseOptions, options)
    return Invalid(f"reprise.{wrong.field}", f"reprise.{wrong.message}", wrong.code)


def _mistyped(name: str, shape: FieldShape) -> Invalid:
    return Invalid(name, f"{name} must be {shape.wanted}", "invalid_type")


def _required(kind: type[Struct]) -> set[str]:
    return {field.name for field in msgspec.structs.fields(kind) if field.required}


def video_ask(
    fields: Fields | Form, headers: Mapping[bytes, bytes], caller: Caller, models: Models, wait_limit: float, usual_wait: float = 0.0
) -> VideoAsk:
    """The ask in a body. Raises Invalid for everything that can be wrong with prompt and settings, before anything is looked up.

    `usual_wait`: seconds that the answer is held without a `Prefer: wait`.
    """
    told = dialect.translated(fields, models)
    with told.in_their_words():
        return _ask(read_body(VideoBody, told.fields), headers, caller, models, wait_limit, usual_wait)


def _ask(body: VideoBody, headers: Mapping[bytes, bytes], caller: Caller, models: Models, wait_limit: float, usual_wait: float) -> VideoAsk:
    prompt = parsed(body.prompt)
    negative = None
    if body.negative_prompt is not None:
        negative = visible(check_text(body.negative_prompt, "negative_prompt", LONGEST_NEGATIVE))
    for tag in body.tags or ():
        check_text(tag, "tags", LONGEST_TAG)
    for text in (body.user or "", *(body.metadata or {}), *(body.metadata or {}).values()):
        check_text(text, "user" if text is body.user else "metadata", LONGEST_VALUE)
    if body.allow_smaller and body.priority != "background":
        raise Invalid("allow_smaller", "allow_smaller needs priority: background")
    said = RepriseOptions() if body.reprise is None else body.reprise
    if said.scope == "user" and body.user is None:
        raise Invalid("user", "user is required with reprise.scope user", "missing_required_parameter")
    settings = AskedSettings(_seconds(body.seconds), body.size, body.quality, body.steps, body.guidance_scale, negative, said.lora)
    key = _idempotency_key(headers.get(b"idempotency-key"))
    wait = preferred_wait(_header(headers, b"prefer"))
    return VideoAsk(
        caller=caller,
        prompt=prompt,
        recipe=models.recipe(body.model, settings),
        seed=body.seed,
        priority=Priority(body.priority or "interactive"),
        allow_smaller=bool(body.allow_smaller),
        tags=tuple(body.tags or ()),
        directives=cache_control(_header(headers, b"cache-control")),
        wait=usual_wait if wait is None else min(float(wait), wait_limit),
        idempotency_key=key,
        body_digest="" if key is None else digest({**msgspec.to_builtins(body), "seconds": settings.seconds}),
        end_user=body.user,
        metadata=body.metadata or {},
        options=CacheOptions(said.max_wrong, said.assist is not False, said.scope == "user"),
        webhook_url=said.webhook_url,
    )


def _seconds(said: str | float | None) -> float | None:
    if isinstance(said, str):
        if not _DECIMAL.fullmatch(said):
            raise Invalid("seconds", f"seconds must be {SHAPES[VideoBody]['seconds'].wanted}", "invalid_type")
        return float(said)
    return said


def _idempotency_key(sent: bytes | None) -> str | None:
    if sent is None:
        return None
    if not 1 <= len(sent) <= 255 or not all(0x20 <= byte < 0x7F for byte in sent):
        raise Invalid("Idempotency-Key", "Idempotency-Key must be 1 to 255 printable ASCII characters")
    return sent.decode("ascii")


def _header(headers: Mapping[bytes, bytes], name: bytes) -> str | None:
    found = headers.get(name)
    return None if found is None else found.decode("latin-1")
