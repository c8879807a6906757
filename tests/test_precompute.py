"""`reprise precompute` and `reprise plan`, with a real server and without one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Literal

import httpx
import pytest

from cache.catalog import DEMO, ServedModel
from cache.errors import Invalid
from gateway.answering.ask import Caller
from gateway.answering.models import Models
from gateway.http.prompt_lists import Fault, ListRow, format_of, parted, read_list, resolved, settings_of
from tests.commands import run_command
from tests.conftest import StartServer
from tests.live import PATIENCE, Live


def environment(live: Live) -> dict[str, str]:
    ours = {"DATA_DIR": str(live.folder), "MODEL": str(live._model), **live.settings}
    kept = {name: value for name, value in os.environ.items() if not name.startswith("REPRISE_")}
    return kept | {f"REPRISE_{name}": value for name, value in ours.items()}


def command(live: Live, *words: str, text: str | None = None) -> subprocess.CompletedProcess[str]:
    return run_command(list(words), environment(live), text or "")


def heed_interrupts() -> None:
    """A shell's background job, as the tests may be, ignores Ctrl-C, and so would every child of it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


# Lists


def test_each_format_is_read_and_bad_lines_are_named() -> None:
    assert list(read_list("txt", ["\ufeffa red ball", "", "  a blue ball "])) == [ListRow(1, "a red ball"), ListRow(3, "a blue ball")]
    table = ["quality,prompt,steps", 'draft,"a ball, red",', ",two,12", ",,", "draft,", "a,b,c,d"]
    rows, faults = parted(read_list("csv", table))
    assert rows == [ListRow(2, "a ball, red", {"quality": "draft"}), ListRow(3, "two", {"steps": 12})]
    assert [(one.line, one.message) for one in faults] == [(5, "prompt is missing"), (6, "4 values, and 3 columns")]
    lines = [
        '{"prompt": "a", "size": "128x128"}',
        "nonsense",
        '{"size": "1x1"}',
        '{"prompt": 5}',
        '"words"',
        '{"prompt": "b", "seed": 7}',
        "[]",
    ]
    rows, faults = parted(read_list("jsonl", lines))
    assert rows == [ListRow(1, "a", {"size": "128x128"}), ListRow(5, "words")]
    assert [one.line for one in faults] == [2, 3, 4, 6, 7]
    assert "unknown field 'seed'" in faults[3].message
    with pytest.raises(Invalid, match="prompt"):
        list(read_list("csv", ["words", "a"]))
    with pytest.raises(Invalid, match="at most"):
        parted(ListRow(at, "a") for at in range(10_001))


@pytest.mark.parametrize(
    ("name", "first", "kind"),
    [
        ("list.csv", "x", "csv"),
        ("list.JSONL", "x", "jsonl"),
        ("list.txt", "{", "txt"),
        ("", '{"prompt": 1}', "jsonl"),
        ("", "quality,prompt", "csv"),
        ("", "prompt", "csv"),
        ("", "a prompt, a ball", "txt"),
        ("", "", "txt"),
        ("list.json", "[", "json"),
        ("list.json", '{"prompt": "a"}', "json"),
        ("list.json", '{"prompt": "a"}\n{"prompt": "b"}', "jsonl"),
        ("list.json", "a red ball", "txt"),
        ("", '\ufeff["a",\n"b"]', "json"),
        ("", "[wide shot] a ball", "txt"),
        ("list.txt", '["a"]', "txt"),
    ],
)
def test_the_format_is_found_out(name: str, first: str, kind: str) -> None:
    assert format_of(name, first.split("\n")) == kind


def test_a_json_list_is_read_entry_by_entry() -> None:
    text = '\ufeff[\n  "a",\n  {"prompt": "b\\n, [c]",\n   "size": "1x1"}, 7,\n  ["d"],"e"\n]\n'
    rows, faults = parted(read_list("json", text.split("\n")))
    assert rows == [ListRow(2, "a"), ListRow(3, "b\n, [c]", {"size": "1x1"}), ListRow(5, "e")]
    assert [one.line for one in faults] == [4, 5]
    assert list(read_list("json", ["[]"])) == []
    assert list(read_list("json", ['{"prompt":', '"a"}'])) == [ListRow(1, "a")]
    for broken in ("[", '["a",]', '["a"] x', "[" * 100_000):
        with pytest.raises(Invalid, match="not JSON"):
            list(read_list("json", [broken]))


@pytest.mark.parametrize("kind", ["txt", "csv", "json", "jsonl"])
def test_bytes_that_are_no_utf8_are_named(kind: Literal["txt", "csv", "json", "jsonl"]) -> None:
    row = b'"caf\xe9"'.decode("utf-8", "surrogateescape")
    lines = {"csv": ["prompt", row], "json": ["[", row, "]"]}.get(kind, ["a" if kind == "txt" else '"a"', row])
    _, faults = parted(read_list(kind, lines))
    assert faults == [Fault(2, "not UTF-8")]


def test_a_recipe_is_written_two_ways() -> None:
    assert settings_of("size=128x128, steps=12,seconds=1") == {"size": "128x128", "steps": 12, "seconds": "1"}
    assert settings_of('{"size": "128x128", "steps": 12}') == {"size": "128x128", "steps": 12}
    assert settings_of("") == {}
    for wrong in ("size", "seed=7", "{", '{"prompt": "a"}'):
        with pytest.raises(Invalid):
            settings_of(wrong)


def test_a_row_is_checked_as_a_request_would_be() -> None:
    models = Models([ServedModel(DEMO, "revision-1", "pipeline")], {})
    words, recipe = resolved(ListRow(1, "A Ball", {"quality": "draft"}), {"seconds": "1", "quality": "final"}, Caller("local"), models)  # type: ignore[misc]
    assert (words, recipe.quality, recipe.seconds) == ("A Ball", "draft", 9 / 8)
    for settings in ({"size": "1x1"}, {"steps": "many"}, {"quality": 7}, {"model": "another"}):
        assert isinstance(resolved(ListRow(4, "a ball", settings), {}, Caller("local"), models), Fault)
    assert isinstance(resolved(ListRow(4, " . "), {}, Caller("local"), models), Fault)


# Beside a running server


def test_a_list_is_made_and_asked_again_it_is_there(start: StartServer, tmp_path: Path) -> None:
    live = start()
    file = tmp_path / "prompts.csv"
    file.write_text("prompt,quality\na red ball,draft\na blue square,draft\na green star,nonsense\n")
    first = command(live, "precompute", str(file))
    assert (first.returncode, first.stdout) == (1, "2 made, 0 already there, 0 failed\n")
    assert "prompts.csv:4: quality must be one of draft, standard, final" in first.stderr
    assert live.post("a red ball", quality="draft")["reprise"]["verdict"] == "exact"
    assert httpx.get(f"{live.url}/v1/videos", timeout=PATIENCE).json()["data"][0]["prompt"] == "a red ball"
    assert len(httpx.get(f"{live.url}/v1/videos", timeout=PATIENCE).json()["data"]) == 1, "what a plan makes is no request of anybody"
    file.write_text("prompt,quality\na red ball,draft\na blue square,draft\n")
    again = command(live, "precompute", str(file))
    assert (again.returncode, again.stdout) == (0, "0 made, 2 already there, 0 failed\n")
    array = tmp_path / "prompts.json"
    array.write_text('[\n"a red ball",\n{"prompt": "a blue square"}\n]')
    third = command(live, "precompute", str(array), "--recipe", "quality=draft")
    assert (third.returncode, third.stdout) == (0, "0 made, 2 already there, 0 failed\n")
    assert live.renders() == 2


def test_cut_off_it_goes_on_where_it_was(start: StartServer, tmp_path: Path) -> None:
    live = start()
    file = tmp_path / "prompts.txt"
    words = [f"a {colour} ball number {at}" for at, colour in enumerate(("red", "blue", "green", "pink"))]
    file.write_text("\n".join(words))
    running = subprocess.Popen(
        [sys.executable, "-m", "gateway.cli", "precompute", str(file), "--recipe", "quality=draft"],
        env=environment(live),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    until = time.monotonic() + 120
    while live.renders() < 1 and time.monotonic() < until:
        time.sleep(0.1)
    live.kill()
    live.start()  # the plan stands in its rows: the new process goes on, and the command waits for it
    out, err = running.communicate(timeout=150)
    assert running.returncode == 0, err
    # A clip that was finished a moment before the end may be found there by the plan, or be its own.
    assert sum(int(part.split()[0]) for part in out.strip().split(", ")[:2]) == 4, out
    assert all(live.post(one, quality="draft")["reprise"]["verdict"] == "exact" for one in words)


def test_stopped_by_hand_it_says_how_to_go_on(start: StartServer, tmp_path: Path) -> None:
    live = start()
    file = tmp_path / "prompts.txt"
    file.write_text("\n".join(f"a slow ball number {at}" for at in range(30)))
    running = subprocess.Popen(
        [sys.executable, "-m", "gateway.cli", "precompute", str(file), "--recipe", "steps=60"],
        env=environment(live),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=heed_interrupts,  # noqa: PLW1509  # nothing here has threads yet
    )

    def plans() -> list[dict[str, object]]:
        found: list[dict[str, object]] = httpx.get(f"{live.url}/admin/api/plans", timeout=PATIENCE).json()["plans"]
        return found

    until = time.monotonic() + 120
    while not plans() and time.monotonic() < until:
        time.sleep(0.2)
    running.send_signal(signal.SIGINT)
    _, err = running.communicate(timeout=PATIENCE)
    assert running.returncode == 130
    assert "run this again to continue" in err
    assert [plan["state"] for plan in plans()] == ["cancelled"]


def test_a_wrong_key_is_told(start: StartServer) -> None:
    live = start(ADMIN_KEY="an-admin-key-of-many-characters")
    live.settings.pop("ADMIN_KEY")
    refused = command(live, "precompute", "-", text="a red ball\n")
    assert refused.returncode == 1
    assert "--key" in refused.stderr
    told = command(live, "plan", "--key", "an-admin-key-of-many-characters")
    assert told.returncode == 0, told.stderr
    assert "Nothing is worth rendering" in told.stdout


# Without a server


def test_without_a_server_the_cache_is_opened_and_a_plan_waits_for_one(start: StartServer) -> None:
    live = start(ENCODER_WAIT_SECONDS=60)
    for _ in range(3):
        hostile = live.post("a red ball \x1b[31m<b>", quality="draft", priority="background")
        httpx.post(f"{live.url}/v1/videos/{hostile['id']}/cancel", timeout=PATIENCE)
    live.stop()
    planned = command(live, "plan", "--budget", "5", "--start")
    assert planned.returncode == 0, planned.stderr
    assert "1 prompts," in planned.stdout
    assert "\x1b" not in planned.stdout
    made = command(live, "precompute", "-", "--recipe", "quality=draft", text="a blue square\n")
    assert (made.returncode, made.stdout) == (0, "1 made, 0 already there, 0 failed\n"), made.stderr
    live.start()
    until = time.monotonic() + 90
    while (plans := httpx.get(f"{live.url}/admin/api/plans", timeout=PATIENCE).json()["plans"])[-1]["state"] != "done":
        assert time.monotonic() < until, plans
        time.sleep(0.3)
    assert live.post("a blue square", quality="draft")["reprise"]["verdict"] == "exact"
    assert live.post("a red ball \x1b[31m<b>", quality="draft")["reprise"]["verdict"] == "exact"
    answered = httpx.get(f"{live.url}/admin/api/plans", timeout=PATIENCE).json()["plans"][-1]
    assert (answered["source"], answered["realised_hits"]) == ("mined", 1)
