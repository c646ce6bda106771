"""Databases by their addresses: files of DuckDB and SQLite, and servers; what may be asked, and how they fail."""

import re
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

from msgspec import Struct
from sqlglot import TokenType, exp, parse, tokenize
from sqlglot.errors import SqlglotError

from doctor.errors import UsageError
from doctor.wording import SECRET_NAME, masked_address, printable

SQLITE, DUCKDB, POSTGRES = "sqlite", "duckdb", "postgres"
"""Names of the dialects, as sqlglot has them."""
SUFFIXES = (".duckdb", ".ddb", ".sqlite", ".sqlite3", ".db", ".db3")
SCHEMES = {"postgresql": POSTGRES, "postgres": POSTGRES, "sqlite": SQLITE, "duckdb": DUCKDB}
KNOWN = "postgresql://USER@HOST:PORT/DATABASE, sqlite:///PATH and duckdb:///PATH"
MAGIC_BYTES = 16
SAID = 300
_SERVER_SAYS = re.compile(r"(?:ERROR|FATAL|PANIC):\s+(?P<what>.+)")
_PREFIX = re.compile(
    r"^(?:\w+ Error: |[A-Z_]{2,}: )?(?:\[\w+\] )?(?:Failed to (?:prepare|execute|step) query: |Failed to connect: )?"
)
_BEGINNINGS = (TokenType.SELECT, TokenType.WITH, TokenType.VALUES, TokenType.FROM, TokenType.TABLE, TokenType.L_PAREN)
_WRITING = (exp.Insert, exp.Update, exp.Delete, exp.Merge, exp.Into)


class Address(Struct, frozen=True, kw_only=True):
    """Where a database is.

    Attributes
    ----------
    dialect : str
        Of its SQL.
    path : Path or None
        Of a file.
    uri : str
        Of a server, with all that the user gave, so not to be shown.
    shown : str
        The same without password and other secrets.
    """

    dialect: str
    path: Path | None = None
    uri: str = ""
    shown: str = ""

    def told(self, error: BaseException) -> str:
        """Say what went wrong in one line, in the database's own words and without the password."""
        text = str(error)
        for secret in filter(None, (self.uri, *self._passwords())):
            text = text.replace(secret, self.shown if secret == self.uri else "•••")
        found = _SERVER_SAYS.search(text)
        line = found["what"] if found else _PREFIX.sub("", text.strip(), count=1).partition("\n")[0]
        return printable(" ".join(line.split()), limit=SAID) or type(error).__name__

    def _passwords(self) -> list[str]:
        if not self.uri:
            return []
        try:
            parts = urlsplit(self.uri)
            given = [
                parts.password or "",
                *(value for name, value in parse_qsl(parts.query) if SECRET_NAME.search(name)),
            ]
        except ValueError:
            return []
        return [word for one in given if one for word in (one, unquote(one))]


def is_uri(text: str) -> bool:
    """Whether a text is the address of a database and no path."""
    return text.partition("://")[0].lower() in SCHEMES and "://" in text


def is_database(path: Path) -> bool:
    """Whether a file's name or its first bytes say that it holds a database."""
    return path.is_file() and (path.suffix.lower() in SUFFIXES or bool(dialect_of(path)))


def dialect_of(path: Path) -> str:
    """Tell databases by their first bytes; nothing where it is none."""
    try:
        with path.open("rb") as file:
            head = file.read(MAGIC_BYTES)
    except OSError:
        return ""
    if head == b"SQLite format 3\0":
        return SQLITE
    return DUCKDB if head[8:12] == b"DUCK" else ""


def address_of_file(path: Path) -> Address:
    """Return the address of a file.

    Raises
    ------
    UsageError
        When it holds no database that is known.
    """
    try:
        size = path.stat().st_size
        with path.open("rb"):
            dialect = dialect_of(path)
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from error
    if not dialect:
        raise UsageError(f"{path}: {'neither a DuckDB nor a SQLite database' if size else 'the file is empty'}")
    return Address(dialect=dialect, path=path, shown=str(path))


def address_of(uri: str) -> Address:
    """Read the address that the user gave.

    Raises
    ------
    UsageError
        When it is none that is known; the message holds no password.
    """
    scheme, colon, rest = uri.partition("://")
    dialect = SCHEMES.get(scheme.lower())
    if not colon or dialect is None:
        what = f"{printable(scheme, limit=40)}:// is not known" if colon else "this is no address"
        raise UsageError(f"--uri: {what}; known are {KNOWN}")
    if dialect != POSTGRES:
        # Three slashes and a relative path, four and an absolute one, as SQLAlchemy has it.
        path = Path(unquote(rest.partition("?")[0].removeprefix("/")))
        if not path.is_file():
            raise UsageError(f"--uri {scheme}: {path}: there is no such file")
        return address_of_file(path)
    shown = masked_address(uri)
    if not shown:
        raise UsageError(f"--uri: this is no address; known are {KNOWN}")
    return Address(dialect=dialect, uri=uri, shown=shown)


def shown_path(path: Path | str) -> str:
    """Write the path of a table in a database, of which the address of a server lost a slash as a path."""
    return re.sub(r"^([a-z][a-z0-9+]*):/(?!/)", r"\1://", str(path))


def check_query(query: str, dialect: str) -> tuple[str, bool]:
    """Let through what only reads.

    Parameters
    ----------
    query : str
        As the user wrote it.
    dialect : str
        Of the database.

    Returns
    -------
    str
        The one statement, without what ends it.
    bool
        Whether it says in which order its rows come.

    Raises
    ------
    UsageError
        For several statements, and for one that is no query. What cannot be parsed here is left to the database, which
        is told to write nothing.
    """
    try:
        tokens = tokenize(query, dialect=dialect)
    except SqlglotError as error:
        raise UsageError(f"--query: it cannot be read: {_first_line(error)}") from error
    while tokens and tokens[-1].token_type is TokenType.SEMICOLON:
        tokens.pop()
    if not tokens:
        raise UsageError("--query: it is empty")
    if any(token.token_type is TokenType.SEMICOLON for token in tokens):
        raise UsageError("--query: give one statement, not several")
    statement = query[tokens[0].start : tokens[-1].end + 1]
    if tokens[0].token_type not in _BEGINNINGS:
        raise UsageError(
            f"--query: {printable(tokens[0].text, limit=40)} is no query; only SELECT and its like are run"
        )
    try:
        (tree,) = parse(statement, dialect=dialect)
    except (SqlglotError, ValueError, RecursionError):
        return statement, False
    if tree is None or not isinstance(tree, exp.Query | exp.Values | exp.Table) or tree.find(*_WRITING):
        raise UsageError("--query: it writes, or is no query; only SELECT and its like are run")
    return statement, tree.args.get("order") is not None


def _first_line(error: Exception) -> str:
    return printable(str(error).partition("\n")[0], limit=SAID)
