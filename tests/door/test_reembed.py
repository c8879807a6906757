"""A cache moves to another encoder while the old one serves."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from cache.matching.encoding.exported import SHIPPED
from cache.storage.clips.reembedding import Reembedded, reembed
from tests.commands import plain_environment, run_command
from tests.conftest import StartServer
from tests.databases import open_sqlite
from tests.live import Live
from tests.stage import set_stage
from tests.test_move import made

STEPS = 4
WORDS, DIMENSION = 30_522, 16


@pytest.fixture(scope="module")
def tiny_encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An exported folder: the mean of one random vector for each word piece, at length 1."""
    folder = tmp_path_factory.mktemp("encoders") / "tiny"
    folder.mkdir()
    table = np.random.default_rng(0).standard_normal((WORDS, DIMENSION)).astype(np.float32)
    axes = numpy_helper.from_array(np.array([1], np.int64), "axes")
    last = numpy_helper.from_array(np.array([-1], np.int64), "last")
    nodes = [
        helper.make_node("Gather", ["table", "input_ids"], ["read"]),
        helper.make_node("Cast", ["attention_mask"], ["mask"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["mask", "last"], ["column"]),
        helper.make_node("Mul", ["read", "column"], ["kept"]),
        helper.make_node("ReduceSum", ["kept", "axes"], ["sum"], keepdims=0),
        helper.make_node("LpNormalization", ["sum"], ["out"], axis=-1, p=2),
    ]
    shape = ["batch", "length"]
    inputs = [helper.make_tensor_value_info(name, TensorProto.INT64, shape) for name in ("input_ids", "attention_mask")]
    out = helper.make_tensor_value_info("out", TensorProto.FLOAT, ["batch", DIMENSION])
    graph = helper.make_graph(nodes, "tiny", inputs, [out], [numpy_helper.from_array(table, "table"), axes, last])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    (folder / "model.onnx").write_bytes(model.SerializeToString())
    (folder / "tokenizer.json").write_bytes((SHIPPED / "tokenizer.json").read_bytes())
    digest = hashlib.sha256((folder / "model.onnx").read_bytes()).hexdigest()
    facts = {"name": "tiny", "weights": "ab" * 32, "model": digest, "window": 256, "dimension": DIMENSION}
    (folder / "export.json").write_text(json.dumps(facts))
    return folder


@pytest.fixture(scope="module")
def its_verifier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped one, with a table that says it holds for the tiny encoder."""
    folder = tmp_path_factory.mktemp("verifiers") / "verifier"
    folder.mkdir()
    for name in ("model.onnx", "words.bin", "tokenizer.json", "export.json"):
        shutil.copy(SHIPPED / name, folder / name)
    table = json.loads((SHIPPED / "calibration.json").read_text())
    table["table"]["embedder"] = f"tiny-{('ab' * 32)[:12]}-{DIMENSION}-n1r4"
    (folder / "calibration.json").write_text(json.dumps(table))
    return folder


def run_reembed(live: Live, *options: str) -> str:
    done = run_command(["reembed", *options], plain_environment(data_dir=str(live.folder)))
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_cache_moves_while_the_old_encoder_serves(start: StartServer, tiny_encoder: Path, its_verifier: Path) -> None:
    old = start()
    clip = old.made("a red ball rolls over the grass", steps=STEPS)["reprise"]["clip"]
    old.made("кошка на окне", steps=STEPS)
    told = run_reembed(old, "--embedder", str(tiny_encoder))
    assert told.startswith("new vectors by tiny-abababababab-16-n1r4: 1; clips with a prompt that it cannot read (exact hits only): 1")
    assert "no near hits" in told, "the shipped table is another encoder's"
    near = old.post("a red ball is rolling over the grass", steps=STEPS)["reprise"]
    assert (near["verdict"], near["clip"]) == ("near", clip), "the old one goes on"
    between = old.made("a blue cube spins on the table", steps=STEPS)["reprise"]["clip"]
    old.stop()

    new = start(embedder=tiny_encoder, verifier=its_verifier)
    near = new.post("the red ball is rolling over the grass", steps=STEPS)["reprise"]
    assert (near["verdict"], near["clip"]) == ("near", clip)
    assert near["similarity"] < 1.0
    assert new.post("a red ball rolls over the grass", steps=STEPS)["reprise"]["verdict"] == "exact"
    told = run_reembed(new, "--embedder", str(tiny_encoder), "--verifier", str(its_verifier))
    assert told.startswith("new vectors by tiny-abababababab-16-n1r4: 1;"), "what the old one made in between, and nothing twice"
    assert "no near hits" not in told
    found = new.post("the blue cube is spinning on the table", steps=STEPS, headers={"Prefer": "wait=30"})["reprise"]
    assert (found["verdict"], found["clip"]) == ("near", between), "a running gateway hears of the new vector"


def test_without_a_table_near_hits_are_off_and_the_log_says_so(start: StartServer, tiny_encoder: Path) -> None:
    live = start(embedder=tiny_encoder)
    first = live.made("a red ball rolls over the grass", steps=STEPS)
    assert live.post("A red ball rolls over the grass.", steps=STEPS)["reprise"]["verdict"] == "exact"
    near = live.post("a red ball is rolling over the grass", steps=STEPS)["reprise"]
    assert (near["verdict"], near["clip"]) == ("miss", None), first
    assert near["refused"][0]["reason"].startswith("near hits are off")
    log = live.log.read_text()
    assert "near hits are off" in log
    assert "the calibration table is for other models" in log


async def test_cut_off_it_goes_on_where_it_was(tmp_path: Path) -> None:
    async with open_sqlite(tmp_path) as database:
        stage = set_stage(database, tmp_path)
        for number in range(7):
            await made(stage, f"clip number {number}")
        asked: list[str] = []

        async def encode(prompts: Sequence[str]) -> list[bytes | None]:
            if len(asked) == 4:
                raise ConnectionError
            asked.extend(prompts)
            return [None if prompt.endswith("2") else b"\0\0" * DIMENSION for prompt in prompts]

        def tell(done: Reembedded) -> None:
            assert done.vectors + done.unread == len(asked)

        with pytest.raises(ConnectionError):
            await reembed(database, "tiny@1", encode, tell, batch=2)
        assert len(asked) == 4
        asked.clear()
        asked.append("the second run")
        done = await reembed(database, "tiny@1", encode, lambda _: None, batch=2)
        assert (done.vectors, done.unread) == (3, 1), "three were done, one cannot be read"
