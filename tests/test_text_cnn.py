"""TextCNN is Kim's network: against torch's convolutions one text at a time, and what it
refuses.
"""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from parity import EXACT, loud
from test_text_classifiers import LabelledRows, padded
from torch import nn

from lmtutor.models import TextCNN, TextCNNConfig

SMALL = {"vocab_size": 23, "num_labels": 3, "embedding_size": 6, "num_filters": 5}


def one_text(model, ids):
    """The logits of one text by torch's layers, with no padding but what a filter needs."""
    table, output = model.embedding.weight, model.output
    vectors = table[ids].T[None]  # (1, E, T)
    found = []
    for convolution in model.convolutions:
        width = convolution.kernel_size[0]
        theirs = nn.Conv1d(vectors.shape[1], len(convolution.bias), width).double()
        theirs.load_state_dict(convolution.state_dict())
        missing = max(0, width - vectors.shape[2])
        zeros = torch.zeros(1, vectors.shape[1], missing, dtype=torch.float64)
        pooled = nn.functional.relu(theirs(torch.cat([vectors, zeros], dim=2)))
        found.append(nn.functional.max_pool1d(pooled, pooled.shape[2])[0, :, 0])
    return torch.cat(found) @ output.weight.T + output.bias


@pytest.mark.parametrize("widths", [(3, 4, 5), (1,), (2, 7), (5, 1, 3)])
def test_it_equals_torch_s_convolutions(widths):
    model = loud(TextCNN(**SMALL, widths=widths)).eval()
    lengths = [9, 1, 5, 2, 7, 3, 4]
    ids, mask = padded(lengths)
    expected = [one_text(model, row[:n]) for row, n in zip(ids, lengths, strict=True)]
    torch.testing.assert_close(model(ids, mask), torch.stack(expected), **EXACT)


def test_by_hand():
    """One filter that adds the first numbers of two neighbours: 1 + 2, 2 + 4, and no 4 + 0."""
    model = TextCNN(vocab_size=5, num_labels=2, embedding_size=1, num_filters=1, widths=(2,))
    with torch.no_grad():
        model.embedding.weight.copy_(torch.tensor([[-9.0], [1.0], [2.0], [4.0], [8.0]]))
        model.convolutions[0].weight.fill_(1.0)
        model.convolutions[0].bias.fill_(0.5)
    ids = torch.tensor([[1, 2, 3, 4], [4, 4, 4, 4], [0, 1, 4, 4]])
    mask = torch.tensor([[1, 1, 1, 0], [1, 0, 0, 0], [1, 1, 0, 0]]).bool()
    # The second text is one token and a vector of zeros; the third fits nowhere.
    assert model.features(ids, mask).tolist() == [[6.5], [8.5], [0.0]]


@given(
    st.lists(st.integers(1, 8), min_size=1, max_size=4), st.integers(0, 9), st.integers(0, 99)
)
def test_padding_and_the_other_rows_change_nothing(lengths, more, seed):
    model = loud(TextCNN(**SMALL), seed).eval()
    ids, mask = padded(lengths, seed)
    wider, its_mask = padded(lengths, seed + 1, max(lengths) + more)
    wider[:, : max(lengths)] = ids.where(mask, wider[:, : max(lengths)])
    expected = model(ids, mask)
    torch.testing.assert_close(model(wider, its_mask), expected, **EXACT)
    texts = [row[None, :n] for row, n in zip(ids, lengths, strict=True)]
    alone = [model(text, text >= 0) for text in texts]
    torch.testing.assert_close(torch.cat(alone), expected, **EXACT)


def test_padding_gets_no_gradient():
    model = loud(TextCNN(**SMALL)).eval()
    ids, mask = padded([4, 1], total=9)
    ids = ids.where(mask, 22)
    ids[ids.where(mask, 0) == 22] = 21
    model(ids, mask).sum().backward()
    assert model.embedding.weight.grad[22].abs().max() == 0
    assert model.embedding.weight.grad[ids[0, :4]].abs().max() > 0


def test_gradients_are_those_of_finite_differences():
    model = loud(TextCNN(vocab_size=7, num_labels=2, embedding_size=3, num_filters=2)).eval()
    ids, mask = torch.randint(7, (3, 6)), torch.arange(6) < torch.tensor([[6], [2], [4]])
    names = [name for name, _ in model.named_parameters()]

    def logits(*tensors):
        return torch.func.functional_call(
            model, dict(zip(names, tensors, strict=True)), (ids, mask)
        )

    assert torch.autograd.gradcheck(logits, tuple(model.parameters()))


def test_the_loss_is_a_sum_over_rows():
    model = loud(TextCNN(**SMALL)).eval()
    ids, mask = padded([5, 2, 8])
    labels = torch.tensor([2, 0, 1])
    log_probs = model(ids, mask).log_softmax(dim=-1)
    expected = -sum(log_probs[row, label] for row, label in enumerate(labels))
    loss = model.loss(LabelledRows(ids, mask, labels))
    torch.testing.assert_close(loss, expected, **EXACT)


def test_dropout_leaves_out_maxima_while_training_alone():
    model = loud(TextCNN(**SMALL, dropout=0.5))
    ids, mask = padded([8, 8])
    assert not torch.equal(model(ids, mask), model(ids, mask))
    model.eval()
    assert torch.equal(model(ids, mask), model(ids, mask))


def test_it_learns_a_batch_by_heart():
    torch.manual_seed(0)
    model = TextCNN(**SMALL)
    ids, mask = padded([9, 1, 5, 2, 7, 3, 4, 6])
    batch = LabelledRows(ids, mask, torch.arange(8) % 3)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    first = model.eval().loss(batch).item() / 8
    assert first == pytest.approx(1.0986, abs=0.3)  # ln 3
    model.train()
    for _ in range(200):
        optimizer.zero_grad()
        model.loss(batch).backward()
        optimizer.step()
    model.eval()
    assert model.loss(batch).item() / 8 < 0.05
    assert model(ids, mask).argmax(dim=1).tolist() == batch.labels.tolist()


def test_it_finds_a_pattern_wherever_it_stands():
    """Whether 1 comes right before 2: a bag of words could not tell."""
    torch.manual_seed(0)
    generator = torch.Generator().manual_seed(1)

    def draw(number):
        ids = torch.randint(3, 9, (number, 12), generator=generator)
        labels = torch.arange(number) % 2
        for row, label in enumerate(labels.tolist()):
            place = int(torch.randint(11, (), generator=generator))
            ids[row, place : place + 2] = torch.tensor([1, 2] if label else [2, 1])
        return LabelledRows(ids, ids > 0, labels)

    model = TextCNN(vocab_size=9, num_labels=2, embedding_size=8, num_filters=4, widths=(2,))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    for _ in range(150):
        optimizer.zero_grad()
        model.loss(draw(32)).backward()
        optimizer.step()
    held_out = draw(200)
    right = model.eval()(held_out.inputs, held_out.mask).argmax(dim=1) == held_out.labels
    assert right.float().mean() > 0.95


def test_what_was_saved_is_loaded(tmp_path):
    model = TextCNN(**SMALL, widths=(2, 3)).eval()
    model.save(tmp_path / "model")
    loaded = TextCNN.load(tmp_path / "model")
    assert loaded.config == model.config
    ids, mask = padded([4, 2])
    assert torch.equal(loaded(ids, mask), model(ids, mask))


IDS = torch.ones(2, 4, dtype=torch.long)
ALL = torch.ones(2, 4, dtype=torch.bool)


@pytest.mark.parametrize(
    ("ids", "mask", "message"),
    [
        (IDS, None, r"there is no mask.*mask=\(ids != pad_id\)"),
        (IDS, ALL.long(), r"mask is torch.int64 of shape \(2, 4\)"),
        (IDS, ALL[:, :3], r"mask is torch.bool of shape \(2, 3\), and the ids .* \(2, 4\)"),
        (IDS, ALL & torch.tensor([[True], [False]]), "row 1 has no token"),
        (IDS[:, :0], ALL[:, :0], "row 0 has no token"),
        (
            IDS,
            torch.tensor([[1, 1, 1, 0], [1, 0, 1, 1]]).bool(),
            "row 1 has padding at position 1 and a token behind it",
        ),
        (IDS * 23, ALL, "id 23 at position 0 of row 0 is outside the vocabulary of 23"),
        (IDS[0], ALL, r"ids must be .* but got torch.int64 of shape \(4,\)"),
        (IDS.float(), ALL, "but got torch.float32"),
    ],
)
def test_bad_input_is_refused(ids, mask, message):
    with pytest.raises(ValueError, match=message):
        TextCNN(**SMALL)(ids, mask)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (torch.tensor([0, 3]), "row 1 has class 3; with 3 classes they go from 0 to 2"),
        (torch.tensor([-1, 0]), "row 0 has class -1"),
        (torch.tensor([0]), r"shape \(1,\); .* each of the 2 rows"),
        (torch.tensor([0.0, 1.0]), "torch.float32"),
    ],
)
def test_bad_labels_are_refused(labels, message):
    with pytest.raises(ValueError, match=message):
        TextCNN(**SMALL).loss(LabelledRows(IDS, ALL, labels))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"num_labels": 1}, "num_labels is 1; give 2"),
        ({"vocab_size": 0}, "vocab_size=0"),
        ({"embedding_size": 0}, "embedding_size=0"),
        ({"num_filters": -1}, "num_filters=-1"),
        ({"widths": ()}, r"widths are \(\)"),
        ({"widths": (3, 0)}, r"widths are \(3, 0\)"),
        ({"widths": (3, 3)}, r"widths are \(3, 3\)"),
        ({"dropout": 1.0}, "dropout is 1.0"),
    ],
)
def test_bad_sizes_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        TextCNNConfig(**SMALL | settings)
