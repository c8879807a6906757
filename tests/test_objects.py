"""What every object store promises, held on each adapter; and what only a folder can show: crashes, full disks, strays."""

from __future__ import annotations

import asyncio
import hashlib
import os
import secrets
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from io import BytesIO
from pathlib import Path

import pytest

from cache.clip import StoredObject
from cache.errors import Invalid, ObjectCorrupt, StoreAway
from cache.ids import new_id
from cache.storage.bytes.folder import FolderObjects
from cache.storage.bytes.objects import CHUNK, Objects, VerifiedDigests, open_store
from cache.storage.bytes.s3 import open_s3
from tests.servers.swift import KEY, SECRET, NoSwift, Swift

FILM = os.urandom(2 * CHUNK + 12_345)


async def collect(stream: AsyncIterator[bytes]) -> bytes:
    return b"".join([piece async for piece in stream])


async def names(store: Objects, prefix: str = "") -> list[str]:
    return sorted([name async for name, _, _ in store.names(prefix)])


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir())) if sys.platform == "linux" else 0


class Contract:
    """Subclasses give a `store`, and `spoil(name, bytes)`, which puts other bytes where the object's are."""

    async def test_what_is_put_is_read(self, store: Objects, tmp_path: Path) -> None:
        clip, file = new_id("clip"), tmp_path / "video"
        file.write_bytes(FILM)
        from_file = await store.put(clip, "video", file, "video/mp4")
        from_bytes = await store.put(clip, "thumbnail", b"a small picture", "image/webp")
        digest = hashlib.sha256(FILM).hexdigest()
        assert from_file == StoredObject("video", f"clips/{clip}/{digest}.mp4", digest, len(FILM), "video/mp4")
        assert await store.read(from_file) == FILM
        assert await store.read(from_bytes) == b"a small picture"
        assert file.read_bytes() == FILM

    async def test_putting_again_changes_nothing(self, store: Objects) -> None:
        clip = new_id("clip")
        first = await store.put(clip, "latent", FILM, "application/octet-stream")
        before = [entry async for entry in store.names("")]
        assert await store.put(clip, "latent", FILM, "application/octet-stream") == first
        assert [entry async for entry in store.names("")] == before

    async def test_an_empty_object(self, store: Objects) -> None:
        stored = await store.put(new_id("clip"), "latent", b"", "application/octet-stream")
        assert await store.read(stored) == b""
        assert await collect(await store.open(stored, 0, 0)) == b""

    @pytest.mark.parametrize(
        ("start", "length"), [(0, len(FILM)), (0, 1), (len(FILM) - 1, 1), (CHUNK - 1, 2), (5, CHUNK), (7, 0), (CHUNK, len(FILM) - CHUNK)]
    )
    async def test_ranges(self, store: Objects, start: int, length: int) -> None:
        stored = await store.put(new_id("clip"), "video", FILM, "video/mp4")
        assert await collect(await store.open(stored, start, length)) == FILM[start : start + length]

    @pytest.mark.parametrize(("start", "length"), [(-1, 2), (0, len(FILM) + 1), (len(FILM), 1), (3, -1)])
    async def test_ranges_outside_are_a_fault_of_the_caller(self, store: Objects, start: int, length: int) -> None:
        stored = await store.put(new_id("clip"), "video", FILM, "video/mp4")
        with pytest.raises(ValueError, match="are outside"):
            await store.open(stored, start, length)

    async def test_a_reader_may_leave_early(self, store: Objects) -> None:
        stored = await store.put(new_id("clip"), "video", FILM, "video/mp4")
        for _ in range(6):
            stream = await store.open(stored, 0, len(FILM))
            async for piece in stream:
                assert FILM.startswith(piece)
                break
            await stream.aclose()  # type: ignore[attr-defined]  # the stores' streams are generators
        assert await store.read(stored) == FILM

    async def test_a_missing_object_is_told_before_the_first_byte(self, store: Objects) -> None:
        stored = await store.put(new_id("clip"), "video", FILM, "video/mp4")
        await store.delete(stored.name)
        for read in (store.read(stored), store.verify(stored), store.open(stored, 0, 5), store.open(stored, 0, 0)):
            with pytest.raises(ObjectCorrupt, match="missing"):
                await read

    @pytest.mark.parametrize("spoiled", [FILM[:-1], FILM + b"!", b"", b"?" + FILM[1:]], ids=["shorter", "longer", "empty", "changed"])
    async def test_spoiled_bytes_are_told_before_the_first_byte(
        self, store: Objects, spoil: Callable[[str, bytes], Awaitable[None]], spoiled: bytes
    ) -> None:
        stored = await store.put(new_id("clip"), "video", FILM, "video/mp4")
        await store.verify(stored)
        assert await collect(await store.open(stored, 0, 9)) == FILM[:9]
        await spoil(stored.name, spoiled)
        for read in (store.open(stored, 0, 9), store.read(stored), store.verify(stored), store.open(stored, 9, 0)):
            with pytest.raises(ObjectCorrupt):
                await read
        # Whoever has the bytes makes it whole again.
        again = await store.put(stored.name.split("/")[1], "video", FILM, "video/mp4")
        assert again == stored
        await store.verify(stored)

    async def test_delete_is_idempotent_and_takes_one_object_only(self, store: Objects) -> None:
        clip = new_id("clip")
        first = await store.put(clip, "video", FILM, "video/mp4")
        second = await store.put(clip, "thumbnail", b"picture", "image/webp")
        for _ in range(2):
            await store.delete(first.name)
            assert await names(store) == [second.name]
        await store.delete(second.name)
        assert await names(store) == []
        assert await store.put(clip, "video", FILM, "video/mp4") == first

    async def test_names(self, store: Objects) -> None:
        clips = [new_id("clip") for _ in range(3)]
        stored = [await store.put(clip, "video", clip.encode(), "video/mp4") for clip in clips]
        assert await names(store) == sorted(one.name for one in stored)
        assert await names(store, f"clips/{clips[1]}/") == [stored[1].name]
        assert await names(store, "clips/clip_nothing") == []
        for _, length, at in [entry async for entry in store.names("clips/")]:
            assert length == len(clips[0])
            assert abs(at - time.time()) < 60

    @pytest.mark.parametrize("name", ["../x", "/etc/passwd", "clips/../../x", "clips/a/b.mp4", "", "incoming/../x"])
    async def test_names_that_are_not_ours_lead_nowhere(self, store: Objects, name: str) -> None:
        with pytest.raises(ValueError, match="not an object name"):
            await store.delete(name)
        with pytest.raises(ValueError, match="not an object name"):
            await store.read(StoredObject("video", name, "0" * 64, 3, "video/mp4"))

    @pytest.mark.parametrize("clip", ["", "video_" + "0" * 32, "clip_../..", "clip_" + "0" * 31])
    async def test_only_clips_are_stored(self, store: Objects, clip: str) -> None:
        with pytest.raises(ValueError, match="not the id of a clip"):
            await store.put(clip, "video", FILM, "video/mp4")

    async def test_a_picture_has_a_room_of_its_own(self, store: Objects) -> None:
        picture_id = new_id("picture")
        stored = await store.put(picture_id, "picture", FILM, "image/png")
        assert stored.name == f"pictures/{picture_id}/{stored.sha256}.png"
        assert await names(store) == [stored.name]
        assert await store.read(stored) == FILM
        await store.delete(stored.name)
        assert await names(store) == []

    async def test_health(self, store: Objects) -> None:
        await store.check()
        assert await names(store) == []
        assert (await store.free_bytes() or 1) > 0


class TestFolder(Contract):
    @pytest.fixture
    async def store(self, tmp_path: Path) -> AsyncIterator[Objects]:
        store = open_store((tmp_path / "a folder").as_uri())
        yield store
        await store.close()

    @pytest.fixture
    def spoil(self, tmp_path: Path) -> Callable[[str, bytes], Awaitable[None]]:
        async def spoil(name: str, body: bytes) -> None:
            (tmp_path / "a folder" / name).write_bytes(body)

        return spoil

    async def test_a_write_that_fails_leaves_nothing(self, store: Objects, tmp_path: Path) -> None:
        with pytest.raises(StoreAway):
            await store.put(new_id("clip"), "video", tmp_path / "not there", "video/mp4")
        assert await names(store) == []

    async def test_remains_of_a_crash_are_listed_and_can_be_deleted(self, store: Objects, tmp_path: Path) -> None:
        await store.check()
        remains = f"incoming/{'0' * 32}"
        (tmp_path / "a folder" / remains).write_bytes(FILM[:1000])
        assert await names(store) == [remains]
        await store.delete(remains)
        assert await names(store) == []

    async def test_empty_folders_do_not_pile_up(self, store: Objects, tmp_path: Path) -> None:
        for _ in range(3):
            stored = await store.put(new_id("clip"), "video", FILM, "video/mp4")
            await store.delete(stored.name)
        assert list((tmp_path / "a folder" / "clips").iterdir()) == []

    async def test_a_clip_withdrawn_while_it_is_sent_is_sent_whole(self, store: Objects) -> None:
        stored = await store.put(new_id("clip"), "video", FILM, "video/mp4")
        stream = await store.open(stored, 0, len(FILM))
        await store.delete(stored.name)
        assert await collect(stream) == FILM

    async def test_a_video_cut_short_while_it_is_sent_ends_in_an_error(self, store: Objects, tmp_path: Path) -> None:
        stored = await store.put(new_id("clip"), "video", FILM, "video/mp4")
        stream = await store.open(stored, 0, len(FILM))
        os.truncate(tmp_path / "a folder" / stored.name, CHUNK)
        with pytest.raises(ObjectCorrupt, match="cut short"):
            await collect(stream)

    async def test_a_folder_that_goes_away_is_a_store_that_is_away(self, store: Objects, tmp_path: Path) -> None:
        stored = await store.put(new_id("clip"), "video", FILM, "video/mp4")
        (tmp_path / "a folder").rename(tmp_path / "elsewhere")
        for attempt in (store.read(stored), store.check(), store.put(new_id("clip"), "video", FILM, "video/mp4")):
            with pytest.raises(StoreAway):
                await attempt
        (tmp_path / "elsewhere").rename(tmp_path / "a folder")
        assert await store.read(stored) == FILM

    async def test_no_thread_and_no_file_stays_open(self, tmp_path: Path) -> None:
        before = open_files()
        for _ in range(20):
            store = FolderObjects(tmp_path / "many")
            stored = await store.put(new_id("clip"), "video", FILM, "video/mp4")
            await collect(await store.open(stored, 1, 2 * CHUNK))
            await store.close()
        assert open_files() <= before + 1


@pytest.fixture(scope="session")
def swift(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Swift]:
    try:
        server = Swift(tmp_path_factory.mktemp("swift"))
    except NoSwift as reason:
        pytest.skip(str(reason))
    server.start()
    yield server
    server.stop()


class TestS3(Contract):
    @pytest.fixture
    def bucket(self, swift: Swift) -> str:
        name = f"clips-{secrets.token_hex(8)}"
        swift.client().make_bucket(name)
        return name

    @pytest.fixture
    async def store(self, swift: Swift, bucket: str) -> AsyncIterator[Objects]:
        store = open_store(swift.url(bucket))
        yield store
        await store.close()

    @pytest.fixture
    def spoil(self, swift: Swift, bucket: str) -> Callable[[str, bytes], Awaitable[None]]:
        async def spoil(name: str, body: bytes) -> None:
            swift.client().put_object(bucket, name, BytesIO(body), len(body))

        return spoil

    async def test_keys_may_come_from_the_environment(self, swift: Swift, bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
        store = open_store(f"s3://{bucket}?endpoint={swift.endpoint}&secure=false")
        await store.check()
        await store.close()

    async def test_content_type_is_kept(self, store: Objects, swift: Swift, bucket: str) -> None:
        stored = await store.put(new_id("clip"), "thumbnail", b"picture", "image/webp")
        assert swift.client().stat_object(bucket, stored.name).content_type == "image/webp"

    async def test_listings_of_many_pages(self, store: Objects, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("cache.storage.bytes.s3._PAGE", 2)
        stored = [await store.put(new_id("clip"), "video", str(at).encode(), "video/mp4") for at in range(5)]
        assert await names(store) == sorted(one.name for one in stored)

    async def test_a_wrong_secret_or_bucket_is_a_store_that_is_away(self, swift: Swift, bucket: str) -> None:
        for url in (swift.url(bucket, secret="wrong"), swift.url("not-there")):
            store = open_store(url)
            for attempt in (store.check(), store.put(new_id("clip"), "video", FILM, "video/mp4")):
                with pytest.raises(StoreAway):
                    await attempt
            await store.close()

    async def test_many_at_once(self, store: Objects) -> None:
        clips = [new_id("clip") for _ in range(40)]
        stored = await asyncio.gather(*(store.put(clip, "video", clip.encode() * 1000, "video/mp4") for clip in clips))
        assert await asyncio.gather(*(store.read(one) for one in stored)) == [clip.encode() * 1000 for clip in clips]

    async def test_a_server_that_restarts_has_lost_nothing(self, store: Objects, swift: Swift) -> None:
        stored = await store.put(new_id("clip"), "video", FILM, "video/mp4")
        swift.stop()
        try:
            for attempt in (store.read(stored), store.open(stored, 0, 5), store.check(), store.delete(stored.name)):
                with pytest.raises(StoreAway):
                    await attempt
        finally:
            swift.start()
        assert await store.read(stored) == FILM


def test_what_was_found_sound_is_bounded() -> None:
    sound = VerifiedDigests(limit=3)
    for name in "abcd":
        sound.keep(name, 1)
    assert [name for name in "abcd" if sound.holds(name, 1)] == ["b", "c", "d"]
    assert not sound.holds("b", 2)


@pytest.mark.parametrize(
    "url", ["", "folder", "file:relative", "file://elsewhere/x", "http://x/y", "s3://", "s3://b?endpoint=e&colour=red", "s3://b/prefix"]
)
def test_store_urls_that_name_no_store(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID", raising=False)
    with pytest.raises(Invalid, match="store") as told:
        open_store(url)
    assert told.value.field == "store_url"


def test_an_s3_store_needs_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID", raising=False)
    with pytest.raises(ValueError, match="needs keys"):
        open_s3("s3://bucket?endpoint=127.0.0.1:1")


async def test_an_s3_store_that_is_not_there_is_away_soon() -> None:
    store = open_store("s3://test%3Atester:secret@bucket?endpoint=127.0.0.1:1&secure=false")
    start = time.monotonic()
    for attempt in (store.check(), store.put(new_id("clip"), "video", b"x", "video/mp4")):
        with pytest.raises(StoreAway):
            await attempt
    assert time.monotonic() - start < 10
    await store.close()
