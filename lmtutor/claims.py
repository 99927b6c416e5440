"""Conclusions that are checked each time the book is built.

Left out: tests of significance. Put what the claim rests on, an interval say, into its two
    sides.
"""

import operator
from collections.abc import Callable
from itertools import combinations
from typing import Any

from lmtutor.display import show_verdict
from lmtutor.runtime import look

_RELATIONS: dict[str, Callable[..., bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    "==": operator.eq,
    "!=": operator.ne,
    ">=": operator.ge,
    ">": operator.gt,
    "between": lambda value, low, high: low <= value <= high,
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
        ValueError: there is no such relation, a side is no single value, the sides do not
            compare, or "between" got no pair in ascending order.

    >>> claim("two is less than three", 2, "<", 3)
    Claim holds: two is less than three [2 < 3]
    """
    if relation not in _RELATIONS:
        raise ValueError(
            f"there is no relation {relation!r}; there are {', '.join(_RELATIONS)}"
        )
    bounds = list(right) if relation == "between" and hasattr(right, "__iter__") else [right]
    sides = [_plain(left), *map(_plain, bounds)]
    is_number = all(side == side for side in sides)  # NaN is the one value unequal to itself
    try:
        if relation == "between" and (len(sides) != 3 or sides[1] > sides[2]):
            raise ValueError(
                f"'between' needs a pair (low, high) in ascending order, but got {right!r}"
            )
        holds = is_number and _RELATIONS[relation](sides[0], *sides[1:])
    except TypeError as error:
        raise ValueError(
            f"{sentence}: {left!r} and {right!r} do not compare ({error})"
        ) from error
    shown = _show(sides)
    if relation == "between":
        evidence = f"{shown[1]} <= {shown[0]} <= {shown[2]}"
    else:
        evidence = f"{shown[0]} {relation} {shown[1]}"
    if not holds:
        raise ClaimError(f"{sentence}: found {evidence}, which is false")
    look()
    show_verdict("Claim holds", sentence, evidence, good=True)


def _plain(value: Any) -> Any:
    """Tensors and arrays of one element as Python numbers; several at once cannot be claimed
    of.
    """
    if callable(getattr(value, "item", None)):
        try:
            return value.item()
        except (RuntimeError, ValueError) as error:
            raise ValueError(f"a claim compares single values, not {value!r}") from error
    if isinstance(value, list | tuple | dict | set):
        raise ValueError(f"a claim compares single values, not {value!r}")
    return value


def _show(sides: list[Any]) -> list[str]:
    """The sides in as few digits as tell them apart."""
    for digits in range(4, 18):
        shown = [_round(side, digits) for side in sides]
        pairs = zip(sides, shown, strict=True)
        if all((a == b) == (x == y) for (a, x), (b, y) in combinations(pairs, 2)):
            break
    return shown


def _round(value: Any, digits: int) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return repr(value)
    if isinstance(value, int):
        return f"{value:,}"
    whole = len(f"{abs(value):.0f}") if abs(value) < 1e15 else 0
    return f"{value:,.{max(0, digits - whole)}f}" if whole >= 4 else f"{value:.{digits}g}"
