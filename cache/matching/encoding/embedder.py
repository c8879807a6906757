"""The embedder: prompts to unit vectors, by the encoder."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from cachetools import LRUCache
from numpy.typing import NDArray

from cache.matching.encoding.batching import Batches
from cache.matching.encoding.exported import DEFAULT_EMBEDDER, SHIPPED, exported_embedder
from cache.matching.encoding.onnx_model import OnnxModel, file_digest
from cache.matching.reading.chinese import converters
from cache.matching.reading.vocabulary import lexicon
from cache.matching.reading.wording import READING, as_read
from cache.matching.rules.chinese.segments import warm
from cache.prompt import is_chinese, normal_form

NORMALISER = f"n1{READING}"  # raise n1 when normal_form changes: vectors of two normal forms must not meet


def _form(text: str) -> str:
    return normal_form(as_read(text))


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

    Case is folded outside quotation marks before encoding, so that texts with one normal form have one vector. `chinese` reads what
    has Chinese in it, and was trained to give it the vector of its translation: both languages lie in one space.
    """

    def __init__(self, model: OnnxModel, version: str, dimension: int, *, chinese: OnnxModel | None = None, remembered: int = 4096) -> None:
        self._model, self._chinese = model, chinese
        self.version, self.dimension = version, dimension
        self._batches: Batches[str, NDArray[np.float32]] = Batches(self._run, name="encoder")
        self._recent: LRUCache[str, Embedding] = LRUCache(remembered)
        self._unread = lru_cache(remembered)(lambda text: self._reader(text).unread(text))

    @classmethod
    def load(cls, source: str = DEFAULT_EMBEDDER, cache_dir: Path = Path(".reprise/models"), threads: int = 1) -> Embedder:
        """Heavy: call it in a thread. `source` is a package default, a sentence-transformers folder or a hub id;
        the first use of a source exports it to onnx in a process of its own."""
        folder = exported_embedder(source, cache_dir)
        # What reads a prompt is at hand before the first one comes.
        lexicon()
        converters()
        warm()
        facts = json.loads((folder / "export.json").read_text())
        digest = file_digest(folder / "model.onnx")
        model = OnnxModel(folder / "model.onnx", folder / "tokenizer.json", facts["window"], threads)
        dimension = int(facts["dimension"])
        # The version comes from the source weights: another export of the same weights agrees to 0.98 at least, 0.994 on average.
        version = f"{facts['name']}-{facts['weights'][:12]}-{dimension}-{NORMALISER}"
        if digest != facts["model"]:
            raise ValueError(f"{folder / 'model.onnx'} is not the file that was exported: remove the folder")
        return cls(model, version, dimension, chinese=_chinese(threads) if source == DEFAULT_EMBEDDER else None)

    def _reader(self, text: str) -> OnnxModel:
        return self._chinese if self._chinese is not None and is_chinese(text) else self._model

    def _run(self, texts: Sequence[str]) -> list[NDArray[np.float32]]:
        """One run each: int8 activations are scaled over a whole run, and a prompt's vector may not hang on its company."""
        return [self._reader(text).run([text])[0] for text in texts]

    def refuses(self, text: str) -> str | None:
        """The reason why `text` can be Exact only, or None. Nothing is silently cut at the window."""
        return self._unread(_form(text))

    def covers(self, text: str) -> bool:
        return self.refuses(text) is None

    async def embed(self, text: str) -> Embedding:
        form = _form(text)
        known = self._recent.get(form)
        if known is not None:
            return known
        vector = await self._batches.ask(form)
        vector.setflags(write=False)
        embedding = Embedding(vector, self.version)
        self._recent[form] = embedding
        return embedding

    def embed_now(self, texts: list[str]) -> NDArray[np.float32]:
        """Blocking, in the caller's thread, in the order given: for command line, start-up and benchmarks."""
        rows = [row for at in range(0, len(texts), 64) for row in self._run([_form(text) for text in texts[at : at + 64]])]
        return np.stack(rows) if rows else np.zeros((0, self.dimension), np.float32)

    def close(self) -> None:
        self._batches.close()


def _chinese(threads: int) -> OnnxModel:
    facts = json.loads((SHIPPED / "encoder.json").read_text())
    for name, digest in (("encoder.onnx", facts["model"]), ("words.bin", facts["words"])):
        if file_digest(SHIPPED / name) != digest:
            raise ValueError(f"{SHIPPED / name} is not the file that encoder.json describes")
    return OnnxModel(SHIPPED / "encoder.onnx", SHIPPED / "tokenizer.json", facts["window"], threads)
