"""The other renderer: any server that speaks `/v1/videos` makes the clips that are missing here.

One clip is create (multipart), poll, content. Nothing that comes back is believed: answers have a size limit, and a film
is decoded and compared with what was asked for before it is taken.
"""

from __future__ import annotations

import asyncio
import secrets
import shutil
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from cache.catalog import ServedModel
from cache.errors import RenderFailed, RenderStopped
from cache.recipe import Recipe
from generator import film
from generator.outbound import Outbound, Patience, api_base
from generator.renderer import Order, Progress, Rendered, Stop

Told = Callable[[Progress], None]

STAGE = "upstream"
FETCHED = 95  # percent once the film is here; what is left is our own film's and store's
FILM_LIMIT = 512 * 1024 * 1024  # bytes

# How parts of the Recipe are spelled on the wire, beside the standard prompt, model, size and seconds; what is not named
# is left to the upstream. vLLM-Omni and SGLang spell steps `num_inference_steps`.
FIELDS: Mapping[str, str] = {"steps": "steps", "guidance": "guidance_scale", "negative_prompt": "negative_prompt"}

_KEPT = 4  # fetched films: the newest ones, so that one may be filed while the next is fetched
_SOONEST, _LATEST = 0.2, 10.0  # seconds between two polls
_SLACK = 0.5  # seconds by which a film may differ from what was asked for: servers count latent frames differently


class UpstreamRenderer:
    """`folder` is this renderer's own: it is emptied at load and close. Seeds are always sent, so that an upstream that is
    a cache itself answers with the very film, never with a near one.
    """

    def __init__(
        self,
        served: ServedModel,
        url: str,
        key: str,
        folder: Path,
        patience: Patience | None = None,
        film_limit: int = FILM_LIMIT,
        fields: Mapping[str, str] = FIELDS,
    ) -> None:
        self._served, self._folder, self._film_limit, self._fields = served, folder, film_limit, fields
        self._patience = patience or Patience()
        self._open = partial(Outbound, api_base(url), key, self._patience)
        self._outbound: Outbound | None = None
        self._fetched: list[Path] = []

    @property
    def served(self) -> ServedModel:
        return self._served

    @property
    def room(self) -> None:
        """Its memory is its own affair."""

    @property
    def longest_batch(self) -> int:
        return 1

    async def load(self) -> None:
        """Whether the upstream answers is seen at the first clip: it may come and go."""
        if self._outbound is None:
            await asyncio.to_thread(self._empty_folder)
            self._outbound = await asyncio.to_thread(self._open)  # reads certificates

    async def render(self, orders: list[Order], told: Told, stop: Stop) -> list[Rendered]:
        """One after the other: queueing is the upstream's own trade."""
        await self.load()
        made: list[Rendered] = []
        best = 0

        def share(done: float) -> None:
            nonlocal best
            best = max(best, int(FETCHED * (len(made) + done) / len(orders)))
            told(Progress(STAGE, best))

        for order in orders:
            clip = asyncio.create_task(self._clip(order, share))
            try:
                while not clip.done():
                    if stop.is_set():
                        raise RenderStopped("the render was told to stop")
                    await asyncio.wait({clip}, timeout=0.1)
            finally:
                # Cancelled, it withdraws what it asked for.
                clip.cancel()
                await asyncio.wait({clip}, timeout=5)
            made.append(clip.result())
        share(0)
        return made

    async def close(self) -> None:
        if self._outbound is not None:
            await self._outbound.close()
            self._outbound = None
            await asyncio.to_thread(self._empty_folder)

    async def _clip(self, order: Order, share: Callable[[float], None]) -> Rendered:
        assert self._outbound is not None
        started = time.perf_counter()
        try:
            async with asyncio.timeout(self._patience.whole):
                fields, poll_after = await self._create(order)
                path = f"videos/{_identity(fields)}"
                try:
                    while not _finished(fields):
                        share(_progress(fields))
                        await asyncio.sleep(min(max(poll_after, _SOONEST), _LATEST))
                        answer = await self._outbound.ask("GET", path)
                        fields, poll_after = answer.fields, answer.poll_after
                    file = await self._fetch(f"{path}/content")
                except BaseException:
                    await asyncio.shield(self._outbound.withdraw(path))
                    raise
        except TimeoutError as error:
            raise RenderFailed(f"the upstream made no clip within {self._patience.whole:g} s", "upstream_timeout") from error
        notes = _compare(await film.probe(file), order.recipe)
        held = time.perf_counter() - started
        return Rendered(None, file, None, {STAGE: held * 1000}, _gpu_seconds(fields, held), notes=notes)

    async def _create(self, order: Order) -> tuple[dict[str, Any], float]:
        assert self._outbound is not None
        recipe = order.recipe
        form = {
            "prompt": order.prompt,
            "model": recipe.model,
            "size": recipe.size,
            # Without the first frame, which comes on top of the whole latent ones: 17 frames at 8 fps are asked for as "2".
            "seconds": f"{(recipe.frames - 1) / recipe.fps:g}",
            "seed": str(order.seed),
        }
        form |= {name: str(getattr(recipe, field)) for field, name in self._fields.items() if getattr(recipe, field) != ""}
        parts = {name: (None, text.encode()) for name, text in form.items()}
        # A server that knows the header makes one film however often it is asked.
        headers = {"Idempotency-Key": secrets.token_hex(16)}
        answer = await self._outbound.ask("POST", "videos", repeatable=False, files=parts, headers=headers)
        return answer.fields, answer.poll_after if not _finished(answer.fields) else 0.0

    async def _fetch(self, path: str) -> Path:
        assert self._outbound is not None
        file = self._folder / f"{secrets.token_hex(8)}.mp4"
        self._fetched.append(file)
        while len(self._fetched) > _KEPT:
            await asyncio.to_thread(self._fetched.pop(0).unlink, missing_ok=True)
        await self._outbound.fetch(path, file, self._film_limit)
        return file

    def _empty_folder(self) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder.mkdir(parents=True, exist_ok=True)
        self._fetched.clear()


def _identity(fields: dict[str, Any]) -> str:
    """The id, which becomes part of a path: nothing that could lead elsewhere."""
    identity = fields.get("id")
    if not isinstance(identity, str) or not identity.replace("-", "").replace("_", "").replace(".", "").isalnum() or len(identity) > 500:
        raise RenderFailed("the upstream gave the clip no id", "upstream_failed")
    if set(identity) == {"."}:
        raise RenderFailed("the upstream gave the clip no id", "upstream_failed")
    return identity


def _finished(fields: dict[str, Any]) -> bool:
    """RenderFailed for a clip that will never be finished, and for a status that nobody agreed on."""
    status = fields.get("status")
    if status in {"queued", "in_progress"}:
        return False
    if status == "completed":
        return True
    error = fields.get("error")
    said = error.get("message") if isinstance(error, dict) else None
    raise RenderFailed(f"the upstream could not make the clip: {str(said or status)[:500]}", "upstream_failed")


def _progress(fields: dict[str, Any]) -> float:
    percent = fields.get("progress")
    return min(99.0, max(0.0, float(percent))) / 100 if isinstance(percent, (int, float)) else 0.0


def _compare(facts: film.Probe, recipe: Recipe) -> tuple[str, ...]:
    other_size = (facts.width, facts.height) != (recipe.width, recipe.height)
    if other_size or abs(facts.duration - recipe.seconds) > _SLACK or facts.frames > 10 * recipe.frames:
        made = f"{facts.width}x{facts.height} of {facts.duration:.3g} s"
        raise RenderFailed(f"the upstream made {made}, not {recipe.size} of {recipe.seconds:.3g} s", "upstream_mismatch")
    if (facts.frames, facts.fps) != (recipe.frames, recipe.fps):
        return (f"the upstream made {facts.frames} frames at {facts.fps:g} fps, not {recipe.frames} at {recipe.fps}",)
    return ()


def _gpu_seconds(fields: dict[str, Any], held: float) -> float:
    """What the upstream says it took, if it is one of us and says it; else how long we waited."""
    told = fields.get("reprise")
    spent = told.get("gpu_seconds") if isinstance(told, dict) else None
    return float(spent) if isinstance(spent, (int, float)) and 0 < spent <= held else held
