"""Conversion between rows and jobs, and the SQL of the table of legal moves."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import ColumnElement, Row, and_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from cache.canonical import digest
from cache.ids import new_id
from cache.recipe import Recipe
from cache.storage.clips.answering import answering
from cache.storage.database.rows import next_sequence, start_of, start_row
from cache.storage.requests.erasure import forget_words_of_job
from cache.storage.tables import clips, jobs, now, recipes
from cache.variant import Variant
from generator.job import MOVES, OPEN, Job, JobState, Move, Priority


@dataclass(frozen=True)
class NewJob:
    """A new job, for a miss.

    `prompt` are the words that the model is given; None: those of the Variant. Not `joinable` is no-store: its key is
    salted, so that nobody shares it. Without `keep_words` its words are gone from all rows once it closes. `fresh` renders
    although a clip of this Variant answers (no-cache with a pinned seed, or the cache is off). `vector` is the prompt's,
    float16, by `embedder`. `reserved`: no later request joins it, and its clip answers none.
    """

    tenant: str
    variant: Variant
    priority: Priority = Priority.INTERACTIVE
    tags: tuple[str, ...] = ()
    joinable: bool = True
    keep_words: bool = True
    fresh: bool = False
    allow_smaller: bool = False
    embedder: str | None = None
    vector: bytes | None = None
    reserved: bool = False
    asker: str | None = None
    traceparent: str | None = None
    id: str = field(default_factory=lambda: new_id("job"))

    @property
    def key(self) -> str:
        return self.variant.key if self.joinable else digest({"variant": self.variant.key, "job": self.id})


@dataclass(frozen=True)
class OpenJob:
    """A job that a near-duplicate may join; `place` is its number in the order of submission."""

    id: str
    place: int
    prompt: str
    state: JobState
    embedder: str | None
    vector: bytes | None


OPEN_STATES = jobs.c.state.in_(sorted(OPEN))
ALL_JOBS = select(jobs, recipes.c.fields).join(recipes, recipes.c.key == jobs.c.recipe_key)


def job_row(new: NewJob, sequence: int) -> dict[str, object]:
    recipe = new.variant.spec.recipe
    return {
        "id": new.id,
        "sequence": sequence,
        "place": sequence,
        "tenant": new.tenant,
        "scope": new.variant.spec.scope,
        "variant_key": new.key,
        "spec_key": new.variant.spec.key,
        "recipe_key": recipe.key,
        "quality": recipe.quality,
        "model": recipe.model,
        "revision": recipe.revision,
        "prompt": new.variant.spec.prompt.text,
        "seed": new.variant.seed,
        "take": new.variant.take,
        "priority": new.priority.value,
        "joinable": new.joinable,
        "keep_words": new.keep_words,
        "allow_smaller": new.allow_smaller,
        "embedder": new.embedder,
        "vector": new.vector,
        **start_row(new.variant.start),
        "reserved": new.reserved,
        "asker": new.asker,
        "tags": list(new.tags),
        "traceparent": new.traceparent,
        "state": JobState.QUEUED.value,
        "created_at": now(),
    }


def job_of(row: Row[Any]) -> Job:
    return Job(
        id=row.id,
        tenant=row.tenant,
        scope=row.scope,
        variant_key=row.variant_key,
        spec_key=row.spec_key,
        prompt=row.prompt,
        recipe=Recipe.from_fields(row.fields),
        seed=row.seed,
        take=row.take,
        priority=Priority(row.priority),
        state=JobState(row.state),
        attempt=row.attempt,
        progress=row.progress,
        stage=row.stage,
        created_at=row.created_at,
        started_at=row.started_at,
        finished_at=row.finished_at,
        lease_until=row.lease_until,
        worker=row.worker,
        error_code=row.error_code,
        error_message=row.error_message,
        joinable=row.joinable,
        allow_smaller=row.allow_smaller,
        start=start_of(row),
        reserved=row.reserved,
        asker=row.asker,
        traceparent=row.traceparent,
    )


def _sources(move: Move) -> list[str]:
    return sorted(state.value for state, made in MOVES if made is move)


def _target(move: Move) -> JobState:
    (target,) = {state for (_, made), state in MOVES.items() if made is move}
    return target


async def move_job(connection: AsyncConnection, job_id: str, move: Move, *fence: ColumnElement[bool], **values: Any) -> bool:
    """Compare-and-set along the table of moves; False, and nothing changed, where the job is elsewhere or `fence` fails.

    The sequence number comes first: its row lock makes moves serial in all processes, so that between the statements
    of one transaction no other job moves (a request that joins cannot miss the finish that answers it).
    """
    sequence = await next_sequence(connection)
    target = _target(move)
    if target not in OPEN:
        # A closed job keeps no words: its clip and its requests do, each for as long as it may.
        values |= {"finished_at": now(), "lease_until": None, "vector": None, "prompt": ""}
    elif target is JobState.QUEUED:
        values |= {"worker": None, "lease_until": None, "stage": "queue"}
    change = update(jobs).where(jobs.c.id == job_id, jobs.c.state.in_(_sources(move)), *fence)
    if not (await connection.execute(change.values(state=target.value, sequence=sequence, **values))).rowcount:
        return False
    if target not in OPEN:
        await forget_words_of_job(connection, job_id)
    return True


def held(job: Job, worker: str) -> ColumnElement[bool]:
    """The fence: this very lease still holds."""
    return and_(jobs.c.id == job.id, jobs.c.attempt == job.attempt, jobs.c.worker == worker, jobs.c.state == JobState.LEASED.value)


async def made_meanwhile(connection: AsyncConnection, new: NewJob) -> str | None:
    """A clip that answers this Variant: itself, or a later take of the clip, which has superseded it."""
    same = clips.c.variant_key == new.variant.key
    if new.variant.take is not None:
        same = and_(clips.c.spec_key == new.variant.spec.key, clips.c.take >= new.variant.take)
    query = select(clips.c.id).where(same, answering()).order_by(clips.c.sequence.desc()).limit(1)
    return (await connection.execute(query)).scalar_one_or_none()
