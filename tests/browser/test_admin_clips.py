"""Clips and Jobs in a real browser: seen, played, searched, taken out and brought back. A console error fails every test."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from playwright.sync_api import Browser, TimeoutError

from tests.admin.pages import HOSTILE, api
from tests.browser.admin_visitor import THEMES, AdminVisitor
from tests.live import Live

pytestmark = pytest.mark.browser

STEPS = 4
Admin = Callable[..., AdminVisitor]


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> Iterator[Live]:
    server = Live(tmp_path_factory.mktemp("filled"), tiny_model).start()
    server.made("a red ball on grass", steps=STEPS, tags=["demo"])
    server.made("The red ball is on the grass", steps=STEPS)
    server.made("a blue ball on grass", steps=STEPS, tags=["demo", "<b>bold"])
    server.made(HOSTILE, steps=STEPS)
    server.made("a white ring", steps=STEPS)
    yield server
    server.close()


@pytest.fixture
def admin(browser: Browser, filled: Live) -> Iterator[Admin]:
    """admin(path, server, theme=…, phone=…): a tab at `path`."""
    tabs: list[AdminVisitor] = []

    def begin(path: str, server: Live | None = None, **settings: object) -> AdminVisitor:
        tabs.append(AdminVisitor(browser, (server or filled).url, **settings))  # type: ignore[arg-type]
        tabs[-1].open(path)
        return tabs[-1]

    yield begin
    assert [fault for tab in tabs for fault in tab.leave()] == []


def pages(live: Live) -> list[str]:
    clips = api(live, "clips")["data"]
    hostile = next(clip["clip"] for clip in clips if clip["prompt"] == HOSTILE)
    recipe = clips[0]["recipe_key"]
    job = api(live, "jobs")["ended"][0]["job"]
    return [
        "/admin/clips", f"/admin/clips/{hostile}", "/admin/clips/invalidate?tag=demo", "/admin/clips?tag=nothing",
        f"/admin/meaning?prompt=a+red+ball+is+on+grass&recipe={recipe}", "/admin/meaning", "/admin/jobs", f"/admin/jobs/{job}",
    ]  # fmt: skip


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("phone", [False, True], ids=["desk", "phone"])
def test_every_page_in_every_light(admin: Admin, filled: Live, theme: str, phone: bool) -> None:
    visitor = admin("/admin/clips", theme=theme, phone=phone)
    for path in pages(filled):
        visitor.open(path)
        visitor.see("h1")
        visitor.sound()
        visitor.texts_stay_text()


def plays(visitor: AdminVisitor, video: str) -> None:
    """It has pictures, and its time goes on or has begun again."""
    visitor.until(f"document.querySelector('{video}').readyState >= 2")
    start = visitor.page.evaluate(f"document.querySelector('{video}').currentTime")
    visitor.until(f"document.querySelector('{video}').currentTime !== {start}")
    assert visitor.page.evaluate(f"document.querySelector('{video}').videoWidth") > 0


def test_a_clip_plays_in_the_list_and_on_its_page(admin: Admin) -> None:
    visitor = admin("/admin/clips?text=red+ball+on")
    visitor.see(".clip .play").press("Enter")
    plays(visitor, ".clip video")
    assert str(visitor.see(".clip .play").get_attribute("aria-label")).startswith("Stop")
    visitor.page.click(".clip .words a")
    assert "a red ball on grass" in visitor.text(".said")
    assert "denoise" in visitor.page.inner_text("#stages-table") or visitor.page.locator("#stages").count() == 1
    visitor.page.evaluate("document.querySelector('#video').play()")
    plays(visitor, "#video")
    assert "near" in visitor.text("section:has(#reuse-head)")
    assert "The red ball is on the grass" in visitor.text("section:has(#answers-head)")


def test_what_was_taken_out_by_filter_comes_back_by_undo(admin: Admin, filled: Live) -> None:
    before = {clip["clip"] for clip in api(filled, "clips")["data"]}
    visitor = admin("/admin/clips")
    visitor.page.fill("#tag", "demo")
    visitor.page.press("#tag", "Enter")
    visitor.see("text=2 clips,")
    visitor.page.click("text=Invalidate these 2")
    assert visitor.text("#count-head") == "2 clips match"
    assert {clip["clip"] for clip in api(filled, "clips")["data"]} == before, "counting changes nothing"
    visitor.page.click("#confirm")
    assert "2 clips are out of service" in visitor.text(".notice")
    assert len(api(filled, "clips")["data"]) == len(before) - 2
    visitor.sound()
    visitor.page.click("#undo-all")
    visitor.see("text=Words in the prompt")
    assert {clip["clip"] for clip in api(filled, "clips")["data"]} == before


def test_one_clip_is_pinned_taken_out_and_brought_back_by_keyboard(admin: Admin, filled: Live) -> None:
    (clip,) = api(filled, "clips", text="white ring")["data"]
    visitor = admin(f"/admin/clips/{clip['clip']}")
    visitor.reaches("#pin")
    visitor.page.keyboard.press("Enter")
    visitor.see("text=pinned")
    visitor.reaches("#invalidate")
    visitor.page.keyboard.press("Enter")
    assert "Out of service" in visitor.text(".notice")
    assert visitor.page.locator("video").count() == 0
    assert filled.post("a white ring", steps=STEPS, headers={"Cache-Control": "max-age=0"})["reprise"]["verdict"] == "miss"
    visitor.open(f"/admin/clips/{clip['clip']}")
    visitor.sound()


def test_a_search_by_meaning_says_what_and_why_not(admin: Admin, filled: Live) -> None:
    recipe = api(filled, "clips", tag="demo")["data"][0]["recipe_key"]
    visitor = admin("/admin/clips")
    visitor.page.fill("#prompt", "a red ball is on the grass")
    visitor.page.press("#prompt", "Enter")
    visitor.page.select_option("#recipe", recipe)
    visitor.page.press("#prompt", "Enter")
    assert "would be served" in visitor.text("section:has(#verdict-head), main")
    served = visitor.see('.candidate[data-fate="would be served"]')
    assert "red ball" in served.inner_text()
    refused = visitor.page.locator(".candidate", has_text="a blue ball on grass").inner_text()
    assert "colour of ball: red / blue" in refused


def test_jobs_move_by_themselves_and_can_be_raised_and_stopped(admin: Admin, filled: Live) -> None:
    comets = [filled.post(f"a slow comet number {at}", steps=100)["id"] for at in range(8)]
    plan = filled.post("a plan", steps=STEPS, priority="background")
    visitor = admin("/admin/jobs")
    visitor.see("tr:has-text('a plan') >> text=background")
    visitor.see("tr:has-text('a plan') >> button:has-text('Raise')").press("Enter")
    visitor.see("tr:has-text('a plan') >> text=interactive")
    # Whichever job it is that is being rendered by now: what the page shows of it changes.
    shown = "document.querySelector('#now .job:has(progress)')?.textContent ?? ''"
    first = visitor.page.evaluate(shown)
    visitor.until(f"({shown}) !== {json.dumps(first)}")
    visitor.forgive("409 ")  # a render may end just as it is to be cancelled: then the next one
    cancelled = visitor.page.locator(".job.over:has-text('a slow comet') >> text=cancelled").first
    for _ in comets:
        visitor.see(".job:has(progress) button:has-text('Cancel')").click()
        with suppress(TimeoutError):
            cancelled.wait_for(timeout=5000)
            break
    assert cancelled.is_visible()
    assert "cancelled" in {error["code"] for comet in comets if (error := filled.get(comet)["error"])}
    with filled.client() as client:
        for comet in comets:
            client.post(f"/v1/videos/{comet}/cancel")
    assert filled.finished(plan)["status"] == "completed"


def test_before_anything_was_asked(admin: Admin, tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> None:
    fresh = Live(tmp_path_factory.mktemp("fresh"), tiny_model, RENDERER="none").start()
    try:
        visitor = admin("/admin/clips", fresh)
        assert "There are no clips yet" in visitor.text(".empty")
        for path in ("/admin/jobs", "/admin/near-hits", "/admin/near-hits?kind=refused", "/admin/near-hits?kind=audit"):
            visitor.open(path)
            visitor.see(".empty")
            visitor.sound()
        visitor.open("about:blank")
    finally:
        fresh.close()
