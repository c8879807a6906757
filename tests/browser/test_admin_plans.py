"""Plans in a real browser: proposed, looked at, started, cancelled; a list from a file; what had to go for want of room."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.admin.pages import HOSTILE, api
from tests.browser.admin_visitor import THEMES, AdminVisitor
from tests.live import Live

pytestmark = pytest.mark.browser

Admin = Callable[..., AdminVisitor]


def wished(live: Live, words: str, times: int) -> None:
    """Asked for and cancelled: popular before it was ever made."""
    with live.client() as client:
        for _ in range(times):
            video = live.post(words, quality="draft", priority="background")
            client.post(f"/v1/videos/{video['id']}/cancel")


def crowded(server: Live) -> None:
    """Four clips, and then room for less than three, until something had to go. Room enough after that: which clip goes is
    decided by what its render took, which a busy machine decides, and the plan's must stay.
    """
    for words in ("a white ring", "a black ring", "a grey ring", "a brown ring"):
        server.content(server.made(words, quality="draft")["id"])
    used = api(server, "plans")["capacity"]["used"]
    again(server, CAPACITY_GB=used * 0.75 / 1e9)
    until = time.monotonic() + 60
    while not api(server, "plans")["ghosts"]:
        assert time.monotonic() < until
        time.sleep(0.3)
    again(server, CAPACITY_GB=used * 10 / 1e9)


def again(server: Live, **settings: object) -> None:
    server.stop()
    server.settings |= {name: str(value) for name, value in settings.items()}
    server.start()


@pytest.fixture(scope="module")
def planned(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> Iterator[Live]:
    server = Live(tmp_path_factory.mktemp("planned"), tiny_model, ENCODER_WAIT_SECONDS=60).start()
    crowded(server)
    for words, times in (
        ("a red ball bouncing on grass", 4),
        ("the red ball bouncing on the grass", 2),
        (HOSTILE, 3),
        ("a blue square slides to the left", 2),
        ("a yellow star spins at dusk", 1),
    ):
        wished(server, words, times)
    with server.client() as client:
        told = client.post("/admin/api/plans", json={"budget": 3})
        assert told.status_code == 200, told.text
    yield server
    server.close()


@pytest.fixture
def admin(browser: Browser, planned: Live) -> Iterator[Admin]:
    """admin(path, server, theme=…, phone=…): a tab at `path`."""
    tabs: list[AdminVisitor] = []

    def begin(path: str, server: Live | None = None, **settings: object) -> AdminVisitor:
        tabs.append(AdminVisitor(browser, (server or planned).url, **settings))  # type: ignore[arg-type]
        tabs[-1].open(path)
        return tabs[-1]

    yield begin
    assert [fault for tab in tabs for fault in tab.leave()] == []


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("phone", [False, True], ids=["desk", "phone"])
def test_every_page_in_every_light(admin: Admin, planned: Live, theme: str, phone: bool) -> None:
    visitor = admin("/admin/plans", theme=theme, phone=phone)
    visitor.see("[data-plan]")
    visitor.sound()
    visitor.texts_stay_text()
    visitor.open(f"/admin/plans/{api(planned, 'plans')['plans'][-1]['id']}")
    for summary in visitor.page.locator("summary").all():
        summary.click()
    visitor.sound()
    visitor.texts_stay_text()
    assert HOSTILE in visitor.text("table")


def test_what_a_prompt_covers_and_what_had_to_go_is_told(admin: Admin, planned: Live) -> None:
    visitor = admin("/admin/plans")
    assert "of " in visitor.text("dl.facts")
    assert "Nothing has been evicted" not in visitor.text("#now")
    visitor.page.click("[data-plan] a >> nth=-1")
    visitor.see("[data-rank='1'] summary").click()
    assert "red ball bouncing on" in visitor.text("[data-rank='1'] .covers")
    assert "requests" in visitor.text("[data-rank='1'] .covers")


def test_a_plan_is_proposed_started_and_answers(admin: Admin, planned: Live) -> None:
    visitor = admin("/admin/plans")
    visitor.page.fill("#budget", "1")
    visitor.page.click("#propose")
    visitor.see("#realised")
    assert "(not started)" in visitor.text("#realised")
    assert visitor.page.locator("[data-rank]").count() == 1
    visitor.page.click("button:has-text('Start')")
    visitor.page.wait_for_selector("#plan-head .stamp.good", timeout=60_000)
    assert "1 made" in visitor.text("#now .hint.num")
    for _ in range(2):
        assert planned.post("a red ball bouncing on grass", quality="draft")["reprise"]["verdict"] == "exact"
    visitor.page.reload()
    assert visitor.text("#realised").startswith("2 requests answered")


def test_a_list_comes_from_a_file_with_the_keyboard(admin: Admin, tmp_path: Path) -> None:
    file = tmp_path / "list.csv"
    file.write_text("prompt,quality\na green ring,draft\nnobody,none\n")
    visitor = admin("/admin/plans")
    visitor.page.set_input_files("#file", file)
    visitor.reaches("#make")
    visitor.page.keyboard.press("Enter")
    assert "Line 3: quality must be one of draft, standard, final" in visitor.text("#told-plan")
    visitor.page.click("#told-plan a")
    visitor.page.wait_for_selector("#plan-head .stamp.good", timeout=60_000)


def test_a_plan_can_be_cancelled_and_a_wrong_list_says_why(admin: Admin) -> None:
    visitor = admin("/admin/plans")
    visitor.forgive("status of 400", "Response Status Error Code 400")
    visitor.page.fill("#list", "\n".join(f"a slow ring number {at}" for at in range(20)))
    visitor.page.fill("#recipe", "steps=60")
    visitor.page.click("#make")
    visitor.page.click("button:has-text('Cancel')")
    visitor.see("#plan-head .stamp:has-text('cancelled')")
    visitor.open("/admin/plans")
    visitor.page.fill("#list", "a ring")
    visitor.page.fill("#recipe", "size=1x1")
    visitor.page.click("#make")
    assert "makes 128x128" in visitor.text("#trouble")


def test_an_empty_place_says_what_to_do(admin: Admin, tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> None:
    server = Live(tmp_path_factory.mktemp("empty"), tiny_model).start()
    try:
        visitor = admin("/admin/plans", server)
        assert "No plans yet" in visitor.text("#now")
        visitor.sound()
        visitor.page.click("#propose")
        assert "Nothing worth rendering" in visitor.text("#told-plan")
        visitor.open("about:blank")
    finally:
        server.close()
