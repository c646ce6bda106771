"""Texts whose first word gives their label away."""

from pathlib import Path

import pytest

from doctor.model import Advise, DropColumns
from doctor.testing import judge
from doctor_checks.leakage import label_leakage
from fixtures.text_tables import letters

SAID = letters(200, 5, sentences=1)


@pytest.mark.parametrize(("more", "repair"), [(False, Advise), (True, DropColumns)])
def test_what_is_all_there_is_to_learn_from_is_not_dropped(tmp_path: Path, more: bool, repair: type) -> None:
    rows = [f'"{"good" if i % 2 else "bad"} {SAID[i]}",{"pos" if i % 2 else "neg"},{i * 7 % 11}' for i in range(200)]
    header, rows = ("text,label,size", rows) if more else ("text,label", [row.rpartition(",")[0] for row in rows])
    (tmp_path / "data.csv").write_text("\n".join([header, *rows]) + "\n")
    (found,) = judge(label_leakage, tmp_path / "data.csv", target="label").findings
    assert found.message.startswith("the first word of text is label in other words: 2 values")
    assert isinstance(found.repair, repair)
