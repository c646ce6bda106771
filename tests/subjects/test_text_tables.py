"""How a text table is written is found out from the whole of it."""

import gzip
from collections.abc import Callable

import pytest

from doctor.errors import UsageError
from doctor.subjects.header import is_name_like
from doctor.subjects.table import Table
from doctor.subjects.text_file import look_over

OpenText = Callable[..., Table]


def lines(*rows: str, times: int = 1) -> str:
    return "\n".join([*rows[:1], *(rows[1:] * times)]) + "\n"


def names(table: Table) -> list[str]:
    return [column.name for column in table.columns]


def kinds(table: Table) -> list[str]:
    return [column.kind.value for column in table.columns]


def values(table: Table) -> list[tuple[object, ...]]:
    listed = ", ".join('"' + name.replace('"', '""') + '"' for name in names(table))
    return table.ask(f'SELECT {listed} FROM "{table.relation}" ORDER BY __doctor_row')


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("suffix", ["csv", "txt"])
def test_the_delimiter_is_the_one_by_which_lines_agree(open_text: OpenText, delimiter: str, suffix: str) -> None:
    text = lines("a,b,c", "1,x y,2.5", "2,z,3.5").replace(",", delimiter)
    table = open_text(text, f"table.{suffix}")
    assert values(table) == [(1, "x y", 2.5), (2, "z", 3.5)]


def test_a_declared_delimiter_wins(open_text: OpenText) -> None:
    assert names(open_text("a:b\n1:2\n3:4\n", delimiter=":")) == ["a", "b"]


def test_a_file_of_one_line_is_a_text_unless_its_fields_are_short(open_text: OpenText) -> None:
    said = "It rained, and the boats stayed in the harbour, so we read. "
    for text in (said, said * 40, said.replace(",", "") * 40):
        assert names(open_text(text, "said.txt", header="no")) == ["column0"]
    assert len(names(open_text("1,2.5,x", "row.txt", header="no"))) == 3


def test_fields_between_runs_of_blanks_are_told_to_be_one_column(open_text: OpenText) -> None:
    def told(text: str) -> list[str]:
        return [guess.because for guess in open_text(text, "table.txt").guesses if guess.what == "columns"]

    assert told("a   b     c\n1   2.5   3\n10  20    30\n4   5     NA\n") == [
        "the 3 fields of a line are set apart by runs of blanks, which are no delimiter"
    ]
    assert told("a boat  on the  sea\na cat  on the  mat\none two  three four five\n") == []


def test_prose_is_one_column(open_text: OpenText) -> None:
    text = 'How are you, dear?\nI said "no", and left; so did he, too.\nWhat again?\n'
    table = open_text(text, "questions.txt")
    assert names(table) == ["column0"]
    assert table.rows == 3


@pytest.mark.parametrize(
    ("text", "header"),
    [
        ("x,y,label\n1,2,a\n3,4,b\n", True),
        ("1,2,a\n3,4,b\n5,6,a\n", False),
        ("red,round\nblue,square\nred,square\nblue,round\n", False),
        ("colour,shape\nblue,square\nblue,square\nblue,square\n", True),
        ("label,text\nham,come home now!\nspam,win a prize, now\n".replace(", ", "; "), True),
        ("0,1,2\n5,7,1\n8,2,2\n", True),
        ("country,1990,1991,1992\nNorway,4,5,6\nChad,7,8,9\n", True),
        (",a\n0,5\n1,6\n", True),
        ("a,b\n,\n,\n", True),
        ("5,5\n5,5\n", False),
        ("day,n\n2020-01-01,1\n2020-01-02,2\n", True),
        ("2020-01-01,x\n2020-01-02,y\n2020-01-03,z\n", False),
    ],
)
def test_the_first_line_names_the_columns_if_it_differs_from_what_is_below(
    open_text: OpenText, text: str, header: bool
) -> None:
    table = open_text(text)
    assert table.rows == text.count("\n") - header
    assert (names(table)[-1] == "column" + str(len(table.columns) - 1)) is not header


@pytest.mark.parametrize("header", ["yes", "no"])
def test_a_declared_header_wins(open_text: OpenText, header: str) -> None:
    table = open_text("1,2\n3,4\n", header=header)
    assert names(table) == (["1", "2"] if header == "yes" else ["column0", "column1"])


def test_a_missing_header_is_said_with_the_option_that_overrides_it(open_text: OpenText) -> None:
    guess = open_text("1,2\n3,4\n").guesses[0]
    assert (guess.what, guess.value, guess.override) == ("header", "no", "--header yes")


def test_columns_without_names_are_addressed_by_number(open_text: OpenText) -> None:
    table = open_text("1,2\n3,4\n")
    assert table.resolve("1") == "column1"
    with pytest.raises(UsageError, match=r"table\.csv: .*'2'.*column0, column1"):
        table.resolve("2")


def test_a_name_that_is_a_number_comes_before_a_position(open_text: OpenText) -> None:
    assert open_text("0,1,2\n5,7,x\n8,2,y\n").resolve("1") == "1"


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (["1", " 2", "-3"], "integer"),
        (["1", "2.5", "1e3"], "number"),
        (["1", "2", "inf"], "number"),
        (["007", "012"], "text"),
        (["1", "two"], "text"),
        (["1_000", "2"], "text"),
        (["18446744073709551615", "1"], "text"),
        (["true", "False"], "boolean"),
        (["yes", "no"], "text"),
        (["2020-01-31", "1999-12-01"], "time"),
        (["2020-01-31T10:00:00Z", "2020-01-31 10:00:00+02:00"], "time"),
        (["1/31/2020", "12/1/1999"], "time"),
        (["31.1.2020", "1.12.1999"], "time"),
        (["Jan 1 2000", "Mar 12 2001"], "time"),
        (["2020-13-31", "1999-12-01"], "text"),
        (["None", "?"], "text"),
    ],
)
def test_a_type_holds_for_every_value(open_text: OpenText, written: list[str], expected: str) -> None:
    rows = "".join(f"{value},x{number}\n" for number, value in enumerate(written))
    assert kinds(open_text("a,b\n" + rows, header="yes")) == [expected, "text"]


def test_one_late_value_makes_a_column_text(open_text: OpenText) -> None:
    rows = "".join(f"{number},{number}\n" for number in range(5000))
    assert kinds(open_text(f"a,b\n{rows}5000,unknown\n")) == ["integer", "text"]


def test_months_and_days_are_told_apart_by_all_values(open_text: OpenText) -> None:
    rows = "".join(f"{day}/1/2020,{day}\n" for day in range(1, 29))
    table = open_text("day,n\n" + rows)
    assert table.ask(f'SELECT max(day)::DATE::VARCHAR FROM "{table.relation}"') == [("2020-01-28",)]
    assert table.guesses == ()


def test_spellings_of_missing_are_missing_and_none_is_a_value(open_text: OpenText) -> None:
    table = open_text('a,b\n1,x\nNA,None\n,?\nnan,"NA"\n"",N/A\n')
    assert values(table) == [(1, "x"), (None, "None"), (None, "?"), (None, None), (None, None)]


def test_stray_quotes_are_text(open_text: OpenText) -> None:
    rows = ['ham\t"Ok lar', 'ham\tsaid "hi" to me', 'spam\t"free"', "ham\tbye"] * 20
    table = open_text("\n".join(rows) + "\n", "messages.tsv")
    assert table.rows == 80
    assert values(table)[0] == ("ham", '"Ok lar')


def test_quotes_enclose_delimiters_and_line_ends(open_text: OpenText) -> None:
    table = open_text('id,text\n1,"a, b\nand ""c"""\n2,plain\n')
    assert values(table) == [(1, 'a, b\nand "c"'), (2, "plain")]


def test_quotes_may_be_escaped_by_backslashes(open_text: OpenText) -> None:
    rows = "".join(f'{number},"said \\"hi, you\\" twice"\n' for number in range(5))
    assert values(open_text("id,text\n" + rows))[0] == (0, 'said "hi, you" twice')


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_encodings_and_line_ends_do_not_show(open_text: OpenText, encoding: str, line_end: str) -> None:
    text = lines("name,n", "café,1", "naïve “x”,2").replace("\n", line_end)
    table = open_text(text.encode(encoding))
    assert names(table) == ["name", "n"]
    assert values(table) == [("café", 1), ("naïve “x”", 2)]


def test_a_declared_encoding_wins(open_text: OpenText) -> None:
    assert values(open_text("a,b\nпривет,1\n".encode("koi8-r"), encoding="koi8-r")) == [("привет", 1)]


def test_an_unknown_encoding_is_wrong_use(open_text: OpenText) -> None:
    with pytest.raises(UsageError, match="no encoding 'utf-99'"):
        open_text("a,b\n1,2\n", encoding="utf-99")


@pytest.mark.parametrize("suffix", [".gz", ".zst"])
def test_compressed_text_is_read(open_text: OpenText, suffix: str) -> None:
    import pyarrow as pa

    plain = lines("a,b", "1,x", "2,y", times=50).encode()
    packed = gzip.compress(plain) if suffix == ".gz" else pa.Codec("zstd").compress(plain, asbytes=True)
    assert open_text(packed, f"table.csv{suffix}").rows == 100


def test_awkward_names_stay_apart(open_text: OpenText) -> None:
    header = '"a\nb","q""q",A,a,,__doctor_row,rowid,select'
    table = open_text(f"{header}\n" + "".join(f"{n},x,1,2,3,4,{n},t\n" for n in range(9)), header="yes")
    assert names(table) == ["a\nb", 'q"q', "A", "a_2", "column4", "__doctor_row_2", "rowid", "select"]
    assert values(table)[1] == (1, "x", 1, 2, 3, 4, 1, "t")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a,b\nr1,1,2\nr2,3,4\n", ["column0", "a", "b"]),
        ("a,b\n1,2,\n3,4,\n", ["a", "b", "column2"]),
        ("a,b,\n1,2\n3,4\n", ["a", "b", "column2"]),
    ],
)
def test_a_header_may_be_longer_or_shorter_than_rows(open_text: OpenText, text: str, expected: list[str]) -> None:
    table = open_text(text)
    assert names(table) == expected
    assert table.rows == 2
    assert table.malformed == ()


def test_rows_keep_their_order(open_text: OpenText) -> None:
    table = open_text("n,m\n" + "".join(f"{number},{number % 7}\n" for number in range(300_000)))
    assert table.ask(f'SELECT count(*) FROM "{table.relation}" WHERE n <> __doctor_row') == [(0,)]


def test_broken_rows_are_counted_with_their_lines(open_text: OpenText) -> None:
    rows = [f'{number},"two\nlines",x' for number in range(30)]
    rows[4:4] = ["1,2"]
    rows[9:9] = ["1,2,3,4"]
    table = open_text("a,b,c\n" + "\n".join(rows) + "\n")
    assert table.rows == 30
    assert [(fault.fault, fault.rows, fault.lines) for fault in table.malformed] == [
        ("too few fields", 1, (10,)),
        ("too many fields", 1, (19,)),
    ]


def test_broken_json_lines_are_counted_with_their_lines(open_text: OpenText) -> None:
    text = '{"a": 1, "b": "x"}\n\n{"a": 2,\n[3]\n{"a": NaN, "b": "y"}\n'
    table = open_text(text, "table.jsonl")
    assert values(table) == [(1, "x"), (None, "y")]
    assert [(fault.fault, fault.lines) for fault in table.malformed] == [
        ("not JSON", (3,)),
        ("not a JSON object", (4,)),
    ]


def test_json_nested_beyond_reason_is_a_broken_row(open_text: OpenText) -> None:
    deep = '{"a": ' + "[" * 5000 + "]" * 5000 + "}"
    table = open_text(f'{deep}\n{{"a": 1}}\n{{"a": 2}}\n', "table.jsonl")
    assert table.rows == 2
    assert table.malformed[0].lines == (1,)


def test_damaged_bytes_are_told_and_kept(open_text: OpenText) -> None:
    text = b"a,b\n" + "é,1\n".encode() * 30 + b"\xe9,1\nx\x00y,1\n"
    table = open_text(text)
    assert table.rows == 32
    assert [(fault.fault, fault.lines, fault.kept) for fault in table.malformed] == [
        ("zero bytes", (33,), True),
        ("bytes that are no UTF-8", (32,), True),
    ]


def test_names_are_short_and_begin_with_a_letter() -> None:
    assert all(map(is_name_like, ("age", "Größe (cm)", "chest pain type ", "_id", "alk.phos")))
    assert not any(map(is_name_like, ("", "7", "What is it?", "one two three four five six seven", "x" * 80)))


def test_a_copy_is_written_only_where_needed(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder, scratch = tmp_path_factory.mktemp("data"), tmp_path_factory.mktemp("scratch")
    plain, windows = folder / "plain.csv", folder / "windows.csv"
    plain.write_bytes("a,b\ncafé,1\n".encode())
    windows.write_bytes("a,b\ncafé,1\n".encode("cp1252"))
    assert look_over(plain, scratch).readable == plain
    assert look_over(windows, scratch).readable.read_bytes() == plain.read_bytes()
