"""The shapes of answers about the server itself: its health, and its shared pool."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from gateway.http.texts import ClipId


class SharedOffer(Struct):
    """A clip in the shared pool, or offered to it, as an admin sees it."""

    clip: ClipId
    object: Literal["shared"]
    state: Annotated[str, Meta(examples=["asked", "pooled"])]
    tenant: str
    prompt: str | None
    tenants_asking: int
    changed_at: int


class SharedPage(Struct):
    object: Literal["list"]
    data: list[SharedOffer]


class SharedState(Struct):
    clip: ClipId
    object: Literal["shared"]
    state: Literal["pooled", "withdrawn"]


class Liveness(Struct):
    status: Literal["live"]


class PartState(Struct, omit_defaults=True):
    ready: bool
    needed: Annotated[bool, Meta(description="Whether new requests need it.")]
    note: Annotated[str, Meta(description="An error code.")] | None
    how: Annotated[str, Meta(description="How it works here, in words.")] | None = None


class Readiness(Struct):
    status: Literal["ready", "not_ready"]
    parts: dict[str, PartState]
