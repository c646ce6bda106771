"""How the files of a text table are written: their encoding, and whether they begin with the names of the columns."""

from codecs import BOM_UTF8

from msgspec import Struct

from doctor.errors import NotApplicable
from doctor.subjects.formats import suffix_of
from doctor.subjects.table import Part, Table
from doctor.subjects.text_file import opened


class WrittenFile(Struct, frozen=True, kw_only=True):
    """One file of text.

    Attributes
    ----------
    encoding : str
        Of its bytes.
    mark : bool
        Whether it begins with a byte order mark.
    header : bool or None
        Whether its first record names the columns; None of JSON, and of a .txt file of one column, in which each line
        is a text.
    first : tuple of str
        The columns that it has, by the names that the table gives them.
    """

    path: str
    rows: int
    encoding: str
    mark: bool
    header: bool | None
    first: tuple[str, ...]


class Writing(Struct, frozen=True, kw_only=True):
    """The files of a table that are written as text.

    Attributes
    ----------
    header_known : bool
        Whether the user said if there is a header, so that a missing one is no oversight.
    because : str
        Why a first record was taken for no header.
    """

    files: tuple[WrittenFile, ...]
    header_known: bool
    because: str

    @classmethod
    def measure(cls, table: Table) -> "Writing":
        """Take what the readers noted, and look at the first bytes.

        Raises
        ------
        NotApplicable
            When no file is written as text.
        """
        files = []
        for part in table.parts:
            if part.form is None:
                continue
            with opened(part.path) as stream:
                mark = stream.read(len(BOM_UTF8)) == BOM_UTF8
            files.append(
                WrittenFile(
                    path=str(part.path),
                    rows=part.rows,
                    encoding=part.form.encoding,
                    mark=mark,
                    header=part.form.header if part.form.delimiter and not _is_lines(part) else None,
                    first=part.form.columns,
                )
            )
        if not files:
            raise NotApplicable("no file is written as text")
        guess = next((guess for guess in table.guesses if guess.what == "header"), None)
        return cls(files=tuple(files), header_known=guess is None, because=guess.because if guess else "")


def _is_lines(part: Part) -> bool:
    return part.form is not None and len(part.form.columns) == 1 and suffix_of(part.path) == ".txt"
