"""Runs the revisions over a connection that `migrations.upgrade` hands in."""

from __future__ import annotations

from alembic import context
from sqlalchemy.schema import SchemaItem

from cache.storage.tables_for_operators import metadata


def ours(_object: SchemaItem, name: str | None, _kind: str, _reflected: bool, _compare_to: SchemaItem | None) -> bool:
    """Procrastinate keeps its own tables beside ours; comparing them is not our business."""
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
