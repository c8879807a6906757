"""How fast and how large the vector index is, beside plain FAISS flat, in one run.

    python -m benchmarks.index [--sizes 1000 10000 100000] [--million] [--dimension 384]

Vectors are families of four that lie at cosine 0.85 to 0.97, as prompts about one thing do; queries are strangers at
cosine 0.90 to 0.99 to one of them. k = 10, one query at a time, one thread.
"""

from __future__ import annotations

import argparse
import asyncio
import ctypes
import gc
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from cache.ids import new_id
from cache.matching.vectors.block import Vectors
from cache.matching.vectors.index import Index, Placed
from cache.matching.vectors.snapshot import Manifest, Origin, load_snapshot, save
from cache.variant import Partition

K = 10
HERE = Partition("tenant:local", "0" * 64, "e1")


def resident() -> int:
    """Bytes of this process in memory that no file backs, without what the allocator keeps for later."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    fields = dict(line.split(":") for line in Path("/proc/self/status").read_text().splitlines())
    return int(fields["RssAnon"].split()[0]) * 1024


def families(count: int, dimension: int) -> tuple[Vectors, Vectors]:
    random = np.random.default_rng(count)

    def unit(drawn: NDArray[Any]) -> Vectors:
        turned: Vectors = (drawn / np.linalg.norm(drawn, axis=1, keepdims=True)).astype(np.float32, copy=False)
        return turned

    def beside(of: Vectors, low: float, high: float) -> Vectors:
        cosine = random.uniform(low, high, (len(of), 1)).astype(np.float32)
        drawn = random.standard_normal(of.shape, dtype=np.float32)
        drawn -= (drawn * of).sum(1, keepdims=True) * of
        return unit(cosine * of + np.sqrt(1 - cosine**2) * unit(drawn))

    heads = unit(random.standard_normal((-(-count // 4), dimension), dtype=np.float32))
    vectors = np.concatenate([heads, *(beside(heads, 0.85, 0.97) for _ in range(3))])[:count]
    return vectors, beside(vectors[random.integers(0, count, 1000)], 0.90, 0.99)


def timed(search: Callable[[Vectors], object], queries: Vectors, seconds: float = 3.0) -> str:
    """Wall time, and the processor's, which other work on the machine does not stretch as much."""
    for query in queries[:20]:
        search(query)
    busy = time.thread_time()
    taken, end = list[float](), time.perf_counter() + seconds
    while time.perf_counter() < end and len(taken) < 20_000:
        started = time.perf_counter()
        search(queries[len(taken) % len(queries)])
        taken.append((time.perf_counter() - started) * 1e3)
    return f"{spread(taken)}   cpu {(time.thread_time() - busy) / len(taken) * 1e3:7.3f} ms"


def spread(taken: list[float]) -> str:
    return f"p50 {np.percentile(taken, 50):7.3f} ms   p99 {np.percentile(taken, 99):7.3f} ms"


def best_by_flat(vectors: Vectors, queries: Vectors) -> tuple[list[int], str]:
    flat = faiss.IndexFlatIP(vectors.shape[1])
    flat.add(vectors)
    faiss.omp_set_num_threads(1)
    taken = timed(lambda query: flat.search(query[None, :], K), queries)
    faiss.omp_set_num_threads(os.cpu_count() or 1)
    return flat.search(queries, 1)[1][:, 0].tolist(), taken


@contextmanager
def opened() -> Iterator[Index]:
    index = Index(build_threads=os.cpu_count() or 1)
    try:
        yield index
    finally:
        index.close()


async def awaited(index: Index, queries: Vectors) -> str:
    """As a request sees it: `await index.search` on an event loop."""
    taken = []
    for query in queries:
        started = time.perf_counter()
        await index.search(HERE, query, K)
        taken.append((time.perf_counter() - started) * 1e3)
    return spread(taken)


def one_size(count: int, dimension: int, folder: Path) -> None:
    vectors, queries = families(count, dimension)
    best, flat = best_by_flat(vectors, queries)
    ids = [new_id("clip") for _ in range(count)]
    before = resident() - sum(map(len, ids)) - 49 * count  # the ids are ours, and the index's
    with opened() as index:
        started = time.perf_counter()
        index.apply(Placed(HERE, clip_id, n, vector) for n, (clip_id, vector) in enumerate(zip(ids, vectors, strict=True), 1))
        placed = time.perf_counter() - started
        index.settle()
        built = time.perf_counter() - started - placed
        held, estimate = (resident() - before) / count, index.nbytes() / count
        place_of = {clip_id: n for n, clip_id in enumerate(ids)}
        first = [place_of[index.search_now(HERE, query, K)[0].clip_id] for query in queries]
        recall = float(np.mean([a == b for a, b in zip(first, best, strict=True)]))
        searched = timed(lambda query: index.search_now(HERE, query, K), queries)
        awaiting = asyncio.run(awaited(index, queries))
        started = time.perf_counter()
        origin = Origin(HERE.embedder, dimension)
        manifest = save(index, folder, origin)
        saved = time.perf_counter() - started
    size = sum(written.length for written in manifest.files.values()) / count
    with opened() as index:
        started = time.perf_counter()
        assert isinstance(load_snapshot(index, folder, origin), Manifest)
        opening = time.perf_counter() - started
        started = time.perf_counter()
        index.search_now(HERE, queries[0], K)
        first_search = (time.perf_counter() - started) * 1e3
        mapped = timed(lambda query: index.search_now(HERE, query, K), queries)
    print(f"{count:>9,} clips   placed in {placed:.2f} s, graph built in {built:.1f} s")
    print(f"          search         {searched}   recall@1 {recall:.4f} of flat")
    print(f"          awaited        {awaiting}")
    print(f"          FAISS flat     {flat}   ({4 * dimension} bytes/vector, ids not counted)")
    measured = f"{held:.0f} bytes/clip in the process, " if count >= 50_000 else ""  # below that it is lost in the rest
    print(f"          memory         {measured}{estimate:.0f} bytes/clip by the index's own estimate")
    print(f"          snapshot       {size:7.0f} bytes/clip, written in {saved:.2f} s, checked and opened in {opening:.2f} s")
    print(f"          once opened    {mapped}   first search {first_search:.2f} ms", flush=True)


def many_small(partitions: int, each: int, dimension: int) -> None:
    vectors, _ = families(partitions * each, dimension)
    before = resident()
    with opened() as index:
        started = time.perf_counter()
        for n in range(partitions):
            own = Partition(f"tenant:{n}", "0" * 64, "e1")
            index.apply([Placed(own, new_id("clip"), n * each + m + 1, vectors[n * each + m]) for m in range(each)])
        taken = time.perf_counter() - started
        held = (resident() - before) / (partitions * each)
        some = Partition("tenant:7", "0" * 64, "e1")
        searched = timed(lambda query: index.search_now(some, query, K), vectors[:1000], 1.0)
        estimate = index.nbytes() / partitions / each
        print(f"{partitions:>9,} partitions of {each} clips: placed in {taken:.2f} s, {held:.0f} bytes/clip (estimate {estimate:.0f})")
        print(f"          search         {searched}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="*", default=[1_000, 10_000, 100_000])
    parser.add_argument("--million", action="store_true", help="a million clips, too: some minutes, and 6 GB of memory")
    parser.add_argument("--dimension", type=int, default=384)
    chosen = parser.parse_args()
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, faiss {faiss.__version__}, {chosen.dimension} dimensions, k = {K}\n")
    for count in [*chosen.sizes, *([1_000_000] if chosen.million else [])]:
        folder = Path(tempfile.mkdtemp(prefix="index-"))
        try:
            one_size(count, chosen.dimension, folder)
        finally:
            shutil.rmtree(folder)
    many_small(20_000, 5, chosen.dimension)


if __name__ == "__main__":
    main()
