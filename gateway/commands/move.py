"""`reprise move`: takes a cache along to another database and store. The old one stays as it was."""

from __future__ import annotations

import click

from cache.settings import Settings
from cache.storage.bytes.objects import open_store
from cache.storage.database import Database
from cache.storage.move import Moved, move
from gateway.commands.serve import only_instance
from migrations.upgrade import migrate


async def run(settings: Settings, database_url: str, store_url: str) -> Moved:
    """Unavailable where an embedded server still runs on the source."""
    with only_instance(settings):
        source, target = Database(settings.database), Database(database_url)
        old, new = open_store(settings.store), open_store(store_url)
        try:
            await migrate(source)
            await migrate(target)
            await new.check()
            return await move(source, old, target, new, click.echo)
        finally:
            for opened in (old, new, source, target):
                await opened.close()
