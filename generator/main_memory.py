"""The main memory that is free for this process: of the machine, or of the container where that is less."""

from __future__ import annotations

import os
import re
from pathlib import Path

_PROC, _CGROUP = Path("/proc"), Path("/sys/fs/cgroup")


def free_main_memory(proc: Path = _PROC, cgroup: Path = _CGROUP) -> int:
    """Bytes. Where nobody tells, half of what the machine has."""
    told = re.search(r"^MemAvailable:\s*(\d+) kB", _read(proc / "meminfo"), re.MULTILINE)
    free = int(told[1]) * 1024 if told else os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
    limit = _limit(cgroup)
    return free if limit is None else max(0, min(free, limit))


def _limit(cgroup: Path) -> int | None:
    """The bytes that the container's limit leaves. Pages of files that could be dropped count as free, as they do on the machine."""
    for most, held in (("memory.max", "memory.current"), ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes")):
        limit, taken = _read(cgroup / most).strip(), _read(cgroup / held).strip()
        if limit.isdecimal() and taken.isdecimal():
            files = re.search(r"^(?:total_)?inactive_file (\d+)", _read((cgroup / most).parent / "memory.stat"), re.MULTILINE)
            return int(limit) - int(taken) + (int(files[1]) if files else 0)
    return None


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
