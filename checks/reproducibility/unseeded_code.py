"""Training code whose randomness is not tied to a seed.

What it finds
    Programs and notebooks that train a model or build a data set and draw random numbers that no seed reaches: from
    random, numpy, torch, scikit-learn, pandas, Hugging Face datasets or tf.data. Also a seed in the wrong place: set
    after the first draw, in a function that nothing calls, in a debugging branch, anew in every epoch, in the parent
    of spawned processes only, for CUDA only, or read off the clock. And what no seed can cure: rows in the order of
    a set, of a folder's listing or of hash(), and a data set's own generator that is copied into every worker.

Why it matters
    The same code gives another data set and another model on every run. No result can be compared with the last, and
    an error cannot be seen twice.

What to do
    Seed every generator in use once, before the first draw and before the model is built. Give scikit-learn a
    random_state, tf.data a seed; sort what comes from a set or a folder.

Thresholds
    max_named: further draws of the same library that a finding names (5).

Calibration
    python bench/calibrate_unseeded.py prints: 26 healthy programs and notebooks (torch, Trainer, Lightning, Keras,
    tf.data, scikit-learn, jax, REINFORCE, accelerate, spawned processes, clients, simulations), 0 false alarms; 28 sick
    ones with one planted fault each, 28 found at their line and by their kind. With folders as arguments it was run
    on the sources of accelerate, mlxtend, optuna, pytorch-lightning, sentence-transformers, skorch, stable-baselines3
    and timm: 0 of 1,529 files flagged. Of the 22 examples of imbalanced-learn 6 are flagged, 7 findings; read one by
    one, all 7 draw without a seed.

Limits
    Nothing is executed. Calls are followed by name within the scanned files; a function outside of them that speaks of
    a seed in its name is taken at its word. A seed under a condition counts as set. Tests, benchmarks and modules that
    are only imported are not judged by themselves. In a worker of torch's DataLoader random and numpy are seeded from
    torch's seed since torch 1.9. Environments of reinforcement learning are not looked at.

Source
    PyTorch's notes on reproducibility, scikit-learn's on controlling randomness, TensorFlow's on tf.random.set_seed.
"""

from collections.abc import Iterable, Iterator
from itertools import groupby

from doctor.evidence.randomness import CopiedGenerator, Draw, ProgramRandomness, Randomness, Seeding
from doctor.model import Advise, Check, EditCode, Finding, Location, Safety, Severity, Undecided

CHECK = Check(
    "reproducibility/unseeded-code",
    Severity.WARNING,
    {
        "missing": "{where}: {call} draws at random and {library} is never seeded",
        "generator": "{where}: {call} makes or uses a generator whose seed is another one on each run",
        "late": "{where}: {call} draws before {library} is seeded (by {seeding} in {seeded_where})",
        "uncalled": "{where}: {call} draws at random; {seeding} in {seeded_where} is never called",
        "branch": "{where}: {call} draws at random; {library} is seeded only if {condition} ({seeded_where})",
        "moving": "{where}: {call} draws at random; the seed set in {seeded_where} is another one on each run",
        "parent": "{where}: {call} draws in another process ({child}); the seed set in {seeded_where} ends before it",
        "cuda": "{where}: {call} draws on the CPU; {seeding} in {seeded_where} seeds only the accelerator",
        "epoch": "{where}: {seeding} sets the same seed in every epoch, so each epoch draws the same numbers",
        "set": "{where}: rows follow the order of a set; that of strings changes from run to run (PYTHONHASHSEED)",
        "listing": "{where}: rows follow the order in which {call} lists files; that differs between machines",
        "hash": "{where}: rows are divided by hash(), which differs from run to run for strings (PYTHONHASHSEED)",
        "workers": "{where}: {data_set} draws from {attribute}, and every worker of this loader gets the same copy",
    },
)
_NAMES = {"random": "Python's random", "scikit-learn": "scikit-learn (numpy's generator)", "pandas": "pandas (numpy's)"}
_DISORDER = ("set", "listing", "hash")


def examine(randomness: Randomness, *, max_named: int = 5) -> Iterator[Finding | Undecided]:
    """Judge each program by the calls it would make, in their order."""
    for path in randomness.too_deep:
        yield CHECK.unavailable(f"{path} is nested too deeply to be followed")
    if not randomness.programs:
        yield CHECK.not_applicable("no program is started here, only modules and tests")
    seen: set[tuple[str, str]] = set()
    for program in randomness.programs:
        relevant = sorted(filter(lambda draw: _matters(draw, program.purposes), program.draws), key=_library)
        for library, draws in groupby(relevant, key=_library):
            found = _judge(library, list(draws), program.seedings, max_named)
            if found is not None and (found.at.path or "", library) not in seen:
                seen.add((found.at.path or "", library))
                yield found
        if "trains" in program.purposes:
            yield from _each_epoch(program)
            yield from (_workers(copied) for copied in program.copied[:1])


def _library(draw: Draw) -> str:
    return draw.library


def _matters(draw: Draw, purposes: Iterable[str]) -> bool:
    """Whether a draw reaches what the program is for."""
    return (
        "trains" in purposes
        or ("loads" in purposes and draw.use == "order")
        or ("writes" in purposes and draw.use in ("order", "value") and draw.library != "torch")
    )


def _judge(library: str, draws: list[Draw], seedings: tuple[Seeding, ...], max_named: int) -> Finding | None:
    loose = [(draw, *verdict) for draw in draws if (verdict := _verdict(draw, seedings))]
    if not loose:
        return None
    draw, kind, seeding = loose[0]
    remedy = draw.remedy
    where = f" {'before' if remedy.inserted else 'in'} line {remedy.line}"
    told = f"write {remedy.code}{where}"
    edit = EditCode(line=remedy.line, code=remedy.code, inserted=remedy.inserted, safety=Safety.UNSAFE, summary=told)
    return CHECK.finding(
        kind,
        at=Location(path=draw.at.path, line=draw.at.line, cell=draw.at.cell),
        repair=edit,
        where=draw.place.short,
        call=draw.call,
        library=_NAMES.get(library, library),
        seeding=seeding.call if seeding else None,
        seeded_where=seeding.place.short if seeding else None,
        condition=seeding.branch if seeding else None,
        child=draw.child,
        draws=len(loose),
        others=[f"{other.call} in {other.place}" for other, *_ in loose[1 : max_named + 1]],
    )


def _verdict(draw: Draw, seedings: tuple[Seeding, ...]) -> tuple[str, Seeding | None] | None:
    """Say what is wrong with how a draw is seeded, and the seeding that shows it; None where nothing is."""
    if draw.library in _DISORDER:
        return draw.library, None
    if not draw.generators:
        return "generator", None
    fitting = [seeding for seeding in seedings if seeding.generators & draw.generators]
    called = [seeding for seeding in fitting if seeding.turn is not None]
    before = [seeding for seeding in called if (seeding.turn or 0) < draw.turn]
    sound = [seeding for seeding in called if not (seeding.moving or seeding.branch) and seeding.child == draw.child]
    if any(seeding in before for seeding in sound):
        return None
    accelerator = [seeding for seeding in seedings if "cuda" in seeding.generators and draw.library == "torch"]
    for kind, seen in (
        ("late", sound),
        ("parent", [seeding for seeding in before if draw.child and not seeding.child]),
        ("branch", [seeding for seeding in called if seeding.branch]),
        ("moving", [seeding for seeding in called if seeding.moving]),
        ("cuda", accelerator),
        ("uncalled", fitting),
    ):
        if seen:
            return kind, seen[0]
    return "missing", None


def _each_epoch(program: ProgramRandomness) -> Iterator[Finding]:
    for seeding in [seeding for seeding in program.seedings if seeding.each_epoch][:1]:
        at = Location(path=seeding.at.path, line=seeding.at.line, cell=seeding.at.cell)
        advice = Advise(summary="set the seed once, before the loop", safety=Safety.MANUAL)
        yield CHECK.finding("epoch", at=at, repair=advice, where=seeding.place.short, seeding=seeding.call)


def _workers(copied: CopiedGenerator) -> Finding:
    summary = f"make {copied.attribute} anew in each worker (worker_init_fn, torch.utils.data.get_worker_info().seed)"
    return CHECK.finding(
        "workers",
        at=Location(path=copied.at.path, line=copied.at.line, cell=copied.at.cell),
        repair=Advise(summary=summary, safety=Safety.MANUAL),
        where=copied.at.short,
        library=copied.library,
        data_set=copied.data_set,
        attribute=copied.attribute,
        made=copied.made.short,
    )
