"""Positions against their formulas, and against transformers' Llama."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from parity import EXACT, llama_in_float64, loud
from torch.nn import functional as F

from lmtutor.layers import LearnedPositions, RotaryPositions, sinusoidal_positions

EVEN = st.integers(1, 6).map(lambda half: 2 * half)


def random(*shape, grad=False):
    return torch.randn(*shape, dtype=torch.float64, requires_grad=grad)


@given(length=st.integers(1, 40), size=EVEN)
def test_sinusoidal_positions_equal_the_formula(length, size):
    table = sinusoidal_positions(length, size, dtype=torch.float64)
    assert table.shape == (length, size)
    for position in range(length):
        for column in range(size):
            angle = position / 10000 ** (2 * (column // 2) / size)
            expected = math.cos(angle) if column % 2 else math.sin(angle)
            assert table[position, column].item() == pytest.approx(expected, abs=1e-12)


@given(shift=st.integers(0, 20), size=EVEN)
def test_a_shift_is_the_same_turn_at_every_position(shift, size):
    """Vaswani et al. 2017, section 3.5: PE(p + k) is a linear function of PE(p)."""
    table = sinusoidal_positions(50, size, dtype=torch.float64)
    turn = torch.linalg.lstsq(table[: 50 - shift], table[shift:]).solution
    torch.testing.assert_close(table[: 50 - shift] @ turn, table[shift:], rtol=0, atol=1e-6)


def test_sinusoidal_positions_have_the_type_that_is_asked_for():
    assert sinusoidal_positions(3, 4).dtype == torch.float32
    assert sinusoidal_positions(3, 4, dtype=torch.float16).dtype == torch.float16
    far = sinusoidal_positions(100_001, 6)[-1, 2].item()
    assert far == pytest.approx(math.sin(100_000 / 10000 ** (1 / 3)), abs=1e-6)
    assert sinusoidal_positions(2, 4, device=torch.device("meta")).device.type == "meta"


@given(length=st.integers(1, 6), start=st.integers(0, 6), seed=st.integers(0, 99))
def test_learned_positions_equal_an_embedding(length, start, seed):
    layer = loud(LearnedPositions(12, 4), seed)
    hidden = random(3, length, 4)
    ids = torch.arange(start, start + length).expand(3, -1)
    expected = hidden + F.embedding(ids, layer.table)
    torch.testing.assert_close(layer(hidden, start), expected, **EXACT)
    if start == 0:
        assert torch.equal(layer(hidden), layer(hidden, 0))


def test_each_learned_position_learns_from_its_own_place():
    layer = loud(LearnedPositions(5, 3))
    direction = random(2, 3, 3)
    (layer(torch.zeros(2, 3, 3).double(), start=1) * direction).sum().backward()
    torch.testing.assert_close(layer.table.grad[1:4], direction.sum(0), **EXACT)
    assert (layer.table.grad[[0, 4]] == 0).all()
    assert torch.autograd.gradcheck(layer, random(2, 3, 3, grad=True))


@settings(max_examples=40)
@given(
    half=st.integers(1, 6),
    length=st.integers(1, 12),
    start=st.integers(0, 3000),
    base=st.sampled_from([100.0, 10000.0, 500000.0]),
    seed=st.integers(0, 99),
)
def test_rotary_positions_equal_turns_in_the_complex_plane(half, length, start, base, seed):
    torch.manual_seed(seed)
    x = random(2, 3, length, 2 * half)
    points = torch.complex(x[..., :half], x[..., half:])
    for row in range(length):
        for place in range(half):
            angle = (start + row) * base ** (-2 * place / (2 * half))
            points[:, :, row, place] *= complex(math.cos(angle), math.sin(angle))
    turned = RotaryPositions(2 * half, base).rotate(x, start)
    torch.testing.assert_close(turned, torch.cat([points.real, points.imag], dim=-1), **EXACT)


@pytest.mark.parametrize("base", [10000.0, 500000.0])
@pytest.mark.parametrize("start", [0, 1, 2000])
def test_rotary_positions_equal_transformers_llama(base, start, monkeypatch):
    from transformers import LlamaConfig

    llama = llama_in_float64(monkeypatch)
    config = LlamaConfig(
        hidden_size=24,
        num_attention_heads=3,
        rope_parameters={"rope_type": "default", "rope_theta": base},
    )
    torch.manual_seed(0)
    queries, keys = random(2, 3, 9, 8, grad=True), random(2, 1, 9, 8, grad=True)
    ids = torch.arange(start, start + 9).expand(2, -1)
    cos, sin = llama.LlamaRotaryEmbedding(config)(queries, ids)
    expected = llama.apply_rotary_pos_emb(queries, keys, cos, sin)
    rotary = RotaryPositions(8, base)
    ours = rotary.rotate(queries, start), rotary.rotate(keys, start)
    for mine, other in zip(ours, expected, strict=True):
        torch.testing.assert_close(mine, other, **EXACT)
        direction = torch.randn_like(mine)
        both = [
            torch.autograd.grad((turned * direction).sum(), (queries, keys), allow_unused=True)
            for turned in (mine, other)
        ]
        torch.testing.assert_close(*both, **EXACT)


def test_rotary_positions_equal_the_paper_after_a_permutation():
    """RoFormer pairs neighbours, 2i with 2i + 1; we pair i with i + D/2."""
    x, places = random(1, 2, 7, 8), torch.arange(7, dtype=torch.float64)
    speeds = torch.tensor([10000 ** (-2 * i / 8) for i in range(4)], dtype=torch.float64)
    angles = places[:, None] * speeds
    cos, sin = (wave.repeat_interleave(2, dim=-1) for wave in (angles.cos(), angles.sin()))
    crossed = torch.stack([-x[..., 1::2], x[..., ::2]], dim=-1).flatten(-2)
    paper = x * cos + crossed * sin
    order = torch.tensor([0, 2, 4, 6, 1, 3, 5, 7])
    torch.testing.assert_close(
        RotaryPositions(8).rotate(x[..., order]), paper[..., order], **EXACT
    )


@given(
    size=EVEN,
    first=st.integers(0, 2000),
    distance=st.integers(-50, 50),
    shift=st.integers(0, 2000),
    seed=st.integers(0, 99),
)
def test_scores_depend_on_the_distance_alone(size, first, distance, shift, seed):
    torch.manual_seed(seed)
    query, key, rotary = random(1, 1, 1, size), random(1, 1, 1, size), RotaryPositions(size)
    first += 50

    def score(place):
        return rotary.rotate(query, place) @ rotary.rotate(key, place + distance).mT

    torch.testing.assert_close(score(first), score(first + shift), **EXACT)
    torch.testing.assert_close(rotary.rotate(query, first).norm(), query.norm(), **EXACT)
    if distance == 0:
        torch.testing.assert_close(score(first), query @ key.mT, **EXACT)


@given(size=EVEN, start=st.integers(0, 20), length=st.integers(1, 9))
def test_a_start_equals_slicing(size, start, length):
    x, rotary = random(2, 2, start + length, size), RotaryPositions(size)
    whole = rotary.rotate(x)
    assert torch.equal(rotary.rotate(x[:, :, start:], start), whole[:, :, start:])
    assert torch.equal(whole[:, :, 0], x[:, :, 0])


def test_far_rotary_positions_keep_their_precision_in_float32():
    x = random(1, 1, 4, 8)
    exact = RotaryPositions(8).rotate(x, 100_000)
    narrow = RotaryPositions(8).rotate(x.float(), 100_000)
    assert narrow.dtype == torch.float32
    torch.testing.assert_close(narrow.double(), exact, rtol=0, atol=1e-6)


def test_gradcheck():
    rotary = RotaryPositions(4)
    assert torch.autograd.gradcheck(
        lambda x: rotary.rotate(x, 3), random(2, 2, 3, 4, grad=True)
    )


def test_positions_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="size is 5; it must be even"):
        sinusoidal_positions(3, 5)
    with pytest.raises(ValueError, match="length is 0"):
        sinusoidal_positions(0, 4)
    with pytest.raises(ValueError, match="size is 7; it must be even"):
        RotaryPositions(7)
    with pytest.raises(ValueError, match="size is 0"):
        RotaryPositions(0)
    with pytest.raises(ValueError, match="base is 1; it must be above 1"):
        RotaryPositions(4, 1)
    with pytest.raises(ValueError, match=r"\(1, 1, 3, 6\) and start is 0; .* size 4"):
        RotaryPositions(4).rotate(torch.zeros(1, 1, 3, 6))
    with pytest.raises(ValueError, match="start is -1"):
        RotaryPositions(4).rotate(torch.zeros(1, 1, 3, 4), -1)


def test_positions_beyond_the_context_are_refused():
    with pytest.raises(ValueError, match="context_length is 0 and hidden_size 4"):
        LearnedPositions(0, 4)
    layer = LearnedPositions(8, 4)
    assert layer(torch.zeros(1, 8, 4)).shape == (1, 8, 4)
    with pytest.raises(ValueError, match="positions 0 to 8 .* context_length of 8 ends at 7"):
        layer(torch.zeros(1, 9, 4))
    with pytest.raises(ValueError, match="positions 6 to 8"):
        layer(torch.zeros(1, 3, 4), start=6)
    with pytest.raises(ValueError, match="positions -1 to 1"):
        layer(torch.zeros(1, 3, 4), start=-1)
    with pytest.raises(ValueError, match=r"shape \(1, 3, 5\).*1 up, 4\)"):
        layer(torch.zeros(1, 3, 5))
    with pytest.raises(ValueError, match=r"shape \(1, 0, 4\)"):
        layer(torch.zeros(1, 0, 4))
