"""`reprise move`: copies a cache to another database and object store. The old one stays as it was."""

from __future__ import annotations

import click

from cache.errors import Invalid
from cache.setting_values import check_database_url, check_store_url
from cache.settings import Settings
from cache.storage.bytes.objects import open_store
from cache.storage.clips.move import Moved, move_cache
from cache.storage.database.database import Database
from gateway.commands.serve import only_instance
from gateway.environment import check_cache
from migrations.upgrade import migrate


async def run_move(settings: Settings, database_url: str, store_url: str) -> Moved:
    """Copies the cache. Raises Unavailable if an embedded server still runs on the source, Invalid for a bad URL, NotFound where
    there is no cache.
    """
    try:
        database_url = check_database_url(database_url)
        new = open_store(check_store_url(store_url))
    except (ValueError, Invalid) as error:
        raise Invalid(None, f"--to: {error}") from None
    check_cache(settings)
    with only_instance(settings):
        source, target, old = Database(settings.database), Database(database_url), open_store(settings.store)
        try:
            await migrate(source)
            await migrate(target)
            await new.check()
            return await move_cache(source, old, target, new, click.echo)
        finally:
            for opened in (old, new, source, target):
                await opened.close()
