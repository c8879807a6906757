"""What every command begins with: the settings of the environment, and facts told as one line."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import click
from pydantic import ValidationError
from pydantic_settings import SettingsError

from cache.errors import RepriseError
from cache.settings import PREFIX, Settings
from gateway.observed.logs import start_logging


def read_settings() -> Settings:
    """The environment's settings; a wrong or unknown one ends the command with a line that names it. From here on log
    lines go to stderr: what a command prints is for whoever reads its output.
    """
    known = {PREFIX + name.upper() for name in Settings.model_fields}
    unknown = sorted(name for name in os.environ if name.startswith(PREFIX) and name not in known)
    if unknown:
        raise click.ClickException(f"no such setting: {', '.join(unknown)}")
    try:
        settings = Settings()
    except ValidationError as error:
        wrong = [f"{PREFIX}{'.'.join(str(part) for part in one['loc']).upper()}: {_said(one['msg'])}" for one in error.errors()]
        raise click.ClickException("\n".join(wrong)) from None
    except SettingsError as error:
        # Of the settings that are JSON; the library names the field, in quotes.
        field = next(name for name in Settings.model_fields if f'"{name}"' in str(error))
        raise click.ClickException(f"{PREFIX}{field.upper()}: this is no JSON") from None
    start_logging(settings)
    return settings


def _said(message: str) -> str:
    return message.removeprefix("Value error, ")


@contextmanager
def facts_told() -> Iterator[None]:
    """Our own errors end a command with their message, not with a traceback."""
    try:
        yield
    except RepriseError as error:
        raise click.ClickException(error.message) from error
