"""Trainings in which nothing bounds the gradient, or in which the bound is set where DeepSpeed refuses it.

What it finds
    max_grad_norm among the parameters of DeepSpeed's optimizer, at which it stops; clipping that is switched off by a
    0; a DeepSpeed configuration without gradient_clipping that a program trains with by itself; and loops around a
    recurrent net or a transformer that make a backward pass and a step with no clipping between.

Why it matters
    One bad batch with a gradient a thousand times the usual size undoes hours of training. Transformers and recurrent
    nets see such batches.

What to do
    Clip the norm: "gradient_clipping": 1.0 for DeepSpeed, max_grad_norm=1.0 for transformers,
    torch.nn.utils.clip_grad_norm_ in a loop. A bound that knows the size of the model is 0.1 times the square root of
    its number of parameters.

Thresholds
    max_norm: the bound that the repair sets (1.0, the team's guide).

Calibration
    A remark, but for what DeepSpeed refuses: small nets train well without. python bench/config_corpora.py counts it on
    the configurations that six packages ship.

Limits
    A program that clips in another file is not seen to clip; so loops are only judged where the net is made beside
    them. A configuration that nobody names is judged only for what is written in it.

Source
    The team's guide: max_norm 1.0. Pascanu et al. 2013, On the difficulty of training recurrent neural networks.
    DeepSpeedEngine._configure_basic_optimizer.
"""

from collections.abc import Iterator

from doctor.evidence.setting_names import Quantity
from doctor.evidence.settings_told import DEEPSPEED, Setup
from doctor.evidence.setups import Setups
from doctor.model import Advise, Check, EditConfig, Finding, KeyEdit, Location, Safety, Severity, Undecided

CHECK = Check(
    "config/no-gradient-clipping",
    Severity.INFO,
    {
        "misplaced": "{where}: DeepSpeed stops at max_grad_norm among the optimizer's parameters; gradient_clipping "
        "is its name",
        "off": "{where}: {name} switches the clipping of gradients off",
        "absent": "{where}: this DeepSpeed configuration has no gradient_clipping, and its default is none",
        "loop": "{where}: gradients are never clipped on their way to the optimizer",
    },
)


def examine(setups: Setups, *, max_norm: float = 1.0) -> Iterator[Finding | Undecided]:
    """Look at each training for a bound."""
    if not setups.setups:
        yield CHECK.not_applicable("no training is set up here")
    told = set()
    for setup in setups.setups:
        for finding in _judged(setup, max_norm):
            mark = (finding.at.path, finding.at.line, finding.evidence.get("kind"))
            if mark not in told:
                told.add(mark)
                yield finding


def _judged(setup: Setup, max_norm: float) -> Iterator[Finding]:
    misplaced = setup.of(Quantity.OPTIMIZER_CLIPPING, DEEPSPEED)
    clipping = setup.get(Quantity.CLIPPING)
    if misplaced is not None:
        edits = [KeyEdit(action="remove", key=misplaced.key)]
        if setup.of(Quantity.CLIPPING, DEEPSPEED) is None:
            wanted = misplaced.number or max_norm
            edits.append(KeyEdit(action="set", key=(*misplaced.key[:-3], "gradient_clipping"), value=wanted))
        yield CHECK.finding(
            "misplaced",
            at=misplaced.place.location,
            severity=Severity.ERROR,
            repair=EditConfig(
                path=misplaced.place.path,
                edits=tuple(edits),
                safety=Safety.SAFE,
                summary="move max_grad_norm to gradient_clipping",
            ),
            where=misplaced.place.short,
        )
    elif clipping is not None and clipping.number == 0:
        yield CHECK.finding(
            "off",
            at=clipping.place.location,
            repair=clipping.changed(max_norm, f"set {clipping.name} to {max_norm:g}", Safety.UNSAFE),
            where=clipping.place.short,
            name=f"{clipping.name} {clipping.value}",
        )
    elif clipping is None and setup.trainer == DEEPSPEED and setup.deepspeed is not None and "clips" not in setup.facts:
        yield _absent(setup, max_norm)
    elif clipping is None and setup.trainer is None and _trains_a_sequence(setup):
        place = setup.facts["optimizer"]
        yield CHECK.finding(
            "loop",
            at=place.location,
            repair=Advise(
                safety=Safety.MANUAL,
                summary=f"call torch.nn.utils.clip_grad_norm_(model.parameters(), {max_norm:g}) before the step",
            ),
            where=place.short,
        )


def _absent(setup: Setup, max_norm: float) -> Finding:
    assert setup.deepspeed and setup.root  # noqa: S101, PT018  # asked before
    shown = setup.deepspeed.shown
    key = ("gradient_clipping",) if setup.root is setup.deepspeed.root else ("deepspeed", "gradient_clipping")
    return CHECK.finding(
        "absent",
        at=Location(path=shown, line=setup.root.line, character=setup.root.column),
        repair=EditConfig(
            path=shown,
            edits=(KeyEdit(action="set", key=key, value=max_norm),),
            safety=Safety.UNSAFE,
            summary=f"set gradient_clipping to {max_norm:g}",
        ),
        where=shown,
    )


def _trains_a_sequence(setup: Setup) -> bool:
    facts = setup.facts
    return {"sequence", "optimizer", "backward"} <= facts.keys() and "clips" not in facts
