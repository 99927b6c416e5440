"""Heat maps of attention: who looks where.

A weight is drawn as the page's ink with that opacity, so that 0 is the page itself and 1 the
colour of its text, in light and in dark. Left out: lines between two columns of tokens, which
cross each other beyond recognition where a text is longer than a few tokens.

Letters in the shapes: H heads, T queries, S keys. Lengths are in points, 1/72 inch.
"""

import unicodedata
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch, Rectangle
from matplotlib.path import Path
from matplotlib.text import Text
from matplotlib.transforms import Affine2D, Bbox
from numpy.typing import ArrayLike

from lmtutor.plots.style import INK, new_figure

_WIDTH = 404  # that of the book's other figures
_FONT = 10.0
_GAP, _TITLE, _AXIS, _SCALE = 4.0, 18.0, 17.0, 40.0
_LARGEST_CELL, _SMALLEST_CELL, _SWATCH = 30.0, 9.0, 12.0
_LONGEST = 16  # characters of a label
_MIDDLE = 0.36  # how far the middle of a line stands above its foot, in heights of its letters
_SUMS_TO = 1.01  # in half precision a row does not sum to one exactly
_INVISIBLE = 1 / 512


def plot_attention(
    weights: ArrayLike,
    queries: Sequence[str],
    keys: Sequence[str],
    query_label: str = "the token that looks",
    key_label: str = "the token looked at",
) -> Figure:
    """One matrix of attention weights: a row for each token that looks, a column for each that
    is looked at.

    Args:
        weights: (T, S), each row a distribution over the keys or less than that; an array or a
            tensor.
        queries: (T,) the tokens that look, from the top down.
        keys: (S,) the tokens that are looked at, from left to right.
        query_label: what the rows are.
        key_label: what the columns are.

    Raises:
        ValueError: the sizes do not fit or are 0, a weight is not finite or below 0, or a row
            sums to more than one.

    >>> figure = plot_attention([[1.0, 0.0], [0.3, 0.7]], ["In", "the"], ["In", "the"])
    """
    matrix = _checked(weights, 2, queries, keys)
    return _draw(matrix[None], queries, keys, [""], query_label, key_label)


def plot_heads(
    weights: ArrayLike,
    queries: Sequence[str],
    keys: Sequence[str],
    names: Sequence[str] | None = None,
    query_label: str = "the token that looks",
    key_label: str = "the token looked at",
) -> Figure:
    """The matrices of several heads, or of several models, as small multiples.

    Args:
        weights: (H, T, S)
        queries: (T,)
        keys: (S,)
        names: (H,) a title for each; without it "head 0", "head 1" and so on.
        query_label: what the rows are.
        key_label: what the columns are.

    Raises:
        ValueError: there is not one name for each head, or as `plot_attention`.
    """
    matrices = _checked(weights, 3, queries, keys)
    if names is None:
        names = [f"head {number}" for number in range(len(matrices))]
    if len(names) != len(matrices):
        raise ValueError(
            f"there are {len(matrices)} heads and {len(names)} names; give one for each"
        )
    return _draw(matrices, queries, keys, names, query_label, key_label)


def _checked(
    weights: Any, dimensions: int, queries: Sequence[str], keys: Sequence[str]
) -> np.ndarray:
    """The weights as an array that can be drawn."""
    if hasattr(weights, "detach"):  # a tensor; NumPy knows no bfloat16
        weights = weights.detach().cpu().double()
    array = np.asarray(weights, dtype=float)
    sizes = (len(queries), len(keys))
    if array.ndim != dimensions or array.shape[-2:] != sizes or 0 in array.shape:
        wanted = "(queries, keys)" if dimensions == 2 else "(heads, queries, keys)"
        raise ValueError(
            f"there are weights of shape {array.shape}, {sizes[0]} queries and {sizes[1]} "
            f"keys; give weights of shape {wanted}, at least one of each"
        )
    if not np.isfinite(array).all():
        wrong = array[~np.isfinite(array)][0]
        raise ValueError(f"weights hold {wrong}, which cannot be drawn; leave it out")
    if array.min() < 0:
        raise ValueError(f"a weight is {array.min():g}, below 0; give them after the softmax")
    if array.sum(axis=-1).max() > _SUMS_TO:
        raise ValueError(
            f"a row sums to {array.sum(axis=-1).max():g}, above 1; each row is a distribution "
            "over the keys"
        )
    return array


@dataclass(frozen=True)
class _Layout:
    """Where things stand. It is computed here and not by matplotlib, which cannot measure
    letters that its own font does not have.
    """

    left: float
    """Where the first panel begins."""
    across: float
    """From the left of a panel to that of the next."""
    down: float
    """From the top of a row of panels to that of the next."""
    above: float
    """What stands above the cells of a panel, its title and the names of its columns."""
    num_across: int
    cell: float
    font: float
    flat: bool
    """Whether the names of the columns are short enough not to stand upright."""


def _layout(
    shape: tuple[int, ...], rows: Sequence[str], columns: Sequence[str], names: Sequence[str]
) -> _Layout:
    num_heads, num_queries, num_keys = shape
    left = _AXIS + _widest([*rows, "weight"]) + 2 * _GAP
    title = 1.1 * _widest(names)  # in bold
    smallest = max(title, num_keys * _SMALLEST_CELL) + 2 * _GAP
    num_across = max(1, min(num_heads, int((_WIDTH - left) / smallest)))
    cell = min(_LARGEST_CELL, ((_WIDTH - left) / num_across - 2 * _GAP) / num_keys)
    font = min(_FONT, 0.95 * cell)
    flat = _widest(columns, font) <= cell
    above = (1.2 * font if flat else _widest(columns, font)) + _GAP
    above += _TITLE if any(names) else 0
    across = max(title, num_keys * cell) + 2 * _GAP
    down = above + num_queries * cell + 2 * _GAP
    return _Layout(left, across, down, above, num_across, cell, font, flat)


def _draw(
    matrices: np.ndarray,
    queries: Sequence[str],
    keys: Sequence[str],
    names: Sequence[str],
    query_label: str,
    key_label: str,
) -> Figure:
    """The panels row by row, and the scale below them."""
    rows, columns = [_shown(token) for token in queries], [_shown(token) for token in keys]
    layout = _layout(matrices.shape, rows, columns, names)
    low = _AXIS - (-len(names) // layout.num_across) * layout.down
    panels = layout.num_across * layout.across
    width = layout.left + max(panels, _widest([key_label]), 12 * _SWATCH)
    height = max(low + _SCALE, _widest([query_label]))
    figure, axes = new_figure(width / 72, height / 72)
    figure.set_layout_engine("none")
    axes.set_position((0, 0, 1, 1))
    axes.set(xlim=(0, width), ylim=(height, 0))  # points, from the top left corner
    axes.set_axis_off()
    _write(axes, key_label, (layout.left + width) / 2, _AXIS / 2, ha="center")
    _write(axes, query_label, _AXIS / 2, height / 2, ha="center", rotation=90)
    for number, matrix in enumerate(matrices):
        row, column = divmod(number, layout.num_across)
        x, y = layout.left + column * layout.across, _AXIS + row * layout.down
        _write(axes, names[number], x, y + _TITLE / 2, weight="bold")
        y += layout.above
        _squares(axes, matrix, x, y, layout.cell)
        _write_columns(axes, columns, x, y - _GAP, layout)
        for place, label in enumerate(rows if column == 0 else ()):
            middle = y + (place + 0.5) * layout.cell
            _write(axes, label, x - _GAP, middle, size=layout.font, ha="right")
    _draw_scale(axes, layout.left, low + 2 * _GAP)
    return figure


def _write_columns(
    axes: Axes, labels: Sequence[str], x: float, y: float, layout: _Layout
) -> None:
    for place, label in enumerate(labels):
        middle, size = x + (place + 0.5) * layout.cell, layout.font
        if layout.flat:
            _write(axes, label, middle, y - 0.5 * size, size=size, ha="center")
        else:
            _write(axes, label, middle, y, size=size, ha="left", rotation=90)


def _squares(axes: Axes, matrix: np.ndarray, x: float, y: float, cell: float) -> None:
    """A panel: its cells with ink, and the lines between all cells."""
    high, wide = matrix.shape
    lines = [[(0, row), (wide, row)] for row in range(high + 1)]
    lines += [[(column, 0), (column, high)] for column in range(wide + 1)]
    place = Affine2D().scale(cell).translate(x, y) + axes.transData
    grid = Path(np.concatenate(lines), [Path.MOVETO, Path.LINETO] * len(lines))
    axes.add_patch(
        PathPatch(grid, transform=place, fill=False, edgecolor=INK, linewidth=0.5, alpha=0.25)
    )
    for row, column in np.argwhere(matrix > _INVISIBLE):
        weight = min(1.0, float(matrix[row, column]))
        square = Rectangle((column, row), 1, 1, facecolor=INK, alpha=weight, transform=place)
        square.set_linewidth(0)
        axes.add_patch(square)


def _draw_scale(axes: Axes, x: float, y: float) -> None:
    """What ink stands for what weight."""
    _squares(axes, np.linspace(0, 1, 11)[None], x, y, _SWATCH)
    _write(axes, "weight", x - _GAP, y + _SWATCH / 2, ha="right")
    for place, label in ((0, "0"), (5, "0.5"), (10, "1")):
        at = (x + (place + 0.5) * _SWATCH, y + _SWATCH + _GAP + _FONT / 2)
        _write(axes, label, *at, ha="center")


class _Label(Text):
    """Text whose letters the browser has, even if matplotlib's font has not."""

    def draw(self, renderer: Any) -> None:
        """Without a warning of letters that are missing."""
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Glyph .* missing from", UserWarning)
            super().draw(renderer)

    def get_window_extent(self, *args: Any, **options: Any) -> Bbox:
        """Without a warning of letters that are missing."""
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Glyph .* missing from", UserWarning)
            return super().get_window_extent(*args, **options)


def _write(axes: Axes, text: str, x: float, y: float, size: float = _FONT, **form: Any) -> None:
    """Letters that the browser aligns to a point, since only it knows how wide they are. Their
    line, and not what each of them covers, has its middle there, so that all stand level.
    """
    if form.get("rotation"):
        x += _MIDDLE * size
    else:
        y += _MIDDLE * size
    form = {"va": "baseline", "color": INK, "fontsize": size, **form}
    label = _Label(x, y, text, rotation_mode="anchor", parse_math=False, **form)
    label.set_transform(axes.transData)
    axes.add_artist(label)


def _shown(token: str) -> str:
    """A token as a label: in one line, not too long, and never nothing."""
    line = " ".join(token.split()) or "\N{OPEN BOX}"
    line = "".join(
        letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in line
    )
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1]}…"


def _widest(texts: Sequence[str], size: float = _FONT) -> float:
    """About how wide the longest text is; Chinese, Japanese and Korean letters are square."""
    return size * max(
        sum(1.0 if unicodedata.east_asian_width(letter) in "WF" else 0.62 for letter in text)
        for text in texts
    )
