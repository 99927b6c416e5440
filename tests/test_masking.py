"""Hidden tokens, whole words, pairs of sentences, and what an encoder reads."""

import itertools
import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lmtutor.data import (
    IGNORED,
    MaskedPairs,
    encoder_batch,
    mask_tokens,
    next_sentence_pairs,
)
from lmtutor.tokenizers import WordPieceTokenizer

PAD, UNK, CLS, SEP, MASK = SPECIAL = range(5)
V = 40
MARKS = SimpleNamespace(
    pad_id=PAD,
    cls_id=CLS,
    sep_id=SEP,
    mask_id=MASK,
    special_ids=tuple(SPECIAL),
    vocab_size=V,
    continues_word=[5 <= number < 15 for number in range(V)],
)  # of ids 5 to 39 the first ten go on with a word


def masked(ids, rate=0.15, seed=0, **settings):
    generator = torch.Generator().manual_seed(seed)
    arguments = {"mask_id": MASK, "vocab_size": V, "special_ids": SPECIAL, "rate": rate}
    return mask_tokens(ids, generator, **{**arguments, **settings})


def within(count, trials, probability, sigmas=5):
    """Whether a count is what a binomial draw gives; by chance it is not once in a million."""
    spread = math.sqrt(trials * probability * (1 - probability))
    return abs(count - trials * probability) <= sigmas * spread


rows = st.lists(st.lists(st.integers(0, V - 1), min_size=9, max_size=9), min_size=1, max_size=6)


@given(rows=rows, rate=st.floats(0, 1), seed=st.integers(0, 99), whole=st.booleans())
def test_labels_are_there_only_where_masked_and_no_special_token_is(rows, rate, seed, whole):
    ids = torch.tensor(rows)
    words = MARKS.continues_word if whole else None
    inputs, labels = masked(ids, rate, seed, continues_word=words)
    asked = labels != IGNORED
    assert torch.equal(labels[asked], ids[asked])
    assert torch.equal(inputs[~asked], ids[~asked])
    special = torch.isin(ids, torch.tensor(SPECIAL))
    assert not (asked & special).any()
    # What was put in is [MASK] or a token that is not special.
    new = inputs[inputs != ids]
    assert not torch.isin(new, torch.tensor([PAD, UNK, CLS, SEP])).any()
    again = masked(ids, rate, seed, continues_word=words)
    assert torch.equal(inputs, again[0])
    assert torch.equal(labels, again[1])


@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("rate", [0.15, 0.4, 1.0])
def test_the_shares_are_80_10_10_of_the_rate(rate, whole):
    ids = torch.randint(len(SPECIAL), V, (100, 400), generator=torch.manual_seed(1))
    ids[:, 0], ids[:, 200], ids[:, -40:] = CLS, SEP, PAD
    words = torch.tensor(MARKS.continues_word) if whole else None
    inputs, labels = masked(ids, rate, seed=3, continues_word=words)
    free, asked = 100 * (400 - 42), int((labels != IGNORED).sum())
    if not whole or rate == 1:
        assert within(asked, free, rate)
    else:  # Pieces of a word come together: their number spreads more than a binomial one.
        assert abs(asked / free - rate) < 0.02
    chosen = labels != IGNORED
    others = V - len(SPECIAL)
    assert within(int((inputs[chosen] == MASK).sum()), asked, 0.8)
    # A random token is the true one once in a while.
    assert within(int((inputs[chosen] == ids[chosen]).sum()), asked, 0.1 + 0.1 / others)
    random = inputs[chosen & (inputs != MASK) & (inputs != ids)]
    assert within(len(random), asked, 0.1 * (1 - 1 / others))
    counts = torch.bincount(random, minlength=V)[len(SPECIAL) :]
    assert all(within(int(count), len(random), 1 / others) for count in counts)


def test_every_token_may_be_chosen_in_every_place():
    ids = torch.full((4000, 6), 20)
    _, labels = masked(ids, 0.3)
    for place in range(6):
        assert within(int((labels[:, place] != IGNORED).sum()), 4000, 0.3)
    pairs = ((labels[:, 0] != IGNORED) & (labels[:, 1] != IGNORED)).sum()  # independent
    assert within(int(pairs), 4000, 0.09)


@given(rows=rows, rate=st.floats(0, 1), seed=st.integers(0, 99))
def test_whole_words_are_chosen_or_not_at_all(rows, rate, seed):
    _, labels = masked(torch.tensor(rows), rate, seed, continues_word=MARKS.continues_word)
    for ids, asked in zip(rows, (labels != IGNORED).tolist(), strict=True):
        for place in range(1, len(ids)):
            goes_on = MARKS.continues_word[ids[place]]
            if goes_on and ids[place] not in SPECIAL and ids[place - 1] not in SPECIAL:
                assert asked[place] == asked[place - 1]


def test_whole_words_are_chosen_each_by_its_own_draw():
    word = [30, 5, 6]
    ids = torch.tensor([[CLS, *word, *word, 31, SEP]]).repeat(4000, 1)
    _, labels = masked(ids, 0.3, continues_word=MARKS.continues_word)
    first, second, third = (labels[:, place] != IGNORED for place in (1, 4, 7))
    for chosen in (first, second, third):
        assert within(int(chosen.sum()), 4000, 0.3)
    assert within(int((first & second).sum()), 4000, 0.09)
    # A row that begins inside a word: what is left of it is chosen as one.
    _, labels = masked(ids[:, 2:], 0.3, continues_word=MARKS.continues_word)
    assert torch.equal(labels[:, 0] == IGNORED, labels[:, 1] == IGNORED)


def test_nothing_and_everything_may_be_masked():
    ids = torch.tensor([[CLS, 7, 8, SEP, PAD]])
    inputs, labels = masked(ids, 0.0)
    assert torch.equal(inputs, ids)
    assert (labels == IGNORED).all()
    assert masked(ids, 1.0)[1].tolist() == [[IGNORED, 7, 8, IGNORED, IGNORED]]
    inputs, labels = masked(ids[:, :0], 1.0)
    assert inputs.shape == labels.shape == (1, 0)


def test_the_shares_can_be_others():
    ids = torch.full((50, 40), 20)
    inputs, labels = masked(ids, 0.4, shares=(1, 0, 0))
    assert torch.equal(inputs == MASK, labels != IGNORED)
    inputs, labels = masked(ids, 0.4, shares=(0, 0, 1))
    assert torch.equal(inputs, ids)
    assert (labels != IGNORED).any()
    hidden = MaskedPairs(numbered([6] * 9), MARKS, 40, max_length=40, shares=(1, 0, 0))
    for batch in hidden.epoch(0):
        assert torch.equal(batch.inputs == MASK, batch.labels != IGNORED)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"rate": 1.5}, r"the rate is 1.5; .* from 0 to 1"),
        ({"rate": -0.1}, r"the rate is -0.1"),
        ({"rate": float("nan")}, r"the rate is nan"),
        ({"vocab_size": 30}, r"the text has ids from 2 to 33, and the vocabulary 30 ids"),
        ({"mask_id": V}, r"the marks has ids from 0 to 40, and the vocabulary 40 ids"),
        ({"special_ids": range(V)}, r"all 40 ids are special"),
        ({"shares": (0.8, 0.1, 0.2)}, r"the shares are \(0.8, 0.1, 0.2\); .* sum to one"),
        ({"shares": (1.1, -0.1, 0.0)}, r"the shares are \(1.1, -0.1"),
        ({"continues_word": [True] * 7}, r"has 7 entries and the vocabulary 40 ids"),
    ],
)
def test_what_does_not_fit_is_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        masked(torch.tensor([[CLS, 33, SEP]]), **settings)


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        (torch.zeros(1, V, dtype=torch.uint8), r"uint8 of shape \(1, 40\)"),
        (torch.zeros(1, 3), "float32"),
        (torch.zeros(3, dtype=torch.long), r"int64 of shape \(3,\); give \(B, T\)"),
    ],
)
def test_ids_of_another_kind_are_refused(ids, message):
    with pytest.raises(ValueError, match=message):
        masked(ids)


# --- pairs of sentences


@given(count=st.integers(3, 40), seed=st.integers(0, 99))
def test_a_random_sentence_is_neither_the_next_one_nor_the_first(count, seed):
    documents = [str(number) for number in range(count)]
    firsts, seconds, is_random = next_sentence_pairs(documents, seed)
    assert firsts == documents[:-1]
    for first, second, random in zip(
        map(int, firsts), map(int, seconds), is_random, strict=True
    ):
        assert (second != first + 1) == random
        assert second != first
    assert (firsts, seconds, is_random) == next_sentence_pairs(documents, seed)


def test_half_are_random_and_all_others_are_equally_likely():
    drawn = np.zeros((6, 6))
    for seed in range(2000):
        firsts, seconds, _ = next_sentence_pairs(list("012345"), seed)
        for first, second in zip(firsts, seconds, strict=True):
            drawn[int(first), int(second)] += 1
    for first in range(5):
        assert within(drawn[first, first + 1], 2000, 0.5)
        assert all(
            within(drawn[first, other], 2000, 0.5 / 4)
            for other in range(6)
            if other not in (first, first + 1)
        )


def test_pairs_need_three_documents():
    with pytest.raises(ValueError, match="there are 2 documents; .* takes three at least"):
        next_sentence_pairs(["a", "b"])
    with pytest.raises(ValueError, match="list of documents, not one string"):
        next_sentence_pairs("In the beginning")
    with pytest.raises(ValueError, match="seed is -1"):
        next_sentence_pairs(["a", "b", "c"], seed=-1)


# --- batches


def numbered(sizes):
    """Documents of these sizes in which every token says whose it is."""
    return [[5 + number] * size for number, size in enumerate(sizes)]


sizes_of_some = st.lists(st.integers(1, 12), min_size=3, max_size=V - 5)


MIXED = MaskedPairs(
    [[7] * size for size in range(1, 31)], MARKS, 40, max_length=40, pairs=False
)


def read_back(batch):
    """For each row the two documents and how much of them is there, and what else it has."""
    true = torch.where(batch.labels == IGNORED, batch.inputs, batch.labels)
    for ids, mask, segments in zip(true, batch.mask, batch.segments, strict=True):
        length = int(mask.sum())
        assert mask.tolist() == [True] * length + [False] * (len(ids) - length)
        row = ids[:length].tolist()
        assert row[0] == CLS
        assert row[-1] == SEP
        assert (ids[length:] == PAD).all()
        middle = row.index(SEP)
        assert segments.tolist() == [0] * (middle + 1) + [1] * (length - middle - 1) + [0] * (
            len(ids) - length
        )
        yield row[1:middle], row[middle + 1 : -1]


@given(sizes=sizes_of_some, number=st.integers(0, 5), tokens=st.integers(1, 90))
@settings(max_examples=60)
def test_an_epoch_holds_pairs_of_neighbours_and_of_strangers(sizes, number, tokens):
    batches = MaskedPairs(numbered(sizes), MARKS, tokens, max_length=40, seed=7)
    found = list(batches.epoch(number))
    assert len(found) == len(batches)
    firsts = []
    for batch in found:
        for (first, second), random in zip(
            read_back(batch), batch.second_is_random.tolist(), strict=True
        ):
            one, other = first[0] - 5, second[0] - 5
            assert len(first) == sizes[one]
            assert len(second) == sizes[other]
            assert (other != one + 1) == random
            assert other != one
            firsts.append(one)
    firsts.sort()
    assert len(firsts) == max(1, (len(sizes) - 1) // 2)
    assert all(after - before == 2 for before, after in itertools.pairwise(firsts))


def test_every_document_comes_first_in_some_epoch():
    batches = MaskedPairs(numbered([3] * 6), MARKS, 100, max_length=40)
    firsts = {
        first[0] - 5
        for number in range(20)
        for batch in batches.epoch(number)
        for first, _ in read_back(batch)
    }
    assert firsts == {0, 1, 2, 3, 4}


def test_an_epoch_can_be_taken_up_anywhere_and_each_is_another():
    batches = MaskedPairs(numbered([4] * 30), MARKS, 40, max_length=40, seed=2)
    whole = list(batches.epoch(3))
    for batch, again in zip(whole[4:], batches.epoch(3, start=4), strict=True):
        for name in ("inputs", "mask", "segments", "labels", "second_is_random"):
            assert torch.equal(getattr(batch, name), getattr(again, name))
    rows = {tuple(row) for batch in whole for row in batch.inputs.tolist()}
    others = {tuple(row) for batch in batches.epoch(4) for row in batch.inputs.tolist()}
    assert len(rows & others) < len(rows)
    assert (
        batches.describe()
        == MaskedPairs(numbered([4] * 30), MARKS, 40, max_length=40, seed=2).describe()
    )
    changes = ({"rate": 0.3}, {"whole_words": True}, {"pairs": False}, {"shares": (1, 0, 0)})
    for change in ({"seed": 3}, *changes):
        other = MaskedPairs(
            numbered([4] * 30), MARKS, 40, max_length=40, **{"seed": 2} | change
        )
        assert other.describe() != batches.describe()
    tokens = [5, 6, 7, 8, 9, 10]  # the same, cut into documents in another way
    one, two = ([tokens[:2], tokens[2:4], tokens[4:]], [tokens[:1], tokens[1:4], tokens[4:]])
    cuts = [MaskedPairs(documents, MARKS, 40, max_length=40) for documents in (one, two)]
    assert cuts[0].describe() != cuts[1].describe()


def test_each_batch_has_draws_of_its_own():
    batches = MaskedPairs([[7] * 12] * 60, MARKS, 75, max_length=20, rate=0.5, pairs=False)
    asked = [tuple((batch.labels != IGNORED).flatten().tolist()) for batch in batches.epoch(0)]
    assert len(asked) > 8
    assert len(set(asked)) == len(asked)
    order = [tuple(batch.inputs.shape) for batch in MIXED.epoch(0)]
    assert order != sorted(order)  # short batches do not come first
    assert order != [tuple(batch.inputs.shape) for batch in MIXED.epoch(1)]


def test_what_is_too_long_loses_its_end_and_is_counted():
    documents = [[10, 11, 12, 13, 14, 15, 16, 17], [20, 21], [30, 31, 32, 33, 34, 35, 36]]
    batches = MaskedPairs(documents, MARKS, 100, max_length=11)
    assert batches.num_cut == 2  # 8 + 2 and 2 + 7 tokens where there is room for 8
    seen = set()
    for number in range(30):
        for batch in batches.epoch(number):
            assert batch.inputs.shape[1] <= 11
            for first, second in read_back(batch):
                seen.add((tuple(first), tuple(second)))
    assert ((10, 11, 12, 13, 14, 15), (20, 21)) in seen  # the longer one was cut
    assert ((10, 11, 12, 13), (30, 31, 32, 33)) in seen  # both were, to the same length
    odd = MaskedPairs(documents, MARKS, 100, max_length=12)  # of an odd room the first has more
    rows = [
        row for number in range(30) for batch in odd.epoch(number) for row in read_back(batch)
    ]
    assert {
        (len(first), len(second)) for first, second in rows if 10 in first and 30 in second
    } == {(5, 4)}
    alone = MaskedPairs(documents, MARKS, 100, max_length=8, pairs=False)
    assert alone.num_cut == 2
    lengths = sorted(len(first) for batch in alone.epoch(0) for first, _ in one_by_one(batch))
    assert lengths == [2, 6, 6]


def one_by_one(batch):
    """As `read_back`, for documents that stand alone."""
    true = torch.where(batch.labels == IGNORED, batch.inputs, batch.labels)
    for ids, mask in zip(true, batch.mask, strict=True):
        row = ids[mask].tolist()
        assert row[0] == CLS
        assert row[-1] == SEP
        yield row[1:-1], []


@given(sizes=sizes_of_some)
@settings(max_examples=30)
def test_documents_may_stand_alone(sizes):
    batches = MaskedPairs(numbered(sizes), MARKS, 30, max_length=40, pairs=False)
    found = []
    for batch in batches.epoch(0):
        assert (batch.segments == 0).all()
        assert (batch.second_is_random == IGNORED).all()
        found += [first for first, _ in one_by_one(batch)]
    assert sorted(found) == numbered(sizes)


def test_held_out_documents_may_bring_what_stands_before_them():
    before, documents = numbered([3, 2, 4, 5]), [[20] * 3, [21] * 2, [22] * 4, [23]]
    batches = MaskedPairs(documents, MARKS, 30, max_length=40, before=before)
    others = np.zeros((4, 4))
    for number in range(400):
        seen = []
        for batch in batches.epoch(number):
            for (first, second), random in zip(
                read_back(batch), batch.second_is_random, strict=True
            ):
                one, other = first[0] - 5, second[0] - 20
                assert (one != other) == bool(random)
                seen.append(one)
                others[one, other] += 1
        assert sorted(seen) == [0, 1, 2, 3]
    for one in range(4):
        assert within(others[one, one], 400, 0.5)
        assert all(within(others[one, k], 400, 0.5 / 3) for k in range(4) if k != one)


def test_batches_have_about_as_many_tokens_as_asked_for():
    generator = np.random.default_rng(11)
    documents = [[7] * int(size) for size in generator.integers(5, 60, size=800)]
    batches = MaskedPairs(documents, MARKS, 1000, max_length=128, whole_words=True)
    counts = np.array([int(batch.mask.sum()) for batch in batches.epoch(0)])
    cells = sum(batch.inputs.numel() for batch in batches.epoch(0))
    assert abs(counts.mean() - 1000) < 60
    assert counts.max() < 1250
    assert counts.sum() / cells > 0.95  # little is padding


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"documents": [[5], [6]]}, "there are 2 documents, which are too few"),
        ({"documents": [], "pairs": False}, "there are 0 documents"),
        ({"documents": [[], [], []]}, "all 3 documents are empty"),
        ({"documents": [[5], [6], ["a"]]}, r"document 2 is \['a'\]"),
        ({"documents": [[5], [6], [99]]}, "ids from 5 to 99, and the vocabulary 40 ids"),
        ({"rate": 2}, "the rate is 2"),
        ({"batch_tokens": 0}, "batch_tokens is 0"),
        ({"max_length": 4}, "max_length is 4; with the three marks 5 is the least"),
        ({"before": [[5]]}, "there are 1 texts before 3 documents"),
        ({"seed": -1}, "seed is -1"),
    ],
)
def test_batches_refuse_what_does_not_fit(settings, message):
    arguments = {"documents": [[5], [6], [7]], "batch_tokens": 10, "max_length": 20}
    with pytest.raises(ValueError, match=message):
        MaskedPairs(tokenizer=MARKS, **{**arguments, **settings})


# --- what an encoder reads


@pytest.fixture(scope="module")
def tokenizer():
    return WordPieceTokenizer(vocab_size=60).fit(["the bank of the river", "a bank lends"] * 3)


def test_texts_and_pairs_stand_between_their_marks(tokenizer):
    pad, cls, sep = tokenizer.pad_id, tokenizer.cls_id, tokenizer.sep_id
    the, a, bank = map(tokenizer.encode, ("the", "a", "bank"))
    batch = encoder_batch(tokenizer, ["the bank", "a"])
    short = [cls, *a, sep]
    assert batch.inputs[0].tolist() == [cls, *the, *bank, sep]
    assert batch.inputs[1].tolist() == short + [pad] * (batch.inputs.shape[1] - len(short))
    assert batch.mask.sum(dim=1).tolist() == [len(the) + len(bank) + 2, len(short)]
    assert batch.mask.dtype == torch.bool
    assert (batch.segments == 0).all()
    assert batch.num_targets == 0
    pair = encoder_batch(tokenizer, ["the bank", "a"], ["a", "the"])
    assert pair.inputs[1][pair.mask[1]].tolist() == [*short, *the, sep]
    assert pair.segments[1][pair.mask[1]].tolist() == [0] * len(short) + [1] * (len(the) + 1)


def test_rows_that_are_too_long_or_do_not_match_are_refused(tokenizer):
    size = len(tokenizer.encode("the bank of the river")) + 2
    assert encoder_batch(tokenizer, ["the bank of the river"], None, size).mask.all()
    with pytest.raises(ValueError, match=f"row 1 has {size} tokens .* takes is {size - 1}"):
        encoder_batch(tokenizer, ["a", "the bank of the river"], max_length=size - 1)
    with pytest.raises(ValueError, match="there are 1 first texts and 2 second ones"):
        encoder_batch(tokenizer, ["a"], ["a", "the"])
    with pytest.raises(ValueError, match="there are 0 first texts"):
        encoder_batch(tokenizer, [])
    with pytest.raises(ValueError, match="give a list of texts, not one string"):
        encoder_batch(tokenizer, "the bank")
