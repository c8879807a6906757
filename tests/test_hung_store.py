"""A store that takes connections and says nothing: who reads is told within the limit, not after every try has run out."""

from __future__ import annotations

import hashlib
import socket
import time
from collections.abc import Iterator

import pytest

from cache.clip import StoredObject
from cache.errors import StoreAway
from cache.ids import new_id
from cache.storage.bytes import s3
from cache.storage.bytes.objects import object_name, open_store


@pytest.fixture
def hung() -> Iterator[str]:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        yield f"s3://key:secret@clips?endpoint=127.0.0.1:{listening.getsockname()[1]}&secure=false"


async def test_a_reader_is_told_within_the_limit(hung: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3, "PATIENCE", 0.3)
    objects = open_store(hung)
    digest = hashlib.sha256(b"film").hexdigest()
    stored = StoredObject("video", object_name(new_id("clip"), digest, "video/mp4"), digest, 4, "video/mp4")
    began = time.monotonic()
    with pytest.raises(StoreAway, match="in time"):
        await objects.open(stored, 0, 4)
    with pytest.raises(StoreAway, match="in time"):
        await objects.check()
    assert time.monotonic() - began < 3
    await objects.close()
