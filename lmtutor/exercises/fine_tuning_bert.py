"""The exercises of the chapter "Fine-tuning BERT"."""

from math import comb

from lmtutor.exercises.checker import Case, Exercise


def word_counts(words: list[str], vocabulary: list[str]) -> list[int]:
    """How often each word of the vocabulary occurs."""
    lower = [word.lower() for word in words]
    return [lower.count(word) for word in vocabulary]


def f1_of_class(predictions: list[int], labels: list[int], kind: int) -> float:
    """2 · right / (named + there) of one class."""
    right = sum(a == b == kind for a, b in zip(predictions, labels, strict=True))
    both = predictions.count(kind) + labels.count(kind)
    return 2 * right / both if both else 0.0


def mcnemar_p(first: list[int], second: list[int], labels: list[int]) -> float:
    """How often a fair coin is at least as uneven, two-sided."""
    rows = list(zip(first, second, labels, strict=True))
    one = sum(a == y != b for a, b, y in rows)
    other = sum(b == y != a for a, b, y in rows)
    number = one + other
    tail = sum(comb(number, heads) for heads in range(min(one, other) + 1))
    return float(min(1.0, 2 * tail / 2**number))


def early_stop(losses: list[float], patience: int) -> tuple[int, int]:
    """How many looks were taken, and which of them, from 1, was the best."""
    kept = 1
    for look, loss in enumerate(losses, 1):
        if loss < losses[kept - 1]:
            kept = look
        if look - kept >= patience:
            return look, kept
    return len(losses), kept


def calibration_error(confidences: list[float], right: list[bool], num_bins: int) -> float:
    """The mean gap between confidence and accuracy, by bins of confidence."""
    total = 0.0
    for number in range(num_bins):
        low, high = number / num_bins, (number + 1) / num_bins
        gaps = [
            sure - hit
            for sure, hit in zip(confidences, right, strict=True)
            if low < sure <= high
        ]
        total += abs(sum(gaps))
    return total / len(confidences)


def delete_words(words: list[str], draws: list[float], rate: float) -> list[str]:
    """The words that are not deleted; one at least."""
    kept = [word for word, draw in zip(words, draws, strict=True) if draw >= rate]
    return kept or [words[draws.index(max(draws))]]


EXERCISES = [
    Exercise(
        "word_counts",
        word_counts,
        [
            Case(
                (["good", "film"], ["film", "good"]),
                "There is one count for each word of the vocabulary, in its order.",
            ),
            Case(
                (["so", "so", "dull"], ["dull", "so", "fine"]),
                "A word that occurs twice counts 2, and one that does not occur 0.",
            ),
            Case(
                (["A", "fine", "cast", "wasted"], ["fine"]),
                "Words that are not in the vocabulary leave no trace.",
            ),
            Case((["Dull", "DULL"], ["dull"]), "Capitals do not matter."),
        ],
    ),
    Exercise(
        "f1_of_class",
        f1_of_class,
        [
            Case(
                ([1, 1, 0, 0], [1, 0, 0, 0], 1),
                "One is right, two were named so, one is so: precision 1/2, recall 1.",
            ),
            Case(
                ([1, 1, 0, 0, 0], [1, 0, 1, 0, 0], 0),
                "It is the F1 of the class that was asked for: only its own hits count.",
            ),
            Case(([0, 0], [0, 1], 1), "A class that is never named has an F1 of 0."),
            Case(
                ([0, 0], [0, 0], 1),
                "A class that neither occurs nor is named would be 0 / 0; return 0.",
            ),
        ],
    ),
    Exercise(
        "mcnemar_p",
        mcnemar_p,
        [
            Case(
                ([1, 1, 1, 1, 1, 0], [0, 0, 0, 0, 0, 1], [1, 1, 1, 1, 1, 1]),
                "The coin is thrown six times, and once or never falls on the rarer side: "
                "(1 + 6) of 64, times two.",
            ),
            Case(
                ([1, 1, 1, 0, 0], [1, 0, 0, 0, 1], [1, 1, 1, 1, 1]),
                "Examples on which both are right, or both are wrong, do not count.",
            ),
            Case(
                ([1, 0, 1, 1], [0, 1, 1, 1], [1, 1, 1, 0]),
                "A probability is never above 1, even where the two counts are equal.",
            ),
            Case(([0, 1], [0, 1], [1, 1]), "Where the two never differ, the p-value is 1."),
            Case(
                ([0, 2, 1, 0], [1, 1, 0, 2], [0, 2, 1, 1]),
                "There may be more than two classes, and two may be wrong in different ways.",
            ),
        ],
    ),
    Exercise(
        "early_stop",
        early_stop,
        [
            Case(
                ([3.0, 2.0, 1.0], 1),
                "As long as each loss is a new lowest, nothing stops: all looks are taken, and "
                "the last is kept.",
            ),
            Case(
                ([3.0, 2.0, 2.5, 1.0], 1),
                "With a patience of 1, the first look that is no better is the last one. What "
                "would have come later is never known.",
            ),
            Case(
                ([3.0, 2.0, 2.5, 2.4, 1.0], 2),
                "A look is held against the lowest loss so far, not against the look before.",
            ),
            Case(
                ([3.0, 3.5, 2.0, 2.5, 1.0, 1.5, 1.6], 2),
                "A new lowest loss sets the count back to none.",
            ),
            Case(([2.0, 2.0, 2.0, 1.0], 2), "An equal loss is no improvement."),
        ],
    ),
    Exercise(
        "calibration_error",
        calibration_error,
        [
            Case(
                ([0.9, 0.9, 0.9, 0.9], [True, True, True, False], 10),
                "One bin is filled: mean confidence 0.9, right 0.75.",
            ),
            Case(
                ([0.6, 0.6, 0.9, 0.9], [True, True, True, False], 10),
                "The gap of each bin counts without its sign: too sure in one and too unsure "
                "in another do not cancel.",
            ),
            Case(
                ([0.55, 0.95, 0.95, 0.95], [False, True, True, True], 10),
                "A bin counts by how many examples it has.",
            ),
            Case(
                ([0.5, 0.75], [False, True], 2),
                "What lies on the line between two bins belongs to the lower one.",
            ),
            Case(
                ([0.6, 0.9], [False, True], 1),
                "Inside a bin, the mean confidence is held against the share that is right; "
                "there the differences of single examples do cancel.",
            ),
        ],
    ),
    Exercise(
        "delete_words",
        delete_words,
        [
            Case(
                (["not", "bad", "at", "all"], [0.5, 0.05, 0.9, 0.2], 0.1),
                "A word is deleted where its draw is below the rate.",
            ),
            Case(
                (["so", "so"], [0.3, 0.1], 0.1),
                "A draw that equals the rate is not below it.",
            ),
            Case(
                (["a", "b", "a"], [0.9, 0.0, 0.05], 0.1),
                "Each word has a draw of its own, also one that occurs twice.",
            ),
            Case(
                (["very", "dull"], [0.2, 0.3], 0.5),
                "Where all would go, the word with the largest draw stays.",
            ),
            Case((["a", "b"], [0.0, 0.0], 0.0), "With a rate of 0 nothing is deleted."),
        ],
    ),
]
