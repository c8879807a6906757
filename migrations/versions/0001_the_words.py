"""the words"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:

    op.create_table(
        "counters",
        sa.Column("name", sa.String(length=32), nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_counters")),
    )
    op.execute("INSERT INTO counters (name, value) VALUES ('sequence', 0)")
    op.create_table(
        "idempotency",
        sa.Column("tenant", sa.String(length=64), nullable=False),
        sa.Column("key", sa.String(length=256), nullable=False),
        sa.Column("body", sa.String(length=64), nullable=False),
        sa.Column("request_id", sa.String(length=48), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "key", name=op.f("pk_idempotency")),
    )
    op.create_table(
        "labels",
        sa.Column("id", sa.String(length=48), nullable=False),
        sa.Column("tenant", sa.String(length=64), nullable=False),
        sa.Column("scope", sa.String(length=80), nullable=False),
        sa.Column("request_id", sa.String(length=48), nullable=False),
        sa.Column("clip_id", sa.String(length=48), nullable=True),
        sa.Column("film_key", sa.String(length=64), nullable=False),
        sa.Column("recipe_key", sa.String(length=64), nullable=False),
        sa.Column("verdict", sa.String(length=8), nullable=False),
        sa.Column("right", sa.Boolean(), nullable=False),
        sa.Column("weight", sa.Double(), nullable=False),
        sa.Column("source", sa.String(length=16), nullable=False),
        sa.Column("similarity", sa.Double(), nullable=True),
        sa.Column("confidence", sa.Double(), nullable=True),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.CheckConstraint("source IN ('client', 'reroll', 'admin', 'audit')", name=op.f("ck_labels_source")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_labels")),
    )
    with op.batch_alter_table("labels", schema=None) as batch_op:
        batch_op.create_index("ix_labels_pair", ["scope", "film_key", "clip_id"], unique=False)

    op.create_table(
        "recipes",
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("fields", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_recipes")),
    )
    op.create_table(
        "clips",
        sa.Column("id", sa.String(length=48), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("tenant", sa.String(length=64), nullable=False),
        sa.Column("scope", sa.String(length=80), nullable=False),
        sa.Column("variant_key", sa.String(length=64), nullable=False),
        sa.Column("film_key", sa.String(length=64), nullable=False),
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
        sa.Column("tags", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
        sa.Column("notes", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
        sa.Column("gpu_seconds", sa.Double(), nullable=False),
        sa.Column("stages_ms", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
        sa.Column("length", sa.BigInteger(), nullable=False),
        sa.Column("job_id", sa.String(length=48), nullable=True),
        sa.Column("donor", sa.String(length=48), nullable=True),
        sa.Column("hits", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("last_hit_at", sa.Double(), nullable=True),
        sa.CheckConstraint("state IN ('live', 'superseded', 'withdrawn')", name=op.f("ck_clips_state")),
        sa.ForeignKeyConstraint(["recipe_key"], ["recipes.key"], name=op.f("fk_clips_recipe_key_recipes")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_clips")),
        sa.UniqueConstraint("sequence", name=op.f("uq_clips_sequence")),
    )
    with op.batch_alter_table("clips", schema=None) as batch_op:
        batch_op.create_index("ix_clips_film_key", ["film_key"], unique=False)
        batch_op.create_index(
            "ix_clips_expires_at",
            ["expires_at"],
            unique=False,
            sqlite_where=sa.text("expires_at IS NOT NULL AND state <> 'withdrawn'"),
            postgresql_where=sa.text("expires_at IS NOT NULL AND state <> 'withdrawn'"),
        )
        batch_op.create_index(
            "ix_clips_withdrawn_at",
            ["withdrawn_at"],
            unique=False,
            sqlite_where=sa.text("state = 'withdrawn'"),
            postgresql_where=sa.text("state = 'withdrawn'"),
        )
        batch_op.create_index("ix_clips_partition", ["scope", "recipe_key", "sequence"], unique=False)
        batch_op.create_index(
            "uq_clips_live_variant",
            ["variant_key"],
            unique=True,
            sqlite_where=sa.text("state = 'live'"),
            postgresql_where=sa.text("state = 'live'"),
        )

    op.create_table(
        "jobs",
        sa.Column("id", sa.String(length=48), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("place", sa.BigInteger(), nullable=False),
        sa.Column("tenant", sa.String(length=64), nullable=False),
        sa.Column("scope", sa.String(length=80), nullable=False),
        sa.Column("variant_key", sa.String(length=64), nullable=False),
        sa.Column("film_key", sa.String(length=64), nullable=False),
        sa.Column("recipe_key", sa.String(length=64), nullable=False),
        sa.Column("quality", sa.String(length=16), nullable=False),
        sa.Column("model", sa.String(length=120), nullable=False),
        sa.Column("revision", sa.String(length=80), nullable=False),
        sa.Column("prompt", sa.Text(), nullable=False),
        sa.Column("seed", sa.BigInteger(), nullable=False),
        sa.Column("take", sa.Integer(), nullable=True),
        sa.Column("priority", sa.String(length=16), nullable=False),
        sa.Column("joinable", sa.Boolean(), server_default=sa.true(), nullable=False),
        sa.Column("allow_smaller", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("embedder", sa.String(length=80), nullable=True),
        sa.Column("vector", sa.LargeBinary(), nullable=True),
        sa.Column("donor", sa.String(length=48), nullable=True),
        sa.Column("tags", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
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
        sa.CheckConstraint("priority IN ('interactive', 'background')", name=op.f("ck_jobs_priority")),
        sa.CheckConstraint("state IN ('queued', 'leased', 'done', 'failed', 'cancelled')", name=op.f("ck_jobs_state")),
        sa.ForeignKeyConstraint(["recipe_key"], ["recipes.key"], name=op.f("fk_jobs_recipe_key_recipes")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_jobs")),
        sa.UniqueConstraint("sequence", name=op.f("uq_jobs_sequence")),
    )
    with op.batch_alter_table("jobs", schema=None) as batch_op:
        batch_op.create_index("ix_jobs_film_key", ["film_key"], unique=False)
        batch_op.create_index("ix_jobs_partition", ["scope", "recipe_key", "state", "sequence"], unique=False)
        batch_op.create_index("ix_jobs_state_finished", ["state", "finished_at"], unique=False)
        batch_op.create_index("ix_jobs_state_priority", ["state", "priority", "place"], unique=False)
        batch_op.create_index(
            "uq_jobs_open_variant",
            ["variant_key"],
            unique=True,
            sqlite_where=sa.text("state IN ('queued', 'leased')"),
            postgresql_where=sa.text("state IN ('queued', 'leased')"),
        )

    op.create_table(
        "requests",
        sa.Column("id", sa.String(length=48), nullable=False),
        sa.Column("tenant", sa.String(length=64), nullable=False),
        sa.Column("scope", sa.String(length=80), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("completed_at", sa.Double(), nullable=True),
        sa.Column("expires_at", sa.Double(), nullable=True),
        sa.Column("prompt", sa.Text(), nullable=True),
        sa.Column("film_key", sa.String(length=64), nullable=False),
        sa.Column("recipe_key", sa.String(length=64), nullable=False),
        sa.Column("quality", sa.String(length=16), nullable=False),
        sa.Column("pinned_seed", sa.BigInteger(), nullable=True),
        sa.Column("take", sa.Integer(), nullable=True),
        sa.Column("priority", sa.String(length=16), nullable=False),
        sa.Column("tags", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
        sa.Column("no_store", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("verdict", sa.String(length=8), nullable=False),
        sa.Column("reason", sa.String(length=80), nullable=True),
        sa.Column("similarity", sa.Double(), nullable=True),
        sa.Column("confidence", sa.Double(), nullable=True),
        sa.Column("refused", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
        sa.Column("notes", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
        sa.Column("clip_id", sa.String(length=48), nullable=True),
        sa.Column("job_id", sa.String(length=48), nullable=True),
        sa.Column("gpu_seconds_saved", sa.Double(), server_default=sa.text("0"), nullable=False),
        sa.Column("answer_ms", sa.Double(), nullable=True),
        sa.Column("error_code", sa.String(length=64), nullable=True),
        sa.Column("error_message", sa.Text(), nullable=True),
        sa.Column("cancelled_at", sa.Double(), nullable=True),
        sa.Column("deleted_at", sa.Double(), nullable=True),
        sa.Column("downloaded_at", sa.Double(), nullable=True),
        sa.CheckConstraint("verdict IN ('exact', 'near', 'joined', 'miss', 'bypass')", name=op.f("ck_requests_verdict")),
        sa.ForeignKeyConstraint(["recipe_key"], ["recipes.key"], name=op.f("fk_requests_recipe_key_recipes")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_requests")),
    )
    with op.batch_alter_table("requests", schema=None) as batch_op:
        batch_op.create_index("ix_requests_clip_id", ["clip_id"], unique=False)
        batch_op.create_index("ix_requests_created_at", ["created_at"], unique=False)
        batch_op.create_index("ix_requests_job_id", ["job_id"], unique=False)
        batch_op.create_index(
            "ix_requests_open",
            ["job_id"],
            unique=False,
            sqlite_where=sa.text("clip_id IS NULL AND error_code IS NULL AND cancelled_at IS NULL AND deleted_at IS NULL"),
            postgresql_where=sa.text("clip_id IS NULL AND error_code IS NULL AND cancelled_at IS NULL AND deleted_at IS NULL"),
        )
        batch_op.create_index("ix_requests_tenant_created", ["tenant", "id"], unique=False)

    op.create_table(
        "clip_objects",
        sa.Column("clip_id", sa.String(length=48), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("length", sa.BigInteger(), nullable=False),
        sa.Column("content_type", sa.String(length=64), nullable=False),
        sa.CheckConstraint("kind IN ('video', 'thumbnail', 'spritesheet', 'latent')", name=op.f("ck_clip_objects_kind")),
        sa.ForeignKeyConstraint(["clip_id"], ["clips.id"], name=op.f("fk_clip_objects_clip_id_clips"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("clip_id", "kind", name=op.f("pk_clip_objects")),
        sa.UniqueConstraint("name", name=op.f("uq_clip_objects_name")),
    )
    op.create_table(
        "clip_vectors",
        sa.Column("clip_id", sa.String(length=48), nullable=False),
        sa.Column("embedder", sa.String(length=80), nullable=False),
        sa.Column("vector", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["clip_id"], ["clips.id"], name=op.f("fk_clip_vectors_clip_id_clips"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("clip_id", "embedder", name=op.f("pk_clip_vectors")),
    )


def downgrade() -> None:

    op.drop_table("clip_vectors")
    op.drop_table("clip_objects")
    with op.batch_alter_table("requests", schema=None) as batch_op:
        batch_op.drop_index("ix_requests_tenant_created")
        batch_op.drop_index("ix_requests_open")
        batch_op.drop_index("ix_requests_job_id")
        batch_op.drop_index("ix_requests_created_at")
        batch_op.drop_index("ix_requests_clip_id")

    op.drop_table("requests")
    with op.batch_alter_table("jobs", schema=None) as batch_op:
        batch_op.drop_index(
            "uq_jobs_open_variant",
            sqlite_where=sa.text("state IN ('queued', 'leased')"),
            postgresql_where=sa.text("state IN ('queued', 'leased')"),
        )
        batch_op.drop_index("ix_jobs_state_priority")
        batch_op.drop_index("ix_jobs_state_finished")
        batch_op.drop_index("ix_jobs_partition")
        batch_op.drop_index("ix_jobs_film_key")

    op.drop_table("jobs")
    with op.batch_alter_table("clips", schema=None) as batch_op:
        batch_op.drop_index("uq_clips_live_variant", sqlite_where=sa.text("state = 'live'"), postgresql_where=sa.text("state = 'live'"))
        batch_op.drop_index("ix_clips_partition")
        batch_op.drop_index("ix_clips_withdrawn_at")
        batch_op.drop_index("ix_clips_expires_at")
        batch_op.drop_index("ix_clips_film_key")

    op.drop_table("clips")
    op.drop_table("recipes")
    with op.batch_alter_table("labels", schema=None) as batch_op:
        batch_op.drop_index("ix_labels_pair")

    op.drop_table("labels")
    op.drop_table("idempotency")
    op.drop_table("counters")
