"""The tables of tenants, keys and sessions; of workers and the models that they announce."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Double, ForeignKey, Index, Integer, String, Table, false, text

from cache.storage.tables.base import Id, JsonColumn, Sha256, allowed_words, metadata

# `share` all: this tenant's clips may enter the shared pool, and the pool may answer it.
tenants = Table(
    "tenants",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("share", String(8), nullable=False),
    Column("created_at", Double, nullable=False),
    allowed_words("share", "tenant", "all"),
)

# Only the SHA-256 of a key is stored. `rate` calls per `window` seconds, NULL: unlimited; likewise `concurrency`.
keys = Table(
    "keys",
    metadata,
    Column("id", Id, primary_key=True),
    Column("tenant", String(64), ForeignKey("tenants.name"), nullable=False),
    Column("sha256", Sha256, nullable=False, unique=True),
    Column("role", String(8), nullable=False),
    Column("rate", Integer, nullable=True),
    Column("rate_window", Integer, nullable=True),
    Column("concurrency", Integer, nullable=True),
    Column("label", String(80), nullable=False, server_default=text("''")),
    Column("created_at", Double, nullable=False),
    Column("revoked_at", Double, nullable=True),
    Column("last_used_at", Double, nullable=True),
    allowed_words("role", "user", "admin"),
)

# Calls that a key's gateways took of its rate in one window: the `part`th of that length since 1970.
call_counts = Table(
    "call_counts",
    metadata,
    Column("key_id", Id, ForeignKey("keys.id"), primary_key=True),
    Column("part", BigInteger, nullable=False),
    Column("taken", BigInteger, nullable=False),
)

# A session of the admin pages. Only the SHA-256 of the cookie's secret is stored.
sessions = Table(
    "sessions",
    metadata,
    Column("sha256", Sha256, primary_key=True),
    Column("key_id", Id, ForeignKey("keys.id"), nullable=False),
    Column("created_at", Double, nullable=False),
    Column("expires_at", Double, nullable=False),
    Index("ix_sessions_expires_at", "expires_at"),
)

# Workers, and what each does now.
workers = Table(
    "workers",
    metadata,
    Column("id", Id, primary_key=True),
    Column("model", String(120), nullable=False),
    Column("revision", String(80), nullable=False),
    Column("device", String(120), nullable=False),
    Column("memory", BigInteger, nullable=True),  # bytes of the device
    Column("started_at", Double, nullable=False),
    Column("seen_at", Double, nullable=False),
    Column("stopped", Boolean, nullable=False, server_default=false()),
)

# Models that workers have loaded, for gateways without model files. Misses are rendered with the newest announcement of a name.
# `first_at`: when this revision was announced for the first time.
models = Table(
    "models",
    metadata,
    Column("name", String(120), primary_key=True),
    Column("revision", String(80), primary_key=True),
    Column("renderer", String(32), primary_key=True),
    Column("row", JsonColumn, nullable=False),
    Column("device", String(120), nullable=False),
    Column("first_at", Double, nullable=False),
    Column("announced_at", Double, nullable=False),
    Column("seen_at", Double, nullable=False),
)
