"""The pages under a path behind a proxy, in a real browser: nothing that they load or call lies outside of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.browser.admin_visitor import AdminVisitor
from tests.browser.visitor import PlaygroundVisitor, Visitor
from tests.live import Live
from tests.servers.proxy import PrefixProxy

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> Iterator[PrefixProxy]:
    proxy = PrefixProxy("/reprise")
    live = Live(tmp_path_factory.mktemp("shown"), tiny_model, public_url=proxy.url).start()
    live.made("a small green ring")  # so that no test waits for model and encoder
    proxy.target = live.url
    yield proxy
    proxy.close()
    live.close()


@pytest.fixture(params=["cut off", "left"])
def address(proxy: PrefixProxy, request: pytest.FixtureRequest) -> Iterator[str]:
    proxy.strips = request.param == "cut off"
    yield proxy.url
    assert proxy.strays == []


def test_the_playground(browser: Browser, address: str) -> None:
    tab = PlaygroundVisitor(browser, address)
    tab.open(f"{address}/")
    tab.ask("a small green ring")
    tab.done("exact")
    assert tab.plays()
    assert f"{address}/v1/videos" in tab.page.content(), "code to copy calls it where it is"
    assert tab.see('a[href$="/docs"]').get_attribute("href") == "/reprise/docs"
    assert tab.leave() == []


def test_the_admin_pages(browser: Browser, address: str) -> None:
    tab = AdminVisitor(browser, address)
    tab.open(f"{address}/admin")
    for title in ("Clips", "Requests", "Jobs", "Overview"):
        tab.page.click(f"nav[aria-label=Pages] a:text-is('{title}')")
        tab.settled()
        assert tab.page.url.startswith(f"{address}/admin")
    tab.page.click("nav[aria-label=Pages] a:text-is('Clips')")
    tab.page.click("li.clip a >> nth=0")
    tab.until("[...document.querySelectorAll('video')].some((video) => video.poster.includes('/reprise/admin/media/'))")
    tab.page.click("#pin")
    tab.page.wait_for_load_state()
    assert tab.page.url.startswith(f"{address}/admin/clips/")
    tab.see("#pin:text-is('Unpin')")
    tab.page.click("#pin")
    tab.see("#pin:text-is('Pin')")
    assert tab.leave() == []


def test_the_reference(browser: Browser, address: str) -> None:
    tab = Visitor(browser, address)
    tab.open(f"{address}/docs")
    tab.page.click("a[href$='/docs/try'] >> nth=0")
    tab.see("#operations-Models-listModels").click()
    tab.see("#operations-Models-listModels .execute").click()
    tab.until("document.querySelector('#operations-Models-listModels .live-responses-table')?.innerText.includes('reprise-demo') ?? false")
    assert tab.leave() == []
