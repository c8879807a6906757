"""Numbers formatted for people. Pure; each function is also a template filter of the same name."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime

NOTHING = "–"


def number(value: float | None, digits: int = 0) -> str:
    """1,234 or, with digits, 1,234.5."""
    return NOTHING if value is None else f"{value:,.{digits}f}"


def percent(share: float | None, digits: int = 1) -> str:
    """A share from 0 to 1 in percent. Never 100 % or 0 % for a share that is merely close."""
    if share is None:
        return NOTHING
    shown = f"{share * 100:.{digits}f}"
    least = 10.0**-digits
    if float(shown) >= 100 and share < 1:
        return f"> {100 - least:.{digits}f} %"
    if float(shown) <= 0 < share:
        return f"< {least:.{digits}f} %"
    return f"{shown} %"


def money(amount: float | None) -> str:
    """An amount in the operator's own currency, which has no sign here; small ones with two more digits, since they are not nothing."""
    return NOTHING if amount is None else number(amount, 2 if amount == 0 or amount >= 0.1 else 4)


def size(count: float | None) -> str:
    """A number of bytes in decimal units, as disks are sold."""
    if count is None:
        return NOTHING
    value = float(count)
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if abs(value) < 1000 or unit == "TB":
            return f"{value:.0f} {unit}" if unit == "B" or value >= 100 else f"{value:.1f} {unit}"
        value /= 1000
    raise AssertionError("the last unit ends the loop")


def duration(seconds: float | None) -> str:
    """Two units at most: 340 ms, 12.3 s, 4 min 5 s, 2 h 3 min, 5 d 4 h."""
    if seconds is None:
        return NOTHING
    if seconds < 0.9995:
        return f"{max(0.0, seconds) * 1000:.0f} ms" if seconds >= 0.01 else f"{max(0.0, seconds) * 1000:.1f} ms"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    for above, big, small, long, short in ((3600, 60, 1, "min", "s"), (86_400, 3600, 60, "h", "min"), (10**18, 86_400, 3600, "d", "h")):
        if whole < above:
            return f"{whole // big:,} {long} {whole % big // small} {short}" if whole % big // small else f"{whole // big:,} {long}"
    return NOTHING


def ms(milliseconds: float | None) -> str:
    return duration(None if milliseconds is None else milliseconds / 1000)


def ago(at: float | None, now: float | None = None) -> str:
    """The age of a time in Unix seconds: 5 min ago."""
    if at is None:
        return "never"
    gone = (time.time() if now is None else now) - at
    if gone < 1:
        return "just now"
    return f"{duration(gone).split('.')[0]} s ago" if gone < 59.95 else f"{' '.join(duration(gone).split(' ')[:2])} ago"


def moment(at: float | None) -> str:
    """2026-11-22 14:06:01 UTC."""
    return "never" if at is None else datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def iso(at: float) -> str:
    """A time as `<time datetime>` takes it."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def short(name: str, length: int = 12) -> str:
    """An id or digest as far as people compare it."""
    return name if len(name) <= length + 1 else f"{name[:length]}…"


FILTERS: dict[str, Callable[..., str]] = {
    "number": number, "percent": percent, "money": money, "size": size, "duration": duration, "ms": ms, "ago": ago, "moment": moment,
    "iso": iso, "short": short,
}  # fmt: skip
