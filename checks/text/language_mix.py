"""Few texts in another language or script than all others of their column.

What it finds
    Columns of which at least four fifths of the texts are in one script, or, in Latin script, in one language, and a
    few are not: how many, which, where, in which splits, and whether they have one label more often than chance
    explains. A column in which several languages have their share is meant to be so and is not mentioned, nor is one
    beside which a column tells the language.

Why it matters
    From a few hundred sentences a model learns no language, only noise: a tokenizer made for the others cuts them into
    pieces, they take more tokens than their share, and answers slip into that language. Where they have one label, a
    classifier learns the language in its place. An average over the test hides that all of them fail.

What to do
    Look at the examples. Drop them (`doctor fix --unsafe`), or collect enough of them and say in a column in which
    language each text is. Ask where they come from: pages of other countries are often spam.

Thresholds
    min_texts: texts in another language or script from which they are mentioned (3).
    min_share: the same as a share of the texts of which it can be told (0.002).
    min_warning_share: share from which it is a warning and not a remark (0.01).

Calibration
    Of a paragraph in each of 17 languages, pieces of 12 words were told in 63 of 100 cases, of 16 in 83, of 24 in 98,
    and none was told wrongly. Among 7,134 docstrings of scikit-learn and pandas and 3,000 letters, none was accused of
    another language or script. Of 10 to 600 letters in Spanish of about 16 words among 2,000, four fifths were told
    (`python bench/calibrate_texts.py languages`). Nor was any accused of a language among 17,500 short messages,
    comments, questions and titles of flats; 4 titles in Cyrillic letters are too few to be mentioned.

Limits
    A language is told in Latin script only, for 17 languages or pairs of them, and in texts of at least 12 words, of
    which a fifth must be its function words; of shorter ones, and of texts in two languages, nothing is said. Within
    another script, as of Russian and Ukrainian, languages are not told apart; Danish and Norwegian, Indonesian and
    Malay count as one. Of a text the first 2,000 letters are looked at. A few quotations may be wanted.

Source
    G. Grefenstette, Comparing two language identification schemes, 1995, for function words; the Unicode Standard for
    the letters of scripts.
"""

from collections.abc import Iterator

from doctor.evidence.language_mix import MIN_JUDGED, LanguageMix, Mix
from doctor.model import Advise, AnyRepair, Check, DropRows, Excerpt, Finding, Location, Safety, Severity, Undecided

CHECK = Check(
    "text/language-mix",
    Severity.WARNING,
    {
        "script": "{column}: {strange:,} of {judged:,} texts ({share:.1%}) are not in {main} but in {others}{told}",
        "language": "{column}: {strange:,} of the {judged:,} texts of which it can be told ({share:.1%}) are not in "
        "{main} but in {others}{told}",
    },
)
NAMED = 4


def examine(
    mix: LanguageMix, *, min_texts: int = 3, min_share: float = 0.002, min_warning_share: float = 0.01
) -> Iterator[Finding | Undecided]:
    """Report the strange texts of each column, those of another script and those of another language."""
    if mix.most_judged < MIN_JUDGED:
        few = f"of {mix.most_judged:,} texts it can be told in which script they are (needed: {MIN_JUDGED})"
        yield CHECK.unavailable(few)
    for one in mix.mixes:
        if one.strange >= max(min_texts, min_share * one.judged) and not one.declared:
            grave = one.label is not None or one.strange >= min_warning_share * one.judged
            yield _finding(one, Severity.WARNING if grave else Severity.INFO)


def _finding(mix: Mix, severity: Severity) -> Finding:
    named = [f"{tongue} ({count:,})" for tongue, count in mix.tongues.items()]
    finding = CHECK.finding(
        mix.kind,
        severity=severity,
        at=Location(columns=(mix.column,)),
        strange=mix.strange,
        judged=mix.judged,
        share=mix.strange / mix.judged,
        main=mix.main,
        others=", ".join(named[:NAMED]) + (" and others" if len(named) > NAMED else ""),
        tongues=mix.tongues,
        by_split=mix.by_split,
        told=_told(mix),
        label=mix.label.label if mix.label else None,
        label_share=mix.label.share if mix.label else None,
        usual_label_share=mix.label.usual_share if mix.label else None,
        estimated=mix.drawn,
        repair=_repair(mix),
    )
    return finding.showing(
        excerpts=[
            Excerpt(place=f"{one.place}, {one.tongue}", text=one.text, spans=[(0, len(one.text))])
            for one in mix.examples
        ]
    )


def _told(mix: Mix) -> str:
    splits = ", ".join(f"{split} {share:.1%}" for split, share in mix.by_split.items())
    where = f"; by split: {splits}" if len(mix.by_split) > 1 else ""
    if mix.label is None:
        return where
    label = mix.label
    return f"{where}; {label.share:.0%} of them are labelled {label.label} ({label.usual_share:.0%} of all)"


def _repair(mix: Mix) -> AnyRepair:
    if not mix.numbers:
        return Advise(
            safety=Safety.MANUAL, summary="leave these texts out, or say in a column in which language each is"
        )
    return DropRows(rows=mix.numbers, safety=Safety.UNSAFE, summary="drop the rows whose text is in another language")
