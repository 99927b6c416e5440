"""Batches of pairs of texts, one to be read and one to be written.

Left out: pairs longer than a model takes; the model refuses them.

Letters in the shapes: B rows of a batch, S positions of the source, T of the target.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from lmtutor.data.batches import (
    IGNORED,
    BatchBase,
    Batches,
    batches_by_length,
    check_seed,
    check_sizes,
    fingerprint,
    pad,
)
from lmtutor.data.token_file import whole_numbers


@dataclass(frozen=True)
class PairBatch(BatchBase):
    """What an encoder reads, what a decoder reads, and what it shall predict."""

    sources: Tensor
    """(B, S) ids, each row closed by the end mark and then padded with it."""
    source_lengths: Tensor
    """(B,) how many of them are there, end mark included."""
    inputs: Tensor
    """(B, T) ids of the target behind the begin mark."""
    targets: Tensor
    """(B, T) the id that follows each; `IGNORED` where there is none."""

    @property
    def num_targets(self) -> int:
        """The targets that are there."""
        return int((self.targets != IGNORED).sum())


class SentencePairs(Batches):
    """Pairs in random order; pairs of about the same length share a batch.

    The decoder is given the true target up to each position, whatever it would have written
    there itself: teacher forcing.

    Args:
        sources: ids without marks, one sequence for each pair.
        targets: the same number of sequences.
        batch_size: B
        seed: of the order.
        bos_id: the begin mark of the targets.
        eos_id: the end mark of both.

    Raises:
        ValueError: there is no pair, sources and targets differ in number, one is no list of
            ids, a source is empty, or batch_size is below 1.

    >>> batch = next(SentencePairs([[5, 6]], [[7]], batch_size=1).epoch(0))
    >>> batch.sources.tolist(), batch.inputs.tolist(), batch.targets.tolist()
    ([[5, 6, 1]], [[0, 7]], [[7, 1]])
    """

    def __init__(
        self,
        sources: Sequence[Sequence[int]],
        targets: Sequence[Sequence[int]],
        batch_size: int,
        seed: int = 0,
        bos_id: int = 0,
        eos_id: int = 1,
    ):
        check_sizes(batch_size=batch_size)
        if len(sources) != len(targets) or not len(sources):
            raise ValueError(
                f"there are {len(sources)} sources and {len(targets)} targets; give one target "
                "for each source, and one pair at least"
            )
        self.sources = [
            np.array([*whole_numbers(ids, number, "source"), eos_id], np.int64)
            for number, ids in enumerate(sources)
        ]
        self.targets = [
            np.array([bos_id, *whole_numbers(ids, number, "target"), eos_id], np.int64)
            for number, ids in enumerate(targets)
        ]
        empty = [number for number, row in enumerate(self.sources) if len(row) == 1]
        if empty:
            raise ValueError(
                f"source {empty[0]} is empty; drop the pair, as there is nothing to read"
            )
        self.batch_size, self.seed, self.eos_id = int(batch_size), check_seed(seed), eos_id

    def __len__(self) -> int:
        """The number of batches in an epoch; one may have fewer rows."""
        return -(-len(self.sources) // self.batch_size)

    def epoch(self, number: int, start: int = 0) -> Iterator[PairBatch]:
        """The batches of an epoch, from batch `start` on."""
        sizes = [
            (len(target), len(source))
            for source, target in zip(self.sources, self.targets, strict=True)
        ]
        for batch in batches_by_length(sizes, self.batch_size, [self.seed, number])[start:]:
            sources = [self.sources[k] for k in batch]
            targets = [self.targets[k] for k in batch]
            yield PairBatch(
                sources=pad(sources, self.eos_id),
                source_lengths=torch.tensor([len(source) for source in sources]),
                inputs=pad([target[:-1] for target in targets], self.eos_id),
                targets=pad([target[1:] for target in targets], IGNORED),
            )

    def describe(self) -> dict[str, int | str]:
        """The kind, the sizes, the seed, and a checksum of the pairs."""
        sizes = {"batch_size": self.batch_size, "seed": self.seed, "pairs": len(self.sources)}
        both = np.concatenate([*self.sources, *self.targets])
        return {"kind": "SentencePairs", **sizes, **fingerprint(both, None)}
