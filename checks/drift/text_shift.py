"""Texts of a later split that are of another kind than those that are trained on.

What it finds
    Columns of free text whose texts can be told apart by split: a classifier of their words, their length and their
    letters, judged on texts that it has not seen, does clearly better than chance. It names the words that are commoner
    on either side.

Why it matters
    A model is judged on what it was not trained for, or used on it: another subject, another language, other lengths,
    texts of another year. The score then says how far it carries over, not how well it has learned.

What to do
    If both splits stand for one source, draw them anew at random. If the later one is what the model will be used on,
    train on more of its kind.

Thresholds
    min_auc: lower 99 % bound of the area under the classifier's ROC curve from which texts are of another kind (0.65).
    min_texts: different texts of a side that must be there for a verdict (50).

Calibration
    Chance is 0.5. On random splits of short messages, with and without copies, and of docstrings the area was 0.49 to
    0.52 and its bound never above 0.50; on the published test split of the TREC questions, which asks other things than
    its training split, it was 0.80. Of 120 random splits of letters and of docstrings, 50 to 500 texts a side, none was
    told; the highest bound was 0.53. Where half of 500 later docstrings come from another library 10 of 10 are told,
    where 30 % do none is (`python bench/calibrate_texts.py shift`).

Limits
    A split along time or by author differs by right, and is told all the same. Texts that both splits have count for
    neither; leakage/split-duplicates tells them. 2,500 texts of a side are read at most, and 4,000 letters of each.

Source
    D. Lopez-Paz and M. Oquab, Revisiting classifier two-sample tests, 2017.
"""

from collections.abc import Iterator

from doctor.evidence.text_shifts import TextShift, TextShifts
from doctor.model import Check, Finding, Location, Resplit, Safety, Severity, Undecided

CHECK = Check(
    "drift/text-shift",
    Severity.WARNING,
    "{column}: texts of {later} can be told from those of {earlier} with an AUC of {auc:.2f} (at least {lower:.2f}); "
    "commoner in {later}: {commoner_later}; in {earlier}: {commoner_earlier}",
    leads_to=("text/low-diversity",),
)


def examine(shifts: TextShifts, *, min_auc: float = 0.65, min_texts: int = 50) -> Iterator[Finding | Undecided]:
    """Judge the classifier of each column and pair of splits."""
    for few in shifts.few:
        yield CHECK.unavailable(f"{few} are too few to tell")
    for shift in shifts.shifts:
        if min(shift.texts) < min_texts:
            yield CHECK.unavailable(f"{shift.column} in {shift.later}: {min(shift.texts)} texts are too few to tell")
        elif shift.lower >= min_auc:
            yield _finding(shift)


def _finding(shift: TextShift) -> Finding:
    earlier, later = shift.commoner
    return CHECK.finding(
        at=Location(columns=(shift.column,), split=shift.later),
        earlier=shift.earlier,
        later=shift.later,
        auc=shift.auc,
        lower=shift.lower,
        commoner_earlier=", ".join(earlier) or "none",
        commoner_later=", ".join(later) or "none",
        texts=shift.texts,
        median_words=shift.words,
        beyond_ascii_share=shift.beyond_ascii,
        repair=Resplit(
            by="random",
            safety=Safety.UNSAFE,
            summary="draw the splits anew at random, if both stand for one source",
        ),
    )
