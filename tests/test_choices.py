"""Answers are chosen by the probabilities of whole texts, however the texts are read."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from test_readers import a_model

from lmtutor.decoding import (
    answer_log_probs,
    calibrated,
    few_shot_ids,
    few_shot_prompt,
)
from lmtutor.models import NgramModel, UniformModel
from lmtutor.models.language_model import inference
from lmtutor.tokenizers import BytePairTokenizer, CharacterTokenizer, WordTokenizer

EXACT = {"rtol": 1e-9, "atol": 1e-9}
KINDS = ["transformer", "LSTMLanguageModel 1", "window", "own", "counts"]
ids = st.integers(2, 10)


def whole_texts(model, prompts, answers, prefix=()):
    """The same, one text at a time and without a reader."""
    with inference(model):
        rows = [
            [
                model.token_log_probs(torch.tensor([[*prefix, *prompt, *answer]]))[
                    0, -len(answer) :
                ].sum()
                for answer in answers
            ]
            for prompt in prompts
        ]
    return torch.tensor(rows, dtype=torch.float64)


@pytest.mark.parametrize("kind", KINDS)
@given(
    prompts=st.lists(st.lists(ids, max_size=5), min_size=1, max_size=7),
    answers=st.lists(st.lists(ids, min_size=1, max_size=4), min_size=1, max_size=5),
    prefix=st.lists(ids, max_size=6),
    batch_size=st.integers(1, 4),
)
@settings(max_examples=15)
def test_they_are_those_of_whole_texts(kind, prompts, answers, prefix, batch_size):
    model = a_model(kind)
    found = answer_log_probs(model, prompts, answers, prefix, batch_size)
    expected = whole_texts(model, prompts, answers, prefix)
    assert found.shape == (len(prompts), len(answers))
    torch.testing.assert_close(found, expected, **EXACT)


def test_answers_may_begin_alike_be_equal_or_be_a_part_of_another():
    answers = [[5, 6, 7], [5, 6], [5, 8], [5, 6], [9], [5, 6, 7, 8]]
    model, prompts = a_model("transformer"), [[2], [], [3, 4, 2]]
    found = answer_log_probs(model, prompts, answers, [4, 4])
    torch.testing.assert_close(found, whole_texts(model, prompts, answers, [4, 4]), **EXACT)
    assert torch.equal(found[:, 1], found[:, 3])
    assert (found[:, 1] > found[:, 0]).all()


def test_all_answers_of_a_length_share_what_is_certain():
    model = a_model("transformer")
    found = answer_log_probs(model, [[3]], [[one] for one in range(11)], [4])
    assert found.exp().sum() == pytest.approx(1)
    assert answer_log_probs(UniformModel(4), [[2]], [[3], [3, 3]]).tolist() == [
        [pytest.approx(-math.log(4)), pytest.approx(-2 * math.log(4))]
    ]


def test_the_prefix_is_read_once_and_the_model_left_as_it_was(monkeypatch):
    model, read = a_model("transformer").train(), []
    hidden_states = model.hidden_states

    def counted(inputs, cache=None):
        assert not model.training
        read.append(tuple(inputs.shape))
        return hidden_states(inputs, cache)

    monkeypatch.setattr(model, "hidden_states", counted)
    answer_log_probs(model, [[2], [3, 4], [5], [6]], [[7], [8]], prefix=[9] * 6, batch_size=2)
    assert model.training
    # The mark and all of the prefix but its last token; then batches, the longest prompt first.
    assert read == [(1, 6), (2, 3), (2, 2)]


def test_a_text_may_fill_the_context_and_not_more():
    model = a_model("transformer")  # 16 positions
    found = answer_log_probs(model, [[2] * 4], [[3, 4]], prefix=[5] * 9)
    torch.testing.assert_close(found, whole_texts(model, [[2] * 4], [[3, 4]], [5] * 9), **EXACT)
    with pytest.raises(ValueError, match=r"have 10 tokens, prompt 1 5 .* 2, together 17.* 16"):
        answer_log_probs(model, [[2], [2] * 5], [[3, 4]], prefix=[5] * 9)


def test_bad_questions_are_refused():
    model = UniformModel(4)

    def refused(message, prompts, answers, **options):
        with pytest.raises(ValueError, match=message):
            answer_log_probs(model, prompts, answers, **options)

    refused("there are 0 prompts and 1 answers", [], [[2]])
    refused("there are 1 prompts and 0 answers", [[2]], [])
    refused("answer 1 is empty", [[2]], [[2], []])
    refused("prompt 1: id 4 at position 0 .* 4 ids", [[2], [4]], [[2]])
    refused("answer 0: id -1 at position 1", [[2]], [[2, -1]])
    refused("the prefix: id 9 at position 0", [[2]], [[2]], prefix=[9])
    refused("prompt 0 is 5, and should be a list of ids", [5], [[2]])
    refused("answer 0 is 'no', and should be a list of ids", [[2]], ["no"])
    refused("batch_size is 0", [[2]], [[2]], batch_size=0)
    broken = a_model("transformer")
    broken.output.weight.data[:] = torch.nan
    with pytest.raises(ValueError, match="are no numbers"):
        answer_log_probs(broken, [[2]], [[2]])


# --- prompts


def test_a_prompt_is_text_up_to_the_white_space_before_the_answer():
    examples = [("A {joy}.", "fresh"), ("Dull.", "rotten")]
    assert few_shot_prompt(examples, "Good.") == (
        "Review: A {joy}.\nSentiment: fresh\n\nReview: Dull.\nSentiment: rotten\n\n"
        "Review: Good.\nSentiment:"
    )
    assert few_shot_prompt([], "{answer}", "{text}\n\n{answer}") == "{answer}"
    for template in ("{text}", "{answer}", "{text} {answer} {answer}"):
        with pytest.raises(ValueError, match="must have {text} and {answer}, once each"):
            few_shot_prompt([], "a", template)
    with pytest.raises(ValueError, match="{answer} must come after {text}"):
        few_shot_prompt([], "a", "{answer}: {text}")


TEXTS = ["a fine film", "dull", "a fine plot, a dull film"]
TEMPLATE = "Review: {text}\nSentiment: {answer}\n\n"


def tokenizers():
    corpus = [few_shot_prompt([(text, "good"), (text, "bad")], text) for text in TEXTS]
    corpus += ["good bad"] * 9
    for kind in (CharacterTokenizer, WordTokenizer):
        yield kind().fit(corpus)
    yield BytePairTokenizer(vocab_size=300).fit(corpus)


@pytest.mark.parametrize("tokenizer", list(tokenizers()), ids=lambda one: type(one).__name__)
@pytest.mark.parametrize("shots", [0, 2])
def test_ids_are_those_of_the_whole_prompt(tokenizer, shots):
    examples = [("a fine plot", "good"), ("dull plot", "bad")][:shots]
    asked = few_shot_ids(tokenizer, examples, TEXTS, ["good", "bad"])
    for text, prompt in zip(TEXTS, asked.prompts, strict=True):
        whole = few_shot_prompt(examples, text)
        assert asked.prefix + prompt == tokenizer.encode(whole)
        for name, answer in zip(["good", "bad"], asked.answers, strict=True):
            assert asked.prefix + prompt + answer == tokenizer.encode(f"{whole} {name}")
    assert len({tuple(prompt[:1]) for prompt in asked.prompts}) > 1  # nothing more is shared
    if shots:
        examples_alone = few_shot_prompt(examples[:-1], *examples[-1][:1])
        assert len(asked.prefix) > len(tokenizer.encode(examples_alone))


def test_one_text_is_all_prefix():
    tokenizer = CharacterTokenizer().fit(["ab: +-"])
    asked = few_shot_ids(tokenizer, [], ["ab"], ["+"], "{text}: {answer}")
    assert (tokenizer.decode(asked.prefix), asked.prompts) == ("ab:", [[]])
    assert answer_log_probs(
        UniformModel(tokenizer.vocab_size), asked.prompts, asked.answers, asked.prefix
    ).shape == (1, 1)


def test_an_answer_that_shares_a_token_with_the_prompt_is_refused():
    tokenizer = BytePairTokenizer(vocab_size=300).fit(["ab ab ab c"] * 9)
    for texts, template in (["a"], "c: {text}{answer}"), (["c", "a"], "{text}{answer}"):
        with pytest.raises(ValueError, match=r"'b' shares a token with .*'.*a'; put a space"):
            few_shot_ids(tokenizer, [], texts, ["b"], template)


def test_bad_examples_are_refused():
    tokenizer = CharacterTokenizer().fit(["ab: +-"])
    with pytest.raises(ValueError, match=r"example 1 is '\?', which is none of \['\+', '-'\]"):
        few_shot_ids(tokenizer, [("a", "+"), ("b", "?")], ["a"], ["+", "-"])
    with pytest.raises(ValueError, match="there are 0 texts and 1 answers"):
        few_shot_ids(tokenizer, [], [], ["+"])
    with pytest.raises(ValueError, match="there are 1 texts and 0 answers"):
        few_shot_ids(tokenizer, [], ["a"], [])
    for texts, answers in (("ab", ["+"]), (["ab"], "+-")):  # not one for each character
        with pytest.raises(ValueError, match="give lists of texts and of answers, not one"):
            few_shot_ids(tokenizer, [], texts, answers)


# --- calibration


def test_calibration_divides_by_the_preference():
    texts = torch.tensor([[0.6, 0.3], [0.05, 0.05], [0.02, 0.08]], dtype=torch.float64)
    nothing = torch.tensor([[0.6, 0.2], [0.1, 0.1]], dtype=torch.float64)
    # Normalised, nothing is (0.75, 0.25) and (0.5, 0.5): the preference is (0.625, 0.375).
    shares = texts / texts.sum(1, keepdim=True) / torch.tensor([0.625, 0.375])
    expected = shares / shares.sum(1, keepdim=True)
    found = calibrated(texts.log(), nothing.log()).exp()
    torch.testing.assert_close(found, expected, **EXACT)
    assert found.argmax(1).tolist() == [0, 1, 1]


@given(
    st.lists(st.lists(st.floats(-9, 0), min_size=3, max_size=3), min_size=1, max_size=5),
    st.lists(st.floats(-9, 0), min_size=3, max_size=3),
    st.floats(-5, 5),
)
def test_what_is_calibrated_on_itself_is_even(rows, free, shift):
    log_probs = torch.tensor(rows, dtype=torch.float64)
    nothing = torch.tensor([free], dtype=torch.float64)
    found = calibrated(log_probs, nothing)
    assert torch.allclose(found.exp().sum(1), torch.ones(len(rows)).double())
    assert torch.allclose(calibrated(nothing, nothing).exp(), torch.tensor(1 / 3).double())
    torch.testing.assert_close(calibrated(log_probs + shift, nothing - shift), found, **EXACT)
    flat = torch.zeros(1, 3).double()
    torch.testing.assert_close(calibrated(log_probs, flat), log_probs.log_softmax(1), **EXACT)


def test_what_cannot_be_calibrated_is_refused():
    rows = torch.zeros(4, 2)
    for free in (torch.zeros(1, 3), torch.zeros(2), torch.zeros(1, 1)):
        with pytest.raises(ValueError, match=r"shape \(4, 2\) and content_free \("):
            calibrated(rows, free)
    with pytest.raises(ValueError, match=r"shape \(0, 2\); calibrate with one prompt at least"):
        calibrated(rows, rows[:0])
    never = torch.tensor([[0.0, -torch.inf]])
    with pytest.raises(ValueError, match="answer 1 has the probability 0 in all"):
        calibrated(rows, never)
    assert calibrated(never, rows).exp().tolist() == [[1, 0]]
    for wrong in (torch.full((1, 2), -torch.inf), torch.full((1, 2), torch.nan)):
        for pair in ((wrong, rows), (rows, wrong)):
            with pytest.raises(ValueError, match="no finite value, or one that is no number"):
                calibrated(*pair)


def test_the_likelier_answer_is_chosen():
    tokenizer = WordTokenizer().fit(["fine . good", "dull . bad"])
    texts = ["fine . good"] * 3 + ["dull . bad"]
    model = NgramModel(3).fit([tokenizer.encode(text) for text in texts])
    asked = few_shot_ids(tokenizer, [], ["fine", "dull"], ["bad", "good"], "{text} . {answer}")
    found = answer_log_probs(model, asked.prompts, asked.answers, asked.prefix)
    assert found.argmax(1).tolist() == [1, 0]
