"""The upstream renderer: another server that speaks `/v1/videos` renders the missing clips.

A clip takes the calls create (multipart), poll and content. No answer is trusted: answers have a size limit, and a video
is decoded and compared with the order before it is accepted. A video that the server finished is never deleted there: until our
row is committed it may be the only one.
"""

from __future__ import annotations

import asyncio
import secrets
import shutil
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, assert_never

import structlog

from cache.catalog import ServedModel
from cache.errors import RenderFailed, RenderStopped, UpstreamRefused
from cache.picture import FIELD, PICTURE_TYPE
from cache.recipe import Recipe
from generator import video_encoding
from generator.outbound import Outbound, Patience, UpstreamAnswer, api_base
from generator.public_addresses import is_public
from generator.renderer import OnProgress, Progress, Rendered, RenderOrder, Stop
from generator.upstream_answers import UpstreamState, addresses, path_of, reason, share_done, state_of, status_word, usable

log = structlog.get_logger(__name__)

STAGE = "upstream"
FETCHED = 95  # percent once the video is here; what is left is our own video's and store's
VIDEO_LIMIT = 512_000_000  # bytes; a hundred times what a clip of the longest that models make takes

# How parts of the Recipe are spelled on the wire, beside the standard prompt, model, size and seconds; what is not named
# is left to the upstream. vLLM-Omni and SGLang spell steps `num_inference_steps` and frames `num_frames`.
FIELDS: Mapping[str, str] = {"steps": "steps", "guidance": "guidance_scale", "negative_prompt": "negative_prompt"}

_KEPT = 4  # fetched videos: the newest ones, so that one may be filed while the next is fetched
_SOONEST, _LATEST = 0.2, 10.0  # seconds between two polls
LARGEST_SENT_SEED = 2**31 - 1  # what every server takes: several seed a generator of 32 bits, or read an int32
_SLACK = 0.5  # seconds by which a video may differ from what was asked for: servers count latent frames differently


class _Forgotten(RenderFailed):
    """The server does not know a video that it took: most keep them in memory, and it was started again."""

    code = "upstream_forgot"


class UpstreamRenderer:
    """Another server as renderer. `folder` is its own: emptied at load and close. Seeds are always sent, so that an upstream that is
    itself a cache answers with exactly this video, never with a near one; of a longer seed the low 31 bits. `allowed` says which
    addresses may be fetched from, beside the server's own.
    """

    def __init__(
        self,
        served: ServedModel,
        url: str,
        key: str,
        folder: Path,
        patience: Patience | None = None,
        video_limit: int = VIDEO_LIMIT,
        fields: Mapping[str, str] = FIELDS,
        allowed: Callable[[str], bool] = is_public,
    ) -> None:
        self._served, self._folder, self._video_limit, self._fields = served, folder, video_limit, fields
        self._patience = patience or Patience()
        self._open = partial(Outbound, api_base(url), key, self._patience, allowed)
        self._outbound: Outbound | None = None
        self._fetched: list[Path] = []

    @property
    def served(self) -> ServedModel:
        return self._served

    @property
    def room(self) -> None:
        """None: the upstream manages its own memory."""

    @property
    def longest_batch(self) -> int:
        return 1

    async def load(self) -> None:
        """Does not contact the upstream, which may come and go: the first clip shows if it answers."""
        if self._outbound is None:
            await asyncio.to_thread(self._empty_folder)
            self._outbound = await asyncio.to_thread(self._open)  # reads certificates

    async def render(self, orders: list[RenderOrder], on_progress: OnProgress, stop: Stop) -> list[Rendered]:
        """Renders one order after another: queueing is up to the upstream."""
        await self.load()
        made: list[Rendered] = []
        best = 0

        def share(done: float) -> None:
            nonlocal best
            best = max(best, int(FETCHED * (len(made) + done) / len(orders)))
            on_progress(Progress(STAGE, best))

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

    async def _clip(self, order: RenderOrder, share: Callable[[float], None]) -> Rendered:
        started = time.perf_counter()
        try:
            async with asyncio.timeout(self._patience.whole):
                try:
                    fields, file = await self._made(order, share)
                except _Forgotten as forgotten:
                    log.warning("upstream forgot a video; it is ordered again", reason=forgotten.message)
                    fields, file = await self._made(order, share)
        except TimeoutError as error:
            raise RenderFailed(f"the upstream made no clip within {self._patience.whole:g} s", "upstream_timeout") from error
        notes = (*_compare(await video_encoding.probe(file), order.recipe), *_seed_note(order))
        held = time.perf_counter() - started
        return Rendered(None, file, None, {STAGE: held * 1000}, _gpu_seconds(fields, held), notes=notes)

    async def _made(self, order: RenderOrder, share: Callable[[float], None]) -> tuple[dict[str, Any], Path]:
        """One video from create to its last byte: the server's last word about it, and the file."""
        assert self._outbound is not None
        answer = await self._create(order)
        path = path_of(answer.fields)
        if path is None:
            raise RenderFailed("the upstream's answer has no id", "upstream_failed")
        try:
            if not usable(path):
                raise RenderFailed("the upstream's answer has an id that is too long", "upstream_failed")
            fields = await self._finished(path, answer, share)
        except BaseException:
            await asyncio.shield(self._outbound.withdraw(path))
            raise
        return fields, await self._content(path, fields)

    async def _finished(self, path: str, answer: UpstreamAnswer, share: Callable[[float], None]) -> dict[str, Any]:
        """Polls until the video is finished. RenderFailed for one that never will be, and for a status that stays unknown."""
        unknown_since: float | None = None
        while True:
            fields = answer.fields
            match state_of(fields):
                case UpstreamState.DONE:
                    return fields
                case UpstreamState.OVER:
                    raise RenderFailed(f"the upstream could not make the clip: {reason(fields) or status_word(fields)}", "upstream_failed")
                case UpstreamState.OPEN:
                    unknown_since = None
                case UpstreamState.UNKNOWN:
                    if unknown_since is None:
                        unknown_since = time.monotonic()
                        log.warning("unknown status of an upstream's video; it counts as not finished", status=status_word(fields))
                    elif time.monotonic() > unknown_since + self._patience.unknown:
                        raise RenderFailed(f"the upstream's status {status_word(fields)!r} is not known here", "upstream_failed")
                case other:
                    assert_never(other)
            share(share_done(fields))
            await asyncio.sleep(min(max(answer.poll_after, _SOONEST), _LATEST))
            answer = await self._polled(path)

    async def _polled(self, path: str) -> UpstreamAnswer:
        """The video as it is now. _Forgotten once the server has not known it for a while; just started, it may still read its rows."""
        assert self._outbound is not None
        until = time.monotonic() + self._patience.missing
        while True:
            try:
                return await self._outbound.ask("GET", path)
            except UpstreamRefused as refused:
                if refused.status != 404:
                    raise
                if time.monotonic() > until:
                    raise _Forgotten(f"the upstream forgot the video that it took: {refused.message}") from refused
            await asyncio.sleep(_SOONEST)

    async def _create(self, order: RenderOrder) -> UpstreamAnswer:
        assert self._outbound is not None
        recipe = order.recipe
        form = {"prompt": order.prompt, "model": recipe.model, "size": recipe.size, "seed": str(sent_seed(order.seed))}
        if "frames" not in self._fields:
            # Without the first frame, which comes on top of the whole latent ones: 17 frames at 8 fps are asked for as "2".
            form["seconds"] = f"{(recipe.frames - 1) / recipe.fps:g}"
        form |= {name: str(getattr(recipe, field)) for field, name in self._fields.items() if getattr(recipe, field) != ""}
        parts: dict[str, tuple[str | None, bytes] | tuple[str, bytes, str]] = {name: (None, text.encode()) for name, text in form.items()}
        if order.picture is not None:
            parts[FIELD] = ("picture.png", order.picture, PICTURE_TYPE)
        # A server that knows the header makes one video however often it is asked.
        headers = {"Idempotency-Key": secrets.token_hex(16)}
        return await self._outbound.ask("POST", "videos", repeatable=False, files=parts, headers=headers)

    async def _content(self, path: str, fields: dict[str, Any]) -> Path:
        """The finished video: at its content, else where the answer says."""
        others = addresses(fields)
        try:
            return await self._fetch(f"{path}/content", elsewhere=bool(others))
        except UpstreamRefused:
            for address in others[:-1]:
                with suppress(RenderFailed):
                    return await self._fetch(address, elsewhere=True)
            if not others:
                raise
        return await self._fetch(others[-1], elsewhere=False)

    async def _fetch(self, address: str, *, elsewhere: bool) -> Path:
        assert self._outbound is not None
        file = self._folder / f"{secrets.token_hex(8)}.mp4"
        self._fetched.append(file)
        while len(self._fetched) > _KEPT:
            await asyncio.to_thread(self._fetched.pop(0).unlink, missing_ok=True)
        await self._outbound.fetch(address, file, self._video_limit, elsewhere=elsewhere)
        return file

    def _empty_folder(self) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder.mkdir(parents=True, exist_ok=True)
        self._fetched.clear()


def sent_seed(seed: int) -> int:
    """The seed as every server takes it: the low 31 bits, so that the same seed is always the same one there."""
    return seed & LARGEST_SENT_SEED


def _seed_note(order: RenderOrder) -> tuple[str, ...]:
    """For the client that chose the seed; one that we derived means nothing to anybody."""
    if not order.pinned or sent_seed(order.seed) == order.seed:
        return ()
    return (f"the upstream takes seeds of 31 bits: {order.seed} was rendered as {sent_seed(order.seed)}",)


def _compare(facts: video_encoding.Probe, recipe: Recipe) -> tuple[str, ...]:
    other_size = (facts.width, facts.height) != (recipe.width, recipe.height)
    if other_size or abs(facts.duration - recipe.seconds) > _SLACK or facts.frames > 10 * recipe.frames:
        made = f"{facts.width}x{facts.height} of {facts.duration:.3g} s"
        raise RenderFailed(f"the upstream made {made}, not {recipe.size} of {recipe.seconds:.3g} s", "upstream_mismatch")
    if (facts.frames, facts.fps) != (recipe.frames, recipe.fps):
        return (f"the upstream made {facts.frames} frames at {facts.fps:g} fps, not {recipe.frames} at {recipe.fps}",)
    return ()


def _gpu_seconds(fields: dict[str, Any], held: float) -> float:
    """The GPU-seconds that the upstream reports, if it is a Reprise; else the time waited."""
    told = fields.get("reprise")
    spent = told.get("gpu_seconds") if isinstance(told, dict) else None
    return float(spent) if isinstance(spent, (int, float)) and 0 < spent <= held else held
