"""Texts with classes come whole, once, each with its label, and padded where no token is."""

import json

import numpy as np
import pytest
import torch
from datasets import ClassLabel, Dataset, Features, Value
from hypothesis import given
from hypothesis import strategies as st

from lmtutor.data import LabelledBatches, check_tokenizer, encoder_batch, load_task
from lmtutor.models import TextCNN
from lmtutor.tokenizers import BytePairTokenizer, WordPieceTokenizer, WordTokenizer
from lmtutor.training import TrainingConfig, fit_model

LETTERS = "abcdefgh"
WORDS = WordTokenizer().fit([" ".join(LETTERS)])  # <s> </s> <unk> and eight words
PIECES = WordPieceTokenizer(vocab_size=30).fit([" ".join(LETTERS)])
TEXTS = ["a b c", "d", "a a a a a", "e f", "g h a b"]
LABELS = [0, 1, 2, 1, 0]


def make(texts=TEXTS, labels=LABELS, tokenizer=WORDS, **settings):
    settings = {"vocab_size": tokenizer.vocab_size, "num_labels": 3, "batch_size": 2} | settings
    return LabelledBatches(texts, labels, tokenizer, **settings)


def read(batch):
    """What each row says, and its label."""
    for ids, mask, label in zip(batch.inputs, batch.mask, batch.labels, strict=True):
        assert mask.tolist() == sorted(mask.tolist(), reverse=True)  # padding is at the end
        yield ids[mask].tolist(), int(label)


texts_and_labels = st.lists(
    st.tuples(st.lists(st.sampled_from(LETTERS), min_size=1, max_size=9), st.integers(0, 2)),
    min_size=2,
    max_size=20,
).filter(lambda rows: len({label for _, label in rows}) > 1)


@given(texts_and_labels, st.integers(1, 6), st.integers(0, 3), st.sampled_from([WORDS, PIECES]))
def test_an_epoch_has_every_text_once_with_its_label(rows, batch_size, number, tokenizer):
    texts, labels = [" ".join(words) for words, _ in rows], [label for _, label in rows]
    batches = make(texts, labels, tokenizer, batch_size=batch_size)
    epoch = list(batches.epoch(number))
    assert len(epoch) == len(batches)
    assert max(len(batch.labels) for batch in epoch) <= batch_size
    marks = ([tokenizer.cls_id], [tokenizer.sep_id]) if tokenizer is PIECES else ([], [])
    expected = [
        ([*marks[0], *tokenizer.encode(text), *marks[1]], label)
        for text, label in zip(texts, labels, strict=True)
    ]
    assert sorted(pair for batch in epoch for pair in read(batch)) == sorted(expected)
    found = {}
    for places, batch in batches.in_order():
        found |= dict(zip(places.tolist(), read(batch), strict=True))
    assert [found[place] for place in range(len(texts))] == expected


def test_wordpieces_stand_between_the_marks_as_an_encoder_reads_them():
    batches = make(tokenizer=PIECES, batch_size=9)
    places, batch = next(batches.in_order())
    expected = encoder_batch(PIECES, [TEXTS[place] for place in places])
    for name in ("inputs", "mask", "segments"):
        assert torch.equal(getattr(batch, name), getattr(expected, name)), name
    assert batch.inputs[0].tolist() == [2, *PIECES.encode("d"), 3, 0, 0, 0, 0]
    assert batch.segments.dtype == torch.int64


@pytest.mark.parametrize("tokenizer", [WORDS, BytePairTokenizer(vocab_size=300).fit(TEXTS)])
def test_other_tokenizers_put_no_marks_and_pad_with_the_end(tokenizer):
    _, batch = next(make(tokenizer=tokenizer, batch_size=9).in_order())
    assert batch.inputs[-1].tolist() == tokenizer.encode("a a a a a")
    first = tokenizer.encode("d")
    assert batch.inputs[0].tolist() == first + [1] * (batch.inputs.shape[1] - len(first))
    assert batch.mask.sum(dim=1).tolist()[0] == len(first)
    assert batch.segments.abs().max() == 0


def test_texts_of_about_the_same_length_share_a_batch():
    texts = [" ".join("a" * length) for length in [9, 1, 8, 2, 5, 4]]
    for batch in make(texts, [0, 1] * 3).epoch(0):
        lengths = batch.mask.sum(dim=1)
        assert lengths.max() - lengths.min() <= 1
    order = [len(batch.inputs[0]) for _, batch in make(texts, [0, 1] * 3).in_order()]
    assert order == [2, 5, 9]


def test_an_epoch_can_be_entered_anywhere_and_repeats():
    batches = make(TEXTS * 4, LABELS * 4, batch_size=3)
    whole = [batch.inputs.tolist() for batch in batches.epoch(2)]
    for start in range(len(batches)):
        assert [batch.inputs.tolist() for batch in batches.epoch(2, start)] == whole[start:]
    assert [batch.inputs.tolist() for batch in batches.epoch(3)] != whole
    other = make(TEXTS * 4, LABELS * 4, batch_size=3, seed=1)
    assert [batch.inputs.tolist() for batch in other.epoch(2)] != whole


def test_a_batch_counts_its_texts_and_can_be_shared():
    _, batch = next(make(batch_size=5).in_order())
    assert batch.num_targets == 5
    shares = [batch.share(number, 2) for number in range(2)]
    assert [share.num_targets for share in shares] == [3, 2]
    assert torch.equal(shares[1].labels, batch.labels[1::2])


@pytest.mark.parametrize(
    "kind", [np.array, torch.tensor, tuple, lambda x: np.array(x, "int32")]
)
def test_labels_may_come_in_several_forms(kind):
    assert make(labels=kind(LABELS)).labels.tolist() == LABELS


@pytest.mark.parametrize(("tokenizer", "marks"), [(WORDS, 0), (PIECES, 2)])
def test_too_long_texts_lose_their_end_and_are_counted(tokenizer, marks):
    batches = make(tokenizer=tokenizer, max_length=3 + marks)
    whole = make(tokenizer=tokenizer)
    assert (batches.num_cut, batches.tokens_cut, batches.num_tokens) == (2, 3, 15)
    for cut, row in zip(batches.rows, whole.rows, strict=True):
        ends = row[-1:] if marks else row[:0]
        text = row[1:-1] if marks else row
        assert cut.tolist() == [*row[: marks // 2], *text[:3], *ends]
    assert batches.describe_cuts() == (
        f"2 of the 5 texts do not fit into {3 + marks} tokens and lost their ends: 3 of 15 "
        "tokens (20.00%)."
    )
    one = make(tokenizer=tokenizer, max_length=4 + marks)
    assert one.describe_cuts().startswith("1 of the 5 texts does not fit")
    assert "lost its end: 1 of 15" in one.describe_cuts()
    assert (whole.num_cut, whole.tokens_cut) == (0, 0)
    assert whole.describe_cuts() == "All 5 texts fit into 128 tokens, and none was cut."


def test_a_description_tells_other_data_apart():
    first = make().describe()
    assert first == make(labels=np.array(LABELS)).describe()
    json.dumps(first)
    others = [
        make(labels=[0, 1, 2, 1, 1]),
        make(texts=["a b d", *TEXTS[1:]]),
        make(texts=["a b", "c d", *TEXTS[2:]]),  # the same tokens, cut elsewhere
        make(seed=1),
        make(batch_size=3),
        make(max_length=3),
        make(num_labels=4),
    ]
    assert all(other.describe() != first for other in others)


def test_a_split_of_a_task_becomes_batches():
    split = load_task("rotten_tomatoes")["validation"].select(range(50))
    tokenizer = WordTokenizer().fit(split["text"])
    batches = LabelledBatches.from_dataset(split, tokenizer, vocab_size=tokenizer.vocab_size)
    assert batches.num_labels == 2
    assert batches.labels.tolist() == split["label"][:]
    assert batches.rows[7].tolist() == tokenizer.encode(split[7]["text"])


def test_columns_may_have_other_names():
    data = Dataset.from_dict({"sentence": TEXTS, "genre": LABELS})
    settings = {"vocab_size": WORDS.vocab_size, "text": "sentence", "label": "genre"}
    batches = LabelledBatches.from_dataset(
        data, WORDS, num_labels=3, batch_size=4, max_length=2, seed=5, **settings
    )
    expected = make(batch_size=4, max_length=2, seed=5)
    assert batches.describe() == expected.describe()
    with pytest.raises(ValueError, match="'genre' does not say how many classes"):
        LabelledBatches.from_dataset(data, WORDS, **settings)
    with pytest.raises(
        ValueError, match="no column 'text' and no column 'label'; it has 'sentence', 'genre'"
    ):
        LabelledBatches.from_dataset(data, WORDS, vocab_size=11)
    features = Features(
        {"sentence": Value("string"), "genre": ClassLabel(names=["x", "y", "z"])}
    )
    named = data.cast(features)
    assert LabelledBatches.from_dataset(named, WORDS, **settings).num_labels == 3
    with pytest.raises(
        ValueError, match="num_labels is 2, and .* has 3 classes: 'x', 'y', 'z'"
    ):
        LabelledBatches.from_dataset(named, WORDS, num_labels=2, **settings)


def test_a_model_learns_from_them_and_does_not_go_on_with_other_labels(tmp_path):
    batches = make(TEXTS * 4, LABELS * 4, batch_size=6)
    torch.manual_seed(0)
    model = TextCNN(vocab_size=11, num_labels=3, embedding_size=8, num_filters=6, dropout=0)
    config = TrainingConfig(num_steps=60, learning_rate=0.03)
    file = tmp_path / "state"
    history = fit_model(model, batches, config, checkpoint=file, progress=False)
    assert history.losses[-1] < 0.1 < 0.8 < history.losses[0]
    assert history.num_targets == 60 * 20 / len(batches)
    again = make(TEXTS * 4, [1, *LABELS[1:], *LABELS * 3], batch_size=6)
    with pytest.raises(ValueError, match="labels"):
        fit_model(model, again, config, checkpoint=file, resume=True, progress=False)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"texts": "a b"}, "a list of texts, not one string"),
        ({"texts": TEXTS[:4]}, "there are 4 texts and 5 labels"),
        ({"texts": [], "labels": []}, "there are 0 texts and 0 labels"),
        ({"texts": ["a", " ", "b", "c", "d"]}, "row 1 in the data is ' '"),
        ({"texts": ["a", "b", None, "c", "d"]}, "row 2 in the data is None"),
        (
            {"texts": ["a", "b", "c", "\u200b", "d"], "tokenizer": PIECES},
            r"row 3 in the data, '\\u200b', has no token",
        ),
        ({"texts": ["a", "b", "c", "d", "e\ud800"]}, "row 4 in the data: .* lone surrogate"),
        ({"labels": [0, 1, 2, 3, 0]}, "row 3 in the data is 3; with 3 classes .* 0 to 2"),
        ({"labels": [0, -1, 2, 1, 0]}, "row 1 in the data is -1"),
        ({"labels": [0, 1.0, 2, 1, 0]}, r"row 1 in the data is 1\.0"),
        ({"labels": np.array([0, 1, 0.5, 1, 0])}, r"row 0 in the data is 0\.0"),
        ({"labels": ["x", 1, 2, 1, 0]}, "row 0 in the data is 'x'"),
        ({"labels": [True, False, True, False, True]}, "row 0 in the data is True"),
        ({"labels": [1] * 5}, r"have the labels \[1\]"),
        ({"num_labels": 0}, "num_labels is 0"),
        ({"batch_size": 0}, "batch_size is 0"),
        ({"max_length": 0}, "max_length is 0"),
        ({"max_length": 2, "tokenizer": PIECES}, "max_length is 2, of which the marks take 2"),
        ({"seed": -1}, "seed is -1"),
        ({"vocab_size": 10}, "the tokenizer has 11 ids, and the model 10"),
        ({"vocab_size": 0}, "vocab_size is 0"),
        ({"tokenizer": WordTokenizer(), "vocab_size": 11}, r"no vocabulary yet"),
    ],
)
def test_what_cannot_be_learnt_from_is_refused(change, message):
    tokenizer = change.get("tokenizer", WORDS)
    settings = {} if "vocab_size" in change else {"vocab_size": tokenizer.vocab_size}
    with pytest.raises(ValueError, match=message):
        make(**settings | change)


def test_a_model_may_have_a_few_rows_more_than_its_tokenizer_ids():
    check_tokenizer(WORDS, 11)
    check_tokenizer(WORDS, 11 + 127)
    with pytest.raises(ValueError, match="11 ids, and the model 139; take the tokenizer"):
        check_tokenizer(WORDS, 11 + 128)
    with pytest.raises(ValueError, match="11 ids, and the model 10"):
        check_tokenizer(WORDS, 10)
