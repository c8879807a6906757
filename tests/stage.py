"""Everything that makes and keeps clips, put together on one database, with short names for what tests ask of it."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from sqlalchemy import Row, select, update

from cache.catalog import DEMO, AskedSettings, ServedModel, resolve
from cache.clip import Clip
from cache.errors import RenderStopped
from cache.ids import new_id
from cache.prompt import Prompt
from cache.request import Request
from cache.storage.bytes.folder import FolderObjects
from cache.storage.bytes.objects import Objects
from cache.storage.clips.latents import Latents
from cache.storage.clips.shelf import ClipDraft, Shelf
from cache.storage.database.database import Database
from cache.storage.database.rows import read_clips
from cache.storage.requests.requests import Requests
from cache.storage.tables import clips, jobs, requests
from cache.variant import Spec, Variant, tenant_scope
from cache.verdict import VerdictWord
from generator.queue.dispatch import Dispatch, LocalDispatch
from generator.queue.leases import Leases, LeaseTerms, Made
from generator.queue.queue import AlreadyMade, Queue, SubmittedJob
from generator.queue.rows import NewJob
from generator.queue.signals import Signals
from generator.queue.starts import Starts
from generator.renderer import Frames, Progress, Rendered, RenderOrder, Room, Stop
from generator.worker.worker import Worker

SERVED = ServedModel(DEMO, "revision-1", "pipeline")
RECIPE = resolve(SERVED, AskedSettings(seconds=0.5))


def spec(words: str = "a red ball") -> Spec:
    return Spec(tenant_scope("local"), Prompt.parse(words), RECIPE)


def take(words: str = "a red ball", number: int = 0) -> Variant:
    return Variant(spec(words), take=number)


def seeded(words: str = "a red ball", seed: int = 7) -> Variant:
    return Variant(spec(words), pinned_seed=seed)


def new_job(variant: Variant, **more: Any) -> NewJob:
    return NewJob("local", variant, **more)


def new_request(variant: Variant, verdict: VerdictWord, priority: str = "interactive", **more: Any) -> Request:
    return Request(
        id=new_id("video"),
        tenant="local",
        scope=variant.spec.scope,
        created_at=time.time(),
        prompt=variant.spec.prompt.text,
        spec_key=variant.spec.key,
        recipe=variant.spec.recipe,
        pinned_seed=variant.pinned_seed,
        take=variant.take,
        priority=priority,
        verdict=verdict,
        **more,
    )


def draft(variant: Variant, **more: Any) -> ClipDraft:
    made = ClipDraft(
        id=new_id("clip"),
        tenant="local",
        scope=variant.spec.scope,
        variant_key=variant.key,
        spec_key=variant.spec.key,
        prompt=variant.spec.prompt.text,
        recipe=variant.spec.recipe,
        seed=variant.seed,
        take=variant.take,
        gpu_seconds=2.5,
        objects=(),
    )
    return replace(made, **more)


@dataclass
class Stage:
    database: Database
    objects: Objects
    shelf: Shelf
    queue: Queue
    leases: Leases
    dispatch: Dispatch
    signals: Signals
    asked: Requests

    async def ask(self, variant: Variant, verdict: VerdictWord = "miss", **more: Any) -> tuple[str, SubmittedJob | AlreadyMade]:
        """One client's request and the job it submits or joins, as the gateway commits them."""
        new = new_job(variant, **more)
        async with self.database.write() as connection:
            found = await self.queue.submit(connection, new)
            claim = {"clip_id": found.clip_id} if isinstance(found, AlreadyMade) else {"job_id": found.job_id}
            if isinstance(found, SubmittedJob) and found.joined:
                verdict = "joined"
            request = await self.insert(connection, variant, verdict, priority=new.priority.value, **claim)
        self.dispatch.wake()
        return request, found

    async def job_for(self, variant: Variant, **more: Any) -> str:
        _, found = await self.ask(variant, **more)
        assert isinstance(found, SubmittedJob)
        return found.job_id

    async def join_near(self, variant: Variant, job_id: str) -> str | None:
        async with self.database.write() as connection:
            if not await self.queue.join(connection, job_id):
                return None
            return await self.insert(connection, variant, "joined", job_id=job_id, similarity=0.97, confidence=0.99)

    async def insert(self, connection: Any, variant: Variant, verdict: VerdictWord, **more: Any) -> str:
        request = new_request(variant, verdict, **more)
        await self.asked.insert(connection, request)
        return request.id

    async def add(self, made: ClipDraft) -> str:
        async with self.database.write() as connection:
            return await self.shelf.add(connection, made)

    async def clip(self, clip_id: str) -> Clip | None:
        async with self.database.read() as connection:
            return await self.shelf.by_id(connection, clip_id)

    async def all_clips(self) -> list[Clip]:
        async with self.database.read() as connection:
            return await read_clips(connection, clips.c.id.is_not(None))

    async def row(self, table: Literal["jobs", "requests", "clips"], key: str) -> Row[Any]:
        named = {"jobs": jobs, "requests": requests, "clips": clips}[table]
        async with self.database.read() as connection:
            return (await connection.execute(select(named).where(named.c.id == key))).one()

    async def age(self, job_id: str, **seconds: float) -> None:
        """As if so many seconds had passed since: `lease_until` or `started_at` moves back."""
        moved = {name: jobs.c[name] - by for name, by in seconds.items()}
        async with self.database.write() as connection:
            await connection.execute(update(jobs).where(jobs.c.id == job_id).values(**moved))

    def worker(self, renderer: PredictableRenderer, folder: Path, **more: Any) -> Worker:
        return Worker(
            leases=self.leases,
            dispatch=self.dispatch,
            signals=self.signals,
            renderer=renderer,
            objects=self.objects,
            folder=folder,
            starts=Starts(self.database, Latents(self.database, self.objects, self.shelf), self.shelf.pictures),
            **more,
        )


def set_stage(
    database: Database,
    folder: Path,
    terms: LeaseTerms | None = None,
    limit: int = 100,
    objects: Objects | None = None,
    dispatch: Dispatch | None = None,
) -> Stage:
    objects = objects or FolderObjects(folder / "objects", threads=2)
    shelf, dispatch, signals = Shelf(database, objects), dispatch or LocalDispatch(), Signals()
    leases = Leases(database, shelf, dispatch, signals, terms or LeaseTerms())
    return Stage(database, objects, shelf, Queue(database, dispatch, signals, limit), leases, dispatch, signals, Requests(database))


def made(**more: Any) -> Made:
    return replace(Made(new_id("clip"), (), 2.5), **more)


@dataclass
class PredictableRenderer:
    """Frames of one colour, drawn from the seed: a video can be told by its seed. Counts what it rendered.

    `steps` seconds apart are the steps; `fault` is raised in the middle of a render, once for each one in the list.
    """

    steps: int = 4
    step_seconds: float = 0.005
    faults: list[BaseException] = field(default_factory=list)
    rendered: list[RenderOrder] = field(default_factory=list)
    begun: threading.Event = field(default_factory=threading.Event)
    stopped: int = 0
    served: ServedModel = SERVED
    load_faults: list[Exception] = field(default_factory=list)
    after_render: Callable[[], None] = lambda: None
    room: Room | None = None
    longest_batch: int = 1

    async def load(self) -> None:
        if self.load_faults:
            raise self.load_faults.pop()

    async def render(self, orders: list[RenderOrder], on_progress: Callable[[Progress], None], stop: Stop) -> list[Rendered]:
        return await asyncio.to_thread(self._render, orders, on_progress, stop)

    def _render(self, orders: list[RenderOrder], on_progress: Callable[[Progress], None], stop: Stop) -> list[Rendered]:
        self.begun.set()
        on_progress(Progress("text_encode", 1))
        for step in range(self.steps):
            if stop.is_set():
                self.stopped += 1
                raise RenderStopped("told to stop")
            if self.faults and step == self.steps // 2:
                raise self.faults.pop()
            time.sleep(self.step_seconds)
            on_progress(Progress("denoise", 5 + 85 * (step + 1) // self.steps))
        self.rendered += orders
        self.after_render()
        stages = {"text_encode": 1.0, "denoise": 1000 * self.steps * self.step_seconds, "vae_decode": 1.0}
        latent = b"latent"
        return [Rendered(frames_of(order), None, latent, stages, 0.5) for order in orders]

    async def close(self) -> None:
        """Nothing is held."""


def frames_of(order: RenderOrder) -> Frames:
    colour = np.random.default_rng(order.seed).integers(0, 256, 3, dtype=np.uint8)
    recipe = order.recipe
    return np.broadcast_to(colour, (recipe.frames, recipe.height, recipe.width, 3)).copy()
