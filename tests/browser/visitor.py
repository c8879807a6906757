"""A visitor with a real browser, who notices what no page may do: complain in the console, or call another host."""

from __future__ import annotations

import os
import shutil
import time
from importlib.resources import files
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Dialog, Locator, Page, Playwright, Request

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PATIENCE_MS = 150_000  # two busy cores may render, encode and draw at once
HOW = """no Chromium was found, and these tests drive a real one.
  Debian, Ubuntu: apt-get install --no-install-recommends chromium
  elsewhere: install Chromium or Chrome and name it: CHROMIUM=/path/to/chrome make test-browser
  to run all but these: pytest -m "not browser\""""


def launch(playwright: Playwright) -> Browser:
    """The system's browser: it plays H.264, and Playwright need not download its own."""
    path = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    if path is None or shutil.which(path) is None:
        pytest.exit(HOW if path is None else f"CHROMIUM={path} cannot be run; {HOW}", returncode=4)
    # Chromium's sandbox refuses to run as root, which is whom containers run as.
    options = ["--no-sandbox"] if os.geteuid() == 0 else []
    return playwright.chromium.launch(executable_path=path, args=options)


class Visitor:
    """One browser tab. `faults` must be empty when it leaves; `forgive` names console lines that a test provokes."""

    def __init__(self, browser: Browser, url: str, **settings: Any) -> None:
        self.url, self.faults, self._forgiven = url, list[str](), list[str]()
        self._tab = browser.new_context(base_url=url, viewport=settings.pop("viewport", {"width": 1100, "height": 900}), **settings)
        self.page: Page = self._tab.new_page()
        self.page.set_default_timeout(PATIENCE_MS)
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.faults.append(f"uncaught: {error}"))
        self.page.on("request", self._request)
        self.page.on("dialog", self._dialog)

    def forgive(self, *parts: str) -> None:
        self._forgiven += parts

    def leave(self) -> list[str]:
        """What went wrong in the tab, which is closed. A request that a test still held then is nobody's failure."""
        self.page.unroute_all(behavior="ignoreErrors")
        self._tab.close()
        return [fault for fault in self.faults if not any(part in fault for part in self._forgiven)]

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self.faults.append(f"console: {message.text}")

    def _dialog(self, dialog: Dialog) -> None:
        self.faults.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def _request(self, request: Request) -> None:
        called = urlsplit(request.url)
        if called.scheme not in {"data", "blob"} and called.netloc != urlsplit(self.url).netloc:
            self.faults.append(f"called another host: {request.url[:200]}")

    # What visitors of every page can do

    def open(self, path: str = "/") -> Visitor:
        self.page.goto(path)
        return self

    def see(self, selector: str) -> Locator:
        found = self.page.locator(selector)
        found.first.wait_for(state="visible")
        return found.first

    def text(self, selector: str) -> str:
        return str(self.see(selector).inner_text())

    def until(self, expression: str) -> None:
        """Asks the page until it is so. Playwright's own waiting evaluates strings in the page, which its policy forbids."""
        end = time.monotonic() + PATIENCE_MS / 1000
        while not self.page.evaluate(expression):
            assert time.monotonic() < end, f"never became true: {expression}"
            self.page.wait_for_timeout(50)

    def focused(self) -> str:
        """Id, name of its action, or text of whatever has the focus."""
        return str(self.page.evaluate("(({id, dataset, innerText}) => id || dataset.action || innerText)(document.activeElement)"))

    def scrolls_sideways(self) -> bool:
        return bool(self.page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"))

    def violations(self) -> list[str]:
        """What axe-core finds serious or critical, as `rule: first place`."""
        # The MPL-2.0 file of axe-core comes with the MIT package axe-playwright-python; it is run, never shipped.
        if not self.page.evaluate("'axe' in window"):
            self.page.evaluate((files("axe_playwright_python") / "axe.min.js").read_text())
        # What passes is not asked for: of a long page that is megabytes, node by node.
        found = self.page.evaluate("axe.run({resultTypes: ['violations']}).then((all) => all.violations)")
        return [f"{one['id']}: {one['nodes'][0]['html'][:120]}" for one in found if one["impact"] in {"serious", "critical"}]


class PlaygroundVisitor(Visitor):
    """What one does at `/`."""

    def ask(self, words: str) -> PlaygroundVisitor:
        self.page.fill("#prompt", words)
        self.page.click("#submit")
        return self

    def card(self, **wanted: str) -> Locator:
        """The verdict card once it is as `wanted`: card(verdict="exact", status="completed")."""
        return self.see(".card" + "".join(f'[data-{name}="{value}"]' for name, value in wanted.items()))

    def done(self, verdict: str) -> Locator:
        return self.card(verdict=verdict, status="completed")

    def action(self, name: str) -> Locator:
        return self.see(f'[data-action="{name}"]')

    def plays(self) -> bool:
        """The video has pictures and goes on: its time moves on, or has begun again."""
        self.until("document.querySelector('#video').readyState >= 2")
        start = self.page.evaluate("document.querySelector('#video').currentTime")
        self.until(f"document.querySelector('#video').currentTime !== {start}")
        return bool(self.page.evaluate("document.querySelector('#video').videoWidth > 0"))
