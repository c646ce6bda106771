"""A large model that is trained in full on a small device, with nothing that spares memory.

What it finds
    A device of less than 24 GB, and beside the configuration of a training the config.json of a model whose weights,
    trained plainly with Adam, take more than the whole device (16 bytes each), where the training neither shards them
    (ZeRO stage 3) nor keeps them in the host's memory, and its optimizer has 32-bit states.

Why it matters
    No batch size and no sequence length makes it fit, so what is tried first, a smaller batch, is lost time.

What to do
    Train adapters (LoRA, or QLoRA on weights in 4 bits), keep states in the host's memory (ZeRO offload), spread them
    over several devices (ZeRO stage 3), or take a smaller model.

Thresholds
    max_device_gb: of a device that is called small (24.0).
    bytes_per_weight: of plain training with Adam (16.0): weights, gradients, two moments, and either all in 32 bits or
    with a 32-bit copy of the weights.

Calibration
    16 bytes is what a DeepSpeed engine and torch hold, within 1 %: `python bench/estimate_deepspeed.py`.

Limits
    Nothing is said without the device's memory (--device-memory, or device-memory in the settings). Adapters and
    weights in 8 or 4 bits are known by the names of peft, trl, axolotl and LLaMA-Factory in the configurations alone;
    where the program sets them up, the finding is wrong.

Source
    Rajbhandari et al. (2020), "ZeRO", section 3.1: 16 bytes for each weight; Hu et al. (2022), LoRA; Dettmers et al.
    (2023), QLoRA.
"""

from collections.abc import Iterator

from doctor.evidence.memory_needs import MemoryNeeds
from doctor.model import Advise, Check, Finding, Location, Safety, Severity, Undecided

CHECK = Check(
    "config/small-device-large-model",
    Severity.WARNING,
    "{parameters:,} parameters are trained in full on a device with {device_gb:.1f} GB: at {bytes_per_weight:g} bytes"
    " each they take {plain_gb:.1f} GB, and nothing here shards or offloads them",
    leads_to=("config/memory-estimate",),
)
ADVICE = Advise(
    summary="train adapters (LoRA), offload or shard with ZeRO stage 3, or take a smaller model", safety=Safety.MANUAL
)


def examine(
    needs: MemoryNeeds,
    *,
    max_device_gb: float = 24.0,  # the guides' line between consumer and server cards
    bytes_per_weight: float = 16.0,
) -> Iterator[Finding | Undecided]:
    """Judge each training on a small device."""
    for reason in needs.untold:
        yield CHECK.unavailable(reason)
    if needs.device >= max_device_gb * 1e9:
        yield CHECK.not_applicable(f"the device has {max_device_gb:g} GB or more")
        return
    for need in needs.needs:
        plain = bytes_per_weight * need.parameters
        if plain > needs.device and not need.eased:
            yield CHECK.finding(
                at=Location(path=need.path, line=need.line),
                repair=ADVICE,
                model=need.model,
                parameters=need.parameters,
                device_gb=needs.device / 1e9,
                bytes_per_weight=bytes_per_weight,
                plain_gb=plain / 1e9,
            )
