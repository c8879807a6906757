"""`reprise keys …`: who may call, and how much. A key is shown once, when it is made."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import TypeVar, get_args

import click

from cache.storage.accounts import Accounts, Key, Rate, Role, Share, Terms
from cache.storage.database import Database
from gateway.environment import facts_told, read_settings
from migrations.upgrade import migrate

Found = TypeVar("Found")


@click.group()
def keys() -> None:
    """Keys: who may call, as which tenant, and how much."""


@keys.command()
@click.option("--tenant", required=True, help="Whose cache it opens; made if there is none of this name.")
@click.option(
    "--role", type=click.Choice(get_args(Role)), default="user", show_default=True, help="What it may do; admin: also run the place."
)
@click.option("--rate", help="Most asks in a time, such as 60/m (s, m, h or d).")
@click.option("--concurrency", type=click.IntRange(1), help="Most calls at once.")
@click.option("--share", type=click.Choice(get_args(Share)), help="all: the tenant takes part in the shared pool; tenant: no longer.")
@click.option("--label", default="", help="A word for the list: who holds it, what for.")
def create(tenant: str, role: Role, rate: str | None, concurrency: int | None, share: Share | None, label: str) -> None:
    """Make a key. It is printed once and cannot be found out again."""

    async def make(accounts: Accounts) -> tuple[Key, str]:
        return await accounts.create(Terms(tenant, role, None if rate is None else Rate.parse(rate), concurrency, share, label))

    key, secret = _with_accounts(make)
    click.echo(f"{key.id} for tenant {key.tenant}, role {key.role}, share {key.share}; the key, shown this once:", err=True)
    click.echo(secret)


@keys.command(name="list")
def list_keys() -> None:
    """Every key. Its id, tenant, what it may do, when it was used last; never the key itself."""
    found = _with_accounts(lambda accounts: accounts.list())
    if not found:
        click.echo("There are no keys: the instance is open, for this machine only.", err=True)
    for key in found:
        allowed = f"rate {key.rate or 'any'}, at once {key.concurrency or 'any'}"
        state = f"revoked {_day(key.revoked_at)}" if key.revoked_at is not None else f"last used {_day(key.last_used_at)}"
        click.echo(
            "\t".join((key.id, key.tenant, key.role, f"share {key.share}", allowed, f"made {_day(key.created_at)}", state, key.label))
        )


@keys.command()
@click.argument("key_id", metavar="ID")
def revoke(key_id: str) -> None:
    """Take a key back, for good. Every gateway refuses it within five seconds."""
    _with_accounts(lambda accounts: accounts.revoke(key_id))
    click.echo(f"{key_id} is revoked")


def _with_accounts(work: Callable[[Accounts], Awaitable[Found]]) -> Found:
    """On the database itself, whether a server runs on it or not: a key is a row that every gateway reads."""

    async def run() -> Found:
        database = Database(read_settings().database)
        try:
            await migrate(database)
            return await work(Accounts(database))
        finally:
            await database.close()

    with facts_told():
        return asyncio.run(run())


def _day(seconds: float | None) -> str:
    return "never" if seconds is None else datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")
