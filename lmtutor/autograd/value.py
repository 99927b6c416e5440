"""Arrays that remember how they were computed, and derivatives by the chain rule.

Each operation notes its inputs and, for each input, a function that turns the gradient of the
result into the gradient of that input. `backward` calls these functions from the last result to
the first inputs. That is all of reverse-mode automatic differentiation, or back-propagation.

Source: Rumelhart, Hinton and Williams 1986, "Learning representations by back-propagating
    errors"; Baydin et al. 2018, "Automatic differentiation in machine learning: a survey",
    section 3.2.
Left out: second derivatives, operations in place, any number type but float64, and freeing the
    memory of a graph before Python does.
"""

from collections.abc import Callable
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]
PullBack = Callable[[Array], Array]
"""Takes the gradient of a result, and returns that of one input."""


class Value:
    """A float64 array, its gradient, and where it came from.

    What a user makes is a *leaf*; what operations make is not. Shapes broadcast as in NumPy.

    Args:
        data: a number or anything that NumPy makes an array of; it is copied.

    Raises:
        ValueError: `data` is not made of real numbers.

    >>> w, x = Value(3.0), Value([1.0, 2.0])
    >>> loss = (w * x).sum()
    >>> loss.backward()
    >>> loss.item(), w.grad.item(), x.grad.tolist()
    (9.0, 3.0, [3.0, 3.0])
    """

    __array_ufunc__ = None  # `array + value` is left to our __radd__

    def __init__(self, data: ArrayLike):
        self.data: Array = _real_numbers(data)
        self.grad: Array = np.zeros_like(self.data)
        """How fast the number that `backward` was called on grows with each entry of `data`."""
        self._inputs: tuple[tuple[Value, PullBack], ...] = ()

    @property
    def shape(self) -> tuple[int, ...]:
        """Sizes of the axes; () for a single number."""
        return self.data.shape

    @property
    def is_leaf(self) -> bool:
        """Whether it was made by hand rather than computed."""
        return not self._inputs

    def item(self) -> float:
        """The number, if there is exactly one.

        Raises:
            ValueError: there is not exactly one.
        """
        return float(self.data.item())

    def __repr__(self) -> str:
        return f"Value({np.array2string(self.data, separator=', ')})"

    def backward(self) -> None:
        """Compute the gradient of this number with respect to everything it was computed from.

        The gradients of leaves *add to* what they hold already, as in PyTorch; optimisers set
        them to zero with `zero_grad`. The gradients of computed values start from zero each
        time, so that a second call on the same graph adds the same to each leaf once more.

        Raises:
            ValueError: this is not a single number.
        """
        if self.data.size != 1:
            raise ValueError(
                f"backward starts from a single number, but this Value has shape {self.shape}; "
                "take its sum() or mean() first"
            )
        order = self._inputs_first()
        for value in order:
            if not value.is_leaf:
                value.grad = np.zeros_like(value.data)
        self.grad = self.grad + 1.0
        for value in reversed(order):
            for source, pull_back in value._inputs:
                source.grad = source.grad + _unbroadcast(pull_back(value.grad), source.shape)

    def _inputs_first(self) -> list["Value"]:
        """Everything this was computed from, each value once and behind all its inputs.

        A loop with a stack of its own: recursion would end at a depth of about a thousand.
        """
        order: list[Value] = []
        seen: set[int] = set()
        stack = [(self, False)]
        while stack:
            value, inputs_are_done = stack.pop()
            if inputs_are_done:
                order.append(value)
            elif id(value) not in seen:
                seen.add(id(value))
                stack.append((value, True))
                stack.extend((source, False) for source, _ in value._inputs)
        return order

    # --- two inputs

    def __add__(self, other: Any) -> "Value":
        other = _as_value(other)
        result = _apply(np.add, "+", self, other)
        return _computed(result, (self, lambda g: g), (other, lambda g: g))

    def __sub__(self, other: Any) -> "Value":
        other = _as_value(other)
        result = _apply(np.subtract, "-", self, other)
        return _computed(result, (self, lambda g: g), (other, lambda g: -g))

    def __mul__(self, other: Any) -> "Value":
        other = _as_value(other)
        a, b = self.data, other.data
        result = _apply(np.multiply, "*", self, other)
        return _computed(result, (self, lambda g: g * b), (other, lambda g: g * a))

    def __truediv__(self, other: Any) -> "Value":
        other = _as_value(other)
        a, b = self.data, other.data
        result = _apply(np.divide, "/", self, other)
        return _computed(result, (self, lambda g: g / b), (other, lambda g: -g * a / b**2))

    def __matmul__(self, other: Any) -> "Value":
        other = _as_value(other)
        result = _apply(np.matmul, "@", self, other)
        is_vector = other.data.ndim == 1
        a = np.atleast_2d(self.data)  # a vector on the left is one row
        b = other.data[:, None] if is_vector else other.data  # on the right one column
        full = (a @ b).shape

        def for_left(g: Array) -> Array:
            gradient: Array = g.reshape(full) @ b.mT
            return gradient

        def for_right(g: Array) -> Array:
            gradient = a.mT @ g.reshape(full)
            return gradient[..., 0] if is_vector else gradient

        return _computed(result, (self, for_left), (other, for_right))

    def __radd__(self, other: Any) -> "Value":
        return _as_value(other) + self

    def __rsub__(self, other: Any) -> "Value":
        return _as_value(other) - self

    def __rmul__(self, other: Any) -> "Value":
        return _as_value(other) * self

    def __rtruediv__(self, other: Any) -> "Value":
        return _as_value(other) / self

    def __rmatmul__(self, other: Any) -> "Value":
        return _as_value(other) @ self

    # --- one input, entry by entry

    def __neg__(self) -> "Value":
        return _computed(-self.data, (self, lambda g: -g))

    def __pow__(self, power: float) -> "Value":
        if not isinstance(power, Real):
            raise ValueError(f"the exponent must be a plain number, but got {power!r}")
        x, n = self.data, float(power)
        return _computed(x**n, (self, lambda g: g * n * x ** (n - 1) if n else 0 * g))

    def exp(self) -> "Value":
        """e to the power of each entry."""
        result = np.exp(self.data)
        return _computed(result, (self, lambda g: g * result))

    def log(self) -> "Value":
        """The natural logarithm of each entry.

        Raises:
            ValueError: an entry is not above 0.
        """
        x = self.data
        if (x <= 0).any():
            raise ValueError(
                f"log takes numbers above 0, but the smallest is {x.min()}; to take the log of "
                "probabilities, start from logits with log_softmax"
            )
        return _computed(np.log(x), (self, lambda g: g / x))

    def tanh(self) -> "Value":
        """The hyperbolic tangent, which runs from -1 to 1."""
        result = np.tanh(self.data)
        return _computed(result, (self, lambda g: g * (1 - result**2)))

    def relu(self) -> "Value":
        """max(x, 0). At 0 the slope is taken to be 0."""
        is_on = self.data > 0
        return _computed(np.where(is_on, self.data, 0.0), (self, lambda g: g * is_on))

    def sigmoid(self) -> "Value":
        """1 / (1 + e^-x), which runs from 0 to 1."""
        result = np.exp(-np.logaddexp(0.0, -self.data))  # never overflows
        return _computed(result, (self, lambda g: g * result * (1 - result)))

    def softplus(self) -> "Value":
        """log(1 + e^x). Its slope is the sigmoid."""
        result, slope = np.logaddexp(0.0, self.data), np.exp(-np.logaddexp(0.0, -self.data))
        return _computed(result, (self, lambda g: g * slope))

    # --- shapes

    def sum(self, axis: int | None = None, keepdims: bool = False) -> "Value":
        """The sum of all entries, or along one axis."""
        shape = self.shape

        def spread(g: Array) -> Array:
            if axis is not None and not keepdims:
                g = np.expand_dims(g, axis)
            return np.broadcast_to(g, shape)

        return _computed(self.data.sum(axis=axis, keepdims=keepdims), (self, spread))

    def mean(self, axis: int | None = None, keepdims: bool = False) -> "Value":
        """The mean of all entries, or along one axis.

        Raises:
            ValueError: there are no entries.
        """
        count = self.data.size if axis is None else self.shape[axis]
        if count == 0:
            raise ValueError(
                f"a Value of shape {self.shape} has no entries to take the mean of"
            )
        return self.sum(axis, keepdims) / count

    @property
    def T(self) -> "Value":
        """The same with its axes in reverse order; rows and columns change places."""
        return _computed(self.data.T, (self, lambda g: g.T))

    def __getitem__(self, index: Any) -> "Value":
        """Entries, rows or columns, as NumPy picks them; one may be picked several times."""
        shape = self.shape

        def put_back(g: Array) -> Array:
            gradient = np.zeros(shape)
            np.add.at(gradient, index, g)
            return gradient

        return _computed(self.data[index], (self, put_back))


def _real_numbers(data: ArrayLike) -> Array:
    """A copy as float64. NumPy alone would read None as NaN and "1" as 1."""
    try:
        array = np.asarray(data)
    except ValueError as error:
        raise ValueError(f"a Value holds real numbers, but got {data!r} ({error})") from None
    if array.dtype.kind not in "biuf":
        raise ValueError(f"a Value holds real numbers, but got {data!r}")
    return array.astype(np.float64)


def _as_value(thing: Any) -> Value:
    return thing if isinstance(thing, Value) else Value(thing)


def _computed(data: Array, *inputs: tuple[Value, PullBack]) -> Value:
    """The result of an operation."""
    result = Value(data)
    result._inputs = inputs
    return result


def _apply(function: Callable[..., Array], sign: str, left: Value, right: Value) -> Array:
    """The operation on the arrays, or an error with both shapes."""
    try:
        result: Array = function(left.data, right.data)
    except ValueError:
        rule = (
            "the last size on the left must be the last but one on the right (of a vector, the "
            "only one)"
            if sign == "@"
            else "sizes must be equal or 1, counted from the last axis"
        )
        raise ValueError(
            f"{left.shape} {sign} {right.shape}: these shapes do not fit; {rule}"
        ) from None
    return result


def _unbroadcast(gradient: Array, shape: tuple[int, ...]) -> Array:
    """Sum the gradient over the axes along which broadcasting had copied an input of `shape`:
    each copy has its share in the result.
    """
    gradient = gradient.sum(axis=tuple(range(gradient.ndim - len(shape))))
    copied = tuple(
        axis
        for axis, (size, wide) in enumerate(zip(shape, gradient.shape, strict=True))
        if size != wide
    )
    total: Array = gradient.sum(axis=copied, keepdims=True)
    return total
