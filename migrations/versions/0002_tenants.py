"""tenants and their keys, the shared pool, provenance"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "tenants",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("share", sa.String(length=8), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.CheckConstraint("share IN ('tenant', 'all')", name=op.f("ck_tenants_share")),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_tenants")),
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
        sa.CheckConstraint("role IN ('user', 'admin')", name=op.f("ck_keys_role")),
        sa.ForeignKeyConstraint(["tenant"], ["tenants.name"], name=op.f("fk_keys_tenant_tenants")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_keys")),
        sa.UniqueConstraint("sha256", name=op.f("uq_keys_sha256")),
    )
    op.create_table(
        "shared_clips",
        sa.Column("clip_id", sa.String(length=48), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("film_key", sa.String(length=64), nullable=False),
        sa.Column("recipe_key", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("admitted_by", sa.String(length=48), nullable=True),
        sa.Column("changed_at", sa.Double(), nullable=False),
        sa.CheckConstraint("state IN ('asked', 'pooled', 'withdrawn')", name=op.f("ck_shared_clips_state")),
        sa.ForeignKeyConstraint(["clip_id"], ["clips.id"], name=op.f("fk_shared_clips_clip_id_clips"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("clip_id", name=op.f("pk_shared_clips")),
        sa.UniqueConstraint("sequence", name=op.f("uq_shared_clips_sequence")),
    )
    op.create_index("ix_shared_clips_film_key", "shared_clips", ["film_key"])
    op.create_index("ix_shared_clips_recipe_key", "shared_clips", ["recipe_key", "state"])
    op.create_table(
        "shared_asks",
        sa.Column("clip_id", sa.String(length=48), nullable=False),
        sa.Column("tenant", sa.String(length=64), nullable=False),
        sa.Column("asked_at", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(
            ["clip_id"], ["shared_clips.clip_id"], name=op.f("fk_shared_asks_clip_id_shared_clips"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("clip_id", "tenant", name=op.f("pk_shared_asks")),
    )
    op.add_column("clips", sa.Column("provenance", sa.String(length=120), nullable=True))
    op.create_index("ix_jobs_tenant_started", "jobs", ["tenant", "started_at"])


def downgrade() -> None:
    op.drop_index("ix_jobs_tenant_started", "jobs")
    # Not in batch mode: rebuilding the table would fire the cascades that hang on its rows.
    op.drop_column("clips", "provenance")
    op.drop_table("shared_asks")
    op.drop_table("shared_clips")
    op.drop_table("keys")
    op.drop_table("tenants")
