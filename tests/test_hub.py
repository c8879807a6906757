"""A model of the hub while that is away: it starts where all of it lies in the local cache; else one line says what is missing."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from generator.hub import missing
from tests.live import NO_WARM_UP, Live

MODEL, COMMIT = "somebody/tiny-video", "0123456789abcdef0123456789abcdef01234567"
NOBODY_ANSWERS = "http://127.0.0.1:9"


@pytest.fixture
def cached(tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The snapshot of a whole model, as a download leaves it in the local cache; the hub is away."""
    home = tmp_path / "hub-home"
    stored = home / "hub" / f"models--{MODEL.replace('/', '--')}"
    (stored / "refs").mkdir(parents=True)
    (stored / "refs" / "main").write_text(COMMIT)
    snapshot = stored / "snapshots" / COMMIT
    shutil.copytree(tiny_model, snapshot)
    monkeypatch.setenv("HF_HOME", str(home))
    monkeypatch.setenv("HF_ENDPOINT", NOBODY_ANSWERS)
    return snapshot


@pytest.fixture
def afresh() -> Iterator[None]:
    """The hub's client reads its environment when it is imported: servers of these tests are not forked."""
    nursery, Live.nursery = Live.nursery, None
    yield
    Live.nursery = nursery


@pytest.mark.usefixtures("afresh", "cached")
def test_a_whole_model_starts_without_the_hub(tmp_path: Path) -> None:
    server = Live(tmp_path / "data", Path(MODEL), speed=NO_WARM_UP).start()
    try:
        video = server.made("a red circle")
        assert video["status"] == "completed", video
    finally:
        server.close()


def test_the_hub_switched_off(cached: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    script = f"from pathlib import Path; from generator.model import find_model; print(find_model({MODEL!r}, '', Path()))"
    done = subprocess.run([sys.executable, "-c", script], text=True, capture_output=True, timeout=60, check=True)
    assert f"source='{cached}', commit=None" in done.stdout
    assert COMMIT in done.stdout


@pytest.mark.parametrize(("revision", "offline"), [("", "0"), (COMMIT, "1")])
def test_what_is_not_whole_is_named_in_one_line(
    revision: str, offline: str, cached: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (cached / "vae" / "diffusion_pytorch_model.safetensors").unlink()
    monkeypatch.setenv("HF_HUB_OFFLINE", offline)
    assert "the local cache lacks vae/*.safetensors" in refused(tmp_path, MODEL, revision)


@pytest.mark.usefixtures("cached")
def test_what_was_never_fetched_is_told_in_one_line(tmp_path: Path) -> None:
    told = refused(tmp_path, "somebody/another", "")
    assert told.startswith("Error: somebody/another cannot be had from the hub (ConnectError: ")
    assert told.endswith("and it is not in the local cache")


def refused(folder: Path, model: str, revision: str) -> str:
    environment = os.environ | {"REPRISE_DATA_DIR": str(folder / "data"), "REPRISE_PORT": "0", "REPRISE_MODEL": model}
    environment["REPRISE_MODEL_REVISION"] = revision
    done = subprocess.run(
        [sys.executable, "-m", "gateway.cli", "serve"], env=environment, text=True, capture_output=True, timeout=120, check=False
    )
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1, done.stderr
    return done.stderr.strip()


def test_a_whole_folder_lacks_nothing(tiny_model: Path) -> None:
    assert missing(tiny_model) == []


@pytest.mark.parametrize(
    "lost",
    ["model_index.json", "tokenizer/tokenizer_config.json", "scheduler/scheduler_config.json", "vae/config.json"],
)
def test_a_lost_file_is_named(lost: str, tiny_model: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(tiny_model, tmp_path / "model"))
    (folder / lost).unlink()
    assert missing(folder) == [lost]


def test_weights_in_several_files_are_all_asked_for(tmp_path: Path, bundled: Path) -> None:
    folder = Path(shutil.copytree(bundled, tmp_path / "model"))
    part = folder / "transformer"
    first, second, _ = sorted(part.glob("*.safetensors"))
    first.unlink()
    second.unlink()
    second.symlink_to(tmp_path / "gone")  # as the cache's links are, once their file is gone
    assert missing(folder) == [f"transformer/{first.name}", f"transformer/{second.name}"]
    (part / "diffusion_pytorch_model.safetensors.index.json").unlink()
    assert missing(folder) == ["transformer/*.safetensors.index.json"]


@pytest.fixture
def bundled() -> Path:
    from generator.model import BUNDLED

    return BUNDLED
