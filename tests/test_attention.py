"""Attention in the open, in PyTorch's kernel and in `nn.MultiheadAttention`: one thing."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from parity import EXACT, copy_parameters, loud
from torch import nn
from torch.nn import functional as F

from lmtutor.layers import (
    CausalSelfAttention,
    CrossAttention,
    MultiHeadAttention,
    RotaryPositions,
    attention,
    attention_weights,
    causal_mask,
    masked_softmax,
    padding_mask,
)

SIZES = {
    "heads": st.integers(1, 4),
    "size": st.integers(1, 5),
    "length": st.integers(1, 9),
    "seed": st.integers(0, 99),
}
MASKS = ("none", "causal", "padding", "both", "any")


def random(*shape, grad=False):
    return torch.randn(*shape, dtype=torch.float64, requires_grad=grad)


def make_mask(kind, batch, queries, keys):
    """One of every kind a model uses; "any" leaves some queries nowhere to look."""
    padding = padding_mask(torch.randint(1, keys + 1, (batch,)), keys)[:, None, None, :]
    causal = causal_mask(min(queries, keys), keys)
    if queries > keys:  # the first queries stand before the first key
        nowhere = torch.zeros(queries - keys, keys, dtype=torch.bool)
        causal = torch.cat([nowhere, causal])
    return {
        "none": None,
        "causal": causal,
        "padding": padding,
        "both": causal & padding,
        "any": torch.rand(batch, 1, queries, keys) < 0.4,
    }[kind]


def own_and_torch(layer, heads):
    """`nn.MultiheadAttention` with the parameters of a layer of ours that has biases."""
    size = layer.hidden_size
    memory = getattr(layer, "memory_size", size)
    theirs = nn.MultiheadAttention(size, heads, batch_first=True, kdim=memory, vdim=memory)
    theirs.double()
    if isinstance(layer, MultiHeadAttention):
        weight, bias = layer.query_key_value.weight, layer.query_key_value.bias
        pairs = [(theirs.in_proj_weight, weight), (theirs.in_proj_bias, bias)]
    else:
        bias = torch.cat([layer.query.bias, layer.key_value.bias])
        rows = (layer.query.weight, *layer.key_value.weight.chunk(2))
        pairs = [(theirs.in_proj_bias, bias)]
        if theirs.in_proj_weight is not None:  # the memory is as wide as the rest
            pairs.append((theirs.in_proj_weight, torch.cat(rows)))
        else:
            named = (theirs.q_proj_weight, theirs.k_proj_weight, theirs.v_proj_weight)
            pairs += zip(named, rows, strict=True)
    pairs += zip(theirs.out_proj.parameters(), layer.output.parameters(), strict=True)
    copy_parameters(pairs)
    return theirs


def assert_same_gradients(ours, theirs, inputs):
    """Of a random direction, with respect to inputs that both have read."""
    direction = torch.randn_like(ours)
    mine = torch.autograd.grad((ours * direction).sum(), inputs)
    others = torch.autograd.grad((theirs * direction).sum(), inputs)
    for one, other in zip(mine, others, strict=True):
        assert one.isfinite().all()
        torch.testing.assert_close(one, other, **EXACT)


@settings(max_examples=60)
@given(kind=st.sampled_from(MASKS), keys=st.integers(1, 9), batch=st.integers(1, 3), **SIZES)
def test_the_open_road_equals_the_fused_kernel(kind, batch, heads, length, keys, size, seed):
    torch.manual_seed(seed)
    queries = random(batch, heads, length, size, grad=True)
    table = random(batch, heads, keys, size, grad=True)
    values = random(batch, heads, keys, size, grad=True)
    mask = make_mask(kind, batch, length, keys)
    ours = attention(3 * queries, table, values, mask)
    theirs = F.scaled_dot_product_attention(3 * queries, table, values, attn_mask=mask)
    torch.testing.assert_close(ours, theirs, **EXACT)
    assert_same_gradients(ours, theirs, (queries, table, values))


@settings(max_examples=40)
@given(causal=st.booleans(), padded=st.booleans(), batch=st.integers(1, 3), **SIZES)
def test_equals_nn_multihead_attention(batch, heads, size, length, causal, padded, seed):
    ours = loud(MultiHeadAttention(heads * size, heads), seed)
    theirs = own_and_torch(ours, heads)
    hidden = random(batch, length, heads * size, grad=True)
    there = padding_mask(torch.randint(1, length + 1, (batch,)), length)
    before = causal_mask(length, length)
    expected, weights = theirs(
        hidden,
        hidden,
        hidden,
        attn_mask=~before if causal else None,
        key_padding_mask=~there if padded else None,
        average_attn_weights=False,
    )
    mask = torch.ones(1, 1, length, length, dtype=torch.bool)
    mask = mask & before if causal else mask
    mask = mask & there[:, None, None] if padded else mask
    mask = mask if causal or padded else None
    output = ours(hidden, mask)
    torch.testing.assert_close(output, expected, **EXACT)
    torch.testing.assert_close(ours.weights(hidden, mask), weights, **EXACT)
    assert_same_gradients(output, expected, (hidden,))


@settings(max_examples=40)
@given(keys=st.integers(1, 9), padded=st.booleans(), memory_size=st.integers(1, 12), **SIZES)
def test_cross_attention_equals_nn_multihead_attention(
    heads, size, length, keys, memory_size, padded, seed
):
    ours = loud(CrossAttention(heads * size, heads, memory_size), seed)
    theirs = own_and_torch(ours, heads)
    hidden, memory = random(3, length, heads * size, grad=True), random(3, keys, memory_size)
    memory.requires_grad_()
    there = padding_mask(torch.randint(1, keys + 1, (3,)), keys)
    expected, weights = theirs(
        hidden,
        memory,
        memory,
        key_padding_mask=~there if padded else None,
        average_attn_weights=False,
    )
    mask = there[:, None, None] if padded else None
    output = ours(hidden, memory, mask)
    torch.testing.assert_close(output, expected, **EXACT)
    torch.testing.assert_close(ours.weights(hidden, memory, mask), weights, **EXACT)
    assert_same_gradients(output, expected, (hidden, memory))


@settings(max_examples=40)
@given(
    kind=st.sampled_from(MASKS),
    groups=st.integers(1, 3),
    shared_by=st.integers(1, 3),
    bias=st.booleans(),
    turned=st.booleans(),
    size=st.sampled_from([2, 4]),
    length=st.integers(1, 7),
    seed=st.integers(0, 99),
)
def test_heads_that_share_keys(kind, groups, shared_by, bias, turned, size, length, seed):
    """Against the kernel's own grouping, and one by one: head h reads group h // shared_by."""
    heads = groups * shared_by
    rotary = RotaryPositions(size) if turned else None
    layer = loud(MultiHeadAttention(heads * size, heads, groups, bias, rotary), seed)
    hidden = random(2, length, heads * size, grad=True)
    mask = make_mask(kind, 2, length, length)
    packed = layer.query_key_value(hidden).unflatten(-1, (-1, size)).transpose(1, 2)
    queries, keys, values = packed.split([heads, groups, groups], dim=1)
    if rotary is not None:
        queries, keys = rotary.rotate(queries), rotary.rotate(keys)
    fused = F.scaled_dot_product_attention(
        queries, keys, values, attn_mask=mask, enable_gqa=True
    )
    expected = layer.output(fused.transpose(1, 2).flatten(2))
    output = layer(hidden, mask)
    torch.testing.assert_close(output, expected, **EXACT)

    weights = layer.weights(hidden, mask)
    one_mask = None if mask is None else mask.expand(2, 1, length, length)[:, 0]
    for head in range(heads):
        group = head // shared_by
        alone = attention_weights(queries[:, head], keys[:, group], one_mask)
        torch.testing.assert_close(weights[:, head], alone, **EXACT)
    spread = values.repeat_interleave(shared_by, dim=1)
    by_hand = layer.output((weights @ spread).transpose(1, 2).flatten(2))
    torch.testing.assert_close(output, by_hand, **EXACT)
    assert_same_gradients(output, by_hand, (hidden,))
    assert layer.query_key_value.weight.shape[0] == (heads + 2 * groups) * size
    assert (layer.output.bias is not None) == bias


def test_weights_equal_the_published_formula_on_a_worked_example():
    queries, keys = torch.tensor([[1.0, 0.0]]), torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    # scores 1/√2 and 0, so the first key gets e^0.7071 / (e^0.7071 + 1) = 0.6698
    weights = attention_weights(queries, keys)
    torch.testing.assert_close(weights, torch.tensor([[0.6698, 0.3302]]), atol=1e-4, rtol=0)
    mixed = attention(queries, keys, torch.tensor([[10.0], [20.0]]))
    torch.testing.assert_close(mixed, torch.tensor([[13.302]]), atol=1e-3, rtol=0)


@given(kind=st.sampled_from(MASKS), **SIZES)
def test_every_row_is_a_distribution_over_the_keys_it_may_see(kind, heads, size, length, seed):
    torch.manual_seed(seed)
    scores = 5 * random(2, heads, length, length)
    mask = make_mask(kind, 2, length, length)
    weights = masked_softmax(scores, mask)
    allowed = torch.ones_like(scores, dtype=torch.bool)
    allowed = allowed if mask is None else allowed & mask
    assert (weights[~allowed] == 0).all()
    torch.testing.assert_close(weights.sum(-1), allowed.any(-1).double(), **EXACT)
    for place in allowed.any(-1).nonzero().tolist():
        seen = scores[(*place, allowed[tuple(place)])]
        expected = seen.softmax(dim=-1)
        torch.testing.assert_close(weights[(*place, allowed[tuple(place)])], expected, **EXACT)


@settings(max_examples=30)
@given(rotary=st.booleans(), **SIZES)
def test_the_past_does_not_feel_the_future(heads, size, length, rotary, seed):
    turned = RotaryPositions(2 * size) if rotary else None
    layer = loud(MultiHeadAttention(2 * heads * size, heads, rotary=turned), seed)
    hidden = random(1, length, 2 * heads * size, grad=True)
    position, mask = seed % length, causal_mask(length, length)
    direction = random(2 * heads * size)
    (layer(hidden, mask)[0, position] @ direction).backward()
    felt = hidden.grad[0].abs().sum(dim=-1)
    assert (felt[: position + 1] > 0).all()
    assert (felt[position + 1 :] == 0).all()  # exactly, not approximately
    (felt,) = torch.autograd.grad(
        layer.weights(hidden, mask)[0, :, position].square().sum(), hidden
    )
    assert (felt[0, position + 1 :] == 0).all()


@settings(max_examples=40)
@given(
    masked=st.booleans(),
    groups=st.integers(1, 2),
    shared_by=st.integers(1, 2),
    length=st.integers(1, 9),
    seed=st.integers(0, 99),
)
def test_causal_self_attention_equals_the_causal_mask(masked, groups, shared_by, length, seed):
    heads = groups * shared_by
    own = loud(CausalSelfAttention(4 * heads, heads, groups, rotary=RotaryPositions(4)), seed)
    plain = MultiHeadAttention(4 * heads, heads, groups, rotary=RotaryPositions(4)).double()
    plain.load_state_dict(own.state_dict())
    hidden, before = random(2, length, 4 * heads, grad=True), causal_mask(length, length)
    mask = make_mask("any", 2, length, length) if masked else None
    both = before if mask is None else before & mask
    output = own(hidden, mask)
    torch.testing.assert_close(output, plain(hidden, both), **EXACT)
    assert_same_gradients(output, plain(hidden, both), (hidden,))
    assert torch.equal(own.weights(hidden, mask), plain.weights(hidden, both))
    position = seed % length
    (felt,) = torch.autograd.grad(own(hidden, mask)[0, position].sum(), hidden)
    assert (felt[0, position + 1 :] == 0).all()


@given(**SIZES)
def test_without_positions_the_order_does_not_matter(heads, size, length, seed):
    layer = loud(MultiHeadAttention(heads * size, heads), seed)
    hidden, order = random(2, length, heads * size), torch.randperm(length)
    torch.testing.assert_close(layer(hidden[:, order]), layer(hidden)[:, order], **EXACT)


def test_with_rotary_positions_the_order_matters():
    layer = loud(MultiHeadAttention(8, 2, rotary=RotaryPositions(4)))
    hidden = random(1, 5, 8)
    assert (layer(hidden.flip(1)) - layer(hidden).flip(1)).abs().max() > 0.01


def test_what_stands_in_the_padding_does_not_matter():
    layer = loud(MultiHeadAttention(6, 3))
    hidden, mask = random(2, 5, 6), padding_mask(torch.tensor([3, 5]), 5)[:, None, None]
    other = hidden.clone()
    other[0, 3:] = 100.0
    assert torch.equal(layer(hidden, mask)[0, :3], layer(other, mask)[0, :3])
    alone = layer(hidden[:1, :3])
    torch.testing.assert_close(layer(hidden, mask)[:1, :3], alone, **EXACT)


def test_queries_that_continue_a_past_see_all_of_it():
    assert causal_mask(2, 4).tolist() == [[True, True, True, False], [True, True, True, True]]
    queries, keys, values = random(7, 4), random(7, 4), random(7, 4)
    whole = attention(queries, keys, values, causal_mask(7, 7))
    tail = attention(queries[5:], keys, values, causal_mask(2, 7))
    torch.testing.assert_close(tail, whole[5:], **EXACT)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_query_that_may_look_nowhere_gets_zeros_on_both_roads(dtype):
    torch.manual_seed(0)
    layer = MultiHeadAttention(6, 3).to(dtype)
    hidden = torch.randn(2, 4, 6, dtype=dtype, requires_grad=True)
    mask = torch.ones(2, 1, 4, 4, dtype=torch.bool)
    mask[0, :, 1] = False
    with torch.autograd.set_detect_anomaly(True):  # no NaN on the way, either
        weights = layer.weights(hidden, mask)
        assert (weights[0, :, 1] == 0).all()
        (own,) = torch.autograd.grad(weights.square().sum(), hidden, retain_graph=True)
        assert own.isfinite().all()
        output = layer(hidden, mask)
        assert torch.equal(output[0, 1], layer.output.bias)
        output.square().sum().backward()
    assert hidden.grad.isfinite().all()
    for parameter in layer.parameters():
        assert parameter.grad.isfinite().all()
    queries = torch.randn(1, 3, dtype=dtype, requires_grad=True)
    nowhere = torch.zeros(1, 5, dtype=torch.bool)
    mixed = attention(
        queries, torch.randn(5, 3, dtype=dtype), torch.ones(5, 2, dtype=dtype), nowhere
    )
    assert mixed.tolist() == [[0.0, 0.0]]
    mixed.sum().backward()
    assert (queries.grad == 0).all()


def test_gradcheck():
    torch.manual_seed(0)
    mask = torch.rand(2, 1, 4, 4) < 0.6
    mask[0, 0, 2] = False
    assert torch.autograd.gradcheck(
        lambda x: masked_softmax(x, mask), random(2, 2, 4, 4, grad=True)
    )
    three = tuple(random(2, 1, 4, 3, grad=True) for _ in range(3))
    assert torch.autograd.gradcheck(lambda q, k, v: attention(q, k, v, mask), three)
    layer = loud(MultiHeadAttention(8, 4, 2, rotary=RotaryPositions(2)))
    hidden = random(2, 4, 8, grad=True)
    assert torch.autograd.gradcheck(lambda x: layer(x, mask), hidden)
    assert torch.autograd.gradcheck(lambda x: layer.weights(x, mask), hidden)
    cross, memory = loud(CrossAttention(4, 2, 3)), random(2, 4, 3, grad=True)
    inputs = (random(2, 4, 4, grad=True), memory)
    assert torch.autograd.gradcheck(lambda x, y: cross(x, y, mask), inputs)


def test_padding_masks():
    expected = [[True, False, False], [True, True, True]]
    assert padding_mask([1, 3], 3).tolist() == expected
    assert padding_mask(torch.tensor([1, 3]), 3).tolist() == expected
    with pytest.raises(ValueError, match="sequence 1 has length 4; with 3 keys .* 1 and 3"):
        padding_mask([1, 4], 3)
    with pytest.raises(ValueError, match="sequence 0 has length 0"):
        padding_mask(torch.tensor([0, 3]), 3)
    with pytest.raises(ValueError, match="torch.float32.*whole number"):
        padding_mask(torch.tensor([1.0]), 3)
    with pytest.raises(ValueError, match=r"shape \(1, 2\)"):
        padding_mask(torch.tensor([[1, 2]]), 3)
    with pytest.raises(ValueError, match="torch.bool"):
        padding_mask(torch.tensor([True, True]), 3)


@pytest.mark.parametrize("heads", [4, 0, -2])
@pytest.mark.parametrize("kind", [MultiHeadAttention, CrossAttention])
def test_heads_that_do_not_fit_are_refused_with_both_numbers(heads, kind):
    with pytest.raises(ValueError, match=f"hidden_size 10 .* {heads} heads"):
        kind(10, heads)


def test_sizes_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="6 heads do not divide into 4 groups"):
        MultiHeadAttention(12, 6, 4)
    with pytest.raises(ValueError, match="6 heads do not divide into 0 groups"):
        MultiHeadAttention(12, 6, 0)
    with pytest.raises(ValueError, match="heads of size 6, and these have size 4"):
        MultiHeadAttention(8, 2, rotary=RotaryPositions(6))
    with pytest.raises(ValueError, match="memory_size is 0"):
        CrossAttention(8, 2, 0)
    with pytest.raises(ValueError, match="size 3 .* size 4"):
        attention_weights(torch.zeros(1, 3), torch.zeros(1, 4))
    with pytest.raises(ValueError, match=r"keys have shape \(0, 3\)"):
        attention_weights(torch.zeros(1, 3), torch.zeros(0, 3))
    with pytest.raises(ValueError, match="2 keys but 3 values"):
        attention(torch.zeros(1, 3), torch.zeros(2, 3), torch.zeros(3, 3))
    with pytest.raises(ValueError, match="3 queries and 2 keys"):
        causal_mask(3, 2)
    with pytest.raises(ValueError, match="0 queries and 0 keys"):
        causal_mask(0, 0)


def test_sequences_that_do_not_fit_are_refused():
    layer, cross = MultiHeadAttention(8, 2), CrossAttention(8, 2, 6)
    with pytest.raises(ValueError, match=r"hidden has shape \(2, 0, 8\).*1 up, 8\)"):
        layer(torch.zeros(2, 0, 8))
    with pytest.raises(ValueError, match=r"hidden has shape \(2, 3, 9\).*1 up, 8\)"):
        layer(torch.zeros(2, 3, 9))
    with pytest.raises(ValueError, match=r"hidden has shape \(3, 8\)"):
        layer.weights(torch.zeros(3, 8))
    with pytest.raises(ValueError, match=r"memory has shape \(2, 0, 6\)"):
        cross(torch.zeros(2, 3, 8), torch.zeros(2, 0, 6))
    with pytest.raises(ValueError, match=r"memory has shape \(2, 4, 8\).*1 up, 6\)"):
        cross(torch.zeros(2, 3, 8), torch.zeros(2, 4, 8))
    with pytest.raises(ValueError, match="hidden holds 2 sequences and memory 1"):
        cross(torch.zeros(2, 3, 8), torch.zeros(1, 4, 6))


@pytest.mark.parametrize("dtype", [torch.int64, torch.uint8, torch.float32])
def test_masks_of_another_type_are_refused(dtype):
    """On both roads; the kernel would add a float mask to the scores."""
    mask, layer = torch.ones(3, 3).to(dtype), MultiHeadAttention(4, 2)
    causal = CausalSelfAttention(4, 2)
    for road in (layer, layer.weights, causal, causal.weights):
        with pytest.raises(ValueError, match=f"{dtype}; give a boolean one"):
            road(torch.zeros(2, 3, 4), mask)
    with pytest.raises(ValueError, match=str(dtype)):
        attention_weights(torch.zeros(3, 4), torch.zeros(3, 4), mask)
    with pytest.raises(ValueError, match="mask has type list; give a boolean one"):
        layer(torch.zeros(2, 3, 4), mask.bool().tolist())


def test_masks_of_another_shape_are_refused():
    layer, hidden = MultiHeadAttention(4, 2), torch.zeros(5, 3, 4)
    for road in (layer, layer.weights):
        with pytest.raises(ValueError, match=r"\(5, 3\), .* \(5, 2, 3, 3\); a padding mask"):
            road(hidden, torch.ones(5, 3, dtype=torch.bool))
        with pytest.raises(
            ValueError, match=r"\(5, 3, 3\), .* \(5, 2, 3, 3\).*mask\[:, None\]"
        ):
            road(hidden, torch.ones(5, 3, 3, dtype=torch.bool))
        with pytest.raises(ValueError, match=r"\(3,\), .* \(5, 2, 3, 3\)"):
            road(hidden, torch.ones(3, dtype=torch.bool))
        with pytest.raises(ValueError, match=r"\(4, 1, 3, 3\), which does not broadcast"):
            road(hidden, torch.ones(4, 1, 3, 3, dtype=torch.bool))
    with pytest.raises(ValueError, match=r"\(1, 1, 3\), which .* \(2, 3\)"):
        masked_softmax(torch.zeros(2, 3), torch.ones(1, 1, 3, dtype=torch.bool))  # would grow
