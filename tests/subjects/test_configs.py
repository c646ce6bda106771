"""Configurations are told from tables by their contents, and keep the place of every key."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from doctor.case import open_case
from doctor.engine import examine
from doctor.errors import CannotOpen
from doctor.model import Outcome, Report
from doctor.settings import Settings
from doctor.subjects.config import open_configs
from doctor.subjects.config_nodes import Node
from doctor.subjects.json_nodes import read_json_nodes
from doctor.subjects.shell import is_launch, read_shell
from doctor.subjects.table import Table
from doctor.subjects.yaml_nodes import read_yaml_nodes

SOUND = '{"train_batch_size": 8, "zero_optimization": {"stage": 2}}'
ROWS = "".join(f'{{"a": {row}, "y": "{"xy"[row % 2]}"}}\n' for row in range(60))
HERE = Path("ds.json")


def look(path: Path) -> Report:
    with open_case([path], Settings()) as case:
        return examine(case, Settings(select=("config",)))


def kinds(path: Path) -> dict[str, str]:
    found, _, _ = open_configs([path])
    return {file.path.name: str(file.sort) for file in (found.files if found else ())}


CONFIGURATIONS = {
    "ds.json": (SOUND, "DeepSpeed"),
    "hjson.json": ('{ // sizes\n "train_micro_batch_size_per_gpu": 8, # rows\n}', "DeepSpeed"),
    "formats.json": ('{"fp16": {"enabled": true}, "gradient_clipping": 1.0}', "DeepSpeed"),
    "args.json": ('{"per_device_train_batch_size": 8, "learning_rate": 1e-5, "output_dir": "x"}', "Trainer"),
    "args.yaml": ("num_train_epochs: 3\nlearning_rate: 2e-5\nsave_steps: 10\n", "Trainer"),
    "sft.yaml": (
        "stage: sft\nfinetuning_type: lora\ncutoff_len: 1024\nnum_train_epochs: 3\noutput_dir: x\nbf16: true\n",
        "LLaMA-Factory",
    ),
    "lora.yml": ("base_model: m\nmicro_batch_size: 2\nsequence_len: 4096\ndatasets:\n  - path: d\n", "axolotl"),
    "acc.yaml": ("compute_environment: LOCAL_MACHINE\ndistributed_type: MULTI_GPU\nnum_processes: 8\n", "accelerate"),
    "config.json": ('{"model_type": "bert", "architectures": ["BertModel"], "hidden_size": 8}', "model"),
    "run.sh": ("torchrun --nproc_per_node 2 train.py\n", "launcher"),
}
NO_CONFIGURATIONS = {
    "package.json": '{"name": "x", "scripts": {"fp16": "y"}, "dependencies": {"deepspeed": "1"}}',
    "tokenizer_config.json": '{"model_max_length": 512, "tokenizer_class": "T", "model_type": "bert"}',
    "trainer_state.json": '{"log_history": [], "num_train_epochs": 3, "max_steps": 9, "logging_steps": 1}',
    "rows.json": '[{"train_batch_size": 8, "fp16": {"enabled": true}}]',
    "lined.json": '{"train_batch_size": 8, "loss": 1}\n{"train_batch_size": 9, "loss": 2}\n',
    "compose.yaml": "services:\n  deepspeed:\n    image: x\n",
    "workflow.yml": "on: push\njobs:\n  a:\n    steps:\n      - run: deepspeed train.py\n",
    "build.sh": "pip install deepspeed\n# deepspeed train.py\n",
    "blank.yaml": "",
}


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_a_configuration_is_known_by_its_keys(tmp_path: Path, name: str) -> None:
    text, sort = CONFIGURATIONS[name]
    (tmp_path / name).write_text(text)
    assert kinds(tmp_path) == {name: sort}
    assert [subject.kind for subject in look(tmp_path / name).case.subjects] == ["configuration"]


@pytest.mark.parametrize("name", NO_CONFIGURATIONS)
def test_what_only_speaks_of_training_is_left_alone(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text(NO_CONFIGURATIONS[name])
    assert kinds(tmp_path) == {}


def test_a_configuration_is_no_table_and_a_table_no_configuration(tmp_path: Path) -> None:
    (tmp_path / "ds.json").write_text(SOUND)
    (tmp_path / "rows.jsonl").write_text(ROWS)
    (tmp_path / "lined.json").write_text(NO_CONFIGURATIONS["lined.json"] * 20)
    with open_case([tmp_path], Settings()) as case:
        assert sorted(Path(table.shown).name for table in case.tables) == ["lined.json", "rows.jsonl"]
        assert all(isinstance(table, Table) for table in case.tables)
        assert case.problems == ()
    assert kinds(tmp_path) == {"ds.json": "DeepSpeed"}


BROKEN = {
    "comma.json": ('{"train_batch_size": 8,\n "fp16": {"enabled": true}\n "zero_optimization": {}}', ":3:", "comma"),
    "open.json": ('{"train_batch_size": 8,\n "zero_optimization": {"stage": 2}', ":2:", "ends here"),
    "deep.json": (
        '{"train_batch_size": 8, "zero_optimization": ' + "[" * 5000 + "]" * 5000 + "}",
        ":1:",
        "nested more than 100",
    ),
    "args.yaml": ("num_train_epochs: 3\nlr_scheduler_type: [cosine\noutput_dir: x\n", ":3:", "not valid YAML"),
    "deep.yaml": ("num_train_epochs: 3\nlr_scheduler_type: x\na: " + "[" * 5000, "deep.yaml:", "nested more than 100"),
    "laughs.yaml": (
        "num_train_epochs: 3\nlr_scheduler_type: x\na0: &a0 [1,1,1,1,1,1,1,1,1]\n"
        + "".join(f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12)),
        ":",
        "aliases come to more than",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_configuration_is_one_line_and_the_rest_is_examined(tmp_path: Path, name: str) -> None:
    text, place, words = BROKEN[name]
    (tmp_path / name).write_text(text)
    (tmp_path / "sound.json").write_text(SOUND.replace("stage", "stagee"))
    (tmp_path / "rows.jsonl").write_text(ROWS)
    report = look(tmp_path)
    (problem,) = report.case.problems
    assert place in str(problem)
    assert words in str(problem)
    assert [finding.at.line for finding in report.findings] == [1]
    assert {subject.kind for subject in report.case.subjects} == {"table", "configuration"}
    assert not [one for one in report.examinations if one.outcome is Outcome.CRASHED]


def test_a_tag_has_nothing_done(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    text = (
        f'num_train_epochs: 3\nlr_scheduler_type: !!python/object/apply:os.system ["touch {trace}"]\n'
        "output_dir: !include x\nlearning_rate: &rate 2e-5\nweight_decay: *rate\nloop: &loop [*loop]\n"
    )
    (tmp_path / "args.yaml").write_text(text)
    configs, _, problems = open_configs([tmp_path])
    assert configs
    assert problems == []
    root = configs.files[0].root
    assert root.child("learning_rate") == root.child("weight_decay")
    assert not root.child("lr_scheduler_type").known  # type: ignore[union-attr]  # it is there
    assert not trace.exists()


def test_a_very_large_document_is_no_configuration_and_no_trouble(tmp_path: Path) -> None:
    (tmp_path / "large.json").write_text(
        '{"train_batch_size": 8, "fp16": {"enabled": true}, "a": [' + "1," * 5_000_000 + "1]}"
    )
    (tmp_path / "ds.json").write_text(SOUND)
    assert kinds(tmp_path) == {"ds.json": "DeepSpeed"}


@pytest.mark.parametrize(
    "content", [b"\xff\xfe\x00", b"\xef\xbb\xbf" + SOUND.encode(), b"\0" * 100, SOUND.encode("utf-16")]
)
def test_odd_bytes_are_read_or_left(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "ds.json").write_bytes(content)
    (tmp_path / "args.yaml").write_bytes(content)
    assert set(kinds(tmp_path)) == ({"ds.json", "args.yaml"} if content[:1] == b"\xef" else set())


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**9), 10**9)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@settings(max_examples=60, deadline=None)
@given(VALUES, st.sampled_from([None, 0, 2]))
def test_json_is_read_as_python_reads_it(value: object, indent: int | None) -> None:
    text = json.dumps(value, indent=indent, ensure_ascii=indent == 0)
    node = read_json_nodes(HERE, text)
    assert node.plain() == value
    check_places(text, node, json.loads)


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.from_regex(r"[a-z_]{1,8}", fullmatch=True), VALUES, min_size=1, max_size=5), st.booleans())
def test_yaml_is_read_as_pyyaml_reads_it(value: dict[str, object], flow: bool) -> None:
    text = yaml.safe_dump(value, default_flow_style=flow, allow_unicode=True)
    node = read_yaml_nodes(Path("x.yaml"), text)
    assert node is not None
    assert same(node.plain(), yaml.safe_load(text))
    check_places(text, node, yaml.safe_load)


def same(one: object, other: object) -> bool:
    """Whether two values are equal, but for numbers such as 1e5 that YAML 1.1 takes for text."""
    if isinstance(one, dict) and isinstance(other, dict):
        return len(one) == len(other) and all(same(a, b) for a, b in zip(one.values(), other.values(), strict=True))
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    return one == other or (isinstance(one, float) and isinstance(other, str) and one == float(other))


def check_places(text: str, node: Node, load) -> None:  # type: ignore[no-untyped-def]  # of json or yaml
    for _, entry in node.walk():
        assert load(text[entry.start : entry.end]) == entry.key or str(load(text[entry.start : entry.end])) == entry.key
        if text.isprintable() or "\n" in text:
            lines = text.split("\n")
            if not any(sign in text for sign in "\r\x85\u2028\u2029"):
                assert lines[entry.line - 1][entry.column - 1 :].startswith(
                    text[entry.start : entry.end].split("\n")[0]
                )


@settings(max_examples=60, deadline=None)
@given(st.text(alphabet='{}[]",:0123456789.eE+-truefalsn /*#\\\n', max_size=60))
def test_any_text_is_json_or_is_refused_with_a_line(text: str) -> None:
    assert refusal_of(read_json_nodes, text) is None or refusal_of(read_json_nodes, text).line  # type: ignore[union-attr]
    refusal_of(read_yaml_nodes, text)


def refusal_of(read: Callable[[Path, str], object], text: str) -> CannotOpen | None:
    try:
        read(HERE, text)
    except CannotOpen as refusal:
        return refusal
    return None


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=80))
def test_any_script_is_read(text: str) -> None:
    for command in read_shell(text):
        is_launch(command)
        for word in command.words:
            assert 0 <= word.start < word.end <= len(text)


def test_a_script_is_read_as_the_shell_would() -> None:
    script = """#!/bin/bash
MICRO=4; RATE=${1:-2e-5}
export NCCL_DEBUG=INFO
cat > ds.json <<END
deepspeed in_a_heredoc.py
END
if [ "$FAST" ]; then SIZE=1; else SIZE=2; fi
OMP_NUM_THREADS=1 deepspeed --num_gpus=8 \\
    "train.py" --per_device_train_batch_size $MICRO --lr "$RATE" --size $SIZE --out $OUT/x > log 2>&1 &
"""
    (command,) = [command for command in read_shell(script) if is_launch(command)]
    assert [word.text for word in command.words[:6]] == [
        "deepspeed",
        "--num_gpus=8",
        "train.py",
        "--per_device_train_batch_size",
        "4",
        "--lr",
    ]
    assert {word.text for word in command.words if not word.known} == {"$SIZE", "$OUT/x"}
    assert (command.words[2].line, command.words[2].column) == (9, 5)
    assert {name: word.text for name, word in command.environment.items()} == {
        "NCCL_DEBUG": "INFO",
        "OMP_NUM_THREADS": "1",
    }
