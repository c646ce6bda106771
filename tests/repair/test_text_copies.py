"""What no edit touches keeps its bytes, however a text file is written."""

import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sick_data import changes_of

from doctor.case import open_case
from doctor.engine import examine
from doctor.repair import json_files, text_files
from doctor.repair.changes import Changes, Unsure
from doctor.repair.proving import repair
from doctor.repair.state import State
from doctor.settings import Settings
from fixtures.text_tables import letters

WORDS = st.text(
    st.characters(codec="utf-8", exclude_characters='",\r\n\0', exclude_categories=("Cs", "Cc")), max_size=8
)
MANY = settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
)


@st.composite
def written(draw: st.DrawFn) -> tuple[list[list[str]], str, bool]:
    """Draw records as they stand in a file (field texts with their quotes), the line end, and whether the last has one.

    The first column counts, so that records are never taken for others; the second is a number.
    """
    end = draw(st.sampled_from(["\n", "\r\n"]))
    quoted = st.one_of(WORDS, WORDS.map(lambda word: f'{word}, "{word}"{end}x'))
    records = []
    for number in range(draw(st.integers(12, 25))):
        texts = draw(st.lists(quoted, min_size=2, max_size=2))
        fields = [f"row {number}", str(draw(st.integers(-99, 99)))]
        for text in texts:
            plain = draw(st.booleans()) and not set(text) & set('",\r\n')
            fields.append(text if plain else '"' + text.replace('"', '""') + '"')
        records.append(fields)
    return records, end, draw(st.booleans())


@MANY
@given(
    written(), st.sets(st.integers(0, 11), max_size=6), st.sets(st.sampled_from(["size", "said", "note"]), max_size=2)
)
def test_a_csv_copy_is_the_original_without_the_records_and_fields_that_go(
    made: tuple[list[list[str]], str, bool], rows: set[int], columns: set[str]
) -> None:
    records, end, ended = made
    names = ["name", "size", "said", "note"]
    keeps = [place for place, name in enumerate(names) if name not in columns]

    def text(lines: list[list[str]], places: list[int]) -> str:
        return end.join(",".join(line[place] for place in places) for line in lines)

    with tempfile.TemporaryDirectory() as folder:
        path, copy = Path(folder) / "table.csv", Path(folder) / "copy.csv"
        path.write_bytes((text([names, *records], [0, 1, 2, 3]) + (end if ended else "")).encode())
        with open_case([path], Settings(header="yes", delimiter=",")) as case:
            if case.tables[0].rows != len(records):
                return  # an odd text may be read otherwise than it was meant; the copy then is tested elsewhere
            text_files.rewrite(changes_of(case, rows=sorted(rows), columns=sorted(columns)), [0], {0: copy})
        kept = [record for number, record in enumerate(records) if number not in rows]
        last = len(records) - 1 in rows or ended
        assert (text([names, *kept], keeps) + (end if last else "")).encode() == copy.read_bytes()


VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(10**9), 10**9), st.text(max_size=8)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=4), inner, max_size=3)),
    max_leaves=5,
)
STYLES: list[dict[str, Any]] = [{}, {"separators": (",", ":")}, {"ensure_ascii": False}]


@MANY
@given(
    st.lists(st.tuples(VALUES, VALUES, VALUES, st.sampled_from(STYLES)), min_size=3, max_size=12),
    st.sets(st.integers(0, 1), max_size=2),
    st.sets(st.sampled_from(["a", 'b"é', "c"]), max_size=2),
)
def test_a_jsonl_copy_holds_the_other_members_in_their_order_and_other_lines_to_the_byte(
    values: list[tuple[Any, Any, Any, dict[str, Any]]], rows: set[int], columns: set[str]
) -> None:
    objects = [{"n": number, "a": a, 'b"é': b, "c": c} for number, (a, b, c, _) in enumerate(values)]
    lines = [json.dumps(each, **style) for each, (*_, style) in zip(objects, values, strict=True)]
    with tempfile.TemporaryDirectory() as folder:
        path, copy = Path(folder) / "table.jsonl", Path(folder) / "copy.jsonl"
        path.write_text("\n".join(lines) + "\n", "utf-8", errors="surrogatepass")
        with open_case([path], Settings()) as case:
            if not case.tables or case.tables[0].rows != len(lines):
                return
            known = {column.name for column in case.tables[0].columns}
            changes = changes_of(case, rows=sorted(rows), columns=sorted(columns & known))
            json_files.rewrite(changes, [0], {0: copy})
        wanted = [
            json.dumps({key: value for key, value in each.items() if key not in columns}, **style)
            for number, (each, (*_, style)) in enumerate(zip(objects, values, strict=True))
            if number not in rows
        ]
        assert [*wanted, ""] == copy.read_bytes().decode().split("\n")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "latin-1", "cp1252"])
def test_a_copy_keeps_the_encoding_and_its_mark(tmp_path: Path, encoding: str) -> None:
    lines = ["name,größe,ort\n", *(f"n{number},{number},Zürich {number}\n" for number in range(40))]
    path, copy = tmp_path / "table.csv", tmp_path / "copy.csv"
    path.write_bytes("".join(lines).encode(encoding))
    with open_case([path], Settings()) as case:
        text_files.rewrite(changes_of(case, rows=[3, 7]), [0], {0: copy})
    assert "".join(lines[:4] + lines[5:8] + lines[9:]).encode(encoding) == copy.read_bytes()


def test_broken_bytes_and_records_that_are_no_rows_go_through(tmp_path: Path) -> None:
    lines = [b"name,size,place\n", *(b"n%d,%d,K\xc3\xb6ln\n" % (n, n) for n in range(30))]
    lines[5] = b"n4,4,\xff\xfe broken\n"
    lines[9] = b"too,few\n"
    path, copy = tmp_path / "table.csv", tmp_path / "copy.csv"
    path.write_bytes(b"".join(lines))
    with open_case([path], Settings()) as case:
        assert case.tables[0].rows == 29
        text_files.rewrite(changes_of(case, rows=[0, 8]), [0], {0: copy})
        assert b"".join([lines[0], *lines[2:10], *lines[11:]]) == copy.read_bytes()
        left = text_files.rewrite(changes_of(case, columns=["place"]), [0], {0: copy})
    assert left == {0: ["too,few\n"]}
    assert copy.read_bytes()[:15] == b"name,size\nn0,0\n"


def test_a_file_whose_rows_are_not_found_again_is_not_touched(tmp_path: Path) -> None:
    path, copy = tmp_path / "table.csv", tmp_path / "copy.csv"
    path.write_text("name,size\n" + "".join(f"n{n},{n}\n" for n in range(30)))
    with open_case([path], Settings()) as case:
        path.write_text("name,size\n" + "".join(f"n{n},{n + 1}\n" for n in range(30)))
        with pytest.raises(Unsure, match=r"table\.csv: row 1 has '1' as size, where 0 was read; nothing was written"):
            text_files.rewrite(changes_of(case, rows=[3]), [0], {0: copy})
        path.write_text("name,size\n" + "".join(f"n{n},{n}\n" for n in range(29)))
        with pytest.raises(Unsure, match="29 records are found in it where 30 were read"):
            text_files.rewrite(changes_of(case, rows=[3]), [0], {0: copy})


def test_rows_that_change_their_split_are_written_as_their_new_file_is(tmp_path: Path) -> None:
    train = ["who,note,size", *(f'p{n % 8},"a; b, {n}",{n}' for n in range(60))]
    test = ["size;who;note", *(f'{n};p{n % 8};"c; ""d"", {n}"' for n in range(60, 90))]
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "train.csv").write_text("\n".join(train))
    (tmp_path / "data" / "test.csv").write_bytes(("\r\n".join(test) + "\r\n").encode())
    with open_case([tmp_path / "data"], Settings()) as case:
        (table,) = case.tables
        state = State.of(table)
        state.split[5], state.split[60], state.split[61] = 1, 0, 0
        changes = Changes.of(state)
        text_files.rewrite(changes, [0, 1], {0: tmp_path / "train.csv", 1: tmp_path / "test.csv"})
    moved = [f'p{n % 8},"c; ""d"", {n}",{n}' for n in (60, 61)]
    wanted = "\n".join([*train[:6], *train[7:]]) + "\n" + "".join(f"{row}\n" for row in moved)
    assert wanted == (tmp_path / "train.csv").read_bytes().decode()
    came = '5;p5;"a; b, 5"'
    assert "\r\n".join([test[0], came, *test[3:], ""]) == (tmp_path / "test.csv").read_bytes().decode()


@pytest.mark.parametrize(
    ("name", "lines", "wanted"),
    [
        ("bare.csv", [f"{n},{n * 2},w{n}" for n in range(40)], lambda n: f"{n},w{n}"),
        ("rows.csv", ["a,b", *(f"r{n},{n},{n * 2}" for n in range(40))], lambda n: f"r{n},{n * 2}"),
        ("bars.txt", ["x|y|z", *(f"{n}|{n * 2}|w {n}" for n in range(40))], lambda n: f"{n}|w {n}"),
        ("mixed.csv", ["x,y,z", *(f"{n},{n * 2},w{n}" for n in range(40))], lambda n: f"{n},w{n}"),
        (
            "slash.csv",
            ["x,y,z", *(f'{n},{n * 2},"w \\"{n}\\", q"' for n in range(40))],
            lambda n: f'{n},"w \\"{n}\\", q"',
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_odd_ways_of_writing_are_kept(tmp_path: Path, name: str, lines: list[str], wanted: Any) -> None:
    path, copy = tmp_path / name, tmp_path / "copy" / name
    copy.parent.mkdir()
    ends = ["\n", "\r\n", "\r"] if name == "mixed.csv" else ["\n"]
    path.write_bytes("".join(line + ends[n % len(ends)] for n, line in enumerate(lines)).encode())
    with open_case([path], Settings()) as case:
        (table,) = case.tables
        assert table.rows == 40
        second = table.columns[1].name
        text_files.rewrite(changes_of(case, columns=[second], rows=[0]), [0], {0: copy})
    headed = len(lines) == 41
    kept = {"bare.csv": [], "rows.csv": ["b"]}.get(
        name, [lines[0].replace("y", "").replace("||", "|").replace(",,", ",")]
    )
    expected = [*kept, *(wanted(n) for n in range(1, 40))]
    assert headed == bool(kept)
    assert expected == copy.read_bytes().decode().replace("\r\n", "\n").replace("\r", "\n").split("\n")[:-1]


def test_each_fault_that_is_cured_is_counted(tmp_path: Path) -> None:
    said = letters(60, 31, sentences=1)
    healthy = [
        [{"role": "user", "content": said[i]}, {"role": "assistant", "content": said[(i + 7) % 60]}] for i in range(60)
    ]
    sick = [[], healthy[0][:1], [*healthy[1], healthy[1][1]]]
    data = tmp_path / "data"
    data.mkdir()
    lines = [json.dumps({"messages": each}) + "\n" for each in [*healthy, *sick]]
    (data / "chats.jsonl").write_text("".join(lines))
    chosen = Settings(select=("text/chat-format",))
    with open_case([data], chosen) as case:
        proof = repair(examine(case, chosen), case, chosen, tmp_path / "copy", unsafe=True)
    assert proof.comparison is not None
    assert (len(proof.comparison.gone), len(proof.comparison.stayed)) == (3, 0)
