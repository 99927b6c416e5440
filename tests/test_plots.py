"""Figures have axes with units, show what they were given, and can be drawn."""

import io

import numpy as np
import pytest

from lmtutor.plots import (
    plot_curves,
    plot_decision,
    plot_intervals,
    plot_map,
    plot_network,
    plot_surprisal,
)
from lmtutor.plots.style import INK, PAPER

AXIS = np.linspace(-1, 1, 9)


def svg(figure) -> str:
    drawing = io.StringIO()
    figure.savefig(drawing, format="svg", metadata={"Date": None})
    return drawing.getvalue()


def figures():
    return {
        "curves": plot_curves(
            {"a": ([1, 10], [3, 2]), "b": ([1, 10], [4, 1])},
            "letters",
            "bits",
            x_log=True,
            floor=("floor", 1.5),
        ),
        "intervals": plot_intervals(
            ["x", "y"], [1, 2], [0.5, 1.5], [1.5, 2.5], "bits per byte"
        ),
        "surprisal": plot_surprisal(["In", "the"], {"a": [1, 2], "b": [3, 4]}),
        "map": plot_map(
            {"a": {"x": (0, 1)}, "b": {"y": (1, 0), "z": (1, 1)}}, "first", "second"
        ),
        "logarithmic map": plot_map(
            {"a": {"x": (1, 1)}, "b": {"y": (1000, 2), "z": (10, 4)}}, "s", "bits", log=True
        ),
        "network": plot_network(
            [["$x_1$", "$x_2$"], ["a", "b", "c"], ["y"]], ["in", "", "out"]
        ),
        "decision": plot_decision(
            AXIS,
            AXIS,
            np.tile((AXIS + 1) / 2, (9, 1)),
            {"no": [[-0.5, 0]], "yes": [[0.5, 0], [0.5, 0.5]]},
            "first",
            "second",
        ),
    }


def test_only_the_labels_that_are_given_stand_in_a_map():
    places = {"all": {"first": (0, 1), "second": (1, 0)}}
    drawn = svg(plot_map(places, "x", "y", labels={"first": "the best"}))
    assert ">the best<" in drawn
    assert ">first<" not in drawn
    assert ">second<" not in drawn


def test_a_logarithmic_map_has_no_place_for_zero():
    with pytest.raises(
        ValueError, match=r"'x' stands at \(0, 1\), and logarithmic axes have no"
    ):
        plot_map({"a": {"x": (0, 1)}}, "s", "bits", log=True)


@pytest.mark.parametrize("name", figures())
def test_every_figure_draws_the_same_twice_in_the_two_colours_of_the_page(name):
    one, other = (svg(figures()[name]) for _ in range(2))
    assert one == other
    assert INK in one
    assert PAPER in one
    assert "#000000" not in one
    assert "#ffffff" not in one


def test_labels_and_values_are_there():
    (axes,) = figures()["curves"].axes
    assert (axes.get_xlabel(), axes.get_ylabel(), axes.get_xscale()) == (
        "letters",
        "bits",
        "log",
    )
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["a", "b", "floor"]
    assert axes.lines[0].get_ydata().tolist() == [3, 2]
    (axes,) = figures()["intervals"].axes
    assert axes.get_xlabel() == "bits per byte"
    assert [label.get_text() for label in axes.get_yticklabels()] == ["x", "y"]
    assert axes.get_ylim()[0] > axes.get_ylim()[1]  # the first name is on top
    (axes,) = figures()["surprisal"].axes
    assert axes.get_ylabel() == "surprise, bits"
    assert [bar.get_height() for bar in axes.patches] == [1, 2, 3, 4]


def test_labels_are_taken_as_they_are():
    drawn = svg(plot_surprisal(["$", "$x^$"], {"_hidden": [1, 2], "b": [1, 1]}))
    assert "$x^$" in drawn
    assert "_hidden" in drawn


def test_numbers_on_axes_are_plain_and_do_not_crowd():
    wide = {"a": ([1, 1_000_000], [1, 200_000])}
    (axes,) = plot_curves(wide, "x", "y", y_log=True).axes
    axes.figure.draw_without_rendering()
    shown = [tick.get_text() for tick in axes.get_xticklabels()]
    assert len(shown) <= 8
    assert "200,000" in shown
    assert not any(tick.get_text() for tick in axes.get_yticklabels(minor=True))
    (axes,) = plot_curves({"a": ([1, 2], [40, 300])}, "x", "y", y_log=True).axes
    axes.figure.draw_without_rendering()
    assert "200" in [tick.get_text() for tick in axes.get_yticklabels(minor=True)]


def test_orders_are_whole_numbers_on_the_axis():
    (axes,) = plot_curves({"a": ([2, 3, 5], [3, 2, 1])}, "order", "y").axes
    axes.figure.draw_without_rendering()
    assert all("." not in tick.get_text() for tick in axes.get_xticklabels())


def test_intervals_below_zero_are_seen_whole():
    (axes,) = plot_intervals(["a", "b"], [-1, 1], [-2, -2], [-0.5, 1.5], "x").axes
    low, high = axes.get_xlim()
    assert low < -2
    assert high > 1.5
    (axes,) = plot_intervals(["a"], [0], [0], [0], "x").axes
    assert axes.get_xlim() != (0, 0)


def test_one_curve_needs_no_legend():
    (axes,) = plot_curves({"a": ([1], [1])}, "x", "y").axes
    assert axes.get_legend() is None


def test_bad_input_is_refused_with_a_reason():
    with pytest.raises(ValueError, match="no curves"):
        plot_curves({}, "x", "y")
    with pytest.raises(ValueError, match="'a' has 2 x and 1 y values"):
        plot_curves({"a": ([1, 2], [1])}, "x", "y")
    with pytest.raises(ValueError, match=r"have \[1, 2\] entries"):
        plot_intervals(["a"], [1, 2], [1], [1], "x")
    for bad in (float("inf"), float("nan")):
        with pytest.raises(ValueError, match="which cannot be drawn"):
            plot_curves({"a": ([1], [bad])}, "x", "y")
        with pytest.raises(ValueError, match="highs holds"):
            plot_intervals(["a"], [1], [1], [bad], "x")
        with pytest.raises(ValueError, match="values holds"):
            plot_surprisal(["a"], {"m": [bad]})
        with pytest.raises(ValueError, match="floor holds"):
            plot_curves({"a": ([1], [1])}, "x", "y", floor=("f", bad))
    with pytest.raises(ValueError, match="holds 0, and a logarithmic axis has no place"):
        plot_curves({"a": ([0, 1], [1, 2])}, "x", "y", x_log=True)
    with pytest.raises(ValueError, match="a: 3 does not lie between 1 and 2"):
        plot_intervals(["a"], [3], [1], [2], "x")
    with pytest.raises(ValueError, match=r"2 tokens, and values for \[1\]"):
        plot_surprisal(["a", "b"], {"m": [1.0]})
