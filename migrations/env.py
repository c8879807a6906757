"""Alembic's environment: it runs the revisions over the connection given by `migrations.upgrade`."""

from __future__ import annotations

from alembic import context
from sqlalchemy.schema import SchemaItem

from cache.storage.tables import metadata


def ours(_object: SchemaItem, name: str | None, _kind: str, _reflected: bool, _compare_to: SchemaItem | None) -> bool:
    """True for our own tables. Procrastinate has its own next to them, which we do not compare."""
    return not (name or "").startswith("procrastinate_")


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
    compare_type=True,
    include_object=ours,
)
with context.begin_transaction():
    context.run_migrations()
