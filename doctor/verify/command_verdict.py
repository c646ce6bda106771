"""The verdict on a repair from pairs of runs of a command: whether the finding is back, and what the numbers say."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from doctor.model import Finding, Outcome, Severity, Verdict, Verification
from doctor.verify.command_runs import Ended
from doctor.verify.judging import judge
from doctor.verify.measures import FINAL_EVALUATION, FINAL_LOSS, MEMORY_GROWTH, SOUND_SHARE, Measure, choose

GROWTH = "megabytes_per_second"
"""In the evidence of findings on memory."""
MIN_GROWTH_SHARE = 0.1


class Pair(NamedTuple):
    """Two runs that are alike but for the repair; None for one that was not run."""

    before: Ended | None
    after: Ended | None


class _Said(NamedTuple):
    """A verdict and its reason."""

    verdict: Verdict
    reason: str


def verdict(
    finding: Finding,
    pairs: Sequence[Pair],
    changes: Mapping[str, float | str | bool],
    seeds: Sequence[int],
    takes_seed: bool,
    steps: int,
    seconds: float = 0.0,
) -> Verification:
    """Judge a repair.

    Verified is only what showed the finding in every run without the repair and in none with it, where the repair took
    effect, brought no other error and left the measure no worse.

    Parameters
    ----------
    pairs : sequence of Pair
        One per seed, in order; fewer where the first left nothing to find out.
    takes_seed : bool
        Else the pairs are repetitions.
    """
    whole = [(one.before, one.after) for one in pairs if one.before is not None and one.after is not None]
    measure = choose(finding, changes, [before.measures for before, _ in whole]) if whole else FINAL_LOSS
    before, after = ([_value(one[place], measure) for one in whole] for place in (0, 1))
    usual = float(np.median(np.abs(before))) if before and np.isfinite(before).all() else 0.0
    least = max(measure.min_effect, measure.min_effect_share * usual)
    judged = judge(before, after, higher_is_better=measure.higher_is_better, min_effect=least)
    said = _decided(finding, whole, changes, len(pairs), len(seeds))
    if said is None:
        said = _measured(measure, before, after, least, whole)
    details: dict[str, Any] = {
        "symptom_before": [_ill(one, finding) for one, _ in whole],
        "symptom_after": [_ill(one, finding) for _, one in whole],
    }
    if not takes_seed:
        details["repetitions"] = "the command takes no seed, so the pairs are repetitions"
    repair = finding.repair.summary if finding.repair else ""
    return Verification(
        fingerprint=finding.fingerprint,
        check=finding.check,
        repair=", ".join(f"{name} = {value}" for name, value in changes.items()) or repair,
        verdict=said.verdict,
        reason=said.reason,
        measure=measure.words,
        before=tuple(before),
        after=tuple(after),
        effect=judged.effect,
        interval=judged.interval,
        seeds=tuple(seeds[: len(whole)]) if takes_seed else (),
        steps=steps,
        seconds=round(seconds, 1),
        details=details,
    )


def _decided(
    finding: Finding,
    pairs: Sequence[tuple[Ended, Ended]],
    changes: Mapping[str, Any],
    begun: int,
    wanted: int,
) -> _Said | None:
    """Judge by the finding alone; None where only the measure is left to ask."""
    check = finding.check
    if begun > len(pairs) or not pairs:
        return _Said(Verdict.NOT_RUN, "the time was up before all runs had ended")
    shown = sum(_ill(one, finding) for one, _ in pairs)
    if trouble := next((one.trouble for one, _ in pairs if one.trouble and not _ill(one, finding)), ""):
        return _Said(Verdict.NOT_TESTABLE, f"without the repair: {trouble}")
    if not shown:
        return _Said(Verdict.NOT_TESTABLE, "it did not show again without the repair")
    if shown < len(pairs):
        return _Said(Verdict.NOT_TESTABLE, f"without the repair it showed in {shown} of {len(pairs)} runs only")
    if missing := _without_effect(pairs, changes):
        return _Said(Verdict.NOT_TESTABLE, missing)
    still = sum(_ill(one, finding) for _, one in pairs)
    if still:
        return _Said(Verdict.REFUTED, f"with the repair it is there as well, in {still} of {len(pairs)} runs")
    if trouble := next((one.trouble for _, one in pairs if one.trouble), ""):
        return _Said(Verdict.NOT_TESTABLE, f"with the repair: {trouble}")
    unclear = next((one.outcomes.get(check, "not examined") for _, one in pairs if not _well(one, finding)), None)
    if unclear:
        return _Said(Verdict.NOT_TESTABLE, f"with the repair the check gave no verdict: {unclear}")
    new = _new_errors(pairs)
    if new:
        return _Said(Verdict.REFUTED, f"it is gone, but the repair brings {', '.join(new)}")
    if len(pairs) < wanted:
        return _Said(Verdict.NOT_RUN, f"{len(pairs)} of {wanted} pairs were run")
    return None


def _ill(ended: Ended, finding: Finding) -> bool:
    """Whether a run shows a finding: the check says so, or memory grows at a good part of the rate that was found.

    When memory grows unsteadily, as on a machine that does much else, the check withholds its verdict.
    """
    return ended.shows(finding.check, str(finding.evidence.get("kind", ""))) or _still_grows(ended, finding) is True


def _well(ended: Ended, finding: Finding) -> bool:
    """Whether a run is free of a finding: the check says so, or withholds its verdict while memory hardly grows."""
    withheld = ended.outcomes.get(finding.check) == Outcome.UNAVAILABLE.value
    return ended.clears(finding.check) or (withheld and _still_grows(ended, finding) is False)


def _still_grows(ended: Ended, finding: Finding) -> bool | None:
    """Whether memory grows at a good part of the rate that was found; None where either is unknown."""
    found, seen = finding.evidence.get(GROWTH), ended.measures.get(MEMORY_GROWTH.name)
    return (
        seen >= MIN_GROWTH_SHARE * found if isinstance(found, (int, float)) and found > 0 and seen is not None else None
    )


def _without_effect(pairs: Sequence[tuple[Ended, Ended]], changes: Mapping[str, Any]) -> str:
    """Say which changes nothing came of, if any: such a repair has not been tried."""
    for _, one in pairs:
        missing = [name for name in changes if name not in one.treated]
        if missing:
            why = "; ".join(one.refused[name] for name in missing if name in one.refused)
            return f"{', '.join(missing)} found nothing in this program to act on" + (f": {why}" if why else "")
    return ""


def _new_errors(pairs: Sequence[tuple[Ended, Ended]]) -> list[str]:
    """Return the checks whose errors show in every run with the repair and in none without."""

    def errors(ended: Ended) -> set[str]:
        return {check for check, _, severity in ended.findings if severity == Severity.ERROR.value}

    every = set.intersection(*(errors(after) for _, after in pairs))
    return sorted(every.difference(*(errors(before) for before, _ in pairs)))


def _measured(
    measure: Measure,
    before: Sequence[float],
    after: Sequence[float],
    least: float,
    pairs: Sequence[tuple[Ended, Ended]],
) -> _Said:
    """Ask whether the runs are well with the repair, now that the finding is gone."""
    if not np.isfinite(after).all():
        return _Said(Verdict.NOT_TESTABLE, f"it is gone, but with the repair there is no finite {measure.words}")
    if measure in (FINAL_LOSS, SOUND_SHARE, FINAL_EVALUATION):
        for _, one in pairs:
            first, last = one.measures.get("first_loss"), one.measures.get("final_loss")
            if first is not None and (last is None or last > first):
                return _Said(Verdict.NOT_TESTABLE, "it is gone, but with the repair the loss does not fall either")
    gain = (np.asarray(after) - np.asarray(before)) * (1 if measure.higher_is_better else -1)
    gain = gain[np.isfinite(gain)]
    if len(gain) and (gain < -least).all():
        return _Said(Verdict.REFUTED, f"it is gone, but the {measure.words} is worse in all {len(gain)} pairs")
    better = int((gain > 0).sum())
    return _Said(
        Verdict.VERIFIED,
        f"it showed in all {len(pairs)} runs without the repair and in none with it; "
        f"{measure.words} better in {better} of {len(pairs)}",
    )


def _value(ended: Ended, measure: Measure) -> float:
    value = ended.measures.get(measure.name)
    return float("nan") if value is None else value
