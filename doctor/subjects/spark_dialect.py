"""Writes statements of the embedded engine in the dialect of Spark; what differs stands here and nowhere else.

Statements are parsed by sqlglot, which knows most differences. What DuckDB computes in its own way (hashes, the text of
numbers, dates read by a form) is computed by the same rules in `duckdb_functions.java`, under the names below.
"""

from collections.abc import Callable
from functools import lru_cache

import sqlglot
from sqlglot import exp
from sqlglot.dialects.spark import Spark

from doctor.subjects import sql

HASH, TEXT, READ_TIME = "doctor_hash", "doctor_text", "doctor_read_time"
PLACE = "__doctor_place"
SECOND = 1e6
"""Microseconds."""


def to_spark(statement: sql.Expression | str) -> str:
    """Write a statement for Spark.

    Parameters
    ----------
    statement : Expression or str
        In the dialect of the embedded engine.
    """
    return _written(statement if isinstance(statement, str) else sql.text(statement))


def distinct_counts(statement: sql.Expression | str) -> list[str] | None:
    """Take a statement with several COUNT(DISTINCT …) apart; None where it is none that can be.

    Spark expands every row once for each of them.

    Returns
    -------
    list of str or None
        A statement for each column of the answer, in order.
    """
    text = statement if isinstance(statement, str) else sql.text(statement)
    if text.upper().count("COUNT(DISTINCT") < 2:
        return None
    query = sqlglot.parse_one(text, read="duckdb")
    if not isinstance(query, exp.Select) or query.args.get("group"):
        return None
    if sum(isinstance(wanted, exp.Count) and isinstance(wanted.this, exp.Distinct) for wanted in query.selects) < 2:
        return None
    return [query.select(wanted.copy(), append=False).sql(dialect="duckdb") for wanted in query.selects]


@lru_cache(maxsize=256)
def _written(text: str) -> str:
    return _translated(sqlglot.parse_one(text, read="duckdb")).sql(dialect=Spark, identify=True)


def _translated(query: sql.Expression) -> sql.Expression:
    # Innermost first, so that what is written anew holds what was written anew.
    for node in reversed(list(query.walk())):
        write = _BY_TYPE.get(type(node))
        written = write(node) if write else node
        if written is not node:
            node.replace(written)
    return query


def _call(function: str, *arguments: sql.Expression) -> exp.Anonymous:
    return exp.Anonymous(this=function, expressions=list(arguments))


def _anonymous(node: exp.Anonymous) -> sql.Expression:
    write = _BY_NAME.get(str(node.this).lower())
    return write(node.expressions) if write else node


def _hash(values: list[sql.Expression]) -> sql.Expression:
    fields: list[sql.Expression] = []
    for number, value in enumerate(values):
        # Spark has no type for a lone NULL that a function of ours could take.
        known = exp.cast(value, "bigint") if isinstance(value, exp.Null) else value
        fields += [exp.Literal.string(f"f{number}"), known]
    return _call(HASH, _call("named_struct", *fields))


def _read_time(arguments: list[sql.Expression]) -> sql.Expression:
    return _call(READ_TIME, *arguments)


def _quantiles(node: exp.PercentileDisc) -> sql.Expression:
    shares = node.expression.expressions if isinstance(node.expression, exp.Array) else [node.expression]
    within = [
        exp.WithinGroup(
            this=_call("percentile_disc", share.copy()),
            expression=exp.Order(expressions=[exp.Ordered(this=node.this.copy())]),
        )
        for share in shares
    ]
    return exp.Array(expressions=within) if isinstance(node.expression, exp.Array) else within[0]


def _cast(node: exp.Cast) -> sql.Expression:
    if node.to.this in (exp.DataType.Type.TEXT, exp.DataType.Type.VARCHAR):
        return node.this if _is_text(node.this) else _call(TEXT, node.this)
    return node


def _is_text(node: sql.Expression) -> bool:
    return isinstance(node, exp.Literal) and node.is_string


def _number(node: exp.Literal) -> sql.Expression:
    """Spark takes 0.5 for a decimal number and computes with it in decimals."""
    if node.is_string or not any(mark in node.this.lower() for mark in ".e"):
        return node
    return exp.Var(this=f"{node.this}D")


def java_pattern(pattern: str) -> str:
    """Write a pattern of RE2 for Java: there `$` also stands before a last line end, and `.` for fewer characters."""
    written, inside, place = "", False, 0
    while place < len(pattern):
        mark = pattern[place]
        if mark == "\\" and place + 1 < len(pattern):
            written += pattern[place : place + 2]
            place += 2
            continue
        if mark == "[" and inside:
            mark = "\\["  # which Java reads as the begin of a nested class
        elif mark == "[":
            inside = True
        elif mark == "&" and inside:
            mark = "\\&"
        elif mark == "]" and inside and not written.endswith(("[", "[^")):
            inside = False
        elif mark == "$" and not inside:
            mark = "\\z"
        written += mark
        place += 1
    return "(?d)" + written.replace("(?P<", "(?<")


def _pattern(node: sql.Expression, *, whole: bool = False) -> sql.Expression:
    if not _is_text(node):
        return node
    pattern = java_pattern(f"^(?:{node.this})$" if whole else node.this)
    return exp.Literal.string(pattern)


def _matches(node: exp.RegexpLike) -> sql.Expression:
    return _call("regexp_like", node.this, _pattern(node.expression))


def _full_match(node: exp.RegexpFullMatch) -> sql.Expression:
    return _call("regexp_like", node.this, _pattern(node.expression, whole=True))


def _replaced(node: exp.RegexpReplace) -> sql.Expression:
    return _call("regexp_replace", node.this, _pattern(node.expression), node.args["replacement"])


def _extracted(node: exp.RegexpExtract) -> sql.Expression:
    group = node.args.get("group") or exp.Literal.number(0)
    return _call("regexp_extract", node.this, _pattern(node.expression), group)


def _seconds(node: exp.TimeToUnix) -> sql.Expression:
    micros = _call("unix_micros", exp.cast(node.this, "timestamptz"))
    return exp.Div(this=micros, expression=exp.Var(this=f"{SECOND!r}D"))


def _infinite(node: exp.IsInf) -> sql.Expression:
    return exp.EQ(this=exp.Abs(this=node.this), expression=_call("double", exp.Literal.string("infinity")))


def _present(values: sql.Expression) -> sql.Expression:
    return _call("array_compact", values.copy())


def _different(node: exp.ArrayDistinct) -> sql.Expression:
    return _call("array_distinct", _present(node.this))


def _list_count(arguments: list[sql.Expression]) -> sql.Expression:
    return _call("size", _present(arguments[0]))


def _list_sum(arguments: list[sql.Expression]) -> sql.Expression:
    added = exp.Lambda(
        this=exp.Add(this=exp.column("a"), expression=exp.column("b")),
        expressions=[exp.to_identifier("a"), exp.to_identifier("b")],
    )
    total = _call("aggregate", _present(arguments[0]), exp.cast(exp.Literal.number(0), "bigint"), added)
    return _call("if", exp.EQ(this=_list_count(arguments), expression=exp.Literal.number(0)), exp.null(), total)


def _repeated(node: exp.Repeat) -> sql.Expression:
    if not isinstance(node.this, exp.Array):
        return node
    return _call("array_repeat", node.this.expressions[0], exp.cast(node.args["times"], "int"))


def _side_by_side(query: exp.Select) -> sql.Expression:
    """Unnest several lists of one length at once, which Spark does only for one: that of their places."""
    lists = [
        (wanted, wanted.unalias()) for wanted in query.selects if isinstance(wanted.unalias(), exp.Explode | exp.Unnest)
    ]
    if len(lists) < 2:
        return query
    last = exp.Sub(this=_call("size", _unnested(lists[0][1])), expression=exp.Literal.number(1))
    places = exp.alias_(exp.Explode(this=_call("sequence", exp.Literal.number(0), last)), PLACE)
    source = query.args.get("from_")
    inner = exp.select(exp.Star(), places) if source else exp.select(places)
    inner.set("from_", source.copy() if source else None)
    for wanted, found in lists:
        value = _call("get", _unnested(found), sql.column(PLACE))
        wanted.replace(exp.alias_(value, wanted.alias_or_name))
    query.set("from_", exp.From(this=inner.subquery("zipped")))
    return query


def _unnested(found: sql.Expression) -> sql.Expression:
    inner: sql.Expression = found.expressions[0] if isinstance(found, exp.Unnest) else found.this
    return inner.copy()


_BY_NAME: dict[str, Callable[[list[sql.Expression]], sql.Expression]] = {
    "hash": _hash,
    "list_count": _list_count,
    "list_sum": _list_sum,
    "try_strptime": _read_time,
}
_BY_TYPE: dict[type, Callable[..., sql.Expression]] = {
    exp.Anonymous: _anonymous,
    exp.ArrayDistinct: _different,
    exp.Cast: _cast,
    exp.IsInf: _infinite,
    exp.Literal: _number,
    exp.PercentileDisc: _quantiles,
    exp.RegexpExtract: _extracted,
    exp.RegexpFullMatch: _full_match,
    exp.RegexpLike: _matches,
    exp.RegexpReplace: _replaced,
    exp.Repeat: _repeated,
    exp.Select: _side_by_side,
    exp.TimeToUnix: _seconds,
}
