"""The history of a database: does what a follower of the log has read still stand, or was an older state put in its place?

A restored dump, or a failover to a server that had not all commits, takes back numbers of the log and gives them again to other changes.
Whoever only asks for what came after its last number would never see those.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from sqlalchemy import func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from cache.storage.tables import clips, counters


@dataclass(frozen=True)
class NewestClip:
    """The clip of the newest change, private ones apart. It loses its row only some time after it was withdrawn."""

    id: str
    sequence: int
    withdrawn: bool


@dataclass(frozen=True)
class Standing:
    """The state of the database that a follower saw at its last look. `identity` tells the database, and since a restore its history,
    from any other.
    """

    identity: int
    newest: NewestClip | None


@dataclass(frozen=True)
class WentBack:
    """The database holds an older state than was read from it: all that was read is to be forgotten."""

    read: int
    latest: int
    identity: int  # under which that was read


async def look(connection: AsyncConnection, seen: Standing | None, read: int) -> Standing | WentBack:
    """The present standing, unless it contradicts what was `seen`, or what was `read` of the log."""
    numbers = {row.name: int(row.value) for row in await connection.execute(select(counters).where(counters.c.name.in_(_NUMBERS)))}
    # Rows of private clips go at once.
    newest = clips.c.sequence == select(func.max(clips.c.sequence)).where(clips.c.private.is_(False)).scalar_subquery()
    known = None if seen is None else seen.newest
    query = select(clips.c.id, clips.c.sequence, clips.c.state).where(newest if known is None else or_(newest, clips.c.id == known.id))
    rows = {row.id: NewestClip(row.id, row.sequence, row.state == "withdrawn") for row in await connection.execute(query)}
    other = seen is not None and seen.identity != numbers["identity"]
    if other or numbers["sequence"] < read or (known is not None and _gone(known, rows.get(known.id))):
        return WentBack(read, numbers["sequence"], numbers["identity"] if seen is None else seen.identity)
    return Standing(numbers["identity"], max(rows.values(), key=lambda clip: clip.sequence, default=None))


_NUMBERS = ("identity", "sequence")


def _gone(known: NewestClip, now: NewestClip | None) -> bool:
    return not known.withdrawn if now is None else now.sequence < known.sequence


async def begin_anew(connection: AsyncConnection, known: int) -> None:
    """Gives the database another identity, if it still has the `known` one: so all followers notice, and no snapshot made before the
    restore is read again.
    """
    other = update(counters).where(counters.c.name == "identity", counters.c.value == known)
    await connection.execute(other.values(value=secrets.randbits(62)))
