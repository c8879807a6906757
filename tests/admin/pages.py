"""What tests of the admin pages share: a clip, a near hit and a refusal of it, and short names for what a page is asked."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any

import httpx

from tests.live import PATIENCE, Live

HOSTILE = "<script>alert(1)</script> a red box <img src=x onerror=alert(2)> javascript:alert(3)"


def api(live: Live, path: str, **query: object) -> Any:
    answer = httpx.get(f"{live.url}/admin/api/{path}", params={name: str(value) for name, value in query.items()}, timeout=PATIENCE)
    assert answer.status_code == 200, answer.text
    return answer.json()


def post(live: Live, path: str, **fields: object) -> httpx.Response:
    return httpx.post(f"{live.url}{path}", data={name: str(value) for name, value in fields.items()}, timeout=PATIENCE)


def html(live: Live, path: str) -> str:
    answer = httpx.get(f"{live.url}{path}", headers={"Accept": "text/html"}, timeout=PATIENCE)
    assert answer.status_code == 200, answer.text
    assert "'self'" in answer.headers["content-security-policy"]
    # Nothing inline: the policy would stop it in a browser, and the page would only half work.
    assert re.findall(r"<script(?![^>]* src=)|<style|\sstyle=|\son[a-z]+=\"", answer.text) == []
    return answer.text


def until(holds: Callable[[], bool], seconds: float = PATIENCE) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it never became true"
        time.sleep(0.1)
