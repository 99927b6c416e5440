"""The exercises of the chapter "What is a language model?"."""

import math
from collections import Counter
from itertools import pairwise
from typing import Any

from lmtutor.exercises.checker import Case, Exercise


def perplexity(probabilities: list[float]) -> float:
    """exp of the mean of -log p."""
    if min(probabilities) == 0:
        return math.inf
    return math.exp(-sum(map(math.log, probabilities)) / len(probabilities))


def bigram_probabilities(sentences: list[list[str]]) -> dict[tuple[str, str], float]:
    """P(second | first) by counting, with <s> in front of each sentence and </s> behind it."""
    marked = [["<s>", *sentence, "</s>"] for sentence in sentences]
    pairs = Counter(pair for sentence in marked for pair in pairwise(sentence))
    firsts = Counter(first for sentence in marked for first in sentence[:-1])
    return {pair: count / firsts[pair[0]] for pair, count in pairs.items()}


def bits_per_byte(nats: float, documents: list[str]) -> float:
    """Bits over UTF-8 bytes, and one more byte a document."""
    return nats / math.log(2) / sum(len(document.encode()) + 1 for document in documents)


def _sums_to_one(table: dict[tuple[str, str], float], sentences: list[list[str]]) -> bool:
    mass: Counter[str] = Counter()
    for (first, _), probability in table.items():
        mass[first] += probability  # type: ignore[assignment]
    return all(math.isclose(total, 1) for total in mass.values())


def _has(*pairs: tuple[str, str]) -> Any:
    return lambda table, sentences: all(pair in table for pair in pairs)


EXERCISES = [
    Exercise(
        "perplexity",
        perplexity,
        [
            Case(([1.0],), "Who is certain, and right, chooses from a single possibility."),
            Case(
                ([0.25],),
                "One token of probability 1/4 feels like a choice from four: which of the "
                "two is yours?",
            ),
            Case(
                ([0.25, 0.25],),
                "Twice as much text is no harder per token: take a mean, not a sum or a "
                "product.",
            ),
            Case(
                ([0.5, 0.125],),
                "It is the geometric mean that counts: average the logarithms, not the "
                "probabilities.",
            ),
            Case(
                ([0.5, 0.0],),
                "Something impossible happened: that is an infinite surprise, and not an "
                "error.",
            ),
            Case(
                ([0.1] * 400,),
                "A product of many probabilities underflows to zero: add logarithms instead.",
            ),
        ],
    ),
    Exercise(
        "bigram_probabilities",
        bigram_probabilities,
        [
            Case(
                ([["a"]],),
                "A sentence begins after <s>: the pair ('<s>', 'a') is missing.",
                _has(("<s>", "a")),
            ),
            Case(
                ([["a"]],),
                "A sentence ends with </s>: the pair ('a', '</s>') is missing.",
                _has(("a", "</s>")),
            ),
            Case(
                ([["a", "b"], ["a", "c"]],),
                "The probabilities after one word must sum to one.",
                _sums_to_one,
            ),
            Case(
                ([["a"], ["b"]],),
                "No pair may reach from the end of one sentence to the start of the next.",
            ),
            Case(
                ([["a", "a", "b"]],),
                "Divide by how often the first word is followed by anything.",
            ),
            Case(([["a", "b"], []],), "An empty sentence goes straight from <s> to </s>."),
        ],
    ),
    Exercise(
        "bits_per_byte",
        bits_per_byte,
        [
            Case(
                (math.log(2), [""]),
                "One bit, and one byte for the end of an empty document: that is 1.",
            ),
            Case((4.0, ["abc"]), "Nats are not bits: one bit is log 2 nats."),
            Case(
                (4.0, ["ab", "c"]),
                "Every document has an end of its own, and each end counts as a byte.",
            ),
            Case((4.0, ["é"]), "Count bytes, not characters: 'é' takes two in UTF-8."),
        ],
    ),
]
