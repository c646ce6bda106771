"""Time matters, in a table that is not yet divided.

What it finds
    A table without splits with a column of times by which neighbours have labels more alike than chance, or whose early
    half can be told from the late half by the features; or one declared with --time. It says at which time to cut.

Why it matters
    Divided at random, a row is tested by a model that was trained on what came after it. What it foresees then is the
    past.

What to do
    Train on what is before the time named, test on what is after, with a gap as long as a label takes to become known.

Thresholds
    min_gain: how much more alike the labels of neighbours in time are than chance, 0 to 1 (0.05).
    min_correlation: the same for numeric labels, as the correlation of ranks (0.1).
    min_auc: lower bound of the out-of-fold AUC of early against late (0.6).
    max_p: p-value of the likeness under permutation (0.001).

Calibration
    The evidence and the bounds are those of leakage/temporal-overlap, where they gave no alarm in 300 data sets with
    nothing wrong. Nothing is said of scikit-learn's bundled data, which have no times.

Limits
    As of leakage/temporal-overlap: judged on a sample of up to 5,000 different rows; numbers that count time are taken
    for times only when declared. The cut is where four fifths of the drawn rows lie before.

Source
    Kaufman et al., Leakage in data mining, 2012; Hanley and McNeil, 1982, for the variance of the AUC.
"""

from collections.abc import Iterator

from doctor.evidence.undivided import TimeLine, TimeLines
from doctor.model import Advise, Check, Finding, Location, Safety, Severity, Undecided

CHECK = Check(
    "leakage/time-ordered",
    Severity.INFO,
    {
        "declared": "{column}: divide by time, not row by row: train before {cut}, test after",
        "discovered": "{column}: time tells the label or the features; divide by it, not row by row: train before "
        "{cut}, test after",
    },
)


def examine(
    lines: TimeLines,
    *,
    min_gain: float = 0.05,
    min_correlation: float = 0.1,
    min_auc: float = 0.6,
    max_p: float = 0.001,
) -> Iterator[Finding | Undecided]:
    """Name each time axis along which the rows hang together."""
    if not lines.lines:
        yield CHECK.not_applicable("no column holds times; --time COLUMN declares one")
    for line in lines.lines:
        matters = line.relevance is not None and line.relevance.matters(
            min_gain=min_gain, min_correlation=min_correlation, min_auc=min_auc, max_p=max_p
        )
        if line.declared or matters:
            yield _finding(line)
        elif line.relevance is None:
            yield CHECK.unavailable(f"{line.column}: not enough rows or times to tell whether time matters")


def _finding(line: TimeLine) -> Finding:
    told = line.relevance
    facts = {} if told is None else {name: getattr(told, name) for name in told.__struct_fields__}
    return CHECK.finding(
        "declared" if line.declared else "discovered",
        at=Location(columns=(line.column,)),
        repair=Advise(safety=Safety.MANUAL, summary=f"cut by {line.column} at {line.cut}"),
        cut=line.cut,
        **facts,
    )
