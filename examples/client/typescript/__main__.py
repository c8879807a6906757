"""Make reprise.d.ts from the API's document, by openapi-typescript (Node)."""

from __future__ import annotations

import hashlib
import subprocess
import tempfile
from pathlib import Path

from gateway.http.openapi import document
from gateway.http.wire import encode_json

HERE = Path(__file__).parent

written = encode_json(document())
with tempfile.TemporaryDirectory() as folder:
    source, made = Path(folder) / "openapi.json", Path(folder) / "reprise.d.ts"
    source.write_bytes(written)
    subprocess.run(["npx", "--yes", "openapi-typescript@7.10.1", str(source), "--output", str(made)], check=True)  # noqa: S603, S607
    first = f"// Made by `make types` from openapi.json with SHA-256 {hashlib.sha256(written).hexdigest()}.\n"
    (HERE / "reprise.d.ts").write_text(first + made.read_text())
