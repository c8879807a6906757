"""One browser for all of these tests, a fresh tab for each."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.browser.visitor import PlaygroundVisitor, launch
from tests.conftest import StartServer
from tests.live import Live

Visit = Callable[..., PlaygroundVisitor]


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        found = launch(playwright)
        yield found
        found.close()


@pytest.fixture
def visit(browser: Browser, live: Live, start: StartServer) -> Iterator[Visit]:
    """visit(server, **settings of the tab): `/` in a tab of its own, of this module's server where none is given."""
    # `start` is asked for only so that its servers outlive the tabs: a page whose server is gone complains.
    tabs: list[PlaygroundVisitor] = []

    def begin(server: Live | None = None, **settings: object) -> PlaygroundVisitor:
        tabs.append(PlaygroundVisitor(browser, (server or live).url, **settings))
        tabs[-1].open()
        return tabs[-1]

    yield begin
    assert [fault for tab in tabs for fault in tab.leave()] == []
