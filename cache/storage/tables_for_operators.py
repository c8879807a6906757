"""The rest of the schema: what the people who run Reprise look at and decide, beside the words in tables.py."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Double, ForeignKey, Index, Integer, LargeBinary, String, Table, Text, false, text

from cache.storage.tables import Id, Sha256, metadata, words

__all__ = ["metadata"]  # whoever wants the whole schema takes it from here

# What pruned requests came to. Totals are these rows plus the requests that are still there; both change in one transaction,
# so nothing is counted twice or lost.
tallies = Table(
    "tallies",
    metadata,
    Column("hour", BigInteger, primary_key=True),  # Unix seconds of its start
    Column("tenant", String(64), primary_key=True),
    Column("verdict", String(8), primary_key=True),
    Column("priority", String(16), primary_key=True),
    Column("recipe_key", Sha256, ForeignKey("recipes.key"), primary_key=True),
    Column("bucket", Integer, primary_key=True),  # of the answer time: see cache/storage/operators/buckets.py
    Column("count", BigInteger, nullable=False),
    Column("failed", BigInteger, nullable=False),
    Column("saved", Double, nullable=False),  # GPU-seconds
    Column("nearness", BigInteger, nullable=False),  # those that a cache of exact words would have had to render
    Column("nearness_saved", Double, nullable=False),
)

# What was evicted, so that the page can say what a bigger cache would have hit. The newest are kept.
ghosts = Table(
    "ghosts",
    metadata,
    Column("clip_id", Id, primary_key=True),
    Column("tenant", String(64), nullable=False),
    Column("scope", String(80), nullable=False),
    Column("film_key", Sha256, nullable=False),
    Column("recipe_key", Sha256, ForeignKey("recipes.key"), nullable=False),
    Column("prompt", Text, nullable=True),
    Column("embedder", String(80), nullable=True),
    Column("vector", LargeBinary, nullable=True),
    Column("length", BigInteger, nullable=False),
    Column("gpu_seconds", Double, nullable=False),
    Column("value", Double, nullable=False),  # when it went: see cache/storage/eviction.py
    Column("evicted_at", Double, nullable=False),
    Column("would_hit", BigInteger, nullable=False, server_default=text("0")),  # misses since that it would have answered
    Index("ix_ghosts_film_key", "film_key"),
    Index("ix_ghosts_evicted_at", "evicted_at"),
)

# A set of prompts to make ahead of time: mined from the requests, or given as a list.
plans = Table(
    "plans",
    metadata,
    Column("id", Id, primary_key=True),
    Column("tenant", String(64), nullable=False),
    Column("source", String(8), nullable=False),
    Column("state", String(12), nullable=False),
    Column("budget", Integer, nullable=False),  # prompts at most
    Column("created_at", Double, nullable=False),
    Column("started_at", Double, nullable=True),
    Column("finished_at", Double, nullable=True),
    Column("expected_hits", Double, nullable=False),  # of all its prompts, in `horizon` seconds after its start
    Column("horizon", Double, nullable=False),
    Column("realised_hits", BigInteger, nullable=True),  # of that time, once it is over
    Column("error", Text, nullable=True),  # why nothing is asked at present
    words("source", "mined", "list"),
    words("state", "proposed", "running", "done", "cancelled"),
    Index("ix_plans_tenant", "tenant", "id"),
)

plan_prompts = Table(
    "plan_prompts",
    metadata,
    Column("plan_id", Id, ForeignKey("plans.id", ondelete="CASCADE"), primary_key=True),
    Column("rank", Integer, primary_key=True),
    Column("prompt", Text, nullable=True),
    Column("film_key", Sha256, nullable=False),
    Column("recipe_key", Sha256, ForeignKey("recipes.key"), nullable=False),
    Column("expected_hits", Double, nullable=False),
    Column("gpu_seconds", Double, nullable=False),
    Column("state", String(12), nullable=False),
    Column("job_id", Id, nullable=True),
    Column("joined", Boolean, nullable=False, server_default=false()),  # someone else had asked for that job before
    Column("clip_id", Id, nullable=True),
    Column("error", Text, nullable=True),
    words("state", "waiting", "asked", "made", "hit", "failed"),
    Index("ix_plan_prompts_clip_id", "clip_id"),
    Index("ix_plan_prompts_film_key", "film_key"),
    Index("ix_plan_prompts_job_id", "job_id"),
)

# What was asked before and a prompt of a plan would answer, beside the same words.
plan_covers = Table(
    "plan_covers",
    metadata,
    Column("plan_id", Id, ForeignKey("plans.id", ondelete="CASCADE"), primary_key=True),
    Column("rank", Integer, primary_key=True),
    Column("film_key", Sha256, primary_key=True),
    Column("prompt", Text, nullable=True),
    Column("asks", BigInteger, nullable=False),
    Column("confidence", Double, nullable=False),
    Index("ix_plan_covers_film_key", "film_key"),
)

# A near hit whose prompt is rendered anew, to be looked at beside what was served.
audits = Table(
    "audits",
    metadata,
    Column("request_id", Id, primary_key=True),  # the near hit
    Column("tenant", String(64), nullable=False),
    Column("served_clip_id", Id, nullable=False),
    Column("job_id", Id, nullable=True),
    Column("clip_id", Id, nullable=True),  # what the prompt itself became
    Column("state", String(12), nullable=False),
    Column("created_at", Double, nullable=False),
    words("state", "waiting", "asked", "made", "failed"),
    Index("ix_audits_state", "state", "created_at"),
)

# Steps by which admin labels moved the judge's table: the newest that was not undone holds.
nudges = Table(
    "nudges",
    metadata,
    Column("version", Integer, primary_key=True),
    Column("calibration", Sha256, nullable=False),  # digest of the table that it moves
    Column("shift", Double, nullable=False),
    Column("right", BigInteger, nullable=False),  # the admin labels that it rests on
    Column("wrong", BigInteger, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("undone_at", Double, nullable=True),
)

# A person at the admin page. The cookie's secret is known by its SHA-256 alone.
sessions = Table(
    "sessions",
    metadata,
    Column("sha256", Sha256, primary_key=True),
    Column("key_id", Id, ForeignKey("keys.id"), nullable=False),
    Column("created_at", Double, nullable=False),
    Column("expires_at", Double, nullable=False),
    Index("ix_sessions_expires_at", "expires_at"),
)

# Who renders, and what each does now.
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

# The most device memory that a render was seen to take: decides, before the next one starts, what fits.
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
