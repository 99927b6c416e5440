"""Batches of tokens, in three orders: windows at random, contiguous streams, whole documents.

Each order is a function of the seed and the number of the epoch alone, so that training can
stop anywhere and go on at the same batch. In an epoch no token is a target twice. Left out:
threads that prepare batches ahead; cutting windows out of an array takes no time.

Letters in the shapes: B rows of a batch, T positions, N tokens in all.
"""

import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from lmtutor.data.token_file import TokenFile, whole_numbers

IGNORED = -100
"""The target at positions where there is nothing to predict."""


@dataclass(frozen=True)
class BatchBase:
    """A batch for any kind of model: tensors whose rows are the examples.

    A subclass adds the tensors as its fields, and says in `num_targets` how many predictions a
    batch asks for.
    """

    @property
    def num_targets(self) -> int:
        """How many predictions the batch asks for; what its loss is divided by."""
        raise NotImplementedError

    def to(self, device: torch.device) -> Self:
        """The batch on another device."""
        return self._with(lambda tensor: tensor.to(device))

    def share(self, number: int, count: int) -> Self | None:
        """Every `count`-th row from row `number` on; None where there is none."""
        if number >= len(next(iter(self._tensors().values()))):
            return None
        return self._with(lambda tensor: tensor[number::count])

    def _tensors(self) -> dict[str, Tensor]:
        named = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in named.items() if isinstance(value, Tensor)}

    def _with(self, change: Any) -> Self:
        return replace(self, **{name: change(value) for name, value in self._tensors().items()})


@dataclass(frozen=True)
class Batch(BatchBase):
    """What a language model reads, and what it shall predict."""

    inputs: Tensor
    """(B, T) ids."""
    targets: Tensor
    """(B, T) the id that follows each; `IGNORED` where there is none."""
    continues: bool = False
    """Whether each row goes on where the same row of the batch before stopped."""

    @property
    def num_targets(self) -> int:
        """The targets that are there."""
        return int((self.targets != IGNORED).sum())


class Batches(ABC):
    """Something to train on: the same in each epoch, or the same in a new order."""

    @abstractmethod
    def __len__(self) -> int:
        """The number of batches in an epoch."""

    @abstractmethod
    def epoch(self, number: int, start: int = 0) -> Iterator[Any]:
        """The batches of an epoch, from batch `start` on."""

    @abstractmethod
    def describe(self) -> dict[str, int | str]:
        """What these batches are made of: a training that goes on must find the same."""


class RandomWindows(Batches):
    """Windows of T tokens in random order: the usual diet of a transformer.

    The text is cut into windows that do not overlap, at other places in each epoch; what is
    left over at both ends is left out of that epoch.

    Args:
        tokens: (N,) ids, or a token file.
        batch_size: B
        length: T
        seed: of the order.
        bos_id: the begin mark, which is never a target. A token file knows its own; for an
            array without marks leave it out.

    Raises:
        ValueError: there are fewer than T + 1 tokens, a size is below 1, or the array is not of
            whole numbers.
    """

    def __init__(
        self,
        tokens: np.ndarray | TokenFile,
        batch_size: int,
        length: int,
        seed: int = 0,
        bos_id: int | None = None,
    ):
        self.tokens, self.bos_id = _checked(tokens, bos_id, batch_size, length)
        if len(self.tokens) <= length:
            raise ValueError(
                f"{len(self.tokens)} tokens make no window of {length} and the token after it; "
                "take a smaller length"
            )
        self.batch_size, self.length = int(batch_size), int(length)
        self.seed = check_seed(seed)
        # The offset of an epoch may cost one window; an epoch has those that are always there.
        self.num_windows = max(1, (len(self.tokens) - length) // length)

    def __len__(self) -> int:
        """The number of batches in an epoch; the last may have fewer rows."""
        return -(-self.num_windows // self.batch_size)

    def epoch(self, number: int, start: int = 0) -> Iterator[Batch]:
        """The batches of an epoch, from batch `start` on."""
        generator = np.random.default_rng([self.seed, number])
        free = len(self.tokens) - 1 - self.num_windows * self.length
        begin = int(generator.integers(free + 1))
        order = generator.permutation(self.num_windows)
        for batch in range(start, len(self)):
            chosen = order[batch * self.batch_size : (batch + 1) * self.batch_size]
            starts = begin + chosen * self.length
            rows = [self.tokens[first : first + self.length + 1] for first in starts]
            yield _batch(np.stack(rows), self.bos_id)

    def describe(self) -> dict[str, int | str]:
        """The kind, the sizes, the seed, and a checksum of the tokens."""
        sizes = {"batch_size": self.batch_size, "length": self.length, "seed": self.seed}
        return {"kind": "RandomWindows", **sizes, **fingerprint(self.tokens, self.bos_id)}


class ContiguousStreams(Batches):
    """B streams side by side, each read from its begin to its end: for models with a state.

    The text is cut into B long pieces. A batch holds the next T tokens of each, so that the
    state after one batch is the state before the next.

    Args:
        tokens: (N,) ids, or a token file.
        batch_size: B, the number of streams.
        length: T; the last batch of an epoch may be shorter.
        bos_id: as in `RandomWindows`.

    Raises:
        ValueError: there are not two tokens for each stream, a size is below 1, or the array is
            not of whole numbers.
    """

    def __init__(
        self,
        tokens: np.ndarray | TokenFile,
        batch_size: int,
        length: int,
        bos_id: int | None = None,
    ):
        self.tokens, self.bos_id = _checked(tokens, bos_id, batch_size, length)
        self.batch_size, self.length = int(batch_size), int(length)
        self.stream_length = (len(self.tokens) - 1) // batch_size
        if self.stream_length < 1:
            raise ValueError(
                f"{len(self.tokens)} tokens make no {batch_size} streams; take a smaller "
                "batch_size"
            )

    def __len__(self) -> int:
        """The number of batches in an epoch."""
        return -(-self.stream_length // self.length)

    def epoch(self, number: int, start: int = 0) -> Iterator[Batch]:
        """The batches of an epoch, from batch `start` on; every epoch is the same."""
        begins = np.arange(self.batch_size) * self.stream_length
        for batch in range(start, len(self)):
            first = batch * self.length
            last = min(first + self.length, self.stream_length)
            rows = [self.tokens[begin + first : begin + last + 1] for begin in begins]
            yield _batch(np.stack(rows), self.bos_id, continues=batch > 0)

    def describe(self) -> dict[str, int | str]:
        """The kind, the sizes, and a checksum of the tokens."""
        sizes = {"batch_size": self.batch_size, "length": self.length}
        return {"kind": "ContiguousStreams", **sizes, **fingerprint(self.tokens, self.bos_id)}


class WholeDocuments(Batches):
    """Each document by itself, from its begin mark to its end mark, in random order.

    Documents of about the same length share a batch, so that little of it is padding.

    Args:
        sequences: ids without marks, one sequence per document.
        batch_size: B
        seed: of the order.
        bos_id: the begin mark.
        eos_id: the end mark.

    Raises:
        ValueError: there is no document, one is no list of ids, or batch_size is below 1.

    >>> batch = next(WholeDocuments([[5, 6], [7]], batch_size=2).epoch(0))
    >>> sorted(zip(batch.inputs.tolist(), batch.targets.tolist()))
    [([0, 5, 6], [5, 6, 1]), ([0, 7, 1], [7, 1, -100])]
    """

    def __init__(
        self,
        sequences: Sequence[Sequence[int]],
        batch_size: int,
        seed: int = 0,
        bos_id: int = 0,
        eos_id: int = 1,
    ):
        check_sizes(batch_size=batch_size)
        self.rows = [
            np.array([bos_id, *whole_numbers(ids, number), eos_id], np.int64)
            for number, ids in enumerate(sequences)
        ]
        if not self.rows:
            raise ValueError("there are no documents to train on; give at least one")
        self.batch_size, self.seed, self.eos_id = int(batch_size), check_seed(seed), eos_id

    def __len__(self) -> int:
        """The number of batches in an epoch; one may have fewer rows."""
        return -(-len(self.rows) // self.batch_size)

    def epoch(self, number: int, start: int = 0) -> Iterator[Batch]:
        """The batches of an epoch, from batch `start` on."""
        sizes = [len(row) for row in self.rows]
        for batch in batches_by_length(sizes, self.batch_size, [self.seed, number])[start:]:
            rows = [self.rows[k] for k in batch]
            yield Batch(
                pad([row[:-1] for row in rows], self.eos_id),
                pad([row[1:] for row in rows], IGNORED),
            )

    def describe(self) -> dict[str, int | str]:
        """The kind, the sizes, the seed, and a checksum of the documents."""
        sizes = {"batch_size": self.batch_size, "seed": self.seed, "documents": len(self.rows)}
        return {
            "kind": "WholeDocuments",
            **sizes,
            **fingerprint(np.concatenate(self.rows), None),
        }


class DocumentRuns(Batches):
    """Documents that follow one another, several to a row, each between its marks: some learn
    to begin a document without what stands before it, and the others what that is good for.

    Every epoch cuts the text anew into runs of random lengths. All batches have about the same
    number of tokens; rows of about the same length share one, so that little of it is padding.

    Args:
        sequences: ids without marks, one sequence per document, in the order of the text.
        batch_tokens: about as many tokens does a batch have.
        context_length: a row has at most as many inputs; what is longer is cut in two or more.
        documents_per_row: the mean; 1 keeps each document alone.
        seed: of the cuts and the order.
        bos_id: the begin mark, which is never a target.
        eos_id: the end mark.

    Raises:
        ValueError: there is no document, one is no list of ids, a size is below 1, or the seed
            below 0.

    >>> texts = [[5, 6], [7]]
    >>> runs = DocumentRuns(texts, batch_tokens=9, context_length=8, documents_per_row=1e9)
    >>> batch = next(runs.epoch(0))
    >>> batch.inputs.tolist(), batch.targets.tolist()
    ([[0, 5, 6, 1, 0, 7]], [[5, 6, 1, -100, 7, 1]])
    """

    def __init__(
        self,
        sequences: Sequence[Sequence[int]],
        batch_tokens: int,
        context_length: int,
        documents_per_row: float = 2.0,
        seed: int = 0,
        bos_id: int = 0,
        eos_id: int = 1,
    ):
        check_sizes(batch_tokens=batch_tokens, context_length=context_length)
        if not documents_per_row >= 1:
            raise ValueError(f"documents_per_row is {documents_per_row}; the smallest is 1")
        self.documents = [
            np.array([[bos_id, *text, eos_id], [IGNORED, *text, eos_id]], np.int64)
            for text in (whole_numbers(ids, number) for number, ids in enumerate(sequences))
        ]  # of each (2, T), what is read and what is to be said
        if not self.documents:
            raise ValueError("there are no documents to train on; give at least one")
        self.batch_tokens, self.context_length = int(batch_tokens), int(context_length)
        self.documents_per_row = float(documents_per_row)
        self.seed, self.bos_id, self.eos_id = check_seed(seed), bos_id, eos_id
        num_tokens = sum(int(document.shape[1]) for document in self.documents)
        fewest = len(self._rows(np.zeros(len(self.documents), bool)))
        self.num_batches = min(-(-num_tokens // self.batch_tokens), fewest)

    def __len__(self) -> int:
        """The number of batches in an epoch."""
        return self.num_batches

    def epoch(self, number: int, start: int = 0) -> Iterator[Batch]:
        """The batches of an epoch, from batch `start` on."""
        generator = np.random.default_rng([self.seed, number])
        rows = self._rows(generator.random(len(self.documents)) < 1 / self.documents_per_row)
        order = generator.permutation(len(rows))
        order = np.array(sorted(order, key=lambda k: rows[k].shape[1]))
        edges = even_edges(np.array([rows[k].shape[1] for k in order]), len(self))
        batches = np.split(order, edges)
        for batch in generator.permutation(len(self))[start:]:
            chosen = [rows[k] for k in batches[batch]]
            targets = pad([row[1, 1:] for row in chosen], IGNORED)
            yield Batch(pad([row[0, :-1] for row in chosen], self.eos_id), targets)

    def _rows(self, cuts: np.ndarray) -> list[np.ndarray]:
        """The text, cut before the documents of `cuts`, and wherever a row would be too
        long.
        """
        rows: list[list[np.ndarray]] = []
        for cut, document in zip(cuts, self.documents, strict=True):
            length = sum(one.shape[1] for one in [*rows[-1], document]) if rows else 0
            if cut or not rows or length > self.context_length + 1:
                rows.append([])
            rows[-1].append(document)
        joined = [np.concatenate(row, axis=1) for row in rows]
        step = self.context_length
        return [
            row[:, first : first + step + 1]
            for row in joined
            for first in range(0, max(1, row.shape[1] - 1), step)
        ]

    def describe(self) -> dict[str, int | str]:
        """The kind, the sizes, the seed, and a checksum of the documents."""
        return {
            "kind": "DocumentRuns",
            "batch_tokens": self.batch_tokens,
            "context_length": self.context_length,
            "documents_per_row": str(self.documents_per_row),
            "seed": self.seed,
            "documents": len(self.documents),
            **fingerprint(np.concatenate([read for read, _ in self.documents]), None),
        }


def even_edges(sizes: np.ndarray, parts: int) -> np.ndarray:
    """Where to cut rows of these sizes into so many parts of about the same sum, of at least
    one row each.
    """
    ends, number = np.cumsum(sizes), np.arange(parts - 1)
    edges = np.searchsorted(ends, ends[-1] * (number + 1) / parts, side="right")
    edges = np.maximum.accumulate(np.maximum(edges - number, 1)) + number
    evened: np.ndarray = np.minimum(edges, len(sizes) - parts + 1 + number)
    return evened


def batches_by_length(
    sizes: Sequence[int] | Sequence[tuple[int, ...]], batch_size: int, seed: Sequence[int]
) -> list[np.ndarray]:
    """The numbers of the examples of each batch of an epoch: examples of about the same size
    together, batches in random order.
    """
    generator = np.random.default_rng(seed)
    order = generator.permutation(len(sizes))
    order = np.array(sorted(order, key=lambda k: sizes[k]))  # stable: equal sizes stay shuffled
    batches = [order[first : first + batch_size] for first in range(0, len(order), batch_size)]
    return [batches[k] for k in generator.permutation(len(batches))]


def pad(rows: Sequence[np.ndarray], filling: int) -> Tensor:
    """(B, T): the rows, filled up on the right to the length of the longest."""
    padded = np.full((len(rows), max(map(len, rows))), filling)
    for number, row in enumerate(rows):
        padded[number, : len(row)] = row
    return torch.from_numpy(padded)


def _batch(windows: np.ndarray, bos_id: int | None, continues: bool = False) -> Batch:
    """(B, T + 1) tokens -> inputs and targets, (B, T) each."""
    ids = torch.from_numpy(windows.astype(np.int64))
    targets = ids[:, 1:].clone()
    if bos_id is not None:
        targets[targets == bos_id] = IGNORED
    return Batch(ids[:, :-1].contiguous(), targets, continues)


def _checked(
    tokens: np.ndarray | TokenFile, bos_id: int | None, batch_size: int, length: int
) -> tuple[np.ndarray, int | None]:
    check_sizes(batch_size=batch_size, length=length)
    if isinstance(tokens, TokenFile):
        return tokens.tokens, tokens.bos_id
    tokens = np.asanyarray(tokens)
    if tokens.ndim != 1 or tokens.dtype.kind not in "iu":
        raise ValueError(
            f"tokens must be one row of whole numbers, and have type {tokens.dtype} and shape "
            f"{tokens.shape}"
        )
    return tokens, bos_id


def check_sizes(**sizes: int) -> None:
    """Refuse sizes that are no whole numbers from 1 up, by their names."""
    for name, size in sizes.items():
        if not isinstance(size, int | np.integer) or size < 1:
            raise ValueError(f"{name} is {size}; it is a whole number from 1 up")


def check_seed(seed: int) -> int:
    """The seed as Python has it; a negative one is refused."""
    if seed < 0:
        raise ValueError(f"seed is {seed}; the smallest is 0")
    return int(seed)


def fingerprint(tokens: np.ndarray, bos_id: int | None) -> dict[str, int | str]:
    """The same for the same ids, whether they lie in memory or in a file."""
    checksum = 0
    for first in range(0, len(tokens), 1 << 20):  # a part at a time, for files of any size
        part = tokens[first : first + (1 << 20)].astype("<u4")
        checksum = zlib.crc32(part.tobytes(), checksum)
    return {"tokens": len(tokens), "crc32": f"{checksum:08x}", "bos_id": str(bos_id)}
