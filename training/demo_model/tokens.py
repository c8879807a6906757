"""The demo model's tokenizer: the words of the captions as a Unigram model, in the form of a T5 tokenizer."""

from __future__ import annotations

import math
import re
import string
from collections import Counter
from collections.abc import Iterable

from transformers import T5Tokenizer

LENGTH = 64
"""Tokens to which prompts are padded, in training and at run time (`max_sequence_length`)."""

PAD, END, UNKNOWN = "<pad>", "</s>", "<unk>"
_START = "\u2581"
"""Marks a piece that begins a word."""


def train_tokenizer(captions: Iterable[str], pieces: int = 2400) -> T5Tokenizer:
    """A tokenizer of at most this many pieces: frequent words whole, every other Latin word in letters.

    Counted, not fitted: equal captions give equal vocabularies on every machine, which the usual trainer does not.
    """
    counts = Counter(piece for caption in captions for word in caption.split() for piece in _pieces(word))
    letters = [*string.ascii_letters, *string.digits, *string.punctuation, _START]
    total = sum(counts.values())
    words = sorted((p for p in counts if p not in letters), key=lambda p: (-counts[p], p))[: pieces - len(letters) - 3]
    # A letter costs more than any word, so that a word is spelled only when it has no piece of its own.
    spelled = -math.log(total) - 1.0
    vocab = [(PAD, 0.0), (END, 0.0), (UNKNOWN, spelled - 10.0)]
    vocab += [(p, math.log(counts[p] / total)) for p in words]
    vocab += [(letter, spelled) for letter in letters]
    return T5Tokenizer(vocab=vocab, extra_ids=0, model_max_length=512)


def _pieces(word: str) -> list[str]:
    parts = re.findall(r"[A-Za-z]+|[^A-Za-z]", word)
    return [_START + parts[0], *parts[1:]]
