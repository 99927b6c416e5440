"""Diagrams show what they were given, in the two colours of the page."""

import numpy as np
import pytest
from test_plots import AXIS, figures

from lmtutor.plots import plot_decision, plot_network


def test_a_network_has_its_units_lines_and_names():
    (axes,) = figures()["network"].axes
    assert len(axes.patches) == 2 + 3 + 1
    assert len(axes.lines) == 2 * 3 + 3 * 1
    texts = [text.get_text() for text in axes.texts]
    assert texts == ["$x_1$", "$x_2$", "in", "a", "b", "c", "", "y", "out"]


def test_lines_end_at_the_circles_so_that_they_may_be_transparent():
    (axes,) = figures()["network"].axes
    for line in axes.lines:
        for point in line.get_xydata():
            nearest = min(np.hypot(*(point - patch.center)) for patch in axes.patches)
            assert nearest == pytest.approx(axes.patches[0].radius)


def test_a_decision_has_its_points_and_its_boundary():
    (axes,) = figures()["decision"].axes
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("first", "second")
    assert [len(line.get_xdata()) for line in axes.lines] == [1, 2]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["no", "yes"]
    (path,) = axes.collections[-1].get_paths()
    np.testing.assert_allclose(path.vertices[:, 0], 0, atol=1e-9)


def test_bad_input_is_refused_with_the_numbers():
    with pytest.raises(ValueError, match=r"layers of \[2\] units and 1 names"):
        plot_network([["a", "b"]], ["x"])
    with pytest.raises(ValueError, match=r"layers of \[1, 0\] units"):
        plot_network([["a"], []], ["x", "y"])
    with pytest.raises(ValueError, match=r"layers of \[1, 1\] units and 1 names"):
        plot_network([["a"], ["b"]], ["x"])
    groups = {"no": [[0, 0]], "yes": [[1, 1]]}
    with pytest.raises(ValueError, match=r"9 x, 9 y, probabilities of shape \(8, 9\)"):
        plot_decision(AXIS, AXIS, np.ones((8, 9)), groups, "x", "y")
    with pytest.raises(ValueError, match="1 groups"):
        plot_decision(AXIS, AXIS, np.ones((9, 9)), {"no": [[0, 0]]}, "x", "y")
