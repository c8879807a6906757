"""The client: one class, one connection pool."""

from __future__ import annotations

import time
from base64 import b64encode
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, cast
from urllib.parse import quote
from uuid import uuid4

import httpx

from .shapes import Model, UserRequest, Video

_PASSING = frozenset({429, 502, 503, 504})
_WAIT = 30  # seconds that one call lets the server hold its answer


class RequestFailed(Exception):
    """The server refused a call: `status`, `code`, `param` (the field, if there is one) and its own sentence."""

    def __init__(self, status: int, message: str, code: str | None = None, param: str | None = None) -> None:
        super().__init__(message)
        self.status, self.code, self.param = status, code, param


class VideoFailed(Exception):
    """The render failed or was cancelled; `video` says why in `error`."""

    def __init__(self, video: Video) -> None:
        error = video["error"]
        super().__init__(error["message"] if error else "failed without a reason")
        self.video = video


class Reprise:
    """A server. `patience`: seconds in which a call that does not go through is tried again, and in which `video` waits."""

    def __init__(self, base_url: str = "http://localhost:8000", key: str | None = None, *, patience: float = 600.0) -> None:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._http = httpx.Client(base_url=base_url, headers=headers, timeout=_WAIT + 30)
        self._patience = patience

    def create(
        self, prompt: str, *, fresh: bool = False, wait: int = 0, picture: bytes | str | Path | None = None, **settings: Any
    ) -> Video:
        """Asks for a video and returns it as it is after `wait` seconds at most; a hit is completed at once. `fresh` renders another take.
        `picture`: a file, or its bytes, that the video begins with. `settings`: further fields of the body, such as size, seconds,
        quality, seed, negative_prompt, priority, tags, user, reprise.
        """
        # With this key a repeated call is the same request, so that it may be sent again.
        headers = {"Idempotency-Key": str(uuid4()), "Prefer": f"wait={wait}"}
        if fresh:
            headers["Cache-Control"] = "no-cache"
        if picture is not None:
            sent = picture if isinstance(picture, bytes) else Path(picture).read_bytes()
            settings["input_reference"] = f"data:image/png;base64,{b64encode(sent).decode()}"  # its kind is read from its bytes
        return cast(Video, self._json("POST", "/v1/videos", json={"prompt": prompt, **settings}, headers=headers))

    def video(self, prompt: str, *, fresh: bool = False, **settings: Any) -> Video:
        """Asks for a video and waits until it is completed. Raises VideoFailed, and TimeoutError after `patience` seconds."""
        return self.completed(self.create(prompt, fresh=fresh, wait=_WAIT, **settings))

    def completed(self, video: Video) -> Video:
        """Waits until `video` is completed. Raises as `video` does."""
        end = time.monotonic() + self._patience
        pause = 0.1
        while video["status"] in {"queued", "in_progress"}:
            if time.monotonic() > end:
                raise TimeoutError(f"{video['id']} is still {video['status']}")
            time.sleep(pause)
            answer = self._send("GET", f"/v1/videos/{video['id']}")
            pause = min(5.0, int(answer.headers.get("openai-poll-after-ms", 1000)) / 1000)
            video = cast(Video, answer.json())
        if video["status"] == "failed":
            raise VideoFailed(video)
        return video

    def retrieve(self, video_id: str) -> Video:
        return cast(Video, self._json("GET", f"/v1/videos/{video_id}"))

    def latest(self, limit: int = 20) -> list[Video]:
        return cast(list[Video], self._json("GET", "/v1/videos", params={"limit": limit})["data"])

    def content(self, video_id: str, variant: Literal["video", "thumbnail", "spritesheet", "webp", "gif"] = "video") -> bytes:
        return self._send("GET", f"/v1/videos/{video_id}/content", params={"variant": variant}).content

    def save(self, video_id: str, file: str | Path) -> None:
        Path(file).write_bytes(self.content(video_id))

    def feedback(self, video_id: str, satisfied: bool) -> None:
        """False: this clip is never served for this prompt again."""
        self._send("POST", f"/v1/videos/{video_id}/feedback", json={"satisfied": satisfied})

    def cancel(self, video_id: str) -> Video:
        return cast(Video, self._json("POST", f"/v1/videos/{video_id}/cancel"))

    def delete(self, video_id: str, *, erase: bool = False) -> None:
        """Withdraws the request. `erase`: its words too, and its clip if no other request holds it."""
        self._send("DELETE", f"/v1/videos/{video_id}", params={"erase": "true"} if erase else None)

    def user_requests(self, user: str) -> list[UserRequest]:
        """Everything held of one of your users (`user` of a request), oldest first."""
        path, found, after = f"/v1/users/{quote(user, safe='')}/requests", list[UserRequest](), dict[str, str]()
        while True:
            page = self._json("GET", path, params={"limit": "100", **after})
            found += page["data"]
            if not page["has_more"]:
                return found
            after = {"after": page["last_id"]}

    def erase_user(self, user: str) -> tuple[int, int]:
        """Erases what is held of one of your users; returns the numbers of requests that lost their words, and of clips that went."""
        told = self._json("DELETE", f"/v1/users/{quote(user, safe='')}")
        return told["requests"], told["clips"]

    def models(self) -> list[Model]:
        return cast(list[Model], self._json("GET", "/v1/models")["data"])

    def close(self) -> None:
        self._http.close()

    def __enter__(self) -> Reprise:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _json(self, method: str, path: str, **rest: Any) -> Any:
        return self._send(method, path, **rest).json()

    def _send(self, method: str, path: str, **rest: Any) -> httpx.Response:
        """One call, tried again while what stops it may pass."""
        end, pause = time.monotonic() + self._patience, 0.5
        while True:
            try:
                answer = self._http.request(method, path, **rest)
            except httpx.TransportError:
                if time.monotonic() + pause > end:
                    raise
            else:
                if answer.is_success:
                    return answer
                asked = answer.headers.get("retry-after", "")
                pause = max(pause, float(asked) if asked.isdigit() else 0.0)
                if answer.status_code not in _PASSING or time.monotonic() + pause > end:
                    raise _failed(answer)
            time.sleep(pause)
            pause = min(10.0, pause * 2)


def _failed(answer: httpx.Response) -> RequestFailed:
    try:
        error = answer.json()["error"]
        return RequestFailed(answer.status_code, error["message"], error.get("code"), error.get("param"))
    except (ValueError, KeyError, TypeError):
        return RequestFailed(answer.status_code, f"HTTP {answer.status_code}: {answer.text[:200]}")
