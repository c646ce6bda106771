"""What a training is told: each setting with its value, its name and its place."""

from collections.abc import Iterator, Mapping

from msgspec import Struct, field

from doctor.evidence.setting_names import Quantity
from doctor.model import Advise, AnyRepair, EditConfig, KeyEdit, Safety
from doctor.subjects.config import ConfigFile
from doctor.subjects.config_nodes import KeyPath, Node, Scalar
from doctor.subjects.source import Place

AUTO = "auto"
DEEPSPEED, TRANSFORMERS, ACCELERATE, AXOLOTL = "DeepSpeed", "transformers", "accelerate", "axolotl"


class Setting(Struct, frozen=True, kw_only=True):
    """A value, and where it is written.

    Attributes
    ----------
    name : str
        As written: `fp16.enabled`, `--learning_rate`.
    origin : str
        Who reads it: the sort of configuration, "launcher" or "code".
    key : KeyPath
        Where it stands in a configuration file, for a repair; empty elsewhere.
    late : bool
        Whether it is a number that YAML 1.1, and so PyYAML, takes for a text, such as 2e-5.
    """

    value: Scalar
    name: str
    place: Place
    origin: str
    key: KeyPath = ()
    late: bool = False

    def changed(self, value: Scalar, summary: str, safety: Safety) -> AnyRepair:
        """Return the repair that writes another value here: an edit of a configuration file, else advice."""
        return self._repair(KeyEdit(action="set", key=self.key, value=value), summary, safety)

    def removed(self, summary: str, safety: Safety) -> AnyRepair:
        """Return the repair that takes the key out, as `changed`."""
        return self._repair(KeyEdit(action="remove", key=self.key), summary, safety)

    def beside(self, name: str, value: Scalar, summary: str) -> AnyRepair:
        """Return the repair that writes another key beside this one."""
        return self._repair(KeyEdit(action="set", key=(*self.key[:-1], name), value=value), summary, Safety.UNSAFE)

    def _repair(self, edit: KeyEdit, summary: str, safety: Safety) -> AnyRepair:
        if not self.key:
            return Advise(safety=Safety.MANUAL, summary=summary)
        return EditConfig(path=self.place.path, edits=(edit,), safety=safety, summary=summary)

    @property
    def shown(self) -> str:
        """How it stands in a sentence."""
        return f"{self.name} {self.value}" if not self.name.startswith("mixed_precision") else self.name

    @property
    def auto(self) -> bool:
        """Whether a trainer is to fill it in."""
        return self.value == AUTO

    @property
    def number(self) -> float | None:
        """The value as a number; None where it is none."""
        if isinstance(self.value, bool) or self.value is None:
            return None
        try:
            return float(self.value)
        except ValueError:
            return None

    @property
    def whole(self) -> int | None:
        """The value as a whole number; None where it is none."""
        number = self.number
        return int(number) if number is not None and number == number and number.is_integer() else None

    @property
    def truth(self) -> bool | None:
        """The value as yes or no; None where it is neither."""
        if isinstance(self.value, bool):
            return self.value
        return {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}.get(
            str(self.value).lower()
        )


class Setup(Struct, frozen=True, kw_only=True):
    """One training, as far as it is written down.

    Attributes
    ----------
    shown : str
        The file that leads: a script, a trainer's configuration, a program, or DeepSpeed's configuration alone.
    trainer : str or None
        Who trains, where that is known.
    told : mapping of Quantity to tuple of Setting
        What rules stands first; further ones say the same thing elsewhere.
    files : tuple of str
        All files that belong to it.
    parallel : bool
        Whether the model is divided over processes, so that the world of the batch is not that of the launcher.
    environment : mapping of str to Setting
        Variables that a script sets for it.
    deepspeed, root : ConfigFile and Node, or None
        The DeepSpeed configuration with the file that holds it, for what has no name here.
    facts : mapping of str to Place
        What the program does, as in `ProgramSettings`.
    alone : bool
        Whether a DeepSpeed configuration is all there is of it.
    open : bool
        Whether more may be told than is written, as by `"$@"` in a script.
    words : tuple of str
        What else is written of how it is trained: the command's words, the stage of LLaMA-Factory, axolotl's rl.
    """

    shown: str
    trainer: str | None
    told: Mapping[Quantity, tuple[Setting, ...]]
    files: tuple[str, ...]
    parallel: bool = False
    environment: Mapping[str, Setting] = field(default_factory=dict)
    deepspeed: ConfigFile | None = None
    root: Node | None = None
    facts: Mapping[str, Place] = field(default_factory=dict)
    alone: bool = False
    open: bool = False
    words: tuple[str, ...] = ()

    def get(self, quantity: Quantity) -> Setting | None:
        """Return what rules; None where it is not written."""
        return next(iter(self.told.get(quantity, ())), None)

    def all(self, quantity: Quantity) -> tuple[Setting, ...]:
        """Return all that is written of it."""
        return self.told.get(quantity, ())

    def of(self, quantity: Quantity, origin: str) -> Setting | None:
        """Return what one reader is told of it."""
        return next((setting for setting in self.all(quantity) if setting.origin == origin), None)

    def whole(self, quantity: Quantity) -> int | None:
        """Return it as a whole number, where it is one."""
        setting = self.get(quantity)
        return setting.whole if setting else None

    def number(self, quantity: Quantity) -> float | None:
        """Return it as a number, where it is one."""
        setting = self.get(quantity)
        return setting.number if setting else None

    @property
    def world(self) -> int | None:
        """The processes that each have data of their own, where that is known."""
        if self.parallel:
            return None
        world = self.whole(Quantity.WORLD_SIZE)
        if world is not None:
            return world
        per_node, nodes = self.whole(Quantity.PER_NODE), self.get(Quantity.NODES)
        if per_node is None or (nodes is not None and nodes.whole is None):
            return None
        return per_node * (nodes.whole or 1 if nodes else 1)

    @property
    def global_batch(self) -> int | None:
        """The samples of one update over all processes, where they are known."""
        micro, world = self.whole(Quantity.MICRO_BATCH), self.world
        if micro is not None and world is not None:
            steps = self.get(Quantity.ACCUMULATION)
            if steps is None or steps.whole is not None:
                return micro * (steps.whole or 1 if steps else 1) * world
        return self.whole(Quantity.TRAIN_BATCH)


def auto_values(setup: Setup) -> Iterator[tuple[str, Place]]:
    """Yield the keys of a setup's DeepSpeed configuration whose value is left to a trainer."""
    if setup.root is None or setup.deepspeed is None:
        return
    for path, entry in setup.root.walk():
        if entry.node.value == AUTO and entry.node.text:
            yield ".".join(map(str, path)), setup.deepspeed.place(entry.node)
