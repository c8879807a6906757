"""`reprise …`: the command line."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from pydantic import ValidationError

from cache.errors import RepriseError
from cache.settings import PREFIX, Settings


def read_settings() -> Settings:
    """The environment's settings; a wrong or unknown one ends the command with a line that names it."""
    known = {PREFIX + name.upper() for name in Settings.model_fields}
    unknown = sorted(name for name in os.environ if name.startswith(PREFIX) and name not in known)
    if unknown:
        raise click.ClickException(f"no such setting: {', '.join(unknown)}")
    try:
        return Settings()
    except ValidationError as error:
        wrong = [f"{PREFIX}{'.'.join(str(part) for part in one['loc']).upper()}: {one['msg']}" for one in error.errors()]
        raise click.ClickException("\n".join(wrong)) from None


@contextmanager
def facts_told() -> Iterator[None]:
    """Our own errors end a command with their message, not with a traceback."""
    try:
        yield
    except RepriseError as error:
        raise click.ClickException(error.message) from error


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="reprise")
def main() -> None:
    """A caching gateway in front of text-to-video generation: never render the same clip twice."""


@main.command()
def serve() -> None:
    """Serve the HTTP API, and render in this process unless REPRISE_RENDERER says otherwise."""
    from gateway.serve import run  # noqa: PLC0415  # other commands need no web server

    with facts_told():
        run(read_settings())


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
    from cache.matching.exported import DEFAULT_EMBEDDER, exported_embedder  # noqa: PLC0415

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
