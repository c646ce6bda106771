"""The size at which images enter the models that are configured beside them."""

from msgspec import Struct

from doctor.evidence.setting_names import Quantity
from doctor.evidence.settings_told import Setting
from doctor.evidence.setups import Setups


class ImageInputs(Struct, frozen=True, kw_only=True):
    """What is written of it.

    Attributes
    ----------
    sizes : tuple of Setting
        Each whole and positive, the largest first.
    """

    sizes: tuple[Setting, ...]

    @classmethod
    def measure(cls, setups: Setups | None) -> "ImageInputs":
        """Take it from trainings and from the configurations of models."""
        told: list[Setting] = []
        if setups is not None:
            told += [setting for setup in setups.setups for setting in setup.all(Quantity.IMAGE_SIZE)]
            told += [settings[Quantity.IMAGE_SIZE] for _, settings in setups.models if Quantity.IMAGE_SIZE in settings]
        sizes = [one for one in told if (one.whole or 0) > 0]
        return cls(sizes=tuple(sorted(sizes, key=lambda one: -(one.whole or 0))))

    @property
    def side(self) -> int | None:
        """The largest; None where none is written."""
        return self.sizes[0].whole if self.sizes else None
