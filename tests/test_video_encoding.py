"""Frames become a video that plays everywhere: its form, its true length, its pictures, and what is refused."""

from __future__ import annotations

import asyncio
import io
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from cache.errors import RenderFailed
from generator.renderer import Frames
from generator.video_encoding import PreviewKind, adopt_video, encode_video, preview, probe

RED, BLUE = (220, 40, 40), (30, 60, 200)


def moving_square(frames: int = 17, width: int = 128, height: int = 96) -> Frames:
    video = np.full((frames, height, width, 3), BLUE, dtype=np.uint8)
    for at in range(frames):
        left = at * (width - 32) // max(1, frames - 1)
        video[at, 32:64, left : left + 32] = RED
    return video


def decoded(path: Path) -> list[Frames]:
    with av.open(str(path)) as video:
        return [frame.to_ndarray(format="rgb24") for frame in video.decode(video=0)]


def files_in(folder: Path) -> set[Path]:
    return set(folder.iterdir())


@pytest.mark.parametrize(("frames", "fps"), [(17, 8), (1, 8), (5, 24), (49, 24), (18, 8)])
async def test_a_video_is_what_was_rendered(tmp_path: Path, frames: int, fps: int) -> None:
    square = moving_square(frames)
    video = await encode_video(square, fps, tmp_path)
    facts = await probe(video.video)
    assert (facts.codec, facts.pix_fmt, facts.width, facts.height, facts.faststart) == ("h264", "yuv420p", 128, 96, True)
    assert (facts.frames, facts.fps) == (frames, fps)
    assert facts.duration == pytest.approx(frames / fps, abs=1e-3)
    assert video.seconds == frames / fps
    with av.open(str(video.video)) as opened:
        assert opened.duration is not None  # of the container, in microseconds
        assert opened.duration / 1e6 == pytest.approx(frames / fps, abs=2e-3)
        assert opened.start_time == 0
    shown = decoded(video.video)
    assert max(float(np.abs(made.astype(int) - seen).mean()) for made, seen in zip(square, shown, strict=True)) < 4


async def test_colours_stay_what_they_are(tmp_path: Path) -> None:
    """An untagged or wrongly converted video turns (220, 40, 40) into something 10 to 20 steps away."""
    flat = np.empty((5, 64, 64, 3), dtype=np.uint8)
    flat[:] = RED
    video = await encode_video(flat, 8, tmp_path)
    assert np.abs(decoded(video.video)[2].astype(int) - RED).max() <= 4
    with av.open(str(video.video)) as opened:
        coder = opened.streams.video[0].codec_context
        assert (int(coder.colorspace), int(coder.color_primaries), int(coder.color_trc), int(coder.color_range)) == (1, 1, 1, 1)


async def test_equal_frames_are_equal_bytes(tmp_path: Path) -> None:
    one, two = await asyncio.gather(encode_video(moving_square(), 8, tmp_path), encode_video(moving_square(), 8, tmp_path))
    assert one.video != two.video
    assert one.video.read_bytes() == two.video.read_bytes()
    assert one.thumbnail.read_bytes() == two.thumbnail.read_bytes()
    assert one.spritesheet.read_bytes() == two.spritesheet.read_bytes()


@pytest.mark.parametrize(
    ("frames", "width", "height", "sheet"),
    [(17, 128, 96, (512, 384)), (5, 128, 96, (384, 192)), (1, 128, 96, (128, 96)), (3, 640, 480, (640, 480)), (2, 64, 1280, (32, 320))],
)
async def test_pictures(tmp_path: Path, frames: int, width: int, height: int, sheet: tuple[int, int]) -> None:
    square = moving_square(frames, width, height)
    video = await encode_video(square, 8, tmp_path)
    with Image.open(video.thumbnail) as still, Image.open(video.spritesheet) as contact:
        assert (still.format, still.size) == ("WEBP", (width, height))
        assert (contact.format, contact.size) == ("JPEG", sheet)
        assert np.abs(np.asarray(still).astype(int) - square[frames // 2]).mean() < 4


async def test_only_the_three_files_are_left(tmp_path: Path) -> None:
    video = await encode_video(moving_square(5), 8, tmp_path)
    assert files_in(tmp_path) == {video.video, video.thumbnail, video.spritesheet}


@pytest.mark.parametrize(
    "frames",
    [
        np.zeros((0, 64, 64, 3), np.uint8),
        np.zeros((3, 64, 64), np.uint8),
        np.zeros((3, 63, 64, 3), np.uint8),
        np.zeros((3, 64, 65, 3), np.uint8),
        np.zeros((3, 64, 64, 4), np.uint8),
        np.zeros((3, 64, 64, 3), np.float32),
    ],
)
async def test_frames_that_make_no_video(tmp_path: Path, frames: Frames) -> None:
    with pytest.raises(ValueError, match=r"frames are|even sides"):
        await encode_video(frames, 8, tmp_path)
    assert files_in(tmp_path) == set()


async def test_a_video_from_elsewhere_gets_its_pictures(tmp_path: Path) -> None:
    ours = await encode_video(moving_square(), 8, tmp_path)
    adopted = await adopt_video(ours.video, tmp_path)
    assert adopted.video.read_bytes() == ours.video.read_bytes()
    assert adopted.seconds == ours.seconds
    with Image.open(adopted.thumbnail) as still, Image.open(adopted.spritesheet) as contact:
        assert (still.size, contact.size) == ((128, 96), (512, 384))


async def test_a_video_with_its_index_at_the_end_gets_it_in_front(tmp_path: Path) -> None:
    late = tmp_path / "late.mp4"
    with av.open(str(late), "w") as container:
        stream = container.add_stream("libx264", rate=8)
        stream.width, stream.height, stream.pix_fmt = 128, 96, "yuv420p"
        for picture in moving_square():
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    before = await probe(late)
    assert not before.faststart
    adopted = await adopt_video(late, tmp_path)
    after = await probe(adopted.video)
    assert after.faststart
    assert (after.frames, after.duration) == (before.frames, before.duration)
    assert all(np.array_equal(old, new) for old, new in zip(decoded(late), decoded(adopted.video), strict=True))


@pytest.mark.parametrize("body", [b"", b"not a video at all", b"\x00\x00\x00\x18ftypmp42" + b"\x00" * 100, b"<html>error</html>" * 100])
async def test_what_is_no_video_is_told(tmp_path: Path, body: bytes) -> None:
    path = tmp_path / "strange.mp4"
    path.write_bytes(body)
    for read in (probe(path), adopt_video(path, tmp_path)):
        with pytest.raises(RenderFailed) as told:
            await read
        assert told.value.code == "invalid_video"


async def test_half_a_video_is_told(tmp_path: Path) -> None:
    video = await encode_video(moving_square(49), 8, tmp_path)
    half = tmp_path / "half.mp4"
    half.write_bytes(video.video.read_bytes()[: video.video.stat().st_size // 2])
    with pytest.raises(RenderFailed):
        await adopt_video(half, tmp_path)


@pytest.mark.parametrize("kind", ["webp", "gif"])
@pytest.mark.parametrize(
    ("frames", "fps", "width", "shown", "size"),
    [
        (17, 8, 128, 17, (128, 96)),  # as it is
        (49, 24, 640, 17, (320, 48)),  # smaller, and every third frame
        (1, 8, 128, 1, (128, 96)),
        (700, 10, 128, 64, (128, 96)),  # long: fewer frames a second, and never more of them
    ],
)
async def test_a_preview_shows_the_whole_video(
    tmp_path: Path, kind: PreviewKind, frames: int, fps: int, width: int, shown: int, size: tuple[int, int]
) -> None:
    video = await encode_video(moving_square(frames, width), fps, tmp_path)
    made = Image.open(io.BytesIO(await preview(video.video.read_bytes(), kind)))
    assert (made.format, made.size, getattr(made, "n_frames", 1)) == (kind.upper(), size, shown)
    lasted = 0.0
    for at in range(shown):
        made.seek(at)
        made.load()
        lasted += made.info.get("duration", 0)
        left = np.asarray(made.convert("RGB")).astype(int)[size[1] // 2]
        reddest = int(np.argmax(left[:, 0] - left[:, 2]))
        here = round(at * (frames / shown) * (width - 32) / max(1, frames - 1) * size[0] / width)
        assert here - 8 <= reddest <= here + 40, "the square is where the video has it"
    if shown > 1:
        assert made.info["loop"] == 0, "for ever"
        assert lasted / 1000 == pytest.approx(frames / fps, rel=0.06), "GIF counts hundredths of a second"


async def test_no_preview_of_what_is_no_video() -> None:
    for nonsense in (b"", b"no video at all", b"\0" * 5000):
        with pytest.raises(RenderFailed):
            await preview(nonsense, "webp")
