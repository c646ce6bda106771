"""The changes of training that `doctor` can make itself, by name."""

KNOWN = {
    "max_grad_norm": "clip the gradient norm at this value",
    "learning_rate_ratio": "multiply the learning rate by this",
    "warmup_steps": "raise the learning rate from 0 over this many updates",
    "precision": "train in this number format: fp32, bf16 or fp16",
    "loss_scale": "scale the loss: a number, or dynamic",
    "norm_in_fp32": "keep normalisation layers in float32",
    "micro_batch_ratio": "multiply the micro-batch by this, the accumulation by its inverse",
    "activation_checkpointing": "compute activations again in the backward pass instead of keeping them",
    "optimizer": "use this optimizer, such as one that keeps less state",
    "zero_stage": "shard over the ranks at this ZeRO stage",
    "weight_decay": "decay weights by this",
    "dropout": "drop this share of the units",
    "early_stopping": "keep the weights of the best evaluation",
    "zero_grad": "clear gradients after each update",
    "evaluation_mode": "evaluate in evaluation mode, and train in training mode",
    "broadcast_parameters": "begin with rank 0's parameters on every rank",
}
"""What each does, by its name. Who trains applies it: to a configuration or to a watched command."""
