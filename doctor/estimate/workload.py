"""What the layers of a model keep for the backward pass, and at which moments memory peaks."""

from msgspec import Struct


class Moment(Struct, frozen=True, kw_only=True):
    """A moment of forward and backward pass at which memory may be at its peak.

    Attributes
    ----------
    activations, temporary : int
        Bytes that layers kept for the backward pass, and those in use by one operation alone.
    gradients_share : float
        Share of the gradients that is there already, where there were none before.
    begun : bool
        Whether there were gradients by then.
    """

    activations: int
    temporary: int
    gradients_share: float
    begun: bool = True


class Run(Struct, frozen=True, kw_only=True):
    """One forward and backward pass that was followed, with its peak before and after the first gradients."""

    rows: int
    checkpointed: bool
    autocast: bool
    moments: tuple[Moment, Moment]


class Model(Struct, frozen=True, kw_only=True):
    """What prediction needs to know of a model.

    Attributes
    ----------
    source : str
        How its numbers were taken, in words.
    parameters, trainable : int
        Weights, and those that are trained.
    largest_layer, largest_tensor : int
        Weights of the largest layer and of the largest tensor.
    buffers : int
        Bytes that are kept and not trained.
    rows : int
        Of the micro-batch that was followed.
    """

    name: str
    source: str
    parameters: int
    trainable: int
    largest_layer: int
    largest_tensor: int
    buffers: int = 0
    notes: tuple[str, ...] = ()
