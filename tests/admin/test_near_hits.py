"""Near hits and refusals side by side, and what people say of them: at rest on every database, and over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import insert, select, update

from cache.errors import Conflict, NotFound
from cache.storage.database.database import Database
from cache.storage.operators.near_hits import NearHits
from cache.storage.requests.erasure import Erasure
from cache.storage.requests.labels import Labels
from cache.storage.requests.lookup_queries import LookupQueries
from cache.storage.tables import audits, labels, requests
from cache.verdict import Refusal
from tests.admin.pages import HOSTILE, api, html, post
from tests.live import PATIENCE, Live
from tests.stage import Stage, draft, set_stage, spec, take

STEPS = 4


@pytest.fixture
def stage(database: Database, tmp_path: Path) -> Stage:
    return set_stage(database, tmp_path)


@pytest.fixture
def near_hits(database: Database) -> NearHits:
    return NearHits(database, Labels())


async def near(stage: Stage, words: str, clip_id: str, **more: Any) -> str:
    async with stage.database.write() as connection:
        claim = {"clip_id": clip_id, "similarity": 0.97, "confidence": 0.99, **more}
        return await stage.insert(connection, take(words), "near", **claim)


async def refused(stage: Stage, words: str, *reasons: Refusal) -> str:
    async with stage.database.write() as connection:
        return await stage.insert(connection, take(words), "miss", job_id="job_x", refused=reasons)


# At rest


async def test_each_kind_is_a_list_of_its_own(stage: Stage, near_hits: NearHits) -> None:
    await stage.add(clip := draft(take("a red ball")))
    first = await near(stage, "the red ball", clip.id)
    second = await refused(stage, "a blue ball", Refusal("seed pinned"))
    third = await refused(
        stage, "a green ball", Refusal("colour of *ball*: green / red", 0.93, 0.0, clip.id), Refusal("not sure", 0.5, 0.7, "clip_b")
    )
    async with stage.database.write() as connection:
        await stage.insert(connection, take("a red ball"), "exact", clip_id=clip.id)
    (pair,), more = await near_hits.page("near", None, False, None, 10)
    assert not more
    assert (pair.request.id, pair.clip.id, pair.clip.prompt, pair.reason, pair.label) == (first, clip.id, "a red ball", None, None)
    (pair,), _ = await near_hits.page("refused", None, False, None, 10)
    assert (pair.request.id, pair.reason, pair.similarity) == (third, "colour of *ball*: green / red", 0.93)
    assert (pair.clip.prompt, [one.reason for one in pair.others]) == ("a red ball", ["not sure"])
    assert await near_hits.page("audit", None, False, None, 10) == ([], False)
    with pytest.raises(NotFound):
        await near_hits.one(second, "refused")
    with pytest.raises(NotFound):
        await near_hits.one(third, "near")
    with pytest.raises(NotFound):
        await near_hits.one("video_x", "near")


async def test_pages_go_back_in_time_and_by_tenant(stage: Stage, near_hits: NearHits) -> None:
    await stage.add(clip := draft(take("a red ball")))
    made = [await near(stage, f"the red ball {number}", clip.id) for number in range(5)]
    async with stage.database.write() as connection:
        await connection.execute(update(requests).where(requests.c.id == made[2]).values(tenant="acme"))
        await connection.execute(update(requests).where(requests.c.id == made[0]).values(deleted_at=1.0))
    pairs, more = await near_hits.page("near", "local", False, None, 2)
    assert ([pair.request.id for pair in pairs], more) == ([made[4], made[3]], True)
    pairs, more = await near_hits.page("near", "local", False, made[3], 2)
    assert ([pair.request.id for pair in pairs], more) == ([made[1]], False)
    assert len((await near_hits.page("near", None, False, None, 10))[0]) == 4
    assert await near_hits.newer("near", "local", made[3]) == 1
    assert await near_hits.newer("near", None, made[0]) == 4


async def test_the_latest_word_counts_and_every_word_is_kept(stage: Stage, near_hits: NearHits) -> None:
    await stage.add(clip := draft(take("a red ball")))
    video = await near(stage, "the red ball", clip.id)
    pair = await near_hits.one(video, "near")
    for right in (True, False):
        assert (await near_hits.label(pair, right)).label is right
        assert (await near_hits.one(video, "near")).label is right
    async with stage.database.read() as connection:
        said = (await connection.execute(select(labels).order_by(labels.c.id))).all()
    assert [(row.source, row.right, row.verdict, row.confidence) for row in said] == [
        ("admin", True, "near", 0.99),
        ("admin", False, "near", 0.99),
    ]
    queries = LookupQueries(stage.database)
    assert (await queries.at(spec("the red ball"))).refused == {clip.id}, "never served for these words again"
    assert await near_hits.page("near", None, True, None, 10) == ([], False)
    await near_hits.label(pair, True)
    assert (await queries.at(spec("the red ball"))).refused == set()


async def test_a_refusal_is_labelled_by_its_clip(stage: Stage, near_hits: NearHits) -> None:
    await stage.add(clip := draft(take("a red ball")))
    video = await refused(stage, "a green ball", Refusal("colour", 0.93, 0.2, clip.id))
    await near_hits.label(await near_hits.one(video, "refused"), False)
    async with stage.database.read() as connection:
        (row,) = (await connection.execute(select(labels))).all()
    assert (row.clip_id, row.verdict, row.similarity, row.confidence, row.right) == (clip.id, "miss", 0.93, 0.2, False)
    assert (await near_hits.one(video, "refused")).label is False


async def test_an_audit_is_labelled_as_one(stage: Stage, near_hits: NearHits) -> None:
    await stage.add(served := draft(take("a red ball")))
    await stage.add(own := draft(take("the red ball")))
    video = await near(stage, "the red ball", served.id)
    row = {"request_id": video, "tenant": "local", "served_clip_id": served.id, "clip_id": own.id, "state": "made", "created_at": 1.0}
    async with stage.database.write() as connection:
        await connection.execute(insert(audits).values(**row))
    (pair,), _ = await near_hits.page("audit", None, False, None, 10)
    assert pair.made is not None
    assert (pair.clip.id, pair.made.id) == (served.id, own.id)
    await near_hits.label(pair, True)
    async with stage.database.read() as connection:
        (said,) = (await connection.execute(select(labels))).all()
    assert (said.source, said.clip_id, said.verdict) == ("audit", served.id, "near")


async def test_words_that_are_gone_cannot_be_judged(stage: Stage, near_hits: NearHits) -> None:
    await stage.add(clip := draft(take("a red ball")))
    video = await near(stage, "the red ball", clip.id)
    async with stage.database.write() as connection:
        await connection.execute(update(requests).values(prompt=None))
    with pytest.raises(Conflict):
        await near_hits.label(await near_hits.one(video, "near"), True)


async def test_a_clip_that_was_collected_leaves_its_pair(stage: Stage, near_hits: NearHits) -> None:
    await stage.add(clip := draft(take("a red ball")))
    video = await near(stage, "the red ball", clip.id)
    await stage.shelf.withdraw([clip.id], "evicted")
    assert not (await near_hits.one(video, "near")).clip.there
    await stage.shelf.collect(grace=0)
    pair = await near_hits.one(video, "near")
    assert (pair.clip.id, pair.clip.prompt, pair.clip.state) == (clip.id, None, None)


async def test_reasons_hold_words_and_go_with_them(stage: Stage, near_hits: NearHits) -> None:
    await stage.add(clip := draft(take("a red ball")))
    video = await refused(stage, "a xylographic ball", Refusal("colour of *ball*: xylographic / red", 0.93, 0.2, clip.id))
    await Erasure(stage.database, stage.shelf).erase(await stage.asked.by_id("local", video))
    row = await stage.row("requests", video)
    assert (row.prompt, row.refused) == (None, [])
    assert await near_hits.page("refused", None, False, None, 10) == ([], False)


def test_what_is_written_of_a_refusal_holds_no_words_of_others() -> None:
    from cache.matching.lookup import hidden

    kept = asdict(hidden(Refusal("colour", 0.9, 0.1, "clip_a", "somebody's prompt")))
    assert (kept["prompt"], kept["clip_id"]) == (None, "clip_a")


# Over HTTP


@pytest.fixture(scope="module")
def pair(live: Live) -> Iterator[dict[str, Any]]:
    live.made("a red ball on grass", steps=STEPS)
    live.made("a blue ball on grass", steps=STEPS)
    live.made(HOSTILE, steps=STEPS)
    yield live.made("The red ball is on the grass", steps=STEPS)


def test_near_hits_and_refusals_are_listed(live: Live, pair: dict[str, Any]) -> None:
    assert pair["reprise"]["verdict"] == "near"
    (found,) = api(live, "near-hits")["data"]
    assert (found["request"], found["clip"]) == (pair["id"], pair["reprise"]["clip"])
    assert (found["prompt"], found["clip_prompt"]) == (pair["prompt"], "a red ball on grass")
    refusals = {one["prompt"]: one for one in api(live, "near-hits", kind="refused")["data"]}
    assert refusals["a blue ball on grass"]["reason"] == "colour of *ball*: blue / red"
    assert refusals["a blue ball on grass"]["clip_prompt"] == "a red ball on grass"
    for path in ("/admin/near-hits", "/admin/near-hits?kind=refused", "/admin/near-hits?kind=audit"):
        page = html(live, path)
        assert "<script>alert" not in page
        assert "<img src=x" not in page
    assert "colour of <em>ball</em>: blue / red" in html(live, "/admin/near-hits?kind=refused")
    assert "REPRISE_AUDIT_SHARE" in html(live, "/admin/near-hits?kind=audit")
    told = httpx.get(f"{live.url}/v1/videos/{pair['id']}").json()["reprise"]["refused"]
    assert all(set(one) == {"similarity", "reason"} for one in told), "a client is told no ids"


def test_a_label_can_be_given_and_changed(live: Live, pair: dict[str, Any]) -> None:
    path = f"near-hits/near/{pair['id']}/label"
    assert post(live, f"/admin/api/{path}", right="yes").json()["right"] is True
    assert api(live, "near-hits", unlabelled="yes")["data"] == []
    answer = post(live, f"/admin/{path}", right="no", then="/admin/near-hits?kind=near")
    assert (answer.status_code, answer.headers["location"]) == (303, f"/admin/near-hits?kind=near#pair-{pair['id']}")
    assert api(live, "near-hits")["data"][0]["right"] is False
    asked = httpx.post(
        f"{live.url}/v1/videos",
        json={"prompt": pair["prompt"], "steps": STEPS},
        headers={"Cache-Control": "only-if-cached"},
        timeout=PATIENCE,
    )
    assert asked.status_code == 504, "what a person called wrong is not served again"
    part = httpx.post(f"{live.url}/admin/{path}", data={"right": "yes"}, headers={"HX-Request": "true"}, timeout=PATIENCE)
    assert part.text.lstrip().startswith("<article")
    assert 'data-label="right"' in part.text
    assert live.post(pair["prompt"], steps=STEPS)["reprise"]["verdict"] == "near"
    elsewhere = post(live, f"/admin/{path}", right="yes", then="https://example.org/")
    assert elsewhere.headers["location"].startswith("/admin/near-hits#")


@pytest.mark.parametrize(("fields", "status"), [({}, 400), ({"right": "maybe"}, 400), ({"right": "yes"}, 404)])
def test_bad_labels_are_refused(live: Live, fields: dict[str, str], status: int) -> None:
    assert post(live, f"/admin/api/near-hits/near/video_{'0' * 32}/label", **fields).status_code == status
    assert post(live, f"/admin/api/near-hits/odd/video_{'0' * 32}/label", right="yes").status_code == 400


def test_newer_pairs_are_announced_and_nothing_moves(live: Live, pair: dict[str, Any]) -> None:
    path = f"{live.url}/admin/near-hits/newer"
    assert "newer" in httpx.get(path, params={"kind": "refused", "since": "video_" + "0" * 32}).text
    latest = api(live, "near-hits")["data"][0]["request"]
    assert "Show from the newest" not in httpx.get(path, params={"kind": "near", "since": latest}).text
    assert httpx.get(path, params={"since": "x"}).status_code == 400
