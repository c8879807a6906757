"""The parts of a process, built from its settings: a gateway takes all of them, a worker and the commands some. Nothing is opened here."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import lru_cache

from cache.catalog import DEMO, ServedModel
from cache.matching.encoding import loading
from cache.matching.encoding.encoders import Loading
from cache.matching.exact import ExactMemory
from cache.matching.lookup import Lookup
from cache.matching.shared_tier import SharedTier
from cache.matching.vectors.index import Index
from cache.prompt import Prompt
from cache.settings import Settings
from cache.storage.bytes.files import S3Files
from cache.storage.bytes.objects import Objects, open_store
from cache.storage.clips.latents import Latents
from cache.storage.clips.pool import Pool
from cache.storage.clips.shelf import Shelf
from cache.storage.database.database import Database
from cache.storage.database.notifications import Notifications, open_notifications
from cache.storage.fleet.announcements import Announcements
from cache.storage.fleet.workers import Workers
from cache.storage.requests.answer_times import AnswerTimes
from cache.storage.requests.end_users import EndUserRows
from cache.storage.requests.erasure import Erasure, Scrubbing
from cache.storage.requests.labels import Labels
from cache.storage.requests.lookup_queries import LookupQueries
from cache.storage.requests.requests import Requests
from cache.storage.requests.rerolls import Rerolls
from cache.supervision import Supervisor
from gateway.answering.announced_models import AnnouncedModels, announce
from gateway.answering.answer import Answer
from gateway.answering.assisting import Assisting
from gateway.answering.byte_cache import ByteCache
from gateway.answering.disclosure import Disclosure
from gateway.answering.end_users import EndUsers
from gateway.answering.follow_up import FollowUp
from gateway.answering.late_clips import LateClips
from gateway.answering.models import Models
from gateway.answering.renderers import build_renderer, build_worker, donor_table, lease_terms
from gateway.answering.replica import Replica
from gateway.answering.rules import Rules
from gateway.answering.signing import open_shelf
from gateway.answering.submission import Submission
from generator.demo.world import strange_words
from generator.queue.dispatch import Dispatch, open_dispatch
from generator.queue.leases import Leases
from generator.queue.queue import Queue
from generator.queue.signals import Signals
from generator.renderer import Renderer
from generator.worker.worker import Worker

_DAY, _GB = 86_400.0, 1e9


@dataclass(frozen=True)
class Storage:
    """Rows and objects. `remote` are other files of the bucket, None where there is no bucket."""

    database: Database
    objects: Objects
    shelf: Shelf
    remote: S3Files | None

    @property
    def latents(self) -> Latents:
        return Latents(self.database, self.objects, self.shelf)

    async def close(self) -> None:
        await self.objects.close()
        await self.database.close()


def open_storage(settings: Settings) -> Storage:
    database, objects = Database(settings.database), open_store(settings.store)
    remote = S3Files(objects) if settings.store.startswith("s3:") else None
    return Storage(database, objects, open_shelf(database, objects, settings), remote)


@dataclass(frozen=True)
class Generation:
    """The parts that render clips and announce them. Without a renderer in this process there is no worker."""

    renderer: Renderer | None
    worker: Worker | None
    leases: Leases
    dispatch: Dispatch
    signals: Signals
    announcements: Announcements
    workers: Workers

    def start(self, supervisor: Supervisor, device: str) -> None:
        """The worker, and its signs of life. Whoever started it stops the worker first, with its grace time."""
        worker, renderer = self.worker, self.renderer
        assert worker is not None and renderer is not None, "started only where there is a renderer"
        supervisor.start("worker", worker.run)
        supervisor.start("sign of life", lambda: announce(worker, renderer, self.announcements, self.workers, device))


def open_generation(settings: Settings, storage: Storage) -> Generation:
    """RenderFailed where the model that the settings name cannot be found."""
    dispatch, signals = open_dispatch(storage.database), Signals()
    leases = Leases(storage.database, storage.shelf, dispatch, signals, lease_terms(settings))
    renderer = None if settings.renderer == "none" else build_renderer(settings)
    worker = None
    if renderer is not None:
        worker = build_worker(
            settings, storage.database, leases, dispatch, signals, renderer, storage.objects, storage.latents, storage.shelf.pictures
        )  # fmt: skip
    return Generation(renderer, worker, leases, dispatch, signals, Announcements(storage.database), Workers(storage.database))


@dataclass(frozen=True)
class Matching:
    """The parts that nominate and judge. `caught_up` is set once the index holds everything from before the start."""

    index: Index
    caught_up: asyncio.Event
    memory: ExactMemory
    encoders: Loading
    lookup: Lookup
    shared: SharedTier


def open_matching(settings: Settings, storage: Storage) -> Matching:
    index, caught_up, memory = Index(), asyncio.Event(), ExactMemory()
    encoders = Loading(lambda: loading.configured_encoders(settings), settings.encoder_wait_seconds)
    lookup = Lookup(
        storage.database, storage.shelf, LookupQueries(storage.database), index, caught_up, encoders, memory=memory,
        wait=settings.encoder_wait_seconds, near=settings.near, max_wrong=settings.max_wrong,
        both_ways=settings.near_symmetric, donors=donor_table(settings) if settings.assist == "near" else None,
    )  # fmt: skip
    pool = Pool(storage.database, storage.shelf)
    shared = SharedTier(pool, index, lookup, share_after=settings.share_after_tenants)
    return Matching(index, caught_up, memory, encoders, lookup, shared)


@dataclass(frozen=True)
class Answering:
    """The answer to a request and what follows it, and what this gateway holds in memory of the rows that all share."""

    models: Models
    announced: AnnouncedModels
    notifications: Notifications | None
    requests: Requests
    labels: Labels
    queue: Queue
    submission: Submission
    scrubbing: Scrubbing
    follow_up: FollowUp
    end_users: EndUsers
    answer: Answer
    times: AnswerTimes
    cached: ByteCache
    replica: Replica
    rules: Rules


def open_answering(settings: Settings, storage: Storage, generation: Generation, matching: Matching) -> Answering:
    database, shelf, objects = storage.database, storage.shelf, storage.objects
    renderer, signals, lookup = generation.renderer, generation.signals, matching.lookup
    models = Models([] if renderer is None else [renderer.served], settings.model_aliases)
    requests, labels, scrubbing = Requests(database), Labels(), Scrubbing(database)
    signals.at_every_end(scrubbing.due)
    queue = Queue(database, generation.dispatch, signals, settings.queue_jobs, settings.tenant_jobs)
    assisting = Assisting(settings.assist, settings.assist_answers, settings.max_wrong, donor_table(settings))
    submission = Submission(database, shelf, requests, lookup, queue, generation.dispatch, assisting)
    erasure, disclosure = Erasure(database, shelf), Disclosure(database, across_users=settings.prompts_across_users)
    follow_up = FollowUp(database, shelf, requests, labels, queue, signals, erasure, scrubbing, disclosure)
    rules = Rules(
        cache=settings.cache,
        video_ttl=settings.video_ttl_days * _DAY or None,
        min_free=int(settings.min_free_gb * _GB),
        notes=lambda prompt, recipe: notes(models.named(recipe.model), prompt),
        check_workers=models.check_workers,
        keep_prompts=settings.keep_prompts == "text",
        max_wrong=settings.max_wrong,
        assisting=assisting,
    )
    times = AnswerTimes(database)
    answer = Answer(
        database, shelf, requests, Rerolls(database, labels), times, objects, lookup, matching.memory, submission, matching.shared,
        LateClips(database, shelf, lookup), follow_up, disclosure, rules,
    )  # fmt: skip
    cached, notifications = ByteCache(settings.byte_cache_mb * 1_000_000), open_notifications(database)
    replica = Replica(
        database, matching.index, matching.caught_up, matching.encoders, matching.memory, cached, signals, notifications, storage.remote,
        settings.data_dir / "index",
    )  # fmt: skip
    end_users = EndUsers(EndUserRows(database, shelf, erasure), queue, scrubbing, cached)
    announced = AnnouncedModels(
        generation.announcements, models, settings.model_revision, settings.model, None if renderer is None else renderer.served
    )
    return Answering(
        models,
        announced,
        notifications,
        requests,
        labels,
        queue,
        submission,
        scrubbing,
        follow_up,
        end_users,
        answer,
        times,
        cached,
        replica,
        rules,
    )


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
