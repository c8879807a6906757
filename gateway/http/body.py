"""A request body, from bytes to named fields: JSON and multipart/form-data, bounded in every direction."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import NoReturn
from urllib.parse import parse_qsl

from litestar.types import Receive
from multipart import (  # type: ignore[import-untyped]
    MultipartError,
    ParserLimitReached,
    PushMultipartParser,
    parse_options_header,
)

from cache.errors import Invalid, TooLarge, UnsupportedMedia

MOST_PARTS = 64
LONGEST_PART_HEADER = 1024

Fields = dict[str, object]
CheckField = Callable[[str, bool], None]  # (name, is a file): raises Invalid for a field that is not wanted


class Form(dict[str, list[str]]):
    """Fields of a form: every value is a string, and a name may come again; a list may be written `name[]`."""


async def read_fields(headers: Mapping[bytes, bytes], receive: Receive, limit: int, check: CheckField) -> Fields | Form:
    """The body's fields. Of a form each name is checked as soon as it is seen, before its value is read.

    Raises UnsupportedMedia, TooLarge, or Invalid naming the field (no field where the body as a whole is broken).
    """
    kind, options = parse_options_header(headers.get(b"content-type", b"").decode("latin-1"))
    if headers.get(b"content-encoding", b"identity").lower() != b"identity":
        raise UnsupportedMedia("a compressed body is not read; send it plain")
    if options.get("charset", "utf-8").lower() not in {"utf-8", "utf8"}:
        raise UnsupportedMedia("a body must be in UTF-8")
    pieces = _pieces(receive, limit)
    # Whoever is refused early may still be sending; the server reads on and drops it, so the refusal arrives.
    if kind == "application/json":
        fields = json_fields(b"".join([piece async for piece in pieces]))
        for name in fields:
            check(name, False)
        return fields
    if kind == "multipart/form-data":
        return await form_fields(pieces, options.get("boundary", ""), check)
    raise UnsupportedMedia(f"send application/json or multipart/form-data, not {kind[:80] or 'a body without Content-Type'}")


async def _pieces(receive: Receive, limit: int) -> AsyncIterator[bytes]:
    """The body as it comes; TooLarge with the first byte over `limit`, whatever Content-Length said."""
    length = 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise Invalid(None, "the connection ended before the body did")
        piece = message.get("body", b"")
        within = piece[: limit - length]
        if within:
            # Also of a body that is too long: a form may say what is really wrong with it before that.
            yield within
        length += len(piece)
        if length > limit:
            raise TooLarge(None, f"the body is over the limit of {limit} bytes")
        if not message.get("more_body", False):
            return


def json_fields(body: bytes) -> Fields:
    try:
        fields = _JSON.decode(body.decode("utf-8"))
    except UnicodeDecodeError:
        raise Invalid(None, "the body is not UTF-8", "invalid_json") from None
    except json.JSONDecodeError as error:
        raise Invalid(None, f"the body is not JSON: {error.msg} at character {error.pos}", "invalid_json") from None
    except RecursionError:
        raise Invalid(None, "the body is nested too deep", "invalid_json") from None
    except ValueError:  # an integer of more digits than Python converts
        raise Invalid(None, "the body holds a number that is too long", "invalid_json") from None
    if not isinstance(fields, dict):
        raise Invalid(None, "the body must be a JSON object", "invalid_json")
    return fields


def _once(pairs: list[tuple[str, object]]) -> Fields:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        seen: set[str] = set()
        twice = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        raise Invalid(twice, f"{twice[:64]!r} is given twice", "duplicate_parameter")
    return fields


def _no_number(word: str) -> NoReturn:
    raise Invalid(None, f"{word} is not JSON", "invalid_json")


def _number(text: str) -> int | float:
    """7.0 is the integer 7 in JSON Schema, and in the languages that know one kind of number."""
    number = float(text)
    return int(number) if number.is_integer() and abs(number) < _EXACT else number


_EXACT = 2**53  # up to here a double is the integer that it looks like
_JSON = json.JSONDecoder(object_pairs_hook=_once, parse_constant=_no_number, parse_float=_number)


async def form_fields(pieces: AsyncIterator[bytes], boundary: str, check: CheckField) -> Form:
    """Every value as a string; a file part, whatever its name, is for `check` to refuse."""
    form = Form()
    name, value = "", bytearray()
    try:
        # Not strict: that would refuse an epilogue or not, by how the network cut the body.
        parser = PushMultipartParser(boundary, max_header_size=LONGEST_PART_HEADER, max_segment_count=MOST_PARTS)
        async for piece in _from_boundary(pieces, b"--" + boundary.encode()):
            for event in parser.parse(piece):
                if event is None:
                    form.setdefault(name, []).append(_text(name, value))
                elif isinstance(event, bytes | bytearray):
                    value += event
                else:
                    name, value = event.name or "", bytearray()
                    check(name.removesuffix("[]"), event.filename is not None)
        parser.close()
    except ParserLimitReached as error:
        raise TooLarge(None, f"the form is over a limit: {error}") from None
    except (MultipartError, UnicodeError) as error:
        raise Invalid(None, f"the body is not multipart/form-data: {error}", "invalid_form") from None
    return form


async def _from_boundary(pieces: AsyncIterator[bytes], opening: bytes) -> AsyncIterator[bytes]:
    """The pieces unchanged, of a body that starts with its boundary. No client writes the preamble that the RFC would
    allow, and whether the parser finds the boundary after one depends on how the network cut the body.
    """
    first = b""
    async for piece in pieces:
        if len(first) >= len(opening):
            yield piece
            continue
        first += piece
        if len(first) >= len(opening):
            if not first.startswith(opening):
                raise Invalid(None, "the body does not start with the boundary that Content-Type names", "invalid_form")
            yield first


def _text(name: str, value: bytearray) -> str:
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        raise Invalid(name, f"{name[:64]!r} is not UTF-8") from None


def query(sent: bytes, known: Sequence[str]) -> dict[str, str]:
    """The query parameters, each at most once; Invalid names one that is not `known`."""
    if not sent:
        return {}
    try:
        pairs = parse_qsl(sent.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=32)
    except ValueError:  # also what is no UTF-8 once decoded
        raise Invalid(None, "the query string cannot be read") from None
    found: dict[str, str] = {}
    for name, value in pairs:
        if name not in known:
            raise Invalid(name[:64], f"unknown query parameter {name[:64]!r}; known: {', '.join(known) or 'none'}", "unknown_parameter")
        if name in found:
            raise Invalid(name, f"{name!r} is given twice", "duplicate_parameter")
        found[name] = value
    return found
