r"""Text with letters that were decoded wrongly, lost, or left escaped.

What it finds
    Mojibake ("cafÃ©" for "café"), replacement characters where letters were lost, control characters, entities and
    marks of HTML, and characters that were left escaped ("\u00e9"). One finding for each kind, naming the columns.

Why it matters
    A model learns the garbage: a tokenizer breaks "Ã©" into pieces that stand for nothing, a name in two forms is two
    names, and what is generated later contains "â€™" and "&amp;". Web pages that were read with a guessed encoding are
    full of it.

What to do
    Read the source anew with its true encoding. Where there is no source, `doctor fix` decodes the cells anew that are
    mojibake, writes the characters that entities stand for, and takes control characters out. Lost letters are lost.

Thresholds
    min_cells: garbled cells of a kind from which a column is named; one may be text that speaks of such things (2).
    min_share: share of a column's cells from which mojibake and lost letters are a warning and not a remark (0.001);
    the other kinds are remarks, for a model can live with them.
    min_markup_share: share of cells with entities, marks or escapes from which these are mentioned; in less they are
    what somebody wrote (0.01).

Calibration
    On 49 public tables mojibake was found in the five columns that have it, among them 872 of 10,964 artists' names,
    and nowhere else. Of 160 sentences in 19 languages and of signs, read with 8 wrong encodings, 128 were found (all
    of Windows-1252 and Latin-1, 7 of 20 of code page 850), and none of the 20 that were right. Of 123,181 lines with
    letters beyond ASCII in installed packages 12 were accused, all of them examples of mojibake in programs
    (`python bench/calibrate_texts.py garbled`).

Limits
    UTF-8 that was read as Chinese or Japanese, and text that was garbled twice and cut, are missed. "?" in place of a
    letter cannot be told from a question. A no-break space is a blank and nothing garbled. Columns of code and of HTML
    have marks and escapes by right; they are a remark only. Of a text the first 500
    doubtful places are asked about. In tables of 500,000 rows and more, columns that are no free text are read whole
    only where drawn rows are garbled.

Source
    R. Speer, ftfy, 2019, https://doi.org/10.5281/zenodo.2591652: its judgement of odd sequences is the second opinion.
"""

from collections.abc import Iterator, Sequence

from doctor.evidence.garbling import CONTROL, ESCAPED, MARKUP, MOJIBAKE, REPLACED, GarbledColumn, Garbling
from doctor.masking import without_secrets
from doctor.model import Advise, AnyRepair, Check, Finding, Location, RewriteCells, Safety, Severity

CHECK = Check(
    "text/garbled",
    Severity.WARNING,
    {
        MOJIBAKE: "{column}: {cells:,} cells hold letters that were decoded wrongly ({example})",
        REPLACED: "{column}: {cells:,} cells have lost letters, and the sign for an unknown letter in their place",
        CONTROL: "{column}: {cells:,} cells hold control characters",
        MARKUP: "{column}: {cells:,} cells hold entities or marks of HTML ({example})",
        ESCAPED: "{column}: {cells:,} cells hold characters that were left escaped ({example})",
    },
)
REMARKS = (CONTROL, MARKUP, ESCAPED)
OFTEN = (MARKUP, ESCAPED)
"""What somebody may have written on purpose."""
MAX_EXCERPTS = 6
MAX_EXAMPLE = 16
MEND = {
    MOJIBAKE: "decode these letters anew",
    CONTROL: "take out control characters, and write those of Windows-1252 as what they stand for",
    MARKUP: "write the characters that the entities stand for",
}


def examine(
    garbling: Garbling, *, min_cells: int = 2, min_share: float = 0.001, min_markup_share: float = 0.01
) -> Iterator[Finding]:
    """Report each kind of fault once, with all columns that have it."""
    for kind in (MOJIBAKE, REPLACED, CONTROL, MARKUP, ESCAPED):
        floor = min_markup_share if kind in OFTEN else 0.0
        columns = [
            column
            for column in garbling.columns
            if column.kind == kind and column.cells >= min_cells and column.cells >= floor * column.of
        ]
        if columns:
            yield _finding(kind, columns, min_share)


def _finding(kind: str, columns: Sequence[GarbledColumn], min_share: float) -> Finding:
    grave = kind not in REMARKS and any(column.cells >= min_share * column.of for column in columns)
    samples = [sample for column in columns for sample in column.samples[: max(1, MAX_EXCERPTS // len(columns))]]
    excerpts = [sample for sample in samples[:MAX_EXCERPTS] if without_secrets(sample.text) == sample.text]
    return CHECK.finding(
        kind,
        severity=Severity.WARNING if grave else Severity.INFO,
        at=Location(columns=tuple(column.column for column in columns)),
        cells=sum(column.cells for column in columns),
        example=_example(samples[0].text, samples[0].spans[0]),
        cells_by_column={column.column: column.cells for column in columns},
        largest_share=max(column.cells / column.of for column in columns),
        estimated=any(column.drawn for column in columns),
        repair=_repair(kind, columns),
    ).showing(excerpts=excerpts)


def _example(text: str, span: tuple[int, int]) -> str:
    """Return the words around a fault, cut where they are long."""
    before, after = text[: span[0]].split(" ")[-1], text[span[1] :].split(" ")[0]
    return without_secrets(f"{before[-MAX_EXAMPLE:]}{text[span[0] : span[1]]}{after[:MAX_EXAMPLE]}").strip()


def _repair(kind: str, columns: Sequence[GarbledColumn]) -> AnyRepair:
    mendable = tuple(column.column for column in columns if column.mendable)
    if mendable:
        return RewriteCells(columns=mendable, mend=(kind,), summary=MEND[kind])
    return Advise(safety=Safety.MANUAL, summary="read the source of these texts anew, with its true encoding")
