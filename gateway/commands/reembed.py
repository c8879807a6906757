"""`reprise reembed`: vectors by another encoder for every clip that has none yet, so that the change to it costs no near hit."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import click
import numpy as np

from cache.matching.encoding.encoders import Encoders
from cache.matching.encoding.loading import load_encoders
from cache.settings import Settings
from cache.storage.database import Database
from cache.storage.reembedding import Reembedded, reembed
from migrations.upgrade import migrate


async def run(settings: Settings, source: str, verifier: str) -> tuple[str, Reembedded, bool]:
    """The version of the encoder, what was done, and whether a table holds for it: without one it gives no near hits.

    Beside a running server, which goes on with its own encoder and follows these changes as any other.
    """
    encoders = await asyncio.to_thread(load_encoders, source, verifier, settings.encoders)
    database = Database(settings.database)

    async def encode(prompts: Sequence[str]) -> list[bytes | None]:
        return await asyncio.to_thread(_encode, encoders, prompts)

    try:
        await migrate(database)
        done = await reembed(database, encoders.embedder.version, encode, _tell)
        return encoders.embedder.version, done, encoders.calibration is not None
    finally:
        await database.close()
        await asyncio.to_thread(encoders.close)


def _encode(encoders: Encoders, prompts: Sequence[str]) -> list[bytes | None]:
    """As a gateway stores what it renders: half floats, little end first."""
    found: list[bytes | None] = [None] * len(prompts)
    read = [at for at, prompt in enumerate(prompts) if encoders.embedder.covers(prompt)]
    read.sort(key=lambda at: len(prompts[at]))
    vectors = encoders.embedder.embed_now([prompts[at] for at in read])
    for at, vector in zip(read, vectors, strict=True):
        found[at] = np.asarray(vector).astype("<f2").tobytes()
    return found


def _tell(done: Reembedded) -> None:
    click.echo(f"{done.vectors} vectors", err=True)
