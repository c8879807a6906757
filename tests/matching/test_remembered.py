"""What the verifier said of a pair is remembered, and is what it would say again."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from cachetools import LRUCache

from cache.matching.encoding.onnx_model import OnnxModel, Text
from cache.matching.encoding.verifier import Verifier

NEW, CACHED = "a red ball bounces on the grass", "a red ball bouncing on grass"


@pytest.fixture(scope="module")
def verifier() -> Iterator[Verifier]:
    loaded = Verifier.load()
    yield loaded
    loaded.close()


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[Text]:
    """Every text that the model was run on."""
    seen: list[Text] = []
    run = OnnxModel.run

    def counted(self: OnnxModel, texts: Sequence[Text]) -> Any:
        seen.extend(texts)
        return run(self, texts)

    monkeypatch.setattr(OnnxModel, "run", counted)
    return seen


async def test_a_pair_is_read_once_and_answered_alike_for_ever(verifier: Verifier, read: list[Text]) -> None:
    first = await verifier.score(NEW, CACHED)
    again = await asyncio.gather(*(verifier.score(words, CACHED) for words in (NEW, NEW.upper(), f"{NEW}.")))
    assert len(read) == 1
    assert {first, *again} == {first} == set(verifier.score_now([(NEW, CACHED)]))


async def test_the_order_of_a_pair_and_where_it_is_cut_count(verifier: Verifier, read: list[Text]) -> None:
    there, back = await verifier.score(CACHED, NEW), await verifier.score("b", "a a")
    assert there == verifier.score_now([(CACHED, NEW)])[0]
    assert back == verifier.score_now([("b", "a a")])[0]
    assert await verifier.score("a b", "a") == verifier.score_now([("a b", "a")])[0]
    assert len(read) == 6


async def test_what_is_remembered_is_bounded(verifier: Verifier, monkeypatch: pytest.MonkeyPatch, read: list[Text]) -> None:
    monkeypatch.setattr(verifier, "_recent", LRUCache(2))
    for words in ("one ball", "two balls", "three balls", "one ball"):
        await verifier.score(words, CACHED)
    assert len(verifier._recent) == 2
    assert len(read) == 4, "the first was forgotten for the third, and read again"
