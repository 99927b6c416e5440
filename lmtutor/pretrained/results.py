"""What long runs with models of others have found, kept beside the weights.

Each comes from a script in `lmtutor/weights` that makes it anew. Left out: anything that a page
can compute in its minute and a half.
"""

import json
import random
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lmtutor.files import load_arrays
from lmtutor.pretrained.own import WEIGHTS

if TYPE_CHECKING:
    from datasets import Dataset

SCORES_KIND = "scores of reviews"
REVIEW_ANSWERS = ("negative", "positive")
"""What stands for the labels 0 (rotten) and 1 (fresh) in a prompt."""
EMPTY_REVIEWS = ("N/A", "[MASK]", "")
"""Texts with nothing to judge, by which a model is calibrated."""
_POOL = 2_000  # of the first training reviews, from which examples are drawn
_LENGTHS = range(60, 161)  # of the examples, in characters


@dataclass(frozen=True)
class ShotScores:
    """What SmolLM2 said of reviews, with some examples in the prompt."""

    split: str
    """Reviews: "train"; "validation", the first 250; "test", the first 400; "all-test"."""
    shots: int
    """How many examples stood in the prompt."""
    seed: int
    """Of the examples; see `review_examples`."""
    log_probs: np.ndarray
    """(N, 2) ln P of the two `REVIEW_ANSWERS`, in the order of the rows of the split."""
    content_free: np.ndarray
    """(M, 2) the same for the texts of `EMPTY_REVIEWS`."""


@dataclass(frozen=True)
class LearningCurvePoint:
    """One training on a part of the reviews."""

    method: str
    num_examples: int
    seed: int
    accuracy: float
    """On all of the test."""
    seconds: float
    """Of one core, for the training."""


def review_examples(train: "Dataset", shots: int, seed: int) -> list[tuple[str, str]]:
    """Reviews with their answers for a prompt, half of them rotten and half fresh if `shots` is
    even, in random order.

    Args:
        train: `load_task("rotten_tomatoes")["train"]`.
        shots: how many.
        seed: of the draw.

    Raises:
        ValueError: shots is below 0, or there are too few reviews.
    """
    if shots < 0:
        raise ValueError(f"shots is {shots}; the smallest is 0")
    generator = random.Random(seed)
    rows = list(zip(train["text"][:_POOL], train["label"][:_POOL], strict=True))
    kinds = [
        [text for text, label in rows if label == kind and len(text) in _LENGTHS]
        for kind in (0, 1)
    ]
    if min(map(len, kinds)) < shots:
        raise ValueError(
            f"there are {len(kinds[0])} rotten and {len(kinds[1])} fresh reviews of a fitting "
            f"length, too few for {shots} examples"
        )
    first = generator.randrange(2)
    labels = [(first + number) % 2 for number in range(shots)]
    drawn = [generator.sample(kind, shots) for kind in kinds]
    examples = [
        (drawn[label][number], REVIEW_ANSWERS[label]) for number, label in enumerate(labels)
    ]
    generator.shuffle(examples)
    return examples


def load_shot_scores(path: Path | None = None) -> list[ShotScores]:
    """What `python -m lmtutor.weights.prompt_smollm2` wrote.

    Args:
        path: of its file. None: the one that comes with the package.

    >>> [(one.shots, one.seed) for one in load_shot_scores() if one.split == "all-test"]
    [(2, 2)]
    """
    path = WEIGHTS / "smollm2-reviews" / "scores.safetensors" if path is None else path
    _, arrays = load_arrays(path, SCORES_KIND)
    found = []
    for name, scores in sorted(arrays.items()):
        split, shots, seed, *free = name.split(".")
        if not free:
            content_free = arrays[f"{name}.free"].astype(np.float64)
            found.append(
                ShotScores(
                    split, int(shots), int(seed), scores.astype(np.float64), content_free
                )
            )
    return found


def load_learning_curve(path: Path | None = None) -> list[LearningCurvePoint]:
    """How the accuracy on film reviews grows with the examples, as
    `python -m lmtutor.weights.train_minilm_reviews` found it.

    Args:
        path: of its file. None: the one that comes with the package.

    >>> sorted({point.num_examples for point in load_learning_curve()})[:3]
    [50, 100, 200]
    """
    path = WEIGHTS / "minilm-reviews" / "learning_curve.json" if path is None else path
    rows = json.loads(path.read_text(encoding="utf-8"))
    return [LearningCurvePoint(**row) for row in rows]
