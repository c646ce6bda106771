"""What the libraries for training call their things: optimizers, schedulers, losses, models, loaders."""

import re

from doctor.evidence.fitted_tools import names_in

FOREIGN = names_in("tensorflow jax flax mxnet paddle mindspore oneflow chainer tinygrad keras mlx")
"""Libraries with loops of their own rules; a module that imports one is not judged by the rules of torch."""

_OPTIMIZER_CLASS = re.compile(
    r"(torch\.optim|torch_optimizer|apex\.optimizers|bitsandbytes\.optim|timm\.optim|transformers|deepspeed\.ops\.\w+"
    r"|torch\.distributed\.optim|lion_pytorch|adabelief_pytorch|madgrad|prodigyopt|schedulefree|pytorch_optimizer|came_pytorch)"
    r"(\.\w+)*\.(\w*(SGD|Adam|AdamW|Adamax|RMSprop|Rprop|Adagrad|Adadelta|LAMB|Lamb|LARS|Lars|Lion|Adafactor|MADGRAD"
    r"|MuonW?|Muon|AdaBelief|Prodigy|RAdam|NAdam|ASGD|CAME|Sophia|ZeroRedundancyOptimizer)\w*)"
)
_OPTIMIZER_MAKER = re.compile(r"timm\.optim(\.\w+)*\.create_optimizer\w*")
CLOSURE_OPTIMIZERS = re.compile(r"torch\.optim(\.\w+)*\.LBFGS")
_SCHEDULER = re.compile(
    r"torch\.optim\.lr_scheduler\.[A-Z]\w+|transformers(\.\w+)*\.(get_\w*schedule\w*|get_scheduler)"
)
PLATEAU = re.compile(r"torch\.optim\.lr_scheduler\.ReduceLROnPlateau")
_SCALER = re.compile(r"torch(\.cuda)?\.amp(\.grad_scaler)?\.GradScaler|torch\.(cuda|cpu)\.amp\.GradScaler")
_LOADER = re.compile(r"torch\.utils\.data(\.\w+)*\.DataLoader|torch_geometric\.loader\.DataLoader")
_SAMPLER = re.compile(r"torch\.utils\.data(\.\w+)*\.DistributedSampler")
_SEQUENTIAL = re.compile(r"torch\.nn(\.\w+)*\.Sequential")
_WRAPPER = re.compile(
    r"torch\.nn\.(parallel\.)?(\w+\.)?(DataParallel|DistributedDataParallel)|torch\.compile|torch\.jit\.(script|trace)"
    r"|torch\.distributed\.fsdp(\.\w+)*\.(FullyShardedDataParallel|fully_shard)"
)
PARALLEL = re.compile(r"torch\.nn\.(parallel\.)?(\w+\.)?DistributedDataParallel")
SHARDED = re.compile(r"torch\.distributed\.fsdp(\.\w+)*\.FullyShardedDataParallel")
PRETRAINED = re.compile(
    r"torchvision\.models(\.\w+)*\.\w+|timm(\.\w+)*\.create_model|transformers(\.\w+)*\.\w+\.(from_pretrained|from_config)"
    r"|torch\.hub\.load|transformers(\.\w+)*\.\w+(Model|For[A-Z]\w+)|segmentation_models_pytorch\.\w+"
)
READY = re.compile(r".*\.from_pretrained")
MODE_LAYERS = re.compile(
    r"torch\.nn(\.\w+)*\.(\w*Dropout\w*|(Lazy)?(Sync)?BatchNorm\w*|InstanceNorm\d?d?|RReLU|TransformerEncoder\w*"
    r"|TransformerDecoder\w*|Transformer)"
)
"""Layers that do one thing in training and another in evaluation."""
_ACCELERATOR = re.compile(r"accelerate(\.\w+)*\.Accelerator")
_FABRIC = re.compile(r"(lightning|lightning_fabric)(\.\w+)*\.Fabric")
_ENGINE = re.compile(r"deepspeed(\.\w+)*\.(initialize|init_inference)|colossalai(\.\w+)*\.initialize")
CROSS_ENTROPY = re.compile(r"torch\.nn(\.\w+)*\.(CrossEntropyLoss|cross_entropy)")
WITH_LOGITS = re.compile(r"torch\.nn(\.\w+)*\.(BCEWithLogitsLoss|binary_cross_entropy_with_logits)")
LOSS = re.compile(r"torch\.nn(\.\w+)*\.\w*Loss")
SOFTMAX = re.compile(r"torch(\.nn)?(\.\w+)*\.(softmax|Softmax|Softmax2d)")
SIGMOID = re.compile(r"torch(\.nn)?(\.\w+)*\.(sigmoid|Sigmoid)|torch\.special\.expit")
NO_GRAD = re.compile(r"torch(\.autograd(\.grad_mode)?)?\.(no_grad|inference_mode)")
SET_GRAD = re.compile(r"torch(\.autograd(\.grad_mode)?)?\.set_grad_enabled")
CLIP = re.compile(r"torch\.nn\.utils(\.clip_grad)?\.(clip_grad_norm_?|clip_grad_value_)")
TORCH_LAYER = re.compile(r"torch\.nn(\.\w+)*\.[A-Z]\w+")
ITERABLE = re.compile(r"torch\.utils\.data(\.\w+)*\.(IterableDataset|IterDataPipe|ChainDataset)")
MAP_STYLE = re.compile(
    r"torch\.utils\.data(\.\w+)*\.(TensorDataset|Dataset|Subset|ConcatDataset)|torchvision\.datasets(\.\w+)*\.[A-Z]\w+"
)

_KINDS = (
    ("optimizer", _OPTIMIZER_CLASS),
    ("optimizer", _OPTIMIZER_MAKER),
    ("optimizer", CLOSURE_OPTIMIZERS),
    ("scheduler", _SCHEDULER),
    ("scaler", _SCALER),
    ("loader", _LOADER),
    ("sampler", _SAMPLER),
    ("wrapper", _WRAPPER),
    ("accelerator", _ACCELERATOR),
    ("accelerator", _FABRIC),
    ("engine", _ENGINE),
    ("loss", LOSS),
    ("model", _SEQUENTIAL),
    ("model", TORCH_LAYER),
    ("model", PRETRAINED),
)

OPTIMIZER_NAME = re.compile(r"(\w*_)?(optimi[sz]ers?|optims?|opts?)(_\w+)?|(optimizer|optim|opt)[DG]\w*", re.IGNORECASE)
EVALUATING = re.compile(
    r"(^|_)(eval|evaluate|evaluation|valid|validate|validation|val|test|testing|predict|inference|infer|dev|holdout)"
    r"(_|$)"
)
TESTING = re.compile(r"(^|_)(test|testing|tst)(_|$)")
VALIDATING = re.compile(r"(^|_)(val|valid|validation|dev|eval|holdout)(_|$|\d)")
TRAINING = re.compile(r"(^|_)(train|training|trn)(_|$)")


def kind_of(dotted: str) -> str:
    """Say what a call of this name makes; empty where that is not known."""
    return next((kind for kind, pattern in _KINDS if pattern.fullmatch(dotted)), "")
