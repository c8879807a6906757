"""A container engine and compose.yaml's services. TRY_COMPOSE names the program that reads the file: `podman-compose` (the
default), `docker compose` or `docker-compose`.

docker starts all with one command, as an operator does. With podman the services are started one by one: without systemd it has no health
timers, so nothing can wait for them but this.
"""

from __future__ import annotations

import os
import secrets
import shlex
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

ROOT = Path(__file__).parents[2]
PROJECT = "reprise-try"
COMPOSE = tuple(shlex.split(os.environ.get("TRY_COMPOSE", "podman-compose")))
ENGINE = "podman" if COMPOSE[0].startswith("podman") else "docker"
TIMERLESS = {"DISABLE_HC_SYSTEMD": "true"}  # or podman asks a systemd that is not there
PATIENCE = 240.0  # seconds for one part to be ready, on a busy machine


def run(*command: str, check: bool = True, environment: Mapping[str, str] = MappingProxyType({})) -> str:
    """What it says; an AssertionError with all of it where it fails."""
    done = subprocess.run(
        command, check=False, cwd=ROOT, env={**os.environ, **TIMERLESS, **environment}, text=True, capture_output=True, timeout=1800
    )
    assert not check or done.returncode == 0, f"{shlex.join(command)} ended with {done.returncode}:\n{done.stdout}{done.stderr}"
    return (done.stdout + done.stderr).strip()


def engine(*words: str, check: bool = True) -> str:
    return run(ENGINE, *words, check=check)


def build(target: str) -> str:
    """BUILD_ARGS is what this machine's builds need beside, such as a pip configuration to mount. buildah builds, whoever runs it."""
    began = time.monotonic()
    arguments = shlex.split(os.environ.get("BUILD_ARGS", ""))
    frame = ("buildah", "bud", "--format", "docker", "--isolation", "chroot", "--network", "host", "--layers")
    run("nice", *frame, *arguments, "--target", target, "-t", f"reprise:{target}", ".")
    if ENGINE == "docker":
        run(
            "sh",
            "-c",
            f"podman save --format docker-archive reprise:{target} | docker load && docker tag localhost/reprise:{target} reprise:{target}",
        )
    size = int(engine("image", "inspect", f"reprise:{target}", "--format", "{{.Size}}"))
    return f"built reprise:{target} in {time.monotonic() - began:.0f} s, {size / 1e6:.0f} MB"


def wait_for(what: str, done: Callable[[], bool], patience: float = PATIENCE) -> float:
    began = time.monotonic()
    while not done():
        assert time.monotonic() - began < patience, f"waited {patience:.0f} s for {what}"
        time.sleep(0.5)
    return time.monotonic() - began


class Stack:
    """compose.yaml, under a project name of its own, with secrets made now."""

    def __init__(self, port: int) -> None:
        self.key = secrets.token_hex(16)
        self.url = f"http://127.0.0.1:{port}"
        self._environment = {
            "REPRISE_ADMIN_KEY": self.key,
            "REPRISE_SIGNING_KEYS": secrets.token_hex(16),
            "POSTGRES_PASSWORD": secrets.token_hex(8),
            "S3_KEY": "reprise",
            "S3_SECRET": secrets.token_hex(8),
            "PORT": str(port),
        }

    def compose(self, *words: str) -> str:
        return run(*COMPOSE, "--profile", "cpu", "-p", PROJECT, *words, environment=self._environment)

    def up(self, *services: str) -> None:
        self.compose("up", "-d", "--no-build", "--no-deps", "--no-recreate", *services)  # else docker compose makes the others anew, too

    def names(self, service: str) -> list[str]:
        """Containers of a service, by name."""
        ours = [f"--filter=label=com.docker.compose.{label}" for label in (f"project={PROJECT}", f"service={service}")]
        return sorted(engine("ps", "-a", "--format", "{{.Names}}", *ours).split())

    def address(self, name: str) -> str:
        return engine("inspect", name, "--format", "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}")

    def healthy(self, name: str) -> bool:
        """What its own health check says: now where podman is asked, at its last round where docker is."""
        if ENGINE == "docker":
            return engine("inspect", name, "--format", "{{.State.Health.Status}}") == "healthy"
        return run("podman", "healthcheck", "run", name, check=False) in {"", "healthy"}

    def wait(self, service: str) -> float:
        return max(wait_for(f"{name} to be healthy", lambda name=name: self.healthy(name)) for name in self.names(service))  # type: ignore[misc]

    def start(self) -> None:
        if ENGINE == "docker":
            self.compose("up", "-d", "--no-build", "proxy", "worker-cpu")
            self.wait("proxy")
            self.wait("worker-cpu")
            return
        self.up("postgres", "s3")
        self.wait("postgres")
        self.wait("s3")
        self.compose("run", "--rm", "--no-deps", "bucket")
        self.up("gateway", "worker-cpu")
        self.wait("gateway")
        self.wait("worker-cpu")
        self.up("proxy")
        self.wait("proxy")

    def logs(self, service: str) -> str:
        return "\n".join(engine("logs", name, check=False) for name in self.names(service))

    def reprise(self, *words: str) -> str:
        """A command in the first gateway."""
        return engine("exec", self.names("gateway")[0], "reprise", *words)

    def close(self) -> None:
        """All of this project and nothing else."""
        self.compose("down", "-v", "-t", "5")
