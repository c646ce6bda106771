"""Settings are read from code as far as they can be told, and joined with the files that name each other."""

import ast
from pathlib import Path

import pytest

from doctor.evidence.constants import Constants
from doctor.evidence.project import Module, Project
from doctor.evidence.rates_told import size_of_name
from doctor.evidence.setting_names import Quantity
from doctor.evidence.settings_in_code import CodeSettings
from doctor.evidence.settings_told import Setup
from doctor.evidence.setups import Setups
from doctor.subjects.config import open_configs
from doctor.subjects.source import Program, open_source

Q = Quantity


def module(text: str) -> Module:
    program = Program(path=Path("train.py"), shown="train.py", inner=("train.py",), tree=ast.parse(text))
    return Module(program)


def value(text: str) -> object:
    """Return what the argument of the call `use(…)` is known to be; "unknown" where it is not."""
    made = module(text)
    (call,) = [call for call in made.calls if getattr(call.func, "id", "") == "use"]
    found = Constants(made).of(call.args[0])
    return "unknown" if found is None else found.value


ARGPARSE = "import argparse\np = argparse.ArgumentParser()\np.add_argument({})\na = p.parse_args()\nuse(a.lr)"
KNOWN = {
    "x = 3\nuse(x)": 3,
    "x = 2 * 4 + 1\nuse(x)": 9,
    "x = y = 1e-3\nuse(-y)": -1e-3,
    "a, b = 1, 2\nuse(b)": 2,
    "X = 8\ndef f():\n    n = X // 2\n    use(n)": 4,
    "x = 1\ndef f():\n    x = 2\n    use(x)": 2,
    "c = {'lr': 0.1, 'n': {'k': 2}}\nuse(c['lr'])": 0.1,
    "use(int('4'))": 4,
    "use(2 ** 10)": 1024,
    ARGPARSE.format('"--lr", type=float, default=0.5'): 0.5,
    ARGPARSE.format('"-l", "--learning-rate", dest="lr", default=1e-4'): 1e-4,
    ARGPARSE.format('"--lr", action="store_true"'): False,
    "from dataclasses import dataclass, field\n@dataclass\nclass C:\n    lr: float = 0.2\nc = C()\nuse(c.lr)": 0.2,
    "from dataclasses import dataclass, field\n@dataclass\nclass C:\n    lr: float = field(default=0.2)\n"
    "c = C(lr=0.3)\nuse(c.lr)": 0.3,
}
UNKNOWN = (
    "x = 3\nx = 4\nuse(x)",
    "x = 3\nx += 1\nuse(x)",
    "for x in (1, 2):\n    use(x)",
    "def f(x=3):\n    use(x)",
    "import os\nx = int(os.environ['X'])\nuse(x)",
    "x = 3 if y else 4\nuse(x)",
    "x = 1\ndef f():\n    global x\n    x = 2\nuse(x)",
    "c = {'lr': 0.1}\nc['lr'] = 1\nuse(c['lr'])",
    "c = {'lr': 0.1}\nc.update(other)\nuse(c['lr'])",
    "x = x\nuse(x)",
    "use(1 / 0)",
    "use(10 ** 10 ** 10)",
    "use(open('x'))",
    ARGPARSE.format('"--lr"'),
    ARGPARSE.format('"--lr", default=0.5').replace("use(", "a.lr = 3\nuse("),
    "class C:\n    lr = 1\ndef f(c):\n    use(c.lr)",
    "with open('f') as x:\n    use(x)",
)


@pytest.mark.parametrize("text", KNOWN)
def test_a_constant_is_followed(text: str) -> None:
    assert value(text) == KNOWN[text]


@pytest.mark.parametrize("text", UNKNOWN)
def test_what_is_not_certain_stays_unknown(text: str) -> None:
    assert value(text) == "unknown"


def setups(folder: Path) -> list[Setup]:
    configs, _, problems = open_configs([folder])
    source, _ = open_source([folder])
    assert problems == []
    return list(Setups.measure(configs, CodeSettings.measure(Project.measure(source)) if source else None).setups)


def written(folder: Path, **files: str) -> list[Setup]:
    for name, text in files.items():
        stem, _, suffix = name.rpartition("_")
        path = folder / f"{stem.replace('__', '/')}.{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return setups(folder)


DS = '{"train_micro_batch_size_per_gpu": 4, "zero_optimization": {"stage": 2}}'
PROGRAM = """
import argparse
from transformers import Trainer, TrainingArguments
parser = argparse.ArgumentParser()
parser.add_argument("--bs", type=int, default=2)
parser.add_argument("--lr", type=float, default=1e-3)
args = parser.parse_args()
Trainer(args=TrainingArguments(per_device_train_batch_size=args.bs, learning_rate=args.lr, seed=7)).train()
"""


def test_a_launcher_is_joined_with_its_program_and_configuration(tmp_path: Path) -> None:
    script = "deepspeed --num_gpus 4 --num_nodes 2 src/train.py --bs 16 --deepspeed configs/ds.json --out $OUT\n"
    (setup,) = written(tmp_path, run_sh=script, src__train_py=PROGRAM, configs__ds_json=DS)
    assert (setup.trainer, setup.world) == ("transformers", 8)
    assert [(one.value, one.name) for one in setup.all(Q.MICRO_BATCH)] == [
        ("16", "--bs"),
        (4, "train_micro_batch_size_per_gpu"),
    ]
    rate = setup.get(Q.LEARNING_RATE)
    assert rate
    assert (rate.value, rate.place.path, rate.place.line) == (0.001, str(tmp_path / "src" / "train.py"), 6)
    assert {Path(file).name for file in setup.files} == {"run.sh", "train.py", "ds.json"}
    assert setup.global_batch == 128


def test_an_option_that_is_not_known_leaves_no_default(tmp_path: Path) -> None:
    (setup,) = written(tmp_path, run_sh='torchrun --nproc_per_node 2 train.py --lr "$RATE"\n', train_py=PROGRAM)
    assert setup.get(Q.LEARNING_RATE) is None
    assert setup.open
    assert setup.whole(Q.MICRO_BATCH) == 2


def test_who_names_whom_decides_what_is_one_training(tmp_path: Path) -> None:
    found = written(
        tmp_path,
        one_yaml="num_train_epochs: 3\nlearning_rate: 1e-4\noutput_dir: x\ndeepspeed: ds_a.json\n",
        ds_a_json=DS,
        ds_b_json=DS,
        acc_yaml="compute_environment: LOCAL_MACHINE\ndistributed_type: DEEPSPEED\nnum_processes: 4\n"
        "deepspeed_config:\n  zero_stage: 3\n  gradient_accumulation_steps: 2\nmixed_precision: bf16\n",
    )
    told = {Path(setup.shown).name: setup for setup in found}
    assert set(told) == {"one.yaml", "ds_b.json", "acc.yaml"}
    assert told["one.yaml"].whole(Q.ZERO_STAGE) == 2
    assert told["ds_b.json"].alone
    assert (told["acc.yaml"].world, told["acc.yaml"].whole(Q.ACCUMULATION)) == (4, 2)
    assert told["acc.yaml"].get(Q.BF16)


@pytest.mark.parametrize(
    ("command", "world"),
    [
        ("torchrun --nproc-per-node=4 --nnodes=2 t.py --lr 1", 8),
        ("torchrun --nproc_per_node gpu t.py --lr 1", None),
        ("torchrun --nproc_per_node 4 --nnodes 1:4 t.py --lr 1", None),
        ("python -m torch.distributed.run --nproc_per_node=2 t.py --lr 1", 2),
        ("deepspeed --include localhost:0,2-4 t.py --lr 1", 4),
        ("deepspeed --include host t.py --lr 1", None),
        ("deepspeed t.py --lr 1", None),
        ("accelerate launch --num_processes 6 --mixed_precision bf16 t.py --lr 1", 6),
        ("torchrun --nproc_per_node 8 t.py --tensor_model_parallel_size 4 --lr 1", None),
    ],
)
def test_processes_are_counted_where_they_can_be(tmp_path: Path, command: str, world: int | None) -> None:
    (setup,) = written(tmp_path, run_sh=f"{command}\n")
    assert setup.world == world
    assert setup.number(Q.LEARNING_RATE) == 1


def test_two_calls_that_disagree_say_nothing(tmp_path: Path) -> None:
    text = "from accelerate import Accelerator\na = Accelerator(mixed_precision='fp16')\n"
    found = written(tmp_path, t_py=text + "b = Accelerator(mixed_precision='bf16')\n")
    assert not any(setup.get(quantity) for setup in found for quantity in (Q.FP16, Q.BF16))


def test_a_configuration_in_code_is_read(tmp_path: Path) -> None:
    text = (
        "import deepspeed\nBATCH = 4\nZERO = {'stage': 2}\n"
        "CONFIG = {'train_batch_size': BATCH * 2, 'zero_optimization': ZERO, 'fp16': {'enabled': True}}\n"
        "engine = deepspeed.initialize(model=m, config=CONFIG)\n"
    )
    (setup,) = written(tmp_path, t_py=text)
    assert (setup.whole(Q.TRAIN_BATCH), setup.whole(Q.ZERO_STAGE), setup.trainer) == (8, 2, "DeepSpeed")
    place = setup.all(Q.TRAIN_BATCH)[0].place
    assert (place.line, place.column) == (4, 31)


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("meta-llama/Llama-3-8B", 8e9),
        ("Mixtral-8x7B-v0.1", 56e9),
        ("org/opt_125m", 125e6),
        ("Qwen2.5-0.5B-Instruct", 0.5e9),
        ("bert-base-uncased", None),
        ("./out/checkpoint-500", None),
    ],
)
def test_a_model_s_size_is_read_off_its_name(name: str, size: float | None) -> None:
    assert size_of_name(name) == size
