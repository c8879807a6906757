"""A cache for another encoder: every live clip gets a vector by it, beside the one that it has, while the old one serves."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from cache.storage.changes import add_vectors, without_vector
from cache.storage.database import Database

# From prompts to their vectors as stored, in order; None for a prompt that this encoder cannot read.
Encode = Callable[[Sequence[str]], Awaitable[list[bytes | None]]]


@dataclass
class Reembedded:
    """`unread` clips stay Exact only under this encoder."""

    vectors: int = 0
    unread: int = 0


async def reembed(database: Database, embedder: str, encode: Encode, told: Callable[[Reembedded], None], batch: int = 64) -> Reembedded:
    """In batches of one transaction each. Cut off and begun again it goes on with what is left; run once more, it does what came since."""
    done, after = Reembedded(), ""
    while True:
        async with database.read() as connection:
            left = await without_vector(connection, embedder, batch, after)
        if not left:
            return done
        # By id, which no change moves: what cannot be read is passed over, not met again.
        after = left[-1][0]
        vectors = await encode([prompt for _, prompt in left])
        made = {clip: vector for (clip, _), vector in zip(left, vectors, strict=True) if vector is not None}
        if made:
            async with database.write() as connection:
                done.vectors += await add_vectors(connection, embedder, made)
        done.unread += len(left) - len(made)
        told(done)
