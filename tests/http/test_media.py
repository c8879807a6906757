"""Bytes: whole, in part or not at all; from memory where they are; never half a video."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from litestar import Litestar

from cache.clip import StoredObject
from cache.errors import DatabaseAway, StoreAway
from gateway.answering.byte_cache import ByteCache, SentObject
from gateway.api.content import Content
from gateway.auth.access import LOCAL, OpenAccess
from gateway.http.byte_stream import ByteStream
from gateway.http.problems import HANDLERS
from tests.http.memory import LINKS, Edge, MemoryObjects


async def video(client: httpx.AsyncClient, edge: Edge) -> tuple[str, bytes, StoredObject]:
    """A path to a finished video, its bytes, and where they are."""
    video_id = (await client.post("/v1/videos", json={"prompt": "a red kite"})).json()["id"]
    clip = edge.answer.videos[video_id].clip
    assert clip is not None
    stored = clip.objects["video"]
    return f"/v1/videos/{video_id}/content", edge.objects.bodies[stored.name], stored


async def test_whole(edge: Edge, client: httpx.AsyncClient) -> None:
    path, body, stored = await video(client, edge)
    answer = await client.get(path)
    assert (answer.status_code, answer.content) == (200, body)
    headers = answer.headers
    assert headers["content-type"] == "video/mp4"
    assert headers["content-length"] == str(len(body))
    assert headers["etag"] == f'"{stored.sha256}"'
    assert headers["cache-control"] == "private, immutable"
    assert headers["accept-ranges"] == "bytes"
    assert headers["content-disposition"] == f'inline; filename="{path.split("/")[3]}.mp4"'
    assert headers["last-modified"].endswith("GMT")
    assert headers["x-request-id"]
    head = await client.head(path)
    assert (head.status_code, head.content) == (200, b"")
    assert {name: head.headers[name] for name in head.headers if name != "x-request-id"} == {
        name: headers[name] for name in headers if name != "x-request-id"
    }


@pytest.mark.parametrize("variant", ["video", "thumbnail", "spritesheet"])
async def test_what_no_store_made_is_kept_by_nobody(edge: Edge, client: httpx.AsyncClient, variant: str) -> None:
    path, _, _ = await video(client, edge)
    answered = edge.answer.videos[path.split("/")[3]]
    assert answered.clip is not None
    object.__setattr__(answered.clip, "private", True)
    etag = (await client.get(path, params={"variant": variant})).headers["etag"]
    for headers, status in (({}, 200), ({"range": "bytes=0-9"}, 206), ({"if-none-match": etag}, 304)):
        answer = await client.get(path, params={"variant": variant}, headers=headers)
        assert (answer.status_code, answer.headers["cache-control"]) == (status, "no-store")
    edge.answer.raises = DatabaseAway("away")
    away = await client.get(path, params={"variant": variant})
    assert (away.status_code, away.headers["cache-control"]) == (200, "no-store")


async def test_a_link_to_what_no_store_made_is_kept_by_nobody(edge: Edge, client: httpx.AsyncClient) -> None:
    path, _, _ = await video(client, edge)
    answered = edge.answer.videos[path.split("/")[3]]
    assert answered.clip is not None
    linked = Content(edge.answer, edge.objects, edge.cache, LINKS, lambda stored, _: f"https://store.example/{stored.name}")
    app = Litestar(linked.routes(), middleware=[OpenAccess().middleware], exception_handlers=HANDLERS, openapi_config=None)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=cast(Any, app)), base_url="http://localhost") as through:
        for private, kept in ((False, "private, max-age=60"), (True, "no-store")):
            object.__setattr__(answered.clip, "private", private)
            answer = await through.get(path)
            assert (answer.status_code, answer.headers["cache-control"]) == (302, kept)


@pytest.mark.parametrize(
    ("accept", "variant", "kind"),
    [("application/binary", "thumbnail", "image/webp"), ("image/png", "spritesheet", "image/webp"), ("x/y", "video", "video/mp4")],
)
async def test_variants_whatever_is_accepted(edge: Edge, client: httpx.AsyncClient, accept: str, variant: str, kind: str) -> None:
    path, _, _ = await video(client, edge)
    answer = await client.get(path, params={"variant": variant}, headers={"accept": accept})
    assert (answer.status_code, answer.headers["content-type"]) == (200, kind)
    assert answer.content.startswith(variant.encode())


@pytest.mark.parametrize(
    "query", ["variant=latent", "variant=../x", "variant=", "variant=VIDEO", "variant=video&variant=video", "variants=video"]
)
async def test_other_variants_are_refused(edge: Edge, client: httpx.AsyncClient, query: str) -> None:
    path, _, _ = await video(client, edge)
    answer = await client.get(f"{path}?{query}")
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, query.partition("=")[0])


@pytest.mark.parametrize("cache_bytes", [1 << 20, 0])
async def test_parts_are_the_bytes_that_they_name(cache_bytes: int) -> None:
    edge = Edge(cache_bytes=cache_bytes)
    async with edge.client() as client:
        path, body, _ = await video(client, edge)
        end = len(body)
        for asked, start, stop in (
            ("0-0", 0, 1),
            ("0-", 0, end),
            ("10-19", 10, 20),
            (f"{end - 1}-", end - 1, end),
            ("-5", end - 5, end),
            ("5-99999999", 5, end),
        ):
            answer = await client.get(path, headers={"range": f"bytes={asked}"})
            assert answer.status_code == 206
            assert answer.content == body[start:stop]
            assert answer.headers["content-range"] == f"bytes {start}-{stop - 1}/{end}"
            assert answer.headers["content-length"] == str(stop - start)


async def test_a_range_outside(edge: Edge, client: httpx.AsyncClient) -> None:
    path, body, _ = await video(client, edge)
    answer = await client.get(path, headers={"range": f"bytes={len(body)}-"})
    assert answer.status_code == 416
    assert answer.headers["content-range"] == f"bytes */{len(body)}"
    assert answer.json()["error"]["code"] == "range_not_satisfiable"


async def test_conditions(edge: Edge, client: httpx.AsyncClient) -> None:
    path, body, stored = await video(client, edge)
    tag = f'"{stored.sha256}"'
    unchanged = await client.get(path, headers={"if-none-match": tag})
    assert (unchanged.status_code, unchanged.content) == (304, b"")
    assert unchanged.headers["etag"] == tag
    assert unchanged.headers["cache-control"] == "private, immutable"
    assert "content-length" not in unchanged.headers
    assert (await client.head(path, headers={"if-none-match": "*"})).status_code == 304
    assert (await client.get(path, headers={"if-match": '"other"'})).status_code == 412
    several = await client.get(path, headers={"range": "bytes=0-1,4-5"})
    assert (several.status_code, several.content) == (200, body)
    assert (await client.get(path, headers={"range": "bytes=0-1", "if-range": tag})).status_code == 206
    assert (await client.get(path, headers={"range": "bytes=0-1", "if-range": '"other"'})).status_code == 200


async def test_not_yet_and_no_more(edge: Edge, client: httpx.AsyncClient) -> None:
    video_id = (await client.post("/v1/videos", json={"prompt": "miss"})).json()["id"]
    early = await client.get(f"/v1/videos/{video_id}/content")
    assert (early.status_code, early.json()["error"]["code"], early.headers["openai-poll-after-ms"]) == (409, "not_ready", "700")
    await client.post(f"/v1/videos/{video_id}/cancel")
    late = await client.get(f"/v1/videos/{video_id}/content")
    assert (late.status_code, late.json()["error"]["code"]) == (410, "clip_gone")


@pytest.mark.parametrize("cache_bytes", [1 << 20, 0])
async def test_broken_bytes_are_refused_whole_and_leave_service(cache_bytes: int) -> None:
    edge = Edge(cache_bytes=cache_bytes)
    async with edge.client() as client:
        path, _, stored = await video(client, edge)
        edge.objects.broken.add(stored.name)
        for headers in ({}, {"range": "bytes=0-1"}):
            answer = await client.get(path, headers=headers)
            assert (answer.status_code, answer.json()["error"]["code"]) == (503, "object_corrupt")
            assert answer.headers["retry-after"]
        assert edge.answer.broke == [stored.name] * 2


async def test_popular_bytes_are_read_once(edge: Edge, client: httpx.AsyncClient) -> None:
    path, body, stored = await video(client, edge)
    answers = await asyncio.gather(*(client.get(path) for _ in range(5)))
    assert {answer.content for answer in answers} == {body}
    await client.get(path, headers={"range": "bytes=3-"})
    assert edge.objects.reads == [stored.name]


async def test_what_was_served_is_served_on_while_the_database_is_away(edge: Edge, client: httpx.AsyncClient) -> None:
    path, body, _ = await video(client, edge)
    other, _, _ = await video(client, edge)
    await client.get(path)
    edge.answer.raises = DatabaseAway("away")
    answer = await client.get(path)
    assert (answer.status_code, answer.content) == (200, body)
    assert (await client.get(path, headers={"range": "bytes=0-3"})).status_code == 206
    assert (await client.get(path, params={"variant": "thumbnail"})).status_code == 503
    assert (await client.get(other)).status_code == 503
    edge.answer.raises = StoreAway("away")
    assert (await client.get(path)).status_code == 503, "only an absent database is worked around"


async def test_what_was_deleted_is_not_served_on(edge: Edge, client: httpx.AsyncClient) -> None:
    path, _, _ = await video(client, edge)
    await client.get(path)
    assert (await client.delete(path.removesuffix("/content"))).status_code == 200
    assert edge.cache.length == 0
    edge.answer.raises = DatabaseAway("away")
    assert (await client.get(path)).status_code == 503


async def test_a_download_is_noted_when_it_was_the_whole_video(edge: Edge, client: httpx.AsyncClient) -> None:
    path, body, stored = await video(client, edge)
    await client.head(path)
    await client.get(path, headers={"range": "bytes=0-3"})
    await client.get(path, params={"variant": "thumbnail"})
    await client.get(path, headers={"if-none-match": f'"{stored.sha256}"'})
    assert edge.answer.downloads == []
    await client.get(path)
    await client.get(path, headers={"range": f"bytes=0-{len(body) - 1}"})
    assert len(edge.answer.downloads) == 2


async def test_a_download_that_erases_the_video_erases_it_here_too(edge: Edge, client: httpx.AsyncClient) -> None:
    path, _, _ = await video(client, edge)
    edge.answer.erases = True
    assert (await client.get(path)).status_code == 200
    assert edge.cache.length == 0
    edge.answer.raises = DatabaseAway("away")
    assert (await client.get(path)).status_code == 503


async def sent(video_response: ByteStream, leave_after: int | None = None) -> list[Any]:
    """The messages that went out; the client leaves after so many of them."""
    messages: list[Any] = []
    left = asyncio.Event()

    async def receive() -> Any:
        await left.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        messages.append(message)
        if len(messages) == leave_after:
            left.set()
        await asyncio.sleep(0)

    scope: Any = {"type": "http"}
    await video_response(scope, receive, send)
    return messages


async def ten_pieces() -> Any:
    for number in range(10):
        yield bytes([number])
        await asyncio.sleep(0)


async def test_a_client_that_leaves_has_downloaded_nothing() -> None:
    noted: list[int] = []

    async def note() -> None:
        noted.append(1)

    assert len(await sent(ByteStream(200, [], ten_pieces(), note), leave_after=4)) < 8
    assert noted == []
    assert len(await sent(ByteStream(200, [], ten_pieces(), note))) == 12
    assert noted == [1]


async def test_a_note_that_fails_does_not_fail_the_video(caplog: pytest.LogCaptureFixture) -> None:
    async def note() -> None:
        raise DatabaseAway("away")

    assert len(await sent(ByteStream(200, [], ten_pieces(), note))) == 12
    assert "not recorded" in caplog.text


def stored(number: int, length: int) -> StoredObject:
    return StoredObject("video", f"clips/clip_{number}/x.mp4", f"{number}", length, "video/mp4")


@settings(max_examples=50)
@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 30)), max_size=30), st.integers(0, 100))
def test_the_byte_cache_stays_within_its_limit_and_never_lies(asks: list[tuple[int, int]], limit: int) -> None:
    cache = ByteCache(limit)
    lengths: dict[int, int] = {}

    async def read(one: StoredObject) -> bytes:
        return one.name.encode()[:1] * one.length

    async def all_of_them() -> None:
        for number, length in asks:
            one = stored(number, lengths.setdefault(number, length))
            if cache.fits(one):
                assert len(await cache.body(one, read)) == one.length
            assert cache.length <= limit

    asyncio.run(all_of_them())


async def test_the_least_recently_used_leave_first() -> None:
    cache, objects = ByteCache(40), MemoryObjects()
    ones = [await objects.put(f"clip_{number}", "video", bytes([number]) * 10, "video/mp4") for number in range(5)]
    for number in (0, 1, 2, 3, 0, 4, 0, 1):
        await cache.body(ones[number], objects.read)
    assert objects.reads == [ones[number].name for number in (0, 1, 2, 3, 4, 1)]
    assert not cache.fits(stored(9, 11))


async def test_a_reader_that_leaves_does_not_stop_the_others() -> None:
    cache, gate, reads = ByteCache(400), asyncio.Event(), 0

    async def read(one: StoredObject) -> bytes:
        nonlocal reads
        reads += 1
        await gate.wait()
        return b"x" * one.length

    first = asyncio.ensure_future(cache.body(stored(1, 9), read))
    second = asyncio.ensure_future(cache.body(stored(1, 9), read))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.sleep(0)
    gate.set()
    assert await second == b"x" * 9
    assert reads == 1


async def test_what_is_forgotten_while_it_is_read_is_not_kept() -> None:
    cache, gate = ByteCache(400), asyncio.Event()

    async def read(one: StoredObject) -> bytes:
        await gate.wait()
        return b"x" * one.length

    cache.remember("local", "video_1", SentObject(stored(1, 9), 0))
    reader = asyncio.ensure_future(cache.body(stored(1, 9), read))
    await asyncio.sleep(0)
    cache.forget("local", "video_1")
    gate.set()
    assert await reader == b"x" * 9
    assert cache.length == 0


async def test_a_read_that_fails_fails_for_all_who_wait_and_is_tried_again() -> None:
    cache, objects = ByteCache(400), MemoryObjects()
    one = await objects.put("clip_1", "video", b"x", "video/mp4")
    objects.broken.add(one.name)
    failed = await asyncio.gather(*(cache.body(one, objects.read) for _ in range(3)), return_exceptions=True)
    assert len(objects.reads) == 1
    assert all(isinstance(error, Exception) for error in failed)
    objects.broken.clear()
    assert await cache.body(one, objects.read) == b"x"


async def test_only_the_tenant_that_was_served_is_remembered() -> None:
    cache, objects = ByteCache(400), MemoryObjects()
    one = await objects.put("clip_1", "video", b"x", "video/mp4")
    cache.remember(LOCAL.tenant, "video_1", SentObject(one, 0))
    assert cache.recall(LOCAL.tenant, "video_1", "video") is None, "its bytes are not here"
    await cache.body(one, objects.read)
    assert cache.recall(LOCAL.tenant, "video_1", "video") == SentObject(one, 0)
    assert cache.recall("other", "video_1", "video") is None


async def test_what_cannot_be_decoded_has_no_preview(edge: Edge, client: httpx.AsyncClient) -> None:
    """Its bytes are what was stored, so the clip stays in service."""
    path, body, _ = await video(client, edge)
    for variant in ("webp", "gif"):
        answer = await client.get(path, params={"variant": variant})
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "no_preview")
    assert edge.answer.broke == []
    assert (await client.get(path)).content == body
