"""The page as Chromium shows it; skipped where there is no Chromium."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright
from report_examples import healthy, healthy_examinations, make_report, missing, sick
from test_report_html import hostile

from doctor_reports.html import render

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
OFFLINE = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-sync",
    "--no-first-run",
)

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=[*OFFLINE])
        yield started
        started.close()


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pages")
    many = make_report([missing(f"c{number}", 0.5) for number in range(1000)], healthy_examinations())
    for name, report in {"sick": sick(), "healthy": healthy(), "hostile": hostile(), "many": many}.items():
        (folder / f"{name}.html").write_text(render(report), "utf-8")
    return folder


def opened(context: BrowserContext, file: Path) -> tuple[Page, list[str]]:
    """Open a file and return every word the browser complains, asks or fetches."""
    page = context.new_page()
    heard: list[str] = []
    page.on("console", lambda message: heard.append(message.text))
    page.on("pageerror", lambda error: heard.append(str(error)))
    page.on("dialog", lambda dialog: (heard.append(dialog.message), dialog.dismiss()))
    page.on("request", lambda request: heard.append(request.url) if request.url != file.as_uri() else None)
    page.goto(file.as_uri())
    return page, heard


@pytest.mark.parametrize("name", ["sick", "healthy", "hostile"])
@pytest.mark.parametrize("width", [320, 768, 1440])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_opens_in_silence_and_fits_the_width(
    browser: Browser, pages: Path, tmp_path: Path, name: str, width: int, scheme: str
) -> None:
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page, heard = opened(context, pages / f"{name}.html")
    page.evaluate("document.querySelectorAll('details').forEach(fold => { fold.open = true })")
    assert heard == []
    assert page.evaluate("document.documentElement.scrollWidth") == width
    paper = page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
    assert (sum(map(int, paper[4:-1].split(","))) > 384) == (scheme == "light")
    page.screenshot(path=tmp_path / f"{name}-{width}-{scheme}.png", full_page=True)
    context.close()


@pytest.mark.parametrize("name", ["sick", "hostile"])
def test_it_says_the_same_without_javascript(browser: Browser, pages: Path, name: str) -> None:
    said = []
    for allowed in (True, False):
        context = browser.new_context(java_script_enabled=allowed)
        page, _ = opened(context, pages / f"{name}.html")
        said.append(page.inner_text("body"))
        context.close()
    assert said[0] == said[1]
    assert "What to do next" in said[0]


def test_the_verdict_the_counts_and_the_first_step_are_on_the_first_screen(browser: Browser, pages: Path) -> None:
    for width, height in ((320, 640), (1440, 900)):
        context = browser.new_context(viewport={"width": width, "height": height})
        page, _ = opened(context, pages / "sick.html")
        for part in ("h1", ".counts", ".steps li:first-child"):
            box = page.locator(part).bounding_box()
            assert box
            assert box["y"] + box["height"] <= height, (part, width)
        context.close()


def test_the_keyboard_reaches_every_fold_and_link(browser: Browser, pages: Path) -> None:
    context = browser.new_context()
    page, _ = opened(context, pages / "healthy.html")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    context.close()


def test_print_unfolds_everything(browser: Browser, pages: Path) -> None:
    context = browser.new_context()
    page, _ = opened(context, pages / "sick.html")
    hidden = page.locator(".manual dd").first
    assert not hidden.is_visible()
    page.emulate_media(media="print")
    assert hidden.is_visible()
    assert not page.locator("nav").is_visible()
    context.close()


def test_a_thousand_findings_stay_light(browser: Browser, pages: Path) -> None:
    context = browser.new_context()
    page, heard = opened(context, pages / "many.html")
    assert heard == []
    assert (pages / "many.html").stat().st_size < 2_500_000
    assert page.evaluate("document.getElementsByTagName('*').length") < 60_000
    context.close()
