"""What people send to the admin pages: small forms and query strings, bounded and converted. Pure but for `form`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar
from urllib.parse import parse_qs, urlencode

from litestar import Request

from cache.errors import Invalid, TooLarge, UnsupportedMedia
from cache.prompt import check_text
from gateway.admin.door import readable, reader_of

Asked = Request[Any, Any, Any]
_LONGEST = 65_536  # bytes of a form
_LONGEST_FIELD = 4_000  # characters
_FORM = "application/x-www-form-urlencoded"
Word = TypeVar("Word", bound=str)


async def form(request: Asked) -> dict[str, str]:
    """The fields of a form, each at most once. An empty body has none."""
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > _LONGEST:
            raise TooLarge(None, f"this form has at most {_LONGEST} bytes")
    if body and request.headers.get("content-type", "").partition(";")[0].strip().lower() != _FORM:
        raise UnsupportedMedia(f"send the fields as {_FORM}")
    return _once(body.decode("utf-8", "replace"))


def query(request: Asked) -> dict[str, str]:
    """What the address line asks for; what is empty is not asked for."""
    return {name: value for name, value in _once(request.scope["query_string"].decode("latin-1")).items() if value.strip()}


def _once(text: str) -> dict[str, str]:
    try:
        found = parse_qs(text, keep_blank_values=True, max_num_fields=64)
    except ValueError:
        raise Invalid(None, "the fields cannot be read") from None
    for name, values in found.items():
        if len(values) > 1:
            raise Invalid(name[:64], f"{name[:64]!r} is given twice", "duplicate_parameter")
        check_text(values[0], name[:64], _LONGEST_FIELD)
    return {name: values[0] for name, values in found.items()}


def one_of(fields: Mapping[str, str], name: str, allowed: Sequence[Word], usual: Word) -> Word:
    """Invalid, with what is allowed, for anything else."""
    sent = fields.get(name, usual)
    for word in allowed:
        if sent == word:
            return word
    raise Invalid(name, f"{name} is one of {', '.join(allowed)}, not {sent[:40]!r}")


def a_moment(fields: Mapping[str, str], name: str, *, whole_day: bool = False) -> float | None:
    """Unix seconds of a date, a date with a time (UTC where no zone is named), or of Unix seconds. `whole_day`: its end."""
    sent = fields.get(name)
    if sent is None:
        return None
    try:
        if sent.replace(".", "", 1).isdecimal() and len(sent) < 20 and "-" not in sent:
            return float(sent)
        found = datetime.fromisoformat(sent)
        found = found if found.tzinfo else found.replace(tzinfo=UTC)
        return (found + timedelta(days=1)).timestamp() if whole_day and len(sent) == len("2026-11-22") else found.timestamp()
    except (ValueError, OverflowError):
        raise Invalid(name, f"{name} is a date such as 2026-11-22 or 2026-11-22T14:30, not {sent[:40]!r}") from None


def address(path: str, **fields: object) -> str:
    """`path` with those fields that say something."""
    asked = urlencode({name: str(value) for name, value in fields.items() if value not in {None, ""}})
    return f"{path}?{asked}" if asked else path


def words(request: Asked, tenant: str | None, prompt: str | None) -> dict[str, object]:
    """A prompt as a page shows it: `text`, and whether that stands in its place (`hidden`)."""
    if tenant is None:
        return {"text": "gone", "hidden": True}
    shown = readable(request, tenant, prompt)
    return {"text": shown, "hidden": prompt is None or shown != prompt}


def plain(request: Asked, tenant: str | None, prompt: str | None) -> str | None:
    """The same for programs: None where it may not be read, or is not kept."""
    if tenant is None or prompt is None or reader_of(request) not in {None, tenant}:
        return None
    return prompt


def wants_json(request: Asked) -> bool:
    return bool(request.scope["path"].startswith("/admin/api/"))
