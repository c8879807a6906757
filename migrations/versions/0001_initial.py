"""the whole schema, as version 0.1 begins with it"""

from __future__ import annotations

import secrets
from importlib.resources import files

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")

# Sent by triggers, so that no way to change a row can forget it. A job's progress is not sent: it changes several times a second.
_NOTIFICATIONS = """
CREATE FUNCTION reprise_notify_clip() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('reprise', 'clip ' || NEW.id || ' ' || NEW.state);
    RETURN NULL;
END $$;
CREATE FUNCTION reprise_notify_job() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('reprise', 'job ' || NEW.id || ' ' || NEW.state);
    RETURN NULL;
END $$;
CREATE FUNCTION reprise_notify_model() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('reprise', 'model ' || NEW.revision || ' announced');
    RETURN NULL;
END $$;
CREATE TRIGGER reprise_clip_made AFTER INSERT ON clips
    FOR EACH ROW EXECUTE FUNCTION reprise_notify_clip();
CREATE TRIGGER reprise_clip_changed AFTER UPDATE ON clips
    FOR EACH ROW WHEN (OLD.sequence IS DISTINCT FROM NEW.sequence) EXECUTE FUNCTION reprise_notify_clip();
CREATE TRIGGER reprise_job_moved AFTER UPDATE ON jobs
    FOR EACH ROW WHEN (OLD.state IS DISTINCT FROM NEW.state) EXECUTE FUNCTION reprise_notify_job();
CREATE TRIGGER reprise_model_made AFTER INSERT ON models
    FOR EACH ROW EXECUTE FUNCTION reprise_notify_model();
CREATE TRIGGER reprise_model_changed AFTER UPDATE ON models
    FOR EACH ROW WHEN (OLD.announced_at IS DISTINCT FROM NEW.announced_at) EXECUTE FUNCTION reprise_notify_model();
"""


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
        "counters",
        sa.Column("name", sa.String(length=32), nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_counters"),
    )
    op.create_table(
        "idempotency",
        sa.Column("tenant", sa.String(length=64), nullable=False),
        sa.Column("key", sa.String(length=256), nullable=False),
        sa.Column("body", sa.String(length=64), nullable=False),
        sa.Column("request_id", sa.String(length=48), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "key", name="pk_idempotency"),
    )
    op.create_index("ix_idempotency_request_id", "idempotency", ["request_id"], unique=False)
    op.create_table(
        "webhooks",
        sa.Column("request_id", sa.String(length=48), nullable=False),
        sa.Column("tenant", sa.String(length=64), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("due_at", sa.Double(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("trouble", sa.String(length=200), nullable=True),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("ended_at", sa.Double(), nullable=True),
        sa.CheckConstraint("state IN ('waiting', 'delivered', 'failed')", name="ck_webhooks_state"),
        sa.PrimaryKeyConstraint("request_id", name="pk_webhooks"),
    )
    op.create_index(
        "ix_webhooks_due_at",
        "webhooks",
        ["due_at"],
        unique=False,
        sqlite_where=sa.text("state = 'waiting'"),
        postgresql_where=sa.text("state = 'waiting'"),
    )
    op.create_table(
        "labels",
        sa.Column("id", sa.String(length=48), nullable=False),
        sa.Column("tenant", sa.String(length=64), nullable=False),
        sa.Column("scope", sa.String(length=80), nullable=False),
        sa.Column("request_id", sa.String(length=48), nullable=False),
        sa.Column("clip_id", sa.String(length=48), nullable=True),
        sa.Column("spec_key", sa.String(length=64), nullable=False),
        sa.Column("recipe_key", sa.String(length=64), nullable=False),
        sa.Column("verdict", sa.String(length=8), nullable=False),
        sa.Column("right", sa.Boolean(), nullable=False),
        sa.Column("weight", sa.Double(), nullable=False),
        sa.Column("source", sa.String(length=16), nullable=False),
        sa.Column("similarity", sa.Double(), nullable=True),
        sa.Column("confidence", sa.Double(), nullable=True),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.CheckConstraint("source IN ('client', 'reroll', 'admin', 'audit')", name="ck_labels_source"),
        sa.PrimaryKeyConstraint("id", name="pk_labels"),
    )
    op.create_index("ix_labels_pair", "labels", ["scope", "spec_key", "clip_id"], unique=False)
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
        "models",
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("revision", sa.String(length=80), nullable=False),
        sa.Column("renderer", sa.String(length=32), nullable=False),
        sa.Column("row", JSON, nullable=False),
        sa.Column("device", sa.String(length=120), nullable=False),
        sa.Column("first_at", sa.Double(), nullable=False),
        sa.Column("announced_at", sa.Double(), nullable=False),
        sa.Column("seen_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("name", "revision", "renderer", name="pk_models"),
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
        "recalibrations",
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("calibration", sa.String(length=64), nullable=False),
        sa.Column("shift", sa.Double(), nullable=False),
        sa.Column("right", sa.BigInteger(), nullable=False),
        sa.Column("wrong", sa.BigInteger(), nullable=False),
        sa.Column("prior_shift", sa.Double(), nullable=False),
        sa.Column("scores", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("undone_at", sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint("version", name="pk_recalibrations"),
    )
    op.create_table(
        "recipes",
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("fields", JSON, nullable=False),
        sa.Column("picture", sa.String(length=64), nullable=True),
        sa.PrimaryKeyConstraint("key", name="pk_recipes"),
    )
    op.create_index(
        "ix_recipes_picture",
        "recipes",
        ["picture"],
        unique=False,
        sqlite_where=sa.text("picture IS NOT NULL"),
        postgresql_where=sa.text("picture IS NOT NULL"),
    )
    op.create_table(
        "pictures",
        sa.Column("id", sa.String(length=48), nullable=False),
        sa.Column("scope", sa.String(length=80), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("length", sa.BigInteger(), nullable=False),
        sa.Column("kept_at", sa.Double(), nullable=False),
        sa.Column("gone", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_pictures"),
        sa.UniqueConstraint("name", name="uq_pictures_name"),
    )
    op.create_index(
        "uq_pictures_kept",
        "pictures",
        ["scope", "digest"],
        unique=True,
        sqlite_where=sa.text("NOT gone"),
        postgresql_where=sa.text("NOT gone"),
    )
    op.create_table(
        "tenants",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("share", sa.String(length=8), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.CheckConstraint("share IN ('tenant', 'all')", name="ck_tenants_share"),
        sa.PrimaryKeyConstraint("name", name="pk_tenants"),
    )
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
        "clips",
        sa.Column("id", sa.String(length=48), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("tenant", sa.String(length=64), nullable=False),
        sa.Column("scope", sa.String(length=80), nullable=False),
        sa.Column("variant_key", sa.String(length=64), nullable=False),
        sa.Column("spec_key", sa.String(length=64), nullable=False),
        sa.Column("recipe_key", sa.String(length=64), nullable=False),
        sa.Column("quality", sa.String(length=16), nullable=False),
        sa.Column("prompt", sa.Text(), nullable=True),
        sa.Column("seed", sa.BigInteger(), nullable=False),
        sa.Column("take", sa.Integer(), nullable=True),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("expires_at", sa.Double(), nullable=True),
        sa.Column("withdrawn_at", sa.Double(), nullable=True),
        sa.Column("withdrawn_reason", sa.String(length=80), nullable=True),
        sa.Column("pinned", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("private", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("tags", JSON, nullable=False),
        sa.Column("notes", JSON, nullable=False),
        sa.Column("gpu_seconds", sa.Double(), nullable=False),
        sa.Column("stages_ms", JSON, nullable=False),
        sa.Column("steps_ms", JSON, nullable=True),
        sa.Column("peak_bytes", sa.BigInteger(), nullable=True),
        sa.Column("length", sa.BigInteger(), nullable=False),
        sa.Column("job_id", sa.String(length=48), nullable=True),
        sa.Column("asker", sa.String(length=80), nullable=True),
        sa.Column("donor", sa.String(length=48), nullable=True),
        sa.Column("donor_sigma", sa.Double(), nullable=True),
        sa.Column("assist", sa.String(length=8), nullable=True),
        sa.Column("steps_skipped", sa.Integer(), nullable=True),
        sa.Column("saved_ms", sa.Double(), nullable=True),
        sa.Column("reserved", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("hits", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("last_hit_at", sa.Double(), nullable=True),
        sa.Column("provenance", sa.String(length=120), nullable=True),
        sa.CheckConstraint("state IN ('live', 'superseded', 'withdrawn')", name="ck_clips_state"),
        sa.CheckConstraint("assist IN ('take', 'near')", name="ck_clips_assist"),
        sa.ForeignKeyConstraint(["recipe_key"], ["recipes.key"], name="fk_clips_recipe_key_recipes"),
        sa.PrimaryKeyConstraint("id", name="pk_clips"),
        sa.UniqueConstraint("sequence", name="uq_clips_sequence"),
    )
    op.create_index(
        "ix_clips_expires_at",
        "clips",
        ["expires_at"],
        unique=False,
        sqlite_where=sa.text("expires_at IS NOT NULL AND state <> 'withdrawn'"),
        postgresql_where=sa.text("expires_at IS NOT NULL AND state <> 'withdrawn'"),
    )
    op.create_index("ix_clips_partition", "clips", ["scope", "recipe_key", "sequence"], unique=False)
    op.create_index("ix_clips_spec_key", "clips", ["spec_key"], unique=False)
    op.create_index(
        "ix_clips_withdrawn_at",
        "clips",
        ["withdrawn_at"],
        unique=False,
        sqlite_where=sa.text("state = 'withdrawn'"),
        postgresql_where=sa.text("state = 'withdrawn'"),
    )
    op.create_index(
        "uq_clips_live_variant",
        "clips",
        ["variant_key"],
        unique=True,
        sqlite_where=sa.text("state = 'live'"),
        postgresql_where=sa.text("state = 'live'"),
    )
    op.create_table(
        "ghosts",
        sa.Column("clip_id", sa.String(length=48), nullable=False),
        sa.Column("tenant", sa.String(length=64), nullable=False),
        sa.Column("scope", sa.String(length=80), nullable=False),
        sa.Column("spec_key", sa.String(length=64), nullable=False),
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
    op.create_index("ix_ghosts_spec_key", "ghosts", ["spec_key"], unique=False)
    op.create_table(
        "jobs",
        sa.Column("id", sa.String(length=48), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("place", sa.BigInteger(), nullable=False),
        sa.Column("tenant", sa.String(length=64), nullable=False),
        sa.Column("scope", sa.String(length=80), nullable=False),
        sa.Column("variant_key", sa.String(length=64), nullable=False),
        sa.Column("spec_key", sa.String(length=64), nullable=False),
        sa.Column("recipe_key", sa.String(length=64), nullable=False),
        sa.Column("quality", sa.String(length=16), nullable=False),
        sa.Column("model", sa.String(length=120), nullable=False),
        sa.Column("revision", sa.String(length=80), nullable=False),
        sa.Column("prompt", sa.Text(), nullable=False),
        sa.Column("seed", sa.BigInteger(), nullable=False),
        sa.Column("take", sa.Integer(), nullable=True),
        sa.Column("priority", sa.String(length=16), nullable=False),
        sa.Column("joinable", sa.Boolean(), server_default=sa.true(), nullable=False),
        sa.Column("keep_words", sa.Boolean(), server_default=sa.true(), nullable=False),
        sa.Column("allow_smaller", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("embedder", sa.String(length=80), nullable=True),
        sa.Column("vector", sa.LargeBinary(), nullable=True),
        sa.Column("donor", sa.String(length=48), nullable=True),
        sa.Column("donor_sigma", sa.Double(), nullable=True),
        sa.Column("assist", sa.String(length=8), nullable=True),
        sa.Column("reserved", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("asker", sa.String(length=80), nullable=True),
        sa.Column("tags", JSON, nullable=False),
        sa.Column("traceparent", sa.String(length=64), nullable=True),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("attempt", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("lost", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("worker", sa.String(length=48), nullable=True),
        sa.Column("lease_until", sa.Double(), nullable=True),
        sa.Column("progress", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("stage", sa.String(length=24), server_default=sa.text("'queue'"), nullable=False),
        sa.Column("clip_id", sa.String(length=48), nullable=True),
        sa.Column("error_code", sa.String(length=64), nullable=True),
        sa.Column("error_message", sa.Text(), nullable=True),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("started_at", sa.Double(), nullable=True),
        sa.Column("finished_at", sa.Double(), nullable=True),
        sa.CheckConstraint("priority IN ('interactive', 'background')", name="ck_jobs_priority"),
        sa.CheckConstraint("state IN ('queued', 'leased', 'done', 'failed', 'cancelled')", name="ck_jobs_state"),
        sa.CheckConstraint("assist IN ('take', 'near')", name="ck_jobs_assist"),
        sa.ForeignKeyConstraint(["recipe_key"], ["recipes.key"], name="fk_jobs_recipe_key_recipes"),
        sa.PrimaryKeyConstraint("id", name="pk_jobs"),
        sa.UniqueConstraint("sequence", name="uq_jobs_sequence"),
    )
    op.create_index("ix_jobs_partition", "jobs", ["scope", "recipe_key", "state", "sequence"], unique=False)
    op.create_index("ix_jobs_spec_key", "jobs", ["spec_key"], unique=False)
    op.create_index("ix_jobs_state_finished", "jobs", ["state", "finished_at"], unique=False)
    op.create_index("ix_jobs_state_priority", "jobs", ["state", "priority", "place"], unique=False)
    op.create_index("ix_jobs_tenant_started", "jobs", ["tenant", "started_at"], unique=False)
    op.create_index(
        "uq_jobs_open_variant",
        "jobs",
        ["variant_key"],
        unique=True,
        sqlite_where=sa.text("state IN ('queued', 'leased')"),
        postgresql_where=sa.text("state IN ('queued', 'leased')"),
    )
    op.create_table(
        "keys",
        sa.Column("id", sa.String(length=48), nullable=False),
        sa.Column("tenant", sa.String(length=64), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("role", sa.String(length=8), nullable=False),
        sa.Column("rate", sa.Integer(), nullable=True),
        sa.Column("rate_window", sa.Integer(), nullable=True),
        sa.Column("concurrency", sa.Integer(), nullable=True),
        sa.Column("label", sa.String(length=80), server_default=sa.text("''"), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("revoked_at", sa.Double(), nullable=True),
        sa.Column("last_used_at", sa.Double(), nullable=True),
        sa.CheckConstraint("role IN ('user', 'admin')", name="ck_keys_role"),
        sa.ForeignKeyConstraint(["tenant"], ["tenants.name"], name="fk_keys_tenant_tenants"),
        sa.PrimaryKeyConstraint("id", name="pk_keys"),
        sa.UniqueConstraint("sha256", name="uq_keys_sha256"),
    )
    op.create_table(
        "call_counts",
        sa.Column("key_id", sa.String(length=48), nullable=False),
        sa.Column("part", sa.BigInteger(), nullable=False),
        sa.Column("taken", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["key_id"], ["keys.id"], name="fk_call_counts_key_id_keys"),
        sa.PrimaryKeyConstraint("key_id", name="pk_call_counts"),
    )
    op.create_table(
        "plan_covers",
        sa.Column("plan_id", sa.String(length=48), nullable=False),
        sa.Column("rank", sa.Integer(), nullable=False),
        sa.Column("spec_key", sa.String(length=64), nullable=False),
        sa.Column("prompt", sa.Text(), nullable=True),
        sa.Column("asks", sa.BigInteger(), nullable=False),
        sa.Column("confidence", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(["plan_id"], ["plans.id"], name="fk_plan_covers_plan_id_plans", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("plan_id", "rank", "spec_key", name="pk_plan_covers"),
    )
    op.create_index("ix_plan_covers_spec_key", "plan_covers", ["spec_key"], unique=False)
    op.create_table(
        "plan_prompts",
        sa.Column("plan_id", sa.String(length=48), nullable=False),
        sa.Column("rank", sa.Integer(), nullable=False),
        sa.Column("prompt", sa.Text(), nullable=True),
        sa.Column("spec_key", sa.String(length=64), nullable=False),
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
    op.create_index("ix_plan_prompts_job_id", "plan_prompts", ["job_id"], unique=False)
    op.create_index("ix_plan_prompts_spec_key", "plan_prompts", ["spec_key"], unique=False)
    op.create_table(
        "requests",
        sa.Column("id", sa.String(length=48), nullable=False),
        sa.Column("tenant", sa.String(length=64), nullable=False),
        sa.Column("scope", sa.String(length=80), nullable=False),
        sa.Column("key_id", sa.String(length=48), nullable=True),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("completed_at", sa.Double(), nullable=True),
        sa.Column("expires_at", sa.Double(), nullable=True),
        sa.Column("prompt", sa.Text(), nullable=True),
        sa.Column("spec_key", sa.String(length=64), nullable=False),
        sa.Column("recipe_key", sa.String(length=64), nullable=False),
        sa.Column("quality", sa.String(length=16), nullable=False),
        sa.Column("pinned_seed", sa.BigInteger(), nullable=True),
        sa.Column("take", sa.Integer(), nullable=True),
        sa.Column("priority", sa.String(length=16), nullable=False),
        sa.Column("tags", JSON, nullable=False),
        sa.Column("end_user", sa.String(length=256), nullable=True),
        sa.Column("metadata", JSON, server_default=sa.text("'{}'"), nullable=False),
        sa.Column("no_store", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("verdict", sa.String(length=8), nullable=False),
        sa.Column("reason", sa.String(length=80), nullable=True),
        sa.Column("similarity", sa.Double(), nullable=True),
        sa.Column("confidence", sa.Double(), nullable=True),
        sa.Column("refused", JSON, nullable=False),
        sa.Column("notes", JSON, nullable=False),
        sa.Column("clip_id", sa.String(length=48), nullable=True),
        sa.Column("job_id", sa.String(length=48), nullable=True),
        sa.Column("gpu_seconds", sa.Double(), server_default=sa.text("0"), nullable=False),
        sa.Column("gpu_seconds_saved", sa.Double(), server_default=sa.text("0"), nullable=False),
        sa.Column("assist_saved", sa.Double(), server_default=sa.text("0"), nullable=False),
        sa.Column("answer_ms", sa.Double(), nullable=True),
        sa.Column("asked_before", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("error_code", sa.String(length=64), nullable=True),
        sa.Column("error_message", sa.Text(), nullable=True),
        sa.Column("cancelled_at", sa.Double(), nullable=True),
        sa.Column("deleted_at", sa.Double(), nullable=True),
        sa.Column("downloaded_at", sa.Double(), nullable=True),
        sa.CheckConstraint("verdict IN ('exact', 'near', 'joined', 'miss', 'bypass')", name="ck_requests_verdict"),
        sa.ForeignKeyConstraint(["recipe_key"], ["recipes.key"], name="fk_requests_recipe_key_recipes"),
        sa.PrimaryKeyConstraint("id", name="pk_requests"),
    )
    op.create_index("ix_requests_clip_id", "requests", ["clip_id"], unique=False)
    op.create_index("ix_requests_created_at", "requests", ["created_at"], unique=False)
    op.create_index(
        "ix_requests_end_user",
        "requests",
        ["tenant", "end_user", "id"],
        unique=False,
        sqlite_where=sa.text("end_user IS NOT NULL"),
        postgresql_where=sa.text("end_user IS NOT NULL"),
    )
    op.create_index("ix_requests_job_id", "requests", ["job_id"], unique=False)
    op.create_index(
        "ix_requests_judged",
        "requests",
        ["spec_key"],
        unique=False,
        sqlite_where=sa.text("verdict = 'near' OR similarity IS NOT NULL"),
        postgresql_where=sa.text("verdict = 'near' OR similarity IS NOT NULL"),
    )
    op.create_index(
        "ix_requests_open",
        "requests",
        ["job_id"],
        unique=False,
        sqlite_where=sa.text("clip_id IS NULL AND error_code IS NULL AND cancelled_at IS NULL AND deleted_at IS NULL"),
        postgresql_where=sa.text("clip_id IS NULL AND error_code IS NULL AND cancelled_at IS NULL AND deleted_at IS NULL"),
    )
    op.create_index("ix_requests_tenant_created", "requests", ["tenant", "id"], unique=False)
    op.create_table(
        "tallies",
        sa.Column("hour", sa.BigInteger(), nullable=False),
        sa.Column("tenant", sa.String(length=64), nullable=False),
        sa.Column("key_id", sa.String(length=48), nullable=False),
        sa.Column("verdict", sa.String(length=8), nullable=False),
        sa.Column("priority", sa.String(length=16), nullable=False),
        sa.Column("recipe_key", sa.String(length=64), nullable=False),
        sa.Column("bucket", sa.Integer(), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column("failed", sa.BigInteger(), nullable=False),
        sa.Column("made", sa.Double(), nullable=False),
        sa.Column("saved", sa.Double(), nullable=False),
        sa.Column("nearness", sa.BigInteger(), nullable=False),
        sa.Column("nearness_saved", sa.Double(), nullable=False),
        sa.Column("assisted", sa.BigInteger(), nullable=False),
        sa.Column("assist_saved", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(["recipe_key"], ["recipes.key"], name="fk_tallies_recipe_key_recipes"),
        sa.PrimaryKeyConstraint("hour", "tenant", "key_id", "verdict", "priority", "recipe_key", "bucket", name="pk_tallies"),
    )
    op.create_table(
        "clip_objects",
        sa.Column("clip_id", sa.String(length=48), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("length", sa.BigInteger(), nullable=False),
        sa.Column("content_type", sa.String(length=64), nullable=False),
        sa.CheckConstraint("kind IN ('video', 'thumbnail', 'spritesheet', 'latent')", name="ck_clip_objects_kind"),
        sa.ForeignKeyConstraint(["clip_id"], ["clips.id"], name="fk_clip_objects_clip_id_clips", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("clip_id", "kind", name="pk_clip_objects"),
        sa.UniqueConstraint("name", name="uq_clip_objects_name"),
    )
    op.create_table(
        "clip_vectors",
        sa.Column("clip_id", sa.String(length=48), nullable=False),
        sa.Column("embedder", sa.String(length=80), nullable=False),
        sa.Column("vector", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["clip_id"], ["clips.id"], name="fk_clip_vectors_clip_id_clips", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("clip_id", "embedder", name="pk_clip_vectors"),
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
    op.create_table(
        "shared_clips",
        sa.Column("clip_id", sa.String(length=48), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("spec_key", sa.String(length=64), nullable=False),
        sa.Column("recipe_key", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("admitted_by", sa.String(length=48), nullable=True),
        sa.Column("changed_at", sa.Double(), nullable=False),
        sa.CheckConstraint("state IN ('asked', 'pooled', 'withdrawn')", name="ck_shared_clips_state"),
        sa.ForeignKeyConstraint(["clip_id"], ["clips.id"], name="fk_shared_clips_clip_id_clips", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("clip_id", name="pk_shared_clips"),
        sa.UniqueConstraint("sequence", name="uq_shared_clips_sequence"),
    )
    op.create_index("ix_shared_clips_recipe_key", "shared_clips", ["recipe_key", "state"], unique=False)
    op.create_index("ix_shared_clips_spec_key", "shared_clips", ["spec_key"], unique=False)
    op.create_table(
        "shared_asks",
        sa.Column("clip_id", sa.String(length=48), nullable=False),
        sa.Column("tenant", sa.String(length=64), nullable=False),
        sa.Column("asked_at", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(["clip_id"], ["shared_clips.clip_id"], name="fk_shared_asks_clip_id_shared_clips", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("clip_id", "tenant", name="pk_shared_asks"),
    )

    op.execute("INSERT INTO counters (name, value) VALUES ('sequence', 0)")
    # What tells this database from any other, for files that are made from its rows.
    op.get_bind().execute(sa.text("INSERT INTO counters (name, value) VALUES ('identity', :value)"), {"value": secrets.randbits(62)})
    if op.get_bind().dialect.name == "postgresql":
        # Version 3.10 of the schema; its numbered files bring it further in a revision of their own.
        _run(files("procrastinate.sql").joinpath("schema.sql").read_text())
        _run(_NOTIFICATIONS)


def _run(script: str) -> None:
    """Past SQLAlchemy, which always sends parameters: with them PostgreSQL takes one statement at a time."""
    cursor = op.get_bind().connection.cursor()
    cursor.execute(script)
    cursor.close()
