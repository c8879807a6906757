"""Re-embedding: every live clip gets a vector by another encoder, next to its old one, which stays in use."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from cache.storage.database.changes import add_vectors, without_vector
from cache.storage.database.database import Database

# From prompts to their vectors as stored, in order; None for a prompt that this encoder cannot read.
Encode = Callable[[Sequence[str]], Awaitable[list[bytes | None]]]


@dataclass
class Reembedded:
    """The counts. `unread` clips get exact hits only under this encoder."""

    vectors: int = 0
    unread: int = 0


async def reembed(database: Database, embedder: str, encode: Encode, told: Callable[[Reembedded], None], batch: int = 64) -> Reembedded:
    """Adds the missing vectors, in batches of one transaction each. Run again it continues, and does the clips made since."""
    done, after = Reembedded(), ""
    while True:
        async with database.read() as connection:
            left = await without_vector(connection, embedder, batch, after)
        if not left:
            return done
        # Ordered by id, which no change moves: a clip that cannot be read is skipped once, and not met again.
        after = left[-1][0]
        vectors = await encode([prompt for _, prompt in left])
        made = {clip: vector for (clip, _), vector in zip(left, vectors, strict=True) if vector is not None}
        if made:
            async with database.write() as connection:
                done.vectors += await add_vectors(connection, embedder, made)
        done.unread += len(left) - len(made)
        told(done)
