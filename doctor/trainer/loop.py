"""The training itself: read the data, build model and engine, make the updates, evaluate."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from doctor.trainer.checkpoints import BEST, Checkpoints, State, refuse_other_recipe
from doctor.trainer.config import batch_sizes, learning_rate, warms_up
from doctor.trainer.data import Data
from doctor.trainer.engine import (
    Facts,
    build_engine,
    facts_after_step,
    grad_norm_before_step,
    loss_scale,
    with_scaling,
)
from doctor.trainer.evaluating import evaluated, evaluation_loss, on_device
from doctor.trainer.interruption import Interruption, postponed
from doctor.trainer.memory import Peak, limited
from doctor.trainer.models import build, model_name
from doctor.trainer.objective import objective, with_cutmix
from doctor.trainer.order import Order
from doctor.trainer.progress import Observer
from doctor.trainer.ranks import Ranks
from doctor.trainer.rates import rate_ratio, warming
from doctor.trainer.recipe import Job
from doctor.trainer.tracing import Trace
from doctor.watching import here

CHECKPOINTS, RUN = "checkpoints", "run"
SEED_STRIDE = 1_000_003


def train(job: Job, data: Data, ranks: Ranks, trace: Trace, observer: Observer) -> None:
    """Train as a job says; what happens is told to the trace, also where it ends in an exception."""
    training = Training(job, data, ranks, trace)
    done = training.begin()
    peak = Peak(ranks.device)
    # The limit holds while the recorder looks at what took the memory, so it is the outer one.
    with limited(job.device_bytes, ranks.device), training.watched():
        try:
            training.build()
            observer.begun(job.recipe.steps, done)
            training.run(observer)
        finally:
            trace.peak_bytes = peak.bytes()  # before the diagnosis, which takes memory of its own
    trace.evaluations = evaluated(training.engine, data, job, ranks)


class Training:
    """A training under way.

    Attributes
    ----------
    engine : DeepSpeedEngine
        Once built.
    """

    engine: Any

    def __init__(self, job: Job, data: Data, ranks: Ranks, trace: Trace) -> None:
        self.job, self.recipe, self.data, self.ranks, self.trace = job, job.recipe, data, ranks, trace
        self.micro, self.accumulation, rows = batch_sizes(self.recipe, ranks.world)
        classes = data.train.targets if self.recipe.oversample and data.task == "classification" else None
        self.order = Order(len(data.train), rows, self.recipe.seed, classes)
        self.objective = objective(data, self.recipe, ranks.device)
        self.checkpoints = Checkpoints(Path(job.output, CHECKPOINTS), ranks)
        self.step, self.rate = 0, 0.0
        self.watch: here.Watch | None = None
        self.newest: Path | None = None
        self.best, self.without_better = float("inf"), 0

    def build(self) -> None:
        """Build the model and the engine around it."""
        torch.manual_seed(self.recipe.seed)
        model = build(self.data, self.recipe).to(self.ranks.device)
        self.trace.model = model_name(self.data, self.recipe)
        self.trace.parameters = sum(weight.numel() for weight in model.parameters())
        self.engine, notes = build_engine(model, self.recipe, self.ranks)
        self.trace.notes += notes
        if self.newest is not None:
            self.checkpoints.load(self.engine, self.newest.name)

    def begin(self) -> int:
        """Find the newest checkpoint where the job says so; return the updates made until then."""
        self.checkpoints.begin(resume=self.job.resume)
        self.newest = self.checkpoints.newest()
        if self.newest is not None:
            state = self.checkpoints.state(self.newest.name)
            refuse_other_recipe(state, self.recipe, self.newest)
            self.step = state.step
            self.trace.restore(state.trace)
            self.best, self.without_better = state.best, state.without_better
        return self.step

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Record the run while the block lasts, unless somebody does already."""
        if not self.job.watched or here.being_watched():
            yield
            return
        if self.ranks.world > 1:
            self.trace.notes.append("not recorded: several ranks are watched by `doctor watch -- torchrun …`")
            yield
            return
        taken = len(list(Path(self.job.output).glob(f"{RUN}*")))
        folder = Path(self.job.output, f"{RUN}-{taken + 1}" if taken else RUN)
        with here.watch(run_dir=folder, quiet=True, complete=True) as watch:
            self.trace.run_dir = str(folder)
            self.watch = watch
            yield

    def run(self, observer: Observer) -> None:
        """Make the updates that are left.

        Raises
        ------
        KeyboardInterrupt
            When somebody interrupts, after the update at hand; a checkpoint of it is there then.
        """
        # Ranks would stop at different updates, and those that go on would wait for the others for ever.
        with postponed(self.ranks.world == 1) as interruption:
            self._run(observer, interruption)
        if self.recipe.early_stopping and self.best < float("inf"):
            self.checkpoints.load(self.engine, BEST)
            self.trace.notes.append(f"went back to the best weights: loss {self.best:.4g} on validation")
            if self.watch is not None:  # which hears of evaluations by itself, but not of those that were undone
                self.watch.log(evaluation_loss=self.best)

    def _run(self, observer: Observer, interruption: Interruption) -> None:
        while self.step < self.recipe.steps:
            facts = self.update()
            self.step += 1
            self.trace.add(self.step, facts)
            observer.stepped(self.step, facts.loss)
            if self.recipe.evaluate_every and self.step % self.recipe.evaluate_every == 0 and self.evaluate():
                break
            stop = interruption.asked
            last = stop or self.step == self.recipe.steps
            if self.job.checkpoint_every and (last or self.step % self.job.checkpoint_every == 0):
                self.checkpoints.save_step(self.engine, self.state())
            if stop:
                raise KeyboardInterrupt

    def state(self) -> State:
        """Return what a checkpoint of this moment holds besides the weights."""
        return State(
            step=self.step,
            recipe=self.recipe,
            trace=self.trace.kept(),
            best=self.best,
            without_better=self.without_better,
        )

    def update(self) -> Facts:
        """Make one update from its micro-batches."""
        # All that is random in an update follows from its number, so a resumed run needs no generator's state.
        torch.manual_seed((self.recipe.seed * SEED_STRIDE + self.step) * self.ranks.world + self.ranks.rank)
        rows = self.order.of(self.step).reshape(self.accumulation, self.ranks.world, self.micro)[:, self.ranks.rank]
        base = self.set_rate()
        scale, loss, norm = loss_scale(self.engine), 0.0, None
        self.engine.train()
        for micro in rows:
            inputs, targets = self.batch(micro)
            criterion = self.objective
            if self.recipe.cutmix and "images" in inputs:
                inputs["images"], criterion = with_cutmix(criterion, inputs["images"], targets)
            value = criterion(self.engine(**inputs), targets)
            self.engine.backward(with_scaling(self.engine, value))
            loss += float(value.detach()) / self.accumulation
            if self.engine.is_gradient_accumulation_boundary():
                norm = grad_norm_before_step(self.engine)
            self.engine.step()
        facts = facts_after_step(self.engine, self.ranks.mean(loss), self.rate, scale, norm)
        if facts.skipped and base is not None:
            self._set(base)  # DeepSpeed's scheduler does not go on after a skipped update
        return facts

    def batch(self, rows: Any) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
        """Return inputs and targets of some rows of train, on the device."""
        return on_device(self.data.train.chosen(rows), self.ranks.device)

    def set_rate(self) -> float | None:
        """Set the rate of the update to come; return what it was where a scheduler of DeepSpeed's decides."""
        scheduler = self.recipe.config.get("scheduler")
        if scheduler is None:
            self._set(learning_rate(self.recipe) * rate_ratio(self.recipe, self.step) * warming(self.recipe, self.step))
            return None
        base = float(self.engine.optimizer.param_groups[0]["lr"])
        self._set(base if warms_up(scheduler) else base * warming(self.recipe, self.step))
        return base

    def _set(self, rate: float) -> None:
        self.rate = rate
        for group in self.engine.optimizer.param_groups:
            group["lr"] = rate

    def evaluate(self) -> bool:
        """Evaluate on the way; return whether there was no better loss for too long."""
        split = "validation" if "validation" in self.data.evaluated else next(iter(self.data.evaluated), None)
        if split is None:
            return False
        loss = evaluation_loss(self.engine, self.data, self.data.evaluated[split], self.job, self.ranks)
        self.trace.evaluated(self.step, split, loss)
        if not self.recipe.early_stopping or split != "validation":
            return False
        if loss < self.best:
            self.best, self.without_better = loss, 0
            self.checkpoints.save(self.engine, BEST, self.state())
            return False
        self.without_better += 1
        return self.without_better >= self.recipe.early_stopping
