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
from cache.matching.lookup import Lookup
from cache.matching.shared_tier import SharedTier
from cache.matching.vectors.index import Index
from cache.prompt import Prompt
from cache.settings import Settings
from cache.storage.announcements import Announcements
from cache.storage.database import Database
from cache.storage.erasure import Erasure, Scrubbing
from cache.storage.files import S3Files
from cache.storage.labels import Labels
from cache.storage.news import open_news
from cache.storage.objects import open_store
from cache.storage.pool import Pool
from cache.storage.requests import Requests
from gateway.access import add_limits
from gateway.announced import Announced, tell
from gateway.answer import Answer, Rules
from gateway.byte_cache import ByteCache
from gateway.claims import Rows
from gateway.gate import Gate, open_gate
from gateway.health import Health, Part
from gateway.http.problems import HANDLERS
from gateway.http.reply import add_request_id
from gateway.media import Media
from gateway.models import Models
from gateway.playground.playground import Playground
from gateway.provenance import open_shelf, sign_first
from gateway.rendering import build_renderer
from gateway.replica import Replica
from gateway.shared import Shared
from gateway.submission import Submission
from gateway.upkeep import Upkeep
from gateway.videos import Videos
from generator.demo.world import strange_words
from generator.dispatch import open_dispatch
from generator.leases import Leases, Terms
from generator.queue import Queue
from generator.signals import Signals
from generator.worker import Worker
from migrations.upgrade import migrate

log = structlog.get_logger(__name__)

_DAY = 86_400.0
_GIB = 2**30


def create_app(settings: Settings) -> Litestar:
    """RenderFailed where the model cannot be found, ValueError for settings that fit nothing."""
    database = Database(settings.database)
    objects = open_store(settings.store)
    shelf, requests, labels = open_shelf(database, objects, settings), Requests(database), Labels()
    renderer = None if settings.renderer == "none" else build_renderer(settings)
    models = Models([] if renderer is None else [renderer.served], settings.model_aliases)
    announcements = Announcements(database)

    index = Index()
    encoders = Loading(lambda: loading.load(settings), settings.encoder_wait)
    lookup = Lookup(
        database, shelf, labels, index, encoders, near=settings.near, candidates=settings.candidates, max_wrong=settings.max_wrong
    )  # fmt: skip

    shared, scrubbing = (
        SharedTier(Pool(database, shelf), index, lookup, candidates=settings.candidates, share_after=settings.share_after),
        Scrubbing(database),
    )
    dispatch, signals, news = open_dispatch(database), Signals(), open_news(database)
    signals.at_every_end(scrubbing.due)
    queue = Queue(database, dispatch, signals, settings.queue_limit, settings.tenant_jobs)
    leases = Leases(
        database, shelf, dispatch, signals,
        Terms(settings.lease_seconds, settings.job_limit, settings.attempts, settings.clip_ttl_days * _DAY or None),
    )  # fmt: skip
    worker = None
    if renderer is not None:
        worker = Worker(
            leases=leases,
            dispatch=dispatch,
            signals=signals,
            renderer=renderer,
            objects=objects,
            folder=settings.data_dir / "films",
            min_free_bytes=int(settings.min_free_gb * _GIB),
        )
    announced = Announced(announcements, models, settings.model_revision)

    submission = Submission(database, shelf, requests, lookup, queue, dispatch)
    rules = Rules(
        cache=settings.cache,
        video_ttl=settings.video_ttl_days * _DAY or None,
        min_free=int(settings.min_free_gb * _GIB),
        notes=lambda prompt: notes(models.served[0], prompt),
        keep_prompts=settings.keep_prompts == "text",
    )
    memory, cached = ExactMemory(), ByteCache(settings.byte_cache_mb * 2**20)
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
    replica = Replica(database, index, encoders, memory, cached, signals, news, remote, settings.data_dir / "index")
    gate = open_gate(database, settings)
    upkeep = Upkeep(leases, shelf, requests, lookup, submission, shared, scrubbing, grace=settings.grace_seconds)

    @asynccontextmanager
    async def lifespan(_: Litestar) -> AsyncIterator[None]:
        async with AsyncExitStack() as closing:
            closing.push_async_callback(database.close)
            closing.push_async_callback(objects.close)
            closing.push_async_callback(requests.close)
            await made_ready(database, gate, settings)
            await leases.expire(every=settings.embedded)
            closing.push_async_callback(encoders.close)
            encoders.start()
            closing.callback(index.close)
            for work in (upkeep.run(), gate.run(), replica.run()):
                closing.push_async_callback(ended, asyncio.create_task(work))
            if worker is None or renderer is None:
                closing.push_async_callback(ended, asyncio.create_task(announced.run(news)))
            else:
                closing.push_async_callback(ended, asyncio.create_task(tell(worker, renderer.served, announcements, settings.device)))
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
    return Litestar(
        route_handlers=[
            *Videos(answer, models, cached, body_limit=settings.body_limit, wait_limit=settings.wait_limit).routes(),
            *Media(answer, objects, cached, None if remote is None else remote.link).routes(),
            *Shared(shared.pool).routes(),
            *health.routes(),
            *Playground().routes(),
        ],
        middleware=[gate.middleware],
        exception_handlers=HANDLERS,
        before_send=[add_request_id, add_limits],
        state=State({"gate": gate}),
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
