"""Examples for the API's document. tests/http/test_openapi.py checks each against its schema."""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]

_ID = "video_0198f0c2a1b47d0e5c3f9a6b2d81e470"
_CLIP = "clip_0198f0c2a1b41f2e3d4c5b6a79880716"


def _link(variant: str) -> str:
    return f"https://video.example.com/v1/links/{_ID}?variant={variant}&expires=1795343940&key=4f1c2a9b&signature=…"


def _reprise(**told: object) -> Json:
    nothing: Json = {
        "verdict": "miss", "similarity": None, "confidence": None, "clip": None, "url": None, "thumbnail_url": None, "preview_url": None,
        "matched_prompt": None, "age_seconds": None, "picture": None, "take": 0, "gpu_seconds": 0.0, "gpu_seconds_saved": 0.0,
        "queue_position": None, "eta_ms": None, "stage": None, "steps_skipped": 0,
        "assisted": None, "stages_ms": {}, "steps_ms": [], "peak_memory_gb": None, "refused": [], "notes": [],
    }  # fmt: skip
    return {**nothing, **told}


def _video(**told: object) -> Json:
    queued: Json = {
        "id": _ID, "object": "video", "created_at": 1795343000, "completed_at": None, "expires_at": None, "model": "reprise-demo",
        "progress": 0, "prompt": "a red ball bouncing on grass", "remixed_from_video_id": None, "seconds": "2.125", "size": "128x128",
        "status": "queued", "error": None, "user": None, "metadata": None,
        "reprise": _reprise(
            queue_position=1, eta_ms=9100, stage="queue",
            refused=[{"similarity": 0.97, "reason": "colour of *ball*: red / blue", "clip": None}]
        ),
    }  # fmt: skip
    return {**queued, **told}


_DONE = {"completed_at": 1795343000, "progress": 100, "status": "completed"}
_STAGES = {"queue": 3, "text_encode": 12, "denoise": 4100, "vae_decode": 900, "video_encode": 120, "store": 15}
_NEAR = _video(
    **_DONE,
    reprise=_reprise(
        verdict="near", similarity=0.934, confidence=0.991, clip=_CLIP, url=_link("video"),
        thumbnail_url=_link("thumbnail"), preview_url=_link("webp"), matched_prompt="a red ball is bouncing on the grass", age_seconds=532,
        gpu_seconds_saved=6.2, stages_ms=_STAGES,
    ),
)  # fmt: skip

_KEPT: Json = {
    "id": _ID, "object": "user.request", "user": "user_123", "created_at": 1795343000, "completed_at": 1795343004, "deleted_at": None,
    "prompt": "a red ball bouncing on grass", "negative_prompt": None, "model": "reprise-demo", "seconds": "2.125", "size": "128x128",
    "quality": "standard", "seed": None, "priority": "interactive", "scope": "user", "verdict": "miss", "clip": _CLIP, "error": None,
    "tags": [], "metadata": {"order": "4711"}, "notes": [], "webhook": None,
    "feedback": [{"satisfied": True, "created_at": 1795343060}],
}  # fmt: skip

SAMPLES: dict[str, dict[str, Json]] = {
    "VideoObject": {
        "hit": {"summary": "A near hit", "value": _NEAR},
        "miss": {"summary": "A miss, in the queue", "value": _video()},
        "cancelled": {
            "summary": "Cancelled",
            "value": _video(
                status="failed",
                error={"code": "cancelled", "message": "cancelled by the client"},
                completed_at=1795343004,
                reprise=_reprise(),
            ),
        },
    },
    "VideoPage": {"page": {"value": {"object": "list", "data": [_NEAR], "first_id": _ID, "last_id": _ID, "has_more": False}}},
    "DeletedVideo": {"deleted": {"value": {"id": _ID, "object": "video.deleted", "deleted": True}}},
    "VideoFeedback": {"noted": {"value": {"id": _ID, "object": "video.feedback", "satisfied": False}}},
    "UserRequestPage": {
        "page": {"value": {"object": "list", "data": [_KEPT], "first_id": _ID, "last_id": _ID, "has_more": False}},
    },
    "DeletedUser": {"erased": {"value": {"id": "user_123", "object": "user.deleted", "deleted": True, "requests": 12, "clips": 7}}},
    "SharedState": {"in": {"value": {"clip": _CLIP, "object": "shared", "state": "pooled"}}},
    "Liveness": {"live": {"value": {"status": "live"}}},
    "Readiness": {
        "loading": {
            "summary": "Ready, the model still loads",
            "value": {
                "status": "ready",
                "parts": {
                    "database": {"ready": True, "needed": True, "note": None},
                    "model": {"ready": False, "needed": False, "note": "still_loading"},
                },
            },
        }
    },
}

BODY_SAMPLES: dict[str, dict[str, Json]] = {
    "VideoBody": {
        "plain": {"summary": "Only words", "value": {"prompt": "a red ball bouncing on grass"}},
        "pinned": {
            "summary": "One exact video",
            "value": {"prompt": "a large blue square slides to the left", "seed": 7, "quality": "draft", "seconds": "2", "size": "128x128"},
        },
        "neighbour": {
            "summary": "As for vLLM-Omni",
            "value": {
                "prompt": "a red ball bouncing on grass",
                "width": 128,
                "height": 128,
                "num_frames": 17,
                "fps": 8,
                "num_inference_steps": 20,
                "user": "user_123",
                "metadata": {"order": "4711"},
            },
        },
        "scoped": {
            "summary": "For one end user alone",
            "value": {"prompt": "a red ball bouncing on grass", "user": "user_123", "reprise": {"scope": "user"}},
        },
        "background": {
            "summary": "Ahead of time",
            "value": {
                "prompt": "a tiny pink star floats upward at dusk",
                "priority": "background",
                "allow_smaller": True,
                "tags": ["plan-7"],
            },
        },
    },
    "FeedbackBody": {"wrong": {"summary": "It does not fit", "value": {"satisfied": False}}},
}
FORM_SAMPLES: dict[str, dict[str, Json]] = {
    "VideoBody": {"form": {"summary": "As a form", "value": {"prompt": "a red ball bouncing on grass", "seconds": "2", "tags": ["shop"]}}},
    "FeedbackBody": {"form": {"summary": "As a form", "value": {"satisfied": False}}},
}


def _error(message: str, code: str, param: str | None = None, kind: str = "invalid_request_error") -> Json:
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


ERROR_SAMPLES: dict[int, Json] = {
    400: _error("unknown field 'colour'; known: prompt, model, …", "unknown_parameter", "colour"),
    401: _error(
        "this needs an API key, as `Authorization: Bearer KEY` or `X-API-Key: KEY`", "invalid_api_key", kind="authentication_error"
    ),
    403: _error("this needs a key of the role admin", "forbidden", kind="permission_error"),
    404: _error(f"no video has the id '{_ID}'", "not_found", "video_id"),
    409: _error("the clip is still being made", "not_ready"),
    410: _error("this clip was evicted, erased or taken out of service; ask for it again", "clip_gone"),
    412: _error("If-Match does not name the current bytes", "precondition_failed"),
    413: _error("the body is over the limit of 1048576 bytes", "too_large"),
    415: _error("send application/json or multipart/form-data, not text/plain", "unsupported_media_type"),
    416: _error("the range lies outside the 51234 bytes of this object", "range_not_satisfiable"),
    422: _error("this Idempotency-Key was used with another body", "idempotency_key_reused"),
    429: _error("this key allows 60/m calls", "rate_limit_exceeded", kind="rate_limit_error"),
    502: _error("the upstream answered 500: out of memory", "upstream_refused", kind="server_error"),
    503: _error("the database does not answer", "database_away", kind="server_error"),
    504: _error("no clip will do, and only-if-cached asks for no new one", "not_cached", kind="server_error"),
}
