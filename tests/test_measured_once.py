"""Evidence is dear, so a visit measures each kind once."""

from collections import Counter
from pathlib import Path

import pytest

from doctor.case import open_case
from doctor.engine import examine
from doctor.measurements import Silent
from doctor.settings import settings_for

FIXTURES = Path(__file__).resolve().parent.parent / "fixtures"


class Tally(Silent):
    """Counts what is measured."""

    def __init__(self) -> None:
        self.seen: Counter[tuple[str, str]] = Counter()

    def measuring(self, name: str, subject: str) -> None:
        self.seen[name, subject] += 1


@pytest.mark.parametrize("patient", ["quality/missing_values/sick", "quality/missing_values/healthy"])
def test_no_evidence_is_measured_twice(patient: str) -> None:
    tally = Tally()
    settings = settings_for(FIXTURES / patient, {})
    with open_case([FIXTURES / patient], settings) as case:
        examine(case, settings, tally)
    assert "Profile" in {name for name, _ in tally.seen}
    assert [what for what, times in tally.seen.items() if times > 1] == []
