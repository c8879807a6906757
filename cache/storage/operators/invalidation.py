"""Invalidation: an operator takes clips out of service, one or all that a filter matches; counted first, undone within the grace time.

An invalidation has an id, which the rows of its clips name with their former state: undo restores all of them, each
under a new sequence number, so that every index learns of it as of any other change. A clip that has replaced one in the meantime stays,
and undo says so. Once the sweep has begun to delete a clip's objects, its row says "collected", and it cannot be restored.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import ColumnElement, Row, Update, and_, bindparam, literal, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from cache.errors import Conflict, NotFound
from cache.ids import is_id, new_id
from cache.storage.database.changes import touch_pooled
from cache.storage.database.database import Database
from cache.storage.database.rows import next_sequence, next_sequences
from cache.storage.operators.clip_search import ClipFilter, ClipSearch, Totals
from cache.storage.requests.labels import disliked
from cache.storage.tables import clips, now, shared_clips

INVALIDATED = "invalidated "  # the prefix of such a reason: `invalidated removal_… live`
_AT_ONCE = 500  # clips per transaction
_LISTED = 20  # conflicts listed one by one


@dataclass(frozen=True)
class DryRun:
    """The count of an invalidation. `counted_at` (Unix seconds) is sent back with the real call: later clips stay."""

    totals: Totals
    counted_at: float


@dataclass(frozen=True)
class Invalidated:
    removal: str
    count: int


@dataclass(frozen=True)
class Undone:
    """The outcome of an undo: restored clips, the number refused, and the reasons (the first few, by clip)."""

    back: list[str]
    refused: int = 0
    reasons: dict[str, str] = field(default_factory=dict)


# A person said that a clip does not show its own words.
_WRONG = disliked(clips.c.scope, clips.c.spec_key, clips.c.id)


class Invalidation:
    """The invalidation of clips. `grace`: seconds for which undo is offered; the sweep that deletes objects decides, row by row."""

    def __init__(self, database: Database, search: ClipSearch, grace: float) -> None:
        self._database, self._search, self.grace = database, search, grace

    async def pin(self, clip_id: str, pinned: bool) -> None:
        """Pins or unpins a clip. Raises NotFound, or Conflict if it is out of service."""
        async with self._database.write() as connection:
            sequence = await next_sequence(connection)
            change = update(clips).where(_named(clip_id), clips.c.state != "withdrawn")
            if (await connection.execute(change.values(pinned=pinned, sequence=sequence))).rowcount:
                await touch_pooled(connection, clip_id)
                return
            known = (await connection.execute(select(clips.c.id).where(_named(clip_id)))).first()
        raise _missing(clip_id) if known is None else Conflict("this clip is out of service")

    async def serve(self, clip_id: str) -> None:
        """Makes an earlier take the one that answers its words, until a later one is rendered. Raises NotFound, or Conflict if it is out
        of service, answers already, or was labelled wrong for its own words.
        """
        chosen = select(clips.c.state, clips.c.variant_key, clips.c.spec_key, clips.c.take, _WRONG.label("wrong")).where(_named(clip_id))
        async with self._database.write() as connection:
            await next_sequence(connection)
            row = (await connection.execute(chosen)).one_or_none()
            if row is None:
                raise _missing(clip_id)
            if row.state != "superseded":
                raise Conflict("this clip answers already" if row.state == "live" else "this clip is out of service")
            if row.wrong:
                raise Conflict("a person said that this clip does not show its own words: label it right first")
            displaced = clips.c.variant_key == row.variant_key
            if row.take is not None:
                displaced = or_(displaced, and_(clips.c.spec_key == row.spec_key, clips.c.take.is_not(None)))
            answering = (await connection.scalars(select(clips.c.id).where(displaced, clips.c.state == "live"))).all()
            change = update(clips).values(state=bindparam("why"), sequence=bindparam("number"))
            await _each(connection, change, dict.fromkeys(answering, "superseded"))
            await _each(connection, change.values(reserved=False), {clip_id: "live"})

    async def dry_run(self, wanted: ClipFilter) -> DryRun:
        async with self._database.read() as connection:
            counted_at = float((await connection.execute(select(now()))).scalar_one())
            return DryRun(await self._search.totals_in(connection, wanted), counted_at)

    async def one(self, clip_id: str) -> Invalidated:
        """Invalidates one clip. Raises NotFound, or Conflict if it is already out of service."""
        removal = new_id("removal")
        if await self._withdraw(_named(clip_id), removal):
            return Invalidated(removal, 1)
        found = await self._search.by_id(clip_id)
        raise _missing(clip_id) if found is None else Conflict("this clip is already out of service")

    async def matching(self, wanted: ClipFilter) -> Invalidated:
        """Invalidates all clips of a filter, some hundred per transaction. A crash in between leaves a part, which undo restores, too."""
        removal, condition, total = new_id("removal"), self._search.condition(wanted), 0
        while taken := await self._withdraw(condition, removal):
            total += taken
        return Invalidated(removal, total)

    async def _withdraw(self, condition: ColumnElement[bool], removal: str) -> int:
        serving = and_(condition, clips.c.state != "withdrawn", clips.c.private.is_(False))
        query = select(clips.c.id, clips.c.state).where(serving).order_by(clips.c.id).limit(_AT_ONCE)
        async with self._database.write() as connection:
            # The sequence's lock first: from here to the commit no other clip changes its state, so what is read stays true.
            await next_sequence(connection)
            rows = (await connection.execute(query)).all()
            reasons = {row.id: f"{INVALIDATED}{removal} {row.state}" for row in rows}
            change = update(clips).values(
                state="withdrawn", sequence=bindparam("number"), withdrawn_at=now(), withdrawn_reason=bindparam("why")
            )
            await _each(connection, change, reasons)
        return len(rows)

    # Back again

    async def undo(self, clip_id: str) -> None:
        """Restores one clip. Raises NotFound, or Conflict with the reason if it cannot be restored."""
        undone = await self._restore(_named(clip_id))
        if undone is None:
            found = await self._search.by_id(clip_id)
            if found is None:
                raise _missing(clip_id)
            raise Conflict("this clip is in service" if found.clip.state != "withdrawn" else "this clip was not invalidated by an operator")
        for reason in undone.reasons.values():
            raise Conflict(reason)

    async def undo_all(self, removal: str) -> Undone:
        """Restores the clips of an invalidation. Raises NotFound if there are none left."""
        if not is_id("removal", removal):
            raise NotFound(f"no invalidation has the id {removal[:64]!r}", "removal")
        back: list[str] = []
        refused, reasons, after = 0, dict[str, str](), ""
        by_this = clips.c.withdrawn_reason.startswith(f"{INVALIDATED}{removal}", autoescape=True)
        while undone := await self._restore(and_(by_this, clips.c.id > after)):
            back += undone.back
            refused += undone.refused
            reasons |= dict(list(undone.reasons.items())[: _LISTED - len(reasons)])
            after = max([*undone.back, *undone.reasons])
        if not back and not refused:
            raise NotFound(f"the invalidation {removal} was undone, or its grace time is over", "removal")
        return Undone(back, refused, reasons)

    async def _restore(self, condition: ColumnElement[bool]) -> Undone | None:
        """Restores matching clips in one transaction; None if nothing matches."""
        gone = and_(condition, clips.c.state == "withdrawn", clips.c.withdrawn_reason.startswith(INVALIDATED))
        c = clips.c
        fresh = (c.withdrawn_at > now() - literal(self.grace)).label("fresh")
        expired = and_(c.expires_at.is_not(None), c.expires_at <= now()).label("expired")
        query = select(c.id, c.variant_key, c.spec_key, c.take, c.withdrawn_reason, fresh, expired)
        async with self._database.write() as connection:
            await next_sequence(connection)
            rows = (await connection.execute(query.where(gone).order_by(c.id).limit(_AT_ONCE))).all()
            if not rows:
                return None
            places = await _places(connection, {row.spec_key for row in rows})
            reasons: dict[str, str] = {}
            back: dict[str, str] = {}
            for row in rows:
                refusal = places.refusal(row)
                if refusal is None:
                    back[row.id] = places.take(row)
                else:
                    reasons[row.id] = refusal
            change = update(clips).values(state=bindparam("why"), sequence=bindparam("number"), withdrawn_at=None, withdrawn_reason=None)
            await _each(connection, change, back)
        return Undone(list(back), len(reasons), reasons)


@dataclass
class _Places:
    """The live clips by Variant, and the takes by Spec."""

    variants: dict[str, str]
    takes: dict[str, str]

    def refusal(self, row: Row[Any]) -> str | None:
        """The reason that this clip cannot be restored; None if it can."""
        if not row.fresh:
            return "the grace time is over"
        if row.expired:
            return "this clip has expired since"
        if _before(row) == "superseded":
            return None
        newer = self.variants.get(row.variant_key) or (None if row.take is None else self.takes.get(row.spec_key))
        return None if newer is None else f"{newer} was made since and answers in its place"

    def take(self, row: Row[Any]) -> str:
        """Reserves the clip's place; returns the state that it is restored to."""
        if _before(row) == "live":
            self.variants[row.variant_key] = row.id
            if row.take is not None:
                self.takes[row.spec_key] = row.id
        return _before(row)


def _before(row: Row[Any]) -> str:
    return str(row.withdrawn_reason.rpartition(" ")[2])


async def _places(connection: AsyncConnection, specs: set[str]) -> _Places:
    query = select(clips.c.id, clips.c.variant_key, clips.c.spec_key, clips.c.take)
    rows = (await connection.execute(query.where(clips.c.spec_key.in_(specs), clips.c.state == "live"))).all()
    return _Places({row.variant_key: row.id for row in rows}, {row.spec_key: row.id for row in rows if row.take is not None})


async def _each(connection: AsyncConnection, change: Update, values: dict[str, str]) -> None:
    """Applies `change` to each clip under its own sequence number, and to its entry in the shared pool."""
    if not values:
        return
    numbers = await next_sequences(connection, len(values))
    rows = [{"clip": clip, "why": why, "number": number} for (clip, why), number in zip(values.items(), numbers, strict=True)]
    await connection.execute(change.where(clips.c.id == bindparam("clip")), rows)
    pooled = select(shared_clips.c.clip_id).where(shared_clips.c.clip_id.in_(list(values)), shared_clips.c.state == "pooled")
    for clip in (await connection.scalars(pooled)).all():
        await touch_pooled(connection, clip)


def _named(clip_id: str) -> ColumnElement[bool]:
    """The condition for a clip by id, except private ones."""
    if not is_id("clip", clip_id):
        raise _missing(clip_id)
    return and_(clips.c.id == clip_id, clips.c.private.is_(False))


def _missing(clip_id: str) -> NotFound:
    return NotFound(f"no clip has the id {clip_id[:64]!r}", "clip_id")


def removal_of(reason: str | None) -> str | None:
    """The id of the invalidation in a withdrawal's reason, None if it is another reason."""
    parts = (reason or "").split(" ")
    return parts[1] if len(parts) == 3 and (reason or "").startswith(INVALIDATED) else None


def first_few(clips_back: Sequence[str]) -> list[str]:
    """The first few ids, for an answer that must stay short."""
    return list(clips_back[:_LISTED])
