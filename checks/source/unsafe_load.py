"""A file that can run code when it is read.

What it finds
    torch.load with `weights_only=False`, torch.load that says nothing of it (a remark), and yaml.load with Loader,
    CLoader or UnsafeLoader.

Why it matters
    A pickle is a program. Who can change the checkpoint, or has put it on a hub, runs what he likes with the rights of
    the training. Since torch 2.6 weights_only is the default; before, everything was loaded.

What to do
    Load with `weights_only=True` and allow further classes by torch.serialization.add_safe_globals; read YAML by
    yaml.safe_load; exchange weights as safetensors.

Thresholds
    None.

Calibration
    `python bench/source_corpora.py FOLDER…` on the training code of ten libraries: one warning and 25 remarks, each
    true to the letter; see bench/results/source_corpora.md.
    All sick programs of the fixtures are told of in their line, no healthy one.

Limits
    Nothing is executed. It does not know where a file comes from: one that the same program wrote is as safe as the
    disk. `pickle.load`, `joblib.load` and `numpy.load(allow_pickle=True)` are as unsafe and too common to be told one
    by one; linters for security name them.

Source
    torch.load's manual; PyYAML's documentation, "Loading YAML".
"""

from collections.abc import Iterator

from doctor.evidence.code_changes import location, repair_by
from doctor.evidence.unsafe_loads import UnsafeLoads
from doctor.model import Check, Finding, Safety, Severity, Undecided

CHECK = Check(
    "source/unsafe-load",
    Severity.WARNING,
    {
        "asked": "{where}: {call} runs whatever code the file holds{more}",
        "unsaid": "{where}: {call} runs whatever code the file holds under torch before 2.6{more}",
        "yaml": "{where}: {call} makes any object that the file asks for{more}",
    },
)


def examine(loads: UnsafeLoads) -> Iterator[Finding | Undecided]:
    """State the unsafe loads of each file."""
    for path in loads.too_deep:
        yield CHECK.unavailable(f"{path} is nested too deeply to be followed")
    for kind, path in dict.fromkeys((one.kind, one.spot.at.path) for one in loads.unsafe):
        calls = [one for one in loads.unsafe if (one.kind, one.spot.at.path) == (kind, path)]
        first, others = calls[0], len(calls) - 1
        told = "read it by yaml.safe_load" if kind == "yaml" else "load with weights_only=True"
        changes = tuple(change for one in calls for change in one.changes)
        yield CHECK.finding(
            kind,
            at=location(first.spot),
            severity=Severity.INFO if kind == "unsaid" else Severity.WARNING,
            # Where nothing was said, this is what torch does by now.
            repair=repair_by(changes, told, Safety.SAFE if kind == "unsaid" else Safety.UNSAFE),
            where=first.spot.at.short,
            call=first.call,
            calls=len(calls),
            lines=[one.spot.at.line for one in calls],
            more=f" ({others} more in this file)" if others else "",
        )
