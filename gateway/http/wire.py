"""The conversion between the shapes of the wire and our words. Everything else calls `encode` and imports no msgspec."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

import msgspec
from msgspec import Struct

from cache.canonical import digest
from cache.catalog import MOST_STEPS, Ask, ServedModel
from cache.errors import Invalid, NotSupported
from cache.prompt import LONGEST_NEGATIVE, check_text, parsed
from cache.variant import LARGEST_SEED
from gateway.ask import Answered, VideoAsk
from gateway.entry.access import Caller
from gateway.http.body import Fields, Form
from gateway.http.directives import cache_control, preferred_wait
from gateway.http.shapes import (
    LONGEST_TAG,
    MOST_TAGS,
    Failure,
    FeedbackBody,
    ModelDetail,
    ModelObject,
    Refused,
    RepriseDetail,
    VideoBody,
    VideoObject,
    VideoPage,
)
from gateway.models import Models
from generator.job import Priority, State

_ENCODER = msgspec.json.Encoder()


def encode(shape: object) -> bytes:
    """JSON of a Struct, or of plain dicts and lists."""
    return _ENCODER.encode(shape)


# What comes in


_INTEGER = re.compile(r"-?[0-9]{1,19}")
# As many digits as a client prints of a double.
_DECIMAL = re.compile(r"-?[0-9]{1,9}(\.[0-9]{1,20})?")


def _integer(text: str) -> object:
    return int(text) if _INTEGER.fullmatch(text) else None


def _decimal(text: str) -> object:
    return float(text) if _DECIMAL.fullmatch(text) else None


def _boolean(text: str) -> object:
    return {"true": True, "false": False}.get(text)


def _string(text: str) -> object:
    return text


@dataclass(frozen=True)
class Shape:
    """How a form's string becomes the field's value (None: it cannot), and what to tell a client that sent another type."""

    read: Callable[[str], object]
    wanted: str


SHAPES: dict[type[Struct], dict[str, Shape]] = {
    VideoBody: {
        "prompt": Shape(_string, "a string of 1 to 4,000 characters"),
        "model": Shape(_string, "a string"),
        "seconds": Shape(_string, "a number of seconds, as a string or a number"),
        "size": Shape(_string, 'a string such as "1280x704"'),
        "seed": Shape(_integer, f"an integer from 0 to {LARGEST_SEED}"),
        "quality": Shape(_string, "one of draft, standard, final"),
        "negative_prompt": Shape(_string, f"a string of at most {LONGEST_NEGATIVE:,} characters"),
        "steps": Shape(_integer, f"an integer from 1 to {MOST_STEPS}"),
        "guidance_scale": Shape(_decimal, "a number from 1 to 20"),
        "priority": Shape(_string, "one of interactive, background"),
        "allow_smaller": Shape(_boolean, "true or false"),
        "tags": Shape(_string, f"a list of at most {MOST_TAGS} strings of 1 to {LONGEST_TAG} characters"),
    },
    FeedbackBody: {"satisfied": Shape(_boolean, "true or false")},
}

_TYPES = {kind: {field.name: field.type for field in msgspec.structs.fields(kind)} for kind in SHAPES}

Body = TypeVar("Body", bound=Struct)

# The second is what msgspec says of a lone surrogate where it compares words.
_WRONG = (msgspec.ValidationError, UnicodeEncodeError)


def check_video_field(name: str, is_file: bool) -> None:
    if name.partition("[")[0] == "input_reference":
        raise NotSupported("input_reference", "image-to-video is not supported")
    _check_field(VideoBody, name, is_file)


def check_feedback_field(name: str, is_file: bool) -> None:
    _check_field(FeedbackBody, name, is_file)


def _check_field(kind: type[Struct], name: str, is_file: bool) -> None:
    if name not in SHAPES[kind]:
        raise Invalid(name[:64], f"unknown field {name[:64]!r}; known: {', '.join(SHAPES[kind])}", "unknown_parameter")
    if is_file:
        raise Invalid(name, f"{name} must be {SHAPES[kind][name].wanted}, not a file")


def read_body(kind: type[Body], fields: Fields | Form) -> Body:
    """Names have been checked. Invalid for the first field that is missing or of the wrong type."""
    values = _from_form(SHAPES[kind], fields) if isinstance(fields, Form) else fields
    try:
        return msgspec.convert(values, kind)
    except _WRONG:
        raise _first_wrong(kind, values) from None


def _from_form(shapes: Mapping[str, Shape], form: Form) -> Fields:
    values: Fields = {}
    for name, texts in form.items():
        if name in {"tags", "tags[]"}:
            # The official client writes a list as `tags[]`, other clients repeat `tags`; nobody does both.
            if "tags" in values:
                raise Invalid("tags[]", "the tags are given twice, as 'tags' and as 'tags[]'", "duplicate_parameter")
            values["tags"] = list(texts)
            continue
        shape = shapes.get(name)
        value = None if shape is None else shape.read(texts[0])
        if shape is None or value is None:
            wanted = shapes[name.removesuffix("[]")].wanted
            raise Invalid(name, f"{name} must be {wanted}", "invalid_type")
        if len(texts) > 1:
            raise Invalid(name, f"{name!r} is given twice", "duplicate_parameter")
        values[name] = value
    return values


def _first_wrong(kind: type[Struct], values: Fields) -> Invalid:
    for name, shape in SHAPES[kind].items():
        if name not in values:
            if name in _required(kind):
                return Invalid(name, f"{name} is required", "missing_required_parameter")
            continue
        try:
            msgspec.convert(values[name], _TYPES[kind][name])
        except _WRONG:
            return Invalid(name, f"{name} must be {shape.wanted}", "invalid_type")
    raise AssertionError(f"{kind.__name__} refuses what each of its fields accepts")


def _required(kind: type[Struct]) -> set[str]:
    return {field.name for field in msgspec.structs.fields(kind) if field.required}


def video_ask(fields: Fields | Form, headers: Mapping[bytes, bytes], caller: Caller, models: Models, wait_limit: float) -> VideoAsk:
    """Everything that can be wrong with the client's words and settings is found here, before anything is looked up."""
    body = read_body(VideoBody, fields)
    prompt = parsed(body.prompt)
    if body.negative_prompt is not None:
        check_text(body.negative_prompt, "negative_prompt", LONGEST_NEGATIVE)
    for tag in body.tags or ():
        check_text(tag, "tags", LONGEST_TAG)
    if body.allow_smaller and body.priority != "background":
        raise Invalid("allow_smaller", "allow_smaller needs priority: background")
    settings = Ask(_seconds(body.seconds), body.size, body.quality, body.steps, body.guidance_scale, body.negative_prompt)
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
        wait=0.0 if wait is None else min(float(wait), wait_limit),
        idempotency_key=key,
        body_digest="" if key is None else digest({**msgspec.structs.asdict(body), "seconds": settings.seconds}),
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


# What goes out


def video_object(answered: Answered) -> VideoObject:
    """`seconds` and `size` are the film's own, where there is one: a clip may be smaller than what was asked for."""
    request, clip, job = answered.request, answered.clip, answered.job
    recipe = request.recipe if clip is None else clip.recipe
    error = failure_of(answered)
    status: Literal["queued", "in_progress", "completed", "failed"]
    if request.clip_id is not None:
        status, progress = "completed", 100
    elif error is not None:
        status, progress = "failed", 0 if job is None else min(job.progress, 99)
    else:
        status, progress = (
            ("queued", 0) if job is None else ("queued" if job.state is State.QUEUED else "in_progress", min(job.progress, 99))
        )
    return VideoObject(
        id=request.id,
        object="video",
        created_at=int(request.created_at),
        completed_at=_whole(request.completed_at),
        expires_at=_whole(request.expires_at),
        model=recipe.model,
        progress=progress,
        prompt=request.prompt,
        remixed_from_video_id=None,
        seconds=length_text(recipe.seconds),
        size=recipe.size,
        status=status,
        error=error,
        reprise=_detail(answered),
    )


def _detail(answered: Answered) -> RepriseDetail:
    request, clip = answered.request, answered.clip
    # Whoever joined shares the render of the one who missed; its cost is told once.
    cost = clip.gpu_seconds if clip is not None and request.verdict in {"miss", "bypass"} else 0.0
    return RepriseDetail(
        verdict=request.verdict,
        similarity=_rounded(request.similarity),
        confidence=_rounded(request.confidence),
        clip=request.clip_id,
        matched_prompt=answered.matched_prompt,
        age_seconds=age(answered),
        take=request.take if clip is None else clip.take,
        gpu_seconds=round(cost, 3),
        gpu_seconds_saved=round(request.gpu_seconds_saved, 3),
        queue_position=answered.queue_position,
        eta_ms=answered.eta_ms,
        stage=None if answered.job is None else answered.job.stage,
        steps_skipped=0,
        stages_ms={} if clip is None else {stage: round(ms) for stage, ms in clip.stages_ms.items()},
        steps_ms=[] if clip is None else [round(ms) for ms in clip.steps_ms],
        peak_memory_gb=None if clip is None or clip.peak_bytes is None else round(clip.peak_bytes / 1e9, 2),
        refused=[Refused(_rounded(refusal.similarity), refusal.reason) for refusal in request.refused],
        notes=[*request.notes, *(clip.notes if clip is not None else ())],
    )


def failure_of(answered: Answered) -> Failure | None:
    request, job = answered.request, answered.job
    if request.clip_id is not None:
        return None
    if request.error_code is not None:
        return Failure(request.error_code, request.error_message or request.error_code)
    if job is not None and job.state in {State.FAILED, State.CANCELLED}:
        # The job closed a moment before its requests did.
        code = job.error_code or ("cancelled" if job.state is State.CANCELLED else "render_failed")
        return Failure(code, job.error_message or code)
    return None


def video_page(answers: Sequence[Answered], has_more: bool) -> VideoPage:
    videos = [video_object(answered) for answered in answers]
    first, last = (videos[0].id, videos[-1].id) if videos else (None, None)
    return VideoPage("list", videos, first, last, has_more)


def age(answered: Answered) -> int | None:
    """Seconds between the making of the clip and the request that it answers; None for what is no hit."""
    if answered.clip is None or answered.request.verdict not in {"exact", "near"}:
        return None
    return max(0, int(answered.request.created_at - answered.clip.created_at))


def model_object(model: ServedModel) -> ModelObject:
    row = model.row
    detail = ModelDetail(
        revision=model.revision,
        aliases=list(model.aliases),
        sizes=[f"{width}x{height}" for width, height in row.sizes],
        default_seconds=row.default_seconds,
        longest_seconds=row.longest_seconds,
        fps=row.fps,
        steps={str(quality): steps for quality, steps in row.steps.items()},
        guidance_scale=row.guidance,
        world=row.world,
    )
    return ModelObject(row.name, "model", 0, "reprise", detail)


def length_text(seconds: float) -> str:
    """`2.125`, `5`, `5.042`: thousandths, no trailing zeros."""
    return f"{seconds:.3f}".rstrip("0").rstrip(".")


def _whole(seconds: float | None) -> int | None:
    return None if seconds is None else int(seconds)


def _rounded(share: float | None) -> float | None:
    return None if share is None else round(share, 4)
