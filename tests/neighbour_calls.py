"""The calls with which vLLM-Omni, SGLang and LiteLLM introduce themselves, as their documents have them, and how they are sent.

Sources: docs/serving/videos_api.md of vLLM-Omni, docs/diffusion/api/openai_api.md of SGLang, docs/videos.md of LiteLLM.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from urllib.parse import urlsplit

import httpx

OMNI_CREATE = r"""curl -s http://localhost:8091/v1/videos \
  -F "prompt=A cinematic tracking shot of a mountain lake at sunrise" \
  -F "width=1280" \
  -F "height=720" \
  -F "num_frames=80" \
  -F "fps=16" \
  -F "num_inference_steps=40"
"""
OMNI_POLL = 'curl -s "http://localhost:8091/v1/videos/${video_id}"'
OMNI_DOWNLOAD = 'curl -L "http://localhost:8091/v1/videos/${video_id}/content" -o output.mp4'
OMNI_SYNC = r"""curl -X POST http://localhost:8091/v1/videos/sync \
  -F "prompt=A small robot walking through a neon city" \
  -F "width=854" \
  -F "height=480" \
  -F "num_frames=80" \
  -F "fps=16" \
  -o output.mp4
"""
OMNI_PICTURE = r"""curl -s http://localhost:8091/v1/videos \
  -F "prompt=animate this image with subtle camera movement" \
  -F "input_reference=@input.png" \
  -F "width=1280" \
  -F "height=720" \
  -F "num_frames=80" \
  -F "fps=16"
"""
OMNI_DELETE = 'curl -X DELETE "http://localhost:8091/v1/videos/${video_id}"'

SGLANG_CREATE = r"""curl -sS -X POST "http://localhost:30010/v1/videos" \
  -H "Content-Type: application/json" \
  -H "Authorization: Bearer sk-proj-1234567890" \
  -d '{
        "prompt": "A calico cat playing a piano on stage",
        "size": "1280x720"
      }'
"""
SGLANG_LIST = r"""curl -sS -X GET "http://localhost:30010/v1/videos" \
  -H "Authorization: Bearer sk-proj-1234567890"
"""
SGLANG_DOWNLOAD = r"""curl -sS -L "http://localhost:30010/v1/videos/<VIDEO_ID>/content" \
  -H "Authorization: Bearer sk-proj-1234567890" \
  -o output.mp4
"""

LITELLM_CREATE = r"""curl --location 'http://localhost:4000/v1/videos' \
--header 'Content-Type: application/json' \
--header 'x-litellm-api-key: sk-1234' \
--data '{
    "model": "sora-2",
    "prompt": "A beautiful sunset over the ocean"
}'
"""
LITELLM_STATUS = r"""curl --location 'http://localhost:4000/v1/videos/{video_id}' \
--header 'x-litellm-api-key: sk-1234'
"""
LITELLM_CONTENT = r"""curl --location 'http://localhost:4000/v1/videos/{video_id}/content' \
--header 'x-litellm-api-key: sk-1234' \
--output video.mp4
"""


def sent(client: httpx.Client, call: str, video_id: str = "", files: Mapping[str, bytes] = {}) -> httpx.Response:
    """What curl would send, to `client`'s server; the id stands where the text has its place. `files`: those that it reads, by name."""
    words = shlex.split(re.sub(r"\$\{video_id\}|<VIDEO_ID>|\{video_id\}", video_id, call.replace("\\\n", " ")))
    assert words.pop(0) == "curl"
    method, path, headers, body = "", "", {}, None
    form: list[tuple[str, tuple[str | None, str | bytes]]] = []
    while words:
        match words.pop(0):
            case "-s" | "-sS" | "-L" | "--location":
                pass
            case "-o" | "--output":
                words.pop(0)
            case "-X":
                method = words.pop(0)
            case "-H" | "--header":
                name, _, value = words.pop(0).partition(": ")
                headers[name] = value
            case "-F":
                name, _, value = words.pop(0).partition("=")
                named = value.removeprefix("@")
                form.append((name, (None, value) if named == value else (named, files[named])))
            case "-d" | "--data":
                body = words.pop(0)
            case url:
                assert url.startswith("http://localhost:"), url
                path = urlsplit(url).path
    method = method or ("POST" if form or body is not None else "GET")
    return client.request(method, path, headers=headers, files=form or None, content=body)
