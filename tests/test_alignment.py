"""The attention of a decoder, against the equations written out and PyTorch's kernel."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from lmtutor.layers import AdditiveAttention, MultiplicativeAttention, padding_mask

EXACT = {"rtol": 1e-9, "atol": 1e-9}
KINDS = {
    "additive": lambda h, m: AdditiveAttention(h, m, 5),
    "multiplicative": MultiplicativeAttention,
}
sizes = st.tuples(*[st.integers(1, 5)] * 5)


def loud(module, seed):
    torch.manual_seed(seed)
    module.double()
    for parameter in module.parameters():
        nn.init.normal_(parameter, std=0.5)
    return module


def inputs(sizes, seed):
    rows, steps, length, hidden, memory = sizes
    generator = torch.Generator().manual_seed(seed)
    return (
        torch.randn(rows, steps, hidden, dtype=torch.float64, generator=generator),
        torch.randn(rows, length, memory, dtype=torch.float64, generator=generator),
        padding_mask(torch.randint(1, length + 1, (rows,), generator=generator), length),
    )


@settings(max_examples=30)
@given(sizes=sizes, seed=st.integers(0, 99))
def test_additive_weights_are_those_of_the_equation(sizes, seed):
    layer = loud(AdditiveAttention(sizes[3], sizes[4], 5), seed)
    queries, memory, mask = inputs(sizes, seed)
    contexts, weights = layer(queries, memory, mask)
    of_query, of_memory = layer.of_query.weight, layer.of_memory.weight
    for row, step in torch.cartesian_prod(torch.arange(sizes[0]), torch.arange(sizes[1])):
        scores = []
        for state in memory[row][mask[row]]:
            inner = of_query @ queries[row, step] + of_memory @ state + layer.of_memory.bias
            scores.append(layer.of_both.weight[0] @ torch.tanh(inner))
        expected = torch.stack(scores).exp() / torch.stack(scores).exp().sum()
        torch.testing.assert_close(weights[row, step][mask[row]], expected, **EXACT)
        assert (weights[row, step][~mask[row]] == 0).all()
        mean = sum(w * state for w, state in zip(expected, memory[row][mask[row]], strict=True))
        torch.testing.assert_close(contexts[row, step], mean, **EXACT)


@settings(max_examples=30)
@given(sizes=sizes, seed=st.integers(0, 99))
def test_multiplicative_contexts_are_those_of_the_fused_kernel(sizes, seed):
    layer = loud(MultiplicativeAttention(sizes[3], sizes[4]), seed)
    queries, memory, mask = inputs(sizes, seed)
    contexts, _ = layer(queries, memory, mask)
    expected = F.scaled_dot_product_attention(
        queries, layer.of_memory(memory), memory, attn_mask=mask[:, None], scale=1.0
    )
    torch.testing.assert_close(contexts, expected, **EXACT)


@pytest.mark.parametrize("kind", KINDS)
def test_what_padding_holds_makes_no_difference(kind):
    layer = loud(KINDS[kind](3, 4), 0)
    queries, memory, _ = inputs((2, 3, 5, 3, 4), 1)
    mask = padding_mask(torch.tensor([2, 5]), 5)
    before = layer(queries, memory, mask)
    after = layer(queries, memory.masked_fill(~mask[..., None], 1e6), mask)
    for one, other in zip(before, after, strict=True):
        assert torch.equal(one, other)
    alone = layer(queries[:1], memory[:1, :2])
    torch.testing.assert_close(alone[0], before[0][:1], **EXACT)


@pytest.mark.parametrize("kind", KINDS)
def test_gradients(kind):
    layer = loud(KINDS[kind](3, 4), 0)
    queries, memory, _ = inputs((2, 3, 4, 3, 4), 1)
    mask = padding_mask(torch.tensor([2, 4]), 4)
    names = [name for name, _ in layer.named_parameters()]

    def run(queries, memory, *parameters):
        named = dict(zip(names, parameters, strict=True))
        return torch.func.functional_call(layer, named, (queries, memory, mask))

    tensors = (queries, memory, *layer.parameters())
    assert torch.autograd.gradcheck(
        run, tuple(tensor.detach().requires_grad_() for tensor in tensors)
    )


@pytest.mark.parametrize("kind", KINDS)
def test_what_does_not_fit_is_refused(kind):
    layer = KINDS[kind](3, 4)
    queries, memory = torch.zeros(2, 1, 3), torch.zeros(2, 5, 4)
    with pytest.raises(ValueError, match=r"shape \(2, 1, 3\) and the memory \(3, 5, 4\)"):
        layer(queries, torch.zeros(3, 5, 4))
    with pytest.raises(ValueError, match=r"the memory \(2, 0, 4\); .* one position at least"):
        layer(queries, torch.zeros(2, 0, 4))
    with pytest.raises(
        ValueError, match=r"mask has shape \(2, 4\), and the memory is \(2, 5\)"
    ):
        layer(queries, memory, torch.ones(2, 4, dtype=torch.bool))
    with pytest.raises(ValueError, match=r"torch\.float32"):
        layer(queries, memory, torch.ones(2, 5))
    with pytest.raises(ValueError, match="mask has type list; give a boolean one"):
        layer(queries, memory, [[True] * 5] * 2)


def test_sizes_below_one_are_refused():
    with pytest.raises(ValueError, match="size is 0; the smallest is 1"):
        AdditiveAttention(3, 4, 0)
    with pytest.raises(ValueError, match="memory_size is -1"):
        MultiplicativeAttention(3, -1)


@pytest.mark.parametrize("kind", KINDS)
def test_queries_and_memory_have_three_axes(kind):
    layer = KINDS[kind](3, 4)
    memory = torch.zeros(2, 5, 4)
    for queries, other in (
        (torch.zeros(2, 3), memory),
        (torch.zeros(2, 1, 1, 3), memory),
        (torch.zeros(5, 3), torch.zeros(5, 4)),
    ):
        with pytest.raises(ValueError, match="give both three axes"):
            layer(queries, other)
    with pytest.raises(ValueError, match="query_size is 0"):
        KINDS[kind](0, 4)
