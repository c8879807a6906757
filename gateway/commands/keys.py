"""`reprise keys …`: who may call, and how much. A key is shown once, when it is created."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import TypeVar, get_args

import click

from cache.errors import Unavailable
from cache.settings import Settings
from cache.storage.database.database import Database
from cache.storage.fleet.accounts import FIRST_TENANT, Accounts, Key, KeyTerms, Rate, Role, Share
from gateway.answering.signing import keys_of
from gateway.environment import check_cache, cli_errors, is_new, place_of, read_settings
from gateway.webhooks.signing import webhook_secret
from migrations.upgrade import migrate

Found = TypeVar("Found")


@click.group()
def keys() -> None:
    """Manage keys: who may call, as which tenant, and how much."""


@keys.command()
@click.option("--tenant", required=True, help="Tenant of the key; created if it does not exist.")
@click.option(
    "--role", type=click.Choice(get_args(Role)), default="user", show_default=True, help="admin keys may also open the admin pages."
)
@click.option("--rate", help="Rate limit, such as 60/m (s, m, h or d).")
@click.option("--concurrency", type=click.IntRange(1), help="Concurrency limit: calls at a time.")
@click.option("--share", type=click.Choice(get_args(Share)), help="all: the tenant takes part in the shared pool; tenant: it does not.")
@click.option("--label", default="", help="Note for the list: who holds the key, and what for.")
def create(tenant: str, role: Role, rate: str | None, concurrency: int | None, share: Share | None, label: str) -> None:
    """Create a key. It is printed once and cannot be shown again. With the first key, open mode ends."""
    settings = read_settings()
    new = is_new(settings)

    async def make(accounts: Accounts) -> tuple[Key, str, bool]:
        terms = KeyTerms(tenant, role, None if rate is None else Rate.parse(rate), concurrency, share, label)
        return *await accounts.create(terms), any(one.role == "admin" and one.revoked_at is None for one in await accounts.list())

    key, secret, administered = _with_accounts(settings, make)
    place = place_of(settings)
    click.echo(f"{key.id} for tenant {key.tenant}, role {key.role}, share {key.share}, in {place}; the key, shown only once:", err=True)
    click.echo(secret)
    if new:
        click.echo(f"No server has used {place} yet. If yours runs on another folder, set REPRISE_DATA_DIR to that one.", err=True)
    if not administered:
        click.echo(
            f"There is no admin key, and with this one open mode ends: `reprise keys create --tenant {FIRST_TENANT} --role admin` "
            "makes one, which opens /admin and keeps the clips of open mode.",
            err=True,
        )


@keys.command(name="list")
def list_keys() -> None:
    """List all keys with id, tenant, role, limits and last use. The keys themselves are never shown."""
    settings = _of_a_cache()
    found = _with_accounts(settings, lambda accounts: accounts.list())
    if not found:
        click.echo(f"There are no keys in {place_of(settings)}: the instance is in open mode, for this machine only.", err=True)
    for key in found:
        allowed = f"rate {key.rate or 'unlimited'}, concurrency {key.concurrency or 'unlimited'}"
        state = f"revoked {_day(key.revoked_at)}" if key.revoked_at is not None else f"last used {_day(key.last_used_at)}"
        click.echo(
            "\t".join((key.id, key.tenant, key.role, f"share {key.share}", allowed, f"created {_day(key.created_at)}", state, key.label))
        )


@keys.command()
@click.argument("key_id", metavar="ID")
def revoke(key_id: str) -> None:
    """Revoke a key permanently. Every gateway refuses it within five seconds."""
    _with_accounts(_of_a_cache(), lambda accounts: accounts.revoke(key_id))
    click.echo(f"{key_id} is revoked")


@keys.command(name="webhook-secret")
@click.option("--tenant", required=True, help="Tenant whose webhooks are signed with it.")
def secret_of_webhooks(tenant: str) -> None:
    """Print the secret by which a tenant's receivers verify webhooks. It follows from REPRISE_SIGNING_KEYS and is stored nowhere."""
    with cli_errors():
        keys = keys_of(_of_a_cache())
        if not keys:
            raise Unavailable("webhooks are signed with REPRISE_SIGNING_KEYS, and none is set")
        click.echo(webhook_secret(keys[0], tenant))


def _of_a_cache() -> Settings:
    settings = read_settings()
    with cli_errors():
        check_cache(settings)
    return settings


def _with_accounts(settings: Settings, work: Callable[[Accounts], Awaitable[Found]]) -> Found:
    """Runs `work` on the database itself, whether a server is running or not: a key is a row that every gateway reads."""

    async def run() -> Found:
        database = Database(settings.database)
        try:
            await migrate(database)
            return await work(Accounts(database))
        finally:
            await database.close()

    with cli_errors():
        return asyncio.run(run())


def _day(seconds: float | None) -> str:
    return "never" if seconds is None else datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")
