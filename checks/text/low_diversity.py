"""Texts that say the same few words again and again, and words that only the test has.

What it finds
    Columns of text whose vocabulary hardly grows any more, however much is read: filled-in templates, a narrow
    generator. And test texts with words that the texts trained on do not cover, although as many held-out texts of the
    training split are covered.

Why it matters
    The long tail of rare words is what a model of language learns its knowledge from. From closed templates it learns
    the templates, scores well on more of the same, and fails on the first sentence of a person. Words of the test that
    were never trained on are read as pieces without a meaning.

What to do
    Mix in texts from other sources, make templates from many more words, or generate with a higher temperature and
    other prompts. Draw the test from where the model will be used, and the training texts too.

Thresholds
    min_exponent: power by which the vocabulary grows with the words read, over their second half (Heaps' law), below
    which the texts are narrow (0.25).
    min_words: words that must be there for a verdict (20000).
    min_uncovered_gap: share of test words that are not covered, beyond that of held-out training texts, from which the
    test is not covered (0.05).
    min_deviations: the same difference in standard errors (5.0).

Calibration
    The exponent is 0.47 to 0.64 for short messages, comments, questions, titles of flats, programs and their
    docstrings (28,000 to 1.5 million words), and below 0.01 for 3,000 letters made from templates of 300 words. Texts
    whose words are drawn by Zipf's law from a closed vocabulary are told from about 30 times as many words on as the
    vocabulary has: 0.00 at 30,000 words out of 300, 0.11 at 30,000 out of 1,000, 0.13 at 100,000 out of 3,000; 0.9 out
    of an open one (`python bench/calibrate_texts.py vocabulary`). Random splits of short messages and of questions
    differ by 0.01 at most in what is not covered.

Limits
    A vocabulary that grows says nothing of sentences that are alike; duplicates/near-duplicate-texts looks for these.
    Inflected and compound words grow faster than English ones. 1.5 million words per column and split are read at most.

Source
    H. S. Heaps, Information retrieval: computational and theoretical aspects, 1978, section 7.5.
"""

from collections.abc import Iterator

from doctor.evidence.vocabulary import Coverage, Growth, Vocabulary
from doctor.model import Advise, Check, Finding, Location, Safety, Severity, Undecided

CHECK = Check(
    "text/low-diversity",
    Severity.WARNING,
    {
        "narrow": "{column}: {words:,} words{where} are only {different:,} different ones, and reading on brings "
        "hardly a new one",
        "uncovered": "{column}: {new_share:.0%} of the words in {later} are never said in {earlier} (expected: "
        "{held_out_share:.0%}), such as {examples}",
    },
)
WHOLE = "all"


def examine(
    vocabulary: Vocabulary,
    *,
    min_exponent: float = 0.25,
    min_words: int = 20_000,
    min_uncovered_gap: float = 0.05,
    min_deviations: float = 5.0,
) -> Iterator[Finding | Undecided]:
    """Report narrow columns, then splits that are not covered."""
    enough = [growth for growth in vocabulary.growths if growth.words >= min_words]
    if not enough and not vocabulary.coverages:
        most = max((growth.words for growth in vocabulary.growths), default=0)
        yield CHECK.unavailable(f"{most:,} words are too few to tell how the vocabulary grows (needed: {min_words:,})")
    for growth in enough:
        if growth.exponent < min_exponent:
            yield _narrow(growth, min_exponent)
    for coverage in vocabulary.coverages:
        gap = coverage.new_share - coverage.held_out_share
        if gap >= min_uncovered_gap and coverage.deviations >= min_deviations:
            yield _uncovered(coverage)


def _narrow(growth: Growth, min_exponent: float) -> Finding:
    return CHECK.finding(
        "narrow",
        at=Location(columns=(growth.column,), split=growth.split if growth.split != WHOLE else None),
        where=f" in {growth.split}" if growth.split != WHOLE else "",
        texts=growth.texts,
        words=growth.words,
        different=growth.different,
        exponent=growth.exponent,
        min_exponent=min_exponent,
        head_share=growth.head_share,
        tail_share=growth.tail_share,
        common=growth.common,
        repair=Advise(safety=Safety.MANUAL, summary="mix in texts from other sources, or vary how these are made"),
    )


def _uncovered(coverage: Coverage) -> Finding:
    return CHECK.finding(
        "uncovered",
        at=Location(columns=(coverage.column,), split=coverage.later),
        new_share=coverage.new_share,
        held_out_share=coverage.held_out_share,
        deviations=coverage.deviations,
        earlier=coverage.earlier,
        later=coverage.later,
        texts=coverage.texts,
        examples=", ".join(coverage.words),
        repair=Advise(safety=Safety.MANUAL, summary=f"train on texts of the kind that {coverage.later} has"),
    )
