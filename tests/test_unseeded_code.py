"""What is said of code, beyond the corpora in fixtures/reproducibility/unseeded_code."""

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent
spec = importlib.util.spec_from_file_location("calibrate_unseeded", ROOT / "bench" / "calibrate_unseeded.py")
assert spec
assert spec.loader
calibrate = importlib.util.module_from_spec(spec)
spec.loader.exec_module(calibrate)

SICK = calibrate.FIXTURES / "sick"
HEALTHY = calibrate.FIXTURES / "healthy"
TRAIN = """
import torch
from torch import nn
from torch.utils.data import DataLoader
def train(model, data):
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for x, y in DataLoader(data, shuffle=True):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()
"""


@pytest.fixture
def judge(tmp_path: Path) -> Callable[..., list[tuple[str, str]]]:
    """Scan the given programs and return kind and file of each finding."""

    def run(**programs: str) -> list[tuple[str, str]]:
        for name, code in programs.items():
            (tmp_path / f"{name}.py").write_text(code)
        return [(kind, Path(path).stem) for path, _, kind, _ in calibrate.found(tmp_path)]

    return run


def test_every_planted_fault_is_found_at_its_line_and_by_its_kind() -> None:
    faults = set(calibrate.planted(SICK))
    assert len(faults) >= 20
    assert faults == {(Path(path).name, line, kind) for path, line, kind, _ in calibrate.found(SICK)}


def test_healthy_programs_give_no_finding() -> None:
    assert calibrate.programs(HEALTHY) >= 20
    assert calibrate.found(HEALTHY) == []


def test_each_healthy_program_is_healthy_by_itself() -> None:
    alone = [path for path in sorted(HEALTHY.iterdir()) if path.name != "uses_helpers.py"]
    assert [finding for path in alone if path.suffix != ".toml" for finding in calibrate.found(path)] == []


def test_a_seed_is_followed_into_another_file(judge: Any) -> None:
    helper = "import torch\ndef prepare(n):\n    torch.manual_seed(n)\n"
    start = "from loop import train\nfrom ready import prepare\nfrom torch import nn\n"
    rest = "train(nn.Linear(3, 2), data)\n"
    assert judge(loop=TRAIN, ready=helper, main=f"{start}prepare(3)\n{rest}") == []


def test_a_seed_in_another_file_that_nobody_calls_does_not_count(judge: Any) -> None:
    helper = "import torch\ndef prepare(n):\n    torch.manual_seed(n)\n"
    start = "from loop import train\nfrom ready import prepare\nfrom torch import nn\n"
    assert judge(loop=TRAIN, ready=helper, main=f"{start}train(nn.Linear(3, 2), data)\n") == [("uncalled", "main")]


def test_a_function_out_of_view_that_speaks_of_a_seed_is_taken_at_its_word(judge: Any) -> None:
    start = "from elsewhere import fix_random_seed\nfix_random_seed(1)\n"
    assert judge(main=f"{start}{TRAIN}\ntrain(nn.Linear(3, 2), d)\n") == []


def test_an_unseeded_draw_in_a_program_without_training_is_nobodys_affair(judge: Any) -> None:
    assert judge(main="import random\nrandom.shuffle(songs)\nplay(songs)\n") == []


def test_a_sorted_listing_is_an_order(judge: Any) -> None:
    code = "import glob\nfrom sklearn.linear_model import Ridge\nfiles = {}\nrows = files[:9]\nRidge().fit(rows)\n"
    assert judge(main=code.format('glob.glob("*")')) == [("listing", "main")]
    assert judge(main=code.format('sorted(glob.glob("*"))')) == []
    assert judge(main=code.format('glob.glob("*"); files.sort()')) == []


def test_numbers_keep_their_place_in_a_set(judge: Any) -> None:
    code = "from sklearn.cluster import KMeans\nkeep = list(set({}))[:9]\nKMeans(2, random_state=0).fit(x[keep])\n"
    assert judge(main=code.format("names")) == [("set", "main")]
    assert judge(main=code.format("range(99)")) == []


def test_the_repair_is_a_line_of_code(scan: Any) -> None:
    findings = {Path(finding["at"]["path"]).name: finding for finding in scan(SICK)["findings"]}
    assert "train_test_split" not in findings["late_model.py"]["repair"]["code"]
    assert findings["late_model.py"]["repair"]["code"] == "torch.manual_seed(0)"
    assert findings["numpy_permutation.py"]["repair"]["code"] == "np.random.seed(0)"
    assert findings["generator_unseeded.py"]["repair"]["code"] == "np.random.default_rng(0)"
    assert findings["label_set.py"]["repair"]["code"] == "sorted(set(frame['label']))"


def test_nothing_is_executed(judge: Any, tmp_path: Path) -> None:
    mark = tmp_path / "executed"
    found = judge(main=f"open({str(mark)!r}, 'w')\nfrom sklearn.cluster import KMeans\nKMeans().fit(x)\n")
    assert found == [("missing", "main")]
    assert not mark.exists()


def test_a_program_that_calls_itself_in_circles_comes_to_an_end(judge: Any) -> None:
    code = "import random\ndef a():\n    b()\ndef b():\n    random.shuffle(x)\n    a()\na()\nmodel.fit(x)\n"
    assert judge(main=code) == [("missing", "main")]
