"""Donors at rest: the clips that a render may start from.

A donor is of the same Scope and not private, was rendered from noise itself (what differs would add up), and still has its latent.
"""

from __future__ import annotations

from sqlalchemy import ColumnElement, and_, exists, literal, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from cache.storage.requests.labels import against, words_about
from cache.storage.tables import clip_objects, clips, jobs, now
from cache.variant import Spec


def may_donate(scope: str) -> ColumnElement[bool]:
    latent = exists().where(clip_objects.c.clip_id == clips.c.id, clip_objects.c.kind == "latent")
    fresh = or_(clips.c.expires_at.is_(None), clips.c.expires_at > now())
    own = and_(clips.c.scope == scope, clips.c.private.is_(False), clips.c.donor.is_(None))
    return and_(own, fresh, clips.c.state != "withdrawn", latent)


async def near_donor(connection: AsyncConnection, scope: str, clip_id: str) -> str | None:
    """This clip; where it is an assisted take, the clip of the same words that it was started from."""
    took = select(clips.c.donor).where(clips.c.id == clip_id, clips.c.assist == "take").scalar_subquery()
    query = select(clips.c.id).where(or_(clips.c.id == clip_id, clips.c.id == took), may_donate(scope))
    return (await connection.execute(query.limit(1))).scalar_one_or_none()


async def take_donor(connection: AsyncConnection, spec: Spec, max_age: float | None) -> str | None:
    """The newest clip of these very words and settings, whatever its seed, that nobody said is wrong for them."""
    said = words_about(literal(spec.scope), literal(spec.key))
    wrong = against((await connection.execute(said)).all())
    query = select(clips.c.id).where(clips.c.spec_key == spec.key, may_donate(spec.scope), clips.c.id.not_in(sorted(wrong)))
    if max_age is not None:
        query = query.where(clips.c.created_at >= now() - literal(max_age))
    return (await connection.execute(query.order_by(clips.c.created_at.desc()).limit(1))).scalar_one_or_none()


async def was_assisted(connection: AsyncConnection, spec_key: str) -> bool:
    """True if a render of these words started, or is about to start, from a donor: who asks for them again gets one of their own."""
    made = select(clips.c.id).where(clips.c.spec_key == spec_key, clips.c.donor.is_not(None), clips.c.state != "withdrawn")
    coming = select(jobs.c.id).where(jobs.c.spec_key == spec_key, jobs.c.donor.is_not(None), jobs.c.state.in_(("queued", "leased")))
    return (await connection.execute(select(or_(made.exists(), coming.exists())))).scalar_one() is True
