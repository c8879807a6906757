"""The Clips page and its JSON, over HTTP on a real server: found, looked at, pinned, taken out and brought back."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.admin.pages import HOSTILE, api, html, post, until
from tests.conftest import StartServer
from tests.door.tenants import Tenant
from tests.door.test_keys import ADMIN, bearer, new_key
from tests.live import PATIENCE, Live

STEPS = 4


@pytest.fixture(scope="module")
def ball(live: Live) -> dict[str, Any]:
    return live.made("a red ball on grass", steps=STEPS, tags=["demo"])


@pytest.fixture(scope="module", autouse=True)
def _filled(live: Live, ball: dict[str, Any]) -> Iterator[None]:
    live.made(HOSTILE, steps=STEPS, tags=["<b>tag"])
    live.made("A red ball on the grass", steps=STEPS)
    yield


def clip_of(video: dict[str, Any]) -> str:
    return str(video["reprise"]["clip"])


def test_the_list_says_what_the_filter_finds(live: Live, ball: dict[str, Any]) -> None:
    found = api(live, "clips", tag="demo")
    assert [one["clip"] for one in found["data"]] == [clip_of(ball)]
    assert found["totals"]["count"] == 1
    assert found["totals"]["bytes"] == found["data"][0]["bytes"] == sum(stored["bytes"] for stored in found["data"][0]["objects"])
    assert found["data"][0]["prompt"] == "a red ball on grass"
    page = html(live, "/admin/clips?tag=demo")
    assert "a red ball on grass" in page
    assert f'/admin/media/{clip_of(ball)}/video"' in page
    assert "No clip matches this filter" in html(live, "/admin/clips?tag=none")


@pytest.mark.parametrize(
    ("query", "field"),
    [("state=gone", "state"), ("sort=name", "sort"), ("since=soon", "since"), ("after=x", "after"), ("colour=red", "colour"),
     ("removal=x", "removal"), ("tag=a&tag=b", "tag")],
)  # fmt: skip
def test_what_cannot_be_asked_is_named(live: Live, query: str, field: str) -> None:
    answer = httpx.get(f"{live.url}/admin/api/clips?{query}")
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, field)
    page = httpx.get(f"{live.url}/admin/clips?{query}", headers={"Accept": "text/html"})
    assert page.status_code == 400
    assert page.headers["content-type"].startswith("text/html")


def test_hostile_words_stay_words(live: Live) -> None:
    (found,) = api(live, "clips", text="<script>")["data"]
    assert found["prompt"] == HOSTILE
    meaning = httpx.get(f"{live.url}/admin/meaning", params={"prompt": HOSTILE}, timeout=PATIENCE).text
    for page in (html(live, "/admin/clips"), html(live, f"/admin/clips/{found['clip']}"), html(live, "/admin/jobs"), meaning):
        assert "<script>alert" not in page
        assert "<img src=x" not in page
        assert "<b>tag" not in page
        assert "&lt;script&gt;alert(1)" in page
        assert not re.search(r'(?:href|src|action)="\s*javascript:', page)


def test_an_operator_chooses_the_take_that_answers(live: Live) -> None:
    words = "a cube whose first take was better"
    again = {"Cache-Control": "no-cache"}
    first, second = live.made(words, steps=STEPS), live.made(words, steps=STEPS, headers=again)
    assert clip_of(live.post(words, steps=STEPS)) == clip_of(second)
    assert "Serve this take" in html(live, f"/admin/clips/{clip_of(first)}")
    assert "Serve this take" not in html(live, f"/admin/clips/{clip_of(second)}")
    chosen = httpx.post(f"{live.url}/admin/api/clips/{clip_of(first)}/serve", timeout=PATIENCE)
    assert (chosen.status_code, chosen.json()["done"]) == (200, "serve"), chosen.text
    hit = live.post(words, steps=STEPS)
    assert (hit["reprise"]["verdict"], clip_of(hit), hit["reprise"]["take"]) == ("exact", clip_of(first), 0)
    assert live.content(second["id"]) != live.content(first["id"]), "whoever holds the other one keeps it"
    assert httpx.post(f"{live.url}/admin/api/clips/{clip_of(first)}/serve", timeout=PATIENCE).status_code == 409, "it answers already"
    third = live.made(words, steps=STEPS, headers=again)
    assert clip_of(live.post(words, steps=STEPS)) == clip_of(third), "the newest answers, until somebody chooses again"
    httpx.post(f"{live.url}/v1/videos/{first['id']}/feedback", json={"satisfied": False}, timeout=PATIENCE)
    refused = httpx.post(f"{live.url}/admin/api/clips/{clip_of(first)}/serve", timeout=PATIENCE)
    assert (refused.status_code, "label it right first" in refused.text) == (409, True)


def test_a_spec_comes_in_ranges_through_the_door(live: Live, ball: dict[str, Any]) -> None:
    whole = live.content(ball["id"])
    url = f"{live.url}/admin/media/{clip_of(ball)}/video"
    answer = httpx.get(url)
    assert (answer.status_code, answer.content, answer.headers["content-type"]) == (200, whole, "video/mp4")
    part = httpx.get(url, headers={"Range": "bytes=10-99"})
    assert (part.status_code, part.content) == (206, whole[10:100])
    assert part.headers["content-range"] == f"bytes 10-99/{len(whole)}"
    assert httpx.get(url, headers={"If-None-Match": answer.headers["etag"]}).status_code == 304
    assert httpx.head(url).headers["content-length"] == str(len(whole))
    assert httpx.get(url.replace("video", "thumbnail")).headers["content-type"].startswith("image/")
    assert httpx.get(url, headers={"Range": "bytes=99999999-"}).status_code == 416
    for path in (f"{clip_of(ball)}/latent", f"{clip_of(ball)}/..", "clip_x/video", f"clip_{'0' * 32}/video"):
        assert httpx.get(f"{live.url}/admin/media/{path}").status_code in {400, 404}, path


def test_one_clip_says_who_reused_it(live: Live, ball: dict[str, Any]) -> None:
    live.post("a red ball on grass", steps=STEPS)
    found = api(live, f"clips/{clip_of(ball)}")
    by_verdict = {one["verdict"]: one["count"] for one in found["reused"]}
    assert by_verdict["miss"] == 1
    assert by_verdict["exact"] >= 1
    assert found["hits"] >= 1
    page = html(live, f"/admin/clips/{clip_of(ball)}")
    assert "How it was made" in page
    assert "denoise" in page
    assert "Guidance" in page
    assert httpx.get(f"{live.url}/admin/clips/clip_{'0' * 32}").status_code == 404


def test_pinning(live: Live, ball: dict[str, Any]) -> None:
    assert post(live, f"/admin/api/clips/{clip_of(ball)}/pin").json()["done"] == "pin"
    assert [one["clip"] for one in api(live, "clips", pinned="yes")["data"]] == [clip_of(ball)]
    answer = post(live, f"/admin/clips/{clip_of(ball)}/unpin")
    assert (answer.status_code, answer.headers["location"]) == (303, f"/admin/clips/{clip_of(ball)}")
    assert api(live, "clips", pinned="yes")["data"] == []
    assert post(live, f"/admin/api/clips/{clip_of(ball)}/melt").status_code == 404
    assert httpx.get(f"{live.url}/admin/clips/{clip_of(ball)}/pin").status_code in {404, 405}, "looking changes nothing"


def test_all_there_is_goes_only_once_it_was_counted(live: Live) -> None:
    live.made("a lone clip", steps=STEPS)
    told = post(live, "/admin/api/clips/invalidate")
    assert (told.status_code, told.json()["error"]["param"]) == (400, "counted_at")
    assert live.post("a lone clip", steps=STEPS)["reprise"]["verdict"] == "exact"


def test_out_by_tag_and_back(live: Live) -> None:
    videos = [live.made(f"a blue box number {number}", steps=STEPS, tags=["batch"]) for number in range(3)]
    counted = post(live, "/admin/api/clips/invalidate", tag="batch", dry_run="yes").json()
    assert counted["count"] == 3
    page = html(live, "/admin/clips/invalidate?tag=batch")
    assert "3 clips match" in page
    assert {live.post(video["prompt"], steps=STEPS)["reprise"]["verdict"] for video in videos} == {"exact"}, "a count changes nothing"
    done = post(live, "/admin/api/clips/invalidate", tag="batch", counted_at=counted["counted_at"]).json()
    assert done["count"] == 3
    for video in videos:
        assert httpx.get(f"{live.url}/v1/videos/{video['id']}/content").status_code == 410
        assert httpx.get(f"{live.url}/admin/media/{clip_of(video)}/video").status_code == 410
    refused = httpx.post(
        f"{live.url}/v1/videos",
        json={"prompt": videos[0]["prompt"], "steps": STEPS},
        headers={"Cache-Control": "only-if-cached"},
        timeout=PATIENCE,
    )
    assert refused.status_code == 504
    page = html(live, f"/admin/clips?removal={done['removal']}")
    assert "3 clips are out of service" in page
    again = live.made(videos[2]["prompt"], steps=STEPS)
    assert again["reprise"]["verdict"] == "miss"
    undone = post(live, f"/admin/api/removals/{done['removal']}/undo").json()
    assert (undone["back"], undone["refused"]) == (2, 1)
    assert clip_of(again) in undone["reasons"][clip_of(videos[2])]
    assert live.post(videos[0]["prompt"], steps=STEPS)["reprise"]["clip"] == clip_of(videos[0])
    assert live.post(videos[2]["prompt"], steps=STEPS)["reprise"]["clip"] == clip_of(again)
    assert live.content(videos[1]["id"])
    conflict = post(live, f"/admin/api/clips/{clip_of(videos[2])}/undo")
    assert (conflict.status_code, conflict.json()["error"]["code"]) == (409, "conflict")


def test_by_form_it_goes_to_the_list_with_undo(live: Live) -> None:
    video = live.made("a grey ring", steps=STEPS, tags=["by-form"])
    answer = post(live, "/admin/clips/invalidate", tag="by-form", counted_at=9e9)
    assert answer.status_code == 303
    page = html(live, answer.headers["location"])
    path = re.search(r'action="(/admin/removals/[^"]+/undo)"', page)
    assert path
    assert post(live, path[1]).headers["location"] == "/admin/clips"
    assert live.post("a grey ring", steps=STEPS)["reprise"]["clip"] == clip_of(video)
    assert post(live, path[1]).status_code == 404


def test_a_search_by_meaning_is_the_judge_itself_and_records_nothing(live: Live, ball: dict[str, Any]) -> None:
    until(
        lambda: len(api(live, "meaning", prompt="a ball", recipe=api(live, "clips", tag="demo")["data"][0]["recipe_key"])["candidates"]) > 0
    )
    recipe = api(live, "clips", tag="demo")["data"][0]["recipe_key"]
    before = len(httpx.get(f"{live.url}/v1/videos", params={"limit": 100}).json()["data"])
    words = {
        "a red ball on grass": "exact",
        "The red ball is on the grass": "near",
        "a blue ball on grass": "miss",
        "an elephant in the rain": "miss",
    }
    for prompt, verdict in words.items():
        found = api(live, "meaning", prompt=prompt, recipe=recipe)
        assert found["verdict"] == verdict, (prompt, found)
        if verdict == "near":
            served = [one for one in found["candidates"] if one["fate"] == "would be served"]
            assert [one["clip"] for one in served] == [found["clip"]]
            assert served[0]["reason"] is None
        if prompt == "a blue ball on grass":
            (mine,) = [one for one in found["candidates"] if one["clip"] == clip_of(ball)]
            assert mine["reason"] == "colour of *ball*: blue / red"
            assert mine["differences"] == ["colour of *ball*: blue / red"]
            assert {"slot": "colour", "value": "blue", "about": "ball"} in found["facts"]
    assert len(httpx.get(f"{live.url}/v1/videos", params={"limit": 100}).json()["data"]) == before, "nothing is recorded"
    # What it says is what a request then gets.
    told = api(live, "meaning", prompt="The red ball is on the grass", recipe=recipe)
    asked = live.post("The red ball is on the grass", steps=STEPS)["reprise"]
    assert (asked["verdict"], asked["clip"]) == (told["verdict"], told["clip"])
    (served,) = [one for one in told["candidates"] if one["fate"] == "would be served"]
    assert asked["similarity"] == pytest.approx(served["similarity"], abs=1e-3)
    assert asked["confidence"] == pytest.approx(served["confidence"], abs=1e-3)
    page = html(live, f"/admin/meaning?prompt=a+blue+ball+on+grass&recipe={recipe}")
    assert "colour of <em>ball</em>: blue / red" in page
    assert httpx.get(f"{live.url}/admin/api/meaning").json()["error"]["param"] == "prompt"


@pytest.fixture(scope="module")
def keyed(tmp_path_factory: pytest.TempPathFactory, tiny_model: Any) -> Iterator[Live]:
    server = Live(tmp_path_factory.mktemp("keyed"), tiny_model, ADMIN_KEY=ADMIN).start()
    yield server
    server.close()


def test_an_admin_counts_other_tenants_clips_and_reads_none(keyed: Live) -> None:
    admin = httpx.Client(base_url=keyed.url, headers=bearer(ADMIN), timeout=PATIENCE)
    acme, user = Tenant(keyed, "acme"), httpx.Client(headers=bearer(new_key(keyed, "--tenant", "local")), timeout=PATIENCE)
    video = acme.ask("a secret xylographic logo", tags=["launch"])
    clip = video["reprise"]["clip"]
    (found,) = admin.get("/admin/api/clips", params={"tenant": "acme"}).json()["data"]
    assert (found["clip"], found["prompt"], found["hits"]) == (clip, None, 0)
    assert admin.get("/admin/api/clips", params={"text": "xylographic"}).json()["data"] == []
    one = admin.get(f"/admin/api/clips/{clip}").json()
    assert [(row["tenant"], row["verdict"], row["count"]) for row in one["reused"]] == [("acme", "miss", 1)]
    assert one["answered"] == []
    jobs = admin.get("/admin/api/jobs").json()["ended"]
    assert [(job["tenant"], job["prompt"]) for job in jobs] == [("acme", None)]
    for path in ("/admin/clips", f"/admin/clips/{clip}", "/admin/jobs", "/admin/near-hits", "/admin/near-hits?kind=refused"):
        page = admin.get(path, headers={"Accept": "text/html"})
        assert page.status_code == 200, path
        assert "xylographic" not in page.text, path
    assert admin.get(f"/admin/media/{clip}/video").status_code == 403
    assert admin.get(f"/admin/media/{clip}/thumbnail").status_code == 403
    assert admin.get("/admin/api/meaning", params={"prompt": "a logo", "tenant": "acme"}).status_code == 403
    # Running the place is allowed: out of service, and back.
    assert admin.post(f"/admin/api/clips/{clip}/invalidate").status_code == 200
    assert acme.client.get(f"/v1/videos/{video['id']}/content").status_code == 410
    assert admin.post(f"/admin/api/clips/{clip}/undo").status_code == 200
    assert acme.spec(video)
    # Nobody else gets in at all.
    for path in ("/admin/api/clips", f"/admin/api/clips/{clip}", f"/admin/media/{clip}/video", "/admin/api/jobs", "/admin/api/near-hits"):
        assert httpx.get(f"{keyed.url}{path}").status_code in {401, 303}, path
        assert user.get(f"{keyed.url}{path}").status_code == 403, path
    assert user.post(f"{keyed.url}/admin/api/clips/{clip}/invalidate").status_code == 403
    acme.close()
    admin.close()
    user.close()


def test_a_clip_is_gone_for_good_after_the_grace_time(start: StartServer) -> None:
    live = start(GRACE_SECONDS=1)
    video = live.made("a red ball", steps=STEPS)
    assert post(live, f"/admin/api/clips/{clip_of(video)}/invalidate").status_code == 200
    until(lambda: live.objects() == [])
    answer = post(live, f"/admin/api/clips/{clip_of(video)}/undo")
    assert answer.status_code in {404, 409}
