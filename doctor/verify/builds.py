"""Builds the user's data set again and again, from their code as it is and from a copy with the seed set."""

import ast
import os
import shutil
import tempfile
from pathlib import Path

from msgspec import structs

from doctor.errors import CannotOpen
from doctor.evidence.pipeline_runs import build_twice
from doctor.model import EditCode, Finding, Verdict, Verification
from doctor.subjects.pipeline import Pipeline
from doctor.verify.deployment import Untestable

MAX_COPIED_BYTES = 200_000_000
REPEATS = 3
"""Pairs of builds of each arm: an order that is drawn may agree by chance, hardly three times."""
IGNORED = shutil.ignore_patterns(".git", ".venv", "venv", "__pycache__", "node_modules", ".doctor")
MEASURE = "share of the items that differ between two builds"


def verify_builds(finding: Finding, repair: EditCode, pipeline: Pipeline | None, plain: Verification) -> Verification:
    """Compare two builds of the code as it is, and two of a copy with the edit.

    Parameters
    ----------
    finding : Finding
        Of code that draws at random without a seed.
    repair : EditCode
        The line to insert.
    pipeline : Pipeline or None
        What the user named to be run; without it nothing is.
    plain : Verification
        Filled in and returned.

    Raises
    ------
    Untestable
        When the edit cannot be made or a build fails.
    """
    if pipeline is None:
        return structs.replace(plain, reason="it runs your code; --pipeline MODULE:FUNCTION names what to run")
    if not repair.inserted or not repair.code or repair.line is None or not finding.at.path:
        return structs.replace(plain, reason="this line must be changed by a person")
    root = _root(pipeline)
    source = Path(finding.at.path).resolve()
    if not source.is_relative_to(root) or source.suffix != ".py":
        raise Untestable(f"{finding.at.path} is no file of the pipeline's folder {root}")
    with tempfile.TemporaryDirectory(prefix="doctor-verify-") as scratch:
        copy = Path(scratch) / "code"
        _copy(root, copy)
        before = [_differing(pipeline, copy) for _ in range(REPEATS)]
        _insert(copy / source.relative_to(root), repair.line, repair.code)
        after = [_differing(pipeline, copy) for _ in range(REPEATS)]
    told = structs.replace(plain, measure=MEASURE, before=tuple(before), after=tuple(after))
    if not all(before):
        same = sum(1 for share in before if not share)
        reason = f"the symptom does not show: {same} of {REPEATS} times two builds are equal as it is"
        return structs.replace(told, verdict=Verdict.NOT_TESTABLE, reason=reason)
    if any(after):
        reason = f"two builds still differ with {repair.code}, in {max(after):.0%} of the items"
        return structs.replace(told, verdict=Verdict.REFUTED, reason=reason)
    effect = sorted(before)[REPEATS // 2]
    reason = f"two builds differ as it is and are equal with {repair.code}, {REPEATS} times out of {REPEATS}"
    return structs.replace(
        told, verdict=Verdict.VERIFIED, reason=reason, effect=effect, interval=(min(before), max(before))
    )


def _root(pipeline: Pipeline) -> Path:
    """Return the folder whose code is copied: the file's, or the working directory from which a module is imported."""
    return Path(pipeline.place).resolve().parent if pipeline.is_file else Path.cwd().resolve()


def _copy(root: Path, copy: Path) -> None:
    size = 0
    for folder, names, files in os.walk(root):
        names[:] = sorted(set(names) - IGNORED(folder, names))
        size += sum((Path(folder) / name).stat().st_size for name in files if (Path(folder) / name).is_file())
        if size > MAX_COPIED_BYTES:
            raise Untestable(f"{root} holds more than {MAX_COPIED_BYTES // 1_000_000} MB, so no copy of it is made")
    try:
        shutil.copytree(root, copy, ignore=IGNORED, symlinks=True)
    except (OSError, shutil.Error) as error:
        raise Untestable(f"{root} cannot be copied: {error}") from error


def _insert(file: Path, line: int, code: str) -> None:
    """Put a statement before a line, indented as that line is."""
    try:
        lines = file.read_text("utf-8").splitlines(keepends=True)
    except (OSError, UnicodeDecodeError) as error:
        raise Untestable(str(CannotOpen(file, str(error)))) from error
    place = min(max(line - 1, 0), len(lines))
    following = lines[place] if place < len(lines) else ""
    indent = following[: len(following) - len(following.lstrip())] if following.strip() else ""
    lines.insert(place, f"{indent}{code}\n")
    text = "".join(lines)
    try:
        ast.parse(text)
    except SyntaxError as error:
        raise Untestable(f"with {code} before line {line} it is no Python any more: {error.msg}") from error
    file.write_text(text, "utf-8")


def _differing(pipeline: Pipeline, copy: Path) -> float:
    """Build twice and return the share of the places at which the two differ."""
    if pipeline.is_file:
        asked = str(copy / Path(pipeline.place).name) + (f":{pipeline.function}" if pipeline.function else "")
        one, other = build_twice(Pipeline.named(asked, pipeline.seconds))
    else:
        one, other = build_twice(pipeline, copy)
    longest = max(len(one.digests), len(other.digests))
    return 1 - sum(pair[0] == pair[1] for pair in zip(one.digests, other.digests, strict=False)) / longest
