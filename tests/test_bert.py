"""BERT is BERT: against transformers, with padding and without, and what it refuses."""

import dataclasses

import pytest
import torch
from parity import EXACT, loud
from torch import nn

from lmtutor.data import MaskedBatch
from lmtutor.models import (
    Bert,
    BertConfig,
    BertForClassification,
    BertForPreTraining,
    count_bert_parameters,
)
from lmtutor.pretrained import to_hf

SMALL = {"vocab_size": 29, "context_length": 12, "hidden_size": 12, "num_layers": 2}
SHAPES = [
    {"num_heads": 1},
    {"num_heads": 2, "norm_epsilon": 1e-3},
    {"num_heads": 3, "inner_size": 7, "num_segments": 1},
    {"num_heads": 4, "inner_size": 61, "num_layers": 3, "num_segments": 5},
    {"num_heads": 5, "hidden_size": 15, "context_length": 1},
    {"num_heads": 6, "vocab_size": 2, "context_length": 33, "num_layers": 1},
]


def random_input(model, rows=3, length=None, seed=0):
    """Rows of different lengths, each of at least one token."""
    config = model.bert.config
    generator = torch.Generator().manual_seed(seed)
    length = length or config.context_length
    ids = torch.randint(config.vocab_size, (rows, length), generator=generator)
    segments = torch.randint(config.num_segments, (rows, length), generator=generator)
    sizes = torch.randint(1, length + 1, (rows,), generator=generator)
    sizes[0] = length
    return ids, torch.arange(length) < sizes[:, None], segments


def random_batch(model, seed=0):
    ids, mask, segments = random_input(model, seed=seed)
    generator = torch.Generator().manual_seed(seed + 1)
    asked = torch.rand(ids.shape, generator=generator) < 0.4
    asked[0, 0] = True
    labels = ids.flip(1).where(asked & mask, -100)
    return MaskedBatch(ids, mask, segments, labels, torch.tensor([1, 0, 1]))


@pytest.mark.parametrize("sizes", SHAPES)
def test_pretraining_equals_transformers(sizes):
    model = loud(BertForPreTraining(**SMALL | sizes)).eval()
    theirs = to_hf(model)
    batch = random_batch(model)
    expected = theirs(
        input_ids=batch.inputs,
        attention_mask=batch.mask.long(),
        token_type_ids=batch.segments,
        labels=batch.labels,
        next_sentence_label=batch.second_is_random,
    )
    words, pairs = model(batch.inputs, batch.mask, batch.segments)
    there = batch.mask
    torch.testing.assert_close(words[there], expected.prediction_logits[there], **EXACT)
    torch.testing.assert_close(pairs, expected.seq_relationship_logits, **EXACT)
    masked, following = model.losses(batch)
    torch.testing.assert_close(masked + following, expected.loss, **EXACT)
    only_words = nn.functional.cross_entropy(
        expected.prediction_logits.flatten(0, 1), batch.labels.flatten()
    )
    torch.testing.assert_close(masked, only_words, **EXACT)
    torch.testing.assert_close(model.loss(batch), batch.num_targets * expected.loss, **EXACT)


@pytest.mark.parametrize("sizes", SHAPES)
@pytest.mark.parametrize("num_labels", [2, 5])
def test_classification_equals_transformers(sizes, num_labels):
    model = loud(BertForClassification(num_labels=num_labels, **SMALL | sizes)).eval()
    theirs = to_hf(model)
    ids, mask, segments = random_input(model)
    labels = torch.tensor([1, 0, num_labels - 1])
    expected = theirs(
        input_ids=ids, attention_mask=mask.long(), token_type_ids=segments, labels=labels
    )
    torch.testing.assert_close(model(ids, mask, segments), expected.logits, **EXACT)
    loss = model.loss(LabelledRows(ids, mask, segments, labels))
    torch.testing.assert_close(loss, 3 * expected.loss, **EXACT)


@dataclasses.dataclass(frozen=True)
class LabelledRows:
    inputs: torch.Tensor
    mask: torch.Tensor
    segments: torch.Tensor
    labels: torch.Tensor


def test_dropout_leaves_out_what_transformers_leave_out():
    model = loud(BertForClassification(num_labels=3, **SMALL, num_heads=3, dropout=0.3))
    assert model.config.dropout != model.config.encoder.dropout
    theirs = to_hf(model).train()
    ids, mask, segments = random_input(model)
    torch.manual_seed(0)
    ours = model.train()(ids, mask, segments)
    torch.manual_seed(0)
    expected = theirs(input_ids=ids, attention_mask=mask.long(), token_type_ids=segments)
    torch.testing.assert_close(ours, expected.logits, **EXACT)


def test_gradients_equal_transformers():
    model = loud(BertForPreTraining(**SMALL, num_heads=3))
    theirs = to_hf(model)
    batch = random_batch(model)
    sum(model.losses(batch)).backward()
    theirs(
        input_ids=batch.inputs,
        attention_mask=batch.mask.long(),
        token_type_ids=batch.segments,
        labels=batch.labels,
        next_sentence_label=batch.second_is_random,
    ).loss.backward()
    packed = model.bert.blocks[1].attention.query_key_value.weight.grad
    attention = theirs.bert.encoder.layer[1].attention.self
    for part, layer in zip(
        packed.chunk(3), (attention.query, attention.key, attention.value), strict=True
    ):
        torch.testing.assert_close(part, layer.weight.grad, **EXACT)
    table = theirs.bert.embeddings.position_embeddings.weight.grad
    torch.testing.assert_close(model.bert.positions.weight.grad, table, **EXACT)
    head = theirs.cls.predictions.transform.dense.weight.grad
    torch.testing.assert_close(model.transform.weight.grad, head, **EXACT)


def test_padding_changes_nothing():
    model = loud(BertForPreTraining(**SMALL, num_heads=3)).eval()
    ids, mask, segments = random_input(model, rows=4, length=9)
    together = model.encode(ids, mask, segments)
    changed = model.encode(ids.where(mask, (ids + 5) % 29), mask, segments)
    for row, size in enumerate(mask.sum(dim=1).tolist()):
        short = slice(row, row + 1), slice(size)
        alone = model.encode(ids[short], mask[short], segments[short])
        torch.testing.assert_close(together[row, :size], alone[0], **EXACT)
        torch.testing.assert_close(changed[row, :size], alone[0], **EXACT)


def test_each_token_sees_both_sides():
    model = loud(Bert(**SMALL, num_heads=3))
    embedded = []
    model.embedding.register_forward_hook(lambda *call: embedded.append(call[2]))
    ids = torch.arange(8)[None]
    hidden = model.encode(ids, torch.ones_like(ids, dtype=torch.bool))
    (gradient,) = torch.autograd.grad(hidden[0, 3].sum(), embedded)
    assert (gradient[0].abs().amax(dim=1) > 0).all()


@pytest.mark.parametrize("sizes", SHAPES)
def test_the_formula_counts_what_is_there(sizes):
    config = BertConfig(**SMALL | sizes)
    assert count_bert_parameters(config) == Bert(config).num_parameters


def test_the_sizes_of_the_paper():
    """Devlin et al. 2019, section 3: 110 and 340 million, heads included."""
    base = BertConfig(30522, hidden_size=768, num_layers=12, num_heads=12)
    large = BertConfig(30522, hidden_size=1024, num_layers=24, num_heads=16)
    assert [round(count_bert_parameters(sizes) / 1e7) for sizes in (base, large)] == [11, 34]


def test_pretraining_ties_the_scores_to_the_vectors():
    model = BertForPreTraining(**SMALL, num_heads=3)
    assert model.output.weight is model.bert.embedding.weight
    heads = (12 * 12 + 12) + 2 * 12 + 29 + (2 * 12 + 2)  # transform, its norm, biases, pairs
    expected = count_bert_parameters(model.config) + heads
    assert model.num_parameters == expected


def test_one_batch_is_learnt_by_heart():
    torch.manual_seed(0)
    model = BertForPreTraining(**SMALL, num_heads=3)
    batch = random_batch(model)
    first = [loss.item() for loss in model.losses(batch)]
    assert abs(first[0] - 3.367) < 0.1, "log 29"
    assert abs(first[1] - 0.693) < 0.1, "log 2"
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    for _ in range(150):
        optimizer.zero_grad()
        model.loss(batch).backward()
        optimizer.step()
    assert all(loss.item() < 0.01 for loss in model.losses(batch))


def test_the_classes_are_learnt_by_heart():
    torch.manual_seed(0)
    model = BertForClassification(num_labels=3, **SMALL, num_heads=3).eval()
    rows = LabelledRows(*random_input(model), torch.tensor([2, 0, 1]))
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    for _ in range(200):
        optimizer.zero_grad()
        model.loss(rows).backward()
        optimizer.step()
    assert model.loss(rows).item() < 0.1
    assert model(rows.inputs, rows.mask, rows.segments).argmax(dim=1).tolist() == [2, 0, 1]


@pytest.mark.parametrize("kind", [Bert, BertForPreTraining])
def test_a_classifier_on_an_encoder_has_a_copy_of_it_and_a_new_layer(kind):
    source = loud(kind(**SMALL)).eval()
    encoder = getattr(source, "bert", source)
    torch.manual_seed(5)
    model = BertForClassification.from_encoder(source, num_labels=3, dropout=0.2)
    drawn_next = torch.randn(1)
    assert (model.config.num_labels, model.config.dropout) == (3, 0.2)
    assert model.config.encoder == encoder.config
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float64}
    assert model.training
    ids, mask, segments = random_input(model)
    model.eval()
    pooled = encoder.pool(encoder.encode(ids, mask, segments))
    expected = pooled @ model.output.weight.T + model.output.bias
    torch.testing.assert_close(model(ids, mask, segments), expected, **EXACT)
    before = encoder.embedding.weight.clone()
    with torch.no_grad():
        model.bert.embedding.weight.add_(1)
    assert torch.equal(encoder.embedding.weight, before)
    torch.manual_seed(5)
    again = BertForClassification.from_encoder(source, num_labels=3)
    assert torch.equal(model.output.weight, again.output.weight)
    assert torch.equal(drawn_next, torch.randn(1))
    assert float(model.output.weight.detach().std()) == pytest.approx(0.02, rel=0.5)


def test_the_first_token_alone_is_pooled():
    model = loud(Bert(**SMALL, num_heads=3))
    hidden = torch.randn(2, 5, 12, dtype=torch.float64)
    changed = hidden.clone()
    changed[:, 1:] += 1
    torch.testing.assert_close(model.pool(hidden), model.pool(changed))
    assert not torch.allclose(model.pool(hidden), model.pool(hidden + 0.1))


@pytest.mark.parametrize("kind", [torch.float16, torch.int8])
def test_models_come_back_from_files(tmp_path, kind):
    model = BertForPreTraining(**SMALL, num_heads=3)
    model.save(tmp_path / "bert.safetensors", dtype=kind)
    again = BertForPreTraining.load(tmp_path / "bert.safetensors")
    assert again.output.weight is again.bert.embedding.weight
    ids, mask, segments = random_input(model)
    rounding = {"rtol": 0.05, "atol": 0.02}
    model.eval()
    torch.testing.assert_close(
        model(ids, mask, segments), again(ids, mask, segments), **rounding
    )
    classifier = BertForClassification(num_labels=3, **SMALL, num_heads=3)
    classifier.save(tmp_path / "classifier.safetensors")
    twin = BertForClassification.load(tmp_path / "classifier.safetensors")
    assert twin.config == classifier.config


# --- what is refused


@pytest.fixture
def model():
    return BertForPreTraining(**SMALL, num_heads=3)


def ones(*shape):
    return torch.ones(shape, dtype=torch.bool)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((torch.zeros(2, 13, dtype=torch.long), ones(2, 13)), "13 positions.* 1 to 12"),
        ((torch.zeros(2, 0, dtype=torch.long), ones(2, 0)), "0 positions"),
        ((torch.zeros(2, 3, dtype=torch.long),), "there is no mask"),
        ((torch.full((1, 3), 29), ones(1, 3)), "id 29 at position 0 .* vocabulary of 29"),
        ((torch.zeros(2, 3, dtype=torch.long), ones(2, 4)), r"\(2, 4\).*\(2, 3\)"),
        ((torch.zeros(2, 3, dtype=torch.long), torch.ones(2, 3)), "float32"),
        (
            (torch.zeros(2, 3, dtype=torch.long), ones(2, 3) & torch.tensor([[1], [0]]).bool()),
            "hides all of row 1",
        ),
        (
            (torch.zeros(1, 3, dtype=torch.long), ones(1, 3), torch.tensor([[0, 1, 2]])),
            "from 0 to 2, and the model tells 2",
        ),
        ((torch.zeros(1, 3, dtype=torch.long), ones(1, 3), torch.zeros(3)), r"\(3,\)"),
        ((torch.zeros(1, 3, dtype=torch.long), ones(1, 3), torch.full((1, 3), 0.9)), "float32"),
        ((torch.zeros(1, 3, dtype=torch.long), ones(1, 3), [[0, 0, 0]]), "segments is a list"),
        ((torch.zeros(1, 3, dtype=torch.long), [[True] * 3]), r"mask is a list; .*\(1, 3\)"),
        ((torch.zeros(0, 3, dtype=torch.long), ones(0, 3)), r"shape \(0, 3\), without a row"),
    ],
)
def test_encode_refuses(model, arguments, message):
    with pytest.raises(ValueError, match=message):
        model.encode(*arguments)


def test_losses_refuse(model):
    batch = random_batch(model)
    for wrong, message in {
        "labels": (torch.full_like(batch.labels, -100), "every label is -100"),
        "labels ": (batch.labels[:, :3], r"\(3, 3\).*\(3, 12\)"),
        "labels  ": (batch.labels.clamp_min(0) + 40, "vocabulary of 29"),
        "second_is_random": (torch.tensor([0, 1, 2]), "row 2 has class 2; with 2 classes"),
        "second_is_random ": (torch.tensor([0, 1]), r"shape \(2,\).*3 rows"),
    }.items():
        with pytest.raises(ValueError, match=message[1]):
            model.losses(dataclasses.replace(batch, **{wrong.strip(): message[0]}))


def test_a_label_at_padding_is_refused(model):
    batch = random_batch(model)
    batch.mask[1, 4:], batch.labels[1] = False, -100
    model.losses(batch)
    batch.labels[1, 7] = 5
    with pytest.raises(ValueError, match="label at position 7 of row 1 stands at padding"):
        model.losses(batch)


def test_the_part_of_a_process_without_labels_adds_nothing(model):
    batch = random_batch(model)
    batch.labels[1] = -100
    loss = model.loss(batch.share(1, 3))
    loss.backward()
    assert loss.item() == 0
    # All processes have gradients of the same parameters.
    assert all((parameter.grad == 0).all() for parameter in model.parameters())


def test_a_file_never_holds_a_head_that_nobody_trained(model, tmp_path):
    model.untrained = frozenset({"next-sentence head"})
    with pytest.raises(ValueError, match="trained the next-sentence head, .* model.bert.save"):
        model.save(tmp_path / "model.safetensors")
    assert not list(tmp_path.iterdir())


def test_pairs_without_a_second_count_nothing(model):
    batch = dataclasses.replace(random_batch(model), second_is_random=torch.full((3,), -100))
    masked, following = model.losses(batch)
    assert following.item() == 0
    half = dataclasses.replace(batch, second_is_random=torch.tensor([-100, 0, -100]))
    expected = -model.pair_log_probs(batch.inputs, batch.mask, batch.segments)[1, 0]
    torch.testing.assert_close(model.losses(half)[1], expected)
    torch.testing.assert_close(model.losses(half)[0], masked)


def test_untrained_heads_do_not_predict(model):
    ids, mask, _ = random_input(model)
    assert model.masked_log_probs(ids, mask).exp().sum(dim=-1).allclose(torch.tensor(1.0))
    model.untrained = frozenset({"masked-LM head", "next-sentence head"})
    with pytest.raises(ValueError, match="masked-LM head of this model is new"):
        model.masked_log_probs(ids, mask)
    with pytest.raises(ValueError, match="next-sentence head of this model is new"):
        model.pair_log_probs(ids, mask)
    model(ids, mask)  # they can be trained


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"num_heads": 5}, "12 does not divide into 5"),
        ({"hidden_size": 0}, "hidden_size is 0"),
        ({"dropout": 1.0}, "dropout"),
        ({"norm_epsilon": -1.0}, "norm_epsilon is -1"),
        ({"norm_epsilon": float("nan")}, "norm_epsilon is nan"),
        ({"num_segments": 0}, "num_segments is 0"),
    ],
)
def test_configurations_refuse(settings, message):
    with pytest.raises(ValueError, match=message):
        BertConfig(**SMALL | {"num_heads": 3} | settings)


def test_classification_refuses(model):
    with pytest.raises(ValueError, match="num_labels is 1"):
        BertForClassification(num_labels=1, **SMALL, num_heads=3)
    classifier = BertForClassification(num_labels=3, **SMALL, num_heads=3)
    rows = LabelledRows(*random_input(classifier), torch.tensor([0, 3, 1]))
    with pytest.raises(ValueError, match="row 1 has class 3; with 3 classes they go from 0 to"):
        classifier.loss(rows)
