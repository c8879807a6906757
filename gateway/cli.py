"""`reprise …`: the command line."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import click

from cache.settings import PREFIX, Settings
from gateway.commands.keys import keys
from gateway.environment import facts_told, read_settings
from gateway.shown_setting import shown, told_value


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="reprise")
def main() -> None:
    """A caching gateway in front of text-to-video generation: never render the same clip twice."""


main.add_command(keys)


@main.command()
def serve() -> None:
    """Serve the HTTP API. Renders in this process, too, unless REPRISE_RENDERER says otherwise."""
    from gateway.commands.serve import run  # noqa: PLC0415  # other commands need no web server

    with facts_told():
        run(read_settings())


@main.command()
def worker() -> None:
    """Render only, for gateways elsewhere. Needs a PostgreSQL database and a store that all share."""
    from gateway.commands.worker import run  # noqa: PLC0415  # other commands render nothing

    with facts_told():
        run(read_settings())


@main.command()
@click.argument("prompt")
@click.option("--size", help="As 640x480; default: the model's own.")
@click.option("--seconds", type=float, help="Length of the clip.")
@click.option("--steps", type=click.IntRange(1, 100), help="Denoise steps; default: those of the standard quality.")
@click.option("--trace", type=click.Path(path_type=Path, dir_okay=False), default="profile.json", help="Where the trace goes.")
def profile(prompt: str, size: str | None, seconds: float | None, steps: int | None, trace: Path) -> None:
    """Render PROMPT under torch's profiler. Writes a trace, and prints the stages' times and the operations that took most."""
    from cache.catalog import Ask  # noqa: PLC0415
    from gateway.commands.profile import lines, run  # noqa: PLC0415  # loads the model

    with facts_told():
        profiled = asyncio.run(run(read_settings(), prompt, Ask(size=size, seconds=seconds, steps=steps), trace))
    click.echo("\n".join(lines(profiled, trace)))


@main.command()
@click.option("--repair", is_flag=True, help="Put right what is found.")
@click.option("--older-than", type=float, help="Seconds after which an object without a row is garbage; default: longer than any job.")
@click.option("--no-digests", is_flag=True, help="Look at names and lengths only; else every byte is read.")
@click.option("--resign", is_flag=True, help="Only sign every clip anew, with the newest of the keys: after one was lost or replaced.")
def doctor(repair: bool, older_than: float | None, no_digests: bool, resign: bool) -> None:
    """Check rows, objects, jobs and the index. They are held against each other; exit code 1: something is wrong."""
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
    """Copy this cache to another database and store. The old ones stay as they are."""
    from gateway.commands.move import run  # noqa: PLC0415  # loads both kinds of stores

    with facts_told():
        moved = asyncio.run(run(read_settings(), *target))
    click.echo(f"moved {moved.rows} rows and {moved.objects} objects of {moved.bytes / 1e6:.1f} MB")
    if moved.skipped:
        click.echo(f"{moved.skipped} objects were damaged before; their clips are out of service at the new place")
    click.echo(
        "Signatures hold under the old keys alone (those of REPRISE_SIGNING_KEYS, else `signing.key` in the old data folder): "
        "give them to every process as REPRISE_SIGNING_KEYS, or `reprise doctor --resign`."
    )


@main.command()
def migrate() -> None:
    """Bring the database to the newest revision. Safe to run by many at once."""
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
    """Export the encoder once. The first start need not, then."""
    from cache.matching.encoding.exported import DEFAULT_EMBEDDER, exported_embedder  # noqa: PLC0415

    settings = read_settings()
    folder = exported_embedder(settings.embedder or DEFAULT_EMBEDDER, settings.encoders)
    click.echo(f"the encoder lies in {folder}")


@main.command()
@click.option("--markdown", is_flag=True, help="As the table of the README: names, defaults, meanings.")
def settings(markdown: bool) -> None:
    """Every setting and its value here. Also where that comes from, and what it means; secrets are not told."""
    if markdown:
        click.echo("| setting | default | meaning |\n|---|---|---|")
        for name, field in Settings.model_fields.items():
            default = told_value(field.default)
            click.echo(f"| `{PREFIX}{name.upper()}` | {f'`{default}`' if default else ''} | {field.description} |".replace("  ", " "))
        return
    for one in shown(read_settings()):
        value = (f"({one.value})" if one.secret else one.value) if one.value else "(empty)"
        click.echo(f"{one.name} = {value} ({one.source})\n    {one.meaning}")


@main.command()
@click.option("--embedder", default="", help="The encoder to move to: a folder or hub id; default: REPRISE_EMBEDDER.")
@click.option("--verifier", default="", help="The verifier that will go with it; default: REPRISE_VERIFIER.")
def reembed(embedder: str, verifier: str) -> None:
    """Give every clip a vector by another encoder. It works beside a running server; cut off, it goes on where it was.

    Then restart with REPRISE_EMBEDDER, and run it once more for the clips made in between.
    """
    from gateway.commands.reembed import run  # noqa: PLC0415  # loads the encoder

    with facts_told():
        here = read_settings()
        version, done, judged = asyncio.run(run(here, embedder or here.embedder, verifier or here.verifier))
    click.echo(f"new vectors by {version}: {done.vectors}; clips whose prompt it cannot read (exact hits only): {done.unread}")
    if not judged:
        click.echo("No calibration table holds for it: it will give no near hits.")


@main.command()
@click.argument("file", type=click.Path(path_type=Path, allow_dash=True, exists=True, dir_okay=False))
def judge(file: Path) -> None:
    """Judge pairs of prompts. One JSON row {"new": …, "cached": …} a line in, one verdict a line out, in the same order."""
    from cache.matching.judging import judge_rows  # noqa: PLC0415  # loads the encoders

    settings = read_settings()
    with click.open_file(str(file), encoding="utf-8", errors="surrogateescape") as lines, facts_told():
        for row in judge_rows(lines, settings.embedder, settings.verifier, settings.encoders, settings.max_wrong):
            sys.stdout.write(row + "\n")
    sys.stdout.flush()


@main.command()
@click.argument("file", type=click.Path(path_type=Path, allow_dash=True, exists=True, dir_okay=False), metavar="LOG")
@click.option("--capacity", type=click.IntRange(1), help="Most clips kept; also compares with other evictions. Default: room for all.")
def replay(file: Path, capacity: int | None) -> None:
    """What the hit rate of a log would have been. Past requests, one JSON row {"prompt": …} a line, are read by the judge in force."""
    from rich.console import Console  # noqa: PLC0415

    from gateway.commands.replay import run, table  # noqa: PLC0415  # loads the encoders

    with click.open_file(str(file), encoding="utf-8", errors="surrogateescape") as lines, facts_told():
        count, found = run(read_settings(), lines, capacity)
    Console().print(table(count, found))


@main.command()
@click.argument("file", type=click.Path(path_type=Path, allow_dash=True, exists=True, dir_okay=False))
@click.option("--recipe", default="", help="For rows that say nothing else: size=…,seconds=…,quality=… or a JSON object.")
@click.option("--tenant", default="", help="Whose cache; with a server it is the tenant of the key.")
@click.option("--key", default="", help="Admin key for a server that wants one; default: REPRISE_ADMIN_KEY.")
@click.option("--url", default="", help="The server to speak to; default: the one that runs on REPRISE_DATA_DIR, else none is needed.")
def precompute(file: Path, recipe: str, tenant: str, key: str, url: str) -> None:
    """Make clips ahead of time, from a list. A prompt a line, a CSV with a column prompt, or JSON lines; - reads stdin.

    Run again it goes on where it was: what is there counts as hit already. Exit code 1: a line or a prompt was no good.
    """
    from gateway.ahead.plan_lists import format_of, parted, read_list, settings_of  # noqa: PLC0415
    from gateway.commands.precompute import precompute as run  # noqa: PLC0415  # loads the whole app
    from gateway.commands.precompute import show, tell  # noqa: PLC0415

    with facts_told():
        here, usual = read_settings(), settings_of(recipe)
        with click.open_file(str(file), encoding="utf-8", errors="surrogateescape") as opened:
            lines = opened.read().splitlines()
        first = next((line for line in lines if line.strip()), "")
        rows, faults = parted(read_list(format_of("" if str(file) == "-" else file.name, first), lines))
        show(f"{file}:{fault.line}: {fault.message}" for fault in faults)
        try:
            outcome = asyncio.run(run(here, str(file), rows, usual, tenant, url, key or here.admin_key))
        except KeyboardInterrupt:
            click.echo("Stopped. What is made stays made; run this again to go on.", err=True)
            raise SystemExit(130) from None
    if not tell(outcome, len(faults)):
        raise SystemExit(1)


@main.command()
@click.option("--budget", type=click.IntRange(1, 1000), default=None, help="Prompts at most; default: REPRISE_PLAN_BUDGET.")
@click.option("--gpu-seconds", type=click.FloatRange(0, min_open=True), default=None, help="GPU-seconds at most.")
@click.option("--start", is_flag=True, help="Begin at once, behind everybody who waits.")
@click.option("--tenant", default="", help="Whose requests; default: the key's tenant, or `local`.")
@click.option("--key", default="", help="Admin key for a server that wants one; default: REPRISE_ADMIN_KEY.")
@click.option("--url", default="", help="The server to speak to; default: the one that runs on REPRISE_DATA_DIR, else none is needed.")
def plan(budget: int | None, gpu_seconds: float | None, start: bool, tenant: str, key: str, url: str) -> None:
    """Find the prompts worth making ahead of time. Their clips would answer most of what is expected next; they are kept as a plan."""
    from gateway.commands.precompute import plan as run  # noqa: PLC0415  # loads the whole app

    with facts_told():
        here = read_settings()
        asyncio.run(run(here, budget or here.plan_budget, gpu_seconds, tenant, url, key or here.admin_key, start))


if __name__ == "__main__":
    main()
