"""What a call says of how a program trains, by its name alone."""

import ast

NORMS = ("LayerNorm", "RMSNorm", "BatchNorm1d", "BatchNorm2d", "BatchNorm3d", "GroupNorm", "InstanceNorm2d")
SEQUENCES = ("LSTM", "GRU", "RNN", "LSTMCell", "GRUCell", "Transformer", "TransformerEncoder", "TransformerDecoder")
_BY_NAME = {
    "clip_grad_norm_": "clips",
    "clip_grad_value_": "clips",
    "parse_yaml_file": "plain-yaml",
    "DistributedDataParallel": "wraps",
    "OneCycleLR": "one-cycle",
}


def fact_of(call: ast.Call, name: str) -> str | None:
    """Return the fact that a call shows, as `ProgramSettings.facts` names it; `name` is what is called, in full."""
    root, last = name.partition(".")[0], name.rpartition(".")[2]
    if last in _BY_NAME:
        return _BY_NAME[last]
    if name == "torch.compile":
        return "compiles"
    if last == "backward" and root != "torch":
        return "backward"
    if last in NORMS and (root == "torch" or "nn" in name):
        return "norm"
    if last in SEQUENCES and root == "torch":
        return "sequence"
    if last == "DataCollatorForLanguageModeling" and root == "transformers":
        learned = any(word.arg == "mlm" and getattr(word.value, "value", True) is False for word in call.keywords)
        return "padding-unlearned" if learned else None
    if call.args:
        return "pretrained" if last == "from_pretrained" and "Model" in name else None
    if last == "float" and "norm" in name.lower():
        return "norm-float"
    return "half" if last == "half" and "model" in name.lower() else None


def pads_with_end(node: ast.Assign) -> bool:
    """Whether an assignment makes the token that ends a text the one that fills up: `t.pad_token = t.eos_token`."""
    value = node.value
    return isinstance(value, ast.Attribute) and any(
        isinstance(target, ast.Attribute)
        and (target.attr, value.attr) in (("pad_token", "eos_token"), ("pad_token_id", "eos_token_id"))
        and ast.unparse(target.value) == ast.unparse(value.value)
        for target in node.targets
    )
