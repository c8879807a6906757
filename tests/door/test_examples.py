"""The example programs, run as their readers run them, against a real server."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import httpx

from tests.live import Live

EXAMPLES = Path(__file__).parents[2] / "examples"


def ran(live: Live, prompt: str, file: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return program(live, "first_clip.py", prompt, str(file), *words)


def program(live: Live, name: str, *words: str, typed: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(EXAMPLES / name), *words, "--url", live.url]
    return subprocess.run(command, capture_output=True, text=True, timeout=150, check=False, input=typed)


def test_the_first_clip_is_made_found_again_and_downloaded(live: Live, tmp_path: Path) -> None:
    file = tmp_path / "ball.mp4"
    made = ran(live, "a red ball bouncing on grass", file)
    assert made.returncode == 0, made.stderr
    assert made.stdout.startswith("miss after ")
    assert file.read_bytes()[4:8] == b"ftyp"
    assert ran(live, "a red ball bouncing on grass", file).stdout.startswith("exact after ")
    near = ran(live, "The red ball is bouncing on the grass", file).stdout
    assert "expected by the judge" in near, near
    refused = ran(live, "a blue ball bouncing on grass", file).stdout
    assert "refused: colour of *ball*: blue / red" in refused, refused


def test_a_wrong_prompt_ends_with_the_status(live: Live, tmp_path: Path) -> None:
    failed = ran(live, " ", tmp_path / "none.mp4")
    assert failed.returncode != 0
    assert "400" in failed.stderr


def test_ad_ideas_are_voted_on_and_the_winners_are_named(live: Live, tmp_path: Path) -> None:
    ideas = tmp_path / "ideas.txt"
    ideas.write_text("a pink cross spins\n\na cyan cross spins\n")
    voted = program(live, "ad_ideas.py", str(tmp_path / "takes"), "--prompts", str(ideas), "--votes", "2,2")
    assert voted.returncode == 0, voted.stderr
    assert voted.stdout.count("winner: take 2") == 2
    takes = [(tmp_path / "takes" / f"idea1-take{take}.mp4").read_bytes() for take in (1, 2)]
    assert takes[0] != takes[1]
    again = live.made("a pink cross spins")
    assert (again["reprise"]["verdict"], again["reprise"]["take"]) == ("exact", 1), "the newest take is what everybody gets"
    (winner, _) = [line.split()[-1] for line in voted.stdout.splitlines() if "winner" in line]
    assert live.content(winner) == takes[1]
    older = program(live, "ad_ideas.py", str(tmp_path / "older"), "--prompts", str(ideas), "--votes", "1,1")
    chosen = next(line.split()[-1] for line in older.stdout.splitlines() if "winner" in line)
    assert live.content(chosen) == (tmp_path / "older" / "idea1-take1.mp4").read_bytes(), "an earlier take can win, too"
    assert "a vote is a number from 1 to 2" in program(live, "ad_ideas.py", str(tmp_path / "x"), "--votes", "1,9").stderr


def test_an_avatar_reacts_from_the_cache(live: Live) -> None:
    spoken = program(live, "avatar.py", typed="thank you so much\nthat is wrong\n")
    assert spoken.returncode == 0, spoken.stderr
    joy, anger = [line for line in spoken.stdout.splitlines() if " ms, " in line]
    assert joy.startswith("joy: exact in ")
    assert anger.startswith("anger: exact in ")
    assert httpx.get(joy.split()[-1]).content[4:8] == b"ftyp", "the address that it tells plays"


def test_a_lesson_becomes_a_page_and_is_not_made_twice(live: Live, tmp_path: Path) -> None:
    scenes = tmp_path / "scenes.txt"
    scenes.write_text("a grey ring & a dot\na lilac ring waits\n")
    made = program(live, "lessons.py", str(tmp_path / "lesson"), "--scenes", str(scenes))
    assert made.returncode == 0, made.stderr
    assert "a grey ring &amp; a dot" in (tmp_path / "lesson" / "index.html").read_text()
    assert (tmp_path / "lesson" / "2.mp4").read_bytes()[4:8] == b"ftyp"
    again = program(live, "lessons.py", str(tmp_path / "lesson"), "--scenes", str(scenes))
    assert again.stdout.count("exact") == 2
