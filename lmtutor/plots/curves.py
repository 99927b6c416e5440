"""Lines, intervals and surprises. What is infinite cannot be drawn, and is refused."""

import math
from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

from lmtutor.plots.style import HUES, INK, new_figure


def _check_finite(**numbers: Sequence[float]) -> None:
    for name, values in numbers.items():
        wrong = [value for value in values if not math.isfinite(value)]
        if wrong:
            raise ValueError(f"{name} holds {wrong[0]}, which cannot be drawn; leave it out")


def _literal(text: str) -> str:
    """A label as it is: matplotlib would read $ as mathematics and hide what begins with _."""
    escaped = text.replace("$", r"\$")
    return f"\u200b{escaped}" if escaped.startswith("_") else escaped


def plot_curves(
    curves: Mapping[str, tuple[Sequence[float], Sequence[float]]],
    x_label: str,
    y_label: str,
    x_log: bool = False,
    y_log: bool = False,
    floor: tuple[str, float] | None = None,
) -> Figure:
    """Named curves over one axis.

    Args:
        curves: name to (x, y), two sequences of the same length.
        x_label: with its unit.
        y_label: with its unit.
        x_log: whether x is drawn in powers of ten.
        y_log: the same for y.
        floor: a name and a value that is drawn as a dashed line across.

    Raises:
        ValueError: there is no curve, or one has no points or unequal numbers of them,
            or a number is infinite or NaN.
    """
    if not curves:
        raise ValueError("there are no curves to draw; give at least one")
    if floor is not None:
        _check_finite(floor=floor[1:])
    figure, axes = new_figure()
    for (name, (x, y)), marker in zip(curves.items(), "osD^vPX" * len(curves), strict=False):
        if len(x) != len(y) or not len(x):
            raise ValueError(
                f"the curve {name!r} has {len(x)} x and {len(y)} y values; give as many of "
                "both, at least one"
            )
        _check_finite(x=x, y=y)
        if (x_log and min(x) <= 0) or (y_log and min(y) <= 0):
            raise ValueError(
                f"the curve {name!r} holds {min(*x, *y)}, and a logarithmic axis has no place "
                "for numbers that are not above 0; leave them out"
            )
        axes.plot(x, y, marker=marker, markersize=5, label=_literal(name))
    if floor is not None:
        axes.axhline(
            floor[1], color=INK, linestyle="--", linewidth=1.2, label=_literal(floor[0])
        )
    if x_log:
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(numticks=6))
    else:
        whole = all(float(value).is_integer() for x, _ in curves.values() for value in x)
        # More ticks than six would run into one another.
        axes.xaxis.set_major_locator(MaxNLocator(6, integer=whole))
    if y_log:
        axes.set_yscale("log")
        low, high = axes.get_ylim()
        axes.yaxis.set_minor_formatter("{x:,g}" if high < 30 * low else NullFormatter())
    axes.xaxis.set_major_formatter("{x:,g}")
    axes.yaxis.set_major_formatter("{x:,g}")
    axes.set(xlabel=x_label, ylabel=y_label)
    axes.grid(visible=True)
    if len(curves) > 1 or floor is not None:  # beside the curves, where it covers none
        axes.legend(labelcolor=INK, frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def plot_intervals(
    names: Sequence[str],
    values: Sequence[float],
    lows: Sequence[float],
    highs: Sequence[float],
    x_label: str,
) -> Figure:
    """A dot and its interval for each name, from the top down; each value stands beside its
    dot.

    Raises:
        ValueError: there is nothing to draw, or the sequences differ in length,
            or a number is infinite or NaN.
    """
    lengths = {len(names), len(values), len(lows), len(highs)}
    if len(lengths) > 1 or not names:
        raise ValueError(
            f"names, values, lows and highs have {sorted(lengths)} entries; give as many of "
            "each, at least one"
        )
    _check_finite(values=values, lows=lows, highs=highs)
    for name, low, value, high in zip(names, lows, values, highs, strict=True):
        if not low <= value <= high:
            raise ValueError(f"{name}: {value} does not lie between {low} and {high}")
    figure, axes = new_figure(height=1.1 + 0.36 * len(names))
    places = list(range(len(names)))
    below = [value - low for value, low in zip(values, lows, strict=True)]
    above = [high - value for value, high in zip(values, highs, strict=True)]
    axes.errorbar(
        values, places, xerr=[below, above], fmt="o", color=HUES[0], ecolor=INK, capsize=3
    )
    for place, value in zip(places, values, strict=True):
        axes.annotate(
            f"{value:.2f}",
            (value, place),
            xytext=(0, 6),
            textcoords="offset points",
            ha="center",
            fontsize=10,
            color=INK,
        )
    axes.set_yticks(places, list(map(_literal, names)))
    axes.set_ylim(len(names) - 0.5, -0.7)
    left, right = min(0.0, *lows), max(0.0, *highs)
    margin = 0.08 * (right - left or 1.0)
    axes.set_xlim(left and left - margin, right + margin)
    axes.set_xlabel(x_label)
    axes.grid(visible=True, axis="x")
    return figure


def plot_surprisal(tokens: Sequence[str], bits: Mapping[str, Sequence[float]]) -> Figure:
    """How many bits each token of a text cost, one row of bars for each named model.

    Args:
        tokens: (T,) the tokens as they shall be written.
        bits: name of the model to (T,) -log2 P(token | tokens before).

    Raises:
        ValueError: as `plot_tokens`.
    """
    return plot_tokens(tokens, bits, "surprise, bits")


def plot_tokens(
    tokens: Sequence[str], values: Mapping[str, Sequence[float]], y_label: str
) -> Figure:
    """Numbers that belong to the tokens of a text, as bars over them.

    Args:
        tokens: (T,) the tokens as they shall be written.
        values: name to (T,) numbers; several names stand side by side.
        y_label: what the numbers are, with their unit.

    Raises:
        ValueError: there are no tokens or names, or the numbers of tokens and values differ,
            or a value is infinite or NaN.
    """
    if not tokens or not values or any(len(row) != len(tokens) for row in values.values()):
        raise ValueError(
            f"there are {len(tokens)} tokens, and values for "
            f"{[len(row) for row in values.values()]}; give one value for each token"
        )
    _check_finite(values=[value for row in values.values() for value in row])
    figure, axes = new_figure(width=max(5.6, 0.42 * len(tokens)))
    width = 0.8 / len(values)
    for number, (name, row) in enumerate(values.items()):
        places = [
            token + (number - (len(values) - 1) / 2) * width for token in range(len(tokens))
        ]
        axes.bar(places, row, width, label=_literal(name))
    axes.set_xticks(range(len(tokens)), list(map(_literal, tokens)))
    if len(tokens) > 10:
        for label in axes.get_xticklabels():
            label.set(rotation=60, ha="right", rotation_mode="anchor")
    axes.tick_params(axis="x", length=0)
    axes.set_ylabel(y_label)
    axes.grid(visible=True, axis="y")
    axes.legend(labelcolor=INK, frameon=False)
    return figure
