"""Two texts side by side, with the words in which they differ, for a person to look at."""

import re
from difflib import SequenceMatcher

from doctor.masking import without_secrets
from doctor.model import Excerpt

LETTERS_READ = 3_000
LETTERS_SHOWN = 280
LETTERS_BEFORE = 80
MAX_SPANS = 12
WORDS_LOOKED_FOR, WORDS_TRIED = 6, 60
_WORD = re.compile(r"\w+")


def side_by_side(one: str, other: str, places: tuple[str, str], group: int) -> tuple[Excerpt, Excerpt]:
    """Show two texts from a little before the first word in which they differ; secrets are masked.

    Parameters
    ----------
    places : tuple of str
        Where each stands.
    group : int
        Number of the pair, by which reports keep the two together.
    """
    texts = [without_secrets(text[:LETTERS_READ]) for text in (one, other)]
    words = [list(_WORD.finditer(text)) for text in texts]
    folded = [[word.group().lower() for word in found] for found in words]
    matcher = SequenceMatcher(None, folded[0], folded[1], autojunk=False)
    changes = [((a, b), (c, d)) for tag, a, b, c, d in matcher.get_opcodes() if tag != "equal"]
    ends = {(len(folded[0]), 0), (len(folded[1]), 1)}
    if max(len(one), len(other)) > LETTERS_READ and changes and ends & {(changes[-1][0][1], 0), (changes[-1][1][1], 1)}:
        changes.pop()  # there one of them was cut, and goes on
    shown = []
    for side, (text, found, place) in enumerate(zip(texts, words, places, strict=True)):
        changed = [change[side] for change in changes]
        spans = [(found[begin].start(), found[end - 1].end()) for begin, end in changed if begin < end]
        # Both are shown from the same word, also where one lacks what the other has there.
        change = found[min(changed[0][0], len(found) - 1)].start() if changed and found else 0
        first = change - LETTERS_BEFORE if change > LETTERS_SHOWN // 2 else 0
        shown.append(_cut(text, first, spans, place, group))
    return shown[0], shown[1]


def _cut(text: str, first: int, spans: list[tuple[int, int]], place: str, group: int) -> Excerpt:
    last = min(len(text), first + LETTERS_SHOWN)
    before, behind = ("…" if first else ""), ("…" if last < len(text) else "")
    shift = len(before) - first
    inside = [
        (max(first, begin) + shift, min(last, end) + shift) for begin, end in spans if begin < last and end > first
    ]
    return Excerpt(place=place, text=before + text[first:last] + behind, spans=inside[:MAX_SPANS], group=group)


def part_of(longer: str, text: str) -> str:
    """Return a longer text from where it begins to hold a text; all of it where it does so nowhere word for word."""
    words = list(_WORD.finditer(text))
    for first in range(0, min(len(words), WORDS_TRIED), WORDS_LOOKED_FOR):
        some = words[first : first + WORDS_LOOKED_FOR]
        at = longer.find(text[some[0].start() : some[-1].end()])
        if at >= 0:
            begin = max(0, at - some[0].start())
            return ("\N{HORIZONTAL ELLIPSIS}" if begin else "") + longer[begin:]
    return longer
