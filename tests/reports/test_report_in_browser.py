"""The page as Chromium shows it; skipped where there is no Chromium."""

import re
import shutil
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright
from report_examples import healthy, healthy_examinations, make_report, missing, sick
from test_exhibits import jpeg
from test_report_html import hostile

from doctor.case import open_case
from doctor.engine import examine
from doctor.model import Cluster, Report, Thumbnail
from doctor.settings import settings_for
from doctor.verify.clinic import find_patients, make_round
from doctor_reports.html import render, render_changes, render_round

FIXTURES = Path(__file__).resolve().parent.parent.parent / "fixtures"
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
RUNS = ("numerics/exploding_gradients", "memory/oom_culprit", "distributed/hang")
PAGES = (
    "scan",
    *(name.partition("/")[2] for name in RUNS),
    "clinic",
    "changes",
    "images",
    "review",
    "sick",
    "healthy",
    "hostile",
)
AUDITED = ("scan", "oom_culprit", "clinic", "images", "review", "sick")
UNFOLD = "document.querySelectorAll('details').forEach(fold => { fold.open = true })"

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=[*OFFLINE])
        yield started
        started.close()


def examined(patient: Path) -> Report:
    """Examine a patient as `doctor scan` does."""
    settings = settings_for(patient, tomllib.loads((patient / "expected.toml").read_text("utf-8")).get("options", {}))
    with open_case([patient], settings) as case:
        return examine(case, settings)


def in_clusters() -> Report:
    """Have many pictures gone through, under names that are long."""
    pictures = [
        Thumbnail(file=f"{'temple by the water/' * (n % 3)}IMG_2024_{n:05}.jpg", jpeg=jpeg(96, 40 + n % 56))
        for n in range(60)
    ]
    clusters = [
        Cluster(number=n + 1, title="temple by the water, looks like dahlia", thumbnails=pictures[n::7])
        for n in range(7)
    ]
    return make_report([missing("a", 0.5).showing(review=clusters)], healthy_examinations())


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pages")
    many = make_report([missing(f"c{number}", 0.5) for number in range(1000)], healthy_examinations())
    scan = examined(FIXTURES / "labels/low_agreement/sick")
    [case, *_] = find_patients(FIXTURES, ["unseeded-code"])
    written = {
        "scan": render(scan),
        **{name.partition("/")[2]: render(examined(FIXTURES / name / "sick")) for name in RUNS},
        "clinic": render_round(make_round([case], workers=1)),
        "changes": render_changes([("before.json", sick()), ("after.json", scan)]),
        "images": render(examined(FIXTURES / "images/over_under_exposed/sick")),
        "review": render(in_clusters()),
        "sick": render(sick()),
        "healthy": render(healthy()),
        "hostile": render(hostile()),
        "many": render(many),
    }
    for name, page in written.items():
        (folder / f"{name}.html").write_text(page, "utf-8")
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


@pytest.mark.parametrize("name", PAGES)
def test_it_opens_in_silence_fits_every_width_and_is_accessible(browser: Browser, pages: Path, name: str) -> None:
    context = browser.new_context()
    page, heard = opened(context, pages / f"{name}.html")
    page.evaluate(UNFOLD)
    for scheme in ("dark", "light"):
        page.emulate_media(color_scheme=scheme)
        paper = page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
        assert (sum(map(int, paper[4:-1].split(","))) > 384) == (scheme == "light")
        for width in (320, 768, 1440):
            page.set_viewport_size({"width": width, "height": 900})
            assert page.evaluate("document.documentElement.scrollWidth") == width, (scheme, width)
    assert heard == []
    if name in AUDITED:
        found = Axe().run(page, options={"resultTypes": ["violations"]}).response["violations"]
        assert [(one["id"], one["impact"], [node["html"] for node in one["nodes"]]) for one in found] == []
    context.close()


def test_colours_have_contrast_in_the_dark_too(browser: Browser, pages: Path) -> None:
    context = browser.new_context(color_scheme="dark")
    page, _ = opened(context, pages / "scan.html")
    page.evaluate(UNFOLD)
    found = Axe().run(page, options={"runOnly": ["color-contrast"]}).response["violations"]
    assert [node["html"] for one in found for node in one["nodes"]] == []
    context.close()


@pytest.mark.parametrize("name", ["scan", "oom_culprit", "clinic", "hostile"])
def test_it_says_the_same_without_javascript(browser: Browser, pages: Path, name: str) -> None:
    said = []
    for allowed in (True, False):
        context = browser.new_context(java_script_enabled=allowed)
        page, _ = opened(context, pages / f"{name}.html")
        said.append(page.inner_text("body"))
        context.close()
    assert said[0] == said[1]
    assert len(said[0]) > 300


def test_the_verdict_the_cause_and_the_first_command_are_on_the_first_screen(browser: Browser, pages: Path) -> None:
    for width, height, parts in (
        (360, 740, ("h1", ".counts", "nav a[href='#next']", ".causes li:first-child .what")),
        (1440, 900, ("h1", ".counts", ".causes li:first-child", ".causes li:last-child", ".steps .command")),
    ):
        context = browser.new_context(viewport={"width": width, "height": height})
        page, _ = opened(context, pages / "sick.html")
        for part in parts:
            box = page.locator(part).first.bounding_box()
            assert box
            assert box["y"] + box["height"] <= height, (part, width)
        context.close()


def test_a_click_takes_the_whole_command(browser: Browser, pages: Path) -> None:
    context = browser.new_context()
    page, _ = opened(context, pages / "sick.html")
    page.locator(".steps .command").first.click()
    assert page.evaluate("getSelection().toString()") == (
        "doctor fix titanic3.csv --sample-seed 7 --output repaired --unsafe"
    )
    context.close()


def test_evidence_is_drawn_and_every_drawing_says_what_it_shows(browser: Browser, pages: Path) -> None:
    context = browser.new_context()
    seen = {}
    for name in ("scan", "exploding_gradients", "oom_culprit", "hang"):
        page, _ = opened(context, pages / f"{name}.html")
        labels = page.locator("svg[role=img]").evaluate_all("all => all.map(one => one.getAttribute('aria-label'))")
        assert all(labels)
        seen[name] = {kind: page.locator(f"article {kind}").count() for kind in (".heat", ".parts", ".stacks", ".plot")}
    assert seen["scan"][".heat"] == 2
    assert seen["exploding_gradients"][".plot"] == 2
    assert (seen["oom_culprit"][".parts"], seen["hang"][".stacks"]) == (1, 1)
    context.close()


def test_hostile_words_are_words_and_nothing_of_them_runs(browser: Browser, pages: Path) -> None:
    context = browser.new_context()
    page, heard = opened(context, pages / "hostile.html")
    page.evaluate(UNFOLD)
    for selector in ("h4", "summary", "a[href^='#finding']", ".word"):
        page.locator(selector).first.hover()
    assert heard == []
    assert page.locator("script, img, iframe, object, embed, form, [onload], [onclick], [onerror]").count() == 0
    text = page.inner_text("body")
    assert "<script>alert(1)</script>" in text
    assert not set(text) & set("\x00\u202e\ufffd")
    assert "characters)" in text
    assert (pages / "hostile.html").stat().st_size < 400_000
    context.close()


def test_the_keyboard_reaches_every_fold_and_link(browser: Browser, pages: Path) -> None:
    context = browser.new_context()
    page, _ = opened(context, pages / "healthy.html")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    context.close()


@pytest.mark.parametrize("name", ["scan", "oom_culprit", "clinic"])
def test_print_unfolds_everything_and_fits_the_paper(browser: Browser, pages: Path, name: str) -> None:
    context = browser.new_context(viewport={"width": 794, "height": 1123}, color_scheme="dark")  # A4 at 96 dpi
    page, _ = opened(context, pages / f"{name}.html")
    page.emulate_media(media="print")
    hidden = page.locator("details > :not(summary)").evaluate_all("all => all.filter(one => !one.offsetHeight).length")
    assert hidden == 0
    assert not page.locator("nav").is_visible()
    assert page.evaluate("document.documentElement.scrollWidth") == 794
    assert page.evaluate("getComputedStyle(document.documentElement).backgroundColor") == "rgb(255, 255, 255)"
    printed = page.pdf(format="A4", print_background=False)
    assert printed.startswith(b"%PDF")
    assert 1 <= len(re.findall(rb"/Type\s*/Page\b", printed)) <= 15
    context.close()


def test_a_thousand_findings_stay_light(browser: Browser, pages: Path) -> None:
    context = browser.new_context()
    page, heard = opened(context, pages / "many.html")
    assert heard == []
    assert (pages / "many.html").stat().st_size < 2_500_000
    assert page.evaluate("document.getElementsByTagName('*').length") < 60_000
    context.close()
