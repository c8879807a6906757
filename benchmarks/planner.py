"""Is what the planner makes ahead of time asked for? Plan on the first half of a trace, measure on the second.

    python -m benchmarks.planner --data FOLDER [--rows 4000] [--budget 25 50 100 200]

Beside it, at equal GPU budget, what everybody would do first: the most frequent exact prompts. A request of the second half is
a hit where a clip of the plan has the same words, or the judge lets one of its two best candidates answer, as a lookup does;
both plans are measured so. Nothing else is in the cache.

Traces: `captions`, what people wrote of short video clips (MSVD), in a drawn order; `images`, prompts of a public
text-to-image service (DiffusionDB) in the order of their images, of which hardly any comes back.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cache.matching.coverage import CoverCandidate, judge_nominees
from cache.matching.encoding.encoders import Encoders
from cache.matching.encoding.loading import load_encoders
from cache.matching.judge import LEAST_SIMILARITY, before_verifier
from cache.matching.lookup import ASKED
from cache.matching.popular import Bounds, Outlook, WantedSpec, propose
from cache.planning import Asks
from cache.prompt import normal_form
from cache.settings import Settings
from training.judge.sources import rows

MINUTE = 60.0  # between two requests: neither trace has times
MAX_WRONG: float = Settings.model_fields["max_wrong"].default
CANDIDATES = 10
GPU_SECONDS = 1.0  # every clip costs the same


@dataclass(frozen=True)
class Compared:
    """Hits in the second half, of `asks`, by a plan of `budget` clips; `expected` is what the planner said before."""

    budget: int
    asks: int
    ours: int
    frequent: int
    expected: float
    pairs: int


def captions(data: Path, count: int) -> list[str]:
    found = [
        caption
        for row in rows(data / "clips_dev.jsonl.gz")
        if row["lang"] == "en" and row["source"] == "msvd"
        for caption in row["captions"]
    ]
    random.Random(5).shuffle(found)
    return found[:count]


def images(data: Path, count: int) -> list[str]:
    return [row["prompt"] for row in rows(data / "trace_diffusiondb_10k_dev.jsonl.gz")][:count]


TRACES: dict[str, Callable[[Path, int], list[str]]] = {"captions": captions, "images": images}


def wanted(trace: Sequence[str]) -> list[WantedSpec]:
    """One clip for each normal form, asked for at its places."""
    places: dict[str, list[int]] = {}
    words: dict[str, str] = {}
    for at, prompt in enumerate(trace):
        form = normal_form(prompt)
        words.setdefault(form, prompt)
        places.setdefault(form, []).append(at)
    return [WantedSpec(form, words[form], tuple(Asks(at * MINUTE, 1) for at in where), GPU_SECONDS) for form, where in places.items()]


def hits(plan: Sequence[str], asked: Sequence[str], encoders: Encoders) -> int:
    """Of `asked`, those that a cache holding clips for `plan` alone answers."""
    made = {normal_form(prompt) for prompt in plan}
    forms = Counter(normal_form(prompt) for prompt in asked)
    found = sum(count for form, count in forms.items() if form in made)
    left = sorted(form for form in forms if form not in made and not encoders.embedder.refuses(form))
    if not left or not plan:
        return found
    clips = encoders.embedder.embed_now(list(plan))
    nominees: list[CoverCandidate] = []
    prompts = [*plan, *left]
    for at, vector in enumerate(encoders.embedder.embed_now(left)):
        scores, read = clips @ vector, 0
        for by in np.argsort(-scores, kind="stable")[:CANDIDATES]:
            similarity = float(scores[by])
            if similarity < LEAST_SIMILARITY or read == ASKED:
                break
            if before_verifier(left[at], plan[by], similarity, encoders.calibration) is None:
                nominees.append(CoverCandidate(int(by), len(plan) + at, similarity))
                read += 1
    near = {prompts[cover.of] for cover in judge_nominees(prompts, nominees, encoders, MAX_WRONG)}
    return found + sum(forms[form] for form in near)


def compare(trace: Sequence[str], budgets: Sequence[int], encoders: Encoders, half_life: float, pairs: int = 4000) -> list[Compared]:
    """`half_life` in requests. A smaller plan is the beginning of a larger one, so it is mined once."""
    half = len(trace) // 2
    specs, asked = wanted(trace[:half]), trace[half:]
    outlook = Outlook(half * MINUTE, half_life * MINUTE, half * MINUTE, len(asked) * MINUTE)
    proposed = propose(specs, encoders, MAX_WRONG, outlook, Bounds(max(budgets), pairs=pairs))
    # Among equals the latest: more likely to come again than the oldest.
    frequent = [one.prompt for one in sorted(specs, key=lambda one: (-one.count, -one.asks[-1].at))]
    found = []
    for budget in budgets:
        plan = proposed.proposals[:budget]
        ours = hits([one.wanted.prompt for one in plan], asked, encoders)
        rival = hits(frequent[:budget], asked, encoders)
        found.append(Compared(budget, len(asked), ours, rival, sum(one.expected_hits for one in plan), proposed.pairs))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--trace", choices=sorted(TRACES), action="append")
    parser.add_argument("--rows", type=int, default=4000)
    parser.add_argument("--budget", type=int, nargs="+", default=[25, 50, 100, 200])
    parser.add_argument("--pairs", type=int, default=4000)
    parser.add_argument("--half-life", type=float, default=4320.0, help="requests; 72 hours at one a minute, as the default setting")
    given = parser.parse_args()
    encoders = load_encoders("", "", Path(sys.prefix) / "share" / "reprise" / "encoders")
    print(
        "| trace | requests measured | budget | planner | most frequent exact | predicted | pairs judged |\n|---|---|---|---|---|---|---|"
    )
    for name in given.trace or sorted(TRACES):
        trace = TRACES[name](given.data, given.rows)
        for one in compare(trace, given.budget, encoders, given.half_life, given.pairs):
            shares = f"{one.ours} ({one.ours / one.asks:.1%}) | {one.frequent} ({one.frequent / one.asks:.1%})"
            print(f"| {name} | {one.asks} | {one.budget} | {shares} | {one.expected:.0f} | {one.pairs} |", flush=True)
    encoders.close()


if __name__ == "__main__":
    main()
