"""Activations of a transformer from its shape, in closed form.

Korthikanti et al. (2022), "Reducing Activation Recomputation in Large Transformer Models", section 4: a layer keeps
s·b·h·(34 + 5·a·s/h) bytes in 16 bits. Their sum is taken apart here, so that it also holds for 32 bits, for heads that
share keys, for gated layers, and without the a·s² part, which fused attention does not keep. transformers hands a mask
to attention as soon as a batch is padded: every layer then keeps it, and keys and values once for each head.
"""

from doctor.estimate.shapes import ModelShape
from doctor.estimate.training import Training
from doctor.estimate.workload import Moment

INNER_TENSORS = {"gelu": 2, "relu": 1, "gelu-composed": 5, "silu": 2}
"""Tensors between the two matrices that are kept, of the width there: input and output, of a chain of operations more.

ReLU keeps its output alone, which the second matrix keeps anyway."""


def layer_bytes(shape: ModelShape, training: Training, tokens: int, *, fused_attention: bool = True) -> int:
    """Return what one layer keeps for the backward pass.

    Parameters
    ----------
    tokens : int
        Rows times their length.
    fused_attention : bool
        Whether attention is one operation (flash, memory-efficient), which keeps a number for each head and token.
    """
    size, hidden = training.activation_bytes, shape.hidden
    length = training.sequence or 1
    mask = (1 if training.device == "gpu" else size) if shape.dropout else 0  # a CPU keeps it as numbers
    keys = shape.query_width if shape.masked else shape.kv_width
    kept = size * (hidden + shape.query_width + 2 * keys)  # input of the projections, and what they put out
    kept += size * shape.query_width + mask * hidden  # input of the output projection
    if fused_attention:
        kept += 4 * shape.heads + (size * length if shape.masked else 0)
    else:
        kept += shape.heads * length * (2 * size + mask)
    tensors = INNER_TENSORS[shape.activation] + (2 if shape.gated else 0)
    kept += size * hidden + size * tensors * shape.intermediate + mask * hidden
    # An RMS norm of transformers computes in 32 bits and keeps its input so, and what it normalised.
    kept += 2 * (4 * hidden + size * hidden if shape.gated else size * hidden)
    return tokens * kept


def loss_bytes(shape: ModelShape, training: Training, tokens: int) -> tuple[int, int]:
    """Return what logits and their cross-entropy keep, and what its backward pass takes for a while."""
    if not shape.logits:
        return 0, 0
    # The logarithms of the probabilities stay; on the way back come two gradients of their size.
    size = 4 if shape.wide_loss else training.activation_bytes
    return tokens * shape.vocabulary * size, 2 * tokens * shape.vocabulary * size


def moments(shape: ModelShape, training: Training, *, fused_attention: bool = True) -> tuple[Moment, ...]:
    """Return the moments at which memory may peak: where the backward pass begins, and where it ends."""
    tokens = training.micro_batch * (training.sequence or 1)
    layer = layer_bytes(shape, training, tokens, fused_attention=fused_attention)
    logits, temporary = loss_bytes(shape, training, tokens)
    stream = training.activation_bytes * tokens * shape.hidden
    # The layer that is on its way back has its gradients beside what it kept.
    inner = training.activation_bytes * tokens * shape.intermediate
    kept = shape.layers * (stream if training.checkpointing else layer) + stream
    moments = [Moment(activations=kept + logits, temporary=temporary, gradients_share=0.0, begun=False)]
    if training.checkpointing:
        moments.append(Moment(activations=stream + layer, temporary=inner, gradients_share=1.0))
        kept += layer
    return (*moments, Moment(activations=kept, temporary=inner, gradients_share=1 / shape.layers))
