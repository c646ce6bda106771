"""What weights, gradients and optimizer state take on one rank, without any activations.

The division over ranks is Rajbhandari et al. (2020), "ZeRO: Memory Optimizations Toward Training Trillion Parameter
Models"; the buffers beside it are those that DeepSpeed 0.19 allocates (runtime/zero/stage_1_and_2.py, stage3.py).
"""

from msgspec import Struct

from doctor.estimate.training import Training

STATE_BYTES = {
    "adamw": 8.0,
    "adamw-fused": 8.0,
    "adamw-8bit": 2.0 * (1 + 4 / 256),  # a 32-bit scale for each block of 256, Dettmers et al. (2022)
    "sgd": 0.0,
    "momentum": 4.0,
    "rmsprop": 4.0,
    "adagrad": 4.0,
    "lion": 4.0,
    "adafactor": 0.0,  # a row and a column for each matrix: below a thousandth of the weights
}
"""Bytes of 32-bit optimizer state for each weight."""
STEP_COPIES = {"adamw": (1, 2), "rmsprop": (1, 1), "adagrad": (2, 1), "adafactor": (0, 2)}
"""Copies that torch's step makes for a while: of all weights, where it takes them at once on a GPU, and of the largest
tensor, where it takes one after the other on a CPU."""


class States(Struct, frozen=True, kw_only=True):
    """Bytes on the device of one rank.

    Attributes
    ----------
    gradients : int
        All of them, as at the end of the backward pass.
    held, begun, left : int
        Of the gradients, what is there before the backward pass, at the least once it has given the first ones, and in
        the optimizer's step.
    communication, closing, lasting : int
        Buffers that are there once there are gradients, at the end of the backward pass, and always.
    step : int
        What the optimizer's step takes for a while.
    host : int
        Bytes in the host's memory, of this rank.
    """

    parameters: int
    gradients: int
    held: int
    begun: int
    left: int
    optimizer: int
    communication: int
    closing: int
    lasting: int
    step: int
    host: int


def states_of(parameters: int, trainable: int, largest_layer: int, largest_tensor: int, training: Training) -> States:
    """Return what a model's weights and all that follows them take.

    Parameters
    ----------
    parameters, trainable : int
        Weights in all, and those that are trained.
    largest_layer, largest_tensor : int
        Weights of the largest layer, which ZeRO stage 3 gathers as a whole, and of the largest tensor.
    """
    ranks = training.ranks
    stage = -1 if training.zero_stage is None else training.zero_stage
    weight = training.weight_bytes
    whole = weight * trainable
    shard = trainable / ranks
    states = STATE_BYTES[training.optimizer] * (0.5 if training.precision == "bf16-only" else 1)
    master = 4 if training.mixed or stage >= 1 else 0  # ZeRO clones the weights of its partition even in 32 bits
    held_by_optimizer = master + states
    optimizer = held_by_optimizer * (shard if stage >= 1 else trainable)
    gradients = whole / ranks if stage >= 2 else float(whole)
    held = gradients if stage == 3 or training.accumulation > 1 else 0.0
    begun = gradients if stage >= 2 else held
    left = whole / ranks if stage == 1 else gradients  # stage 1 averages at the end, and drops what is others'
    weights = weight * parameters / (ranks if stage == 3 else 1)
    step = _step_bytes(trainable, largest_tensor, stage, training)
    host = 0.0
    if training.offload != "none":
        fp32_gradients = 4 if training.mixed else weight
        host = optimizer + fp32_gradients * shard
        optimizer = step = 0.0
        # Stage 2 and 3 send each bucket to the host as soon as it is full.
        gradients = whole if stage == 1 else 0.0
        held = begun = left = 0.0
        if training.offload == "optimizer+parameters":
            host += weights
            weights = 0.0
    communication, closing, lasting = _communication_bytes(parameters, trainable, largest_layer, stage, training)
    return States(
        parameters=round(weights),
        gradients=round(gradients),
        held=round(held),
        begun=round(begun),
        left=round(left),
        optimizer=round(optimizer),
        communication=communication,
        closing=closing,
        lasting=lasting,
        step=round(step),
        host=round(host),
    )


def _communication_bytes(
    parameters: int, trainable: int, largest_layer: int, stage: int, training: Training
) -> tuple[int, int, int]:
    """Return the buffers in which gradients are averaged, and at stage 3 the weights that are gathered.

    First what is there once there are gradients, then what is at the end of the backward pass, then what always is.
    """
    weight = training.weight_bytes
    if stage < 0:
        copy = weight * trainable if training.ranks > 1 else 0  # DistributedDataParallel's buckets hold a copy
        return copy, copy, copy
    if stage == 0:
        return 0, weight * min(trainable, training.bucket) if training.ranks > 1 else 0, 0
    bucket = training.bucket * weight * (2 if training.overlap and stage <= 2 else 1)
    if stage <= 2:
        return (bucket if stage == 2 or training.overlap else 0), bucket, 0
    # What is used again soon stays gathered, which is all of a model of less than a thousand million weights.
    away = training.ranks > 1 or training.offload == "optimizer+parameters"
    gathered = weight * min(parameters, max(training.live, largest_layer)) if away else 0
    return bucket + gathered + weight * largest_layer, bucket + gathered, bucket


def _step_bytes(trainable: int, largest_tensor: int, stage: int, training: Training) -> float:
    shard = trainable / training.ranks
    copies = 0.0
    if training.mixed:  # gradients in 32 bits for the master weights
        copies = 4 * (trainable if stage <= 0 else shard if stage <= 2 else min(shard, training.sub_group))
    elif stage >= 1:  # flattened
        copies = 4 * (shard if stage <= 2 else min(shard, training.sub_group))
    if stage >= 0:
        return copies  # DeepSpeed's own optimizers are fused
    together, apart = STEP_COPIES.get(training.optimizer, (0, 0))
    whole = training.device == "gpu" and together
    return copies + training.weight_bytes * (together * trainable if whole else apart * largest_tensor)
