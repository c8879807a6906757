"""What is told of settings, by `reprise settings` and the admin page alike, holds no secret."""

from __future__ import annotations

import json
import os
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cache.settings import Settings
from gateway.shown_setting import masked, shown, value_text
from tests.commands import run_command

SAFE = st.text(st.characters(categories=["L", "N"], include_characters=":/@&=!$"), min_size=8, max_size=40)


def environment(folder: Path, **settings: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("REPRISE_")}
    return {**kept, "REPRISE_DATA_DIR": str(folder), **{f"REPRISE_{name.upper()}": value for name, value in settings.items()}}


def test_the_command_tells_where_and_never_by_what_password(tmp_path: Path) -> None:
    there = environment(
        tmp_path,
        database_url="postgresql+psycopg://who:hush-one@db.example/reprise?sslmode=require&password=hush-two",
        store_url="s3://WHO:hush-three@clips?endpoint=s3.example&region=us-east-1",
        admin_key="hush-four-of-the-admin",
        signing_keys="hush-five-one,hush-five-two",
        allowed_hosts="one.example,two.example",
    )
    done = run_command(["settings"], there)
    assert done.returncode == 0, done.stderr
    assert "hush" not in done.stdout + done.stderr
    lines = done.stdout.splitlines()
    database = "postgresql+psycopg://(hidden)@db.example/reprise?sslmode=require&password=(hidden)"
    assert f"REPRISE_DATABASE_URL = {database} (environment)" in lines
    assert "REPRISE_STORE_URL = s3://(hidden)@clips?endpoint=s3.example&region=us-east-1 (environment)" in lines
    assert "REPRISE_ADMIN_KEY = (set) (environment)" in lines
    assert "REPRISE_UPSTREAM_KEY = (empty) (default)" in lines
    assert "REPRISE_ALLOWED_HOSTS = one.example,two.example (environment)" in lines
    assert "REPRISE_NEAR = true (default)" in lines


@given(SAFE)
def test_no_part_of_a_password_is_left_of_a_url(password: str) -> None:
    for spelt in (password, quote(password, safe="")):
        assert masked(f"postgresql+psycopg://who:{spelt}@db/reprise") == "postgresql+psycopg://(hidden)@db/reprise"


@pytest.mark.parametrize(
    "url", ["", "s3://clips?endpoint=s3.example:9000&secure=false", "http://collector:4318", "sqlite+aiosqlite:////data/reprise.db"]
)
def test_what_holds_no_secret_is_told_whole(url: str) -> None:
    assert masked(url) == url


def test_a_told_value_can_be_set_again(tmp_path: Path) -> None:
    fields = {"steps": "num_inference_steps", "negative_prompt": "negative_prompt"}
    settings = Settings(data_dir=tmp_path, upstream_fields=fields)
    told = {one.name: one for one in shown(settings)}
    assert json.loads(told["REPRISE_UPSTREAM_FIELDS"].value) == fields
    assert json.loads(told["REPRISE_UPSTREAM_FIELDS"].default) == Settings.model_fields["upstream_fields"].default
    assert value_text(("a", "b")) == "a,b"


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("database_url", "mysql://who:hush@db/reprise", "a database is postgresql://"),
        ("database_url", "hush", "a database is postgresql://"),
        ("store_url", "https://who:hush@s3.example/clips", "a store is s3://bucket"),
        ("model_aliases", "hush", "this is no JSON"),
        ("upstream_fields", '["hush"]', "valid dictionary"),
        ("admin_key", "hush", "a secret that opens this instance"),
        ("port", "hush", "valid integer"),
    ],
)
def test_a_wrong_setting_ends_the_start_in_one_line_that_names_it(tmp_path: Path, name: str, value: str, said: str) -> None:
    done = run_command(["serve"], environment(tmp_path, **{name: value}))
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"Error: REPRISE_{name.upper()}: ")
    assert said in line
    assert "hush" not in line


def test_a_move_to_no_such_place_is_refused_in_one_line(tmp_path: Path) -> None:
    for database, store in (("nowhere", tmp_path.as_uri()), (f"sqlite+aiosqlite:///{tmp_path}/new.db", "nowhere")):
        done = run_command(["move", "--to", database, store], environment(tmp_path / "old"))
        assert done.returncode == 1
        (line,) = done.stderr.splitlines()
        assert line.startswith("Error: --to: a ")
