"""The vector codec: how a vector is stored in a row, and read again. float16, little endian, of length 1."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def pack(vector: NDArray[np.float32]) -> bytes:
    return vector.astype("<f2").tobytes()


def unpack(stored: bytes) -> NDArray[np.float32]:
    """The vector as it was stored: float16 rounds its length by up to a thousandth."""
    return np.frombuffer(stored, "<f2").astype(np.float32)


def unit(stored: bytes) -> NDArray[np.float32] | None:
    """float32 of length 1 again; None where the bytes are no direction."""
    if not stored or len(stored) % 2:
        return None
    vector = unpack(stored)
    length = float(np.linalg.norm(vector))
    return vector / np.float32(length) if np.isfinite(length) and length > 1e-3 else None
