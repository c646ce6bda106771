"""What is missing, and what a record may do without."""

import json
from pathlib import Path

import pytest

from doctor.testing import judge
from doctor_checks.quality import missing_values


@pytest.mark.parametrize(("part", "found"), [("input", 0), ("system", 0), ("source", 1)])
def test_a_record_for_instruction_may_do_without_input(tmp_path: Path, part: str, found: int) -> None:
    path = tmp_path / "records.jsonl"
    path.write_text(
        "".join(
            json.dumps({"instruction": f"Add {i}.", part: f"to {i}" if i % 3 == 0 else "", "output": str(2 * i)}) + "\n"
            for i in range(60)
        )
    )
    assert len(judge(missing_values, path).findings) == found
