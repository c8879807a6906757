"""Overview, What if, Keys and Settings in a real browser. Every test also fails on a console error or a call to another host."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Dialog

from cache.storage.database.database import Database
from cache.storage.fleet.workers import Workers
from tests.admin import traffic
from tests.browser.admin_visitor import THEMES, AdminVisitor
from tests.conftest import StartServer
from tests.live import Live

pytestmark = pytest.mark.browser

ADMIN = "an-admin-key-of-some-length"
PAGES = ("/admin", "/admin/what-if", "/admin/keys", "/admin/settings", "/admin/requests", "/admin/usage", "/admin/webhooks")
MANY = 10_000
Admin = Callable[..., AdminVisitor]


@pytest.fixture
def admin(browser: Browser) -> Iterator[Admin]:
    """admin(server, theme=…, phone=…): a tab that has opened nothing yet."""
    tabs: list[AdminVisitor] = []

    def begin(server: Live, **settings: object) -> AdminVisitor:
        tabs.append(AdminVisitor(browser, server.url, **settings))  # type: ignore[arg-type]
        return tabs[-1]

    yield begin
    assert [fault for tab in tabs for fault in tab.leave()] == []


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> Iterator[Live]:
    """Nothing was ever asked; renders nothing."""
    server = Live(tmp_path_factory.mktemp("fresh"), tiny_model, RENDERER="none").start()
    yield server
    server.close()


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> Iterator[Live]:
    """Ten thousand requests of a month, some with hostile words, near hits that people looked at, and a worker elsewhere."""
    server = Live(tmp_path_factory.mktemp("busy"), tiny_model, GPU_PRICE_PER_HOUR=2.5, RENDERER="none").start()
    fill(server, traffic.rows(MANY, time.time() - 60))
    yield server
    server.close()


def fill(server: Live, made: list[dict[str, Any]]) -> None:
    async def write() -> None:
        database = Database(f"sqlite+aiosqlite:///{server.folder / 'reprise.db'}")
        await traffic.write(database, made)
        await Workers(database).loaded("worker_elsewhere", "reprise-demo", "revision-1", "cpu")
        for at, row in enumerate([row for row in made if row["verdict"] == "near"][:40]):
            await traffic.label(database, row, at % 20 != 0, "audit")
        await database.close()

    # In a thread of its own: Playwright keeps a running loop in this one.
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, write()).result()


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("phone", [False, True], ids=["desk", "phone"])
def test_every_page_in_every_light(admin: Admin, busy: Live, theme: str, phone: bool) -> None:
    visitor = admin(busy, theme=theme, phone=phone)
    for path in PAGES:
        visitor.open(path)
        visitor.see("h1")
        visitor.sound()
        visitor.texts_stay_text()


@pytest.mark.parametrize("phone", [False, True], ids=["desk", "phone"])
def test_an_instance_that_nobody_asked_anything(admin: Admin, fresh: Live, phone: bool) -> None:
    visitor = admin(fresh, phone=phone)
    for path in PAGES:
        visitor.open(path).see("h1")
        visitor.sound()
    assert "No requests yet" in visitor.open("/admin").text("#empty")
    assert visitor.text("#hit-rate .big") == "–"
    assert visitor.open("/admin").page.locator("figure.chart").count() == 0, "a chart of nothing"
    assert "No worker" in visitor.text("#workers")
    assert "There are no requests yet" in visitor.open("/admin/what-if").text("#outcome")
    assert "no keys" in visitor.open("/admin/keys").text("main")


def test_numbers_are_those_of_the_twin_and_lead_to_their_rows(admin: Admin, busy: Live) -> None:
    visitor = admin(busy)
    visitor.open("/admin?view=week")
    told = httpx.get(f"{busy.url}/admin/api/overview?view=week").json()
    assert visitor.text("#hit-rate .big") == f"{told['window']['hit_rate'] * 100:.1f} %"
    assert visitor.text("#saved .big") == f"{told['window']['money_saved']:,.2f}"
    assert visitor.page.locator("#hit-rate svg.spark line").count() > 0
    visitor.page.locator("#rate .column").last.hover()
    assert visitor.text(".tip").endswith(" %")
    assert "95 %" in visitor.text("#precision .hint")
    assert told["precision"]["audited"] | {"low": 0, "high": 0} == {"right": 38, "wrong": 2, "share": 0.95, "low": 0, "high": 0}
    assert told["window"]["money_saved"] == pytest.approx(told["window"]["gpu_seconds_saved"] / 3600 * 2.5)
    every = sum(count["count"] + count["background"] for count in told["ever"]["verdicts"].values())
    assert every >= MANY
    near = visitor.page.locator("[data-count=near]")
    assert near.inner_text() == f"{told['window']['verdicts']['near']['count']:,}"
    near.click()
    visitor.see("h1")
    assert set(visitor.page.locator("td .stamp[data-verdict]").all_inner_texts()) == {"near"}
    first = visitor.page.locator("tbody tr").first.inner_text()
    visitor.page.get_by_role("link", name="Older").click()
    visitor.see("h1")
    assert visitor.page.locator("tbody tr").first.inner_text() != first
    assert "worker_elsewhere"[-8:] in visitor.open("/admin").text("#workers")


def test_ten_thousand_requests_are_counted_within_a_moment(admin: Admin, busy: Live) -> None:
    """As a multiple of a plain count of the rows, which holds on a slow machine, too."""
    import sqlite3

    def least(work: Callable[[], object]) -> float:
        took = []
        for _ in range(5):
            began = time.perf_counter()
            work()
            took.append(time.perf_counter() - began)
        return min(took)

    with httpx.Client(base_url=busy.url) as client:
        client.get("/admin")
        page, nothing = least(lambda: client.get("/admin?view=day")), least(lambda: client.get("/admin/login"))
    connection = sqlite3.connect(busy.folder / "reprise.db")
    plain = least(lambda: connection.execute("SELECT count(*), sum(gpu_seconds_saved) FROM requests").fetchone())
    connection.close()
    assert page - nothing < 60 * plain + 0.1, (page, nothing, plain)


def test_the_page_goes_on_by_itself(admin: Admin, busy: Live) -> None:
    visitor = admin(busy)
    visitor.open("/admin")
    visitor.page.click("#verdicts-table summary")
    visitor.page.evaluate(
        "document.addEventListener('htmx:afterSwap', () => { window.stayed = document.querySelector('#verdicts-table').open; })"
    )
    before = visitor.text("[data-count=exact]")
    fill(busy, [traffic.row(time.time(), "exact", "one more")])
    visitor.until(f"document.querySelector('[data-count=exact]').innerText !== {before!r}")
    # What was open stays open, in the part that was replaced, and does not flicker.
    assert visitor.page.evaluate("window.stayed") is True
    assert visitor.page.locator("#verdicts-table").get_attribute("open") is not None


def test_a_hidden_tab_asks_nothing(admin: Admin, fresh: Live) -> None:
    visitor = admin(fresh)
    asked: list[str] = []
    visitor.page.on("request", lambda request: asked.append(request.url) if "live" in request.url else None)
    visitor.page.add_init_script("Object.defineProperty(Document.prototype, 'hidden', {get: () => window.name === 'hidden'})")
    visitor.open("/admin")
    visitor.page.evaluate("window.name = 'hidden'")
    visitor.page.wait_for_timeout(6500)
    assert asked == []
    visitor.page.evaluate("window.name = ''; document.dispatchEvent(new Event('visibilitychange'))")
    visitor.until("document.querySelector('#live') !== null")
    with visitor.page.expect_request("**/overview/live*"):
        pass


def test_the_keyboard_is_enough(admin: Admin, busy: Live) -> None:
    visitor = admin(busy)
    visitor.open("/admin")
    visitor.page.keyboard.press("Tab")
    assert visitor.focused() == "Skip to the page"
    visitor.page.keyboard.press("Enter")
    assert visitor.focused() == "main"
    visitor.reaches("[data-count=near]")
    visitor.page.keyboard.press("Enter")
    visitor.see("#verdict")
    visitor.open("/admin/what-if")
    visitor.reaches("#max_wrong")
    before = visitor.text("#if-rate .hint")
    with visitor.page.expect_response("**/what-if/outcome*"):
        visitor.page.keyboard.press("End")
    visitor.settled()
    assert visitor.text("#limit") == "50.0 %"
    assert visitor.text("#if-rate .hint") != before
    assert visitor.page.evaluate("document.activeElement.id") == "max_wrong"


def test_a_looser_limit_hits_more_and_errs_more(admin: Admin, busy: Live) -> None:
    visitor = admin(busy)
    visitor.open("/admin/what-if")

    def at(step: str) -> tuple[float, float]:
        with visitor.page.expect_response("**/what-if/outcome*"):
            visitor.page.locator("#max_wrong").fill(step)
        visitor.settled()
        return tuple(float(visitor.text(f"{tile} .big").rstrip(" %").replace(",", "")) for tile in ("#if-rate", "#if-wrong"))  # type: ignore[return-value]

    strict, loose = at("0"), at("8")
    assert strict[0] < loose[0]
    assert strict[1] < loose[1]
    with visitor.page.expect_response("**/what-if/outcome*"):
        visitor.page.locator("#room").fill("0")
    visitor.settled()
    assert float(visitor.text("#if-rate .big").rstrip(" %")) < loose[0]
    assert visitor.text("#space") == "5 %"


def test_the_theme_is_kept(admin: Admin, fresh: Live) -> None:
    visitor = admin(fresh)
    visitor.open("/admin")
    paper = visitor.page.evaluate("getComputedStyle(document.body).backgroundColor")
    visitor.page.click("#theme")
    dark = visitor.page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert dark != paper
    visitor.open("/admin/settings")
    assert visitor.page.evaluate("getComputedStyle(document.body).backgroundColor") == dark


def test_signing_in_making_a_key_taking_it_back_and_signing_out(admin: Admin, start: StartServer) -> None:
    server = start(admin_key=ADMIN, renderer="none")
    visitor = admin(server)
    visitor.forgive("401", "status of 4")
    visitor.open("/admin/keys")
    assert "/admin/login?next=" in visitor.page.url
    visitor.sound()
    visitor.page.fill("#key", "a wrong key that is long enough")
    visitor.page.keyboard.press("Enter")
    assert "not a valid admin key" in visitor.text("#problem")
    visitor.sign_in(ADMIN, "/admin/keys")
    assert visitor.page.url.endswith("/admin/keys")
    visitor.sound()
    visitor.page.fill("#tenant", "acme")
    visitor.page.fill("#label", "<script>alert(1)</script>")
    visitor.page.get_by_role("button", name="Create key").click()
    secret = visitor.text("#secret")
    assert secret.startswith("reprise_")
    assert httpx.get(f"{server.url}/v1/videos", headers={"Authorization": f"Bearer {secret}"}).status_code == 200
    visitor.sound()
    visitor.texts_stay_text()
    visitor.open("/admin/keys")
    assert secret not in visitor.text("main")
    row = visitor.page.locator("tr", has_text="acme")
    assert "<script>alert(1)</script>" in row.inner_text()
    said: list[str] = []
    visitor.page.remove_listener("dialog", visitor._dialog)

    def agree(dialog: Dialog) -> None:
        said.append(dialog.message)
        dialog.accept()

    visitor.page.once("dialog", agree)
    row.get_by_role("button").click()
    visitor.page.locator("tr", has_text="revoked").wait_for()
    assert "permanently" in said[0]
    refused = httpx.get(f"{server.url}/v1/videos", headers={"Authorization": f"Bearer {secret}"})
    end = time.monotonic() + 10
    while refused.status_code != 401 and time.monotonic() < end:
        time.sleep(0.2)
        refused = httpx.get(f"{server.url}/v1/videos", headers={"Authorization": f"Bearer {secret}"})
    assert refused.status_code == 401
    visitor.page.get_by_role("button", name="Sign out").click()
    visitor.see("#key")
    visitor.open("/admin")
    assert "/admin/login" in visitor.page.url
