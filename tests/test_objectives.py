"""What the objectives make of a text: nothing is lost, and what is asked is what was hidden."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lmtutor.data import (
    Question,
    causal,
    denoising,
    fill_spans,
    masked,
    replaced_tokens,
    span_corruption,
)

words = st.text("abcdefgh", min_size=1, max_size=3)
texts = st.lists(words, min_size=1, max_size=30)
seeds = st.integers(0, 10_000)
rates = st.floats(0, 1)


@given(texts)
def test_causal_targets_are_the_inputs_shifted_by_one(text):
    question = causal(text, "<b>", "<e>")
    assert question.inputs == ("<b>", *text)
    assert question.targets == (*text, "<e>")
    assert question.targets[:-1] == question.inputs[1:]
    assert question.num_targets == len(text) + 1


def test_ids_are_tokens_too():
    assert causal([5, 6], 0, 1) == Question((0, 5, 6), (5, 6, 1))
    assert fill_spans(span_corruption([7, 8, 9], sentinel=lambda k: -1 - k), lambda k: -1 - k)


# --- masked


@given(texts, seeds, rates)
def test_masked_asks_for_true_tokens_and_leaves_all_others(text, seed, rate):
    question = masked(text, ["x", "y"], seed, rate)
    assert len(question.inputs) == len(question.targets) == len(text)
    for read, asked, true in zip(question.inputs, question.targets, text, strict=True):
        assert asked in (None, true)
        assert read == true or asked is not None
        assert read in ("[MASK]", "x", "y", *text)


def test_of_the_tokens_asked_for_most_are_masked():
    text = [f"w{k}" for k in range(20_000)]
    question = masked(text, [], seed=1, rate=0.15)
    asked = [
        (read, true)
        for read, true in zip(question.inputs, question.targets, strict=True)
        if true is not None
    ]
    assert len(asked) / len(text) == pytest.approx(0.15, abs=0.01)
    assert sum(read == "[MASK]" for read, _ in asked) / len(asked) == pytest.approx(
        0.8, abs=0.03
    )
    assert sum(read == true for read, true in asked) / len(asked) == pytest.approx(
        0.1, abs=0.03
    )


def test_masked_is_a_function_of_the_seed():
    text = ["let", "there", "be", "light", "and", "there", "was", "light"]
    assert masked(text, [], 3, 0.5) == masked(text, [], 3, 0.5)
    assert len({masked(text, [], seed, 0.5).inputs for seed in range(20)}) > 10


def test_masked_refuses_what_it_cannot_hide():
    with pytest.raises(ValueError, match="the mask 'a' is also a token"):
        masked(["a", "b"], [], mask="a")
    with pytest.raises(ValueError, match="no tokens to hide"):
        masked([], [])
    with pytest.raises(ValueError, match="the rate is 1.5"):
        masked(["a"], [], rate=1.5)


# --- replaced tokens


@given(texts, seeds, rates)
def test_labels_say_exactly_which_tokens_were_replaced(text, seed, rate):
    question = replaced_tokens(text, lambda read, place: text[0], seed, rate)
    for read, true, label in zip(question.inputs, text, question.targets, strict=True):
        assert label is (read != true)
    assert question.num_targets == len(text)  # every token is asked about


def test_the_other_model_sees_masks_and_not_the_tokens():
    seen = []

    def propose(read, place):
        assert read[place] == "[MASK]"
        seen.append(read)
        return "new"

    question = replaced_tokens(["a", "b", "c", "d", "e", "f"], propose, seed=4, rate=0.5)
    assert len(set(seen)) == 1  # all at once, not one after another
    assert question.inputs.count("new") == seen[0].count("[MASK]") == sum(question.targets)
    assert 0 < sum(question.targets) < 6


def test_a_rate_that_is_no_share_is_refused():
    for objective in (
        lambda: replaced_tokens(["a"], lambda *_: "b", rate=-0.1),
        lambda: span_corruption(["a", "b"], rate=-0.1),
        lambda: denoising([["a"]], rate=-0.1),
    ):
        with pytest.raises(ValueError, match="the rate is -0.1"):
            objective()


# --- span corruption


@given(st.lists(words, min_size=2, max_size=40), seeds, rates, st.floats(1, 6))
def test_question_and_answer_together_restore_the_text(text, seed, rate, mean):
    question = span_corruption(text, seed, rate, mean)
    assert fill_spans(question) == tuple(text)


@given(st.lists(words, min_size=2, max_size=40), seeds, rates, st.floats(1, 6))
def test_every_token_is_in_the_question_or_in_the_answer(text, seed, rate, mean):
    question = span_corruption(text, seed, rate, mean)
    marks = [token for token in question.inputs if token.startswith("<")]
    assert marks == [f"<extra_id_{k}>" for k in range(len(marks))]
    answered = [token for token in question.targets if token.startswith("<")]
    assert answered == [*marks, f"<extra_id_{len(marks)}>"]
    kept = len(question.inputs) - len(marks)
    gone = len(question.targets) - len(answered)
    assert kept + gone == len(text)
    assert gone == min(max(1, round(len(text) * rate)), len(text) - 1)
    places = [k for k, token in enumerate(question.inputs) if token.startswith("<")]
    assert places[0] > 0
    assert all(after - before > 1 for before, after in pairwise(places))
    assert question.targets[-1] == f"<extra_id_{len(marks)}>"
    assert question.targets[-2] not in answered  # no span is empty


def test_spans_have_the_mean_length_that_was_asked_for():
    text = [f"w{k}" for k in range(1000)]
    question = span_corruption(text, seed=1)
    assert len(question.inputs) == 850 + 50
    assert len(question.targets) == 150 + 51


def test_texts_that_make_no_gap_are_refused():
    with pytest.raises(ValueError, match=r"there are 1 tokens \(at least 2"):
        span_corruption(["a"])
    with pytest.raises(ValueError, match="mean_length is 0.5"):
        span_corruption(["a", "b"], mean_length=0.5)
    with pytest.raises(
        ValueError, match="'<extra_id_1>' is a token of the text and a sentinel"
    ):
        span_corruption(["a", "<extra_id_1>"])


def test_an_answer_that_lacks_a_span_is_refused():
    with pytest.raises(ValueError, match="nothing about '<extra_id_0>'"):
        fill_spans(Question(("a", "<extra_id_0>"), ("b", "c")))


# --- denoising


@given(st.lists(texts, min_size=1, max_size=4), seeds, rates, st.floats(0.1, 5))
def test_the_answer_is_the_whole_text(sentences, seed, rate, mean):
    text = [token for sentence in sentences for token in sentence]
    question = denoising(sentences, seed, rate, mean)
    assert question.targets == tuple(text)
    kept = [token for token in question.inputs if token != "[MASK]"]
    assert len(text) - len(kept) == -int(-(rate * len(text) - 1e-9) // 1)
    assert not set(kept) - set(text)
    assert ("[MASK]", "[MASK]") not in pairwise(question.inputs)


@given(st.lists(texts, min_size=1, max_size=4), seeds)
def test_without_damage_the_sentences_only_change_places(sentences, seed):
    question = denoising(sentences, seed, rate=0.0)
    rest, left = list(question.inputs), [tuple(sentence) for sentence in sentences]
    assert sorted(rest) == sorted(question.targets)
    assert denoising(sentences, seed, 0.0, permute=False).inputs == question.targets
    assert len(left) != 1 or question.inputs == question.targets


def test_spans_are_masked_whole_and_in_order_without_permutation():
    text = [f"w{k}" for k in range(200)]
    question = denoising([text], seed=2, permute=False)
    kept = [token for token in question.inputs if token != "[MASK]"]
    assert kept == [token for token in text if token in set(kept)]
    numbers = [int(token[1:]) for token in kept]
    masks = question.inputs.count("[MASK]")
    gaps = sum(after - before > 1 for before, after in pairwise(numbers))
    assert 60 / 6 < masks < 60 / 1.5  # of mean length 3
    assert masks > gaps  # some spans are empty


def test_sentences_come_in_other_orders():
    sentences = [["a"], ["b"], ["c"]]
    orders = {denoising(sentences, seed, rate=0.0).inputs for seed in range(60)}
    assert len(orders) == 6


def test_a_mean_length_of_zero_is_refused():
    with pytest.raises(ValueError, match="mean_length is 0"):
        denoising([["a"]], mean_length=0)
