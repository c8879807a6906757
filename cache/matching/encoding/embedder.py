"""Door to the encoder: prompts to unit vectors."""

from __future__ import annotations

import json
from collections import OrderedDict
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cache.matching.encoding.batching import Batches
from cache.matching.encoding.exported import DEFAULT_EMBEDDER, exported_embedder
from cache.matching.encoding.onnx_model import OnnxModel, file_digest
from cache.prompt import normal_form

NORMALISER = "n1"  # raise it when normal_form changes: vectors of two normal forms must not meet


@dataclass(frozen=True, eq=False)
class Embedding:
    """A unit vector (float32), and the embedder version that it may be compared within."""

    vector: NDArray[np.float32]
    version: str

    def similarity(self, other: Embedding) -> float:
        if self.version != other.version:
            raise ValueError(f"vectors of {self.version} and {other.version} cannot be compared")
        return float(self.vector @ other.vector)


class Embedder:
    """`version` names model file, dimension and normal form; it is part of the Partition.

    Case is folded outside quotation marks before encoding, so that texts with one normal form have one vector.
    """

    def __init__(self, model: OnnxModel, version: str, dimension: int, *, remembered: int = 4096) -> None:
        self._model = model
        self.version, self.dimension = version, dimension
        self._batches: Batches[str, NDArray[np.float32]] = Batches(lambda texts: list(model.run(texts)), name="encoder")
        self._recent: OrderedDict[str, Embedding] = OrderedDict()
        self._unread = lru_cache(remembered)(model.unread)
        self._remembered = remembered

    @classmethod
    def load(cls, source: str = DEFAULT_EMBEDDER, cache_dir: Path = Path(".reprise/models"), threads: int = 1) -> Embedder:
        """Heavy: call it in a thread. `source` is a package default, a sentence-transformers folder or a hub id;
        the first use of a source exports it to onnx in a process of its own."""
        folder = exported_embedder(source, cache_dir)
        facts = json.loads((folder / "export.json").read_text())
        digest = file_digest(folder / "model.onnx")
        model = OnnxModel(folder / "model.onnx", folder / "tokenizer.json", facts["window"], threads)
        dimension = int(facts["dimension"])
        # The version comes from the source weights: another export of the same weights agrees to 0.999.
        version = f"{facts['name']}-{facts['weights'][:12]}-{dimension}-{NORMALISER}"
        if digest != facts["model"]:
            raise ValueError(f"{folder / 'model.onnx'} is not the file that was exported: remove the folder")
        return cls(model, version, dimension)

    def refuses(self, text: str) -> str | None:
        """Why `text` can be Exact only, or None. Nothing is silently cut at the window."""
        return self._unread(normal_form(text))

    def covers(self, text: str) -> bool:
        return self.refuses(text) is None

    async def embed(self, text: str) -> Embedding:
        form = normal_form(text)
        known = self._recent.get(form)
        if known is not None:
            self._recent.move_to_end(form)
            return known
        vector = await self._batches.ask(form)
        vector.setflags(write=False)
        embedding = Embedding(vector, self.version)
        self._recent[form] = embedding
        while len(self._recent) > self._remembered:
            self._recent.popitem(last=False)
        return embedding

    def embed_now(self, texts: list[str]) -> NDArray[np.float32]:
        """Blocking, in the caller's thread, in the order given: for command line, start-up and benchmarks."""
        rows = [self._model.run([normal_form(text) for text in texts[at : at + 64]]) for at in range(0, len(texts), 64)]
        return np.concatenate(rows) if rows else np.zeros((0, self.dimension), np.float32)

    def close(self) -> None:
        self._batches.close()
