"""Keys through the front door: made and revoked on the command line, asked for by a real server process."""

from __future__ import annotations

import sqlite3
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.commands import plain_environment, run_command
from tests.conftest import StartServer
from tests.live import Live

ADMIN = "an-admin-key-of-some-length"
STEPS = 4


def command(folder: Path, *words: str, **settings: str) -> subprocess.CompletedProcess[str]:
    return run_command(list(words), plain_environment(data_dir=str(folder), **settings))


def new_key(live: Live, *options: str) -> str:
    made = command(live.folder, "keys", "create", *options)
    assert made.returncode == 0, made.stderr
    return made.stdout.strip()


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


@pytest.fixture(scope="module")
def keyed(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> Iterator[Live]:
    server = Live(tmp_path_factory.mktemp("keyed"), tiny_model, ADMIN_KEY=ADMIN).start()
    yield server
    server.close()


def test_without_a_key_nothing_is_told(keyed: Live) -> None:
    answers = [
        httpx.get(f"{keyed.url}/v1/videos", headers=headers)
        for headers in ({}, bearer("wrong"), {"Authorization": f"Basic {ADMIN}"}, {"X-API-Key": "wrong"}, {"X-API-Key": ""})
    ]
    assert {answer.status_code for answer in answers} == {401}
    assert len({answer.text for answer in answers}) == 1
    assert answers[0].json()["error"]["code"] == "invalid_api_key"
    assert answers[0].headers["www-authenticate"].startswith("Bearer")
    assert httpx.post(f"{keyed.url}/v1/videos", json={"prompt": "a red ball"}).status_code == 401


def test_a_key_opens_in_either_header(keyed: Live) -> None:
    for headers in (bearer(ADMIN), {"X-API-Key": ADMIN}, {"Authorization": f"bearer {ADMIN}"}):
        assert httpx.get(f"{keyed.url}/v1/videos", headers=headers).status_code == 200
    # With keys a proxy may stand in front, under whatever name.
    assert httpx.get(f"{keyed.url}/v1/videos", headers={**bearer(ADMIN), "Host": "video.example"}).status_code == 200


def test_pages_and_health_need_no_key(keyed: Live) -> None:
    assert httpx.get(f"{keyed.url}/health/live").status_code == 200
    assert httpx.get(keyed.url).status_code == 200


def test_a_made_key_is_kept_as_its_hash_only_and_a_revoked_one_is_refused_soon(keyed: Live) -> None:
    key = new_key(keyed, "--tenant", "acme", "--label", "their app")
    assert httpx.get(f"{keyed.url}/v1/videos", headers=bearer(key)).status_code == 200
    for file in keyed.folder.rglob("*"):
        assert not file.is_file() or key.encode() not in file.read_bytes(), file
    listed = command(keyed.folder, "keys", "list").stdout
    assert key not in listed
    (line,) = [line for line in listed.splitlines() if "acme" in line]
    assert "their app" in line
    until = time.monotonic() + 10
    while "last used never" in line and time.monotonic() < until:
        time.sleep(0.5)
        (line,) = [line for line in command(keyed.folder, "keys", "list").stdout.splitlines() if "acme" in line]
    assert "last used 20" in line

    assert command(keyed.folder, "keys", "revoke", line.split("\t")[0]).returncode == 0
    revoked = time.monotonic()
    while httpx.get(f"{keyed.url}/v1/videos", headers=bearer(key)).status_code == 200:
        assert time.monotonic() < revoked + 5
        time.sleep(0.1)
    assert command(keyed.folder, "keys", "revoke", "key_" + "0" * 32).returncode == 1


def test_a_running_open_server_closes_with_the_first_key(start: StartServer) -> None:
    live = start()
    assert httpx.get(f"{live.url}/v1/videos").status_code == 200
    listed = command(live.folder, "keys", "list")
    assert (listed.stdout, "There are no keys" in listed.stderr) == ("", True)
    key = new_key(live, "--tenant", "acme")
    until = time.monotonic() + 8
    while httpx.get(f"{live.url}/v1/videos").status_code == 200:
        assert time.monotonic() < until
        time.sleep(0.1)
    assert httpx.get(f"{live.url}/v1/videos", headers=bearer(key)).status_code == 200


def test_other_machines_are_not_served_without_keys(tmp_path: Path, tiny_model: Path) -> None:
    refused = command(tmp_path, "serve", HOST="0.0.0.0", PORT="0", MODEL=str(tiny_model))
    assert refused.returncode == 1
    assert "REPRISE_ADMIN_KEY" in refused.stderr
    assert "reprise keys create" in refused.stderr
    assert "Traceback" not in refused.stderr
    short = command(tmp_path, "serve", HOST="0.0.0.0", PORT="0", MODEL=str(tiny_model), ADMIN_KEY="short")
    assert short.returncode == 1
    assert "16 characters" in short.stderr


def test_a_key_lets_other_machines_in(start: StartServer) -> None:
    live = start(HOST="0.0.0.0", ADMIN_KEY=ADMIN)
    url = live.url.replace("0.0.0.0", "127.0.0.1")
    assert httpx.get(f"{url}/v1/videos").status_code == 401
    assert httpx.get(f"{url}/v1/videos", headers=bearer(ADMIN)).status_code == 200


def test_a_rate_is_told_and_kept(keyed: Live) -> None:
    key = new_key(keyed, "--tenant", "hasty", "--rate", "2/m")
    asks = [httpx.post(f"{keyed.url}/v1/videos", json={"prompt": ""}, headers=bearer(key)) for _ in range(3)]
    assert [answer.status_code for answer in asks] == [400, 400, 429]
    assert [answer.headers["ratelimit"].split(";t=")[0] for answer in asks] == ['"default";r=1', '"default";r=0', '"default";r=0']
    assert {answer.headers["ratelimit-policy"] for answer in asks} == {'"default";q=2;w=60'}
    assert 1 <= int(asks[2].headers["retry-after"]) <= 60
    assert asks[2].json()["error"]["code"] == "rate_limit_exceeded"
    assert httpx.get(f"{keyed.url}/v1/videos", headers=bearer(key)).status_code == 200, "looking is not counted"
    other = new_key(keyed, "--tenant", "hasty")
    assert httpx.post(f"{keyed.url}/v1/videos", json={"prompt": ""}, headers=bearer(other)).status_code == 400
    assert command(keyed.folder, "keys", "create", "--tenant", "x", "--rate", "many").returncode == 1
    assert command(keyed.folder, "keys", "create", "--tenant", "No Such Name").returncode == 1


def test_calls_at_once_are_counted_to_their_end(keyed: Live) -> None:
    key = new_key(keyed, "--tenant", "narrow", "--concurrency", "1")
    with httpx.Client(base_url=keyed.url, headers=bearer(key), timeout=60) as client:
        body = {"prompt": "a red ball that takes its time", "steps": STEPS}

        def slow_body() -> Iterator[bytes]:
            yield b'{"prompt": '
            answer = httpx.get(f"{keyed.url}/v1/videos", headers=bearer(key))
            assert answer.status_code == 429
            assert answer.headers["retry-after"] == "1"
            yield b'""}'

        assert client.post("/v1/videos", content=slow_body(), headers={"Content-Type": "application/json"}).status_code == 400
        assert client.post("/v1/videos", json=body).status_code == 200


def test_keys_are_in_no_log_and_no_row(keyed: Live) -> None:
    httpx.get(f"{keyed.url}/v1/videos", headers=bearer(ADMIN))
    assert ADMIN not in keyed.log.read_text()
    with sqlite3.connect(keyed.folder / "reprise.db") as database:
        assert ADMIN not in str(list(database.execute("SELECT * FROM keys")))
