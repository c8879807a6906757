"""`reprise replay LOG`: what the hit rate would have been."""

from __future__ import annotations

from collections.abc import Iterable
from typing import get_args

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from cache.errors import Invalid
from cache.matching.encoding.loading import load_encoders
from cache.matching.replaying import judged, read_log
from cache.replay import Outcome, Past, Policy, replay
from cache.settings import Settings

_NEVER = -1.0  # a limit that no near hit keeps
LIMITS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2)


def run(settings: Settings, lines: Iterable[str], capacity: int | None) -> tuple[int, list[tuple[str, Outcome]]]:
    """How many requests were read, and an outcome for each limit; with a `capacity` (clips) also for each other eviction."""
    log = list(read_log(lines))
    if not log:
        raise Invalid(None, "the log holds no request")
    encoders = load_encoders(settings.embedder, settings.verifier, settings.encoders)
    try:
        with Progress(console=Console(stderr=True), transient=True) as progress:
            task = progress.add_task("judging", total=len(log))
            asks = judged(log, encoders, lambda done: progress.update(task, completed=done), both_ways=settings.both_ways)
    finally:
        encoders.close()
    return len(log), list(outcomes(asks, settings.max_wrong, capacity))


def outcomes(asks: list[Past], max_wrong: float, capacity: int | None) -> Iterable[tuple[str, Outcome]]:
    room = None
    if capacity is not None:
        # Room in clips: each counts as one, whatever its bytes are.
        asks, room = [Past(past.film, past.at, past.gpu_seconds, 1, past.nominees) for past in asks], capacity
    yield "exact words only", replay(asks, _NEVER, room)
    for limit in sorted({*LIMITS, max_wrong}):
        yield f"near, {limit:.1%} wrong" + (", in force" if limit == max_wrong else ""), replay(asks, limit, room)
    if room is not None:
        for policy in get_args(Policy):
            if policy != "value":
                yield f"in force, with {policy.upper()}", replay(asks, max_wrong, room, policy=policy)


def table(count: int, found: list[tuple[str, Outcome]]) -> Table:
    made = Table(title=f"{count:,} requests", title_justify="left", box=SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    made.add_column("cache", no_wrap=True)
    for name in ("hit rate", "exact", "near", "wrong*", "renders", "evicted"):
        made.add_column(name, justify="right", no_wrap=True)
    made.caption, made.caption_justify = "* expected, by what the judge says of each near hit", "left"
    for name, one in found:
        rate = "" if one.hit_rate is None else f"{one.hit_rate:.1%}"
        made.add_row(name, rate, f"{one.exact:,}", f"{one.near:,}", f"{one.wrong:.1f}", f"{one.misses:,}", f"{one.evicted:,}")
    return made
