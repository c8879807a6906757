"""what operators look at and decide: tallies, evicted clips, plans, audits, nudges, sessions, workers"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

JSON = sa.JSON().with_variant(JSONB(), "postgresql")


def upgrade() -> None:
    op.create_table(
        "audits",
        sa.Column("request_id", sa.String(length=48), nullable=False),
        sa.Column("tenant", sa.String(length=64), nullable=False),
        sa.Column("served_clip_id", sa.String(length=48), nullable=False),
        sa.Column("job_id", sa.String(length=48), nullable=True),
        sa.Column("clip_id", sa.String(length=48), nullable=True),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.CheckConstraint("state IN ('waiting', 'asked', 'made', 'failed')", name="ck_audits_state"),
        sa.PrimaryKeyConstraint("request_id", name="pk_audits"),
    )
    op.create_index("ix_audits_state", "audits", ["state", "created_at"], unique=False)
    op.create_table(
        "memory_peaks",
        sa.Column("device", sa.String(length=120), nullable=False),
        sa.Column("revision", sa.String(length=80), nullable=False),
        sa.Column("width", sa.Integer(), nullable=False),
        sa.Column("height", sa.Integer(), nullable=False),
        sa.Column("frames", sa.Integer(), nullable=False),
        sa.Column("batch", sa.Integer(), nullable=False),
        sa.Column("tiled", sa.Boolean(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("seen_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("device", "revision", "width", "height", "frames", "batch", "tiled", name="pk_memory_peaks"),
    )
    op.create_table(
        "nudges",
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("calibration", sa.String(length=64), nullable=False),
        sa.Column("shift", sa.Double(), nullable=False),
        sa.Column("right", sa.BigInteger(), nullable=False),
        sa.Column("wrong", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("undone_at", sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint("version", name="pk_nudges"),
    )
    op.create_table(
        "plans",
        sa.Column("id", sa.String(length=48), nullable=False),
        sa.Column("tenant", sa.String(length=64), nullable=False),
        sa.Column("source", sa.String(length=8), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("budget", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("started_at", sa.Double(), nullable=True),
        sa.Column("finished_at", sa.Double(), nullable=True),
        sa.Column("expected_hits", sa.Double(), nullable=False),
        sa.Column("horizon", sa.Double(), nullable=False),
        sa.Column("realised_hits", sa.BigInteger(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.CheckConstraint("source IN ('mined', 'list')", name="ck_plans_source"),
        sa.CheckConstraint("state IN ('proposed', 'running', 'done', 'cancelled')", name="ck_plans_state"),
        sa.PrimaryKeyConstraint("id", name="pk_plans"),
    )
    op.create_index("ix_plans_tenant", "plans", ["tenant", "id"], unique=False)
    op.create_table(
        "workers",
        sa.Column("id", sa.String(length=48), nullable=False),
        sa.Column("model", sa.String(length=120), nullable=False),
        sa.Column("revision", sa.String(length=80), nullable=False),
        sa.Column("device", sa.String(length=120), nullable=False),
        sa.Column("memory", sa.BigInteger(), nullable=True),
        sa.Column("started_at", sa.Double(), nullable=False),
        sa.Column("seen_at", sa.Double(), nullable=False),
        sa.Column("stopped", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_workers"),
    )
    op.create_table(
        "ghosts",
        sa.Column("clip_id", sa.String(length=48), nullable=False),
        sa.Column("tenant", sa.String(length=64), nullable=False),
        sa.Column("scope", sa.String(length=80), nullable=False),
        sa.Column("film_key", sa.String(length=64), nullable=False),
        sa.Column("recipe_key", sa.String(length=64), nullable=False),
        sa.Column("prompt", sa.Text(), nullable=True),
        sa.Column("embedder", sa.String(length=80), nullable=True),
        sa.Column("vector", sa.LargeBinary(), nullable=True),
        sa.Column("length", sa.BigInteger(), nullable=False),
        sa.Column("gpu_seconds", sa.Double(), nullable=False),
        sa.Column("value", sa.Double(), nullable=False),
        sa.Column("evicted_at", sa.Double(), nullable=False),
        sa.Column("would_hit", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.ForeignKeyConstraint(["recipe_key"], ["recipes.key"], name="fk_ghosts_recipe_key_recipes"),
        sa.PrimaryKeyConstraint("clip_id", name="pk_ghosts"),
    )
    op.create_index("ix_ghosts_evicted_at", "ghosts", ["evicted_at"], unique=False)
    op.create_index("ix_ghosts_film_key", "ghosts", ["film_key"], unique=False)
    op.create_table(
        "plan_prompts",
        sa.Column("plan_id", sa.String(length=48), nullable=False),
        sa.Column("rank", sa.Integer(), nullable=False),
        sa.Column("prompt", sa.Text(), nullable=True),
        sa.Column("film_key", sa.String(length=64), nullable=False),
        sa.Column("recipe_key", sa.String(length=64), nullable=False),
        sa.Column("expected_hits", sa.Double(), nullable=False),
        sa.Column("gpu_seconds", sa.Double(), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("job_id", sa.String(length=48), nullable=True),
        sa.Column("joined", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("clip_id", sa.String(length=48), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.CheckConstraint("state IN ('waiting', 'asked', 'made', 'hit', 'failed')", name="ck_plan_prompts_state"),
        sa.ForeignKeyConstraint(["plan_id"], ["plans.id"], name="fk_plan_prompts_plan_id_plans", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["recipe_key"], ["recipes.key"], name="fk_plan_prompts_recipe_key_recipes"),
        sa.PrimaryKeyConstraint("plan_id", "rank", name="pk_plan_prompts"),
    )
    op.create_index("ix_plan_prompts_clip_id", "plan_prompts", ["clip_id"], unique=False)
    op.create_index("ix_plan_prompts_film_key", "plan_prompts", ["film_key"], unique=False)
    op.create_index("ix_plan_prompts_job_id", "plan_prompts", ["job_id"], unique=False)
    op.create_table(
        "plan_covers",
        sa.Column("plan_id", sa.String(length=48), nullable=False),
        sa.Column("rank", sa.Integer(), nullable=False),
        sa.Column("film_key", sa.String(length=64), nullable=False),
        sa.Column("prompt", sa.Text(), nullable=True),
        sa.Column("asks", sa.BigInteger(), nullable=False),
        sa.Column("confidence", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(["plan_id"], ["plans.id"], name="fk_plan_covers_plan_id_plans", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("plan_id", "rank", "film_key", name="pk_plan_covers"),
    )
    op.create_index("ix_plan_covers_film_key", "plan_covers", ["film_key"], unique=False)
    op.create_table(
        "tallies",
        sa.Column("hour", sa.BigInteger(), nullable=False),
        sa.Column("tenant", sa.String(length=64), nullable=False),
        sa.Column("verdict", sa.String(length=8), nullable=False),
        sa.Column("priority", sa.String(length=16), nullable=False),
        sa.Column("recipe_key", sa.String(length=64), nullable=False),
        sa.Column("bucket", sa.Integer(), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column("failed", sa.BigInteger(), nullable=False),
        sa.Column("saved", sa.Double(), nullable=False),
        sa.Column("nearness", sa.BigInteger(), nullable=False),
        sa.Column("nearness_saved", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(["recipe_key"], ["recipes.key"], name="fk_tallies_recipe_key_recipes"),
        sa.PrimaryKeyConstraint("hour", "tenant", "verdict", "priority", "recipe_key", "bucket", name="pk_tallies"),
    )
    op.create_table(
        "sessions",
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("key_id", sa.String(length=48), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("expires_at", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(["key_id"], ["keys.id"], name="fk_sessions_key_id_keys"),
        sa.PrimaryKeyConstraint("sha256", name="pk_sessions"),
    )
    op.create_index("ix_sessions_expires_at", "sessions", ["expires_at"], unique=False)
    op.add_column("requests", sa.Column("asked_before", sa.Boolean(), server_default=sa.false(), nullable=False))
    judged = sa.text("verdict = 'near' OR similarity IS NOT NULL")
    op.create_index("ix_requests_judged", "requests", ["film_key"], unique=False, sqlite_where=judged, postgresql_where=judged)
    op.create_index("ix_idempotency_request_id", "idempotency", ["request_id"], unique=False)
    op.add_column("clips", sa.Column("steps_ms", JSON, nullable=True))
    op.add_column("clips", sa.Column("peak_bytes", sa.BigInteger(), nullable=True))
    op.add_column("jobs", sa.Column("traceparent", sa.String(length=64), nullable=True))


def downgrade() -> None:
    op.drop_index("ix_idempotency_request_id", table_name="idempotency")
    op.drop_index("ix_requests_judged", table_name="requests")
    op.drop_column("requests", "asked_before")
    op.drop_column("jobs", "traceparent")
    op.drop_column("clips", "peak_bytes")
    op.drop_column("clips", "steps_ms")
    op.drop_index("ix_sessions_expires_at", table_name="sessions")
    op.drop_table("sessions")
    op.drop_table("tallies")
    op.drop_index("ix_plan_covers_film_key", table_name="plan_covers")
    op.drop_table("plan_covers")
    op.drop_index("ix_plan_prompts_job_id", table_name="plan_prompts")
    op.drop_index("ix_plan_prompts_film_key", table_name="plan_prompts")
    op.drop_index("ix_plan_prompts_clip_id", table_name="plan_prompts")
    op.drop_table("plan_prompts")
    op.drop_index("ix_ghosts_film_key", table_name="ghosts")
    op.drop_index("ix_ghosts_evicted_at", table_name="ghosts")
    op.drop_table("ghosts")
    op.drop_table("workers")
    op.drop_index("ix_plans_tenant", table_name="plans")
    op.drop_table("plans")
    op.drop_table("nudges")
    op.drop_table("memory_peaks")
    op.drop_index("ix_audits_state", table_name="audits")
    op.drop_table("audits")
