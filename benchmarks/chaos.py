"""kill -9 of any part at random moments, under load from real clients, and the count of what was lost.

Two gateways, two workers, PostgreSQL and an S3 server, all real processes on this machine. One part is killed at a time and
started again; meanwhile clients ask for clips, some of them for the same ones. At the end everything that a client was given an
id for must have its clip, whole.

    python -m benchmarks.chaos --kills 200 --seed 1
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import random
import secrets
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
from sqlalchemy import text

from cache.storage.bytes.objects import open_store
from cache.storage.clips.doctor import Doctor
from cache.storage.clips.shelf import Shelf
from cache.storage.database.database import Database
from tests.fleet import Fleet
from tests.servers.postgres import Postgres
from tests.servers.swift import Swift
from training.demo_model.tiny import make_tiny_folder

STEPS = 4
SHAPES = ("ball", "star", "ring", "cube", "box", "triangle", "comet", "leaf")
COLOURS = ("red", "blue", "green", "yellow", "white", "black", "purple", "orange", "pink", "brown")
LEASE = 4.0
QUIET = 240.0  # seconds that open requests get to end once nothing is killed any more


@dataclass
class Outcome:
    """Zero must be: `lost`, `failed`, `half`, `twice`, `rows_without_object`, `digests_wrong`. The rest says what happened."""

    kills: dict[str, int] = field(default_factory=dict)
    asked: int = 0  # posts answered with an id
    refused: int = 0  # posts answered 429 or 503, or not at all, and tried again
    completed: int = 0
    failed: int = 0
    lost: int = 0  # ids that no gateway knows, or that never ended
    half: int = 0  # clips whose bytes are not those of their digest, or are no clip
    twice: int = 0  # variant keys with more than one clip
    rows_without_object: int = 0
    digests_wrong: int = 0
    objects_without_row: int = 0
    renders: int = 0
    leases_lost: int = 0
    clips: int = 0
    seconds: float = 0.0

    @property
    def sound(self) -> bool:
        faults = self.lost, self.failed, self.half, self.twice, self.rows_without_object, self.digests_wrong
        # A killed database or store may cost every worker its lease, a killed worker its own.
        return not any(faults) and self.leases_lost <= 2 * sum(self.kills.values())


class Clients:
    """Ask without pause, remember every id; a post that was not answered is sent again under the same Idempotency-Key."""

    def __init__(self, fleet: Fleet, outcome: Outcome, seed: int, count: int = 3) -> None:
        self._fleet, self._outcome = fleet, outcome
        self._prompts: list[str] = []
        self.ids: dict[str, str] = {}  # video id: prompt
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._ask, args=(seed * 1000 + n,), daemon=True) for n in range(count)]

    def __enter__(self) -> Clients:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(timeout=60)

    def _ask(self, seed: int) -> None:
        drawn = random.Random(seed)
        while not self._stop.is_set():
            video_id = self._post(drawn, prompt := self._prompt(drawn))
            if video_id is not None:
                with self._lock:
                    self.ids[video_id] = prompt
                    self._outcome.asked += 1
            time.sleep(drawn.uniform(0.4, 2.0))  # so that two workers of this machine nearly keep up

    def _prompt(self, drawn: random.Random) -> str:
        """Half of the time a clip that nobody asked for yet, else one of the latest: there is always something to render."""
        with self._lock:
            if self._prompts and drawn.random() < 0.5:
                return drawn.choice(self._prompts[-10:])
            self._prompts.append(f"a {drawn.choice(COLOURS)} {drawn.choice(SHAPES)} number {len(self._prompts)}")
            return self._prompts[-1]

    def _post(self, drawn: random.Random, prompt: str) -> str | None:
        headers = {"Idempotency-Key": secrets.token_hex(16)}
        while not self._stop.is_set():
            gateway = drawn.choice(self._fleet.gateways)
            with suppress(httpx.HTTPError):
                answer = httpx.post(f"{gateway.url}/v1/videos", json={"prompt": prompt, "steps": STEPS}, headers=headers, timeout=20)
                if answer.status_code == 200:
                    return str(answer.json()["id"])
                if answer.status_code not in {429, 500, 503}:
                    raise AssertionError(answer.text)
            with self._lock:
                self._outcome.refused += 1
            time.sleep(0.3)
        return None


def _parts(fleet: Fleet, postgres: Postgres, swift: Swift) -> dict[str, tuple[Callable[[], object], Callable[[], object]]]:
    parts: dict[str, tuple[Callable[[], object], Callable[[], object]]] = {
        "postgres": (postgres.kill, postgres.start),
        "store": (swift.stop, swift.start),  # it is stopped by SIGKILL too
    }
    for n, process in enumerate((*fleet.gateways, *fleet.workers)):
        parts[f"{process.command}-{n}"] = (process.kill, process.start)
    return parts


def _settle(fleet: Fleet, clients: Clients, outcome: Outcome) -> None:
    """Every id, at either gateway, until all have ended; then the bytes of every clip."""
    until, shown = time.monotonic() + QUIET, dict[str, tuple[str, str]]()
    for n, video_id in enumerate(clients.ids):
        url = fleet.gateways[n % len(fleet.gateways)].url
        answer = httpx.get(f"{url}/v1/videos/{video_id}", timeout=20)
        while answer.status_code == 200 and answer.json()["status"] in {"queued", "in_progress"} and time.monotonic() < until:
            time.sleep(0.2)
            answer = httpx.get(f"{url}/v1/videos/{video_id}", timeout=20)
        status = answer.json()["status"] if answer.status_code == 200 else "lost"
        if status == "completed":
            outcome.completed += 1
            shown.setdefault(answer.json()["reprise"]["clip"], (url, video_id))
            continue
        outcome.failed += status == "failed"
        outcome.lost += status != "failed"
        sys.stderr.write(f"{status}: {answer.text}\n")
    outcome.half = sum(not _whole(url, video_id) for url, video_id in shown.values())


def _whole(url: str, video_id: str) -> bool:
    answer = httpx.get(f"{url}/v1/videos/{video_id}/content", timeout=20)
    digest = hashlib.sha256(answer.content).hexdigest()
    spec = answer.content[4:8] == b"ftyp" and b"moov" in answer.content and b"mdat" in answer.content
    return answer.status_code == 200 and spec and digest in answer.headers["etag"]


async def _count(database_url: str, store_url: str, outcome: Outcome) -> None:
    database, objects = Database(database_url), open_store(store_url)
    found = await Doctor(database, objects, Shelf(database, objects)).examine(older=0)
    outcome.rows_without_object, outcome.digests_wrong = len(found.missing), len(found.corrupt)
    outcome.objects_without_row = len(found.orphans) + found.young
    async with database.read() as connection:
        keys = await connection.execute(text("SELECT variant_key, count(*) AS n FROM clips GROUP BY variant_key"))
        outcome.twice = sum(row.n > 1 for row in keys)
        outcome.clips = (await connection.execute(text("SELECT count(*) FROM clips"))).scalar_one()
        row = (await connection.execute(text("SELECT sum(attempt) AS renders, sum(lost) AS lost FROM jobs"))).one()
        outcome.renders, outcome.leases_lost = int(row.renders or 0), int(row.lost or 0)
    await objects.close()
    await database.close()


def run(folder: Path, model: Path, kills: int, seed: int, told: Callable[[str], None] = lambda _: None) -> Outcome:
    """AssertionError where a part does not come back; `Outcome.sound` says whether the promise held."""
    outcome, drawn, began = Outcome(), random.Random(seed), time.monotonic()
    struck: Counter[str] = Counter()
    with ExitStack() as stack:
        postgres = Postgres().start()
        stack.callback(postgres.close)
        swift = Swift(folder / "swift").start()
        stack.callback(swift.stop)
        swift.client().make_bucket("clips")
        database_url, store_url = postgres.create("reprise"), swift.url("clips")
        fleet = Fleet(folder, model, database_url, store_url, lease_seconds=LEASE, queue_jobs=1000, job_attempts=10)
        stack.callback(fleet.close)
        fleet.start(gateways=2, workers=2)
        fleet.ready()
        parts = _parts(fleet, postgres, swift)
        with Clients(fleet, outcome, seed) as clients:
            for n in range(kills):
                time.sleep(drawn.uniform(0.5, 3.0))
                # Every kind once before any twice, so that a short run meets them all.
                part = drawn.choice([name for name in parts if struck[name] == min(struck[other] for other in parts)])
                kill, start_again = parts[part]
                kill()
                struck[part] += 1
                time.sleep(drawn.uniform(0.2, 2.0))
                start_again()
                told(f"{n + 1}/{kills} {part}: {outcome.asked} asked, {outcome.refused} refused")
            time.sleep(2.0)
        outcome.kills = dict(sorted(struck.items()))
        fleet.ready()
        _settle(fleet, clients, outcome)
        asyncio.run(_count(database_url, store_url, outcome))
    outcome.seconds = round(time.monotonic() - began, 1)
    return outcome


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    with TemporaryDirectory() as made:
        folder = Path(made)
        outcome = run(folder, make_tiny_folder(folder / "tiny"), chosen.kills, chosen.seed, lambda line: print(line, flush=True))
    print(json.dumps(asdict(outcome), indent=2))
    sys.exit(not outcome.sound)


if __name__ == "__main__":
    main()
