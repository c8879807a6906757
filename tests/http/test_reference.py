"""The picture in a body: in every form that clients send, taken out of the fields, and bounded."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from cache.errors import Invalid, NotSupported, TooLarge
from gateway.http import reference
from gateway.http.body import Form, form_fields

PICTURE = b"\x89PNG\r\n\x1a\n--b\r\n \x00\xff"
URL = "data:image/png;base64," + base64.b64encode(PICTURE).decode()
END = b"\r\n--b--\r\n"


def part(name: str, body: bytes, *headers: str) -> bytes:
    told = "\r\n".join([f"Content-Disposition: form-data; {name}", *headers])
    return f"\r\n--b\r\n{told}\r\n\r\n".encode() + body


async def read(body: bytes, cut: int = 1 << 20, text_limit: int | None = None) -> Form:
    async def pieces() -> AsyncIterator[bytes]:
        for at in range(0, len(body), cut):
            yield body[at : at + cut]

    return await form_fields(pieces(), "b", lambda *_: None, reference.knows, text_limit)


@pytest.mark.parametrize("cut", [1, 7, 1 << 20])
@pytest.mark.parametrize(
    ("name", "body", "headers"),
    [
        ('name="input_reference"; filename="a.png"', PICTURE.replace(b"\r\n--b\r\n", b""), ("Content-Type: image/png",)),
        ('name="input_reference"', URL.encode(), ()),
        ('name="input_reference"', json.dumps({"image_url": URL}).encode(), ()),
        ('name="input_reference"; filename="a"', base64.encodebytes(PICTURE), ("Content-Transfer-Encoding: base64",)),
        ('name="input_reference[image_url]"', URL.encode(), ()),
        ('name="image_reference"', json.dumps({"image_url": URL}).encode(), ()),
    ],
)
async def test_every_part_of_a_form(cut: int, name: str, body: bytes, headers: tuple[str, ...]) -> None:
    form = await read(part('name="prompt"', b"a kite") + part(name, body, *headers) + END, cut)
    wanted = body if b"PNG" in body else PICTURE
    assert reference.taken(form, 1000) == wanted
    assert (dict(form), form.raw) == ({"prompt": ["a kite"]}, {})


@pytest.mark.parametrize("fields", [URL, {"image_url": URL}, {"image_url": {"url": URL}}, json.dumps({"image_url": URL}), f" {URL}\n"])
def test_every_value_of_json(fields: Any) -> None:
    for name in ("input_reference", "image_reference"):
        body: dict[str, object] = {"prompt": "a kite", name: fields}
        assert reference.taken(body, 1000) == PICTURE
        assert body == {"prompt": "a kite"}


@pytest.mark.parametrize("nothing", [None, "", {}, {"image_url": None}, {"image_url": ""}, {"file_id": None}])
async def test_what_says_nothing_is_as_if_absent(nothing: Any) -> None:
    assert reference.taken({"prompt": "a", "input_reference": nothing}, 1000) is None
    empty = await read(part('name="input_reference"; filename=""', b"") + part('name="input_reference[image_url]"', b"") + END)
    assert reference.taken(empty, 1000) is None


async def test_one_picture_of_bounded_size() -> None:
    with pytest.raises(TooLarge):
        reference.taken({"input_reference": URL}, len(PICTURE) - 1)
    with pytest.raises(Invalid, match="twice"):
        reference.taken({"input_reference": URL, "image_reference": URL}, 1000)
    for body in (part('name="input_reference"', URL.encode()) + part('name="input_reference[image_url]"', URL.encode()),):
        with pytest.raises(Invalid, match="twice"):
            reference.taken(await read(body + END), 1000)
    with pytest.raises(TooLarge):
        await read(part('name="prompt"', b"x" * 50) + part('name="tags"', b"x" * 51) + END, 10, text_limit=100)
    await read(part('name="input_reference"', b"x" * 500) + END, 10, text_limit=100)


@pytest.mark.parametrize("name", ["input_references", "input_reference[a b]", "input_reference[x][y]", "input", "reference"])
def test_other_names_are_no_pictures(name: str) -> None:
    assert not reference.knows(name)


@pytest.mark.parametrize(
    ("value", "error"),
    [
        ("https://example.com/a.png", NotSupported),
        (" HTTP://127.0.0.1/a.png", NotSupported),
        ({"file_id": "f"}, NotSupported),
        ({"image_url": {"url": "http://[::1]/"}}, NotSupported),
        ({"image_url": []}, Invalid),
        ({"image_url": {}}, Invalid),
        ({"video_url": URL}, Invalid),
        ("data:image/png,abc", Invalid),
        ("data:text/html;base64,AAAA", Invalid),
        ("data:image/png;base64,A", Invalid),
        ("data:image/png;base64,Ä", Invalid),
        ("//example.com/a.png", Invalid),
        ("\ud800", Invalid),
        (URL + "\ud800", Invalid),
        ("{\ud800", Invalid),
        (True, Invalid),
        (0, Invalid),
    ],
)
def test_all_else_is_refused_by_name(value: Any, error: type[Invalid]) -> None:
    with pytest.raises(error) as refused:
        reference.taken({"input_reference": value}, 1000)
    assert refused.value.field == "input_reference"


def test_room_for_base64() -> None:
    for length in range(1, 50):
        assert len(base64.b64encode(bytes(length))) <= reference.body_limit(0, length)
