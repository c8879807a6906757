"""An ONNX model: a transformer as a function from texts to an array. The door to onnxruntime and tokenizers; no torch."""

from __future__ import annotations

import hashlib
import os
import unicodedata
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from threading import Lock

import numpy as np
from cachetools import LRUCache, cached
from numpy.typing import NDArray
from tokenizers import Encoding, Tokenizer

Text = str | tuple[str, str]

# A vocabulary reads a script when it has whole word pieces of it, not only a few loose letters.
# BERT's English vocabulary holds some hundred single Chinese, Japanese, Arabic and Cyrillic characters:
# with them two Chinese prompts that differ in the animal can get the same tokens.
_PIECES_TO_READ_A_SCRIPT = 500


class OnnxModel:
    """One onnx file with its tokenizer.json. Not bound to a thread, but meant to be run in one at a time."""

    def __init__(self, model: Path, tokenizer: Path, window: int, threads: int) -> None:
        os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # read at the import: without it the Linux wheels report to their vendor
        import onnxruntime  # noqa: PLC0415  # in the thread that loads: a server listens before its encoder is there

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        # Spinning threads would take a whole core from the event loop between two batches.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
        self._inputs = [entry.name for entry in self._session.get_inputs()]
        self._tokenizer, self._scripts = vocabulary(tokenizer)
        self._unknown = self._tokenizer.token_to_id("[UNK]")
        if self._unknown is None:
            self._unknown = self._tokenizer.token_to_id("<unk>")
        self.window = window

    def encode(self, text: Text) -> Encoding:
        return self._tokenizer.encode(*text) if isinstance(text, tuple) else self._tokenizer.encode(text)

    def unread(self, text: Text) -> str | None:
        """The reason why this model cannot read `text` whole, or None when it can."""
        encoding = self.encode(text)
        if self._unknown is not None and self._unknown in encoding.ids:
            return "words unknown to the model"
        for script in _scripts("".join(text)):
            if script not in self._scripts:
                return f"script not covered by the model: {script.lower()}"
        if len(encoding.ids) > self.window:
            return f"longer than the model's window ({len(encoding.ids)} / {self.window} tokens)"
        return None

    def run(self, texts: Sequence[Text]) -> NDArray[np.float32]:
        """One row per text, in order. Texts of like length run together, so that padding stays small."""
        encodings = [self.encode(text) for text in texts]
        order = sorted(range(len(texts)), key=lambda at: len(encodings[at].ids))
        rows: list[NDArray[np.float32] | None] = [None] * len(texts)
        start = 0
        while start < len(order):
            end = start + 1
            room = max(24, int(len(encodings[order[start]].ids) * 1.5))
            while end < len(order) and len(encodings[order[end]].ids) <= room:
                end += 1
            out = self._forward([encodings[at] for at in order[start:end]])
            for at, row in zip(order[start:end], out, strict=True):
                rows[at] = row
            start = end
        return np.stack([row for row in rows if row is not None])

    def _forward(self, encodings: Sequence[Encoding]) -> NDArray[np.float32]:
        length = max(len(encoding.ids) for encoding in encodings)
        feeds = {
            "input_ids": np.zeros((len(encodings), length), np.int64),
            "attention_mask": np.zeros((len(encodings), length), np.int64),
            "token_type_ids": np.zeros((len(encodings), length), np.int64),
        }
        for at, encoding in enumerate(encodings):
            count = len(encoding.ids)
            feeds["input_ids"][at, :count] = encoding.ids
            feeds["attention_mask"][at, :count] = 1
            feeds["token_type_ids"][at, :count] = encoding.type_ids
        (out,) = self._session.run(None, {name: feeds[name] for name in self._inputs})
        return np.asarray(out, np.float32)


def file_digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@cached(LRUCache(4), key=file_digest, lock=Lock())
def vocabulary(path: Path) -> tuple[Tokenizer, frozenset[str]]:
    """A tokenizer.json, read, and the scripts that it covers. Two of our models share one, and it takes a tenth of a second."""
    tokenizer = Tokenizer.from_file(str(path))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer, _scripts_read(tokenizer)


def _scripts(text: str) -> set[str]:
    """The first word of each letter's Unicode name is its script (LATIN, CJK, CYRILLIC, HIRAGANA, …)."""
    if text.isascii():  # nearly every piece of an English vocabulary: three of them are read at each start
        return {"LATIN"} if any(map(str.isalpha, text)) else set()
    return {_script(char) for char in text if char.isalpha()}


@lru_cache(maxsize=65_536)
def _script(letter: str) -> str:
    return unicodedata.name(letter, "UNNAMED").split(" ")[0]


def _scripts_read(tokenizer: Tokenizer) -> frozenset[str]:
    pieces: Counter[str] = Counter()
    for piece in tokenizer.get_vocab():
        letters = piece.removeprefix("##").removeprefix("▁").removeprefix("Ġ")
        if len(letters) >= 2 or (letters and ord(letters[0]) > 0x2E80):
            pieces.update(_scripts(letters))
    # One Chinese character is a word: a vocabulary that reads Chinese holds thousands of them.
    return frozenset(script for script, count in pieces.items() if count >= (3000 if script == "CJK" else _PIECES_TO_READ_A_SCRIPT))
