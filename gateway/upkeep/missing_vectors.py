"""Missing vectors of clips that were made while there was no encoder: with them near look-ups find these clips, too."""

from __future__ import annotations

import asyncio

import structlog

from cache.matching.encoding.embedder import Embedder
from cache.matching.encoding.encoders import Loading
from cache.matching.vectors.codec import pack
from cache.storage.database.changes import add_vectors, without_vector
from cache.storage.database.database import Database
from cache.supervision import Supervisor

log = structlog.get_logger(__name__)

_EVERY = 30.0  # seconds
_BATCH = 64  # clips in one round
_ROUNDS = 120  # after so many, an hour, what could not be read is looked at again


class MissingVectors:
    """Reads one batch of clips in each round, in the order of their ids. Those that the encoder cannot read are passed over."""

    def __init__(self, database: Database, encoders: Loading) -> None:
        self._database, self._encoders = database, encoders
        self._after, self._round = "", 0

    def start(self, supervisor: Supervisor) -> None:
        supervisor.every(_EVERY, "missing vectors", self.run_once)

    async def run_once(self) -> int:
        """Adds missing vectors; returns the number of clips that got one."""
        encoders = self._encoders.at_hand()
        if encoders is None:
            return 0
        self._round += 1
        if self._round % _ROUNDS == 0:
            self._after = ""
        embedder = encoders.embedder
        async with self._database.read() as connection:
            left = await without_vector(connection, embedder.version, _BATCH, self._after)
        if not left:
            return 0
        self._after = left[-1][0]
        vectors = await asyncio.to_thread(_encode, embedder, left)
        if not vectors:
            return 0
        async with self._database.write() as connection:
            added = await add_vectors(connection, embedder.version, vectors)
        log.info("clips got the vectors that they were made without", clips=added)
        return added


def _encode(embedder: Embedder, left: list[tuple[str, str]]) -> dict[str, bytes]:
    read = [(clip_id, prompt) for clip_id, prompt in left if embedder.covers(prompt)]
    vectors = embedder.embed_now([prompt for _, prompt in read])
    return {clip_id: pack(vector) for (clip_id, _), vector in zip(read, vectors, strict=True)}
