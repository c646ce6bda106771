"""Trainings in 16 bits that are not compiled, with their lengths."""

from msgspec import Struct

from doctor.evidence.rates_told import adapts
from doctor.evidence.schedules_told import run_steps
from doctor.evidence.setting_names import Quantity
from doctor.evidence.settings_told import DEEPSPEED, TRANSFORMERS, Setting
from doctor.evidence.setups import Setups
from doctor.evidence.training_rows import TrainingRows

DIVIDING_STAGE = 3


class UncompiledTraining(Struct, frozen=True, kw_only=True):
    """One; `setting` is the one that chooses the format."""

    setting: Setting
    steps: int
    format: str


class Uncompiled(Struct, frozen=True, kw_only=True):
    """All of them; `setups` counts the trainings that were looked at."""

    trainings: tuple[UncompiledTraining, ...]
    setups: int

    @classmethod
    def measure(cls, setups: Setups, rows: TrainingRows | None) -> "Uncompiled":
        """Look at each training whose arguments are all known."""
        found: dict[object, UncompiledTraining] = {}
        for setup in setups.setups:
            known = setup.trainer == TRANSFORMERS and not setup.open and "compiles" not in setup.facts
            told = setup.get(Quantity.COMPILE)
            divided = setup.whole(Quantity.ZERO_STAGE) == DIVIDING_STAGE
            length = run_steps(setup, rows)
            if not known or (told is not None and told.truth is not False) or divided or adapts(setup) or not length:
                continue
            for quantity in (Quantity.BF16, Quantity.FP16):
                setting = next((one for one in setup.all(quantity) if one.truth and one.origin != DEEPSPEED), None)
                if setting is not None:
                    one = UncompiledTraining(setting=setting, steps=length[0], format=str(quantity))
                    found.setdefault(setting.place, one)
        return cls(trainings=tuple(found.values()), setups=len(setups.setups))
