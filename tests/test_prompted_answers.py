"""Prompts with their answers in batches: only what shall be learnt is a target."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lmtutor.data import IGNORED, PromptedAnswers

ids = st.integers(2, 99)
pairs = st.lists(
    st.tuples(st.lists(ids, max_size=12), st.lists(ids, min_size=1, max_size=5)),
    min_size=1,
    max_size=25,
)


def rows_of(batches, number=0):
    """Every row without its padding, in any order."""
    found = []
    for batch in batches.epoch(number):
        for inputs, targets in zip(batch.inputs.tolist(), batch.targets.tolist(), strict=True):
            last = max(place for place, target in enumerate(targets) if target != IGNORED)
            assert all(one == batches.eos_id for one in inputs[last + 1 :])
            found.append((inputs[: last + 1], targets[: last + 1]))
    return sorted(found)


@given(
    pairs=pairs, batch_tokens=st.integers(1, 60), number=st.integers(0, 3), whole=st.booleans()
)
@settings(max_examples=60)
def test_an_epoch_holds_each_pair_once(pairs, batch_tokens, number, whole):
    prompts, answers = zip(*pairs, strict=True)
    batches = PromptedAnswers(
        prompts,
        answers,
        batch_tokens=batch_tokens,
        context_length=9,
        seed=4,
        bos_id=1,
        eos_id=0,
        score_prompt=whole,
    )
    expected, cut = [], 0
    for prompt, answer in pairs:
        kept = prompt[max(0, len(prompt) + len(answer) - 8) :]
        cut += len(kept) < len(prompt)
        text = [1, *kept, *answer, 0]
        hidden = kept if whole else [IGNORED] * len(kept)
        expected.append((text[:-1], [*hidden, *answer, 0]))
    assert rows_of(batches, number) == sorted(expected)
    assert batches.num_cut == cut
    assert len(list(batches.epoch(number))) == len(batches)


def test_a_pair_by_hand():
    batches = PromptedAnswers([[5, 6], []], [[7], [8, 9]], batch_tokens=100, context_length=4)
    (batch,) = batches.epoch(0)
    rows = zip(batch.inputs.tolist(), batch.targets.tolist(), strict=True)
    assert sorted(rows) == [
        ([0, 5, 6, 7], [IGNORED, IGNORED, 7, 1]),
        ([0, 8, 9, 1], [8, 9, 1, IGNORED]),
    ]
    assert batch.num_targets == 5
    assert batches.num_cut == 0


def test_batches_are_of_about_the_same_size_and_little_is_padding():
    lengths = np.random.default_rng(0).integers(0, 60, size=400)
    prompts, answers = [[5] * int(n) for n in lengths], [[6]] * 400
    batches = PromptedAnswers(prompts, answers, batch_tokens=500, context_length=80)
    sizes = [int((batch.inputs != batches.eos_id).sum()) for batch in batches.epoch(0)]
    assert max(sizes) < 1.3 * min(sizes)
    read = sum(batch.inputs.numel() for batch in batches.epoch(0))
    assert read < 1.1 * (lengths.sum() + 2 * 400)


def test_an_epoch_can_be_entered_anywhere_and_has_an_order_of_its_own():
    prompts, answers = [[k] for k in range(40)], [[k, k] for k in range(40)]

    def epoch(number, start=0, seed=0):
        options = {"batch_tokens": 20, "context_length": 9, "seed": seed}
        batches = PromptedAnswers(prompts, answers, **options)
        return [batch.inputs.tolist() for batch in batches.epoch(number, start)]

    assert epoch(1) == epoch(1)
    assert epoch(1)[3:] == epoch(1, 3)
    assert epoch(0) != epoch(1)
    assert epoch(0) != epoch(0, seed=1)


def test_what_they_are_made_of_can_be_told_apart():
    def describe(prompts, answers, **options):
        options = {"batch_tokens": 9, "context_length": 9, **options}
        return PromptedAnswers(prompts, answers, **options).describe()

    one = describe([[5, 6]], [[7]])
    assert one == describe([np.array([5, 6])], [(7,)])
    assert one["kind"] == "PromptedAnswers"
    for other in (
        describe([[5]], [[6, 7]]),  # the same row, but more of it is the answer
        describe([[5, 6]], [[8]]),
        describe([[5, 6]], [[7]], score_prompt=True),
        describe([[5, 6]], [[7]], seed=1),
        describe([[5, 6]], [[7]], batch_tokens=8),
        describe([[5, 6]], [[7]], context_length=3),
    ):
        assert other != one


@torch.no_grad()
def test_the_loss_is_on_the_answer_alone():
    from lmtutor.models import GPT

    torch.manual_seed(0)
    sizes = {"hidden_size": 8, "num_layers": 1, "num_heads": 2, "context_length": 16}
    model = GPT(vocab_size=12, **sizes).double().eval()
    prompts, answers = [[5, 6, 7], [8]], [[9], [10, 11]]
    batches = PromptedAnswers(prompts, answers, batch_tokens=100, context_length=16)
    expected = 0.0
    for prompt, answer in zip(prompts, answers, strict=True):
        text = torch.tensor([[*prompt, *answer, model.eos_id]])
        expected -= float(model.token_log_probs(text)[0, len(prompt) :].sum())
    assert sum(float(model.loss(batch)) for batch in batches.epoch(0)) == pytest.approx(
        expected
    )


def test_bad_pairs_are_refused():
    def refused(message, prompts, answers, **options):
        options = {"batch_tokens": 9, "context_length": 4, **options}
        with pytest.raises(ValueError, match=message):
            PromptedAnswers(prompts, answers, **options)

    refused("there are 0 prompts and 0 answers", [], [])
    refused("there are 2 prompts and 1 answers", [[5], [6]], [[7]])
    refused("answer 1 is empty", [[5], [6]], [[7], []])
    refused(
        "answer 0 has 4 tokens, and .* a context of 5; context_length is 4", [[]], [[5] * 4]
    )
    refused("prompt 1 is 'ab', and should be a list of ids", [[5], "ab"], [[7], [7]])
    refused("answer 0 is 7, and should be a list of ids", [[5]], [7])
    refused("batch_tokens is 0", [[5]], [[7]], batch_tokens=0)
    refused("context_length is 0", [[5]], [[7]], context_length=0)
    refused("seed is -1", [[5]], [[7]], seed=-1)
