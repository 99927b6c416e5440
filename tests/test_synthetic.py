"""The floor is exact: entropy rates against brute force, probabilities that sum to one."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lmtutor.data import BracketSource, HiddenMarkovSource, MarkovSource

seeds = st.integers(0, 99)


def texts(alphabet: str, length: int) -> list[str]:
    return ["".join(symbols) for symbols in itertools.product(alphabet, repeat=length)]


def total(source, alphabet: str, length: int) -> float:
    return math.fsum(math.exp(source.log_prob(text)) for text in texts(alphabet, length))


def hidden(seed: int) -> HiddenMarkovSource:
    generator = np.random.default_rng(seed)
    return HiddenMarkovSource(
        "ab", generator.dirichlet(np.ones(3), size=3), generator.dirichlet(np.ones(2), size=3)
    )


@given(order=st.integers(0, 2), seed=seeds)
def test_markov_probabilities_sum_to_one(order, seed):
    source = MarkovSource.random("abc", order, seed=seed)
    assert total(source, "abc", 5) == pytest.approx(1, abs=1e-12)


@given(order=st.integers(0, 2), seed=seeds)
def test_markov_entropy_rate_is_the_entropy_of_one_more_symbol(order, seed):
    """H(n + 1 symbols) - H(n symbols), by listing all texts, for n from the order on."""
    source = MarkovSource.random("ab", order, concentration=1.0, seed=seed)

    def entropy(length):
        logs = [source.log_prob(text) for text in texts("ab", length)]
        return -math.fsum(math.exp(log) * log for log in logs if log > -math.inf) / math.log(2)

    assert source.entropy_rate == pytest.approx(
        entropy(order + 3) - entropy(order + 2), abs=1e-9
    )


def test_markov_sources_with_known_answers():
    assert MarkovSource("abcd", [[0.25] * 4]).entropy_rate == 2
    assert MarkovSource("ab", [[0, 1], [1, 0]]).entropy_rate == 0
    # A chain of two states is in the first beta / (alpha + beta) of the time.
    alpha, beta = 0.2, 0.6
    source = MarkovSource("ab", [[1 - alpha, alpha], [beta, 1 - beta]])
    np.testing.assert_allclose(
        source.stationary, [beta / (alpha + beta), alpha / (alpha + beta)]
    )

    def h(p):
        return -p * math.log2(p) - (1 - p) * math.log2(1 - p)

    assert source.entropy_rate == pytest.approx(0.75 * h(alpha) + 0.25 * h(beta))


@settings(max_examples=20)
@given(seed=seeds)
def test_samples_cost_about_the_entropy_rate(seed):
    source = MarkovSource.random("abcd", 1, seed=seed)
    text = source.sample(5_000, seed=seed)
    bits = -source.log_prob(text) / math.log(2) / len(text)
    assert bits == pytest.approx(source.entropy_rate, abs=0.12)
    assert text == source.sample(5_000, seed=seed)
    assert text[:100] != source.sample(100, seed=seed + 1)


@given(seed=seeds)
def test_hidden_markov_probabilities_sum_to_one_and_agree_with_all_paths(seed):
    source = hidden(seed)
    assert total(source, "ab", 6) == pytest.approx(1, abs=1e-12)
    by_paths = 0.0
    for path in itertools.product(range(3), repeat=4):
        weight = source.stationary[path[0]]
        for here, there in itertools.pairwise(path):
            weight *= source.transitions[here, there]
        by_paths += weight * math.prod(
            source.emissions[state, symbol]
            for state, symbol in zip(path, [0, 1, 1, 0], strict=True)
        )
    assert source.log_prob("abba") == pytest.approx(math.log(by_paths), rel=1e-12)


@settings(max_examples=20)
@given(seed=seeds)
def test_hidden_markov_bounds_close_in_on_what_samples_cost(seed):
    source = hidden(seed)
    bounds = [source.entropy_rate_bounds(length) for length in (1, 3, 6)]
    lows, highs = zip(*bounds, strict=True)
    assert all(low <= high + 1e-12 for low, high in bounds)
    assert sorted(lows) == pytest.approx(lows)
    assert sorted(highs, reverse=True) == pytest.approx(highs)
    text = source.sample(2_000, seed=seed)
    bits = -source.log_prob(text) / math.log(2) / len(text)
    assert lows[-1] - 0.1 <= bits <= highs[-1] + 0.1


def test_a_hidden_chain_that_shows_its_states_is_a_markov_chain():
    rows = [[0.9, 0.1], [0.4, 0.6]]
    source = HiddenMarkovSource("ab", rows, np.eye(2))
    assert source.entropy_rate_bounds(2) == pytest.approx(
        [MarkovSource("ab", rows).entropy_rate] * 2
    )
    assert source.log_prob("aab") == pytest.approx(MarkovSource("ab", rows).log_prob("aab"))


def test_an_impossible_text_has_the_log_probability_minus_infinity():
    assert MarkovSource("ab", [[0, 1], [1, 0]]).log_prob("aab") == -math.inf
    assert HiddenMarkovSource("ab", [[1]], [[1, 0]]).log_prob("aba") == -math.inf
    assert BracketSource(["()", "[]"]).log_prob("([)]") == -math.inf
    assert BracketSource().log_prob("((") == -math.inf
    assert BracketSource().log_prob(")") == -math.inf


@settings(max_examples=20)
@given(p=st.floats(0.05, 0.3), seed=seeds)
def test_bracket_documents_sum_to_one_and_cost_the_entropy_rate(p, seed):
    source = BracketSource(["()"], p)
    mass = math.fsum(total(source, "()", length) for length in range(0, 13, 2))
    assert mass <= 1 + 1e-12
    assert (
        mass >= 1 - (4 * p * (1 - p)) ** 7
    )  # longer documents, by the number of well-nested ones
    documents = BracketSource(open_probability=0.4).sample(3_000, seed=seed)
    source = BracketSource(open_probability=0.4)
    symbols = sum(len(document) + 1 for document in documents)
    bits = -sum(map(source.log_prob, documents)) / math.log(2) / symbols
    assert bits == pytest.approx(source.entropy_rate, abs=0.04)
    assert symbols / len(documents) == pytest.approx(1 / (1 - 2 * 0.4), rel=0.2)


def test_nothing_asked_nothing_given():
    assert MarkovSource.random("ab", 2).sample(0) == ""
    assert MarkovSource.random("ab", 2).sample(1) in ("a", "b")
    assert BracketSource().sample(0) == []
    assert HiddenMarkovSource("a", [[1]], [[1]]).sample(3) == "aaa"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: MarkovSource("aa", [[0.5, 0.5]]), "none twice"),
        (lambda: MarkovSource("", [[]]), "at least one character"),
        (lambda: MarkovSource("ab", [0.5, 0.5]), "must be a matrix"),
        (lambda: MarkovSource("ab", [[0.5, 0.6]]), "row 0 of transitions is no distribution"),
        (
            lambda: MarkovSource("ab", [[0.5, 0.5]] * 3),
            "3 rows, which is no power of the 2 symbols",
        ),
        (lambda: MarkovSource("abc", [[0.5, 0.5]]), "2 entries, but the alphabet has 3"),
        (lambda: MarkovSource("ab", [[1, 0], [0, 1]]), "more than one stationary distribution"),
        (lambda: MarkovSource.random("ab", -1), "order is -1"),
        (lambda: MarkovSource.random("ab", 1).sample(-1), "num_symbols is -1"),
        (
            lambda: MarkovSource.random("ab", 1).log_prob("abx"),
            "'x' at position 2 is not in the alphabet",
        ),
        (lambda: MarkovSource.random("ab", 2).log_prob("a"), "the text has 1 symbols"),
        (lambda: HiddenMarkovSource("ab", [[1]], [[1]]), r"emissions \(1, 1\)"),
        (
            lambda: HiddenMarkovSource("ab", [[1]], [[0.5, 0.5]]).entropy_rate_bounds(0),
            "num_symbols",
        ),
        (
            lambda: HiddenMarkovSource("ab", [[1]], [[0.5, 0.5]]).entropy_rate_bounds(25),
            "num_symbols is 25",
        ),
        (lambda: BracketSource(["("]), "pairs of different characters"),
        (lambda: BracketSource(["()", "(]"]), "pairs of different characters"),
        (lambda: BracketSource(open_probability=0.5), "below 0.5"),
        (lambda: BracketSource().log_prob("(x)"), "'x' at position 1"),
    ],
)
def test_bad_input_is_refused_with_a_reason(make, message):
    with pytest.raises(ValueError, match=message):
        make()
