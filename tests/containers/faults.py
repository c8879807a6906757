"""Faults of compose.yaml's stack while it runs: what health, log and client see of each, and that it ends."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import httpx

from tests.containers.stack import Stack, engine, wait_for

LIMIT = 21.0  # seconds; docs/operations.md says 20 for a reader of a store that hangs


def say(line: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {line}", flush=True)


def notes(client: httpx.Client) -> tuple[int, dict[str, str]]:
    answer = client.get("/health/ready", timeout=10)
    return answer.status_code, {name: part["note"] for name, part in answer.json()["parts"].items() if part["note"]}


def asked(client: httpx.Client, prompt: str, wait: int = 0) -> httpx.Response:
    return client.post("/v1/videos", json={"prompt": prompt, "quality": "draft"}, headers={"Prefer": f"wait={wait}"}, timeout=90)


def described(answer: httpx.Response) -> str:
    body = answer.json()
    return f"{answer.status_code} {body['error']['code'] if answer.status_code != 200 else body['reprise']['verdict']}"


def completed(client: httpx.Client, video_id: str) -> None:
    wait_for(f"{video_id} to be made", lambda: bool(client.get(f"/v1/videos/{video_id}").json()["status"] == "completed"))


def ready(client: httpx.Client) -> float:
    return wait_for("all to be ready again", lambda: notes(client) == (200, {}))


@contextmanager
def stopped(name: str) -> Iterator[None]:
    """It takes connections and says nothing."""
    engine("kill", "--signal", "SIGSTOP", name)
    try:
        yield
    finally:
        engine("kill", "--signal", "SIGCONT", name)


@contextmanager
def away(name: str) -> Iterator[None]:
    engine("kill", name)
    try:
        yield
    finally:
        engine("start", name)


def store(stack: Stack, client: httpx.Client, how: Callable[[str], AbstractContextManager[None]], word: str) -> None:
    (name,) = stack.names("s3")
    made = asked(client, f"a blue square while the store is {word}", wait=60).json()
    completed(client, made["id"])
    with how(name):
        wait_for("health to see it", lambda: "store" in notes(client)[1])
        health = notes(client)
        began = time.monotonic()
        content = client.get(f"/v1/videos/{made['id']}/content", timeout=60)
        took = time.monotonic() - began
        exact, miss = asked(client, f"a blue square while the store is {word}"), asked(client, f"a green ring while the store is {word}")
        say(f"store {word}: health {health}; bytes not in memory {content.status_code} after {took:.1f} s; "
            f"an exact hit {described(exact)}, a new prompt {described(miss)}")  # fmt: skip
        assert health[0] == 200 and exact.json()["reprise"]["verdict"] == "exact" and miss.status_code == 200
        assert content.status_code == 503 and took < LIMIT
    began = time.monotonic()
    completed(client, miss.json()["id"])
    assert client.get(f"/v1/videos/{made['id']}/content", timeout=60).status_code == 200
    say(f"  over: the new prompt's clip {time.monotonic() - began:.0f} s later; all ready after {ready(client):.0f} s more")


def read_only_database(stack: Stack, client: httpx.Client) -> None:
    """What a primary that was demoted says (SQLSTATE 25006), then a good one in its place."""
    (name,) = stack.names("postgres")

    def turn(state: str) -> None:
        change = f"ALTER DATABASE reprise SET default_transaction_read_only = {state}"
        others = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = 'reprise' AND pid <> pg_backend_pid()"
        first = "SET default_transaction_read_only = off"
        engine("exec", name, "psql", "-U", "reprise", "-d", "reprise", "-c", first, "-c", change, "-c", others)

    turn("on")
    try:
        wait_for("health to see it", lambda: notes(client)[0] == 503)
        miss, exact = asked(client, "a white star at noon"), asked(client, "a red ball bounces")
        say(f"database read-only: health {notes(client)}; a new prompt {described(miss)}, a hit {described(exact)}")
        assert miss.status_code == 503
    finally:
        turn("off")
    took = ready(client)
    again = asked(client, "a white star at noon", wait=60).json()
    completed(client, again["id"])
    said = {cause[:60] for cause in re.findall(r'"cause": "([^"]+)"', stack.logs("gateway"))}
    say(f"  over: all ready after {took:.0f} s, and the same prompt is made. The gateways' log says: {sorted(said)}")


def connections(stack: Stack) -> None:
    (name,) = stack.names("postgres")
    where = "datname = 'reprise' AND client_addr IS NOT NULL"
    query = f"SELECT client_addr, count(*) FROM pg_stat_activity WHERE {where} GROUP BY 1 ORDER BY 2"
    told = engine("exec", name, "psql", "-U", "reprise", "-d", "reprise", "-At", "-c", query)
    say(f"connections to PostgreSQL, idle, by process: {[int(line.partition('|')[2]) for line in told.splitlines()]}")


def all_faults(stack: Stack, client: httpx.Client) -> None:
    connections(stack)
    store(stack, client, stopped, "hung")
    store(stack, client, away, "away")
    read_only_database(stack, client)
