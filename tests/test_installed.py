"""Reprise installed by one user and served by another from a read-only tree, under strace: that it serves, what it says to others, and what
it writes.

As root (CI) the other is a user and a group without a name, and all but its own folder is mounted read-only for it. Without root there is
no other user to be: then the installation has no write bits. Libraries in C speak past Python's own hooks, so the system calls are read.
Debian: apt-get install strace.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from cache.settings import Settings
from tests.built import wheel
from tests.live import Live

# It installs, imports all anew and is traced all the while: minutes, where others use the machine too.
pytestmark = [pytest.mark.traced, pytest.mark.timeout(600)]

_CALLS = "connect,sendto,sendmsg,sendmmsg,open,openat,creat,mkdir,mkdirat,rename,renameat,renameat2,unlink,unlinkat,symlink,symlinkat"
_ADDRESS = re.compile(r'sin_addr=inet_addr\("([^"]+)"\)|inet_pton\(AF_INET6, "([^"]+)"')
_WRITES = re.compile(r"O_WRONLY|O_RDWR|O_CREAT|^\d+ (creat|mkdir|rename|unlink|symlink)")
_DEVICES, _MEMORY = ("/dev/", "/proc/"), "/dev/shm/"  # there lie files as elsewhere

ROOT = os.geteuid() == 0
ANOTHER = 54_321 if ROOT else os.geteuid()
PACKAGES = sysconfig.get_path("purelib")
# Root's home is closed to others: Python and the packages are shown there again, wherever they lie, and nothing else is.
_MOUNTS = """set -e
mount --bind "$1" "$0/python"
mount --bind "$2" "$0/packages"
mount -t tmpfs -o mode=755 tmpfs /root
mkdir -p "$1" "$2"
mount --bind "$0/python" "$1"
mount --bind "$0/packages" "$2"
mount --bind "$0/own" "$0/own"
mount --bind "$0/installed" "$0/installed"
for one in "$0/installed" "$1" "$2" /root /; do mount -o remount,bind,ro "$one"; done
shift 2
exec "$@"
"""


def foreign(calls: list[str]) -> list[str]:
    """Calls that name an address of another machine; a look-up of a name asks a server at one, too."""
    return [
        call
        for call in calls
        for found in _ADDRESS.findall(call)
        if not (one := "".join(found)).startswith("127.") and one not in {"::1", "0.0.0.0"}
    ]


def written(calls: list[str]) -> set[str]:
    """Absolute paths that were opened to be written, made or removed; those that failed are none."""
    done = [call for call in calls if _WRITES.search(call) and " = -1 " not in call and "O_PATH" not in call]
    paths = {path for call in done for path in re.findall(r'"([^"]*)"', call) if path.startswith("/")}
    return {path for path in paths if path.startswith(_MEMORY) or not path.startswith(_DEVICES)}


def installed(folder: Path) -> Path:
    """Installs the wheel of this tree into `folder`/installed, with the encoder that `reprise prepare` exported; returns the command. Its
    dependencies are what this test runs with, on a path that a .pth file names: no .pth file counts there, so the editable installation is
    not seen.
    """
    place = folder / "installed"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(place)], check=True)
    (next(place.glob("lib/python*/site-packages")) / "packages.pth").write_text(PACKAGES)
    with tempfile.TemporaryDirectory() as scratch:
        command = [sys.executable, "-m", "pip", "--python", str(place / "bin" / "python"), "install", "-q", "--no-deps"]
        subprocess.run([*command, str(wheel(Path(scratch)))], check=True, timeout=170)
    subprocess.run(["cp", "-a", str(Settings().encoders), str(place / "share" / "reprise")], check=True)  # its modes, too
    if not ROOT:
        subprocess.run(["chmod", "-R", "a-w", str(place)], check=True)
    return place / "bin" / "reprise"


def served(folder: Path, reprise: Path) -> Live:
    """Its temporary files and home folder are its own; nothing has to be written in the second."""
    own = folder / "own"
    for one in ("data", "tmp", "home"):
        (own / one).mkdir()
        os.chown(own / one, ANOTHER, ANOTHER if ROOT else -1)
    live = Live(own / "data", Path())
    live.program = (str(reprise),)
    strace = (
        "strace",
        "-D",
        "-f",
        "-qq",
        "--seccomp-bpf",
        "-s",
        "300",
        "-e",
        f"trace={_CALLS}",
        "-e",
        "signal=none",
        "-o",
        str(own / "calls"),
    )
    environment = ("env", "-C", "/", f"HOME={own / 'home'}", f"TMPDIR={own / 'tmp'}", "REPRISE_MODEL=")
    if ROOT:
        apart = ("unshare", "--mount", "sh", "-c", _MOUNTS, str(folder), sys.base_prefix, PACKAGES)
        another = ("setpriv", f"--reuid={ANOTHER}", f"--regid={ANOTHER}", "--clear-groups", "--bounding-set=-all", "--inh-caps=-all")
        live.before = (*apart, *strace, *another, *environment)
    else:
        live.before = (*strace, *environment)
    return live


@dataclass
class Seen:
    own: Path
    verdicts: list[str]
    user: int
    refusal: str
    calls: list[str]


@pytest.fixture(scope="module")
def seen() -> Iterator[Seen]:
    """Three requests to one server, and all calls of it and its threads, its end included."""
    with tempfile.TemporaryDirectory(prefix="reprise-installed-") as name:  # pytest's own folders are closed to others
        folder = Path(name)
        folder.chmod(0o755)
        for one in ("own", "packages", "python"):
            (folder / one).mkdir()
        live = served(folder, installed(folder))
        live.start()
        try:
            words = ("a red ball bounces", "a red ball bounces", "the red ball is bouncing")
            verdicts = [str(live.made(prompt, quality="draft")["reprise"]["verdict"]) for prompt in words]
            user = Path(f"/proc/{live.pid}").stat().st_uid
            refusal = ""
            try:  # as it sees the tree
                Path(f"/proc/{live.pid}/root{folder / 'installed' / 'written'}").touch()
            except OSError as error:
                refusal = str(error.strerror)
            live.stop()
        finally:
            live.close()
        yield Seen(folder / "own", verdicts, user, refusal, (folder / "own" / "calls").read_text(errors="replace").splitlines())
        if not ROOT:
            subprocess.run(["chmod", "-R", "u+w", str(folder / "installed")], check=True)


def test_what_one_user_installed_serves_another_from_a_read_only_tree(seen: Seen) -> None:
    assert seen.verdicts == ["miss", "exact", "near"]
    assert (seen.user, seen.refusal) == (ANOTHER, "Read-only file system" if ROOT else "Permission denied")


def test_nothing_phones_home(seen: Seen) -> None:
    """With default settings there is nobody to speak to: no connection and no look-up leaves this machine."""
    assert any("connect(" in call or "openat(" in call for call in seen.calls), "strace saw nothing"
    assert foreign(seen.calls) == []


def test_nothing_is_written_but_under_the_data_folder_and_that_for_temporary_files(seen: Seen) -> None:
    paths = written(seen.calls)
    assert any(path.startswith(f"{seen.own}/data/") for path in paths), "strace saw no file of ours"
    assert {path for path in paths if not f"{path}/".startswith((f"{seen.own}/data/", f"{seen.own}/tmp/"))} == set()


def test_the_reading_of_calls_finds_planted_ones() -> None:
    calls = [
        '7 connect(5, {sa_family=AF_INET, sin_port=htons(53), sin_addr=inet_addr("10.0.0.2")}, 16) = 0',
        '7 connect(5, {sa_family=AF_INET, sin_port=htons(80), sin_addr=inet_addr("127.0.0.1")}, 16) = 0',
        '7 connect(5, {sa_family=AF_INET6, sin6_port=htons(443), inet_pton(AF_INET6, "2001:db8::1", &sin6_addr)}, 28) = -1 EINPROGRESS',
        '7 openat(AT_FDCWD, "/root/.cache/Microsoft/deviceid", O_WRONLY|O_CREAT, 0600) = 9',
        '7 openat(AT_FDCWD, "/usr/lib/libc.so", O_RDONLY|O_CLOEXEC) = 9',
        '7 mkdir("/root/.cache", 0700) = -1 EEXIST (File exists)',
        '7 mkdir("/root/.config", 0700) = 0',
    ]
    assert len(foreign(calls)) == 2
    assert written(calls) == {"/root/.cache/Microsoft/deviceid", "/root/.config"}
