"""Strategies cut exactly what they say, and generation follows the model."""

import math
from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import nn

from lmtutor.decoding import (
    BeamSearch,
    Greedy,
    Sample,
    Strategy,
    generate,
    generate_batch,
    generate_text,
)
from lmtutor.decoding.stop_sequences import StopFilter
from lmtutor.models import LanguageModel, LSTMLanguageModel, NgramModel, UniformModel
from lmtutor.tokenizers import BytePairTokenizer, CharacterTokenizer, WordTokenizer

distributions = st.lists(
    st.sampled_from([0.0, 0.5, 1.0, 1.0, 2.0, 5.0]), min_size=1, max_size=9
).filter(lambda weights: sum(weights) > 0)


def logs(weights):
    return (torch.tensor(weights, dtype=torch.float64) / sum(weights)).log()


@given(weights=distributions, k=st.integers(1, 12))
def test_top_k_keeps_exactly_k_also_under_ties(weights, k):
    kept = Sample(top_k=k).probabilities(logs(weights))
    assert (kept > 0).sum() == min(k, sum(weight > 0 for weight in weights))
    assert kept.sum().item() == pytest.approx(1)
    threshold = sorted(weights, reverse=True)[: min(k, len(weights))][-1]
    assert all(
        weight >= threshold for weight, share in zip(weights, kept, strict=True) if share > 0
    )


@given(weights=distributions, p=st.floats(0.01, 1.0))
def test_top_p_keeps_the_smallest_set_of_likely_tokens_that_reaches_p(weights, p):
    probabilities = logs(weights).exp()
    kept = Sample(top_p=p).probabilities(logs(weights)) > 0
    mass = probabilities[kept].sum().item()
    assert mass >= p - 1e-9
    assert (
        mass - probabilities[kept].min().item() < p + 1e-9
    )  # without its least likely token it is too small
    if not kept.all():
        assert probabilities[~kept].max() <= probabilities[kept].min()


@given(weights=distributions, temperature=st.floats(0.1, 10))
def test_temperature_raises_probabilities_to_a_power(weights, temperature):
    expected = torch.tensor(weights, dtype=torch.float64) ** (1 / temperature)
    torch.testing.assert_close(
        Sample(temperature=temperature).probabilities(logs(weights)), expected / expected.sum()
    )


# --- the steps of sampling, and those of transformers


def theirs(steps, log_probs, previous_ids=()):
    """What their processors make of one row of scores."""
    scores, ids = log_probs[None].clone(), torch.tensor([list(previous_ids)]).long()
    for step in steps:
        scores = step(ids, scores)
    return scores[0].softmax(-1)


def their_steps(settings):
    from transformers.generation import logits_process

    order = {
        "repetition_penalty": logits_process.RepetitionPenaltyLogitsProcessor,
        "temperature": logits_process.TemperatureLogitsWarper,
        "top_k": logits_process.TopKLogitsWarper,
        "top_p": logits_process.TopPLogitsWarper,
        "min_p": logits_process.MinPLogitsWarper,
        "typical_p": logits_process.TypicalLogitsWarper,
    }
    return [step(settings[name]) for name, step in order.items() if name in settings]


SETTINGS = {
    "repetition_penalty": st.floats(0.5, 3.0),
    "temperature": st.floats(0.3, 3.0),
    "top_k": st.integers(1, 45),
    "top_p": st.floats(0.05, 0.99),
    "min_p": st.floats(0.001, 0.6),
    "typical_p": st.floats(0.05, 0.99),
}


def loud(seed):
    """Log-probabilities of 40 tokens without ties, a few of which cannot come."""
    torch.manual_seed(seed)
    scores = 3 * torch.randn(40, dtype=torch.float64)
    scores[torch.randint(0, 40, (seed % 4,))] = -torch.inf
    return scores.log_softmax(-1)


@pytest.mark.parametrize("name", SETTINGS)
@settings(max_examples=40)
@given(data=st.data(), seed=st.integers(0, 10**6))
def test_each_step_is_that_of_transformers(name, data, seed):
    setting = {name: data.draw(SETTINGS[name])}
    previous = data.draw(st.lists(st.integers(0, 39), min_size=1, max_size=30))
    log_probs = loud(seed)
    expected = theirs(their_steps(setting), log_probs, previous)
    ours = Sample(**setting).probabilities(log_probs, previous)
    torch.testing.assert_close(ours, expected, rtol=1e-9, atol=1e-9)


@settings(max_examples=150)
@given(
    chosen=st.fixed_dictionaries({}, optional=SETTINGS),
    previous=st.lists(st.integers(0, 39), min_size=1, max_size=30),
    seed=st.integers(0, 10**6),
)
def test_the_chain_of_steps_is_that_of_transformers(chosen, previous, seed):
    log_probs = loud(seed)
    expected = theirs(their_steps(chosen), log_probs, previous)
    ours = Sample(**chosen).probabilities(log_probs, previous)
    torch.testing.assert_close(ours, expected, rtol=1e-9, atol=1e-9)
    if "repetition_penalty" in chosen:
        greedy = Greedy(chosen["repetition_penalty"])
        steps = their_steps({"repetition_penalty": chosen["repetition_penalty"]})
        best = theirs(steps, log_probs, previous).argmax()
        assert greedy.choose(log_probs, torch.Generator(), previous) == best


@given(
    weights=distributions,
    chosen=st.fixed_dictionaries({}, optional=SETTINGS),
    previous=st.lists(st.integers(0, 8), max_size=9),
)
def test_what_is_drawn_from_is_a_distribution_that_only_shrinks(weights, chosen, previous):
    previous = [token for token in previous if token < len(weights)]
    kept = Sample(**chosen).probabilities(logs(weights), previous)
    assert kept.sum().item() == pytest.approx(1)
    possible = logs(weights) > -torch.inf
    assert not (kept > 0)[~possible].any()
    for last in range(len(SETTINGS)):  # every step more can only cut
        some = {name: chosen[name] for name in list(SETTINGS)[:last] if name in chosen}
        before = Sample(**some).probabilities(logs(weights), previous) > 0
        assert before[kept > 0].all()


@given(weights=distributions, min_p=st.floats(0.01, 1.0))
def test_min_p_keeps_what_is_likely_enough_beside_the_most_likely(weights, min_p):
    kept = Sample(min_p=min_p).probabilities(logs(weights)) > 0
    assert kept.tolist() == [w > 0 and w >= min_p * max(weights) * (1 - 1e-9) for w in weights]


def test_of_many_ties_the_lowest_ids_stay():
    kept = Sample(top_k=3).probabilities(torch.zeros(100_000).log_softmax(-1))
    assert kept.nonzero().flatten().tolist() == [0, 1, 2]
    kept = Sample(typical_p=2e-5).probabilities(torch.zeros(100_000).log_softmax(-1))
    assert kept.nonzero().flatten().tolist() == [0, 1]


def test_min_p_at_its_bounds():
    assert (Sample(min_p=0.5).probabilities(logs([2, 1, 0.999, 4])) > 0).tolist() == [
        *(True, False, False, True)
    ]
    assert Sample(min_p=1.0).probabilities(logs([3, 1, 3])).tolist() == [0.5, 0, 0.5]


def test_top_p_at_its_bounds():
    """The token that reaches p stays, and the next one goes, also where sums are rounded."""
    weights = [1.0] * 10
    for count in range(1, 11):
        kept = Sample(top_p=count / 10).probabilities(logs(weights)) > 0
        assert kept.tolist() == [place < count for place in range(10)]
    assert (Sample(top_p=0.7001).probabilities(logs(weights)) > 0).sum() == 8


def test_typical_p_by_hand():
    """P = 1/2, 1/4, 1/8, 1/8 in bits of surprise: 1, 2, 3, 3, of which the mean is 1.75."""
    weights = [4.0, 2.0, 1.0, 1.0]
    for typical_p, expected in [
        (0.2, [0, 1, 0, 0]),  # 0.25 bits away
        (0.25, [0, 1, 0, 0]),
        (0.26, [2 / 3, 1 / 3, 0, 0]),  # 0.75 bits away
        (0.75, [2 / 3, 1 / 3, 0, 0]),
        (0.8, [4 / 7, 2 / 7, 1 / 7, 0]),  # 1.25 bits away, and the lowest id of two
        (0.9, [4 / 8, 2 / 8, 1 / 8, 1 / 8]),
    ]:
        kept = Sample(typical_p=typical_p).probabilities(logs(weights))
        assert kept.tolist() == pytest.approx(expected)


def test_a_penalty_of_two_squares_the_probability_once_a_token():
    kept = Sample(repetition_penalty=2.0).probabilities(logs([5, 3, 2]), [0, 0, 2, 0])
    squared = torch.tensor([0.25, 0.3, 0.04], dtype=torch.float64)
    torch.testing.assert_close(kept, squared / squared.sum())
    assert Greedy(2.0).choose(logs([5, 3, 2]), torch.Generator(), [0]) == 1
    assert Greedy(2.0).choose(logs([5, 3, 2]), torch.Generator()) == 0


def test_the_penalty_counts_the_prompt_and_what_was_written():
    """Of equal tokens the lowest that was not said yet; then all are alike again."""
    rows = torch.tensor([1e-9, 1e-9, *[1.0] * 5]).log_softmax(-1)  # the marks are unlikely

    class Flat(UniformModel):
        def log_probs(self, ids):
            return rows.log_softmax(-1).expand(*ids.shape, -1)

    assert generate(Flat(7), [3], 4, Greedy(1.5)) == [3, 2, 4, 5, 6]
    assert generate(Flat(7), [3], 4, Greedy()) == [3, 2, 2, 2, 2]
    assert set(generate(Flat(7), [3], 4, Sample(0.01, repetition_penalty=9.0))) == {
        2,
        3,
        4,
        5,
        6,
    }


def test_the_steps_follow_one_another():
    weights = [4.0, 3.0, 2.0, 1.0]
    kept = Sample(top_k=2, top_p=0.55).probabilities(logs(weights))
    torch.testing.assert_close(
        kept, torch.tensor([1.0, 0, 0, 0], dtype=torch.float64)
    )  # 4/7 > 0.55
    assert (Sample(temperature=100.0, top_p=0.55).probabilities(logs(weights)) > 0).sum() == 3


def test_without_a_cut_every_token_stays_possible_also_in_float32():
    torch.manual_seed(0)
    log_probs = (torch.randn(50_257) * 3).log_softmax(-1)
    assert (Sample().probabilities(log_probs) > 0).all()
    assert (Sample(top_p=0.9).probabilities(logs([5, 4, 1])) > 0).tolist() == [
        True,
        True,
        False,
    ]
    kept = Sample(temperature=1e-39).probabilities(logs([4.0, 6.0]))
    assert kept.tolist() == [0, 1]


def test_a_model_that_has_diverged_is_told_so():
    with pytest.raises(ValueError, match="no token has a probability above zero"):
        Sample().probabilities(torch.full((3,), -torch.inf))

    class Diverged(UniformModel):
        def log_probs(self, ids):
            return super().log_probs(ids) * torch.nan

    for strategy in (Greedy(), Sample()):
        with pytest.raises(ValueError, match="NaN"):
            generate(Diverged(4), [2], 1, strategy)


def test_the_most_likely_token_always_stays():
    assert Sample(top_p=1e-12).probabilities(logs([1, 1, 1])).tolist() == [1, 0, 0]
    assert Sample(temperature=1e-6).probabilities(logs([1, 2, 1])).tolist() == [0, 1, 0]


@given(weights=distributions)
def test_greedy_takes_the_first_of_the_most_likely(weights):
    assert Greedy().choose(logs(weights), torch.Generator()) == weights.index(max(weights))


def test_samples_follow_the_distribution():
    """Chi-squared with three degrees of freedom: 16.3 is passed once in a thousand times."""
    weights = [1.0, 2.0, 3.0, 4.0]
    generator = torch.Generator().manual_seed(0)
    counts = Counter(Sample().choose(logs(weights), generator) for _ in range(4_000))
    statistic = sum((counts[i] - 400 * w) ** 2 / (400 * w) for i, w in enumerate(weights))
    assert statistic < 16.3


def a_model(order=3):
    tokenizer = CharacterTokenizer().fit(["abcabcabd"])
    return NgramModel(order, vocab_size=tokenizer.vocab_size).fit(
        [tokenizer.encode("abcabcabd")]
    ), tokenizer


def test_greedy_text_is_what_the_counts_say():
    model, tokenizer = a_model()
    assert tokenizer.decode(generate(model, tokenizer.encode("bc"), 4)) == "bcabca"
    assert generate(model, tokenizer.encode("bd"), 50) == tokenizer.encode(
        "bd"
    )  # the end follows at once
    assert tokenizer.decode(generate(model, [], 3)) == "abc"  # the begin mark stands in front


def test_seeded_sampling_repeats_and_other_seeds_differ():
    model = UniformModel(300)
    first = generate(model, [5], 40, Sample(), seed=1)
    assert first == generate(model, [5], 40, Sample(), seed=1)
    assert first != generate(model, [5], 40, Sample(), seed=2)
    assert first[0] == 5


def test_the_global_random_state_is_left_alone():
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    generate(UniformModel(9), [2], 5, Sample(), seed=7)
    assert torch.equal(torch.rand(1), expected)


def test_the_begin_mark_is_never_chosen_and_the_end_mark_never_returned():
    for seed in range(30):
        tokens = generate(UniformModel(4), [2], 20, Sample(), seed=seed)
        assert set(tokens) <= {2, 3}


class Forgetful(LanguageModel):
    """Predicts the token before the last; notes how much it was shown."""

    vocab_size, bos_id, eos_id, context_length = 9, 0, 1, 3

    def __init__(self):
        self.shown = []

    def log_probs(self, ids):
        self.shown.append(ids.tolist())
        rows = torch.full((*ids.shape, self.vocab_size), -10.0)
        rows[..., ids[0, -2] if ids.shape[1] > 1 else 2] = 0.0
        return rows.log_softmax(-1)


def test_a_text_that_outgrows_the_context_is_continued_from_its_end():
    model = Forgetful()
    assert generate(model, [4, 5], 4) == [4, 5, 4, 5, 4, 5]
    assert model.shown == [[[0, 4, 5]], [[4, 5, 4]], [[5, 4, 5]], [[4, 5, 4]]]


def test_a_prompt_that_does_not_fit_is_refused_before_anything_is_read():
    model = Forgetful()
    message = "3 tokens, 4 with its begin mark, and the model takes 3 at the most; .* to 2"
    for stream in (False, True):
        with pytest.raises(ValueError, match=message):
            generate(model, [4, 5, 6], 1, stream=stream)
    with pytest.raises(ValueError, match=f"prompt 1: the prompt has {message}"):
        generate_batch(model, [[4], [4, 5, 6]], 1)
    assert model.shown == []


def test_a_model_whose_two_marks_are_one_can_still_end():
    model = NgramModel(1, bos_id=0, eos_id=1).fit([[2]])

    class OneMark(LanguageModel):
        vocab_size, bos_id, eos_id = 3, 1, 1

        def log_probs(self, ids):
            return model.log_probs(ids.clamp(min=2))

    assert all(len(generate(OneMark(), [], 50, Sample(), seed=seed)) < 50 for seed in range(5))


def test_a_prompt_with_unknown_characters_works_for_a_lossless_tokenizer():
    tokenizer = CharacterTokenizer().fit(["ab"])
    model = NgramModel(2, "add_k", vocab_size=tokenizer.vocab_size).fit(
        [tokenizer.encode("ab")]
    )
    assert tokenizer.decode(
        generate(model, tokenizer.encode("é漢"), 5, Sample(), seed=1)
    ).startswith("é漢")


class OnlyStrategy(Strategy):
    """A reader's own strategy: anything with `choose`."""

    def choose(self, log_probs, generator, previous_ids=()):
        return 3 + len(previous_ids)


def test_a_strategy_of_one_s_own_is_told_what_was_said():
    assert generate(UniformModel(9), [2], 3, OnlyStrategy()) == [2, 4, 5, 6]


def test_a_strategy_goes_by_its_name():
    model = UniformModel(300)
    assert generate(model, [5], 9, "greedy") == generate(model, [5], 9) == [5]
    assert generate(model, [5], 9, "sample", 3) == generate(model, [5], 9, Sample(), 3)


# --- stop sequences and streams


class Script(LanguageModel):
    """Says what is written down, and then ends."""

    bos_id, eos_id = 0, 1

    def __init__(self, ids, prompt_length=0, vocab_size=9):
        self.ids, self.prompt_length, self.vocab_size = ids, prompt_length, vocab_size

    def log_probs(self, ids):
        rows = torch.full((*ids.shape, self.vocab_size), -20.0)
        said = ids.shape[1] - 1 - self.prompt_length
        rows[:, -1, ([*self.ids, self.eos_id])[said]] = 0.0
        return rows.log_softmax(-1)


@pytest.mark.parametrize(
    ("script", "stop", "expected"),
    [
        ([4, 5, 6, 7], [[6]], [4, 5]),
        ([4, 5, 6, 7], [[5, 6]], [4]),
        ([4, 5, 6, 7], [[6, 8]], [4, 5, 6, 7]),  # only begun
        ([4, 5, 6], [[6, 7]], [4, 5, 6]),  # begun when the end mark comes
        ([4, 5, 6], [[4, 5, 6]], []),
        ([4, 4, 4, 5], [[4, 4, 5]], [4]),  # begins again within itself
        ([4, 5, 4, 6, 4, 5, 4, 5, 7], [[4, 5, 4, 5]], [4, 5, 4, 6]),
        ([4, 5, 6, 7], [[6, 7], [5]], [4]),  # what is complete first
        ([4, 5, 6, 7], [[6], [5, 6]], [4]),  # at one place, the longer one
        ([4, 5, 6, 7], [[5, 6, 8], [6, 7]], [4, 5]),
        ([4, 5], [[3, 4]], [4, 5]),  # 3 is the end of the prompt
        ([4, 5], [[8, 3]], [4, 5]),
        ([4, 5, 3], [[3]], [4, 5]),
    ],
)
def test_a_text_ends_before_its_stop_sequence(script, stop, expected):
    def model():
        return Script(script, prompt_length=2)

    assert generate(model(), [8, 3], 20, stop=stop) == [8, 3, *expected]
    assert list(generate(model(), [8, 3], 20, stop=stop, stream=True)) == expected
    assert generate_batch(model(), [[8, 3]] * 2, 20, stop=stop) == [[8, 3, *expected]] * 2


def test_what_is_only_begun_when_the_tokens_run_out_is_kept():
    for stop in ([[6, 7]], [[5, 6, 7]]):
        assert generate(Script([4, 5, 6, 7]), [], 3, stop=stop) == [4, 5, 6]
        assert list(generate(Script([4, 5, 6, 7]), [], 3, stop=stop, stream=True)) == [4, 5, 6]
        assert generate_batch(Script([4, 5, 6, 7]), [[]], 3, stop=stop) == [[4, 5, 6]]


def test_a_stop_sequence_ends_the_reading():
    class Counting(Script):
        reads = 0

        def log_probs(self, ids):
            self.reads += 1
            return super().log_probs(ids)

    model = Counting([4, 5, 6, 7, 8])
    assert generate(model, [], 20, stop=[[5]]) == [4]
    assert model.reads == 2


few = st.lists(st.integers(0, 2), min_size=1, max_size=4)


@settings(max_examples=300)
@given(items=st.lists(st.integers(0, 2), max_size=20), stops=st.lists(few, max_size=3))
def test_the_filter_does_what_a_search_from_the_front_does(items, stops):
    stream, passed, sizes = StopFilter(stops), [], []
    for number, item in enumerate(items):
        passed += stream.push([item])
        sizes.append((number + 1, len(passed)))
    end = next(
        (
            (stop_at, max(len(s) for s in stops if items[:stop_at][-len(s) :] == s))
            for stop_at in range(1, len(items) + 1)
            if any(items[:stop_at][-len(s) :] == s for s in stops)
        ),
        None,
    )
    assert stream.stopped == (end is not None)
    passed += stream.finish()
    assert passed == (items if end is None else items[: end[0] - end[1]])
    for taken, size in sizes[: end and end[0] - 1]:  # no more is held back than must be
        longest = max(
            [n for s in stops for n in range(1, len(s)) if items[:taken][-n:] == s[:n]] or [0]
        )
        assert size == taken - longest
    at_once = StopFilter(stops)
    assert [*at_once.push(items), *at_once.finish()] == passed


def a_network(seed=0, vocab_size=9):
    torch.manual_seed(seed)
    model = LSTMLanguageModel(vocab_size=vocab_size, embedding_size=4, hidden_size=6).double()
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.5)
    return model


def counted(seed=0):
    torch.manual_seed(seed)
    texts = torch.randint(2, 9, (20, 9)).tolist()
    return NgramModel(3, "kneser_ney", vocab_size=9).fit(texts)


class Short(LanguageModel):
    """Sums all that it is shown, which is never more than six tokens."""

    vocab_size, bos_id, eos_id, context_length = 9, 0, 1, 6

    def log_probs(self, ids):
        assert ids.shape[1] <= 6
        rows = ids.double().cumsum(1)[..., None] * torch.arange(9)
        return rows.sin().log_softmax(-1)


MODELS = {"network": a_network, "counts": counted, "short": lambda seed: Short()}
some_strategies = st.sampled_from(
    [Greedy(), Greedy(1.3), Sample(), Sample(0.7, 5, 0.9), Sample(1.2, repetition_penalty=2.0)]
)
some_ids = st.lists(st.integers(2, 8), max_size=5)
some_stops = st.lists(st.lists(st.integers(2, 8), min_size=1, max_size=3), max_size=3)


@settings(max_examples=80)
@given(
    kind=st.sampled_from(list(MODELS)),
    model_seed=st.integers(0, 9),
    prompt=some_ids,
    strategy=some_strategies,
    stop=some_stops,
    seed=st.integers(0, 99),
)
def test_a_stream_gives_the_same_tokens(kind, model_seed, prompt, strategy, stop, seed):
    model = MODELS[kind](model_seed)
    text = generate(model, prompt, 12, strategy, seed, stop)
    assert (
        list(generate(model, prompt, 12, strategy, seed, stop, stream=True))
        == (text[len(prompt) :])
    )
    free = generate(model, prompt, 12, strategy, seed)
    assert free[: len(text)] == text
    assert (len(free) > len(text)) == any(
        free[place : place + len(s)] == s
        for s in stop
        for place in range(len(prompt), len(free) - len(s) + 1)
    )


def test_a_stream_is_lazy_and_leaves_the_model_as_it_was_in_between():
    model = a_network().train()
    stream = generate(model, [3], 10**9, Sample(), 0, stream=True)
    first = next(stream)
    assert model.training
    assert model.recurrent.training
    assert not torch.is_inference_mode_enabled()
    assert torch.ones(1, requires_grad=True).sum().requires_grad
    model.log_probs(torch.tensor([[0]])).sum().backward()  # gradients still flow
    text = [3, first, next(stream), next(stream)]
    assert text == generate(model, [3], 3, Sample(), 0)
    stream.close()
    assert model.training


# --- many texts at once


@settings(max_examples=80)
@given(
    kind=st.sampled_from(list(MODELS)),
    model_seed=st.integers(0, 9),
    prompts=st.lists(some_ids, max_size=5),
    strategy=some_strategies,
    stop=some_stops,
    seed=st.integers(0, 99),
    max_new_tokens=st.integers(0, 9),
)
def test_a_batch_writes_what_each_prompt_gives_alone(
    kind, model_seed, prompts, strategy, stop, seed, max_new_tokens
):
    model = MODELS[kind](model_seed)
    together = generate_batch(model, prompts, max_new_tokens, strategy, seed, stop)
    assert together == [
        generate(model, prompt, max_new_tokens, strategy, seed + row, stop)
        for row, prompt in enumerate(prompts)
    ]


def test_texts_that_have_ended_leave_the_batch():
    counts, rows = NgramModel(2).fit([[2, 3, 4, 5, 6]]), []

    class Watched(LanguageModel):
        vocab_size, bos_id, eos_id = counts.vocab_size, 0, 1

        def log_probs(self, ids):
            rows.append(len(ids))
            return counts.log_probs(ids)

    assert generate_batch(Watched(), [[5], [2], [4]], 9) == [[5, 6], [2, 3, 4, 5, 6], [4, 5, 6]]
    assert rows == [3, 3, 2, 1, 1]


def test_a_batch_needs_no_model_where_nothing_is_to_be_written():
    assert generate_batch(UniformModel(4), [], 5) == []
    assert generate_batch(UniformModel(4), [[2], []], 0) == [[2], []]


# --- text


def a_byte_pair_tokenizer():
    documents = ["the light, the light; light é 漢字 🙂 🙃 the é漢 light"] * 3
    return BytePairTokenizer(290).fit(documents)


TOKENIZERS = {
    "byte-pair": a_byte_pair_tokenizer(),
    "character": CharacterTokenizer().fit(["the light é"]),
    "word": WordTokenizer().fit(["the light was (good) and it's day, it was."]),
}


def text_of(prompt, **arguments):
    """What a model says that was made for the first of the tokenizers."""
    tokenizer = TOKENIZERS["character"]
    return generate_text(UniformModel(tokenizer.vocab_size), tokenizer, prompt, 9, **arguments)


def scripted(tokenizer, prompt, ids):
    return Script(ids, len(tokenizer.encode(prompt)), tokenizer.vocab_size)


@settings(max_examples=150)
@given(
    name=st.sampled_from(list(TOKENIZERS)),
    prompt=st.sampled_from(["", "the", "the light", "é漢", "(", "🙂", "\ufffd"]),
    stop=st.lists(
        st.sampled_from(["t", " l", "ht, the", "light", "é", "漢", "\ufffd", "(g", ", it"]),
        max_size=3,
    ),
    max_new_tokens=st.integers(0, 12),
    data=st.data(),
)
def test_pieces_of_text_join_to_the_whole(name, prompt, stop, max_new_tokens, data):
    tokenizer = TOKENIZERS[name]
    ids = data.draw(st.lists(st.integers(2, tokenizer.vocab_size - 1), max_size=10))
    model = scripted(tokenizer, prompt, ids)
    whole = generate_text(model, tokenizer, prompt, max_new_tokens, stop=stop)
    pieces = list(
        generate_text(model, tokenizer, prompt, max_new_tokens, stop=stop, stream=True)
    )
    assert "".join(pieces) == whole
    assert "" not in pieces

    before = tokenizer.encode(prompt)
    free = tokenizer.decode(before + ids[:max_new_tokens])[len(tokenizer.decode(before)) :]
    ends = [free.find(one) + len(one) for one in stop if one in free]
    if ends:  # the string that is complete first, and of two the longer one
        longest = max(len(one) for one in stop if free[: min(ends)].endswith(one))
        assert whole == free[: min(ends) - longest]
    else:
        assert whole == free
    if tokenizer.is_lossless:
        assert free == tokenizer.decode(ids[:max_new_tokens])


@pytest.mark.parametrize("name", ["byte-pair", "character"])
@given(text=st.text(max_size=12), cut=st.integers(0, 12))
@example(text="a🙂漢é", cut=0)
def test_no_piece_holds_half_a_character(name, text, cut):
    """Also where each byte is a token, as it is for the characters that were never seen."""
    tokenizer = TOKENIZERS[name]
    prompt, rest = text[:cut], text[cut:]
    model = scripted(tokenizer, prompt, tokenizer.encode(rest))
    pieces = list(generate_text(model, tokenizer, prompt, 99, stream=True))
    assert "".join(pieces) == rest
    if "\ufffd" not in rest:
        assert not any("\ufffd" in piece for piece in pieces)


def test_a_text_that_is_cut_within_a_character_ends_as_decode_says():
    tokenizer = TOKENIZERS["character"]
    ids = tokenizer.encode("e🙂")
    assert len(ids) == 5
    for stream in (False, True):
        model = scripted(tokenizer, "", ids)
        assert "".join(generate_text(model, tokenizer, "", 3, stream=stream)) == "e\ufffd"
    assert list(generate_text(model, tokenizer, "", 5, stream=True)) == ["e", "🙂"]


def test_stop_strings_may_lie_across_tokens_and_within_them():
    tokenizer = TOKENIZERS["byte-pair"]
    ids = tokenizer.encode("the light, the lights")
    words = [tokenizer.decode([token]) for token in ids]
    assert words == ["the", " light", ",", " the", " light", "s"]

    def pieces(**arguments):
        model = scripted(tokenizer, "the", ids)
        return list(generate_text(model, tokenizer, "the", 99, stream=True, **arguments))

    assert pieces(stop=["ght"]) == ["the", " li"]
    assert pieces(stop=["t, t"]) == ["the", " ligh"]
    assert pieces(stop=["lights"]) == ["the", " ", "light,", " the", " "]
    assert "".join(pieces(stop=["ethe"])) == "the light, the lights"  # begins in the prompt


def test_what_only_began_a_stop_string_is_given_at_the_end():
    tokenizer = TOKENIZERS["byte-pair"]
    for stop in (["lightning"], ["t!", "light "]):
        model = scripted(tokenizer, "", tokenizer.encode("the light"))
        pieces = list(generate_text(model, tokenizer, "", 99, stop=stop, stream=True))
        assert "".join(pieces) == "the light"
        assert pieces[-1] in ("light", "t")


def test_a_stop_string_ends_the_reading():
    tokenizer, shown = TOKENIZERS["character"], []

    class Watched(Script):
        def log_probs(self, ids):
            shown.append(ids)
            return super().log_probs(ids)

    model = Watched(tokenizer.encode("the light"), 0, tokenizer.vocab_size)
    assert generate_text(model, tokenizer, "", 99, stop=["he"]) == "t"
    assert len(shown) == 3


def test_a_token_without_text_is_passed_over():
    """Also after a prompt that ends with the sign for what is no character."""
    tokenizer = BytePairTokenizer(260, special_tokens=["<|pad|>"]).fit(["a"])
    pad = tokenizer.vocabulary.id_of("<|pad|>")
    for prompt in ("a", "\ufffd"):
        model = scripted(tokenizer, prompt, [pad, pad, *tokenizer.encode("b")])
        assert list(generate_text(model, tokenizer, prompt, 9, stream=True)) == ["b"]


def test_text_follows_the_prompt_with_its_space():
    tokenizer = TOKENIZERS["word"]
    ids = tokenizer.encode("was good, it's (day).")

    def said(prompt):
        return generate_text(scripted(tokenizer, prompt, ids), tokenizer, prompt, 99)

    assert said("the light") == " was good, it's (day)."
    assert said("") == "was good, it's (day)."
    assert said("the (") == "was good, it's (day)."
    assert said("  a stranger   ") == " was good, it's (day)."


def test_text_repeats_with_its_seed_and_follows_its_strategy():
    model, tokenizer = a_model()
    assert generate_text(model, tokenizer, "bc", 4) == "abca"
    assert generate_text(model, tokenizer, "bc", 4, "greedy", stop=["ca"]) == "ab"
    assert text_of("the", strategy="sample", seed=1) == text_of(
        "the", strategy=Sample(), seed=1
    )
    assert text_of("the", strategy="sample", seed=1) != text_of(
        "the", strategy="sample", seed=2
    )


# --- bad input


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Sample(temperature=0), r"temperature is 0; .* use Greedy\(\)"),
        (lambda: Sample(temperature=-1.5), "temperature is -1.5"),
        (lambda: Sample(temperature=math.nan), "temperature is nan"),
        (lambda: Sample(temperature=math.inf), "temperature is inf"),
        (lambda: Sample(top_k=0), "top_k is 0; it must be a whole number from 1 up"),
        (lambda: Sample(top_p=0), "top_p is 0"),
        (lambda: Sample(top_p=1.0001), "top_p is 1.0001"),
        (lambda: Sample(top_p=math.nan), "top_p is nan"),
        (lambda: Sample(min_p=-0.1), "min_p is -0.1; it must be from 0 to 1"),
        (lambda: Sample(min_p=1.1), "min_p is 1.1"),
        (lambda: Sample(min_p=math.nan), "min_p is nan"),
        (lambda: Sample(typical_p=0), "typical_p is 0; it must be above 0 and at most 1"),
        (lambda: Sample(typical_p=1.5), "typical_p is 1.5"),
        (lambda: Sample(repetition_penalty=0), "repetition_penalty is 0; .* 1 leaves all"),
        (lambda: Sample(repetition_penalty=math.inf), "repetition_penalty is inf"),
        (lambda: Greedy(-1.0), "repetition_penalty is -1.0"),
        (lambda: Greedy(math.nan), "repetition_penalty is nan"),
        (
            lambda: generate(UniformModel(4), [], 1, "beam"),
            r"strategy is 'beam'; .* the names 'greedy', 'sample', .* BeamSearch\(",
        ),
        (lambda: generate(UniformModel(4), [], 1, "Greedy"), "strategy is 'Greedy'"),
        (lambda: generate(UniformModel(4), [], 1, Sample), "strategy is <class .*Sample"),
        (lambda: generate(UniformModel(4), [], 1, BeamSearch()), r"strategy is BeamSearch\("),
        (lambda: generate(UniformModel(4), "ab", 1), "the string 'ab'; .* generate_text"),
        (
            lambda: generate(UniformModel(4), [], 1, stop=[2, 3]),
            r"stop sequence 0 is 2; .*\[\[",
        ),
        (lambda: generate(UniformModel(4), [], 1, stop=["a"]), "0 is 'a'; .* generate_text"),
        (lambda: generate(UniformModel(4), [], 1, stop=[np.int64(2)]), r"sequence 0 is .*2"),
        (lambda: generate(UniformModel(4), [], 1, stop=[[2], []]), "stop sequence 1 is empty"),
        (
            lambda: generate(UniformModel(4), [], 1, stop=[[2], [3, 4]]),
            "stop sequence 1 holds the id 4, .* vocabulary of 4",
        ),
        (lambda: generate(UniformModel(4), [2, 4], 1, stream=True), "id 4 at position 2"),
        (lambda: generate(UniformModel(4), [], 1, "no", stream=True), "strategy is 'no'"),
        (lambda: generate(UniformModel(4), [], -1, stream=True), "max_new_tokens is -1"),
        (lambda: generate(UniformModel(4), [], 1, stop=[[]], stream=True), "0 is empty"),
        (
            lambda: generate_batch(UniformModel(4), [2, 3], 1),
            r"prompt 0 is the id 2; .*\[\[2\]\]",
        ),
        (lambda: generate_batch(UniformModel(4), [[2], [4]], 1), "prompt 1: id 4"),
        (lambda: generate_batch(UniformModel(4), ["ab"], 1), "prompt 0: .* string 'ab'"),
        (lambda: generate_batch(UniformModel(4), [], -1), "max_new_tokens is -1"),
        (lambda: generate_batch(UniformModel(4), [], 1, "no"), "strategy is 'no'"),
        (lambda: generate_batch(UniformModel(4), [], 1, stop=[[]]), "stop sequence 0 is empty"),
        (lambda: text_of("ab", stop="b"), r"stop must be a list, .* write \['b'\]"),
        (lambda: text_of("ab", stop=["b", ""]), "stop string 1 is empty"),
        (lambda: text_of("ab", stop=[[3]]), r"stop string 0 is \[3\], .* generate for ids"),
        (lambda: text_of("ab", stop=[""], stream=True), "stop string 0 is empty"),
        (lambda: text_of(b"ab", stream=True), "not bytes"),
        (lambda: text_of("ab", strategy="no", stream=True), "strategy is 'no'"),
        (lambda: generate(UniformModel(4), [], -1), "max_new_tokens is -1"),
        (lambda: generate(UniformModel(4), [2, 4], 1), "id 4 at position 2 .* vocabulary of 4"),
    ],
)
def test_bad_input_is_refused_with_a_reason(make, message):
    with pytest.raises(ValueError, match=message):
        make()
