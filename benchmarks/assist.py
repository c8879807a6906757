"""What an assisted render keeps of its donor, and what it saves, on the demo model: counted by its own pixel checker.

    python -m benchmarks.assist [--pairs 2000] [--steps 20] [--batch 64] [--seconds 540] [--kinds take …]
        [--sigmas 0.96 …] [--json FILE] [--table FILE]

Each pair is two prompts of the demo world that differ in one kind of fact (size, shape, colour, motion, background), in their words
alone (same), or not at all (take). The donor is a cold clip of the first; the second is rendered cold, and from the donor's latent at
each sigma. "right": the checker finds everything that the second prompt asks for. Loss is paired: right when cold and wrong when
assisted, less the reverse, with its 95 % interval. Variety: mean difference of the frames of a take to its donor, as a share of that
between two cold seeds. Times are ratios of one run. Runs on a GPU where there is one; two busy CPU cores took about a minute a pair
of 20 steps. `--table` writes the curves as a table for cache/matching/donors/. It stops by itself after `--seconds` and reports what it
has.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch

from cache.assist import begin_at, ladder
from cache.catalog import AskedSettings, resolve
from cache.matching.donors.choice import near_sigma
from cache.matching.donors.curves import read_table
from cache.matching.donors.differences import Named
from cache.recipe import Recipe
from generator.demo.scenes import Background, Colour, Motion, Scene, Shape, Size, Thing
from generator.diffusion.wan import Wan, load_wan
from generator.model import find_model
from generator.renderer import DonorLatent, Frames, Rendered, RenderOrder
from generator.speed import Speed
from training.demo_model.captions import describe
from training.demo_model.checker import agrees, look

KINDS = ("take", "same", "size", "shape", "colour", "motion", "background")
SIGMAS = (0.96, 0.93, 0.9, 0.875, 0.75, 0.56)
_SOURCE = "python -m benchmarks.assist"


@dataclass(frozen=True)
class ScenePair:
    """`seen`: what the donor was asked for; `wanted`: what the new clip is asked for."""

    kind: str
    donor: str
    prompt: str
    wanted: Scene


@dataclass
class Count:
    """Pairs at one sigma: those right when cold, right when assisted, and those that only one of the two got right."""

    pairs: int = 0
    cold: int = 0
    right: int = 0
    lost: int = 0
    won: int = 0

    def note(self, cold: bool, assisted: bool) -> None:
        self.pairs += 1
        self.cold += cold
        self.right += assisted
        self.lost += cold and not assisted
        self.won += assisted and not cold

    def add(self, other: Count) -> None:
        for name, more in vars(other).items():
            setattr(self, name, getattr(self, name) + more)

    def loss(self) -> tuple[float, float, float]:
        """The paired loss and its 95 % interval, with one pair added to each side so that none of few is not none of many."""
        size = self.pairs + 2
        lost, won = (self.lost + 1) / size, (self.won + 1) / size
        spread = 1.96 * math.sqrt(max(0.0, lost + won - (lost - won) ** 2) / size)
        return (self.lost - self.won) / max(1, self.pairs), lost - won - spread, lost - won + spread


class Tally:
    """The counts of a run, by kind and by sigma."""

    def __init__(self, sigmas: Sequence[float] = SIGMAS) -> None:
        self.sigmas = tuple(sigmas)
        self.counts = {kind: {sigma: Count() for sigma in sigmas} for kind in KINDS}
        self.variety: dict[float, list[float]] = {sigma: [] for sigma in sigmas}  # difference of a take's frames to its donor's
        self.seeds: list[float] = []  # the same between two cold seeds
        self.denoise: dict[float, list[float]] = {sigma: [] for sigma in sigmas}
        self.done = 0

    def varied(self, sigma: float) -> float:
        """A ratio of means: two seeds may come out alike, and a mean of ratios would be theirs."""
        return statistics.mean(self.variety[sigma]) / statistics.mean(self.seeds)


def pairs(seed: int, kinds: Sequence[str]) -> Iterator[ScenePair]:
    """Without end, one kind after the other."""
    rng = random.Random(seed)
    while True:
        for kind in kinds:
            thing = Thing(rng.choice(list(Shape)), rng.choice(list(Colour)), rng.choice(list(Motion)), rng.choice(list(Size)))
            background = rng.choice([one for one in Background if one is not Background.WHITE])
            wanted, seen = Scene((thing,), background), _changed(kind, thing, background, rng)
            words = rng.randrange(2**32)
            # The same state of the generator writes both prompts, so that they differ where the scenes do; "same" changes it alone.
            donor = describe(seen, random.Random(words + (kind == "same")))
            yield ScenePair(kind, donor, describe(wanted, random.Random(words)), wanted)


def _changed(kind: str, thing: Thing, background: Background, rng: random.Random) -> Scene:
    def other(among: Sequence[Any], one: Any) -> Any:
        return rng.choice([two for two in among if two is not one])

    match kind:
        case "size":
            far = Size.LARGE if thing.size is not Size.LARGE else Size.SMALL
            return Scene((replace(thing, size=far),), background)
        case "shape":
            return Scene((replace(thing, shape=other(list(Shape), thing.shape)),), background)
        case "colour":
            return Scene((replace(thing, colour=other(list(Colour), thing.colour)),), background)
        case "motion":
            return Scene((replace(thing, motion=other(list(Motion), thing.motion)),), background)
        case "background":
            return Scene((thing,), other([one for one in Background if one is not Background.WHITE], background))
    return Scene((thing,), background)


def judged(wanted: Scene, frames: Frames) -> bool:
    """In a process of its own: the checker takes longer than a GPU."""
    return agrees(wanted, look(frames)).right


def difference(one: Frames, other: Frames) -> float:
    return float(np.abs(one.astype(np.int16) - other).mean())


def made(wan: Wan, orders: list[RenderOrder]) -> list[Rendered]:
    return wan.render(orders, lambda _: None, threading.Event())


def frames_of(rendered: Rendered) -> Frames:
    assert rendered.frames is not None, "our own pipeline makes frames"
    return rendered.frames


def run(wan: Wan, recipe: Recipe, part: list[ScenePair], first: int, judges: ProcessPoolExecutor, tally: Tally) -> None:
    """One batch of pairs. Seeds are the pairs' numbers, so that a run can be made again."""
    seeds = [3 * (first + at) for at in range(len(part))]
    donors = made(wan, [RenderOrder(pair.donor, recipe, seed) for pair, seed in zip(part, seeds, strict=True)])
    cold = made(wan, [RenderOrder(pair.prompt, recipe, seed + 1) for pair, seed in zip(part, seeds, strict=True)])
    right = list(judges.map(judged, [pair.wanted for pair in part], [frames_of(one) for one in cold]))
    apart = [difference(frames_of(one), frames_of(other)) for one, other in zip(cold, donors, strict=True)]
    tally.seeds += [share for pair, share in zip(part, apart, strict=True) if pair.kind == "take"]
    for sigma in tally.sigmas:
        orders = [
            RenderOrder(pair.prompt, recipe, seed + 2, DonorLatent(donor.latent or b"", sigma))
            for pair, seed, donor in zip(part, seeds, donors, strict=True)
        ]
        assisted = made(wan, orders)
        tally.denoise[sigma].append(assisted[0].stages_ms["denoise"] / cold[0].stages_ms["denoise"])
        fits = judges.map(judged, [pair.wanted for pair in part], [frames_of(one) for one in assisted])
        for pair, before, after in zip(part, right, fits, strict=True):
            tally.counts[pair.kind][sigma].note(before, after)
        for pair, one, donor in zip(part, assisted, donors, strict=True):
            if pair.kind == "take":
                tally.variety[sigma].append(difference(frames_of(one), frames_of(donor)))
    tally.done += len(part)


def report(tally: Tally, recipe: Recipe, where: str) -> str:
    rungs = ladder(recipe.steps, recipe.flow_shift)
    lines = [f"{where}, {recipe.size}, {recipe.frames} frames, {recipe.steps} steps, shift {recipe.flow_shift:g}, {tally.done} pairs"]
    lines.append(f"{'kind':<12}{'cold':>12}" + "".join(f"{f'{sigma:g}':>34}" for sigma in tally.sigmas))
    for kind, counts in tally.counts.items():
        some = next(iter(counts.values()))
        if not some.pairs:
            continue
        cells = []
        for count in counts.values():
            loss, low, high = count.loss()
            cells.append(f"{f'{count.right}/{count.pairs} {loss:+.3f} [{low:+.3f},{high:+.3f}]':>34}")
        lines.append(f"{kind:<12}{f'{some.cold}/{some.pairs}':>12}" + "".join(cells))
    spared = {sigma: begin_at(rungs, sigma) for sigma in tally.sigmas}
    lines.append(
        f"{'steps spared':<24}" + "".join(f"{f'{spared[sigma]} ({spared[sigma] / recipe.steps:.0%})':>34}" for sigma in tally.sigmas)
    )
    lines.append(f"{'share of denoise time':<24}" + "".join(f"{_middle(tally.denoise[sigma]):>34}" for sigma in tally.sigmas))
    lines.append(
        f"{'variety of takes':<24}" + "".join(f"{f'{tally.varied(sigma):.2f}' if tally.seeds else '-':>34}" for sigma in tally.sigmas)
    )
    lines.append(shipped(tally, recipe))
    lines.append(f"mean difference of frames between two cold seeds: {_middle(tally.seeds)} of 255")
    return "\n".join(lines)


def shipped(tally: Tally, recipe: Recipe) -> str:
    """What `REPRISE_ASSIST=near` would have done with these pairs: each kind at the depth that the shipped table allows it."""
    rungs, donors = ladder(recipe.steps, recipe.flow_shift), read_table()
    together, spared = Count(), 0
    for kind in KINDS[2:]:
        sigma = near_sigma(recipe, donors, Named(frozenset([kind])), 0.02)
        same = [one for one in tally.sigmas if sigma is not None and begin_at(rungs, one) == begin_at(rungs, sigma)]
        if not same:
            continue  # no donor, or a depth that was not rendered
        count = tally.counts[kind][same[0]]
        together.add(count)
        spared += count.pairs * begin_at(rungs, same[0])
    if not together.pairs:
        return "near, by the shipped table: nothing was rendered at its depths"
    loss, low, high = together.loss()
    share = spared / together.pairs / recipe.steps
    return f"near, by the shipped table: {together.pairs} pairs, {share:.0%} of steps spared, loss {loss:+.3f} [{low:+.3f},{high:+.3f}]"


def _middle(values: list[float]) -> str:
    return f"{statistics.mean(values):.2f}" if values else "-"


def table(tally: Tally, recipe: Recipe, where: str) -> dict[str, object]:
    """The curves as cache/matching/donors reads them: sigma, right, pairs; 1 is cold."""

    rungs = ladder(recipe.steps, recipe.flow_shift)

    def began(sigma: float) -> float:
        """Where a render really begins: a table that says less than that would promise what nobody measured."""
        return round(rungs[begin_at(rungs, sigma)], 4)

    def curve(counts: dict[float, Count]) -> list[list[float]]:
        some = next(iter(counts.values()))
        return [[1.0, some.cold, some.pairs], *([began(sigma), count.right, count.pairs] for sigma, count in counts.items())]

    told = f"{_SOURCE}: {where}, {recipe.model}, {recipe.steps} steps, shift {recipe.flow_shift:g}, {tally.done} pairs"
    return {
        "source": told,
        "deepest": {"take": 0.75, "same": 0.75, "size": 0.9, "shape": 0.9, "colour": 0.93, "motion": 0.93, "background": 0.93},
        "least_variety": 0.5,
        "variety": [[began(sigma), round(tally.varied(sigma), 3), len(tally.seeds)] for sigma in tally.sigmas if tally.seeds],
        "curves": {kind: curve(counts) for kind, counts in tally.counts.items() if next(iter(counts.values())).pairs},
    }


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--pairs", type=int, default=2000)
    options.add_argument("--steps", type=int, default=20)
    options.add_argument("--batch", type=int, default=64 if torch.cuda.is_available() else 7)
    options.add_argument("--seconds", type=float, default=540.0)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--kinds", nargs="+", choices=KINDS, default=KINDS)
    options.add_argument("--sigmas", nargs="+", type=float, default=SIGMAS)
    options.add_argument("--json", type=Path)
    options.add_argument("--table", type=Path)
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        model = find_model("", "", Path(folder))
    wan = load_wan(model, "auto", Speed(), max(1, (os.cpu_count() or 1) - 1))
    recipe = resolve(model.served, AskedSettings(steps=chosen.steps))
    made(wan, [RenderOrder("", replace(recipe, steps=1), 0)] * min(2, chosen.batch))
    source, tally, began = pairs(chosen.seed, chosen.kinds), Tally(chosen.sigmas), time.monotonic()
    with ProcessPoolExecutor(max(1, (os.cpu_count() or 2) - 1), get_context("spawn")) as judges:
        while tally.done < chosen.pairs and time.monotonic() - began < chosen.seconds:
            part = [next(source) for _ in range(min(chosen.batch, chosen.pairs - tally.done))]
            run(wan, recipe, part, tally.done, judges, tally)
            print(f"{tally.done} pairs, {time.monotonic() - began:.0f} s", flush=True)
            written(chosen, tally, recipe, wan.where)
    print(report(tally, recipe, wan.where))


def written(chosen: argparse.Namespace, tally: Tally, recipe: Recipe, where: str) -> None:
    """After every batch: a run that is cut short leaves what it has."""
    told = table(tally, recipe, where)
    if chosen.table:
        chosen.table.write_text(json.dumps(told, indent=1) + "\n")
    if chosen.json:
        counts = {kind: {sigma: vars(count) for sigma, count in row.items()} for kind, row in tally.counts.items()}
        chosen.json.write_text(json.dumps({**told, "report": report(tally, recipe, where), "counts": counts}, indent=1))


if __name__ == "__main__":
    main()
