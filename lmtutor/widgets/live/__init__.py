"""Explorers for a notebook with a kernel: what they show is computed while the reader plays.

Where there is no kernel, as on a page of the book, each is a picture of one state, computed as
well. Left out: what a page can do without a kernel; that is `lmtutor.widgets.playground`.
"""

from lmtutor.widgets.live.attention import AttentionExplorer
from lmtutor.widgets.live.base import LiveExplorer
from lmtutor.widgets.live.merge_states import MergeState
from lmtutor.widgets.live.merges import MergeExplorer
from lmtutor.widgets.live.settings import TrainingRun, TrainingSettings
from lmtutor.widgets.live.training import TrainingExplorer

__all__ = [
    "AttentionExplorer",
    "LiveExplorer",
    "MergeExplorer",
    "MergeState",
    "TrainingExplorer",
    "TrainingRun",
    "TrainingSettings",
]
