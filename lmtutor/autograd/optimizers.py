"""Three ways to walk downhill: SGD, momentum and Adam, each as in `torch.optim`.

Source: Robbins and Monro 1951, "A stochastic approximation method"; Polyak 1964, "Some methods
    of speeding up the convergence of iteration methods"; Kingma and Ba 2015, "Adam: a method
    for stochastic optimization", algorithm 1.
Left out: weight decay, Nesterov's momentum, AMSGrad, and groups of parameters.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable

import numpy as np

from lmtutor.autograd.value import Array, Value


class Optimizer(ABC):
    """Changes parameters so that a loss falls.

    Args:
        parameters: leaves, each once.
        learning_rate: how far to go, above 0.

    Raises:
        ValueError: there are no parameters, one is given twice or was computed, or the learning
            rate is not above 0 and finite.
    """

    def __init__(self, parameters: Iterable[Value], learning_rate: float):
        self.parameters = list(parameters)
        if not self.parameters:
            raise ValueError("there are 0 parameters; give at least one Value")
        for place, parameter in enumerate(self.parameters):
            if not isinstance(parameter, Value) or not parameter.is_leaf:
                raise ValueError(
                    f"parameter {place} is {parameter!r}, which is no leaf; give Values that "
                    "were made by hand, not computed"
                )
        if len(set(map(id, self.parameters))) < len(self.parameters):
            raise ValueError(
                f"of the {len(self.parameters)} parameters some are the same Value; give each "
                "once, it moves for all its uses"
            )
        if not 0 < learning_rate < math.inf:
            raise ValueError(f"learning_rate is {learning_rate}; it must be above 0 and finite")
        self.learning_rate = learning_rate

    def zero_grad(self) -> None:
        """Forget the gradients. Without it, the next `backward` adds to them."""
        for parameter in self.parameters:
            parameter.grad = np.zeros_like(parameter.data)

    @abstractmethod
    def step(self) -> None:
        """Move each parameter once, by the gradient it holds."""

    def _zeros(self) -> list[Array]:
        return [np.zeros_like(parameter.data) for parameter in self.parameters]


class SGD(Optimizer):
    """Stochastic gradient descent: θ ← θ - η g.

    >>> x = Value(3.0)
    >>> (x * x).backward()
    >>> SGD([x], learning_rate=0.1).step()
    >>> round(x.item(), 9)  # 3 - 0.1 * 6
    2.4
    """

    def step(self) -> None:
        """Move each parameter once, by the gradient it holds."""
        for parameter in self.parameters:
            parameter.data = parameter.data - self.learning_rate * parameter.grad


class Momentum(Optimizer):
    """A ball that keeps rolling (Polyak's heavy ball): u ← μ u + g, then θ ← θ - η u.

    This is PyTorch's convention, in which the learning rate stands outside the velocity u.

    Args:
        parameters: as for `Optimizer`.
        learning_rate: as for `Optimizer`.
        momentum: μ, from 0 (which is SGD) to below 1.

    Raises:
        ValueError: as `Optimizer`, or the momentum is outside [0, 1).

    >>> x = Value(0.0)
    >>> optimizer = Momentum([x], learning_rate=1.0, momentum=0.5)
    >>> x.grad = x.grad - 1
    >>> for _ in range(3):  # steps of 1, 1.5, 1.75
    ...     optimizer.step()
    >>> x.item()
    4.25
    """

    def __init__(
        self, parameters: Iterable[Value], learning_rate: float, momentum: float = 0.9
    ):
        super().__init__(parameters, learning_rate)
        if not 0 <= momentum < 1:
            raise ValueError(f"momentum is {momentum}; it must be from 0 to below 1")
        self.momentum = momentum
        self._velocities = self._zeros()

    def step(self) -> None:
        """Move each parameter once, by the gradient it holds."""
        for place, parameter in enumerate(self.parameters):
            velocity = self.momentum * self._velocities[place] + parameter.grad
            self._velocities[place] = velocity
            parameter.data = parameter.data - self.learning_rate * velocity


class Adam(Optimizer):
    """Adaptive moments, with bias correction: θ ← θ - η m̂ / (√v̂ + ε).

    m and v are running means of the gradient and of its square that start from 0; dividing by
    1 - β₁ᵗ and 1 - β₂ᵗ makes them m̂ and v̂, proper means from the first step on.

    Args:
        parameters: as for `Optimizer`.
        learning_rate: as for `Optimizer`; about how far each entry moves per step.
        betas: β₁ and β₂, each from 0 to below 1.
        epsilon: ε, keeps the division from 0 / 0.

    Raises:
        ValueError: as `Optimizer`, or a beta is outside [0, 1), or epsilon is negative.

    >>> x = Value([1.0, -200.0])
    >>> (x * x).sum().backward()
    >>> Adam([x], learning_rate=0.1).step()  # the first step is η long, whatever the gradient
    >>> x.data.round(6).tolist()
    [0.9, -199.9]
    """

    def __init__(
        self,
        parameters: Iterable[Value],
        learning_rate: float = 0.001,
        betas: tuple[float, float] = (0.9, 0.999),
        epsilon: float = 1e-8,
    ):
        super().__init__(parameters, learning_rate)
        if not all(0 <= beta < 1 for beta in betas):
            raise ValueError(f"betas are {betas}; each must be from 0 to below 1")
        if not 0 <= epsilon < math.inf:
            raise ValueError(f"epsilon is {epsilon}; it must not be negative, nor infinite")
        self.betas, self.epsilon = betas, epsilon
        self._steps = 0
        self._means, self._squares = self._zeros(), self._zeros()

    def step(self) -> None:
        """Move each parameter once, by the gradient it holds."""
        self._steps += 1
        beta1, beta2 = self.betas
        for place, parameter in enumerate(self.parameters):
            g = parameter.grad
            mean = beta1 * self._means[place] + (1 - beta1) * g
            square = beta2 * self._squares[place] + (1 - beta2) * g**2
            self._means[place], self._squares[place] = mean, square
            corrected_mean = mean / (1 - beta1**self._steps)
            corrected_square = square / (1 - beta2**self._steps)
            step = corrected_mean / (np.sqrt(corrected_square) + self.epsilon)
            parameter.data = parameter.data - self.learning_rate * step
