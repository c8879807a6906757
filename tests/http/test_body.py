"""Bodies: both encodings mean the same, and nothing that a client can send does worse than a named 400."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cache.catalog import DEMO, ROWS, AskedSettings, ModelRow, ServedModel, resolve
from cache.errors import Invalid, NotSupported, RepriseError, TooLarge, UnsupportedMedia
from cache.prompt import LONGEST, LONGEST_NEGATIVE
from cache.variant import LARGEST_SEED
from gateway.answering.ask import CacheOptions, VideoAsk
from gateway.auth.access import LOCAL
from gateway.http.body import MOST_PARTS, Fields, Form, json_fields, read_fields
from gateway.http.shapes import VideoBody
from gateway.http.texts import LONGEST_NAME, LONGEST_TAG, LONGEST_USER, LONGEST_VALUE, MOST_PAIRS, MOST_TAGS
from gateway.http.video_objects import length_text
from gateway.http.wire import SHAPES, check_video_field, read_body, video_ask
from generator.job import Priority
from tests.http.memory import MODELS

LIMIT = 256 * 1024
Parts = list[tuple[str, tuple[str | None, bytes]]]


def read(content_type: str, body: bytes, *, limit: int = LIMIT, piece: int = 1 << 20, **headers: bytes) -> Fields | Form:
    pieces = [body[at : at + piece] for at in range(0, len(body), piece)] or [b""]

    async def receive() -> Any:
        return {"type": "http.request", "body": pieces.pop(0), "more_body": bool(pieces)}

    named = {
        b"content-type": content_type.encode("latin-1", "replace"),
        **{key.replace("_", "-").encode(): value for key, value in headers.items()},
    }
    return asyncio.run(read_fields(named, receive, limit, check_video_field))


def form_of(parts: Parts) -> tuple[str, bytes]:
    request = httpx.Request("POST", "http://x", files=parts)
    return request.headers["content-type"], request.read()


def asked(fields: Fields | Form, headers: dict[bytes, bytes] | None = None) -> VideoAsk:
    return video_ask(fields, headers or {}, LOCAL, MODELS, 60)


def from_json(said: object, headers: dict[bytes, bytes] | None = None) -> VideoAsk:
    return asked(read("application/json", json.dumps(said).encode()), headers)


def from_form(said: dict[str, Any], headers: dict[bytes, bytes] | None = None) -> VideoAsk:
    parts: Parts = []
    for name, value in said.items():
        for one in value if isinstance(value, list) else [value]:
            text = json.dumps(one) if isinstance(one, bool | int | float | dict) else one
            parts.append((f"{name}[]" if isinstance(value, list) else name, (None, text.encode())))
    return asked(read(*form_of(parts)), headers)


texts = st.text(st.characters(codec="utf-8", exclude_characters="\x00\r\n"), min_size=1, max_size=60)
bodies = st.fixed_dictionaries(
    {"prompt": texts.filter(lambda text: text.strip(" .,;:!?…。、，；：！？\t\x1c\x1d\x1e\x1f\x85\xa0") != "")},
    optional={
        "model": st.sampled_from([DEMO.name, "sora-2"]),
        "seconds": st.sampled_from(["2", "1", "0.5", 2, 1.5]),
        "size": st.just("128x128"),
        "seed": st.integers(0, LARGEST_SEED),
        "quality": st.sampled_from(["draft", "standard", "final"]),
        "negative_prompt": texts,
        "guidance_scale": st.sampled_from([1, 5, 7.5]),
        "priority": st.sampled_from(["interactive", "background"]),
        "allow_smaller": st.just(False),
        "tags": st.lists(texts, min_size=1, max_size=4),
        "user": texts,
        "metadata": st.dictionaries(texts, texts, max_size=3),
    },
)


@given(bodies)
def test_the_same_ask_comes_from_both_encodings(said: dict[str, Any]) -> None:
    headers = {b"idempotency-key": b"k"}
    try:
        ask = from_json(said, headers)
    except Invalid as refused:  # a prompt of nothing but marks has no normal form
        with pytest.raises(Invalid) as other:
            from_form(said, headers)
        assert other.value.field == refused.field
        return
    assert from_form(said, headers) == ask
    assert len(ask.body_digest) == 64


def test_an_ask_says_everything() -> None:
    said = {"prompt": " A red Kite ", "seed": 7, "quality": "draft", "priority": "background", "allow_smaller": True, "tags": ["a", "b"],
            "reprise": {"max_wrong": 0.01}}  # fmt: skip
    ask = from_json(said, {b"prefer": b"wait=600", b"cache-control": b"no-cache"})
    assert (ask.prompt.text, ask.seed, ask.tags, ask.wait) == (" A red Kite ", 7, ("a", "b"), 60.0)
    assert ask.priority is Priority.BACKGROUND
    assert ask.allow_smaller
    assert ask.directives.no_cache
    assert (ask.recipe.quality, ask.recipe.steps, ask.recipe.seconds) == ("draft", 4, 2.125)
    assert (ask.idempotency_key, ask.body_digest) == (None, "")
    assert ask.options == CacheOptions(max_wrong=0.01)
    as_form = {**{name: value for name, value in said.items() if name != "reprise"}, "reprise[max_wrong]": 0.01}
    assert from_form(as_form).options == ask.options


def test_a_whole_number_may_be_written_with_a_point() -> None:
    ask = asked(read("application/json", b'{"prompt": "a kite", "seed": 7.0, "steps": 2e1, "seconds": 2.0}'))
    assert ask == from_json({"prompt": "a kite", "seed": 7, "steps": 20, "seconds": 2})


def test_null_in_json_is_not_said() -> None:
    assert from_json({"prompt": "a kite", **dict.fromkeys(set(SHAPES[VideoBody]) - {"prompt"})}) == from_json({"prompt": "a kite"})


def test_a_digest_of_the_body_knows_every_field() -> None:
    said: list[dict[str, Any]] = [
        {},
        {"seed": 1},
        {"seed": 2},
        {"tags": ["a"]},
        {"priority": "background"},
        {"negative_prompt": "fog"},
        {"seconds": "1"},
        {"user": "u"},
        {"metadata": {"a": "b"}},
    ]
    digests = [from_json({"prompt": "a kite", **more}, {b"idempotency-key": b"k"}).body_digest for more in said]
    assert len(set(digests)) == len(said)


def test_a_form_may_repeat_tags() -> None:
    for name in ("tags", "tags[]"):
        parts: Parts = [("prompt", (None, b"a kite")), (name, (None, b"a")), (name, (None, b"b"))]
        assert asked(read(*form_of(parts))).tags == ("a", "b")


def test_a_form_names_its_tags_in_one_way() -> None:
    parts: Parts = [("prompt", (None, b"a kite")), ("tags", (None, b"a")), ("tags[]", (None, b"b"))]
    with pytest.raises(Invalid) as told:
        asked(read(*form_of(parts)))
    assert (told.value.field, told.value.code) == ("tags[]", "duplicate_parameter")


@pytest.mark.parametrize(
    ("said", "field", "code"),
    [
        ({}, "prompt", "missing_required_parameter"),
        ({"prompt": ""}, "prompt", "missing_required_parameter"),
        ({"prompt": " \t\n."}, "prompt", "missing_required_parameter"),
        ({"prompt": None}, "prompt", "invalid_type"),
        ({"prompt": 5}, "prompt", "invalid_type"),
        ({"prompt": ["a"]}, "prompt", "invalid_type"),
        ({"prompt": "a" * (LONGEST + 1)}, "prompt", "string_too_long"),
        ({"prompt": "a\x00b"}, "prompt", "invalid_value"),
        ({"prompt": "a \ud800 b"}, "prompt", "invalid_value"),
        ({"negative_prompt": "\udfff"}, "negative_prompt", "invalid_value"),
        ({"negative_prompt": "n" * (LONGEST_NEGATIVE + 1)}, "negative_prompt", "string_too_long"),
        ({"model": 3}, "model", "invalid_type"),
        ({"seconds": True}, "seconds", "invalid_type"),
        ({"seconds": "two"}, "seconds", "invalid_type"),
        ({"seconds": ""}, "seconds", "invalid_type"),
        ({"seconds": "nan"}, "seconds", "invalid_type"),
        ({"seconds": "1e0"}, "seconds", "invalid_type"),
        ({"seconds": "2" * 5000}, "seconds", "invalid_type"),
        ({"seconds": -1}, "seconds", "invalid_value"),
        ({"seconds": 9}, "seconds", "invalid_value"),
        ({"seconds": 10**400}, "seconds", "invalid_type"),
        ({"seconds": 1e-300}, "seconds", "invalid_value"),
        ({"size": "128"}, "size", "invalid_value"),
        ({"size": "\ud800"}, "size", "invalid_value"),
        ({"size": [128, 128]}, "size", "invalid_type"),
        ({"seed": "7"}, "seed", "invalid_type"),
        ({"seed": True}, "seed", "invalid_type"),
        ({"seed": 7.5}, "seed", "invalid_type"),
        ({"seed": 1e17}, "seed", "invalid_type"),
        ({"quality": "\ud800"}, "quality", "invalid_type"),
        ({"priority": "\udfff"}, "priority", "invalid_type"),
        ({"tags": ["\ud800"]}, "tags", "invalid_value"),
        ({"seed": -1}, "seed", "invalid_type"),
        ({"seed": LARGEST_SEED + 1}, "seed", "invalid_type"),
        ({"seed": 10**300}, "seed", "invalid_type"),
        ({"quality": "best"}, "quality", "invalid_type"),
        ({"steps": 0}, "steps", "invalid_type"),
        ({"steps": 101}, "steps", "invalid_type"),
        ({"steps": 20, "quality": "draft"}, "steps", "invalid_value"),
        ({"guidance_scale": "5"}, "guidance_scale", "invalid_type"),
        ({"guidance_scale": 0.5}, "guidance_scale", "invalid_type"),
        ({"priority": "urgent"}, "priority", "invalid_type"),
        ({"allow_smaller": 1}, "allow_smaller", "invalid_type"),
        ({"allow_smaller": True}, "allow_smaller", "invalid_value"),
        ({"tags": "a"}, "tags", "invalid_type"),
        ({"reprise": 1}, "reprise", "invalid_type"),
        ({"reprise": {"a": 1}}, "reprise.a", "unknown_parameter"),
        ({"reprise": {"max_wrong": "0.1"}}, "reprise.max_wrong", "invalid_type"),
        ({"reprise": {"max_wrong": 1}}, "reprise.max_wrong", "invalid_type"),
        ({"tags": [1]}, "tags", "invalid_type"),
        ({"tags": [""]}, "tags", "invalid_type"),
        ({"tags": ["\ud800"]}, "tags", "invalid_value"),
        ({"tags": ["a" * (LONGEST_TAG + 1)]}, "tags", "invalid_type"),
        ({"tags": ["a"] * (MOST_TAGS + 1)}, "tags", "invalid_type"),
        ({"tags[]": ["a"]}, "tags[]", "unknown_parameter"),
        ({"colour": 128}, "colour", "unknown_parameter"),
        ({"reprise[max_wrong]": 0.01}, "reprise[max_wrong]", "unknown_parameter"),
        ({"user": ""}, "user", "invalid_type"),
        ({"user": "a" * (LONGEST_USER + 1)}, "user", "invalid_type"),
        ({"user": "a\x00"}, "user", "invalid_value"),
        ({"metadata": {"a": 1}}, "metadata", "invalid_type"),
        ({"metadata": {"": "a"}}, "metadata", "invalid_type"),
        ({"metadata": {"a": "b" * (LONGEST_VALUE + 1)}}, "metadata", "invalid_type"),
        ({"metadata": {"a" * (LONGEST_NAME + 1): "b"}}, "metadata", "invalid_type"),
        ({"metadata": {str(name): "" for name in range(MOST_PAIRS + 1)}}, "metadata", "invalid_type"),
        ({"metadata": {"a\x00": "b"}}, "metadata", "invalid_value"),
        ({"metadata": {"a": "\ud800"}}, "metadata", "invalid_value"),
        ({"\ud800": 1}, "\ud800", "unknown_parameter"),
        ({"x" * 1000: 1}, "x" * 64, "unknown_parameter"),
        ({"input_reference": {"file_id": "f"}}, "input_reference", "not_supported"),
    ],
)
def test_json_is_refused_with_the_field_named(said: dict[str, Any], field: str, code: str) -> None:
    with pytest.raises(Invalid) as refused:
        from_json(said if said == {} or "prompt" in said else {"prompt": "a kite", **said})
    assert (refused.value.field, refused.value.code) == (field, code)


@pytest.mark.parametrize(
    ("name", "value", "field", "code"),
    [
        ("seed", "seven", "seed", "invalid_type"),
        ("seed", "-1", "seed", "invalid_type"),
        ("seed", "٣", "seed", "invalid_type"),
        ("seed", "9" * 30, "seed", "invalid_type"),
        ("seed[]", "7", "seed[]", "invalid_type"),
        ("steps", "1.5", "steps", "invalid_type"),
        ("guidance_scale", "nan", "guidance_scale", "invalid_type"),
        ("guidance_scale", "inf", "guidance_scale", "invalid_type"),
        ("allow_smaller", "yes", "allow_smaller", "invalid_type"),
        ("seconds", "x", "seconds", "invalid_type"),
        ("prompt", "another", "prompt", "duplicate_parameter"),
        ("reprise[a]", "1", "reprise.a", "unknown_parameter"),
        ("reprise", '{"max_wrong": 0.01}', "reprise", "invalid_type"),
        ("reprise[max_wrong]", "nil", "reprise.max_wrong", "invalid_type"),
        ("reprise[max_wrong]", "1.5", "reprise.max_wrong", "invalid_type"),
        ("", "1", "", "unknown_parameter"),
        ("input_reference[image_url]", "u", "input_reference", "not_supported"),
    ],
)
def test_a_form_is_refused_with_the_field_named(name: str, value: str, field: str, code: str) -> None:
    with pytest.raises(Invalid) as refused:
        asked(read(*form_of([("prompt", (None, b"a kite")), (name, (None, value.encode()))])))
    assert (refused.value.field, refused.value.code) == (field, code)


def test_files_are_refused_by_name_before_their_bytes_are_read() -> None:
    kind, body = form_of([("input_reference", ("x.png", b"\x89PNG" * 100_000))])
    with pytest.raises(NotSupported) as refused:
        read(kind, body, limit=1000, piece=500)
    assert (refused.value.field, refused.value.message) == ("input_reference", "image-to-video is not supported")
    with pytest.raises(Invalid) as named:
        read(*form_of([("prompt", ("x.txt", b"a kite"))]))
    assert named.value.field == "prompt"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b'"prompt"',
        b"null",
        b'{"prompt": "a"} x',
        b'{"prompt": "a",}',
        b"{'prompt': 'a'}",
        b'{"prompt": "\xff"}',
        '{"prompt": "a"}'.encode("utf-16"),
        b'{"seed": NaN}',
        b'{"seed": -Infinity}',
        b'{"seed": ' + b"9" * 10_000 + b"}",
        b'{"prompt": ' + b"[" * 100_000,
        b'{"prompt": ' + b'{"a":' * 50_000,
        b'{"prompt": "a\nb"}',
    ],
)
def test_what_is_no_json_object_is_refused_as_a_whole(body: bytes) -> None:
    with pytest.raises(Invalid) as refused:
        read("application/json", body)
    assert (refused.value.field, refused.value.code) == (None, "invalid_json")


@pytest.mark.parametrize(
    "body", ['{"prompt": "a", "prompt": "b"}', '{"prompt": "a", "pr\\u006fmpt": "b"}', '{"prompt": {"prompt": 1, "prompt": 2}}']
)
def test_a_json_field_given_twice_is_refused(body: str) -> None:
    with pytest.raises(Invalid) as refused:
        read("application/json", body.encode())
    assert (refused.value.field, refused.value.code) == ("prompt", "duplicate_parameter")


GOOD = b'--b\r\nContent-Disposition: form-data; name="prompt"\r\n\r\na kite\r\n--b--\r\n'


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("multipart/form-data", GOOD),
        ("multipart/form-data; boundary=", GOOD),
        ("multipart/form-data; boundary=other", GOOD),
        ("multipart/form-data; boundary=b", b""),
        ("multipart/form-data; boundary=b", GOOD[:-8]),
        ("multipart/form-data; boundary=b", GOOD.replace(b"form-data", b"attachment")),
        ("multipart/form-data; boundary=b", GOOD.replace(b'; name="prompt"', b"")),
        ("multipart/form-data; boundary=b", GOOD.replace(b"Content-Disposition", b"X")),
        ("multipart/form-data; boundary=b", GOOD.replace(b"Content-D", b"\xff\xfe")),
        ("multipart/form-data; boundary=b", GOOD.replace(b"\r\n", b"\n")),
    ],
)
def test_a_broken_form_is_refused(content_type: str, body: bytes) -> None:
    with pytest.raises(Invalid):
        read(content_type, body)


@pytest.mark.parametrize("piece", [1, 2, 7, 1000])
@pytest.mark.parametrize(
    "body",
    [
        b"\r\n" + GOOD,
        b"This is a message in several parts.\r\n--bc\r\r\n" + GOOD,
        GOOD.replace(b"--b\r\n", b"--b  \t\r\n"),
        GOOD.replace(b"--b--\r\n", b'--b \r\nContent-Disposition: form-data; name="seed"\r\n\r\n\r\n--b-- \r\nand so on'),
        GOOD.replace(b"\r\n\r\na kite", b"\r\nContent-Transfer-Encoding: base64\r\n\r\nYSBr\r\naXRl\r\n"),
        GOOD.replace(b"\r\n\r\na kite", b"\r\ncontent-transfer-encoding: Quoted-Printable\r\n\r\n=61 k=\r\nite"),
        GOOD.replace(b"\r\n\r\na kite", b"\r\nContent-Transfer-Encoding: 8bit\r\nContent-Type: text/plain; charset=UTF-8\r\n\r\na kite"),
    ],
)
def test_a_form_as_mail_programs_write_it(body: bytes, piece: int) -> None:
    fields = read("multipart/form-data; boundary=b", body, piece=piece)
    assert asked(fields) == from_json({"prompt": "a kite"})


@pytest.mark.parametrize(
    "headers",
    [
        b"Content-Transfer-Encoding: base64",
        b"Content-Transfer-Encoding: x-uuencode",
        b"Content-Type: text/plain; charset=iso-8859-1",
        b"Content-Type: text/plain; charset=utf-16",
    ],
)
def test_a_part_that_cannot_be_read_is_refused_by_name(headers: bytes) -> None:
    with pytest.raises(Invalid) as refused:
        read("multipart/form-data; boundary=b", GOOD.replace(b"\r\n\r\n", b"\r\n" + headers + b"\r\n\r\n"))
    assert refused.value.field == "prompt"


def test_a_picture_that_is_none_is_not_said() -> None:
    plain = from_json({"prompt": "a kite"})
    said: tuple[object, ...] = (None, "", {}, [])
    for nothing in said:
        assert from_json({"prompt": "a kite", "input_reference": nothing}) == plain
    for empty in ((None, b""), ("", b""), ("blob", b"")):
        assert asked(read(*form_of([("input_reference", empty), ("prompt", (None, b"a kite"))]))) == plain


def test_an_empty_field_of_a_form_is_not_said() -> None:
    said = [name for name in SHAPES[VideoBody] if name not in {"prompt", "negative_prompt"}]
    parts: Parts = [("prompt", (None, b"a kite")), *((name, (None, b"")) for name in (*said, "reprise[max_wrong]"))]
    assert asked(read(*form_of(parts))) == from_json({"prompt": "a kite"})
    assert from_form({"prompt": "a kite", "negative_prompt": ""}).recipe.negative_prompt == "", "which replaces the model's own"
    with pytest.raises(Invalid):
        from_form({"prompt": ""})


def test_a_byte_order_mark_is_not_said() -> None:
    assert asked(read("application/json", b'\xef\xbb\xbf{"prompt": "a kite"}')) == from_json({"prompt": "a kite"})


@pytest.mark.parametrize("row", ROWS)
def test_the_length_that_an_answer_says_may_be_sent_back(row: ModelRow) -> None:
    served = ServedModel(row, "a revision", "pipeline")
    for frames in range(5, row.frames(row.longest_seconds) + 1, 4):
        said = float(length_text(frames / row.fps))
        assert resolve(served, AskedSettings(seconds=said)).frames == frames
    for beyond in (said + 0.01, row.longest_seconds + 0.02):
        with pytest.raises(Invalid):
            resolve(served, AskedSettings(seconds=beyond))


@pytest.mark.parametrize("piece", [1, 7, 1000])
def test_what_follows_the_last_boundary_does_not_count(piece: int) -> None:
    assert read("multipart/form-data; boundary=b", GOOD + GOOD, piece=piece) == {"prompt": ["a kite"]}


def test_a_form_is_bounded_in_parts_and_headers() -> None:
    with pytest.raises(TooLarge):
        read(*form_of([("tags", (None, b"a"))] * (MOST_PARTS + 1)))
    long = GOOD.replace(b"form-data;", b"form-data; x=" + b"y" * 5000 + b";")
    with pytest.raises(TooLarge):
        read("multipart/form-data; boundary=b", long)
    many = GOOD.replace(b"\r\n\r\na", b"\r\n" + b"X-A: b\r\n" * 50 + b"\r\na")
    with pytest.raises(TooLarge):
        read("multipart/form-data; boundary=b", many)


def test_bytes_that_are_no_utf8_are_refused_by_name() -> None:
    with pytest.raises(Invalid) as refused:
        read("multipart/form-data; boundary=b", GOOD.replace(b"kite", b"\xff"))
    assert refused.value.field == "prompt"


@pytest.mark.parametrize(
    "kind",
    [
        "",
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/json; charset=utf-16",
        "application/jsonx",
        "multipart/mixed; boundary=b",
    ],
)
def test_other_content_types_are_unsupported(kind: str) -> None:
    with pytest.raises(UnsupportedMedia):
        read(kind, b"{}")


def test_a_compressed_body_is_unsupported() -> None:
    with pytest.raises(UnsupportedMedia):
        read("application/json", b"\x1f\x8b", content_encoding=b"gzip")


def test_the_limit_holds_without_content_length_and_to_the_byte() -> None:
    body = json.dumps({"prompt": "a" * 979}).encode()
    assert len(body) == 993
    assert read("application/json", body, limit=993, piece=10) == {"prompt": "a" * 979}
    given: list[int] = []

    async def receive() -> Any:
        given.append(1)
        return {"type": "http.request", "body": b" " * 100, "more_body": True}

    with pytest.raises(TooLarge):
        asyncio.run(read_fields({b"content-type": b"application/json"}, receive, 992, check_video_field))
    assert len(given) == 10, "it stops reading at the limit"


def test_a_client_that_leaves_in_the_middle() -> None:
    async def receive() -> Any:
        return {"type": "http.disconnect"}

    with pytest.raises(Invalid):
        asyncio.run(read_fields({b"content-type": b"application/json"}, receive, 992, check_video_field))


def test_every_field_has_a_shape() -> None:
    for kind, shapes in SHAPES.items():
        assert tuple(shapes) == kind.__struct_fields__


scraps = st.sampled_from(
    [
        b"--b",
        b"\r\n",
        b"--b--",
        b"Content-Disposition: form-data; name=",
        b'"prompt"',
        b'"seed"',
        b": ",
        b"\r\n\r\n",
        b"a kite",
        b"; filename=x",
        b"\x00",
        b"\xff",
    ]
)


def outcome(content_type: str, body: bytes, piece: int) -> object:
    try:
        return asked(read(content_type, body, piece=piece))
    except RepriseError as error:
        return (type(error), error.code)


@settings(max_examples=150)
@given(st.lists(scraps | st.binary(max_size=8), max_size=30).map(b"".join), st.integers(1, 40))
@example(GOOD, 1)
def test_no_form_bytes_do_worse_and_their_pieces_do_not_matter(body: bytes, piece: int) -> None:
    kind = "multipart/form-data; boundary=b"
    assert outcome(kind, body, piece) == outcome(kind, body, 1 << 20)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=150)
@given(st.dictionaries(st.sampled_from([*SHAPES[VideoBody], "other"]), values, max_size=6) | values | st.binary(max_size=40))
def test_no_json_does_worse(said: object) -> None:
    body = said if isinstance(said, bytes) else json.dumps(said).encode()
    outcome("application/json", body, 1 << 20)


@given(st.dictionaries(st.sampled_from(list(SHAPES[VideoBody])), values, max_size=8))
def test_a_refused_field_is_one_that_was_sent_or_is_missing(said: dict[str, object]) -> None:
    try:
        read_body(VideoBody, json_fields(json.dumps(said).encode()))
    except Invalid as error:
        assert error.field is None or error.field in said or error.field == "prompt" or error.code == "duplicate_parameter"
