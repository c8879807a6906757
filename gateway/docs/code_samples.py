"""A call of the API as code to copy: for a shell, for Python and for TypeScript. Pure."""

from __future__ import annotations

import json
from typing import Any

HERE = "http://localhost:8000"


def code_samples(method: str, url: str, body: Any = None) -> dict[str, str]:
    """Code by language. `url` keeps its parameters in braces, which stand for what the reader fills in."""
    verb = method.upper()
    return {"curl": _curl(verb, url, body), "Python": _python(verb, url, body), "TypeScript": _typescript(verb, url, body)}


def _curl(verb: str, url: str, body: Any) -> str:
    said = [] if verb == "GET" or (verb == "POST" and body is not None) else [f"-X {verb}"]
    sent = [] if body is None else ["--json '" + json.dumps(body, ensure_ascii=False).replace("'", "'\\''") + "'"]
    return " \\\n  ".join([" ".join(["curl", *said, f"'{url}'"]), '-H "Authorization: Bearer $KEY"', *sent])


def _python(verb: str, url: str, body: Any) -> str:
    sent = "" if body is None else f", json={body!r}"
    return "\n".join(
        [
            "import httpx",
            "",
            'headers = {"Authorization": f"Bearer {key}"}',
            f'answer = httpx.{verb.lower()}("{url}", headers=headers{sent})',
            "answer.raise_for_status()",
        ]
    )


def _typescript(verb: str, url: str, body: Any) -> str:
    kind = "" if body is None else ', "Content-Type": "application/json"'
    sent = "" if body is None else f"\n  body: JSON.stringify({json.dumps(body, ensure_ascii=False)}),"
    return "\n".join(
        [
            f'const answer = await fetch("{url}", {{',
            f'  method: "{verb}",',
            f"  headers: {{ Authorization: `Bearer ${{key}}`{kind} }},{sent}",
            "});",
        ]
    )
