"""Gradients and optimisers equal torch's in float64; bad input is refused with the numbers."""

import gc
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F

from lmtutor.autograd import (
    SGD,
    Adam,
    Momentum,
    Value,
    binary_cross_entropy,
    cross_entropy,
    log_softmax,
    squared_error,
)

seeds = st.integers(0, 10_000)


def loud(seed, *shape):
    return np.random.default_rng(seed).normal(0, 1.5, shape)


def close(ours, theirs):
    np.testing.assert_allclose(ours, theirs.detach().numpy(), rtol=1e-9, atol=1e-9)


def assert_same(ours, theirs, *arrays, seed=0):
    """One function of ours and of torch: the value, and the gradient for each input."""
    values = [Value(array) for array in arrays]
    tensors = [torch.tensor(array, requires_grad=True) for array in arrays]
    result, expected = ours(*values), theirs(*tensors)
    assert result.shape == tuple(expected.shape)
    close(result.data, expected)
    weights = loud(seed + 1, *result.shape)  # so that no two entries count alike
    (result * weights).sum().backward()
    (expected * torch.tensor(weights)).sum().backward()
    for value, tensor in zip(values, tensors, strict=True):
        assert value.grad.shape == value.shape
        close(value.grad, tensor.grad)


# --- every operation

BINARY = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a / b,
}


@st.composite
def broadcastable(draw):
    """Two shapes that broadcast: any size may be 1 on either side, and axes may be missing."""
    full = draw(st.lists(st.integers(1, 3), max_size=3))
    shapes = []
    for _ in range(2):
        shape = [size if draw(st.booleans()) else 1 for size in full]
        shapes.append(tuple(shape[draw(st.integers(0, len(shape))) :]))
    return shapes


@pytest.mark.parametrize("sign", BINARY)
@given(shapes=broadcastable(), seed=seeds)
def test_two_inputs_broadcast_as_in_torch(sign, shapes, seed):
    first, second = loud(seed, *shapes[0]), loud(seed + 5, *shapes[1])
    second = np.where(np.abs(second) < 0.2, 0.7, second)
    assert_same(BINARY[sign], BINARY[sign], first, second, seed=seed)


@given(
    rows=st.integers(1, 3),
    middle=st.integers(1, 3),
    columns=st.integers(1, 3),
    batches=st.sampled_from([((), ()), ((2,), ()), ((), (2,)), ((2, 1), (3,)), ((1,), (3,))]),
    seed=seeds,
)
def test_matrix_products_of_every_kind(rows, middle, columns, batches, seed):
    def product(a, b):
        return a @ b

    left, right = (
        loud(seed, *batches[0], rows, middle),
        loud(seed + 5, *batches[1], middle, columns),
    )
    assert_same(product, product, left, right, seed=seed)
    assert_same(product, product, loud(seed, middle), right, seed=seed)
    assert_same(product, product, left, loud(seed, middle), seed=seed)
    assert_same(product, product, loud(seed, middle), loud(seed + 1, middle), seed=seed)


UNARY = {
    "neg": (lambda x: -x, lambda x: -x),
    "exp": (Value.exp, torch.exp),
    "log": (lambda x: (x * x + 0.1).log(), lambda x: (x * x + 0.1).log()),
    "tanh": (Value.tanh, torch.tanh),
    "relu": (Value.relu, torch.relu),
    "sigmoid": (Value.sigmoid, torch.sigmoid),
    "softplus": (Value.softplus, lambda x: F.softplus(x, threshold=1e9)),
    "cube": (lambda x: x**3, lambda x: x**3),
    "square root": (lambda x: (x * x + 0.1) ** 0.5, lambda x: (x * x + 0.1) ** 0.5),
    "inverse square": (lambda x: (x * x + 0.1) ** -2, lambda x: (x * x + 0.1) ** -2),
    "to the power 0": (lambda x: x**0, lambda x: x**0),
    "sum": (Value.sum, torch.sum),
    "mean": (Value.mean, torch.mean),
    "sum, axis": (lambda x: x.sum(0), lambda x: x.sum(0)),
    "sum, axis kept": (
        lambda x: x.sum(axis=-1, keepdims=True),
        lambda x: x.sum(dim=-1, keepdim=True),
    ),
    "mean, axis": (lambda x: x.mean(1), lambda x: x.mean(1)),
    "transpose": (lambda x: x.T, lambda x: x.mT),
    "a row": (lambda x: x[0], lambda x: x[0]),
    "a column": (lambda x: x[:, -1], lambda x: x[:, -1]),
    "rows, one twice": (lambda x: x[[0, 1, 0]], lambda x: x[[0, 1, 0]]),
    "entries": (lambda x: x[[0, 1, 1], [1, 0, 0]], lambda x: x[[0, 1, 1], [1, 0, 0]]),
    "log-softmax": (log_softmax, lambda x: x.log_softmax(-1)),
    "number on the left": (
        lambda x: (2 - x) * 3 + 5 / (x * x + 1),
        lambda x: (2 - x) * 3 + 5 / (x * x + 1),
    ),
}


@pytest.mark.parametrize("name", UNARY)
@given(rows=st.integers(2, 4), columns=st.integers(2, 4), seed=seeds)
def test_one_input_as_in_torch(name, rows, columns, seed):
    assert_same(*UNARY[name], loud(seed, rows, columns), seed=seed)


@given(count=st.integers(1, 5), classes=st.integers(1, 5), seed=seeds)
def test_losses_as_in_torch(count, classes, seed):
    rng = np.random.default_rng(seed)
    logits, other = loud(seed, count, classes) * 3, loud(seed + 1, count, classes)
    picked, share = rng.integers(classes, size=count), rng.random((count, classes))
    assert_same(
        lambda z: cross_entropy(z, picked),
        lambda z: F.cross_entropy(z, torch.tensor(picked)),
        logits,
    )
    assert_same(
        lambda z: binary_cross_entropy(z, share),
        lambda z: F.binary_cross_entropy_with_logits(z, torch.tensor(share)),
        logits,
    )
    assert_same(
        lambda z: squared_error(z, other), lambda z: F.mse_loss(z, torch.tensor(other)), logits
    )


def test_slopes_at_the_corner_are_those_of_torch():
    zeros = np.zeros((2, 2))
    assert_same(Value.relu, torch.relu, zeros)
    assert_same(Value.softplus, F.softplus, zeros)
    assert_same(lambda x: x**0, lambda x: x**0, zeros)
    assert_same(lambda x: x**1, lambda x: x**1, zeros)


def test_huge_numbers_stay_finite_where_torch_stays_finite():
    huge = np.array([[1000.0, -1000.0, 0.0]])
    assert_same(log_softmax, lambda x: x.log_softmax(-1), huge)
    assert_same(Value.sigmoid, torch.sigmoid, huge)
    assert_same(Value.softplus, F.softplus, huge)
    assert cross_entropy(Value(huge), [1]).item() == 2000
    assert binary_cross_entropy(Value(huge), [[0, 1, 1]]).item() == pytest.approx(
        (2000 + np.log(2)) / 3
    )


# --- whole networks


@given(sizes=st.lists(st.integers(1, 4), min_size=2, max_size=4), seed=seeds)
def test_an_mlp_as_in_torch(sizes, seed):
    inputs, targets = loud(seed, 5, sizes[0]), np.arange(5) % sizes[-1]
    weights = [loud(seed + i, *pair) for i, pair in enumerate(pairwise(sizes))]
    biases = [loud(seed + 9 + i, size) for i, size in enumerate(sizes[1:])]

    def network(*parameters):
        hidden = inputs if isinstance(parameters[0], Value) else torch.tensor(inputs)
        layers = list(zip(parameters[: len(weights)], parameters[len(weights) :], strict=True))
        for weight, bias in layers[:-1]:
            hidden = (hidden @ weight + bias).tanh()
        return hidden @ layers[-1][0] + layers[-1][1]

    assert_same(
        lambda *p: cross_entropy(network(*p), targets),
        lambda *p: F.cross_entropy(network(*p), torch.tensor(targets)),
        *weights,
        *biases,
    )


@given(seed=seeds)
def test_gradients_are_what_small_steps_say(seed):
    """Without torch: (f(x + h) - f(x - h)) / 2h."""
    data, weight = loud(seed, 3, 2), loud(seed + 1, 2, 2)

    def loss(x):
        hidden = (Value(x) if not isinstance(x, Value) else x) @ weight
        return ((hidden.tanh() * hidden.sigmoid()).sum(axis=0) ** 2).mean()

    x, step = Value(data), 1e-5
    loss(x).backward()
    for place in np.ndindex(data.shape):
        nudge = np.zeros_like(data)
        nudge[place] = step
        slope = (loss(data + nudge).item() - loss(data - nudge).item()) / (2 * step)
        assert x.grad[place] == pytest.approx(slope, rel=1e-5, abs=1e-7)


def test_a_value_used_twice_gets_both_gradients():
    x = Value(3.0)
    (x * x + x).backward()
    assert x.grad == 2 * 3 + 1
    a = Value(2.0)
    b = a * 3  # used on two roads that meet again
    ((b + 1) * (b + a)).backward()
    assert a.grad == 3 * (6 + 2) + (6 + 1) * (3 + 1)


def test_a_shared_weight_as_in_torch():
    weight, inputs = loud(1, 3, 3), loud(2, 2, 3)
    assert_same(
        lambda w: ((inputs @ w).tanh() @ w.T).tanh() @ w,
        lambda w: ((torch.tensor(inputs) @ w).tanh() @ w.T).tanh() @ w,
        weight,
    )


def test_a_deep_graph_needs_no_recursion():
    x = Value(1.0)
    y = x
    for _ in range(5_000):
        y = y * 1.001 + x * 0
    y.backward()
    assert x.grad == pytest.approx(1.001**5_000)
    del y
    gc.collect()


def test_a_diamond_of_many_roads_is_walked_once():
    y = x = Value(1.0)
    for _ in range(200):  # 2 ** 200 roads
        y = y + y
    y.backward()
    assert x.grad == 2.0**200


def test_a_second_backward_adds_to_leaves_and_restarts_what_was_computed():
    x = Value([1.0, 2.0])
    squares = x * x
    loss = squares.sum()
    loss.backward()
    first = x.grad
    loss.backward()
    assert first.tolist() == [2, 4]
    assert x.grad.tolist() == [4, 8]
    assert squares.grad.tolist() == [1, 1]
    assert loss.grad == 1
    (x.sum() * 10).backward()  # another graph on the same leaf
    assert x.grad.tolist() == [14, 18]


def test_backward_differentiates_at_the_point_of_the_forward_pass():
    x = Value(3.0)
    loss = x * x
    SGD([x], 0.1).step()
    x.data = np.array(100.0)
    loss.backward()
    assert x.grad == 6
    assert Value(x.data).data is not x.data


def test_arrays_on_the_left_give_values():
    array, x = np.ones((2, 2)), Value([1.0, 2.0])
    for result in (array + x, array - x, array * x, array / x, array @ x):
        assert isinstance(result, Value)
        assert not result.is_leaf
    assert isinstance(np.float64(2) * x, Value)
    assert repr(x) == "Value([1., 2.])"
    assert [row.item() for row in x] == [1, 2]
    assert (x ** np.int64(2)).data.tolist() == [1, 4]


# --- optimisers

PAIRS = {
    "sgd": (lambda p: SGD(p, 0.05), lambda p: torch.optim.SGD(p, 0.05)),
    "momentum": (
        lambda p: Momentum(p, 0.05, 0.9),
        lambda p: torch.optim.SGD(p, 0.05, momentum=0.9),
    ),
    "no momentum": (lambda p: Momentum(p, 0.05, 0), lambda p: torch.optim.SGD(p, 0.05)),
    "adam": (lambda p: Adam(p, 0.05), lambda p: torch.optim.Adam(p, 0.05)),
    "adam, other settings": (
        lambda p: Adam(p, 0.2, (0.5, 0.7), 0.01),
        lambda p: torch.optim.Adam(p, 0.2, (0.5, 0.7), 0.01),
    ),
}


@pytest.mark.parametrize("name", PAIRS)
@pytest.mark.parametrize("seed", range(3))
def test_thirty_steps_as_in_torch_with_a_weight_that_is_shared(name, seed):
    start = [loud(seed, 3, 3), loud(seed + 1, 3), loud(seed + 2, 3, 2)]
    ours = [Value(array) for array in start]
    theirs = [torch.tensor(array, requires_grad=True) for array in start]
    make_ours, make_theirs = PAIRS[name]
    our_optimizer, their_optimizer = make_ours(ours), make_theirs(theirs)
    for step in range(30):
        inputs, targets = loud(100 + step, 4, 3), np.arange(4) % 2

        def logits(x, shared, bias, last):
            return ((x @ shared + bias).tanh() @ shared).tanh() @ last

        our_optimizer.zero_grad()
        cross_entropy(logits(inputs, *ours), targets).backward()
        our_optimizer.step()
        their_optimizer.zero_grad()
        F.cross_entropy(logits(torch.tensor(inputs), *theirs), torch.tensor(targets)).backward()
        their_optimizer.step()
        for value, tensor in zip(ours, theirs, strict=True):
            close(value.data, tensor)


def test_gradients_add_up_until_they_are_forgotten():
    x = Value(1.0)
    optimizer = SGD([x], 0.1)
    for expected in (2, 4):
        (x * x).backward()
        assert x.grad == expected
    optimizer.zero_grad()
    assert x.grad == 0


def test_adam_does_not_divide_zero_by_zero():
    x = Value([0.0, 1.0])
    optimizer = Adam([x], 0.1)
    x.grad = np.array([0.0, 1e-3])
    optimizer.step()
    assert x.data[0] == 0
    assert x.data[1] == pytest.approx(0.9, abs=1e-5)


# --- what is refused


def test_shapes_that_do_not_fit_are_refused_with_both():
    a, b = Value(np.ones((2, 3))), Value(np.ones((4, 5)))
    for sign, operation in BINARY.items():
        with pytest.raises(ValueError, match=rf"\(2, 3\) \{sign} \(4, 5\): .* from the last"):
            operation(a, b)
    with pytest.raises(ValueError, match=r"\(2, 3\) @ \(4, 5\): .*last but one"):
        a @ b
    with pytest.raises(ValueError, match=r"\(\) @ \(2, 3\)"):
        2 @ a
    with pytest.raises(ValueError, match=r"single number, .* shape \(2, 3\)"):
        a.backward()
    with pytest.raises(ValueError, match=r"shape \(0,\) has no entries"):
        Value([]).mean()


def test_bad_numbers_are_refused():
    for bad in ("word", [[1], [1, 2]], None, 1j, [Value(1.0)] * 2):
        with pytest.raises(ValueError, match="holds real numbers"):
            Value(bad)
    with pytest.raises(ValueError, match="the smallest is -2.0"):
        Value([1.0, -2.0]).log()
    with pytest.raises(ValueError, match="plain number, but got Value"):
        Value(2.0) ** Value(2.0)
    with pytest.raises(ValueError, match="size 1"):
        Value([1.0, 2.0]).item()


def test_targets_that_do_not_fit_are_refused():
    logits = Value(np.zeros((2, 3)))
    with pytest.raises(ValueError, match=r"\(2, 3\) and targets \(3,\)"):
        cross_entropy(logits, [0, 1, 2])
    with pytest.raises(ValueError, match=r"\(3,\) and targets \(\)"):
        cross_entropy(logits[0], 1)
    with pytest.raises(ValueError, match=r"\(0, 3\) and targets \(0,\)"):
        cross_entropy(Value(np.zeros((0, 3))), [])
    for bad in ([0, 3], [-1, 0], [0.0, 1.0]):
        with pytest.raises(ValueError, match=rf"from {min(bad)} to {max(bad)}; .* 0 to 2"):
            cross_entropy(logits, bad)
    with pytest.raises(ValueError, match=r"\(2, 3\) and targets \(2, 1\)"):
        squared_error(logits, [[1], [2]])
    with pytest.raises(ValueError, match=r"from 0.0 to 2.0; they must lie from 0 to 1"):
        binary_cross_entropy(Value([1.0, 1.0]), [0, 2])


def test_bad_settings_are_refused_with_the_number():
    x = Value(1.0)
    for rate in (0, -0.1, float("nan"), float("inf")):
        for kind in (SGD, Momentum, Adam):
            with pytest.raises(ValueError, match=f"learning_rate is {rate}"):
                kind([x], rate)
    for momentum in (-0.1, 1.0, float("nan")):
        with pytest.raises(ValueError, match=f"momentum is {momentum}"):
            Momentum([x], 0.1, momentum)
    for betas in ((1.0, 0.9), (0.9, -0.1)):
        with pytest.raises(ValueError, match=rf"betas are \({betas[0]}, {betas[1]}\)"):
            Adam([x], 0.1, betas)
    with pytest.raises(ValueError, match="epsilon is -1"):
        Adam([x], 0.1, epsilon=-1)
    with pytest.raises(ValueError, match="0 parameters"):
        SGD([], 0.1)
    with pytest.raises(ValueError, match="of the 2 parameters some are the same"):
        SGD([x, x], 0.1)
    with pytest.raises(ValueError, match="parameter 1 is .* no leaf"):
        SGD([x, x * 2], 0.1)
    with pytest.raises(ValueError, match="parameter 0 is 3.0"):
        SGD([3.0], 0.1)
