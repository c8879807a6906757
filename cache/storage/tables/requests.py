"""The tables of requests, labels and idempotency keys."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Double, ForeignKey, Index, Integer, String, Table, Text, false, text

from cache.storage.tables.base import Id, JsonColumn, Seed, Sha256, allowed_words, metadata

JUDGED = "verdict = 'near' OR similarity IS NOT NULL"

# One client's ask and its claim on a Clip or Job. `prompt` is NULL once erased, or where prompts are not stored.
requests = Table(
    "requests",
    metadata,
    Column("id", Id, primary_key=True),
    Column("tenant", String(64), nullable=False),
    Column("scope", String(80), nullable=False),
    Column("key_id", Id, nullable=True),  # of the API key; NULL in open mode, and for what no client asked
    Column("created_at", Double, nullable=False),
    Column("completed_at", Double, nullable=True),
    Column("expires_at", Double, nullable=True),
    Column("prompt", Text, nullable=True),
    Column("spec_key", Sha256, nullable=False),
    Column("recipe_key", Sha256, ForeignKey("recipes.key"), nullable=False),
    Column("quality", String(16), nullable=False),
    Column("pinned_seed", Seed, nullable=True),
    Column("take", Integer, nullable=True),
    Column("priority", String(16), nullable=False),
    Column("tags", JsonColumn, nullable=False),
    Column("end_user", String(256), nullable=True),
    Column("metadata", JsonColumn, nullable=False, server_default=text("'{}'")),
    Column("no_store", Boolean, nullable=False, server_default=false()),
    Column("verdict", String(8), nullable=False),
    Column("reason", String(80), nullable=True),  # of a bypass
    Column("similarity", Double, nullable=True),
    Column("confidence", Double, nullable=True),
    Column("refused", JsonColumn, nullable=False),
    Column("notes", JsonColumn, nullable=False),
    Column("clip_id", Id, nullable=True),
    Column("job_id", Id, nullable=True),
    Column("gpu_seconds", Double, nullable=False, server_default=text("0")),  # of the render that it caused
    Column("gpu_seconds_saved", Double, nullable=False, server_default=text("0")),
    Column("assist_saved", Double, nullable=False, server_default=text("0")),  # GPU-seconds that a donor spared of its own render
    Column("answer_ms", Double, nullable=True),  # of a hit, written after its commit
    Column("asked_before", Boolean, nullable=False, server_default=false()),  # for a judged one: the same words were judged before
    Column("error_code", String(64), nullable=True),
    Column("error_message", Text, nullable=True),
    Column("cancelled_at", Double, nullable=True),
    Column("deleted_at", Double, nullable=True),
    Column("downloaded_at", Double, nullable=True),
    allowed_words("verdict", "exact", "near", "joined", "miss", "bypass"),
    Index("ix_requests_tenant_created", "tenant", "id"),
    Index(
        "ix_requests_end_user",
        "tenant",
        "end_user",
        "id",
        sqlite_where=text("end_user IS NOT NULL"),
        postgresql_where=text("end_user IS NOT NULL"),
    ),
    Index("ix_requests_job_id", "job_id"),
    # Waiting requests: for a job, or (job_id NULL) for one to be created.
    Index(
        "ix_requests_open",
        "job_id",
        sqlite_where=text("clip_id IS NULL AND error_code IS NULL AND cancelled_at IS NULL AND deleted_at IS NULL"),
        postgresql_where=text("clip_id IS NULL AND error_code IS NULL AND cancelled_at IS NULL AND deleted_at IS NULL"),
    ),
    Index("ix_requests_clip_id", "clip_id"),
    Index("ix_requests_created_at", "created_at"),
    # Answered by nearness: near hits, and requests that joined a job by it.
    Index("ix_requests_judged", "spec_key", sqlite_where=text(JUDGED), postgresql_where=text(JUDGED)),
)

# The webhook of one request: where its end is told. `due_at` is also the end of the lease of who tells it now.
webhooks = Table(
    "webhooks",
    metadata,
    Column("request_id", Id, primary_key=True),
    Column("tenant", String(64), nullable=False),
    Column("url", Text, nullable=False),
    Column("state", String(12), nullable=False),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    Column("due_at", Double, nullable=False),
    Column("status", Integer, nullable=True),  # of the last answer
    Column("trouble", String(200), nullable=True),  # of the last attempt
    Column("created_at", Double, nullable=False),
    Column("ended_at", Double, nullable=True),
    allowed_words("state", "waiting", "delivered", "failed"),
    Index("ix_webhooks_due_at", "due_at", sqlite_where=text("state = 'waiting'"), postgresql_where=text("state = 'waiting'")),
)

# A label on one answer, by a person (or, with weight < 1, by a re-roll soon after a near hit).
labels = Table(
    "labels",
    metadata,
    Column("id", Id, primary_key=True),
    Column("tenant", String(64), nullable=False),
    Column("scope", String(80), nullable=False),
    Column("request_id", Id, nullable=False),
    Column("clip_id", Id, nullable=True),
    Column("spec_key", Sha256, nullable=False),
    Column("recipe_key", Sha256, nullable=False),
    Column("verdict", String(8), nullable=False),
    Column("right", Boolean, nullable=False),
    Column("weight", Double, nullable=False),
    Column("source", String(16), nullable=False),
    Column("similarity", Double, nullable=True),
    Column("confidence", Double, nullable=True),
    Column("created_at", Double, nullable=False),
    allowed_words("source", "client", "reroll", "admin", "audit"),
    Index("ix_labels_pair", "scope", "spec_key", "clip_id"),
)

# Idempotency-Key: the digest of its body, and its request.
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
