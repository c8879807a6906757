"""`reprise …`: the command line."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import click

from cache.settings import PREFIX, Settings
from gateway.commands.keys import keys
from gateway.environment import facts_told, read_settings


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="reprise")
def main() -> None:
    """A caching gateway in front of text-to-video generation: never render the same clip twice."""


main.add_command(keys)


@main.command()
def serve() -> None:
    """Serve the HTTP API, and render in this process unless REPRISE_RENDERER says otherwise."""
    from gateway.commands.serve import run  # noqa: PLC0415  # other commands need no web server

    with facts_told():
        run(read_settings())


@main.command()
def worker() -> None:
    """Render only, for gateways elsewhere: needs a PostgreSQL database and a store that all share."""
    from gateway.commands.worker import run  # noqa: PLC0415  # other commands render nothing

    with facts_told():
        run(read_settings())


@main.command()
@click.option("--repair", is_flag=True, help="Put right what is found.")
@click.option("--older-than", type=float, help="Seconds after which an object without a row is garbage; default: longer than any job.")
@click.option("--no-digests", is_flag=True, help="Look at names and lengths only; else every byte is read.")
@click.option("--resign", is_flag=True, help="Only sign every clip anew, with the newest of the keys: after one was lost or replaced.")
def doctor(repair: bool, older_than: float | None, no_digests: bool, resign: bool) -> None:
    """Hold rows, objects, jobs and the index against each other. Exit code 1: something is wrong."""
    from gateway.commands.doctor import examine, sign_anew  # noqa: PLC0415  # loads the index

    with facts_told():
        if resign:
            click.echo(f"clips signed: {asyncio.run(sign_anew(read_settings()))}")
            return
        if not asyncio.run(examine(read_settings(), repair, older_than, not no_digests)):
            raise SystemExit(1)


@main.command()
@click.option(
    "--to", "target", nargs=2, required=True, metavar="DATABASE_URL STORE_URL", help="Where it goes; the database must hold no clips yet."
)
def move(target: tuple[str, str]) -> None:
    """Take this cache along to another database and store; the old ones stay as they are."""
    from gateway.commands.move import run  # noqa: PLC0415  # loads both kinds of stores

    with facts_told():
        moved = asyncio.run(run(read_settings(), *target))
    click.echo(f"moved {moved.rows} rows and {moved.objects} objects of {moved.bytes / 1e6:.1f} MB")
    if moved.skipped:
        click.echo(f"{moved.skipped} objects were damaged before; their clips are out of service at the new place")
    click.echo(
        "Signatures hold under the old keys alone: give them to every process as REPRISE_SIGNING_KEYS, or `reprise doctor --resign`."
    )


@main.command()
def migrate() -> None:
    """Bring the database to the newest revision; safe to run by many at once."""
    from cache.storage.database import Database  # noqa: PLC0415
    from migrations.upgrade import migrate as upgrade  # noqa: PLC0415
    from migrations.upgrade import newest  # noqa: PLC0415

    async def run() -> None:
        database = Database(read_settings().database)
        try:
            await upgrade(database)
        finally:
            await database.close()

    with facts_told():
        asyncio.run(run())
    click.echo(f"the database is at revision {newest()}")


@main.command()
def prepare() -> None:
    """Export the encoder once, so that the first start need not."""
    from cache.matching.encoding.exported import DEFAULT_EMBEDDER, exported_embedder  # noqa: PLC0415

    settings = read_settings()
    folder = exported_embedder(settings.embedder or DEFAULT_EMBEDDER, settings.encoders)
    click.echo(f"the encoder lies in {folder}")


@main.command()
@click.option("--markdown", is_flag=True, help="As the table of the README: names, defaults, meanings.")
def settings(markdown: bool) -> None:
    """Every setting: its value here, where that comes from, and what it means."""
    fields = Settings.model_fields
    if markdown:
        click.echo("| setting | default | meaning |\n|---|---|---|")
        for name, field in fields.items():
            click.echo(f"| `{PREFIX}{name.upper()}` | {shown(field.default)} | {field.description} |".replace("  ", " "))
        return
    here = read_settings()
    for name, field in fields.items():
        value = "(set)" if not field.repr and getattr(here, name) else getattr(here, name)
        source = "environment" if name in here.model_fields_set else "default"
        click.echo(f"{PREFIX}{name.upper()} = {value!s} ({source})\n    {field.description}")


def shown(default: object) -> str:
    """A default in a table: nothing for what is empty."""
    return "" if default in ("", (), {}, None) else f"`{str(default).lower() if isinstance(default, bool) else default}`"


@main.command()
@click.argument("file", type=click.Path(path_type=Path, allow_dash=True, exists=True, dir_okay=False))
def judge(file: Path) -> None:
    """Judge pairs: one JSON row {"new": …, "cached": …} a line in, one verdict a line out, in the same order."""
    from cache.matching.judging import judge_rows  # noqa: PLC0415  # loads the encoders

    settings = read_settings()
    with click.open_file(str(file), encoding="utf-8", errors="surrogateescape") as lines, facts_told():
        for row in judge_rows(lines, settings.embedder, settings.verifier, settings.encoders, settings.max_wrong):
            sys.stdout.write(row + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
