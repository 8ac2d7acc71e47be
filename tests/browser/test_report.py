"""The report in a real browser: in both themes, at the width of a desk and of a phone."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
from selenium.webdriver import ActionChains, Chrome, Keys
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from lvslab.report import html

from ..unit.report import judged

pytestmark = pytest.mark.browser
#: Seconds that a condition of the page is waited for: a machine's, no protocol's.
PATIENCE = 60
#: The first run that is open: chromium gives also what is in a closed one a size.
OPEN = "details.run[open]"
_DRAWN = """
return [...document.querySelectorAll(".plot")].filter(p => p.checkVisibility())
  .map(p => p.querySelectorAll(".main-svg").length > 0);
"""


@pytest.fixture(scope="session")
def page(tmp_path_factory) -> Path:
    results = [judged.passed(0), judged.passed(1, dark=3.0), judged.failed(2), judged.aborted()]
    path: Path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_text(html.render(results, title="A report", command="lvslab test"))
    return path


@pytest.fixture
def opened(browser: Chrome, page: Path) -> Callable[..., Chrome]:
    def open_(theme: str = "light", *, width: int = 1200) -> Chrome:
        features = [{"name": "prefers-color-scheme", "value": theme}]
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
        browser.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            # High enough that every plot of an open run is in view, and so drawn.
            {"width": width, "height": 6000, "deviceScaleFactor": 1, "mobile": width < 600},
        )
        browser.get(page.as_uri())
        browser.execute_script(
            "window.problems = []; addEventListener('error', e => problems.push(e.message));"
        )
        WebDriverWait(browser, PATIENCE).until(
            lambda b: (drawn := b.execute_script(_DRAWN)) and all(drawn)
        )
        return browser

    return open_


def _logged(browser: Chrome) -> list[str]:
    return [e["message"] for e in browser.get_log("browser")]


def _luminance(colour: str) -> float:
    parts = [int(v) / 255 for v in re.findall(r"\d+", colour)[:3]]
    r, g, b = (v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in parts)
    return 0.2126 * r + 0.7152 * g + 0.0722 * b


@pytest.mark.parametrize("width", [1200, 390])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_it_is_drawn_without_an_error_and_fits(opened, theme: str, width: int) -> None:
    browser = opened(theme, width=width)
    plots = browser.execute_script(_DRAWN)
    # Three distributions of the two scenarios and the run of each that did not pass.
    assert len(plots) >= 4
    points = browser.execute_script(
        "return document.querySelectorAll('.lanes .scatterlayer .point').length"
    )
    assert points > 1000
    wide = browser.execute_script(
        "return [document.documentElement.scrollWidth, document.documentElement.clientWidth]"
    )
    assert wide[0] <= wide[1]
    assert _logged(browser) == []
    assert browser.execute_script("return window.problems") == []
    paper = browser.execute_script("return getComputedStyle(document.body).backgroundColor")
    assert (_luminance(paper) < 0.2) == (theme == "dark")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_can_be_read_on_its_ground(opened, theme: str) -> None:
    """WCAG 2: a contrast of 4.5 to 1."""
    browser = opened(theme)
    colours = browser.execute_script(
        """
        const ground = (e) => { for (; e; e = e.parentElement) {
          const c = getComputedStyle(e).backgroundColor;
          if (c !== "rgba(0, 0, 0, 0)") return c; } };
        return [...document.querySelectorAll("p,th,td,.badge,.soft,a,summary,button,.why,pre")]
          .filter(e => e.clientWidth)
          .map(e => [getComputedStyle(e).color, ground(e), e.textContent.slice(0, 40)]);
        """
    )
    assert len(colours) > 50
    for ink, ground, text in colours:
        light, dark = sorted((_luminance(ink), _luminance(ground)), reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= 4.5, (text, ink, ground)


def test_the_toggle_changes_page_and_plots(opened) -> None:
    browser = opened("light")
    font = "return getComputedStyle(document.querySelector('.lanes .xtick text')).fill"
    before = browser.execute_script(font)
    browser.find_element(By.ID, "theme").click()
    WebDriverWait(browser, PATIENCE).until(lambda b: b.execute_script(font) != before)
    assert _luminance(browser.execute_script(font)) > 0.5
    assert _logged(browser) == []


def test_zoom_by_keyboard_and_mouse_and_hover(opened) -> None:
    browser = opened("light")
    shown = f"return document.querySelector('{OPEN} .lanes').layout.xaxis.range.map(Number)"
    run = browser.find_element(By.CSS_SELECTOR, OPEN)
    whole = browser.execute_script(shown)
    run.find_element(By.XPATH, ".//button[contains(., ': outage')]").send_keys(Keys.ENTER)
    WebDriverWait(browser, PATIENCE).until(lambda b: b.execute_script(shown) != whole)
    closer = browser.execute_script(shown)
    # The outage lasted 6 s from the fault on; it is shown with a little around it.
    assert -2 < closer[0] < 0
    assert 6 < closer[1] < 8

    area = run.find_element(By.CSS_SELECTOR, ".lanes .nsewdrag")
    ActionChains(browser).move_to_element_with_offset(
        area, -100, 0
    ).click_and_hold().move_by_offset(100, 0).release().perform()
    WebDriverWait(browser, PATIENCE).until(lambda b: b.execute_script(shown) != closer)
    dragged = browser.execute_script(shown)
    assert closer[0] < dragged[0] < dragged[1] < closer[1]

    run.find_element(By.XPATH, ".//button[.='Whole run']").click()
    WebDriverWait(browser, PATIENCE).until(lambda b: b.execute_script(shown) == whole)
    point = run.find_elements(By.CSS_SELECTOR, ".lanes .scatterlayer .point")[20]
    ActionChains(browser).move_to_element(point).perform()
    label = WebDriverWait(browser, PATIENCE).until(
        lambda b: b.execute_script(
            f"return document.querySelector('{OPEN} .lanes .hovertext')?.textContent || ''"
        )
    )
    assert re.search(r"-?[\d.]+.s: (ok|timeout), [\d.]+ ms", label.replace("−", "-")), label
    assert _logged(browser) == []


def test_a_closed_run_is_drawn_when_it_is_opened(opened) -> None:
    browser = opened("light")
    closed = browser.find_element(By.CSS_SELECTOR, "details.run:not([open])")
    assert not closed.find_elements(By.CSS_SELECTOR, ".main-svg")
    closed.find_element(By.TAG_NAME, "summary").send_keys(Keys.ENTER)
    WebDriverWait(browser, PATIENCE).until(
        lambda b: closed.find_elements(By.CSS_SELECTOR, ".lanes .main-svg")
    )
    assert _logged(browser) == []


def test_a_screen_reader_finds_its_way(opened) -> None:
    browser = opened("light")
    found = browser.execute_script(
        """
        const levels = [...document.querySelectorAll("h1,h2,h3,h4")].map(h => +h.tagName[1]);
        return {
          landmarks: ["header", "main", "footer"].map(t => document.querySelectorAll(t).length),
          levels: levels,
          lang: document.documentElement.lang,
          captions: [...document.querySelectorAll("table")].every(t => t.caption),
          ids: [...document.querySelectorAll("[id]")].map(e => e.id),
        };
        """
    )
    assert found["landmarks"] == [1, 1, 1]
    assert found["lang"] == "en"
    assert found["captions"]
    levels = found["levels"]
    assert levels[0] == 1
    assert all(b <= a + 1 for a, b in pairwise(levels))
    own = [i for i in found["ids"] if not i.startswith(("clip", "legend", "topdefs", "defs"))]
    assert len(own) == len(set(own))
