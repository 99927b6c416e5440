"""Family trees: what came from what, and when.

Left out: things with two parents, and distances that are true to time: where much happened in
one year, nothing could be read.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.figure import Figure

from lmtutor.plots.style import HUES, INK, new_figure

_INDENT = 0.16  # of the children of one parent in its own column
_SMALL = 9.5


@dataclass(frozen=True)
class TreeNode:
    """One thing in a family tree."""

    name: str
    date: str
    """As it is written beside it; dates that sort as text sort as dates, such as 2018-10."""
    column: str
    parent: str | None = None
    """By name; None for what came from nothing else."""


def plot_family_tree(nodes: Sequence[TreeNode], columns: Sequence[str]) -> Figure:
    """A tree that grows downwards, one row for each node in the order of the dates.

    Args:
        nodes: each with the name of its parent, which is among them and not younger.
        columns: the columns from left to right, each of them a `column` of a node or more.

    Raises:
        ValueError: there is no node, a name comes twice, or a column or a parent is unknown or
            a parent is younger than its child.

    >>> nodes = [TreeNode("latin", "0100", "old"), TreeNode("french", "0900", "new", "latin")]
    >>> plot_family_tree(nodes, ["old", "new"]).axes[0].axison
    False
    """
    rows = sorted(nodes, key=lambda node: node.date)  # of one date in the order given
    places = _places(rows, columns)
    figure, axes = new_figure(height=0.8 + 0.36 * len(rows))
    for row, node in enumerate(rows):
        x, y = places[node.name]
        hue = HUES[columns.index(node.column) % len(HUES)]
        if node.parent is not None:
            x_parent, y_parent = places[node.parent]
            path = ([x_parent, x_parent, x], [y_parent, y, y])
            axes.plot(*path, color=INK, linewidth=0.7, zorder=1)
        axes.plot([x], [y], "o", color=hue, markersize=7, zorder=2)
        axes.text(x + 0.05, y + 0.1, node.name, ha="left", va="bottom", color=INK)
        if row == 0 or rows[row - 1].date != node.date:
            axes.text(-0.2, y, node.date, ha="right", va="center", color=INK, fontsize=_SMALL)
    for number, column in enumerate(columns):
        hue = HUES[number % len(HUES)]
        heading: dict[str, Any] = {"color": hue, "weight": "bold", "fontsize": 10}
        axes.text(number - 0.05, 1.0, column, ha="left", va="bottom", **heading)
    axes.set(xlim=(-0.75, len(columns) - 0.05), ylim=(-len(rows) + 0.5, 1.6))
    axes.set_axis_off()
    return figure


def _places(rows: Sequence[TreeNode], columns: Sequence[str]) -> dict[str, tuple[float, float]]:
    """Where each node stands, or a ValueError."""
    columns_of = {node.name: node.column for node in rows}
    if not rows or len(columns_of) < len(rows):
        raise ValueError(
            f"there are {len(rows)} nodes with {len(columns_of)} names; give at least one, and "
            "each a name of its own"
        )
    kin = Counter((node.parent, node.column) for node in rows)
    places: dict[str, tuple[float, float]] = {}
    for row, node in enumerate(rows):
        if node.column not in columns:
            raise ValueError(
                f"{node.name!r} is in the column {node.column!r}, and the columns are "
                f"{[*columns]}"
            )
        if node.parent is None:
            places[node.name] = (columns.index(node.column), -row)
            continue
        if node.parent not in places:
            raise ValueError(
                f"the parent of {node.name!r} is {node.parent!r}, which is no node that is "
                "older or of the same date and before it"
            )
        x: float = columns.index(node.column)
        if columns_of[node.parent] == node.column:  # straight below an only child, else aside
            siblings = kin[node.parent, node.column]
            x = places[node.parent][0] + (_INDENT if siblings > 1 else 0)
        places[node.name] = (x, -row)
    return places
