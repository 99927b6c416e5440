"""Trainings side by side: a chart of their losses and a table."""

import html
from collections.abc import Sequence
from typing import TYPE_CHECKING

from lmtutor.display import html_table
from lmtutor.widgets.live.settings import TrainingRun

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_POINTS = 25
_FADED = 0.5
_SIZE = (4.4, 3.3)  # inches; wider, its letters would be too small on a phone


def plot_runs(runs: Sequence[TrainingRun], uniform: float, unigram: float) -> "Figure":
    """The losses of all runs, those before the last faded, and the two lines that a model has
    to go below.

    Args:
        runs: each has taken a step or more.
        uniform: the loss of a model that knows nothing, in nats per token.
        unigram: of one that knows how frequent each token is.
    """
    from lmtutor.plots import plot_curves
    from lmtutor.plots.style import HUES, INK
    from lmtutor.training import TrainingHistory

    curves = {}
    for run in runs:
        window = max(1, run.settings.num_steps // _POINTS)
        curves[f"run {run.number}"] = TrainingHistory(run.losses).smooth_losses(window)
    label = "loss, nats per token"
    figure = plot_curves(curves, "step", label, floor=("unigram", unigram))
    figure.set_size_inches(*_SIZE)
    (axes,) = figure.axes
    for run, line in zip(runs, axes.lines, strict=False):  # behind these is the floor
        line.set(color=HUES[(run.number - 1) % len(HUES)], markersize=4)
        if run is not runs[-1]:
            line.set(alpha=_FADED, marker="")
    axes.axhline(uniform, color=INK, linestyle=":", linewidth=1.2, label="uniform")
    legend = axes.get_legend()
    assert legend is not None
    legend.remove()  # it would take half of a phone's width
    figure.legend(loc="outside lower center", ncols=3, frameon=False, labelcolor=INK)
    return figure


def table_of_runs(runs: Sequence[TrainingRun]) -> str:
    """What was trained and what came of it, as HTML."""
    heads = ["run", "last loss", "parameters", "steps"]
    rows = []
    for run in runs:
        settings, taken = run.settings, len(run.losses)
        whole = taken == settings.num_steps
        steps = f"{taken:,}" if whole else f"{taken:,} of {settings.num_steps:,}"
        loss = f"{run.last_loss:.2f}" if run.losses else ""
        model = f"{run.number}: {settings.name}, learning rate {settings.learning_rate:g}"
        rows.append([model, loss, f"{run.num_parameters:,}", steps])
    broken = [run for run in runs if run.ended not in ("", "finished", "stopped")]
    notes = "".join(
        f"<p>Run {run.number} broke off: {html.escape(run.ended)}.</p>" for run in broken
    )
    return html_table(heads, rows) + notes
