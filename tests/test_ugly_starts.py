"""A start that cannot be is one line that names the setting, not a traceback; an end that hangs is one, too."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import StartServer


def started(folder: Path, command: str = "serve", **settings: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {f"REPRISE_{name.upper()}": value for name, value in {"data_dir": str(folder), **settings}.items()}
    return subprocess.run(
        [sys.executable, "-m", "gateway.cli", command], env=environment, text=True, capture_output=True, timeout=120, check=False
    )


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        yield int(listening.getsockname()[1])


def test_a_port_in_use(tmp_path: Path, taken: int) -> None:
    done = started(tmp_path, port=str(taken))
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        f"Error: REPRISE_HOST=127.0.0.1, REPRISE_PORT={taken} cannot be listened on: Address already in use"
    ]


def test_a_database_that_is_away(tmp_path: Path) -> None:
    url = "postgresql+psycopg://reprise:hunter22@127.0.0.1:1/reprise"
    done = started(tmp_path, port="0", database_url=url, store_url=(tmp_path / "objects").as_uri(), renderer="none")
    told = [line for line in done.stderr.splitlines() if not line.startswith("{")]  # log lines are JSON
    assert done.returncode == 1
    assert len(told) == 1, done.stderr
    assert told[0].startswith("Error: the database does not answer (OperationalError: connection failed: ")
    assert "hunter22" not in done.stderr


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = started(tmp_path / "file" / "data", port="0")
    assert done.returncode == 1
    assert done.stderr.splitlines() == [f"Error: REPRISE_DATA_DIR={tmp_path / 'file' / 'data'} cannot be written: Not a directory"]


def test_a_worker_without_a_folder_to_write(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    away = {"database_url": "postgresql+psycopg://reprise@127.0.0.1:1/reprise", "store_url": (tmp_path / "objects").as_uri()}
    done = started(tmp_path / "file" / "data", "worker", **away)
    assert done.returncode == 1
    assert done.stderr.splitlines() == [f"Error: REPRISE_DATA_DIR={tmp_path / 'file' / 'data'} cannot be written: Not a directory"]


def test_control_c_ends_a_server_that_still_loads_its_model(start: StartServer) -> None:
    live = start()
    assert live.end(signal.SIGINT) == -signal.SIGINT
    assert not {"Aborted!", "Traceback (most recent call last):"} & set(live.log.read_text().splitlines())


def test_what_hangs_at_the_end_is_left() -> None:
    script = "import time; from gateway.commands.deadline import end_within; end_within(0.2); time.sleep(60)"
    done = subprocess.run([sys.executable, "-c", script], text=True, capture_output=True, timeout=30, check=False)
    assert (done.returncode, done.stderr) == (70, "Error: not all had ended 0.2 seconds after the signal; leaving it\n")
