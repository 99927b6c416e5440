"""The exercises of the chapter "Sequence to sequence, and the first attention"."""

import math
from collections import Counter

from lmtutor.exercises.checker import Case, Exercise


def teacher_forcing(target: list[int], bos_id: int, eos_id: int) -> tuple[list[int], list[int]]:
    """What a decoder reads, and what it shall predict there."""
    return [bos_id, *target], [*target, eos_id]


def context_vector(scores: list[float], states: list[list[float]]) -> list[float]:
    """The mean of the states under the softmax of the scores."""
    largest = max(scores)
    weights = [math.exp(score - largest) for score in scores]
    total = sum(weights)
    return [
        sum(w * number for w, number in zip(weights, numbers, strict=True)) / total
        for numbers in zip(*states, strict=True)
    ]


def clipped_precision(hypothesis: list[str], reference: list[str], order: int) -> float:
    """The share of n-grams of the hypothesis that the reference has, each at most as often."""

    def ngrams(words: list[str]) -> Counter[tuple[str, ...]]:
        return Counter(
            tuple(words[start : start + order]) for start in range(len(words) - order + 1)
        )

    found, wanted = ngrams(hypothesis), ngrams(reference)
    return sum((found & wanted).values()) / sum(found.values())


def brevity_penalty(hypothesis_length: int, reference_length: int) -> float:
    """1, or less for a text that is shorter than its reference."""
    return min(1.0, math.exp(1 - reference_length / hypothesis_length))


def beam_step(
    beams: list[tuple[tuple[str, ...], float]],
    next_log_probs: list[dict[str, float]],
    width: int,
) -> list[tuple[tuple[str, ...], float]]:
    """The best `width` of all continuations, each with the log-probability of the whole."""
    longer = [
        ((*words, word), log_prob + more)
        for (words, log_prob), continuations in zip(beams, next_log_probs, strict=True)
        for word, more in continuations.items()
    ]
    return sorted(longer, key=lambda beam: -beam[1])[:width]


EXERCISES = [
    Exercise(
        "teacher_forcing",
        teacher_forcing,
        [
            Case(
                ([7, 8], 0, 1),
                "The decoder reads the begin mark, then the true target; it is to predict the "
                "true target, then the end mark. Return both lists, of the same length.",
            ),
            Case(([5], 2, 3), "Use the marks that are given, whatever their ids."),
            Case(([], 0, 1), "Of an empty target the end mark is to be predicted at once."),
        ],
    ),
    Exercise(
        "context_vector",
        context_vector,
        [
            Case(
                ([2.0, 2.0], [[1.0, 0.0], [3.0, 4.0]]),
                "Equal scores give equal weights, and the weights sum to one.",
            ),
            Case(
                ([0.0, math.log(3)], [[0.0, 8.0], [4.0, 0.0]]),
                "The weights are the softmax of the scores: here one quarter and three.",
            ),
            Case(
                ([-1.0, 0.5, 2.0], [[1.0], [-2.0], [0.5]]),
                "A negative score is a small weight, not a negative one.",
            ),
            Case(
                ([1000.0, 1000.0], [[1.0], [3.0]]),
                "exp(1000) is too large for a number: take the largest score off all of them "
                "before, which changes no weight.",
            ),
        ],
    ),
    Exercise(
        "clipped_precision",
        clipped_precision,
        [
            Case(
                (["you", "are", "he"], ["you", "are", "she"], 1),
                "Two of the three words of the hypothesis are in the reference.",
            ),
            Case(
                (["the", "the", "the"], ["the", "man"], 1),
                "The reference has the word once, so that only one of the three counts.",
            ),
            Case(
                (["here", "he", "is", "not"], ["he", "is", "here", "is", "not"], 2),
                "Count pairs of words that stand side by side, and divide by the pairs of the "
                "hypothesis.",
            ),
            Case(
                (["a", "b", "a", "b"], ["a", "b", "c"], 2),
                "Pairs are clipped like words.",
            ),
        ],
    ),
    Exercise(
        "brevity_penalty",
        brevity_penalty,
        [
            Case((10, 10), "As long as the reference: no penalty, which is a factor of 1."),
            Case((12, 10), "A longer text is not rewarded; its precision pays already."),
            Case((5, 10), "exp(1 - r / c), with r the length of the reference."),
        ],
    ),
    Exercise(
        "beam_step",
        beam_step,
        [
            Case(
                ([((), 0.0)], [{"a": -1.0, "b": -0.5, "c": -2.0}], 2),
                "Of one beginning with three continuations keep two, the likeliest first. A "
                "beam is a tuple of words and a log-probability.",
            ),
            Case(
                ([(("a",), -1.0), (("b",), -0.1)], [{"x": -0.2}, {"x": -0.5}], 2),
                "The log-probability of the whole is the sum of all its steps.",
            ),
            Case(
                (
                    [(("a",), -0.1), (("b",), -3.0)],
                    [{"x": -0.5, "y": -0.6}, {"x": -0.1, "y": -0.2}],
                    2,
                ),
                "All continuations compete with one another: both places may go to one "
                "beginning.",
            ),
        ],
    ),
]
