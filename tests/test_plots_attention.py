"""Maps of attention show the weights they were given, with labels of any script."""

import re
import warnings

import numpy as np
import pytest
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from test_plots import svg

from lmtutor.plots import plot_attention, plot_heads
from lmtutor.plots.style import INK, PAPER

WEIGHTS = np.array([[1.0, 0.0, 0.0], [0.25, 0.75, 0.0], [0.0, 0.5, 0.5], [0.0, 0.0, 0.0]])
ROWS, COLUMNS = ["one", "two", "three", "four"], ["a", "b", "c"]


def ink_at(figure, x: float, y: float) -> float:
    """How much ink there is at a place in points from the top left corner: 0 for the paper, 1
    for black.
    """
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    pixels = np.asarray(canvas.buffer_rgba(), dtype=float)  # (height, width, 4)
    scale = figure.dpi / 72
    return 1 - pixels[int(y * scale), int(x * scale), 0] / 255


def texts(figure) -> dict[str, list]:
    named = {}
    for text in figure.axes[0].texts:
        named.setdefault(text.get_text(), []).append(text)
    return named


def test_each_weight_is_ink_in_the_row_of_its_query_and_the_column_of_its_key():
    figure = plot_attention(WEIGHTS, ROWS, COLUMNS)
    labels = texts(figure)
    for row, (name, weights) in enumerate(zip(ROWS, WEIGHTS, strict=True)):
        (label,) = labels[name]
        assert (label.get_position()[1] > labels[ROWS[row - 1]][0].get_position()[1]) or not row
        for key, weight in zip(COLUMNS, weights, strict=True):
            x, y = labels[key][0].get_position()[0], label.get_position()[1]
            assert ink_at(figure, x, y) == pytest.approx(weight, abs=0.02)
    across = [labels[key][0].get_position()[0] for key in COLUMNS]
    assert across == sorted(across)


def test_a_map_is_drawn_in_the_two_colours_of_the_page():
    drawn = svg(plot_attention(WEIGHTS, ROWS, COLUMNS))
    assert INK in drawn
    assert PAPER in drawn
    assert set(re.findall(r"#[0-9a-f]{6}\b", drawn)) == {INK, PAPER}


def test_the_scale_goes_from_no_ink_to_all():
    figure = plot_attention(WEIGHTS, ROWS, COLUMNS)
    labels = texts(figure)
    y = labels["weight"][0].get_position()[1]
    for name in ("0", "0.5", "1"):
        x = labels[name][0].get_position()[0]
        assert ink_at(figure, x, y) == pytest.approx(float(name), abs=0.02)


def test_axes_and_scale_say_what_they_are():
    shown = texts(plot_attention(WEIGHTS, ROWS, COLUMNS, "English", "Chinese"))
    assert {"English", "Chinese", "weight", "0", "0.5", "1"} <= set(shown)
    shown = texts(plot_attention(WEIGHTS, ROWS, COLUMNS))
    assert {"the token that looks", "the token looked at"} <= set(shown)


def test_heads_have_titles_and_share_the_labels_of_their_row():
    heads = np.stack([np.eye(3), np.full((3, 3), 1 / 3), np.eye(3)[::-1]])
    figure = plot_heads(heads, COLUMNS, COLUMNS)
    labels = texts(figure)
    assert {"head 0", "head 1", "head 2"} <= set(labels)
    assert len(labels["a"]) == 3 + 1  # over each panel, and once at the left
    assert "first" in texts(plot_heads(heads[:1], COLUMNS, COLUMNS, ["first"]))
    over = [label for label in labels["a"] if label.get_ha() == "center"]
    (left,) = [label for label in labels["a"] if label.get_ha() == "right"]
    for head, label in zip(heads, over, strict=True):
        x, y = label.get_position()[0], left.get_position()[1]
        assert ink_at(figure, x, y) == pytest.approx(head[0, 0], abs=0.02)
    tops = {labels[f"head {k}"][0].get_position()[1] for k in range(3)}
    assert len(tops) == 1  # side by side


def test_panels_that_would_be_too_small_stand_one_under_the_other():
    tokens = [f"{k}" for k in range(30)]
    figure = plot_heads(np.stack([np.eye(30)] * 2), tokens, tokens)
    assert figure.get_size_inches()[0] * 72 <= 404.01
    one, other = (texts(figure)[f"head {k}"][0].get_position() for k in range(2))
    assert one[0] == other[0]
    assert one[1] < other[1]


@pytest.mark.parametrize("count", [1, 5, 12, 30])
def test_nothing_lies_outside_and_no_two_labels_overlap(count):
    tokens = [f"{k}word" for k in range(count)]
    names = ["head 0", "another name of some length", ""]
    figure = plot_heads(np.stack([np.eye(count)] * 3), tokens, tokens, names)
    FigureCanvasAgg(figure).draw()
    box = figure.bbox
    boxes = [text.get_window_extent() for text in figure.axes[0].texts if text.get_text()]
    for one in boxes:
        assert one.x0 >= box.x0 - 1
        assert one.x1 <= box.x1 + 1
        assert one.y0 >= box.y0 - 1
        assert one.y1 <= box.y1 + 1
    for number, one in enumerate(boxes):
        for other in boxes[:number]:
            wide = min(one.x1, other.x1) - max(one.x0, other.x0)
            high = min(one.y1, other.y1) - max(one.y0, other.y0)
            assert min(wide, high) < 3  # pixels; a line of text has room above its letters


def test_letters_that_the_font_does_not_have_stay_text_and_warn_of_nothing():
    tokens = ["起初", "神", "$x$", "_hidden"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure = plot_attention(np.eye(4), tokens, tokens)
        drawn = svg(figure)
        figure.get_tightbbox(FigureCanvasAgg(figure).get_renderer())
    for token in tokens:
        assert drawn.count(f">{token}</text>") == 2
    narrow = plot_attention(np.eye(4), ["ab", "a", "xxx", "hidden"], ["a"] * 4)
    wide = plot_attention(np.eye(4), ["起初", "神", "xxx", "起初神創造天"], ["a"] * 4)
    assert wide.get_size_inches()[0] > narrow.get_size_inches()[0]


def test_space_that_cannot_be_seen_has_a_sign_and_long_tokens_are_cut():
    tokens = [" ", "\n", " the", "\x00", "a" * 40]
    drawn = svg(plot_attention(np.eye(5), tokens, tokens))
    assert drawn.count(">␣</text>") == 4
    assert drawn.count(">the</text>") == 2
    assert drawn.count(">\ufffd</text>") == 2
    assert drawn.count(f">{'a' * 15}…</text>") == 2


def test_tensors_with_a_gradient_and_weights_of_half_precision_can_be_drawn():
    torch.manual_seed(0)
    for dtype in (torch.float16, torch.bfloat16, torch.float32):
        weights = torch.randn(20, 30, requires_grad=True).to(dtype).softmax(dim=-1)
        plain = weights.detach().float().numpy()
        tokens = ["q"] * 20, ["k"] * 30
        assert svg(plot_attention(weights, *tokens)) == svg(plot_attention(plain, *tokens))


def test_the_same_map_is_drawn_twice():
    assert svg(plot_attention(WEIGHTS, ROWS, COLUMNS)) == svg(
        plot_attention(WEIGHTS, ROWS, COLUMNS)
    )


def test_bad_weights_are_refused_with_the_numbers():
    with pytest.raises(ValueError, match=r"shape \(4, 3\), 3 queries and 3 keys"):
        plot_attention(WEIGHTS, COLUMNS, COLUMNS)
    with pytest.raises(ValueError, match=r"shape \(4, 3\), 3 queries and 4 keys"):
        plot_attention(WEIGHTS, COLUMNS, ROWS)  # a map the other way round
    with pytest.raises(ValueError, match=r"shape \(1, 4, 3\).*\(queries, keys\)"):
        plot_attention(WEIGHTS[None], ROWS, COLUMNS)
    with pytest.raises(ValueError, match=r"shape \(4, 3\).*\(heads, queries, keys\)"):
        plot_heads(WEIGHTS, ROWS, COLUMNS)
    with pytest.raises(ValueError, match="0 queries and 3 keys.* at least one"):
        plot_attention(np.zeros((0, 3)), [], COLUMNS)
    with pytest.raises(ValueError, match="at least one"):
        plot_heads(np.zeros((0, 4, 3)), ROWS, COLUMNS)
    for bad in (np.nan, np.inf):
        with pytest.raises(ValueError, match=f"weights hold {bad}"):
            plot_attention([[bad]], ["q"], ["k"])
    with pytest.raises(ValueError, match=r"a weight is -0\.5, below 0"):
        plot_attention([[-0.5]], ["q"], ["k"])
    with pytest.raises(ValueError, match=r"a row sums to 1\.2, above 1"):
        plot_attention([[0.6, 0.6]], ["q"], ["a", "b"])
    with pytest.raises(ValueError, match="2 heads and 1 names"):
        plot_heads(np.ones((2, 1, 1)), ["q"], ["k"], ["one"])
