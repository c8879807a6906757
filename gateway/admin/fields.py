"""Fields of the admin pages' forms and query strings, bounded and converted. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TypeVar
from urllib.parse import urlencode

from cache.errors import Invalid
from gateway.admin.door import readable, reader_of
from gateway.http.forms import urlencoded
from gateway.http.reply import AnyRequest

OneOf = TypeVar("OneOf", bound=str)


def query_fields(request: AnyRequest) -> dict[str, str]:
    """The fields of the query string, without empty ones."""
    return {name: value for name, value in urlencoded(request.scope["query_string"].decode("latin-1")).items() if value.strip()}


def one_of(fields: Mapping[str, str], name: str, allowed: Sequence[OneOf], usual: OneOf) -> OneOf:
    """The field's value if it is allowed. Raises Invalid, listing what is allowed, otherwise."""
    sent = fields.get(name, usual)
    for word in allowed:
        if sent == word:
            return word
    raise Invalid(name, f"{name} is one of {', '.join(allowed)}, not {sent[:40]!r}")


def a_moment(fields: Mapping[str, str], name: str, *, whole_day: bool = False) -> float | None:
    """Unix seconds from a date, a date with time (UTC unless it names a zone), or Unix seconds. `whole_day`: the end of that day."""
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
    """`path` with the fields that are not empty as its query string."""
    asked = urlencode({name: str(value) for name, value in fields.items() if value not in {None, ""}})
    return f"{path}?{asked}" if asked else path


def shown_prompt(request: AnyRequest, tenant: str | None, prompt: str | None) -> dict[str, object]:
    """A prompt as a page shows it: `text`, and `hidden` if that text stands in for it."""
    if tenant is None:
        return {"text": "gone", "hidden": True}
    shown = readable(request, tenant, prompt)
    return {"text": shown, "hidden": prompt is None or shown != prompt}


def prompt_json(request: AnyRequest, tenant: str | None, prompt: str | None) -> str | None:
    """The prompt for the JSON variant: None if the caller may not read it, or it is not stored."""
    if tenant is None or prompt is None or reader_of(request) not in {None, tenant}:
        return None
    return prompt


def wants_json(request: AnyRequest) -> bool:
    return bool(request.scope["path"].startswith("/admin/api/"))
