"""A request body, from bytes to named fields: JSON and multipart/form-data, bounded in every direction."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import NoReturn
from urllib.parse import parse_qsl

from litestar.types import Receive
from multipart import (  # type: ignore[import-untyped]
    MultipartError,
    MultipartSegment,
    ParserLimitReached,
    PushMultipartParser,
    parse_options_header,
)

from cache.errors import Invalid, NotSupported, TooLarge, UnsupportedMedia
from gateway.http.parts import delimited, plain, text_of

MOST_PARTS = 64
LONGEST_PART_HEADER = 1024

Fields = dict[str, object]
CheckField = Callable[[str, bool], None]  # (name, is a file): raises Invalid for a field that is not wanted
IsRaw = Callable[[str], bool]  # whether the field of a form may be something else than text


class Form(dict[str, list[str]]):
    """Fields of a form: every value is a string, and a name may come again; a list may be written `name[]`. `raw`: the bytes of fields
    that need not be text.
    """

    def __init__(self, *given: Mapping[str, list[str]]) -> None:
        super().__init__(*given)
        self.raw: dict[str, list[bytes]] = {}


def _never(_: str) -> bool:
    return False


async def read_fields(
    headers: Mapping[bytes, bytes], receive: Receive, limit: int, check: CheckField, is_raw: IsRaw = _never, text_limit: int | None = None
) -> Fields | Form:
    """The body's fields. Of a form each name is checked as soon as it is seen, before its value is read. `text_limit`: bytes of those
    fields of a form that are not raw; by default the body's limit holds for them, too.

    Raises UnsupportedMedia, TooLarge, or Invalid naming the field (no field where the body as a whole is broken).
    """
    kind, options = parse_options_header(headers.get(b"content-type", b"").decode("latin-1"))
    if headers.get(b"content-encoding", b"identity").lower() != b"identity":
        raise UnsupportedMedia("a compressed body is not supported; send it uncompressed")
    if options.get("charset", "utf-8").lower() not in {"utf-8", "utf8"}:
        raise UnsupportedMedia("a body must be in UTF-8")
    pieces = _pieces(receive, limit)
    # Whoever is refused early may still be sending; the server reads on and drops it, so the refusal arrives.
    if kind == "application/json":
        return _offered(json_fields(b"".join([piece async for piece in pieces])), check)
    if kind == "multipart/form-data":
        return await form_fields(pieces, options.get("boundary", ""), check, is_raw, limit if text_limit is None else text_limit)
    raise UnsupportedMedia(f"send application/json or multipart/form-data, not {kind[:80] or 'a body without Content-Type'}")


async def _pieces(receive: Receive, limit: int) -> AsyncIterator[bytes]:
    """The body as it comes; TooLarge with the first byte over `limit`, whatever Content-Length said."""
    length = 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise Invalid(None, "the connection closed before the body was complete")
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


def _offered(fields: Fields, check: CheckField) -> Fields:
    """The fields without those that we do not offer and that say nothing: clients send all that they know."""
    offered: Fields = {}
    for name, value in fields.items():
        try:
            check(name, False)
        except NotSupported:
            if value not in _NOTHING:
                raise
        else:
            offered[name] = value
    return offered


def json_fields(body: bytes) -> Fields:
    try:
        fields = _JSON.decode(body.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise Invalid(None, "the body is not UTF-8", "invalid_json") from None
    except json.JSONDecodeError as error:
        raise Invalid(None, f"the body is not JSON: {error.msg} at character {error.pos}", "invalid_json") from None
    except RecursionError:
        raise Invalid(None, "the body is nested too deeply", "invalid_json") from None
    except ValueError:  # an integer of more digits than Python converts
        raise Invalid(None, "the body contains a number that is too long", "invalid_json") from None
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


_NOTHING: tuple[object, ...] = (None, "", {}, [])
_EXACT = 2**53  # up to here a double is the integer that it looks like
_JSON = json.JSONDecoder(object_pairs_hook=_once, parse_constant=_no_number, parse_float=_number)


async def form_fields(
    pieces: AsyncIterator[bytes], boundary: str, check: CheckField, is_raw: IsRaw = _never, text_limit: int | None = None
) -> Form:
    """Every value as a string, if it is not raw; a file part, whatever its name, is for `check` to refuse. What we do not offer is refused
    with its first byte: without any it says nothing.
    """
    form, texts = Form(), 0
    name, value, part = "", bytearray(), MultipartSegment([])
    refused: NotSupported | None = None
    try:
        # Not strict: that would refuse an epilogue or not, by how the network cut the body.
        parser = PushMultipartParser(boundary, max_header_size=LONGEST_PART_HEADER, max_segment_count=MOST_PARTS)
        async for piece in delimited(pieces, boundary):
            for event in parser.parse(piece):
                if event is None:
                    encoding = part.header("Content-Transfer-Encoding", "")
                    if refused is None and is_raw(name):
                        form.raw.setdefault(name, []).append(plain(name, bytes(value), encoding))
                    elif refused is None:
                        form.setdefault(name, []).append(text_of(name, bytes(value), encoding, part.charset or ""))
                elif isinstance(event, bytes | bytearray):
                    if refused is not None:
                        raise refused
                    value += event
                    texts += 0 if is_raw(name) else len(event)
                    if text_limit is not None and texts > text_limit:
                        raise TooLarge(None, f"the texts of the form are over the limit of {text_limit} bytes")
                else:
                    part, name, value, refused = event, event.name or "", bytearray(), None
                    try:
                        check(name.removesuffix("[]"), event.filename is not None)
                    except NotSupported as error:
                        refused = error
        parser.close()
    except ParserLimitReached as error:
        raise TooLarge(None, f"the form is over a limit: {error}") from None
    except (MultipartError, UnicodeError) as error:
        raise Invalid(None, f"the body is not multipart/form-data: {error}", "invalid_form") from None
    return form


def read_query(sent: bytes, known: Sequence[str]) -> dict[str, str]:
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
