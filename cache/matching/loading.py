"""Opens the encoder, the verifier and its table, as the settings name them. Blocks: call it in a thread."""

from __future__ import annotations

from cache.matching.embedder import Embedder
from cache.matching.encoders import Encoders
from cache.matching.exported import DEFAULT_EMBEDDER
from cache.settings import Settings


def load(settings: Settings) -> Encoders:
    embedder = Embedder.load(settings.embedder or DEFAULT_EMBEDDER, settings.encoders)
    return Encoders(embedder, None, None)
