"""Keys of a DeepSpeed configuration that DeepSpeed does not know, or takes for something else.

What it finds
    In DeepSpeed configurations, of their own or inside a trainer's file: keys that no known release reads, with the
    key that was meant where there is one that is spelt nearly alike or stands in another block; keys that are given up
    or were removed; keys that stand twice in one block; and values of a type that DeepSpeed refuses.

Why it matters
    At the top and in most blocks DeepSpeed reads over what it does not know: with "gradient_cliping" nothing is
    clipped, and nothing says so. In the blocks that it reads with pydantic (zero_optimization, the offload blocks, fp16
    and bf16 since 0.17) it stops at the first unknown key, once the machines have been waited for.

What to do
    Write the key that was meant. Where none is named, look the key up under deepspeed.ai/docs/config-json, or remove
    it: it changes nothing.

Thresholds
    None: a key is known or it is not. Keys count as misspelt from a likeness of 0.75 on (difflib).

Calibration
    python bench/config_corpora.py prints the findings on the configurations that transformers, accelerate, axolotl,
    LLaMA-Factory, trl and six releases of DeepSpeed ship; each of them was looked at (bench/results/config_corpora.md).
    The tests have the installed DeepSpeed read every sick patient: what is called refused is refused.

Limits
    The keys are those of the releases that doctor/evidence/deepspeed_keys.json names, the newest of each minor version
    since 0.14. The parameters of optimizers and of schedules that are not DeepSpeed's own are not judged. Keys that
    begin with _, #, // or "comment" are taken for remarks.

Source
    deepspeed.runtime.config and the models that it reads with, by scaffold/deepspeed_keys.py.
"""

from collections.abc import Iterator

from doctor.evidence.key_faults import Fault, KeyFault, KeyFaults
from doctor.model import Advise, AnyRepair, Check, EditConfig, Finding, KeyEdit, Safety, Severity, Undecided

CHECK = Check(
    "config/unknown-keys",
    Severity.WARNING,
    {
        "misspelt": "{where}: {key} is no key of DeepSpeed and {effect}; {meant} is",
        "elsewhere": "{where}: {key} does not belong here and {effect}; DeepSpeed reads it as {meant}",
        "unknown": "{where}: {key} is no key of DeepSpeed ({oldest} to {newest}) and {effect}",
        "deprecated": "{where}: {key} is given up; {meant} has replaced it",
        "removed": "{where}: {key} is refused by DeepSpeed {newest}: {because}",
        "twice": "{where}: {key} stands twice in its block; {effect}",
        "type": "{where}: {key} must be {because}",
    },
)


def examine(faults: KeyFaults) -> Iterator[Finding | Undecided]:
    """State every key with a fault, at its place."""
    if not faults.configurations and not faults.faults:
        yield CHECK.not_applicable("there is no DeepSpeed configuration here")
    for fault in faults.faults:
        yield CHECK.finding(
            str(fault.fault),
            at=fault.place.location,
            severity=_severity(fault),
            repair=_repair(fault),
            where=fault.place.short,
            key=fault.name,
            meant=fault.meant,
            effect=_effect(fault),
            because=fault.because,
            oldest=faults.releases[0],
            newest=faults.releases[-1],
        )


def _severity(fault: KeyFault) -> Severity:
    if fault.refused:
        return Severity.ERROR
    return Severity.INFO if fault.fault in (Fault.DEPRECATED, Fault.UNKNOWN) else Severity.WARNING


def _effect(fault: KeyFault) -> str:
    if fault.fault is Fault.TWICE:
        return "DeepSpeed refuses that" if fault.refused else "only the last one counts"
    return "stops it" if fault.refused else "is read over"


def _repair(fault: KeyFault) -> AnyRepair | None:
    name = fault.meant.rpartition(".")[2]
    if fault.fault is Fault.MISSPELT and fault.free:
        return EditConfig(
            path=fault.file,
            edits=(KeyEdit(action="rename", key=fault.path, value=name),),
            safety=Safety.SAFE,
            summary=f"rename {fault.name} to {name}",
        )
    if fault.fault is Fault.REMOVED or (fault.fault is Fault.UNKNOWN and fault.refused):
        return EditConfig(
            path=fault.file,
            edits=(KeyEdit(action="remove", key=fault.path),),
            safety=Safety.UNSAFE,
            summary=f"remove {fault.name}",
        )
    if fault.fault is Fault.ELSEWHERE:
        return Advise(safety=Safety.MANUAL, summary=f"move {fault.name} to {fault.meant}")
    return None
