"""N-gram models: the next token from counts of what followed the last n - 1 tokens.

Source: Jurafsky and Martin, "Speech and Language Processing" (3rd edition draft), chapter 3,
    N-gram Language Models.
Left out: pruning of rare n-grams.

The counts lie in sorted arrays, one table per order, that together form a trie. An n-gram is a
pair (place of its first n - 1 tokens in the table one order below, last token), packed into one
64-bit key; so all continuations of a context are neighbours, and one binary search finds them.
"""

import operator
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from torch import Tensor

from lmtutor.files import PathLike, load_arrays, save_arrays
from lmtutor.models.language_model import LanguageModel, check_ids, check_marks

SMOOTHINGS = ("maximum_likelihood", "add_k")
_KIND = "n-gram model"


@dataclass(frozen=True)
class NgramTable:
    """The n-grams of one order and how often each was seen."""

    keys: np.ndarray
    """(N,) int64, ascending: context * V + token, where context is a place in the table one
    order below.
    """
    counts: np.ndarray
    """(N,) int64"""
    sums: np.ndarray
    """(N + 1,) int64: sums[i] is the sum of the first i counts."""

    @classmethod
    def from_counts(cls, keys: np.ndarray, counts: np.ndarray) -> "NgramTable":
        """The table of these keys and counts, with their sums."""
        return cls(keys, counts, np.concatenate([[0], np.cumsum(counts)]))

    def places(self, keys: np.ndarray) -> np.ndarray:
        """Where each key stands in the table, -1 for those that do not."""
        if not len(self.keys):
            return np.full(keys.shape, -1)
        found = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
        return np.where(self.keys[found] == keys, found, -1)


def count_ngrams(
    tokens: np.ndarray, starts: np.ndarray, order: int, vocab_size: int
) -> list[NgramTable]:
    """Count the n-grams of every order from 1 to `order` that lie within one sequence.

    Args:
        tokens: (N,) all sequences after one another, each with its marks.
        starts: (N,) boolean, True where a sequence starts; the begin mark there is context, and
            is not counted as a token to predict.
        order: the highest order.
        vocab_size: V, the number of ids.
    """
    sequence_of = np.cumsum(starts)
    place = np.zeros(len(tokens) + 1, dtype=np.int64)  # of the context that ends before token i
    tables = []
    for length in range(1, order + 1):
        last = np.arange(length - 1, len(tokens))
        inside = last[sequence_of[last] == sequence_of[last - length + 1]]
        packed = place[inside] * vocab_size + tokens[inside]
        keys, places, counts = np.unique(packed, return_inverse=True, return_counts=True)
        if length == 1:
            counts[keys == tokens[0]] = 0  # the begin mark
        tables.append(NgramTable.from_counts(keys, counts))
        place = np.zeros(len(tokens) + 1, dtype=np.int64)
        place[inside + 1] = places
    return tables


class NgramModel(LanguageModel):
    """P(token | last n - 1 tokens) from counts.

    - "maximum_likelihood": c(context, token) / c(context). What was never seen gets probability
      0.
    - "add_k": (c(context, token) + k) / (c(context) + k (V - 1)); k = 1 is Laplace's rule.

    A sequence is counted with one begin mark in front and one end mark behind. The begin mark
    is context only and has probability 0 everywhere, hence V - 1. At the start of a sequence
    the context is as long as there are tokens. After a context that was never seen every token
    is equally likely, which is what "add_k" says for every k, and so what "maximum_likelihood",
    its limit for k -> 0, says too.

    Args:
        order: n; 1 is the unigram model.
        smoothing: "maximum_likelihood" or "add_k".
        k: what "add_k" adds to every count; 1 if it is not given.
        vocab_size: V; the largest id seen plus one if it is not given.
        bos_id: the begin mark.
        eos_id: the end mark.

    Raises:
        ValueError: the order is below 1, the smoothing is unknown, or k is negative or given in
            vain.

    >>> model = NgramModel(2).fit([[2, 3, 2, 2]])
    >>> model.next_log_probs(torch.tensor([[2]])).exp()  # a 2 was followed by 1, 2 and 3
    tensor([[0.0000, 0.3333, 0.3333, 0.3333]], dtype=torch.float64)
    """

    def __init__(
        self,
        order: int,
        smoothing: str = "maximum_likelihood",
        k: float | None = None,
        vocab_size: int | None = None,
        bos_id: int = 0,
        eos_id: int = 1,
    ):
        try:
            order, bos_id, eos_id = map(operator.index, (order, bos_id, eos_id))
            vocab_size = vocab_size if vocab_size is None else operator.index(vocab_size)
        except TypeError as error:
            raise ValueError(f"order, vocab_size, marks: {error}") from error
        if order < 1:
            raise ValueError(f"order is {order}; the smallest is 1, the unigram model")
        if smoothing not in SMOOTHINGS:
            names = ", ".join(map(repr, SMOOTHINGS))
            raise ValueError(f"there is no smoothing {smoothing!r}; there are {names}")
        if k is not None and (smoothing != "add_k" or not 0 <= k < float("inf")):
            raise ValueError(
                f"k is {k} with smoothing {smoothing!r}; give a number >= 0, and only with "
                "'add_k'"
            )
        if bos_id == eos_id:
            raise ValueError(
                f"the begin mark and the end mark are both {bos_id}; give them two ids"
            )
        if vocab_size is not None:
            check_marks(vocab_size, bos_id, eos_id)
        self.order, self.smoothing = order, smoothing
        self.k = (1.0 if k is None else float(k)) if smoothing == "add_k" else 0.0
        self._given_vocab_size, self.bos_id, self.eos_id = vocab_size, bos_id, eos_id
        self.tables: list[NgramTable] = []

    @property
    def num_parameters(self) -> int:
        """How many n-grams have a count, over all orders."""
        return sum(int((table.counts > 0).sum()) for table in self._fitted())

    def fit(self, sequences: Iterable[Sequence[int]]) -> Self:
        """Count, and return the model. `sequences` may be a generator; each is dropped once it
        was read.

        Raises:
            ValueError: there are no sequences, one holds a mark, or an id is outside the
                vocabulary.
        """
        tokens = array("q")
        for number, sequence in enumerate(sequences):
            try:
                ids = [operator.index(token) for token in sequence]
            except TypeError as error:
                raise ValueError(
                    f"fit takes a list of sequences of ids, but sequence {number} is "
                    f"{sequence!r}"
                ) from error
            if self.bos_id in ids or self.eos_id in ids:
                raise ValueError(
                    f"sequence {number} holds a begin or end mark; give the ids alone, fit "
                    "adds the marks"
                )
            tokens.append(self.bos_id)
            tokens.extend(ids)
            tokens.append(self.eos_id)
        if not tokens:
            raise ValueError("there are no sequences to count; give at least one")
        flat = np.frombuffer(tokens, dtype=np.int64)
        vocab_size = self._given_vocab_size or int(flat.max()) + 1
        if flat.min() < 0 or flat.max() >= vocab_size:
            raise ValueError(
                f"ids run from {flat.min()} to {flat.max()}, but vocab_size is {vocab_size}"
            )
        if vocab_size * len(flat) >= 2**63:
            raise ValueError(
                f"{vocab_size} ids and {len(flat)} tokens are too many for keys of 64 bits; "
                "number the tokens from 0 without gaps"
            )
        self.tables = count_ngrams(flat, flat == self.bos_id, self.order, vocab_size)
        self.vocab_size = vocab_size
        return self

    def log_probs(self, ids: Tensor) -> Tensor:
        """(B, T) -> (B, T, V), float64; needs about 16 B T V bytes."""
        check_ids(ids, self._fitted_vocab_size())
        result = np.empty((*ids.shape, self.vocab_size))
        for columns, contexts in self._contexts(ids.numpy(force=True)):
            result[:, columns] = self._rows(contexts).reshape(result[:, columns].shape)
        return torch.from_numpy(result)

    def token_log_probs(self, ids: Tensor) -> Tensor:
        """(B, T) -> (B, T), float64; looks up one count a token, where `log_probs` fills whole
        rows.
        """
        check_ids(ids, self._fitted_vocab_size())
        tokens = ids.numpy(force=True)
        before = np.insert(tokens, 0, self.bos_id, axis=1)[:, :-1]
        result = np.empty(tokens.shape)
        for columns, contexts in self._contexts(before):
            wanted = tokens[:, columns]
            result[:, columns] = self._tokens(contexts, wanted.reshape(-1)).reshape(
                wanted.shape
            )
        return torch.from_numpy(result)

    def next_log_probs(self, ids: Tensor) -> Tensor:
        """(B, T) -> (B, V), float64, from the last n - 1 tokens."""
        check_ids(ids, self._fitted_vocab_size())
        if ids.shape[1] == 0:
            raise ValueError("there is nothing to continue; put the begin mark in front")
        kept = min(self.order - 1, ids.shape[1])
        return torch.from_numpy(self._rows(ids[:, ids.shape[1] - kept :].numpy(force=True)))

    def _contexts(self, ids: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
        """The contexts in (B, T) ids that end in each column, those of one length L together as
        (N, L).
        """
        length, longest = ids.shape[1], self.order - 1
        for column in range(min(longest - 1, length)):
            yield slice(column, column + 1), ids[:, : column + 1]
        if longest == 0:
            yield slice(0, length), np.empty((ids.size, 0), dtype=np.int64)
        elif length >= longest:
            windows = np.lib.stride_tricks.sliding_window_view(
                ids, longest, axis=1
            )  # (B, T - L + 1, L)
            yield slice(longest - 1, length), windows.reshape(-1, longest)

    def _find(self, contexts: np.ndarray) -> np.ndarray:
        """(N, L) -> (N,): the place of each context in the table of order L, -1 where it was
        never seen.
        """
        place = np.zeros(len(contexts), dtype=np.int64)
        for table, token in zip(self.tables, contexts.T, strict=False):
            found = table.places(place * self.vocab_size + token)
            place = np.where(place >= 0, found, -1)
        return place

    def _rows(self, contexts: np.ndarray) -> np.ndarray:
        """(N, L) -> (N, V): the log-probability of every token after each context."""
        table, place = self.tables[contexts.shape[1]], self._find(contexts)
        first, past = (
            np.searchsorted(table.keys, (place + step) * self.vocab_size) for step in (0, 1)
        )
        first, past = np.where(place < 0, 0, first), np.where(place < 0, 0, past)
        total = table.sums[past] - table.sums[first]  # (N,)
        seen = past - first
        row = np.repeat(np.arange(len(contexts)), seen)
        entry = np.arange(seen.sum()) - np.repeat(np.cumsum(seen) - seen - first, seen)
        counts = np.zeros((len(contexts), self.vocab_size))
        counts[row, table.keys[entry] % self.vocab_size] = table.counts[entry]
        log_probs = self._smooth(counts, total[:, None])
        log_probs[:, self.bos_id] = -np.inf
        return log_probs

    def _tokens(self, contexts: np.ndarray, tokens: np.ndarray) -> np.ndarray:
        """(N, L), (N,) -> (N,): the log-probability of one token after each context."""
        table, place = self.tables[contexts.shape[1]], self._find(contexts)
        first, past = (
            np.searchsorted(table.keys, (place + step) * self.vocab_size) for step in (0, 1)
        )
        total = np.where(place < 0, 0, table.sums[past] - table.sums[first])
        entry = table.places(place * self.vocab_size + tokens)
        counts = np.where(entry < 0, 0.0, table.sums[entry + 1] - table.sums[entry])
        return np.where(tokens == self.bos_id, -np.inf, self._smooth(counts, total))

    def _smooth(self, counts: np.ndarray, total: np.ndarray) -> np.ndarray:
        """Counts of tokens and contexts -> log-probabilities, in the place of the counts."""
        choices = self.vocab_size - 1
        denominator = total + self.k * choices
        counts += self.k
        np.divide(counts, denominator, out=counts, where=denominator > 0)
        np.copyto(counts, 1 / choices, where=denominator == 0)
        with np.errstate(divide="ignore"):
            np.log(counts, out=counts)
        return counts

    def _fitted(self) -> list[NgramTable]:
        if not self.tables:
            raise ValueError("this NgramModel has no counts yet: call fit(sequences) first")
        return self.tables

    def _fitted_vocab_size(self) -> int:
        self._fitted()
        return self.vocab_size

    def save(self, path: PathLike) -> None:
        """Write the counts to a safetensors file; an older file at `path` stays whole if that
        fails.
        """
        settings = {
            "order": self.order,
            "smoothing": self.smoothing,
            "k": self.k if self.smoothing == "add_k" else None,
            "vocab_size": self._fitted_vocab_size(),
            "bos_id": self.bos_id,
            "eos_id": self.eos_id,
        }
        arrays = {f"keys_{order}": table.keys for order, table in enumerate(self.tables, 1)}
        arrays |= {
            f"counts_{order}": table.counts for order, table in enumerate(self.tables, 1)
        }
        save_arrays(path, _KIND, settings, arrays)

    @classmethod
    def load(cls, path: PathLike) -> Self:
        """Read what `save` wrote.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: the file is cut short or was changed, or something else wrote it.
        """
        settings, arrays = load_arrays(path, _KIND)
        try:
            model = cls(**settings)
            model.vocab_size = settings["vocab_size"]
            model.tables = [
                _checked_table(arrays[f"keys_{order}"], arrays[f"counts_{order}"])
                for order in range(1, model.order + 1)
            ]
        except (TypeError, KeyError, ValueError) as error:
            raise ValueError(
                f"{path} holds no n-gram model of this release ({error})"
            ) from error
        return model


def _checked_table(keys: np.ndarray, counts: np.ndarray) -> NgramTable:
    """A table read from a file, if its two arrays fit one another."""
    if (
        keys.ndim != 1
        or keys.shape != counts.shape
        or {keys.dtype, counts.dtype} != {np.dtype("int64")}
    ):
        raise ValueError(
            f"keys are {keys.dtype} {keys.shape}, counts {counts.dtype} {counts.shape}"
        )
    if (np.diff(keys) <= 0).any() or (counts < 0).any():
        raise ValueError("keys are not in order, or a count is negative")
    return NgramTable.from_counts(keys, counts)
