"""`reprise replay LOG`: the hit rate that a log of requests would have had."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import get_args

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from cache.errors import Invalid
from cache.matching.encoding.loading import load_encoders
from cache.matching.prior import estimated
from cache.matching.replaying import judged_log, read_log
from cache.replay import Past, Policy, ReplayOutcome, replay
from cache.settings import Settings

_NEVER = -1.0  # a limit that refuses every near hit
LIMITS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2)


@dataclass(frozen=True)
class Replayed:
    """`outcomes`: one for each limit, and with a capacity for each other eviction policy. `shipped` and `expected`: the share of right
    answers among the candidates that the verifier read, by the table and as the judge expects it of this log; None without candidates.
    """

    count: int
    outcomes: list[tuple[str, ReplayOutcome]]
    shipped: float | None
    expected: float | None
    scores: int


def run_replay(settings: Settings, lines: Iterable[str], capacity: int | None) -> Replayed:
    log = list(read_log(lines))
    if not log:
        raise Invalid(None, "the log holds no requests")
    encoders = load_encoders(settings.embedder, settings.verifier, settings.encoders)
    try:
        with Progress(console=Console(stderr=True), transient=True) as progress:
            task = progress.add_task("judging", total=len(log))
            asks = judged_log(log, encoders, lambda done: progress.update(task, completed=done), both_ways=settings.near_symmetric)
    finally:
        encoders.close()
    table = encoders.calibration
    shipped = None if table is None else table.judged or table.prior
    first = {past.spec: past.nominees[0].own for past in asks if past.nominees}
    expected = None if shipped is None or not first else estimated(list(first.values()), shipped)
    return Replayed(len(log), list(outcomes(asks, settings.max_wrong, capacity)), shipped, expected, len(first))


def outcomes(asks: list[Past], max_wrong: float, capacity: int | None) -> Iterable[tuple[str, ReplayOutcome]]:
    room = None
    if capacity is not None:
        # Capacity in clips: each counts as one, whatever its bytes.
        asks, room = [Past(past.spec, past.at, past.gpu_seconds, 1, past.nominees) for past in asks], capacity
    yield "exact only", replay(asks, _NEVER, room)
    for limit in sorted({*LIMITS, max_wrong}):
        yield f"near, {limit:.1%} wrong" + (", current setting" if limit == max_wrong else ""), replay(asks, limit, room)
    if room is not None:
        for policy in get_args(Policy):
            if policy != "value":
                yield f"current setting, {policy.upper()} eviction", replay(asks, max_wrong, room, policy=policy)


def replay_table(replayed: Replayed) -> Table:
    made = Table(title=f"{replayed.count:,} requests", title_justify="left", box=SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    made.add_column("cache", no_wrap=True)
    for name in ("hit rate", "exact", "near", "wrong*", "renders", "evicted"):
        made.add_column(name, justify="right", no_wrap=True)
    made.caption, made.caption_justify = caption(replayed), "left"
    for name, one in replayed.outcomes:
        rate = "" if one.hit_rate is None else f"{one.hit_rate:.1%}"
        made.add_row(name, rate, f"{one.exact:,}", f"{one.near:,}", f"{one.wrong:.1f}", f"{one.misses:,}", f"{one.evicted:,}")
    return made


def caption(replayed: Replayed) -> str:
    said = "* expected by the judge, from its confidence in each near hit; not measured"
    if replayed.shipped is None or replayed.expected is None:
        return said
    return (
        f"{said}\nOf {replayed.scores:,} candidates that the verifier read, {replayed.expected:.0%} are right, as expected by the judge\n"
        f"of this log; the table ships with {replayed.shipped:.0%}. A running instance makes itself stricter where its traffic\n"
        "expects less."
    )
