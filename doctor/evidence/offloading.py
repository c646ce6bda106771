"""What the DeepSpeed configurations say of ZeRO and of offloading that cannot be."""

from collections.abc import Iterator

from msgspec import Struct

from doctor.evidence.key_faults import deepspeed_nodes
from doctor.model import KeyEdit
from doctor.subjects.config import ConfigFile, Configs
from doctor.subjects.config_nodes import Entry, KeyPath, Node
from doctor.subjects.source import Place

STAGES = (0, 1, 2, 3)
OFFLOADED = ("cpu", "nvme")
_REPLACED = {"cpu_offload": "offload_optimizer", "cpu_offload_param": "offload_param"}


class Conflict(Struct, frozen=True, kw_only=True):
    """Two settings that do not go together, at the place of the one that is at fault."""

    kind: str
    place: Place
    name: str
    stage: int | None = None
    other: str = ""
    edit: KeyEdit | None = None
    remedy: str = ""


class Offloading(Struct, frozen=True, kw_only=True):
    """All of them."""

    conflicts: tuple[Conflict, ...]
    configurations: int

    @classmethod
    def measure(cls, configs: Configs) -> "Offloading":
        """Look at every DeepSpeed configuration."""
        found: list[Conflict] = []
        count = 0
        for file in configs.files:
            for path, node in deepspeed_nodes(file):
                count += 1
                found += _Judge(file, node, path).conflicts()
        return cls(conflicts=tuple(found), configurations=count)


class _Judge:
    def __init__(self, file: ConfigFile, root: Node, path: KeyPath) -> None:
        self.file, self.root, self.path = file, root, path
        self.zero = root.child("zero_optimization")

    def conflicts(self) -> Iterator[Conflict]:
        if self.zero is None or self.zero.entries is None:
            return
        stage = self.zero.child("stage")
        number = _whole(stage) if stage is not None else 0
        if number in STAGES:
            yield from self._by_stage(number)
        yield from self._nvme()
        yield from self._doubled()

    def _conflict(self, kind: str, entry: Entry, *below: str, **facts: object) -> Conflict:
        place = Place(path=self.file.shown, line=entry.line, column=entry.column)
        name = ".".join(("zero_optimization", *below))
        return Conflict(kind=kind, place=place, name=name, **facts)  # type: ignore[arg-type]  # by name

    def _device(self, block: str) -> str | None:
        node = self.zero.at((block, "device")) if self.zero else None
        return str(node.value) if node is not None and node.value in OFFLOADED else None

    def _by_stage(self, stage: int) -> Iterator[Conflict]:
        assert self.zero  # noqa: S101  # looked at above
        param, optimizer = self.zero.entry("offload_param"), self.zero.entry("offload_optimizer")
        if param and self._device("offload_param") and stage < STAGES[-1]:
            yield self._conflict(
                "param-stage",
                param,
                "offload_param",
                stage=stage,
                edit=KeyEdit(action="remove", key=(*self.path, "zero_optimization", "offload_param")),
                remedy="remove zero_optimization.offload_param, which does nothing",
            )
        if optimizer and self._device("offload_optimizer") and stage == 0:
            yield self._conflict(
                "optimizer-stage",
                optimizer,
                "offload_optimizer",
                stage=stage,
                edit=KeyEdit(action="set", key=(*self.path, "zero_optimization", "stage"), value=2),
                remedy="set zero_optimization.stage to 2",
            )
        ratio = self.zero.at(("offload_optimizer", "ratio"))
        entry = optimizer.node.entry("ratio") if optimizer else None
        if (
            entry
            and ratio is not None
            and isinstance(ratio.value, int | float)
            and ratio.value < 1
            and stage < STAGES[-1]
        ):
            yield self._conflict(
                "ratio",
                entry,
                "offload_optimizer",
                "ratio",
                stage=stage,
                edit=KeyEdit(action="remove", key=(*self.path, "zero_optimization", "offload_optimizer", "ratio")),
                remedy="remove the ratio, so that all of it is offloaded",
            )

    def _nvme(self) -> Iterator[Conflict]:
        assert self.zero  # noqa: S101  # looked at above
        for block in ("offload_param", "offload_optimizer"):
            node = self.zero.child(block)
            if self._device(block) == "nvme" and node is not None and node.child("nvme_path") is None:
                entry = node.entry("device")
                if entry:
                    yield self._conflict("nvme-path", entry, block)

    def _doubled(self) -> Iterator[Conflict]:
        assert self.zero  # noqa: S101  # looked at above
        for old, new in _REPLACED.items():
            entry = self.zero.entry(old)
            if entry and self.zero.entry(new):
                yield self._conflict(
                    "old-switch",
                    entry,
                    old,
                    other=f"zero_optimization.{new}",
                    edit=KeyEdit(action="remove", key=(*self.path, "zero_optimization", old)),
                    remedy=f"remove zero_optimization.{old}",
                )


def _whole(node: Node) -> int | None:
    """Return a stage as a number; None where it is none, such as auto."""
    if isinstance(node.value, bool) or not isinstance(node.value, int | float | str):
        return None
    try:
        number = float(node.value)
    except ValueError:
        return None
    return int(number) if number.is_integer() else None
