"""Annotators who agree little more than chance would have them.

What it finds
    Tables with several labels per item (a column per annotator, a row per annotation, or counts per category) whose
    agreement, corrected for chance, is below a bound. Two annotators are judged by Cohen's kappa (quadratic weights on
    ordered labels), more by Fleiss' kappa where all items have equally many names, else by Krippendorff's alpha. Also
    single annotators whose answers know nothing of the item, are always the same or are reversed, and pairs that agree
    badly although the whole does not. High agreement with a low kappa, because nearly all items are of one class, is
    named as what it is, the prevalence paradox; it is a remark where the other classes are too rare to judge.

Why it matters
    A model cannot learn what people do not agree on. Disagreement bounds the accuracy that any model can reach, and a
    test set labelled that way measures the annotators.

What to do
    Discuss the items in dispute, most contested first, and sharpen the guideline for the class pair that is mixed up.
    Leave out an annotator who guesses. Then form one label per item by the model of Dawid and Skene, not by majority.

Thresholds
    min_kappa: kappa or alpha below which it is a warning (0.6).
    min_items: items with two labels below which nothing is judged (10).
    min_shared: pairs of labels in all, and items that a pair or an annotator shares, below which they are not (30).
    max_guess_kappa: kappa against the others below which, with its upper limit, an annotator counts as guessing (0.2).

Calibration
    `python bench/calibrate_agreement.py 200`, 200 seeded tables of 300 items each: at a true kappa of .8 (two, three
    and five annotators, even and skewed labels) no finding in 600; at .4 a warning in 600 of 600; at exactly .6 no
    verdict in 90 %, healthy in 5.5 %, low in 3.5 %, a poor pair in 1 %. One of five who guesses is named in 400 of 400,
    in one of them as contrary. The coefficients equal the published figures in tests/evidence/test_agreement.py.

Limits
    The verdict is of the 95 % bootstrap interval over items: where it contains the bound there is none. Whether numbers
    are names or amounts cannot be seen; unless `--scale` says so, the larger of both coefficients is judged.

Source
    The bound of 0.6 is that of common training guides (and "substantial" in Landis and Koch 1977). Cohen (1960, 1968),
    Fleiss (1971), Krippendorff (2011), Gwet (2008), Hoeffding (1951), Dawid and Skene (1979).
"""

from collections.abc import Iterator
from typing import Any

from doctor.evidence.annotations import Annotations, AnnotatorFacts
from doctor.evidence.pairs import PairAgreement, surely_below
from doctor.model import (
    Check,
    Consensus,
    DropAnnotators,
    DropColumns,
    Finding,
    Location,
    ReviewRows,
    Safety,
    Severity,
    Undecided,
)

SUMMARY = "{coefficient} = {value:.2f} ({low:.2f} to {high:.2f}) over {items:,} items"

CHECK = Check(
    "labels/low-agreement",
    Severity.WARNING,
    {
        "low": SUMMARY + " (wanted: {min_kappa}); two annotators say the same in {percent:.0%}",
        "low but for one": SUMMARY + " (wanted: {min_kappa}), but {without:.2f} without {annotator}",
        "paradox": SUMMARY + " although labels agree by {raw:.0%} (Gwet: {gwet:.2f}): labels hardly vary "
        "(mostly {label}), which leaves kappa little to go by (prevalence paradox)",
        "guessing": "{annotator}: answers do not depend on the item (kappa with the others {kappa:.2f})",
        "constant": "{annotator}: gives one label to everything",
        "contrary": "{annotator}: contradicts the others more than chance would (kappa {kappa:.2f})",
        "pairs": "{first} and {second}: kappa {value:.2f} over {shared:,} items (wanted: {min_kappa}; pairs: {pairs})",
    },
)


def examine(
    annotations: Annotations,
    *,
    min_kappa: float = 0.6,
    min_items: int = 10,
    min_shared: int = 30,
    max_guess_kappa: float = 0.2,
) -> Iterator[Finding | Undecided]:
    """Judge the agreement of all, of each annotator and of each pair."""
    judged, items = annotations.judged, annotations.paired_items
    if items < min_items or annotations.rating_pairs < min_shared:
        yield CHECK.unavailable(f"{items:,} items with two labels are too few to tell whether annotators agree")
        return
    if judged.value is None or judged.low is None or judged.high is None:
        yield CHECK.unavailable("agreement beyond chance is undefined: nearly all labels are the same")
        return
    odd: set[str] = set()
    if not annotations.exchangeable:
        for kind, people in annotations.standing(min_shared, max_guess_kappa).items():
            odd.update(person.name for person in people)
            yield _about(annotations, kind, people)
    if judged.high < min_kappa:
        yield from _low(annotations, odd, min_kappa, min_shared)
        return
    told = [pair for pair in annotations.pairs if pair.shared >= min_shared and not {pair.first, pair.second} & odd]
    poor = [] if annotations.exchangeable else surely_below(told, annotations.scale, min_kappa)
    if poor:
        yield _pairs(annotations, poor, min_kappa)
    elif judged.low < min_kappa:
        shown = f"{judged.coefficient} = {judged.value:.2f} ({judged.low:.2f} to {judged.high:.2f})"
        yield CHECK.unavailable(f"{shown} over {items:,} items cannot be told from {min_kappa}")


def _about(annotations: Annotations, kind: str, people: list[AnnotatorFacts]) -> Finding:
    names = tuple(person.name for person in people)
    return CHECK.finding(
        kind,
        at=_place(annotations, names),
        repair=_drop(annotations, names),
        annotator=", ".join(names),
        kappa=people[0].kappa,
        kappas={person.name: person.kappa for person in people},
        **annotations.summary(),
    )


def _low(annotations: Annotations, odd: set[str], min_kappa: float, min_shared: int) -> Iterator[Finding]:
    judged, facts = annotations.judged, annotations.coefficients
    at, words = Location(columns=annotations.columns), dict[str, Any]()
    evidence: dict[str, Any] = {
        "coefficient": judged.coefficient,
        "value": judged.value,
        "low": judged.low,
        "high": judged.high,
        "items": annotations.paired_items,
        "min_kappa": min_kappa,
        "percent": facts["percent_agreement"],
        **annotations.summary(),
    }
    best = None if annotations.exchangeable else annotations.most_in_the_way
    without = best.alpha_without if best and best.shared_items >= min_shared else None
    if annotations.paradox(min_kappa):
        severity = Severity.WARNING if annotations.class_items[annotations.by_items[1]] >= min_shared else Severity.INFO
        words = {"label": annotations.by_items[0], "raw": annotations.raw_agreement, "gwet": annotations.gwet}
        yield CHECK.finding("paradox", at=at, severity=severity, repair=_review(annotations), **words, **evidence)
    elif best is None or without is None or without < min_kappa:
        yield CHECK.finding("low", at=at, repair=_review(annotations), **evidence)
    elif best.name not in odd:
        words = {"annotator": best.name, "without": without, "repair": _drop(annotations, (best.name,))}
        yield CHECK.finding("low but for one", at=at, **words, **evidence)


def _pairs(annotations: Annotations, poor: list[tuple[float, PairAgreement]], min_kappa: float) -> Finding:
    value, worst = poor[0]
    names = tuple(sorted({name for _, pair in poor for name in (pair.first, pair.second)}))
    everyone = tuple(person.name for person in annotations.annotators)
    return CHECK.finding(
        "pairs",
        at=_place(annotations, names),
        repair=Consensus(annotators=everyone, summary="form one label per item by the model of Dawid and Skene"),
        first=worst.first,
        second=worst.second,
        value=value,
        shared=worst.shared,
        pairs=len(poor),
        min_kappa=min_kappa,
        **{name: fact for name, fact in annotations.summary().items() if name != "pairs"},
    )


def _place(annotations: Annotations, names: tuple[str, ...]) -> Location:
    return Location(columns=names if annotations.layout == "wide" else annotations.columns)


def _drop(annotations: Annotations, names: tuple[str, ...]) -> DropColumns | DropAnnotators:
    summary = f"leave out {', '.join(names)}"
    if annotations.layout == "wide":
        return DropColumns(columns=names, summary=summary)
    return DropAnnotators(annotators=names, column=annotations.columns[0], summary=summary)


def _review(annotations: Annotations) -> ReviewRows:
    rows = tuple(item.row for item in annotations.contested)
    named = ", ".join(map(str, rows[:5]))
    numbers = tuple(item.number for item in annotations.contested)
    told = f"discuss the items in dispute first, rows {named} …"
    return ReviewRows(rows=rows, numbers=numbers, safety=Safety.MANUAL, summary=told)
