"""Distil the demo model to four steps without guidance, on one GPU, and measure both.

    python -m training.demo_model.distil --out FOLDER --minutes 12 --grammar 64                  (about 14 minutes in all on an H200)
    python -m training.demo_model.distil --out FOLDER --minutes 9 --warm-minutes 2.5 --resume    (go on from what lies beside FOLDER)
    python -m training.demo_model.distil --out FOLDER --minutes 0 --resume                       (measure alone)

First a reader of clips (`reader.py`) is trained on drawn scenes for `--reader-minutes`. The teacher then walks its usual 20 steps for
`--pair-minutes`, and the student learns to see each walk's end from its own four points until `--warm-minutes` are over; then distribution
matching goes on to the end of `--minutes`, with the reader's word on whether a clip shows what its caption asks for. `--minutes` and
`--warm-minutes` are wall clock from the start. The folder is a WanPipeline with a `reprise.json` of the sampler lcm, so it loads as any
distilled model does. At the end both are asked the held-back prompts of tests/demo and fresh captions, through the renderer itself, and
the checker counts how many clips are all right.
"""

from __future__ import annotations

import argparse
import copy
import json
import os
import random
import tempfile
import threading
from dataclasses import asdict, replace
from pathlib import Path

import torch
from diffusers import AutoencoderKLWan, WanPipeline
from torch import Tensor, nn

from cache.catalog import DEMO, AskedSettings, resolve
from generator.demo.scenes import Scene
from generator.diffusion.wan import load_wan
from generator.diffusion.whole_clip import run_whole
from generator.model import BUNDLED, find_model
from generator.renderer import RenderOrder
from generator.speed import Speed
from tests.demo.heldback import ONE_THING, TWO_THINGS
from training.demo_model.captions import describe
from training.demo_model.checker import agrees, look
from training.demo_model.deck import Deck
from training.demo_model.descent import Clock, Descent, Pace, Studio, autocast, say
from training.demo_model.matching import SHAPE, Teacher, clean, following, matching, regression, rollout
from training.demo_model.passes import compiled_so_far, passes
from training.demo_model.prompts import Words
from training.demo_model.ranks import Ranks
from training.demo_model.reader import Reader, Reading, train_reader
from training.demo_model.staging import draw_scene
from training.demo_model.train import Pool

POINTS = (1000, 900, 750, 500)
"""Where steps 0, 5, 10 and 15 of 20 stand with the teacher's shift of 3."""


class Ways:
    """The teacher's walks with their words."""

    def __init__(self) -> None:
        self._ways: list[Tensor] = []
        self._words: list[Tensor] = []

    def add(self, way: Tensor, words: Tensor) -> None:
        self._ways.append(way.bfloat16())
        self._words.append(words.bfloat16())

    def __len__(self) -> int:
        return sum(len(way) for way in self._ways)

    def batch(self, size: int) -> tuple[Tensor, Tensor]:
        """A batch from one stored batch, which is random enough: its captions were."""
        at = random.randrange(len(self._ways))
        rows = torch.randperm(len(self._ways[at]), device=self._ways[at].device)[:size]
        return self._ways[at][rows].float(), self._words[at][rows].float()


def distil(
    teacher: Teacher, words: Words, student: nn.Module, critic: nn.Module, reading: Reading | None, options: argparse.Namespace
) -> dict[str, Tensor]:
    """The student's averaged weights. `student` and `critic` start as what they are."""
    device = teacher.silence.device
    ways, pace = Ways(), Pace()
    walk, warm = Clock.lasting(60 * options.pair_minutes), Clock(60 * options.warm_minutes)
    while options.pairs and (len(ways) < options.least_pairs or (walk.progress < 1 and len(ways) < options.pairs)):
        asked = words.batch(options.batch)
        with autocast(device):
            ways.add(teacher.way(asked.words, POINTS, options.teacher_steps), asked.words)
    say(f"{len(ways)} walks of the teacher, {pace(max(1, len(ways) // options.batch)):.2f} s for {options.batch}")
    asked = words.batch(options.batch)
    say(passes(teacher.net, torch.cat([asked.words, teacher.silence.expand_as(asked.words)])))
    if len(ways):
        _learn_ends(student, ways, warm, options, device)
    whole = Clock(60 * options.minutes)  # The rate falls from here on.
    descent = Descent([student], options.rate, options.decay, whole, Ranks(), muon=False)
    trailing = Descent([critic], options.critic_rate, 0.99, whole, Ranks(), hold=True, muon=False)
    levels, every = torch.tensor(POINTS, device=device) / 1000, torch.arange(options.batch, device=device)
    seen = torch.zeros(3, device=device)
    pace(1)
    while whole.progress < 1 and descent.steps != options.steps:
        # The student is the same until the end of the step, so one way of it serves the critic's turns and its own: each clip comes to
        # each at another of its points.
        asked, (first, at) = words.batch(options.batch), torch.randint(len(POINTS), (2, options.batch), device=device)
        with autocast(device, cached=False):
            starts, ends = rollout(student, asked.words, POINTS)
            for turn in range(options.critic_steps):
                loss = following(critic, ends[(first + turn) % len(POINTS), every], asked.words, teacher.shift)
                trailing.step(loss)
                seen[0] += loss.detach() / options.critic_steps
            made = clean(student, starts[at, every], levels[at], asked.words)
            loss = matching(teacher, critic, made, asked.words)
            seen[1] += loss.detach()
            if reading is not None:
                (beside,) = torch.autograd.grad(loss, made, retain_graph=True)
                pull, agreed = reading(made, asked, at >= options.read_from, beside)
                loss = loss + pull
                last = at == len(POINTS) - 1
                seen[2] += (agreed & last).sum() / last.sum().clamp(min=1)
            if options.regression and len(ways):
                loss = loss + options.regression * regression(student, *ways.batch(options.batch), POINTS)
            descent.step(loss)
        if descent.steps % options.tell_every == 0:
            critic_loss, student_loss, read = (seen / options.tell_every).tolist()
            told = f"matching step {descent.steps}: critic {critic_loss:.4f}, student {student_loss:.4f}, "
            told += f"{read:.1%} of its ends read as asked, " if reading is not None else ""
            say(f"{told}{pace(options.tell_every):.3f} s a step")
            seen.zero_()
            keep(options.state, student, critic)
    say(compiled_so_far())
    keep(options.state, student, critic)
    return descent.averages[0].weights if descent.steps else student.state_dict()


def _learn_ends(student: nn.Module, ways: Ways, clock: Clock, options: argparse.Namespace, device: torch.device) -> None:
    descent = Descent([student], options.warm_rate, options.decay, clock, Ranks(), muon=False)
    total, pace = torch.zeros((), device=device), Pace()
    while clock.progress < 1 and descent.steps != options.warm_steps:
        with autocast(device):
            loss = regression(student, *ways.batch(options.batch), POINTS)
        descent.step(loss)
        total += loss.detach()
        if descent.steps % options.tell_every == 0:
            mean = total.item() / options.tell_every
            say(f"ends step {descent.steps}: loss {mean:.4f}, {pace(options.tell_every):.3f} s a step")
            total.zero_()
    student.load_state_dict(descent.averages[0].weights)


def keep(path: Path, student: nn.Module, critic: nn.Module) -> None:
    """Writes what `--resume` goes on from; written aside and then moved, since a lease may end at any time."""
    written = path.with_suffix(".new")
    torch.save({"student": student.state_dict(), "critic": critic.state_dict()}, written)
    written.replace(path)


def save(out: Path, source: Path, weights: dict[str, Tensor]) -> None:
    """The teacher's folder with the student's transformer and a row of its own."""
    pipeline = WanPipeline.from_pretrained(source, dtype=torch.float32)
    pipeline.transformer.load_state_dict({name: value.detach().float().cpu() for name, value in weights.items()})
    for part in (pipeline.text_encoder, pipeline.transformer, pipeline.vae):
        part.to(torch.bfloat16)
    pipeline.save_pretrained(out, safe_serialization=True, max_shard_size="7500KB")
    row = replace(
        DEMO, name="reprise-demo-fast", steps={"standard": len(POINTS)}, guidance=1.0, flow_shift=1.0, negative_prompt=None, sampler="lcm",
        timesteps=POINTS, draft_timesteps=(), source="training/demo_model/distil.py",
    )  # fmt: skip
    fields = {name: value for name, value in asdict(row).items() if name not in {"loras", "fused_lora"}}
    (out / "reprise.json").write_text(json.dumps(fields, indent=1) + "\n")


def measured(folder: Path, asked: list[tuple[str, Scene]], batch: int) -> float:
    """The share of clips that are all right, by the renderer that serves them, with the seeds 0, 1, 2 …; judged from the frames, since a
    lent machine may have no encoder."""
    with tempfile.TemporaryDirectory() as state:
        model = find_model(str(folder), "", Path(state))
    wan = load_wan(model, "auto", Speed(compile="off"), os.cpu_count() or 1)
    recipe, right = resolve(model.served, AskedSettings()), 0
    for start in range(0, len(asked), batch):
        part = asked[start : start + batch]
        orders = [RenderOrder(prompt, recipe, start + at) for at, (prompt, _) in enumerate(part)]
        for (_, scene), clip in zip(part, wan.render(orders, lambda _: None, threading.Event()), strict=True):
            assert clip.frames is not None
            right += agrees(scene, look(clip.frames)).right
    return right / len(asked)


def asked_of_both(grammar: int) -> dict[str, list[tuple[str, Scene]]]:
    rng = random.Random(54321)
    scenes = [draw_scene(rng)[0] for _ in range(grammar)]
    groups = {
        "by hand, one thing": list(ONE_THING), "by hand, two things": list(TWO_THINGS),
        "grammar": [(describe(scene, rng), scene) for scene in scenes],
    }  # fmt: skip
    return {name: group for name, group in groups.items() if group}


def main() -> None:
    options = arguments()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.manual_seed(options.seed)
    random.seed(options.seed)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    torch.backends.cudnn.benchmark = True
    torch._dynamo.config.suppress_errors = True  # A graph that will not compile runs as it is.
    # Three models share the graphs of one block, with and without gradients. Past this limit a block would run as it is, too.
    torch._dynamo.config.recompile_limit = 64
    if options.minutes > 0 or options.steps > 0:
        train(options, device)
    for name, whole in asked_of_both(options.grammar).items():
        group = whole[: options.judged] if options.judged >= 0 else whole
        if group:
            fast, slow = (measured(folder, group, options.judged_batch) for folder in (options.out, options.teacher))
            say(f"{name}, {len(group)} clips all right: {fast:.1%} in {len(POINTS)} steps, {slow:.1%} by the teacher in 20")


def train(options: argparse.Namespace, device: torch.device) -> None:
    pipeline = WanPipeline.from_pretrained(options.teacher, dtype=torch.float32)
    encoder, net = pipeline.text_encoder.to(device).eval(), pipeline.transformer.to(device).eval().requires_grad_(False)
    student, critic = copy.deepcopy(net).requires_grad_(True), copy.deepcopy(net).requires_grad_(True)
    if options.resume and options.state.exists():
        kept = torch.load(options.state, map_location=device, weights_only=True)
        student.load_state_dict(kept["student"])
        critic.load_state_dict(kept["critic"])
        say(f"goes on from {options.state}")
    if device.type == "cuda":
        for part in (net, student, critic):
            part.compile_repeated_blocks(dynamic=False)
    deck = Deck(pipeline.tokenizer, options.seed, options.workers or max(1, (os.cpu_count() or 2) - 3), options.ahead, options.hand)
    words = Words(deck, encoder, device)
    say(f"{torch.cuda.get_device_name() if device.type == 'cuda' else device}; latents of {SHAPE}, points {POINTS}")
    teacher = Teacher(net, words.silence(DEMO.max_sequence_length), DEMO.guidance, DEMO.flow_shift)
    try:
        wanted = options.reader_minutes > 0 and options.reading > 0
        reading = Reading(_reader(pipeline.vae, deck, options, device), options.reading) if wanted else None
        weights = distil(teacher, words, student, critic, reading, options)
    finally:
        deck.close()
    save(options.out, options.teacher, weights)
    say(f"saved {options.out}")


def _reader(vae: AutoencoderKLWan, deck: Deck, options: argparse.Namespace, device: torch.device) -> Reader:
    kept = options.out.parent / f"{options.out.name}-reader.pt"
    if options.resume and kept.exists():
        reader = Reader().to(device).eval().requires_grad_(False)
        reader.load_state_dict(torch.load(kept, map_location=device, weights_only=True))
        return reader
    pool = Pool(run_whole(vae).to(device).eval().requires_grad_(False), Studio(deck, device), 256 * options.hand)
    for _ in range(options.reader_hands):
        pool.grow()
    say(f"{pool.count} scenes encoded for the reader")
    reader = train_reader(pool, options.batch, options.reader_minutes, options.reader_steps, options.grow_every, device)
    torch.save(reader.state_dict(), kept)
    return reader


def arguments(given: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--teacher", type=Path, default=BUNDLED)
    parser.add_argument("--minutes", type=float, required=True, help="wall clock of training in all; 0: only measure")
    parser.add_argument("--reader-minutes", type=float, default=1.5, help="of these, for a reader of clips, once scenes lie ready; 0: none")
    parser.add_argument("--pair-minutes", type=float, default=1.5, help="of these, for the teacher's walks")
    parser.add_argument("--warm-minutes", type=float, default=6.0, help="until when the student learns their ends")
    parser.add_argument("--resume", action="store_true", help="go on from OUT-state.pt")
    parser.add_argument("--pairs", type=int, default=60_000, help="walks at most (12 GB); 0: none, so no first stage")
    parser.add_argument("--least-pairs", type=int, default=1024, help="walks at least, however long they take")
    parser.add_argument("--teacher-steps", type=int, default=DEMO.steps["standard"])
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--warm-rate", type=float, default=2e-4)
    parser.add_argument("--rate", type=float, default=5e-5)
    parser.add_argument("--critic-rate", type=float, default=1e-4)
    parser.add_argument("--critic-steps", type=int, default=4, help="of the critic, for one of the student")
    parser.add_argument("--regression", type=float, default=0.25, help="weight of the walks' ends beside distribution matching")
    parser.add_argument("--reading", type=float, default=0.5, help="the reader's pull at first, over that of distribution matching")
    parser.add_argument("--read-from", type=int, default=1, help="the first of the four points whose clips are read")
    parser.add_argument("--reader-hands", type=int, default=64, help="hands of scenes encoded before the reader is trained")
    parser.add_argument("--grow-every", type=int, default=10, help="steps of the reader between further hands")
    parser.add_argument("--decay", type=float, default=0.995, help="of the averaged weights")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=0, help="processes that write captions; 0: all cores but three")
    parser.add_argument("--hand", type=int, default=256, help="scenes that a worker makes at a time, of eight captions each")
    parser.add_argument("--ahead", type=int, default=30)
    parser.add_argument("--tell-every", type=int, default=50)
    parser.add_argument("--grammar", type=int, default=128, help="fresh captions that both are asked, beside the held-back prompts")
    parser.add_argument("--judged", type=int, default=-1, help="clips of each group at most; 0: measure nothing")
    parser.add_argument("--judged-batch", type=int, default=32)
    parser.add_argument("--warm-steps", type=int, default=-1, help="stop the first stage after so many steps, for a dry run")
    parser.add_argument("--reader-steps", type=int, default=-1, help="stop the reader's training after so many, for a dry run")
    parser.add_argument("--steps", type=int, default=-1, help="stop the second stage after so many, for a dry run")
    options = parser.parse_args(given)
    options.state = options.out.parent / f"{options.out.name}-state.pt"
    options.out.parent.mkdir(parents=True, exist_ok=True)
    return options


if __name__ == "__main__":
    main()
