"""Call counts of keys at rest, which all gateways share: a key's rate holds however many gateways it calls."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import BigInteger, case, cast, func, literal, select

from cache.storage.database.database import Database
from cache.storage.database.rows import insert_into
from cache.storage.fleet.accounts import Rate
from cache.storage.tables import call_counts, now


@dataclass(frozen=True)
class CallLease:
    """Calls that one gateway may let through without asking again. `beyond`: calls left after these; `seconds`: until the window ends."""

    calls: int
    beyond: int
    seconds: float


class CallCounts:
    """The counts. Windows are those of the database's clock: all gateways see the same one."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def lease(self, key_id: str, rate: Rate, want: int) -> CallLease:
        """Takes up to `want` calls from the key's window, in one statement: two gateways never get the same call."""
        at = select(now().label("at")).cte("clock")
        part = cast(func.floor(at.c.at / float(rate.seconds)), BigInteger)
        row = select(literal(key_id), part, literal(want)).where(at.c.at > 0)  # SQLite takes an ON CONFLICT only after a condition
        async with self._database.write() as connection:
            adding = insert_into(connection, call_counts).from_select(["key_id", "part", "taken"], row)
            new = adding.excluded
            # A statement that waited over the end of a window must not begin the old one again.
            same = call_counts.c.part.between(new.part, new.part + 1)
            values = {
                "part": case((same, call_counts.c.part), else_=new.part),
                "taken": case((same, call_counts.c.taken + new.taken), else_=new.taken),
            }
            change = adding.on_conflict_do_update(index_elements=["key_id"], set_=values)
            returned = change.returning(call_counts.c.taken, call_counts.c.part, now().label("at"))
            found = (await connection.execute(returned)).one()
        before = found.taken - want
        ends = (found.part + 1) * rate.seconds
        return CallLease(max(0, min(want, rate.calls - before)), max(0, rate.calls - found.taken), max(0.0, ends - found.at))
