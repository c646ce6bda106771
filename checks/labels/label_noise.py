"""Labels that are likely wrong, judged by models that were fitted on other rows.

What it finds
    Rows whose label two families of models (a smooth surface through all rows, a plane through the classes), fitted on
    other rows, both hold to be another, by confident learning. Hard rows and wrong labels look alike one by one, so it
    speaks only where they differ together: where classes overlap, errors fade with the distance from the boundary, but
    wrong labels stand everywhere, so that a floor of errors remains where both models are sure. Known flips are put
    into 2 % of the labels first and must be found again. Two exchanged classes are named: once the labels that both
    models doubt are replaced, more rows of either stand in the midst of the other than the tails of the classes or
    errors that go anywhere would bring there. So are rows that nearly equal one with another label. Nothing is certain
    of a single row. Images are judged by a descriptor of gradients, light and colour, or by vectors of your own or a
    local model that makes them (`--embeddings PATH`).

Why it matters
    A model learns wrong labels too, at the price of right ones; and no test score can pass the share of right labels in
    the test rows. A review of the most doubtful 5 to 10 % of the rows finds most of them.

What to do
    Have a person go through the review list, most doubtful first; it proposes a label for each. The HTML report shows
    doubtful images in clusters, one question each. Where two classes are exchanged, look for who did so; `doctor fix
    --unsafe` gives the listed rows what the models say, in a copy.

Thresholds
    min_competence: probability that a known flip is doubted more than a row that bears the same label rightly (AUROC),
        below which it is silent (0.8).
    min_share: floor of errors that its lower bound must reach (0.01).
    max_chance: probability of so plain a floor where there is none (0.002).
    max_errors: share of rows that the models hold to be of another class, above which it is silent (0.25).
    min_dominance: share of all errors that the floor must explain (0.5), else the models err for other reasons too.
    min_witnesses: the same probability as min_competence, for each of two halves of the features by themselves (0.75).
        Else one column may tell the label, and tell it only in part.
    max_unseen: upper bound of the floor above which finding nothing is no verdict (0.05).
    min_exchanged: share of all rows in the midst of another class that lie between two, for these to be named (0.5).
    min_exchanged_share: share of either class that must bear the other's label for that (0.03).
    max_exchanged_share: share of both above which they are not told from classes that look the same (0.25).
    max_exchange_chance: probability of as many such rows, either way, by overlap or by errors of any kind (0.01).
    min_copies: pairs of near copies with different labels for a warning (3).
    min_certain: share of the rows of two classes that look like the other one in a split, both ways, while as many of
        train look like what they are labelled, for the only error (0.8).

Calibration
    `python bench/label_noise.py`: with 5 % of the labels flipped the list has an average precision of .999 for wine
    (the best of four models with cleanlab 2.9: .995), .958 for breast_cancer (.953), .995 for digits (.994). Where no
    label is wrong there are 8 alarms in 11,557 tables of 33 designs, 11 in 6,600 fresh ones, and none for
    scikit-learn's data or 34 public tables. 5 % flipped raise a warning in 5 of 5 for breast_cancer, 6 of 8 for wine, 1
    of 8 for iris, in texts of three classes well apart in 12 of 12, in digits as images in 5 of 5.
    `python bench/calibrate_exchanges.py`, two classes exchanged in 5, 10 and 20 % of the rows of either, all pairs in
    turn: 1,797 digits as images 45 of 45 each, 1,000 of them, so that 5 % are four or five rows, 42, 45 and 45; digits
    as tables 5, 9 and 9 of 9; wine 0, 3 and 3 of 3; iris 0, 0 and 2. No other two are ever named; none are in 361 sets
    whose labels are right, drawn anew, taken for others one way, in a ring or from and to one class. The figures with
    their commands are in bench/results/label_noise.md and exchanges.md.

Limits
    A floor is known to the step: 1, 1.5, 2, 3, 4, 5, 6, 8, 10, 12, 15 %. Up to 2,000 drawn rows of train, the first 120
    columns. Two of several classes are named where at least about five rows of each bear the other's label, ten where
    they are alike; with fewer, and beyond a fifth of the rows, chance or overlap explains as much. Of two classes in
    all nothing tells an exchange from wrong labels of any kind. Sentences are read only where there is nothing else, by
    the words that they use. Names of rows and entities are not read. Noise that follows the features (a rule misread by
    all, at times classes exchanged in what one hand wrote) looks like truth. A class with fewer than 10 rows is not
    judged, nor a table in which most rows repeat. Classes that are exchanged in every row cannot be told. Where classes
    lie far apart, errors everywhere look like errors that fade slowly, so that a good embedding may tell less than a
    poor one. Equal rows are left to labels/conflicting-labels.

Source
    Northcutt, Jiang and Chuang, Confident learning, JAIR 70 (2021). The curve with a floor is that of J. B. Copas,
    Binary regression models for contaminated data, JRSS B 50 (1988).
"""

from collections.abc import Iterator

from doctor.evidence.exchanges import Exchange
from doctor.evidence.image_label_noise import ImageLabelNoise
from doctor.evidence.label_noise import LabelNoise, taken_for
from doctor.evidence.split_exchange import SplitExchange, SplitExchanges
from doctor.model import Check, Finding, Location, Severity, Undecided, facts_of

CHECK = Check(
    "labels/label-noise",
    Severity.WARNING,
    {
        "noise": "{target}: about {share:.1%} of the labels look wrong ({lower:.1%} to {upper:.1%}): so many of "
        "{rows:,} {unit} are labelled otherwise however sure two families of models are; {suspects:,} are suspect",
        "exchanged": "{target}: {first} and {second} are exchanged in about {share:.0%} of their {unit} "
        "({lower:.1%} to {upper:.1%}): {first_rows:,} labelled {first} look like {second} to two families of models, "
        "{second_rows:,} the other way",
        "exchanged in a split": "{target}: {first} and {second} are exchanged in {split}: of its rows labelled {first} "
        "{first_share:.0%} look like {second} to models of train, of those labelled {second} {second_share:.0%} like "
        "{first}, while train itself is told right in {known_share:.0%}",
        "near copies": "{target}: {pairs:,} pairs of rows are equal but for the last digits and have different labels, "
        "rows {first_row} and {second_row} for example; one label of each pair is wrong",
    },
)

MAX_EXAMPLES = 5
EXCHANGED = ("first", "second", "first_rows", "second_rows", "first_share", "second_share")


def examine(
    noise: LabelNoise | ImageLabelNoise,
    splits: SplitExchanges | None,
    *,
    min_competence: float = 0.8,
    min_share: float = 0.01,
    max_chance: float = 0.002,
    max_errors: float = 0.25,
    min_dominance: float = 0.5,
    min_witnesses: float = 0.75,
    max_unseen: float = 0.05,
    min_exchanged: float = 0.5,
    min_exchanged_share: float = 0.03,
    max_exchanged_share: float = 0.25,
    max_exchange_chance: float = 0.01,
    min_copies: int = 3,
    min_certain: float = 0.8,
) -> Iterator[Finding | Undecided]:
    """Judge the floor of errors, if the models have shown that they find known flips."""
    for found in splits.found if splits else ():
        if min(found.first_share, found.second_share, found.known_share) >= min_certain:
            yield _in_a_split(noise, found)
    competent = noise.competence >= min_competence
    if len(noise.copies) >= max(min_copies, noise.ring + 1) and not noise.entities:
        yield _near_copies(noise, competent)
    if reason := noise.unable(min_competence, max_errors):
        yield CHECK.unavailable(reason)
        return
    bounds = (min_exchanged, min_exchanged_share, max_exchanged_share, max_exchange_chance)
    pair, limits = noise.exchange, (min_share, max_chance, min_dominance)
    exchanged = pair if pair and pair.stands_out(*bounds) else None
    if exchanged or (noise.suspects and noise.floor.stands_out(noise.error_share, 1, *limits)):
        if noise.witnesses >= min_witnesses:
            yield _finding(noise, exchanged)
        else:
            yield CHECK.unavailable("the label hangs on few columns, which may tell it only in part")
    elif noise.floor.stands_out(noise.error_share, 1, min_share, max_chance, 0.0):
        yield CHECK.unavailable(
            f"some {noise.floor.share:.0%} of the labels may be wrong, but the models err for other reasons too"
        )
    elif noise.floor.upper > max_unseen:
        yield CHECK.unavailable(f"up to {noise.floor.upper:.0%} of wrong labels cannot be told from hard rows here")


def _finding(noise: LabelNoise, exchanged: Exchange | None) -> Finding:
    rows = noise.swapped if exchanged else noise.listed
    floor = facts_of(noise.floor, "share", "lower", "upper", "ratio", "chance")
    return CHECK.finding(
        "exchanged" if exchanged else "noise",
        at=noise.place(rows[:MAX_EXAMPLES]),
        repair=noise.repair(exchanged=exchanged is not None),
        examples=[row.told for row in rows[:MAX_EXAMPLES]],
        total_rows=noise.total,
        taken_for=taken_for(rows),
        **noise.also_told(rows),
        **facts_of(noise, "target", "unit", "rows", "errors", "suspects", "competence", "witnesses", "flips"),
        **(facts_of(exchanged, *EXCHANGED, "share", "lower", "upper", "chance") if exchanged else floor),
    ).showing(thumbnails=noise.pictures(rows), review=noise.clusters(rows))


def _in_a_split(noise: LabelNoise, found: SplitExchange) -> Finding:
    return CHECK.finding(
        "exchanged in a split",
        severity=Severity.ERROR,
        at=Location(columns=(noise.target,), split=found.split, rows=found.shown, file=found.file),
        repair=found.repair(noise.target),
        target=noise.target,
        **facts_of(found, *EXCHANGED, "known_share"),
    )


def _near_copies(noise: LabelNoise, competent: bool) -> Finding:
    listed = [row for pair in noise.copies for row in pair]
    return CHECK.finding(
        "near copies",
        at=noise.place(listed[: 2 * MAX_EXAMPLES]),
        repair=noise.repair_of_copies(competent=competent),
        pairs=len(noise.copies),
        first_row=listed[0].row,
        second_row=listed[1].row,
        examples=[row.told for row in listed[: 2 * MAX_EXAMPLES]],
        **facts_of(noise, "target", "rows", "ring", "competence"),
    )
