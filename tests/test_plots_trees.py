"""A family tree: each node in its row and column, joined with its parent."""

import pytest

from lmtutor.families import FAMILIES, KINDS
from lmtutor.plots import TreeNode, plot_family_tree

OLD = TreeNode("old", "2000-01", "left")
CHILD = TreeNode("child", "2001-01", "right", "old")


def texts(figure):
    return {text.get_text(): text.get_position() for text in figure.axes[0].texts}


def lines(figure):
    """The lines between nodes, and the nodes themselves."""
    drawn = [tuple(zip(*line.get_data(), strict=True)) for line in figure.axes[0].lines]
    return [line for line in drawn if len(line) > 1], [line for line in drawn if len(line) == 1]


def test_nodes_stand_in_rows_by_date_and_in_columns():
    figure = plot_family_tree([CHILD, OLD], ["left", "right"])
    between, nodes = lines(figure)
    assert nodes == [((0, 0),), ((1, -1),)]
    assert between == [((0, 0), (0, -1), (1, -1))]
    assert {"old", "child", "left", "right", "2000-01", "2001-01"} == set(texts(figure))


def test_an_only_child_stands_below_its_parent_and_siblings_aside():
    one = TreeNode("a", "2001-01", "left", "old")
    two = TreeNode("b", "2001-01", "left", "old")
    _, nodes = lines(plot_family_tree([OLD, one], ["left"]))
    assert nodes[1] == ((0, -1),)
    figure = plot_family_tree([OLD, one, two], ["left"])
    _, nodes = lines(figure)
    assert nodes[1][0][0] == nodes[2][0][0] > 0
    assert [text.get_text() for text in figure.axes[0].texts].count("2001-01") == 1


def test_the_families_of_the_book_are_all_drawn():
    nodes = [
        TreeNode(family.name, f"{family.year}-{family.month:02}", family.kind, family.parent)
        for family in FAMILIES
    ]
    figure = plot_family_tree(nodes, KINDS)
    between, points = lines(figure)
    assert len(points) == len(FAMILIES)
    assert len(between) == len(FAMILIES) - 1
    assert set(texts(figure)) >= {family.name for family in FAMILIES}


@pytest.mark.parametrize(
    ("nodes", "words"),
    [
        ([], "there are 0 nodes"),
        ([OLD, OLD], "2 nodes with 1 names"),
        ([TreeNode("x", "2000", "middle")], "'x' is in the column 'middle'"),
        ([OLD, TreeNode("x", "2001", "left", "who")], "the parent of 'x' is 'who'"),
        ([OLD, TreeNode("x", "1999", "left", "old")], "no node that is older"),
    ],
)
def test_what_is_no_tree_is_refused(nodes, words):
    with pytest.raises(ValueError, match=words):
        plot_family_tree(nodes, ["left", "right"])
