"""Links without a key: what they hold, what they refuse, and how long what they show may be kept."""

from __future__ import annotations

import re
import time
from dataclasses import replace
from typing import Any, cast
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from litestar import Litestar
from litestar.types import HTTPScope

from cache.errors import ClipGone, DatabaseAway, Invalid, LinkExpired, LinkInvalid, RepriseError
from cache.ids import new_id
from gateway.api.content import Content
from gateway.http.links import Links, no_link
from gateway.http.problems import HANDLERS
from tests.http.memory import LINKS, Edge, ask_of, request_of

BASE = "https://video.example.com/films"


def parts_of(link: str) -> tuple[str, dict[str, str]]:
    """The video id and the query of a link."""
    split = urlsplit(link)
    return split.path.rpartition("/")[2], {name: values[0] for name, values in parse_qs(split.query).items()}


def scope_of(host: str, scheme: str = "http") -> HTTPScope:
    return cast(HTTPScope, {"type": "http", "scheme": scheme, "headers": [(b"host", host.encode())]})


async def linked(client: httpx.AsyncClient) -> dict[str, Any]:
    answer = await client.post("/v1/videos", json={"prompt": "a red kite"})
    found: dict[str, Any] = answer.json()
    return found


@pytest.mark.parametrize(("named", "variant"), [("url", "video"), ("thumbnail_url", "thumbnail")])
async def test_a_link_needs_no_key_and_serves_ranges(edge: Edge, client: httpx.AsyncClient, named: str, variant: str) -> None:
    video = await linked(client)
    link = video["reprise"][named]
    assert link.startswith(f"http://localhost:8000/v1/links/{video['id']}?variant={variant}&")
    clip = edge.answer.videos[video["id"]].clip
    assert clip is not None
    stored = clip.objects[cast(Any, variant)]
    whole = await client.get(link, headers={"Origin": "https://shop.example", "Host": "else.where"})
    assert (whole.status_code, whole.content) == (200, edge.objects.bodies[stored.name])
    assert whole.headers["etag"] == f'"{stored.sha256}"'
    assert whole.headers["cross-origin-resource-policy"] == "cross-origin"
    assert (await client.head(link)).headers["content-length"] == str(stored.length)
    part = await client.get(link, headers={"Range": "bytes=0-9"})
    assert (part.status_code, len(part.content)) == (206, 10)
    assert (await client.get(link, headers={"If-None-Match": whole.headers["etag"]})).status_code == 304
    for answer in (whole, part):
        kept = re.fullmatch(r"private, max-age=(\d+), immutable", answer.headers["cache-control"])
        assert kept is not None
        assert time.time() + int(kept[1]) <= int(parts_of(link)[1]["expires"])


async def test_an_open_video_has_no_link(client: httpx.AsyncClient) -> None:
    told = (await client.post("/v1/videos", json={"prompt": "miss: a red kite"})).json()["reprise"]
    assert (told["url"], told["thumbnail_url"]) == (None, None)


async def test_lists_have_links(client: httpx.AsyncClient) -> None:
    video = await linked(client)
    (told,) = (await client.get("/v1/videos")).json()["data"]
    assert (await client.get(told["reprise"]["url"])).status_code == 200
    assert told["id"] == video["id"]


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"variant": "spritesheet"}, 403, "invalid_link"),
        ({"expires": "99999999999"}, 403, "invalid_link"),
        ({"expires": "soon"}, 403, "invalid_link"),
        ({"expires": "0x10"}, 403, "invalid_link"),
        ({"signature": "é"}, 403, "invalid_link"),
        ({"signature": ""}, 403, "invalid_link"),
        ({"key": "00000000"}, 403, "invalid_link"),
        ({"variant": "latent"}, 400, "invalid_value"),
        ({"other": "1"}, 400, "unknown_parameter"),
        ({"expires": None}, 400, "missing_required_parameter"),
        ({"signature": None}, 400, "missing_required_parameter"),
    ],
)
async def test_a_changed_link_is_refused(client: httpx.AsyncClient, change: dict[str, str | None], status: int, code: str) -> None:
    video_id, query = parts_of((await linked(client))["reprise"]["url"])
    changed = {name: value for name, value in {**query, **change}.items() if value is not None}
    answer = await client.get(f"/v1/links/{video_id}", params=changed)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)


async def test_a_link_is_for_one_video(client: httpx.AsyncClient) -> None:
    one, other = await linked(client), await linked(client)
    query = parts_of(one["reprise"]["url"])[1]
    answer = await client.get(f"/v1/links/{other['id']}", params=query)
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "invalid_link")
    assert (await client.get("/v1/links/x", params=query)).status_code == 404


async def test_a_link_ends_with_its_video(edge: Edge, client: httpx.AsyncClient) -> None:
    video = await linked(client)
    link = video["reprise"]["url"]
    edge.answer.raises = ClipGone("this clip was erased")
    assert (await client.get(link)).status_code == 410
    edge.answer.raises = DatabaseAway("away")
    assert (await client.get(link)).status_code == 503, "nobody can say whether it may still be shown"
    edge.answer.raises = None
    assert (await client.delete(f"/v1/videos/{video['id']}")).status_code == 200
    assert (await client.get(link)).status_code == 404


async def test_what_no_store_made_is_kept_by_nobody(edge: Edge, client: httpx.AsyncClient) -> None:
    video = await linked(client)
    clip = edge.answer.videos[video["id"]].clip
    object.__setattr__(clip, "private", True)
    assert (await client.get(video["reprise"]["url"])).headers["cache-control"] == "no-store"


async def test_a_link_leads_to_the_store_for_no_longer_than_it_is_valid(edge: Edge, client: httpx.AsyncClient) -> None:
    request = replace(request_of(ask_of()), id=(await linked(client))["id"])
    asked: list[float] = []

    def presigned(_: object, within: float) -> str:
        asked.append(within)
        return "https://store.example/x"

    for left in (20, 4000):
        links = Links(["the first key"], 4000)
        app = Litestar(
            Content(edge.answer, edge.objects, edge.cache, links, presigned).routes(), exception_handlers=HANDLERS, openapi_config=None
        )
        link = links.under("http://localhost")(replace(request, expires_at=time.time() + left), "video")
        assert link is not None
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=cast(Any, app)), base_url="http://localhost") as through:
            answer = await through.get(link)
        assert (answer.status_code, answer.headers["location"]) == (302, "https://store.example/x")
        kept = int(answer.headers["cache-control"].removeprefix("private, max-age="))
        assert kept <= min(60, left)
        assert asked.pop() <= left


# The links themselves


@given(st.sampled_from(["video", "thumbnail", "spritesheet"]), st.floats(1, 1e6))
def test_every_link_holds_until_it_expires_and_the_next_minute_at_most(kind: Any, seconds: float) -> None:
    links, request = Links(["a key"], seconds), request_of(ask_of())
    link = links.under(BASE)(request, kind)
    assert link is not None
    assert link.startswith(f"{BASE}/v1/links/")
    video_id, query = parts_of(link)
    left = links.check(video_id, kind, query)
    assert seconds - 1 < left <= seconds + 60


def test_all_keys_verify_and_the_first_signs() -> None:
    old, rotated, gone = Links(["old"], 900), Links(["new", "old"], 900), Links(["new"], 900)
    request = request_of(ask_of())
    before, after = old.under(BASE)(request, "video"), rotated.under(BASE)(request, "video")
    assert before is not None and after is not None
    assert rotated.check(*_of(before)) > 0
    assert gone.check(*_of(after)) > 0
    with pytest.raises(LinkInvalid, match="no longer in use"):
        gone.check(*_of(before))


def _of(link: str) -> tuple[str, Any, dict[str, str]]:
    video_id, query = parts_of(link)
    return video_id, "video", query


def test_an_expired_link_says_so_only_to_whom_it_was_given() -> None:
    links, request = Links(["a key"], 900), replace(request_of(ask_of()), expires_at=time.time() + 0.2)
    link = links.under(BASE)(request, "video")
    assert link is not None
    time.sleep(0.3)
    assert links.under(BASE)(request, "video") is None, "nobody is given another"
    video_id, query = parts_of(link)
    for changed, error in ((query, LinkExpired), ({**query, "signature": "x"}, LinkInvalid)):
        with pytest.raises(error):
            links.check(video_id, "video", changed)


@given(st.dictionaries(st.sampled_from(["variant", "expires", "key", "signature"]), st.text()), st.text())
def test_nothing_made_up_is_a_link(told: dict[str, str], video_id: str) -> None:
    with pytest.raises((Invalid, LinkInvalid)) as refused:
        LINKS.check(video_id, "video", told)
    assert isinstance(refused.value, RepriseError)


@pytest.mark.parametrize(
    ("host", "begins"),
    [
        ("localhost:8000", "http://localhost:8000/"),
        ("127.0.0.1", "http://127.0.0.1/"),
        ("[::1]:9", "http://[::1]:9/"),
        ("Video.Internal", "http://video.internal/"),
        ("evil.example", None),
        ("video.internal@evil.example", None),
        ("video.internal/evil", None),
        ("", None),
    ],
)
def test_without_a_public_url_only_a_known_host_is_named(host: str, begins: str | None) -> None:
    request = request_of(ask_of())
    link = Links(["a key"], 900, hosts=["video.internal"]).at(scope_of(host))(request, "video")
    assert (None if link is None else link.partition("v1/")[0]) == begins
    public = Links(["a key"], 900, BASE).at(scope_of(host))(request, "video")
    assert public is not None
    assert public.startswith(f"{BASE}/v1/links/{request.id}?")


def test_without_keys_there_are_no_links() -> None:
    links = Links([], 900, BASE)
    assert links.at(scope_of("localhost")) is no_link
    assert links.public is no_link
    with pytest.raises(LinkInvalid):
        links.check(new_id("video"), "video", dict.fromkeys(("variant", "expires", "key", "signature"), "1"))
