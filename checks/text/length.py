"""Texts that a training cuts off, and questions without an answer.

What it finds
    With `--max-length TOKENS`: texts, records of question and answer, and conversations that are longer, split by
    split; and those of which the answer lies beyond the cut as a whole. Without it: records that have a question and
    no answer.

Why it matters
    What lies behind the cut is never seen: a summary is learned from half of its text, and a record whose answer is cut
    off teaches nothing or, worse, never to stop. The end-of-text token goes with it.

What to do
    Raise the length as far as model and memory allow, cut the question instead of the answer, or divide long documents
    into pieces; leave out records whose answer is lost.

Thresholds
    min_longer_share: share of texts that are cut off from which it is a warning and not a remark (0.01).
    min_lost_share: the same for answers that are lost as a whole (0.001).
    min_unanswered: records without an answer from which they are mentioned (1).

Calibration
    With `--tokenizer PATH` (a tokenizer.json, or a model's folder) tokens are counted. Without one, each word is taken
    for one token, the least that it can be: what is said to be too long is too long for every tokenizer. With real
    tokenizers English has about 1.3 tokens per word, other languages up to three, so more is cut than is told then;
    `likely_longer` in the evidence is the share at 1.3.

Limits
    The words of a chat template are not counted. Without `--max-length` nothing is said of long texts here;
    config/labels-vs-head holds a max_length in scanned code or configurations against the texts. Of more than
    `--sample-rows` rows that many are looked at.

Source
    –
"""

from collections.abc import Iterator

from doctor.evidence.text_lengths import Lengths, TextLengths
from doctor.model import Advise, Check, Finding, Location, Safety, Severity, Undecided

CHECK = Check(
    "text/length",
    Severity.WARNING,
    {
        "cut": "{column}: {at_least}{longer:,} of {records:,} texts{where} ({longer_share:.1%}) are longer than "
        "{max_length:,} tokens (median {middle:,}, longest {most:,})",
        "lost": "{column}: {at_least}{lost:,} of {records:,} records{where} have their answer beyond "
        "{max_length:,} tokens, where it is never seen",
        "unanswered": "{column}: {unanswered:,} of {records:,} records{where} have a question and no answer",
    },
)
WHOLE = "all"
"""What a table that is not divided calls its only split."""


def examine(
    lengths: TextLengths, *, min_longer_share: float = 0.01, min_lost_share: float = 0.001, min_unanswered: int = 1
) -> Iterator[Finding | Undecided]:
    """Report what is cut, what is lost by that, and what was never there."""
    for one in lengths.lengths:
        if one.unanswered >= min_unanswered:
            yield CHECK.finding(
                "unanswered",
                at=_at(one, answers=True),
                unanswered=one.unanswered,
                where=_where(one),
                records=one.records,
                repair=Advise(safety=Safety.MANUAL, summary="leave these records out, or answer them"),
            )
        if one.longer:
            yield _cut(lengths, one, min_longer_share, min_lost_share)
    if lengths.max_length is None and not any(one.unanswered >= min_unanswered for one in lengths.lengths):
        yield CHECK.not_applicable("no length is known at which texts are cut; name it with --max-length TOKENS")


def _cut(lengths: TextLengths, one: Lengths, min_longer_share: float, min_lost_share: float) -> Finding:
    lost = one.lost >= max(1, min_lost_share * one.records)
    grave = lost or one.longer >= min_longer_share * one.records
    return CHECK.finding(
        "lost" if lost else "cut",
        at=_at(one),
        severity=Severity.WARNING if grave else Severity.INFO,
        where=_where(one),
        at_least="" if lengths.exact else "at least ",
        longer=one.longer,
        longer_share=one.longer / one.records,
        likely_longer=one.likely / one.records,
        lost=one.lost,
        max_length=lengths.max_length,
        middle=one.middle,
        high=one.high,
        most=one.most,
        records=one.records,
        of=one.of,
        tokens="of the tokenizer" if lengths.exact else "one per word",
        repair=Advise(
            safety=Safety.MANUAL, summary="raise the length, cut the question instead, or divide long texts into pieces"
        ),
    )


def _at(one: Lengths, *, answers: bool = False) -> Location:
    columns = one.answers if answers and one.answers else one.columns
    return Location(columns=columns, split=one.split if one.split != WHOLE else None)


def _where(one: Lengths) -> str:
    return f" in {one.split}" if one.split != WHOLE else ""
