"""The SQL in which tables are measured, with any name quoted; engine-specific functions stand here."""

from collections.abc import Iterable

from sqlglot import exp
from sqlglot.expressions import Expr as Expression
from sqlglot.expressions import Select

__all__ = [
    "ROW",
    "SPLIT",
    "Expression",
    "Select",
    "call",
    "cast_text",
    "column",
    "count_if",
    "literal",
    "name",
    "quoted",
    "relation",
    "row_hash",
    "select",
    "text",
]

ROW = "__doctor_row"
"""Service column: the row's number in the table, unique."""
SPLIT = "__doctor_split"
"""Service column: the name of the row's split."""


def column(name: str, table: str | None = None) -> exp.Column:
    """Name a column, whatever is in the name."""
    return exp.column(name, table=table, quoted=True)


def relation(name: str) -> exp.Table:
    """Name a table or view."""
    return exp.Table(this=exp.to_identifier(name, quoted=True))


def name(text: str) -> str:
    """Write the name of a column or relation, quoted."""
    return '"' + text.replace('"', '""') + '"'


def quoted(value: object) -> str:
    """Write a constant string."""
    return "'" + str(value).replace("'", "''") + "'"


def call(function: str, *arguments: Expression | str | int | float) -> exp.Anonymous:
    """Call a function by its engine's name."""
    return exp.Anonymous(this=function, expressions=[exp.convert(argument) for argument in arguments])


def literal(value: object) -> Expression:
    """Write a constant."""
    return exp.convert(value)


def select(*wanted: Expression, source: str | Select) -> Select:
    """Begin a query on a relation or a subquery."""
    origin = relation(source) if isinstance(source, str) else source.subquery("inner")
    return exp.select(*wanted).from_(origin)


def count_if(condition: Expression) -> Expression:
    """Count the rows for which a condition holds."""
    return call("count_if", condition)


def row_hash(parts: Iterable[Expression]) -> Expression:
    """Hash several columns to one 64-bit number; equal values hash equally, missing ones too."""
    return call("hash", *parts)


def text(statement: Expression) -> str:
    """Write a statement in the dialect of the embedded engine."""
    return statement.sql(dialect="duckdb")


def cast_text(expression: Expression) -> Expression:
    """Write a value as text."""
    return exp.cast(expression, "text")
