"""`reprise move`: takes a cache along to another database and store. The old one stays as it was."""

from __future__ import annotations

import click

from cache.errors import Invalid
from cache.settings import Settings, check_database_url, check_store_url
from cache.storage.bytes.objects import open_store
from cache.storage.database import Database
from cache.storage.move import Moved, move
from gateway.commands.serve import only_instance
from migrations.upgrade import migrate


async def run(settings: Settings, database_url: str, store_url: str) -> Moved:
    """Unavailable where an embedded server still runs on the source; Invalid for a URL that names no such place."""
    with only_instance(settings):
        try:
            check_database_url(database_url)
            new = open_store(check_store_url(store_url))
        except (ValueError, Invalid) as error:
            raise Invalid(None, f"--to: {error}") from None
        source, target, old = Database(settings.database), Database(database_url), open_store(settings.store)
        try:
            await migrate(source)
            await migrate(target)
            await new.check()
            return await move(source, old, target, new, click.echo)
        finally:
            for opened in (old, new, source, target):
                await opened.close()
