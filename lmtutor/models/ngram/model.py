"""N-gram models: the next token from counts of what followed the last n - 1 tokens.

Source: Jurafsky and Martin, "Speech and Language Processing" (3rd edition draft), chapter 3,
    N-gram Language Models; for the smoothing, see `lmtutor.models.ngram.smoothing`.
Left out: pruning of rare n-grams, and classes of words.
"""

import operator
from collections.abc import Callable, Iterable, Sequence
from typing import Self, cast

import numpy as np
import torch
from torch import Tensor

from lmtutor.files import PathLike, load_arrays, save_arrays
from lmtutor.models.language_model import LanguageModel, check_ids, check_marks
from lmtutor.models.ngram import arpa, smoothing
from lmtutor.models.ngram.counts import (
    CountTable,
    NgramCounts,
    NgramTable,
    count_ngrams,
    find_ngrams,
    flatten,
)
from lmtutor.models.ngram.smoothing import BackoffTable, Estimate

_BACKOFF: dict[str, Callable[[NgramCounts], Estimate]] = {
    "absolute_discounting": smoothing.absolute_discounting,
    "katz": smoothing.katz,
    "kneser_ney": smoothing.kneser_ney,
}
SMOOTHINGS = ("maximum_likelihood", "add_k", "jelinek_mercer", *_BACKOFF)
_READ = "arpa"  # the smoothing of a model whose probabilities were read from a file
_KIND = "n-gram model"
_MOST_IDS = 2**25


class NgramModel(LanguageModel):
    """P(token | last n - 1 tokens) from counts.

    - "maximum_likelihood": c(context, token) / c(context). What was never seen gets probability
      0.
    - "add_k": (c(context, token) + k) / (c(context) + k (V - 1)); k = 1 is Laplace's rule.
    - "jelinek_mercer": maximum likelihood of all orders, mixed with weights that are learnt on
      validation text.
    - "absolute_discounting": a constant is taken from each count, and what was taken goes to
      the shorter context.
    - "katz": Good-Turing discounts, and the shorter context only for what was never seen.
    - "kneser_ney": interpolated modified Kneser-Ney, as KenLM's `lmplz` makes it.

    A sequence is counted with one begin mark in front and one end mark behind. The begin mark
    is context only and has probability 0 everywhere, hence V - 1. At the start of a sequence
    the context is as long as there are tokens. The last four methods turn to the next shorter
    context after one that was never seen, and end with the uniform distribution over V - 1 ids.
    The first two do not: there every token is equally likely after a context that was never
    seen, which is what "add_k" says for every k, and so what "maximum_likelihood", its limit
    for k -> 0, says too. An order larger than any sequence is no mistake; there is nothing to
    count beyond the longest.

    Args:
        order: n; 1 is the unigram model.
        smoothing: one of the names above, or a function of your own from `NgramCounts` to an
            `Estimate`, such as those in `lmtutor.models.ngram.smoothing`.
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

    smoothing_parameters: list[tuple[float, ...]]
    """What the smoothing learnt besides counts, for each order from the unigrams up: the
    discounts D1, D2 and D3+ ("kneser_ney"), D ("absolute_discounting"), the share that a count
    of 1, 2, ... keeps ("katz"), or the weight of contexts seen once, 2 to 3 times, 4 to 7, ...
    ("jelinek_mercer"). Empty for the others.
    """

    def __init__(
        self,
        order: int,
        smoothing: str | Callable[[NgramCounts], Estimate] = "maximum_likelihood",
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
        if not callable(smoothing) and smoothing not in SMOOTHINGS:
            names = ", ".join(map(repr, SMOOTHINGS))
            raise ValueError(f"there is no smoothing {smoothing!r}; there are {names}")
        if k is not None and (smoothing != "add_k" or not 0 <= k <= 1e100):
            raise ValueError(
                f"k is {k} with smoothing {smoothing!r}; give a number from 0 to 1e100, and "
                "only with 'add_k'"
            )
        if bos_id == eos_id:
            raise ValueError(
                f"the begin mark and the end mark are both {bos_id}; give them two ids"
            )
        check_marks(_MOST_IDS if vocab_size is None else vocab_size, bos_id, eos_id)
        self.order = order
        self.smoothing: str | Callable[[NgramCounts], Estimate] = smoothing
        self.k = (1.0 if k is None else float(k)) if smoothing == "add_k" else 0.0
        self._given_vocab_size, self.bos_id, self.eos_id = vocab_size, bos_id, eos_id
        self._vocab_size = 0
        self.tables: Sequence[NgramTable] = []
        self.smoothing_parameters = []

    @property
    def vocab_size(self) -> int:  # type: ignore[override]
        """V; there once `fit` has run."""
        self._fitted()
        return self._vocab_size

    @property
    def num_parameters(self) -> int:
        """How many n-grams have a count, or in a model that backs off a probability, over all
        orders.
        """
        return sum(table.num_ngrams for table in self._fitted())

    @property
    def num_bytes(self) -> int:
        """How many bytes the tables of all orders take in memory."""
        arrays = (array for table in self._fitted() for array in vars(table).values())
        return sum(int(array.nbytes) for array in arrays)

    def fit(
        self,
        sequences: Iterable[Sequence[int]],
        validation: Iterable[Sequence[int]] | None = None,
    ) -> Self:
        """Count, and return the model.

        Args:
            sequences: ids without marks; may be a generator, and each is dropped once it was
                read.
            validation: the sequences on which "jelinek_mercer" learns its weights; other text
                than `sequences`. For no other smoothing.

        Raises:
            ValueError: there are no sequences, one holds a mark, an id is outside the
                vocabulary, or validation text is missing or was given in vain.
        """
        if self.smoothing == _READ:
            raise ValueError(
                "this model was read from an ARPA file; make a new NgramModel to fit one"
            )
        if (validation is not None) != (self.smoothing == "jelinek_mercer"):
            raise ValueError(
                f"smoothing is {self.smoothing!r}, and validation text was "
                f"{'not ' * (validation is None)}given; 'jelinek_mercer' learns its weights on "
                "it, fit(sequences, validation=other_sequences), and no other smoothing does"
            )
        tokens = flatten(sequences, self.bos_id, self.eos_id)
        vocab_size = self._given_vocab_size or int(tokens.max()) + 1
        self._check_range(tokens, vocab_size)
        if validation is not None:
            held_out = flatten(validation, self.bos_id, self.eos_id)
            self._check_range(held_out, vocab_size)
        counts = count_ngrams(tokens, self.order, vocab_size, self.bos_id)
        del tokens
        if self.smoothing in ("maximum_likelihood", "add_k"):
            self.tables, self.smoothing_parameters = counts.tables, []
        else:
            if validation is not None:
                estimate = smoothing.jelinek_mercer(counts, held_out)
            elif callable(self.smoothing):
                estimate = self.smoothing(counts)
                if not isinstance(estimate, Estimate) or len(estimate.tables) != self.order:
                    raise ValueError(
                        "a smoothing function must return an Estimate with one table for each "
                        f"of the {self.order} orders, but returned {repr(estimate)[:80]}"
                    )
            else:
                estimate = _BACKOFF[self.smoothing](counts)
            self.tables = estimate.tables
            self.smoothing_parameters = list(estimate.parameters)
        self._vocab_size = vocab_size
        return self

    def _check_range(self, tokens: np.ndarray, vocab_size: int) -> None:
        if vocab_size > _MOST_IDS:
            raise ValueError(
                f"a vocabulary of {vocab_size} ids is too large, {_MOST_IDS} are the most; "
                "number the tokens from 0 without gaps"
            )
        if tokens.min() < 0 or tokens.max() >= vocab_size:
            raise ValueError(
                f"ids run from {tokens.min()} to {tokens.max()}, but vocab_size is {vocab_size}"
            )

    def log_probs(self, ids: Tensor) -> Tensor:
        """(B, T) -> (B, T, V), float64; needs about 16 B T V bytes."""
        check_ids(ids, self.vocab_size)
        places = find_ngrams(
            self.tables[: self.order - 1], ids.numpy(force=True), self.vocab_size
        )
        result = np.empty((*ids.shape, self.vocab_size))
        for columns, length in self._context_lengths(ids.shape[1]):
            contexts = [place[:, columns].reshape(-1) for place in places[:length]]
            shape = result[:, columns].shape
            result[:, columns] = self._rows(contexts, shape[0] * shape[1]).reshape(shape)
        return torch.from_numpy(result)

    def token_log_probs(self, ids: Tensor) -> Tensor:
        """(B, T) -> (B, T), float64; looks up n-grams, where `log_probs` fills whole rows."""
        check_ids(ids, self.vocab_size)
        tokens = ids.numpy(force=True).astype(np.int64)
        marked = np.insert(tokens, 0, self.bos_id, axis=1)  # (B, T + 1)
        places = find_ngrams(self.tables, marked, self.vocab_size)
        if self._backs_off:
            result = self._backoff_tokens(places)
        else:
            result = np.empty(ids.shape)
            for columns, length in self._context_lengths(ids.shape[1]):
                result[:, columns] = self._count_tokens(places, columns, length)
            result[marked[:, 1:] == self.bos_id] = -np.inf
        return torch.from_numpy(result)

    def next_log_probs(self, ids: Tensor) -> Tensor:
        """(B, T) -> (B, V), float64, from the last n - 1 tokens."""
        check_ids(ids, self.vocab_size)
        if ids.shape[1] == 0:
            raise ValueError("there is nothing to continue; put the begin mark in front")
        length = min(self.order - 1, ids.shape[1])
        last = ids[:, ids.shape[1] - length :].numpy(force=True)
        places = find_ngrams(self.tables[:length], last, self.vocab_size) if length else []
        return torch.from_numpy(self._rows([place[:, -1] for place in places], len(ids)))

    @property
    def _backs_off(self) -> bool:
        return isinstance(self.tables[0], BackoffTable)

    def _context_lengths(self, num_tokens: int) -> list[tuple[slice, int]]:
        """Columns of (B, T) ids, and how many tokens the context has that ends there."""
        longest = self.order - 1
        first = max(0, longest - 1)  # where contexts have reached their full length
        starts = [(slice(end, end + 1), end + 1) for end in range(min(first, num_tokens))]
        return [*starts, (slice(first, None), longest)]

    def _rows(self, contexts: list[np.ndarray], num_rows: int) -> np.ndarray:
        """(N, V): the log-probability of every token after each of N contexts of L tokens.

        Args:
            contexts: L arrays (N,), the places of the last 1, 2, ..., L tokens of each.
            num_rows: N
        """
        if self._backs_off:
            return self._backoff_rows(contexts, num_rows)
        context = contexts[-1] if contexts else np.zeros(num_rows, dtype=np.int64)
        table = cast("CountTable", self.tables[len(contexts)])
        first, past = table.continuations(context, self.vocab_size)
        row, entry = _spread(first, past)
        counts = np.zeros((num_rows, self.vocab_size))
        counts[row, table.keys[entry] % self.vocab_size] = table.counts[entry]
        self._smooth(counts, (table.sums[past] - table.sums[first])[:, None])
        counts[:, self.bos_id] = -np.inf
        return counts

    def _backoff_rows(self, contexts: list[np.ndarray], num_rows: int) -> np.ndarray:
        """`_rows` of a model that backs off."""
        tables = cast("list[BackoffTable]", self.tables)
        rows = np.tile(tables[0].log_probs, (num_rows, 1))
        for lower, table, context in zip(tables, tables[1:], contexts, strict=False):
            rows += lower.backoffs[context][:, None]
            row, entry = _spread(*table.continuations(context, self.vocab_size))
            rows[row, table.keys[entry] % self.vocab_size] = table.log_probs[entry]
        return rows

    def _count_tokens(
        self, places: list[np.ndarray], columns: slice, length: int
    ) -> np.ndarray:
        """(B, columns): the log-probability of the tokens after contexts of one length.

        Args:
            places: for each order (B, T + 1), of the tokens with the begin mark in front.
            columns: some of the T columns.
            length: how many tokens the contexts have.
        """
        entry = places[length][:, 1:][:, columns]
        context = places[length - 1][:, :-1][:, columns] if length else np.zeros_like(entry)
        table = cast("CountTable", self.tables[length])
        first, past = table.continuations(context, self.vocab_size)
        counts = np.where(entry < 0, 0.0, table.sums[entry + 1] - table.sums[entry])
        self._smooth(counts, table.sums[past] - table.sums[first])
        return counts

    def _backoff_tokens(self, places: list[np.ndarray]) -> np.ndarray:
        """(B, T): the log-probability of each token after all that stands before it.

        Args:
            places: for each order (B, T + 1), of the tokens with the begin mark in front.
        """
        tables = cast("list[BackoffTable]", self.tables)
        result: np.ndarray = tables[0].log_probs[places[0][:, 1:]]
        for order, table in enumerate(tables[1:], 1):
            result += tables[order - 1].backoffs[places[order - 1][:, :-1]]
            entry = places[order][:, 1:]
            seen = entry >= 0
            result[seen] = table.log_probs[entry[seen]]
        return result

    def _smooth(self, counts: np.ndarray, total: np.ndarray) -> None:
        """Turn counts of tokens, given those of their contexts, into log-probabilities."""
        choices = self.vocab_size - 1
        denominator = total + self.k * choices
        counts += self.k
        np.divide(counts, denominator, out=counts, where=denominator > 0)
        np.copyto(counts, 1 / choices, where=denominator == 0)
        with np.errstate(divide="ignore"):
            np.log(counts, out=counts)

    def _fitted(self) -> Sequence[NgramTable]:
        if not self.tables:
            raise ValueError("this NgramModel has no counts yet: call fit(sequences) first")
        return self.tables

    def to_arpa(self, path: PathLike, tokens: Iterable[str]) -> None:
        """Write the model as an ARPA file, which KenLM, SRILM and others read.

        Probabilities and back-off weights stand there as logarithms to base 10 with nine
        significant digits, in UTF-8.

        Args:
            path: where to; an older file there stays whole if the writing fails.
            tokens: (V,) how each id is written, a tokenizer's `vocabulary` for instance, with
                `<s>` and `</s>` for the marks. The format separates tokens by white space, so
                none may hold any.

        Raises:
            ValueError: the smoothing is none that backs off, or the tokens are not V different
                ones without white space, with the marks in their places.
        """
        if not (self._fitted() and self._backs_off):
            raise ValueError(
                f"an ARPA file holds a model that backs off, and {self.smoothing!r} does not; "
                "fit one with another smoothing, 'kneser_ney' for instance"
            )
        marks = (self.bos_id, self.eos_id)
        arpa.write(path, cast("list[BackoffTable]", self.tables), list(tokens), marks)

    @classmethod
    def from_arpa(cls, path: PathLike, tokens: Iterable[str]) -> Self:
        """Read a model from an ARPA file.

        Args:
            path: the file, in UTF-8.
            tokens: (V,) the token of each id, with `<s>` and `</s>` among them; a tokenizer's
                `vocabulary`, or `arpa_tokens(path)` for whatever the file lists.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: the file is cut short, out of order or wrong otherwise (the message
                names the line), or its tokens are not the given ones.
        """
        tokens = list(tokens)
        tables = arpa.read(path, tokens)
        bos_id, eos_id = tokens.index(arpa.BEGIN), tokens.index(arpa.END)
        model = cls(len(tables), vocab_size=len(tokens), bos_id=bos_id, eos_id=eos_id)
        model.smoothing, model.tables, model._vocab_size = _READ, tables, len(tokens)
        return model

    def save(self, path: PathLike) -> None:
        """Write the counts or probabilities to a safetensors file; an older file at `path`
        stays whole if that fails.

        Raises:
            ValueError: nothing was counted yet, or the smoothing is a function of your own.
        """
        if callable(self.smoothing):
            raise ValueError(
                "the smoothing is a function, which a file cannot hold; to_arpa writes the "
                "probabilities alone"
            )
        settings = {
            "order": self.order,
            "smoothing": self.smoothing,
            "k": self.k if self.smoothing == "add_k" else None,
            "vocab_size": self.vocab_size,
            "bos_id": self.bos_id,
            "eos_id": self.eos_id,
        }
        learnt = {"smoothing_parameters": self.smoothing_parameters}
        arrays = {
            f"{name}_{order}": getattr(table, name)
            for order, table in enumerate(self.tables, 1)
            for name in _stored(type(table))
        }
        save_arrays(path, _KIND, {**settings, **learnt}, arrays)

    @classmethod
    def load(cls, path: PathLike) -> Self:
        """Read what `save` wrote.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: the file is cut short or was changed, or something else wrote it.
        """
        settings, arrays = load_arrays(path, _KIND)
        try:
            learnt = settings.pop("smoothing_parameters")
            was_read = settings["smoothing"] == _READ
            model = cls(**{**settings, "smoothing": "katz"} if was_read else settings)
            model.smoothing = settings["smoothing"]
            counted = model.smoothing in ("maximum_likelihood", "add_k")
            model.tables = [
                _table_from_file(arrays, order, model.order, counted)
                for order in range(1, model.order + 1)
            ]
            model._vocab_size = operator.index(settings["vocab_size"])
            if len(model.tables[0].keys) != model.vocab_size:
                raise ValueError(
                    f"there are {len(model.tables[0].keys)} unigrams for {model.vocab_size} ids"
                )
            model.smoothing_parameters = [tuple(row) for row in learnt]
        except (TypeError, KeyError, ValueError) as error:
            raise ValueError(
                f"{path} holds no n-gram model of this release ({error})"
            ) from error
        return model


def _spread(first: np.ndarray, past: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """All whole numbers from first[i] up to past[i], for every i, and to which i each
    belongs.
    """
    sizes = past - first
    row = np.repeat(np.arange(len(sizes)), sizes)
    return row, np.arange(len(row)) - np.repeat(np.cumsum(sizes) - sizes - first, sizes)


def _stored(kind: type[NgramTable]) -> tuple[str, ...]:
    """The arrays of a table that go to a file."""
    return ("keys", "counts") if kind is CountTable else ("keys", "log_probs", "backoffs")


def _table_from_file(
    arrays: dict[str, np.ndarray], order: int, highest: int, counted: bool
) -> NgramTable:
    """A table of counts or probabilities read from a file, if its arrays fit one another."""
    kind = CountTable if counted else BackoffTable
    keys, *values = (arrays[f"{name}_{order}"] for name in _stored(kind))
    if keys.ndim != 1 or keys.dtype != np.int64 or keys.shape != values[0].shape:
        raise ValueError(
            f"keys are {keys.dtype} {keys.shape}, and there are {values[0].shape} values"
        )
    if (np.diff(keys) <= 0).any() or (order == 1 and (keys != np.arange(len(keys))).any()):
        raise ValueError("keys are not in order")
    if kind is BackoffTable:
        if not {value.dtype for value in values} == {np.dtype("float64")}:
            raise ValueError("log-probabilities are not in float64")
        if values[1].shape != (1 + len(keys) * (order < highest),):
            raise ValueError(f"{len(keys)} n-grams have {values[1].shape} back-off weights")
        return BackoffTable(keys, *values)
    if values[0].dtype != np.int64 or (values[0] < 0).any():
        raise ValueError("counts are no whole numbers from 0 up")
    return CountTable.from_counts(keys, values[0])
