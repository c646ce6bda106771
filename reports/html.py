"""The report as one HTML file that opens from disk: no script, nothing fetched, everything escaped."""

import base64
import hashlib
import re
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from doctor.model import Finding, Outcome, Report, Severity, Verification
from doctor.rounds import Round
from doctor.wording import printable
from doctor_reports import causes, charts, exhibits, pictures, proofs, quantities, steps, verdict
from doctor_reports.comparison import Comparison, compare
from doctor_reports.manuals import passages
from doctor_reports.masking import masked
from doctor_reports.shapes import Picture

if TYPE_CHECKING:
    from jinja2 import Template

TITLES = {Severity.ERROR: "Errors", Severity.WARNING: "Warnings", Severity.INFO: "Remarks"}
MAX_OPEN_PICTURES = 4
"""Pictures of one finding that stand open; the rest is folded with its numbers."""
MANY = 60
"""Findings above which a browser lays out only what is on the screen."""
MAX_UNFOLDED = 6
"""Findings of one check that stand open; the rest of a long row is folded."""


def render_changes(named: Sequence[tuple[str, Report]], *, color: bool = False) -> str:
    """Write the page of the last report, with what changed since the earlier ones on top."""
    return render(named[-1][1], color=color, changes=compare(named))


def render(report: Report, *, color: bool = False, changes: Comparison | None = None) -> str:
    """Write the page; colours follow the reader's preference for dark or light, whatever `color` says."""
    shown = verdict.plainer(masked(report))
    open_findings = verdict.opened(shown)
    told, left = causes.causes(shown)
    return _template("report.html.j2").render(
        report=shown,
        changes=changes,
        verdict=verdict,
        sentence=re.sub(r"(?<=\d) ", "\N{NO-BREAK SPACE}", verdict.verdict(shown)),
        tone=_tone(shown),
        run=verdict.run_of(shown),
        plots=charts.plots(shown.charts, open_findings),
        steps=steps.next_steps(shown),
        causes=told,
        causes_left=left,
        excerpts=charts.excerpts(shown.charts, open_findings),
        severities=[
            (severity, TITLES[severity], groups)
            for severity in Severity
            if (groups := verdict.grouped(finding for finding in open_findings if finding.severity is severity))
        ],
        ignored=verdict.ignored_for_a_reason(shown),
        accepted=verdict.accepted(shown),
        anchors=_anchors(shown.findings),
        proofs=proofs,
        proven=_by_finding(shown),
        loose=[item for item in shown.verifications if item.fingerprint not in {f.fingerprint for f in open_findings}],
        manuals={check: passages(page) for check, page in shown.manuals.items()},
        outcomes=verdict.outcomes(shown),
        Outcome=Outcome,
        pictures=pictures.pictures,
        facts=quantities.facts,
        max_unfolded=MAX_UNFOLDED,
        max_open=MAX_OPEN_PICTURES,
        long=len(open_findings) > MANY,
        exhibits=exhibits,
    )


def render_frame(report: Report) -> str:
    """Write the page as a frame of its own inside another page, so that neither styles the other."""
    return _template("frame.html.j2").render(page=render(report))


def render_round(made: Round, *, color: bool = False) -> str:
    """Write the page of a round through the clinic."""
    sentence = verdict.round_sentence(made)
    return _template("clinic.html.j2").render(made=made, sentence=sentence, verdict=verdict, proofs=proofs)


def picture_html(picture: Picture) -> str:
    """Draw one small picture."""
    return str(_template("macros.html.j2").module.any_picture(picture))  # type: ignore[attr-defined] # a macro


def plot_html(plot: charts.Plot) -> str:
    """Draw one line over steps or time."""
    return str(_template("macros.html.j2").module.plot_picture(plot))  # type: ignore[attr-defined] # a macro


def _by_finding(report: Report) -> dict[str, list[Verification]]:
    known: dict[str, list[Verification]] = {}
    for item in report.verifications:
        known.setdefault(item.fingerprint, []).append(item)
    return known


def _tone(report: Report) -> str:
    """Return the colour of the verdict."""
    if report.count(Severity.ERROR):
        return "error"
    return "warning" if report.count(Severity.WARNING) or report.incomplete or not report.examinations else "calm"


def _anchors(findings: list[Finding]) -> dict[int, str]:
    """Name each finding by its fingerprint; should two share one, the later ones get a number."""
    taken: dict[str, int] = {}
    names = {}
    for finding in findings:
        number = taken[finding.fingerprint] = taken.get(finding.fingerprint, 0) + 1
        names[id(finding)] = f"finding-{finding.fingerprint}" + (f"-{number}" if number > 1 else "")
    return names


@cache
def _template(name: str) -> "Template":
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    def clean(value: Any) -> Any:
        return printable(value, limit=10_000) if isinstance(value, str) and not isinstance(value, Markup) else value

    environment = Environment(
        loader=PackageLoader("doctor_reports", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=clean,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    css = files("doctor_reports").joinpath("templates/report.css").read_text("utf-8")
    digest = base64.b64encode(hashlib.sha256(css.encode()).digest()).decode()
    environment.filters["id"] = id
    environment.filters["whole"] = Markup  # base64 that was looked at, longer than words may be
    environment.globals |= {"css": Markup(css), "css_hash": digest}  # noqa: S704 - our own file, not data
    return environment.get_template(name)
