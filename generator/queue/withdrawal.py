"""Withdrawal of requests from their jobs: a client withdraws, or the job ends without a clip."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import ColumnElement, and_, case, delete, exists, func, literal, literal_column, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from cache.assist import Assistance
from cache.storage.database.rows import next_sequence
from cache.storage.requests.requests import WAITING
from cache.storage.tables import audits, jobs, now, plan_prompts, requests, webhooks
from generator.job import OPEN, Move
from generator.queue.rows import move_job

CANCELLED = "cancelled"


@dataclass(frozen=True)
class Withdrawn:
    """The outcome. `changed`: the request still waited, or was not deleted yet. `stop`: it was the last, and its job was cancelled."""

    changed: bool
    job_id: str | None = None
    stop: bool = False


async def withdraw(connection: AsyncConnection, request_id: str, *, deleted: bool = False) -> Withdrawn:
    """Withdraws one request, and with the last one its job. `deleted` also hides an answered request."""
    # First the number, as every move does: a finish that runs now is either done before us or begins after us.
    await next_sequence(connection)
    job_id = (await connection.execute(select(requests.c.job_id).where(requests.c.id == request_id))).scalar_one_or_none()
    waited = (
        await connection.execute(
            update(requests)
            .where(requests.c.id == request_id, WAITING)
            .values(error_code=CANCELLED, error_message="cancelled by the client", cancelled_at=now())
        )
    ).rowcount
    changed = bool(waited)
    if deleted:
        gone = update(requests).where(requests.c.id == request_id, requests.c.deleted_at.is_(None)).values(deleted_at=now())
        changed = bool((await connection.execute(gone)).rowcount)
        await connection.execute(delete(webhooks).where(webhooks.c.request_id == request_id))
    if job_id is None or not waited or await wanted(connection, job_id):
        return Withdrawn(changed, job_id)
    return Withdrawn(changed, job_id, await move_job(connection, job_id, Move.CANCEL, error_code=CANCELLED))


async def wanted(connection: AsyncConnection, job_id: str) -> bool:
    """The condition that a request, a plan or an audit waits for the job."""
    query = select(func.count()).select_from(requests).where(requests.c.job_id == job_id, WAITING)
    if (await connection.execute(query)).scalar_one():
        return True
    return bool((await connection.execute(select(_claimed(literal(job_id))))).scalar_one())


def _claimed(job_id: ColumnElement[str]) -> ColumnElement[bool]:
    """The condition that a plan or an audit wants the job."""
    return or_(
        exists().where(plan_prompts.c.job_id == job_id, plan_prompts.c.state == "asked"),
        exists().where(audits.c.job_id == job_id, audits.c.state == "asked"),
    )


async def answer_all(
    connection: AsyncConnection, job_id: str, clip_id: str, gpu_seconds: float, assistance: Assistance | None = None
) -> None:
    """Everyone who still waits for this job holds its clip. Those who joined saved a render; who began it did not, but for what a
    donor spared.
    """
    joined = requests.c.verdict == "joined"
    saved = case((joined, gpu_seconds), else_=0.0)
    spent = case((requests.c.verdict.in_(("miss", "bypass")), gpu_seconds), else_=0.0)
    spared = case((joined, 0.0), else_=0.0 if assistance is None else assistance.saved_ms / 1000)
    done = update(requests).where(requests.c.job_id == job_id, WAITING)
    values = {"gpu_seconds": spent, "gpu_seconds_saved": saved, "assist_saved": spared}
    await connection.execute(done.values(clip_id=clip_id, completed_at=now(), **values))


async def free_near(connection: AsyncConnection, job_id: str) -> list[str]:
    """Detaches requests that joined this job by nearness; the sweep finds them. Returns their ids."""
    near = and_(requests.c.verdict == "joined", requests.c.similarity.is_not(None))
    free = update(requests).where(requests.c.job_id == job_id, WAITING, near).values(job_id=None).returning(requests.c.id)
    return list((await connection.scalars(free)).all())


async def fail_all(connection: AsyncConnection, job_id: str, code: str, message: str) -> list[str]:
    """Fails the requests for exactly this clip. A request that joined by nearness asked for another clip, which has not
    been tried: it is set free (job_id NULL, still open), found by the sweep even after a crash, and becomes its own
    miss. Returns those set free.
    """
    freed = await free_near(connection, job_id)
    failed = update(requests).where(requests.c.job_id == job_id, WAITING)
    await connection.execute(failed.values(error_code=code, error_message=message))
    return freed


def _orphaned(request_id: str) -> ColumnElement[bool]:
    return and_(requests.c.id == request_id, requests.c.job_id.is_(None), WAITING)


async def adopt_orphan(connection: AsyncConnection, request_id: str, job_id: str, *, joined: bool) -> bool:
    """The orphan now waits for a job of its own clip, in the transaction that submitted it; False: it no longer waits.

    From here on it is an exact claim (no similarity), so that a second failure ends it.
    """
    claim = {"verdict": "joined" if joined else "miss", "similarity": None, "confidence": None, "job_id": job_id}
    return bool((await connection.execute(update(requests).where(_orphaned(request_id)).values(**claim))).rowcount)


async def adopt_clip(connection: AsyncConnection, request_id: str, clip_id: str, gpu_seconds: float) -> bool:
    """Does `adopt` with a clip that was made in the meantime."""
    claim = {"verdict": "exact", "similarity": None, "confidence": None, "clip_id": clip_id, "completed_at": now()}
    waited = (now() - requests.c.created_at) * literal_column("1000.0")
    change = update(requests).where(_orphaned(request_id)).values(gpu_seconds_saved=gpu_seconds, answer_ms=waited, **claim)
    return bool((await connection.execute(change)).rowcount)


async def unwanted(connection: AsyncConnection, limit: int) -> list[str]:
    """Open jobs that nobody waits for. There should be none: a job is submitted with its request, and goes with the last one."""
    waited = select(requests.c.id).where(requests.c.job_id == jobs.c.id, WAITING)
    query = (
        select(jobs.c.id).where(jobs.c.state.in_(sorted(OPEN)), ~waited.exists(), ~_claimed(jobs.c.id)).order_by(jobs.c.place).limit(limit)
    )
    return list((await connection.scalars(query)).all())


async def forsaken(connection: AsyncConnection, limit: int) -> list[str]:
    """Requests that wait for a job that is closed or gone. There should be none: a job answers all in its last transaction."""
    coming = select(jobs.c.id).where(jobs.c.id == requests.c.job_id, jobs.c.state.in_(sorted(OPEN)))
    query = select(requests.c.id).where(WAITING, requests.c.job_id.is_not(None), ~coming.exists()).order_by(requests.c.id).limit(limit)
    return list((await connection.scalars(query)).all())


async def set_free(connection: AsyncConnection, request_ids: list[str]) -> None:
    """They wait for no job now: a gateway's sweep finds them and makes each a miss of its own."""
    await connection.execute(update(requests).where(requests.c.id.in_(request_ids), WAITING).values(job_id=None))
