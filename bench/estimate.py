"""Foretells the peak memory of trainings, and measures them.

    python bench/estimate.py [--gpu] [--formulas] [--deepspeed]

Without an option: four models under Adam in 32 bits, what `doctor estimate` foretells beside the most that torch's CPU
allocator had given out at once, by the profiler's record of every allocation. With --gpu the same on a GPU, by
`max_memory_allocated`. --formulas sets the closed formulas beside the tracked passes of transformers' models,
--deepspeed what is foretold of weights and states beside the storages that a DeepSpeed engine holds.
"""

import argparse
import os
import sys
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from doctor.estimate.peak import Counted, predicted
from doctor.estimate.shapes import shape_from
from doctor.estimate.tracking import Factory, track
from doctor.estimate.training import Training

MODELS = Path(__file__).with_name("estimate_models.py")
MAX_ERROR_SHARE = 0.10
TINY = {"hidden_size": 256, "num_hidden_layers": 4, "num_attention_heads": 8, "vocab_size": 5000}
CONFIGS: tuple[dict[str, object], ...] = (
    {"model_type": "gpt2", "n_embd": 256, "n_layer": 4, "n_head": 8, "vocab_size": 5000, "n_positions": 512,
     "activation_function": "gelu_new", "resid_pdrop": 0.1, "architectures": ["GPT2LMHeadModel"]},
    {"model_type": "llama", **TINY, "num_key_value_heads": 2, "intermediate_size": 700, "tie_word_embeddings": False,
     "architectures": ["LlamaForCausalLM"]},
    {"model_type": "bert", **TINY, "intermediate_size": 1024, "hidden_dropout_prob": 0.1, "type_vocab_size": 2,
     "max_position_embeddings": 512, "architectures": ["BertForMaskedLM"]},
)  # fmt: skip


def four_models(device: str) -> bool:
    """Print what is foretold and what is measured of each; return whether all are near enough."""
    from bench import estimate_models
    from bench.estimate_models import FACTORIES, measured

    near = True
    print("model               parameters  foretold MB  measured MB  ratio")
    for name in FACTORIES:
        training = Training(optimizer="adamw", device="cpu" if device == "cpu" else "gpu")
        tracked = track(Factory.named(f"{MODELS}:{name}"), training, name=name, rows=None)
        peak = predicted(tracked, training.replaced(micro_batch=tracked.rows))
        assert peak is not None
        real = measured(getattr(estimate_models, name), device)
        ratio = peak.total / real
        near &= abs(ratio - 1) <= MAX_ERROR_SHARE
        print(f"{name:18} {tracked.model.parameters:>11,} {peak.total / 1e6:>12.2f} {real / 1e6:>12.2f} {ratio:>6.3f}")
    return near


def formulas() -> None:
    """Print the closed formulas beside the tracked passes."""
    print("model  precision rows again | tracked MB  formula MB  ratio | activations alone")
    for config in CONFIGS:
        for precision in ("fp32", "bf16"):
            training = Training(micro_batch=8, sequence=256, precision=precision)
            tracked = track(config, training, name=str(config["model_type"]), rows=8)
            shape = shape_from(config)
            assert not isinstance(shape, str)
            counted = Counted(shape=shape)
            for again in (False, True):
                for rows in (8, 2):
                    changed = training.replaced(checkpointing=again, micro_batch=rows)
                    one, other = predicted(tracked, changed), predicted(counted, changed)
                    assert one is not None
                    assert other is not None
                    kept = [max(m.activations + m.temporary for m in of.moments(changed)) for of in (tracked, counted)]
                    print(
                        f"{config['model_type']!s:6} {precision:9} {rows:>4} {again!s:5} | {one.total / 1e6:>10.1f}"
                        f" {other.total / 1e6:>11.1f} {other.total / one.total:>6.3f} | {kept[1] / kept[0]:>6.3f}"
                    )


def main() -> int:
    """Print what was asked for; status 1 where a prediction is off by more than a tenth."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gpu", action="store_true")
    parser.add_argument("--formulas", action="store_true")
    asked = parser.parse_args()
    if asked.formulas:
        formulas()
        return 0
    return 0 if four_models("cuda" if asked.gpu else "cpu") else 1


if __name__ == "__main__":
    sys.exit(main())
