"""The page at `/`, by what a visitor does and sees. Every test also fails on a console error or a call to another host."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Route

from cache.picture import InputPicture
from tests.browser.conftest import Visit
from tests.conftest import StartServer
from tests.donor_table import write_table
from tests.live import Live

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module", autouse=True)
def _encoder_is_there(live: Live) -> Iterator[None]:
    live.made("a warm-up, so that no test waits for model and encoder")
    yield


def test_a_prompt_becomes_a_clip_that_plays(visit: Visit) -> None:
    visitor = visit().ask("a purple ring rolls to the right")
    assert "No clip in the cache" in visitor.done("miss").inner_text()
    assert visitor.plays()
    assert visitor.page.get_attribute("#video", "poster")
    assert "denoise" in visitor.text(".stages")
    assert visitor.text("#status").startswith("Miss.")


def test_the_same_words_again_are_exact(visit: Visit) -> None:
    visitor = visit().ask("a brown box stays still")
    visitor.done("miss")
    visitor.ask("A brown box   stays still.")
    told = visitor.done("exact").inner_text()
    assert "The same prompt was rendered" in told
    assert "GPU-seconds saved" in told
    assert "This answer" in told
    assert "× faster" in told
    assert visitor.plays()


def test_the_examples_tell_the_whole_story(visit: Visit) -> None:
    """Rendered; the same in other words; a trap that is refused, and why."""
    visitor = visit()
    examples = visitor.page.locator("#tricks button")
    examples.nth(0).click()
    visitor.done("miss")
    examples.nth(1).click()
    assert "“a yellow star moves up in a starry night” fits" in visitor.done("near").inner_text()
    examples.nth(2).click()
    visitor.done("miss")
    assert "down is not up" in visitor.text(".refused li")
    assert "similar" in visitor.text(".refused li")
    visitor.until("document.querySelector('.refused img').naturalWidth > 0")  # the refused clip, beside its reason
    assert [examples.nth(at).locator(".outcome").inner_text().split(",")[0] for at in range(3)] == ["Miss", "Near", "Miss"]


def test_a_click_before_all_is_loaded_is_not_forgotten(visit: Visit) -> None:
    visitor = visit()
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    visitor.page.route("**/v1/models", hold)
    visitor.page.reload()
    visitor.page.click("#shuffle")
    first = visitor.page.locator("#tricks button").nth(0)
    with visitor.page.expect_response(lambda answer: answer.request.method == "POST"):
        first.click()
    held[0].continue_()
    visitor.done("miss")
    visitor.page.wait_for_timeout(500)
    assert first.locator(".outcome").inner_text().startswith("Miss")


def test_every_set_of_examples_keeps_its_promise(visit: Visit, live: Live) -> None:
    visitor = visit()
    first = visitor.page.locator("#tricks button .words").all_inner_texts()
    seen = [first]
    while True:
        visitor.page.click("#shuffle")
        words = visitor.page.locator("#tricks button .words").all_inner_texts()
        if words == first:
            break
        seen.append(words)
    for asked, alike, trap in seen[1:]:
        made = live.made(asked, quality="draft")
        near = live.made(alike, quality="draft")
        refused = live.made(trap, quality="draft")
        assert near["reprise"]["verdict"] == "near", (near["prompt"], near["reprise"])
        assert near["reprise"]["clip"] == made["reprise"]["clip"]
        assert refused["reprise"]["verdict"] == "miss"
        assert not refused["reprise"]["refused"][0]["reason"].startswith("similarity"), refused["reprise"]


def test_another_take_is_another_clip(visit: Visit) -> None:
    visitor = visit().ask("a cyan triangle grows")
    visitor.done("miss")
    first = visitor.page.url
    visitor.action("again").click()
    assert "take 2" in visitor.done("bypass").inner_text()
    assert visitor.page.url != first
    visitor.ask("a cyan triangle grows")
    assert "take 2" in visitor.done("exact").inner_text()


def test_a_take_from_a_donor_says_what_that_spared(visit: Visit, start: StartServer, tmp_path: Path) -> None:
    visitor = visit(start(assist_table=write_table(tmp_path))).ask("a cyan triangle grows")
    visitor.done("miss")
    visitor.action("again").click()
    assert "Started from an earlier take: 3 of 20 steps spared." in visitor.done("bypass").inner_text()


def test_waiting_is_told_and_can_be_cancelled(visit: Visit, live: Live) -> None:
    ahead = [
        live.post(f"a white star number {at} spins", quality="final")["id"] for at in range(12)
    ]  # a quick machine makes the first of them before the page is there
    visitor = visit().ask("a pink diamond shrinks")
    visitor.card(status="queued")
    assert "ahead of you" in visitor.text(".going")
    visitor.action("cancel").click()
    assert "Cancelled" in visitor.card(status="failed").inner_text()
    assert visitor.page.locator("#screen").inner_text() == "Cancelled."
    assert visitor.focused() != "BODY"
    for video_id in ahead:
        httpx.post(f"{live.url}/v1/videos/{video_id}/cancel")
    visitor.action("again").click()
    visitor.card(status="completed")


def test_progress_never_goes_back(visit: Visit) -> None:
    visitor = visit()
    visitor.page.evaluate(
        """() => { window.seen = [];
        new MutationObserver(() => { const bar = document.querySelector('.going progress');
          if (bar?.hasAttribute('value')) window.seen.push(bar.value); }).observe(document.querySelector('#verdict'),
          {subtree: true, childList: true, attributes: true}); }"""
    )

    def soon(route: Route) -> None:
        answer = route.fetch()
        route.fulfill(response=answer, headers={**answer.headers, "openai-poll-after-ms": "100"})

    visitor.page.route("**/v1/videos*", soon)  # a render of the tiny model may be over before a second look
    visitor.page.route("**/v1/videos/video_*", soon)
    visitor.ask("an orange hoop circles around")
    visitor.done("miss")
    seen = visitor.page.evaluate("window.seen")
    assert len(set(seen)) >= 2
    assert seen == sorted(seen)


@pytest.mark.parametrize(("action", "thanks"), [("right", "Marked as right"), ("wrong", "Marked as wrong")])
def test_a_hit_can_be_judged(visit: Visit, action: str, thanks: str) -> None:
    visitor = visit().ask(f"a green block bounces {action}")
    visitor.done("miss")
    assert visitor.page.locator("[data-action=wrong]").count() == 0
    visitor.ask(f"a green block bounces {action}")
    visitor.done("exact")
    visitor.action(action).click()
    assert thanks in visitor.text(".thanks")
    assert visitor.page.locator("[data-action=right], [data-action=wrong]").count() == 0


def test_the_strip_remembers_and_adds_up(visit: Visit) -> None:
    visitor = visit().ask("a yellow donut falls")
    visitor.done("miss")
    visitor.ask("a yellow donut falls")
    visitor.done("exact")
    strip = visitor.page.locator("#strip li")
    strip.locator("[aria-current=true] .stamp", has_text="Exact").wait_for()
    assert "GPU-seconds saved" in visitor.text("#totals")
    strip.nth(1).locator("img").wait_for()
    assert strip.nth(1).locator("img").evaluate("async img => { await img.decode(); return img.naturalWidth }") > 0
    strip.nth(1).locator("button").click()
    visitor.done("miss")
    visitor.page.reload()
    visitor.done("miss")
    assert "a yellow donut falls" in visitor.text(".card .asked")


def test_the_spec_can_be_downloaded(visit: Visit) -> None:
    visitor = visit().ask("a blue sphere hovers")
    visitor.done("miss")
    with visitor.page.expect_download() as coming:
        visitor.page.get_by_role("link", name="Download").click()
    assert coming.value.suggested_filename.endswith(".mp4")
    assert coming.value.path().read_bytes()[4:8] == b"ftyp"


HOSTILE = (
    "<script>alert(1)</script>",
    '<img src=x onerror="alert(2)">',
    "javascript:alert(3)",
    "</textarea><svg onload=alert(4)> \u202egnp.exe",
    "{{ 7 * 7 }} ${alert(5)} '; DROP TABLE clips; --",
)


@pytest.mark.parametrize("words", HOSTILE)
def test_hostile_words_stay_words(visit: Visit, words: str) -> None:
    visitor = visit().ask(words)
    visitor.card(status="completed")
    seen = words.replace("\u202e", "")  # what nobody sees is dropped when a prompt arrives
    assert visitor.page.locator(".card .asked").text_content() == seen
    visitor.page.locator("#strip [aria-current=true] .asked").wait_for()
    assert visitor.page.locator("#strip [aria-current=true] .asked").text_content() == seen
    assert visitor.page.locator("main img:not(.frame img, .refused img, #picture-shown), main script, main svg:not(.scene)").count() == 0
    assert visitor.page.evaluate("[...document.links].every(({protocol}) => protocol.startsWith('http'))")


def test_the_keyboard_is_enough(visit: Visit) -> None:
    visitor = visit()
    keys = visitor.page.keyboard
    assert visitor.focused() == "prompt"
    keys.type("a red star rises")
    keys.press("Shift+Enter")
    keys.type("at sunset")
    keys.press("Enter")
    visitor.done("miss")
    assert visitor.text(".card .asked") == "a red star rises\nat sunset"
    reached: list[str] = []
    while reached[-1:] != ["again"]:
        keys.press("Tab")
        reached.append(visitor.focused())
        assert len(reached) < 40, reached
        ring = visitor.page.evaluate("getComputedStyle(document.activeElement.closest('.screen') ?? document.activeElement).outlineStyle")
        assert ring != "none", f"no focus ring on {reached[-1]}"
    keys.press("Enter")
    visitor.done("bypass")


def test_settings_go_with_the_request_and_into_the_code(visit: Visit) -> None:
    visitor = visit()
    visitor.page.click("#more summary")
    visitor.page.fill("#seconds", "1")
    visitor.page.fill("#negative_prompt", "blur")
    visitor.page.select_option("#quality", "draft")
    visitor.page.fill("#prompt", "a grey dot 'waits'")
    for language, words in (("curl", "dot '\\''waits"), ("Python", '"negative_prompt": "blur"'), ("TypeScript", '"quality":"draft"')):
        visitor.page.click(f"[data-language={language}]")
        assert words in visitor.text("#code")
        assert visitor.page.get_attribute(f"[data-language={language}]", "aria-pressed") == "true"
    visitor.page.click("#submit")
    visitor.done("miss")
    made = httpx.get(f"{visitor.url}/v1/videos/{visitor.page.url.partition('#')[2]}").json()
    assert made["seconds"] == "1.125"
    visitor.forgive("400 (Bad Request)")
    visitor.page.fill("#seconds", "90")
    visitor.page.click("#submit")
    assert "seconds" in visitor.text("#seconds-problem")
    assert visitor.focused() == "seconds"


def test_a_phone_shows_the_verdict_on_the_film(visit: Visit) -> None:
    visitor = visit(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    assert visitor.focused() != "prompt", "the keyboard would cover the page"
    visitor.ask("a teal cross slides down")
    visitor.done("miss")
    assert visitor.text("#badge").startswith("Miss, in ")
    assert visit().page.locator("#badge").is_hidden()


@pytest.mark.parametrize("width", [320, 390])
def test_it_fits_a_phone(visit: Visit, width: int) -> None:
    visitor = visit(viewport={"width": width, "height": 760}, has_touch=True)
    assert not visitor.scrolls_sideways()
    visitor.ask("a small box " + "x" * 600)
    visitor.card(status="completed")
    assert not visitor.scrolls_sideways()
    visitor.page.click("#more summary")
    assert not visitor.scrolls_sideways()
    small = visitor.page.evaluate(
        "[...document.querySelectorAll('button, .button, summary')].filter(one => one.checkVisibility())"
        ".filter(one => one.getBoundingClientRect().height < 24).map(one => one.textContent)"
    )
    assert small == [], "too small for a thumb"


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_both_themes_can_be_read_by_everybody(visit: Visit, theme: str) -> None:
    visitor = visit(color_scheme=theme, reduced_motion="reduce")
    assert visitor.violations() == []
    visitor.page.click("#more summary")
    visitor.ask(f"a tiny white square glides left, {theme}")
    visitor.done("miss")
    visitor.ask(f"a tiny white square glides left, {theme}")
    visitor.done("exact")
    assert visitor.violations() == []
    visitor.forgive("400 (Bad Request)")
    visitor.ask("  ")
    visitor.see("#prompt-problem")
    assert visitor.violations() == []


def test_a_chosen_theme_stays(visit: Visit) -> None:
    visitor = visit(color_scheme="light")
    paper = "getComputedStyle(document.body).backgroundColor"
    light = visitor.page.evaluate(paper)
    visitor.page.click("#theme")
    dark = visitor.page.evaluate(paper)
    assert light != dark
    visitor.page.reload()
    assert visitor.page.evaluate(paper) == dark
    visitor.page.click("#theme")
    assert visitor.page.evaluate(paper) == light


def test_a_wrong_field_is_named_where_it_is(visit: Visit) -> None:
    visitor = visit()
    visitor.forgive("400 (Bad Request)")
    visitor.ask("   ")
    assert visitor.text("#prompt-problem")
    assert visitor.focused() == "prompt"
    visitor.ask("word " * 900)
    assert "4000" in visitor.text("#prompt-problem").replace(",", "")
    visitor.page.click("#more summary")
    visitor.page.fill("#seed", "-5")
    visitor.ask("a red ball")
    assert "seed" in visitor.text("#seed-problem")
    assert visitor.focused() == "seed"
    visitor.page.fill("#seed", "many")
    visitor.page.click("#submit")
    assert visitor.text("#seed-problem") == "A seed must be a whole number."
    visitor.page.fill("#seed", "7")
    visitor.page.click("#submit")
    visitor.done("miss")
    assert visitor.page.locator("#seed-problem").is_hidden()


def test_a_full_queue_counts_down_and_then_asks_again(visit: Visit, start: StartServer) -> None:
    server = start(queue_jobs=1)
    visitor = visit(server)
    visitor.forgive("429 (Too Many Requests)")
    visitor.page.clock.install()
    waiting = server.post("a slow white star", steps=100)["id"]
    visitor.ask("a red ball")
    retry = visitor.see("#alert button")
    assert "limit is 1" in visitor.text("#alert")
    assert "Try again in" in visitor.text("#alert .countdown")
    assert retry.is_disabled()
    server.finished(server.get(waiting))
    visitor.page.clock.fast_forward("10:00")
    assert retry.is_enabled()
    retry.click()
    visitor.done("miss")
    assert visitor.page.locator("#alert").is_hidden()


def test_a_full_disk_is_said(visit: Visit, start: StartServer) -> None:
    visitor = visit(start(min_free_gb=10_000_000))
    visitor.forgive("503 (Service Unavailable)")
    visitor.ask("a red ball")
    assert "GB of disk are free" in visitor.text("#alert")


def test_a_gateway_that_goes_away_and_comes_back(visit: Visit, live: Live) -> None:
    visitor = visit()
    visitor.forgive("ERR_FAILED")
    asked: list[str] = []

    def cut(route: Route) -> None:
        asked.append(route.request.url)
        if len(asked) <= 2:
            route.abort()
        else:
            route.continue_()

    visitor.page.route("**/v1/videos/video_*", cut)
    visitor.ask("a white ring orbits the middle")
    visitor.until("document.querySelector('#alert').textContent.includes('Still trying')")
    visitor.done("miss")
    assert visitor.page.locator("#alert").is_hidden()


def test_a_key_is_asked_for_and_then_goes_with_everything(visit: Visit) -> None:
    """The gateway that wants keys is played by the network here; clip and thumbnail are fetched, as elements send no key."""
    visitor = visit()
    visitor.forgive("401 (Unauthorized)")
    keyless: list[str] = []

    def guard(route: Route) -> None:
        if route.request.headers.get("authorization") == "Bearer sesame":
            route.continue_()
            return
        keyless.append(route.request.url)
        route.fulfill(
            status=401, json={"error": {"message": "this path needs a key", "type": "", "param": None, "code": "invalid_api_key"}}
        )

    visitor.page.route("**/v1/**", guard)
    visitor.page.reload()
    visitor.see("#key")
    assert visitor.focused() == "key-text"
    assert visitor.page.locator("#alert").is_hidden(), "to be asked for a key is no trouble"
    visitor.page.fill("#key-text", "simsim")
    visitor.page.keyboard.press("Enter")
    visitor.until("document.querySelector('#alert').textContent === 'This key is not valid.'")
    visitor.page.fill("#key-text", "sesame")
    visitor.page.keyboard.press("Enter")
    visitor.page.locator("#key").wait_for(state="hidden")
    assert '-H "Authorization: Bearer $KEY"' in visitor.text("#code")
    keyless.clear()
    visitor.ask("a brown brick hops")
    visitor.done("miss")
    assert visitor.plays()
    assert str(visitor.page.get_attribute("#video", "src")).startswith("blob:")
    with visitor.page.expect_download() as coming:
        visitor.action("download").click()
    assert coming.value.path().read_bytes()[4:8] == b"ftyp"
    assert keyless == []


def test_the_api_can_be_tried_from_its_reference(visit: Visit) -> None:
    visitor = visit()
    visitor.open("/docs")
    visitor.page.locator("summary", has_text="As code").first.click()
    assert "curl 'http://localhost:8000/v1/videos'" in visitor.text("details[open] pre")
    assert visitor.violations() == []
    visitor.page.locator("a", has_text="Try it").first.click()
    visitor.page.wait_for_url("**/docs/try#/**")
    visitor.see("#operations-Videos-createVideo .opblock-body textarea")
    visitor.page.locator("#operations-Videos-createVideo textarea").fill('{"prompt": "a mint bar waits"}')
    visitor.page.locator("#operations-Videos-createVideo .btn.execute").click()
    visitor.see(".live-responses-table .response")
    visitor.until("document.querySelector('.live-responses-table').innerText.includes('\"prompt\": \"a mint bar waits\"')")


def test_a_picture_is_chosen_shown_and_sent(visit: Visit, start: StartServer, tmp_path: Path) -> None:
    row = {
        "name": "tiny-i2v", "sizes": [[64, 48]], "default_seconds": 0.5, "longest_seconds": 1, "fps": 8, "guidance": 4.0,
        "steps": {"draft": 2, "standard": 3}, "max_sequence_length": 32, "takes_picture": True,
    }  # fmt: skip
    (tmp_path / "row.json").write_text(json.dumps(row))
    (tmp_path / "kite.png").write_bytes(InputPicture(64, 48, bytes(range(256)) * 36).packed())
    (tmp_path / "kite.txt").write_text("no picture")
    visitor = visit(start(model_row=tmp_path / "row.json"))
    visitor.page.click("#more summary")
    visitor.see("#picture-field")
    visitor.page.set_input_files("#input_reference", tmp_path / "kite.txt")
    visitor.forgive("400", "/picture-shown", "Failed to load resource")
    visitor.ask("the kite rises")
    assert "not a PNG" in visitor.text("#input_reference-problem") or "must be a picture" in visitor.text("#input_reference-problem")
    visitor.page.set_input_files("#input_reference", tmp_path / "kite.png")
    visitor.until("document.querySelector('#picture-shown').naturalWidth === 64")
    assert "data:image/png;base64,…" in visitor.text("#code")
    with visitor.page.expect_response(lambda answer: answer.request.method == "POST") as posted:
        visitor.ask("the kite rises")
    assert posted.value.request.post_data_json["input_reference"].startswith("data:image/png;base64,iVBOR")
    visitor.done("miss")
    assert "picture encode" in visitor.text(".stages")
    visitor.ask("the kite rises")
    visitor.done("exact")
    visitor.page.click("#picture-away")
    assert visitor.page.locator("#picture").is_hidden()
    visitor.ask("the kite rises")
    visitor.done("miss")


def test_a_model_of_words_alone_offers_no_picture(visit: Visit) -> None:
    visitor = visit()
    visitor.page.click("#more summary")
    visitor.see("#seed")
    assert visitor.page.locator("#picture-field").is_hidden()
