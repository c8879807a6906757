"""The tables of plans."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Double, ForeignKey, Index, Integer, String, Table, Text, false

from cache.storage.tables.base import Id, Sha256, allowed_words, metadata

# A set of prompts to render ahead of time: mined from the requests, or given as a list.
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
    Column("expected_hits", Double, nullable=False),  # for all its prompts, within `horizon` seconds of its start
    Column("horizon", Double, nullable=False),
    Column("realised_hits", BigInteger, nullable=True),  # within that time, once it is over
    Column("error", Text, nullable=True),  # why nothing is submitted at present
    allowed_words("source", "mined", "list"),
    allowed_words("state", "proposed", "running", "done", "cancelled"),
    Index("ix_plans_tenant", "tenant", "id"),
)

plan_prompts = Table(
    "plan_prompts",
    metadata,
    Column("plan_id", Id, ForeignKey("plans.id", ondelete="CASCADE"), primary_key=True),
    Column("rank", Integer, primary_key=True),
    Column("prompt", Text, nullable=True),
    Column("spec_key", Sha256, nullable=False),
    Column("recipe_key", Sha256, ForeignKey("recipes.key"), nullable=False),
    Column("expected_hits", Double, nullable=False),
    Column("gpu_seconds", Double, nullable=False),
    Column("state", String(12), nullable=False),
    Column("job_id", Id, nullable=True),
    Column("joined", Boolean, nullable=False, server_default=false()),  # another request already had that job
    Column("clip_id", Id, nullable=True),
    Column("error", Text, nullable=True),
    allowed_words("state", "waiting", "asked", "made", "hit", "failed"),
    Index("ix_plan_prompts_clip_id", "clip_id"),
    Index("ix_plan_prompts_spec_key", "spec_key"),
    Index("ix_plan_prompts_job_id", "job_id"),
)

# Past prompts that a prompt of a plan would answer, besides its own words.
plan_covers = Table(
    "plan_covers",
    metadata,
    Column("plan_id", Id, ForeignKey("plans.id", ondelete="CASCADE"), primary_key=True),
    Column("rank", Integer, primary_key=True),
    Column("spec_key", Sha256, primary_key=True),
    Column("prompt", Text, nullable=True),
    Column("asks", BigInteger, nullable=False),
    Column("confidence", Double, nullable=False),
    Index("ix_plan_covers_spec_key", "spec_key"),
)
