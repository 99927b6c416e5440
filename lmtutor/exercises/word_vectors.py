"""The exercises of the chapter "Word vectors"."""

import math
from collections import Counter
from typing import Any

from lmtutor.exercises.checker import Case, Exercise

Vector = list[float]


def bag_of_words(vocabulary: list[str], words: list[str]) -> list[int]:
    """How often each word of the vocabulary occurs."""
    counts = Counter(words)
    return [counts[word] for word in vocabulary]


def cosine(first: Vector, second: Vector) -> float:
    """The cosine of the angle between two vectors; 0 if one of them has no length."""
    lengths = math.hypot(*first) * math.hypot(*second)
    product = sum(a * b for a, b in zip(first, second, strict=True))
    return product / lengths if lengths else 0.0


def skip_gram_pairs(words: list[str], window: int) -> list[tuple[str, str]]:
    """(centre, context) for all words at most `window` places apart, in order."""
    return [
        (words[centre], words[near])
        for centre in range(len(words))
        for near in range(max(0, centre - window), min(len(words), centre + window + 1))
        if near != centre
    ]


def negative_sampling_loss(centre: Vector, context: Vector, negatives: list[Vector]) -> float:
    """-log sigma(u.v) - sum log sigma(-u.v_k), in nats."""

    def cost(score: float) -> float:
        return max(-score, 0.0) + math.log1p(math.exp(-abs(score)))

    def dot(other: Vector) -> float:
        return sum(a * b for a, b in zip(centre, other, strict=True))

    return cost(dot(context)) + sum(cost(-dot(other)) for other in negatives)


def analogy(vectors: dict[str, Vector], a: str, b: str, c: str) -> str:
    """The word nearest to b - a + c by cosine, of unit vectors, without a, b and c."""

    def unit(vector: Vector) -> Vector:
        return [number / math.hypot(*vector) for number in vector]

    target = [
        y - x + z
        for x, y, z in zip(unit(vectors[a]), unit(vectors[b]), unit(vectors[c]), strict=True)
    ]
    return max(
        (word for word in vectors if word not in (a, b, c)),
        key=lambda word: cosine(target, vectors[word]),
    )


def subword_ngrams(word: str, shortest: int, longest: int) -> list[str]:
    """The runs of `shortest` to `longest` characters of <word>, the shortest first."""
    marked = f"<{word}>"
    return [
        marked[start : start + length]
        for length in range(shortest, longest + 1)
        for start in range(len(marked) - length + 1)
    ]


def pointwise_mutual_information(pairs: list[tuple[str, str]], a: str, b: str) -> float:
    """log P(a, b) / (P(a) P(b)) from a list of pairs, in nats."""
    total = len(pairs)
    together = pairs.count((a, b)) / total
    first = sum(pair[0] == a for pair in pairs) / total
    second = sum(pair[1] == b for pair in pairs) / total
    return math.log(together / (first * second)) if together else -math.inf


def _is_finite(result: float, *_: Any) -> bool:
    return math.isfinite(result)


_VECTORS = {
    "king": [5.0, 0.0, 1.0],
    "man": [1.0, 0.0, 0.0],
    "woman": [0.0, 1.0, 0.0],
    "queen": [0.0, 5.0, 1.0],
    "bread": [0.2, 0.2, -3.0],
}
_SHADOWED = {
    "a": [1.0, 0.1],
    "b": [1.0, 0.2],
    "c": [0.1, 1.0],
    "d": [-0.3, 1.0],
    "e": [1.0, -1.0],
}
_PAIRS = [("a", "b"), ("a", "b"), ("a", "c"), ("d", "b"), ("d", "c"), ("d", "c")]

EXERCISES = [
    Exercise(
        "bag_of_words",
        bag_of_words,
        [
            Case(
                (["a", "b", "c"], ["c", "a", "c"]),
                "There is one number for each word of the vocabulary, in its order: how often "
                "it occurs.",
            ),
            Case((["a", "b"], ["a", "z"]), "A word outside the vocabulary has no place."),
            Case((["a", "b"], []), "An empty text is all zeros."),
        ],
    ),
    Exercise(
        "cosine",
        cosine,
        [
            Case(([1.0, 0.0], [1.0, 0.0]), "A vector and itself have the cosine 1."),
            Case(
                ([1.0, 2.0, 2.0], [4.0, 0.0, 3.0]),
                "Divide the product by both lengths: the roots of the sums of squares.",
            ),
            Case(([1.0, 2.0], [-2.0, -4.0]), "It can be negative."),
            Case(([0.0, 0.0], [1.0, 2.0]), "A vector of zeros has no direction: return 0."),
        ],
    ),
    Exercise(
        "skip_gram_pairs",
        skip_gram_pairs,
        [
            Case((["a", "b"], 1), "Each word is the centre once: here of one pair."),
            Case((["a", "b", "c"], 1), "A window looks to both sides."),
            Case(
                (["a", "b", "c", "d"], 2), "It takes in all words up to `window` places away."
            ),
            Case(
                (["a", "a"], 1), "Leave out the centre itself, not every word that equals it."
            ),
            Case((["a"], 3), "A word that stands alone has no pair."),
        ],
    ),
    Exercise(
        "negative_sampling_loss",
        negative_sampling_loss,
        [
            Case(
                ([0.0], [1.0], [[1.0]]), "Each of the 1 + K products costs log 2 where it is 0."
            ),
            Case(([1.0, 2.0], [0.5, 0.5], []), "The real pair costs -log sigma(u.v)."),
            Case(
                ([1.0, 2.0], [0.5, 0.5], [[1.0, 1.0], [0.5, -1.0]]),
                "A drawn word costs -log sigma(-u.v): mind the minus inside. All are added up.",
            ),
            Case(
                ([40.0, 0.0], [-40.0, 1.0], [[1.0, 1.0]]),
                "It must not overflow or become infinite for large products; log sigma(s) is "
                "-log(1 + exp(-s)), and exp of a large number is too large.",
                _is_finite,
            ),
        ],
    ),
    Exercise(
        "analogy",
        analogy,
        [
            Case((_VECTORS, "man", "woman", "king"), "The target is b - a + c."),
            Case(
                (_SHADOWED, "a", "b", "c"),
                "The three words that were given must not be the answer.",
            ),
            Case(
                (
                    {
                        "a": [9.0, 0.0],
                        "b": [0.0, 1.0],
                        "c": [1.0, 0.0],
                        "d": [0.0, 2.0],
                        "e": [-1.0, 0.1],
                        "f": [90.0, 99.0],
                    },
                    "a",
                    "b",
                    "c",
                ),
                "Make unit vectors first, and compare by cosine: a long vector is not a near "
                "one.",
            ),
        ],
    ),
    Exercise(
        "subword_ngrams",
        subword_ngrams,
        [
            Case(("of", 3, 3), "The marks < and > belong to the word."),
            Case(
                ("where", 3, 6), "All lengths from the shortest to the longest, both included."
            ),
            Case(("a", 3, 6), "A run cannot be longer than the word with its marks."),
        ],
    ),
    Exercise(
        "pointwise_mutual_information",
        pointwise_mutual_information,
        [
            Case(
                (_PAIRS, "a", "b"),
                "Compare the share of the pair with the product of the shares of its words: of "
                "a as first, and of b as second word.",
            ),
            Case((_PAIRS, "a", "c"), "It is negative for a pair that is rarer than chance."),
            Case(([*_PAIRS, ("e", "f")], "e", "b"), "The logarithm of 0 is minus infinity."),
        ],
    ),
]
