"""A real S3 server for tests: OpenStack Swift with its s3api, from pip, in a folder, on free ports of 127.0.0.1."""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import quote

import urllib3
from minio import Minio
from minio.error import MinioException

KEY, SECRET, REGION = "test:tester", "testing", "us-east-1"
_PATIENCE = 120.0  # seconds until it must answer; a start takes about one on an idle machine
_TRIAL = "trial"  # a bucket of no use
_KINDS = ("account", "container", "object")

# All of it has one replica on one device: nothing to replicate, so only the four servers run.
_RINGS = """
import sys
from swift.common.ring import RingBuilder
folder = sys.argv[1]
for kind, port in zip(("account", "container", "object"), sys.argv[2:]):
    builder = RingBuilder(4, 1, 0)
    builder.add_dev({"region": 1, "zone": 1, "ip": "127.0.0.1", "port": int(port), "device": "disk", "weight": 1.0})
    builder.rebalance()
    builder.get_ring().save(f"{folder}/{kind}.ring.gz")
"""

_SWIFT = """[swift-hash]
swift_hash_path_suffix = for-tests

[storage-policy:0]
name = only
default = yes
"""

_STORAGE = """[DEFAULT]
bind_ip = 127.0.0.1
bind_port = {port}
workers = 0
user = {user}
swift_dir = {folder}
devices = {folder}/devices
mount_check = false
disable_fallocate = true
log_level = WARNING

[pipeline:main]
pipeline = {kind}-server

[app:{kind}-server]
use = egg:swift#{kind}
"""

_PROXY = """[DEFAULT]
bind_ip = 127.0.0.1
bind_port = {port}
workers = 0
user = {user}
swift_dir = {folder}
log_level = WARNING

[pipeline:main]
pipeline = catch_errors gatekeeper listing_formats s3api tempauth slo dlo symlink versioned_writes proxy-logging proxy-server

[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true

[filter:tempauth]
use = egg:swift#tempauth
user_test_tester = testing .admin

[filter:s3api]
use = egg:swift#s3api
location = us-east-1

[filter:catch_errors]
use = egg:swift#catch_errors
[filter:gatekeeper]
use = egg:swift#gatekeeper
[filter:listing_formats]
use = egg:swift#listing_formats
[filter:slo]
use = egg:swift#slo
[filter:dlo]
use = egg:swift#dlo
[filter:symlink]
use = egg:swift#symlink
[filter:versioned_writes]
use = egg:swift#versioned_writes
[filter:proxy-logging]
use = egg:swift#proxy_logging
"""


class NoSwift(Exception):
    """Swift is not installed here, or the folder's disk cannot hold its metadata."""


class Swift:
    """`start` and `stop` may be called in turn: what was stored stays. Only the processes started here are ever ended."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._bin = _installed()
        self._running: list[subprocess.Popen[bytes]] = []
        (folder / "devices" / "disk").mkdir(parents=True)
        _check_disk(folder)
        *ports, self._port = _free_ports(4)
        self._configs = {"proxy": _PROXY.format(port=self._port, user=getpass.getuser(), folder=folder)}
        for kind, port in zip(_KINDS, ports, strict=True):
            self._configs[kind] = _STORAGE.format(kind=kind, port=port, user=getpass.getuser(), folder=folder)
        (folder / "swift.conf").write_text(_SWIFT)
        for kind, config in self._configs.items():
            (folder / f"{kind}-server.conf").write_text(config)
        subprocess.run([self._bin / "python", "-c", _RINGS, folder, *map(str, ports)], check=True)

    @property
    def endpoint(self) -> str:
        return f"127.0.0.1:{self._port}"

    def url(self, bucket: str, key: str = KEY, secret: str = SECRET) -> str:
        return f"s3://{quote(key, safe='')}:{quote(secret, safe='')}@{bucket}?endpoint={self.endpoint}&region={REGION}&secure=false"

    def client(self) -> Minio:
        """Says at once what it met: the default client tries five times over."""
        http = urllib3.PoolManager(timeout=urllib3.Timeout(10), retries=False)
        return Minio(self.endpoint, KEY, SECRET, secure=False, region=REGION, http_client=http)

    def start(self) -> Swift:
        for kind in self._configs:
            with (self._folder / f"{kind}.log").open("ab") as log:
                command = [self._bin / "python", self._bin / f"swift-{kind}-server", self._folder / f"{kind}-server.conf"]
                self._running.append(subprocess.Popen(command, stdout=log, stderr=log))
        until = time.monotonic() + _PATIENCE
        while not self._answers():
            if time.monotonic() > until or any(one.poll() is not None for one in self._running):
                logs = "\n".join(path.read_text()[-1000:] for path in self._folder.glob("*.log"))
                self.stop()
                raise AssertionError(f"Swift does not start:\n{logs}")
            time.sleep(0.25)
        return self

    def _answers(self) -> bool:
        """Lists come before writes: an account is written later than it is read."""
        try:
            client = self.client()
            if not client.bucket_exists(_TRIAL):
                client.make_bucket(_TRIAL)
            client.remove_bucket(_TRIAL)
        except (urllib3.exceptions.HTTPError, MinioException):
            return False
        return True

    def stop(self) -> None:
        for one in self._running:
            one.kill()
        for one in self._running:
            one.wait()
        self._running.clear()


def _installed() -> Path:
    """The folder of Swift's programs and of the Python that runs them."""
    beside = Path(sys.executable).parent
    found = shutil.which("swift-proxy-server", path=os.pathsep.join([str(beside), os.environ.get("PATH", "")]))
    if found is None:
        raise NoSwift("swift-proxy-server is not installed")
    return Path(found).parent


def _check_disk(folder: Path) -> None:
    try:
        os.setxattr(folder, "user.reprise", b"trial")
    except (OSError, AttributeError) as error:
        raise NoSwift(f"no extended attributes in {folder}") from error


def _free_ports(count: int) -> list[int]:
    held = [socket.socket() for _ in range(count)]
    try:
        for one in held:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in held]
    finally:
        for one in held:
            one.close()
