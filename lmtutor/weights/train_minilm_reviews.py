"""Fine-tune MiniLM on film reviews: the adapter "minilm-reviews" and its learning curve.

Run `python -m lmtutor.weights.train_minilm_reviews FOLDER`. It takes about an hour of one core;
cut short, it goes on where it stopped. The points of the curve learn from the verdicts of the
critics alone. The adapter learns from SmolLM2 as well, whose scores of the same reviews
`prompt_smollm2` has left in its folder: a verdict says only on which side a review lies, and a
score how clearly.
"""

import json
import sys
import time
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lmtutor.data import LabelledBatch, LabelledBatches, load_task
from lmtutor.files import write_aside
from lmtutor.layers import add_lora
from lmtutor.metrics import accuracy
from lmtutor.models import BertForClassification
from lmtutor.pretrained import load_minilm, save_adapter
from lmtutor.pretrained.own import WEIGHTS
from lmtutor.pretrained.results import LearningCurvePoint, load_shot_scores
from lmtutor.runtime import set_threads
from lmtutor.training import TrainingConfig, class_probabilities, fit_model, soft_target_loss
from lmtutor.weights.logs import write_log

if TYPE_CHECKING:
    from datasets import Dataset

Reviews = TypeVar("Reviews", bound=LabelledBatches)

SEED = 0
RANK = 8
ALSO = ("bert.pooler", "output")
BATCH_SIZE = 32
EPOCHS, LEAST_SEEN, TAUGHT_EPOCHS = 3, 1_200, 5
LEARNING_RATE = 1e-3
TEMPERATURE, SHARE = 2.0, 0.6
SIZES = {50: 2, 100: 2, 200: 2, 500: 1, 1000: 1, 2000: 1, 10_224: 1}
"""How many trainings for each number of examples of the learning curve; the last is all."""


def main(folder: Path) -> None:
    """Train, and write the learning curve, the adapter and its log into `folder`."""
    set_threads()
    folder.mkdir(parents=True, exist_ok=True)
    points: list[dict[str, object]] = []
    path = folder / "learning_curve.json"
    if path.exists():
        points = json.loads(path.read_text(encoding="utf-8"))
    done = {(point["method"], point["num_examples"], point["seed"]) for point in points}
    for size, seeds in SIZES.items():
        for method, train in {"frozen": train_head, "fine-tuned": fine_tune}.items():
            for seed in range(seeds if method == "fine-tuned" else 1):  # the other is exact
                if (method, size, seed) not in done:
                    points.append(asdict(train(size, seed)))
                    write_aside(path, (json.dumps(points, indent=1) + "\n").encode())
    if not (folder / "adapter.safetensors").exists():
        points.append(asdict(train_adapter(folder)))
        write_aside(path, (json.dumps(points, indent=1) + "\n").encode())


def reviews(split: str, size: int | None = None) -> "Dataset":
    """The first reviews of a split; the order of the rows is as good as random."""
    rows = load_task("rotten_tomatoes", source="package")[split]
    return rows if size is None else rows.select(range(min(size, len(rows))))


def new_classifier(seed: int) -> BertForClassification:
    """MiniLM with a new head."""
    torch.manual_seed(seed)
    return BertForClassification.from_encoder(load_minilm().model, num_labels=2)


def batches_of(
    kind: type[Reviews], split: str, size: int | None = None, seed: int = SEED
) -> Reviews:
    """Reviews for MiniLM."""
    minilm = load_minilm()
    assert minilm.tokenizer is not None
    return kind.from_dataset(
        reviews(split, size),
        minilm.tokenizer,
        vocab_size=minilm.model.vocab_size,
        batch_size=BATCH_SIZE,
        seed=seed,
    )


def training_config(
    batches: LabelledBatches, seed: int, epochs: int = EPOCHS
) -> TrainingConfig:
    """Small data is read more often."""
    steps = max(epochs * len(batches), -(-LEAST_SEEN // BATCH_SIZE))
    return TrainingConfig(
        num_steps=steps,
        learning_rate=LEARNING_RATE,
        weight_decay=0.01,
        warmup_steps=steps // 16,
        seed=seed,
    )


def fine_tune(size: int, seed: int) -> LearningCurvePoint:
    """From the first `size` reviews, by low-rank parts and a new head."""
    model, batches = new_classifier(seed), batches_of(LabelledBatches, "train", size, seed)
    add_lora(model, RANK, also=ALSO)
    history = fit_model(model, batches, training_config(batches, seed))
    correct = accuracy_of(model)
    return LearningCurvePoint("fine-tuned", size, seed, correct, round(history.seconds, 1))


def train_head(size: int, seed: int) -> LearningCurvePoint:
    """From the first `size` reviews, a linear layer on MiniLM as it is: on the mean of the
    vectors of a review, which is what MiniLM was trained to give. Nothing of it is random.
    """
    features, labels = mean_vectors("train")[:size], reviews("train", size)["label"]
    began = time.perf_counter()
    head = nn.Linear(features.shape[1], 2).double()
    nn.init.zeros_(head.weight)
    nn.init.zeros_(head.bias)
    target = torch.tensor(labels)
    optimizer = torch.optim.LBFGS(
        head.parameters(), max_iter=200, line_search_fn="strong_wolfe"
    )

    def loss() -> Tensor:
        optimizer.zero_grad()
        # As scikit-learn's LogisticRegression(C=10), but for a second row of weights.
        value = F.cross_entropy(head(features), target, reduction="sum")
        value = value + head.weight.square().sum() / (2 * 10)
        value.backward()
        return value

    optimizer.step(loss)
    seconds = time.perf_counter() - began
    with torch.no_grad():
        found = head(mean_vectors("test")).argmax(dim=1)
    correct = accuracy(found.numpy(), reviews("test")["label"])
    return LearningCurvePoint("frozen", size, seed, round(correct, 4), round(seconds, 1))


@cache
def mean_vectors(split: str) -> Tensor:
    """(N, E) the mean over the tokens of each review, brought to length 1."""
    model, batches = load_minilm().model, batches_of(LabelledBatches, split)
    vectors = torch.empty(len(batches.rows), model.config.hidden_size, dtype=torch.float64)
    with torch.no_grad():
        for rows, batch in batches.in_order():
            hidden = model.encode(batch.inputs, batch.mask)  # (B, T, E)
            total = (hidden * batch.mask[..., None]).sum(dim=1)
            vectors[rows] = F.normalize(total, dim=1).double()
    return vectors


def accuracy_of(model: BertForClassification) -> float:
    """On all test reviews."""
    batches = batches_of(LabelledBatches, "test")
    found = class_probabilities(model, batches).argmax(dim=1)
    return round(accuracy(found.numpy(), batches.labels), 4)


# --- the adapter, which has a teacher


@dataclass(frozen=True)
class TaughtBatch(LabelledBatch):
    """Texts, the class of each, and what the teacher says of it."""

    teacher: Tensor
    """(B, C) logits, on the scale of log-probabilities."""


class TaughtBatches(LabelledBatches):
    """`LabelledBatches` with a teacher's scores, (N, C)."""

    teacher: np.ndarray

    def _batch(self, numbers: np.ndarray) -> TaughtBatch:
        batch = super()._batch(numbers)
        teacher = torch.from_numpy(self.teacher[numbers]).float()
        return TaughtBatch(batch.inputs, batch.mask, batch.segments, batch.labels, teacher)


class Taught(nn.Module):
    """A classifier that learns from labels and from a teacher, as `Distillation` does."""

    def __init__(self, student: BertForClassification):
        super().__init__()
        self.student = student

    def loss(self, batch: LabelledBatch) -> Tensor:
        """The sum over the rows, in nats; without a teacher, that of the student."""
        if not isinstance(batch, TaughtBatch):
            return self.student.loss(batch)
        logits = self.student(batch.inputs, batch.mask, batch.segments)
        soft = soft_target_loss(logits, batch.teacher, TEMPERATURE)
        hard = F.cross_entropy(logits, batch.labels, reduction="sum")
        return SHARE * soft + (1 - SHARE) * hard


def teacher_scores() -> np.ndarray:
    """(N, C) what SmolLM2 says of the training reviews, moved so that it says "fresh" as often
    as the critics do.
    """
    scores = next(one for one in load_shot_scores() if one.split == "train").log_probs
    labels = np.array(reviews("train")["label"])
    margins = scores[:, 1] - scores[:, 0]
    margins -= np.quantile(margins, 1 - labels.mean())
    return np.stack([np.zeros_like(margins), margins], axis=1)


def train_adapter(folder: Path) -> LearningCurvePoint:
    """From all training reviews, with their verdicts and the teacher."""
    model, batches = new_classifier(SEED), batches_of(TaughtBatches, "train")
    add_lora(model, RANK, also=ALSO)
    batches.teacher = teacher_scores()
    config = training_config(batches, SEED, TAUGHT_EPOCHS)
    checkpoint = folder / "checkpoint.safetensors"
    validation = batches_of(LabelledBatches, "validation")
    history = fit_model(Taught(model), batches, config, validation, checkpoint, resume=True)
    save_adapter(model, folder / "adapter.safetensors", torch.float16)
    correct = accuracy_of(model)
    write_log(folder / "log.json", config, history, BATCH_SIZE, test_accuracy=correct)
    checkpoint.unlink()
    seconds = round(history.seconds, 1)
    return LearningCurvePoint("taught", len(batches.rows), SEED, correct, seconds)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else WEIGHTS / "minilm-reviews")
