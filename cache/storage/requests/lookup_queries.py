"""The two queries of every look-up, in one round trip: is there an exact clip, and which clips were rejected for these words?

They are the driver's own SQL, compiled from the tables once: SQLAlchemy takes longer to pass them on than the database to answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import Select, bindparam, literal_column, select
from sqlalchemy.dialects import sqlite
from sqlalchemy.dialects.postgresql import psycopg

from cache.storage.clips.answering import answering, answering_exactly
from cache.storage.database.database import Database
from cache.storage.requests.labels import against, words_about
from cache.storage.tables import clips
from cache.variant import Spec


@dataclass(frozen=True)
class LookupRows:
    """The answers. `exact`: a clip answers the Spec exactly. `refused`: clips labelled wrong for these words."""

    exact: bool
    refused: frozenset[str]


class LookupQueries:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def at(self, spec: Spec, variant_key: str | None = None) -> LookupRows:
        """Runs the queries. With `variant_key` (a pinned seed) only that variant is exact. Raises DatabaseAway."""
        whole, pinned, about = _statements(self._database.sqlite)
        exact = whole.given(key=spec.key) if variant_key is None else pinned.given(key=variant_key)
        said = about.given(scope=spec.scope, spec=spec.key)
        return await self._database.look(
            lambda driver: LookupRows(driver.execute(*exact).fetchone() is not None, against(driver.execute(*said).fetchall()))
        )


@dataclass(frozen=True)
class _Statement:
    text: str
    constants: dict[str, Any]

    def given(self, **values: str) -> tuple[str, dict[str, Any]]:
        return self.text, self.constants | values


@cache
def _statements(on_sqlite: bool) -> tuple[_Statement, _Statement, _Statement]:
    """The statements: is there a clip of a Spec; is there one of a Variant; the labels on a Spec."""
    dialect = sqlite.dialect(paramstyle="named") if on_sqlite else psycopg.dialect()  # type: ignore[no-untyped-call]

    def told(query: Select[Any]) -> _Statement:
        compiled = query.compile(dialect=dialect)
        return _Statement(str(compiled), dict(compiled.params))

    one: Select[Any] = select(literal_column("1")).limit(literal_column("1"))
    whole, pinned = (
        one.where(clips.c.spec_key == bindparam("key"), answering_exactly()),
        one.where(clips.c.variant_key == bindparam("key"), answering()),
    )
    return told(whole), told(pinned), told(words_about(bindparam("scope"), bindparam("spec")))
