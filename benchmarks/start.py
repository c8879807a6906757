"""How soon a gateway over many clips answers: the first exact hit and the first near hit after the start of its process.

    python -m benchmarks.start --clips 1000000 [--partitions 60] [--folder DIR] [--starts 3] [--cold] [--postgres]

Makes a database with as many signed clip rows, their vectors (families of four at cosine 0.85 to 0.97; a few are real
prompts read by the real encoder) and a snapshot of the index, then starts a real `reprise serve` over them, as a gateway
that does not render. Rows name clips that are not in the store: a hit is the answer, not the bytes. What was made in
`--folder` is used again by the next call. `--partitions`: that many Recipes share the clips; with fewer than 20,000 in
each they stand in arrays and no graph need be built first. `--cold`: the kernel forgets the pages of database and snapshot
before each start.
With `--postgres` the rows lie in a PostgreSQL, the snapshot still in the gateway's own folder.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import numpy as np
from sqlalchemy import insert, update

from benchmarks.hit import NEAR, WORDS
from benchmarks.index import families
from cache.catalog import DEMO, AskedSettings, ServedModel, resolve
from cache.clip import StoredObject
from cache.matching.encoding.embedder import Embedder
from cache.matching.encoding.exported import DEFAULT_EMBEDDER
from cache.matching.vectors.block import Vectors
from cache.matching.vectors.index import Index
from cache.matching.vectors.projection import Projection, RowLog
from cache.matching.vectors.snapshot import Manifest, Origin, read_manifest, save
from cache.prompt import Prompt
from cache.recipe import Recipe
from cache.settings import Settings
from cache.storage.clips.provenance import Provenance
from cache.storage.clips.shelf import ClipDraft
from cache.storage.database.changes import identity, latest
from cache.storage.database.database import Database
from cache.storage.database.rows import keep_recipe
from cache.storage.fleet.announcements import Announcements
from cache.storage.tables import clip_objects, clip_vectors, clips, counters
from cache.variant import Spec, Variant, tenant_scope
from migrations.upgrade import migrate
from tests.live import Live
from tests.servers.postgres import Postgres

KEY = "a signing key of the benchmark alone"
SERVED = ServedModel(DEMO, "0" * 64, "pipeline")
REAL = (WORDS, "a blue square turns", "two green stars rise above the sea", "a yellow ring fades at night")
SCOPE = tenant_scope("local")
RECIPE = resolve(SERVED, AskedSettings())
MOST_PARTITIONS = 60
BATCH = 5_000  # rows of one statement
PATIENCE = 300.0  # seconds after which a start has failed


def clip_id(number: int) -> str:
    return f"clip_{number:032x}"


def words(number: int) -> str:
    return REAL[number] if number < len(REAL) else f"a synthetic clip with the number {number}"


def guidance_of(number: int, partitions: int) -> float:
    """What tells the Recipes apart; that of the real prompts is the default."""
    return RECIPE.guidance if number < len(REAL) else RECIPE.guidance + 0.25 * (number % partitions)


@lru_cache
def recipe_of(guidance: float) -> Recipe:
    return resolve(SERVED, AskedSettings(guidance=guidance))


def vectors_of(count: int, embedder: Embedder) -> Vectors:
    found, _ = families(count, embedder.dimension)
    found[: len(REAL)] = embedder.embed_now(list(REAL))
    return found


async def fill(database: Database, vectors: Vectors, version: str, partitions: int, held: int) -> None:
    """Rows as a worker writes them, in bulk, after those that are held already."""
    signing = Provenance([KEY])
    async with database.write() as connection:
        for number in range(len(REAL), len(REAL) + partitions):
            await keep_recipe(connection, recipe_of(guidance_of(number, partitions)))
    for first in range(held, len(vectors), BATCH):
        numbers = range(first, min(first + BATCH, len(vectors)))
        rows, stored, read = [], [], []
        for number in numbers:
            row, object_row = row_of(number, partitions, signing)
            rows.append(row)
            stored.append(object_row)
            read.append({"clip_id": row["id"], "embedder": version, "vector": vectors[number].astype("<f2").tobytes()})
        async with database.write() as connection:
            for table, values in ((clips, rows), (clip_objects, stored), (clip_vectors, read)):
                await connection.execute(insert(table), values)
            await connection.execute(update(counters).where(counters.c.name == "sequence").values(value=numbers[-1] + 1))


def row_of(number: int, partitions: int, signing: Provenance) -> tuple[dict[str, object], dict[str, object]]:
    recipe = recipe_of(guidance_of(number, partitions))
    spec = Spec(SCOPE, Prompt(words(number)), recipe)
    variant = Variant(spec, take=0)
    digest = f"{number:064x}"
    video = StoredObject("video", f"clips/{clip_id(number)}/{digest}.mp4", digest, 100_000, "video/mp4")
    draft = ClipDraft(
        clip_id(number), "local", SCOPE, variant.key, spec.key, spec.prompt.text, recipe, variant.seed, 0, gpu_seconds=6.0, objects=[video]
    )
    row = {
        "id": draft.id, "sequence": number + 1, "tenant": draft.tenant, "scope": draft.scope, "variant_key": draft.variant_key,
        "spec_key": draft.spec_key, "recipe_key": recipe.key, "quality": recipe.quality, "prompt": draft.prompt, "seed": draft.seed,
        "take": draft.take, "state": "live", "created_at": time.time(), "tags": [], "notes": [], "gpu_seconds": draft.gpu_seconds,
        "stages_ms": {}, "length": video.length, "provenance": signing.sign(draft, [video]),
    }  # fmt: skip
    stored = {
        "clip_id": draft.id, "kind": video.kind, "name": video.name, "sha256": video.sha256, "length": video.length,
        "content_type": video.content_type,
    }  # fmt: skip
    return row, stored


async def take_snapshot(folder: Path, database: Database, embedder: Embedder) -> None:
    """The index that a gateway builds of these rows, saved as it saves."""
    index = Index(build_threads=os.cpu_count() or 1)
    try:
        async with database.read() as connection:
            origin = Origin(embedder.version, embedder.dimension, await identity(connection))
        rows = RowLog(database, embedder.version)
        await Projection(index, rows, embedder.version, embedder.dimension, batch=10_000).catch_up()
        await asyncio.to_thread(index.settle)
        await asyncio.to_thread(save, index, folder, origin)
    finally:
        await asyncio.to_thread(index.close)


async def make(settings: Settings, count: int, partitions: int) -> None:
    """Rows, as far as they are not there yet, and a snapshot, unless it is of as many clips."""
    place = settings.data_dir / "index"
    database = Database(settings.database)
    try:
        await migrate(database)
        async with database.read() as connection:
            held, name = await latest(connection), await identity(connection)
        known = read_manifest(place)
        if isinstance(known, Manifest) and (known.count, known.origin.database) == (count, name):
            return
        await Announcements(database).announce(SERVED, "none")
        embedder = await asyncio.to_thread(Embedder.load, DEFAULT_EMBEDDER, settings.encoders)
        if held < count:
            began = time.perf_counter()
            await fill(database, vectors_of(count, embedder), embedder.version, partitions, held)
            print(f"rows written in {time.perf_counter() - began:.0f} s", flush=True)
        began = time.perf_counter()
        await take_snapshot(place, database, embedder)
        print(f"index built of rows and saved in {time.perf_counter() - began:.0f} s", flush=True)
        embedder.close()
    finally:
        await database.close()


@dataclass
class Start:
    """Seconds from the start of the process; milliseconds that exact hits took until the first near hit was answered, and the
    processor's seconds that the gateway had taken by then, which other work on the machine does not stretch as much.
    """

    listening: float = 0.0
    exact: float = 0.0
    near: float = 0.0
    took: list[float] = field(default_factory=list)
    resident: int = 0
    busy: float = 0.0


def one_start(live: Live, count: int, partitions: int) -> Start:
    seen, began, done = Start(), time.perf_counter(), threading.Event()
    live.start()
    seen.listening = time.perf_counter() - began

    def ask_exact() -> None:
        random = np.random.default_rng()
        with live.client() as client:
            while not done.is_set():
                at = time.perf_counter()
                number = int(random.integers(len(REAL), count))
                asked = {"prompt": words(number), "guidance_scale": guidance_of(number, partitions)}
                answer = client.post("/v1/videos", json=asked, headers=CACHED)
                if answer.status_code == 200 and answer.json()["reprise"]["verdict"] == "exact":
                    seen.exact = seen.exact or time.perf_counter() - began
                    seen.took.append((time.perf_counter() - at) * 1000)
                time.sleep(0.02)

    asking = threading.Thread(target=ask_exact)
    asking.start()
    try:
        with live.client() as client:
            for words_so_far in endless(NEAR):
                answer = client.post("/v1/videos", json={"prompt": words_so_far}, headers=CACHED)
                if answer.status_code == 200 and answer.json()["reprise"]["verdict"] == "near":
                    break
                if time.perf_counter() - began > PATIENCE:
                    raise SystemExit(f"no near hit in {PATIENCE} s: {answer.text}")
                time.sleep(0.05)
        seen.near = time.perf_counter() - began
    finally:
        done.set()
        asking.join()
    user, system = Path(f"/proc/{live.pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    seen.busy = (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")
    status = Path(f"/proc/{live.pid}/status").read_text()
    seen.resident = int(status.split("VmRSS:")[1].split()[0]) * 1024
    live.stop()
    return seen


CACHED = {"Cache-Control": "only-if-cached"}


def endless(asked: list[str]) -> Iterator[str]:
    while True:
        yield from asked


def forget_pages(folder: Path) -> None:
    """The kernel drops its copies; the next reader waits for the disk."""
    os.sync()
    for path in folder.rglob("*"):
        if path.is_file():
            descriptor = os.open(path, os.O_RDONLY)
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(descriptor)


def measure(folder: Path, count: int, partitions: int, starts: int, cold: bool, database_url: str) -> None:
    settings = {"signing_keys": KEY, "renderer": "none", **({"database_url": database_url} if database_url else {})}
    asyncio.run(make(Settings(data_dir=folder, database_url=database_url), count, partitions))
    size = sum(path.stat().st_size for path in (folder / "index").rglob("*") if path.is_file())
    print(
        f"{count:,} clips in {partitions} partitions, snapshot {size / 1e9:.2f} GB, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"
    )
    columns = f"{'seconds after the start':26}{'listening':>11}{'exact hit':>11}{'near hit':>11}"
    print(f"{columns}   processor; exact hits until then: p50, worst ms")
    near = []
    for _ in range(starts):
        if cold:
            forget_pages(folder)
        live = Live(folder, Path("/no/model"), **settings)
        try:
            seen = one_start(live, count, partitions)
        finally:
            live.close()
        near.append(seen.near)
        row = f"{'cold' if cold else 'pages in memory':26}{seen.listening:11.2f}{seen.exact:11.2f}{seen.near:11.2f}"
        asked = f"{len(seen.took)} hits, {statistics.median(seen.took):.1f}, {max(seen.took):.0f}"
        print(f"{row}   cpu {seen.busy:.1f} s; {asked}; resident {seen.resident / 1e9:.2f} GB", flush=True)
    print(f"first near hit, median of {starts}: {statistics.median(near):.2f} s (wanted <= 10)")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--clips", type=int, default=100_000)
    options.add_argument("--partitions", type=int, default=1, choices=range(1, MOST_PARTITIONS + 1), metavar="N")
    options.add_argument("--folder", type=Path, help="kept for the next call; default: one that is removed")
    options.add_argument("--starts", type=int, default=3)
    options.add_argument("--cold", action="store_true")
    options.add_argument("--postgres", action="store_true")
    chosen = options.parse_args()
    folder = (chosen.folder or Path(tempfile.mkdtemp(prefix="start-"))).absolute()
    postgres = Postgres() if chosen.postgres else None
    try:
        url = postgres.start().create("reprise") if postgres is not None else ""
        measure(folder, chosen.clips, chosen.partitions, chosen.starts, chosen.cold, url)
    finally:
        if postgres is not None:
            postgres.close()
        if chosen.folder is None:
            shutil.rmtree(folder)


if __name__ == "__main__":
    main()
