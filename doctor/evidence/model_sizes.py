"""How large the models are that are trained here, by their description, their name, or their number of experts."""

import re
from collections.abc import Iterator

from msgspec import Struct

from doctor.evidence.rates_told import adapts, size_of_name
from doctor.evidence.setting_names import Quantity
from doctor.evidence.settings_told import Setup
from doctor.evidence.setups import Setups
from doctor.evidence.training_rows import TrainingRows
from doctor.subjects.config import ConfigFile, Configs
from doctor.subjects.config_kinds import Sort
from doctor.subjects.config_nodes import Node
from doctor.subjects.source import Place

_MIXTURE = re.compile(r"mixtral|moe|deepseek-v[23]|\d+x\d+b|-a\d+(\.\d+)?b", re.IGNORECASE)
_EXPERTS = ("num_local_experts", "num_experts", "n_routed_experts", "moe_num_experts")


class ModelSize(Struct, frozen=True, kw_only=True):
    """A model.

    Attributes
    ----------
    parameters : float or None
        About how many; None where that is not known.
    experts : bool
        Whether it divides its work over experts.
    adapted : bool
        Whether only an adapter is trained.
    because : str
        What says so.
    """

    place: Place
    parameters: float | None
    experts: bool
    adapted: bool
    because: str


class ModelSizes(Struct, frozen=True, kw_only=True):
    """All of them; with the rows and the bytes that they are trained on, where one table is scanned."""

    models: tuple[ModelSize, ...]
    rows: int | None
    bytes: int | None
    shown: str

    @classmethod
    def measure(cls, setups: Setups, configs: Configs | None, rows: TrainingRows | None) -> "ModelSizes":
        """Read the names that trainings give, and the descriptions that lie beside them."""
        adapted = any(adapts(setup) for setup in setups.setups)
        files = [file for file in (configs.files if configs else ()) if file.sort is Sort.MODEL]
        found = [model for setup in setups.setups for model in _named(setup)]
        found += [model for file in files if (model := _described(file, adapted=adapted))]
        unique = {model.place: model for model in reversed(found)}
        return cls(
            models=tuple(reversed(unique.values())),
            rows=rows.rows if rows else None,
            bytes=rows.bytes if rows and rows.rows is not None else None,
            shown=rows.shown if rows else "",
        )


def _named(setup: Setup) -> Iterator[ModelSize]:
    model = setup.get(Quantity.MODEL)
    if model is not None and isinstance(model.value, str):
        yield ModelSize(
            place=model.place,
            parameters=size_of_name(model.value),
            experts=bool(_MIXTURE.search(model.value)),
            adapted=adapts(setup),
            because=model.value,
        )


def _described(file: ConfigFile, *, adapted: bool) -> ModelSize | None:
    """Read a description by transformers."""
    root = file.root
    experts = next((node for name in _EXPERTS if (node := root.child(name)) is not None), None)
    many = experts is not None and isinstance(experts.value, int) and experts.value > 1
    parameters = _parameters(root, int(experts.value) if many and experts is not None else 1)  # type: ignore[arg-type]  # an int
    if parameters is None and not many:
        return None
    kind = root.child("model_type")
    where = experts if many and experts is not None else kind or root
    return ModelSize(
        place=file.place(where),
        parameters=parameters,
        experts=many,
        adapted=adapted,
        because=str(kind.value) if kind else file.path.name,
    )


def _parameters(root: Node, experts: int) -> float | None:
    """Count a transformer's weights by its widths: attention 4·h², gated feed-forward 3·h·f, embeddings v·h."""
    hidden = _whole(root, "hidden_size", "n_embd", "d_model")
    layers = _whole(root, "num_hidden_layers", "n_layer", "num_layers")
    if hidden is None or layers is None:
        return None
    inner = _whole(root, "moe_intermediate_size", "intermediate_size", "n_inner", "ffn_dim", "d_ff") or 4 * hidden
    heads, shared = _whole(root, "num_attention_heads", "n_head"), _whole(root, "num_key_value_heads")
    ratio = shared / heads if heads and shared else 1.0
    gated = 3 if root.child("num_key_value_heads") is not None else 2
    words = _whole(root, "vocab_size") or 0
    return layers * ((2 + 2 * ratio) * hidden**2 + gated * hidden * inner * experts) + words * hidden


def _whole(root: Node, *names: str) -> int | None:
    for name in names:
        node = root.child(name)
        if node is not None and isinstance(node.value, int) and not isinstance(node.value, bool) and node.value > 0:
            return node.value
    return None
