"""The exercises of the chapter "Tokens"."""

import unicodedata
from collections import Counter
from itertools import pairwise

from lmtutor.exercises.checker import Case, Exercise

Words = dict[tuple[str, ...], int]


def same_text(a: str, b: str) -> bool:
    """Whether two strings have the same canonical composition."""
    return unicodedata.normalize("NFC", a) == unicodedata.normalize("NFC", b)


def unknown_share(train: list[str], test: list[str], min_count: int) -> float:
    """The share of test words that occur fewer than `min_count` times in training."""
    counts = Counter(train)
    return sum(counts[word] < min_count for word in test) / len(test)


def most_frequent_pair(words: Words) -> tuple[str, str]:
    """The most frequent pair of neighbours, the first in the alphabet among equals."""
    counts: Counter[tuple[str, str]] = Counter()
    for pieces, count in words.items():
        for pair in pairwise(pieces):
            counts[pair] += count
    return min(counts, key=lambda pair: (-counts[pair], pair))


def encode_word(word: str, merges: list[tuple[str, str]]) -> list[str]:
    """The pieces of a word, pairs joined in the order in which they were learnt."""
    pieces = list(word)
    for left, right in merges:
        place = 0
        while place < len(pieces) - 1:
            if pieces[place] == left and pieces[place + 1] == right:
                pieces[place : place + 2] = [left + right]
            place += 1
    return pieces


EXERCISES = [
    Exercise(
        "same_text",
        same_text,
        [
            Case(("cat", "cat"), "A text is the same as itself."),
            Case(("cat", "Cat"), "Capitals are part of the text."),
            Case(
                ("caf\u00e9", "cafe\u0301"),
                "An accent can be part of its letter or a code point of its own: normalise "
                "both before you compare.",
            ),
            Case(
                ("cafe", "caf\u00e9"), "An accent is part of the text, and must not be dropped."
            ),
            Case(("x\u00b2", "x2"), "Some normal forms change the meaning. Which do not?"),
        ],
    ),
    Exercise(
        "unknown_share",
        unknown_share,
        [
            Case((["a", "b"], ["a", "c"], 1), "What was never seen is unknown."),
            Case(
                (["a", "b"], ["a", "c", "c", "c"], 1),
                "Count words of the test as often as they occur there.",
            ),
            Case(
                (["a", "a", "b"], ["a", "b"], 2),
                "A word that was seen fewer than min_count times is unknown as well.",
            ),
            Case((["a", "a", "b"], ["a", "a"], 2), "min_count times is enough."),
        ],
    ),
    Exercise(
        "most_frequent_pair",
        most_frequent_pair,
        [
            Case(({("a", "b"): 1},), "A single word of two pieces has one pair."),
            Case(
                ({("a", "b"): 1, ("c", "d"): 5},),
                "A pair occurs as often as the word that it stands in.",
            ),
            Case(
                ({("a", "b", "a", "b"): 2, ("b", "c"): 3},),
                "Count every place in a word, not every word.",
            ),
            Case(
                ({("x", "y"): 2, ("a", "b"): 2},),
                "Of pairs that are equally frequent, the smallest tuple counts.",
            ),
            Case(
                ({("a", "a", "a"): 2, ("b", "c"): 3},),
                "In a run of three equal pieces the pair stands at two places.",
            ),
            Case(
                ({("ab", "c"): 3, ("a", "b"): 2},),
                "Pieces can be longer than a letter: pair pieces, not letters.",
            ),
        ],
    ),
    Exercise(
        "encode_word",
        encode_word,
        [
            Case(("ab", []), "Without merges, a word is its letters."),
            Case(("abc", [("a", "b")]), "Join the pair where it stands."),
            Case(("abab", [("a", "b")]), "Join the pair wherever it stands, not only once."),
            Case(
                ("abc", [("a", "b"), ("ab", "c")]), "What was joined can be joined once more."
            ),
            Case(
                ("abc", [("b", "c"), ("a", "b")]),
                "The pair that was learnt first is joined first, also if it is further right.",
            ),
            Case(
                ("abcd", [("c", "d"), ("a", "b"), ("b", "cd"), ("ab", "c")]),
                "The longest piece does not win: go through the merges in order.",
            ),
            Case(("aaa", [("a", "a")]), "From left to right, and no letter twice."),
        ],
    ),
]
