"""The shape of `reprise` in an answer: how it was found, how its clip was made, and what both cost."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from cache.verdict import VerdictWord
from gateway.http.texts import ClipId


class RefusedClip(Struct):
    """A neighbour that the judge refused, and the reason."""

    similarity: float | None
    reason: Annotated[str, Meta(examples=["direction: left / right"])]
    clip: (
        Annotated[ClipId, Meta(description="Your own clip that was refused; `content?refused=` shows it. Null where there is none.")] | None
    )


class AssistedClip(Struct):
    """The clip that this one's render started from, and what that spared."""

    from_: ClipId = field(name="from")
    kind: Annotated[Literal["take", "near"], Meta(description="take: of the same words. near: of words that the judge refused.")]
    prompt: Annotated[str, Meta(description="The words of that clip; null once they are gone.")] | None
    steps_skipped: int
    saved_ms: Annotated[int, Meta(description="Denoising time spared, by the mean of the steps that ran.")]


class RepriseDetail(Struct):
    """The story of an answer: how it was found and what it cost. For a clip from the shared pool no score and no prompt is given."""

    verdict: VerdictWord
    similarity: Annotated[float, Meta(description="Cosine of the two prompts, for a near hit or a request joined by nearness.")] | None
    confidence: (
        Annotated[float, Meta(description="Share of right answers that the judge expects among hits at least as sure as this one.")] | None
    )
    clip: ClipId | None
    url: (
        Annotated[
            str,
            Meta(
                description="The MP4 at an address that needs no key, signed and valid for a short time, for `<video src>`. null until the "
                "video is completed, once its clip is gone, and where the server does not know its public address.",
                examples=[
                    "https://video.example.com/v1/links/video_0198f0c2a1b47d0e5c3f9a6b2d81e470?variant=video&expires=1795343900&key=…"
                ],
            ),
        ]
        | None
    )
    thumbnail_url: Annotated[str, Meta(description="Its thumbnail, likewise.")] | None
    preview_url: (
        Annotated[str, Meta(description="A small animated WebP of it, likewise, for `<img src>`; made when it is first asked for.")] | None
    )
    matched_prompt: Annotated[str, Meta(description="The prompt that the clip of a near hit was made for.")] | None
    age_seconds: Annotated[int, Meta(description="The clip's age when it answered; null unless it was a hit.")] | None
    picture: (
        Annotated[
            str,
            Meta(
                description="The picture that the video begins with, by the SHA-256 of its pixels; null without one, and if it is not kept."
            ),
        ]
        | None
    )
    take: Annotated[int, Meta(description="0 for the first video of these words and settings; `no-cache` makes the next.")] | None
    gpu_seconds: Annotated[float, Meta(description="What this request's own render took.")]
    gpu_seconds_saved: Annotated[float, Meta(description="What the render took that need not be repeated.")]
    queue_position: Annotated[int, Meta(description="1 is next; null once a worker has it.")] | None
    eta_ms: Annotated[int, Meta(description="Time until the video is ready, estimated from measured times.")] | None
    stage: Annotated[str, Meta(description="Current stage of an open video.")] | None
    steps_skipped: Annotated[int, Meta(description="Steps saved by starting from another clip.")]
    assisted: Annotated[AssistedClip, Meta(description="null for a clip made from noise.")] | None
    stages_ms: Annotated[dict[str, int], Meta(description="Time of each stage of the clip's render.")]
    steps_ms: Annotated[list[int], Meta(description="Time of each denoising step of the clip's render.")]
    peak_memory_gb: Annotated[float, Meta(description="Peak memory of the clip's render; null if not measured.")] | None
    refused: Annotated[list[RefusedClip], Meta(description="Best first, at most three.")]
    notes: Annotated[list[str], Meta(description="Warnings for people.")]
