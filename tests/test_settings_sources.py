"""Where settings come from: environment, files that it names, `.env`, TOML; names that are none; what Kubernetes puts beside them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import click
import pytest

from cache.settings import Settings
from gateway.environment import read_settings
from gateway.settings_sources import read_sources, service_links
from gateway.shown_setting import shown

# Of a pod beside the Services `reprise`, `reprise-gateway` and `reprise-metrics`, as the kubelet spells them.
LINKS = {
    "REPRISE_SERVICE_HOST": "10.0.0.1",
    "REPRISE_SERVICE_PORT": "8000",
    "REPRISE_SERVICE_PORT_HTTP": "8000",
    "REPRISE_PORT": "tcp://10.0.0.1:8000",
    "REPRISE_PORT_8000_TCP": "tcp://10.0.0.1:8000",
    "REPRISE_PORT_8000_TCP_PROTO": "tcp",
    "REPRISE_PORT_8000_TCP_PORT": "8000",
    "REPRISE_PORT_8000_TCP_ADDR": "10.0.0.1",
    "REPRISE_GATEWAY_SERVICE_HOST": "10.0.0.2",
    "REPRISE_GATEWAY_PORT": "tcp://10.0.0.2:80",
    "REPRISE_METRICS_PORT": "udp://10.0.0.3:9100",
}


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def sources(settings: Settings) -> dict[str, tuple[str, str]]:
    return {one.name.removeprefix("REPRISE_"): (one.value, one.source) for one in shown(settings) if one.source != "default"}


def test_the_environment_wins_over_dotenv_and_that_over_toml(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (here / "reprise.toml").write_text('port = 1\nqueue_jobs = 2\nmax_wrong = 0.03\nallowed_hosts = ["a.example", "b.example"]\n')
    (here / ".env").write_text("POSTGRES_PASSWORD=hush\nREPRISE_PORT=3\nREPRISE_QUEUE_JOBS=4\nREPRISE_HOST=\n")
    monkeypatch.setenv("REPRISE_PORT", "5")
    settings = read_sources().settings
    assert (settings.port, settings.queue_jobs, settings.max_wrong) == (5, 4, 0.03)
    assert sources(settings) == {
        "PORT": ("5", "environment"),
        "QUEUE_JOBS": ("4", ".env"),
        "MAX_WRONG": ("0.03", "reprise.toml"),
        "ALLOWED_HOSTS": ("a.example,b.example", "reprise.toml"),
    }


def test_objects_are_tables_and_are_not_mixed(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (here / "reprise.toml").write_text('[speed]\ncompile = "off"\n[model_aliases]\none = "reprise-demo"\n')
    monkeypatch.setenv("REPRISE_MODEL_ALIASES", '{"two": "reprise-demo"}')
    settings = read_sources().settings
    assert (settings.speed.compile, settings.model_aliases) == ("off", {"two": "reprise-demo"})


def test_another_toml_file(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (here / "reprise.toml").write_text("port = 1\n")
    other = here / "other.toml"
    other.write_text("queue_jobs = 2\n")
    monkeypatch.setenv("REPRISE_CONFIG", str(other))
    assert sources(read_sources().settings) == {"QUEUE_JOBS": ("2", str(other))}
    other.unlink()
    assert refused() == f"REPRISE_CONFIG: there is no file {other}"


def refused() -> str:
    with pytest.raises(click.ClickException) as told:
        read_settings()
    assert "hush" not in told.value.message
    return told.value.message


def test_an_unknown_name_is_refused_with_the_one_that_was_meant(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REPRISE_MAX_WRONGS", "hush")
    monkeypatch.setenv("REPRISE_XYZZY", "hush")
    assert refused() == "no such setting: REPRISE_MAX_WRONGS (did you mean REPRISE_MAX_WRONG?), REPRISE_XYZZY"
    monkeypatch.delenv("REPRISE_MAX_WRONGS")
    monkeypatch.delenv("REPRISE_XYZZY")
    (here / ".env").write_text("REPRISE_ADMINKEY=hush\n")
    assert refused() == ".env: no such setting: REPRISE_ADMINKEY (did you mean REPRISE_ADMIN_KEY?)"
    (here / ".env").unlink()
    (here / "reprise.toml").write_text('signing_key = "hush"\n')
    assert refused() == "reprise.toml: no such setting: signing_key (did you mean signing_keys?)"


@pytest.mark.parametrize(
    ("toml", "said"),
    [
        ("port = hush", "reprise.toml is no TOML: "),
        ('admin_key = "hush"', "REPRISE_ADMIN_KEY: a secret that opens this instance has at least 16 characters"),
        ('[speed]\ncfg_batch = "hush"', None),
        ('[upstream_fields]\nsteps = ["hush"]', "REPRISE_UPSTREAM_FIELDS: steps: Input should be a valid string"),
        ('[upstream_fields]\nstep = "steps"', "REPRISE_UPSTREAM_FIELDS: a recipe has no 'step', but model, revision, "),
    ],
)
def test_a_wrong_file_is_told_in_one_line(here: Path, toml: str, said: str | None) -> None:
    (here / "reprise.toml").write_text(toml)
    if said is None:  # no secret: the wrong word is told
        with pytest.raises(click.ClickException, match="REPRISE_SPEED: cfg_batch is auto, on, off, not "):
            read_settings()
        return
    assert refused().startswith(said)
    assert "\n" not in refused()


def test_a_file_may_hold_the_value_of_any_setting(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (here / "reprise.toml").write_text('admin_key = "another that is long enough"\n')
    values = {
        "ADMIN_KEY": "hush hush hush hush",
        "SIGNING_KEYS": "hush-one,hush-two",
        "DATABASE_URL": "postgresql://who:hush@db.example/reprise",
        "STORE_URL": "s3://WHO:hush@clips?endpoint=s3.example",
        "UPSTREAM_KEY": "hush",
        "METRICS_TOKEN": "hush hush hush hush",
        "MODEL_ALIASES": '{"sora-2": "reprise-demo"}',
    }
    for name, value in values.items():
        (here / name).write_text(f"{value}\n")
        monkeypatch.setenv(f"REPRISE_{name}_FILE", str(here / name))
    settings = read_settings()
    assert (settings.admin_key, settings.signing_keys, settings.upstream_key) == (values["ADMIN_KEY"], ("hush-one", "hush-two"), "hush")
    assert (settings.metrics_token, settings.model_aliases) == (values["METRICS_TOKEN"], {"sora-2": "reprise-demo"})
    assert (settings.database_url, settings.store_url) == ("postgresql+psycopg://who:hush@db.example/reprise", values["STORE_URL"])
    told = sources(settings)
    assert {name: source for name, (_, source) in told.items()} == {name: str(here / name) for name in values}
    assert "hush" not in str(told)


def test_a_file_that_is_no_value_is_told_without_its_content(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    held = here / "held"
    monkeypatch.setenv("REPRISE_ADMIN_KEY_FILE", str(held))
    assert refused() == f"REPRISE_ADMIN_KEY_FILE: {held} cannot be read: No such file or directory"
    for content in (b"", b"\n", b"hush" * 20_000):
        held.write_bytes(content)
        assert refused() == f"REPRISE_ADMIN_KEY_FILE: {held} is empty or larger than 65536 bytes"
    held.write_bytes(b"hush\xff")
    assert refused() == f"REPRISE_ADMIN_KEY_FILE: {held} is no text"
    held.write_text("hush")
    assert refused() == "REPRISE_ADMIN_KEY: a secret that opens this instance has at least 16 characters"
    monkeypatch.setenv("REPRISE_ADMIN_KEY", "hush hush hush hush")
    assert refused() == "REPRISE_ADMIN_KEY and REPRISE_ADMIN_KEY_FILE are both set"
    monkeypatch.delenv("REPRISE_ADMIN_KEY_FILE")
    monkeypatch.setenv("REPRISE_ADMIN_KEYS_FILE", str(held))
    assert refused() == "no such setting: REPRISE_ADMIN_KEYS_FILE (did you mean REPRISE_ADMIN_KEY?)"


def test_service_links_are_passed_over_and_said_once(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {**LINKS, "REPRISE_QUEUE_JOBS": "7", "REPRISE_LOG_LEVEL": "debug"}.items():
        monkeypatch.setenv(name, value)
    done = subprocess.run([sys.executable, "-m", "gateway.cli", "settings"], capture_output=True, text=True, check=True, timeout=60)
    lines = done.stdout.splitlines()
    for expected in ("REPRISE_PORT = 8000 (default)", "REPRISE_METRICS_PORT = 0 (default)", "REPRISE_QUEUE_JOBS = 7 (environment)"):
        assert expected in lines
    (line,) = map(json.loads, done.stderr.splitlines())
    assert (line["level"], line["names"]) == ("debug", sorted(LINKS))


def test_only_links_are_taken_for_links() -> None:
    ours = {"REPRISE_PORT": "8000", "REPRISE_METRICS_PORT": "9100", "REPRISE_STORE_URL": "s3://clips", "OTHER_SERVICE_HOST": "10.0.0.1"}
    assert service_links({**ours, **LINKS, "REPRISE_PORT": "8000"}) == set(LINKS) - {"REPRISE_PORT"}
