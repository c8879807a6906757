"""Everything that a server is made of, built and joined here, in sight. Nothing is opened before the server starts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import lru_cache, partial

import structlog
from litestar import Litestar
from litestar.datastructures import State

from cache.catalog import DEMO, ServedModel
from cache.errors import StillLoading, Unavailable
from cache.matching.encoding import loading
from cache.matching.encoding.encoders import Loading
from cache.matching.exact import ExactMemory
from cache.matching.inspection import Inspection
from cache.matching.lookup import Lookup
from cache.matching.shared_tier import SharedTier
from cache.matching.vectors.index import Index
from cache.prompt import Prompt
from cache.settings import Settings
from cache.storage.accounts import Accounts
from cache.storage.announcements import Announcements
from cache.storage.bytes.files import S3Files
from cache.storage.bytes.objects import open_store
from cache.storage.database import Database
from cache.storage.erasure import Erasure, Scrubbing
from cache.storage.glances import Glances
from cache.storage.labels import Labels
from cache.storage.news import open_news
from cache.storage.nudges import Nudges
from cache.storage.operators.clip_search import ClipSearch
from cache.storage.operators.gauges import Gauges
from cache.storage.operators.invalidation import Invalidation
from cache.storage.operators.near_hits import NearHits
from cache.storage.operators.recorded import Recordings
from cache.storage.operators.sessions import Sessions
from cache.storage.operators.statistics import Statistics
from cache.storage.operators.tally import Tally
from cache.storage.plans import Plans
from cache.storage.pool import Pool
from cache.storage.requests import Requests
from cache.storage.workers import Workers
from gateway.admin.admin import Admin
from gateway.admin.asked import Asked
from gateway.admin.door import Door
from gateway.admin.login import Login
from gateway.admin.pages.clips import Clips
from gateway.admin.pages.films import Films
from gateway.admin.pages.jobs import Jobs
from gateway.admin.pages.keys import KeysPage
from gateway.admin.pages.meaning import Meaning
from gateway.admin.pages.near_hits import NearHitsPage
from gateway.admin.pages.overview import Overview
from gateway.admin.pages.plans import PlansPage
from gateway.admin.pages.settings import SettingsPage
from gateway.admin.pages.what_if import WhatIf
from gateway.ahead.plan_runs import PlanRuns
from gateway.ahead.planner import Planner
from gateway.announced import Announced, tell
from gateway.answer import Answer, Rules
from gateway.byte_cache import ByteCache
from gateway.claims import Rows
from gateway.docs.docs import Docs
from gateway.entry.access import add_limits
from gateway.entry.gate import Gate, open_gate
from gateway.health import Health, Part
from gateway.http.problems import HANDLERS
from gateway.http.reply import add_request_id, tell_methods
from gateway.media import Media
from gateway.models import Models
from gateway.observed.metrics import Sources, readiness
from gateway.observed.observation import Observation
from gateway.playground.playground import Playground
from gateway.provenance import open_shelf, sign_first
from gateway.rendering import build_renderer, build_worker, terms_of
from gateway.replica import Replica
from gateway.shared import Shared
from gateway.submission import Submission
from gateway.upkeep.auditing import Auditing
from gateway.upkeep.capacity import Capacity
from gateway.upkeep.nudging import Nudging
from gateway.upkeep.sweeps import Upkeep
from gateway.videos import Videos
from generator.demo.world import strange_words
from generator.queueing.dispatch import open_dispatch
from generator.queueing.leases import Leases
from generator.queueing.queue import Queue
from generator.queueing.queue_board import Board
from generator.queueing.signals import Signals
from generator.working.worker import Worker
from migrations.upgrade import migrate

log = structlog.get_logger(__name__)

_DAY, _GIB = 86_400.0, 2**30


def create_app(settings: Settings, *, works: bool = True) -> Litestar:
    """Misses wait in the queue where it does not work.

    RenderFailed where the model cannot be found, ValueError for settings that fit nothing.
    """
    database = Database(settings.database)
    objects = open_store(settings.store)
    shelf, requests, labels = open_shelf(database, objects, settings), Requests(database), Labels()
    renderer = None if settings.renderer == "none" else build_renderer(settings)
    models = Models([] if renderer is None else [renderer.served], settings.model_aliases)
    announcements = Announcements(database)

    index, caught_up, memory = Index(), asyncio.Event(), ExactMemory()
    encoders = Loading(lambda: loading.load(settings), settings.encoder_wait)
    lookup = Lookup(
        database, shelf, Glances(database), index, caught_up, encoders, memory=memory, wait=settings.encoder_wait,
        near=settings.near, candidates=settings.candidates, max_wrong=settings.max_wrong, both_ways=settings.both_ways,
    )  # fmt: skip

    nudging = Nudging(Nudges(database), encoders)
    shared, scrubbing = (
        SharedTier(Pool(database, shelf), index, lookup, candidates=settings.candidates, share_after=settings.share_after),
        Scrubbing(database),
    )
    dispatch, signals, news = open_dispatch(database), Signals(), open_news(database)
    signals.at_every_end(scrubbing.due)
    queue = Queue(database, dispatch, signals, settings.queue_limit, settings.tenant_jobs)
    leases = Leases(database, shelf, dispatch, signals, terms_of(settings))
    worker = None
    if renderer is not None:
        worker = build_worker(settings, database, leases, dispatch, signals, renderer, objects)
    announced = Announced(announcements, models, settings.model_revision)

    submission = Submission(database, shelf, requests, lookup, queue, dispatch)
    rules = Rules(
        cache=settings.cache,
        video_ttl=settings.video_ttl_days * _DAY or None,
        min_free=int(settings.min_free_gb * _GIB),
        notes=lambda prompt: notes(models.served[0], prompt),
        keep_prompts=settings.keep_prompts == "text",
    )
    cached = ByteCache(settings.byte_cache_mb * 2**20)
    answer = Answer(
        Rows(database, shelf, requests, labels, queue, signals, Erasure(database, shelf), scrubbing),
        objects,
        lookup,
        memory,
        submission,
        rules,
        shared,
    )
    remote = S3Files(objects) if settings.store.startswith("s3:") else None
    replica = Replica(database, index, caught_up, encoders, memory, cached, signals, news, remote, settings.data_dir / "index")
    gate, accounts, sessions = open_gate(database, settings), Accounts(database), Sessions(database)
    workers, statistics, tally = Workers(database), Statistics(database), Tally(database, settings.requests_keep_days)
    found, near_hits = ClipSearch(database), NearHits(database, labels)
    capacity = Capacity(database, shelf, lookup, index, encoders, room=int(settings.capacity_gb * 1e9), ghosts=settings.ghosts)
    plans = Plans(database)
    planner = Planner(
        database, lookup, encoders, models, plans, near=settings.near, both_ways=settings.both_ways, max_wrong=settings.max_wrong,
        half_life=settings.plan_half_life_hours * 3600, horizon=settings.plan_every_hours * 3600,
    )  # fmt: skip
    plan_runs = PlanRuns(
        database, shelf, plans, planner, lookup, submission, queue, models, scrubbing, keep_prompts=rules.keep_prompts,
        mine_every=settings.plan_every_hours * 3600 if settings.plan_when_idle else None, budget=settings.plan_budget,
    )  # fmt: skip
    admin = Admin(
        Login(gate, accounts, sessions),
        Overview(statistics, workers, settings.gpu_price_per_hour, settings.capacity_gb),
        Asked(database),
        WhatIf(Recordings(database), encoders, settings.max_wrong),
        Clips(found, Invalidation(database, found, settings.grace_seconds), near_hits),
        Films(shelf, found, objects, cached),
        Meaning(Inspection(database, shelf, lookup, shared), found, models),
        NearHitsPage(near_hits, nudging.consider, settings.audit_share),
        Jobs(Board(database), queue, signals),
        PlansPage(plans, planner, models, capacity, settings.plan_budget),
        KeysPage(accounts, sessions),
        SettingsPage(settings),
    )
    auditing = Auditing(database, shelf, requests, lookup, submission, queue, models, settings.audit_share)
    upkeep = Upkeep(leases, shelf, requests, lookup, submission, shared, scrubbing, auditing, tally, grace=settings.grace_seconds)

    @asynccontextmanager
    async def lifespan(_: Litestar) -> AsyncIterator[None]:
        async with AsyncExitStack() as closing:
            closing.push_async_callback(database.close)
            closing.push_async_callback(objects.close)
            closing.push_async_callback(requests.close)
            closing.push_async_callback(observation.close)
            await observation.open(leases.renders)
            await made_ready(database, gate, settings)
            await leases.expire(every=settings.embedded)
            closing.push_async_callback(encoders.close)
            encoders.start()
            closing.callback(index.close)
            for work in (upkeep.run(), gate.run(), replica.run(), nudging.run(), capacity.run(), plan_runs.run()):
                closing.push_async_callback(ended, asyncio.create_task(work))
            if worker is None or renderer is None:
                closing.push_async_callback(ended, asyncio.create_task(announced.run(news)))
            elif works:
                telling = tell(worker, renderer, announcements, workers, settings.device)
                closing.push_async_callback(ended, asyncio.create_task(telling))
                working = asyncio.create_task(worker.run())
                closing.push_async_callback(worker.stop, settings.stop_grace)
                closing.push_async_callback(ended, working)
            yield

    health = Health(
        {
            "database": Part(lambda: answering(database), needed=True),
            "store": Part(objects.check, needed=True),
            "encoder": Part(lambda: loaded(encoders), needed=False),
            "model": Part(announced.check if worker is None else partial(rendering, worker), needed=False),
        }
    )
    sources = Sources(
        leases.renders if worker is not None else None, None, memory, cached, replica, shelf.withdrawn, readiness(health), Gauges(database)
    )
    observation = Observation(settings, sources)
    videos = Videos(
        answer, models, cached, body_limit=settings.body_limit, wait_limit=settings.wait_limit, counts=observation.counts
    )  # fmt: skip
    return Litestar(
        route_handlers=[
            *videos.routes(),
            *Media(answer, objects, cached, None if remote is None else remote.link).routes(),
            *Shared(shared.pool).routes(),
            *health.routes(),
            *observation.routes(),
            *Playground().routes(),
            *Docs().routes(),
            *admin.routes(),
        ],
        middleware=[*observation.middleware, gate.middleware, Door(sessions).middleware],
        exception_handlers=HANDLERS,
        before_send=[add_request_id, add_limits, *observation.before_send, tell_methods],
        state=State({"gate": gate, "planner": planner, "plans": plans, "models": models, "worker": worker}),
        request_max_body_size=settings.body_limit,
        lifespan=[lifespan],
        openapi_config=None,
        logging_config=None,
    )


async def made_ready(database: Database, gate: Gate, settings: Settings) -> None:
    """Rows as this version wants them, and nobody let in who may not be."""
    await migrate(database)
    await gate.decide(settings.admin_key)
    await sign_first(database, settings)


def notes(model: ServedModel, prompt: Prompt) -> tuple[str, ...]:
    """A plain warning where the model is known not to know what the prompt speaks of."""
    if model.row != DEMO:
        return ()
    strange = _strange(prompt.text)
    if not strange:
        return ()
    return (f"{model.name} only knows {DEMO.world}; it was not trained on: {', '.join(strange[:8])}",)


# Popular prompts come again and again; what is worked out of their words alone is kept for a while.
_strange = lru_cache(maxsize=4096)(strange_words)


async def answering(database: Database) -> None:
    async with database.read():
        return


async def loaded(encoders: Loading) -> None:
    if encoders.at_hand() is None:
        raise StillLoading(f"encoder: {encoders.state}")


async def rendering(worker: Worker) -> None:
    if worker.trouble is not None:
        raise Unavailable(worker.trouble)
    if not worker.loaded.is_set():
        raise StillLoading("the model is loading")


async def ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
