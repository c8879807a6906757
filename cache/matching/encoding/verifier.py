"""The verifier: a cross-encoder that reads both prompts. Does a clip made for `cached` show what `new` asks for?"""

from __future__ import annotations

import hashlib
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from cachetools import LRUCache
from numpy.typing import NDArray

from cache.matching.calibration import Entailment
from cache.matching.encoding.batching import Batches
from cache.matching.encoding.exported import SHIPPED, exported_verifier
from cache.matching.encoding.onnx_model import OnnxModel, file_digest
from cache.matching.reading.slips import mended
from cache.matching.reading.variants import told_alike
from cache.matching.reading.wording import as_read
from cache.prompt import normal_form

_CORES = 2  # pairs that are read at a time, a core each


class Verifier:
    """Reads the cached prompt as premise, the new one as hypothesis. `version` names its file."""

    def __init__(self, model: OnnxModel, version: str, *, remembered: int = 16_384) -> None:
        self._model = model
        self.version = version
        self._readers = ThreadPoolExecutor(_CORES, "verifier-reads")
        # Pairs gain nothing by company, so none waits for more than who is read beside it.
        self._batches: Batches[tuple[str, str], Entailment] = Batches(self._scores, name="verifier", size=_CORES, linger=0.0)
        self._recent: LRUCache[bytes, Entailment] = LRUCache(remembered)

    @classmethod
    def load(cls, source: str = str(SHIPPED), cache_dir: Path = Path(".reprise/models"), threads: int = 1) -> Verifier:
        """Heavy: call it in a thread. `source` is the shipped folder, a cross-encoder folder or a hub id."""
        folder = exported_verifier(source, cache_dir)
        facts = json.loads((folder / "export.json").read_text())
        if file_digest(folder / "model.onnx") != facts["model"]:
            raise ValueError(f"{folder / 'model.onnx'} is not the file that its export.json describes")
        if "words" in facts and file_digest(folder / "words.bin") != facts["words"]:
            raise ValueError(f"{folder / 'words.bin'} is not the file that its export.json describes")
        model = OnnxModel(folder / "model.onnx", folder / "tokenizer.json", facts["window"], threads)
        return cls(model, f"{facts['name']}-{facts['weights'][:12]}")

    def refuses(self, new: str, cached: str) -> str | None:
        """The reason why this pair cannot be read whole, or None."""
        return self._model.unread(_pair(new, cached))

    async def score(self, new: str, cached: str) -> Entailment:
        """A near hit makes no clip, so popular words meet the same neighbour again and again: each pair is read once."""
        pair = _pair(new, cached)
        key = _digest(pair)
        known = self._recent.get(key)
        if known is None:
            known = self._recent[key] = await self._batches.ask(pair)
        return known

    def score_now(self, pairs: list[tuple[str, str]]) -> list[Entailment]:
        """Blocking, for pairs of (new, cached): for the command line and benchmarks."""
        return self._scores([_pair(new, cached) for new, cached in pairs])

    def close(self) -> None:
        self._batches.close()
        self._readers.shutdown()

    def _scores(self, pairs: list[tuple[str, str]]) -> list[Entailment]:
        # One run per pair: int8 activations are scaled over a whole run, so in company a pair would get other digits
        # than alone, and a prompt could flip between hit and miss with the traffic.
        rows = [self._alone(pairs[0])] if len(pairs) == 1 else list(self._readers.map(self._alone, pairs))
        # A cross-encoder with three labels (contradiction, entailment, neutral) is read by its middle one against the rest.
        return [Entailment(float(row[0] if len(row) == 1 else row[1] - max(row[0], row[2]))) for row in rows]

    def _alone(self, pair: tuple[str, str]) -> NDArray[np.float32]:
        row: NDArray[np.float32] = self._model.run([pair])[0]
        return row


def _digest(pair: tuple[str, str]) -> bytes:
    """The digest of both texts, so that the memory holds no prompts."""
    premise, hypothesis = pair
    return hashlib.sha256(f"{len(premise)} {premise}{hypothesis}".encode()).digest()


def _pair(new: str, cached: str) -> tuple[str, str]:
    new, cached = mended(new, cached)
    new, cached = told_alike(as_read(new), as_read(cached))
    return normal_form(cached), normal_form(new)
