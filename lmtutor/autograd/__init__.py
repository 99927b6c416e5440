"""Back-propagation on NumPy arrays, small enough to be read whole, and three optimisers."""

from lmtutor.autograd.losses import (
    binary_cross_entropy,
    cross_entropy,
    log_softmax,
    squared_error,
)
from lmtutor.autograd.optimizers import SGD, Adam, Momentum, Optimizer
from lmtutor.autograd.value import Value

__all__ = [
    "SGD",
    "Adam",
    "Momentum",
    "Optimizer",
    "Value",
    "binary_cross_entropy",
    "cross_entropy",
    "log_softmax",
    "squared_error",
]
