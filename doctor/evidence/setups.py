"""The trainings that are set up here: what each was told, by whom, and where that is written."""

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from msgspec import Struct

from doctor.evidence.launches import Launch, launch_of
from doctor.evidence.setting_names import MODEL_PARALLEL, NAMES, Quantity
from doctor.evidence.settings_in_code import CodeSettings
from doctor.evidence.settings_told import ACCELERATE, AXOLOTL, DEEPSPEED, TRANSFORMERS, Setting, Setup
from doctor.subjects.config import ConfigFile, Configs
from doctor.subjects.config_kinds import Sort
from doctor.subjects.config_nodes import KeyPath, Node, Scalar
from doctor.subjects.shell import Word
from doctor.subjects.source import Place

_TRAINERS = {Sort.TRAINER: TRANSFORMERS, Sort.LLAMA_FACTORY: TRANSFORMERS, Sort.AXOLOTL: AXOLOTL}
HOW = ("stage", "rl", "pref_loss", "trainer_type")
"""Keys that say how is trained: on examples, preferences, or rewards."""


class Setups(Struct, frozen=True, kw_only=True):
    """All of them, each once.

    Attributes
    ----------
    trainers_in_code : frozenset of str
        The libraries that train, among those that the scanned code imports.
    facts : frozenset of str
        What any of the programs does, as in `ProgramSettings`.
    """

    setups: tuple[Setup, ...]
    models: tuple[tuple[str, Mapping[Quantity, Setting]], ...] = ()
    trainers_in_code: frozenset[str] = frozenset()
    facts: frozenset[str] = frozenset()

    @classmethod
    def measure(cls, configs: Configs | None, code: CodeSettings | None) -> "Setups":
        """Put together what belongs together: by the names by which files call each other."""
        joiner = _Joiner(configs.files if configs else (), code)
        setups = tuple(joiner.setups())
        models = tuple(
            (file.shown, dict(settings_of(file)))
            for file in (configs.files if configs else ())
            if file.sort is Sort.MODEL
        )
        facts = frozenset(fact for program in (code.programs if code else ()) for fact in program.facts)
        trainers = code.trainers if code else frozenset()
        return cls(setups=setups, models=models, trainers_in_code=trainers, facts=facts)


def settings_of(file: ConfigFile) -> Iterator[tuple[Quantity, Setting]]:
    """Yield what a configuration file says, in its own order."""
    names = NAMES.get(file.sort, {})
    for name, quantity in names.items():
        path: KeyPath = tuple(name.split("."))
        node = file.root.at(path)
        if node is not None and node.entries is None and node.items is None and node.known and node.value is not None:
            yield quantity, _setting(file, path, name, node)
    if file.sort is Sort.ACCELERATE:
        yield from _mixed_precision(file)
    if file.sort is Sort.MODEL and (names_of := file.root.child("id2label")) is not None and names_of.entries:
        name, count = "id2label", len(names_of.entries)
        yield Quantity.NUM_LABELS, Setting(value=count, name=name, place=file.place(names_of), origin=str(file.sort))


def deepspeed_settings(file: ConfigFile, root: Node, lead: KeyPath) -> Iterator[tuple[Quantity, Setting]]:
    """Yield what a DeepSpeed configuration says, wherever it stands."""
    for name, quantity in NAMES[Sort.DEEPSPEED].items():
        path: KeyPath = tuple(name.split("."))
        node = root.at(path)
        if node is not None and node.entries is None and node.items is None and node.known and node.value is not None:
            yield quantity, _setting(file, (*lead, *path), name, node, origin=DEEPSPEED)


def _setting(file: ConfigFile, path: KeyPath, name: str, node: Node, *, origin: str = "") -> Setting:
    return Setting(
        value=node.value,
        name=name,
        place=file.place(node),
        origin=origin or str(file.sort),
        key=path,
        late=node.text and isinstance(node.value, float),
    )


def _mixed_precision(file: ConfigFile) -> Iterator[tuple[Quantity, Setting]]:
    node = file.root.child("mixed_precision")
    if node is not None and node.value in ("fp16", "bf16"):
        quantity = Quantity.FP16 if node.value == "fp16" else Quantity.BF16
        place, name = file.place(node), f"mixed_precision: {node.value}"
        yield quantity, Setting(value=True, name=name, place=place, origin=ACCELERATE, key=("mixed_precision",))


class _Gathered:
    """What is put together for one training."""

    def __init__(self, shown: str) -> None:
        self.shown = shown
        self.trainer: str | None = None
        self.told: dict[Quantity, list[Setting]] = {}
        self.files: list[str] = [shown]
        self.parallel = False
        self.environment: dict[str, Setting] = {}
        self.deepspeed: ConfigFile | None = None
        self.root: Node | None = None
        self.facts: dict[str, Place] = {}
        self.open = False
        self.words: list[str] = []

    def take(self, settings: Iterable[tuple[Quantity, Setting]]) -> None:
        for quantity, setting in settings:
            self.told.setdefault(quantity, []).append(setting)

    def first(self, quantity: Quantity) -> Setting | None:
        return next(iter(self.told.get(quantity, ())), None)

    def setup(self, *, alone: bool = False) -> Setup:
        return Setup(
            shown=self.shown,
            trainer=self.trainer,
            told={quantity: tuple(settings) for quantity, settings in self.told.items()},
            files=tuple(dict.fromkeys(self.files)),
            parallel=self.parallel,
            environment=self.environment,
            deepspeed=self.deepspeed,
            root=self.root,
            facts=self.facts,
            alone=alone,
            open=self.open,
            words=tuple(self.words),
        )


class _Joiner:
    def __init__(self, files: tuple[ConfigFile, ...], code: CodeSettings | None) -> None:
        self.files = files
        self.code = code
        self.claimed: set[str] = set()
        self.by_name: dict[str, list[ConfigFile]] = {}
        for file in files:
            self.by_name.setdefault(file.path.name, []).append(file)

    def setups(self) -> Iterator[Setup]:
        """Begin with what leads; what nobody names is a training of its own."""
        for file in self.files:
            for command in file.commands:
                launch = launch_of(command)
                if launch is not None:
                    yield self.launched(file, launch)
        programs = self.code.programs if self.code else ()
        for program in programs:
            if program.shown not in self.claimed and program.told:
                gathered = _Gathered(program.shown)
                self.program(gathered, program.shown)
                self.linked(gathered, Path(program.shown).parent)
                yield gathered.setup()
        for sort in (Sort.TRAINER, Sort.LLAMA_FACTORY, Sort.AXOLOTL, Sort.ACCELERATE, Sort.DEEPSPEED):
            for file in self.files:
                if file.sort is sort and file.shown not in self.claimed:
                    gathered = _Gathered(file.shown)
                    self.config(gathered, file)
                    self.linked(gathered, file.path.parent)
                    yield gathered.setup(alone=sort is Sort.DEEPSPEED)

    def launched(self, script: ConfigFile, launch: Launch) -> Setup:
        """Put a command together with the files and the program that it names."""
        gathered = _Gathered(script.shown)
        gathered.trainer = launch.trainer
        gathered.take((quantity, _of_word(script, name, word)) for quantity, name, word in launch.options if word.known)
        if launch.included:
            gathered.take(
                [(Quantity.WORLD_SIZE, _of_word(script, "--include", launch.included[0], launch.included[1]))]
            )
        gathered.parallel = launch.parallel
        gathered.open = launch.open
        gathered.words += launch.words
        gathered.environment = {
            name: _of_word(script, name, word) for name, word in launch.environment.items() if word.known
        }
        if launch.mixed_precision and launch.mixed_precision.text in ("fp16", "bf16"):
            word = launch.mixed_precision
            quantity = Quantity.FP16 if word.text == "fp16" else Quantity.BF16
            gathered.take([(quantity, _of_word(script, f"--mixed_precision {word.text}", word, value=True))])
        folder = script.path.parent
        for path in launch.configurations:
            if file := self.found(path.text, folder, (Sort.TRAINER, Sort.LLAMA_FACTORY, Sort.AXOLOTL)):
                self.config(gathered, file)
        if launch.program and self.code:
            program = self.code.named(launch.program.text, folder)
            if program is not None:
                self.program(gathered, program.shown, script, launch)
        self.linked(gathered, folder)
        return gathered.setup()

    def program(
        self, gathered: _Gathered, shown: str, script: ConfigFile | None = None, launch: Launch | None = None
    ) -> None:
        """Take what a program says, with the options that the command gives in place of their defaults."""
        program = self.code.program(shown) if self.code else None
        if program is None:
            return
        self.claimed.add(shown)
        gathered.files.append(shown)
        gathered.trainer = gathered.trainer or program.trainer
        gathered.parallel = gathered.parallel or program.parallel
        gathered.open = gathered.open or (program.parses and script is None)
        gathered.words += program.words
        gathered.facts |= program.facts
        given = launch.given if launch else {}
        for quantity, found in program.told.items():
            for one in found:
                if one.option is None or script is None or one.option not in given:
                    setting = Setting(value=one.value, name=one.name, place=one.place, origin=one.origin)
                    gathered.take([(quantity, setting)])
                elif (word := given[one.option]) is not None and word.known and quantity not in gathered.told:
                    gathered.take([(quantity, _of_word(script, f"--{one.option}", word))])

    def config(self, gathered: _Gathered, file: ConfigFile) -> None:
        """Take what a configuration says."""
        self.claimed.add(file.shown)
        gathered.files.append(file.shown)
        gathered.trainer = gathered.trainer or _TRAINERS.get(file.sort)
        if file.sort is Sort.ACCELERATE and gathered.trainer is None:
            gathered.trainer = ACCELERATE
        if file.sort is Sort.DEEPSPEED:
            gathered.deepspeed, gathered.root = file, file.root
        gathered.take(settings_of(file))
        inner = file.root.child("deepspeed")
        if file.sort is not Sort.DEEPSPEED and inner is not None and inner.entries is not None:
            gathered.deepspeed, gathered.root = file, inner
            gathered.take(deepspeed_settings(file, inner, ("deepspeed",)))
        gathered.parallel = gathered.parallel or _divides(file.root)
        told = (file.root.child(name) for name in HOW)
        gathered.words += [str(node.value) for node in told if node is not None and isinstance(node.value, str)]
        gathered.words += [name for name in ("pretraining_dataset",) if file.root.child(name) is not None]

    def linked(self, gathered: _Gathered, folder: Path) -> None:
        """Follow the names of configurations, those of accelerate first, which may name another."""
        for quantity, sort in ((Quantity.ACCELERATE_FILE, Sort.ACCELERATE), (Quantity.CONFIG_FILE, Sort.DEEPSPEED)):
            setting = gathered.first(quantity)
            if setting is None or not isinstance(setting.value, str):
                continue
            file = self.found(setting.value, folder, (sort,)) or self.found(
                setting.value, Path(setting.place.path).parent, (sort,)
            )
            if file is not None and file.shown not in gathered.files:
                self.config(gathered, file)

    def found(self, name: str, folder: Path, sorts: tuple[Sort, ...]) -> ConfigFile | None:
        """Find a scanned file by the name that another gives it: below its folder or above, else the only such one."""
        named = [file for file in self.by_name.get(Path(name).name, ()) if file.sort in sorts]
        for above in (folder, *folder.parents):
            whole = os.path.normpath(above / name)
            if hit := next((file for file in named if os.path.normpath(file.path) == whole), None):
                return hit
        tail = Path(name).parts
        fitting = [file for file in named if file.path.parts[-len(tail) :] == tail]
        return fitting[0] if len(fitting) == 1 else None


def _of_word(script: ConfigFile, name: str, word: Word, value: Scalar = None) -> Setting:
    place = Place(path=script.shown, line=word.line, column=word.column)
    return Setting(value=value if value is not None else word.text, name=name, place=place, origin="launcher")


def _divides(root: Node) -> bool:
    """Whether a configuration divides the model over processes."""
    for path, entry in root.walk():
        near = str(path[-1]) in MODEL_PARALLEL and len(path) <= 2  # a block at the top, or a key in one
        if near and (entry.node.entries is not None or entry.node.value not in (None, 0, 1, False)):
            return True
    return False
