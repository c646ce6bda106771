"""The learning rates that are written down, each with what it trains."""

import re

from msgspec import Struct

from doctor.evidence.setting_names import Quantity
from doctor.evidence.setups import AXOLOTL, TRANSFORMERS, Setting, Setup, Setups

_LIKE_ADAM = re.compile(r"adam|lamb|radam", re.IGNORECASE)
_PREFERENCE = re.compile(r"\b(dpo|grpo|kto|orpo|simpo|cpo|rloo|ppo|reward|ipo)\b", re.IGNORECASE)
_FULL = ("full", "false", "none", "")


class RateTold(Struct, frozen=True, kw_only=True):
    """One rate.

    Attributes
    ----------
    like_adam : bool
        Whether its optimizer takes steps as long as the rate.
    finetunes : bool
        Whether all weights of a pretrained model are trained with it.
    preference : bool
        Whether it is for training on preferences or rewards.
    """

    setting: Setting
    rate: float
    optimizer: str
    like_adam: bool
    finetunes: bool
    preference: bool


class RatesTold(Struct, frozen=True, kw_only=True):
    """All of them, each place once."""

    rates: tuple[RateTold, ...]

    @classmethod
    def measure(cls, setups: Setups) -> "RatesTold":
        """Take the rate that rules each training."""
        found: dict[object, RateTold] = {}
        for setup in setups.setups:
            setting = setup.get(Quantity.LEARNING_RATE)
            if setting is None or setting.number is None:
                continue
            optimizer = setup.get(Quantity.OPTIMIZER)
            own = setup.trainer in (TRANSFORMERS, AXOLOTL)  # their default is AdamW
            name = str(optimizer.value) if optimizer is not None else "AdamW" if own else "the optimizer"
            told = RateTold(
                setting=setting,
                rate=setting.number,
                optimizer=name,
                like_adam=bool(_LIKE_ADAM.search(name)),
                finetunes=setup.get(Quantity.MODEL) is not None and not adapts(setup),
                preference=bool(_PREFERENCE.search(re.sub(r"[_/.-]", " ", " ".join((*setup.files, *setup.words))))),
            )
            found.setdefault(setting.place, told)
        return cls(rates=tuple(found.values()))


def adapts(setup: Setup) -> bool:
    """Whether only an adapter is trained, such as LoRA's."""
    adapter = setup.get(Quantity.ADAPTER)
    return adapter is not None and str(adapter.value).lower() not in _FULL
