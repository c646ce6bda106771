"""Dates written as text: which way a column writes them, and the SQL that reads them as times.

A comparison of m/d/yyyy strings as text puts December 2009 after January 2012, so they must be read first.
"""

from doctor.subjects import sql
from doctor.subjects.table import Kind, Table

DAYS = (
    "%Y-%m-%d",
    "%m/%d/%y",
    "%d/%m/%y",
    "%d-%b-%y",
    "%m/%d/%Y",
    "%d/%m/%Y",
    "%d.%m.%Y",
    "%Y/%m/%d",
    "%m-%d-%Y",
    "%d-%m-%Y",
    "%b %d %Y",
    "%b %d, %Y",
    "%B %d %Y",
    "%B %d, %Y",
    "%d %b %Y",
    "%d %B %Y",
    "%d-%b-%Y",
    "%b %Y",
    "%B %Y",
    "%b-%Y",
)
"""Where two ways read a column equally well, the earlier one is taken; %Y would read 09 as the year 9."""
CLOCKS = ("", " %H:%M", " %H:%M:%S", " %H:%M:%S.%f", "T%H:%M:%S", "T%H:%M:%S.%f", "T%H:%M:%SZ", " %I:%M %p")
FORMATS = tuple(day + clock for clock in CLOCKS for day in DAYS)
ROWS_TRIED = 2_000
MIN_SHARE = 0.95


def date_format(table: Table, name: str, *, min_share: float = MIN_SHARE) -> str | None:
    """Return the strptime format in which a text column writes its dates, None where it holds none.

    The format is chosen on the `ROWS_TRIED` different values whose hashes are smallest, so it does not depend on the
    order of rows.

    Parameters
    ----------
    table : Table
        The table that has the column.
    name : str
        A column of kind text.
    min_share : float
        Share of the present values that the format must read.
    """
    if table.column(name).kind is not Kind.TEXT:
        return None
    value = sql.column(name)
    values = sql.select(value.as_("value"), source=table.relation).where(value.is_(sql.literal(None)).not_()).distinct()
    ordered = sql.call("hash", sql.column("value"))
    tried = sql.select(sql.column("value"), source=values).order_by(ordered).limit(ROWS_TRIED)
    hits = [_readable(sql.column("value"), form) for form in FORMATS]
    shares = table.ask(sql.select(*hits, source=tried))[0]
    best = max(range(len(FORMATS)), key=lambda i: (shares[i] or 0.0, -i))
    return FORMATS[best] if (shares[best] or 0.0) >= min_share else None


def _readable(value: sql.Expression, form: str) -> sql.Expression:
    return sql.call("avg", sql.call("if", parsed(value, form).is_(sql.literal(None)), 0, 1))


def parsed(value: sql.Expression, form: str) -> sql.Expression:
    """Write the expression that reads text as a TIMESTAMP; what does not fit the format becomes NULL."""
    return sql.call("try_strptime", value, form)


def time_of(name: str, form: str | None) -> sql.Expression:
    """Write a column as a TIMESTAMP, read with `form` where it is text."""
    return parsed(sql.column(name), form) if form else sql.column(name)
