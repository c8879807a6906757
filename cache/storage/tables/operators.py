"""The tables for operators: totals of pruned requests, audits, recalibrations."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Double, ForeignKey, Index, Integer, String, Table

from cache.storage.tables.base import Id, Sha256, allowed_words, metadata

# Totals of pruned requests. A total is the sum of these rows and the requests still stored; both change in one transaction,
# so nothing is counted twice or lost.
tallies = Table(
    "tallies",
    metadata,
    Column("hour", BigInteger, primary_key=True),  # Unix seconds of its start
    Column("tenant", String(64), primary_key=True),
    Column("key_id", Id, primary_key=True),  # "" for none
    Column("verdict", String(8), primary_key=True),
    Column("priority", String(16), primary_key=True),
    Column("recipe_key", Sha256, ForeignKey("recipes.key"), primary_key=True),
    Column("bucket", Integer, primary_key=True),  # of the answer time: see cache/storage/operators/buckets.py
    Column("count", BigInteger, nullable=False),
    Column("failed", BigInteger, nullable=False),
    Column("made", Double, nullable=False),  # GPU-seconds
    Column("saved", Double, nullable=False),  # the same
    Column("nearness", BigInteger, nullable=False),  # those that a cache of exact matches would have had to render
    Column("nearness_saved", Double, nullable=False),
    Column("assisted", BigInteger, nullable=False),  # whose own render started from a donor
    Column("assist_saved", Double, nullable=False),  # GPU-seconds; in `saved` there is nothing of them
)

# A near hit whose prompt is rendered again, to be compared with the clip served.
audits = Table(
    "audits",
    metadata,
    Column("request_id", Id, primary_key=True),  # the near hit
    Column("tenant", String(64), nullable=False),
    Column("served_clip_id", Id, nullable=False),
    Column("job_id", Id, nullable=True),
    Column("clip_id", Id, nullable=True),  # the clip rendered for the prompt itself
    Column("state", String(12), nullable=False),
    Column("created_at", Double, nullable=False),
    allowed_words("state", "waiting", "asked", "made", "failed"),
    Index("ix_audits_state", "state", "created_at"),
)

# Steps by which admin labels, or the scores of this instance's own traffic, moved the judge's table: in force is the newest not undone.
recalibrations = Table(
    "recalibrations",
    metadata,
    Column("version", Integer, primary_key=True),
    Column("calibration", Sha256, nullable=False),  # digest of the table that it moves
    Column("shift", Double, nullable=False),
    Column("right", BigInteger, nullable=False),  # the admin labels that it rests on
    Column("wrong", BigInteger, nullable=False),
    Column("prior_shift", Double, nullable=False),
    Column("scores", BigInteger, nullable=False),  # judged candidates that it rests on
    Column("created_at", Double, nullable=False),
    Column("undone_at", Double, nullable=True),
)
