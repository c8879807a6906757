"""`reprise reembed`: vectors by another encoder for every clip that has none yet, so that changing over costs no near hits."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import click

from cache.matching.encoding.encoders import Encoders
from cache.matching.encoding.loading import load_encoders
from cache.matching.vectors.codec import pack
from cache.settings import Settings
from cache.storage.clips.reembedding import Reembedded, reembed
from cache.storage.database.database import Database
from gateway.environment import check_cache
from migrations.upgrade import migrate


async def run_reembed(settings: Settings, source: str, verifier: str) -> tuple[str, Reembedded, bool]:
    """Computes the vectors. Returns the encoder's version, the counts, and whether it has a calibration table: without one it
    gives no near hits.

    A running server goes on with its own encoder and follows these changes like any others. Raises NotFound where there is no cache.
    """
    check_cache(settings)
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
    """Vectors as a gateway stores them; None for a prompt that the encoder cannot read."""
    found: list[bytes | None] = [None] * len(prompts)
    read = [at for at, prompt in enumerate(prompts) if encoders.embedder.covers(prompt)]
    read.sort(key=lambda at: len(prompts[at]))
    vectors = encoders.embedder.embed_now([prompts[at] for at in read])
    for at, vector in zip(read, vectors, strict=True):
        found[at] = pack(vector)
    return found


def _tell(done: Reembedded) -> None:
    click.echo(f"{done.vectors} vectors", err=True)
