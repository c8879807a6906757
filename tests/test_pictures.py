"""Pictures that videos begin with: read safely, part of every key, and at rest no longer than something needs them. On every database."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from sqlalchemy import func, select, update

from cache.catalog import WAN_TI2V_5B, AskedSettings, ServedModel, resolve
from cache.errors import Invalid, PictureGone, RenderFailed
from cache.matching.vectors.index import Index, Placed
from cache.picture import InputPicture, decoded
from cache.prompt import Prompt
from cache.recipe import Recipe
from cache.renewal import again
from cache.storage.clips.doctor import Doctor
from cache.storage.clips.eviction import Eviction
from cache.storage.clips.latents import Latents
from cache.storage.clips.pictures import place
from cache.storage.database.database import Database
from cache.storage.requests.erasure import Erasure
from cache.storage.requests.requests import Requests
from cache.storage.requests.traffic import traffic
from cache.storage.tables import pictures, recipes
from cache.variant import Partition, Spec, Variant, tenant_scope
from generator.queue.starts import Starts
from tests.stage import RECIPE, Stage, draft, new_request, set_stage

MINE = tenant_scope("local")


def packed(image: Image.Image, kind: str = "PNG", **how: Any) -> bytes:
    sent = BytesIO()
    image.save(sent, kind, **how)
    return sent.getvalue()


def noise(size: tuple[int, int] = (64, 48), seed: int = 0) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), np.uint8))


def pixels(picture: InputPicture) -> np.ndarray[Any, Any]:
    return np.frombuffer(picture.pixels, np.uint8).reshape(picture.height, picture.width, 3)


# What is read


def test_the_same_pixels_are_the_same_picture_in_any_file() -> None:
    image = noise()
    files = [
        packed(image),
        packed(image, "WEBP", lossless=True),
        packed(image, pnginfo=None, compress_level=1),
        packed(image.convert("RGBA")),
    ]
    found = [decoded(file, 64, 48) for file in files]
    assert len(set(files)) == 4
    assert {one.digest for one in found} == {found[0].digest}
    assert (pixels(found[0]) == np.asarray(image)).all(), "at its own size nothing is changed"
    assert decoded(found[0].packed(), 64, 48).digest == found[0].digest, "its own file is it again"
    assert decoded(files[0], 48, 64).digest != found[0].digest != decoded(packed(noise(seed=1)), 64, 48).digest
    jpeg = decoded(packed(image, "JPEG", quality=95), 64, 48)
    assert jpeg.digest == decoded(packed(Image.open(BytesIO(packed(image, "JPEG", quality=95)))), 64, 48).digest


def test_it_is_turned_as_its_camera_says() -> None:
    image = Image.new("RGB", (60, 40), "red")
    image.paste("blue", (0, 0, 60, 20))
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise by a quarter
    for kind in ("PNG", "JPEG", "WEBP"):
        turned = decoded(packed(image, kind, exif=exif), 40, 60)
        shown = pixels(turned).astype(int)
        assert shown[30, 35, 2] > 200, kind  # what was above lies to the right
        assert shown[30, 5, 0] > 200, kind


def test_what_is_clear_is_white_and_what_is_deep_is_read() -> None:
    glass = Image.new("RGBA", (32, 32), (255, 0, 0, 0))
    assert (pixels(decoded(packed(glass), 32, 32)) == 255).all()
    half = Image.new("LA", (32, 32), (0, 128))
    assert abs(int(pixels(decoded(packed(half), 32, 32))[0, 0, 0]) - 127) <= 1
    palette = Image.new("P", (32, 32), 1)
    palette.putpalette([0, 0, 0, 0, 255, 0])
    assert pixels(decoded(packed(palette), 32, 32))[0, 0].tolist() == [0, 255, 0]
    deep = Image.fromarray(np.full((32, 32), 40_000, np.uint16))
    assert abs(int(pixels(decoded(packed(deep), 32, 32))[0, 0, 0]) - 156) <= 1
    inks = Image.new("CMYK", (32, 32), (0, 255, 255, 0))
    assert pixels(decoded(packed(inks, "JPEG"), 32, 32))[0, 0, 0] > 200


def test_it_covers_the_size_and_is_cut_evenly() -> None:
    wide = Image.new("RGB", (400, 100), "red")
    wide.paste("blue", (100, 0, 300, 100))
    assert (pixels(decoded(packed(wide), 64, 48)) == [0, 0, 255]).all()
    tall = Image.new("RGB", (100, 400), "red")
    tall.paste("blue", (0, 100, 100, 300))
    assert (pixels(decoded(packed(tall), 64, 48)) == [0, 0, 255]).all()


def header_only(width: int, height: int) -> bytes:
    """A PNG that says how large it is, and little else: what a decompression bomb looks like from outside."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")


ANIMATED = {"save_all": True, "append_images": [noise(seed=1)]}


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        (b"", "not a PNG"),
        (b"\0" * 100, "not a PNG"),
        (packed(noise(), "GIF"), "not a PNG"),
        (packed(noise(), "TIFF"), "not a PNG"),
        (packed(noise(), "BMP"), "not a PNG"),
        (b"<svg xmlns='http://www.w3.org/2000/svg' width='64' height='64'/>", "not a PNG"),
        (packed(noise())[:2000], "cannot be read"),
        (packed(noise(), "JPEG")[:600], "cannot be read"),
        (packed(noise(), "PNG", **ANIMATED), "animated"),
        (packed(noise(), "WEBP", **ANIMATED), "animated"),
        (header_only(100_000, 100_000), "too large"),
        (header_only(16_384, 16_384), "too large"),
        (header_only(12_000, 12_000), "12000x12000 pixels"),
        (header_only(7680, 4320), "cannot be read"),
        (header_only(8, 100), "8x100 pixels"),
        (header_only(0, 0), "be read"),
    ],
)
@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")  # a warning in a server's log is no more than that
def test_what_is_no_picture_is_refused_by_name(sent: bytes, said: str) -> None:
    with pytest.raises(Invalid) as refused:
        decoded(sent, 64, 48)
    assert refused.value.field == "input_reference"
    assert said in refused.value.message or "not a PNG" in refused.value.message
    assert len(refused.value.message) < 250


def test_a_photo_with_a_preview_inside_is_one_picture() -> None:
    image = noise((640, 480))
    assert decoded(packed(image, "MPO", save_all=True, append_images=[noise((64, 48))]), 64, 48).width == 64


@settings(max_examples=300, deadline=None)
@given(st.sampled_from([packed(noise()), packed(noise(), "JPEG"), packed(noise(), "WEBP")]), st.data())
def test_broken_bytes_never_do_more_than_be_refused(sound: bytes, data: st.DataObject) -> None:
    broken = bytearray(sound)
    for _ in range(data.draw(st.integers(1, 8))):
        broken[data.draw(st.integers(0, len(broken) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(broken)))
    try:
        found = decoded(bytes(broken[:cut]), 32, 32)
    except Invalid as refused:
        assert refused.field == "input_reference"
    else:
        assert len(found.pixels) == 32 * 32 * 3


# What it is part of

digests = st.sampled_from(["", *(f"{number:064x}" for number in range(4))])


def of(recipe: Recipe, digest: str) -> Recipe:
    return replace(recipe, picture=digest)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(digests, st.integers(0, 3)), min_size=1, max_size=30), digests, st.integers(0, 3))
def test_whatever_the_words_only_clips_of_the_same_picture_are_nominated(clips: Sequence[tuple[str, int]], asked: str, words: int) -> None:
    """All vectors are nearly one: by words alone each clip would be a candidate for each."""
    vectors = np.eye(4, 16, dtype=np.float32) * 0.01 + 1
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    with closing(Index()) as index:
        placed = [
            Placed(Partition(MINE, of(RECIPE, digest).key, "e"), f"clip_{at}", at + 1, vectors[word])
            for at, (digest, word) in enumerate(clips)
        ]
        index.apply(placed)
        found = index.search_now(Partition(MINE, of(RECIPE, asked).key, "e"), vectors[words], 40)
    assert {one.clip_id for one in found} == {f"clip_{at}" for at, (digest, _) in enumerate(clips) if digest == asked}


@given(digests, digests)
def test_keys_are_equal_only_of_equal_pictures(one: str, other: str) -> None:
    specs = [Spec(MINE, Prompt.parse("a red ball"), of(RECIPE, digest)) for digest in (one, other)]
    assert (specs[0].key == specs[1].key) is (one == other)
    assert (Variant(specs[0], pinned_seed=7).key == Variant(specs[1], pinned_seed=7).key) is (one == other)
    assert (specs[0].recipe.key == specs[1].recipe.key) is (one == other)
    assert specs[0].recipe.without_words.key == RECIPE.key


def test_another_revision_of_the_model_gets_the_picture_too() -> None:
    model = ServedModel(WAN_TI2V_5B, "2", "pipeline")
    asked = of(resolve(ServedModel(WAN_TI2V_5B, "1", "pipeline"), AskedSettings(size="832x480")), "a" * 64)
    found = again(model, asked)
    assert found is not None
    assert (found.revision, found.picture, found.size) == ("2", "a" * 64, "832x480")
    assert again(ServedModel(replace(WAN_TI2V_5B, takes_picture=False), "2", "pipeline"), asked) is None


# At rest


@pytest.fixture
def stage(database: Database, tmp_path: Path) -> Stage:
    return set_stage(database, tmp_path)


def picture(seed: int = 0) -> InputPicture:
    return decoded(packed(noise(seed=seed)), 64, 48)


def variant(shown: InputPicture, words: str = "a red ball") -> Variant:
    return Variant(Spec(MINE, Prompt.parse(words), of(RECIPE, shown.digest)), take=0)


async def brought(stage: Stage, shown: InputPicture) -> None:
    new = await stage.shelf.pictures.bring(MINE, shown)
    async with stage.database.write() as connection:
        await place(connection, MINE, shown.digest, new)
    await stage.shelf.pictures.let_go(new)


async def kept(stage: Stage) -> set[str]:
    async with stage.database.read() as connection:
        return set((await connection.scalars(select(pictures.c.digest))).all())


async def grown_old(stage: Stage) -> None:
    async with stage.database.write() as connection:
        await connection.execute(update(pictures).values(kept_at=pictures.c.kept_at - 1000))


async def names(stage: Stage) -> list[str]:
    return [name async for name, *_ in stage.objects.names("pictures/")]


async def test_a_scope_has_a_picture_once_and_another_scope_its_own(stage: Stage) -> None:
    shown = picture()
    first = await stage.shelf.pictures.bring(MINE, shown)
    second = await stage.shelf.pictures.bring(MINE, shown)  # at the same time
    assert first is not None and second is not None
    async with stage.database.write() as connection:
        await place(connection, MINE, shown.digest, first)
    async with stage.database.write() as connection:
        await place(connection, MINE, shown.digest, second)
    for each in (first, second):
        await stage.shelf.pictures.let_go(each)
    assert await names(stage) == [first.stored.name], "what came second is let go"
    assert await stage.shelf.pictures.bring(MINE, shown) is None
    assert decoded(await stage.shelf.pictures.read(MINE, shown.digest), 64, 48).digest == shown.digest
    with pytest.raises(PictureGone):
        await stage.shelf.pictures.read(tenant_scope("acme"), shown.digest)
    async with stage.database.write() as connection:
        with pytest.raises(PictureGone):
            await place(connection, tenant_scope("acme"), shown.digest, None)


async def test_it_stays_for_an_open_job_a_clip_and_a_request_without_a_job(stage: Stage) -> None:
    shown = [picture(seed) for seed in range(5)]
    for each in shown:
        await brought(stage, each)
    await stage.job_for(variant(shown[0]))
    await stage.add(draft(variant(shown[1])))
    await stage.add(draft(variant(shown[2]), private=True))
    async with stage.database.write() as connection:
        await Requests(stage.database).insert(connection, new_request(variant(shown[3]), "joined"))
    assert await stage.shelf.pictures.sweep() == 0, "what is young may be looked for"
    await grown_old(stage)
    assert await stage.shelf.pictures.sweep() == 2
    assert await kept(stage) == {each.digest for each in (shown[0], shown[1], shown[3])}
    assert len(await names(stage)) == 3
    assert await stage.shelf.pictures.sweep() == 0


async def test_it_counts_as_used_room_while_something_in_service_needs_it(stage: Stage) -> None:
    shown, eviction = picture(), Eviction(stage.database, stage.shelf, 10)
    await brought(stage, shown)
    assert await eviction.used() == 0, "what nothing needs goes by itself"
    clip = draft(variant(shown))
    await stage.add(clip)
    assert await eviction.used() == len(shown.packed())
    await stage.shelf.withdraw([clip.id], "evicted")
    assert await eviction.used() == 0
    await grown_old(stage)
    assert await stage.shelf.pictures.sweep() == 0, "within its grace time the clip may come back"
    await stage.shelf.collect(grace=-1)
    assert await stage.shelf.pictures.sweep() == 1
    async with stage.database.read() as connection:
        left = (await connection.execute(select(func.count()).select_from(recipes).where(recipes.c.picture == shown.digest))).scalar_one()
    assert left == 0, "its digest went with it"


async def test_erasure_takes_it_unless_something_else_needs_it(stage: Stage) -> None:
    shown = picture()
    await brought(stage, shown)
    asked = []
    for words in ("a red ball", "a blue ball"):
        clip = draft(variant(shown, words))
        await stage.add(clip)
        request = new_request(variant(shown, words), "miss", clip_id=clip.id)
        async with stage.database.write() as connection:
            await Requests(stage.database).insert(connection, request)
        asked.append(request)
    erasure = Erasure(stage.database, stage.shelf)
    await erasure.erase(asked[0])
    assert await kept(stage) == {shown.digest}
    await erasure.erase(asked[1])
    assert (await kept(stage), await names(stage)) == (set(), [])


@pytest.mark.parametrize("fault", ["missing", "other"])
async def test_the_doctor_finds_what_is_lost_and_what_nobody_needs(stage: Stage, tmp_path: Path, fault: str) -> None:
    shown, doctor = picture(), Doctor(stage.database, stage.objects, stage.shelf)
    await brought(stage, shown)
    left = await stage.shelf.pictures.bring(MINE, picture(1))
    assert left is not None
    assert (await doctor.examine(older=60)).young == 1
    (name,) = [name for name in await names(stage) if name != left.stored.name]
    file = tmp_path / "objects" / name
    file.unlink() if fault == "missing" else file.write_bytes(b"rotten")
    found = await doctor.examine(older=-60)
    assert (found.orphans, found.missing + found.corrupt) == ([left.stored.name], [name])
    await doctor.repair(found)
    await stage.shelf.pictures.sweep()
    assert (await doctor.examine(older=-60)).sound
    assert await stage.shelf.pictures.bring(MINE, shown) is not None, "it is taken again when it comes again"


async def test_a_render_gets_it_and_fails_for_good_without_it(stage: Stage, tmp_path: Path) -> None:
    shown = picture()
    await brought(stage, shown)
    starts = Starts(stage.database, Latents(stage.database, stage.objects, stage.shelf), stage.shelf.pictures)
    await stage.job_for(variant(shown))
    (lease,) = await stage.leases.lease("worker_1", RECIPE.revision, lambda _: 1)
    assert await starts.picture(lease.job) == shown.packed()
    for name in await names(stage):
        (tmp_path / "objects" / name).unlink()
    for _ in range(2):
        with pytest.raises(RenderFailed) as gone:
            await starts.picture(lease.job)
        assert gone.value.code == "picture_gone"
    assert await starts.picture(replace(lease.job, recipe=RECIPE)) is None


async def test_plans_are_of_words_alone(stage: Stage) -> None:
    shown = picture()
    for one in (variant(shown), Variant(Spec(MINE, Prompt.parse("a red ball"), RECIPE), take=0)):
        async with stage.database.write() as connection:
            await Requests(stage.database).insert(connection, new_request(one, "miss", clip_id="clip_1"))
    async with stage.database.read() as connection:
        found = await traffic(connection, "local", 0, 100)
    assert [spec.recipe.picture for spec in found.specs] == [""]
