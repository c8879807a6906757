"""Train the demo model from nothing on one GPU or several, or go on from a folder that this script wrote.

    python -m training.demo_model.train --out FOLDER --minutes 18 --vae-minutes 5
    python -m training.demo_model.train --out FOLDER --minutes 8 --resume FOLDER
    torchrun --nproc-per-node 4 -m training.demo_model.train --out FOLDER --minutes 8 --resume FOLDER    (on four GPUs)

All times are wall clock and the learning rates follow them, so a lease of any length ends with a finished model.
A folder holds averaged weights and nothing else: going on from one means a fresh optimiser and a short warm-up.
`--hold` keeps the rate high to the end, for a run that will be gone on from.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import torch
from diffusers import AutoencoderKLWan, WanPipeline, WanTransformer3DModel
from torch import Tensor, nn
from transformers import T5Tokenizer, UMT5EncoderModel

from generator.diffusion.whole_clip import encode_whole, run_whole
from training.demo_model import parts
from training.demo_model.autoencoding import measure_latents, reconstruction, train_vae
from training.demo_model.deck import Deck, captions
from training.demo_model.descent import Clock, Descent, Studio, autocast, compiled, say
from training.demo_model.ranks import Ranks
from training.demo_model.supervision import Answers, Supervision, forward, owners
from training.demo_model.tokens import train_tokenizer

# --- latents with captions ------------------------------------------------------------------------------------------


class Pool:
    """Encoded scenes with their tokenised captions, on the training device; it grows while training goes on."""

    def __init__(self, vae: AutoencoderKLWan, studio: Studio, size: int) -> None:
        self._studio, self._size, self.count = studio, size, 0
        shift, scale = (
            torch.tensor(v, device=studio.device).view(1, -1, 1, 1, 1) for v in (vae.config.latents_mean, vae.config.latents_std)
        )

        def encode(clip: Tensor) -> Tensor:
            return (encode_whole(vae, clip)[0] - shift) / scale

        self._encode = compiled(encode, studio.device)
        self._kept: tuple[Tensor, ...] = ()
        """Latents, tokens and the answers of supervision.py, row by row."""

    @torch.no_grad()
    def grow(self, batch: int = 64) -> None:
        """Add one hand, over the oldest once the pool is full."""
        hand = self._studio.hand()
        with autocast(self._studio.device):
            rows = [slice(i, i + batch) for i in range(0, len(hand.tokens), batch)]
            latents = torch.cat([self._encode(self._studio.draw(hand.stage, r)).bfloat16() for r in rows])
        device = self._studio.device
        tokens, things = torch.from_numpy(hand.tokens).to(device), torch.from_numpy(hand.things).to(device)
        background = torch.from_numpy(hand.stage.background).to(device)
        fresh = (latents, tokens, things, background, owners(torch.from_numpy(hand.stage.track).to(device)))
        self._kept = self._kept or tuple(column.new_empty(self._size, *column.shape[1:]) for column in fresh)
        at = self.count % self._size
        for kept, column in zip(self._kept, fresh, strict=True):
            kept[at : at + len(column)] = column
        self.count += len(latents)

    def batch(self, size: int) -> tuple[Tensor, Tensor, Answers]:
        """Latents [size, 16, 5, 16, 16], token ids [size, LENGTH] of one of their captions, and what both show."""
        rows = torch.randint(min(self.count, self._size), (size,), device=self._studio.device)
        latents, tokens, *answers = (column[rows] for column in self._kept)
        which = torch.randint(tokens.shape[1], (size,), device=self._studio.device)
        return latents.float(), tokens[torch.arange(size, device=which.device), which].long(), Answers(*answers)

    def latest(self, count: int) -> tuple[Tensor, Answers]:
        """Latents and answers of the scenes that came last."""
        rows = torch.arange(self.count - count, self.count, device=self._studio.device) % self._size
        latents, _, *answers = (column[rows] for column in self._kept)
        return latents.float(), Answers(*answers)


# --- text encoder and transformer -----------------------------------------------------------------------------------


def train_flow(
    text: UMT5EncoderModel,
    denoiser: WanTransformer3DModel,
    pool: Pool,
    clock: Clock,
    options: argparse.Namespace,
    device: torch.device,
    ranks: Ranks,
) -> None:
    """Flow matching; one caption in ten is the empty prompt, so that guidance has something to push away from."""
    text.to(device).train()
    denoiser.to(device).train()
    heads = Supervision(denoiser.config.num_attention_heads * denoiser.config.attention_head_dim).to(device)
    if device.type == "cuda":
        text.compile(dynamic=False)
        denoiser.compile_repeated_blocks(dynamic=False)
        heads.compile(dynamic=False)
    weights = torch.tensor([1.0, options.reading, options.seeing], device=device)
    descent = Descent([text, denoiser, heads], options.rate, 0.9995, clock, ranks, hold=options.hold, muon=not options.adamw)
    total = torch.zeros(3, device=device)
    while descent.progress < 1 and descent.steps != options.steps:
        latents, tokens, answers = pool.batch(options.batch)
        with autocast(device):
            losses = flow_losses(text, denoiser, heads, latents, tokens, answers)
        descent.step(losses @ weights)
        total += losses.detach()
        if descent.steps % options.grow_every == 0:
            pool.grow()
        if descent.steps % 500 == 0:
            ranks.same([*text.parameters(), *denoiser.parameters()])  # should rounding ever part them
        if ranks.first and (descent.steps % 500 == 0 or descent.steps == 1):
            flow, read, seen = (total / min(descent.steps, 500)).tolist()
            say(f"flow step {descent.steps}: loss {flow:.4f}, reading {read:.3f}, seeing {seen:.3f}, {pool.count} scenes")
            total.zero_()
    for model, average in zip((text, denoiser), descent.averages[:2], strict=True):
        model.load_state_dict(average.weights)
    if ranks.first:
        say(f"flow ended after {descent.steps} steps on {pool.count} scenes")


def flow_losses(
    text: UMT5EncoderModel, denoiser: WanTransformer3DModel, heads: Supervision, latents: Tensor, tokens: Tensor, answers: Answers
) -> Tensor:
    """Mean squared error of the velocity `noise - latent`, then what the heads read and see wrongly: [3].

    Most noise levels are drawn as the sampler visits them (logit-normal, shift 3), a third evenly: outlines are settled
    at the low levels, which the first draw alone would rarely see.
    """
    batch = len(latents)
    empty = torch.zeros_like(tokens)
    empty[:, 0] = 1  # The end token alone: how the pipeline encodes "".
    tokens = torch.where(torch.rand(batch, 1, device=tokens.device) < 0.1, empty, tokens)
    mask = tokens != 0
    # As in WanPipeline: the encoder sees the mask, the transformer sees zeros after the last token.
    words = text(input_ids=tokens, attention_mask=mask.long()).last_hidden_state * mask[:, :, None]
    level = torch.sigmoid(torch.randn(batch, device=latents.device))
    level = torch.where(torch.rand_like(level) < 1 / 3, torch.rand_like(level), 3 * level / (1 + 2 * level))
    level = level[:, None, None, None, None]
    noise = torch.randn_like(latents)
    noisy = (1 - level) * latents + level * noise
    # One timestep a clip equals the pipeline's one a token when all are the same, and costs far less.
    guess, middle = forward(denoiser, noisy, level.flatten() * 1000, words)
    flow = nn.functional.mse_loss(guess.float(), noise - latents)
    return torch.stack([flow, *heads(words, mask, middle, answers)])


# --- the whole ------------------------------------------------------------------------------------------------------


def load(folder: Path) -> tuple[T5Tokenizer, UMT5EncoderModel, WanTransformer3DModel, AutoencoderKLWan]:
    pipeline = WanPipeline.from_pretrained(folder, torch_dtype=torch.float32)
    return pipeline.tokenizer, pipeline.text_encoder, pipeline.transformer, pipeline.vae


def save(out: Path, tokenizer: T5Tokenizer, text: nn.Module, denoiser: nn.Module, vae: AutoencoderKLWan) -> None:
    fresh = (parts.text_encoder(len(tokenizer)), parts.transformer(), parts.vae())
    for model, trained in zip(fresh, (text, denoiser, vae), strict=True):
        parts.plain_copy(trained.state_dict(), model)
    fresh[2].register_to_config(latents_mean=vae.config.latents_mean, latents_std=vae.config.latents_std)
    parts.save(out, tokenizer, *fresh)


def main() -> None:
    options = arguments()
    ranks = Ranks.join()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.manual_seed(options.seed)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    torch.backends.cudnn.benchmark = True
    torch._dynamo.config.suppress_errors = True  # A graph that will not compile runs as it is.
    if options.resume:
        tokenizer, text, denoiser, vae = load(options.resume)
    else:
        if ranks.first:
            train_tokenizer(captions(options.captions, options.seed)).save_pretrained(options.out / "tokenizer")
        ranks.wait()
        tokenizer = T5Tokenizer.from_pretrained(options.out / "tokenizer")
        text, denoiser = parts.text_encoder(len(tokenizer)), parts.transformer()
    if ranks.first:
        say(f"{ranks.count} x {torch.cuda.get_device_name() if device.type == 'cuda' else device}; {len(tokenizer)} pieces")

    # Every rank draws its own scenes and its own noise.
    seed = options.seed * ranks.count + ranks.rank
    torch.manual_seed(seed)
    deck = Deck(tokenizer, seed, options.workers or max(1, (os.cpu_count() or 2) // ranks.count - 3), options.ahead, options.hand)
    studio = Studio(deck, device)
    if options.resume:
        vae = run_whole(vae).to(device).eval().requires_grad_(False)
    else:
        vae = train_vae(studio, Clock(60 * options.vae_minutes), options.vae_batch, options.steps, ranks)
        measure_latents(vae, studio, options.measured, ranks)
        if ranks.first:
            say(f"vae reconstructs at {reconstruction(vae, studio, options.measured // 8):.2f} dB")
            save(options.out, tokenizer, text, denoiser, vae)

    pool = Pool(vae, studio, options.pool)
    for _ in range(options.first_hands):
        pool.grow()
    ranks.wait()
    train_flow(text, denoiser, pool, Clock(60 * options.minutes), options, device, ranks)
    if ranks.first:
        save(options.out, tokenizer, text, denoiser, vae)
        say(f"saved {options.out}")
    deck.close()
    ranks.leave()


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--resume", type=Path, help="go on from this folder; its VAE and tokenizer stay as they are")
    parser.add_argument("--minutes", type=float, required=True, help="of wall clock in all, saving excluded")
    parser.add_argument("--vae-minutes", type=float, default=5.0, help="of these, for the VAE")
    parser.add_argument("--hold", action="store_true", help="do not let the rate fall")
    parser.add_argument("--adamw", action="store_true", help="for all weights, instead of Muon for the matrices")
    parser.add_argument("--reading", type=float, default=0.1, help="weight of what is read off the text encoder")
    parser.add_argument("--seeing", type=float, default=0.1, help="weight of what is read off the transformer's middle")
    parser.add_argument("--seed", type=int, default=0, help="use another one to go on with, for other scenes")
    parser.add_argument("--batch", type=int, default=256, help="clips of each rank")
    parser.add_argument("--rate", type=float, default=8e-4)
    parser.add_argument("--vae-batch", type=int, default=24)
    parser.add_argument("--pool", type=int, default=120 * 1024, help="scenes kept encoded")
    parser.add_argument("--hand", type=int, default=1024, help="scenes that a worker makes at a time")
    parser.add_argument("--first-hands", type=int, default=20, help="hands of scenes encoded before training")
    parser.add_argument("--grow-every", type=int, default=250, help="steps between further hands")
    parser.add_argument("--captions", type=int, default=20_000, help="for the tokenizer")
    parser.add_argument("--measured", type=int, default=1024, help="clips that latent statistics are taken from")
    parser.add_argument("--workers", type=int, default=0, help="processes of each rank that make scenes; 0: all its cores but three")
    parser.add_argument("--ahead", type=int, default=60, help="hands that the workers may run ahead")
    parser.add_argument("--steps", type=int, default=-1, help="stop each stage after so many steps, for a dry run")
    return parser.parse_args()


if __name__ == "__main__":
    main()
