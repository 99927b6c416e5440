"""The exercises of the chapter "N-grams"."""

import math
from collections import Counter
from itertools import pairwise
from typing import Any

from lmtutor.exercises.checker import Case, Exercise

Sentences = list[list[str]]


def good_turing(counts: list[int], r: int) -> float:
    """(r + 1) n_{r+1} / n_r."""
    return (r + 1) * counts.count(r + 1) / counts.count(r)


def discounts(n1: int, n2: int, n3: int, n4: int) -> tuple[float, float, float]:
    """D1, D2 and D3+ of modified Kneser-Ney."""
    share = n1 / (n1 + 2 * n2)
    return 1 - 2 * share * n2 / n1, 2 - 3 * share * n3 / n2, 3 - 4 * share * n4 / n3


def interpolate(
    counts: dict[str, int], lower: dict[str, float], discount: float
) -> dict[str, float]:
    """Absolute discounting after one context, with the share of the shorter one."""
    total = sum(counts.values())
    rest = discount * len(counts) / total
    return {
        word: max(counts.get(word, 0) - discount, 0) / total + rest * probability
        for word, probability in lower.items()
    }


def continuation_counts(sentences: Sentences) -> dict[str, int]:
    """How many different words stand before each word, <s> and </s> included."""
    pairs = {pair for words in sentences for pair in pairwise(["<s>", *words, "</s>"])}
    return dict(Counter(second for _, second in pairs))


def kneser_ney(sentences: Sentences, discount: float, first: str, second: str) -> float:
    """P(second | first) of an interpolated Kneser-Ney bigram with one discount."""
    pairs = Counter(pair for words in sentences for pair in pairwise(["<s>", *words, "</s>"]))
    after = {pair[1]: count for pair, count in pairs.items() if pair[0] == first}
    before = continuation_counts(sentences)
    lower = before.get(second, 0) / sum(before.values())
    if not after:
        return lower
    total = sum(after.values())
    own = max(after.get(second, 0) - discount, 0) / total
    return own + discount * len(after) / total * lower


def _sums_to_one(result: dict[str, float], *_: Any) -> bool:
    return math.isclose(sum(result.values()), 1)


_TEXT = [["a", "b", "a", "c"], ["b", "b"], ["a", "b"]]

EXERCISES = [
    Exercise(
        "good_turing",
        good_turing,
        [
            Case(
                ([1, 1, 1, 1, 2], 1),
                "Four things were seen once and one twice: r* = 2 times 1/4.",
            ),
            Case(([1, 1, 2, 2, 3], 2), "n_r counts things that were seen exactly r times."),
            Case(([1, 2, 2, 2], 2), "Where nothing was seen r + 1 times, r* is 0."),
        ],
    ),
    Exercise(
        "discounts",
        discounts,
        [
            Case((10, 5, 3, 2), "There are three, one for each of the counts 1, 2 and 3 up."),
            Case((100, 40, 20, 12), "All three share the factor n1 / (n1 + 2 n2)."),
            Case((60, 20, 10, 0), "n4 may be 0."),
        ],
    ),
    Exercise(
        "interpolate",
        interpolate,
        [
            Case(
                ({"a": 3, "b": 1}, {"a": 0.5, "b": 0.25, "c": 0.25}, 0.5),
                "The probabilities must sum to one: what is taken from the counts is given out "
                "again.",
                _sums_to_one,
            ),
            Case(
                ({"a": 3, "b": 1}, {"a": 0.5, "b": 0.25, "c": 0.25}, 0.5),
                "Take the discount from each word that was seen, divide by the total count of "
                "the context, and add the share of the shorter context, also for words that "
                "were seen.",
            ),
            Case(
                ({"a": 1}, {"a": 0.1, "b": 0.9}, 1.0),
                "A count must not become negative, and all of it may be taken.",
            ),
            Case(
                ({"a": 2, "b": 2, "c": 2}, {"a": 0.2, "b": 0.2, "c": 0.2, "d": 0.4}, 0.75),
                "The discount is taken once from each of the words that were seen.",
            ),
        ],
    ),
    Exercise(
        "continuation_counts",
        continuation_counts,
        [
            Case(([["a"]],), "Before the first word stands <s>, and before </s> the last."),
            Case(
                ([["a", "b"], ["a", "b"]],),
                "Count different words before it, not how often it occurs.",
            ),
            Case((_TEXT,), "A word may stand before itself."),
            Case(([[]],), "In an empty sentence, <s> stands before </s>."),
        ],
    ),
    Exercise(
        "kneser_ney",
        kneser_ney,
        [
            Case(
                (_TEXT, 0.0, "a", "b"),
                "Without a discount, it is the plain share: how often did b follow a, of all "
                "that followed a?",
            ),
            Case(
                (_TEXT, 0.5, "a", "b"),
                "Take the discount from the count of the pair, and add the continuation "
                "probability with the weight of all that was taken after the first word.",
            ),
            Case(
                (_TEXT, 0.5, "a", "</s>"),
                "A pair that was never seen has a count of 0, not -D.",
            ),
            Case((_TEXT, 0.5, "<s>", "a"), "A sentence begins after <s>."),
            Case(
                (_TEXT, 0.5, "z", "b"),
                "After a word that was never seen, only the continuation probability speaks.",
            ),
            Case((_TEXT, 0.5, "a", "z"), "A word that was never seen has the probability 0."),
        ],
    ),
]
