"""Parts of a form as mail programs write them (RFC 2046): a preamble, blanks after a boundary, encoded values. Pure but for the stream."""

from __future__ import annotations

import binascii
import quopri
import re
from base64 import b64decode
from collections.abc import AsyncIterator

from cache.errors import Invalid

_BLANKS = 64  # after a boundary; more are not cut off
_PLAIN = {"", "7bit", "8bit", "binary"}
_CHARSETS = {"", "utf-8", "utf8", "us-ascii"}


async def delimited(pieces: AsyncIterator[bytes], boundary: str) -> AsyncIterator[bytes]:
    """The body from its first boundary on, without blanks after boundaries: what the parser takes, however the network cut it."""
    delimiter = b"\r\n--" + boundary.encode()
    held, begun = b"\r\n", False  # a boundary stands at the start of a line, and the first line has nothing before it
    async for piece in pieces:
        held += piece
        if not begun:
            at = _opening(held, delimiter)
            begun = at >= 0
            held = held[at:] if begun else held[-len(delimiter) - _BLANKS - 2 :]
        if begun:
            held = _unpadded(held, delimiter)
            if (end := _unfinished(held, delimiter)) > 0:
                yield held[:end]
                held = held[end:]
    if not begun:
        raise Invalid(None, "the body does not hold the boundary that Content-Type names", "invalid_form")
    if held:
        yield held


def _opening(held: bytes, delimiter: bytes) -> int:
    """The offset of the first boundary, -1 where it is not there yet. A pattern costs more than to read what clients usually write."""
    if held.startswith(delimiter + b"\r\n"):
        return 0
    found = re.search(re.escape(delimiter) + rb"(?:[ \t]{0,%d}\r\n|--)" % _BLANKS, held)
    return -1 if found is None else found.start()


def _unpadded(held: bytes, delimiter: bytes) -> bytes:
    if delimiter + b" " not in held and delimiter + b"\t" not in held:
        return held
    return re.sub(re.escape(delimiter) + rb"[ \t]{1,%d}(?=\r\n)" % _BLANKS, lambda _: delimiter, held)


def _unfinished(held: bytes, delimiter: bytes) -> int:
    """The offset of a delimiter that may go on in the next piece; the end where there is none."""
    at = held.rfind(delimiter)
    if at >= 0 and len(rest := held[at + len(delimiter) :]) <= _BLANKS + 1 and not rest.removesuffix(b"\r").strip(b" \t"):
        return at
    at = held.rfind(b"\r", max(0, len(held) - len(delimiter)))
    return at if at >= 0 and delimiter.startswith(held[at:]) else len(held)


def text_of(name: str, value: bytes, encoding: str, charset: str) -> str:
    """The value of a part. `encoding` is its Content-Transfer-Encoding, `charset` that of its Content-Type, "" for none. Raises Invalid,
    naming the field: what cannot be read must not be rendered as it stands.
    """
    if charset.lower() not in _CHARSETS:
        raise Invalid(name[:64], f"{name[:64]!r} must be in UTF-8, not {charset[:32]!r}")
    try:
        return plain(name, value, encoding).decode("utf-8")
    except UnicodeDecodeError:
        raise Invalid(name[:64], f"{name[:64]!r} is not UTF-8") from None


def plain(name: str, value: bytes, encoding: str) -> bytes:
    """The bytes of a part as they were before its Content-Transfer-Encoding. Raises Invalid, naming the field."""
    encoding = encoding.strip().lower()
    if encoding in _PLAIN:
        return value
    if encoding == "quoted-printable":
        return quopri.decodestring(value)
    if encoding == "base64":
        try:
            return b64decode(b"".join(value.split()), validate=True)
        except binascii.Error:
            raise Invalid(name[:64], f"{name[:64]!r} is not base64, as its Content-Transfer-Encoding says") from None
    raise Invalid(name[:64], f"{name[:64]!r} has the Content-Transfer-Encoding {encoding[:32]!r}; known: base64, quoted-printable")
