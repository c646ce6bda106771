"""Texts that stand in a longer one: they keep the same runs of words, then their runs are looked up in it.

Of every run a text keeps one of eight, the same ones wherever they stand (L. Irber et al., FracMinHash, 2022), so
that the share of a short text that a long one holds shows without either being read again. What a reply quotes of the
letter before does not count, nor do runs that many texts have.
"""

import re
from collections.abc import Callable
from typing import Any

import numpy as np
from msgspec import Struct

from doctor.evidence.shingles import RUN, run_orders
from doctor.evidence.text_matches import TextsOf
from doctor.evidence.text_rows import TextRows

MIN_INSIDE = 0.8
"""Of a text's runs that stand in the longer one."""
SLACK = 0.1
"""Share of a text's length by which its runs may be moved against each other in the longer one; what is put together of
the same phrases in another order, such as the descriptions of functions, is no part of another."""
MIN_WORDS = 50
"""A shorter text may be a saying, an answer of many, or the sentence that somebody cites."""
MIN_LONGER = 1.2
"""Words of the longer text per word of the one in it; texts of about one length are near copies or are not."""
MIN_OWN_SHARE = 0.5
"""Of a text's kept runs that few others have; a text that is a form for the rest is none that stands elsewhere."""
MAX_SHARING = 10
"""A run in more texts is a form or a phrase; as in the contamination study of GPT-3."""
ESTIMATED, MIN_MET = 0.6, 2
"""Share of the kept runs, and how many, from which a text is looked up in the longer one."""
MAX_MET = 20_000_000
"""Meetings of two texts in a run; where there are more, runs in so many texts count for less."""
MAX_COMPARED = 200_000
PAIRS_AT_ONCE = 2_000

_QUOTED_LINE = re.compile(r"^[ \t]*[>|].*$", re.MULTILINE)
_QUOTED_BLOCK = re.compile(
    r"\[quote[^\]\n]{0,100}\].{0,50000}?\[/quote\]|<blockquote[^>]{0,200}>.{0,50000}?</blockquote>", re.DOTALL | re.I
)
_BELOW_IS_QUOTED = re.compile(
    r"^[ \t]*-{2,}[ ]?(?:Original Message|Forwarded message|Urspr\u00fcngliche Nachricht|Message d'origine)"
    r"|^[ \t]*(?:On|Am|Le|El|Il|Em)\b[^\n]{5,200}"
    r"(?:wrote|writes|schrieb|a \u00e9crit|escribi\u00f3|ha scritto|escreveu)[ ]?:[ \t]*$"
    r"|^[ \t]*From:[^\n]{1,200}\n(?:(?:Sent|Date|To):[^\n]{1,200}\n)",
    re.MULTILINE | re.I,
)

Array = np.ndarray[Any, Any]


class Inside(Struct, frozen=True, kw_only=True):
    """Pairs of a text and a longer one that holds it.

    Attributes
    ----------
    inner, outer : ndarray of int64, shape (n,)
        Their numbers.
    all_compared : bool
        False where so many met that some pairs were left out.
    """

    inner: Array
    outer: Array
    all_compared: bool


def texts_inside(
    rows: TextRows, gone: Array, load: Callable[[Array], TextsOf], common: frozenset[int] = frozenset()
) -> Inside:
    """Find the texts that stand in longer ones.

    Parameters
    ----------
    rows : TextRows
        The texts.
    gone : ndarray of int64
        Numbers of texts that nearly equal another one, and so are told already.
    load : callable
        Makes the texts of some numbers ready, and returns what gives them.
    common : frozenset of int
        Runs that do not count, such as those of a form that is filled in.
    """
    words = rows.words[rows.first]
    asked = words >= MIN_WORDS
    asked[gone] = False
    first, second, shared, own, complete = _meetings(rows, asked)
    swapped = (words[first] > words[second]) | ((words[first] == words[second]) & (first < second))
    inner, outer = np.where(swapped, second, first), np.where(swapped, first, second)
    enough = (own >= MIN_OWN_SHARE * rows.kept_counts)[inner]
    enough &= words[outer] >= MIN_LONGER * words[inner]
    likely = np.flatnonzero(enough & (shared >= MIN_MET) & (shared >= ESTIMATED * own[inner]))
    share = shared[likely] / own[inner[likely]]
    chosen = likely[np.argsort(-share, kind="stable")[:MAX_COMPARED]]
    chosen = chosen[np.lexsort((inner[chosen], outer[chosen]))]
    inner, outer = inner[chosen], outer[chosen]
    texts_of = load(np.unique(np.concatenate([inner, outer])))
    held = [np.empty(0, dtype=bool)]
    for begin in range(0, len(inner), PAIRS_AT_ONCE):
        part = slice(begin, begin + PAIRS_AT_ONCE)
        held.append(_held(inner[part], outer[part], texts_of, np.array(sorted(common), dtype=np.uint64)))
    kept = np.concatenate(held)
    return Inside(inner=inner[kept], outer=outer[kept], all_compared=complete and len(likely) <= MAX_COMPARED)


def _meetings(rows: TextRows, asked: Array) -> tuple[Array, Array, Array, Array, bool]:
    """Return the pairs of texts that keep the same runs, how many, and how many runs each text keeps that few do."""
    owner = np.repeat(np.arange(len(rows.first)), rows.kept_counts)
    wanted = asked[owner]
    owner, run = owner[wanted], rows.kept[wanted]
    order = np.lexsort((owner, run))
    owner, run = owner[order], run[order]
    new = np.ones(len(run), dtype=bool)
    new[1:] = (run[1:] != run[:-1]) | (owner[1:] != owner[:-1])
    owner, run = owner[new], run[new]
    begins = np.flatnonzero(np.concatenate([[True], run[1:] != run[:-1]])) if len(run) else np.empty(0, np.int64)
    sizes = np.diff(begins, append=len(run))
    limit = MAX_SHARING
    while limit > 2 and int((sizes * (sizes - 1) // 2)[sizes <= limit].sum()) > MAX_MET:
        limit -= 1
    few = np.repeat(sizes <= limit, sizes)
    owner, run = owner[few], run[few]
    count = len(rows.first)
    codes = [np.empty(0, dtype=np.int64)]
    for step in range(1, limit):
        same = np.flatnonzero(run[step:] == run[:-step])
        codes.append(owner[same] * count + owner[same + step])
    met, shared = np.unique(np.concatenate(codes), return_counts=True)
    return met // count, met % count, shared, np.bincount(owner, minlength=count), limit == MAX_SHARING


def _held(inner: Array, outer: Array, texts_of: TextsOf, common: Array) -> Array:
    """Look the runs of texts up in longer ones, column by column."""
    short, short_place = np.unique(inner, return_inverse=True)
    long, long_place = np.unique(outer, return_inverse=True)
    share, runs = np.ones(len(inner)), np.zeros(len(inner), dtype=np.int64)
    for shorter, longer in zip(texts_of(short), texts_of(long), strict=True):
        wanted = list(run_orders(shorter))
        there = [np.unique(one, return_index=True) for one in run_orders([said_in(text) for text in longer])]
        for i, (one, other) in enumerate(zip(short_place.tolist(), long_place.tolist(), strict=True)):
            counted = ~np.isin(wanted[one], common)
            if counted.any():
                runs[i] += counted.sum()
                share[i] = min(share[i], _share(wanted[one], counted, *there[other]))
    return np.asarray((share >= MIN_INSIDE) & (runs >= MIN_OWN_SHARE * MIN_WORDS))


def _share(wanted: Array, counted: Array, there: Array, first: Array) -> float:
    """Return the share of runs that stand in the longer text, in about the order and distance that they have."""
    if not len(there):
        return 0.0
    place = np.minimum(np.searchsorted(there, wanted), len(there) - 1)
    met = np.flatnonzero(counted & (there[place] == wanted))
    shift = first[place[met]] - met
    together = np.abs(shift - np.median(shift)) <= RUN + SLACK * len(wanted) if len(met) else met
    return float(np.count_nonzero(together) / np.count_nonzero(counted))


def said_in(text: str) -> str:
    """Return a text without what it quotes, as mails, forums and Markdown mark it."""
    below = _BELOW_IS_QUOTED.search(text, 1)  # a mail begins with its own sender
    text = text[: below.start()] if below else text
    if "[" in text or "<" in text:
        text = _QUOTED_BLOCK.sub("\n", text)
    return _QUOTED_LINE.sub("", text) if ">" in text or "|" in text else text
