"""Everything that can go wrong, as facts.

RepriseError
├── Invalid                 the client's words or settings cannot be used; names the field
│   ├── NotSupported        a thing of the wire shape that we do not do (image-to-video, remix)
│   └── TooLarge            a body or upload over its limit
├── Unauthenticated         no key, or not one of ours
├── Forbidden               a good key that may not do this
├── NotFound                no such id for this tenant
├── MethodNotAllowed        the path exists, the method does not
├── Conflict
│   ├── NotReady            the clip is still being made
│   ├── IdempotencyReused   same Idempotency-Key, another body
│   └── PreconditionFailed  If-Match or If-Unmodified-Since does not hold
├── ClipGone                the clip was evicted, erased or withdrawn
├── RangeNotSatisfiable     a byte range outside the object
├── UnsupportedMedia        a body of a content type that we do not read
├── NotCached               only-if-cached, and no clip will do
├── Busy                    a limit was reached; carries when to come back
│   ├── QueueFull
│   └── RateLimited
├── Unavailable             a part is away; carries when to come back
│   ├── DatabaseAway
│   ├── StoreAway
│   ├── ObjectCorrupt       stored bytes are missing or do not match their digest
│   ├── DiskFull
│   └── StillLoading        encoder or model is not ready yet
├── LeaseLost               this worker no longer owns the job: it must change nothing
└── RenderFailed            the model could not make the clip; carries a code for the client
    ├── RenderStopped       told to stop: cancelled, or the lease was lost
    └── OutOfMemory

Errors carry fields. `gateway/http/problems.py` maps each to an HTTP status, once.
"""

from __future__ import annotations


class RepriseError(Exception):
    """Root of the tree. `code` is the stable, machine-readable word for the fact."""

    code = "internal_error"

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class Invalid(RepriseError):
    """Bad input; `field` is its path in the request, as the client spelled it (None: the body as a whole)."""

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


class ClipGone(RepriseError):
    code = "clip_gone"


class RangeNotSatisfiable(RepriseError):
    code = "range_not_satisfiable"

    def __init__(self, length: int) -> None:
        super().__init__(f"the range lies outside the {length} bytes of this object")
        self.length = length


class UnsupportedMedia(RepriseError):
    code = "unsupported_media_type"


class NotCached(RepriseError):
    code = "not_cached"


class Busy(RepriseError):
    """A limit was reached. `retry_after` is in seconds, from measured times where there are any."""

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
    """A part is away for now. `retry_after` is in seconds."""

    code = "unavailable"

    def __init__(self, message: str, retry_after: float = 5.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class DatabaseAway(Unavailable):
    code = "database_away"


class StoreAway(Unavailable):
    code = "store_away"


class ObjectCorrupt(Unavailable):
    code = "object_corrupt"


class DiskFull(Unavailable):
    code = "disk_full"


class StillLoading(Unavailable):
    code = "still_loading"


class LeaseLost(RepriseError):
    code = "lease_lost"


class RenderFailed(RepriseError):
    """`code` reaches the client in `video.error.code`."""

    code = "render_failed"

    def __init__(self, message: str, code: str | None = None) -> None:
        super().__init__(message)
        if code is not None:
            self.code = code


class RenderStopped(RenderFailed):
    code = "cancelled"


class OutOfMemory(RenderFailed):
    code = "out_of_memory"
