"""The beginning of every command: the settings, and faults told as one line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from tempfile import TemporaryFile

import click
import structlog
from pydantic import ValidationError
from pydantic_settings import SettingsError

from cache.errors import NotFound, RepriseError, Unavailable
from cache.settings import PREFIX, Settings
from gateway.settings_sources import read_sources
from gateway.telemetry.logs import start_logging

log = structlog.get_logger(__name__)


def read_settings() -> Settings:
    """Settings of the environment and the files; a wrong or unknown one ends the command with a line that names it. From here on
    log lines go to stderr: what a command prints is for whoever reads its output.
    """
    try:
        found = read_sources()
    except ValidationError as error:
        wrong = [f"{_named(one['loc'])}: {_said(one['msg'])}" for one in error.errors()]
        raise click.ClickException("\n".join(wrong)) from None
    except SettingsError as error:
        # Of the settings that are JSON; the library names the field, in quotes.
        field = next(name for name in Settings.model_fields if f'"{name}"' in str(error))
        raise click.ClickException(f"{PREFIX}{field.upper()}: this is no JSON") from None
    except (OSError, ValueError) as error:
        raise click.ClickException(str(error)) from None
    start_logging(found.settings)
    if found.links:
        log.debug("Kubernetes' service links are no settings", names=found.links)
    return found.settings


def place_of(settings: Settings) -> str:
    """The place where a command that speaks to no server finds rows, as it tells people; the default follows the current folder."""
    return "the database of REPRISE_DATABASE_URL" if settings.database_url else str(settings.data_dir.absolute())


def is_new(settings: Settings) -> bool:
    """True if this data folder holds no cache, so that a command would begin one."""
    return not settings.database_url and not (settings.data_dir / "reprise.db").exists()


def check_cache(settings: Settings) -> None:
    """Raises NotFound where a command that only looks would begin a new, empty cache instead."""
    if is_new(settings):
        raise NotFound(f"there is no cache in {place_of(settings)}; set REPRISE_DATA_DIR to the folder of your server")


def check_folder(settings: Settings) -> None:
    """Raises Unavailable where the data folder cannot be made or written."""
    try:
        settings.data_dir.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=settings.data_dir):
            pass
    except OSError as error:
        raise Unavailable(f"REPRISE_DATA_DIR={settings.data_dir} cannot be written: {error.strerror}") from error


def _named(location: tuple[int | str, ...]) -> str:
    """REPRISE_UPSTREAM_FIELDS: steps"""
    first, *inside = map(str, location)
    return ": ".join([PREFIX + first.upper(), *inside])


def _said(message: str) -> str:
    return message.removeprefix("Value error, ")


@contextmanager
def cli_errors() -> Iterator[None]:
    """Our own errors end a command with their message, not with a traceback."""
    try:
        yield
    except RepriseError as error:
        raise click.ClickException(error.message if error.cause is None else f"{error.message} ({error.cause})") from error
