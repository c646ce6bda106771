"""The learning rates that are written down, each with what it trains."""

import re

from msgspec import Struct

from doctor.evidence.setting_names import Quantity
from doctor.evidence.settings_told import AXOLOTL, TRANSFORMERS, Setting, Setup
from doctor.evidence.setups import Setups
from doctor.subjects.config_kinds import Sort

_LIKE_ADAM = re.compile(r"adam|lamb|radam", re.IGNORECASE)
_PREFERENCE = re.compile(r"\b(dpo|grpo|kto|orpo|simpo|cpo|rloo|ppo|reward|ipo)\b", re.IGNORECASE)
_SIZE = re.compile(r"(?<![\w.])(?:(?P<experts>\d+)x)?(?P<size>\d+(?:\.\d+)?)(?P<unit>[bm])(?![a-z0-9])", re.IGNORECASE)
_DEEP = {"sequence", "pretrained"}
LARGE = 1e9
"""Parameters from which on full fine-tuning takes lower rates."""
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
    large : bool
        Whether the model's name says that it has a billion parameters or more.
    as_text : bool
        Whether the trainer gets it as a text.
    small : bool
        Whether a loop trains a net of its own with it, and no recurrent one or transformer: such bear any rate.
    """

    setting: Setting
    rate: float
    optimizer: str
    like_adam: bool
    finetunes: bool
    preference: bool
    large: bool = False
    small: bool = False
    as_text: bool = False


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
            model = setup.get(Quantity.MODEL)
            said = re.sub(r"[_/.-]", " ", " ".join((*setup.files, *setup.words)))
            own = setup.trainer in (TRANSFORMERS, AXOLOTL)  # their default is AdamW
            name = str(optimizer.value) if optimizer is not None else "AdamW" if own else "the optimizer"
            told = RateTold(
                setting=setting,
                rate=setting.number,
                optimizer=name,
                like_adam=bool(_LIKE_ADAM.search(name)),
                finetunes=model is not None and not adapts(setup) and "pretrain" not in said.lower(),
                preference=bool(_PREFERENCE.search(said)),
                small=setting.origin == "code" and setup.trainer is None and not _DEEP & setup.facts.keys(),
                as_text=setting.late and setting.origin == str(Sort.TRAINER) and "plain-yaml" in setups.facts,
                large=model is not None and (size_of_name(str(model.value)) or 0) >= LARGE,
            )
            found.setdefault(setting.place, told)
        return cls(rates=tuple(found.values()))


def adapts(setup: Setup) -> bool:
    """Whether only an adapter is trained, such as LoRA's."""
    adapter = setup.get(Quantity.ADAPTER)
    return adapter is not None and str(adapter.value).lower() not in _FULL


def size_of_name(name: str) -> float | None:
    """Return about how many parameters a model has by its name, such as `Llama-3-8B` or `Mixtral-8x7B`."""
    match = _SIZE.search(name.rpartition("/")[2].replace("_", "-"))
    if not match:
        return None
    unit = 1e9 if match["unit"].lower() == "b" else 1e6
    return float(match["size"]) * unit * int(match["experts"] or 1)
