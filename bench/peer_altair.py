"""What two kinds of pictures cost as Altair and vl-convert draw them; run by `render_reports.py --altair PYTHON`.

Runs in an environment of its own that has altair and vl-convert-python, and prints JSON.
"""

import json
import time
from importlib.metadata import distribution
from pathlib import Path

ROUNDS = 50
BROUGHT = (
    "vl-convert-python",
    "altair",
    "narwhals",
    "jsonschema",
    "jsonschema-specifications",
    "referencing",
    "rpds-py",
    "attrs",
)
"""What comes with them and is not among the requirements of doctor itself."""

begin = time.perf_counter()
import altair  # noqa: E402 - its import is timed
import vl_convert  # noqa: E402

import_seconds = time.perf_counter() - begin


def bars(number: int) -> "altair.LayerChart":
    """Draw eight bars and a bound."""
    data = [{"name": f"measure {i}", "value": i * number / 30 % 1} for i in range(8)]
    drawn = altair.Chart(altair.Data(values=data)).mark_bar().encode(x="value:Q", y=altair.Y("name:N", sort="-x"))
    bound = altair.Chart(altair.Data(values=[{"x": 0.3}])).mark_rule().encode(x="x:Q")
    return (drawn + bound).properties(width=600, height=150)


def line(number: int) -> "altair.Chart":
    """Draw a line of 400 points on a logarithmic scale."""
    data = [{"x": i, "y": (i * number) % 17 + 1} for i in range(400)]
    chart = altair.Chart(altair.Data(values=data)).mark_line()
    return chart.encode(x="x:Q", y=altair.Y("y:Q", scale=altair.Scale(type="log"))).properties(width=600, height=150)


def main() -> None:
    """Print the figures."""
    begin = time.perf_counter()
    vl_convert.vegalite_to_svg(bars(1).to_json())
    found: dict[str, object] = {"import_seconds": import_seconds, "first_seconds": time.perf_counter() - begin}
    for name, draw in (("bars", bars), ("line", line)):
        begin = time.process_time()
        size = 0
        for number in range(1, ROUNDS + 1):
            size += len(vl_convert.vegalite_to_svg(draw(number).to_json()).encode())
        found[name] = (1000 * (time.process_time() - begin) / ROUNDS, size // ROUNDS)
    size = 0
    for name in BROUGHT:
        size += sum(
            Path(file.locate()).stat().st_size for file in distribution(name).files or () if file.locate().exists()
        )
    print(json.dumps({**found, "megabytes": round(size / 1e6), "packages": ", ".join(BROUGHT)}))


if __name__ == "__main__":
    main()
