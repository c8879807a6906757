"""How fast a judged lookup is in process: embed, search among 100,000 clips, judge with one pair for the verifier."""

from __future__ import annotations

import asyncio
import random
import time

import numpy as np

from cache.matching.encoding.encoders import Encoders
from cache.matching.judge import before_verifier, judge
from cache.matching.vectors.index import Index, Placed
from cache.variant import Partition

CLIPS = 100_000
_SUBJECTS = [
    "a red fox",
    "an old sailor",
    "two children",
    "a white horse",
    "a small robot",
    "a street musician",
    "a black cat",
    "a young chef",
]
_ACTIONS = [
    "walks slowly across",
    "is looking out over",
    "runs happily through",
    "sits quietly beside",
    "dances alone in",
    "is painting a picture of",
]
_PLACES = [
    "a quiet harbour",
    "a field of tall grass",
    "the snowy mountains",
    "an empty city square",
    "a sunny vegetable garden",
    "the old stone bridge",
]


def _prompts(count: int, seed: int) -> list[tuple[str, str]]:
    rng = random.Random(seed)
    found = []
    for number in range(count):
        subject, action, place = rng.choice(_SUBJECTS), rng.choice(_ACTIONS), rng.choice(_PLACES)
        tail = f"while number {number + seed * 100_000} shines in the distance"
        found.append((f"{subject} {action} {place} {tail}", f"In {place}, {subject} {action} {place} {tail}"))
    return found


def speed(encoders: Encoders) -> dict[str, float]:
    return asyncio.run(_speed(encoders))


async def _speed(encoders: Encoders) -> dict[str, float]:
    embedder, verifier = encoders.embedder, encoders.verifier
    assert verifier is not None and encoders.calibration is not None
    partition = Partition("local", "recipe", embedder.version)
    index = Index()
    vectors = np.random.default_rng(0).standard_normal((CLIPS, embedder.dimension)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    await asyncio.to_thread(index.apply, [Placed(partition, f"clip_{at}", at + 1, vector) for at, vector in enumerate(vectors)])
    await asyncio.to_thread(index.settle)

    async def lookup(new: str, cached: str) -> None:
        embedding = await embedder.embed(new)
        await index.search(partition, embedding.vector, 8)
        if before_verifier(new, cached, 0.95, encoders.calibration, 0.02) is None:
            judge(new, cached, 0.95, await verifier.score(new, cached), encoders.calibration, 0.02)

    for pair in _prompts(30, 1):
        await lookup(*pair)
    times = []
    for pair in _prompts(300, 2):
        began = time.perf_counter()
        await lookup(*pair)
        times.append((time.perf_counter() - began) * 1e3)

    async def crowd(pairs: list[tuple[str, str]]) -> None:
        for pair in pairs:
            await lookup(*pair)

    pairs = _prompts(1600, 3)
    began, worked = time.perf_counter(), time.process_time()
    await asyncio.gather(*[crowd(pairs[at::32]) for at in range(32)])
    rate = len(pairs) / (time.perf_counter() - began)
    lookup_cpu = (time.process_time() - worked) / len(pairs) * 1e3
    # The ceiling: the two models alone on the same texts, sixteen at a time, nothing else.
    began, worked = time.perf_counter(), time.process_time()
    few = _prompts(640, 4)
    for at in range(0, len(few), 16):
        await asyncio.to_thread(embedder.embed_now, [new for new, _ in few[at : at + 16]])
        await asyncio.to_thread(verifier.score_now, few[at : at + 16])
    ceiling = len(few) / (time.perf_counter() - began)
    models_cpu = (time.process_time() - worked) / len(few) * 1e3
    index.close()
    return {
        "p50_ms": float(np.percentile(times, 50)),
        "p99_ms": float(np.percentile(times, 99)),
        "lookups_per_second_at_32": rate,
        "ceiling_per_second": ceiling,
        "share_of_ceiling": rate / ceiling,
        # On a machine that others keep busy only these say something.
        "cpu_ms_per_lookup": lookup_cpu,
        "cpu_ms_of_the_models_alone": models_cpu,
    }
