"""Clips at rest: rows and objects moved together, in the one safe order.

In: objects first (the worker puts them), row last. Out: the row first (`withdraw`), the objects after the grace time
(`collect`), the row's remains at the very end. A crash anywhere leaves at worst an object that nobody names.

Whoever changes a clip's row takes the next sequence number *before* touching the row. That number's row lock is held
until the commit, so these transactions run one after the other and cannot wait for each other in a circle.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import structlog
from sqlalchemy import ColumnElement, and_, delete, insert, literal, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from cache.clip import Clip, ClipState, ObjectKind, StoredObject
from cache.errors import ClipGone, ObjectCorrupt
from cache.recipe import Recipe
from cache.storage.bytes.objects import Objects
from cache.storage.changes import touch_pooled
from cache.storage.database import Database
from cache.storage.provenance import Provenance
from cache.storage.rows import forget_recipe, keep_recipe, next_sequence, read_clips
from cache.storage.tables import clip_objects, clip_vectors, clips, now

log = structlog.get_logger(__name__)

_MOST = 500  # rows of one transaction of a sweep
ERASED = "erased"  # why a clip was withdrawn whose words must go
_BARE = "erased: collected"  # of such a clip only the row is left


@dataclass(frozen=True)
class ClipDraft:
    """A film that is rendered and stored, and has no row yet.

    `keep_seconds` is how long it answers (None: for good), counted by the database's clock from its commit.
    A `private` clip was made under no-store: only requests that already hold it read it. `vectors` are float16,
    L2-normalised, little endian, by embedder version.
    """

    id: str
    tenant: str
    scope: str
    variant_key: str
    film_key: str
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
    donor: str | None = None
    job_id: str | None = None


class Shelf:
    """With `provenance` every clip is signed as it comes in, and one whose signature does not hold is as good as not there."""

    def __init__(self, database: Database, objects: Objects, provenance: Provenance | None = None) -> None:
        self._database, self._objects, self._provenance = database, objects, provenance
        self.withdrawn: Counter[str] = Counter()  # by reason, in this process

    async def add(self, connection: AsyncConnection, draft: ClipDraft) -> ClipState:
        """The clip's rows, in the caller's transaction; its objects are already stored. Returns the state it took.

        Of one film the highest take answers; a take that comes late, after a higher one, is superseded from the start.
        A seed rendered again replaces its older clip. A private clip is stored as superseded, so that no lookup that
        asks for live clips can find it, and it displaces nothing.
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
            "film_key": draft.film_key,
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
            "donor": draft.donor,
            "provenance": None if self._provenance is None else self._provenance.sign(draft, draft.objects),
        }
        await connection.execute(insert(clips).values(**row))
        named = [_object_row(draft.id, stored) for stored in draft.objects]
        if named:
            await connection.execute(insert(clip_objects), named)
        if draft.vectors and not draft.private:
            vectors = [{"clip_id": draft.id, "embedder": embedder, "vector": vector} for embedder, vector in draft.vectors.items()]
            await connection.execute(insert(clip_vectors), vectors)
        return state

    async def _make_room(self, connection: AsyncConnection, draft: ClipDraft) -> ClipState:
        if draft.private:
            return "superseded"
        displaced = clips.c.variant_key == draft.variant_key
        if draft.take is not None:
            higher = and_(clips.c.film_key == draft.film_key, clips.c.take > draft.take, answering())
            if (await connection.execute(select(clips.c.id).where(higher).limit(1))).first() is not None:
                return "superseded"
            displaced = or_(displaced, and_(clips.c.film_key == draft.film_key, clips.c.take.is_not(None)))
        replaced = await connection.scalars(select(clips.c.id).where(displaced, clips.c.state == "live"))
        await _turn(connection, replaced.all(), clips.c.state == "live", state="superseded")
        return "live"

    async def by_id(self, connection: AsyncConnection, clip_id: str) -> Clip | None:
        """In any state, private ones too: for those who hold its id. None once it is collected."""
        found = self.genuine(await read_clips(connection, clips.c.id == clip_id))
        return found[0] if found else None

    async def by_ids(self, connection: AsyncConnection, ids: Iterable[str]) -> list[Clip]:
        """As by_id; ids without a row are left out. The caller asks `Clip.answers` before it serves one."""
        return self.genuine(await read_clips(connection, clips.c.id.in_(list(ids))))

    def genuine(self, found: list[Clip]) -> list[Clip]:
        """Those that one of our renderers wrote, as they were written."""
        return [clip for clip in found if self._is_genuine(clip)]

    def _is_genuine(self, clip: Clip) -> bool:
        if self._provenance is None or self._provenance.holds(clip, clip.objects.values(), clip.provenance):
            return True
        log.error("clip is not served: its provenance does not hold", clip=clip.id)
        return False

    async def find_exact(
        self, connection: AsyncConnection, film_key: str, variant_key: str | None = None, max_age: float | None = None
    ) -> Clip | None:
        """The clip that answers this film. With `variant_key` (a pinned seed) only that variant's will do; without, the
        highest take, and where there is none the newest pinned seed. `max_age` is in seconds.
        """
        asked = clips.c.film_key == film_key if variant_key is None else clips.c.variant_key == variant_key
        if max_age is not None:
            asked = and_(asked, clips.c.created_at >= now() - literal(max_age))
        best = select(clips.c.id).where(asked, answering())
        best = best.order_by(clips.c.take.is_(None), clips.c.take.desc(), clips.c.sequence.desc()).limit(1)
        found = self.genuine(await read_clips(connection, clips.c.id == best.scalar_subquery()))
        return found[0] if found else None

    async def withdraw(self, ids: Iterable[str], reason: str) -> list[str]:
        """Out of service at once, for lookups and for those who hold it; returns those that were in service until now."""
        wanted = list(ids)
        if not wanted:
            return []
        async with self._database.write() as connection:
            return await self.withdraw_in(connection, wanted, reason)

    async def withdraw_in(self, connection: AsyncConnection, ids: Iterable[str], reason: str) -> list[str]:
        """`withdraw` inside the caller's transaction."""
        serving = clips.c.state != "withdrawn"
        turned = await _turn(connection, ids, serving, state="withdrawn", withdrawn_at=now(), withdrawn_reason=reason[:80])
        if reason == ERASED:
            await strip(connection, turned)
        self.withdrawn[reason.partition(":")[0]] += len(turned)
        return turned

    async def withdraw_expired(self) -> list[str]:
        """Clips past their `expires_at` (private ones after ten minutes); called by the sweep, bounded."""
        past = and_(clips.c.expires_at.is_not(None), clips.c.state != "withdrawn", clips.c.expires_at <= now())
        async with self._database.read() as connection:
            ids = (await connection.scalars(select(clips.c.id).where(past).limit(_MOST))).all()
        return await self.withdraw(ids, "expired")

    async def collect(self, grace: float) -> list[str]:
        """Erases clips withdrawn longer than `grace` seconds ago; returns the ids of those whose objects are gone. Those of
        private and erased ones go at once. The bare row of an erased one stays for the grace time, or no index would hear of it.

        Objects go before the row: a crash between the two leaves a row that is out of service anyway, still names what
        is left to delete, and is collected again.
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
            # From here on no undo: invalidation.py brings back only what is called invalidated.
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
                # The cascade takes the rows of objects and vectors along.
                await connection.execute(delete(clips).where(clips.c.id.in_(ids), clips.c.state == "withdrawn", over))
                await connection.execute(update(clips).where(clips.c.id.in_(ids)).values(withdrawn_reason=_BARE))
        return sorted({row.id for row in found if row.withdrawn_reason != _BARE})

    async def read(self, clip: Clip, kind: ObjectKind) -> bytes:
        """All bytes, digest checked. A corrupt or missing object takes the clip out of service, and the fact travels on."""
        stored = _stored(clip, kind)
        try:
            return await self._objects.read(stored)
        except ObjectCorrupt:
            await self.withdraw([clip.id], "corrupt")
            raise

    async def open(self, clip: Clip, kind: ObjectKind, start: int, length: int) -> AsyncIterator[bytes]:
        """As `read`, in pieces: what can be checked is checked before the first byte; what fails later ends the iteration."""
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


def answering() -> ColumnElement[bool]:
    """What a lookup may find; the SQL of `Clip.answers`."""
    alive = or_(clips.c.expires_at.is_(None), clips.c.expires_at > now())
    return and_(clips.c.state == "live", clips.c.private.is_(False), alive)


async def strip(connection: AsyncConnection, ids: Sequence[str]) -> None:
    """Takes the words of clips that are out of service from their rows, and what was derived from them."""
    await connection.execute(delete(clip_vectors).where(clip_vectors.c.clip_id.in_(ids)))
    for clip in await read_clips(connection, clips.c.id.in_(ids)):
        plain = clip.recipe.without_words
        await keep_recipe(connection, plain)
        bare: dict[str, object] = {"prompt": None, "notes": [], "tags": [], "recipe_key": plain.key}
        await connection.execute(update(clips).where(clips.c.id == clip.id).values(**bare))
        if clip.recipe.negative_prompt:
            await forget_recipe(connection, clip.recipe)


async def _turn(connection: AsyncConnection, ids: Iterable[str], expected: ColumnElement[bool], **values: Any) -> list[str]:
    """Changes those of `ids` that are still `expected`, each under a sequence number of its own; returns them."""
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
    try:
        return clip.objects[kind]
    except KeyError:
        raise ClipGone(f"this clip has no {kind}") from None


def _object_row(clip_id: str, stored: StoredObject) -> dict[str, object]:
    return {
        "clip_id": clip_id,
        "kind": stored.kind,
        "name": stored.name,
        "sha256": stored.sha256,
        "length": stored.length,
        "content_type": stored.content_type,
    }
