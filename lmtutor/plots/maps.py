"""Maps: things with names at places in the plane."""

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lmtutor.plots.curves import _check_finite, _literal
from lmtutor.plots.style import HUES, INK, new_figure

_FONT = 10
_SIDES = (
    *(("left", 6, 0), ("right", -6, 0), ("center", 0, 9), ("center", 0, -9)),
    *(("left", 4, 8), ("left", 4, -8), ("right", -4, 8), ("right", -4, -8)),
)
"""Where a label may stand: how it is aligned to its dot, and how far off in points."""


def plot_map(
    groups: Mapping[str, Mapping[str, Sequence[float]]],
    x_label: str,
    y_label: str,
    log: bool = False,
    labels: Mapping[str, str] | None = None,
) -> Figure:
    """A dot with its name for each thing, in one colour and shape for each group.

    A name stands on the side of its dot where it meets the fewest others.

    Args:
        groups: name of the group to the things in it, and each of them to its (x, y).
        x_label: with its unit.
        y_label: with its unit.
        log: both axes are logarithmic.
        labels: what to write beside a thing in place of its name; those that are left out get
            nothing.

    Raises:
        ValueError: there is nothing to draw, or a place is not two finite numbers, which must
            be above 0 where the axes are logarithmic.

    >>> figure = plot_map({"cities": {"here": (0, 0), "there": (1, 2)}}, "km east", "km north")
    """
    if not groups or not all(groups.values()):
        raise ValueError("there is a group without things, or no group; leave empty ones out")
    for group in groups.values():
        for name, place in group.items():
            if len(place) != 2:
                raise ValueError(f"{name!r} stands at {len(place)} numbers; give x and y")
            _check_finite(places=place)
            if log and min(place) <= 0:
                raise ValueError(
                    f"{name!r} stands at {tuple(place)}, and logarithmic axes have no place "
                    "for numbers that are not above 0; leave it out"
                )
    figure, axes = new_figure(height=4.8)
    for number, (title, group) in enumerate(groups.items()):
        axes.plot(
            [float(x) for x, _ in group.values()],
            [float(y) for _, y in group.values()],
            linestyle="none",
            marker="osD^vP"[number % 6],
            markersize=5,
            color=HUES[number % len(HUES)],
            label=_literal(title),
        )
    if log:
        axes.set(xscale="log", yscale="log")
        axes.yaxis.set_minor_formatter("{x:,g}")
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter("{x:,g}")
    axes.margins(0.12)
    axes.set(xlabel=x_label, ylabel=y_label)
    axes.grid(visible=True)
    if len(groups) > 1:  # above the map, where it covers nothing
        axes.legend(
            labelcolor=INK,
            frameon=False,
            loc="lower center",
            bbox_to_anchor=(0.5, 1.0),
            ncols=min(3, len(groups)),
        )
    _place_labels(
        figure,
        axes,
        {name: place for group in groups.values() for name, place in group.items()},
        labels,
    )
    return figure


def _place_labels(
    figure: Figure,
    axes: Axes,
    places: Mapping[str, Sequence[float]],
    labels: Mapping[str, str] | None,
) -> None:
    """Write each name beside its dot, where it covers the fewest dots and names."""
    figure.draw_without_rendering()  # the layout is settled only then
    to_points = 72 / figure.dpi
    dots = {
        name: tuple(to_points * axes.transData.transform((float(x), float(y))))
        for name, (x, y) in places.items()
    }
    taken = [(x - 3, y - 3, x + 3, y + 3) for x, y in dots.values()]
    for name, (x, y) in dots.items():
        label = name if labels is None else labels.get(name, "")
        options = []
        for side, right, up in _SIDES:
            width = 0.56 * _FONT * len(label)
            left = x + right - {"left": 0, "center": width / 2, "right": width}[side]
            box = (left, y + up - 0.6 * _FONT, left + width, y + up + 0.6 * _FONT)
            options.append((sum(_overlap(box, other) for other in taken), side, right, up, box))
        _, side, right, up, box = min(options, key=lambda option: option[0])
        taken.append(box)
        axes.annotate(
            _literal(label),
            (float(places[name][0]), float(places[name][1])),
            xytext=(right, up),
            textcoords="offset points",
            ha=side,
            va="center",
            fontsize=_FONT,
            color=INK,
        )


def _overlap(one: Sequence[float], other: Sequence[float]) -> float:
    """The area that two boxes (left, low, right, high) share."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    return max(0.0, width) * max(0.0, height)
