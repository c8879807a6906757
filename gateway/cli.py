"""`reprise …`: the command line."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

import click

from gateway.commands.keys import keys
from gateway.commands.lines import show, text
from gateway.commands.users import users
from gateway.environment import cli_errors, read_settings
from gateway.settings_table import common_table, whole_page
from gateway.shown_setting import shown


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="reprise")
def main() -> None:
    """A caching gateway in front of text-to-video generation: never render the same clip twice."""


main.add_command(keys)
main.add_command(users)


@main.command()
def serve() -> None:
    """Serve the HTTP API. Also renders in this process unless REPRISE_RENDERER says otherwise."""
    from gateway.commands.serve import run_server  # noqa: PLC0415  # other commands need no web server

    with cli_errors():
        run_server(read_settings())


@main.command()
def worker() -> None:
    """Render jobs for gateways in other processes. Needs a PostgreSQL database and an object store that all share."""
    from gateway.commands.worker import run_worker  # noqa: PLC0415  # other commands render nothing

    with cli_errors():
        run_worker(read_settings())


@main.command()
@click.argument("asked", default="", metavar="[ROW|FILE|FOLDER]")
def models(asked: str) -> None:
    """List the rows of the catalogue: what each model renders, and how. With the name of a ROW print it as the JSON that REPRISE_MODEL_ROW
    and reprise.json take; with a FILE or a model FOLDER check the row that it has."""
    from gateway.commands.models import model_lines  # noqa: PLC0415

    with cli_errors():
        click.echo("\n".join(model_lines(asked)))


@main.command()
@click.argument("prompt")
@click.option("--size", help="Size, such as 640x480; default: the model's.")
@click.option("--seconds", type=float, help="Length of the clip.")
@click.option("--steps", type=click.IntRange(1, 100), help="Denoising steps; default: those of standard quality.")
@click.option("--trace", type=click.Path(path_type=Path, dir_okay=False), default="profile.json", help="File to write the trace to.")
def profile(prompt: str, size: str | None, seconds: float | None, steps: int | None, trace: Path) -> None:
    """Render PROMPT under torch's profiler. Writes a trace; prints the time of each stage and the slowest operations."""
    from cache.catalog import AskedSettings  # noqa: PLC0415
    from gateway.commands.profile import profile_lines, run_profile  # noqa: PLC0415  # loads the model

    with cli_errors():
        profiled = asyncio.run(run_profile(read_settings(), prompt, AskedSettings(size=size, seconds=seconds, steps=steps), trace))
    click.echo("\n".join(profile_lines(profiled, trace)))


@main.command()
@click.option("--repair", is_flag=True, help="Repair what is found.")
@click.option("--older-than", type=float, help="Seconds after which an object without a row is garbage; default: longer than any job.")
@click.option("--no-digests", is_flag=True, help="Check names and lengths only, without reading every byte.")
@click.option("--re-sign", is_flag=True, help="Only sign all clips again, with the newest key: use it after a key was lost or replaced.")
def doctor(repair: bool, older_than: float | None, no_digests: bool, re_sign: bool) -> None:
    """Check rows, objects, jobs and the index against each other. Exit code 1: something is wrong."""
    from gateway.commands.doctor import examine, sign_anew  # noqa: PLC0415  # loads the index

    with cli_errors():
        if re_sign:
            click.echo(f"clips signed: {asyncio.run(sign_anew(read_settings()))}")
            return
        if not asyncio.run(examine(read_settings(), repair, older_than, not no_digests)):
            raise SystemExit(1)


@main.command()
@click.option(
    "--to", "target", nargs=2, required=True, metavar="DATABASE_URL STORE_URL", help="The target; its database must not hold any clips yet."
)
def move(target: tuple[str, str]) -> None:
    """Copy this cache to another database and object store. The old ones stay as they are."""
    from gateway.commands.move import run_move  # noqa: PLC0415  # loads both kinds of stores

    with cli_errors():
        moved = asyncio.run(run_move(read_settings(), *target))
    click.echo(f"moved {moved.rows} rows and {moved.objects} objects of {moved.bytes / 1e6:.1f} MB")
    if moved.skipped:
        click.echo(f"{moved.skipped} objects were already damaged; their clips are out of service in the copy")
    click.echo(
        "The signatures are valid under the old keys only (REPRISE_SIGNING_KEYS, or else `signing.key` in the old data folder). "
        "Give these keys to every process as REPRISE_SIGNING_KEYS, or run `reprise doctor --re-sign`."
    )


@main.command()
def migrate() -> None:
    """Migrate the database to the newest revision. Several processes may run this at once."""
    from cache.storage.database.database import Database  # noqa: PLC0415
    from migrations.upgrade import migrate as upgrade  # noqa: PLC0415
    from migrations.upgrade import newest  # noqa: PLC0415

    async def run() -> None:
        database = Database(read_settings().database)
        try:
            await upgrade(database)
        finally:
            await database.close()

    with cli_errors():
        asyncio.run(run())
    click.echo(f"the database is at revision {newest()}")


@main.command()
def prepare() -> None:
    """Export the encoder ahead of time, so that the first start is faster."""
    from cache.matching.encoding.exported import DEFAULT_EMBEDDER, exported_embedder  # noqa: PLC0415

    settings = read_settings()
    folder = exported_embedder(settings.embedder or DEFAULT_EMBEDDER, settings.encoders)
    click.echo(f"the encoder is in {folder}")


@main.command()
@click.option("--markdown", is_flag=True, help="Print docs/settings.md: names, defaults and meanings of all.")
@click.option("--common", is_flag=True, help="With --markdown: only the README's table of common settings.")
def settings(markdown: bool, common: bool) -> None:
    """List every setting with its value, source and meaning. Secrets are not shown."""
    if markdown:
        click.echo(common_table() if common else whole_page())
        return
    for one in shown(read_settings()):
        value = (f"({one.value})" if one.secret else one.value) if one.value else "(empty)"
        click.echo(f"{one.name} = {value} ({one.source})\n    {one.meaning}")


@main.command()
@click.option("--embedder", default="", help="The new encoder: a folder or hub id; default: REPRISE_EMBEDDER.")
@click.option("--verifier", default="", help="The verifier to use with it; default: REPRISE_VERIFIER.")
def reembed_command(embedder: str, verifier: str) -> None:
    """Compute new vectors for all clips with another encoder. A server may keep running; if interrupted, run it again to continue.

    Then restart with REPRISE_EMBEDDER set, and run it once more for clips made in the meantime.
    """
    from gateway.commands.reembed import run_reembed  # noqa: PLC0415  # loads the encoder

    with cli_errors():
        here = read_settings()
        version, done, judged = asyncio.run(run_reembed(here, embedder or here.embedder, verifier or here.verifier))
    click.echo(f"new vectors by {version}: {done.vectors}; clips with a prompt that it cannot read (exact hits only): {done.unread}")
    if not judged:
        click.echo("There is no calibration table for this encoder, so it will give no near hits.")


@main.command()
@click.argument("file", type=click.Path(path_type=Path, allow_dash=True, exists=True, dir_okay=False))
def judge_command(file: Path) -> None:
    """Judge pairs of prompts. Reads one JSON row {"new": …, "cached": …} per line and prints one verdict per line, in the same order.

    Exit code 1: a row was no pair; its verdict has an error, and stderr names its line.
    """
    from cache.matching.judging import judge_rows  # noqa: PLC0415  # loads the encoders

    settings = read_settings()
    with click.open_file(str(file), encoding="utf-8", errors="surrogateescape") as lines, cli_errors():
        rows = judge_rows(text(lines, str(file)), settings.embedder, settings.verifier, settings.encoders, settings.max_wrong)
        faults = []
        for number, row in enumerate(rows, 1):
            sys.stdout.write(row + "\n")
            if (fault := json.loads(row).get("error")) is not None:
                faults.append(f"{file}:{number}: {fault}")
        sys.stdout.flush()
    show(faults)
    if faults:
        raise SystemExit(1)


@main.command()
@click.option("--undo", is_flag=True, help="Undo the latest step.")
@click.option("--key", default="", help="Admin key, if the server needs one; default: REPRISE_ADMIN_KEY.")
@click.option("--url", default="", help="Server to use; default: the one running on REPRISE_DATA_DIR, if there is one.")
def recalibration(undo: bool, key: str, url: str) -> None:
    """List the steps by which labels and traffic moved the judge's calibration table. --undo takes the latest one back."""
    from gateway.commands.recalibration import run_recalibration, step_lines  # noqa: PLC0415  # loads the encoders

    with cli_errors():
        here = read_settings()
        undone, steps = asyncio.run(run_recalibration(here, undo, url, key or here.admin_key))
    if undone is not None:
        click.echo(f"step {undone} is undone")
    click.echo("\n".join(step_lines(steps)))


@main.command("assist-report")
@click.option("--pairs", type=click.IntRange(1, 200), default=20, show_default=True, help="Most pairs to make.")
@click.option("--key", default="", help="Admin key, if the server needs one; default: REPRISE_ADMIN_KEY.")
@click.option("--url", default="", help="Server to use; default: the one running on REPRISE_DATA_DIR, if there is one.")
def assist_report(pairs: int, key: str, url: str) -> None:
    """Make past misses again from the clips that were refused for them, beside their own clips, for people to compare and label."""
    from rich.console import Console  # noqa: PLC0415
    from rich.markup import escape  # noqa: PLC0415

    from gateway.commands.assist_report import pairs_table, run_assist_report  # noqa: PLC0415

    with cli_errors():
        here = read_settings()
        page, begun = asyncio.run(run_assist_report(here, pairs, url, key or here.admin_key))
    if begun:
        Console().print(pairs_table(begun))
        Console().print(escape(f"rendered in the background; compare and label at {page}"), soft_wrap=True)
    else:
        click.echo("no past miss has a donor: none was refused for a difference that was measured, or its latent is not kept")


@main.command()
@click.argument("file", type=click.Path(path_type=Path, allow_dash=True, exists=True, dir_okay=False), metavar="LOG")
@click.option("--capacity", type=click.IntRange(1), help="Maximum number of clips; also compares eviction policies. Default: no limit.")
def replay_command(file: Path, capacity: int | None) -> None:
    """Show the hit rate that a log of requests would have had. LOG has one JSON row {"prompt": …} per line; the current judge decides."""
    from rich.console import Console  # noqa: PLC0415

    from gateway.commands.replay import replay_table, run_replay  # noqa: PLC0415  # loads the encoders

    with click.open_file(str(file), encoding="utf-8", errors="surrogateescape") as lines, cli_errors():
        replayed = run_replay(read_settings(), text(lines, str(file)), capacity)
    Console().print(replay_table(replayed))


@main.command()
@click.argument("file", type=click.Path(path_type=Path, allow_dash=True, exists=True, dir_okay=False))
@click.option("--recipe", default="", help="Settings for rows without their own: size=…,seconds=…,quality=… or a JSON object.")
@click.option("--tenant", default="", help="Tenant whose cache is filled; with a server, that of the key.")
@click.option("--key", default="", help="Admin key, if the server needs one; default: REPRISE_ADMIN_KEY.")
@click.option("--url", default="", help="Server to use; default: the one running on REPRISE_DATA_DIR, if there is one.")
def precompute(file: Path, recipe: str, tenant: str, key: str, url: str) -> None:
    """Render clips ahead of time from a list. FILE has one prompt per line, or is a CSV with a column prompt, a JSON list, or
    JSON lines; - reads stdin.

    Run it again to continue: clips that exist are not rendered again. Exit code 1: a line or a prompt failed.
    """
    from gateway.commands.precompute import run_precompute, tell  # noqa: PLC0415  # loads the whole app
    from gateway.http.prompt_lists import format_of, parted, read_list, settings_of  # noqa: PLC0415

    with cli_errors():
        here, usual = read_settings(), settings_of(recipe)
        with click.open_file(str(file), encoding="utf-8", errors="surrogateescape") as opened:
            lines = list(text(opened.read().splitlines(), str(file)))
        rows, faults = parted(read_list(format_of("" if str(file) == "-" else file.name, lines), lines))
        show(f"{file}:{fault.line}: {fault.message}" for fault in faults)
        try:
            outcome = asyncio.run(run_precompute(here, str(file), rows, usual, tenant, url, key or here.admin_key))
        except KeyboardInterrupt:
            click.echo("Stopped. Finished clips are kept; run this again to continue.", err=True)
            raise SystemExit(130) from None
    if not tell(outcome, len(faults)):
        raise SystemExit(1)


@main.command()
@click.option("--budget", type=click.IntRange(1, 1000), default=None, help="Maximum number of prompts; default: REPRISE_PLAN_PROMPTS.")
@click.option("--gpu-seconds", type=click.FloatRange(0, min_open=True), default=None, help="Maximum GPU-seconds.")
@click.option("--start", is_flag=True, help="Start rendering at once, behind all interactive requests.")
@click.option("--tenant", default="", help="Tenant whose requests are read; default: that of the key, or `local`.")
@click.option("--key", default="", help="Admin key, if the server needs one; default: REPRISE_ADMIN_KEY.")
@click.option("--url", default="", help="Server to use; default: the one running on REPRISE_DATA_DIR, if there is one.")
def plan(budget: int | None, gpu_seconds: float | None, start: bool, tenant: str, key: str, url: str) -> None:
    """Find the prompts worth rendering ahead of time: their clips would answer most of the requests expected next. Saved as a plan."""
    from gateway.commands.precompute import run_plan  # noqa: PLC0415  # loads the whole app

    with cli_errors():
        here = read_settings()
        asyncio.run(run_plan(here, budget or here.plan_prompts, gpu_seconds, tenant, url, key or here.admin_key, start))


if __name__ == "__main__":
    main()
