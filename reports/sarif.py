"""The report as SARIF 2.1.0, the exchange format of static analysis, which code hosts show beside the code.

A check is a rule, its manual page the rule's help, a finding a result. What could not be read or examined becomes a
notification, so that an empty list of results is not taken for health.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from doctor.model import BaselineEntry, Examination, Finding, Outcome, Problem, Report, Severity
from doctor.wording import printable
from doctor_reports import verdict
from doctor_reports.manuals import passages
from doctor_reports.masking import masked
from doctor_reports.places import Place, details, distinct, place, place_of, repair_of

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
ROOT = "%SRCROOT%"
"""What paths are relative to, under the name that GitHub gives it."""
LEVELS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "note"}
EXIT_WORDS = {
    0: "nothing at or above --fail-on",
    1: "findings at or above --fail-on",
    3: "a check crashed, or something could not be read",
}


def render(report: Report, *, color: bool = False) -> str:
    """Write the report as indented JSON with one run."""
    shown = verdict.plainer(masked(report))
    log = {"$schema": SCHEMA, "version": "2.1.0", "runs": [_run(shown)]}
    return json.dumps(log, indent=2, ensure_ascii=False) + "\n"


def _run(report: Report) -> dict[str, Any]:
    checks = list(dict.fromkeys(finding.check for finding in report.findings))
    index = {check: number for number, check in enumerate(checks)}
    named = zip(report.findings, distinct(report.findings), strict=True)
    return {
        "tool": {
            "driver": {
                "name": "doctor",
                "version": report.doctor.version,
                "rules": [_rule(check, report.manuals.get(check, "")) for check in checks],
            }
        },
        # GitHub replaces what was uploaded under the same id, and only that.
        "automationDetails": {"id": f"doctor/{printable(report.case.path, limit=200)}/"},
        "invocations": [_invocation(report)],
        "originalUriBaseIds": {ROOT: {"description": {"text": "The folder in which doctor was run."}}},
        "columnKind": "unicodeCodePoints",
        "results": [_result(finding, name, index, report) for finding, name in named],
    }


def _rule(check: str, manual: str) -> dict[str, Any]:
    family, _, name = check.partition("/")
    summary = manual.strip().partition("\n")[0] or check
    parts = passages(manual)
    whole = next((part.text for part in parts if part.heading == "What it finds"), "") or summary
    return {
        "id": check,
        "name": "".join(word.capitalize() for word in re.split(r"[^0-9A-Za-z]+", name)) or check,
        "shortDescription": {"text": summary},
        "fullDescription": {"text": whole},
        "help": {"text": manual.strip() or check, "markdown": _manual(check, manual)},
        "properties": {"tags": ["training", *([family] if family else [])]},
    }


def _manual(check: str, manual: str) -> str:
    """Write a manual page as Markdown."""
    text = [f"# {check}"]
    for part in passages(manual):
        text += [f"## {part.heading}"] if part.heading else []
        text += [part.text] if part.text else []
        text += ["\n".join(f"- `{name}`: {meaning}" for name, meaning in part.terms)] if part.terms else []
    return "\n\n".join(text)


def _result(finding: Finding, name: str, rules: Mapping[str, int], report: Report) -> dict[str, Any]:
    repair = repair_of(finding)
    text = (printable(finding.message) or finding.check) + (f" Repair: {printable(repair)}." if repair else "")
    result: dict[str, Any] = {
        "ruleId": finding.check,
        "ruleIndex": rules[finding.check],
        "kind": "fail",
        "level": LEVELS[finding.severity],
        "message": {"text": text},
        "locations": [_location(place_of(finding.at, report.case.path), finding)],
        # The second is the one by which GitHub tells known findings from new ones.
        "partialFingerprints": {"doctor/v1": name, "primaryLocationLineHash": f"{name}:1"},
        "properties": _properties(finding, report),
    }
    if finding.suppressed:
        reason = printable(finding.suppressed)
        result["suppressions"] = [{"kind": "external", "status": "accepted", "justification": reason}]
    return result


def _properties(finding: Finding, report: Report) -> dict[str, Any]:
    proofs = [item.verdict.value for item in report.verifications if item.fingerprint == finding.fingerprint]
    known = {
        "evidence": finding.evidence,
        "confidence": finding.confidence,
        "rows": list(finding.at.rows),
        "repairSafety": finding.repair.safety.value if finding.repair else None,
        "repairVerdict": proofs[0] if proofs else None,
    }
    return {name: value for name, value in known.items() if value not in (None, [], {})}


def _location(where: Place, finding: Finding) -> dict[str, Any]:
    location: dict[str, Any] = {"physicalLocation": _physical(where)}
    logical = list(_logical(finding))
    if logical:
        location["logicalLocations"] = logical
    rest = [printable(part, limit=200) for part in details(finding.at)]
    if rest:
        location["message"] = {"text": ", ".join(rest)}
    return location


def _physical(where: Place) -> dict[str, Any]:
    artifact = {"uri": where.uri} | ({"uriBaseId": ROOT} if where.inside else {})
    if where.line is None:
        return {"artifactLocation": artifact}
    column = {"startColumn": where.character} if where.character is not None else {}
    return {"artifactLocation": artifact, "region": {"startLine": where.line, **column}}


def _logical(finding: Finding) -> Iterator[dict[str, str]]:
    at = finding.at
    for column in at.columns:
        parts = [part for part in (at.path, at.split, column) if part]
        yield _named(column, "/".join(parts), "column")
    if at.row_group is not None:
        yield _named(f"row group {at.row_group}", f"{at.file}/row group {at.row_group}", "row group")
    if at.cell is not None:
        yield _named(f"cell {at.cell}", f"{at.path}/cell {at.cell}", "cell")
    if at.module:
        yield _named(at.module, at.module, "module")


def _named(name: str, whole: str, kind: str) -> dict[str, str]:
    return {"name": printable(name), "fullyQualifiedName": printable(whole), "kind": kind}


def _invocation(report: Report) -> dict[str, Any]:
    invocation: dict[str, Any] = {"executionSuccessful": not report.incomplete}
    if verdict.run_of(report) is None:  # a watched command has an exit status of its own
        status = 3 if report.incomplete else int(any(map(report.fails, report.findings)))
        invocation |= {"exitCode": status, "exitCodeDescription": EXIT_WORDS[status]}
        invocation["commandLine"] = printable(verdict.repeat(report))
    notes = [_unread(problem) for problem in report.case.problems]
    notes += [_unexamined(item) for item in report.examinations if item.outcome in _UNEXAMINED]
    notes += [_entry(entry, note, report) for entry, note in verdict.baseline_notes(report)]
    guesses = [
        _note(f"{guess.what} {guess.value} was guessed by {guess.because} (else {guess.override})", "note")
        for guess in report.case.guesses
    ]
    return invocation | {"toolExecutionNotifications": notes, "toolConfigurationNotifications": guesses}


_UNEXAMINED = {Outcome.CRASHED: ("error", "crashed"), Outcome.UNAVAILABLE: ("note", "could not tell")}


def _unread(problem: Problem) -> dict[str, Any]:
    where = _physical(place(problem.path, problem.line))
    return _note(f"cannot read {problem}", "error") | {"locations": [{"physicalLocation": where}]}


def _unexamined(item: Examination) -> dict[str, Any]:
    level, word = _UNEXAMINED[item.outcome]
    on = f" on {item.subject}" if item.subject else ""
    return _note(f"{item.check} {word}{on}: {item.reason}", level) | {"associatedRule": {"id": item.check}}


def _entry(entry: BaselineEntry, note: str, report: Report) -> dict[str, Any]:
    """Say of an entry of the baseline what is wrong with it, at the file that holds it."""
    where = _physical(place(report.baseline.file if report.baseline else ""))
    told = _note(f"{entry.check}: {entry.message}: {note}", "note")
    return told | {"locations": [{"physicalLocation": where}]}


def _note(text: str, level: str) -> dict[str, Any]:
    return {"level": level, "message": {"text": printable(text)}}
