"""A pipeline that builds another data set each time it is run.

What it finds
    With --pipeline, the named code builds its data set twice, in fresh processes that differ only in PYTHONHASHSEED.
    If the items are not the same the content differs; if the same items come in another order the order differs. The
    first item that differs is shown from both builds. A third build tells whether Python's hash seed alone decides.

Why it matters
    A result cannot be repeated, and no two models can be compared, if each was trained on another data set. A test set
    drawn anew on each run has been seen in training the time before.

What to do
    Seed every generator that the pipeline uses, take no time and no random name into the data, and sort what comes
    from a set, from hash() or from a folder's listing.

Thresholds
    max_named: differing items that a finding names by their number (5).

Calibration
    A finding is an observed difference, not an estimate. Silent on the tests' 14 repeatable pipelines (generators,
    sets, objects, numpy, pandas, Arrow, split dictionaries); all 9 planted differences there are named.

Limits
    This runs your code, and only where --pipeline names it. At most the first 100,000 items are compared, and a build
    may take 600 s, or --budget if that is less. Items are compared bit by bit, types and shapes included. If the items
    are batches, another order of rows shows as other content. Objects without attributes and without a text of their
    own cannot be compared; the evidence names their types. Two equal builds do not prove that a third would be.

Source
    PyTorch's notes on reproducibility; the Python manual on PYTHONHASHSEED.
"""

from collections import Counter
from collections.abc import Iterator

from doctor.evidence.pipeline_runs import Build, PipelineRuns
from doctor.model import Advise, Check, Finding, Location, Safety, Severity, Undecided

CHECK = Check(
    "reproducibility/nondeterministic-pipeline",
    Severity.ERROR,
    {
        "content": "built twice, {differing:,} of {items:,} items differ, the first at item {item:,}: {one} / {other}",
        "length": "built twice, it has {items:,} and {other_items:,} items, the first at {item:,}: {one} / {other}",
        "order": "built twice, the same {items:,} items come in another order, from item {item:,} on: {one} / {other}",
        "unsure": "built twice, the first {items:,} items differ, from item {item:,} on: {one} / {other}"
        " (more were not read, so order and content cannot be told apart)",
    },
)
_NOTHING = "(no such item)"


def examine(runs: PipelineRuns, *, max_named: int = 5) -> Iterator[Finding | Undecided]:
    """Compare two builds, in order and as bags of items."""
    first, second = runs.first, runs.second
    uncompared = tuple(sorted({*first.uncompared, *second.uncompared}))
    if first.digests == second.digests:
        if uncompared:
            yield CHECK.unavailable(f"all else is equal, but values of {', '.join(uncompared)} cannot be compared")
        return
    here, there = _only_in(first, second), _only_in(second, first)
    moved = [at for at, pair in enumerate(zip(first.digests, second.digests, strict=False)) if pair[0] != pair[1]]
    if not (here or there):
        kind, places = "order", moved
    elif first.truncated and second.truncated:
        kind, places = "unsure", moved
    elif len(first.digests) != len(second.digests):
        kind, places = "length", sorted({*here, *there})
    else:
        kind, places = "content", here
    at = places[0]
    other = at if kind in ("order", "unsure") or at in there or not there else there[0]
    by_hash = bool(runs.follows_hash_seed)
    yield CHECK.finding(
        kind,
        at=Location(path=runs.asked),
        repair=Advise(safety=Safety.MANUAL, summary=_advice(kind, by_hash)),
        item=at + 1,
        items=len(first.digests),
        other_items=len(second.digests),
        differing=max(len(here), len(there)) if kind != "order" else len(moved),
        differing_items=[place + 1 for place in places[:max_named]],
        one=first.texts[at] if at < len(first.texts) else _NOTHING,
        other=second.texts[other] if other < len(second.texts) else _NOTHING,
        follows_hash_seed=runs.follows_hash_seed,
        truncated=first.truncated,
        uncompared=list(uncompared),
        seconds=[first.seconds, second.seconds],
    )


def _only_in(one: Build, other: Build) -> list[int]:
    """Return the places of the items that the other build does not have, or not as often."""
    spare = Counter(other.digests)
    places = []
    for at, digest in enumerate(one.digests):
        if spare[digest] > 0:
            spare[digest] -= 1
        else:
            places.append(at)
    return places


def _advice(kind: str, by_hash: bool) -> str:
    if by_hash:
        return (
            "sort what comes from a set, and use a hash that is not salted (zlib.crc32): PYTHONHASHSEED alone decides"
        )
    if kind == "order":
        return "seed what shuffles, and sort what comes from a folder or a set"
    return "seed every generator that the pipeline draws from, and keep the time and random names out of the data"
