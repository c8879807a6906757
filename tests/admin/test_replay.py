"""The replay of past requests: by hand where it can be worked out, and by rules that hold for every log."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cache.errors import Invalid
from cache.matching.replaying import read_log
from cache.replay import Past, ReplayCandidate, replay
from cache.storage.database.database import Database
from cache.storage.operators.recorded import Recordings, Sureness
from tests.admin import traffic
from tests.databases import open_sqlite
from tests.door.test_keys import command
from tests.live import Live

AS_IT_IS = Sureness(lambda own: own)


def past(spec: str, at: float, *nominees: ReplayCandidate, fresh: bool = False) -> Past:
    return Past(spec, at, 2.0, 10, nominees, fresh)


def test_a_looser_limit_makes_fewer_clips_which_then_answer_less() -> None:
    """b is near a; c is near b alone. Served b, nobody made b's clip, so c is a miss."""
    log = [
        past("a", 1),
        past("b", 2, ReplayCandidate("a", 0.9, 0.95)),
        past("c", 3, ReplayCandidate("b", 0.99, 0.99)),
        past("b", 4, ReplayCandidate("a", 0.9, 0.95)),
    ]
    strict, loose = replay(log, 0.02), replay(log, 0.1)
    assert (strict.exact, strict.near, strict.misses) == (1, 1, 2)
    assert (loose.exact, loose.near, loose.misses) == (0, 2, 2)
    assert strict.wrong == pytest.approx(0.01)
    assert loose.wrong == pytest.approx(0.2)
    assert (strict.saved, strict.spent) == (4.0, 4.0)


def test_who_comes_while_a_clip_is_made_joins_it_and_a_cancelled_request_makes_none() -> None:
    log = [
        replace(past("a", 1), took=5),
        past("a", 3),
        replace(past("b", 4, ReplayCandidate("a", 0.99, 0.99)), made=False),
        past("a", 7),
        replace(past("c", 8), made=False),
        past("c", 9),
    ]
    found = replay(log, 0.02)
    assert (found.exact, found.near, found.joined, found.misses, found.unmade) == (1, 0, 2, 3, 1)
    assert found.asked == len(log)
    assert (found.hit_rate, found.renders) == (1 / 6, 2)
    assert (found.saved, found.spent) == (4.0, 4.0), "who cancelled while waiting saved nothing"


def test_what_was_rendered_anew_is_no_hit_and_what_was_there_before_is() -> None:
    log = [past("a", 1), past("a", 2, fresh=True), past("z", 3)]
    assert replay(log, 0.02).misses == 3
    assert replay(log, 0.02, before={"z": past("z", 0)}).exact == 1


@pytest.mark.parametrize("policy", ["value", "lru", "lfu", "fifo"])
def test_room_is_kept(policy: str) -> None:
    log = [past(f"clip {at % 17}", float(at)) for at in range(200)]
    found = replay(log, 0.02, 100, policy=policy)  # type: ignore[arg-type]
    assert found.evicted >= found.misses - 10
    assert replay(log, 0.02, policy=policy).misses == 17  # type: ignore[arg-type]


@st.composite
def logs(draw: st.DrawFn) -> list[Past]:
    specs = [f"clip {at}" for at in range(6)]
    nominee = st.builds(lambda spec, own: ReplayCandidate(spec, own, own), st.sampled_from(specs), st.floats(0.5, 1))
    return [
        past(draw(st.sampled_from(specs)), float(at), *draw(st.lists(nominee, max_size=2)), fresh=draw(st.integers(0, 9)) == 0)
        for at in range(draw(st.integers(0, 40)))
    ]


@settings(deadline=None)
@given(logs(), st.sampled_from([-1.0, 0.0, 0.1, 0.3]), st.sampled_from([None, 1, 25, 60]))
def test_every_request_is_counted_once(log: list[Past], limit: float, room: int | None) -> None:
    found = replay(log, limit, room)
    assert found.asked == len(log)
    assert found.saved + found.spent == pytest.approx(2.0 * len(log))
    assert 0 <= found.wrong <= max(0.0, limit) * found.near + 1e-9
    if limit < 0:
        assert found.near == 0
    if room is None:
        assert found.evicted == 0


async def test_recorded_traffic_comes_again_as_it_was(database: Database) -> None:
    """With the limit that was in force and room for all, a replay does what the cache did."""
    made = [row for row in traffic.rows(800, time.time()) if row["priority"] == "interactive"]
    # Ids sort by their making; these were all made just now, in this order.
    for at, row in enumerate(made):
        row["id"] = f"video_{at:032x}"
        row["verdict"] = "miss" if row["verdict"] == "joined" else row["verdict"]
    await traffic.write(database, made)
    recorded = await Recordings(database).latest(10_000, AS_IT_IS)
    answered = [row for row in made if row["clip_id"] is not None]
    assert len(recorded.asks) == len(made) > len(answered)
    assert sum(not past.made for past in recorded.asks) == len(made) - len(answered)
    found = replay(recorded.asks, 0.02, before=recorded.before)
    was = {verdict: sum(row["verdict"] == verdict for row in answered) for verdict in ("exact", "near", "miss", "bypass")}
    # Words that were bypassed or failed before may be exact now: near enough, and never less.
    assert found.near == pytest.approx(was["near"], abs=0.1 * len(answered))
    assert found.exact + found.near == pytest.approx(was["exact"] + was["near"], abs=0.05 * len(answered))
    stricter, looser = (replay(recorded.asks, limit, before=recorded.before) for limit in (0.005, 0.3))
    assert stricter.near < found.near < looser.near
    assert stricter.wrong < found.wrong < looser.wrong
    newest = await Recordings(database).latest(50, AS_IT_IS)
    assert [one.spec for one in newest.asks] == [one.spec for one in recorded.asks[-50:]]


@pytest.mark.parametrize(("reason", "known"), [("not sure enough: 0.9", 1), ("the verifier says no: 0.9", 0), ("not said: marine", 0)])
async def test_what_no_limit_would_lift_is_no_neighbour(tmp_path: Path, reason: str, known: int) -> None:
    async with open_sqlite(tmp_path) as database:
        first, second = traffic.row(1.0, "miss", "a"), traffic.row(2.0, "miss", "b")
        second["refused"] = [{"clip_id": first["clip_id"], "confidence": 0.9, "similarity": 0.8, "reason": reason, "prompt": None}]
        await traffic.write(database, [first, second])
        recorded = await Recordings(database).latest(10, AS_IT_IS)
    (asked,) = [one for one in recorded.asks if one.at == 2.0]
    assert len(asked.nominees) == known


def test_the_way_back_from_a_share_is_the_least_own_probability() -> None:
    table = Sureness(lambda own: min(0.99, 0.5 + own / 2))
    assert table.own(0.75) == pytest.approx(0.5, abs=1e-6)
    assert table.own(0.99) == pytest.approx(0.98, abs=1e-6)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("nothing", "line 2 is not JSON"),
        ("[]", "line 2 is not a JSON object"),
        ("{}", "line 2: prompt is missing"),
        ('{"prompt": 7}', "line 2: prompt is not a string"),
        ('{"prompt": " "}', "line 2: prompt is empty"),
        ('{"prompt": "a", "bytes": -1}', "line 2: bytes must be a number"),
    ],
)
def test_a_log_says_which_line_is_wrong(line: str, said: str) -> None:
    with pytest.raises(Invalid, match=said):
        list(read_log(['{"prompt": "a red ball"}', line]))


def test_the_command_reads_a_log_by_the_real_judge(tmp_path: Path) -> None:
    rows = [
        {"prompt": "a yellow star moves up in a starry night"},
        {"prompt": "a yellow star is moving upwards in a starry night"},
        {"prompt": "a yellow star moves down in a starry night"},
        {"prompt": "A yellow star moves up in a starry night."},
        {"prompt": "a yellow star moves up in a starry night", "size": "64x64"},
        {"prompt": "a yellow star moves up in a starry night", "tenant": "acme"},
    ]
    log = tmp_path / "log.jsonl"
    log.write_text("\n".join(json.dumps(row) for row in rows))
    told = command(tmp_path, "replay", str(log))
    assert told.returncode == 0, told.stderr
    lines = {line.strip()[:24].strip(): line.split() for line in told.stdout.splitlines()}
    exact = next(line for line in lines.values() if line[:1] == ["exact"])
    current = next(line for line in lines.values() if "current" in line)
    assert exact[2:] == ["16.7%", "1", "0", "0.0", "5", "0"]
    assert current[-6:-3] == ["33.3%", "1", "1"]
    assert current[-2:] == ["4", "0"]
    refused = command(tmp_path, "replay", str(tmp_path / "log.jsonl"), "--capacity", "0")
    assert refused.returncode == 2


def test_joined_and_cancelled_requests_count_as_on_the_overview(live: Live) -> None:
    first = live.post("a red ball on a hill", steps=40)
    joined = live.post("a red ball on a hill", steps=40)
    left = live.post("a blue drum in a hall", steps=40)
    assert joined["reprise"]["verdict"] == "joined"
    assert httpx.post(f"{live.url}/v1/videos/{left['id']}/cancel", timeout=30).status_code == 200
    assert live.finished(first)["status"] == live.finished(joined)["status"] == "completed"
    hit = live.post("a red ball on a hill", steps=40)
    assert hit["reprise"]["verdict"] == "exact"
    told = httpx.get(f"{live.url}/admin/api/what-if", timeout=60).json()["present"]
    seen = httpx.get(f"{live.url}/admin/api/overview", timeout=30).json()["ever"]
    assert (told["exact"], told["near"], told["joined"], told["misses"], told["unmade"]) == (1, 0, 1, 2, 1)
    assert told["hit_rate"] == pytest.approx(seen["hit_rate"]) == 0.25
    assert told["gpu_seconds_saved"] == pytest.approx(seen["gpu_seconds_saved"])
    page = httpx.get(f"{live.url}/admin/what-if", timeout=30).text
    assert "1 joined a render" in page
    # A plan proposes what people still want, and the page of requests finds each by its id.
    mined = httpx.post(f"{live.url}/admin/api/plans", json={"budget": 5}, timeout=120).json()
    assert (mined["specs"], mined["plan"]) == (1, None)
    (row,) = httpx.get(f"{live.url}/admin/api/requests?id={left['id']}", timeout=30).json()["requests"]
    assert (row["id"], row["error_code"], row["seconds"]) == (left["id"], "cancelled", None)
    (fresh,) = httpx.get(f"{live.url}/admin/api/requests?id={hit['id']}", timeout=30).json()["requests"]
    assert fresh["seconds"] is None or fresh["seconds"] > 0.0005, "never a time from before its commit"
    for wrong in ("id=video_1", "video=x"):
        refused = httpx.get(f"{live.url}/admin/api/requests?{wrong}", timeout=30)
        assert (refused.status_code, refused.json()["error"]["param"]) == (400, wrong.partition("=")[0])
