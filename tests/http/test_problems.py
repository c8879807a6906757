"""Every fact has a status, and every error answer one envelope."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator

import httpx
import pytest

from cache import errors
from gateway.http.problems import envelope, status_of
from tests.http.memory import Edge

# The statuses that DESIGN.md promises, and 500 for mistakes of ours.
PROMISED = {400, 401, 403, 404, 405, 409, 410, 412, 413, 415, 416, 422, 429, 500, 502, 503, 504}


def tree(root: type[errors.RepriseError]) -> Iterator[type[errors.RepriseError]]:
    for kind in root.__subclasses__():
        yield kind
        yield from tree(kind)


EXAMPLES: dict[type[errors.RepriseError], tuple[errors.RepriseError, int]] = {
    errors.Invalid: (errors.Invalid("size", "no such size"), 400),
    errors.NotSupported: (errors.NotSupported("input_reference", "no"), 400),
    errors.TooLarge: (errors.TooLarge(None, "too much"), 413),
    errors.Unauthenticated: (errors.Unauthenticated("who?"), 401),
    errors.Forbidden: (errors.Forbidden("no"), 403),
    errors.LinkInvalid: (errors.LinkInvalid("changed"), 403),
    errors.LinkExpired: (errors.LinkExpired("too late"), 403),
    errors.NotFound: (errors.NotFound("no such video", "video_id"), 404),
    errors.MethodNotAllowed: (errors.MethodNotAllowed("no"), 405),
    errors.Conflict: (errors.Conflict("no"), 409),
    errors.NotReady: (errors.NotReady("wait", 700), 409),
    errors.IdempotencyReused: (errors.IdempotencyReused("another body"), 422),
    errors.PreconditionFailed: (errors.PreconditionFailed("changed"), 412),
    errors.ClipFailed: (errors.ClipFailed("too hot", "render_failed", "video_1"), 502),
    errors.WaitOver: (errors.WaitOver("not yet", "video_1", 700), 504),
    errors.ClipGone: (errors.ClipGone("gone"), 410),
    errors.RangeNotSatisfiable: (errors.RangeNotSatisfiable(10), 416),
    errors.UnsupportedMedia: (errors.UnsupportedMedia("no"), 415),
    errors.NotCached: (errors.NotCached("no hit"), 504),
    errors.Busy: (errors.Busy("busy", 1.2), 429),
    errors.QueueFull: (errors.QueueFull(100, 100, 61.2), 429),
    errors.RateLimited: (errors.RateLimited("slow down", 0.01), 429),
    errors.Unavailable: (errors.Unavailable("away"), 503),
    errors.DatabaseAway: (errors.DatabaseAway("away"), 503),
    errors.DatabaseReadOnly: (errors.DatabaseReadOnly("standby"), 503),
    errors.NearHitsOff: (errors.NearHitsOff("no table"), 503),
    errors.StoreAway: (errors.StoreAway("away"), 503),
    errors.ObjectCorrupt: (errors.ObjectCorrupt("wrong bytes"), 503),
    errors.DiskFull: (errors.DiskFull("full"), 503),
    errors.EncoderFailed: (errors.EncoderFailed("no such file", 60), 503),
    errors.PictureGone: (errors.PictureGone("send it again"), 503),
    errors.ModelAway: (errors.ModelAway("no worker has it", 60), 503),
    errors.StillLoading: (errors.StillLoading("loading", 12), 503),
    errors.LeaseLost: (errors.LeaseLost("lost"), 500),
    errors.RenderFailed: (errors.RenderFailed("broken"), 500),
    errors.UpstreamRefused: (errors.UpstreamRefused("no", 422), 500),
    errors.RenderStopped: (errors.RenderStopped("stopped"), 500),
    errors.OutOfMemory: (errors.OutOfMemory("too big"), 500),
    errors.BadDonor: (errors.BadDonor("another shape"), 500),
}


@pytest.mark.parametrize("kind", list(tree(errors.RepriseError)))
def test_every_fact_has_a_promised_status(kind: type[errors.RepriseError]) -> None:
    assert status_of(kind) in PROMISED


def test_a_fact_that_nobody_placed_is_found() -> None:
    with pytest.raises(KeyError):
        status_of(errors.RepriseError)


@pytest.mark.untold
@pytest.mark.parametrize("kind", [kind for kind in tree(errors.RepriseError) if kind.__module__ == errors.__name__])
async def test_every_fact_reaches_the_client_as_an_envelope(kind: type[errors.RepriseError], edge: Edge, client: httpx.AsyncClient) -> None:
    error, status = EXAMPLES[kind]
    edge.answer.raises = error
    answer = await client.post("/v1/videos", json={"prompt": "a red kite"})
    assert answer.status_code == status
    told = answer.json()["error"]
    assert list(told) == ["message", "type", "param", "code"]
    assert told["param"] == getattr(error, "field", None)
    if status != 500:
        assert (told["message"], told["code"]) == (error.message, error.code)
    assert answer.headers["x-request-id"]
    assert ("retry-after" in answer.headers) == (status in {429, 503})


async def test_when_to_come_back_is_a_whole_number_of_seconds_and_never_zero(edge: Edge, client: httpx.AsyncClient) -> None:
    for error, seconds in ((errors.QueueFull(1, 1, 61.2), "62"), (errors.RateLimited("slow down", 0.0), "1")):
        edge.answer.raises = error
        assert (await client.post("/v1/videos", json={"prompt": "a"})).headers["retry-after"] == seconds


@pytest.mark.untold
async def test_headers_of_single_facts(edge: Edge, client: httpx.AsyncClient) -> None:
    for error, header, value in (
        (errors.NotReady("wait", 700), "openai-poll-after-ms", "700"),
        (errors.RangeNotSatisfiable(10), "content-range", "bytes */10"),
        (errors.Unauthenticated("who?"), "www-authenticate", 'Bearer realm="reprise"'),
        (errors.NotCached("no"), "x-should-retry", "false"),
    ):
        edge.answer.raises = error
        assert (await client.post("/v1/videos", json={"prompt": "a"})).headers[header] == value


async def test_a_mistake_of_ours_is_logged_and_says_nothing(
    edge: Edge, client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    edge.answer.raises = ZeroDivisionError("a secret of the inside")
    with caplog.at_level(logging.ERROR):
        answer = await client.post("/v1/videos?hidden=1", json={"prompt": "a private prompt"}, headers={"x-request-id": "mine-1"})
    assert answer.status_code == 500
    assert "secret" not in answer.text
    assert "mine-1" in answer.json()["error"]["message"]
    assert answer.headers["x-request-id"] == "mine-1"
    assert "ZeroDivisionError" in caplog.text
    assert "mine-1" in caplog.text
    assert "private prompt" not in caplog.text
    assert "hidden" not in caplog.text


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nothing/here", 404, "not_found"),
        ("GET", "/v1/videos/../../etc/passwd", 404, "not_found"),
        ("PUT", "/v1/videos", 405, "method_not_allowed"),
        ("TRACE", "/v1/videos", 405, "method_not_allowed"),
        ("BREW", "/v1/videos", 405, "method_not_allowed"),
        ("PATCH", "/v1/videos/video_1", 405, "method_not_allowed"),
        ("GET", "/v1/videos/video_1/cancel", 405, "method_not_allowed"),
        ("DELETE", "/v1/models", 405, "method_not_allowed"),
        ("POST", "/health/live", 405, "method_not_allowed"),
    ],
)
async def test_what_no_route_answers(client: httpx.AsyncClient, method: str, path: str, status: int, code: str) -> None:
    answer = await client.request(method, path)
    assert answer.status_code == status
    assert answer.json()["error"]["code"] == code
    assert answer.headers["x-request-id"]
    assert ("allow" in answer.headers) == (status == 405)


async def test_an_error_to_head_has_no_body(client: httpx.AsyncClient) -> None:
    for path in ("/nothing", "/v1/videos/video_1", "/v1/videos/video_1/content"):
        answer = await client.head(path)
        assert answer.status_code == 404
        assert answer.content == b""


def test_words_that_cannot_be_sent_do_not_break_the_envelope() -> None:
    told = json.loads(envelope(400, "unknown field '\ud800'", "unknown_parameter", "\ud800"))
    assert told["error"]["param"] == "?"
