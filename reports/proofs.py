"""What training with and without a repair said of it, in words and as a small picture: one line per pair of runs."""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from doctor.model import Cost, Verdict, Verification
from doctor.wording import printable
from doctor_reports.verdict import counted, duration

TONES = {
    Verdict.VERIFIED: "calm",
    Verdict.REFUTED: "error",
    Verdict.NOT_TESTABLE: "warning",
    Verdict.NOT_RUN: "plain",
}
NO_NUMBER = "not finite"
MARGIN = 4.0
"""Per cent of the width left free at both ends of the scale."""


@dataclass(frozen=True, kw_only=True)
class Pair:
    """Two runs with one seed: where they lie in per cent of the width, None where a run gave no number."""

    seed: str
    before: float | None
    after: float | None
    text: str

    @property
    def broken(self) -> bool:
        """Whether a run gave no number."""
        return self.before is None or self.after is None


@dataclass(frozen=True, kw_only=True)
class Picture:
    """Pairs of runs on one scale."""

    caption: str
    pairs: Sequence[Pair]
    low: str
    high: str


def tone(verification: Verification) -> str:
    """Return the colour of a verdict."""
    return TONES[verification.verdict]


def tally(verifications: Iterable[Verification]) -> str:
    """Count the verdicts: `5 verified, 1 refuted, 2 not testable`."""
    counts = Counter(item.verdict for item in verifications)
    return ", ".join(f"{counts[verdict]:,} {verdict.value}" for verdict in Verdict if counts[verdict])


def number(value: float | None) -> str:
    """Write a measured value; what is not finite is said in words."""
    return f"{value:.3g}" if value is not None and math.isfinite(value) else NO_NUMBER


def estimate(cost: Cost) -> str:
    """Say what a small model makes of a cause: `AUC 0.97 → 0.81 (95 % CI 0.79 to 0.83) without boat; …`."""
    interval = f"95 % CI {cost.low:.2f} to {cost.high:.2f}"
    change = printable(cost.change, limit=300)
    basis = f"{cost.model} on {counted(cost.rows, 'row')}"
    doubt = ", no more than chance gives" if cost.low <= cost.before <= cost.high else ""
    return f"{cost.metric} {cost.before:.2f} → {cost.after:.2f} ({interval}) {change}{doubt}; {basis}"


def change(verification: Verification) -> str:
    """Say what was measured without and with the repair: `loss: 3.2 → 0.41, better by 2.8 (2.5 to 3.1)`."""
    if not verification.before or not verification.after:
        return ""
    told = f"{number(_median(verification.before))} → {number(_median(verification.after))}"
    if verification.measure:
        told = f"{printable(verification.measure, limit=200)}: {told}"
    if verification.effect is None:
        return told
    word = "better" if verification.effect >= 0 else "worse"
    sign = 1 if verification.effect >= 0 else -1
    told += f", {word} by {number(abs(verification.effect))}"
    if verification.interval is not None:
        ends = sorted(sign * end for end in verification.interval)
        told += f" ({number(ends[0])} to {number(ends[1])})"
    return told


def middle(verification: Verification) -> tuple[str, str] | None:
    """Return the medians without and with the repair; None where nothing was measured."""
    if not verification.before or not verification.after:
        return None
    return number(_median(verification.before)), number(_median(verification.after))


def cost(verification: Verification) -> str:
    """Say how many runs there were and what they took: `3 seeds, 300 steps each, 12.0 s`."""
    parts = []
    if verification.seeds:
        parts.append(counted(len(verification.seeds), "seed"))
    if verification.steps is not None:
        parts.append(f"{counted(verification.steps, 'step')} each")
    if verification.seconds:
        parts.append(duration(verification.seconds))
    return ", ".join(parts)


def picture(verification: Verification) -> Picture | None:
    """Draw the pairs of runs where there are numbers."""
    values = [value for value in (*verification.before, *verification.after) if value is not None]
    finite = [value for value in values if math.isfinite(value)]
    if not finite or len(verification.before) != len(verification.after):
        return None
    low, high = min(finite), max(finite)
    if low > 0 and (low < high - low or len(finite) < len(verification.before) + len(verification.after)):
        low = 0.0  # else what is near zero, or all that is there, would be spread over the whole width
    spread = (high - low) or 1.0

    def place(value: float | None) -> float | None:
        if value is None or not math.isfinite(value):
            return None
        return round(MARGIN + (100 - 2 * MARGIN) * (value - low) / spread, 2)

    seeds = verification.seeds or tuple(range(len(verification.before)))
    return Picture(
        caption=verification.measure,
        pairs=[
            Pair(
                seed=f"seed {seed}",
                before=place(before),
                after=place(after),
                text=f"{number(before)} → {number(after)}",
            )
            for seed, before, after in zip(seeds, verification.before, verification.after, strict=False)
        ],
        low=number(low),
        high=number(high),
    )


def _median(values: Sequence[float | None]) -> float | None:
    """Return the median, counting a run without a number as worse than all others."""
    finite = sorted(value for value in values if value is not None and math.isfinite(value))
    if 2 * len(finite) <= len(values):
        return None
    middle = len(finite) // 2
    return finite[middle] if len(finite) % 2 else (finite[middle - 1] + finite[middle]) / 2
