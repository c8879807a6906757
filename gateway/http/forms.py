"""Forms as pages send them: bounded, and each field at most once. The API's own bodies are read by body.py."""

from __future__ import annotations

from collections.abc import AsyncIterator
from urllib.parse import parse_qs

from litestar.types import Receive

from cache.errors import Invalid, TooLarge, UnsupportedMedia
from cache.prompt import check_text
from gateway.http.body import form_fields
from gateway.http.reply import AnyRequest

URLENCODED = "application/x-www-form-urlencoded"
LIMIT = 65_536  # bytes of a form
LONGEST_FIELD = 4_000  # characters
_MOST_FIELDS = 64


def urlencoded(text: str, longest: int = LONGEST_FIELD) -> dict[str, str]:
    """The fields of a form or query string. Raises Invalid, naming the field, for one that is given twice or is too long."""
    try:
        found = parse_qs(text, keep_blank_values=True, max_num_fields=_MOST_FIELDS)
    except ValueError:
        raise Invalid(None, "the fields cannot be read") from None
    return {name: _only(name, values, longest) for name, values in found.items()}


async def form(request: AnyRequest, limit: int = LIMIT, longest: int = LONGEST_FIELD, *, files: bool = False) -> dict[str, str]:
    """The fields of a request's form; an empty body has none. With `files` it may be multipart, and a file is a field like others.

    Raises TooLarge over `limit` bytes, UnsupportedMedia for what is no form, and what `urlencoded` raises.
    """
    body = await read_whole(request.receive, limit)
    kind, _, options = request.headers.get("content-type", "").partition(";")
    if files and kind.strip().lower() == "multipart/form-data":
        found = await form_fields(_in_one_piece(body), options.partition("boundary=")[2].strip().strip('"'), lambda *_: None)
        return {name: _only(name, values, longest) for name, values in found.items()}
    if body and kind.strip().lower() != URLENCODED:
        raise UnsupportedMedia(f"send the fields as {URLENCODED}")
    return urlencoded(body.decode("utf-8", "replace"), longest)


async def read_whole(receive: Receive, limit: int = LIMIT) -> bytes:
    """A body of at most `limit` bytes, else TooLarge."""
    body, more = bytearray(), True
    while more:
        message = await receive()
        if message["type"] != "http.request":
            break
        body += message.get("body", b"")
        more = message.get("more_body", False)
        if len(body) > limit:
            raise TooLarge(None, f"this form has at most {limit} bytes")
    return bytes(body)


def _only(name: str, values: list[str], longest: int) -> str:
    if len(values) > 1:
        raise Invalid(name[:64], f"{name[:64]!r} is given twice", "duplicate_parameter")
    check_text(values[0], name[:64], longest)
    return values[0]


async def _in_one_piece(body: bytes) -> AsyncIterator[bytes]:
    yield body
