"""Figures with axes, units and nothing to explain. They know nothing of the models they
show.
"""

from lmtutor.plots.curves import plot_curves, plot_intervals, plot_surprisal

__all__ = ["plot_curves", "plot_intervals", "plot_surprisal"]
