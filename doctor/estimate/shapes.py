"""The shape of a transformer, from a handful of numbers or from the config.json of Hugging Face."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct

from doctor.errors import CannotOpen

MAX_BYTES = 10_000_000
"""A larger config.json was not written for a model."""
MAX_NUMBER = 10**9
"""A width, depth or vocabulary beyond this is no transformer's."""
_NAMES = {
    "hidden": ("hidden_size", "n_embd", "d_model", "dim"),
    "layers": ("num_hidden_layers", "n_layer", "num_layers", "n_layers"),
    "heads": ("num_attention_heads", "n_head", "n_heads", "num_heads"),
    "vocabulary": ("vocab_size",),
    "intermediate": ("intermediate_size", "n_inner", "ffn_dim", "hidden_dim"),
    "positions": ("max_position_embeddings", "n_positions", "n_ctx"),
    "kv_heads": ("num_key_value_heads",),
    "head_width": ("head_dim",),
}
_CLASSIC = ("gpt2", "opt", "bloom", "gpt_neox")
_ENCODERS = ("bert", "roberta", "distilbert")
_GATED = ("llama", "mistral", "qwen2", "qwen3", "gemma", "phi3")
FAMILIES = (*_CLASSIC, *_ENCODERS, *_GATED)
"""Values of `model_type` whose layers are known here."""
_UNTIED = ("gpt_neox", "llama", "mistral", "phi3")
"""Families whose output layer has weights of its own, where their config does not say."""


class ModelShape(Struct, frozen=True, kw_only=True):
    """A transformer of equal layers.

    Attributes
    ----------
    intermediate : int
        Width between the two matrices of the feed-forward part.
    kv_width : int
        Width of the keys and of the values; less than `query_width` where heads share them.
    gated : bool
        Three matrices in the feed-forward part, RMS norms and rotated positions, as in Llama; else two, layer norms and
        biases, as in GPT-2.
    activation : str
        "gelu", "gelu-composed" (of separate operations), "silu" or "relu".
    dropout : bool
        Whether masks of dropout are kept.
    positions : int
        Learned ones; 0 for others.
    tied : bool
        Whether the output layer shares the weights of the embedding.
    masked : bool
        Whether attention is given a mask of its own for every row, and keys repeated for the heads that share them.
    logits : bool
        Whether every token gets a score for each word.
    wide_loss : bool
        Whether cross-entropy is computed in 32 bits where the model is not.
    extra : int
        Weights that stand outside this scheme.
    """

    name: str = "transformer"
    hidden: int
    layers: int
    heads: int
    vocabulary: int = 0
    intermediate: int = 0
    query_width: int = 0
    kv_width: int = 0
    gated: bool = False
    activation: str = "gelu"
    dropout: bool = True
    positions: int = 0
    tied: bool = True
    masked: bool = False
    projection_biases: int = 0
    logits: bool = True
    wide_loss: bool = True
    extra: int = 0
    context: int | None = None

    @property
    def parameters(self) -> int:
        """All weights."""
        outside = self.hidden * (self.vocabulary * (1 if self.tied else 2) + self.positions)
        last_norm = self.hidden if self.gated else 2 * self.hidden
        return self.layers * self.layer_parameters + outside + last_norm + self.extra

    @property
    def layer_parameters(self) -> int:
        """Weights of one layer."""
        matrices = 2 * self.hidden * (self.query_width + self.kv_width)
        if self.gated:
            return matrices + 3 * self.hidden * self.intermediate + 2 * self.hidden + self.projection_biases
        biases = self.query_width + 2 * self.kv_width + self.hidden + self.intermediate + self.hidden
        return matrices + 2 * self.hidden * self.intermediate + biases + 4 * self.hidden

    @property
    def largest_layer(self) -> int:
        """Weights of the largest module that ZeRO stage 3 gathers as a whole."""
        return max(self.hidden * self.vocabulary, self.hidden * self.intermediate, self.hidden * self.query_width)


def shape_of(hidden: int, layers: int, heads: int, **rest: Any) -> ModelShape:
    """Fill in what follows from the rest: four times the width between the matrices, keys as wide as queries."""
    gated = bool(rest.get("gated"))
    fitting = {"intermediate": 4 * hidden, "query_width": hidden, "kv_width": hidden}
    given = {name: value for name, value in rest.items() if value is not None}
    if gated:
        fitting["activation"] = "silu"  # type: ignore[assignment]  # one of the words
        fitting["dropout"] = False
    return ModelShape(hidden=hidden, layers=layers, heads=heads, **{**fitting, **given})


def read_config(path: Path) -> dict[str, Any]:
    """Read a config.json.

    Raises
    ------
    CannotOpen
        When it is none.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise CannotOpen(path, f"larger than {MAX_BYTES // 1_000_000} MB, too large for a model's configuration")
        content = json.loads(path.read_text("utf-8-sig"))
    except OSError as error:
        raise CannotOpen(path, error.strerror or str(error)) from error
    except json.JSONDecodeError as error:
        raise CannotOpen(path, f"not valid JSON: {error.msg}", line=error.lineno) from error
    except (ValueError, RecursionError) as error:
        raise CannotOpen(path, f"not valid JSON: {error or 'nested too deeply'}") from error
    if not is_model_config(content):
        raise CannotOpen(path, "not a model's configuration of Hugging Face: it names no model_type")
    return dict(content)


def is_model_config(content: Any) -> bool:
    """Whether a JSON document describes a model of transformers."""
    return isinstance(content, dict) and isinstance(content.get("model_type"), str)


def shape_from(config: Mapping[str, Any]) -> ModelShape | str:
    """Read the shape from the content of a config.json.

    Returns
    -------
    ModelShape or str
        In a few words why there is none, where the layers of this kind of model are not known here.
    """
    family = config["model_type"]
    if family not in FAMILIES:
        return f"the layers of model_type {family!r} are not known to the closed formulas"
    found = {name: _number(config, names) for name, names in _NAMES.items()}
    hidden, layers, heads = found["hidden"], found["layers"], found["heads"]
    if not hidden or not layers or not heads or not found["vocabulary"]:
        return "width, layers, heads or vocabulary are missing"
    if family == "opt" and config.get("word_embed_proj_dim", hidden) != hidden:
        return "its embedding has another width than its layers"
    query = heads * (found["head_width"] or hidden // heads)
    kv = query // heads * (found["kv_heads"] or heads) if family in _GATED else query
    inner = found["intermediate"] or 4 * hidden
    tied = config.get("tie_word_embeddings")
    logits = not (head := _head(config)) or any(word in head for word in ("CausalLM", "LMHead", "MaskedLM"))
    return ModelShape(
        name=family,
        hidden=hidden,
        layers=layers,
        heads=heads,
        vocabulary=found["vocabulary"],
        intermediate=inner,
        query_width=query,
        kv_width=kv,
        gated=family in _GATED,
        activation=_activation(config),
        dropout=any(config.get(name) for name in ("resid_pdrop", "hidden_dropout_prob", "dropout", "hidden_dropout")),
        positions=_positions(family, found["positions"]),
        tied=not logits or (tied if isinstance(tied, bool) else family not in _UNTIED),
        projection_biases=_projection_biases(family, config, query, kv, query // heads, hidden),
        masked=True,
        logits=logits,
        wide_loss=family not in _ENCODERS,
        extra=_extra(family, config, hidden),
        context=found["positions"],
    )


def _head(config: Mapping[str, Any]) -> str:
    """Return the class of the model that the configuration names; empty where it names none."""
    classes = config.get("architectures")
    return str(classes[0]) if isinstance(classes, list) and classes else ""


def _number(config: Mapping[str, Any], names: tuple[str, ...]) -> int | None:
    values = (config.get(name) for name in names)
    return next((value for value in values if type(value) is int and 0 < value <= MAX_NUMBER), None)


def _activation(config: Mapping[str, Any]) -> str:
    name = next(
        (config[key] for key in ("activation_function", "hidden_act", "hidden_activation") if config.get(key)), "gelu"
    )
    if name in ("gelu_new", "gelu_fast", "quick_gelu") or config["model_type"] == "bloom":
        return "gelu-composed"
    return name if name in ("silu", "relu") else "gelu"


def _positions(family: str, context: int | None) -> int:
    if family in ("gpt2", *_ENCODERS):
        return context or 0
    return (context or 0) + 2 if family == "opt" else 0  # two places of OPT's are for padding


def _projection_biases(family: str, config: Mapping[str, Any], query: int, kv: int, head: int, hidden: int) -> int:
    """Return what a gated layer has beside its matrices and its two norms."""
    if family == "qwen2" or (config.get("attention_bias") and family in _GATED):
        return query + 2 * kv + (hidden if family != "qwen2" else 0)
    if family == "qwen3":
        return 2 * head  # a norm of queries and one of keys
    return 0


def _extra(family: str, config: Mapping[str, Any], hidden: int) -> int:
    if family == "bloom":
        return 2 * hidden  # a norm of the embedding
    if family not in _ENCODERS:
        return 0
    types = 0 if family == "distilbert" else (_number(config, ("type_vocab_size",)) or 2) * hidden
    last = hidden * hidden + hidden  # the pooler, or the transform of the masked head
    masked = 2 * hidden + (_number(config, ("vocab_size",)) or 0) if "MaskedLM" in _head(config) else 0
    return types + (last if family != "distilbert" or masked else 0) + masked
