"""Conclusions that are checked each time the book is built.

Left out: tests of significance. Put what the claim rests on, an interval say, into its two
    sides.
"""

import operator
from collections.abc import Callable
from typing import Any

from lmtutor.display import show_verdict

_RELATIONS: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    "==": operator.eq,
    "!=": operator.ne,
    ">=": operator.ge,
    ">": operator.gt,
    "between": lambda value, bounds: bounds[0] <= value <= bounds[1],
}


class ClaimError(AssertionError):
    """A sentence of the book is no longer true."""


def claim(sentence: str, left: Any, relation: str, right: Any) -> None:
    """State a conclusion with its evidence, and stop where the evidence says otherwise.

    Never claim a time: it depends on the machine.

    Args:
        sentence: the conclusion, as the prose would put it.
        left: a number, or anything that compares.
        relation: "<", "<=", "==", "!=", ">=", ">" or "between".
        right: what to compare with; for "between" the pair (low, high), both included.

    Raises:
        ClaimError: the claim is false. A value that is no number (NaN) makes every claim false.
        ValueError: there is no such relation, or "between" got no pair in ascending order.

    >>> claim("two is less than three", 2, "<", 3)
    Claim holds: two is less than three [2 < 3]
    """
    if relation not in _RELATIONS:
        raise ValueError(
            f"there is no relation {relation!r}; there are {', '.join(_RELATIONS)}"
        )
    left, right = _plain(left), _plain(right)
    if relation == "between" and not (
        isinstance(right, list | tuple) and len(right) == 2 and right[0] <= right[1]
    ):
        raise ValueError(
            f"'between' needs a pair (low, high) in ascending order, but got {right!r}"
        )
    evidence = (
        f"{_show(right[0])} <= {_show(left)} <= {_show(right[1])}"
        if relation == "between"
        else f"{_show(left)} {relation} {_show(right)}"
    )
    is_number = (
        left == left and right == right
    )  # NaN is the one value that is not equal to itself
    if not (is_number and _RELATIONS[relation](left, right)):
        raise ClaimError(f"{sentence}: found {evidence}, which is false")
    show_verdict("Claim holds", sentence, evidence, good=True)


def _plain(value: Any) -> Any:
    """Tensors and NumPy scalars of one element as Python numbers."""
    return value.item() if callable(getattr(value, "item", None)) else value


def _show(value: Any) -> str:
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.0f}" if 1000 <= abs(value) < 1e15 else f"{value:.4g}"
    return repr(value)
