"""Charts: well-formed, with their words and figures beside them, whatever is drawn."""

from __future__ import annotations

import re
from xml.etree import ElementTree

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.admin import charts
from gateway.admin.figures import ago, duration, money, ms, number, percent, short, size

WORDS = st.text(st.characters(blacklist_categories=("Cs", "Cc"), blacklist_characters="￾￿"), max_size=12)
VALUE = st.one_of(st.none(), st.floats(0, 1e9), st.integers(0, 10**6).map(float))


@st.composite
def drawn(draw: st.DrawFn) -> tuple[list[str], list[charts.Series]]:
    slots = draw(st.lists(WORDS, max_size=9))
    values = st.lists(VALUE, min_size=len(slots), max_size=len(slots))
    kinds = draw(st.lists(st.sampled_from(["exact", "near", "joined", "miss", "bypass", "one", "two"]), unique=True, max_size=5))
    return slots, [charts.Series(kind, draw(WORDS), draw(values)) for kind in kinds]


def parsed(markup: object) -> ElementTree.Element:
    return ElementTree.fromstring(f"<div>{markup}</div>")


def within(value: str) -> bool:
    return -0.01 <= float(value.rstrip("%")) <= 100.01


@settings(deadline=None, max_examples=60)
@given(drawn(), st.booleans())
def test_a_chart_is_whole_and_has_its_table(given_: tuple[list[str], list[charts.Series]], linked: bool) -> None:
    slots, series = given_
    links = [f"/admin/requests?at={at}&x=<" for at in range(len(slots))] if linked else ()
    for markup in (
        charts.stacked("n", "A <b>title</b>", slots, series, links=links),
        charts.line_chart("n", "t", slots, series, links=links),
    ):
        root = parsed(markup)
        assert root.find(".//svg/title") is not None
        assert root.find(".//svg/desc") is not None
        rows = root.findall(".//table/tbody/tr")
        assert [row[0].itertext().__next__() if "".join(row[0].itertext()) else "" for row in rows] == slots
        assert {len(row) for row in rows} <= {1 + len(series)}
        ids = re.findall(r'\bid="([^"]*)"', str(markup))
        assert len(ids) == len(set(ids))
        assert " style=" not in str(markup)
        for rect in root.iter("rect"):
            assert all(within(rect.get(name, "0")) for name in ("x", "y") if rect.get(name, "").endswith("%"))
        for line in root.iter("line"):
            assert all(within(line.get(name, "0")) for name in ("x1", "x2", "y1", "y2"))


def test_bars_stack_to_their_sum() -> None:
    slots = ["a", "b"]
    root = parsed(charts.stacked("n", "t", slots, [charts.Series("exact", "exact", [30, 0]), charts.Series("near", "near", [10, 80])]))
    bars = [rect for rect in root.iter("rect") if (rect.get("class") or "").startswith("bar") and "%" in rect.get("height", "")]
    heights = [float(bar.get("height", "").rstrip("%")) for bar in bars]
    assert heights == [37.5, 12.5, 100.0]
    tops = [float(bar.get("y", "").rstrip("%")) for bar in bars]
    assert tops == [62.5, 50.0, 0.0]


def test_verdicts_differ_without_colour() -> None:
    series = [charts.Series(kind, kind, [1.0]) for kind in ("exact", "near", "joined", "miss", "bypass")]
    patterns = re.findall(r"<pattern[^>]*>(.*?)</pattern>", str(charts.stacked("n", "t", ["now"], series)))
    assert len(set(patterns)) == 4  # and exact is plain


def test_a_waterfall_begins_each_stage_where_the_last_ended() -> None:
    root = parsed(charts.waterfall("w", "Stages", {"queue": 100.0, "denoise": 300.0, "store": 100.0}))
    bars = [rect for rect in root.iter("rect") if (rect.get("class") or "").startswith("bar")]
    assert [(bar.get("x"), bar.get("width")) for bar in bars] == [
        ("0.000%", "20.000%"), ("20.000%", "60.000%"), ("80.000%", "20.000%"),
    ]  # fmt: skip
    assert parsed(charts.waterfall("w", "Stages", {})).find(".//table") is not None
    assert parsed(charts.spark("s", "Hits", [1, 2, 3])).find(".//title") is not None
    assert parsed(charts.spark("s", "Hits", [])).find(".//desc") is not None


@given(st.floats(0, 1e15))
def test_the_scale_is_not_below(value: float) -> None:
    top = charts.round_up(value)
    assert value <= top * (1 + 1e-9)
    assert value < 1e-12 or top <= value * 2.0001


def test_figures_read_well() -> None:
    assert [duration(value) for value in (None, 0.0031, 0.34, 0.9999, 12.34, 245, 7380, 360_000)] == [
        "–", "3.1 ms", "340 ms", "1.0 s", "12.3 s", "4 min 5 s", "2 h 3 min", "4 d 4 h",
    ]  # fmt: skip
    assert [percent(value) for value in (None, 0, 1, 0.99999, 0.00001, 0.5)] == ["–", "0.0 %", "100.0 %", "> 99.9 %", "< 0.1 %", "50.0 %"]
    assert [size(value) for value in (None, 0, 999, 1500, 212e6, 3.2e9, 5e15)] == [
        "–", "0 B", "999 B", "1.5 kB", "212 MB", "3.2 GB", "5000 TB",
    ]  # fmt: skip
    assert number(1234.56, 1) == "1,234.6"
    assert ms(1500) == "1.5 s"
    assert [ago(at, 1000.0) for at in (None, 999.8, 995.0, 700.0)] == ["never", "just now", "5 s ago", "5 min ago"]
    assert short("0123456789abcdef") == "0123456789ab…"


def test_a_small_line_has_gaps_and_says_its_values() -> None:
    root = parsed(charts.spark("s", "t", [10.0, 20.0, None, 5.0, 4.0], shown=percent_of))
    assert len(list(root.iter("line"))) == 2, "from 10 to 20, and from 5 to 4"
    assert root.findtext(".//desc") == "10 %, 20 %, 5 %, 4 %"


def percent_of(value: float | None) -> str:
    return f"{value:.0f} %"


def test_small_amounts_are_not_nothing() -> None:
    assert [money(amount) for amount in (None, 0, 0.0048, 0.5, 1234.5)] == ["–", "0.00", "0.0048", "0.50", "1,234.50"]
