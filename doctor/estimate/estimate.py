"""All that `doctor estimate` has to say."""

from msgspec import Struct

from doctor.estimate.changes import Change, cheapest, room_of
from doctor.estimate.peak import Peak, Subject, predicted
from doctor.estimate.tracking import Tracked
from doctor.estimate.training import Training
from doctor.estimate.workload import Model
from doctor.version import VERSION

FORMAT = 1
NOT_INCLUDED = "collective libraries' buffers, other processes on the device, and what the data loader pins"


class Estimate(Struct, frozen=True, kw_only=True):
    """A prediction.

    Attributes
    ----------
    device_bytes : int or None
        Memory of the device; None where it is not known.
    usable_bytes : int or None
        What of it tensors can have.
    fits : bool or None
        None where the device is not known.
    culprits : list of (str, int)
        What takes memory at the peak, the largest first, in bytes.
    changes : list of Change
        With which it fits, the cheapest first; empty where it fits already.
    """

    format: int = FORMAT
    doctor: str = VERSION
    model: Model
    training: Training
    peak: Peak
    total_bytes: int
    culprits: list[tuple[str, int]]
    device_bytes: int | None
    device: str
    usable_bytes: int | None
    fits: bool | None
    changes: list[Change]
    notes: list[str]


def estimated(
    subject: Subject | Tracked, training: Training, device: int | None, named: str, notes: list[str] | None = None
) -> Estimate:
    """Predict a training's peak, and what to change where it does not fit."""
    peak = predicted(subject, training)
    assert peak is not None  # noqa: S101  # the training is the one that was followed
    usable = room_of(device, training) if device is not None else None
    fits = None if usable is None else peak.total <= usable
    return Estimate(
        model=subject.model,
        training=training,
        peak=peak,
        total_bytes=peak.total,
        culprits=peak.culprits(),
        device_bytes=device,
        device=named,
        usable_bytes=usable,
        fits=fits,
        changes=cheapest(subject, training, device) if device is not None and fits is False else [],
        notes=[*(notes or []), *subject.model.notes],
    )
