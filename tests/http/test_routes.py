"""The routes over a small answer: what goes in reaches it, what it says comes out."""

from __future__ import annotations

import json

import httpx
import pytest

from cache.ids import new_id
from tests.http.memory import Edge


async def made(client: httpx.AsyncClient, prompt: str = "a red kite") -> str:
    answer = await client.post("/v1/videos", json={"prompt": prompt})
    assert answer.status_code == 200
    return str(answer.json()["id"])


async def test_a_hit_is_complete_in_the_first_answer(client: httpx.AsyncClient) -> None:
    answer = await client.post("/v1/videos", json={"prompt": "a red kite", "model": "sora-2"})
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-status"] == "Reprise; hit; detail=exact"
    assert answer.headers["age"] == "532"
    assert "openai-poll-after-ms" not in answer.headers
    assert answer.json()["status"] == "completed"


async def test_a_miss_says_when_to_ask_again(client: httpx.AsyncClient) -> None:
    answer = await client.post("/v1/videos", files={"prompt": (None, "miss: a red kite")})
    assert answer.headers["cache-status"] == "Reprise; fwd=miss"
    assert answer.headers["openai-poll-after-ms"] == "1800"
    assert "age" not in answer.headers
    video_id = answer.json()["id"]
    again = await client.get(f"/v1/videos/{video_id}")
    assert again.json() == answer.json()
    assert again.headers["openai-poll-after-ms"] == "1800"
    assert "cache-status" not in again.headers


async def test_headers_reach_the_answer(edge: Edge, client: httpx.AsyncClient) -> None:
    headers = {"cache-control": "no-cache, max-age=5", "prefer": "wait=600", "idempotency-key": "k-1"}
    answer = await client.post("/v1/videos", json={"prompt": "a red kite"}, headers=headers)
    assert answer.headers["preference-applied"] == "wait=60"
    (ask,) = edge.answer.asks
    plain = await client.post("/v1/videos", json={"prompt": "a red kite"}, headers={"prefer": "respond-async"})
    assert "preference-applied" not in plain.headers
    assert (ask.directives.no_cache, ask.directives.max_age, ask.wait, ask.idempotency_key) == (True, 5, 60.0, "k-1")
    bad = await client.post("/v1/videos", json={"prompt": "a"}, headers={"cache-control": "max-age=soon"})
    assert (bad.status_code, bad.json()["error"]["param"]) == (400, "Cache-Control")
    bad = await client.post("/v1/videos", json={"prompt": "a"}, headers={"idempotency-key": "k" * 300})
    assert (bad.status_code, bad.json()["error"]["param"]) == (400, "Idempotency-Key")


async def test_bad_input_reaches_no_answer(edge: Edge, client: httpx.AsyncClient) -> None:
    for body, status, param in (
        ({"prompt": ""}, 400, "prompt"),
        ({"prompt": "a", "width": 1}, 400, "width"),
        ({"prompt": "a", "size": "1x1"}, 400, "size"),
    ):
        answer = await client.post("/v1/videos", json=body)
        assert (answer.status_code, answer.json()["error"]["param"]) == (status, param)
    surrogate = await client.post(
        "/v1/videos", content=b'{"prompt": "\\ud800", "\\udfff": 1}', headers={"content-type": "application/json"}
    )
    assert (surrogate.status_code, surrogate.json()["error"]["param"]) == (400, "?")
    assert (await client.post("/v1/videos", content=b"x" * 70_000, headers={"content-type": "application/json"})).status_code == 413
    assert (await client.post("/v1/videos", content=b"a=b")).status_code == 415
    assert edge.answer.asks == []


async def test_pages(client: httpx.AsyncClient) -> None:
    ids = sorted([await made(client) for _ in range(5)], reverse=True)
    page = (await client.get("/v1/videos", params={"limit": "2"})).json()
    assert [video["id"] for video in page["data"]] == ids[:2]
    assert (page["object"], page["first_id"], page["last_id"], page["has_more"]) == ("list", ids[0], ids[1], True)
    rest = (await client.get("/v1/videos", params={"after": ids[1]})).json()
    assert [video["id"] for video in rest["data"]] == ids[2:]
    assert not rest["has_more"]
    upwards = (await client.get("/v1/videos", params={"order": "asc", "limit": "100"})).json()
    assert [video["id"] for video in upwards["data"]] == ids[::-1]


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("limit=-1", "limit"),
        ("limit=2.0", "limit"),
        ("limit=%D9%A3", "limit"),
        ("limit=" + "9" * 5000, "limit"),
        ("limit=", "limit"),
        ("order=up", "order"),
        ("after=video_1", "after"),
        ("after=clip_" + "0" * 32, "after"),
        ("after=", "after"),
        ("limit=1&limit=2", "limit"),
        ("page=2", "page"),
        ("limit=%ff", None),
        ("&".join(f"a{n}=1" for n in range(40)), None),
    ],
)
async def test_bad_queries_name_their_field(client: httpx.AsyncClient, query: str, param: str | None) -> None:
    answer = await client.get(f"/v1/videos?{query}")
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == param


BAD_IDS = ["video_1", "video_" + "g" * 32, "clip_" + "0" * 32, "video_" + "0" * 33, "..%2f..", "video_%00", "%F0%9F%8E%AC", "x" * 5000]


@pytest.mark.parametrize("bad", [*BAD_IDS, "video_" + "0" * 32])
async def test_an_unknown_id_is_not_found_anywhere(edge: Edge, client: httpx.AsyncClient, bad: str) -> None:
    for method, tail in (
        ("GET", ""),
        ("HEAD", ""),
        ("DELETE", ""),
        ("POST", "/cancel"),
        ("POST", "/feedback"),
        ("GET", "/content"),
        ("HEAD", "/content"),
    ):
        answer = await client.request(method, f"/v1/videos/{bad}{tail}", json={"satisfied": True} if tail == "/feedback" else None)
        assert answer.status_code == 404, (method, tail)


async def test_an_id_of_the_wrong_shape_is_never_looked_up(edge: Edge, client: httpx.AsyncClient) -> None:
    edge.answer.raises = AssertionError("looked up")
    for bad in BAD_IDS:
        assert (await client.get(f"/v1/videos/{bad}")).status_code == 404


async def test_delete(edge: Edge, client: httpx.AsyncClient) -> None:
    video_id = await made(client)
    assert (await client.delete(f"/v1/videos/{video_id}?erase=maybe")).status_code == 400
    answer = await client.delete(f"/v1/videos/{video_id}?erase=true")
    assert (answer.status_code, answer.json()) == (200, {"id": video_id, "object": "video.deleted", "deleted": True})
    assert (await client.get(f"/v1/videos/{video_id}")).status_code == 404
    assert (await client.delete(f"/v1/videos/{video_id}")).status_code == 404


async def test_cancel(client: httpx.AsyncClient) -> None:
    video_id = await made(client, "miss")
    answer = await client.post(f"/v1/videos/{video_id}/cancel")
    assert (answer.status_code, answer.json()["status"], answer.json()["error"]["code"]) == (200, "failed", "cancelled")
    assert "openai-poll-after-ms" not in answer.headers


async def test_feedback(edge: Edge, client: httpx.AsyncClient) -> None:
    video_id = await made(client)
    path = f"/v1/videos/{video_id}/feedback"
    assert (await client.post(path, json={"satisfied": True})).status_code == 200
    assert (await client.post(path, files={"satisfied": (None, "false")})).status_code == 200
    assert edge.answer.told == [(video_id, True), (video_id, False)]
    for body in ({}, {"satisfied": "yes"}, {"satisfied": 1}, {"satisfied": None}):
        answer = await client.post(path, json=body)
        assert (answer.status_code, answer.json()["error"]["param"]) == (400, "satisfied")
    assert (await client.post(path, json={"satisfied": True, "why": "x"})).json()["error"]["param"] == "why"


@pytest.mark.parametrize("path", ["edits", "extensions", "characters", "characters/char_1", f"{'video_' + '0' * 32}/remix"])
async def test_what_is_not_supported_says_so(client: httpx.AsyncClient, path: str) -> None:
    for method in ("POST", "GET"):
        answer = await client.request(method, f"/v1/videos/{path}", json={"prompt": "a"} if method == "POST" else None)
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_supported")


async def test_models(client: httpx.AsyncClient) -> None:
    (model,) = (await client.get("/v1/models")).json()["data"]
    assert (model["id"], model["object"], model["reprise"]["sizes"]) == ("reprise-demo", "model", ["128x128"])
    assert (await client.get("/v1/models/sora-2")).json() == model
    unknown = await client.get("/v1/models/sora-3")
    assert (unknown.status_code, unknown.json()["error"]["code"]) == (404, "model_not_found")
    asked = await client.post("/v1/videos", json={"prompt": "a red ball", "model": "sora-3"})
    told = asked.json()["error"]
    assert (asked.status_code, told["code"], told["param"]) == (404, "model_not_found", "model")
    assert "served: reprise-demo, sora-2" in told["message"]


async def test_head_tells_what_get_would(client: httpx.AsyncClient) -> None:
    video_id = await made(client)
    for path in ("/v1/videos", f"/v1/videos/{video_id}", "/v1/models", "/v1/models/reprise-demo", "/health/live", "/health/ready"):
        head, get = await client.head(path), await client.get(path)
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["content-length"] == str(len(get.content))


@pytest.mark.parametrize(
    ("sent", "kept"),
    [("a-1.B_2:3", True), ("x" * 128, True), ("x" * 129, False), ("a b", False), ("", False), ("ä", False), ("a;b", False)],
)
async def test_request_ids(client: httpx.AsyncClient, sent: str, kept: bool) -> None:
    answer = await client.get("/v1/models", headers=[(b"x-request-id", sent.encode())])
    assert (answer.headers["x-request-id"] == sent) is kept
    assert answer.headers["x-request-id"]


async def test_others_ids_are_not_found(edge: Edge, client: httpx.AsyncClient) -> None:
    video_id = await made(client)
    edge.answer.videos[new_id("video")] = edge.answer.videos.pop(video_id)
    assert (await client.get(f"/v1/videos/{video_id}")).status_code == 404


async def test_answers_are_compact_json(client: httpx.AsyncClient) -> None:
    answer = await client.post("/v1/videos", json={"prompt": "ein Drachen über dem Meer"})
    assert answer.json()["prompt"] == "ein Drachen über dem Meer"
    assert answer.content == json.dumps(answer.json(), separators=(",", ":"), ensure_ascii=False).encode()


@pytest.mark.parametrize(
    ("path", "methods"),
    [
        ("/v1/videos", {"GET", "HEAD", "OPTIONS", "POST"}),
        (f"/v1/videos/{'video_' + '0' * 32}", {"DELETE", "GET", "HEAD", "OPTIONS"}),
        ("/v1/models", {"GET", "HEAD", "OPTIONS"}),
    ],
)
async def test_options_and_a_wrong_method_name_every_method(client: httpx.AsyncClient, path: str, methods: set[str]) -> None:
    answer = await client.options(path)
    assert (answer.status_code, set(answer.headers["allow"].split(", "))) == (204, methods)
    wrong = await client.request("PATCH", path)
    assert (wrong.status_code, set(wrong.headers["allow"].split(", "))) == (405, methods)
