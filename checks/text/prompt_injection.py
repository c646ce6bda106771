"""Texts that speak to the model that reads them.

What it finds
    Sentences that tell a model to ignore its instructions, to tell them, or to be somebody without rules, in English,
    German, French, Spanish, Portuguese, Italian and Chinese; and text written in letters that nobody sees.

Why it matters
    A model learns from such texts to follow whoever speaks last: what is written on a web page then counts as much as
    what its owner asked for. Hidden text is put where people overlook it and models read it.

What to do
    Look at each. Leave them out of what is trained on, or keep them in examples whose answer does not give way.

Thresholds
    min_cells: cells from which it is a warning and not a remark; one or two may be an article about the subject, or a
    person who takes an instruction back (3). Hidden text always is a warning.
    max_dropped_share: share of a column's cells that are offered to be left out at most (0.05).

Calibration
    Nothing was told of short messages, comments, questions and titles of flats (22,000 of them), and of 6,000
    docstrings and 3,000 programs in installed packages. Of 20
    sentences planted in letters, in seven languages, all were found; of 14 that use the same words in another sense
    none (`tests/evidence/test_injections.py`).

Limits
    Known wordings only: an attack in other words, in another language or in base64 is not seen, and no classifier is
    asked. Data sets that teach to refuse such requests hold them by right.

Source
    F. Perez and I. Ribeiro, Ignore previous prompt: attack techniques for language models, 2022. OWASP top 10 for
    large language model applications, LLM01.
"""

from collections.abc import Iterator

from doctor.evidence.injections import HIDDEN, InjectedColumn, Injections
from doctor.masking import without_secrets
from doctor.model import AnyRepair, Check, DropRows, Excerpt, Finding, Location, ReviewRows, Severity

CHECK = Check(
    "text/prompt-injection",
    Severity.WARNING,
    "{column}: {cells:,} of {of:,} cells speak to the model that reads them ({kinds})",
)
WORDS = {
    "override": "to ignore its instructions",
    "reveal": "to tell its instructions",
    "persona": "to be somebody without rules",
    "hidden": "in hidden letters",
}


def examine(injections: Injections, *, min_cells: int = 3, max_dropped_share: float = 0.05) -> Iterator[Finding]:
    """Report each column that holds some."""
    for column in injections.columns:
        grave = column.cells >= min_cells or HIDDEN in column.kinds
        yield CHECK.finding(
            at=Location(columns=(column.column,)),
            severity=Severity.WARNING if grave else Severity.INFO,
            cells=column.cells,
            of=column.of,
            kinds=", ".join(f"{WORDS[kind]} {count:,}" for kind, count in column.kinds.items()),
            cells_by_kind=column.kinds,
            estimated=column.drawn,
            repair=_repair(column, max_dropped_share),
        ).showing(
            excerpts=[
                Excerpt(place=sample.place, text=sample.text, spans=list(sample.spans))
                for sample in column.samples
                if without_secrets(sample.text) == sample.text
            ]
        )


def _repair(column: InjectedColumn, max_dropped_share: float) -> AnyRepair:
    whole = not column.drawn and not column.repeated
    if whole and column.cells <= max_dropped_share * column.of:
        return DropRows(rows=column.rows, summary="leave these rows out")
    return ReviewRows(
        rows=tuple(row + 1 for row in column.rows), numbers=column.rows, summary="look at these texts one by one"
    )
