"""Which verdict follows from which runs."""

from typing import Any

import pytest

from doctor.model import ChangeTraining, Finding, Severity, Verdict, Verification
from doctor.verify.command_runs import Ended
from doctor.verify.command_verdict import Pair, verdict
from doctor.verify.measures import MEMORY_GROWTH

CHECK = "learning/gradients-accumulate"
SICK = ((CHECK, "", "error"),)
CHANGES: dict[str, float | str | bool] = {"zero_grad": True}
FINDING = Finding(
    check=CHECK, severity=Severity.ERROR, message="", fingerprint="f", repair=ChangeTraining(changes=CHANGES)
)


def ended(
    findings: Any = (), loss: float | None = 0.1, *, treated: Any = (), outcome: str = "healthy", **more: Any
) -> Ended:
    outcomes = {CHECK: "found" if any(one[0] == CHECK for one in findings) else outcome}
    measures = {"first_loss": 2.0, "final_loss": loss, "sound_share": 1.0 if loss is not None else 0.3}
    return Ended(findings=findings, outcomes=outcomes, treated=treated, measures=measures, steps=100, **more)


def before(loss: float | None = 2.5) -> Ended:
    return ended(SICK, loss)


def after(**more: Any) -> Ended:
    return ended(**({"treated": ("zero_grad",)} | more))


def judged(*pairs: tuple[Ended | None, Ended | None], takes_seed: bool = True) -> Verification:
    return verdict(FINDING, [Pair(*pair) for pair in pairs], CHANGES, (0, 1, 2), takes_seed, 100)


def test_what_shows_without_and_not_with_the_repair_is_verified() -> None:
    told = judged(*[(before(), after())] * 3)
    assert told.verdict is Verdict.VERIFIED
    assert told.effect == pytest.approx(2.4)
    assert told.seeds == (0, 1, 2)


def test_what_shows_with_the_repair_as_well_is_refuted() -> None:
    told = judged(*[(before(), after())] * 2, (before(), after(findings=SICK, loss=2.6)))
    assert told.verdict is Verdict.REFUTED
    assert "1 of 3" in told.reason


def test_what_does_not_show_again_is_not_testable() -> None:
    assert judged((ended(), after())).verdict is Verdict.NOT_TESTABLE
    assert judged((before(), after()), (ended(), after()), (before(), after())).verdict is Verdict.NOT_TESTABLE


def test_a_change_that_found_nothing_to_act_on_has_not_been_tried() -> None:
    told = judged(*[(before(), after(treated=()))] * 3)
    assert told.verdict is Verdict.NOT_TESTABLE
    assert "zero_grad" in told.reason


@pytest.mark.parametrize("outcome", ["unavailable", "not applicable", "crashed"])
def test_a_check_that_gives_no_verdict_clears_nobody(outcome: str) -> None:
    assert judged(*[(before(), after(outcome=outcome))] * 3).verdict is Verdict.NOT_TESTABLE


def test_a_repair_that_brings_another_error_is_refuted() -> None:
    told = judged(*[(before(), after(findings=(("numerics/nan-source", "", "error"),)))] * 3)
    assert told.verdict is Verdict.REFUTED
    assert "numerics/nan-source" in told.reason


def test_a_cure_that_leaves_the_loss_worse_is_refuted() -> None:
    assert judged(*[(before(0.5), after(loss=1.5))] * 3).verdict is Verdict.REFUTED


def test_a_cure_under_which_nothing_is_learned_is_not_verified() -> None:
    assert judged(*[(before(9.0), after(loss=2.1))] * 3).verdict is Verdict.NOT_TESTABLE


def test_losses_that_are_no_numbers_are_compared_by_the_share_of_sound_ones() -> None:
    told = judged(*[(before(None), after())] * 3)
    assert told.verdict is Verdict.VERIFIED
    assert told.measure == "share of steps whose loss is sound"


def test_runs_that_did_not_end_in_time_are_not_run() -> None:
    assert judged((before(), None)).verdict is Verdict.NOT_RUN
    assert judged((before(), after())).verdict is Verdict.NOT_RUN


def test_runs_that_were_cut_short_prove_nothing() -> None:
    assert judged(*[(before(), after(trouble="it was stopped"))] * 3).verdict is Verdict.NOT_TESTABLE


def test_without_a_seed_the_pairs_are_called_repetitions() -> None:
    told = judged(*[(before(), after())] * 3, takes_seed=False)
    assert "repetitions" in told.details
    assert told.seeds == ()


@pytest.mark.parametrize(
    ("growth", "outcome", "expected"),
    [
        (0.4, "healthy", Verdict.VERIFIED),
        (0.4, "unavailable", Verdict.VERIFIED),
        (0.4, "crashed", Verdict.NOT_TESTABLE),
        (4.0, "unavailable", Verdict.REFUTED),
        (None, "unavailable", Verdict.NOT_TESTABLE),
    ],
)
def test_where_the_check_cannot_tell_the_growth_of_memory_does(
    growth: float | None, outcome: str, expected: Verdict
) -> None:
    leak = Finding(
        check="memory/host-leak", severity=Severity.ERROR, message="", evidence={"megabytes_per_second": 13.0}
    )
    shown = Ended(
        findings=((leak.check, "held", "error"),),
        outcomes={leak.check: "found"},
        measures={MEMORY_GROWTH.name: 12.5},
        steps=100,
    )
    repaired = Ended(
        outcomes={leak.check: outcome}, measures={MEMORY_GROWTH.name: growth}, treated=("edit",), steps=100
    )
    told = verdict(leak, [Pair(shown, repaired)] * 3, {}, (0, 1, 2), True, 100)
    assert told.verdict is expected
