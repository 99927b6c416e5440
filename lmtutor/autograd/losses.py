"""Loss functions on top of `Value`. They need no derivatives of their own.

Source: Goodfellow, Bengio and Courville 2016, "Deep Learning", section 6.2.
Left out: weights for classes, and sums instead of means.

Letters in the shapes: N examples, V classes.
"""

import numpy as np
from numpy.typing import ArrayLike

from lmtutor.autograd.value import Array, Value


def squared_error(predictions: Value, targets: ArrayLike) -> Value:
    """The mean of (prediction - target)².

    Args:
        predictions: any shape.
        targets: the same shape.

    Raises:
        ValueError: the shapes differ.

    >>> squared_error(Value([1.0, 3.0]), [1.0, 1.0]).item()
    2.0
    """
    return ((predictions - _same_shape(predictions, targets)) ** 2).mean()


def binary_cross_entropy(logits: Value, targets: ArrayLike) -> Value:
    """The mean of -(y log p + (1 - y) log(1 - p)) with p = sigmoid(logit), in nats.

    It is computed as softplus(logit) - y logit, which is the same, and finite for any logit.

    Args:
        logits: any shape; the sigmoid is part of this function.
        targets: the same shape; each y from 0 to 1.

    Raises:
        ValueError: the shapes differ, or a target is not from 0 to 1.

    >>> round(binary_cross_entropy(Value([0.0, 1000.0]), [0, 1]).item(), 4)  # half of log 2
    0.3466
    """
    y = _same_shape(logits, targets)
    if ((y < 0) | (y > 1)).any():
        raise ValueError(f"targets lie from {y.min()} to {y.max()}; they must lie from 0 to 1")
    return (logits.softplus() - logits * y).mean()


def log_softmax(logits: Value) -> Value:
    """Logarithms of probabilities that sum to one along the last axis: z - log Σ e^z.

    The largest logit is subtracted first. That changes nothing in the result, and no power
    overflows.

    Args:
        logits: (..., V)

    >>> log_softmax(Value([1000.0, 1000.0])).exp()
    Value([0.5, 0.5])
    """
    shifted: Value = logits - logits.data.max(axis=-1, keepdims=True)  # (..., V)
    return shifted - shifted.exp().sum(axis=-1, keepdims=True).log()


def cross_entropy(logits: Value, targets: ArrayLike) -> Value:
    """The mean of -log softmax(logits)[target], in nats.

    Args:
        logits: (N, V); the softmax is part of this function.
        targets: (N,) whole numbers from 0 to V - 1, the right classes.

    Raises:
        ValueError: the shapes do not fit, or a target is no whole number from 0 to V - 1.

    >>> cross_entropy(Value([[0.0, 0.0], [0.0, 1000.0]]), [1, 0]).item()
    500.346...
    """
    classes = np.asarray(targets)
    if len(logits.shape) != 2 or classes.shape != logits.shape[:1] or not classes.size:
        raise ValueError(
            f"logits have shape {logits.shape} and targets {classes.shape}; give (N, V) and "
            "(N,), with at least one example"
        )
    num_classes = logits.shape[1]
    is_whole = np.issubdtype(classes.dtype, np.integer)
    if not is_whole or classes.min() < 0 or classes.max() >= num_classes:
        raise ValueError(
            f"targets lie from {classes.min()} to {classes.max()}; they must be whole numbers "
            f"from 0 to {num_classes - 1}, one less than the number of logits"
        )
    return -log_softmax(logits)[np.arange(len(classes)), classes].mean()


def _same_shape(predictions: Value, targets: ArrayLike) -> Array:
    """The targets as an array. Broadcasting here would compare each with each, unnoticed."""
    array = np.asarray(targets, dtype=np.float64)
    if array.shape != predictions.shape:
        raise ValueError(
            f"predictions have shape {predictions.shape} and targets {array.shape}; give one "
            "target for each prediction"
        )
    return array
