"""Near hits in a real browser: looked at, played, labelled with one key, and what the labels change."""

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

STEPS = 4
PAIRS = {
    "a red ball on grass": "The red ball is on the grass",
    "a white ring moving right on a black background": "A white ring is moving right on the black background",
    "a yellow star moves up in a starry night": "A yellow star is moving up in the starry night",
}
Admin = Callable[..., AdminVisitor]


@pytest.fixture(scope="module")
def near(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> Iterator[Live]:
    """Three near hits, and refusals, one of them with hostile words."""
    server = Live(tmp_path_factory.mktemp("near"), tiny_model).start()
    for first, second in PAIRS.items():
        server.made(first, steps=STEPS)
        assert server.made(second, steps=STEPS)["reprise"]["verdict"] == "near"
    server.made("a blue ball on grass", steps=STEPS)
    server.made(HOSTILE, steps=STEPS)
    yield server
    server.close()


@pytest.fixture
def admin(browser: Browser, near: Live) -> Iterator[Admin]:
    tabs: list[AdminVisitor] = []

    def begin(path: str, **settings: object) -> AdminVisitor:
        tabs.append(AdminVisitor(browser, near.url, **settings))  # type: ignore[arg-type]
        tabs[-1].open(path)
        return tabs[-1]

    yield begin
    assert [fault for tab in tabs for fault in tab.leave()] == []


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("phone", [False, True], ids=["desk", "phone"])
def test_every_list_in_every_light(admin: Admin, theme: str, phone: bool) -> None:
    visitor = admin("/admin/near-hits", theme=theme, phone=phone)
    for kind in ("near", "refused", "audit"):
        visitor.open(f"/admin/near-hits?kind={kind}")
        visitor.see(".empty" if kind == "audit" else ".pair")
        visitor.sound()
        visitor.texts_stay_text()


def labels(live: Live) -> list[bool | None]:
    return [pair["right"] for pair in api(live, "near-hits")["data"]]


def test_one_key_labels_and_goes_on(admin: Admin, near: Live) -> None:
    visitor = admin("/admin/near-hits")
    ids = [pair["request"] for pair in api(near, "near-hits")["data"]]
    visitor.page.keyboard.press("j")
    assert visitor.focused() == f"pair-{ids[0]}"
    visitor.page.keyboard.press("j")
    visitor.page.keyboard.press("k")
    assert visitor.focused() == f"pair-{ids[0]}"
    for at, key in enumerate(("r", "w", "r")):
        visitor.page.keyboard.press(key)
        visitor.see(f'#pair-{ids[at]}[data-label="{"right" if key == "r" else "wrong"}"]')
        visitor.settled()
        following = ids[min(at + 1, 2)]
        visitor.until(f"document.activeElement.id === 'pair-{following}'")
    assert labels(near) == [True, False, True]
    # A label is changed by the button, which keeps the focus near.
    visitor.see(f"#right-{ids[1]}").click()
    visitor.see(f'#pair-{ids[1]}[data-label="right"]')
    assert labels(near) == [True, True, True]
    visitor.page.keyboard.press("Control+r")  # the browser's own, not ours
    visitor.see(".pair")
    assert labels(near) == [True, True, True]
    visitor.sound()


def precision(visitor: AdminVisitor, wanted: str) -> str:
    """What the overview says, once it says `wanted`: its figures may be some seconds old."""
    until = time.monotonic() + 30
    while True:
        visitor.open("/admin")
        text = visitor.text("#precision")
        if wanted in text or time.monotonic() > until:
            return text
        time.sleep(0.5)


def test_a_label_changes_the_precision_figure(admin: Admin, near: Live) -> None:
    visitor = admin("/admin/near-hits")
    path = "/admin/near-hits"
    ids = [pair["request"] for pair in api(near, "near-hits")["data"]]
    for request in ids:
        visitor.see(f"#right-{request}").click()
        visitor.see(f'#pair-{request}[data-label="right"]')
    before = precision(visitor, "3 of 3")
    assert "3 of 3" in before
    visitor.open(path)
    visitor.see(f"#wrong-{ids[0]}").click()
    visitor.see(f'#pair-{ids[0]}[data-label="wrong"]')
    after = precision(visitor, "2 of 3")
    assert "2 of 3" in after
    assert after != before
    visitor.open(path)
    visitor.see(f"#right-{ids[0]}").click()
    visitor.see(f'#pair-{ids[0]}[data-label="right"]')


def test_a_video_plays_by_key(admin: Admin) -> None:
    visitor = admin("/admin/near-hits")
    visitor.page.keyboard.press("j")
    visitor.page.keyboard.press("p")
    video = "document.querySelector('.pair video')"
    visitor.until(f"{video}.readyState >= 2")
    start = visitor.page.evaluate(f"{video}.currentTime")
    visitor.until(f"{video}.currentTime !== {start}")
    visitor.page.keyboard.press("p")
    visitor.until(f"{video}.paused")


def test_typed_letters_in_a_field_are_letters(admin: Admin, near: Live) -> None:
    before = labels(near)
    visitor = admin("/admin/near-hits?kind=refused")
    assert "colour of ball: blue / red" in visitor.text(".pair:has-text('a blue ball on grass')")
    visitor.page.evaluate("document.querySelector('.pairs').insertAdjacentElement('beforebegin', document.createElement('input')).focus()")
    visitor.page.keyboard.type("r w j k p")
    assert visitor.page.input_value("input:focus") == "r w j k p"
    assert labels(near) == before


def test_newer_pairs_are_announced(admin: Admin, near: Live) -> None:
    visitor = admin("/admin/near-hits?kind=refused")
    near.made("a green ball on grass", steps=STEPS)
    visitor.see("#newer >> text=newer")
    visitor.page.click("#newer a")
    assert "a green ball on grass" in visitor.text(".pair")
