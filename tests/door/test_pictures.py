"""Videos that begin with a picture, through the front door: how it may come, whom its clip answers, and when its bytes go."""

from __future__ import annotations

import asyncio
import base64
import importlib
import json
import sqlite3
import time
import warnings
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import openai
import pytest
from PIL import Image

from tests.donor_table import write_table
from tests.live import PATIENCE, Live

ROW = {
    "name": "tiny-i2v", "sizes": [[64, 48], [48, 64]], "default_seconds": 0.5, "longest_seconds": 1, "fps": 8, "guidance": 4.0,
    "flow_shift": 3.0, "steps": {"draft": 2, "standard": 3}, "max_sequence_length": 32, "takes_picture": True,
}  # fmt: skip
LIMIT = 2_000_000


def drawn(seed: int = 0, size: tuple[int, int] = (64, 48), kind: str = "PNG", **how: Any) -> bytes:
    noise = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), np.uint8)
    packed = BytesIO()
    Image.fromarray(noise).resize(size, Image.Resampling.NEAREST).save(packed, kind, **how)
    return packed.getvalue()


def data_url(picture: bytes, kind: str = "png") -> str:
    return f"data:image/{kind};base64,{base64.b64encode(picture).decode()}"


@pytest.fixture(scope="module")
def row(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("row") / "row.json"
    path.write_text(json.dumps(ROW))
    return path


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path, row: Path) -> Iterator[Live]:
    server = Live(tmp_path_factory.mktemp("pictures"), tiny_model, model_row=row, picture_bytes=LIMIT)
    yield server.start()
    server.close()


@pytest.fixture
def fresh(tmp_path: Path, tiny_model: Path, row: Path) -> Iterator[Live]:
    server = Live(tmp_path / "data", tiny_model, model_row=row, picture_bytes=LIMIT)
    yield server.start()
    server.close()


def uploaded(live: Live, prompt: str, picture: bytes, **fields: Any) -> dict[str, Any]:
    """As clients with multipart forms send it."""
    headers = {"Prefer": "wait=30", **fields.pop("headers", {})}
    form = {"prompt": prompt, **{name: str(value) for name, value in fields.items()}}
    files = {"input_reference": ("picture", picture, "application/octet-stream")}
    answer = httpx.post(f"{live.url}/v1/videos", data=form, files=files, headers=headers, timeout=PATIENCE)
    assert answer.status_code == 200, answer.text
    return live.finished(answer.json())


def refused(live: Live, body: Any = None, **form: Any) -> dict[str, Any]:
    if body is not None:
        answer = httpx.post(f"{live.url}/v1/videos", json={"prompt": "a kite", "input_reference": body}, timeout=PATIENCE)
    else:
        answer = httpx.post(f"{live.url}/v1/videos", data={"prompt": "a kite"}, files=form, timeout=PATIENCE)
    assert answer.status_code in {400, 413}, answer.text
    found: dict[str, Any] = answer.json()["error"]
    return found


def stored(live: Live) -> list[str]:
    return sorted(path.name for path in (live.folder / "objects" / "pictures").rglob("*") if path.is_file())


def rows(live: Live, query: str) -> list[Any]:
    with sqlite3.connect(live.folder / "reprise.db") as database:
        return database.execute(query).fetchall()


def until(found: Any) -> None:
    end = time.monotonic() + PATIENCE
    while not found():
        assert time.monotonic() < end, "it did not come to that"
        time.sleep(0.1)


def test_a_picture_becomes_a_clip_and_the_same_picture_a_hit(live: Live) -> None:
    picture = drawn(1)
    first = uploaded(live, "a red ball rolls away", picture)
    told = first["reprise"]
    assert (first["status"], told["verdict"], first["size"]) == ("completed", "miss", "64x48"), first["error"]
    assert len(told["picture"]) == 64
    assert "picture_encode" in told["stages_ms"]
    renders = live.renders()
    bitmap = BytesIO()
    Image.open(BytesIO(picture)).save(bitmap, "WEBP", lossless=True)
    for same in (
        data_url(picture),
        {"image_url": data_url(picture)},
        {"image_url": {"url": data_url(picture)}},
        data_url(bitmap.getvalue(), "webp"),
    ):
        again = live.made("A red ball rolls away.", input_reference=same)
        assert again["reprise"]["verdict"] == "exact", again
        assert (again["reprise"]["clip"], again["reprise"]["picture"]) == (told["clip"], told["picture"])
    assert live.renders() == renders
    others: list[dict[str, Any]] = [{}, {"input_reference": data_url(drawn(2))}, {"input_reference": data_url(picture), "size": "48x64"}]
    for other in others:
        video = live.made("a red ball rolls away", **other)
        assert video["reprise"]["verdict"] == "miss"
        assert video["reprise"]["picture"] != told["picture"]
        assert video["reprise"]["refused"] == [], "nothing with another picture was even looked at"


def test_a_near_hit_shares_the_picture(live: Live) -> None:
    words, alike = "a white ring moving right on a black background", "A white ring is moving right on the black background"
    mine, theirs = data_url(drawn(3)), data_url(drawn(4))
    made = live.made(words, input_reference=mine)
    assert live.made(alike, input_reference=theirs)["reprise"]["verdict"] == "miss"
    assert live.made(alike)["reprise"]["verdict"] == "miss"
    near = live.made(alike, input_reference=mine)
    assert (near["reprise"]["verdict"], near["reprise"]["clip"]) == ("near", made["reprise"]["clip"])
    only = {"Cache-Control": "only-if-cached"}
    fields = {"prompt": "A white ring is moving to the right on a black background", "input_reference": data_url(drawn(5))}
    assert httpx.post(f"{live.url}/v1/videos", json=fields, headers=only, timeout=PATIENCE).status_code == 504


def test_near_words_at_the_same_time_share_a_job_only_with_one_picture(live: Live) -> None:
    words, alike = "a green star spins on a blue ground", "A green star is spinning on a blue ground"
    first = live.post(words, input_reference=data_url(drawn(6)), quality="draft")
    other = live.post(alike, input_reference=data_url(drawn(7)), quality="draft")
    same = live.post(alike, input_reference=data_url(drawn(6)), quality="draft")
    assert (first["reprise"]["verdict"], other["reprise"]["verdict"]) == ("miss", "miss")
    assert same["reprise"]["verdict"] in {"joined", "near"}
    assert live.finished(same)["reprise"]["clip"] == live.finished(first)["reprise"]["clip"] != live.finished(other)["reprise"]["clip"]


def test_every_form_of_a_form(live: Live) -> None:
    """The official client's upload, curl's file and text, the object in both spellings of a form, vLLM-Omni's object."""
    picture = drawn(8)
    clip = uploaded(live, "a blue boat", picture)["reprise"]["clip"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        client = openai.OpenAI(api_key="none", base_url=f"{live.url}/v1", max_retries=0)
        # Its own check refuses the object that its types allow; others send that.
        video = client.videos.create(prompt="a blue boat", input_reference=("a.png", picture, "image/png"))
    assert live.get(video.id)["reprise"]["clip"] == clip
    for name, value in (
        ("input_reference", (None, data_url(picture))),
        ("input_reference", (None, json.dumps({"image_url": data_url(picture)}))),
        ("input_reference", (None, picture, "image/png")),
        ("input_reference[image_url]", (None, data_url(picture))),
        ("image_reference", (None, json.dumps({"image_url": data_url(picture)}))),
    ):
        answer = httpx.post(f"{live.url}/v1/videos", files=[("prompt", (None, "a blue boat")), (name, value)], timeout=PATIENCE)
        assert answer.status_code == 200, (name, answer.text)
        assert answer.json()["reprise"]["clip"] == clip, name
    sync = httpx.post(f"{live.url}/v1/videos/sync", data={"prompt": "a blue boat"}, files={"input_reference": picture}, timeout=PATIENCE)
    assert (sync.status_code, sync.headers["content-type"]) == (200, "video/mp4")


def test_a_picture_of_another_shape_is_cut_in_the_middle(live: Live, tmp_path: Path) -> None:
    wide = Image.new("RGB", (400, 100), "red")
    wide.paste("blue", (100, 0, 300, 100))
    packed = BytesIO()
    wide.save(packed, "PNG")
    plain = BytesIO()
    Image.new("RGB", (64, 48), "blue").save(plain, "PNG")
    assert (
        uploaded(live, "a sky", packed.getvalue())["reprise"]["picture"] == uploaded(live, "a sky", plain.getvalue())["reprise"]["picture"]
    )


@pytest.mark.parametrize(
    ("body", "code", "said"),
    [
        ("http://169.254.169.254/a.png", "not_supported", "not fetched"),
        ({"image_url": "https://example.com/a.png"}, "not_supported", "not fetched"),
        ({"file_id": "file-1"}, "not_supported", "file_id"),
        ({"colour": 1}, "unknown_parameter", "colour"),
        ("a kite.png", "invalid_type", "must be a picture"),
        (7, "invalid_type", "must be a picture"),
        ([data_url(drawn())], "invalid_type", "must be a picture"),
        ("{not json", "invalid_type", "must be a picture"),
        ('{"file_id": "a"}', "not_supported", "file_id"),
        ("file:///etc/passwd", "invalid_type", "must be a picture"),
        ("data:image/png;base64,@@@", "invalid_value", "not base64"),
        ("data:image/png;base64,", "invalid_value", "not a PNG"),
        ("data:video/mp4;base64,AAAA", "invalid_type", "must be a picture"),
        (data_url(b"GIF89a" + bytes(40)), "invalid_value", "not a PNG, JPEG or WebP"),
        (data_url(drawn()[:-200]), "invalid_value", "cannot be read"),
        (data_url(b"<svg xmlns='http://www.w3.org/2000/svg'/>"), "invalid_value", "not a PNG"),
        (data_url(drawn(size=(8, 8))), "invalid_value", "8x8 pixels"),
        (data_url(bytes(LIMIT + 1)), "too_large", str(LIMIT)),
    ],
)
def test_what_is_no_picture_is_told_by_name_and_leaves_nothing(live: Live, body: Any, code: str, said: str) -> None:
    counts = "SELECT (SELECT count(*) FROM requests), (SELECT count(*) FROM jobs), (SELECT count(*) FROM pictures)"
    before = rows(live, counts), stored(live)
    error = refused(live, body)
    assert (error["param"], error["code"]) == ("input_reference", code), error
    assert said in error["message"]
    assert (rows(live, counts), stored(live)) == before


def test_bodies_are_bounded_before_they_are_read(live: Live) -> None:
    error = refused(live, input_reference=("a.png", bytes(LIMIT + 1)))
    assert (error["param"], error["code"]) == ("input_reference", "too_large")
    long = httpx.post(f"{live.url}/v1/videos", files={"input_reference": ("a.png", bytes(5_000_000))}, timeout=PATIENCE)
    assert (long.status_code, long.json()["error"]["param"]) == (413, None)
    large = BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (700, 900, 3), np.uint8)).save(large, "PNG")
    assert 1_500_000 < len(large.getvalue()) < LIMIT, "more than a body without a picture may have"
    assert uploaded(live, "a storm", large.getvalue(), quality="draft")["status"] == "completed"
    assert live.made("a storm", input_reference=data_url(large.getvalue()), quality="draft")["reprise"]["verdict"] == "exact"
    # What is no picture has no more room than before.
    texts = httpx.post(f"{live.url}/v1/videos", data={"prompt": "x" * 1_100_000}, files={"input_reference": drawn()}, timeout=PATIENCE)
    assert (texts.status_code, texts.json()["error"]["code"]) == (413, "too_large")
    twice = httpx.post(
        f"{live.url}/v1/videos", data={"prompt": "a"}, files=[("input_reference", drawn(1)), ("input_reference", drawn(2))], timeout=30
    )
    assert (twice.status_code, twice.json()["error"]["code"]) == (400, "duplicate_parameter")


def test_the_typed_client_sends_a_file(live: Live, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "examples" / "client"))
    (tmp_path / "kite.png").write_bytes(drawn(18))
    with importlib.import_module("reprise_client").Reprise(live.url) as reprise:
        made = reprise.video("the kite rises", picture=tmp_path / "kite.png")
        assert reprise.create("the kite rises", picture=drawn(18))["reprise"]["clip"] == made["reprise"]["clip"]


def test_idempotency_is_of_the_picture_too(live: Live) -> None:
    key = {"Idempotency-Key": "picture-1"}
    first = uploaded(live, "a tree", drawn(9), headers=key)
    assert uploaded(live, "a tree", drawn(9), headers=key)["id"] == first["id"]
    body = {"prompt": "a tree", "input_reference": data_url(drawn(10))}
    assert httpx.post(f"{live.url}/v1/videos", json=body, headers=key, timeout=PATIENCE).status_code == 422


def test_the_models_say_which_of_them_take_one(live: Live, tmp_path: Path, tiny_model: Path) -> None:
    assert httpx.get(f"{live.url}/v1/models").json()["data"][0]["reprise"]["input_reference"] is True
    words = Live(tmp_path / "words", tiny_model).start()
    try:
        assert httpx.get(f"{words.url}/v1/models").json()["data"][0]["reprise"]["input_reference"] is False
        error = refused(words, data_url(drawn()))
        assert (error["param"], error["code"], error["message"]) == (
            "input_reference",
            "not_supported",
            "image-to-video is not supported",
        )
    finally:
        words.close()


def test_the_picture_goes_with_what_needs_it(fresh: Live) -> None:
    """Once for all that need it; with the last of them it is erased, and so is its digest."""
    picture = drawn(11)
    first, second = uploaded(fresh, "a red door", picture), uploaded(fresh, "a grey cat", picture)
    assert len(stored(fresh)) == 1, "one object for both"
    assert rows(fresh, "SELECT count(*) FROM recipes WHERE picture IS NOT NULL") == [(1,)]
    other = uploaded(fresh, "a grey cat", drawn(12), headers={"Cache-Control": "no-store"})
    assert other["status"] == "completed"
    assert other["reprise"]["picture"] is None, "nothing of it is kept with a no-store request"
    for video, left in ((first, 2), (second, 1)):
        assert httpx.delete(f"{fresh.url}/v1/videos/{video['id']}", params={"erase": "true"}).status_code == 200
        assert len(stored(fresh)) == left
    assert rows(fresh, f"SELECT count(*) FROM recipes WHERE picture = '{first['reprise']['picture']}'") == [(0,)]
    # The other one has no clip that keeps it; it goes once nothing can be looking for it any more.
    with sqlite3.connect(fresh.folder / "reprise.db", timeout=10) as database:
        database.execute("UPDATE pictures SET kept_at = kept_at - 1000")
    until(lambda: stored(fresh) == [])
    until(lambda: rows(fresh, "SELECT count(*) FROM pictures") == [(0,)])  # the object goes first
    again = uploaded(fresh, "a red door", picture)
    assert again["reprise"]["verdict"] == "miss"
    assert len(stored(fresh)) == 1


def test_a_picture_that_was_lost_fails_its_render_and_comes_back_with_the_next(fresh: Live) -> None:
    picture = drawn(13)
    uploaded(fresh, "a red door", picture)
    for path in (fresh.folder / "objects" / "pictures").rglob("*.png"):
        path.write_bytes(b"rotten")
    lost = uploaded(fresh, "a blue door", picture)
    assert (lost["status"], lost["error"]["code"]) == ("failed", "picture_gone")
    assert uploaded(fresh, "a blue door", picture)["status"] == "completed"


def test_a_render_starts_again_with_its_picture_after_a_crash(fresh: Live) -> None:
    sent = fresh.post("a slow boat", input_reference=data_url(drawn(14)))
    fresh.kill()
    fresh.start()
    assert fresh.finished(fresh.get(sent["id"]))["status"] == "completed"


def test_another_take_starts_from_a_clip_of_the_same_picture(tmp_path: Path, tiny_model: Path, row: Path) -> None:
    server = Live(tmp_path / "data", tiny_model, model_row=row, assist_table=write_table(tmp_path)).start()
    try:
        mine, theirs = data_url(drawn(15)), data_url(drawn(16))

        def take(picture: str) -> dict[str, Any]:
            headers = {"Cache-Control": "no-cache"}
            video = server.made("a red ball", input_reference=picture, steps=10, headers=headers)
            assert video["status"] == "completed", video["error"]
            found: dict[str, Any] = video["reprise"]
            return found

        take(theirs)
        first, second = take(mine), take(mine)
        assert first["assisted"] is None, "only another picture's clip is there"
        assert second["assisted"]["from"] == first["clip"]
    finally:
        server.close()


def test_the_admin_page_shows_the_picture(live: Live) -> None:
    video = uploaded(live, "a yellow kite", drawn(17))
    page = httpx.get(f"{live.url}/admin/requests/{video['id']}", timeout=PATIENCE)
    assert page.status_code == 200
    address = f"/admin/pictures/{video['id']}"
    assert address in page.text
    assert video["reprise"]["picture"][:12] in page.text
    shown = httpx.get(f"{live.url}{address}", timeout=PATIENCE)
    assert (shown.status_code, shown.headers["content-type"]) == (200, "image/png")
    assert (np.asarray(Image.open(BytesIO(shown.content))) == np.asarray(Image.open(BytesIO(drawn(17))))).all()
    plain = live.made("a yellow kite")
    assert httpx.get(f"{live.url}/admin/pictures/{plain['id']}", timeout=PATIENCE).status_code == 404


def test_plans_are_of_words_alone(live: Live, tmp_path: Path) -> None:
    from gateway.http.prompt_lists import Fault, read_list  # of the command, not of the server

    (row,) = read_list("jsonl", [json.dumps({"prompt": "a kite", "input_reference": data_url(drawn())})])
    assert isinstance(row, Fault)
    assert "input_reference is not taken here" in row.message


def test_pictures_decode_side_by_side_with_answers(live: Live) -> None:
    """A large picture is decoded in a thread: meanwhile others are answered."""
    packed = BytesIO()
    Image.new("RGB", (6000, 5000), "red").save(packed, "PNG")
    assert len(packed.getvalue()) < LIMIT

    async def ask() -> tuple[float, list[int]]:
        async with httpx.AsyncClient(base_url=live.url, timeout=PATIENCE) as client:
            sending = asyncio.create_task(
                client.post("/v1/videos", data={"prompt": "a wall"}, files={"input_reference": packed.getvalue()})
            )
            slowest = 0.0
            while not sending.done():
                began = time.perf_counter()
                await client.get("/health/live")
                slowest = max(slowest, time.perf_counter() - began)
                await asyncio.sleep(0.01)
            return slowest, [sending.result().status_code]

    slowest, codes = asyncio.run(ask())
    assert codes == [200]
    assert slowest < 2.0
