"""One look for all figures: SVG, real text, few lines.

The book's build turns the ink and the paper below into the colours of the page, so that figures
follow light and dark; in Jupyter and Colab they stay black on white. The hues are those of
Okabe and Ito, which people with colour-blind eyes tell apart.
"""

from typing import Any

import matplotlib as mpl
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.figure import Figure

INK, PAPER = "#010203", "#fdfefe"
HUES = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
_STYLE: Any = {
    "axes.edgecolor": INK,
    "axes.facecolor": PAPER,
    "axes.labelcolor": INK,
    "axes.prop_cycle": cycler(color=HUES),
    "axes.spines.right": False,
    "axes.spines.top": False,
    "figure.facecolor": PAPER,
    "font.size": 11,
    "grid.alpha": 0.25,
    "grid.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
}


def new_figure(width: float = 5.6, height: float = 3.2) -> tuple[Figure, Axes]:
    """An empty figure in the book's look, in inches, and its axes. It belongs to no window and
    needs no closing.
    """
    _draw_as_svg()
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(width, height), layout="constrained")
        axes = figure.add_subplot()
    axes.set_axisbelow(True)
    return figure, axes


def _draw_as_svg() -> None:
    """SVG in notebooks, with letters as text and the same bytes at every run."""
    mpl.rcParams["svg.fonttype"] = "none"
    mpl.rcParams["svg.hashsalt"] = "lmtutor"
    from IPython.core.getipython import get_ipython

    if get_ipython() is not None:
        from matplotlib_inline.backend_inline import set_matplotlib_formats

        set_matplotlib_formats("svg", metadata={"Date": None, "Creator": None})
