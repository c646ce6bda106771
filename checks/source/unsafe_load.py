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

from doctor.evidence.code_changes import location
from doctor.evidence.unsafe_loads import UnsafeLoads
from doctor.model import Check, EditCode, Finding, Safety, Severity, Undecided

CHECK = Check(
    "source/unsafe-load",
    Severity.WARNING,
    {
        "asked": "{where}: {call} runs whatever code the file holds",
        "unsaid": "{where}: {call} runs whatever code the file holds under torch before 2.6",
        "yaml": "{where}: {call} makes any object that the file asks for",
    },
)


def examine(loads: UnsafeLoads) -> Iterator[Finding | Undecided]:
    """State each unsafe load."""
    for path in loads.too_deep:
        yield CHECK.unavailable(f"{path} is nested too deeply to be followed")
    for one in loads.unsafe:
        told = "read it by yaml.safe_load" if one.kind == "yaml" else "load with weights_only=True"
        unsaid = one.kind == "unsaid"
        yield CHECK.finding(
            one.kind,
            at=location(one.spot),
            severity=Severity.INFO if unsaid else Severity.WARNING,
            # Where nothing was said, this is what torch does by now.
            repair=EditCode(changes=one.changes, safety=Safety.SAFE if unsaid else Safety.UNSAFE, summary=told),
            where=one.spot.at.short,
            call=one.call,
        )
