"""What holds for every format that is installed."""

import json
from importlib.metadata import entry_points
from pathlib import Path

import jsonschema
import pytest
from hostile_examples import report_of, texts
from hypothesis import given, settings

from doctor.registry import load_renderer

FORMATS = sorted(point.name for point in entry_points(group="doctor.reports"))
SCHEMA = Path(__file__).resolve().parents[2] / "docs" / "report.schema.json"


@pytest.mark.parametrize("name", FORMATS)
@settings(max_examples=25, deadline=None)
@given(text=texts)
def test_any_text_can_be_written_to_a_file_and_holds_no_zero_byte(name: str, text: str) -> None:
    written = load_renderer(name)(report_of(text), color=False).encode("utf-8")
    assert written
    assert b"\x00" not in written


@settings(max_examples=25, deadline=None)
@given(text=texts)
def test_any_text_keeps_to_the_published_schema(text: str) -> None:
    schema = json.loads(SCHEMA.read_text("utf-8"))
    validator = jsonschema.validators.validator_for(schema)(schema)
    validator.validate(json.loads(load_renderer("json")(report_of(text), color=False)))


@pytest.mark.parametrize("name", FORMATS)
def test_a_cell_of_ten_megabytes_is_cut(name: str) -> None:
    assert len(load_renderer(name)(report_of("a|<&\"'\n" * 1_500_000), color=False)) < 1_000_000
