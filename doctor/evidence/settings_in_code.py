"""The settings of trainings that stand in programs: arguments of trainers, optimizers, schedules and loaders."""

import ast
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from msgspec import Struct

from doctor.evidence.code_facts import fact_of, pads_with_end
from doctor.evidence.constants import Constants
from doctor.evidence.project import Module, Project
from doctor.evidence.setting_names import DEEPSPEED, MODEL_PARALLEL, PROGRAM_OPTIONS, TRAINER, Quantity
from doctor.subjects.config_nodes import Scalar
from doctor.subjects.source import Place, Program

TRAINING_ROOTS = frozenset(
    {"torch", "transformers", "trl", "accelerate", "deepspeed", "lightning", "pytorch_lightning", "peft"}
)
Q = Quantity
_OPTIMIZERS = (
    "Adam",
    "AdamW",
    "SGD",
    "RMSprop",
    "Adagrad",
    "NAdam",
    "RAdam",
    "Adamax",
    "Adafactor",
    "Lion",
    "AdamW8bit",
)
_SCHEDULES = {
    "get_linear_schedule_with_warmup": {1: Q.WARMUP_STEPS, 2: Q.TOTAL_STEPS},
    "get_cosine_schedule_with_warmup": {1: Q.WARMUP_STEPS, 2: Q.TOTAL_STEPS},
    "get_polynomial_decay_schedule_with_warmup": {1: Q.WARMUP_STEPS, 2: Q.TOTAL_STEPS},
    "get_constant_schedule_with_warmup": {1: Q.WARMUP_STEPS},
    "get_scheduler": {},
}
_SCHEDULE_WORDS = {"num_warmup_steps": Q.WARMUP_STEPS, "num_training_steps": Q.TOTAL_STEPS}
_ONE_CYCLE = {
    "max_lr": Q.PEAK_RATE,
    "total_steps": Q.TOTAL_STEPS,
    "epochs": Q.SCHEDULE_EPOCHS,
    "steps_per_epoch": Q.STEPS_PER_EPOCH,
}
_LIGHTNING = {
    "max_epochs": Q.EPOCHS,
    "max_steps": Q.MAX_STEPS,
    "accumulate_grad_batches": Q.ACCUMULATION,
    "gradient_clip_val": Q.CLIPPING,
    "devices": Q.PER_NODE,
    "num_nodes": Q.NODES,
}
_CALLS = frozenset(
    {
        *_OPTIMIZERS,
        *_SCHEDULES,
        *("initialize", "Accelerator", "Trainer", "Seq2SeqTrainer", "SFTTrainer", "HfArgumentParser", "OneCycleLR"),
        *(
            "DataLoader",
            "add_argument",
            "DataCollatorForLanguageModeling",
            "CrossEntropyLoss",
            "DistributedDataParallel",
            "DistributedSampler",
            "clip_grad_norm_",
            "from_pretrained",
        ),
    }
)
_HEADS = {"num_labels": Q.NUM_LABELS, "num_classes": Q.NUM_LABELS}


class CodeSetting(Struct, frozen=True, kw_only=True):
    """A value in a program.

    Attributes
    ----------
    option : str or None
        The option of the command line of which it is the default.
    call : int
        The line of the call that takes it; two calls of a kind are two trainings, or two parts of one.
    origin : str
        Who reads it: "code", or DeepSpeed where it stands in a configuration that is a dict.
    """

    value: Scalar
    name: str
    place: Place
    option: str | None = None
    call: int = 0
    origin: str = "code"


class ProgramSettings(Struct, frozen=True, kw_only=True):
    """What one program says of its training.

    Attributes
    ----------
    facts : mapping of str to Place
        What it does, by where: "optimizer", "schedule", "one-cycle", "loop", "backward", "clips", "compiles", "wraps"
        (in DDP), "norm", "norm-float", "sequence" (a recurrent net or a transformer), "pretrained", "half", "sampler",
        "sampler-by-rank", "sampler-unshuffled", "plain-yaml" (arguments taken from YAML as they are), "pads-with-end"
        (the padding token is the one that ends a text), "padding-unlearned" (labels of padding do not count).
    parses : bool
        Whether its command line, or another mapping, may say more than is written.
    words : tuple of str
        What its trainers are called.
    """

    path: Path
    shown: str
    trainer: str | None
    told: Mapping[Quantity, tuple[CodeSetting, ...]]
    facts: Mapping[str, Place]
    parallel: bool = False
    parses: bool = False
    words: tuple[str, ...] = ()


class CodeSettings(Struct, frozen=True, kw_only=True):
    """That of all programs; `trainers` are the libraries that train in one of them."""

    programs: tuple[ProgramSettings, ...]
    trainers: frozenset[str] = frozenset()

    @classmethod
    def measure(cls, project: Project) -> "CodeSettings":
        """Read every program that imports a library of training, but for tests and benchmarks."""
        found = []
        for module in project.modules:
            try:
                if not module.is_test and _trains(module):
                    found.append(_Reader(module).read())
            except RecursionError:  # nested beyond what any person writes
                continue
        return cls(programs=tuple(found), trainers=frozenset(one.trainer for one in found if one.trainer))

    def program(self, shown: str) -> ProgramSettings | None:
        """Return one by its path."""
        return next((program for program in self.programs if program.shown == shown), None)

    def named(self, text: str, folder: Path) -> ProgramSettings | None:
        """Find the program that a script in a folder starts by a name."""
        tail = Path(text).parts
        for above in (folder, *folder.parents):
            whole = os.path.normpath(above / text)
            if hit := next((one for one in self.programs if os.path.normpath(one.path) == whole), None):
                return hit
        fitting = [one for one in self.programs if one.path.parts[-len(tail) :] == tail]
        return fitting[0] if len(fitting) == 1 else None


def _trains(module: Module) -> bool:
    """Whether a program imports a library of training and calls something that takes settings; a quick look."""
    if not module.roots & TRAINING_ROOTS:
        return False
    imports = calls = False
    for node in module.program.nodes:
        if isinstance(node, ast.Import):
            imports = imports or any(alias.name.partition(".")[0] in TRAINING_ROOTS for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            imports = imports or (node.module or "").partition(".")[0] in TRAINING_ROOTS
        elif isinstance(node, ast.Call):
            last = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            calls = calls or last in _CALLS or last.endswith(("TrainingArguments", "Config"))
    return imports and calls


class _Reader:
    def __init__(self, module: Module) -> None:
        self.module = module
        self.program: Program = module.program
        self.constants = Constants(module)
        self.told: dict[Quantity, list[CodeSetting]] = {}
        self.facts: dict[str, Place] = {}
        self.trainer: str | None = None
        self.parallel = False
        self.call = 0
        self.origin = "code"
        self.parses = False
        self.words: list[str] = []

    def read(self) -> ProgramSettings:
        for call in self.module.calls:
            self.call = call.lineno
            self._call(call, self.dotted(call.func))
        for node in self.program.nodes:
            if isinstance(node, ast.For):
                self._loop(node)
            elif isinstance(node, ast.Assign) and pads_with_end(node):
                self.facts.setdefault("pads-with-end", self.place(node))
        self._options()
        self._forget_rivals()
        return ProgramSettings(
            path=self.program.path,
            shown=self.program.shown,
            trainer=self.trainer,
            told={quantity: tuple(settings) for quantity, settings in self.told.items()},
            facts=self.facts,
            parallel=self.parallel,
            parses=self.parses,
            words=tuple(self.words),
        )

    def _forget_rivals(self) -> None:
        """Take for unknown what several calls say differently, and formats that different calls ask for."""
        for quantity, settings in [*self.told.items()]:
            rivals = {one.origin for one in settings for other in settings if _rival(one, other)}
            self.told[quantity] = [one for one in settings if one.origin not in rivals]
        formats = [one for quantity in (Q.FP16, Q.BF16) for one in self.told.get(quantity, ()) if one.origin == "code"]
        if len({setting.call for setting in formats}) > 1:
            self.told.pop(Q.FP16, None)
            self.told.pop(Q.BF16, None)

    def dotted(self, node: ast.AST) -> str:
        """Write what is called by its full name, imports followed."""
        parts: list[str] = []
        while isinstance(node, ast.Attribute):
            parts.append(node.attr)
            node = node.value
        if not isinstance(node, ast.Name):
            return ".".join(["?", *reversed(parts)])
        return ".".join([self.module.imports.get(node.id, node.id), *reversed(parts)])

    def place(self, node: ast.AST) -> Place:
        line = getattr(node, "lineno", 1)
        seen = self.program.place(line)
        return Place(path=seen.path, line=seen.line, cell=seen.cell, column=getattr(node, "col_offset", 0) + 1)

    def note(self, quantity: Quantity, name: str, node: ast.expr | None, *, value: Scalar = None) -> None:
        """Keep a setting, where its value is known."""
        found = self.constants.of(node)
        if found is None or (found.value is None and value is None):
            return
        place = self.place(found.node)
        setting = CodeSetting(
            value=found.value if value is None else value,
            name=name,
            place=place,
            option=found.option,
            call=self.call,
            origin=self.origin,
        )
        self.told.setdefault(quantity, []).append(setting)

    def _call(self, call: ast.Call, name: str) -> None:
        root, last = name.partition(".")[0], name.rpartition(".")[2]
        words = {word.arg: word.value for word in call.keywords if word.arg}
        if last.endswith("TrainingArguments") or (root == "trl" and last.endswith("Config")):
            self.trainer = "transformers"
            self.words.append(re.sub(r"(?<=[A-Z])Config|TrainingArguments", " ", last))
            self.parses = self.parses or any(word.arg is None for word in call.keywords)
            self._named(words, TRAINER)
        elif name in ("deepspeed.initialize", "deepspeed.init_inference") and last == "initialize":
            self.trainer = self.trainer or "DeepSpeed"
            self._deepspeed(words.get("config") or words.get("config_params"))
        elif last == "Accelerator" and root == "accelerate":
            self.trainer = self.trainer or "accelerate"
            self._named(words, {"gradient_accumulation_steps": Q.ACCUMULATION})
            self._precision(words.get("mixed_precision"), "mixed_precision")
        elif last == "Trainer" and root in ("lightning", "pytorch_lightning"):
            self.trainer = "lightning"
            self._named(words, _LIGHTNING)
            self._precision(words.get("precision"), "precision")
        elif last in ("Trainer", "Seq2SeqTrainer", "SFTTrainer", "HfArgumentParser") and root in (
            "transformers",
            "trl",
        ):
            self.trainer = "transformers"
            self.parses = self.parses or last == "HfArgumentParser"
        else:
            self._torch(call, name, root, last, words)
            if (fact := fact_of(call, name)) is not None:
                self.facts.setdefault(fact, self.place(call))

    def _torch(self, call: ast.Call, name: str, root: str, last: str, words: dict[str, ast.expr]) -> None:
        if last in _OPTIMIZERS and (root in ("torch", "transformers", "bitsandbytes") or "optim" in name):
            self._named(words, {"lr": Q.LEARNING_RATE, "weight_decay": Q.WEIGHT_DECAY})
            self.told.setdefault(Q.OPTIMIZER, []).append(
                CodeSetting(value=last, name=last, place=self.place(call), option=None)
            )
            self.facts.setdefault("optimizer", self.place(call))
        elif last in _SCHEDULES:
            self._named(words, _SCHEDULE_WORDS)
            for at, quantity in _SCHEDULES[last].items():
                if at < len(call.args):
                    self.note(quantity, last, call.args[at])
            self.facts.setdefault("schedule", self.place(call))
        elif last == "OneCycleLR":
            self._named(words, _ONE_CYCLE)
        elif last == "DataLoader":
            self._loader(call, words)
        elif last in ("clip_grad_norm_", "clip_grad_value_"):
            self.note(Q.CLIPPING, last, words.get("max_norm") or (call.args[1] if len(call.args) > 1 else None))
        elif last == "DistributedSampler":
            self._sampler(call, words)
        elif last == "CrossEntropyLoss":
            self._named(words, {"ignore_index": Q.IGNORE_INDEX})
            self._weights(words.get("weight") or next(iter(call.args), None))
        elif last == "from_pretrained" or last.endswith("ForSequenceClassification"):
            self._named(words, _HEADS)
            if last == "from_pretrained" and "Model" in name:
                self.note(Q.MODEL, "from_pretrained", next(iter(call.args), None))
        elif "max_length" in words and "token" in name.lower():
            self._named(words, {"max_length": Q.MAX_LENGTH})

    def _weights(self, node: ast.expr | None) -> None:
        """Read the weights that a loss gives to classes, written out as a list of numbers."""
        while isinstance(node, (ast.Name, ast.Call)):
            if isinstance(node, ast.Name):
                node = self.constants.assigned(node.id, node)
            elif isinstance(node.func, ast.Attribute) and node.func.attr in ("to", "cuda", "float", "double"):
                node = node.func.value
            elif node.args and self.dotted(node.func) in ("torch.tensor", "torch.as_tensor", "torch.FloatTensor"):
                node = node.args[0]
            else:
                return
        if isinstance(node, (ast.List, ast.Tuple)):
            numbers = [found.value if (found := self.constants.of(part)) else None for part in node.elts]
            if numbers and all(isinstance(number, int | float) for number in numbers):
                setting = CodeSetting(value=str(numbers), name="weight", place=self.place(node), call=self.call)
                self.told.setdefault(Q.CLASS_WEIGHTS, []).append(setting)

    def _sampler(self, call: ast.Call, words: Mapping[str, ast.expr]) -> None:
        """Note a sampler whose order differs between ranks, and one for training that keeps the order of the data."""
        parent = self.module.parents.get(call)
        targets = parent.targets if isinstance(parent, ast.Assign) else []
        said = " ".join(ast.unparse(part) for part in (*targets, *call.args[:1])).lower()
        self.facts.setdefault("sampler", self.place(call))
        if "seed" in words and "rank" in ast.unparse(words["seed"]).lower():
            self.facts.setdefault("sampler-by-rank", self.place(words["seed"]))
        shuffle = words.get("shuffle")
        stays = isinstance(shuffle, ast.Constant) and shuffle.value is False
        if stays and "train" in said and not any(word in said for word in ("val", "test", "eval")):
            self.facts.setdefault("sampler-unshuffled", self.place(call))

    def _named(self, words: Mapping[str, ast.expr], names: Mapping[str, Quantity]) -> None:
        for word, quantity in names.items():
            if word in words:
                self.note(quantity, word, words[word])
        if "deepspeed" in words and names is TRAINER:
            self._deepspeed(words["deepspeed"])

    def _precision(self, node: ast.expr | None, name: str) -> None:
        found = self.constants.of(node)
        text = str(found.value) if found else ""
        if text.startswith("bf16"):
            self.note(Q.BF16, f"{name}={text!r}", node, value=True)
        elif text in ("fp16", "16", "16-mixed", "16-true"):
            self.note(Q.FP16, f"{name}={text!r}", node, value=True)

    def _deepspeed(self, node: ast.expr | None) -> None:
        """Read a configuration that is a dict in the program; a path is followed by its name."""
        literal = self.constants.literal(node)
        if literal is None:
            self.note(Q.CONFIG_FILE, "deepspeed", node)
            return
        for name, quantity in DEEPSPEED.items():
            inner: ast.expr | None = literal
            for key in name.split("."):
                held = self.constants.literal(inner)
                inner = _value_of(held, key)
            if inner is not None:
                self.origin = "DeepSpeed"
                self.note(quantity, name, inner)
                self.origin = "code"
        if any(_value_of(literal, key) is not None for key in MODEL_PARALLEL):
            self.parallel = True

    def _loader(self, call: ast.Call, words: Mapping[str, ast.expr]) -> None:
        """Take the batch of a loader that shuffles or that is called the one for training."""
        node = words.get("batch_size") or (call.args[1] if len(call.args) > 1 else None)
        parent = self.module.parents.get(call)
        targets = parent.targets if isinstance(parent, ast.Assign) else []
        said = " ".join(ast.unparse(part) for part in (*targets, *call.args[:1])).lower()
        shuffled = words.get("shuffle")
        trains = "train" in said or (isinstance(shuffled, ast.Constant) and shuffled.value is True)
        if node is not None and trains and not any(word in said for word in ("val", "test", "eval")):
            self.note(Q.MICRO_BATCH, "batch_size", node)

    def _loop(self, node: ast.For) -> None:
        """`for epoch in range(10)` says how many there are."""
        target = node.target.id.lower() if isinstance(node.target, ast.Name) else ""
        if "epoch" in target and isinstance(node.iter, ast.Call) and getattr(node.iter.func, "id", "") == "range":
            self.facts.setdefault("loop", self.place(node))
            if len(node.iter.args) == 1:
                self.note(Q.EPOCHS, "range", node.iter.args[0])

    def _options(self) -> None:
        """Take the defaults of options that are known by their names, where no call has told of them."""
        for stored, (option, default) in self.constants.options.items():
            quantity = PROGRAM_OPTIONS.get(option)
            if quantity is None or quantity in self.told or ("args", stored) in self.constants._stored:
                continue
            found = self.constants.of(default)
            if found is not None and found.value is not None:
                place = self.place(default)
                setting = CodeSetting(value=found.value, name=f"--{option}", place=place, option=option)
                self.told.setdefault(quantity, []).append(setting)
            if option in MODEL_PARALLEL and found is not None and found.value not in (None, 0, 1):
                self.parallel = True


def _rival(one: CodeSetting, other: CodeSetting) -> bool:
    """Whether two places tell one reader different things."""
    return one.origin == other.origin and one.value != other.value


def _value_of(literal: ast.Dict | None, key: str) -> ast.expr | None:
    return next(iter(_values_of(literal, key)), None)


def _values_of(literal: ast.Dict | None, key: str) -> Iterator[ast.expr]:
    if literal is not None:
        for name, value in zip(literal.keys, literal.values, strict=True):
            if isinstance(name, ast.Constant) and name.value == key:
                yield value
