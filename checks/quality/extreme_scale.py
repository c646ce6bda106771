"""Features whose numbers are of such a size that a network cannot use them as they are.

What it finds
    Features whose spread differs from that of others by many powers of ten, and columns that lose values when they
    become 32-bit floats, in which networks calculate.

Why it matters
    Gradients grow with the size of their input: a column a million times larger than another decides the step size, and
    the small one is never learned. A time in milliseconds since 1970 has more digits than a 32-bit float, so that days
    become one value.

What to do
    Standardise each feature on the training rows. Subtract a reference before you narrow the type: days since the first
    row instead of milliseconds since 1970.

Thresholds
    max_spread_ratio: widest spread of a feature over the narrowest, above which it is mentioned (1000000.0).
    max_lost_share: share of different values that may fall together as 32-bit floats (0.01).
    max_step_share: distance of neighbouring 32-bit floats in widths of the middle 90 %, below which that does not
        matter (0.001).

Calibration
    Spread is the range of the middle 90 % of the drawn rows. scikit-learn's bundled sets reach a ratio of 2 · 10⁵
    (breast cancer) and are silent. Trees do not mind, and whoever standardises is not concerned: so it is a remark.

Limits
    What becomes of the data in the training program is not known here.

Source
    LeCun, Bottou, Orr and Müller, Efficient backprop, 1998, section 4.3.
"""

from collections.abc import Iterator

from doctor.evidence.keys import Keys
from doctor.evidence.magnitudes import Magnitudes
from doctor.evidence.roles import Roles
from doctor.model import Advise, Check, Finding, Location, Safety, Severity

CHECK = Check(
    "quality/extreme-scale",
    Severity.INFO,
    {
        "apart": "{widest} is spread {ratio:.1e} times as widely as {narrowest}: not to be fed to a network unscaled",
        "precision": "{column}: of {different:,} different values {left:,} remain as 32-bit floats",
    },
)
FLOAT32_STEP = 2.0**-23
"""Distance of neighbouring 32-bit floats, over their size."""


def examine(
    magnitudes: Magnitudes,
    roles: Roles,
    keys: Keys,
    *,
    max_spread_ratio: float = 1e6,
    max_lost_share: float = 0.01,
    max_step_share: float = 0.001,
) -> Iterator[Finding]:
    """Compare the spreads of features, and each with what a 32-bit float keeps."""
    aside = {roles.target, roles.time, roles.item, *keys.names}
    features = [column for column in magnitudes.columns if column.name not in aside]
    spread = sorted((column for column in features if column.spread > 0), key=lambda column: column.spread)
    if len(spread) > 1 and (ratio := spread[-1].spread / spread[0].spread) > max_spread_ratio:
        yield CHECK.finding(
            "apart",
            at=Location(columns=(spread[-1].name, spread[0].name)),
            widest=spread[-1].name,
            narrowest=spread[0].name,
            ratio=ratio,
            repair=Advise(safety=Safety.MANUAL, summary="standardise the features on the training rows"),
        )
    for column in features:
        lost = column.different - column.different32
        step = max(abs(column.low), abs(column.high)) * FLOAT32_STEP
        if lost > max_lost_share * column.different and step > max_step_share * column.spread:
            yield CHECK.finding(
                "precision",
                at=Location(columns=(column.name,)),
                different=column.different,
                left=column.different32,
                repair=Advise(safety=Safety.MANUAL, summary=f"subtract a reference from {column.name}, or scale it"),
            )
