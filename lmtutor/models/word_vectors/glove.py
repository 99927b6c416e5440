"""GloVe: vectors whose products fit the logarithms of how often words stand near each other.

Source: Pennington, Socher and Manning 2014, "GloVe: Global Vectors for Word Representation",
section 3, equations 8 and 9, and section 4.2; AdaGrad is that of Duchi et al. 2011, with sums
that start at 1 as in the authors' program. Left out: counting on disk.

Letters in the shapes: P pairs of words with a count, V words, D size of a vector.
"""

import math
from collections.abc import Iterable, Sequence
from typing import Self

import torch
from torch import Tensor
from torch.nn import functional as F
from tqdm.auto import tqdm

from lmtutor.models.word_vectors.pairs import count_cooccurrences, number_words
from lmtutor.models.word_vectors.vectors import (
    TrainedVectors,
    check_above_zero,
    check_at_least,
)


def glove_weights(counts: Tensor, x_max: float = 100.0, alpha: float = 0.75) -> Tensor:
    """f(x) = (x / x_max) ** alpha, at most 1: how much a pair counts (equation 9).

    >>> glove_weights(torch.tensor([1., 100., 5000.]), x_max=100, alpha=0.5)
    tensor([0.1000, 1.0000, 1.0000])
    """
    return (counts / x_max).clamp(max=1.0) ** alpha


def glove_loss(
    words: Tensor,
    contexts: Tensor,
    word_biases: Tensor,
    context_biases: Tensor,
    counts: Tensor,
    x_max: float = 100.0,
    alpha: float = 0.75,
) -> Tensor:
    """f(x) (w.v + b + c - log x)^2, the terms of equation 8, one for each pair.

    Args:
        words: (P, D) w.
        contexts: (P, D) v.
        word_biases: (P,) b.
        context_biases: (P,) c.
        counts: (P,) x, above 0.
        x_max: the count from which on all pairs weigh the same.
        alpha: how fast the weight falls below it.

    Returns:
        (P,)
    """
    errors = (words * contexts).sum(dim=-1) + word_biases + context_biases - counts.log()
    return glove_weights(counts, x_max, alpha) * errors**2


def glove_gradients(
    words: Tensor, contexts: Tensor, targets: Tensor, weights: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """The sum of `glove_loss` over a batch, and half its gradients.

    Args:
        words: (P, D + 2): w, b, 1.
        contexts: (P, D + 2): v, 1, c; so that one product is w.v + b + c.
        targets: (P,) log x.
        weights: (P,) f(x).

    Returns:
        The loss, and half its derivatives by the first two arguments, in their shapes. The half
        is left to the learning rate, as in the authors' program.
    """
    errors = torch.einsum("pd,pd->p", words, contexts) - targets
    pulls = weights * errors  # (P,)
    return (pulls * errors).sum(), pulls[:, None] * contexts, pulls[:, None] * words


class GloVe(TrainedVectors):
    """Weighted least squares on log co-occurrence, by AdaGrad.

    A word's vector is the sum of its two vectors, as word and as context.

    Args:
        size: D.
        window: the largest distance of two words; a pair d places apart counts 1/d.
        x_max: the count from which on all pairs weigh the same.
        alpha: how fast the weight falls below it.
        min_count: rarer words are dropped.
        epochs: how often the pairs are gone through.
        learning_rate: of AdaGrad.
        batch_size: pairs whose gradients are taken at once.
        seed: of everything random.

    Raises:
        ValueError: an argument is too small to make sense.

    >>> text = [["salt", "and", "pepper"], ["salt", "and", "oil"], ["sea", "and", "land"]] * 9
    >>> model = GloVe(size=4, epochs=200).fit(text)
    >>> counted = model.log_counts(["salt"], ["pepper"]).exp()
    """

    kind = "GloVe"
    _OPTIONS = (
        "size",
        "window",
        "x_max",
        "alpha",
        "min_count",
        "epochs",
        "learning_rate",
        "batch_size",
        "seed",
    )
    _TENSORS = ("vectors_", "word_table_", "context_table_")

    word_table_: Tensor
    """(V, D + 2), in each row w, b, and 1."""
    context_table_: Tensor
    """(V, D + 2), in each row v, 1, and c."""
    losses_: list[float]
    """The mean of equation 8 over the pairs, in each epoch. It is not saved."""

    def __init__(
        self,
        size: int = 100,
        window: int = 10,
        x_max: float = 100.0,
        alpha: float = 0.75,
        min_count: int = 5,
        epochs: int = 25,
        learning_rate: float = 0.05,
        batch_size: int = 4096,
        seed: int = 0,
    ):
        check_at_least(1, size=size, window=window, min_count=min_count, epochs=epochs)
        check_at_least(1, batch_size=batch_size)
        check_above_zero(x_max=x_max, alpha=alpha, learning_rate=learning_rate)
        self.size, self.window, self.x_max, self.alpha = size, window, x_max, alpha
        self.min_count, self.epochs = min_count, epochs
        self.learning_rate, self.batch_size, self.seed = learning_rate, batch_size, seed

    def fit(self, sentences: Iterable[Sequence[str]], progress: bool = False) -> Self:
        """Count, and fit the vectors to the counts; returns the model.

        Args:
            sentences: lists of words; may be a generator, which is read once.
            progress: whether to show a bar.

        Raises:
            ValueError: a sentence is a string, fewer than two different words are frequent
                enough, no two of them stand near each other, or the training diverges.
        """
        text = number_words(sentences, self.min_count)
        rows, columns, counts = count_cooccurrences(text, self.window)
        if not len(counts):
            raise ValueError(
                f"no two of the {len(text.words)} known words stand near each other; give "
                "longer sentences, or a smaller min_count"
            )
        self._set_words(text.words)
        targets = counts.log().float()
        weights = glove_weights(counts, self.x_max, self.alpha).float()
        generator = torch.Generator().manual_seed(self.seed)
        self._start(len(text.words), generator)
        with torch.no_grad():
            self.losses_ = [
                self._run_epoch(rows, columns, targets, weights, generator)
                for _ in tqdm(range(self.epochs), "epochs", disable=not progress)
            ]
        del self._sums
        self.vectors_ = (self.word_table_ + self.context_table_)[:, : self.size].contiguous()
        return self

    def log_counts(self, words: Sequence[str], contexts: Sequence[str]) -> Tensor:
        """(P,): what the model says of log x for pairs of words, w.v + b + c.

        Raises:
            ValueError: a word is unknown, or there are not as many of both.
        """
        if len(words) != len(contexts):
            raise ValueError(f"there are {len(words)} words and {len(contexts)} contexts")
        rows = torch.tensor([self.id_of(word) for word in words])
        columns = torch.tensor([self.id_of(word) for word in contexts])
        return (self.word_table_[rows] * self.context_table_[columns]).sum(dim=-1)

    # --- training

    def _start(self, num_words: int, generator: torch.Generator) -> None:
        """Small random numbers, the column of ones in each table, and AdaGrad's sums."""
        tables = (torch.rand(2, num_words, self.size + 2, generator=generator) - 0.5) / (
            self.size + 1
        )
        self.word_table_, self.context_table_ = tables[0].clone(), tables[1].clone()
        self.word_table_[:, -1] = 1
        self.context_table_[:, -2] = 1
        self._sums = torch.ones_like(tables)
        self._sums[0, :, -1] = self._sums[1, :, -2] = float("inf")  # the ones never move

    def _run_epoch(
        self,
        rows: Tensor,
        columns: Tensor,
        targets: Tensor,
        weights: Tensor,
        generator: torch.Generator,
    ) -> float:
        """Once through all pairs in a new order; returns the mean loss."""
        total = 0.0
        for batch in torch.randperm(len(rows), generator=generator).split(self.batch_size):
            row, column = rows[batch], columns[batch]
            loss, of_words, of_contexts = glove_gradients(
                F.embedding(row, self.word_table_),
                F.embedding(column, self.context_table_),
                targets[batch],
                weights[batch],
            )
            self._move(self.word_table_, self._sums[0], row, of_words)
            self._move(self.context_table_, self._sums[1], column, of_contexts)
            total += float(loss)
        if not math.isfinite(total):
            raise ValueError(
                f"the loss is {total}: the steps are too long; take a smaller learning_rate "
                f"than {self.learning_rate:g}"
            )
        return total / len(rows)

    def _move(self, table: Tensor, sums: Tensor, places: Tensor, gradients: Tensor) -> None:
        """AdaGrad: each number's step is divided by the root of the sum of its squared
        gradients so far, those of this batch included.
        """
        sums.index_add_(0, places, gradients**2)
        steps = gradients * F.embedding(places, sums).rsqrt() * -self.learning_rate
        table.index_add_(0, places, steps)
