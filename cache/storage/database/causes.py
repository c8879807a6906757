"""Pure: what an error of a database driver means to us, and its own words for the log, without secrets."""

from __future__ import annotations

import sqlite3

from cache.errors import DatabaseAway, DatabaseReadOnly, DiskFull, Unavailable

_READ_ONLY = "25006"  # SQLSTATE of a standby, or of a primary that a failover has just put aside
_FULL = "53100"
_LONGEST = 300


def cause_of(error: BaseException, secret: str | None) -> str:
    """The driver's first line, which says who was refused and why; `secret` is struck out wherever it stands."""
    own = getattr(error, "orig", None) or error
    lines = [line.strip() for line in str(own).splitlines() if line.strip()]
    text = f"{type(own).__name__}: {lines[0] if lines else 'no words of its own'}"
    return (text.replace(secret, "***") if secret else text)[:_LONGEST]


def fact_of(error: BaseException) -> Unavailable:
    """The fact of ours that it is: full, read-only, or away."""
    own = getattr(error, "orig", None) or error
    state, code = getattr(own, "sqlstate", None), getattr(own, "sqlite_errorcode", None)
    if state == _FULL or code == sqlite3.SQLITE_FULL:
        return DiskFull("the database's disk is full")
    if is_read_only(error):
        return DatabaseReadOnly("the database takes no writes at present")
    return DatabaseAway("the database does not answer")


def is_read_only(error: BaseException) -> bool:
    own = getattr(error, "orig", None) or error
    code = getattr(own, "sqlite_errorcode", None)
    return getattr(own, "sqlstate", None) == _READ_ONLY or (code is not None and code & 0xFF == sqlite3.SQLITE_READONLY)
