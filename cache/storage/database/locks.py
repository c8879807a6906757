"""The numbers of the advisory locks that processes of one PostgreSQL database take. Procrastinate has its own."""

from __future__ import annotations

from enum import IntEnum


class Lock(IntEnum):
    """An advisory lock. Its holder does for all processes what the name says."""

    MIGRATION = 0x52455052
    INDEX_SNAPSHOT = 0x52455049
    CAPACITY = 0x52455631
    PLANS = 0x52455632
