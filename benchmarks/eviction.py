"""Which eviction keeps most: ours (the code of cache/eviction.py) beside LRU, LFU and FIFO, on recorded requests.

    python -m benchmarks.eviction --data FOLDER

FOLDER holds trace_alibaba_gentd26_no_text_dev.jsonl.gz: production requests with their times, users and GPU-seconds. What
one user asked with one signature is one Spec; its bytes are not in the trace, its images are, so a Spec takes 1 MB each.
Every figure is of the second half, with a cache filled by the first.
"""

from __future__ import annotations

import argparse
import gzip
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cache.eviction import ClipValue, choose_evicted, surplus, weight

TRACE = "trace_alibaba_gentd26_no_text_dev.jsonl.gz"
MEGABYTE = 10**6
CAPACITIES = (0.01, 0.02, 0.05, 0.1, 0.2)  # of what all Specs of the trace take


@dataclass(frozen=True)
class Ask:
    at: float
    spec: str
    gpu_seconds: float
    length: int


@dataclass
class Kept:
    """A Spec in the cache, and when it was asked for."""

    spec: str
    gpu_seconds: float
    length: int
    asked: list[float]


@dataclass(frozen=True)
class Result:
    asks: int
    hits: int
    saved: float  # GPU-seconds
    spent: float  # had nothing been kept

    @property
    def hit_rate(self) -> float:
        return self.hits / max(1, self.asks)

    @property
    def saved_share(self) -> float:
        return self.saved / max(1e-9, self.spent)


Drop = Callable[[Sequence[Kept], int, float], list[str]]


def by(key: Callable[[Kept], tuple[float, ...]]) -> Drop:
    """The smallest first, as LRU, LFU and FIFO do."""

    def drop(kept: Sequence[Kept], to_free: int, _now: float) -> list[str]:
        gone: list[str] = []
        for one in sorted(kept, key=key):
            if to_free <= 0:
                break
            gone.append(one.spec)
            to_free -= one.length
        return gone

    return drop


def ours(kept: Sequence[Kept], to_free: int, now: float) -> list[str]:
    standings = [ClipValue(one.spec, sum(weight(now - at) for at in one.asked), one.gpu_seconds, one.length) for one in kept]
    return [one.clip_id for one in choose_evicted(standings, to_free)]


POLICIES: dict[str, Drop] = {
    "Reprise": ours,
    "LRU": by(lambda one: (one.asked[-1],)),
    "LFU": by(lambda one: (len(one.asked), one.asked[-1])),
    "FIFO": by(lambda one: (one.asked[0],)),
}


def replay(asks: Sequence[Ask], capacity: int, drop: Drop, measured_from: int) -> Result:
    """One cache along the trace; asks before `measured_from` only fill it."""
    kept: dict[str, Kept] = {}
    used = hits = 0
    saved = spent = 0.0
    for at, ask in enumerate(asks):
        measured = at >= measured_from
        spent += ask.gpu_seconds if measured else 0.0
        found = kept.get(ask.spec)
        if found is not None:
            found.asked.append(ask.at)
            hits += measured
            saved += found.gpu_seconds if measured else 0.0
            continue
        kept[ask.spec] = Kept(ask.spec, ask.gpu_seconds, ask.length, [ask.at])
        used += ask.length
        if to_free := surplus(used, capacity):
            for spec in drop(list(kept.values()), to_free, ask.at):
                used -= kept.pop(spec).length
    return Result(len(asks) - measured_from, hits, saved, spent)


def read_trace(data: Path) -> list[Ask]:
    def rows() -> Iterator[Ask]:
        with gzip.open(data / TRACE, "rt") as lines:
            for line in lines:
                row = json.loads(line)
                if row["status"] == "SUCCEED" and row["exec_s"]:
                    at = datetime.strptime(row["t"], "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC).timestamp()
                    images = int(float(row["n_images"] or 1))
                    yield Ask(at, f"{row['user']} {row['sig']}", float(row["exec_s"]), images * MEGABYTE)

    return sorted(rows(), key=lambda ask: ask.at)


def footprint(asks: Sequence[Ask]) -> int:
    return sum({ask.spec: ask.length for ask in asks}.values())


def compare(asks: Sequence[Ask], share: float) -> dict[str, Result]:
    """Every policy with room for `share` of all Specs."""
    capacity, half = int(share * footprint(asks)), len(asks) // 2
    return {name: replay(asks, capacity, drop, half) for name, drop in POLICIES.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    asks = read_trace(parser.parse_args().data)
    print(f"{len(asks)} asks for {len({ask.spec for ask in asks})} Specs, {footprint(asks) / 1e9:.1f} GB; measured on the second half")
    print("| room for | policy | hit rate | GPU-seconds saved |\n|---|---|---|---|")
    for share in CAPACITIES:
        for name, result in compare(asks, share).items():
            print(f"| {share:.0%} | {name} | {result.hit_rate:.2%} | {result.saved_share:.2%} |")


if __name__ == "__main__":
    main()
