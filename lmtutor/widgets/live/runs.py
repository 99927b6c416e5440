"""Trainings that can be watched and stopped. They go through `fit_model`, unchanged.

`fit_model` asks its model for the loss of each batch: the model that is handed to it here tells
the watcher what it answers. Left out: checkpoints, and validation data.
"""

import math
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from lmtutor.data import Batch, RandomWindows, join_documents
from lmtutor.models import (
    GPT,
    GPTConfig,
    LSTMLanguageModel,
    NeuralLanguageModel,
    RecurrentConfig,
    RNNLanguageModel,
)
from lmtutor.tokenizers import Tokenizer
from lmtutor.training import TrainingConfig, fit_model
from lmtutor.widgets.live.settings import HEAD_SIZE, TrainingRun, TrainingSettings

LENGTH, BATCH_SIZE = 64, 16
_PAUSE = 0.5  # seconds between two pieces of news


class TrainingText:
    """A text as small models read it: windows of 64 tokens, 16 at a time.

    Args:
        documents: to train on.
        tokenizer: a fitted one.

    Raises:
        ValueError: there are no documents, or they do not fill a window.
    """

    def __init__(self, documents: Sequence[str], tokenizer: Tokenizer):
        if isinstance(documents, str):
            raise ValueError("the documents are one string; give a list, such as [text]")
        ids = [tokenizer.encode(document) for document in documents]
        self.vocab_size = tokenizer.vocab_size
        self.bos_id, self.eos_id = tokenizer.bos_id, tokenizer.eos_id
        self.tokens = join_documents(ids, self.bos_id, self.eos_id)  # (N,)
        self.windows(seed=0)  # refuses what is too short

    def windows(self, seed: int) -> RandomWindows:
        """To train on."""
        return RandomWindows(self.tokens, BATCH_SIZE, LENGTH, seed, self.bos_id)

    @property
    def uniform_loss(self) -> float:
        """Of a model that knows nothing: log V, in nats."""
        return math.log(self.vocab_size)

    @property
    def unigram_loss(self) -> float:
        """Of a model that knows how frequent each token is and nothing else, in nats: the
        entropy of these frequencies.
        """
        counts = np.bincount(self.tokens[self.tokens != self.bos_id])
        shares = counts[counts > 0] / counts.sum()
        return float(-(shares * np.log(shares)).sum())


def new_model(settings: TrainingSettings, text: TrainingText) -> NeuralLanguageModel:
    """A model with its first weights, which are the same for the same seed."""
    width, depth, size = settings.hidden_size, settings.num_layers, text.vocab_size
    marks: Any = {"bos_id": text.bos_id, "eos_id": text.eos_id}
    with torch.random.fork_rng():
        torch.manual_seed(settings.seed)
        if settings.kind == "GPT":
            heads = width // HEAD_SIZE
            return GPT(GPTConfig(size, LENGTH, width, depth, heads, **marks))
        kind = {"RNN": RNNLanguageModel, "LSTM": LSTMLanguageModel}[settings.kind]
        return kind(RecurrentConfig(size, width, width, depth, **marks))


def count_parameters(settings: TrainingSettings, text: TrainingText) -> int:
    """The parameters of a model that takes no memory."""
    with torch.device("meta"):
        return new_model(settings, text).num_parameters


def training_config(settings: TrainingSettings) -> TrainingConfig:
    """What `fit_model` is told."""
    steps = settings.num_steps
    return TrainingConfig(
        num_steps=steps,
        learning_rate=settings.learning_rate,
        warmup_steps=steps // 10,
        seed=settings.seed,
    )


def carry_out(
    run: TrainingRun,
    model: NeuralLanguageModel,
    text: TrainingText,
    stopping: threading.Event,
    tell: Callable[[], object],
) -> None:
    """Train in place, write down in `run` what happens, and `tell` from time to time that there
    is news. What goes wrong is news too: in a thread nobody would hear of an exception.
    """
    told = time.monotonic()

    def watch(loss: float) -> None:
        nonlocal told
        if stopping.is_set():
            raise _Stopped
        if math.isfinite(loss):
            run.losses.append(loss)
        if time.monotonic() - told > _PAUSE:
            told = time.monotonic()
            tell()

    windows, config = text.windows(run.settings.seed), training_config(run.settings)
    try:
        fit_model(_Watched(model, watch), windows, config, progress=False)
        run.ended = "finished"
    except _Stopped:
        run.ended = "stopped"
    except Exception as error:
        run.ended = str(error) or type(error).__name__
    tell()


class _Stopped(Exception):
    """The reader has seen enough."""


class _Watched(nn.Module):
    """A model that tells the loss of each batch to a watcher."""

    def __init__(self, model: NeuralLanguageModel, watch: Callable[[float], None]):
        super().__init__()
        self.model, self.watch = model, watch

    def loss(self, batch: Batch) -> Tensor:
        """The model's."""
        loss = self.model.loss(batch)
        self.watch(float(loss.detach()) / batch.num_targets)
        return loss
