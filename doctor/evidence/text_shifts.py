"""Whether the texts of one split can be told from those of another: by their words, their length and their letters.

A classifier is fitted on the words of both sides and judged on folds that it has not seen. What it tells is an effect:
its area under the ROC curve stays at one half, at every number of texts, where both sides come from one source.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from msgspec import Struct

from doctor.errors import NotApplicable
from doctor.evidence.chronology import auc_deviation, auc_of
from doctor.evidence.splits import pairs_of
from doctor.evidence.text_columns import TextColumn
from doctor.evidence.text_sample import TextSample
from doctor.evidence.threads import one_thread
from doctor.evidence.vocabulary import words_of_text
from doctor.model import Sampling
from doctor.subjects.table import Table

MAX_TEXTS = 2_500
"""Of a side: by these an AUC is known to about 0.01."""
MIN_TEXTS = 20
MAX_LETTERS = 4_000
"""Of a text that are read."""
MAX_WORDS = 30_000
FOLDS = 4
NORMAL_99 = 2.326
"""Standard normal quantile of a one-sided bound of 99 %."""
WORDS_NAMED = 6

Array = np.ndarray[Any, Any]


class TextShift(Struct, frozen=True, kw_only=True):
    """Two splits and a classifier of their texts.

    Attributes
    ----------
    texts : (int, int)
        Different texts of each side that were fitted and judged; those that both sides have count for neither.
    auc, lower : float
        Out of fold, and its lower 99 % bound.
    commoner : (tuple of str, tuple of str)
        Words that are commoner in the earlier and in the later split, by how much.
    words, beyond_ascii : (float, float)
        Median words of a text, and share of letters beyond ASCII, of each side.
    """

    column: str
    earlier: str
    later: str
    texts: tuple[int, int]
    auc: float
    lower: float
    commoner: tuple[tuple[str, ...], tuple[str, ...]]
    words: tuple[float, float]
    beyond_ascii: tuple[float, float]


class TextShifts(Struct, frozen=True, kw_only=True):
    """All columns of free text between all pairs of splits; `few` are pairs with too few texts to fit anything."""

    COST: ClassVar[int] = 30

    shifts: tuple[TextShift, ...]
    few: tuple[str, ...]

    @classmethod
    def measure(cls, table: Table, sample: TextSample, sampling: Sampling) -> "TextShifts":
        """Fit one classifier per column and pair.

        Raises
        ------
        NotApplicable
            Where there is one split.
        """
        pairs = pairs_of(table) if len(table.splits) > 1 else []
        if not pairs:
            raise NotApplicable("there is only one split")
        found: list[TextShift] = []
        few: list[str] = []
        for column in sample.columns:
            for earlier, later in pairs:
                if not {earlier, later} <= set(column.splits):
                    continue
                sides = _sides(sample, column, earlier, later, sampling)
                if min(map(len, sides)) < MIN_TEXTS:
                    few.append(f"{column.name} in {earlier} and {later}: {min(map(len, sides))} texts")
                    continue
                with one_thread():
                    found.append(_shift(column.name, earlier, later, sides))
        return cls(shifts=tuple(found), few=tuple(few))


def _sides(
    sample: TextSample, column: TextColumn, earlier: str, later: str, sampling: Sampling
) -> tuple[list[str], list[str]]:
    """Return different texts of each side, drawn by the seed."""
    texts = [
        {text[:MAX_LETTERS] for text in sample.of(name).texts(column) if text.strip()} for name in (earlier, later)
    ]
    shared = texts[0] & texts[1]
    drawn = []
    for side in texts:
        own = sorted(side - shared)
        order = np.random.default_rng(sampling.seed).permutation(len(own))[:MAX_TEXTS]
        drawn.append([own[place] for place in order])
    return drawn[0], drawn[1]


def _shift(column: str, earlier: str, later: str, sides: tuple[list[str], list[str]]) -> TextShift:
    words = [[words_of_text(text) for text in side] for side in sides]
    late = np.repeat([False, True], [len(side) for side in sides])
    score = _out_of_fold([*words[0], *words[1]], _looks([*sides[0], *sides[1]]), late)
    auc = auc_of(score, late)
    lower = auc - NORMAL_99 * auc_deviation(max(auc, 0.5), len(sides[0]), len(sides[1]))
    return TextShift(
        column=column,
        earlier=earlier,
        later=later,
        texts=(len(sides[0]), len(sides[1])),
        auc=auc,
        lower=lower,
        commoner=_commoner(words[0], words[1]),
        words=(_median(words[0]), _median(words[1])),
        beyond_ascii=(_beyond_ascii(sides[0]), _beyond_ascii(sides[1])),
    )


def _out_of_fold(words: Sequence[Sequence[str]], looks: Array, late: Array) -> Array:
    """Score each text by a model of the other folds."""
    from scipy import sparse
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    # The words are counted on all texts and the labels are not looked at, so nothing leaks.
    reader = TfidfVectorizer(analyzer=list, min_df=2, max_features=MAX_WORDS, sublinear_tf=True)
    try:
        counted = reader.fit_transform(words)
    except ValueError:  # no word is said twice
        counted = sparse.csr_matrix((len(words), 0))
    inputs = sparse.hstack([counted, sparse.csr_matrix(looks)]).tocsr()
    fold = np.zeros(len(late), dtype=np.int64)
    for side in (~late, late):
        fold[side] = np.arange(int(side.sum())) % FOLDS  # the texts of a side stand in a drawn order
    score = np.zeros(len(late))
    for number in range(FOLDS):
        train, test = fold != number, fold == number
        model = LogisticRegression(C=1.0, solver="liblinear", class_weight="balanced", max_iter=200)
        model.fit(inputs[train], late[train])
        score[test] = model.decision_function(inputs[test])
    return score


def _looks(texts: Sequence[str]) -> Array:
    """Return what texts look like, each fact of mean 0 and deviation 1: length, capitals, digits, letters, signs."""
    facts = np.array(
        [
            [
                np.log1p(len(text)),
                sum(map(str.isupper, text)) / max(1, len(text)),
                sum(map(str.isdigit, text)) / max(1, len(text)),
                sum(sign > "\x7f" for sign in text) / max(1, len(text)),
                text.count("\n") / max(1, len(text)),
            ]
            for text in texts
        ]
    )
    spread = facts.std(axis=0)
    scaled = (facts - facts.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    return np.asarray(np.clip(scaled, -5, 5) * 0.2)  # about as large as the weight of a word


def _commoner(
    earlier: Sequence[Sequence[str]], later: Sequence[Sequence[str]]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the words whose share of texts differs most, for each side."""
    shares: list[Counter[str]] = [Counter(word for text in side for word in set(text)) for side in (earlier, later)]
    sizes = (len(earlier), len(later))
    difference = {word: shares[1][word] / sizes[1] - shares[0][word] / sizes[0] for word in {*shares[0], *shares[1]}}
    ranked = sorted(difference, key=lambda word: (difference[word], word))
    return (
        tuple(word for word in ranked[:WORDS_NAMED] if difference[word] < 0),
        tuple(word for word in ranked[::-1][:WORDS_NAMED] if difference[word] > 0),
    )


def _median(texts: Sequence[Sequence[str]]) -> float:
    return float(np.median([len(text) for text in texts]))


def _beyond_ascii(texts: Sequence[str]) -> float:
    letters = sum(map(len, texts))
    return sum(sum(sign > "\x7f" for sign in text) for text in texts if not text.isascii()) / max(1, letters)
