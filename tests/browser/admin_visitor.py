"""A visitor of the admin pages: every page in both themes and at phone width, with the keyboard, and what must never happen."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import Browser

from tests.browser.visitor import Visitor

PHONE = {"width": 390, "height": 800}
THEMES = ("light", "dark")


class AdminVisitor(Visitor):
    """AdminVisitor(browser, url, theme="dark", phone=True): `theme` is what the visitor's system asks for."""

    def __init__(self, browser: Browser, url: str, *, theme: str = "light", phone: bool = False, **settings: Any) -> None:
        if phone:
            settings |= {"viewport": PHONE, "has_touch": True}
        super().__init__(browser, url, color_scheme=theme, **settings)

    def sign_in(self, key: str, path: str = "/admin") -> AdminVisitor:
        self.open(path)
        self.page.fill("#key", key)
        self.page.click("form button[type=submit]")
        self.see("nav[aria-label=Pages]")
        return self

    def settled(self) -> AdminVisitor:
        """No part of the page is being fetched."""
        self.until("document.querySelector('.htmx-request') === null")
        return self

    def sound(self) -> None:
        """What holds for every page as it stands: one heading, no sideways scrolling, no serious violation of axe."""
        assert self.page.locator("h1").count() == 1
        assert not self.scrolls_sideways()
        assert self.violations() == []

    def reaches(self, selector: str, most: int = 80) -> None:
        """Tab comes to it, with a focus ring that can be seen on every stop on the way."""
        for _ in range(most):
            self.page.keyboard.press("Tab")
            ring = self.page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
            here = self.page.evaluate("document.activeElement.outerHTML.slice(0, 120)")
            assert ring != "none" or "<body" in here, f"no focus ring on {here}"
            if self.page.evaluate(f"document.activeElement.matches({selector!r})"):
                return
        raise AssertionError(f"{selector} is not reached in {most} steps")

    def texts_stay_text(self) -> None:
        """Nothing that a prompt says became markup, a link or a script."""
        assert self.page.locator("main script, main img[src=x], main [onerror], main [onload]").count() == 0
        assert self.page.evaluate("[...document.links].every(({protocol}) => protocol.startsWith('http'))")
