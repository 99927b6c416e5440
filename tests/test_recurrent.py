"""Cells written out against PyTorch's fused layers, and the language models over them."""

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from lmtutor.data import Batch
from lmtutor.decoding import Sample, generate
from lmtutor.layers import GRUCell, LSTMCell, RNNCell
from lmtutor.metrics import sequence_nats
from lmtutor.models import (
    GRULanguageModel,
    LanguageModel,
    LSTMLanguageModel,
    NeuralNgram,
    NeuralNgramConfig,
    RecurrentConfig,
    RNNLanguageModel,
)

CELLS = {RNNCell: nn.RNN, LSTMCell: nn.LSTM, GRUCell: nn.GRU}
MODELS = (RNNLanguageModel, LSTMLanguageModel, GRULanguageModel)
V = 11
EXACT = {"rtol": 1e-9, "atol": 1e-9}


def loud(module, seed=0):
    """Large float64 parameters, with which a missing term cannot hide."""
    torch.manual_seed(seed)
    module.double()
    for parameter in module.parameters():
        nn.init.normal_(parameter, std=0.5)
    return module


def neural(kind, seed=0, **settings):
    sizes = {"order": 3} if kind is NeuralNgram else {}
    return loud(
        kind(vocab_size=V, embedding_size=4, hidden_size=6, **sizes, **settings), seed
    ).eval()


@settings(max_examples=25)
@given(
    kind=st.sampled_from(list(CELLS)),
    sizes=st.tuples(*[st.integers(1, 5)] * 4),
    with_state=st.booleans(),
    seed=st.integers(0, 99),
)
def test_cells_equal_the_fused_layers_forward_and_backward(kind, sizes, with_state, seed):
    rows, length, size, hidden = sizes
    theirs = loud(CELLS[kind](size, hidden, batch_first=True), seed)
    ours = kind.from_torch(theirs)
    inputs = torch.randn(rows, length, size, dtype=torch.float64, requires_grad=True)
    begin = tuple(
        torch.randn(rows, hidden, dtype=torch.float64) for _ in range(kind.state_size)
    )
    outputs, state = ours(inputs, begin if with_state else None)
    packed = tuple(tensor[None] for tensor in begin)
    packed = packed if kind is LSTMCell else packed[0]
    expected, last = theirs(inputs, packed if with_state else None)
    torch.testing.assert_close(outputs, expected, **EXACT)
    last = last if kind is LSTMCell else (last,)
    for mine, other in zip(state, last, strict=True):
        torch.testing.assert_close(mine, other[0], **EXACT)

    direction = torch.randn_like(outputs)
    (own_input,) = torch.autograd.grad((outputs * direction).sum(), inputs, retain_graph=True)
    (their_input,) = torch.autograd.grad(
        (expected * direction).sum(), inputs, retain_graph=True
    )
    torch.testing.assert_close(own_input, their_input, **EXACT)
    (outputs * direction).sum().backward()
    (expected * direction).sum().backward()
    pairs = [
        (ours.weight_input, theirs.weight_ih_l0),
        (ours.weight_hidden, theirs.weight_hh_l0),
    ]
    pairs.append((ours.bias, theirs.bias_ih_l0))
    for mine, other in pairs:
        torch.testing.assert_close(mine.grad, other.grad, **EXACT)
    if kind is GRUCell:
        torch.testing.assert_close(
            ours.bias_hidden.grad, theirs.bias_hh_l0.grad[2 * hidden :], **EXACT
        )


@pytest.mark.parametrize("kind", CELLS)
def test_a_cell_goes_to_torch_and_back(kind):
    cell = loud(kind(3, 4), seed=1)
    layer = cell.to_torch()
    inputs = torch.randn(2, 6, 3, dtype=torch.float64)
    torch.testing.assert_close(layer(inputs)[0], cell(inputs)[0], **EXACT)
    again = kind.from_torch(layer)
    for name, parameter in cell.state_dict().items():
        assert torch.equal(again.state_dict()[name], parameter), name


def test_any_layer_of_a_stack_can_be_taken():
    stack = loud(nn.LSTM(3, 4, num_layers=2, batch_first=True), seed=2)
    inputs = torch.randn(2, 5, 3, dtype=torch.float64)
    lower, _ = LSTMCell.from_torch(stack, 0)(inputs)
    upper, _ = LSTMCell.from_torch(stack, 1)(lower)
    torch.testing.assert_close(upper, stack(inputs)[0], **EXACT)


def test_an_lstm_step_by_hand():
    """One unit, numbers that can be followed with a pocket calculator."""
    cell = LSTMCell(1, 1).double()
    with torch.no_grad():
        cell.weight_input.copy_(torch.tensor([[1.0], [2.0], [3.0], [4.0]]))
        cell.weight_hidden.zero_()
        cell.bias.zero_()
    state = (torch.zeros(1, 1).double(), torch.tensor([[0.5]]).double())
    outputs, (_, memory) = cell(torch.tensor([[[0.1]]]).double(), state)
    # sigma(0.1) 0.524979, sigma(0.2) 0.549834, tanh(0.3) 0.291313, sigma(0.4) 0.598688;
    # so the memory is 0.427850, whose tanh is 0.403523
    assert memory.item() == pytest.approx(0.549834 * 0.5 + 0.524979 * 0.291313, abs=1e-6)
    assert outputs.item() == pytest.approx(0.598688 * 0.403523, abs=1e-5)


def test_watching_an_lstm_shows_what_it_does():
    cell = loud(LSTMCell(3, 4), seed=3)
    inputs = torch.randn(2, 6, 3, dtype=torch.float64)
    seen = cell.watch(inputs)
    outputs, (_, memory) = cell(inputs)
    torch.testing.assert_close(seen["hidden"], outputs, **EXACT)
    torch.testing.assert_close(seen["cell"][:, -1], memory, **EXACT)
    before = torch.cat([torch.zeros(2, 1, 4).double(), seen["cell"][:, :-1]], dim=1)
    rebuilt = seen["forget"] * before + seen["input"] * seen["candidate"]
    torch.testing.assert_close(rebuilt, seen["cell"], **EXACT)
    torch.testing.assert_close(seen["output"] * seen["cell"].tanh(), seen["hidden"], **EXACT)
    _, between = cell(inputs[:, :2])
    torch.testing.assert_close(
        cell.watch(inputs[:, 2:], between)["hidden"], seen["hidden"][:, 2:], **EXACT
    )


@pytest.mark.parametrize("kind", CELLS)
def test_gradcheck(kind):
    cell = loud(kind(2, 3), seed=4)
    inputs = torch.randn(2, 3, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: cell(x)[0], inputs)


def test_layers_that_a_cell_cannot_be_are_refused():
    with pytest.raises(ValueError, match="GRU, and this cell an LSTM"):
        LSTMCell.from_torch(nn.GRU(2, 3))
    with pytest.raises(ValueError, match="bidirectional=True"):
        LSTMCell.from_torch(nn.LSTM(2, 3, bidirectional=True))
    with pytest.raises(ValueError, match="proj_size=2"):
        LSTMCell.from_torch(nn.LSTM(2, 3, proj_size=2))
    with pytest.raises(ValueError, match="nonlinearity='relu'"):
        RNNCell.from_torch(nn.RNN(2, 3, nonlinearity="relu"))
    with pytest.raises(ValueError, match="no layer 1; there are 1"):
        GRUCell.from_torch(nn.GRU(2, 3), 1)
    with pytest.raises(ValueError, match="input_size is 0"):
        RNNCell(0, 3)
    with pytest.raises(ValueError, match=r"shape \(2, 0, 3\)"):
        RNNCell(3, 3)(torch.zeros(2, 0, 3))
    with pytest.raises(ValueError, match=r"shape \(2, 5, 4\).*3\)"):
        RNNCell(3, 3)(torch.zeros(2, 5, 4))


@settings(max_examples=20)
@given(
    kind=st.sampled_from([*MODELS, NeuralNgram]),
    shape=st.tuples(st.integers(1, 3), st.integers(1, 7)),
    seed=st.integers(0, 99),
)
def test_a_neural_model_keeps_the_contract(kind, shape, seed):
    model = neural(kind, seed)
    assert isinstance(model, LanguageModel)
    ids = torch.randint(0, V, shape)
    rows = model.log_probs(ids)
    assert rows.shape == (*shape, V)
    torch.testing.assert_close(rows.exp().sum(-1), torch.ones(shape).double(), **EXACT)
    torch.testing.assert_close(model.next_log_probs(ids), rows[:, -1], **EXACT)
    begin = torch.cat([torch.zeros(shape[0], 1, dtype=torch.long), ids[:, :-1]], dim=1)
    expected = model.log_probs(begin).gather(-1, ids[..., None])[..., 0]
    torch.testing.assert_close(model.token_log_probs(ids), expected, **EXACT)


@pytest.mark.parametrize("kind", [*MODELS, NeuralNgram])
def test_the_past_does_not_feel_the_future(kind):
    model = neural(kind)
    ids = torch.randint(0, V, (2, 6))
    changed = ids.clone()
    changed[:, 4:] = (changed[:, 4:] + 1) % V
    before, after = model.log_probs(ids), model.log_probs(changed)
    assert torch.equal(before[:, :4], after[:, :4])
    assert not torch.equal(before[:, 4], after[:, 4])


@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize("layers", [1, 2])
def test_reading_in_two_parts_is_reading_at_once(kind, layers):
    model = neural(kind, num_layers=layers)
    ids = torch.randint(0, V, (3, 9))
    whole, state = model.read(ids)
    first, between = model.read(ids[:, :4])
    second, end = model.read(ids[:, 4:], between)
    torch.testing.assert_close(torch.cat([first, second], dim=1), whole, **EXACT)
    torch.testing.assert_close(end, state, **EXACT)
    assert state.shape == (2 if kind is LSTMLanguageModel else 1, layers, 3, 6)


def test_a_neural_ngram_equals_one_window_at_a_time():
    model = neural(NeuralNgram, seed=5)
    ids = torch.randint(0, V, (2, 5))
    rows = model.log_probs(ids)
    for row, place in itertools.product(range(2), range(5)):
        window = [0, 0, *ids[row].tolist()][place + 1 : place + 3]
        x = torch.cat([model.embedding.weight[token] for token in window])
        h = (model.hidden.weight @ x + model.hidden.bias).tanh()
        expected = (model.output.weight @ h + model.output.bias).log_softmax(0)
        torch.testing.assert_close(rows[row, place], expected, **EXACT)


def test_a_window_forgets_what_lies_before_it_and_a_state_does_not():
    ids = torch.tensor([[0, 3, 4, 5], [0, 7, 4, 5]])
    assert torch.equal(*neural(NeuralNgram).log_probs(ids)[:, -1])
    assert not torch.equal(*neural(RNNLanguageModel).log_probs(ids)[:, -1])


@pytest.mark.parametrize("kind", [*MODELS, NeuralNgram])
def test_the_loss_is_the_sum_over_the_targets_and_the_score_agrees(kind):
    model = neural(kind)
    inputs = torch.tensor([[0, 4, 5], [0, 6, 1]])
    targets = torch.tensor([[4, 5, 1], [6, 1, -100]])
    logits = model(inputs)
    expected = F.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="none").sum()
    torch.testing.assert_close(model.loss(Batch(inputs, targets)), expected, **EXACT)
    nats = sequence_nats(model, [[4, 5], [6]])
    assert nats.sum() == pytest.approx(expected.item(), rel=1e-12)


@pytest.mark.parametrize("kind", [*MODELS, NeuralNgram])
def test_the_first_loss_is_about_that_of_the_uniform_model(kind):
    torch.manual_seed(0)
    model = kind(vocab_size=500).eval()
    ids = torch.randint(0, 500, (8, 20))
    mean = -model.token_log_probs(ids).mean().item()
    assert mean == pytest.approx(torch.tensor(500.0).log().item(), abs=0.2)


def test_state_is_carried_from_batch_to_batch_without_a_gradient():
    model = neural(LSTMLanguageModel)
    ids = torch.randint(0, V, (2, 9))
    parts = [Batch(ids[:, :4], ids[:, 1:5]), Batch(ids[:, 4:8], ids[:, 5:], continues=True)]
    total = sum(model.loss(part).item() for part in parts)
    whole = model.loss(Batch(ids[:, :8], ids[:, 1:])).item()
    assert total == pytest.approx(whole, rel=1e-12)
    assert not model.carried.requires_grad
    assert "carried" not in model.state_dict()
    with pytest.raises(ValueError, match="a batch of 1 rows goes on"):
        model.loss(Batch(ids[:1, :4], ids[:1, 1:5], continues=True))


@pytest.mark.parametrize("kind", [*MODELS, NeuralNgram])
def test_what_is_no_pair_of_inputs_and_targets_is_refused(kind):
    model = neural(kind)
    inputs = torch.randint(0, V, (3, 4))
    with pytest.raises(ValueError, match=r"inputs have shape \(3, 4\) and targets \(4, 3\)"):
        model.loss(Batch(inputs, inputs.T))
    with pytest.raises(ValueError, match="id -3 at position 0"):
        model.loss(Batch(inputs, torch.full((3, 4), -3)))
    narrow = model.loss(Batch(inputs.int(), inputs.int()))
    assert narrow == model.loss(Batch(inputs, inputs))
    assert model.log_probs(inputs[:, :0]).shape == (3, 0, V)


def test_each_dropout_drops():
    """Where one place alone drops, the rest being held in evaluation mode."""
    ids = torch.randint(0, V, (2, 5))
    model = neural(LSTMLanguageModel, dropout=0.5, num_layers=2)
    calm = model.log_probs(ids)
    model.recurrent.train()  # between the layers
    assert not torch.equal(model.log_probs(ids), calm)
    model.eval().dropout.train()
    vectors, seen = model.embedding(ids), []
    handle = model.recurrent.register_forward_hook(
        lambda _, given, out: seen.append((given, out))
    )
    hidden, _ = model.hidden_states(ids)
    handle.remove()
    (given, *_), (outputs, _) = seen[0]
    assert (given == 0).any()  # of the vectors
    assert torch.equal(given[given != 0], 2 * vectors[given != 0])
    assert (hidden == 0).any()  # before the output
    assert torch.equal(hidden[hidden != 0], 2 * outputs[hidden != 0])
    window = neural(NeuralNgram, dropout=0.5)
    assert torch.equal(window.log_probs(ids), window.log_probs(ids))
    window.train()
    assert not torch.equal(window.log_probs(ids), window.log_probs(ids))


def test_loading_leaves_random_numbers_alone_and_is_ready_for_use(tmp_path):
    neural(LSTMLanguageModel, dropout=0.5, num_layers=2).save(tmp_path / "model")
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    assert not LSTMLanguageModel.load(tmp_path / "model").training
    assert torch.equal(torch.rand(2), expected)
    with pytest.raises(ValueError, match="no bfloat16"):
        neural(LSTMLanguageModel).bfloat16().save(tmp_path / "model")


def test_tied_vectors_are_one_matrix():
    model = LSTMLanguageModel(vocab_size=V, embedding_size=4, hidden_size=6, tied=True)
    assert model.output.weight is model.embedding.weight
    untied = LSTMLanguageModel(vocab_size=V, embedding_size=4, hidden_size=6)
    # A matrix V x 6 less, and a projection 6 -> 4 with its bias more.
    assert untied.num_parameters - model.num_parameters == V * 6 - (6 * 4 + 4)


def test_forget_gates_start_open():
    layer = LSTMLanguageModel(vocab_size=V, hidden_size=6, num_layers=2).recurrent
    for number in (0, 1):
        both = layer.get_parameter(f"bias_ih_l{number}") + layer.get_parameter(
            f"bias_hh_l{number}"
        )
        assert both[6:12].tolist() == [1.0] * 6


@pytest.mark.parametrize("kind", [*MODELS, NeuralNgram])
@pytest.mark.parametrize("tied", [False, True])
def test_save_and_load(kind, tied, tmp_path):
    settings = {} if kind is NeuralNgram else {"tied": tied, "num_layers": 2}
    model = neural(kind, **settings).float()
    ids = torch.randint(0, V, (2, 5))
    model.save(tmp_path / "model")
    loaded = kind.load(tmp_path / "model")
    assert loaded.config == model.config
    assert torch.equal(loaded.log_probs(ids), model.log_probs(ids))
    assert generate(loaded, [4], 8, Sample(), 1) == generate(model, [4], 8, Sample(), 1)
    model.save(tmp_path / "half", dtype=torch.float16)
    assert (tmp_path / "half").stat().st_size < (tmp_path / "model").stat().st_size
    torch.testing.assert_close(
        kind.load(tmp_path / "half").log_probs(ids), model.log_probs(ids), rtol=0.02, atol=0.02
    )
    model.save(tmp_path / "bytes", dtype=torch.int8)
    rounded = kind.load(tmp_path / "bytes")
    for name, weight in model.state_dict().items():
        step = weight.abs().amax(-1, keepdim=True) / 127 if weight.ndim == 2 else 1e-2
        assert ((rounded.state_dict()[name] - weight).abs() <= step * 0.501).all(), name
    with pytest.raises(ValueError, match="dtype is torch.int16"):
        model.save(tmp_path / "bytes", dtype=torch.int16)


def test_a_matrix_used_twice_is_written_once(tmp_path):
    sizes = {}
    for tied in (False, True):
        model = LSTMLanguageModel(vocab_size=900, embedding_size=8, hidden_size=8, tied=tied)
        model.save(tmp_path / "model")
        loaded = LSTMLanguageModel.load(tmp_path / "model")
        assert (loaded.output.weight is loaded.embedding.weight) == tied
        assert torch.equal(loaded.output.weight, model.output.weight)
        sizes[tied] = (tmp_path / "model").stat().st_size
    assert sizes[False] - sizes[True] == pytest.approx(900 * 8 * 4, abs=200)


def test_files_of_other_models_and_broken_ones_are_refused(tmp_path):
    neural(RNNLanguageModel).save(tmp_path / "model")
    with pytest.raises(ValueError, match="holds a RNNLanguageModel, not a GRULanguageModel"):
        GRULanguageModel.load(tmp_path / "model")
    whole = (tmp_path / "model").read_bytes()
    (tmp_path / "model").write_bytes(whole[:-20])
    with pytest.raises(ValueError, match="not a whole file"):
        RNNLanguageModel.load(tmp_path / "model")


def test_ids_and_sizes_that_do_not_fit_are_refused():
    model = neural(LSTMLanguageModel)
    with pytest.raises(ValueError, match="id 11 at position 1 of row 0 .* 11 ids"):
        model.log_probs(torch.tensor([[0, 11]]))
    with pytest.raises(ValueError, match="id 12 at position 0 of row 0"):
        model.loss(Batch(torch.tensor([[0]]), torch.tensor([[12]])))
    with pytest.raises(ValueError, match="nothing to continue"):
        model.next_log_probs(torch.zeros(1, 0, dtype=torch.long))
    with pytest.raises(ValueError, match="hidden_size 0"):
        NeuralNgramConfig(V, hidden_size=0)
    with pytest.raises(ValueError, match="order is 1"):
        NeuralNgram(vocab_size=V, order=1)
    with pytest.raises(
        ValueError, match="num_layers must be at least 1, and are 128, 256 and 0"
    ):
        RecurrentConfig(V, num_layers=0)
    with pytest.raises(ValueError, match="dropout is 1"):
        RecurrentConfig(V, dropout=1.0)
    with pytest.raises(ValueError, match="begin mark 9"):
        GRULanguageModel(vocab_size=5, bos_id=9)

    class Short(NeuralNgram):
        context_length = 3

    with pytest.raises(ValueError, match="4 positions, and the model's context_length is 3"):
        Short(vocab_size=V).log_probs(torch.zeros(1, 4, dtype=torch.long))
