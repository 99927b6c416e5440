"""Strategies cut exactly what they say, and generation follows the model."""

import math
from collections import Counter

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lmtutor.decoding import Greedy, Sample, Strategy, generate
from lmtutor.models import LanguageModel, NgramModel, UniformModel
from lmtutor.tokenizers import CharacterTokenizer

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
        self.shown.append(ids[0].tolist())
        rows = torch.full((*ids.shape, self.vocab_size), -10.0)
        rows[..., ids[0, -2] if ids.shape[1] > 1 else 2] = 0.0
        return rows.log_softmax(-1)


def test_a_text_longer_than_the_context_is_continued_from_its_end():
    model = Forgetful()
    assert generate(model, [4, 5, 6, 7], 3) == [4, 5, 6, 7, 6, 7, 6]
    assert model.shown == [[5, 6, 7], [6, 7, 6], [7, 6, 7]]


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

    def choose(self, log_probs, generator):
        return int(log_probs.argmin())


def test_a_strategy_of_one_s_own():
    model, tokenizer = a_model(order=1)
    assert generate(model, [], 1, OnlyStrategy()) != []
    assert tokenizer.vocab_size == model.vocab_size


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
        (lambda: generate(UniformModel(4), [], -1), "max_new_tokens is -1"),
        (lambda: generate(UniformModel(4), [2, 4], 1), "id 4 at position 2 .* vocabulary of 4"),
    ],
)
def test_bad_input_is_refused_with_a_reason(make, message):
    with pytest.raises(ValueError, match=message):
        make()
