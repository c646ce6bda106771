"""Batch sizes that contradict each other, the processes, the trainer or the data.

What it finds
    DeepSpeed configurations in which train_batch_size is no product of train_micro_batch_size_per_gpu,
    gradient_accumulation_steps and a number of processes; trainings whose launcher starts another number of processes
    than these three leave room for; batch sizes and accumulation that DeepSpeed is told otherwise than the trainer that
    calls it; sizes of zero or less; and batches larger than the scanned training set.

Why it matters
    DeepSpeed asserts that train_batch_size is the product of the other two and of the processes, and stops where it is
    not; transformers stops where its arguments and DeepSpeed's differ. Both happen when all machines are up. With a
    batch larger than the data an epoch has one update, or none where last incomplete batches are dropped.

What to do
    Leave train_batch_size out: DeepSpeed works it out. With transformers or accelerate write "auto" for all three.

Thresholds
    None: the arithmetic is exact.

Calibration
    python bench/config_corpora.py: the configurations that six packages ship give no finding. The tests have the
    installed DeepSpeed read the sick patients with the number of processes that is told: it refuses each of them.

Limits
    Processes are known where a launcher's options or accelerate's configuration name them. Where the model is divided
    over processes (tensor, pipeline, sequence or expert parallel) the world of the batch is another, and only what
    holds for every number of processes is said. What stands in variables that a script does not set is unknown.

Source
    DeepSpeedConfig._batch_assertion; HfTrainerDeepSpeedConfig.trainer_config_process in transformers.
"""

from collections.abc import Iterator

from doctor.evidence.setting_names import Quantity
from doctor.evidence.settings_told import DEEPSPEED, TRANSFORMERS, Setting, Setup
from doctor.evidence.setups import Setups
from doctor.evidence.training_rows import TrainingRows
from doctor.model import Advise, AnyRepair, Check, Finding, Safety, Severity, Undecided

CHECK = Check(
    "config/batch-arithmetic",
    Severity.ERROR,
    {
        "impossible": "{where}: train_batch_size {train} is no multiple of {parts}, so DeepSpeed stops with any number "
        "of processes",
        "world": "{where}: train_batch_size {train} is not {micro} × {accumulation} × {world} processes = {product}, "
        "so DeepSpeed stops",
        "trainer": "{where}: {name} is {value}, but the trainer is told {other} ({other_where}), and stops at that",
        "positive": "{where}: {name} is {value}, and must be greater than 0",
        "data": "{where}: an update takes {batch:,} rows, but {table} has {rows:,} to train on",
    },
)


def examine(setups: Setups, rows: TrainingRows | None) -> Iterator[Finding | Undecided]:
    """Do the arithmetic of each training, and state once what several share."""
    if not setups.setups:
        yield CHECK.not_applicable("no training is set up here")
    told: set[tuple[str, str, int]] = set()
    for setup in setups.setups:
        for finding in (*_arithmetic(setup), *_against_trainer(setup), *_against_data(setup, rows)):
            mark = (str(finding.evidence.get("kind")), finding.at.path or "", finding.at.line or 0)
            if mark not in told:
                told.add(mark)
                yield finding


def _arithmetic(setup: Setup) -> Iterator[Finding]:
    train, micro, steps = (
        setup.of(quantity, DEEPSPEED)
        for quantity in (Quantity.TRAIN_BATCH, Quantity.MICRO_BATCH, Quantity.ACCUMULATION)
    )
    for setting in (train, micro, steps):
        if setting is not None and setting.whole is not None and setting.whole <= 0:
            yield CHECK.finding(
                "positive", at=setting.place.location, where=setting.place.short, name=setting.name, value=setting.value
            )
            return
    if train is None or train.whole is None:
        return
    parts = [setting for setting in (micro, steps) if setting is not None and setting.whole is not None]
    product = 1
    for part in parts:
        product *= part.whole or 1
    if parts and train.whole % product:
        yield CHECK.finding(
            "impossible",
            at=train.place.location,
            repair=_without(train, setup, micro, steps),
            where=train.place.short,
            train=train.whole,
            parts=" × ".join(f"{part.name} {part.whole}" for part in parts),
        )
        return
    whole = _per_process(setup, micro, steps)
    if whole is not None and setup.world is not None and train.whole != whole[0] * whole[1] * setup.world:
        yield CHECK.finding(
            "world",
            at=train.place.location,
            repair=_without(train, setup, micro, steps),
            where=train.place.short,
            train=train.whole,
            micro=whole[0],
            accumulation=whole[1],
            world=setup.world,
            product=whole[0] * whole[1] * setup.world,
        )


def _per_process(setup: Setup, micro: Setting | None, steps: Setting | None) -> tuple[int, int] | None:
    """Return micro-batch and accumulation as DeepSpeed will have them, where both are told to it or to its trainer."""
    numbers = []
    for setting, quantity in ((micro, Quantity.MICRO_BATCH), (steps, Quantity.ACCUMULATION)):
        if setting is not None and setting.auto:
            setting = next((other for other in setup.all(quantity) if not other.auto), None)
        if setting is None or setting.whole is None:
            return None
        numbers.append(setting.whole)
    return numbers[0], numbers[1]


def _without(train: Setting, setup: Setup, micro: Setting | None, steps: Setting | None) -> AnyRepair:
    if setup.trainer == TRANSFORMERS:
        return train.changed("auto", "write auto for train_batch_size: the trainer works it out", Safety.SAFE)
    if micro is not None or steps is not None:
        return train.removed("remove train_batch_size: DeepSpeed works it out", Safety.SAFE)
    return Advise(safety=Safety.MANUAL, summary="leave train_batch_size out")


def _against_trainer(setup: Setup) -> Iterator[Finding]:
    """Transformers stops where DeepSpeed is told another micro-batch or accumulation than itself."""
    if setup.trainer != TRANSFORMERS:
        return
    for quantity in (Quantity.MICRO_BATCH, Quantity.ACCUMULATION):
        setting = setup.of(quantity, DEEPSPEED)
        others = [other for other in setup.all(quantity) if other.origin != DEEPSPEED]
        if setting is None or setting.whole is None or not others or others[0].whole in (None, setting.whole):
            continue
        yield CHECK.finding(
            "trainer",
            at=setting.place.location,
            repair=setting.changed("auto", f"write auto for {setting.name}: the trainer fills it in", Safety.SAFE),
            where=setting.place.short,
            name=setting.name,
            value=setting.whole,
            other=others[0].shown,
            other_where=others[0].place.short,
        )


def _against_data(setup: Setup, rows: TrainingRows | None) -> Iterator[Finding]:
    batch = setup.global_batch
    if batch is None or rows is None or rows.rows is None or batch <= rows.rows:
        return
    setting = setup.get(Quantity.MICRO_BATCH) or setup.get(Quantity.TRAIN_BATCH)
    if setting is not None:
        yield CHECK.finding(
            "data",
            at=setting.place.location,
            severity=Severity.WARNING,
            repair=Advise(safety=Safety.MANUAL, summary="make the batch a small part of the data"),
            where=setting.place.short,
            batch=batch,
            table=rows.shown,
            rows=rows.rows,
        )
