"""The picture in a request's body, in the forms that clients send: an upload, a data URL, or an object around one. Pure.

An address of a picture is refused: this server fetches nothing that a client names.
"""

from __future__ import annotations

import re
from base64 import b64decode
from binascii import Error as NotBase64

from cache.errors import Invalid, NotSupported, TooLarge
from cache.picture import FIELD
from gateway.http.body import Fields, Form, json_fields

ALIAS = "image_reference"  # as vLLM-Omni calls the object
_PARTS = re.compile(rf"({FIELD}|{ALIAS})(\[\]|\[[a-z_]{{1,20}}\])?")
_DATA_URL = re.compile(r"data:image/[a-z0-9.+-]{1,40}(?:;[a-z0-9=.+-]{1,40}){0,4};base64,", re.IGNORECASE)
_WANTED = (
    f'{FIELD} must be a picture: a file in a form, a data URL (data:image/png;base64,…), or an object such as {{"image_url": "data:…"}}'
)


def knows(name: str) -> bool:
    return _PARTS.fullmatch(name) is not None


def body_limit(body: int, picture: int) -> int:
    """Bytes of a body with a picture of `picture` bytes, which base64 makes a third longer, beside `body` bytes of all else."""
    return body + 4 * ((picture + 2) // 3)


def taken(fields: Fields | Form, limit: int) -> bytes | None:
    """Takes the picture out of the fields; None where there is none. Raises NotSupported for what is not offered, TooLarge over `limit`
    bytes, and Invalid for anything else that is no picture; all name the field.
    """
    found = [one for name, value in _sent(fields) if (one := _picture(name, value)) is not None]
    if len(found) > 1:
        raise Invalid(FIELD, f"{FIELD} is given twice", "duplicate_parameter")
    if found and len(found[0]) > limit:
        raise TooLarge(FIELD, f"the picture has {len(found[0])} bytes; the limit is {limit}")
    return found[0] if found else None


def _sent(fields: Fields | Form) -> list[tuple[str, object]]:
    """Values by name, those of a form's `name[inside]` as the objects that they mean."""
    if not isinstance(fields, Form):
        return [(name, fields.pop(name)) for name in (FIELD, ALIAS) if name in fields]
    sent: list[tuple[str, object]] = []
    for name, values in fields.raw.items():
        inside = name.partition("[")[2].rstrip("]")
        sent += [(name, {inside: _text(value)} if inside and value else value) for value in values]
    fields.raw.clear()
    return sent


def _picture(name: str, value: object) -> bytes | None:
    """The bytes of a picture; None for what says nothing."""
    if isinstance(value, bytes):
        if not value[:16].lstrip().lower().startswith((b"data:", b"http:", b"https:", b"{")):
            return value or None
        value = _text(value)
    if isinstance(value, str) and value.lstrip().startswith("{"):
        value = _object(value)
    if isinstance(value, dict):
        if unknown := [one for one in value if one not in {"image_url", "file_id"}]:
            raise Invalid(FIELD, f"{name} has no {unknown[0][:40]!r}; known: image_url", "unknown_parameter")
        if value.get("file_id") is not None:
            raise NotSupported(FIELD, "no files are kept here that a file_id could name; send the picture itself")
        value = value.get("image_url")
        value = value.get("url", value) if isinstance(value, dict) else value  # as chat clients nest it
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise Invalid(FIELD, _WANTED, "invalid_type")
    return _decoded(value.strip())


def _decoded(url: str) -> bytes:
    if url[:8].lower().startswith(("http:", "https:")):
        raise NotSupported(FIELD, "a picture at an address is not fetched; send its bytes, as an upload or as a data URL")
    head = _DATA_URL.match(url)
    if head is None:
        raise Invalid(FIELD, _WANTED, "invalid_type")
    try:
        return b64decode(url[head.end() :].encode("ascii"), validate=True) or b"\0"
    except (NotBase64, UnicodeEncodeError):
        raise Invalid(FIELD, f"the data URL of {FIELD} is not base64") from None


def _object(text: str) -> Fields:
    try:
        return json_fields(text.encode("utf-8"))
    except (Invalid, UnicodeEncodeError):
        raise Invalid(FIELD, _WANTED, "invalid_type") from None


def _text(value: bytes) -> str:
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        raise Invalid(FIELD, _WANTED, "invalid_type") from None
