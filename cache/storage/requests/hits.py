"""Hits at rest: the transaction that every exact and near hit waits for, in the driver's own SQL.

It decides for good: what a look-up remembers may be withdrawn by now, or a person may have said that it does not fit these words.

The statements are compiled from the tables once, at first use; SQLAlchemy would take longer to pass a row on than SQLite to write it.
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
from sqlalchemy import JSON, ColumnElement, bindparam, insert, literal_column, select, update
from sqlalchemy.dialects import postgresql, sqlite

from cache.request import Request
from cache.storage.database.database import Database
from cache.storage.database.group_commit import GroupCommit
from cache.storage.database.rows import request_row
from cache.storage.requests.labels import disliked
from cache.storage.tables import JUDGED, clips, requests

_JSON = tuple(column.name for column in requests.c if isinstance(column.type, JSON))
_EMPTY = {name: "{}" if name == "metadata" else "[]" for name in _JSON}


class Hits:
    """The writer of hits: a hit's row is written, and counted with its clip, if the clip may still answer these words at the commit."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._commits: GroupCommit[Request, bool] = GroupCommit(self._commit)

    async def record(self, request: Request) -> bool:
        """Commits a hit together with others. False, and no row, if the clip may not answer it any more."""
        return await self._commits.add(request)

    async def _commit(self, batch: list[Request]) -> list[bool]:
        return await self._database.transact(lambda driver: (_by_rows if self._database.sqlite else _by_batch)(driver, batch))

    async def close(self) -> None:
        await self._commits.close()


def was_judged(request: Request) -> bool:
    """True if the request was judged: the rule of tables.JUDGED."""
    return request.verdict == "near" or request.similarity is not None


# SQLite: a statement costs microseconds, so there are several simple ones for each hit.


def _by_rows(driver: sqlite3.Connection, batch: list[Request]) -> list[bool]:
    count, refused, before, write, ordered = _sqlite_statements(tuple(request_row(batch[0])))
    fit = [request for request in batch if not _refused(driver, refused, request)]
    named, at = Counter(request.clip_id for request in fit), batch[-1].created_at
    live = {clip_id for clip_id, hits in named.items() if driver.execute(count, {"count": hits, "at": at, "clip": clip_id}).rowcount}
    rows, written, judged_now = [], set[str](), set[str]()
    for request in fit:
        if request.clip_id not in live:
            continue
        written.add(request.id)
        fields = request_row(request) | {"asked_before": False}
        if was_judged(request):
            key = request.spec_key
            fields["asked_before"] = key in judged_now or driver.execute(before, {"key": key}).fetchone() is not None
            judged_now.add(key)
        for name in _JSON:
            fields[name] = json.dumps(fields[name]) if fields[name] else _EMPTY[name]
        rows.append(ordered(fields))
    driver.executemany(write, rows)
    return [request.id in written for request in batch]


def _refused(driver: sqlite3.Connection, statement: str, request: Request) -> bool:
    """True if a person said that the clip does not fit these words; who pins its seed asks for this very clip."""
    if request.pinned_seed is not None:
        return False
    ((refused,),) = driver.execute(statement, {"scope": request.scope, "key": request.spec_key, "clip": request.clip_id})
    return bool(refused)


@cache
def _sqlite_statements(columns: tuple[str, ...]) -> tuple[str, str, str, str, Callable[[dict[str, object]], tuple[object, ...]]]:
    """The statements: count a hit of a clip in service (rowcount: whether it is); find out if a person refused the clip for a Spec;
    find a judged row of a Spec; write a row; and the order of its values.
    """
    count = (
        update(clips)
        .where(clips.c.id == bindparam("clip"), clips.c.state == literal_column("'live'"))
        .values(hits=clips.c.hits + bindparam("count"), last_hit_at=bindparam("at"))
    )
    before = select(requests.c.id).where(requests.c.spec_key == bindparam("key"), literal_column(f"({JUDGED})"))
    write = insert(requests).values({name: bindparam(name) for name in (*columns, "asked_before")}).compile(dialect=sqlite.dialect())
    refused = select(disliked(bindparam("scope"), bindparam("key"), bindparam("clip")))
    dialect = sqlite.dialect(paramstyle="named")
    first = f"{before.compile(dialect=dialect)} LIMIT 1"
    texts = str(count.compile(dialect=dialect)), str(refused.compile(dialect=dialect)), first, str(write)
    return *texts, itemgetter(*(write.positiontup or ()))


# PostgreSQL: every statement is a round trip, so there is one, with the batch as one value.


def _by_batch(driver: psycopg.Connection[tuple[Any, ...]], batch: list[Request]) -> list[bool]:
    rows = [request_row(request) for request in batch]
    values = {"rows": json.dumps(rows), "named": list({request.clip_id for request in batch})}
    written = {request_id for (request_id,) in driver.execute(_postgres_statement(tuple(rows[0])), values, prepare=True)}
    return [request.id in written for request in batch]


@cache
def _postgres_statement(columns: tuple[str, ...]) -> bytes:
    """The statement. It locks clips in the order of ids: two gateways that count the same ones must not deadlock."""
    named = ", ".join(columns)
    asked: list[ColumnElement[str]] = [literal_column(f"asked.{name}") for name in ("scope", "spec_key", "clip_id")]
    refused = disliked(*asked).compile(dialect=postgresql.dialect())  # type: ignore[no-untyped-call]
    return f"""
        WITH wanted AS MATERIALIZED (
            SELECT * FROM json_populate_recordset(NULL::requests, %(rows)s::json) AS asked
            WHERE asked.pinned_seed IS NOT NULL OR NOT ({refused})
        ),
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
                row_number() OVER (PARTITION BY spec_key, ({JUDGED}) ORDER BY id) > 1
                OR EXISTS (SELECT 1 FROM requests AS earlier WHERE earlier.spec_key = wanted.spec_key AND ({JUDGED}))
            )
            FROM wanted WHERE clip_id IN (SELECT id FROM live)
            RETURNING id
        )
        SELECT id FROM written
    """.encode()  # noqa: S608  # made of the names of columns alone
