"""FastTextClassifier and LSTMClassifier against torch and our cells, one text at a time, and
what all classifiers of texts have in common.
"""

import dataclasses
import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from parity import EXACT, loud
from torch import nn

from lmtutor.layers import LSTMCell
from lmtutor.models import (
    BertForClassification,
    FastTextClassifier,
    FastTextClassifierConfig,
    LSTMClassifier,
    LSTMClassifierConfig,
    TextClassifier,
    TextCNN,
)

SIZES = {"vocab_size": 23, "num_labels": 3, "embedding_size": 6}
FAST = SIZES | {"num_buckets": 7}
RECURRENT = SIZES | {"hidden_size": 5}
SMALLER = {"vocab_size": 5, "embedding_size": 2}
KINDS = [(FastTextClassifier, FAST), (LSTMClassifier, RECURRENT), (TextCNN, SIZES)]


@dataclasses.dataclass(frozen=True)
class LabelledRows:
    inputs: torch.Tensor
    mask: torch.Tensor
    labels: torch.Tensor


def padded(lengths, seed=0, total=None):
    """Rows of these lengths; what stands in the padding is noise."""
    generator = torch.Generator().manual_seed(seed)
    total = total or max(lengths)
    ids = torch.randint(SIZES["vocab_size"], (len(lengths), total), generator=generator)
    return ids, torch.arange(total) < torch.tensor(lengths)[:, None]


def rows_of(ids, mask):
    return [row[keep] for row, keep in zip(ids, mask, strict=True)]


# --- FastTextClassifier


@pytest.mark.parametrize("num_buckets", [0, 1, 7, 1000])
def test_it_is_the_mean_over_one_bag_of_words_and_bigrams(num_buckets):
    model = loud(FastTextClassifier(**FAST | {"num_buckets": num_buckets})).eval()
    ids, mask = padded([9, 1, 5, 2, 7])
    table = torch.cat([model.embedding.weight, model.bigrams.weight])
    bag = nn.EmbeddingBag.from_pretrained(table, mode="mean")
    expected = []
    for row in rows_of(ids, mask):
        words = row.tolist()
        pairs = [
            23 + (first * 116_049_371 + second) % num_buckets
            for first, second in itertools.pairwise(words)
            if num_buckets
        ]
        expected.append(bag(torch.tensor([words + pairs]))[0])
    features = torch.stack(expected)
    torch.testing.assert_close(model.features(ids, mask), features, **EXACT)
    logits = features @ model.output.weight.T + model.output.bias
    torch.testing.assert_close(model(ids, mask), logits, **EXACT)


def test_a_mean_by_hand():
    """Words 1 and 2 count 1 and 2, each bigram 10 in the one bucket: (1 + 2 + 10) / 3."""
    model = FastTextClassifier(vocab_size=3, num_labels=2, embedding_size=1, num_buckets=1)
    with torch.no_grad():
        model.embedding.weight.copy_(torch.tensor([[-9.0], [1.0], [2.0]]))
        model.bigrams.weight.fill_(10.0)
    ids = torch.tensor([[1, 2, 0], [2, 0, 0], [2, 2, 2]])
    mask = torch.tensor([[1, 1, 0], [1, 0, 0], [1, 1, 1]]).bool()
    torch.testing.assert_close(
        model.features(ids, mask), torch.tensor([[13 / 3], [2.0], [26 / 5]])
    )


def test_only_bigrams_see_the_order():
    ids = torch.tensor([[4, 9, 2, 7, 5]])
    mask = torch.ones_like(ids, dtype=torch.bool)
    shuffled = ids[:, [2, 0, 4, 1, 3]]
    words = loud(FastTextClassifier(**FAST | {"num_buckets": 0}))
    torch.testing.assert_close(words(ids, mask), words(shuffled, mask), **EXACT)
    both = loud(FastTextClassifier(**FAST | {"num_buckets": 1000}))
    assert (both(ids, mask) - both(shuffled, mask)).abs().max() > 0.01


def test_buckets_tell_the_order_of_two_words_and_fill_evenly():
    model = FastTextClassifier(vocab_size=1000, num_labels=2, num_buckets=500)
    assert model.buckets(torch.tensor([[3, 8]])) != model.buckets(torch.tensor([[8, 3]]))
    ids = torch.randint(1000, (1, 50_001), generator=torch.Generator().manual_seed(0))
    counts = model.buckets(ids).flatten().bincount(minlength=500)  # 100 in each on average
    assert counts.min() > 50
    assert counts.max() < 150
    last = torch.full((1, 2), 2**31 - 2)  # no product overflows
    assert 0 <= int(model.buckets(last)) == (2**31 - 2) * 116_049_372 % 500


# --- LSTMClassifier


def one_text(model, ids):
    """The features of one text by our cells, which know no padding and one direction."""
    outputs = model.embedding.weight[ids][None]  # (1, T, E)
    layers = model.recurrent
    for number in range(layers.num_layers):
        found = []
        for suffix in ("", "_reverse")[: 2 if layers.bidirectional else 1]:
            names = [f"{kind}_l{number}{suffix}" for kind in ("weight_ih", "weight_hh")]
            cell = LSTMCell(outputs.shape[2], layers.hidden_size).double()
            with torch.no_grad():
                cell.weight_input.copy_(layers.get_parameter(names[0]))
                cell.weight_hidden.copy_(layers.get_parameter(names[1]))
                biases = [f"bias_{kind}_l{number}{suffix}" for kind in ("ih", "hh")]
                cell.bias.copy_(sum(layers.get_parameter(name) for name in biases))
            backwards = outputs.flip(1) if suffix else outputs
            states, _ = cell(backwards)
            found.append(states.flip(1) if suffix else states)
        outputs = torch.cat(found, dim=2)
    return outputs[0].max(dim=0).values


@pytest.mark.parametrize("bidirectional", [True, False])
@pytest.mark.parametrize("num_layers", [1, 2])
def test_it_equals_our_cells_one_text_at_a_time(num_layers, bidirectional):
    model = LSTMClassifier(**RECURRENT, num_layers=num_layers, bidirectional=bidirectional)
    model = loud(model).eval()
    ids, mask = padded([9, 1, 5, 2, 7])
    features = torch.stack([one_text(model, row) for row in rows_of(ids, mask)])
    assert features.shape == (5, 10 if bidirectional else 5)
    torch.testing.assert_close(model.features(ids, mask), features, **EXACT)
    logits = features @ model.output.weight.T + model.output.bias
    torch.testing.assert_close(model(ids, mask), logits, **EXACT)


# --- what all have in common


@pytest.mark.parametrize(("kind", "sizes"), KINDS[:2])
@settings(max_examples=50)
@given(
    st.lists(st.integers(1, 8), min_size=1, max_size=4), st.integers(0, 9), st.integers(0, 99)
)
def test_padding_and_the_other_rows_change_nothing(kind, sizes, lengths, more, seed):
    model = loud(kind(**sizes), seed).eval()
    ids, mask = padded(lengths, seed)
    wider, its_mask = padded(lengths, seed + 1, max(lengths) + more)
    wider[:, : max(lengths)] = ids.where(mask, wider[:, : max(lengths)])
    expected = model(ids, mask)
    torch.testing.assert_close(model(wider, its_mask), expected, **EXACT)
    texts = [row[None, :n] for row, n in zip(ids, lengths, strict=True)]
    alone = [model(text, text >= 0) for text in texts]
    torch.testing.assert_close(torch.cat(alone), expected, **EXACT)


@pytest.mark.parametrize(("kind", "sizes"), KINDS)
def test_padding_gets_no_gradient(kind, sizes):
    model = loud(kind(**sizes)).eval()
    ids, mask = padded([4, 1], total=9)
    ids = ids.clamp_max(21).where(mask, 22)
    model(ids, mask).sum().backward()
    assert model.embedding.weight.grad[22].abs().max() == 0
    assert model.embedding.weight.grad[ids[0, :4]].abs().max() > 0


@pytest.mark.parametrize(("kind", "sizes"), KINDS[:2])
def test_gradients_are_those_of_finite_differences(kind, sizes):
    model = loud(kind(**sizes | SMALLER)).eval()
    ids, mask = torch.randint(5, (3, 4)), torch.arange(4) < torch.tensor([[4], [1], [3]])
    names = [name for name, _ in model.named_parameters()]

    def logits(*tensors):
        return torch.func.functional_call(
            model, dict(zip(names, tensors, strict=True)), (ids, mask)
        )

    assert torch.autograd.gradcheck(logits, tuple(model.parameters()))


@pytest.mark.parametrize(("kind", "sizes"), KINDS)
def test_the_loss_is_a_sum_over_rows(kind, sizes):
    model = loud(kind(**sizes)).eval()
    ids, mask = padded([5, 2, 8])
    labels = torch.tensor([2, 0, 1])
    log_probs = model(ids, mask).log_softmax(dim=-1)
    expected = -sum(log_probs[row, label] for row, label in enumerate(labels))
    loss = model.loss(LabelledRows(ids, mask, labels))
    torch.testing.assert_close(loss, expected, **EXACT)
    with pytest.raises(ValueError, match="row 1 has class 3; with 3 classes"):
        model.loss(LabelledRows(ids, mask, torch.tensor([0, 3, 1])))


@pytest.mark.parametrize(("kind", "sizes"), KINDS)
def test_dropout_acts_while_training_alone(kind, sizes):
    model = loud(kind(**sizes, dropout=0.5))
    ids, mask = padded([8, 8])
    assert not torch.equal(model(ids, mask), model(ids, mask))
    model.eval()
    assert torch.equal(model(ids, mask), model(ids, mask))


def test_an_lstm_leaves_out_numbers_of_token_vectors_as_well_as_of_maxima():
    model = loud(LSTMClassifier(**RECURRENT, dropout=0.5))
    ids, mask = padded([8, 8])
    assert not torch.equal(model.features(ids, mask), model.features(ids, mask))
    assert model.recurrent.dropout == 0  # nothing is between the layers of one
    assert LSTMClassifier(**RECURRENT, dropout=0.5, num_layers=2).recurrent.dropout == 0.5


@pytest.mark.parametrize(("kind", "sizes"), KINDS[:2])
def test_it_learns_a_batch_by_heart(kind, sizes):
    torch.manual_seed(0)
    model = kind(**sizes)
    ids, mask = padded([9, 1, 5, 2, 7, 3, 4, 6])
    batch = LabelledRows(ids, mask, torch.arange(8) % 3)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.03)
    first = model.eval().loss(batch).item() / 8
    assert first == pytest.approx(1.0986, abs=0.3)  # ln 3
    model.train()
    for _ in range(150):
        optimizer.zero_grad()
        model.loss(batch).backward()
        optimizer.step()
    model.eval()
    assert model.loss(batch).item() / 8 < 0.05
    assert model(ids, mask).argmax(dim=1).tolist() == batch.labels.tolist()


@pytest.mark.parametrize(("kind", "sizes"), KINDS)
def test_what_was_saved_is_loaded(kind, sizes, tmp_path):
    model = kind(**sizes).eval()
    model.save(tmp_path / "model")
    loaded = kind.load(tmp_path / "model")
    assert loaded.config == model.config
    ids, mask = padded([4, 2])
    assert torch.equal(loaded(ids, mask), model(ids, mask))


def test_every_classifier_says_how_many_ids_it_has():
    for kind, sizes in KINDS:
        assert issubclass(kind, TextClassifier)
        assert kind(**sizes).vocab_size == 23
    bert = BertForClassification(num_labels=2, vocab_size=23, hidden_size=8, num_heads=2)
    assert bert.vocab_size == 23


IDS = torch.ones(2, 4, dtype=torch.long)
ALL = torch.ones(2, 4, dtype=torch.bool)


@pytest.mark.parametrize(("kind", "sizes"), KINDS)
@pytest.mark.parametrize(
    ("ids", "mask", "message"),
    [
        (IDS, None, r"there is no mask.*mask=\(ids != pad_id\)"),
        (IDS, ALL.long(), r"mask is torch.int64 of shape \(2, 4\)"),
        (IDS, ALL & torch.tensor([[True], [False]]), "row 1 has no token"),
        (
            IDS,
            torch.tensor([[1, 1, 1, 0], [1, 0, 1, 1]]).bool(),
            "row 1 has padding at position 1 and a token behind it",
        ),
        (IDS * 23, ALL, "id 23 at position 0 of row 0 is outside the vocabulary of 23"),
    ],
)
def test_bad_input_is_refused(kind, sizes, ids, mask, message):
    with pytest.raises(ValueError, match=message):
        kind(**sizes)(ids, mask)


@pytest.mark.parametrize("config", [FastTextClassifierConfig, LSTMClassifierConfig])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"num_labels": 1}, "num_labels is 1; give 2"),
        ({"vocab_size": 0}, "vocab_size=0, embedding_size=6"),
        ({"embedding_size": 0}, "embedding_size=0"),
        ({"dropout": 1.0}, "dropout is 1.0"),
    ],
)
def test_bad_sizes_are_refused(config, change, message):
    with pytest.raises(ValueError, match=message):
        config(**SIZES | change)


@pytest.mark.parametrize(
    ("config", "change", "message"),
    [
        (FastTextClassifierConfig, {"num_buckets": -1}, "num_buckets is -1"),
        (LSTMClassifierConfig, {"hidden_size": 0}, "hidden_size=0"),
        (LSTMClassifierConfig, {"num_layers": 0}, "num_layers=0"),
    ],
)
def test_bad_sizes_of_one_kind_are_refused(config, change, message):
    with pytest.raises(ValueError, match=message):
        config(**SIZES | change)
