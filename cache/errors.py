"""The errors of Reprise, as facts with fields.

RepriseError
├── Invalid                 a field of the request cannot be used; names the field
│   ├── NotSupported        a feature of the API that we do not offer (image-to-video, remix)
│   └── TooLarge            a body or upload over its limit
├── Unauthenticated         no key, or an unknown one
├── Forbidden               a valid key that may not do this
│   ├── LinkInvalid         a link that was not signed here, or was changed
│   └── LinkExpired
├── NotFound                no such id for this tenant
├── MethodNotAllowed        the path exists, the method does not
├── Conflict
│   ├── NotReady            the clip is still being rendered
│   ├── IdempotencyReused   same Idempotency-Key, another body
│   └── PreconditionFailed  If-Match or If-Unmodified-Since does not hold
├── ClipFailed              a call that waits for the clip, which could not be rendered; has the render's code
├── WaitOver                the same, while the clip is still being rendered
├── ClipGone                the clip was evicted, erased or withdrawn
├── RangeNotSatisfiable     a byte range outside the object
├── UnsupportedMedia        a body of a content type that we do not accept
├── NotCached               only-if-cached, and no clip fits
├── Busy                    a limit was reached; says when to retry
│   ├── QueueFull
│   └── RateLimited
├── Unavailable             a part is away; says when to retry
│   ├── DatabaseAway
│   │   └── DatabaseReadOnly  it answers and takes no writes: a standby, or a failover at work
│   ├── StoreAway
│   ├── ObjectCorrupt       stored bytes are missing or do not match their digest
│   ├── DiskFull
│   ├── NearHitsOff         no calibration table holds for the models that are loaded
│   ├── EncoderFailed       the encoder could not be loaded: no near hits until it can be
│   ├── PictureGone         the picture that a video begins with is not there any more: to be sent again
│   ├── ModelAway           a model that workers announced, and that none has now
│   └── StillLoading        encoder or model is not ready yet
├── LeaseLost               this worker no longer owns the job: it must change nothing
└── RenderFailed            the model could not render the clip; has a code for the client
    ├── RenderStopped       told to stop: cancelled, or the lease was lost
    ├── UpstreamRefused     another server, which should render, says no; has its HTTP status
    ├── OutOfMemory
    └── BadDonor            the latent to start from is no latent of this shape: to be rendered without it

`gateway/http/problems.py` is the one table from each error to its HTTP status.
"""

from __future__ import annotations


class RepriseError(Exception):
    """Root of the tree. `code` is the stable, machine-readable word for the fact."""

    code = "internal_error"
    cause: str | None = None  # for the operator's eyes: a driver's own words, which may name hosts

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class Invalid(RepriseError):
    """Bad input. `field`: its path in the request, as the client spelled it (None: the body as a whole)."""

    code = "invalid_value"

    def __init__(self, field: str | None, message: str, code: str | None = None) -> None:
        super().__init__(message)
        self.field = field
        if code is not None:
            self.code = code


class NotSupported(Invalid):
    code = "not_supported"


class TooLarge(Invalid):
    code = "too_large"


class Unauthenticated(RepriseError):
    code = "invalid_api_key"


class Forbidden(RepriseError):
    code = "forbidden"


class LinkInvalid(Forbidden):
    code = "invalid_link"


class LinkExpired(Forbidden):
    code = "link_expired"


class NotFound(RepriseError):
    code = "not_found"

    def __init__(self, message: str, field: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.field = field
        if code is not None:
            self.code = code


class MethodNotAllowed(RepriseError):
    code = "method_not_allowed"


class Conflict(RepriseError):
    code = "conflict"


class NotReady(Conflict):
    code = "not_ready"

    def __init__(self, message: str, poll_after_ms: int) -> None:
        super().__init__(message)
        self.poll_after_ms = poll_after_ms


class IdempotencyReused(Conflict):
    code = "idempotency_key_reused"


class PreconditionFailed(Conflict):
    code = "precondition_failed"


class ClipFailed(RepriseError):
    """`video_id`: the request, which says it too."""

    def __init__(self, message: str, code: str, video_id: str) -> None:
        super().__init__(message)
        self.code, self.video_id = code, video_id


class WaitOver(RepriseError):
    code = "still_rendering"

    def __init__(self, message: str, video_id: str, poll_after_ms: int) -> None:
        super().__init__(message)
        self.video_id, self.poll_after_ms = video_id, poll_after_ms


class ClipGone(RepriseError):
    code = "clip_gone"


class RangeNotSatisfiable(RepriseError):
    code = "range_not_satisfiable"

    def __init__(self, length: int) -> None:
        super().__init__(f"the range is outside the {length} bytes of this object")
        self.length = length


class UnsupportedMedia(RepriseError):
    code = "unsupported_media_type"


class NotCached(RepriseError):
    code = "not_cached"


class Busy(RepriseError):
    """A limit was reached. `retry_after`: seconds, from measured times where there are any."""

    code = "busy"

    def __init__(self, message: str, retry_after: float) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class QueueFull(Busy):
    code = "queue_full"

    def __init__(self, waiting: int, limit: int, retry_after: float) -> None:
        super().__init__(f"{waiting} jobs wait; the limit is {limit}", retry_after)
        self.waiting, self.limit = waiting, limit


class RateLimited(Busy):
    code = "rate_limit_exceeded"


class Unavailable(RepriseError):
    """A part is away for now. `retry_after`: seconds."""

    code = "unavailable"

    def __init__(self, message: str, retry_after: float = 5.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class DatabaseAway(Unavailable):
    code = "database_away"


class DatabaseReadOnly(DatabaseAway):
    code = "database_read_only"


class StoreAway(Unavailable):
    code = "store_away"


class ObjectCorrupt(Unavailable):
    code = "object_corrupt"


class DiskFull(Unavailable):
    code = "disk_full"


class NearHitsOff(Unavailable):
    code = "near_hits_off"


class EncoderFailed(Unavailable):
    code = "encoder_failed"


class PictureGone(Unavailable):
    code = "picture_gone"


class ModelAway(Unavailable):
    code = "model_away"


class StillLoading(Unavailable):
    code = "still_loading"


class LeaseLost(RepriseError):
    code = "lease_lost"


class RenderFailed(RepriseError):
    """A render that failed for good. `code` reaches the client in `video.error.code`."""

    code = "render_failed"

    def __init__(self, message: str, code: str | None = None) -> None:
        super().__init__(message)
        if code is not None:
            self.code = code


class RenderStopped(RenderFailed):
    code = "cancelled"


class UpstreamRefused(RenderFailed):
    code = "upstream_refused"

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class OutOfMemory(RenderFailed):
    code = "out_of_memory"


class BadDonor(RenderFailed):
    code = "bad_donor"
