"""more than one machine: which models workers have loaded, and on PostgreSQL the tickets and the news of changes"""

from __future__ import annotations

import secrets
from importlib.resources import files

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

# Told by triggers, so that no way to change a row can forget it. A job's progress is no news: it comes several times a second.
_NEWS = """
CREATE FUNCTION reprise_tell_clip() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('reprise', 'clip ' || NEW.id || ' ' || NEW.state);
    RETURN NULL;
END $$;
CREATE FUNCTION reprise_tell_job() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('reprise', 'job ' || NEW.id || ' ' || NEW.state);
    RETURN NULL;
END $$;
CREATE FUNCTION reprise_tell_model() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('reprise', 'model ' || NEW.revision || ' announced');
    RETURN NULL;
END $$;
CREATE TRIGGER reprise_clip_made AFTER INSERT ON clips
    FOR EACH ROW EXECUTE FUNCTION reprise_tell_clip();
CREATE TRIGGER reprise_clip_changed AFTER UPDATE ON clips
    FOR EACH ROW WHEN (OLD.sequence IS DISTINCT FROM NEW.sequence) EXECUTE FUNCTION reprise_tell_clip();
CREATE TRIGGER reprise_job_moved AFTER UPDATE ON jobs
    FOR EACH ROW WHEN (OLD.state IS DISTINCT FROM NEW.state) EXECUTE FUNCTION reprise_tell_job();
CREATE TRIGGER reprise_model_made AFTER INSERT ON models
    FOR EACH ROW EXECUTE FUNCTION reprise_tell_model();
CREATE TRIGGER reprise_model_changed AFTER UPDATE ON models
    FOR EACH ROW WHEN (OLD.announced_at IS DISTINCT FROM NEW.announced_at) EXECUTE FUNCTION reprise_tell_model();
"""

_NO_NEWS = """
DROP TRIGGER reprise_job_moved ON jobs;
DROP TRIGGER reprise_clip_changed ON clips;
DROP TRIGGER reprise_clip_made ON clips;
DROP TRIGGER reprise_model_changed ON models;
DROP TRIGGER reprise_model_made ON models;
DROP FUNCTION reprise_tell_model();
DROP FUNCTION reprise_tell_job();
DROP FUNCTION reprise_tell_clip();
"""

# Procrastinate ships no way back. All that it makes bears its name.
_NO_TICKETS = """
DO $$
DECLARE one record;
BEGIN
    FOR one IN SELECT tablename FROM pg_tables WHERE schemaname = current_schema() AND tablename LIKE 'procrastinate\\_%' LOOP
        EXECUTE format('DROP TABLE %I CASCADE', one.tablename);
    END LOOP;
    FOR one IN SELECT p.oid::regprocedure AS named FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
            WHERE n.nspname = current_schema() AND p.proname LIKE 'procrastinate\\_%' LOOP
        EXECUTE format('DROP FUNCTION %s CASCADE', one.named);
    END LOOP;
    FOR one IN SELECT t.typname FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
            WHERE n.nspname = current_schema() AND t.typname LIKE 'procrastinate\\_%' AND t.typtype IN ('c', 'e') LOOP
        EXECUTE format('DROP TYPE IF EXISTS %I CASCADE', one.typname);
    END LOOP;
END $$;
"""


def upgrade() -> None:
    op.create_table(
        "models",
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("revision", sa.String(length=80), nullable=False),
        sa.Column("renderer", sa.String(length=32), nullable=False),
        sa.Column("row", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
        sa.Column("device", sa.String(length=120), nullable=False),
        sa.Column("announced_at", sa.Double(), nullable=False),
        sa.Column("seen_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("name", "revision", "renderer", name=op.f("pk_models")),
    )
    # What tells this database from any other, for files that are made from its rows.
    op.get_bind().execute(sa.text("INSERT INTO counters (name, value) VALUES ('identity', :value)"), {"value": secrets.randbits(62)})
    if op.get_bind().dialect.name == "postgresql":
        # Version 3.10 of the schema; its numbered files bring it further in a revision of their own.
        _run(files("procrastinate.sql").joinpath("schema.sql").read_text())
        _run(_NEWS)


def downgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        _run(_NO_NEWS)
        _run(_NO_TICKETS)
    op.execute("DELETE FROM counters WHERE name = 'identity'")
    op.drop_table("models")


def _run(script: str) -> None:
    """Past SQLAlchemy, which always sends parameters: with them PostgreSQL takes one statement at a time."""
    cursor = op.get_bind().connection.cursor()
    cursor.execute(script)
    cursor.close()
