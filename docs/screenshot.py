"""`make screenshot`: take the README's pictures of the demonstration's report, as Chromium shows it.

What `doctor scan` says of the demonstration is rendered anew; two pictures, one light and one dark, of the first
screen, in as few colours as look the same.
"""

import io
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
WIDTH, HEIGHT = 1120, 930
COLORS = 48
FILES = {"light": HERE / "report.png", "dark": HERE / "report-dark.png"}


def main() -> None:
    from PIL import Image
    from playwright.sync_api import sync_playwright

    from fixtures.demo.forms import build

    build(Path("demo/forms"))
    page_file = Path("demo/report.html").resolve()
    doctor = Path(sys.executable).with_name("doctor")
    scan = [doctor, "scan", "demo/forms", "--output", page_file, "--fail-on", "never"]
    subprocess.run(scan, check=True)  # noqa: S603 - our own command
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        for scheme, file in FILES.items():
            page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}, color_scheme=scheme)
            page.goto(page_file.as_uri())
            drawn = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
            drawn.quantize(COLORS, dither=Image.Dither.NONE).save(file, optimize=True)
            print(f"{file.relative_to(HERE.parent)}: {file.stat().st_size:,} bytes")
        browser.close()


if __name__ == "__main__":
    main()
