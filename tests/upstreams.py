"""Servers that answer as vLLM-Omni, SGLang's diffusion server and LiteLLM's proxy do, by their public sources and documents.

Each reads a create call by its own rules, renders a video of one colour of what it read, and answers in its own shapes. What was not
looked up: whether they round sizes, and how vLLM-Omni and LiteLLM word their failures beyond FastAPI's and OpenAI's envelopes.
"""

from __future__ import annotations

import asyncio
import base64
import json
import re
import tempfile
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from email.message import Message
from email.parser import BytesParser
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import numpy as np

from generator.video_encoding import encode_video

Fields = dict[str, Any]


@cache
def mp4(width: int, height: int, frames: int, fps: int) -> bytes:
    """A video of one colour."""
    with tempfile.TemporaryDirectory() as folder:
        pictures = np.broadcast_to(np.uint8(90), (frames, height, width, 3))
        return asyncio.run(encode_video(pictures, fps, Path(folder))).video.read_bytes()


@dataclass(frozen=True)
class Said:
    """An answer. With `cut` its length is told and half of it is sent."""

    status: int
    body: bytes
    kind: str = "application/json"
    headers: Fields = field(default_factory=dict)
    cut: bool = False


def said(code: int, /, **fields: object) -> Said:
    return Said(code, json.dumps(fields).encode())


class Refusal(Exception):
    def __init__(self, answer: Said) -> None:
        super().__init__(answer.body.decode())
        self.answer = answer


@dataclass
class TheirJob:
    id: str
    asked: Fields
    video: bytes
    polls: int = 0


class TheirServer:
    """A server of one of the kinds below. `statuses` are told poll by poll, the last one from then on. `next_content` are answers that come
    before the bytes, `first` may answer any call by its method, `more` stands in every video's object; `calls` is what was asked, in order.
    """

    statuses: tuple[str, ...] = ("queued", "in_progress", "completed")

    def __init__(self) -> None:
        self.jobs: dict[str, TheirJob] = {}
        self.calls: list[str] = []
        self.asked: list[Fields] = []
        self.headers: list[Message] = []
        self.next_content: list[Said] = []
        self.first: Callable[[str], Said | None] = lambda method: None
        self.more: Fields = {}
        self._lock = threading.Lock()
        outer = self

        class Spoken(BaseHTTPRequestHandler):
            def answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                with outer._lock:
                    outer.calls.append(f"{self.command} {self.path}")
                    outer.headers.append(self.headers)
                    try:
                        told = outer.answer(self.command, urlsplit(self.path).path, self.headers, body)
                    except Refusal as refusal:
                        told = refusal.answer
                self.send_response(told.status)
                # None of them sends the first one; with it the tests take a fifth of the time.
                plain = {"openai-poll-after-ms": "1", "Content-Type": told.kind, "Content-Length": str(len(told.body))}
                for name, value in {**plain, **told.headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(told.body[: len(told.body) // 2] if told.cut else told.body)
                self.close_connection = told.cut

            do_GET = do_POST = do_DELETE = answer  # noqa: N815  # the names are the library's

            def log_message(self, *_: object) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Spoken)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def made(self, method: str) -> list[str]:
        return [call for call in self.calls if call.startswith(f"{method} ")]

    def answer(self, method: str, path: str, headers: Message, body: bytes) -> Said:
        if (answer := self.first(method)) is not None:
            return answer
        if (method, path) == ("POST", "/v1/videos"):
            new = self.create(headers, body)
            self.jobs[new.id] = new
            self.asked.append(new.asked)
            return said(200, **self.told(new, self.statuses[0]) | self.more)
        found = re.fullmatch(r"/v1/videos/([^/]+)(/content)?", path)
        job = self.jobs.get(unquote(found[1])) if found else None
        if found is None or job is None:
            return self.unknown()
        if method == "DELETE":
            del self.jobs[job.id]
            return said(200, **self.deleted(job))
        if found[2] is None:
            job.polls += 1
            return said(200, **self.told(job, self.status_of(job)) | self.more)
        if self.next_content:
            return self.next_content.pop(0)
        if self.status_of(job) != self.statuses[-1]:
            return self.not_yet()
        return self.content(job)

    def status_of(self, job: TheirJob) -> str:
        return self.statuses[min(job.polls, len(self.statuses) - 1)]

    def content(self, job: TheirJob) -> Said:
        return Said(200, job.video, "video/mp4")

    # What each kind says in its own way

    def create(self, headers: Message, body: bytes) -> TheirJob:
        raise NotImplementedError

    def told(self, job: TheirJob, status: str) -> Fields:
        raise NotImplementedError

    def deleted(self, job: TheirJob) -> Fields:
        return {"id": job.id, "deleted": True, "object": "video.deleted"}

    def unknown(self) -> Said:
        return said(404, detail="Video not found")

    def not_yet(self) -> Said:
        return said(404, detail="Generation is still in-progress")


def form_of(headers: Message, body: bytes) -> Fields | None:
    """The fields of a multipart body; None for another one."""
    if headers.get_content_type() != "multipart/form-data":
        return None
    whole = BytesParser().parsebytes(f"Content-Type: {headers['content-type']}\r\n\r\n".encode() + body)
    parts = whole.get_payload()
    assert isinstance(parts, list)
    found: Fields = {}
    for part in parts:
        assert isinstance(part, Message)
        text = part.get_payload(decode=True)
        assert isinstance(text, bytes)
        found[str(part.get_param("name", header="content-disposition"))] = text.decode() if part.get_filename() is None else text
    return found


def validation_error(name: str, message: str) -> Refusal:
    """As FastAPI refuses a field."""
    return Refusal(said(422, detail=[{"type": "value_error", "loc": ["body", name], "msg": message, "input": None}]))


def whole_number(fields: Fields, name: str) -> int | None:
    value = fields.get(name)
    if value is None:
        return None
    try:
        number = int(value)
    except ValueError:
        raise validation_error(name, "Input should be a valid integer, unable to parse string as an integer") from None
    if name == "seed" and number >= 2**31:
        raise Refusal(said(500, detail="Seed must be between 0 and 2**32 - 1"))
    return number


class VllmOmni(TheirServer):
    """vLLM-Omni (docs/serving/videos_api.md, entrypoints/openai/protocol/videos.py): forms alone; whole seconds; `num_frames` goes before
    them and is brought to 4n + 1, as its Wan pipeline does; fields that it does not know are ignored.
    """

    def create(self, headers: Message, body: bytes) -> TheirJob:
        fields = form_of(headers, body)
        if fields is None:
            raise validation_error("prompt", "Field required")
        if "seconds" in fields and not re.fullmatch(r"[1-9]\d*", fields["seconds"]):
            raise validation_error("seconds", "String should match pattern '^[1-9]\\d*$'")
        if "size" in fields:
            fields["width"], fields["height"] = fields["size"].split("x")
        whole_number(fields, "seed")
        fps = whole_number(fields, "fps") or 24
        frames = whole_number(fields, "num_frames") or int(fields.get("seconds", "4")) * fps
        size = whole_number(fields, "width") or 832, whole_number(fields, "height") or 480
        return TheirJob(f"video_gen_{uuid.uuid4().hex}", fields, mp4(*size, frames // 4 * 4 + 1, fps))

    def told(self, job: TheirJob, status: str) -> Fields:
        return {
            "model": job.asked.get("model", "Wan-AI/Wan2.2-T2V-A14B-Diffusers"), "prompt": job.asked["prompt"], "id": job.id,
            "object": "video", "status": status, "size": job.asked.get("size"), "progress": 100 if status == "completed" else 0,
            "seconds": job.asked.get("seconds", "4"), "quality": "default", "completed_at": None, "created_at": int(time.time()),
            "remixed_from_video_id": None, "error": None, "media_type": "video/mp4", "expires_at": None, "file_name": None,
            "inference_time_s": None, "stage_durations": {}, "peak_memory_mb": 0.0,
        }  # fmt: skip


class Sglang(TheirServer):
    """SGLang's diffusion server (runtime/entrypoints/openai/video_api.py, protocol.py): forms or JSON; ids are plain hex. With `cloud`
    finished videos are at a URL, and their content is refused.
    """

    statuses = ("queued", "completed")
    cloud: Callable[[TheirJob], str] | None = None

    def create(self, headers: Message, body: bytes) -> TheirJob:
        fields = form_of(headers, body) or json.loads(body)
        if not fields.get("prompt"):
            raise Refusal(said(400, detail="prompt is required"))
        whole_number(fields, "seed")
        fps = whole_number(fields, "fps") or 24
        frames = whole_number(fields, "num_frames") or (whole_number(fields, "seconds") or 4) * fps
        width, height = map(int, (fields.get("size") or "720x1280").split("x"))
        return TheirJob(uuid.uuid4().hex, fields, mp4(width, height, frames, fps))

    def told(self, job: TheirJob, status: str) -> Fields:
        done = status == self.statuses[-1]
        return {
            "id": job.id, "object": "video", "model": "sora-2", "status": status, "progress": 100 if done else 0,
            "created_at": int(time.time()), "size": job.asked.get("size", ""), "seconds": job.asked.get("seconds", "4"),
            "quality": "standard", "url": self.cloud(job) if done and self.cloud is not None else None, "remixed_from_video_id": None,
            "completed_at": None, "expires_at": None, "error": None, "file_path": None, "peak_memory_mb": None, "inference_time_s": None,
        }  # fmt: skip

    def content(self, job: TheirJob) -> Said:
        if self.cloud is None:
            return super().content(job)
        return said(400, detail=f"Video has been uploaded to cloud storage. Please use the cloud URL: {self.cloud(job)}")

    def deleted(self, job: TheirJob) -> Fields:
        return {**self.told(job, "completed"), "status": "deleted"}


class LiteLlm(TheirServer):
    """LiteLLM's proxy (litellm/types/videos/utils.py, docs/videos.md): an id is base64 of provider, model and the provider's own id, with
    its padding; `processing` while Veo or Runway renders; errors in OpenAI's envelope.
    """

    statuses = ("processing", "processing", "completed")

    def create(self, headers: Message, body: bytes) -> TheirJob:
        fields = form_of(headers, body) or json.loads(body)
        if "model" not in fields:
            raise Refusal(said(400, error={"message": "model is required", "type": "None", "param": "None", "code": "400"}))
        whole_number(fields, "seed")
        width, height = map(int, fields["size"].split("x"))
        frames = int(float(fields["seconds"]) * 8) + 1
        inside = "litellm:custom_llm_provider:hosted_vllm;model_id:wan;video_id:task/17"
        while len(inside) % 3 != 1:
            inside += "7"
        named = base64.b64encode(inside.encode()).decode()
        assert named.endswith("==")
        return TheirJob(f"video_{named}", fields, mp4(width, height, frames, 8))

    def told(self, job: TheirJob, status: str) -> Fields:
        return {
            "id": job.id, "object": "video", "status": status, "created_at": int(time.time()), "completed_at": None, "expires_at": None,
            "error": None, "progress": None, "remixed_from_video_id": None, "seconds": job.asked["seconds"], "size": job.asked["size"],
            "model": job.asked["model"], "usage": {"duration_seconds": float(job.asked["seconds"])},
        }  # fmt: skip

    def unknown(self) -> Said:
        return said(404, error={"message": "Video not found", "type": "invalid_request_error", "param": None, "code": "404"})


class Bucket:
    """An object store's signed addresses: `GET /video?signature=…` without any key of ours, or else 403."""

    def __init__(self, video: bytes) -> None:
        outer = self
        self.headers: list[Message] = []

        class Spoken(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.headers.append(self.headers)
                right = self.path == "/video.mp4?signature=a%2Fb%3D" and "authorization" not in self.headers
                self.send_response(200 if right else 403)
                self.send_header("Content-Length", str(len(video) if right else 0))
                self.end_headers()
                if right:
                    self.wfile.write(video)

            def log_message(self, *_: object) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Spoken)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/video.mp4?signature=a%2Fb%3D"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
