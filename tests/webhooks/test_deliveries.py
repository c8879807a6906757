"""Webhooks from rows: at least once, by one process at a time, and not for ever."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, select, update

from cache.storage.database.database import Database
from cache.storage.requests.erasure import Erasure, Scrubbing
from cache.storage.requests.labels import Labels
from cache.storage.requests.webhooks import Webhooks, add_webhook
from cache.storage.tables import now, requests, webhooks
from gateway.answering.disclosure import Disclosure
from gateway.answering.follow_up import FollowUp
from gateway.http.links import Links
from gateway.webhooks.calls import CallFailed, Calls
from gateway.webhooks.deliveries import Deliveries
from gateway.webhooks.destinations import Destinations
from gateway.webhooks.signing import webhook_secret
from tests.receiver import Receiver
from tests.stage import Stage, draft, set_stage, take

KEYS = ["a new key", "an old key"]
PUBLIC = "https://films.example"
SOON = (0.05, 0.05)  # seconds: three attempts


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    opened = Receiver()
    yield opened
    opened.close()


@pytest.fixture
def stage(database: Database, tmp_path: Path) -> Stage:
    return set_stage(database, tmp_path)


def follow_up_of(stage: Stage) -> FollowUp:
    erasure, scrubbing = Erasure(stage.database, stage.shelf), Scrubbing(stage.database)
    disclosure = Disclosure(stage.database, across_users=False)
    return FollowUp(stage.database, stage.shelf, stage.asked, Labels(), stage.queue, stage.signals, erasure, scrubbing, disclosure)


def deliveries(stage: Stage, receiver: Receiver, **more: Any) -> Deliveries:
    links, trusted = Links(KEYS, 900, PUBLIC), Destinations([receiver.url])
    return Deliveries(Webhooks(stage.database), follow_up_of(stage), links, trusted, KEYS, **{"pauses": SOON, **more})


@asynccontextmanager
async def running(*found: Deliveries) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(one.run()) for one in found]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def hit(stage: Stage, url: str, words: str = "a red ball") -> str:
    """An answered request with a webhook."""
    made = draft(take(words))
    await stage.add(made)
    async with stage.database.write() as connection:
        request_id = await stage.insert(connection, take(words), "exact", clip_id=made.id)
        await add_webhook(connection, "local", request_id, url)
    return request_id


async def row(stage: Stage, request_id: str) -> Any:
    async with stage.database.read() as connection:
        return (await connection.execute(select(webhooks).where(webhooks.c.request_id == request_id))).one_or_none()


async def ended(stage: Stage, request_id: str) -> Any:
    async with asyncio.timeout(60):
        while (found := await row(stage, request_id)).state == "waiting":  # noqa: ASYNC110  # a state, not an event
            await asyncio.sleep(0.05)
    return found


async def test_a_call_is_signed_and_tells_the_video(stage: Stage, receiver: Receiver) -> None:
    request_id = await hit(stage, f"{receiver.url}/hooks?a=b")
    async with running(deliveries(stage, receiver)):
        found = await ended(stage, request_id)
    assert (found.state, found.attempts, found.status, found.trouble) == ("delivered", 1, 200, None)
    (call,) = receiver.calls
    assert (call.path, call.headers["content-type"], call.headers["webhook-id"]) == ("/hooks?a=b", "application/json", request_id)
    assert call.headers["host"] == receiver.url.removeprefix("http://")
    for key in KEYS:
        told = call.verified(webhook_secret(key, "local"))
    assert (told["type"], told["data"]["id"], told["data"]["status"]) == ("video.completed", request_id, "completed")
    assert told["data"]["reprise"]["url"].startswith(f"{PUBLIC}/v1/links/{request_id}?")
    for secret in (webhook_secret("another key", "local"), webhook_secret(KEYS[0], "acme")):
        with pytest.raises(Exception, match="No matching signature"):
            call.verified(secret)


@pytest.mark.parametrize("status", [500, 404, 302, 301])
async def test_a_call_that_fails_is_made_again_under_the_same_id(stage: Stage, receiver: Receiver, status: int) -> None:
    receiver.answers = [status]
    request_id = await hit(stage, f"{receiver.url}/a")
    async with running(deliveries(stage, receiver)):
        found = await ended(stage, request_id)
    assert (found.state, found.attempts, found.status) == ("delivered", 2, 200)
    assert [call.path for call in receiver.calls] == ["/a", "/a"], "no redirect is followed"
    assert {call.headers["webhook-id"] for call in receiver.calls} == {request_id}


@pytest.mark.parametrize(("answers", "attempts"), [([500] * 9, 3), ([500, 410], 2)])
async def test_a_call_is_given_up(stage: Stage, receiver: Receiver, answers: list[int], attempts: int) -> None:
    receiver.answers = list(answers)
    request_id = await hit(stage, f"{receiver.url}/a")
    async with running(deliveries(stage, receiver)):
        found = await ended(stage, request_id)
    assert (found.state, found.attempts, len(receiver.calls)) == ("failed", attempts, attempts)
    assert found.trouble == f"the answer was {answers[attempts - 1]}"


async def test_many_gateways_make_each_call_once(stage: Stage, receiver: Receiver) -> None:
    ids = [await hit(stage, f"{receiver.url}/{number}", f"a ball, number {number}") for number in range(12)]
    async with running(*(deliveries(stage, receiver) for _ in range(3))):
        for request_id in ids:
            await ended(stage, request_id)
    assert sorted(call.headers["webhook-id"] for call in receiver.calls) == sorted(ids)


async def test_a_claim_that_ran_out_is_taken_over_and_its_late_note_changes_nothing(stage: Stage, receiver: Receiver) -> None:
    request_id, rows = await hit(stage, f"{receiver.url}/a"), Webhooks(stage.database)
    first = await rows.claim(60)
    assert first is not None
    assert await rows.claim(60) is None, "it is claimed"
    async with stage.database.write() as connection:
        await connection.execute(update(webhooks).values(due_at=now()))  # as if a minute had passed
    second = await rows.claim(60)
    assert second is not None
    assert (first.attempt, second.attempt) == (1, 2)
    await rows.gave_up(first, 500, "too late")
    assert (await row(stage, request_id)).state == "waiting"
    await rows.delivered(second, 200)
    assert (await row(stage, request_id)).state == "delivered"


async def test_nothing_is_told_before_the_end_and_nothing_of_what_was_deleted(stage: Stage, receiver: Receiver) -> None:
    follow_up, rows = follow_up_of(stage), Webhooks(stage.database)
    open_id, _ = await stage.ask(take("a blue ball"))
    async with stage.database.write() as connection:
        await add_webhook(connection, "local", open_id, f"{receiver.url}/open")
    assert await rows.claim(60) is None
    gone = await hit(stage, f"{receiver.url}/gone")
    from gateway.answering.ask import Caller

    await follow_up.delete(Caller("local"), gone, erase=True)
    assert await row(stage, gone) is None
    await follow_up.cancel(Caller("local"), open_id)
    async with running(deliveries(stage, receiver)):
        await ended(stage, open_id)
    ((path, told),) = [(call.path, call.told) for call in receiver.calls]
    assert (path, told["type"], told["data"]["error"]["code"]) == ("/open", "video.failed", "cancelled")


async def test_what_is_deleted_while_it_is_called_leaves_no_row(stage: Stage, receiver: Receiver) -> None:
    receiver.hold.clear()
    request_id = await hit(stage, f"{receiver.url}/a")
    async with running(deliveries(stage, receiver)):
        await asyncio.to_thread(receiver.called, "/a")
        async with stage.database.write() as connection:
            await connection.execute(delete(webhooks))
            await connection.execute(delete(requests))
        receiver.hold.set()
        other = await hit(stage, f"{receiver.url}/b", "a green ball")
        assert (await ended(stage, other)).state == "delivered"
    assert await row(stage, request_id) is None


async def test_one_tenants_slow_receiver_holds_up_nobody_else(stage: Stage, receiver: Receiver) -> None:
    slow = Receiver()
    slow.hold.clear()
    try:
        for number in range(20):
            await hit(stage, f"{slow.url}/{number}", f"a ball, number {number}")
        theirs = await hit(stage, f"{receiver.url}/theirs", "a star")
        async with stage.database.write() as connection:
            await connection.execute(update(webhooks).where(webhooks.c.request_id == theirs).values(tenant="acme"))
            await connection.execute(update(requests).where(requests.c.id == theirs).values(tenant="acme"))
        found = Deliveries(
            Webhooks(stage.database), follow_up_of(stage), Links(KEYS, 900), Destinations([slow.url, receiver.url]), KEYS, pauses=SOON
        )
        async with running(found):
            assert (await ended(stage, theirs)).state == "delivered"
            assert len(slow.calls) <= 8
            slow.hold.set()
    finally:
        slow.close()


# The call itself


async def test_a_name_that_leads_inside_is_not_called(receiver: Receiver) -> None:
    """`localhost` passes as a name; what it resolves to does not."""
    async with Calls(Destinations([]), 4) as calls:
        for url in (f"https://localhost:{receiver.port}/", f"https://127.1:{receiver.port}/", f"https://2130706433:{receiver.port}/"):
            with pytest.raises(CallFailed, match="no public address"):
                await calls.post(url, {}, "{}")
        with pytest.raises(CallFailed, match="has no address"):
            await calls.post("https://no-such-host.invalid/", {}, "{}")
    assert receiver.calls == []


async def test_the_certificate_must_be_the_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The connection goes to an address; who answers there must still be the host of the URL."""
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    command += ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", str(key), "-out", str(certificate)]
    made = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.DEVNULL)
    assert await made.wait() == 0
    tls = Receiver(certificate, key)
    trusted = Destinations([tls.url, f"https://127.0.0.1:{tls.port}"])
    try:
        async with Calls(trusted, 4) as calls:
            with pytest.raises(CallFailed):
                await calls.post(f"{tls.url}/unknown", {}, "{}")
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        async with Calls(trusted, 4) as calls:
            assert await calls.post(f"{tls.url}/known", {}, "{}") == 200
            with pytest.raises(CallFailed):
                await calls.post(f"https://127.0.0.1:{tls.port}/another-name", {}, "{}")
    finally:
        tls.close()
    assert [call.path for call in tls.calls] == ["/known"]
