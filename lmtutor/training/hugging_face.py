"""The same training with Hugging Face's `Trainer`, for models of `transformers` and `peft`.

`Trainer` brings its own order of the examples, AdamW with decay for all but norms and biases, a
learning rate that falls along a line, the seed 42, and an evaluation loss that is a mean of the
batches' means, whatever their sizes. Here it gets the batches, the optimiser, the learning
rates and the mean per target of `fit_model`, so that both bring twins to the same weights. Left
out: several processes, early stopping (`EarlyStoppingCallback` does it), reports to other
programs.

Letters in the shapes: B rows of a batch, T positions, V vocabulary, N examples in all, C
classes.
"""

import functools
import inspect
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, IterableDataset

from lmtutor.data.batches import IGNORED, Batch, Batches
from lmtutor.data.labelled_batches import LabelledBatch
from lmtutor.files import PathLike
from lmtutor.metrics import accuracy, f1, matthews_correlation
from lmtutor.models.bert_heads import check_classes
from lmtutor.models.language_model import check_ids
from lmtutor.training.config import TrainingConfig
from lmtutor.training.loop import DivergedError, modes_kept
from lmtutor.training.schedules import learning_rate_at

if TYPE_CHECKING:
    from transformers import EvalPrediction, Trainer

_SAVE_EVERY = 100  # steps, where nothing is evaluated


def hugging_face_trainer(
    model: nn.Module,
    batches: Batches,
    config: TrainingConfig,
    validation: Batches | None = None,
    *,
    output_dir: PathLike,
    compute_metrics: "Callable[[EvalPrediction], dict[str, float]] | None" = None,
    checkpoints: bool = False,
) -> "Trainer":
    """A `transformers.Trainer` that trains as `fit_model` does.

    `trainer.train()` gives the model the batches of `fit_model` in the same order, and its
    optimiser, learning rates, clipping and seed. The loss of a step is the mean over all its
    targets, and `eval_loss` the mean over all of the validation data, as in `evaluate_loss`.
    `trainer.evaluate(others)` takes any `Batches`. Nothing is printed and no bar is shown;
    what happened stands in `trainer.state.log_history`. The caller's random numbers are left as
    they are, and after training each part of the model is in the mode in which it was.

    Args:
        model: of `transformers`, with a head for classes of texts or for the next token, or a
            `PeftModel` around one. It is trained in place.
        batches: `LabelledBatches` for a head for classes, or batches for a language model.
        config: how; without `patience`.
        validation: looked at every `config.evaluate_every` steps and at the end.
        output_dir: a folder, which is made. Without checkpoints nothing is written to it before
            `trainer.save_model()`.
        compute_metrics: more numbers on the validation data, such as `classification_metrics`.
        checkpoints: whether to write one every `config.evaluate_every` steps (without it, every
            100) and at the end, from which `trainer.train(resume_from_checkpoint=True)` goes
            on.

    Raises:
        ValueError: there are no batches, `patience` is set, the model is not of `transformers`
            or has no parameter to train, or the program runs in several processes.
        DivergedError: while training, the loss is no number; the message says at which step.

    Also while training, a ValueError names an id or a class that the model does not have, or
    rows that are longer than what it reads.
    """
    from transformers import PrinterCallback

    if len(batches) < 1:
        raise ValueError("there are no batches to train on")
    if not hasattr(_base_of(model), "get_input_embeddings"):
        raise ValueError(
            f"{type(model).__name__} is no model of transformers; to_hf gives its twin there, "
            "and fit_model trains it as it is"
        )
    if config.patience is not None:
        raise ValueError(
            f"patience is {config.patience}, which only fit_model knows; leave it out and add "
            "transformers.EarlyStoppingCallback"
        )
    _check_alone()
    optimizer = config.make_optimizer(model)
    rates = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: learning_rate_at(step, config) / config.learning_rate
    )
    with _random_numbers_kept():  # Trainer sets seeds when it is made
        trainer: Trainer = _trainer_class()(
            model=model,
            args=_arguments(model, batches, config, validation, output_dir, checkpoints),
            train_dataset=batches,
            eval_dataset=validation,
            compute_metrics=compute_metrics,
            optimizers=(optimizer, rates),
            callbacks=[
                _flow_class()(len(batches) / config.accumulation, validation is not None)
            ],
        )
    trainer.remove_callback(PrinterCallback)
    return trainer


def classification_metrics(eval_prediction: "EvalPrediction") -> dict[str, float]:
    """The accuracy, the F1 score (macro: the mean over the classes) and the Matthews
    correlation, for `compute_metrics`.

    Args:
        eval_prediction: with the logits, (N, C), and the true classes, (N,).

    Raises:
        ValueError: the logits are no matrix of numbers, or the classes do not fit.

    >>> from transformers import EvalPrediction
    >>> logits, classes = np.array([[2.0, 1.0], [0.0, 3.0], [1.0, 0.5]]), np.array([0, 1, 1])
    >>> scores = classification_metrics(EvalPrediction(predictions=logits, label_ids=classes))
    >>> {name: round(score, 2) for name, score in scores.items()}
    {'accuracy': 0.67, 'f1': 0.67, 'matthews_correlation': 0.5}
    """
    logits = eval_prediction.predictions
    logits = np.asarray(logits[0] if isinstance(logits, tuple) else logits)
    if logits.ndim != 2 or not np.isfinite(logits).all():
        raise ValueError(
            f"the logits have shape {logits.shape}, and {int((~np.isfinite(logits)).sum())} of "
            "them are no finite numbers; there should be one row of C numbers for each text"
        )
    classes, size = np.asarray(eval_prediction.label_ids), logits.shape[1]
    chosen = logits.argmax(axis=1)
    return {
        "accuracy": accuracy(chosen, classes, num_labels=size),
        "f1": float(f1(chosen, classes, num_labels=size)),
        "matthews_correlation": matthews_correlation(chosen, classes, num_labels=size),
    }


def _arguments(
    model: nn.Module,
    batches: Batches,
    config: TrainingConfig,
    validation: Batches | None,
    output_dir: PathLike,
    checkpoints: bool,
) -> Any:
    from transformers import TrainingArguments

    return TrainingArguments(
        output_dir=str(output_dir),
        max_steps=config.num_steps,
        gradient_accumulation_steps=config.accumulation,
        max_grad_norm=config.max_gradient_norm or 0.0,  # which is never, there
        seed=config.seed,
        # These two count for nothing but what Trainer reports of its speed.
        per_device_train_batch_size=getattr(batches, "batch_size", 1),
        per_device_eval_batch_size=getattr(validation, "batch_size", 1),
        eval_strategy="steps" if validation is not None and config.evaluate_every else "no",
        eval_steps=config.evaluate_every,
        save_strategy="steps" if checkpoints else "no",
        save_steps=config.evaluate_every or _SAVE_EVERY,
        logging_strategy="steps",
        logging_steps=1,
        logging_nan_inf_filter=False,  # which would hide them
        report_to="none",
        disable_tqdm=True,
        label_names=["labels"],
        remove_unused_columns=False,
        # Trainer writes this into the model's configuration, where it is kept and saved.
        use_cache=bool(getattr(getattr(model, "config", None), "use_cache", False)),
    )


@functools.cache
def _trainer_class() -> Any:
    """The class, made when it is first asked for, as `transformers` takes seconds to import."""
    from transformers import Trainer

    class BatchTrainer(Trainer):
        """A `Trainer` that reads `Batches` and computes the loss itself."""

        loss_is_scaled_for_ga = True  # it is a mean over all targets of a step

        def train(self, *args: Any, **kwargs: Any) -> Any:
            model: Any = self.model
            with _random_numbers_kept(), modes_kept(model):
                torch.manual_seed(self.args.seed)
                return super().train(*args, **kwargs)

        def get_train_dataloader(self) -> DataLoader:
            return _loader(_Examples(self.model, self.train_dataset, endless=True))

        def get_eval_dataloader(self, eval_dataset: Any = None) -> DataLoader:
            batches = self.eval_dataset if eval_dataset is None else eval_dataset
            if not isinstance(batches, Batches):
                raise ValueError(f"give Batches to evaluate on, not {type(batches).__name__}")
            return _loader(_Examples(self.model, batches, endless=False))

        def get_test_dataloader(self, test_dataset: Any) -> DataLoader:
            return self.get_eval_dataloader(test_dataset)

        def get_batch_samples(
            self, epoch_iterator: Iterator[Any], num_batches: int, device: torch.device
        ) -> tuple[list[Any], Tensor]:
            samples = [next(epoch_iterator) for _ in range(num_batches)]
            count = sum(_num_targets(sample["labels"]) for sample in samples)
            if count == 0:
                step = self.state.global_step + 1
                raise ValueError(f"the batches of step {step} hold no targets")
            return samples, torch.tensor(count, device=device)

        def compute_loss(
            self,
            model: nn.Module,
            inputs: dict[str, Any],
            return_outputs: bool = False,
            num_items_in_batch: Tensor | int | None = None,
        ) -> Any:
            labels = inputs["labels"]
            outputs = model(**{name: one for name, one in inputs.items() if name != "labels"})
            total = _summed_loss(outputs.logits, labels)
            count = num_items_in_batch or _num_targets(labels)
            if model.training and not total.isfinite():
                step = self.state.global_step + 1
                raise DivergedError(
                    f"at step {step} the loss is {float(total.detach()) / int(count)}; begin "
                    "anew with a smaller learning_rate or max_gradient_norm"
                )
            return (total / count, outputs) if return_outputs else total / count

        def prediction_step(
            self,
            model: nn.Module,
            inputs: dict[str, Any],
            prediction_loss_only: bool,
            ignore_keys: list[str] | None = None,
        ) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
            inputs = self._prepare_inputs(inputs)
            with torch.no_grad():
                loss, outputs = self.compute_loss(model, inputs, return_outputs=True)
            # Trainer takes the mean of what it gets here, and so gets the loss of each target.
            losses = loss.repeat(_num_targets(inputs["labels"]))
            if prediction_loss_only:
                return losses, None, None
            return losses, outputs.logits, inputs["labels"]

    return BatchTrainer


@functools.cache
def _flow_class() -> Any:
    """The class, made when it is first asked for."""
    from transformers import TrainerCallback

    class Flow(TrainerCallback):
        """Looks at the validation data at the end, and counts epochs: to `Trainer`, all
        batches are one.
        """

        def __init__(self, steps_per_epoch: float, evaluates: bool):
            self.steps_per_epoch, self.evaluates = steps_per_epoch, evaluates

        def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> Any:
            state.epoch = state.global_step / self.steps_per_epoch
            if state.global_step >= state.max_steps and self.evaluates:
                control.should_evaluate = True
            return control

    return Flow


class _Examples(IterableDataset):
    """Batches as the keyword arguments of a model of `transformers`; without end, if they are
    to train on.
    """

    def __init__(self, model: Any, batches: Any, endless: bool):
        base = _base_of(model)
        self.batches, self.endless = batches, endless
        self.has_segments = "token_type_ids" in inspect.signature(base.forward).parameters
        self.vocab_size = int(base.get_input_embeddings().num_embeddings)
        self.num_labels = int(base.config.num_labels)
        self.context_length = getattr(base.config, "max_position_embeddings", None)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        number = 0
        while number == 0 or self.endless:
            yield from map(self._keywords, self.batches.epoch(number))
            number += 1

    def _keywords(self, batch: Any) -> dict[str, Any]:
        if isinstance(batch, LabelledBatch | Batch):
            check_ids(batch.inputs, self.vocab_size)
            length = batch.inputs.shape[1]
            if self.context_length is not None and length > self.context_length:
                raise ValueError(
                    f"the rows have {length} positions, and the model reads up to "
                    f"{self.context_length}; cut them"
                )
        if isinstance(batch, LabelledBatch):
            check_classes(batch.labels, len(batch.inputs), self.num_labels)
            inputs = {"input_ids": batch.inputs, "attention_mask": batch.mask.long()}
            segments = {"token_type_ids": batch.segments} if self.has_segments else {}
            return {**inputs, **segments, "labels": batch.labels}
        if isinstance(batch, Batch):
            # The targets are those of each position, and padding comes after all of them.
            return {"input_ids": batch.inputs, "use_cache": False, "labels": batch.targets}
        raise ValueError(
            f"the batches are of the kind {type(batch).__name__}; there can be LabelledBatch, "
            "for classes, and Batch, for the next token"
        )


def _base_of(model: Any) -> Any:
    """The model of `transformers` in a `PeftModel`, or else the model."""
    return model.get_base_model() if hasattr(model, "get_base_model") else model


def _loader(examples: _Examples) -> DataLoader:
    # With a generator of its own it leaves the random numbers of the training alone.
    return DataLoader(examples, batch_size=None, generator=torch.Generator())


def _summed_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """(B, C) and (B,), or (B, T, V) and (B, T) -> a scalar, in nats."""
    if logits.shape[:-1] != labels.shape:
        raise ValueError(
            f"the model gives logits of shape {tuple(logits.shape)} for targets of shape "
            f"{tuple(labels.shape)}; take a model with a head for these targets"
        )
    return F.cross_entropy(
        logits.flatten(0, -2), labels.flatten(), ignore_index=IGNORED, reduction="sum"
    )


def _num_targets(labels: Tensor) -> int:
    return int((labels != IGNORED).sum())


def _check_alone() -> None:
    from accelerate import PartialState

    count = PartialState().num_processes
    if count > 1:
        raise ValueError(
            f"{count} processes would all read the same rows; start one, or use fit_model"
        )


@contextmanager
def _random_numbers_kept() -> Iterator[None]:
    """Python's, NumPy's and PyTorch's random numbers go on afterwards as if nothing had
    happened.
    """
    python, numpy = random.getstate(), np.random.get_state()
    try:
        with torch.random.fork_rng():
            yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)
