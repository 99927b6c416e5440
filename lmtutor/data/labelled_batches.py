"""Batches of texts with the class of each: what a classifier reads and learns from.

Left out: pairs of texts, several labels of one text, and scores instead of classes.

Letters in the shapes: B rows of a batch, T positions, N texts in all, C classes.
"""

import operator
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import torch
from torch import Tensor

from lmtutor.data.batches import (
    Batches,
    batches_by_length,
    check_seed,
    check_sizes,
    fingerprint,
    pad,
)
from lmtutor.data.labelled import check_labelled
from lmtutor.data.masking import EncoderBatch
from lmtutor.tokenizers import Tokenizer, WordPieceTokenizer

if TYPE_CHECKING:
    from datasets import Dataset

_ROUNDING = 128  # to multiples of this are the sizes of vocabularies rounded up


@dataclass(frozen=True)
class LabelledBatch(EncoderBatch):
    """Texts, and the class of each. No text has a second part: `segments` are all 0."""

    labels: Tensor
    """(B,) the classes, from 0 to C - 1."""

    @property
    def num_targets(self) -> int:
        """B: each text has one class."""
        return len(self.labels)


class LabelledBatches(Batches):
    """Texts and their classes in random order; texts of about the same length share a batch.

    A WordPiece tokenizer puts `[CLS]` before each text and `[SEP]` behind it, as BERT was
    trained; others put no marks. Rows are padded on the right, and `mask` says where. Too long
    texts lose their end.

    Args:
        texts: N strings.
        labels: N whole numbers from 0 to C - 1.
        tokenizer: that of the model.
        vocab_size: the model's number of ids.
        num_labels: C
        batch_size: B; one batch of an epoch may have fewer rows.
        max_length: the longest row, marks included.
        seed: of the order.

    Raises:
        ValueError: there is no text, or another number of labels; a text has no token; a label
            is none of the C classes, or all are the same; the tokenizer is not that of the
            model (see `check_tokenizer`); a size is below 1, or max_length leaves no room for a
            token; the seed is below 0.

    >>> from lmtutor.tokenizers import WordTokenizer
    >>> texts = ["a good film", "bad"]
    >>> tokenizer = WordTokenizer().fit(texts)
    >>> batches = LabelledBatches(texts, [1, 0], tokenizer, vocab_size=7, num_labels=2)
    >>> batch = next(batches.epoch(0))
    >>> batch.inputs.tolist(), batch.mask.int().tolist(), batch.labels.tolist()
    ([[4, 1, 1], [3, 6, 5]], [[1, 0, 0], [1, 1, 1]], [0, 1])
    """

    def __init__(
        self,
        texts: Sequence[str],
        labels: Sequence[int] | np.ndarray | Tensor,
        tokenizer: Tokenizer,
        *,
        vocab_size: int,
        num_labels: int,
        batch_size: int = 32,
        max_length: int = 128,
        seed: int = 0,
    ):
        check_sizes(num_labels=num_labels, batch_size=batch_size, max_length=max_length)
        check_tokenizer(tokenizer, vocab_size)
        texts, classes = _checked(texts, labels, int(num_labels))
        self.tokenizer, self.vocab_size = tokenizer, int(vocab_size)
        self.num_labels, self.max_length = int(num_labels), int(max_length)
        self.batch_size, self.seed = int(batch_size), check_seed(seed)
        self.labels = np.array(classes, np.int64)  # (N,)
        before, behind, self._padding = _marks(tokenizer)
        room = self.max_length - len(before) - len(behind)
        if room < 1:
            raise ValueError(
                f"max_length is {max_length}, of which the marks take "
                f"{len(before) + len(behind)}; leave room for one token at least"
            )
        encoded = [_encode(tokenizer, text, number) for number, text in enumerate(texts)]
        self.rows = [np.array([*before, *ids[:room], *behind], np.int64) for ids in encoded]
        too_much = [len(ids) - room for ids in encoded if len(ids) > room]
        self.num_tokens = sum(map(len, encoded))
        """Of all texts before they were cut, marks not counted."""
        self.num_cut = len(too_much)
        """How many texts were too long."""
        self.tokens_cut = sum(too_much)
        """How many tokens they lost."""

    @classmethod
    def from_dataset(
        cls,
        dataset: "Dataset",
        tokenizer: Tokenizer,
        *,
        vocab_size: int,
        text: str = "text",
        label: str = "label",
        num_labels: int | None = None,
        batch_size: int = 32,
        max_length: int = 128,
        seed: int = 0,
    ) -> Self:
        """Batches of a split of `datasets`, such as `load_task("rotten_tomatoes")["train"]`.

        Args:
            dataset: with a column of texts and one of labels.
            tokenizer: as above, and so are the others.
            vocab_size: the model's number of ids.
            text: the column of the texts.
            label: the column of the labels.
            num_labels: None takes the classes that the features of the column name.
            batch_size: B
            max_length: the longest row, marks included.
            seed: of the order.

        Raises:
            ValueError: a column is missing, nobody says how many classes there are, or the two
                who do differ; and as above.
        """
        absent = [column for column in (text, label) if column not in dataset.column_names]
        if absent:
            raise ValueError(
                f"the data has no column {' and no column '.join(map(repr, absent))}; it has "
                f"{', '.join(map(repr, dataset.column_names))}"
            )
        names = getattr(dataset.features[label], "names", None)
        count = num_labels if names is None else len(names)
        if count is None:
            raise ValueError(
                f"the column {label!r} does not say how many classes there are; give num_labels"
            )
        if num_labels not in (None, count):
            raise ValueError(
                f"num_labels is {num_labels}, and the column {label!r} has {count} classes: "
                f"{', '.join(map(repr, names or ()))}"
            )
        return cls(
            list(dataset[text]),
            list(dataset[label]),
            tokenizer,
            vocab_size=vocab_size,
            num_labels=count,
            batch_size=batch_size,
            max_length=max_length,
            seed=seed,
        )

    def __len__(self) -> int:
        """The number of batches in an epoch."""
        return -(-len(self.rows) // self.batch_size)

    def epoch(self, number: int, start: int = 0) -> Iterator[LabelledBatch]:
        """The batches of an epoch, from batch `start` on."""
        sizes = list(map(len, self.rows))
        for rows in batches_by_length(sizes, self.batch_size, [self.seed, number])[start:]:
            yield self._batch(rows)

    def in_order(self) -> Iterator[tuple[np.ndarray, LabelledBatch]]:
        """All texts once, the shortest first, for those who predict.

        Yields:
            (B,) which of the N texts the rows are, and the batch.
        """
        order = np.argsort(list(map(len, self.rows)), kind="stable")
        for first in range(0, len(order), self.batch_size):
            rows = order[first : first + self.batch_size]
            yield rows, self._batch(rows)

    def describe_cuts(self) -> str:
        """One sentence on what too long texts have lost."""
        total = f"{len(self.rows):,} texts"
        if not self.num_cut:
            return f"All {total} fit into {self.max_length} tokens, and none was cut."
        verb, ends = ("does", "its end") if self.num_cut == 1 else ("do", "their ends")
        return (
            f"{self.num_cut:,} of the {total} {verb} not fit into {self.max_length} tokens and "
            f"lost {ends}: {self.tokens_cut:,} of {self.num_tokens:,} tokens "
            f"({self.tokens_cut / self.num_tokens:.2%})."
        )

    def describe(self) -> dict[str, int | str]:
        """The kind, the sizes, the seed, and checksums of the texts and of the labels."""
        sizes = np.array(list(map(len, self.rows)))
        return {
            "kind": "LabelledBatches",
            "batch_size": self.batch_size,
            "max_length": self.max_length,
            "num_labels": self.num_labels,
            "seed": self.seed,
            "texts": len(self.rows),
            "sizes": fingerprint(sizes, None)["crc32"],
            "labels": fingerprint(self.labels, None)["crc32"],
            **fingerprint(np.concatenate(self.rows), None),
        }

    def _batch(self, numbers: np.ndarray) -> LabelledBatch:
        rows = [self.rows[number] for number in numbers]
        inputs = pad(rows, self._padding)
        mask = pad([np.ones(len(row), bool) for row in rows], False)
        labels = torch.from_numpy(self.labels[numbers])
        return LabelledBatch(inputs, mask, torch.zeros_like(inputs), labels)


def check_tokenizer(tokenizer: Tokenizer, vocab_size: int) -> None:
    """Refuse a tokenizer that is not that of a model with `vocab_size` ids.

    A model may have up to 127 ids more than its tokenizer, as sizes are often rounded up to a
    multiple of 128. This compares numbers alone: two tokenizers of the same size pass for one
    another.

    Raises:
        ValueError: the tokenizer has ids that the model has not, or the model has 128 or more
            that the tokenizer never gives.
    """
    check_sizes(vocab_size=vocab_size)
    if not 0 <= vocab_size - tokenizer.vocab_size < _ROUNDING:
        raise ValueError(
            f"the tokenizer has {tokenizer.vocab_size} ids, and the model {vocab_size}; take "
            "the tokenizer that belongs to the model"
        )


def _checked(
    texts: Sequence[str], labels: Sequence[int] | np.ndarray | Tensor, num_labels: int
) -> tuple[list[str], list[int]]:
    """Both as lists, or a ValueError that says what cannot be learnt from them."""
    if isinstance(texts, str):
        raise ValueError("give a list of texts, not one string")
    given: list[Any] = (
        labels.tolist() if isinstance(labels, np.ndarray | Tensor) else list(labels)
    )
    classes = [operator.index(one) if isinstance(one, np.integer) else one for one in given]
    texts = list(texts)
    if not texts or len(texts) != len(classes):
        raise ValueError(
            f"there are {len(texts)} texts and {len(classes)} labels; give one label for each "
            "text, and one text at least"
        )
    check_labelled({"text": texts, "label": classes}, num_labels, "the data")
    return texts, classes


def _marks(tokenizer: Tokenizer) -> tuple[list[int], list[int], int]:
    """What stands before each text, what behind it, and the id at the padding."""
    if isinstance(tokenizer, WordPieceTokenizer):
        return [tokenizer.cls_id], [tokenizer.sep_id], tokenizer.pad_id
    return [], [], tokenizer.eos_id


def _encode(tokenizer: Tokenizer, text: str, number: int) -> list[int]:
    try:
        ids = tokenizer.encode(text)
    except ValueError as error:
        raise ValueError(f"the text of row {number} in the data: {error}") from error
    if not ids:
        raise ValueError(
            f"the text of row {number} in the data, {text!r}, has no token; drop that row"
        )
    return ids
