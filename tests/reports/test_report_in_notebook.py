"""A report inside a notebook's page: shown in a frame of its own, in silence; skipped where there is no Chromium."""

from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright
from report_examples import sick
from test_report_html import hostile
from test_report_in_browser import CHROMIUM, OFFLINE

from doctor.model import Report

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")
PAGE = "<!doctype html><title>A notebook</title><style>h1 {{ color: red }}</style><h1>Mine</h1>{}"


@pytest.mark.parametrize("report", [sick(), hostile()], ids=["sick", "hostile"])
def test_the_frame_shows_the_report_and_runs_nothing(report: Report, tmp_path: Path) -> None:
    (tmp_path / "notebook.html").write_text(PAGE.format(report._repr_html_()), "utf-8")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=[*OFFLINE])
        page = browser.new_page()
        heard: list[str] = []
        # A script of the report's own would be blocked here, which Chromium remarks upon.
        page.on("console", lambda message: None if "sandbox" in message.text else heard.append(message.text))
        page.on("pageerror", lambda error: heard.append(str(error)))
        page.on("dialog", lambda dialog: (heard.append(dialog.message), dialog.dismiss()))
        page.goto((tmp_path / "notebook.html").as_uri())
        frame = page.frames[1]
        heading = frame.locator("h1").first
        assert heading.is_visible()
        assert heading.inner_text() != "Mine"
        assert "rgb(255, 0, 0)" not in heading.evaluate("e => getComputedStyle(e).color")
        assert heard == []
        browser.close()
