"""Checkpoints in DeepSpeed's format, each whole or not there."""

import shutil
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct, structs

from doctor.errors import UsageError
from doctor.trainer.failures import one_line
from doctor.trainer.ranks import Ranks
from doctor.trainer.recipe import Recipe
from doctor.trainer.result import spelt, write_whole

PARTIAL = ".partial-"
STATE = "state.json"
BEST = "best"
KEPT = 2
"""Checkpoints of steps that are kept, the newest."""
MAY_DIFFER = ("steps", "evaluate_every", "early_stopping", "max_evaluated_rows")
"""What may be changed between a run and its resumption."""


class State(Struct, frozen=True, kw_only=True):
    """What a checkpoint holds besides weights and the optimizer's state."""

    step: int
    recipe: Recipe
    trace: dict[str, list[Any]]
    best: float
    without_better: int


class Checkpoints:
    """The checkpoints of one training, in one folder. Saving and loading are for all ranks together."""

    def __init__(self, folder: Path, ranks: Ranks) -> None:
        self.folder, self.ranks = folder, ranks

    def begin(self, *, resume: bool) -> None:
        """Clear away what an interruption left and, without `resume`, what an earlier training left."""
        if self.ranks.first and self.folder.is_dir():
            for old in self.folder.iterdir():
                if old.name.startswith(PARTIAL) or not resume:
                    shutil.rmtree(old)
        self.ranks.wait()

    def newest(self) -> Path | None:
        """Return the newest checkpoint of a step."""
        steps = sorted(self.folder.glob("step-*")) if self.folder.is_dir() else []
        return steps[-1] if steps else None

    def save(self, engine: Any, name: str, state: State) -> None:
        """Write a checkpoint under a name that nobody reads, and rename it once it is whole."""
        partial, whole = self.folder / f"{PARTIAL}{name}", self.folder / name
        try:
            engine.save_checkpoint(str(self.folder), tag=partial.name, save_latest=False)
            self.ranks.wait()
            if self.ranks.first:
                write_whole(partial / STATE, msgspec.json.encode(_as_json(state)))
                if whole.exists():
                    whole.rename(self.folder / f"{PARTIAL}old-{name}")
                partial.rename(whole)
        except BaseException:
            if self.ranks.first:
                shutil.rmtree(partial, ignore_errors=True)
            raise
        if self.ranks.first:
            shutil.rmtree(self.folder / f"{PARTIAL}old-{name}", ignore_errors=True)
            for old in sorted(self.folder.glob("step-*"))[:-KEPT]:
                shutil.rmtree(old, ignore_errors=True)
        self.ranks.wait()

    def save_step(self, engine: Any, state: State) -> None:
        """Write the checkpoint of a step."""
        self.save(engine, f"step-{state.step:08d}", state)

    def state(self, name: str) -> State:
        """Read what a checkpoint holds besides the weights.

        Raises
        ------
        UsageError
            When it cannot be read.
        """
        path = self.folder / name / STATE
        try:
            return msgspec.json.decode(path.read_bytes(), type=State, strict=False)
        except (OSError, msgspec.DecodeError) as error:
            raise UsageError(f"{path}: no checkpoint of this training: {one_line(error)}") from error

    def load(self, engine: Any, name: str) -> None:
        """Bring the engine to a checkpoint.

        Raises
        ------
        UsageError
            When it cannot be read.
        """
        path = self.folder / name
        try:
            loaded, _ = engine.load_checkpoint(str(self.folder), tag=name)
        except (OSError, RuntimeError, EOFError) as error:
            raise UsageError(f"{path}: no checkpoint of this training: {one_line(error)}") from error
        if loaded is None:
            raise UsageError(f"{path}: no checkpoint of this training")


def refuse_other_recipe(state: State, recipe: Recipe, path: Path) -> None:
    """Refuse to go on with a training by another recipe.

    Raises
    ------
    UsageError
        Naming what differs.
    """
    was, wanted = structs.asdict(state.recipe), structs.asdict(recipe)
    for name, value in wanted.items():
        if name not in MAY_DIFFER and was[name] != value:
            raise UsageError(f"{path}: was trained with another {name}: {was[name]!r}, now {value!r}")


def _as_json(state: State) -> Any:
    return spelt(msgspec.to_builtins(state))
