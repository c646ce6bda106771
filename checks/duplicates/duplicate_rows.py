"""Rows that occur more than once within a split.

What it finds
    Rows that are equal in every column, counted beyond the first of each group; and, as a remark, rows that are equal
    once the columns that only name rows or entities are left out. Missing values equal missing values.

Why it matters
    A copy counts as often as it occurs: it weighs on the loss, and a later random split puts it on both sides, where
    it makes the score too good. Copies of rare classes are easily taken for more data than there is.

What to do
    Ask where the copies come from: a join that multiplied rows, a file appended twice, resubmitted forms. Drop all but
    the first, unless each row truly is an event of its own.

Thresholds
    min_share: share of copies that no coincidence explains, from which it is a warning (0.01).

Calibration
    Counts are exact. A repetition is called no coincidence where the row's content has more bits than the logarithm of
    the number of pairs of rows, plus 10: one such pair by chance in a thousand tables. The bits come from column
    frequencies joined by a tree of mutual information, so tables of few levels that repeat by nature are remarks. Where
    three or more columns are functions of a few numbers, pairs of different rows that come close show by how much the
    tree overstates, and that is taken off. A single surprising repetition is a remark.
    `python bench/calibrate_rows.py` prints: no warning in 255 data sets with nothing wrong (100 to 20,000 rows; five of
    scikit-learn's, fifteen designs); 1 % or 5 % of the rows twice, a warning in all of 64 tables of correlated numbers,
    sentences or functions of three numbers; 5 % twice among four numbers of one decimal, a remark in all of 16.

Limits
    Rows that differ in one digit are not equal. In small tables of strictly dependent columns natural repetition can
    still be called copies; copies of measures to one decimal are remarks, for chance makes them too.

Source
    Chow and Liu, Approximating discrete probability distributions with dependence trees, 1968; Grassberger and
    Procaccia, Characterization of strange attractors, 1983.
"""

from collections.abc import Iterator
from pathlib import Path

from doctor.evidence.repeated_rows import Example, RepeatedRows, Repeats
from doctor.evidence.roles import Roles
from doctor.evidence.row_hashes import RowHashes
from doctor.evidence.text_columns import TextColumns
from doctor.model import Check, DropRows, Finding, Location, Safety, Severity

CHECK = Check(
    "duplicates/duplicate-rows",
    Severity.WARNING,
    {
        "copies": "{extra_rows:,} of {total_rows:,} rows ({share:.1%}) repeat another row in every column{such}",
        "natural": "{extra_rows:,} of {total_rows:,} rows ({share:.1%}) repeat another row in "
        "every column{such}; among so few levels that is mostly coincidence",
        "few": "{extra_rows:,} of {total_rows:,} rows ({share:.2%}) repeat another row in every column{such}",
        "apart from ids": "{extra_rows:,} of {total_rows:,} rows ({share:.1%}) repeat another row but for "
        "{left_out}{such}",
    },
)


def examine(
    repeated: RepeatedRows, hashes: RowHashes, roles: Roles, texts: TextColumns | None, *, min_share: float = 0.01
) -> Iterator[Finding]:
    """Judge the repetitions within each split."""
    for repeats in repeated.whole:
        if not repeats.extra_rows:
            continue
        surprising = repeats.share * repeats.surprising_share
        if surprising >= min_share and repeats.extra_rows * repeats.surprising_share > 1:
            yield _finding("copies", Severity.WARNING, repeats, repeated, _drop(repeats))
        else:
            kind = "few" if repeats.surprising_share >= 0.5 else "natural"
            yield _finding(kind, Severity.INFO, repeats, repeated, None if kind == "natural" else _drop(repeats))
    equal = (*repeated.features, *((roles.target,) if roles.target else ()))
    if texts is not None and set(repeated.features) <= set(texts.names):
        return  # what has the same texts but another name is what duplicates/duplicate-texts looks for
    for repeats in repeated.apart_from_ids:
        drop = _drop(repeats, duplicates_of=equal, folded=hashes.folded, safety=Safety.UNSAFE)
        yield _finding("apart from ids", Severity.INFO, repeats, repeated, drop)


def _drop(
    repeats: Repeats,
    *,
    duplicates_of: tuple[str, ...] = (),
    folded: tuple[str, ...] = (),
    safety: Safety = Safety.SAFE,
) -> DropRows:
    split = None if repeats.split == "all" else repeats.split
    where = f" in {split}" if split else ""
    summary = f"drop all copies but the first{where}"
    return DropRows(split=split, duplicates_of=duplicates_of, folded=folded, safety=safety, summary=summary)


def _finding(
    kind: str, severity: Severity, repeats: Repeats, repeated: RepeatedRows, repair: DropRows | None
) -> Finding:
    split = None if repeats.split == "all" else repeats.split
    loose = kind == "apart from ids"
    first = repeats.examples[0] if repeats.examples else None
    return CHECK.finding(
        kind,
        at=Location(
            split=split, rows=first.rows if first and not first.files else (), file=first.file if first else None
        ),
        severity=severity,
        repair=repair,
        extra_rows=repeats.extra_rows,
        total_rows=repeats.rows,
        share=repeats.share,
        groups=repeats.groups,
        surprising_share=repeats.surprising_share,
        median_bits=repeats.median_bits,
        bound_bits=repeats.bound_bits,
        groups_read=repeats.groups_read,
        left_out=", ".join(repeated.ids) if loose else "",
        such=_apart(first) if first and first.files else "",
        examples=[
            {"copies": one.copies, "rows": one.rows, "bits": one.bits, **({"files": one.files} if one.files else {})}
            for one in repeats.examples
        ],
    )


def _apart(example: Example) -> str:
    """Name the files of equal documents."""
    return f", such as {' and '.join(Path(file).name for file in example.files[:2])}"
