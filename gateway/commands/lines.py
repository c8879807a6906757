"""Lines that commands read from files, and lines in which they tell what was wrong there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import click

from cache.errors import Invalid

_SHOWN = 20  # faults printed


def text(lines: Iterable[str], name: str) -> Iterator[str]:
    """The lines of a file or of stdin as they come. Raises Invalid for what is no text, whose every line would else be a fault."""
    for number, line in enumerate(lines, 1):
        if "\0" in line:
            raise Invalid(None, f"{name} is not text in UTF-8: there is a NUL in line {number}")
        yield line


def show(faults: Iterable[str]) -> None:
    """Prints the first faults to stderr, and how many more there are."""
    listed = list(faults)
    for fault in listed[:_SHOWN]:
        click.echo(fault, err=True)
    if len(listed) > _SHOWN:
        click.echo(f"… and {len(listed) - _SHOWN} more", err=True)
