"""How often a classifier is right, for which classes, how sure it is, and whether it is better
than another.

Sources: Gorodkin 2004, "Comparing two K-category assignments by a K-category correlation
coefficient" (Matthews correlation of more than two classes); Naeini, Cooper and Hauskrecht
2015, "Obtaining Well Calibrated Probabilities Using Bayesian Binning", and Guo et al. 2017, "On
Calibration of Modern Neural Networks", section 2 (expected calibration error); McNemar 1947,
"Note on the sampling error of the difference between correlated proportions or percentages",
in the exact form that Fagerland, Lydersen and Laake 2013, "The McNemar test for binary
matched-pairs data: mid-p and asymptotic are better than exact conditional", describe and find
cautious. Numbers are those of scikit-learn with `labels=range(C)` and `zero_division=0`. Left
out: weights of examples, several classes at once, areas under curves.

Letters in the shapes: N examples, C classes.
"""

import inspect
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from lmtutor.metrics.bootstrap import bootstrap_interval

AVERAGES = ("macro", "micro", None)
"""The mean over classes, all decisions together, or each class by itself."""


@dataclass(frozen=True)
class ClassificationScore:
    """A measure of a whole test set, with the 95% bootstrap interval over its examples."""

    value: float
    low: float
    high: float
    measure: str
    num_examples: int

    def __str__(self) -> str:
        return f"{self.measure} {self.value:.3f} (95%: {self.low:.3f} to {self.high:.3f})"


@dataclass(frozen=True)
class McNemarTest:
    """On how many examples only one of two classifiers is right, and how often chance alone
    would make these two numbers as different.
    """

    first_only: int
    second_only: int
    p_value: float

    def __str__(self) -> str:
        return (
            f"only the first is right on {self.first_only} examples, only the second on "
            f"{self.second_only} (p = {self.p_value:.3g})"
        )


def accuracy(predictions: ArrayLike, labels: ArrayLike, num_labels: int | None = None) -> float:
    """The share of examples whose predicted class is the true one.

    Args:
        predictions: (N,) classes, whole numbers from 0 on.
        labels: (N,) the true ones.
        num_labels: C, if classes outside it are to be refused.

    Raises:
        ValueError: there are no examples, the two differ in number, or a class is no whole
            number from 0 to C - 1.

    >>> accuracy([0, 1, 1, 0], [0, 1, 0, 0])
    0.75
    """
    predicted, true, _ = _checked(predictions, labels, num_labels)
    return float((predicted == true).mean())


def confusion_matrix(
    predictions: ArrayLike, labels: ArrayLike, num_labels: int | None = None
) -> np.ndarray:
    """How many examples of each true class (row) were called each class (column), (C, C).

    Args:
        predictions: (N,) classes, whole numbers from 0 on.
        labels: (N,) the true ones.
        num_labels: C. None: one more than the largest class that occurs.

    Raises:
        ValueError: as `accuracy`.

    >>> confusion_matrix([0, 1, 1, 0], [0, 1, 0, 0]).tolist()
    [[2, 1], [0, 1]]
    """
    predicted, true, size = _checked(predictions, labels, num_labels)
    return np.bincount(true * size + predicted, minlength=size * size).reshape(size, size)


def precision(
    predictions: ArrayLike,
    labels: ArrayLike,
    average: str | None = "macro",
    num_labels: int | None = None,
) -> float | np.ndarray:
    """Of the examples that were called a class, the share that belongs to it.

    Args:
        predictions: (N,) classes, whole numbers from 0 on.
        labels: (N,) the true ones.
        average: "macro", the mean over all C classes, each counting the same; "micro", all
            decisions together, which is the accuracy; None, (C,) for each class.
        num_labels: C. None: one more than the largest class that occurs.

    Returns:
        From 0 to 1. A class that is never predicted has no precision, and counts as 0.

    Raises:
        ValueError: as `accuracy`, or the average is unknown.

    >>> precision([0, 1, 1, 0], [0, 1, 0, 0], average=None).tolist()
    [1.0, 0.5]
    """
    table = confusion_matrix(predictions, labels, num_labels)
    return _averaged(table, average, lambda right, called, there: (right, called))


def recall(
    predictions: ArrayLike,
    labels: ArrayLike,
    average: str | None = "macro",
    num_labels: int | None = None,
) -> float | np.ndarray:
    """Of the examples that belong to a class, the share that was called it.

    Arguments and errors are as those of `precision`. A class without examples has no recall,
    and counts as 0.

    >>> round(recall([0, 1, 1, 0], [0, 1, 0, 0]), 9)  # 2 of 3, and 1 of 1
    0.833333333
    """
    table = confusion_matrix(predictions, labels, num_labels)
    return _averaged(table, average, lambda right, called, there: (right, there))


def f1(
    predictions: ArrayLike,
    labels: ArrayLike,
    average: str | None = "macro",
    num_labels: int | None = None,
) -> float | np.ndarray:
    """The harmonic mean of precision and recall: 2 · right / (called + there).

    Arguments and errors are as those of `precision`. A class that neither occurs nor is
    predicted has no F1, and counts as 0. Macro F1 is the mean of the F1 of the classes, not
    the F1 of the means.

    >>> f1([0, 1, 1, 0], [0, 1, 0, 0], average="micro")
    0.75
    """
    table = confusion_matrix(predictions, labels, num_labels)
    return _averaged(table, average, lambda right, called, there: (2 * right, called + there))


def matthews_correlation(
    predictions: ArrayLike, labels: ArrayLike, num_labels: int | None = None
) -> float:
    """The correlation of what was predicted with what is true: 1 is perfect, 0 is no better
    than a guess that ignores the text, and with two classes -1 is always wrong.

    Where only one class was predicted, or only one is there, the correlation is 0 / 0; it
    counts as 0, as such predictions tell nothing, however often they are right.

    Args:
        predictions: (N,) classes, whole numbers from 0 on.
        labels: (N,) the true ones.
        num_labels: C, if classes outside it are to be refused.

    Raises:
        ValueError: as `accuracy`.

    >>> round(matthews_correlation([0, 1, 1, 0], [0, 1, 0, 0]), 6)
    0.57735
    >>> matthews_correlation([1, 1, 1, 1], [1, 1, 1, 0])  # right on three of four
    0.0
    """
    table = confusion_matrix(predictions, labels, num_labels).astype(float)
    there, called, total = table.sum(axis=1), table.sum(axis=0), table.sum()
    together = table.trace() * total - there @ called
    spread = (total**2 - called @ called) * (total**2 - there @ there)
    return float(together / math.sqrt(spread)) if spread else 0.0


def expected_calibration_error(
    probabilities: ArrayLike, labels: ArrayLike, num_bins: int = 15
) -> float:
    """How far the confidence of a classifier is from its accuracy: 0 where it is right as often
    as it says.

    Guo et al. 2017, section 2: the confidence is the largest probability of an example. From 0
    to 1 lie M bins of equal width, bin m from above (m - 1) / M to m / M inclusive. In each the
    mean confidence is held against the accuracy, and the differences are averaged over the
    examples. (Naeini et al. take the probability of one of two classes instead.) The number
    depends on M: report it.

    Args:
        probabilities: (N, C), each row of sum 1.
        labels: (N,) the true classes, from 0 to C - 1.
        num_bins: M, 15 as in that paper.

    Raises:
        ValueError: there are no examples or bins, a row is no distribution, there is not one
            label for each row, or a label is no whole number from 0 to C - 1.

    >>> round(expected_calibration_error([[0.1, 0.9]] * 4, [1, 1, 1, 0]), 9)  # right on 3 of 4
    0.15
    """
    if num_bins < 1:
        raise ValueError(f"num_bins is {num_bins}; the smallest is 1")
    shares = _checked_shares(probabilities)
    _, true, _ = _checked(shares.argmax(axis=1), labels, shares.shape[1])
    confidence = shares.max(axis=1)  # (N,)
    right = shares.argmax(axis=1) == true
    edges = np.arange(num_bins + 1) / num_bins
    bins = np.searchsorted(edges, confidence, side="left").clip(1, num_bins)
    gaps = np.bincount(bins, weights=confidence - right)  # in each bin, times its size
    return float(np.abs(gaps).sum() / len(true))


def bootstrap_score(
    measure: Callable[..., Any],
    predictions: ArrayLike,
    labels: ArrayLike,
    num_resamples: int = 1000,
    seed: int = 0,
    **settings: Any,
) -> ClassificationScore:
    """A measure of this module with the interval in which it stays for 95% of the test sets
    that are drawn from these examples with replacement.

    Args:
        measure: `accuracy`, `precision`, `recall`, `f1`, `matthews_correlation` or
            `expected_calibration_error`, or a function of one's own of predictions and labels.
        predictions: (N,), or (N, C) probabilities where the measure wants these.
        labels: (N,)
        num_resamples: how often the examples are drawn.
        seed: of the draws.
        settings: of the measure. C is that of all examples, and a class that is missing from a
            draw counts as the measure says.

    Raises:
        ValueError: as the measure, it gives more than one number, or num_resamples is below 1.

    >>> print(bootstrap_score(accuracy, [0, 1, 1, 0] * 25, [0, 1, 0, 0] * 25))
    accuracy 0.750 (95%: 0.670 to 0.840)
    """
    value = measure(predictions, labels, **settings)
    name = getattr(measure, "__name__", type(measure).__name__)
    if np.ndim(value) > 0:
        raise ValueError(
            f"{name} gives {np.size(value)} numbers, and an interval belongs to one; choose an "
            "average, or draw for each class"
        )
    given, true = np.asarray(predictions), np.asarray(labels)
    if "num_labels" in inspect.signature(measure).parameters:
        settings = {"num_labels": int(max(given.max(), true.max())) + 1, **settings}

    def of_drawn(picked: np.ndarray) -> float:
        return float(measure(given[picked], true[picked], **settings))

    low, high = bootstrap_interval(of_drawn, len(true), num_resamples, seed)
    return ClassificationScore(float(value), low, high, name, len(true))


def mcnemar(first: ArrayLike, second: ArrayLike, labels: ArrayLike) -> McNemarTest:
    """McNemar's test of two classifiers on the same examples, in its exact form.

    Examples on which both are right, or both wrong, say nothing. If the two were equally good,
    each of the n others would favour either with probability 1/2. The p-value is the
    probability that a fair coin, thrown n times, is at least as uneven (binomial, two-sided).
    Where n is 0 it is 1. It says nothing on another training of the same models.

    Args:
        first: (N,) predicted classes.
        second: (N,) those of the other classifier.
        labels: (N,) the true ones.

    Raises:
        ValueError: as `accuracy`.

    >>> mcnemar([1, 1, 1, 1, 1, 0], [0, 0, 0, 0, 0, 1], [1, 1, 1, 1, 1, 1])
    McNemarTest(first_only=5, second_only=1, p_value=0.21875)
    """
    one, true, _ = _checked(first, labels, None)
    other, _, _ = _checked(second, labels, None)
    first_only = int(((one == true) & (other != true)).sum())
    second_only = int(((one != true) & (other == true)).sum())
    number, few = first_only + second_only, min(first_only, second_only)
    ways, tail = 1, 0  # whole numbers: nothing is rounded before the division
    for heads in range(few + 1):
        tail += ways
        ways = ways * (number - heads) // (heads + 1)
    return McNemarTest(first_only, second_only, min(1.0, 2 * tail / 2**number))


def _averaged(
    table: np.ndarray, average: str | None, parts: Callable[..., tuple[Any, Any]]
) -> float | np.ndarray:
    """A ratio of counts from the confusion matrix; 0 where the denominator is 0."""
    if average not in AVERAGES:
        raise ValueError(f"average is {average!r}; it can be 'macro', 'micro' or None")
    counts = table.diagonal(), table.sum(axis=0), table.sum(axis=1)
    if average == "micro":
        counts = tuple(count.sum(keepdims=True) for count in counts)
    above, below = parts(*counts)
    ratios = above / np.maximum(below, 1)  # where there is nothing below, nothing is above
    return ratios if average is None else float(ratios.mean())


def _checked(
    predictions: ArrayLike, labels: ArrayLike, num_labels: int | None
) -> tuple[np.ndarray, np.ndarray, int]:
    """Both as whole numbers, and C; or a ValueError that names the first offender."""
    if num_labels is not None and num_labels < 1:
        raise ValueError(f"num_labels is {num_labels}; the smallest is 1")
    found = []
    for name, given in (("predictions", predictions), ("labels", labels)):
        classes = np.asarray(given)
        if classes.ndim != 1:
            raise ValueError(
                f"{name} have shape {classes.shape}; give one class for each example, for "
                "instance probabilities.argmax(axis=1)"
            )
        if not classes.size:
            raise ValueError(f"there are no {name}; give those of one example at least")
        if classes.dtype.kind not in "iu":
            raise ValueError(
                f"{name} are of type {classes.dtype}, as in {classes[0]!r}; give the numbers "
                "of the classes"
            )
        wrong = (classes < 0) | (classes >= (num_labels or math.inf))
        if wrong.any():
            place = int(wrong.argmax())
            top = "on" if num_labels is None else f"to {num_labels - 1}"
            raise ValueError(
                f"{name} hold {int(classes[place])} for example {place}; classes go from 0 "
                f"{top}"
            )
        found.append(classes.astype(np.int64))
    predicted, true = found
    if len(predicted) != len(true):
        raise ValueError(
            f"there are {len(predicted)} predictions for {len(true)} labels; give one each"
        )
    return predicted, true, num_labels or int(max(predicted.max(), true.max())) + 1


def _checked_shares(probabilities: ArrayLike) -> np.ndarray:
    """(N, C) in float64, or a ValueError that names the first row that is no distribution."""
    shares = np.asarray(probabilities)
    if shares.ndim != 2 or 0 in shares.shape or shares.dtype.kind not in "fiu":
        raise ValueError(
            f"probabilities are of type {shares.dtype} and shape {shares.shape}; give a row "
            "for each example with a column for each class"
        )
    shares = shares.astype(np.float64)
    fits = ((shares >= 0) & (shares <= 1 + 1e-3)).all(axis=1)
    fits &= np.abs(shares.sum(axis=1) - 1) <= 1e-3  # of half precision
    if not fits.all():
        row = int((~fits).argmax())
        raise ValueError(
            f"row {row} of the probabilities is {shares[row].tolist()}, with the sum "
            f"{shares[row].sum():.6g}; give numbers from 0 to 1 that sum to 1, for instance "
            "logits.softmax(-1)"
        )
    return shares.clip(max=1.0)
