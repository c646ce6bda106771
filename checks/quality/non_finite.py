"""Infinite numbers, and numbers that a 16-bit float cannot hold.

What it finds
    Columns with infinite values, and, as a remark, features with finite values beyond 65,504, the largest number of
    16-bit floats.

Why it matters
    One infinity makes the mean of its column infinite and, once the column is scaled or meets a weight, the loss NaN:
    from that step on nothing is learned. In fp16 a value beyond 65,504 becomes such an infinity by itself.

What to do
    Look for the division by zero or the logarithm of zero that made them, and treat the cells as missing. Scale large
    features before they are turned into 16-bit floats.

Thresholds
    max_float16: largest finite value that is not mentioned (65504.0).

Calibration
    Counts over all rows. Identifiers, times and the target are not mentioned for their size.

Limits
    NaN is read as missing, in every format, so it is quality/missing-values that counts it.

Source
    IEEE 754-2019, binary16.
"""

from collections.abc import Iterator

from doctor.evidence.keys import Keys
from doctor.evidence.magnitudes import Magnitudes
from doctor.evidence.roles import Roles
from doctor.model import Advise, Check, Finding, Location, RewriteCells, Safety, Severity

CHECK = Check(
    "quality/non-finite",
    Severity.ERROR,
    {
        "infinite": "{column}: {affected:,} of {rows:,} values are infinite",
        "large": "{column}: values up to {largest:.3g}, which 16-bit floats cannot hold; in fp16 they become infinite",
    },
)


def examine(magnitudes: Magnitudes, roles: Roles, keys: Keys, *, max_float16: float = 65504.0) -> Iterator[Finding]:
    """Report infinities column by column, and large numbers together."""
    for column in magnitudes.columns:
        if column.infinite:
            yield CHECK.finding(
                "infinite",
                at=Location(columns=(column.name,)),
                affected=column.infinite,
                rows=column.rows,
                repair=RewriteCells(
                    columns=(column.name,),
                    values={"inf": "", "-inf": ""},
                    safety=Safety.UNSAFE,
                    summary=f"empty the infinite cells of {column.name}",
                ),
            )
    aside = {roles.target, roles.time, roles.item, *keys.names}
    sizes = {
        column.name: max(abs(column.low), abs(column.high))
        for column in magnitudes.columns
        if column.name not in aside and not column.infinite
    }
    large = {name: size for name, size in sizes.items() if size > max_float16}
    if large:
        yield CHECK.finding(
            "large",
            at=Location(columns=tuple(large)),
            severity=Severity.INFO,
            largest=max(large.values()),
            sizes=large,
            repair=Advise(safety=Safety.MANUAL, summary="scale these columns before they become 16-bit floats"),
        )
