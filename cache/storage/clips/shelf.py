"""The Shelf: clips at rest, their rows and objects moved together in the one safe order.

In: objects first (the worker puts them), row last. Out: the row first (`withdraw`), the objects after the grace time
(`collect`), the rest of the row at the very end. A crash anywhere leaves at worst an object without a row.

Every change of a clip's row takes the next sequence number *before* touching the row. That number's row lock is held
until the commit, so these transactions run one after another and cannot deadlock.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import structlog
from sqlalchemy import ColumnElement, and_, delete, insert, literal, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from cache.assist import Assistance
from cache.clip import Clip, ClipState, ObjectKind, StoredObject
from cache.errors import ClipGone, ObjectCorrupt
from cache.recipe import Recipe
from cache.storage.bytes.objects import Objects
from cache.storage.clips.answering import answering, answering_exactly
from cache.storage.clips.pictures import Pictures
from cache.storage.clips.provenance import Provenance
from cache.storage.database.changes import touch_pooled
from cache.storage.database.database import Database
from cache.storage.database.rows import assistance_row, forget_recipe, keep_recipe, next_sequence, read_clips
from cache.storage.tables import clip_objects, clip_vectors, clips, now

log = structlog.get_logger(__name__)

_MOST = 500  # rows per transaction of a sweep
ERASED = "erased"  # the reason of a withdrawal whose words must go
_BARE = "erased: collected"  # only the row of such a clip is left


@dataclass(frozen=True)
class ClipDraft:
    """A clip that is rendered and stored but has no row yet.

    `keep_seconds`: how long it is served (None: no limit), counted from its commit by the database's clock.
    A `private` clip was made under no-store: only requests that already hold it read it. `vectors` are float16,
    L2-normalised, little endian, by embedder version.
    """

    id: str
    tenant: str
    scope: str
    variant_key: str
    spec_key: str
    prompt: str | None
    recipe: Recipe
    seed: int
    take: int | None
    gpu_seconds: float
    objects: Sequence[StoredObject]
    stages_ms: Mapping[str, float] = field(default_factory=dict)
    steps_ms: Sequence[float] = ()
    peak_bytes: int | None = None
    notes: Sequence[str] = ()
    tags: Sequence[str] = ()
    vectors: Mapping[str, bytes] = field(default_factory=dict)
    keep_seconds: float | None = None
    private: bool = False
    assistance: Assistance | None = None
    reserved: bool = False
    job_id: str | None = None
    asker: str | None = None


class Shelf:
    """The repository of clips. With `provenance` every new clip is signed, and a clip with a bad signature counts as missing."""

    def __init__(self, database: Database, objects: Objects, provenance: Provenance | None = None) -> None:
        self._database, self._objects, self.provenance = database, objects, provenance
        self.pictures = Pictures(database, objects)  # those that clips begin with
        self.withdrawn: Counter[str] = Counter()  # by reason, in this process

    async def add(self, connection: AsyncConnection, draft: ClipDraft) -> ClipState:
        """Adds the clip's rows in the caller's transaction; its objects are already stored. Returns its state.

        The highest take of a Spec is served; a take that arrives after a higher one is superseded from the start.
        A seed rendered again replaces its older clip. A private clip is stored as superseded, so that no lookup that
        asks for live clips can find it, and it displaces nothing; so is a reserved one.
        """
        sequence = await next_sequence(connection)
        state = await self._make_room(connection, draft)
        await keep_recipe(connection, draft.recipe)
        row = {
            "id": draft.id,
            "sequence": sequence,
            "tenant": draft.tenant,
            "scope": draft.scope,
            "variant_key": draft.variant_key,
            "spec_key": draft.spec_key,
            "recipe_key": draft.recipe.key,
            "quality": draft.recipe.quality,
            "prompt": None if draft.private else draft.prompt,
            "seed": draft.seed,
            "take": draft.take,
            "state": state,
            "created_at": now(),
            "expires_at": None if draft.keep_seconds is None else now() + literal(draft.keep_seconds),
            "private": draft.private,
            "tags": list(draft.tags),
            "notes": list(draft.notes),
            "gpu_seconds": draft.gpu_seconds,
            "stages_ms": dict(draft.stages_ms),
            "steps_ms": [round(ms, 3) for ms in draft.steps_ms],
            "peak_bytes": draft.peak_bytes,
            "length": sum(stored.length for stored in draft.objects),
            "job_id": draft.job_id,
            "asker": draft.asker,
            **assistance_row(draft.assistance, reserved=draft.reserved),
            "provenance": None if self.provenance is None else self.provenance.sign(draft, draft.objects),
        }
        await connection.execute(insert(clips).values(**row))
        if named := [_object_row(draft.id, stored) for stored in draft.objects]:
            await connection.execute(insert(clip_objects), named)
        if draft.vectors and not draft.private:
            vectors = ({"clip_id": draft.id, "embedder": one, "vector": vector} for one, vector in draft.vectors.items())
            await connection.execute(insert(clip_vectors), list(vectors))
        return state

    async def _make_room(self, connection: AsyncConnection, draft: ClipDraft) -> ClipState:
        if draft.private or draft.reserved:
            return "superseded"
        displaced = clips.c.variant_key == draft.variant_key
        if draft.take is not None:
            higher = and_(clips.c.spec_key == draft.spec_key, clips.c.take > draft.take, answering())
            if (await connection.execute(select(clips.c.id).where(higher).limit(1))).first() is not None:
                return "superseded"
            displaced = or_(displaced, and_(clips.c.spec_key == draft.spec_key, clips.c.take.is_not(None)))
        replaced = await connection.scalars(select(clips.c.id).where(displaced, clips.c.state == "live"))
        await _turn(connection, replaced.all(), clips.c.state == "live", state="superseded")
        return "live"

    async def by_id(self, connection: AsyncConnection, clip_id: str) -> Clip | None:
        """The clip in any state, private ones too, for requests that hold its id. None once it is collected."""
        found = self.genuine(await read_clips(connection, clips.c.id == clip_id))
        return found[0] if found else None

    async def by_ids(self, connection: AsyncConnection, ids: Iterable[str]) -> list[Clip]:
        """The clips of `ids`, like by_id; ids without a row are left out. Check `Clip.answers` before serving one."""
        return self.genuine(await read_clips(connection, clips.c.id.in_(list(ids))))

    def genuine(self, found: list[Clip]) -> list[Clip]:
        """The clips whose signature is valid: written by one of our workers, and unchanged."""
        return [clip for clip in found if self._is_genuine(clip)]

    def _is_genuine(self, clip: Clip) -> bool:
        if self.provenance is None or self.provenance.holds(clip, clip.objects.values(), clip.provenance):
            return True
        log.error("clip not served: its signature does not match", clip=clip.id)
        return False

    async def find_exact(
        self, connection: AsyncConnection, spec_key: str, variant_key: str | None = None, max_age: float | None = None
    ) -> Clip | None:
        """The clip that answers this Spec exactly. With `variant_key` (a pinned seed) only that variant's clip; without, the
        highest take, or else the newest pinned seed. `max_age` is in seconds.
        """
        whole, pinned = (clips.c.spec_key == spec_key, answering_exactly()), (clips.c.variant_key == variant_key, answering())
        asked = and_(*(whole if variant_key is None else pinned))
        if max_age is not None:
            asked = and_(asked, clips.c.created_at >= now() - literal(max_age))
        best = select(clips.c.id).where(asked)
        best = best.order_by(clips.c.take.is_(None), clips.c.take.desc(), clips.c.sequence.desc()).limit(1)
        found = self.genuine(await read_clips(connection, clips.c.id == best.scalar_subquery()))
        return found[0] if found else None

    async def withdraw(self, ids: Iterable[str], reason: str) -> list[str]:
        """Takes clips out of service at once, for look-ups and for requests that hold them; returns those that were in service."""
        wanted = list(ids)
        if not wanted:
            return []
        async with self._database.write() as connection:
            return await self.withdraw_in(connection, wanted, reason)

    async def withdraw_in(self, connection: AsyncConnection, ids: Iterable[str], reason: str) -> list[str]:
        """Does `withdraw` in the caller's transaction."""
        serving = clips.c.state != "withdrawn"
        turned = await _turn(connection, ids, serving, state="withdrawn", withdrawn_at=now(), withdrawn_reason=reason[:80])
        if reason == ERASED:
            await strip(connection, turned)
        self.withdrawn[reason.partition(":")[0]] += len(turned)
        return turned

    async def withdraw_expired(self) -> list[str]:
        """Withdraws clips past their `expires_at` (private ones after ten minutes); called by the sweep, bounded."""
        past = and_(clips.c.expires_at.is_not(None), clips.c.state != "withdrawn", clips.c.expires_at <= now())
        async with self._database.read() as connection:
            ids = (await connection.scalars(select(clips.c.id).where(past).limit(_MOST))).all()
        return await self.withdraw(ids, "expired")

    async def collect(self, grace: float) -> list[str]:
        """Deletes clips withdrawn longer than `grace` seconds ago; returns the ids of those whose objects are deleted. Private
        and erased ones are deleted at once. The bare row of an erased one stays for the grace time, so that every index learns of it.

        Objects go before the row: a crash between the two leaves a row that is out of service anyway, still names the objects
        left to delete, and is collected again.
        """
        over = or_(clips.c.private, clips.c.withdrawn_at <= now() - literal(grace))
        due = and_(clips.c.state == "withdrawn", or_(over, clips.c.withdrawn_reason == ERASED))
        first = select(clips.c.id).where(due).order_by(clips.c.withdrawn_at).limit(_MOST)
        async with self._database.read() as connection:
            waiting = list((await connection.scalars(first)).all())
        if not waiting:
            return []
        async with self._database.write() as connection:
            await next_sequence(connection)
            # No undo from here on: invalidation.py restores only clips whose reason is an invalidation.
            by_hand = and_(clips.c.id.in_(waiting), clips.c.state == "withdrawn", clips.c.withdrawn_reason.startswith("invalidated "))
            await connection.execute(update(clips).where(by_hand).values(withdrawn_reason="collected"))
            query = select(clips.c.id, clips.c.withdrawn_reason, clip_objects.c.name).select_from(clips.outerjoin(clip_objects))
            found = (await connection.execute(query.where(clips.c.id.in_(waiting), clips.c.state == "withdrawn"))).all()
        for row in found:
            if row.name is not None:
                await self._objects.delete(row.name)
        ids = sorted({row.id for row in found})
        if ids:
            async with self._database.write() as connection:
                # The cascade deletes the rows of objects and vectors.
                await connection.execute(delete(clips).where(clips.c.id.in_(ids), clips.c.state == "withdrawn", over))
                await connection.execute(update(clips).where(clips.c.id.in_(ids)).values(withdrawn_reason=_BARE))
        return sorted({row.id for row in found if row.withdrawn_reason != _BARE})

    async def read(self, clip: Clip, kind: ObjectKind) -> bytes:
        """All bytes, digest checked. Raises ObjectCorrupt for a corrupt or missing object, after taking the clip out of service."""
        stored = _stored(clip, kind)
        try:
            return await self._objects.read(stored)
        except ObjectCorrupt:
            await self.withdraw([clip.id], "corrupt")
            raise

    async def open(self, clip: Clip, kind: ObjectKind, start: int, length: int) -> AsyncIterator[bytes]:
        """Like `read`, in pieces: all checks run before the first byte; a later failure ends the iteration with an error."""
        stored = _stored(clip, kind)
        try:
            pieces = await self._objects.open(stored, start, length)
        except ObjectCorrupt:
            await self.withdraw([clip.id], "corrupt")
            raise
        return self._watched(clip, pieces)

    async def _watched(self, clip: Clip, pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        try:
            async for piece in pieces:
                yield piece
        except ObjectCorrupt:
            await self.withdraw([clip.id], "corrupt")
            raise


async def strip(connection: AsyncConnection, ids: Sequence[str]) -> None:
    """Removes the words of withdrawn clips, and what was derived from them, from their rows."""
    await connection.execute(delete(clip_vectors).where(clip_vectors.c.clip_id.in_(ids)))
    for clip in await read_clips(connection, clips.c.id.in_(ids)):
        plain = clip.recipe.without_words
        await keep_recipe(connection, plain)
        bare: dict[str, object] = {"prompt": None, "notes": [], "tags": [], "recipe_key": plain.key}
        await connection.execute(update(clips).where(clips.c.id == clip.id).values(**bare))
        if clip.recipe.worded:
            await forget_recipe(connection, clip.recipe)


async def _turn(connection: AsyncConnection, ids: Iterable[str], expected: ColumnElement[bool], **values: Any) -> list[str]:
    """Updates those of `ids` that are still `expected`, each under its own sequence number; returns them."""
    turned = []
    for clip_id in ids:
        sequence = await next_sequence(connection)
        change = update(clips).where(clips.c.id == clip_id, expected).values(sequence=sequence, **values)
        if (await connection.execute(change)).rowcount:
            turned.append(clip_id)
            await touch_pooled(connection, clip_id)
    return turned


def _stored(clip: Clip, kind: ObjectKind) -> StoredObject:
    if clip.state == "withdrawn":
        raise ClipGone("this clip was taken out of service")
    if kind not in clip.objects:
        raise ClipGone(f"this clip has no {kind}")
    return clip.objects[kind]


def _object_row(clip_id: str, stored: StoredObject) -> dict[str, object]:
    return {
        "clip_id": clip_id,
        "kind": stored.kind,
        "name": stored.name,
        "sha256": stored.sha256,
        "length": stored.length,
        "content_type": stored.content_type,
    }
