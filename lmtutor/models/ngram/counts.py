"""Counting n-grams with sorted arrays.

The n-grams of each order lie in one sorted array, and the arrays of all orders together form a
trie. An n-gram is a pair (place of its first n - 1 tokens in the table one order below, last
token), packed into one 64-bit key; so all continuations of a context are neighbours, and one
binary search finds them. The unigrams are the ids themselves, seen or not. Left out: pruning of
rare n-grams.
"""

import operator
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np


@dataclass(frozen=True)
class NgramTable:
    """The n-grams of one order."""

    keys: np.ndarray
    """(N,) int64, ascending: context * V + token, where context is a place in the table one
    order below, and 0 for unigrams.
    """

    @property
    def num_ngrams(self) -> int:
        """How many n-grams the table knows something of."""
        raise NotImplementedError

    def places(self, keys: np.ndarray) -> np.ndarray:
        """Where each key stands in the table, -1 for those that do not."""
        if not len(self.keys):
            return np.full(keys.shape, -1)
        found = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
        return np.where(self.keys[found] == keys, found, -1)

    def continuations(self, contexts: np.ndarray, vocab_size: int) -> np.ndarray:
        """(N,) contexts -> (2, N): the n-grams that go on from each lie from the first place up
        to the second; none where the context is -1.
        """
        bounds = np.stack([contexts, contexts + 1]) * vocab_size
        return np.where(contexts < 0, 0, np.searchsorted(self.keys, bounds))


@dataclass(frozen=True)
class CountTable(NgramTable):
    """The n-grams of one order, and how often each was seen."""

    counts: np.ndarray
    """(N,) int64"""
    sums: np.ndarray
    """(N + 1,) int64: sums[i] is the sum of the first i counts."""

    @property
    def num_ngrams(self) -> int:
        """How many n-grams were seen."""
        return int((self.counts > 0).sum())

    @classmethod
    def from_counts(cls, keys: np.ndarray, counts: np.ndarray) -> Self:
        """The table of these keys and counts, with their sums."""
        return cls(keys, counts, np.concatenate([[0], np.cumsum(counts)]))


@dataclass(frozen=True)
class NgramCounts:
    """The n-grams of all orders in a text."""

    tables: list[CountTable]
    """One for each order, from the unigrams up."""
    suffixes: list[np.ndarray]
    """For each order (N,) int64: the place, one order below, of each n-gram without its first
    token; 0 for unigrams.
    """
    vocab_size: int
    bos_id: int

    def contexts(self, order: int) -> np.ndarray:
        """(N,): the place, one order below, of each n-gram without its last token."""
        return self.tables[order - 1].keys // self.vocab_size

    def num_contexts(self, order: int) -> int:
        """How many contexts the n-grams of an order can have; unigrams have the empty one."""
        return len(self.tables[order - 2].keys) if order > 1 else 1


def flatten(sequences: Iterable[Sequence[int]], bos_id: int, eos_id: int) -> np.ndarray:
    """(N,) int32: all sequences after one another, each between its marks.

    A sequence is dropped once it was read, so the text is held once, in four bytes a token.

    Raises:
        ValueError: there are no sequences, or one is no list of ids, holds a mark, or holds an
            id above 2 ** 31 - 1.
    """
    tokens = array("i")
    for number, sequence in enumerate(sequences):
        try:
            ids = [operator.index(token) for token in sequence]
        except TypeError as error:
            raise ValueError(
                f"fit takes a list of sequences of ids, but sequence {number} is "
                f"{repr(sequence)[:80]} ({error})"
            ) from error
        if bos_id in ids or eos_id in ids:
            raise ValueError(
                f"sequence {number} holds a begin or end mark; give the ids alone, fit adds "
                "the marks"
            )
        tokens.append(bos_id)
        try:
            tokens.extend(ids)
        except OverflowError as error:
            raise ValueError(
                f"sequence {number} holds an id beyond 32 bits; number the tokens from 0 "
                "without gaps"
            ) from error
        tokens.append(eos_id)
    if not tokens:
        raise ValueError("there are no sequences to count; give at least one")
    return np.frombuffer(tokens, dtype=np.int32)


def count_ngrams(
    tokens: np.ndarray, order: int, vocab_size: int, bos_id: int = 0
) -> NgramCounts:
    """Count the n-grams of every order from 1 to `order` that lie within one sequence.

    Args:
        tokens: (N,) all sequences after one another, each with its marks. The begin mark is
            context, and is not counted as a token to predict. At its peak the counting takes
            about 90 bytes a token.
        order: the highest order.
        vocab_size: V, the number of ids.
        bos_id: the begin mark, which opens each sequence and stands nowhere else.
    """
    unigrams = np.bincount(tokens, minlength=vocab_size)
    unigrams[bos_id] = 0
    tables = [CountTable.from_counts(np.arange(vocab_size), unigrams)]
    suffixes = [np.zeros(vocab_size, dtype=np.int64)]
    ends = np.arange(len(tokens))  # where an n-gram ends
    places = tokens.astype(np.int64)  # of that n-gram, in the table of its order
    begins = np.maximum.accumulate(np.where(tokens == bos_id, ends, 0))
    for length in range(2, order + 1):
        # One token more must lie in the same sequence; then the n-gram that ends one token
        # before is the one that stands before it in the list.
        longer = (ends - begins[ends] >= length - 1).nonzero()[0]
        suffix, before = places[longer], places[longer - 1]
        ends = ends[longer]
        keys, places, counts = unique(before * vocab_size + tokens[ends])
        suffixes.append(np.empty(len(keys), dtype=np.int64))
        suffixes[-1][places] = suffix
        tables.append(CountTable.from_counts(keys, counts))
    return NgramCounts(tables, suffixes, vocab_size, bos_id)


def unique(keys: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The different keys in ascending order, where each of the (N,) keys stands among them, and
    how often each occurs.

    As `np.unique`, but more than twice as fast: a key and its position are packed into one
    number, so that a plain sort will do, which is much quicker than one that must say where
    everything came from.
    """
    bits = len(keys).bit_length()
    if not len(keys) or int(keys.max()) >= 2 ** (63 - bits):  # the two do not fit
        return np.unique(keys, return_inverse=True, return_counts=True)
    packed = np.sort((keys << bits) | np.arange(len(keys)))
    position = packed & ((1 << bits) - 1)
    packed >>= bits
    is_new = np.append(True, packed[1:] != packed[:-1])
    first = is_new.nonzero()[0]
    inverse = np.empty(len(keys), dtype=np.int64)
    inverse[position] = np.cumsum(is_new) - 1
    return packed[first], inverse, np.diff(first, append=len(keys))


def find_ngrams(
    tables: Sequence[NgramTable], ids: np.ndarray, vocab_size: int
) -> list[np.ndarray]:
    """For each order, the place of the n-gram that ends at each token.

    Args:
        tables: from the unigrams up.
        ids: (B, T)
        vocab_size: V

    Returns:
        One (B, T) array for each table; -1 where the n-gram was never seen or would reach back
        beyond the first token.
    """
    places = [ids.astype(np.int64)]
    for table in tables[1:]:
        found = np.full(ids.shape, -1)
        before = places[-1][:, :-1]
        row, column = (before >= 0).nonzero()
        keys = before[row, column] * vocab_size + ids[row, column + 1]
        found[row, column + 1] = table.places(keys)
        places.append(found)
    return places
