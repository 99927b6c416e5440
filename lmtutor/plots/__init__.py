"""Figures with axes, units and nothing to explain. They know nothing of the models they
show.
"""

from lmtutor.plots.attention_maps import plot_attention, plot_heads
from lmtutor.plots.bars import plot_bars
from lmtutor.plots.curves import plot_curves, plot_intervals, plot_surprisal, plot_tokens
from lmtutor.plots.diagrams import plot_decision, plot_network
from lmtutor.plots.maps import plot_map
from lmtutor.plots.streams import plot_streams
from lmtutor.plots.trees import TreeNode, plot_family_tree

__all__ = [
    "TreeNode",
    "plot_attention",
    "plot_bars",
    "plot_curves",
    "plot_decision",
    "plot_family_tree",
    "plot_heads",
    "plot_intervals",
    "plot_map",
    "plot_network",
    "plot_streams",
    "plot_surprisal",
    "plot_tokens",
]
