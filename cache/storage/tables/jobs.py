"""The tables of jobs and of memory peaks."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Double, ForeignKey, Index, Integer, LargeBinary, String, Table, Text, false, text, true

from cache.storage.tables.base import Id, JsonColumn, Seed, Sha256, allowed_words, metadata

jobs = Table(
    "jobs",
    metadata,
    Column("id", Id, primary_key=True),
    Column("sequence", BigInteger, nullable=False, unique=True),
    Column("place", BigInteger, nullable=False),  # its first sequence: a job that comes back keeps its place in the queue
    Column("tenant", String(64), nullable=False),
    Column("scope", String(80), nullable=False),
    Column("variant_key", Sha256, nullable=False),
    Column("spec_key", Sha256, nullable=False),
    Column("recipe_key", Sha256, ForeignKey("recipes.key"), nullable=False),
    Column("quality", String(16), nullable=False),
    Column("model", String(120), nullable=False),
    Column("revision", String(80), nullable=False),
    Column("prompt", Text, nullable=False),
    Column("seed", Seed, nullable=False),
    Column("take", Integer, nullable=True),
    Column("priority", String(16), nullable=False),
    Column("joinable", Boolean, nullable=False, server_default=true()),
    Column("keep_words", Boolean, nullable=False, server_default=true()),  # false: no-store, or prompts are not stored
    Column("allow_smaller", Boolean, nullable=False, server_default=false()),
    Column("embedder", String(80), nullable=True),
    Column("vector", LargeBinary, nullable=True),
    Column("donor", Id, nullable=True),  # of an assisted render: the clip that it starts from, how deep, and why that one
    Column("donor_sigma", Double, nullable=True),
    Column("assist", String(8), nullable=True),
    Column("reserved", Boolean, nullable=False, server_default=false()),  # its clip answers its own asker alone
    Column("asker", String(80), nullable=True),  # of its first request, as in `clips`
    Column("tags", JsonColumn, nullable=False),
    Column("traceparent", String(64), nullable=True),  # W3C trace context of its first request
    Column("state", String(16), nullable=False),
    Column("attempt", Integer, nullable=False, server_default=text("0")),
    Column("lost", Integer, nullable=False, server_default=text("0")),  # leases that expired because their worker died
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
    allowed_words("state", "queued", "leased", "done", "failed", "cancelled"),
    allowed_words("priority", "interactive", "background"),
    allowed_words("assist", "take", "near"),
    # The single flight: two open jobs for one Variant cannot exist, in any process, before or after a crash.
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
    Index("ix_jobs_spec_key", "spec_key"),
    Index("ix_jobs_tenant_started", "tenant", "started_at"),  # when a tenant was served last: whose turn it is
)

# The peak device memory of past renders: decides what fits before the next one starts.
memory_peaks = Table(
    "memory_peaks",
    metadata,
    Column("device", String(120), primary_key=True),
    Column("revision", String(80), primary_key=True),
    Column("width", Integer, primary_key=True),
    Column("height", Integer, primary_key=True),
    Column("frames", Integer, primary_key=True),
    Column("batch", Integer, primary_key=True),
    Column("tiled", Boolean, primary_key=True),  # decoded in tiles
    Column("bytes", BigInteger, nullable=False),
    Column("seen_at", Double, nullable=False),
)
