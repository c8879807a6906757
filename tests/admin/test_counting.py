"""Totals are the requests: while they come and go, after they were rolled up, and after kill -9."""

from __future__ import annotations

import asyncio
import json
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import func, insert, select, update

from cache.plan import NewPrompt
from cache.precision import wilson
from cache.storage.database.database import Database
from cache.storage.operators.buckets import BOUNDS, NEVER, quantile
from cache.storage.operators.statistics import BACKGROUND, VERDICTS, VIEWS, Slot, Statistics, sum_of_slots
from cache.storage.operators.tally import Tally
from cache.storage.requests.plans import Plans
from cache.storage.tables import idempotency, jobs, labels, plan_prompts, requests, tallies
from tests.admin import traffic
from tests.conftest import StartServer
from tests.stage import SERVED, made, set_stage, take

NOW = 1_795_356_361.0  # a Sunday, 14:06 UTC
KEEP = 3.0


def totals(slot: Slot) -> dict[tuple[str, str], Any]:
    kinds: dict[str, dict[Any, Any]] = {"asked": slot.verdicts, "background": slot.background}
    return {
        (verdict, where): (
            count.count,
            count.failed,
            round(count.saved, 6),
            count.nearness,
            round(count.nearness_saved, 6),
            dict(sorted(count.buckets.items())),
        )
        for where, counts in kinds.items()
        for verdict, count in counts.items()
    }


def counted_by_hand(made: list[dict[str, Any]]) -> Counter[tuple[str, str]]:
    return Counter((row["verdict"], "background" if row["priority"] == BACKGROUND else "asked") for row in made)


async def test_totals_are_the_rows(database: Database) -> None:
    made = traffic.rows(600, NOW)
    await traffic.write(database, made)
    ever = await Statistics(database).since(0.0)
    assert {key: told[0] for key, told in totals(ever).items() if told[0]} == counted_by_hand(made)
    assert sum(count.failed for count in ever.verdicts.values()) + sum(count.failed for count in ever.background.values()) == sum(
        row["error_code"] is not None for row in made
    )
    assert ever.saved == pytest.approx(sum(row["gpu_seconds_saved"] for row in made))
    first = [row for row in made if row["verdict"] == "near" and not row["asked_before"]]
    assert ever.nearness_saved == pytest.approx(sum(row["gpu_seconds_saved"] for row in first))


@pytest.mark.parametrize("view", list(VIEWS))
async def test_slots_hold_what_was_asked_in_them(database: Database, view: Any) -> None:
    made = traffic.rows(500, NOW, days=40)
    await traffic.write(database, made)
    slots = await Statistics(database).slots(view, NOW)
    assert len(slots) == VIEWS[view][1]
    assert slots[-1].start <= NOW < slots[-1].start + slots[-1].seconds
    for slot in slots:
        inside = [row for row in made if slot.start <= row["created_at"] < slot.start + slot.seconds and row["priority"] != BACKGROUND]
        assert Counter({verdict: slot.verdicts[verdict].count for verdict in VERDICTS}) == Counter(row["verdict"] for row in inside)
    if view == "week":
        assert time.gmtime(slots[0].start).tm_wday == 0


async def test_a_roll_up_changes_no_total(database: Database) -> None:
    made = traffic.rows(1300, time.time(), days=20)
    waiting = traffic.row(time.time() - 15 * 86_400, "miss", "still rendering", clip_id=None, completed_at=None, job_id="job_x")
    await traffic.write(database, [*made, waiting])
    statistics, tally = Statistics(database), Tally(database, KEEP)
    before, slots = totals(await statistics.since(0.0)), [totals(slot) for slot in await statistics.slots("day")]
    assert await Tally(database, 0.0).prune() == 0
    assert await tally.prune(most=1) == 500
    assert totals(await statistics.since(0.0)) == before
    gone = 500
    while pruned := await tally.prune():
        gone += pruned
    old = [row for row in made if row["created_at"] < time.time() - KEEP * 86_400]
    assert gone == len(old) > 600
    assert totals(await statistics.since(0.0)) == before
    assert [totals(slot) for slot in await statistics.slots("day")] == slots
    async with database.read() as connection:
        left = set((await connection.scalars(select(requests.c.id))).all())
        rolled = int((await connection.execute(select(func.count()).select_from(tallies))).scalar_one())
    assert waiting["id"] in left, "somebody waits for it"
    assert left == {row["id"] for row in made} - {row["id"] for row in old} | {waiting["id"]}
    assert 0 < rolled < gone


async def test_what_goes_with_a_pruned_request_and_what_stays(database: Database) -> None:
    old, new = traffic.row(time.time() - 10 * 86_400, "near", "old words"), traffic.row(time.time(), "near", "new words")
    await traffic.write(database, [old, new])
    await traffic.label(database, old, True)
    async with database.write() as connection:
        for number, row in enumerate((old, new)):
            key = {"tenant": "local", "key": f"key {number}", "body": "0" * 64, "request_id": row["id"], "created_at": row["created_at"]}
            await connection.execute(insert(idempotency).values(**key))
    assert await Tally(database, KEEP).prune() == 1
    async with database.read() as connection:
        assert (await connection.scalars(select(idempotency.c.request_id))).all() == [new["id"]]
        assert (await connection.scalars(select(labels.c.request_id))).all() == [old["id"]]
    assert (await Statistics(database).precision()).labelled == 1


async def test_a_job_goes_with_the_last_request_that_named_it(database: Database, tmp_path: Path) -> None:
    stage = set_stage(database, tmp_path)
    alone, shared, planned = [await stage.job_for(take(f"{name} ball")) for name in ("a red", "a blue", "a green")]
    young, _ = await stage.ask(take("a blue ball"))  # joins
    for lease in [(await stage.leases.lease("w", SERVED.revision))[0] for _ in range(3)]:
        await stage.leases.finish(lease, made())
    waiting = await stage.job_for(take("a white ball"))
    green = take("a green ball").spec
    await Plans(database).add("local", "list", [NewPrompt(green.prompt.text, green.key, green.recipe, 1.0, 2.5)], 1, 0.0, start=True)
    async with database.write() as connection:
        await connection.execute(update(requests).where(requests.c.id != young).values(created_at=time.time() - 10 * 86_400))
        await connection.execute(update(plan_prompts).values(job_id=planned, state="made"))
    assert await Tally(database, KEEP).prune() == 3
    async with database.read() as connection:
        left = set((await connection.scalars(select(jobs.c.id))).all())
    assert left == {shared, planned, waiting}
    assert alone not in left


async def test_totals_hold_at_every_moment_of_a_busy_roll_up(database: Database) -> None:
    """Three that prune, one that writes, and one that counts: no count is ever too small or too large."""
    old = traffic.rows(1500, time.time() - 5 * 86_400, days=10)
    await traffic.write(database, old)
    new = traffic.rows(300, time.time(), days=0.5)
    written, done = 0, asyncio.Event()
    seen: list[tuple[int, int, int]] = []

    async def write() -> None:
        nonlocal written
        for start in range(0, len(new), 20):
            await traffic.write(database, new[start : start + 20])
            written = start + 20

    async def prune() -> None:
        tally = Tally(database, KEEP)
        while await tally.prune(most=1):
            pass

    async def count() -> None:
        statistics = Statistics(database)
        while not done.is_set():
            least = written
            ever = await statistics.since(0.0)
            found = ever.asked + sum(one.count for one in ever.background.values())
            seen.append((least, found - len(old), min(len(new), written + 20)))

    counting = asyncio.create_task(count())
    await asyncio.gather(write(), prune(), prune(), prune())
    done.set()
    await counting
    assert len(seen) >= 3
    assert [moment for moment in seen if not moment[0] <= moment[1] <= moment[2]] == []
    ever = await Statistics(database).since(0.0)
    assert {key: told[0] for key, told in totals(ever).items() if told[0]} == counted_by_hand([*old, *new])


PRUNING = """
import asyncio, sys
from cache.storage.database.database import Database
from cache.storage.operators.tally import Tally
async def main():
    tally = Tally(Database(sys.argv[1]), 3.0)
    print("begun", flush=True)
    while await tally.prune(most=1):
        print("moved", flush=True)
asyncio.run(main())
"""


async def test_a_killed_roll_up_loses_and_doubles_nothing(database: Database) -> None:
    made = traffic.rows(2500, time.time() - 5 * 86_400, days=10)
    await traffic.write(database, made)
    before = totals(await Statistics(database).since(0.0))
    url = database.url.render_as_string(hide_password=False)
    for _ in range(3):
        child = await asyncio.create_subprocess_exec(sys.executable, "-c", PRUNING, url, stdout=subprocess.PIPE)
        assert child.stdout is not None
        assert await child.stdout.readline() == b"begun\n"
        await child.stdout.readline()
        await asyncio.sleep(0.003)
        child.send_signal(signal.SIGKILL)
        await child.wait()
        assert totals(await Statistics(database).since(0.0)) == before
    async with database.read() as connection:
        left = int((await connection.execute(select(func.count()).select_from(requests))).scalar_one())
    assert left < len(made), "something was moved before it was killed"


def test_a_server_counts_what_it_answered_also_after_kill_9(start: StartServer) -> None:
    live = start(renderer="none")  # misses wait: counting needs no clips
    words = [f"a ball number {number % 7}" for number in range(60)]
    told: list[str] = []

    def ask(prompt: str) -> None:
        try:
            answer = httpx.post(f"{live.url}/v1/videos", json={"prompt": prompt}, timeout=30)
        except httpx.HTTPError:
            return  # it was killed meanwhile: nobody was told anything
        if answer.status_code == 200:
            told.append(answer.json()["id"])

    # Somebody has to have announced a model, else a gateway without a renderer knows none.
    announce(live.folder / "reprise.db")
    while not httpx.get(f"{live.url}/v1/models", timeout=30).json()["data"]:
        time.sleep(0.05)
    with ThreadPoolExecutor(8) as pool:
        asking = [pool.submit(ask, prompt) for prompt in words]
        while len(told) < 15:
            time.sleep(0.01)
        live.kill()
        for one in asking:
            one.result()
    live.start()
    facts = httpx.get(f"{live.url}/admin/api/overview", timeout=30).json()["ever"]["verdicts"]
    rows = sqlite3.connect(live.folder / "reprise.db").execute("SELECT id, verdict FROM requests").fetchall()
    assert {verdict: told_of["count"] for verdict, told_of in facts.items() if told_of["count"]} == Counter(verdict for _, verdict in rows)
    assert set(told) <= {found for found, _ in rows}


def announce(database: Path) -> None:
    from dataclasses import asdict

    from cache.catalog import DEMO

    connection = sqlite3.connect(database)
    row = ("tiny", "revision-1", "pipeline", json.dumps(asdict(DEMO)), "cpu", time.time(), time.time(), time.time())
    connection.execute(
        "INSERT INTO models (name, revision, renderer, row, device, first_at, announced_at, seen_at) VALUES (?,?,?,?,?,?,?,?)", row
    )
    connection.commit()
    connection.close()


async def test_precision_takes_the_last_word_of_each(database: Database) -> None:
    made = [traffic.row(NOW + at, "near", f"words {at}") for at in range(6)]
    await traffic.write(database, made)
    for row in made[:4]:
        await traffic.label(database, row, True, "audit")
    await traffic.label(database, made[0], False, "admin")  # thought again
    await traffic.label(database, made[4], False, "client")
    await traffic.label(database, made[5], False, "reroll", weight=0.3)
    statistics = Statistics(database)
    audited, clients = await statistics.precision(), await statistics.precision(("client",))
    assert (audited.right, audited.wrong, audited.share) == (3, 1, 0.75)
    assert (clients.right, clients.wrong) == (0, 1)
    assert audited.low < 0.75 < audited.high


@given(right=st.integers(0, 400), wrong=st.integers(0, 400))
def test_the_interval_holds_the_share_and_narrows(right: int, wrong: int) -> None:
    low, high = wilson(right, right + wrong)
    assert 0 <= low <= high <= 1
    if right + wrong:
        assert low <= right / (right + wrong) <= high
        more = wilson(10 * right, 10 * (right + wrong))
        assert more[1] - more[0] <= high - low


def test_the_interval_is_wilsons() -> None:
    assert wilson(117, 120) == pytest.approx((0.92908, 0.99146), abs=1e-4)


@settings(deadline=None)
@given(st.lists(st.floats(0.0002, 9e5), min_size=1, max_size=200), st.sampled_from([0.5, 0.95]))
def test_a_quantile_is_within_a_bucket_of_the_true_one(times: list[float], share: float) -> None:
    buckets = Counter(sum(bound <= taken for bound in BOUNDS) for taken in times)
    true = sorted(times)[max(0, -(-int(share * 1000 * len(times)) // 1000) - 1)]
    found = quantile(buckets | {NEVER: 7}, share)
    assert found is not None
    assert true / 1.26 <= found <= true * 1.26


async def test_buckets_in_sql_are_those_of_the_bounds(database: Database) -> None:
    times = [0.0, 0.00009, *(bound * 1.0001 for bound in BOUNDS[::7]), 0.0123, 8.5, 2e6]
    await traffic.write(database, [traffic.row(0.0, "miss", f"words {at}", completed_at=taken) for at, taken in enumerate(times)])
    await traffic.write(database, [traffic.row(0.0, "exact", "hit", answer_ms=None), traffic.row(0.0, "exact", "hit", answer_ms=8500.0)])
    ever = await Statistics(database).since(0.0)
    assert ever.verdicts["miss"].buckets == Counter(sum(bound <= taken for bound in BOUNDS) for taken in times)
    assert sum_of_slots([ever]).verdicts["miss"].count == len(times)
    # A hit takes what was measured, and has no time before that.
    assert ever.verdicts["exact"].buckets == {NEVER: 1, sum(bound <= 8.5 for bound in BOUNDS): 1}
