"""Gather what may train, once, into one folder that a lent GPU can read: rows, sentences, WordNet, base weights.

python -m training.judge.prepare DATA FOLDER
"""

from __future__ import annotations

import gzip
import json
import pickle
import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

from cache.matching.encoding.embedder import Embedder
from cache.matching.encoding.exported import DEFAULT_EMBEDDER, source_folder
from cache.matching.rules.slots import difference, read
from training.judge.groups import groups
from training.judge.near_words import near_words
from training.judge.sources import permitted
from training.judge.wordnet import WORDNET, Wordnet, read_wordnet

MODELS = Path(".reprise/models")


def wider_than_any(word: str, words: set[str], net: Wordnet) -> bool:
    return any(word in net.wider.get(other, []) or word in net.synonyms.get((other, "n"), []) for other in words)


def alike(images: list[list[str]], embedder: Embedder, net: Wordnet) -> list[tuple[str, str, int]]:
    """Pictures' captions: two of one picture that share most words, and near ones of other pictures."""
    found: list[tuple[str, str, int]] = []
    for captions in images:
        for one in captions:
            for other in captions:
                a, b = read(one), read(other)
                if one == other or difference(a, b):
                    continue
                left, right = set(a.content), set(b.content)
                odd = {word for word in left - right if not wider_than_any(word, right, net)}
                shared = len(left & right) / max(1, len(left | right))
                # All that `one` names is in `other`; or nearly all, and most words are shared.
                if (not odd and len(left & right) >= 3) or (len(odd) == 1 and shared >= 0.5 and not difference(b, a)):
                    found.append((one, other, 1))
    firsts = [caption for captions in images for caption in captions[:3]]
    owner = [at for at, captions in enumerate(images) for _ in captions[:3]]
    vectors = embedder.embed_now(firsts)
    for start in range(0, len(firsts), 512):
        scores = vectors[start : start + 512] @ vectors.T
        for at, row in enumerate(scores, start):
            for near in np.argsort(-row)[1:12]:
                if owner[near] != owner[at] and 0.5 <= row[near] <= 0.85:
                    found.append((firsts[at], firsts[near], 0))
    return found


def main(data: Path, folder: Path) -> None:
    from safetensors.numpy import load_file

    folder.mkdir(parents=True, exist_ok=True)
    rows, texts, images = permitted(data)
    embedder = Embedder.load(cache_dir=MODELS)
    net = read_wordnet()
    pairs, held_pairs = (alike([captions for captions, held in images if held is side], embedder, net) for side in (False, True))
    with gzip.open(folder / "material.json.gz", "wt") as file:
        made = {"rows": [asdict(row) for row in rows], "texts": texts, "alike": pairs, "alike_held": held_pairs, "groups": list(groups())}
        json.dump(made, file)
    source = Path(source_folder(DEFAULT_EMBEDDER))
    tokenizer = Tokenizer.from_file(str(source / "tokenizer.json"))
    tokenizer.no_padding()
    near = near_words(net, embedder.embed_now, lambda word: len(tokenizer.encode(word, add_special_tokens=False).ids), WORDNET)
    with gzip.open(folder / "wordnet.pickle.gz", "wb") as packed_net:
        pickle.dump((net, near), packed_net)
    weights = load_file(source / "model.safetensors")
    # Whole matrices as int8 with a scale per row: close enough to start from, and small enough to carry.
    packed: dict[str, np.ndarray] = {}
    for name, array in weights.items():
        if array.ndim == 2 and array.size > 100_000:
            scale = np.abs(array).max(1, keepdims=True) / 127 + 1e-12
            packed[f"{name}|scale"] = scale.astype(np.float32)
            packed[name] = np.round(array / scale).astype(np.int8)
        else:
            packed[name] = array
    np.savez_compressed(folder / "base.npz", **packed)  # type: ignore[arg-type]
    for name in ("config.json", "tokenizer.json"):
        (folder / name).write_bytes((source / name).read_bytes())
    print(f"{len(rows)} rows, {len(texts)} sentences, {len(pairs)} captions alike, {sum(label for *_, label in pairs)} of one picture")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
