"""Commands at the edges: nothing answers, files that are none, rows that are none, and folders that no server uses."""

from __future__ import annotations

import os
import re
import subprocess
import time
from pathlib import Path

import httpx
import pytest

from tests.conftest import StartServer
from tests.door.test_keys import bearer, command
from tests.live import PATIENCE

ROOT = Path(__file__).parent.parent


def refused(folder: Path, *words: str) -> str:
    """The one line in which a command says why it does nothing."""
    told = command(folder, *words)
    assert (told.returncode, told.stdout) == (1, ""), told.stderr
    said = told.stderr.strip()
    assert "\n" not in said, said
    return said


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://localhost:1", "Error: no server answered at http://localhost:1 within 10 seconds: "),
        ("localhost:8000", "Error: --url: a URL begins with http:// or https://, not 'localhost:8000'"),
    ],
)
def test_a_url_where_nothing_answers_ends_a_command_soon(tmp_path: Path, url: str, said: str) -> None:
    (tmp_path / "list.txt").write_text("a red ball\n")
    assert refused(tmp_path, "precompute", str(tmp_path / "list.txt"), "--url", url).startswith(said)


@pytest.mark.parametrize("name", ["precompute", "judge", "replay"])
def test_a_file_that_is_no_text_is_refused_in_one_line(tmp_path: Path, name: str) -> None:
    file = tmp_path / "program.bin"
    file.write_bytes(b"\x7fELF\x02\x01\x01\x00" + bytes(range(256)) * 8)
    told = command(tmp_path, name, str(file))
    assert (told.returncode, told.stdout) == (1, "")
    assert told.stderr.splitlines()[-1] == f"Error: {file} is not text in UTF-8: there is a NUL in line 1"
    assert "Traceback" not in told.stderr


def test_the_judge_names_rows_that_are_no_pairs(tmp_path: Path) -> None:
    file = tmp_path / "pairs.jsonl"
    file.write_text('{"new": "a red ball", "cached": "A red ball."}\nnonsense\n{"new": "a red ball"}\n')
    told = command(tmp_path, "judge", str(file))
    assert told.returncode == 1
    assert len(told.stdout.splitlines()) == 3, "each row has its verdict all the same"
    assert '"served": true' in told.stdout.splitlines()[0]
    assert f"{file}:2: not JSON" in told.stderr
    assert f"{file}:3: cached is missing" in told.stderr
    file.write_text('{"new": "a red ball", "cached": "A red ball."}\n')
    assert command(tmp_path, "judge", str(file)).returncode == 0


def test_a_key_for_nobody_is_told_and_looking_makes_no_cache(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    for words in (("keys", "list"), ("doctor",), ("recalibration",)):
        said = refused(elsewhere, *words)
        assert said == f"Error: there is no cache in {elsewhere}; set REPRISE_DATA_DIR to the folder of your server"
    assert not elsewhere.exists()
    made = command(elsewhere, "keys", "create", "--tenant", "acme")
    assert made.returncode == 0
    assert f"in {elsewhere}; the key" in made.stderr
    assert f"No server has used {elsewhere} yet" in made.stderr
    assert "`reprise keys create --tenant local --role admin`" in made.stderr
    again = command(elsewhere, "keys", "create", "--tenant", "local", "--role", "admin")
    assert ("No server" in again.stderr, "no admin key" in again.stderr) == (False, False)
    assert "the folder /proc/nope cannot be made" in refused(Path("/proc/nope"), "keys", "create", "--tenant", "acme")


def test_the_first_example_of_keys_in_the_readme_works_as_it_stands(start: StartServer) -> None:
    live = start()
    example = re.search(r"## Keys and tenants.*?```bash\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert example is not None
    environment = {**os.environ, "REPRISE_DATA_DIR": str(live.folder)}
    told = subprocess.run(
        ["bash", "-euc", example[1]], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=PATIENCE * 3, check=False
    )
    assert told.returncode == 0, told.stderr
    admin, acme, *listed = told.stdout.splitlines()
    assert len(listed) == 2
    until = time.monotonic() + PATIENCE
    while httpx.get(f"{live.url}/v1/videos", timeout=PATIENCE).status_code != 401:
        assert time.monotonic() < until, "open mode ends with the first key"
        time.sleep(0.1)
    assert httpx.get(f"{live.url}/admin/api/overview", headers=bearer(admin), timeout=PATIENCE).status_code == 200
    counted = httpx.post(f"{live.url}/v1/videos", json={"prompt": ""}, headers=bearer(acme), timeout=PATIENCE)
    assert counted.json()["error"]["param"] == "prompt"
    assert counted.headers["ratelimit-policy"] == '"default";q=60;w=60'
