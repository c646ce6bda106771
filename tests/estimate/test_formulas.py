"""States and activations in closed form: what divides them, what they never do, and what transformers counts itself."""

import itertools
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from doctor.errors import UsageError
from doctor.estimate.changes import cheapest, room_of
from doctor.estimate.deepspeed import from_deepspeed
from doctor.estimate.formulas import layer_bytes
from doctor.estimate.peak import STEP, Counted, predicted
from doctor.estimate.shapes import ModelShape, shape_from, shape_of
from doctor.estimate.states import States, states_of
from doctor.estimate.training import OPTIMIZERS, PRECISIONS, Training, checked, optimizer_named

BILLION = 10**9
SMALL = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "vocab_size": 300}
GATED = {**SMALL, "num_key_value_heads": 2, "intermediate_size": 144, "max_position_embeddings": 128}
shapes = st.builds(
    lambda heads, width, layers, words, gated: shape_of(
        heads * width, layers, heads, vocabulary=words, gated=gated, kv_width=width
    ),
    st.integers(1, 32),
    st.sampled_from([8, 64, 128]),
    st.integers(1, 80),
    st.integers(1, 200_000),
    st.booleans(),
)
trainings = st.builds(
    Training,
    micro_batch=st.integers(1, 64),
    sequence=st.integers(1, 8192),
    accumulation=st.integers(1, 16),
    ranks=st.integers(1, 512),
    precision=st.sampled_from(["fp32", "bf16", "fp16"]),
    optimizer=st.sampled_from(sorted(OPTIMIZERS)),
    zero_stage=st.integers(0, 3),
    checkpointing=st.booleans(),
)


def states(**training: Any) -> States:
    return states_of(BILLION, BILLION, BILLION // 10, BILLION // 20, Training(**training))


def total(shape: ModelShape, training: Training) -> int:
    peak = predicted(Counted(shape=shape), training)
    assert peak is not None
    assert peak.total == sum(size for _, size in peak.culprits())
    return peak.total


def test_plain_adam_takes_sixteen_bytes_for_each_weight() -> None:
    for precision in ("fp32", "autocast", "bf16", "fp16"):
        of = states(precision=precision)
        assert of.parameters + of.gradients + of.optimizer == 16 * BILLION
    assert states(precision="bf16-only").optimizer == 4 * BILLION


@pytest.mark.parametrize(
    ("stage", "bytes_each"),
    [(0, 2 + 2 + 12), (1, 2 + 2 + 12 / 64), (2, 2 + 14 / 64), (3, 16 / 64)],
)
def test_zero_divides_as_its_paper_says(stage: int, bytes_each: float) -> None:
    of = states(precision="bf16", zero_stage=stage, ranks=64)
    assert of.parameters + of.gradients + of.optimizer == pytest.approx(bytes_each * BILLION, rel=1e-9)


def test_offload_leaves_weights_on_the_device_and_the_rest_on_the_host() -> None:
    of = states(precision="bf16", zero_stage=2, ranks=4, offload="optimizer")
    assert (of.parameters, of.gradients, of.optimizer, of.step) == (2 * BILLION, 0, 0, 0)
    assert of.host == (12 + 4) * BILLION // 4
    both = states(precision="bf16", zero_stage=3, ranks=4, offload="optimizer+parameters")
    assert both.parameters == 0
    assert both.host == of.host + 2 * BILLION // 4


@settings(max_examples=50, deadline=None)
@given(shapes, trainings)
def test_more_ranks_never_take_more_where_states_are_divided(shape: ModelShape, training: Training) -> None:
    sharded = training.replaced(zero_stage=max(1, training.zero_stage or 0))
    assert total(shape, sharded.replaced(ranks=2 * sharded.ranks)) <= total(shape, sharded)


@settings(max_examples=50, deadline=None)
@given(shapes, trainings)
def test_a_higher_stage_never_holds_more(shape: ModelShape, training: Training) -> None:
    held = []
    for stage in range(4):
        of = states_of(shape.parameters, shape.parameters, 1, 1, training.replaced(zero_stage=stage))
        master = 4 * shape.parameters // training.ranks if stage == 1 and not training.mixed else 0
        held.append(of.parameters + of.gradients + of.optimizer - master)
    for lower, higher in itertools.pairwise(held):
        assert higher <= lower + 4 * shape.parameters // training.ranks + 8


@settings(max_examples=50, deadline=None)
@given(shapes, trainings)
def test_a_smaller_batch_a_shorter_text_and_checkpointing_never_take_more(
    shape: ModelShape, training: Training
) -> None:
    assert training.sequence
    one = total(shape, training)
    assert total(shape, training.replaced(micro_batch=max(1, training.micro_batch // 2))) <= one
    assert total(shape, training.replaced(sequence=max(1, training.sequence // 2))) <= one
    if shape.layers >= 4 and not training.checkpointing:
        assert total(shape, training.replaced(checkpointing=True)) <= 1.05 * one


@settings(max_examples=15, deadline=None)
@given(shapes, trainings, st.sampled_from([8, 24, 80]))
def test_what_is_advised_fits_and_is_needed(shape: ModelShape, training: Training, gigabytes: int) -> None:
    device = gigabytes * BILLION
    changes = cheapest(Counted(shape=shape), training, device)
    assert len(changes) <= 3
    for change in changes:
        assert total(shape, change.training) == change.total <= room_of(device, training)
        assert change.time[0] <= change.time[1]


def test_a_layer_in_16_bits_keeps_what_the_paper_says() -> None:
    shape = shape_of(1024, 1, 16, vocabulary=1)
    training = Training(precision="bf16", sequence=512)
    plain = layer_bytes(shape, training, 512, fused_attention=False)
    # GELU's input and output, as in the paper; attention keeps its scores, their softmax and a mask.
    assert plain == 512 * 1024 * (34 + 5 * 16 * 512 / 1024)
    fused = layer_bytes(shape, training, 512)
    assert fused == 512 * (1024 * 34 + 4 * 16)


@pytest.mark.parametrize(
    ("family", "auto", "config"),
    [
        ("gpt2", "CausalLM", {"n_embd": 64, "n_layer": 2, "n_head": 4, "vocab_size": 300, "n_positions": 32}),
        ("opt", "CausalLM", {**SMALL, "ffn_dim": 128, "word_embed_proj_dim": 64, "max_position_embeddings": 32}),
        ("bloom", "CausalLM", {"hidden_size": 64, "n_layer": 2, "n_head": 4, "vocab_size": 300}),
        ("gpt_neox", "CausalLM", {**SMALL, "intermediate_size": 256}),
        ("llama", "CausalLM", GATED),
        ("llama", "CausalLM", {**GATED, "attention_bias": True, "tie_word_embeddings": True}),
        ("mistral", "CausalLM", GATED),
        ("qwen2", "CausalLM", {**GATED, "tie_word_embeddings": True}),
        ("qwen3", "CausalLM", GATED),
        ("gemma", "CausalLM", {**GATED, "head_dim": 32}),
        ("phi3", "CausalLM", {**GATED, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}),
        ("bert", "", {**SMALL, "intermediate_size": 128}),
        ("bert", "MaskedLM", {**SMALL, "intermediate_size": 128}),
        ("roberta", "MaskedLM", {**SMALL, "intermediate_size": 128, "pad_token_id": 1}),
        ("distilbert", "MaskedLM", {"dim": 64, "n_layers": 2, "n_heads": 4, "hidden_dim": 128, "vocab_size": 300}),
    ],
)
def test_weights_are_counted_as_transformers_counts_them(family: str, auto: str, config: dict[str, Any]) -> None:
    transformers = pytest.importorskip("transformers")
    torch = pytest.importorskip("torch")
    described = transformers.AutoConfig.for_model(family, **config)
    kind = getattr(transformers, f"AutoModelFor{auto}" if auto else "AutoModel")
    with torch.device("meta"):
        model = kind.from_config(described)
    written = {**described.to_dict(), "architectures": [type(model).__name__]}
    shape = shape_from(written)
    assert isinstance(shape, ModelShape)
    assert shape.parameters == sum(one.numel() for one in model.parameters())


@pytest.mark.parametrize(
    "config",
    [
        {"model_type": "mixtral", **GATED},
        {"model_type": "llama"},
        {"model_type": "llama", **GATED, "hidden_size": "4096"},
        {"model_type": "llama", **GATED, "num_hidden_layers": 10**12},
        {"model_type": "llama", **GATED, "num_hidden_layers": True},
        {"model_type": "opt", **SMALL, "word_embed_proj_dim": 8},
    ],
)
def test_a_shape_that_is_not_known_is_said_not_guessed(config: dict[str, Any]) -> None:
    assert isinstance(shape_from(config), str)


def test_the_optimizers_step_is_where_a_gpu_copies_all_weights() -> None:
    shape = shape_of(512, 4, 8, vocabulary=1000)
    few = Training(sequence=8)
    for training, copies in ((few, 1), (few.replaced(optimizer="adamw-fused"), 0)):
        peak = predicted(Counted(shape=shape), training, when=STEP)
        assert peak is not None
        assert peak.temporary == 4 * copies * shape.parameters
    assert math.isclose(states_of(100, 100, 10, 10, few.replaced(optimizer="adamw-8bit")).optimizer, 203)


@pytest.mark.parametrize(
    ("config", "fields"),
    [
        ({"train_micro_batch_size_per_gpu": "auto", "zero_optimization": {"stage": "auto"}}, {"zero_stage": 0}),
        ({"train_batch_size": 64, "train_micro_batch_size_per_gpu": 4, "gradient_accumulation_steps": 2}, {"ranks": 8}),
        ({"bf16": {"enabled": "auto"}}, {"precision": None}),
        ({"fp16": {"enabled": True}}, {"precision": "fp16"}),
        ({"optimizer": {"type": "OneBitAdam"}}, {"optimizer": None}),
        ({"zero_optimization": {"stage": 2, "offload_param": {"device": "cpu"}}}, {"offload": "none"}),
        ({"zero_optimization": {"stage": 3, "offload_param": {"device": "nvme"}}}, {"offload": "optimizer+parameters"}),
        ({"zero_optimization": {"stage": 2, "cpu_offload": True, "reduce_bucket_size": 2e8}}, {"bucket": 200_000_000}),
        ({"zero_optimization": [], "train_micro_batch_size_per_gpu": True}, {"micro_batch": None}),
    ],
)
def test_a_deepspeed_configuration_is_read_and_auto_stays_unknown(
    config: dict[str, Any], fields: dict[str, Any]
) -> None:
    found = from_deepspeed(config)
    assert {name: found.get(name) for name in fields} == fields
    Training(**found)


@settings(max_examples=50, deadline=None)
@given(st.recursive(st.none() | st.booleans() | st.floats() | st.text(), lambda inner: st.lists(inner), max_leaves=5))
def test_whatever_stands_in_a_configuration_is_survived(value: Any) -> None:
    names = ("zero_optimization", "bf16", "optimizer", "train_batch_size", "train_micro_batch_size_per_gpu")
    for name in names:
        from_deepspeed({name: value})
        from_deepspeed({name: {"stage": value, "enabled": value, "type": value, "offload_param": value}})
        shape_from({"model_type": "llama", **GATED, name: value, "architectures": value, "type_vocab_size": value})


@pytest.mark.parametrize(
    ("name", "known"),
    [("AdamW", "adamw"), ("FusedAdam", "adamw-fused"), ("adamw_bnb_8bit", "adamw-8bit"), ("Adam", "adamw")],
)
def test_an_optimizer_is_known_by_any_of_its_names(name: str, known: str) -> None:
    assert optimizer_named(name) == known


@pytest.mark.parametrize(
    "training",
    [
        {"offload": "optimizer"},
        {"offload": "optimizer+parameters", "zero_stage": 2},
        {"precision": "bf16-only", "zero_stage": 1},
        {"offload": "optimizer", "zero_stage": 2, "optimizer": "adamw-8bit"},
    ],
)
def test_what_deepspeed_would_refuse_is_refused(training: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        checked(Training(**training))


def test_every_precision_is_explained() -> None:
    assert set(PRECISIONS) == {"fp32", "autocast", "bf16", "fp16", "bf16-only"}
    assert structs.asdict(Training())["precision"] in PRECISIONS
