"""The bundled encoder and verifier as they ship."""

from __future__ import annotations

import asyncio
import hashlib
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cache.matching.encoding.encoders import Encoders
from cache.matching.encoding.exported import DEFAULT_EMBEDDER, DEFAULT_WEIGHTS, SHIPPED, source_folder

PROMPTS = [
    "a heron lands on a pier",
    "neon rain, alley, slow pan left",
    "cat",
    "An old clock-maker bends over a tiny brass gear, macro, warm light",
]


def test_the_weights_of_the_package_are_the_pinned_ones() -> None:
    weights = Path(source_folder(DEFAULT_EMBEDDER)) / "model.safetensors"
    assert hashlib.sha256(weights.read_bytes()).hexdigest() == DEFAULT_WEIGHTS


def test_parity_with_sentence_transformers(encoders: Encoders) -> None:
    """In a process of its own: torch takes seconds and memory that the other tests need not carry."""
    code = (
        "import json, sys; from sentence_transformers import SentenceTransformer;"
        "model = SentenceTransformer(sys.argv[1], device='cpu');"
        "print(json.dumps(model.encode(json.loads(sys.argv[2]), normalize_embeddings=True).tolist()))"
    )
    forms = [prompt.lower() for prompt in PROMPTS]
    command = [sys.executable, "-W", "ignore", "-c", code, source_folder(DEFAULT_EMBEDDER), json.dumps(forms)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    reference = np.array(json.loads(done.stdout.splitlines()[-1]))
    assert (reference * encoders.embedder.embed_now(PROMPTS)).sum(1).min() >= 0.98


async def test_one_by_one_and_together_are_the_same_vectors(encoders: Encoders) -> None:
    together = encoders.embedder.embed_now(PROMPTS)
    apart = await asyncio.gather(*[encoders.embedder.embed(prompt) for prompt in PROMPTS])
    for row, embedding in zip(together, apart, strict=True):
        assert embedding.vector.dtype == np.float32
        assert float(embedding.vector @ row) > 0.9999
        assert abs(float(np.linalg.norm(embedding.vector)) - 1) < 1e-5


async def test_texts_of_one_normal_form_have_one_vector(encoders: Encoders) -> None:
    one = await encoders.embedder.embed("A heron  lands on a PIER.")
    assert (await encoders.embedder.embed("a heron lands on a pier")).vector is one.vector


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("ねこが窓辺にいる", "model"),
        ("кошка на окне", "script not covered by the model: cyrillic"),
        ("cat " * 300, "longer than the model's window"),
    ],
)
def test_what_cannot_be_read_is_exact_only(encoders: Encoders, text: str, why: str) -> None:
    reason = encoders.embedder.refuses(text)
    assert reason is not None
    assert why in reason
    assert not encoders.embedder.covers(text)
    assert encoders.embedder.covers("a café in Zürich")
    assert encoders.embedder.covers("a cat 🐈 on a sill"), "an emoji is read as its name"
    assert encoders.embedder.covers("一只猫在窗台上")


def test_a_translation_lies_by_its_original(encoders: Encoders) -> None:
    texts = ["a red ball rolls over the grass", "a dog sleeps on a bed", "一只红色的球在草地上滚动"]
    ball, other, chinese = encoders.embedder.embed_now(texts)
    assert chinese @ ball > 0.7 > chinese @ other


def test_the_shipped_table_holds_for_the_shipped_models(encoders: Encoders) -> None:
    assert encoders.verifier is not None and encoders.calibration is not None
    assert encoders.calibration.holds_for(encoders.embedder.version, encoders.verifier.version)
    other = replace(encoders.calibration, verifier="another")
    assert not other.holds_for(encoders.embedder.version, encoders.verifier.version)
    assert sum(path.stat().st_size for path in SHIPPED.iterdir()) <= 35_000_000


async def test_the_verifier_reads_alone_as_in_a_crowd(encoders: Encoders) -> None:
    assert encoders.verifier is not None
    pairs = [(one, other) for one in PROMPTS for other in PROMPTS]
    alone = encoders.verifier.score_now([pairs[1]])[0]
    crowd = await asyncio.gather(*[encoders.verifier.score(*pair) for pair in pairs])
    assert crowd[1].forward == alone.forward, "a prompt must not flip between hit and miss with the traffic"


def test_serving_imports_no_torch() -> None:
    code = (
        "import sys, cache.matching.encoding.loading, cache.matching.judging;"
        "print([name for name in ('torch', 'transformers') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
