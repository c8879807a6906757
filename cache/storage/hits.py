"""Hits at rest: the transaction that every exact and near hit waits for, in the driver's own words.

The statements are made of the tables once, at the first use; SQLAlchemy would take longer to pass a row on than SQLite to write it.
"""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Callable
from functools import cache
from operator import itemgetter
from typing import Any

import psycopg
from sqlalchemy import JSON, bindparam, insert, literal_column, select, update
from sqlalchemy.dialects import sqlite

from cache.request import Request
from cache.storage.database import Database
from cache.storage.group_commit import GroupCommit
from cache.storage.rows import request_row
from cache.storage.tables import JUDGED, clips, requests

_LISTS = tuple(column.name for column in requests.c if isinstance(column.type, JSON))


class Hits:
    """A hit's row is written if its clip still answers at the commit, and counted with that clip."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._commits: GroupCommit[Request, bool] = GroupCommit(self._commit)

    async def record(self, request: Request) -> bool:
        """Together with others. False, and no row: the clip went out of service meanwhile."""
        return await self._commits.add(request)

    async def _commit(self, batch: list[Request]) -> list[bool]:
        return await self._database.transact(lambda driver: (_by_rows if self._database.sqlite else _by_batch)(driver, batch))

    async def close(self) -> None:
        await self._commits.close()


def judged(request: Request) -> bool:
    """As tables.JUDGED says it of a row."""
    return request.verdict == "near" or request.similarity is not None


# SQLite: a statement costs microseconds, so there are several, and none that has to be planned for a whole batch.


def _by_rows(driver: sqlite3.Connection, batch: list[Request]) -> list[bool]:
    count, before, write, ordered = _sqlite_statements(tuple(request_row(batch[0])))
    named, at = Counter(request.clip_id for request in batch), batch[-1].created_at
    live = {clip_id for clip_id, hits in named.items() if driver.execute(count, {"count": hits, "at": at, "clip": clip_id}).rowcount}
    rows, judged_now = [], set[str]()
    for request in batch:
        if request.clip_id not in live:
            continue
        fields = request_row(request) | {"asked_before": False}
        if judged(request):
            key = request.film_key
            fields["asked_before"] = key in judged_now or driver.execute(before, {"key": key}).fetchone() is not None
            judged_now.add(key)
        for name in _LISTS:
            fields[name] = json.dumps(fields[name]) if fields[name] else "[]"
        rows.append(ordered(fields))
    driver.executemany(write, rows)
    return [request.clip_id in live for request in batch]


@cache
def _sqlite_statements(columns: tuple[str, ...]) -> tuple[str, str, str, Callable[[dict[str, object]], tuple[object, ...]]]:
    """Counts the hits of a clip that answers (rowcount: whether it does); finds a judged row of a film; writes a row, and
    the order of its values.
    """
    count = (
        update(clips)
        .where(clips.c.id == bindparam("clip"), clips.c.state == literal_column("'live'"))
        .values(hits=clips.c.hits + bindparam("count"), last_hit_at=bindparam("at"))
    )
    before = select(requests.c.id).where(requests.c.film_key == bindparam("key"), literal_column(f"({JUDGED})"))
    write = insert(requests).values({name: bindparam(name) for name in (*columns, "asked_before")}).compile(dialect=sqlite.dialect())
    dialect = sqlite.dialect(paramstyle="named")
    texts = str(count.compile(dialect=dialect)), f"{before.compile(dialect=dialect)} LIMIT 1", str(write)
    return *texts, itemgetter(*(write.positiontup or ()))


# PostgreSQL: every statement is a way to the server and back, so there is one, and the batch is one value in it.


def _by_batch(driver: psycopg.Connection[tuple[Any, ...]], batch: list[Request]) -> list[bool]:
    rows = [request_row(request) for request in batch]
    values = {"rows": json.dumps(rows), "named": list({request.clip_id for request in batch})}
    live = {clip_id for (clip_id,) in driver.execute(_postgres_statement(tuple(rows[0])), values, prepare=True)}
    return [request.clip_id in live for request in batch]


@cache
def _postgres_statement(columns: tuple[str, ...]) -> bytes:
    """Clips are locked in the order of ids: two gateways that count the same ones must not wait for each other in a circle."""
    named = ", ".join(columns)
    return f"""
        WITH wanted AS MATERIALIZED (SELECT * FROM json_populate_recordset(NULL::requests, %(rows)s::json)),
        live AS MATERIALIZED (
            SELECT id FROM clips WHERE id = ANY(%(named)s::text[]) AND state = 'live' ORDER BY id FOR NO KEY UPDATE
        ),
        asked AS (SELECT clip_id, count(*) AS hits, max(created_at) AS at FROM wanted GROUP BY clip_id),
        counted AS (
            UPDATE clips SET hits = clips.hits + asked.hits, last_hit_at = asked.at
            FROM asked JOIN live ON live.id = asked.clip_id WHERE clips.id = asked.clip_id
        ),
        written AS (
            INSERT INTO requests ({named}, asked_before)
            SELECT {named}, ({JUDGED}) AND (
                row_number() OVER (PARTITION BY film_key, ({JUDGED}) ORDER BY id) > 1
                OR EXISTS (SELECT 1 FROM requests AS earlier WHERE earlier.film_key = wanted.film_key AND ({JUDGED}))
            )
            FROM wanted WHERE clip_id IN (SELECT id FROM live)
        )
        SELECT id FROM live
    """.encode()  # noqa: S608  # made of the names of columns alone
