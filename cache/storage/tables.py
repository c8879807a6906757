"""The schema of the words on one page; tables_for_operators.py holds the rest. Times are Unix seconds, by the database's clock for leases.

How the tables came to be stands in migrations/; a test holds that both agree.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    false,
    text,
    true,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

Json = JSON().with_variant(JSONB(), "postgresql")
Seed = BigInteger()
Id = String(48)
Sha256 = String(64)


def words(column: str, *allowed: str) -> CheckConstraint:
    return CheckConstraint(f"{column} IN ({', '.join(repr(word) for word in allowed)})", name=column)


class now(FunctionElement[float]):
    """Unix seconds by the database's own clock, so that workers on machines with other clocks agree on leases."""

    type = Double()
    inherit_cache = True


@compiles(now, "postgresql")
def _now_postgresql(*_: Any, **__: Any) -> str:
    return "extract(epoch from clock_timestamp())::double precision"


@compiles(now, "sqlite")
def _now_sqlite(*_: Any, **__: Any) -> str:
    return "((julianday('now') - 2440587.5) * 86400.0)"


# One row per counter. `sequence` numbers every change of clips and jobs: the row lock that its update takes makes
# numbers appear in commit order, so a reader that has seen N can ask for > N and miss nothing.
counters = Table(
    "counters",
    metadata,
    Column("name", String(32), primary_key=True),
    Column("value", BigInteger, nullable=False),
)

# A Recipe's canonical fields by its key; everything else names the key.
recipes = Table(
    "recipes",
    metadata,
    Column("key", Sha256, primary_key=True),
    Column("fields", Json, nullable=False),
)

clips = Table(
    "clips",
    metadata,
    Column("id", Id, primary_key=True),
    Column("sequence", BigInteger, nullable=False, unique=True),
    Column("tenant", String(64), nullable=False),
    Column("scope", String(80), nullable=False),
    Column("variant_key", Sha256, nullable=False),
    Column("film_key", Sha256, nullable=False),
    Column("recipe_key", Sha256, ForeignKey("recipes.key"), nullable=False),
    Column("quality", String(16), nullable=False),
    Column("prompt", Text, nullable=True),
    Column("seed", Seed, nullable=False),
    Column("take", Integer, nullable=True),
    Column("state", String(16), nullable=False),
    Column("created_at", Double, nullable=False),
    Column("expires_at", Double, nullable=True),
    Column("withdrawn_at", Double, nullable=True),
    Column("withdrawn_reason", String(80), nullable=True),
    Column("pinned", Boolean, nullable=False, server_default=false()),
    Column("private", Boolean, nullable=False, server_default=false()),  # made under no-store: answers nobody else
    Column("tags", Json, nullable=False),
    Column("notes", Json, nullable=False),
    Column("gpu_seconds", Double, nullable=False),
    Column("stages_ms", Json, nullable=False),
    Column("steps_ms", Json, nullable=True),  # of each denoise step
    Column("peak_bytes", BigInteger, nullable=True),  # device memory at the most
    Column("length", BigInteger, nullable=False),
    Column("job_id", Id, nullable=True),
    Column("donor", Id, nullable=True),
    Column("hits", BigInteger, nullable=False, server_default=text("0")),
    Column("last_hit_at", Double, nullable=True),
    Column("provenance", String(120), nullable=True),  # who may have written this row: see cache/storage/provenance.py
    words("state", "live", "superseded", "withdrawn"),
    Index(
        "uq_clips_live_variant",
        "variant_key",
        unique=True,
        sqlite_where=text("state = 'live'"),
        postgresql_where=text("state = 'live'"),
    ),
    Index("ix_clips_film_key", "film_key"),
    # What the sweeps look for, small beside the table.
    Index(
        "ix_clips_withdrawn_at",
        "withdrawn_at",
        sqlite_where=text("state = 'withdrawn'"),
        postgresql_where=text("state = 'withdrawn'"),
    ),
    Index(
        "ix_clips_expires_at",
        "expires_at",
        sqlite_where=text("expires_at IS NOT NULL AND state <> 'withdrawn'"),
        postgresql_where=text("expires_at IS NOT NULL AND state <> 'withdrawn'"),
    ),
    Index("ix_clips_partition", "scope", "recipe_key", "sequence"),
)

# kind: video, thumbnail, spritesheet, latent.
clip_objects = Table(
    "clip_objects",
    metadata,
    Column("clip_id", Id, ForeignKey("clips.id", ondelete="CASCADE"), primary_key=True),
    Column("kind", String(16), primary_key=True),
    Column("name", String(200), nullable=False, unique=True),
    Column("sha256", Sha256, nullable=False),
    Column("length", BigInteger, nullable=False),
    Column("content_type", String(64), nullable=False),
    words("kind", "video", "thumbnail", "spritesheet", "latent"),
)

# One vector per clip and embedder: float16, L2-normalised, little endian.
clip_vectors = Table(
    "clip_vectors",
    metadata,
    Column("clip_id", Id, ForeignKey("clips.id", ondelete="CASCADE"), primary_key=True),
    Column("embedder", String(80), primary_key=True),
    Column("vector", LargeBinary, nullable=False),
)

jobs = Table(
    "jobs",
    metadata,
    Column("id", Id, primary_key=True),
    Column("sequence", BigInteger, nullable=False, unique=True),
    Column("place", BigInteger, nullable=False),  # its first sequence: a job that comes back keeps its place in the queue
    Column("tenant", String(64), nullable=False),
    Column("scope", String(80), nullable=False),
    Column("variant_key", Sha256, nullable=False),
    Column("film_key", Sha256, nullable=False),
    Column("recipe_key", Sha256, ForeignKey("recipes.key"), nullable=False),
    Column("quality", String(16), nullable=False),
    Column("model", String(120), nullable=False),
    Column("revision", String(80), nullable=False),
    Column("prompt", Text, nullable=False),
    Column("seed", Seed, nullable=False),
    Column("take", Integer, nullable=True),
    Column("priority", String(16), nullable=False),
    Column("joinable", Boolean, nullable=False, server_default=true()),
    Column("keep_words", Boolean, nullable=False, server_default=true()),  # false: no-store, or prompts are not kept
    Column("allow_smaller", Boolean, nullable=False, server_default=false()),
    Column("embedder", String(80), nullable=True),
    Column("vector", LargeBinary, nullable=True),
    Column("donor", Id, nullable=True),
    Column("tags", Json, nullable=False),
    Column("traceparent", String(64), nullable=True),  # W3C trace context of the request that it began with
    Column("state", String(16), nullable=False),
    Column("attempt", Integer, nullable=False, server_default=text("0")),
    Column("lost", Integer, nullable=False, server_default=text("0")),  # leases that ran out: their worker died
    Column("worker", Id, nullable=True),
    Column("lease_until", Double, nullable=True),
    Column("progress", Integer, nullable=False, server_default=text("0")),
    Column("stage", String(24), nullable=False, server_default=text("'queue'")),
    Column("clip_id", Id, nullable=True),
    Column("error_code", String(64), nullable=True),
    Column("error_message", Text, nullable=True),
    Column("created_at", Double, nullable=False),
    Column("started_at", Double, nullable=True),
    Column("finished_at", Double, nullable=True),
    words("state", "queued", "leased", "done", "failed", "cancelled"),
    words("priority", "interactive", "background"),
    # The single flight: two open jobs for one film cannot exist, in any process, before or after a crash.
    Index(
        "uq_jobs_open_variant",
        "variant_key",
        unique=True,
        sqlite_where=text("state IN ('queued', 'leased')"),
        postgresql_where=text("state IN ('queued', 'leased')"),
    ),
    Index("ix_jobs_state_priority", "state", "priority", "place"),
    Index("ix_jobs_state_finished", "state", "finished_at"),
    Index("ix_jobs_partition", "scope", "recipe_key", "state", "sequence"),
    Index("ix_jobs_film_key", "film_key"),
    Index("ix_jobs_tenant_started", "tenant", "started_at"),  # when a tenant was served last: whose turn it is
)

JUDGED = "verdict = 'near' OR similarity IS NOT NULL"

# One client's ask and its claim on a Clip or Job. `prompt` is NULL once erased, or where texts are not kept.
requests = Table(
    "requests",
    metadata,
    Column("id", Id, primary_key=True),
    Column("tenant", String(64), nullable=False),
    Column("scope", String(80), nullable=False),
    Column("created_at", Double, nullable=False),
    Column("completed_at", Double, nullable=True),
    Column("expires_at", Double, nullable=True),
    Column("prompt", Text, nullable=True),
    Column("film_key", Sha256, nullable=False),
    Column("recipe_key", Sha256, ForeignKey("recipes.key"), nullable=False),
    Column("quality", String(16), nullable=False),
    Column("pinned_seed", Seed, nullable=True),
    Column("take", Integer, nullable=True),
    Column("priority", String(16), nullable=False),
    Column("tags", Json, nullable=False),
    Column("no_store", Boolean, nullable=False, server_default=false()),
    Column("verdict", String(8), nullable=False),
    Column("reason", String(80), nullable=True),  # of a bypass
    Column("similarity", Double, nullable=True),
    Column("confidence", Double, nullable=True),
    Column("refused", Json, nullable=False),
    Column("notes", Json, nullable=False),
    Column("clip_id", Id, nullable=True),
    Column("job_id", Id, nullable=True),
    Column("gpu_seconds_saved", Double, nullable=False, server_default=text("0")),
    Column("answer_ms", Double, nullable=True),
    Column("asked_before", Boolean, nullable=False, server_default=false()),  # of a judged one: the same words were judged before
    Column("error_code", String(64), nullable=True),
    Column("error_message", Text, nullable=True),
    Column("cancelled_at", Double, nullable=True),
    Column("deleted_at", Double, nullable=True),
    Column("downloaded_at", Double, nullable=True),
    words("verdict", "exact", "near", "joined", "miss", "bypass"),
    Index("ix_requests_tenant_created", "tenant", "id"),
    Index("ix_requests_job_id", "job_id"),
    # Who still waits: for a job, or (job_id NULL) for one to be made.
    Index(
        "ix_requests_open",
        "job_id",
        sqlite_where=text("clip_id IS NULL AND error_code IS NULL AND cancelled_at IS NULL AND deleted_at IS NULL"),
        postgresql_where=text("clip_id IS NULL AND error_code IS NULL AND cancelled_at IS NULL AND deleted_at IS NULL"),
    ),
    Index("ix_requests_clip_id", "clip_id"),
    Index("ix_requests_created_at", "created_at"),
    # Answered by nearness: near hits, and those who joined a job by it.
    Index("ix_requests_judged", "film_key", sqlite_where=text(JUDGED), postgresql_where=text(JUDGED)),
)

# What a person (or a re-roll soon after a near hit, weight < 1) said of one answer.
labels = Table(
    "labels",
    metadata,
    Column("id", Id, primary_key=True),
    Column("tenant", String(64), nullable=False),
    Column("scope", String(80), nullable=False),
    Column("request_id", Id, nullable=False),
    Column("clip_id", Id, nullable=True),
    Column("film_key", Sha256, nullable=False),
    Column("recipe_key", Sha256, nullable=False),
    Column("verdict", String(8), nullable=False),
    Column("right", Boolean, nullable=False),
    Column("weight", Double, nullable=False),
    Column("source", String(16), nullable=False),
    Column("similarity", Double, nullable=True),
    Column("confidence", Double, nullable=True),
    Column("created_at", Double, nullable=False),
    words("source", "client", "reroll", "admin", "audit"),
    Index("ix_labels_pair", "scope", "film_key", "clip_id"),
)

# Idempotency-Key: what it asked for (digest of the body) and the request that it became.
idempotency = Table(
    "idempotency",
    metadata,
    Column("tenant", String(64), primary_key=True),
    Column("key", String(256), primary_key=True),
    Column("body", Sha256, nullable=False),
    Column("request_id", Id, nullable=False),
    Column("created_at", Double, nullable=False),
    Index("ix_idempotency_request_id", "request_id"),
)

# `share` all: this tenant's clips may come into the shared pool, and the pool may answer it.
tenants = Table(
    "tenants",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("share", String(8), nullable=False),
    Column("created_at", Double, nullable=False),
    words("share", "tenant", "all"),
)

# A key is known by its SHA-256 alone. `rate` calls in `window` seconds, NULL: as many as come; so for `concurrency`.
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
    words("role", "user", "admin"),
)

# What is known of a clip in view of the shared pool: asked (a candidate, told to nobody), pooled (it answers every tenant
# that shares), withdrawn (for good). `sequence` is its own place in the log of changes, `film_key` the one under Scope
# `shared`.
shared_clips = Table(
    "shared_clips",
    metadata,
    Column("clip_id", Id, ForeignKey("clips.id", ondelete="CASCADE"), primary_key=True),
    Column("sequence", BigInteger, nullable=False, unique=True),
    Column("film_key", Sha256, nullable=False),
    Column("recipe_key", Sha256, nullable=False),
    Column("state", String(16), nullable=False),
    Column("admitted_by", Id, nullable=True),  # an admin's key, or NULL: by demand
    Column("changed_at", Double, nullable=False),
    words("state", "asked", "pooled", "withdrawn"),
    Index("ix_shared_clips_film_key", "film_key"),
    Index("ix_shared_clips_recipe_key", "recipe_key", "state"),
)

# Which tenants asked for what the clip shows.
shared_asks = Table(
    "shared_asks",
    metadata,
    Column("clip_id", Id, ForeignKey("shared_clips.clip_id", ondelete="CASCADE"), primary_key=True),
    Column("tenant", String(64), primary_key=True),
    Column("asked_at", Double, nullable=False),
)

# What workers have loaded, for gateways that have no model's files. The newest announcement is what misses are made with.
models = Table(
    "models",
    metadata,
    Column("name", String(120), primary_key=True),
    Column("revision", String(80), primary_key=True),
    Column("renderer", String(32), primary_key=True),
    Column("row", Json, nullable=False),
    Column("device", String(120), nullable=False),
    Column("announced_at", Double, nullable=False),
    Column("seen_at", Double, nullable=False),
)
