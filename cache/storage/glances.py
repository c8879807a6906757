"""What the rows know of a film before its prompt is judged: one short visit for two questions that every near look-up asks.

In the driver's own words, made of the tables once: SQLAlchemy takes longer to pass them on than the database to answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import Select, bindparam, literal_column, select
from sqlalchemy.dialects import sqlite
from sqlalchemy.dialects.postgresql import psycopg

from cache.storage.database import Database
from cache.storage.labels import against, words_about
from cache.storage.shelf import answering
from cache.storage.tables import clips
from cache.variant import Film


@dataclass(frozen=True)
class Glance:
    """`exact`: some clip answers the film itself. `refused`: clips that people said do not fit these words."""

    exact: bool
    refused: frozenset[str]


class Glances:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def at(self, film: Film, variant_key: str | None = None) -> Glance:
        """With `variant_key` (a pinned seed) only that variant is exact."""
        whole, pinned, about = _statements(self._database.sqlite)
        exact = whole.given(key=film.key) if variant_key is None else pinned.given(key=variant_key)
        said = about.given(scope=film.scope, film=film.key)
        return await self._database.look(
            lambda driver: Glance(driver.execute(*exact).fetchone() is not None, against(driver.execute(*said).fetchall()))
        )


@dataclass(frozen=True)
class _Statement:
    text: str
    constants: dict[str, Any]

    def given(self, **values: str) -> tuple[str, dict[str, Any]]:
        return self.text, self.constants | values


@cache
def _statements(on_sqlite: bool) -> tuple[_Statement, _Statement, _Statement]:
    """Whether a clip answers a film; whether one answers a variant; what was said of a film."""
    dialect = sqlite.dialect(paramstyle="named") if on_sqlite else psycopg.dialect()  # type: ignore[no-untyped-call]

    def told(query: Select[Any]) -> _Statement:
        compiled = query.compile(dialect=dialect)
        return _Statement(str(compiled), dict(compiled.params))

    one: Select[Any] = select(literal_column("1")).where(answering()).limit(literal_column("1"))
    whole, pinned = (one.where(column == bindparam("key")) for column in (clips.c.film_key, clips.c.variant_key))
    return told(whole), told(pinned), told(words_about(bindparam("scope"), bindparam("film")))
