"""Where a source fills a container and where it takes something out again."""

from pathlib import Path

import pytest

from doctor.watching.probe.source_lines import SourceLines


@pytest.mark.parametrize(
    ("name", "attribute", "written", "fills", "empties"),
    [
        ("seen", False, "seen", "seen.append(x)", "del seen[:-100]"),
        ("seen", False, "seen", "seen.append(x)", "seen = seen[-100:]"),
        ("seen", False, "seen", "seen.append(x)", "seen[:] = seen[-100:]"),
        ("seen", False, "seen", "seen.append(x)", "if len(seen) > 100: seen = []"),
        ("seen", False, "seen['x']", "seen['x'].append(x)", "del seen['x'][:-100]"),
        ("seen", False, "seen['x']", "seen['x'].append(x)", "seen['x'] = seen['x'][-100:]"),
        ("seen", False, "tools.seen['x']", "seen['x'].append(x)", "seen['x'].pop(0)"),
        ("seen", True, "self.seen", "self.seen.append(x)", "self.seen = self.seen[-100:]"),
        ("seen", True, "recorder.seen['x'][0]", "self.seen['x'][0].append(x)", "del self.seen['x'][0][:-100]"),
    ],
)
def test_a_bounded_container_is_known_as_one(
    tmp_path: Path, name: str, attribute: bool, written: str, fills: str, empties: str
) -> None:
    source = tmp_path / "train.py"
    source.write_text(f"def keep(self, seen, x):\n    {empties}\n    {fills}\n", "utf-8")
    lines = SourceLines(str(source), name, attribute, written)
    assert (lines.filled, lines.emptied) == (3, 2)


def test_another_entry_of_the_same_dictionary_bounds_nothing(tmp_path: Path) -> None:
    source = tmp_path / "train.py"
    source.write_text("seen['y'] = seen['y'][-9:]\ndel seen['z'][:-9]\nseen['x'].append(1)\n", "utf-8")
    lines = SourceLines(str(source), "seen", False, "seen['x']")
    assert lines.emptied is None
