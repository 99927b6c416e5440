"""The training loop.

It stands on Hugging Face's `accelerate`, which finds the device and, under `accelerate launch`,
joins several processes or machines: each then reads its share of the rows of every batch, and
the gradients are those of the whole batch. Left out: mixed precision, which CPUs of the kind
this book runs on do not reward.
"""

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from lmtutor.data.batches import Batches
from lmtutor.files import PathLike
from lmtutor.models.stored import distinct_tensors
from lmtutor.training.checkpoint import (
    Progress,
    describe_training,
    load_checkpoint,
    save_checkpoint,
)
from lmtutor.training.config import TrainingConfig
from lmtutor.training.history import TrainingHistory
from lmtutor.training.schedules import learning_rate_at

if TYPE_CHECKING:
    from accelerate import Accelerator

_SAVE_EVERY = 100  # steps, where nothing is evaluated


class DivergedError(ValueError):
    """The loss or its gradient is no number any more."""


def fit_model(
    model: nn.Module,
    batches: Batches,
    config: TrainingConfig,
    validation: Batches | None = None,
    checkpoint: PathLike | None = None,
    resume: bool = False,
    tensorboard: PathLike | None = None,
    progress: bool = True,
) -> TrainingHistory:
    """Train a model.

    The loss of a step is the mean over all targets of its batches, whichever batch or process
    they are in. The caller's random numbers are left as they are.

    Args:
        model: has `loss(batch)`, the sum of its losses over the targets of a batch, a scalar.
            It is trained in place.
        batches: to train on; epochs follow one another until the steps are done.
        config: how.
        validation: looked at every `config.evaluate_every` steps and at the end.
        checkpoint: a file that is written every `config.evaluate_every` steps (without it,
            every 100) and at the end. Of several processes, each but the first adds its number
            to the name.
        resume: go on from that file if it is there. Only the learning rate and the largest
            length of the gradient may differ from those with which it was made.
        tensorboard: a folder for a log that TensorBoard shows.
        progress: whether to show a bar with the loss and the targets per second.

    Returns:
        What happened.

    Raises:
        ValueError: there is nothing to train on, `patience` is set without validation data, the
            folder of the checkpoint is not there, or the checkpoint is there and `resume` is
            not set, or is not of this training.
        DivergedError: a loss, the gradient or a weight is no number; the message says at which
            step. The last checkpoint stays.
    """
    if len(batches) < 1:
        raise ValueError("there are no batches to train on")
    if config.patience is not None and validation is None:
        raise ValueError("patience waits for a better validation loss: give validation=...")
    with torch.random.fork_rng():
        training = _Training(model, batches, config, validation, checkpoint, resume)
        return training.run(tensorboard, progress)


def evaluate_loss(model: nn.Module, batches: Batches) -> float:
    """The mean loss per target over one epoch, in nats, with nothing random inside the model.

    Raises:
        ValueError: there is no target.
    """
    return _evaluate(_Objective(model), batches, _accelerator())


class _Objective(nn.Module):
    """A model whose `forward` is its loss, for what runs through `forward` is what several
    processes keep in step.
    """

    def __init__(self, model: nn.Module):
        super().__init__()
        self.model = model

    def forward(self, batch: Any) -> Tensor:
        loss: Tensor = self.model.loss(batch)  # type: ignore[operator]
        return loss


def _accelerator() -> "Accelerator":
    from accelerate import Accelerator
    from accelerate.utils import DistributedDataParallelKwargs, GradientAccumulationPlugin

    return Accelerator(
        # The loop divides the loss itself, whatever the environment says.
        gradient_accumulation_plugin=GradientAccumulationPlugin(num_steps=1),
        # The state that a recurrent model carries along is each process's own.
        kwargs_handlers=[DistributedDataParallelKwargs(broadcast_buffers=False)],
    )


@contextmanager
def modes_kept(model: nn.Module) -> Iterator[None]:
    """Every module comes back in the mode, training or not, in which it was."""
    modes = [(module, module.training) for module in model.modules()]
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training


class _Training:
    """One run of `fit_model`."""

    def __init__(
        self,
        model: nn.Module,
        batches: Batches,
        config: TrainingConfig,
        validation: Batches | None,
        checkpoint: PathLike | None,
        resume: bool,
    ):
        self.model, self.batches, self.config = model, batches, config
        self.validation = validation
        self.accelerator = _accelerator()
        self.checkpoint = self._own_file(checkpoint)
        torch.manual_seed(config.seed + self.accelerator.process_index)
        optimizer = config.make_optimizer(model)
        self.objective, self.optimizer = self.accelerator.prepare(_Objective(model), optimizer)
        self.settings: dict[str, Any] = {}
        self.state = Progress(TrainingHistory())
        if self.checkpoint is None:
            return
        # The checksums in it take a reading of all data, so only where they are needed.
        self.settings = describe_training(
            model, config, batches, validation, self.accelerator.num_processes
        )
        if self.checkpoint.exists():
            if not resume:
                raise ValueError(
                    f"{self.checkpoint} is there already: resume=True goes on from it; to "
                    "begin anew, delete it"
                )
            self.state = load_checkpoint(self.checkpoint, model, optimizer, self.settings)

    def _own_file(self, checkpoint: PathLike | None) -> Path | None:
        """Where this process keeps its state."""
        if checkpoint is None:
            return None
        path, number = Path(checkpoint), self.accelerator.process_index
        if not path.parent.is_dir():
            raise ValueError(f"there is no folder {path.parent} for the checkpoint; make it")
        return path.with_name(f"{path.name}.{number}") if number else path

    @property
    def history(self) -> TrainingHistory:
        return self.state.history

    def run(self, tensorboard: PathLike | None, progress: bool) -> TrainingHistory:
        """Take the steps that are left."""
        from tqdm.auto import tqdm

        before, began = self.history.seconds, time.perf_counter()
        source, log = self._upcoming(), _open_log(tensorboard, self.accelerator, self.history)
        # Not disable=False, which would overrule TQDM_DISABLE from the environment.
        hidden = {} if progress and self.accelerator.is_main_process else {"disable": True}
        total, done = self.config.num_steps, self.history.num_steps
        with modes_kept(self.model), log, tqdm(total=total, initial=done, **hidden) as bar:
            self.model.train()
            while self.history.stopped == "not finished":
                self._step([next(source) for _ in range(self.config.accumulation)])
                self._look()
                self.history.seconds = before + time.perf_counter() - began
                log.write(self.history)
                self._save()
                bar.update()
                bar.set_postfix(self._postfix(), refresh=False)
        if self.state.best is not None:
            self.model.load_state_dict(self.state.best, strict=False)
        return self.history

    def _upcoming(self) -> Iterator[Any]:
        """Batches for ever, from where the training stands, which it keeps up to date."""
        state = self.state
        while True:
            began = state.epoch
            for batch in self.batches.epoch(state.epoch, state.batch):
                state.batch += 1
                if state.batch == len(self.batches):
                    state.epoch, state.batch = state.epoch + 1, 0
                yield batch
            if state.epoch == began:
                raise ValueError(
                    f"epoch {began} ended after {state.batch} batches, and should have "
                    f"{len(self.batches)}"
                )

    def _step(self, batches: list[Any]) -> None:
        """One step of the optimiser over one or more batches."""
        accelerator, history, step = self.accelerator, self.history, self.history.num_steps
        count = sum(batch.num_targets for batch in batches)
        if count == 0:
            raise ValueError(f"the batches of step {step + 1} hold no targets")
        rate = learning_rate_at(step, self.config)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.zero_grad()
        total = torch.zeros(())
        for number, batch in enumerate(batches):
            last = number == len(batches) - 1
            with accelerator.no_sync(self.objective) if not last else nullcontext():
                loss = self._share_of(batch)
                # Gradients are averaged over the processes, and should be summed.
                accelerator.backward(loss * (accelerator.num_processes / count))
            total = total.to(loss) + loss.detach()
        loss = float(accelerator.reduce(total, "sum")) / count
        norm = float(
            accelerator.clip_grad_norm_(
                self.model.parameters(), self.config.max_gradient_norm or math.inf
            )
        )
        if not (math.isfinite(loss) and math.isfinite(norm)):
            raise DivergedError(self._diverged(loss, norm, step, rate))
        self.optimizer.step()
        history.losses.append(loss)
        history.learning_rates.append(rate)
        history.gradient_norms.append(norm)
        history.num_targets += count

    def _share_of(self, batch: Any) -> Tensor:
        """The summed loss of this process's rows."""
        accelerator = self.accelerator
        mine = batch.share(accelerator.process_index, accelerator.num_processes)
        weight = 0 if mine is None else 1  # with fewer rows than processes, add nothing
        rows = batch.share(0, 1) if mine is None else mine
        loss: Tensor = self.objective(rows.to(accelerator.device)) * weight
        return loss

    def _diverged(self, loss: float, norm: float, step: int, rate: float) -> str:
        return (
            f"at step {step + 1} the loss is {loss} and the length of its gradient {norm}, "
            f"with a learning rate of {rate:.3g}; {self._way_out()}"
        )

    def _way_out(self) -> str:
        advice = "a smaller learning_rate or max_gradient_norm"
        if self.checkpoint is not None and self.checkpoint.exists():
            return (
                f"the last good state is in {self.checkpoint}: go on from it (resume=True) "
                f"with {advice}"
            )
        return f"there is no checkpoint; begin anew with {advice}"

    def _look(self) -> None:
        """Look at the validation data where it is time, and see whether this is the end."""
        config, history, step = self.config, self.history, self.history.num_steps
        done = step == config.num_steps
        if self.validation is not None and (
            done or (config.evaluate_every and step % config.evaluate_every == 0)
        ):
            loss = _evaluate(self.objective, self.validation, self.accelerator)
            if not math.isfinite(loss):
                raise DivergedError(
                    f"after step {step} the loss on the validation data is {loss}; "
                    f"{self._way_out()}"
                )
            history.validation_steps.append(step)
            history.validation_losses.append(loss)
            if config.patience is not None:
                if history.waited == 0:
                    self.state.best = _copy(self.model)
                if history.waited >= config.patience:
                    history.stopped = "no improvement"
        if done and history.stopped == "not finished":
            history.stopped = "finished"

    def _save(self) -> None:
        """Write the checkpoint where it is time."""
        step, every = self.history.num_steps, self.config.evaluate_every or _SAVE_EVERY
        if self.checkpoint is None or (step % every and self.history.stopped == "not finished"):
            return
        if not all(parameter.isfinite().all() for parameter in self.model.parameters()):
            raise DivergedError(
                f"after step {step} a weight is no finite number; {self._way_out()}"
            )
        optimizer = self.optimizer.optimizer
        save_checkpoint(self.checkpoint, self.model, optimizer, self.state, self.settings)
        self.accelerator.wait_for_everyone()

    def _postfix(self) -> dict[str, str]:
        history = self.history
        speed = history.num_targets / max(history.seconds, 1e-9)
        return {"loss": f"{history.losses[-1]:.3f}", "targets/s": f"{speed:,.0f}"}


def _evaluate(objective: nn.Module, batches: Batches, accelerator: "Accelerator") -> float:
    """Summed over all processes; leaves the model as it found it."""
    model = accelerator.unwrap_model(objective)
    buffers = {name: buffer.clone() for name, buffer in model.named_buffers()}
    total = torch.zeros(2, dtype=torch.float64)
    try:
        with modes_kept(model), torch.no_grad():
            model.eval()
            for batch in batches.epoch(0):
                mine = batch.share(accelerator.process_index, accelerator.num_processes)
                if mine is not None:
                    loss = float(model(mine.to(accelerator.device)))
                    total += torch.tensor([loss, mine.num_targets], dtype=torch.float64)
    finally:
        for name, buffer in buffers.items():
            owner, _, last = name.rpartition(".")
            setattr(model.get_submodule(owner), last, buffer)
    if accelerator.num_processes > 1:
        total = accelerator.reduce(total.to(accelerator.device), "sum")
    loss, count = map(float, total)
    if not count:
        raise ValueError("there are no targets to evaluate on")
    return loss / count


def _copy(model: nn.Module) -> dict[str, Tensor]:
    return {
        name: tensor.detach().cpu().clone() for name, tensor in distinct_tensors(model).items()
    }


class _Log:
    """A TensorBoard log, or nothing."""

    def __init__(self, writer: Any = None):
        self.writer = writer

    def __enter__(self) -> "_Log":
        return self

    def __exit__(self, *_: object) -> None:
        if self.writer is not None:
            self.writer.close()

    def write(self, history: TrainingHistory) -> None:
        """The numbers of the last step."""
        if self.writer is None:
            return
        step = history.num_steps
        self.writer.add_scalar("loss/training", history.losses[-1], step)
        self.writer.add_scalar("learning_rate", history.learning_rates[-1], step)
        self.writer.add_scalar("gradient_norm", history.gradient_norms[-1], step)
        self.writer.add_scalar(
            "targets_per_second", history.num_targets / history.seconds, step
        )
        if history.validation_steps[-1:] == [step]:
            self.writer.add_scalar("loss/validation", history.validation_losses[-1], step)


def _open_log(
    folder: PathLike | None, accelerator: "Accelerator", history: TrainingHistory
) -> _Log:
    if folder is None or not accelerator.is_main_process:
        return _Log()
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise ModuleNotFoundError(
            "the log needs TensorBoard; run: python -m pip install tensorboard"
        ) from error
    return _Log(SummaryWriter(str(folder), purge_step=history.num_steps + 1))
