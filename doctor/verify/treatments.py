"""Tries what the findings of watched trainings prescribe, and judges each."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from doctor.model import Advise, ChangeTraining, Finding, Location, Severity, Verdict, Verification, fingerprint
from doctor.trainer.recipe import Recipe
from doctor.verify.trials import Bench, Trial
from doctor.verify.verdicts import Changes, in_words, not_judged, verdict_on


@dataclass(frozen=True, kw_only=True)
class Symptom:
    """What one check found in the trainings without any change.

    Attributes
    ----------
    finding : Finding
        Of the first training that has one.
    shown : int
        In how many trainings it was found.
    cause : str
        The check whose finding this one follows from; empty for a root cause.
    """

    finding: Finding
    shown: int
    cause: str = ""


class Treatments:
    """The trial of all that is prescribed.

    Parameters
    ----------
    bench : Bench
    before : sequence of Trial
        The trainings without any change, one per seed.
    instead : mapping or None
        Changes to try in place of those prescribed.
    """

    def __init__(self, bench: Bench, before: Sequence[Trial], instead: Changes | None) -> None:
        self._bench, self._before, self._instead = bench, before, instead
        self._shown: dict[str, Trial] = {}

    def tried(self, wanted: frozenset[str]) -> tuple[list[Verification], dict[str, Trial]]:
        """Try the repairs of the wanted checks, or of all root causes; say of the others why not.

        Returns
        -------
        list of Verification
        dict of str to Trial
            The first training with each change, by the change in words.
        """
        verifications: list[Verification] = []
        testable: list[tuple[Symptom, list[Changes]]] = []
        for symptom in symptoms(self._before):
            reason = self._reason_against(symptom, wanted)
            changes = self._candidates(symptom.finding)
            if reason is not None:
                verifications.append(not_judged(symptom.finding, *reason, self._before))
            elif changes:
                testable.append((symptom, changes))
            else:
                verifications.append(not_judged(symptom.finding, Verdict.NOT_RUN, _nothing_to_try(symptom.finding)))
        verifications += [
            self._absent(check)
            for check in sorted(
                wanted - {v.check for v in verifications} - {symptom.finding.check for symptom, _ in testable}
            )
        ]
        # All that is prescribed is trained in one go, so that no worker waits for another.
        self._bench.run([recipe for _, changes in testable for recipe in self._recipes(changes[0]) or ()])
        return [self._judged(symptom.finding, changes) for symptom, changes in testable] + verifications, self._shown

    def _reason_against(self, symptom: Symptom, wanted: frozenset[str]) -> tuple[Verdict, str] | None:
        check, runs = symptom.finding.check, len(self._before)
        if any(trial.out_of_time for trial in self._before):
            return Verdict.NOT_RUN, "the time ran out before the trainings without a change were over"
        if wanted and check not in wanted:
            return Verdict.NOT_RUN, "not asked for"
        if symptom.cause and not wanted:
            return Verdict.NOT_RUN, f"follows from {symptom.cause}, whose repair is tried"
        if symptom.shown < runs:
            return Verdict.NOT_TESTABLE, f"the symptom shows in {symptom.shown} of {runs} trainings only"
        return None

    def _absent(self, check: str) -> Verification:
        blind = [trial.reason(check) for trial in self._before if not trial.looked(check)]
        steps = self._before[0].recipe.steps
        if any(trial.out_of_time for trial in self._before):
            verdict, reason = Verdict.NOT_RUN, "the time ran out before the trainings without a change were over"
        else:
            verdict = Verdict.NOT_TESTABLE
            reason = f"the symptom does not show in {len(self._before)} trainings of {steps} updates"
        reason += f": {blind[0]}" if blind and blind[0] else ""
        finding = Finding(
            check=check, severity=Severity.INFO, message="", fingerprint=fingerprint(check, None, Location())
        )
        return not_judged(finding, verdict, reason, self._before)

    def _candidates(self, finding: Finding) -> list[Changes]:
        if self._instead is not None:
            return [self._instead]
        if isinstance(finding.repair, ChangeTraining):
            return [finding.repair.changes, *finding.repair.otherwise]
        return []

    def _recipes(self, changes: Changes) -> list[Recipe] | None:
        """Return the recipes with the changes, one per seed; None where the trainer cannot make them."""
        try:
            return [trial.recipe.treated(changes) for trial in self._before]
        except ValueError:
            return None

    def _judged(self, finding: Finding, candidates: Sequence[Changes]) -> Verification:
        prescribed, *others = [self._one(finding, changes) for changes in candidates[:1]]
        if prescribed.verdict is Verdict.VERIFIED:
            return prescribed
        others = [self._one(finding, changes) for changes in candidates[1:]]
        told: list[dict[str, Any]] = [
            {
                "repair": other.repair,
                "verdict": other.verdict.value,
                "reason": other.reason,
                "effect": other.effect,
                "interval": other.interval,
            }
            for other in others
        ]
        spent = prescribed.seconds + sum(other.seconds for other in others)
        return msgspec.structs.replace(
            prescribed, details={**prescribed.details, "others": told}, seconds=round(spent, 2)
        )

    def _one(self, finding: Finding, changes: Changes) -> Verification:
        try:
            recipes = [trial.recipe.treated(changes) for trial in self._before]
        except ValueError as error:
            unable = not_judged(finding, Verdict.NOT_RUN, str(error))
            return msgspec.structs.replace(unable, repair=in_words(changes))
        after = self._bench.run(recipes)
        self._shown[in_words(changes)] = after[0]
        return verdict_on(finding, changes, self._before, after)


def symptoms(trials: Sequence[Trial]) -> list[Symptom]:
    """Return what the checks found in trainings that differ in their seed, the gravest first; not what is only told."""
    found: dict[str, list[Finding]] = {}
    roots: dict[str, int] = {}
    causes: dict[str, str] = {}
    for trial in trials:
        if trial.report is None:
            continue
        here = {
            finding.fingerprint: finding
            for finding in trial.report.findings
            if finding.severity is not Severity.INFO and not finding.suppressed
        }
        followers = {mark: d.because[0] for d in trial.report.diagnoses for mark in d.consequences if mark in here}
        for check in {finding.check for finding in here.values()}:
            of_check = [finding for finding in here.values() if finding.check == check]
            found.setdefault(check, []).append(of_check[0])
            following = [followers[one.fingerprint] for one in of_check if one.fingerprint in followers]
            roots[check] = roots.get(check, 0) + (not following)
            if following and following[0] in here:
                causes.setdefault(check, here[following[0]].check)
    listed = [
        Symptom(
            finding=findings[0],
            shown=len(findings),
            cause="" if 2 * roots[check] >= len(findings) else causes.get(check, ""),
        )
        for check, findings in found.items()
    ]
    return sorted(listed, key=lambda one: (bool(one.cause), one.finding.severity.rank, one.finding.check))


def _nothing_to_try(finding: Finding) -> str:
    if isinstance(finding.repair, Advise):
        return "only a person can do that"
    return "no change of training is prescribed"
