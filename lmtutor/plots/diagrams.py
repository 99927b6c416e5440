"""Drawings of networks and of what they decide.

Left out: networks with more than a dozen units in a layer, which are better described in words.
"""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Circle
from numpy.typing import ArrayLike

from lmtutor.plots.style import HUES, INK, PAPER, new_figure

_RADIUS = 0.3


def plot_network(layers: Sequence[Sequence[str]], names: Sequence[str]) -> Figure:
    """Units as circles in columns, each joined with all units of the next column.

    Args:
        layers: for each layer, from the input to the output, what is written into its units;
            mathematics stands between dollar signs.
        names: what is written under each layer.

    Raises:
        ValueError: there are fewer than two layers, an empty one, or not one name for each.

    >>> plot_network([["x", "y"], ["z"]], ["input", "output"]).axes[0].axison
    False
    """
    sizes = [len(layer) for layer in layers]
    if len(sizes) < 2 or 0 in sizes or len(names) != len(sizes):
        raise ValueError(
            f"there are layers of {sizes} units and {len(names)} names; give at least two "
            "layers, at least one unit for each, and one name for each"
        )
    figure, axes = new_figure(height=0.9 + 0.75 * max(sizes))
    places = [
        [(2.2 * column, (size - 1) / 2 - row) for row in range(size)]
        for column, size in enumerate(sizes)
    ]
    for left, right in pairwise(places):
        for start in left:
            for end in right:
                way = np.subtract(end, start)
                edge = _RADIUS * way / np.hypot(*way)  # lines end at the circles
                ends = np.array([start + edge, end - edge])
                axes.plot(*ends.T, color=INK, linewidth=0.9, alpha=0.6)
    for column, (layer, name) in enumerate(zip(layers, names, strict=True)):
        hue = HUES[column % len(HUES)]
        for text, place in zip(layer, places[column], strict=True):
            axes.add_patch(Circle(place, _RADIUS, facecolor=PAPER, edgecolor=hue, linewidth=2))
            axes.text(*place, text, ha="center", va="center", color=INK, fontsize=12)
        below = -(max(sizes) - 1) / 2 - 0.75
        axes.text(2.2 * column, below, name, ha="center", va="center", color=INK)
    axes.set_aspect("equal")
    axes.set_xlim(-1.1, 2.2 * (len(sizes) - 1) + 1.1)
    axes.set_ylim(-(max(sizes) - 1) / 2 - 1.0, (max(sizes) - 1) / 2 + 0.45)
    axes.set_axis_off()
    return figure


def plot_decision(
    x: ArrayLike,
    y: ArrayLike,
    probabilities: ArrayLike,
    groups: dict[str, ArrayLike],
    x_label: str,
    y_label: str,
) -> Figure:
    """Which side of the plane a classifier gives to its second group, and the points.

    Args:
        x: (X,) places along the first axis.
        y: (Y,) places along the second axis.
        probabilities: (Y, X) of the second group; the line is drawn where it is 1/2.
        groups: two names, each with its points, (N, 2).
        x_label: with its unit.
        y_label: with its unit.

    Raises:
        ValueError: the sizes do not fit, or there are not two groups.
    """
    across, up, heights = np.asarray(x), np.asarray(y), np.asarray(probabilities)
    if heights.shape != (up.size, across.size) or len(groups) != 2:
        raise ValueError(
            f"there are {across.size} x, {up.size} y, probabilities of shape {heights.shape} "
            f"and {len(groups)} groups; give (y, x) probabilities and 2 groups"
        )
    figure, axes = new_figure(height=3.6)
    axes.contourf(across, up, heights, levels=[0.5, 1.01], colors=[HUES[1]], alpha=0.25)
    axes.contour(across, up, heights, levels=[0.5], colors=[INK], linewidths=1.2)
    for number, (name, points) in enumerate(groups.items()):
        axes.plot(
            *np.asarray(points).T, "os"[number], color=HUES[number], markersize=9, label=name
        )
    axes.set(xlabel=x_label, ylabel=y_label)
    axes.set_aspect("equal")
    axes.legend(labelcolor=INK, frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    return figure
