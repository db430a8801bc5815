"""The page in a real browser: it renders, is silent, asks for nothing, fits a phone, goes dark."""

import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from jepa_compare.comparison import compare, load_runs
from jepa_compare.report.draw import draw_comparison
from tests.report.conftest import EVIL
from tests.support.browser import Browser, find_browser

pytestmark = pytest.mark.skipif(
    find_browser() is None, reason="needs Chromium or Chrome, and there is none here"
)


@pytest.fixture(scope="module")
def browser(drawn_sweep: Path) -> Iterator[Browser]:
    with Browser() as browser:
        browser.resize(1280, 900)
        browser.open(drawn_sweep / "comparison" / "report.html")
        yield browser


def test_it_renders(browser: Browser) -> None:
    assert browser.evaluate("document.title").startswith("detour success")
    assert browser.evaluate("document.querySelectorAll('section').length") == 14
    assert browser.evaluate("document.querySelectorAll('svg.panel').length") > 15
    sizes = browser.evaluate(
        "[...document.querySelectorAll('svg.panel, svg.episode, img')]"
        ".map(e => e.getBoundingClientRect()).filter(b => b.width < 4 || b.height < 4).length"
    )
    assert sizes == 0
    loaded = "[...document.images].every(i => i.naturalWidth > 0)"
    browser.evaluate("[...document.images].forEach(i => i.loading = 'eager')")
    assert browser.evaluate(
        f"Promise.all([...document.images].map(i => i.decode())).then(() => {loaded})"
    )
    picture = browser.screenshot()
    assert struct.unpack(">II", picture[16:24]) == (1280, 900)
    assert len(picture) > 30_000  # an empty page of this size has 5 kB


def test_it_says_nothing_and_asks_for_nothing(browser: Browser) -> None:
    methods = ("Log.entryAdded", "Runtime.consoleAPICalled", "Runtime.exceptionThrown")
    assert [event for event in browser.events if event["method"] in methods] == []
    urls = [
        event["params"]["request"]["url"]
        for event in browser.events
        if event["method"] == "Network.requestWillBeSent"
    ]
    assert urls and {url.partition(":")[0] for url in urls} <= {"file", "data"}
    assert len([url for url in urls if url.startswith("file:")]) == 1


def test_the_policy_would_stop_a_request(browser: Browser) -> None:
    """The two tests above can fail: the browser reports what is tried, and the page forbids it."""
    before = len(browser.events)
    browser.evaluate(
        "new Promise(done => { const image = new Image(); image.onerror = () => done(1);"
        " image.src = 'https://example.org/x.png'; })"
    )
    said = [e["params"]["entry"]["text"] for e in browser.events[before:] if "Log" in e["method"]]
    assert any("Content Security Policy" in text for text in said)


def test_markup_in_a_name_is_shown_and_not_run(browser: Browser) -> None:
    assert browser.evaluate("document.scripts.length") == 0
    assert browser.evaluate("document.querySelectorAll('[onerror]').length") == 0
    assert browser.evaluate("document.title") != "run"
    labels = browser.evaluate("[...document.querySelectorAll('tbody th')].map(e => e.innerText)")
    assert EVIL in [label.strip() for label in labels]


@pytest.mark.parametrize("width", [360, 768, 1280])
def test_only_tables_scroll_sideways(browser: Browser, width: int) -> None:
    browser.resize(width, 740, mobile=width < 700)
    browser.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    assert browser.evaluate("innerWidth") == width
    assert browser.evaluate("document.documentElement.scrollWidth") <= width
    outside = browser.evaluate(
        "[...document.querySelectorAll('main *')].filter(e => !e.closest('.scroll, svg')"
        f" && e.getBoundingClientRect().right > {width} + 0.5).map(e => e.outerHTML.slice(0, 80))"
    )
    assert outside == []


def test_the_section_on_tuning_fits_a_phone(study_sweep: Path, tmp_path: Path) -> None:
    comparison = compare(load_runs(study_sweep))
    assert draw_comparison(comparison, tmp_path, html=True, figures=False, command="again") == []
    with Browser() as browser:
        browser.resize(390, 740, mobile=True)
        browser.open(tmp_path / "report.html")
        browser.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
        assert browser.evaluate("document.documentElement.scrollWidth") <= 390
        outside = browser.evaluate(
            "[...document.querySelectorAll('#tuning *')].filter(e => !e.closest('.scroll, svg')"
            " && e.getBoundingClientRect().right > 390.5).map(e => e.outerHTML.slice(0, 80))"
        )
        assert outside == []
        assert browser.evaluate("document.querySelectorAll('#tuning svg.panel').length") == 11


def test_text_is_readable_on_a_phone(browser: Browser) -> None:
    """No text of a figure is drawn smaller than 7 px, none beside the figures below 11 px."""
    browser.resize(360, 740, mobile=True)
    sizes = browser.evaluate(
        "[...document.querySelectorAll('svg.panel')].map(s => Math.min(...[...s.querySelectorAll("
        "'text')].map(t => parseFloat(getComputedStyle(t).fontSize))) * s.clientWidth"
        " / s.viewBox.baseVal.width)"
    )
    assert min(sizes) > 7
    words = "[...document.querySelectorAll('main p, main td, main th, main li')]"
    smallest = browser.evaluate(
        f"Math.min(...{words}.map(e => parseFloat(getComputedStyle(e).fontSize)))"
    )
    assert smallest >= 11


def test_it_follows_the_readers_scheme(browser: Browser) -> None:
    def lightness(selector: str, name: str) -> float:
        text = browser.evaluate(f"getComputedStyle(document.querySelector('{selector}')).{name}")
        red, green, blue = (int(part) for part in text.strip("rgb()").split(",")[:3])
        return (0.2 * red + 0.7 * green + 0.1 * blue) / 255

    brightness = {}
    for scheme in ("light", "dark"):
        browser.prefer(scheme)
        brightness[scheme] = (
            lightness("body", "backgroundColor"),
            lightness("body", "color"),
            lightness("svg.panel text", "fill"),
        )
    browser.prefer("light")
    assert brightness["light"][0] > 0.9 and max(brightness["light"][1:]) < 0.45
    assert brightness["dark"][0] < 0.15 and min(brightness["dark"][1:]) > 0.6


def test_it_prints(browser: Browser, tmp_path: Path) -> None:
    """On paper the page is light whatever the reader prefers, and what was folded is open."""
    browser.prefer("dark", "print")
    browser.evaluate("document.querySelectorAll('details').forEach(d => d.open = false)")
    assert (
        browser.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    )
    browser.resize(700, 1000)
    assert browser.evaluate(
        "document.querySelector('#differences details').getBoundingClientRect().height > 100"
    )
    assert browser.evaluate("getComputedStyle(document.querySelector('nav')).display") == "none"
    assert browser.pdf().startswith(b"%PDF-")
    browser.prefer("light")
