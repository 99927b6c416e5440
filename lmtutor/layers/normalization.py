"""Normalization of each vector by itself, written out.

Sources: Ba et al. 2016, "Layer Normalization"; Zhang and Sennrich 2019, "Root Mean Square Layer
Normalization". Left out: batch normalization; normalization of several axes at once.

Letters in the shapes: E size of a vector.
"""

import torch
from torch import Tensor, nn


class LayerNorm(nn.Module):
    """Brings each vector to mean 0 and variance 1, then scales and shifts each number by
    trained parameters (Ba et al. 2016).

    `nn.LayerNorm` computes the same in one kernel and has the same parameters under the same
    names, so that either can load what the other has saved.

    >>> LayerNorm(3)(torch.tensor([1.0, 2.0, 6.0]))
    tensor([-0.9258, -0.4629,  1.3887], grad_fn=<AddBackward0>)

    Args:
        size: E
        epsilon: added to the variance, so that a vector of equal numbers is not divided by 0.

    Raises:
        ValueError: the size is below 1, or epsilon below 0.
    """

    def __init__(self, size: int, epsilon: float = 1e-5):
        super().__init__()
        _check_settings(size, epsilon)
        self.epsilon = epsilon
        self.weight = nn.Parameter(torch.ones(size))
        self.bias = nn.Parameter(torch.zeros(size))

    def forward(self, x: Tensor) -> Tensor:
        """(..., E) -> (..., E)

        Raises:
            ValueError: the last size is not E.
        """
        _check_size(x, len(self.weight))
        centred = x - x.mean(dim=-1, keepdim=True)
        variance = centred.square().mean(dim=-1, keepdim=True)  # (..., 1), divided by E
        return centred / (variance + self.epsilon).sqrt() * self.weight + self.bias


class RMSNorm(nn.Module):
    """Brings each vector to a mean square of 1, then scales each number by a trained parameter;
    no mean is taken off and nothing is added (Zhang and Sennrich 2019).

    The same as `nn.RMSNorm`, and as the norm of Llama.

    >>> RMSNorm(3)(torch.tensor([1.0, 2.0, 6.0]))
    tensor([0.2705, 0.5410, 1.6230], grad_fn=<MulBackward0>)

    Args:
        size: E
        epsilon: added to the mean square, inside the root.

    Raises:
        ValueError: the size is below 1, or epsilon below 0.
    """

    def __init__(self, size: int, epsilon: float = 1e-6):
        super().__init__()
        _check_settings(size, epsilon)
        self.epsilon = epsilon
        self.weight = nn.Parameter(torch.ones(size))

    def forward(self, x: Tensor) -> Tensor:
        """(..., E) -> (..., E)

        Raises:
            ValueError: the last size is not E.
        """
        _check_size(x, len(self.weight))
        mean_square = x.square().mean(dim=-1, keepdim=True)  # (..., 1)
        return x / (mean_square + self.epsilon).sqrt() * self.weight


def _check_settings(size: int, epsilon: float) -> None:
    if size < 1 or epsilon < 0:
        raise ValueError(
            f"size is {size} and epsilon {epsilon}; size must be at least 1, epsilon at least 0"
        )


def _check_size(x: Tensor, size: int) -> None:
    if not x.ndim or x.shape[-1] != size:
        raise ValueError(
            f"x has shape {tuple(x.shape)}; this layer normalizes vectors of size {size}, "
            "which the last axis must hold"
        )
