"""A training step whose errors are swallowed.

What it finds
    In a loop, a `try` that holds a backward pass or an optimizer's step, with a handler for everything (`except:`,
    `except Exception:`) that neither raises nor ends the loop nor looks at what happened.

Why it matters
    A batch that fails is skipped, and so is every other that fails the same way: the loop may run to its end without
    one step taken. What went wrong is not said, and out of memory, a wrong shape and a bug look alike. A bare except
    swallows Ctrl-C too.

What to do
    Catch the one error that is expected, such as torch.cuda.OutOfMemoryError, and let all others through.

Thresholds
    None.

Calibration
    `python bench/source_corpora.py FOLDER…` on the training code of 26 libraries: no finding; see
    bench/results/source_corpora.md.
    All sick programs of the fixtures are told of in their line, no healthy one.

Limits
    Nothing is executed. A handler with a condition, a return, a break or a call that ends the program is taken to know
    what it does. A handler that only reports is a remark, not a warning.

Source
    PEP 8, "Programming Recommendations", on bare except clauses.
"""

from collections.abc import Iterator

from doctor.evidence.code_changes import location, repair_by
from doctor.evidence.swallowed_steps import SwallowedSteps
from doctor.model import Check, Finding, Safety, Severity, Undecided

CHECK = Check(
    "source/bare-except-around-step",
    Severity.WARNING,
    {
        "silent": "{where}: {caught} is caught around the step in {step_where} and nothing is said of it",
        "reported": "{where}: {caught} is caught around the step in {step_where}, and the loop goes on",
    },
)


def examine(steps: SwallowedSteps) -> Iterator[Finding | Undecided]:
    """State each handler that goes on after a failed step."""
    for path in steps.too_deep:
        yield CHECK.unavailable(f"{path} is nested too deeply to be followed")
    if not steps.loops:
        yield CHECK.not_applicable("no loop here steps an optimizer")
    for one in steps.steps:
        yield CHECK.finding(
            "silent" if one.silent else "reported",
            at=location(one.spot),
            severity=Severity.WARNING if one.silent else Severity.INFO,
            repair=repair_by(one.changes, "raise the error again", Safety.UNSAFE),
            where=one.spot.at.short,
            caught=one.caught,
            step_where=one.step_spot.at.short,
            does=one.does,
        )
