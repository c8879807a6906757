"""`reprise users …`: what is held of one end user of a tenant, and its erasure, by the running server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import TypeVar
from urllib.parse import quote

import click

from cache.errors import Unavailable
from cache.settings import Settings
from gateway.commands.running import RunningServer, told_by_running, url_of_running
from gateway.environment import cli_errors, read_settings

Worked = TypeVar("Worked")
_PAGE = 100


@click.group()
def users() -> None:
    """Export and erase what is held of an end user: the `user` that requests named. The key says of which tenant."""


_KEY = click.option("--key", default="", help="Key of the tenant, if the server needs one; default: REPRISE_ADMIN_KEY.")
_URL = click.option("--url", default="", help="Server to use; default: the one running on REPRISE_DATA_DIR.")


@users.command()
@click.argument("user")
@_KEY
@_URL
def export(user: str, key: str, url: str) -> None:
    """Print every request of USER, a JSON object per line."""
    with cli_errors():
        _with_server(read_settings(), url, key, lambda server: _print(server, user))


@users.command()
@click.argument("user")
@click.option("--yes", is_flag=True, help="Do not ask.")
@_KEY
@_URL
def erase(user: str, yes: bool, key: str, url: str) -> None:
    """Erase USER: words, metadata and webhooks of all requests, and the clips that nobody else holds. This cannot be undone."""
    if not yes:
        click.confirm(f"Erase everything of {user!r}?", abort=True)
    with cli_errors():
        told = _with_server(read_settings(), url, key, lambda server: server.delete(f"/v1/users/{quote(user, safe='')}"))
    click.echo(f"requests erased: {told['requests']}, clips removed: {told['clips']}")


async def _print(server: RunningServer, user: str) -> None:
    asked: dict[str, object] = {"limit": _PAGE}
    while True:
        page = await server.get(f"/v1/users/{quote(user, safe='')}/requests", **asked)
        for kept in page["data"]:
            click.echo(json.dumps(kept, ensure_ascii=False))
        if not page["has_more"]:
            return
        asked["after"] = page["last_id"]


def _with_server(settings: Settings, url: str, key: str, work: Callable[[RunningServer], Awaitable[Worked]]) -> Worked:
    """Only a server forgets what it holds in memory, so there must be one."""
    found = url or url_of_running(settings)
    if found is None:
        raise Unavailable("no server is running here: start one, or name it by --url")

    async def run() -> Worked:
        server = RunningServer(found, key or settings.admin_key, lambda: None if url else told_by_running(settings))
        try:
            return await work(server)
        finally:
            await server.close()

    return asyncio.run(run())
