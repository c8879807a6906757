"""The gateway's application: all its parts are built, joined and mounted here. Nothing is opened before the server starts."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress

from litestar import Litestar
from litestar.datastructures import State

from cache.errors import Unavailable
from cache.matching.inspection import Inspection
from cache.settings import Settings
from cache.storage.database.database import Database
from cache.storage.fleet.accounts import Accounts
from cache.storage.fleet.model_states import ModelStates
from cache.storage.fleet.sessions import Sessions
from cache.storage.operators.clip_search import ClipSearch
from cache.storage.operators.gauges import Gauges
from cache.storage.operators.invalidation import Invalidation
from cache.storage.operators.near_hits import NearHits
from cache.storage.operators.recorded import Recordings
from cache.storage.operators.statistics import Statistics
from cache.storage.operators.tally import Tally
from cache.storage.requests.plans import Plans
from cache.storage.requests.recalibrations import Recalibrations
from cache.storage.requests.webhooks import Webhooks
from cache.supervision import Supervisor
from gateway.admin.admin import Admin
from gateway.admin.door import Door
from gateway.admin.login import Login
from gateway.admin.pages.assist_report import AssistReportPage
from gateway.admin.pages.clips import Clips
from gateway.admin.pages.content import ClipFiles
from gateway.admin.pages.jobs import Jobs
from gateway.admin.pages.keys import KeysPage
from gateway.admin.pages.meaning import Meaning
from gateway.admin.pages.near_hits import NearHitsPage
from gateway.admin.pages.overview import Overview
from gateway.admin.pages.plans import PlansPage
from gateway.admin.pages.recalibration import RecalibrationPanel
from gateway.admin.pages.request import RequestPage
from gateway.admin.pages.requests import RequestsPage
from gateway.admin.pages.settings import SettingsPage
from gateway.admin.pages.usage import UsagePage
from gateway.admin.pages.webhooks import WebhooksPage
from gateway.admin.pages.what_if import WhatIf
from gateway.admin.proxy_login import ProxyLogin
from gateway.answering.renderers import donor_table
from gateway.answering.signing import keys_of, sign_first
from gateway.api.content import Content
from gateway.api.events import Events
from gateway.api.shared_pool import Shared
from gateway.api.sync import SyncVideos
from gateway.api.users import Users
from gateway.api.videos import Videos
from gateway.auth.access import add_limits
from gateway.auth.gate import Gate, open_gate
from gateway.building import (
    Answering,
    Generation,
    Matching,
    Storage,
    open_answering,
    open_generation,
    open_matching,
    open_storage,
)
from gateway.docs.docs import Docs
from gateway.health_parts import open_health
from gateway.http.addresses import root_of
from gateway.http.cors import Cors
from gateway.http.links import Links
from gateway.http.problems import HANDLERS
from gateway.http.reference import body_limit
from gateway.http.reply import add_request_id, tell_methods
from gateway.playground.playground import Playground
from gateway.precompute.plan_runs import PlanRuns
from gateway.precompute.planner import Planner
from gateway.telemetry.metrics import Sources, readiness
from gateway.telemetry.observation import Observation
from gateway.upkeep.assist_report import AssistReport
from gateway.upkeep.auditing import Auditing
from gateway.upkeep.capacity import Capacity
from gateway.upkeep.gone_models import GoneModels
from gateway.upkeep.missing_vectors import MissingVectors
from gateway.upkeep.recalibrating import Recalibrator
from gateway.upkeep.sweeps import Upkeep
from gateway.webhooks.deliveries import Deliveries
from gateway.webhooks.destinations import Destinations
from generator.queue.board import Board
from migrations.upgrade import migrate

_RETRY = 60.0  # seconds between tries to load an encoder that could not be loaded


def create_app(settings: Settings, *, works: bool = True) -> Litestar:
    """The application of a gateway. Without `works` it renders nothing, and misses wait in the queue.

    Raises RenderFailed if the model cannot be found, ValueError for impossible settings.
    """
    storage = open_storage(settings)
    generation, matching = open_generation(settings, storage), open_matching(settings, storage)
    answering = open_answering(settings, storage, generation, matching)
    database, shelf, lookup, encoders = storage.database, storage.shelf, matching.lookup, matching.encoders
    gate, sessions, supervisor = open_gate(database, settings), Sessions(database), Supervisor()

    recalibrator, missing = Recalibrator(Recalibrations(database), encoders), MissingVectors(database, encoders)
    capacity = Capacity(
        database, shelf, lookup, matching.index, encoders, storage.latents, room=int(settings.capacity_gb * 1e9)
    )  # fmt: skip
    plans = Plans(database)
    planner = Planner(
        database, lookup, encoders, answering.models, plans, near=settings.near, both_ways=settings.near_symmetric,
        max_wrong=settings.max_wrong, horizon=settings.plan_horizon_hours * 3600,
    )  # fmt: skip
    plan_runs = PlanRuns(
        database, shelf, plans, planner, lookup, answering.submission, answering.queue, answering.models, answering.scrubbing,
        keep_prompts=answering.rules.keep_prompts, budget=settings.plan_prompts,
        mine_every=settings.plan_every_hours * 3600 or None,
    )  # fmt: skip
    auditing = Auditing(
        database, shelf, answering.requests, lookup, answering.submission, answering.queue, answering.models, settings.audit_share
    )  # fmt: skip
    tally = Tally(database, settings.requests_keep_days)
    upkeep = Upkeep(
        generation.leases, shelf, answering.requests, lookup, answering.submission, matching.shared, answering.scrubbing, auditing, tally,
        grace=settings.grace_seconds,
    )  # fmt: skip
    gone_models = GoneModels(database, answering.models, generation.signals, renders=generation.worker is not None and settings.embedded)
    report = AssistReport(
        database, shelf, lookup, answering.submission, answering.models, auditing.audits, donor_table(settings), settings.max_wrong
    )
    admin = open_admin(settings, storage, generation, matching, answering, gate, sessions, plans, planner, capacity, recalibrator, report)
    health = open_health(settings, storage, generation, matching, answering, supervisor)
    sources = Sources(
        generation.leases.renders if generation.worker is not None else None, None, matching.memory, answering.cached, answering.replica,
        shelf.withdrawn, readiness(health), Gauges(database),
    )  # fmt: skip
    observation = Observation(settings, sources)

    @asynccontextmanager
    async def lifespan(_: Litestar) -> AsyncIterator[None]:
        async with AsyncExitStack() as closing:
            closing.push_async_callback(storage.close)
            closing.push_async_callback(answering.requests.close)
            closing.push_async_callback(observation.close)
            await observation.open(generation.leases.renders)
            await made_ready(database, gate, settings)
            await generation.leases.expire(every=settings.embedded)
            closing.push_async_callback(encoders.close)
            encoders.start()
            closing.callback(matching.index.close)
            closing.push_async_callback(supervisor.close)
            database.start(supervisor)
            supervisor.every(_RETRY, "encoder", encoders.retry, later=True)
            for part in (
                upkeep,
                gate,
                answering.replica,
                answering.times,
                recalibrator,
                missing,
                capacity,
                plan_runs,
                gone_models,
                deliveries,
            ):
                part.start(supervisor)
            if not settings.embedded or generation.worker is None:
                # Known models answer from the first request; the follower heals whatever this look could not read.
                with suppress(Unavailable):
                    await answering.announced.look()
                answering.announced.start(supervisor, answering.notifications)
            if generation.worker is not None and works:
                generation.start(supervisor, settings.device)
                closing.push_async_callback(generation.worker.stop, settings.stop_grace_seconds)
            yield

    login = ProxyLogin(settings.login_header, settings.login_proxies)
    cors, keys = Cors(settings.cors_origins), keys_of(settings)
    destinations = Destinations(settings.webhook_hosts, bool(keys))
    links = Links(keys, settings.link_minutes * 60, settings.public_url, settings.allowed_hosts)
    videos = Videos(
        answering.answer, answering.follow_up, answering.models, answering.cached, links, destinations, body_limit=settings.body_bytes,
        picture_limit=settings.picture_bytes, wait_limit=settings.wait_seconds, counts=observation.counts,
    )  # fmt: skip
    deliveries = Deliveries(Webhooks(database), answering.follow_up, links, destinations, keys)
    generation.signals.at_every_end(deliveries.wake)
    events = Events(answering.follow_up, links)
    presigned = None if storage.remote is None else storage.remote.presigned
    content = Content(answering.follow_up, storage.objects, answering.cached, links, presigned)
    return Litestar(
        route_handlers=[
            *videos.routes(),
            *SyncVideos(videos, content).routes(),
            *events.routes(),
            *content.routes(),
            *Users(answering.end_users).routes(),
            *Shared(matching.shared.pool).routes(),
            *health.routes(),
            *observation.routes(),
            *Playground(root_of(settings.public_url)).routes(),
            *Docs(settings.public_url).routes(),
            *admin.routes(),
        ],
        middleware=[*observation.middleware, cors.middleware, gate.middleware, Door(sessions, login).middleware],
        exception_handlers=HANDLERS,
        before_send=[add_request_id, add_limits, cors.add_headers, *observation.before_send, tell_methods],
        state=State(
            {"gate": gate, "events": events, "planner": planner, "plans": plans, "models": answering.models, "worker": generation.worker}
        ),
        request_max_body_size=body_limit(settings.body_bytes, settings.picture_bytes),
        lifespan=[lifespan],
        openapi_config=None,
        logging_config=None,
    )


def open_admin(
    settings: Settings,
    storage: Storage,
    generation: Generation,
    matching: Matching,
    answering: Answering,
    gate: Gate,
    sessions: Sessions,
    plans: Plans,
    planner: Planner,
    capacity: Capacity,
    recalibrator: Recalibrator,
    report: AssistReport,
) -> Admin:
    """The admin pages, each with its sources."""
    database, accounts = storage.database, Accounts(storage.database)
    search, near_hits, panel = ClipSearch(database), NearHits(database, answering.labels), RecalibrationPanel(recalibrator)
    return Admin(
        Login(gate, accounts, sessions),
        Overview(
            Statistics(database),
            generation.workers,
            ModelStates(database),
            answering.models,
            settings.gpu_price_per_hour,
            settings.capacity_gb,
        ),
        RequestsPage(database),
        RequestPage(database, storage.shelf.pictures),
        WhatIf(Recordings(database), matching.encoders, settings.max_wrong),
        Clips(search, Invalidation(database, search, settings.grace_seconds), near_hits),
        ClipFiles(storage.shelf, search, storage.objects, answering.cached),
        Meaning(Inspection(database, storage.shelf, matching.lookup, matching.shared), search, answering.models),
        NearHitsPage(near_hits, recalibrator.consider, panel, settings.audit_share),
        panel,
        AssistReportPage(report),
        Jobs(Board(database), answering.queue, generation.signals),
        PlansPage(plans, planner, answering.models, capacity, settings.plan_prompts),
        WebhooksPage(Webhooks(database)),
        KeysPage(accounts, sessions),
        UsagePage(database, settings.gpu_price_per_hour or None),
        SettingsPage(settings),
    )


async def made_ready(database: Database, gate: Gate, settings: Settings) -> None:
    """Prepares the database at the start: migrates it, decides about open mode, and signs unsigned clips."""
    await migrate(database)
    await gate.decide(settings.admin_key)
    await sign_first(database, settings)
