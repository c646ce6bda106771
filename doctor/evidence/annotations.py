"""What several annotators said of the same items, and how far they agree."""

from typing import Any, ClassVar

import msgspec
import numpy as np
from msgspec import Struct

from doctor.errors import NotApplicable, Unavailable
from doctor.evidence import agreement, pairs, raters
from doctor.evidence.annotators import AnnotatorRoles, infer_annotators
from doctor.evidence.dawid_skene import dawid_skene
from doctor.evidence.pairs import PairAgreement
from doctor.evidence.profile import Profile
from doctor.evidence.raters import Votes
from doctor.evidence.scales import Scale
from doctor.evidence.votes import Stored, store_votes
from doctor.model import Sampling
from doctor.subjects.table import Table

Array = np.ndarray[Any, Any]

MAX_CONTESTED = 200
MAX_CONSENSUS_CELLS = 5_000_000
MAX_SHOWN = 20
MIN_REST = 0.3
"""Alpha of the others below which nobody can be said to stand apart from them."""
MIN_MINORITY = 10
"""Answers besides the commonest one that it takes to tell."""


class Judged(Struct, frozen=True, kw_only=True):
    """A coefficient with its bootstrap interval; None where it is undefined."""

    coefficient: str
    value: float | None
    low: float | None = None
    high: float | None = None


MIN_RAW = 0.8
PARADOX_GAP = 0.2


class AnnotatorFacts(Struct, frozen=True, kw_only=True):
    """One annotator against the others; None where undefined (two annotators have no "others").

    Attributes
    ----------
    shared_items : int
        Items that others labelled too.
    alpha_without : float or None
        Krippendorff's alpha of the others alone.
    gain : float or None
        How much alpha rises when this annotator is left out.
    kappa, error : float or None
        Chance-corrected share of the others who say the same, and its standard deviation if answers were shuffled.
    agreement : float or None
        Mean share of the others who say the same, not corrected.
    labels_used, minority_ratings : int
        Different labels given, and labels other than the one given most.
    says, others_say, confused : str, str, int
        The class pair on which this annotator and another differ most often, and how often they do.
    accuracy : float or None
        Probability of a right answer by the model of Dawid and Skene.
    """

    name: str
    ratings: int
    shared_items: int
    alpha_without: float | None = None
    gain: float | None = None
    kappa: float | None = None
    error: float | None = None
    agreement: float | None = None
    labels_used: int = 0
    minority_ratings: int = 0
    says: str | None = None
    others_say: str | None = None
    confused: int = 0
    accuracy: float | None = None

    def standing(self, max_kappa: float) -> str | None:
        """Say how the annotator stands apart from others who agree among themselves.

        Parameters
        ----------
        max_kappa : float
            Kappa with the others that even the upper limit of one who guesses stays below.

        Returns
        -------
        str or None
            "constant", "contrary" or "guessing"; None for the rest and where too little is known.
        """
        rest, kappa, error = self.alpha_without, self.kappa, self.error
        if rest is None or rest < MIN_REST or kappa is None or error is None:
            return None
        if self.labels_used == 1 and self.shared_items * (1 - (self.agreement or 0.0)) >= MIN_MINORITY:
            return "constant"
        if self.minority_ratings < MIN_MINORITY:
            return None
        if kappa + 3 * error < 0:
            return "contrary"
        return "guessing" if kappa + 1.645 * error < min(max_kappa, rest / 2) else None


class Contested(Struct, frozen=True, kw_only=True):
    """An item in dispute: its first row, counted from 1 in its file and from 0 in the table, and what was said."""

    row: int
    number: int
    item: str | None
    labels: tuple[str, ...]
    disagreement: float


class Annotations(Struct, frozen=True, kw_only=True):
    """How far annotators agree.

    Attributes
    ----------
    layout : str
        "wide" (a column per annotator), "long" (a row per annotation) or "counts" (a column per category).
    columns : tuple of str
        The columns that hold the annotations.
    items, ratings : int
        Items with at least one label, and labels.
    paired_items, rating_pairs : int
        Items with at least two labels, and pairs of labels of the same item.
    used_items : int
        Items on which the coefficients rest; fewer than `items` only beyond `votes.MAX_VOTES` labels.
    contradictions : int
        Labels left out because an annotator gave one item different labels (long layout).
    coefficients : dict of str to float or None
        percent_agreement, weighted_agreement (quadratic weights), fleiss (equal raters only), fleiss_generalised,
        conger, light (mean Cohen), brennan_prediger, gwet_ac1, gwet_ac2 (quadratic weights), alpha_nominal,
        alpha_ordinal, alpha_interval, alpha_ratio.
    intervals : dict of str to pair of float or None
        95 % bootstrap intervals over items of percent, fleiss, gwet (weighted by the scale) and alpha (of the scale).
    judged : Judged
        The coefficient that fits layout and scale. Where the scale is only guessed to be above nominal, the larger of
        the coefficient at that scale and the nominal one.
    class_agreement, class_items : dict
        Per label, the chance that another annotator says it too, and the items to which anyone gave it.
    pairs, unjudged_pairs : tuple of PairAgreement, int
        Pairs with enough shared items, lowest kappa first; and how many others there are.
    exchangeable : bool
        Nobody knows who said what: counts, or columns that hold each item's labels in sorted order. Pairs and
        annotators of such columns mean nothing.
    overruled : int or None
        Items whose label by Dawid and Skene differs from that of the majority.
    confusion : Confusion or None
        Of the annotator who is most in the way of the others, or of the first of two; None where that means nothing.
    """

    COST: ClassVar[int] = 3

    layout: str
    columns: tuple[str, ...]
    scale: Scale
    items: int
    ratings: int
    paired_items: int
    rating_pairs: int
    used_items: int
    contradictions: int
    coefficients: dict[str, float | None]
    intervals: dict[str, tuple[float, float] | None]
    judged: Judged
    class_agreement: dict[str, float | None]
    class_items: dict[str, int]
    annotators: tuple[AnnotatorFacts, ...]
    pairs: tuple[PairAgreement, ...]
    unjudged_pairs: int
    contested: tuple[Contested, ...]
    exchangeable: bool = False
    overruled: int | None = None
    confusion: raters.Confusion | None = None

    def standing(self, min_shared: int, bound: float) -> dict[str, list[AnnotatorFacts]]:
        """Sort out annotators who stand apart where the others agree among themselves."""
        groups: dict[str, list[AnnotatorFacts]] = {}
        for person in self.annotators:
            standing = person.standing(bound)
            if standing and person.shared_items >= min_shared:
                groups.setdefault(standing, []).append(person)
        return groups

    def paradox(self, bound: float) -> bool:
        """Whether labels agree and only the coefficient does not, because nearly all are of one class."""
        apart = self.gwet - (self.judged.value or 0.0)
        return self.raw_agreement >= MIN_RAW and self.gwet >= bound and apart >= PARADOX_GAP

    @property
    def raw_agreement(self) -> float:
        """Agreement not corrected for chance: of names, or with quadratic weights where the labels have an order."""
        nominal = self.scale.level == "nominal"
        return self.coefficients["percent_agreement" if nominal else "weighted_agreement"] or 0.0

    @property
    def gwet(self) -> float:
        """Gwet's AC1 of names, AC2 with quadratic weights where the labels have an order."""
        return self.coefficients["gwet_ac1" if self.scale.level == "nominal" else "gwet_ac2"] or 0.0

    @property
    def most_in_the_way(self) -> AnnotatorFacts | None:
        """The annotator without whom the others agree best; None where there are no others."""
        known = [person for person in self.annotators if person.alpha_without is not None]
        return max(known, key=lambda person: (person.alpha_without or 0.0, person.name), default=None)

    @property
    def by_items(self) -> list[str]:
        """The labels, those given to most items first."""
        return sorted(self.class_items, key=lambda label: (-self.class_items[label], label))

    def summary(self) -> dict[str, Any]:
        """Return what a finding shows: all coefficients, and the first few of each list."""
        return {
            "coefficients": self.coefficients,
            "intervals": self.intervals,
            "scale": self.scale.level,
            "class_agreement": self.class_agreement,
            "annotators": msgspec.to_builtins(self.annotators[:MAX_SHOWN]),
            "pairs": msgspec.to_builtins(self.pairs[:MAX_SHOWN]),
            "contested": msgspec.to_builtins(self.contested[:MAX_SHOWN]),
            "contradictions": self.contradictions,
            "overruled": self.overruled,
            "confusion": msgspec.to_builtins(self.confusion),
        }

    @classmethod
    def measure(cls, table: Table, profile: Profile, sampling: Sampling) -> "Annotations":
        """Pool the table's annotations in the engine and compute the coefficients from the pooled items.

        Raises
        ------
        NotApplicable
            Where there are no annotators.
        Unavailable
            Where the labels are too many to be categories or no item has two.
        """
        found = infer_annotators(table, profile)
        if not found.annotators or found.layout is None:
            raise NotApplicable("no column holds an annotator's labels (declare them with --annotators)")
        stored = store_votes(table, found, table.declared.scale)
        if stored.paired_items == 0:
            raise Unavailable("no item was labelled by two annotators")
        return _sheet(table, found, stored, sampling.seed)


def _sheet(table: Table, found: AnnotatorRoles, stored: Stored, seed: int) -> Annotations:
    votes, scale = stored.votes, stored.scale
    known = found.layout != "counts"
    values = np.array(scale.values)
    profiles = votes.profiles
    quadratic = agreement.weights("quadratic", values)
    own = quadratic if scale.level != "nominal" else agreement.weights("nominal", values)
    facts = dict(agreement.coefficients(profiles, values, quadratic))
    compared, unjudged, light = pairs.compare(stored, scale, seed) if known else ((), 0, None)
    shares = votes.per_annotator_and_category(votes.items[votes.pattern].astype(float))
    shares = shares / np.maximum(1, shares.sum(axis=1, keepdims=True))
    facts["conger"] = agreement.conger(facts["percent_agreement"], shares) if known else None
    facts["light"] = light
    judged, drawn = _judge(votes, scale, compared, known, facts, own, seed)
    difference = agreement.distances(scale.level, values, profiles.marginals)
    named = agreement.weights("nominal", values) if difference is None else difference
    classes = agreement.specific_agreement(profiles)
    met = np.bincount(profiles.category, (profiles.items * profiles.paired)[profiles.profile], len(values))
    people = _people(stored, named, facts.get(f"alpha_{scale.level}")) if known else ()
    people, overruled = _with_consensus(votes, people) if people else (people, None)
    exchangeable = not known or raters.come_sorted(votes, stored.position)
    return Annotations(
        layout=found.layout or "",
        columns=found.annotators if found.label is None else (*found.annotators, found.label),
        scale=scale,
        items=stored.items,
        ratings=stored.ratings,
        paired_items=stored.paired_items,
        rating_pairs=stored.rating_pairs,
        used_items=int(votes.items.sum()),
        contradictions=stored.contradictions,
        coefficients=facts,
        intervals=drawn,
        judged=judged,
        class_agreement={
            label: None if np.isnan(share) else float(share) for label, share in zip(scale.labels, classes, strict=True)
        },
        class_items={label: int(count) for label, count in zip(scale.labels, met, strict=True)},
        annotators=people,
        pairs=compared,
        unjudged_pairs=unjudged,
        contested=_contested(table, stored, named),
        exchangeable=exchangeable,
        overruled=overruled,
        confusion=None if exchangeable else _confusion(stored, people),
    )


def _judge(
    votes: Votes,
    scale: Scale,
    compared: tuple[PairAgreement, ...],
    known: bool,
    facts: dict[str, float | None],
    own: Array,
    seed: int,
) -> tuple[Judged, dict[str, tuple[float, float] | None]]:
    """Choose the coefficient that fits and compute its interval."""
    levels = [scale.level] if not scale.guessed or scale.level == "nominal" else ["nominal", scale.level]
    candidates: list[Judged] = []
    drawn: dict[str, tuple[float, float] | None] = {}
    values = np.array(scale.values)
    for level in levels:
        profiles = votes.profiles
        distance = agreement.distances(level, values, profiles.marginals)
        if distance is None:
            raise Unavailable("a ratio scale has no negative values")
        weight = own if level == scale.level else agreement.weights("nominal", values)
        draws = agreement.bootstrap(profiles, distance, weight, seed=seed)
        drawn = {name: agreement.interval(each) for name, each in draws.items()}
        if known and votes.annotators == 2 and compared:
            pair = compared[0]
            kind = "Cohen's κ" if level == "nominal" else "Cohen's quadratic κ"
            span = pair.interval if level == "nominal" else pair.quadratic_interval
            value = pair.cohen if level == "nominal" else pair.quadratic
        elif level == "nominal" and facts["fleiss"] is not None:
            kind, span, value = "Fleiss' κ", drawn["fleiss"], facts["fleiss"]
        else:
            kind = f"Krippendorff's {level} α"
            span, value = drawn["alpha"], facts[f"alpha_{level}"]
        low, high = span or (None, None)
        candidates.append(Judged(coefficient=kind, value=value, low=low, high=high))
    return max(candidates, key=lambda each: -np.inf if each.value is None else each.value), drawn


def _people(stored: Stored, distance: Array, alpha: float | None) -> tuple[AnnotatorFacts, ...]:
    votes = stored.votes
    left = raters.alpha_without(votes, distance)
    against = raters.independence(votes)
    given = votes.per_annotator_and_category(votes.items[votes.pattern].astype(float))
    confusions = pairs.worst_confusions(stored)
    several = votes.annotators > 2
    facts = []
    for index, name in enumerate(stored.names):
        rest = _defined(left[index]) if several else None
        says, others_say, confused = confusions.get(index, (None, None, 0))
        facts.append(
            AnnotatorFacts(
                name=name,
                ratings=int(given[index].sum()),
                shared_items=int(against.shared[index]),
                alpha_without=rest,
                gain=None if rest is None or alpha is None else rest - alpha,
                kappa=_defined(against.kappa[index]) if several else None,
                error=_defined(against.error[index]) if several else None,
                agreement=_defined(against.agreement[index]) if several else None,
                labels_used=int((given[index] > 0).sum()),
                minority_ratings=int(given[index].sum() - given[index].max()),
                says=says,
                others_say=others_say,
                confused=confused,
            )
        )
    return tuple(facts)


def _with_consensus(votes: Votes, people: tuple[AnnotatorFacts, ...]) -> tuple[tuple[AnnotatorFacts, ...], int | None]:
    """Add what the model of Dawid and Skene says, where it is quick and identified (three annotators or more)."""
    cells = max(len(votes.pattern), votes.annotators * votes.categories) * votes.categories
    if votes.annotators < 3 or votes.categories < 2 or cells > MAX_CONSENSUS_CELLS:
        return people, None
    consensus = dawid_skene(votes)
    best = consensus.posterior.argmax(axis=1)
    counts = votes.profiles.matrix.toarray()
    beaten = counts[np.arange(len(best)), best] < counts.max(axis=1)
    return tuple(
        msgspec.structs.replace(person, accuracy=float(share))
        for person, share in zip(people, consensus.accuracy, strict=True)
    ), int(votes.items[beaten].sum())


def _confusion(stored: Stored, people: tuple[AnnotatorFacts, ...]) -> raters.Confusion | None:
    """Set the annotator without whom the others agree best against them; of two the first."""
    known = [place for place, person in enumerate(people) if person.alpha_without is not None]
    chosen = max(known, key=lambda place: people[place].alpha_without or 0.0, default=0)
    return raters.confusion(stored.votes, stored.names, stored.scale.labels, chosen)


def _contested(table: Table, stored: Stored, distance: Array) -> tuple[Contested, ...]:
    """Find the most contested items: largest mean distance first, then those with more labels, then by row."""
    profiles = stored.votes.profiles
    largest = distance.max()
    apart = profiles.disagreement(distance) / (largest if largest > 0 else 1)
    order = np.lexsort((np.arange(len(apart)), -profiles.raters, -apart))
    order = order[apart[order] > 0]
    enough = int(np.searchsorted(np.cumsum(profiles.items[order]), MAX_CONTESTED)) + 1
    rank = {int(pattern): place for place, pattern in enumerate(order[:enough])}
    found = [
        Contested(
            row=table.place(row)[1],
            number=row,
            item=item,
            labels=tuple(stored.scale.labels[code] for code in labels),
            disagreement=float(apart[pattern]),
        )
        for pattern, row, item, labels in sorted(
            stored.members(list(rank)), key=lambda member: (-apart[member[0]], -len(member[3]), member[1])
        )
    ]
    return tuple(found[:MAX_CONTESTED])


def _defined(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
