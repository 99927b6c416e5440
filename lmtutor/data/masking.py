"""What an encoder such as BERT reads and learns from: hidden tokens, and pairs of texts.

Source: Devlin et al. 2019, "BERT: Pre-training of Deep Bidirectional Transformers for Language
Understanding", section 3.1 and appendix A. Their program hides the same share of each row; here
each token, or word, is chosen by itself, so that the number varies. Left out: several documents
on one side of a pair.

Letters in the shapes: B rows of a batch, T positions, V ids of the vocabulary.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from lmtutor.data.batches import (
    IGNORED,
    BatchBase,
    Batches,
    check_seed,
    check_sizes,
    even_edges,
    fingerprint,
    pad,
)
from lmtutor.data.token_file import whole_numbers

if TYPE_CHECKING:
    from lmtutor.tokenizers import WordPieceTokenizer

_SHARES = (0.8, 0.1, 0.1)


@dataclass(frozen=True)
class EncoderBatch(BatchBase):
    """What an encoder reads."""

    inputs: Tensor
    """(B, T) ids: [CLS], a text, [SEP], and for a pair another text and [SEP]."""
    mask: Tensor
    """(B, T) True where a token is, False where padding is."""
    segments: Tensor
    """(B, T) 1 for the second text and the [SEP] after it, 0 elsewhere."""

    @property
    def num_targets(self) -> int:
        """None: nothing is asked here."""
        return 0


@dataclass(frozen=True)
class MaskedBatch(EncoderBatch):
    """What BERT reads while it is trained, and what it is asked for."""

    labels: Tensor
    """(B, T) the true id where one is asked for, `IGNORED` elsewhere."""
    second_is_random: Tensor
    """(B,) 0: the second text follows the first; 1: it does not; `IGNORED` without a second."""

    @property
    def num_targets(self) -> int:
        """The tokens that are asked for."""
        return int((self.labels != IGNORED).sum())


def encoder_batch(
    tokenizer: "WordPieceTokenizer",
    firsts: Sequence[str],
    seconds: Sequence[str] | None = None,
    max_length: int | None = None,
) -> EncoderBatch:
    """Texts, or pairs of texts, with the marks around them, padded on the right.

    Args:
        tokenizer: has the ids of the marks.
        firsts: B texts.
        seconds: B texts that come after them, or None.
        max_length: the longest row that the model takes, marks included.

    Raises:
        ValueError: there is no text, the two lists differ in length, or a row is too long.
    """
    if isinstance(firsts, str) or isinstance(seconds, str):
        raise ValueError("give a list of texts, not one string; write [text]")
    if not len(firsts) or (seconds is not None and len(seconds) != len(firsts)):
        raise ValueError(
            f"there are {len(firsts)} first texts and {len(seconds or ())} second ones; give "
            "one at least, and as many of both"
        )
    rows, kinds = [], []
    for number, first in enumerate(firsts):
        row = [tokenizer.cls_id, *tokenizer.encode(first), tokenizer.sep_id]
        kind = [0] * len(row)
        if seconds is not None:
            behind = [*tokenizer.encode(seconds[number]), tokenizer.sep_id]
            row, kind = row + behind, kind + [1] * len(behind)
        if max_length is not None and len(row) > max_length:
            raise ValueError(
                f"row {number} has {len(row)} tokens with its marks, and the longest the model "
                f"takes is {max_length}; shorten {first[:40]!r}..."
            )
        rows.append(np.array(row, np.int64))
        kinds.append(np.array(kind, np.int64))
    mask = pad([np.ones(len(row), bool) for row in rows], False)
    return EncoderBatch(pad(rows, tokenizer.pad_id), mask, pad(kinds, 0))


def mask_tokens(
    ids: Tensor,
    generator: torch.Generator,
    *,
    mask_id: int,
    vocab_size: int,
    special_ids: Sequence[int],
    rate: float = 0.15,
    continues_word: Sequence[bool] | Tensor | None = None,
    shares: tuple[float, float, float] = _SHARES,
) -> tuple[Tensor, Tensor]:
    """Choose tokens to ask for, and hide most of them (Devlin et al. 2019, section 3.1).

    Of the chosen ones, 80 % become [MASK], 10 % a random token, and 10 % stay as they are.

    Args:
        ids: (B, T)
        generator: all chance comes from it.
        mask_id: of [MASK].
        vocab_size: V
        special_ids: marks and padding. They are never chosen, and never put in.
        rate: the probability of a token to be chosen.
        continues_word: (V,) whether a token goes on with a word. With it words are chosen,
            that is, all pieces of one or none; what is done to each piece stays its own draw.
        shares: of the chosen tokens that are hidden, replaced at random, and kept.

    Returns:
        (B, T) what the model reads, and (B, T) the labels: the true ids of the chosen tokens,
        `IGNORED` elsewhere.

    Raises:
        ValueError: the ids are no (B, T) of int64 or int32, the rate or a share is outside
            [0, 1], the shares do not sum to one, an id is outside the vocabulary,
            `continues_word` is of another length than the vocabulary, or there is no token that
            is not special.

    >>> ids = torch.tensor([[2, 7, 8, 9, 3]])
    >>> inputs, labels = mask_tokens(ids, torch.Generator().manual_seed(2), mask_id=4,
    ...                              vocab_size=10, special_ids=range(5), rate=0.5)
    >>> inputs.tolist(), labels.tolist()
    ([[2, 4, 8, 4, 3]], [[-100, 7, -100, 9, -100]])
    """
    _check_shares(rate, shares)
    if ids.ndim != 2 or ids.dtype not in (torch.int64, torch.int32):
        raise ValueError(
            f"the ids are {ids.dtype} of shape {tuple(ids.shape)}; give (B, T) of torch.int64"
        )
    ordinary = _ordinary(ids, mask_id, vocab_size, special_ids)  # (V,)
    free = ordinary[ids]  # (B, T) may be chosen
    if continues_word is None:
        chosen = free & (torch.rand(ids.shape, generator=generator) < rate)
    else:
        goes_on = torch.as_tensor(continues_word, dtype=torch.bool)
        if goes_on.shape != (vocab_size,):
            raise ValueError(
                f"continues_word has {goes_on.numel()} entries and the vocabulary "
                f"{vocab_size} ids; give one for each"
            )
        chosen = free & _whole_words(free, goes_on[ids], generator, rate)
    labels = torch.where(chosen, ids, IGNORED)
    draws = torch.rand(ids.shape, generator=generator)
    candidates = ordinary.nonzero().flatten()
    random = candidates[torch.randint(len(candidates), ids.shape, generator=generator)]
    inputs = torch.where(chosen & (draws < shares[0]), mask_id, ids)
    replaced = chosen & (draws >= shares[0]) & (draws < shares[0] + shares[1])
    return torch.where(replaced, random, inputs), labels


def _check_shares(rate: float, shares: tuple[float, float, float]) -> None:
    """Refuse what is no probability, or no distribution over three."""
    if not 0 <= rate <= 1:
        raise ValueError(f"the rate is {rate}; it is a probability, from 0 to 1 (BERT's: 0.15)")
    if len(shares) != 3 or not min(shares) >= 0 or not abs(sum(shares) - 1) < 1e-9:
        raise ValueError(
            f"the shares are {shares}; give three from 0 up that sum to one (BERT's: {_SHARES})"
        )


def _ordinary(ids: Tensor, mask_id: int, vocab_size: int, special_ids: Sequence[int]) -> Tensor:
    """(V,) True for each id that is not special; ids and marks are looked at on the way."""
    special = torch.as_tensor([mask_id, *special_ids])
    for name, some in (("the text", ids), ("the marks", special)):
        if some.numel() and (int(some.min()) < 0 or int(some.max()) >= vocab_size):
            raise ValueError(
                f"{name} has ids from {int(some.min())} to {int(some.max())}, and the "
                f"vocabulary {vocab_size} ids; take the tokenizer that belongs to the model"
            )
    ordinary = torch.ones(vocab_size, dtype=torch.bool)
    ordinary[special] = False
    if not ordinary.any():
        raise ValueError(f"all {vocab_size} ids are special; there is nothing to be masked")
    return ordinary


def _whole_words(
    free: Tensor, goes_on: Tensor, generator: torch.Generator, rate: float
) -> Tensor:
    """(B, T) one draw for each word, which all of its pieces share."""
    before = torch.nn.functional.pad(free, (1, 0))[:, :-1]
    begins = ~(goes_on & free & before)  # (B, T); a mark in between ends a word, too
    draws = torch.rand(free.shape, generator=generator)
    return draws.gather(1, begins.long().cumsum(dim=1) - 1) < rate


def next_sentence_pairs(
    documents: Sequence[str], seed: int = 0
) -> tuple[list[str], list[str], list[int]]:
    """Pairs for the task of the next sentence: does the second text follow the first, or is it
    a random one? (Devlin et al. 2019, section 3.1.)

    Args:
        documents: of one text, in their order; three at least.
        seed: of the draws.

    Returns:
        The first texts, the second ones, and for each pair 1 if the second is a random other
        document and 0 if it is the next one. Either has the probability 1/2. The random one
        stands elsewhere in the list than the next one, though the same words may stand there.

    Raises:
        ValueError: the documents are one string, there are fewer than three, or the seed is
            below 0.
    """
    if isinstance(documents, str):
        raise ValueError("give a list of documents, not one string; its letters are none")
    generator = np.random.default_rng(check_seed(seed))
    firsts = np.arange(len(documents) - 1)
    seconds, is_random = _maybe_random(firsts, firsts + 1, len(documents), generator)
    return (
        list(documents[:-1]),
        [documents[k] for k in seconds],
        is_random.astype(int).tolist(),
    )


def _maybe_random(
    firsts: np.ndarray, seconds: np.ndarray, count: int, generator: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """(P,) places of the second documents, every other of them on average a random one that is
    neither the first nor the second of its pair; (P,) whether it is.
    """
    if count < 3:
        raise ValueError(
            f"there are {count} documents; a random one that is neither the first nor the next "
            "takes three at least"
        )
    is_random = generator.random(len(firsts)) < 0.5
    elsewhere = firsts >= count  # firsts that are no documents are not to be passed over
    drawn = generator.integers(count - 2 + elsewhere)
    drawn += drawn >= np.minimum(firsts, seconds)
    drawn += drawn >= np.maximum(firsts, seconds)
    return np.where(is_random, drawn, seconds), is_random


class MaskedPairs(Batches):
    """What BERT is pre-trained on: pairs of documents, of which some tokens are hidden.

    Every epoch has new pairs and hides other tokens: a document is the first or the second of
    about one pair in each. Pairs of about the same length share a batch, and all batches have
    about the same number of tokens. Of a pair that is too long the longer text loses its last
    tokens, until the pair fits.

    Args:
        documents: ids without marks, in the order of the text.
        tokenizer: whose ids they are.
        batch_tokens: about how many tokens a batch has, padding not counted.
        max_length: the longest row, marks included.
        seed: of pairs, order and hidden tokens.
        rate: the probability of a token to be asked for.
        whole_words: whether words are chosen, instead of tokens.
        pairs: False leaves each document alone, and every one is in each epoch.
        before: for documents that are not the whole text: what stands in front of each. The
            pairs are then of these and the documents, and every document is in each epoch.
        shares: as in `mask_tokens`. Where answers are counted and nothing is learnt, (1, 0, 0)
            hides all that is asked for.

    Raises:
        ValueError: there are too few documents (three, without pairs one), all are empty, one
            is no list of ids or has ids outside the vocabulary, `before` is of another length,
            a size is too small, or the rate or a share is no probability.
    """

    def __init__(
        self,
        documents: Sequence[Sequence[int]],
        tokenizer: "WordPieceTokenizer",
        batch_tokens: int,
        max_length: int,
        seed: int = 0,
        rate: float = 0.15,
        whole_words: bool = False,
        pairs: bool = True,
        before: Sequence[Sequence[int]] | None = None,
        shares: tuple[float, float, float] = _SHARES,
    ):
        check_sizes(batch_tokens=batch_tokens, max_length=max_length)
        if max_length < 5:
            raise ValueError(f"max_length is {max_length}; with the three marks 5 is the least")
        self.tokenizer, self.rate, self.seed = tokenizer, float(rate), check_seed(seed)
        self.batch_tokens, self.max_length = int(batch_tokens), int(max_length)
        self.whole_words, self.pairs, self.around = whole_words, pairs, before is not None
        self.shares = shares
        self.num_documents = len(documents)
        if len(documents) < (3 if pairs else 1):
            raise ValueError(f"there are {len(documents)} documents, which are too few")
        if not any(map(len, documents)):
            raise ValueError(f"all {len(documents)} documents are empty; give one with a token")
        if before is not None and (not pairs or len(before) != len(documents)):
            raise ValueError(
                f"there are {len(before)} texts before {len(documents)} documents; give one "
                "for each, and leave pairs=True"
            )
        texts = [whole_numbers(ids, k) for k, ids in enumerate([*documents, *(before or ())])]
        self.sizes = np.array([len(text) for text in texts])
        self.starts = np.cumsum(self.sizes) - self.sizes
        self.tokens = np.array([token for text in texts for token in text], np.int64)
        self._goes_on = torch.tensor(tokenizer.continues_word) if whole_words else None
        self._mask(torch.from_numpy(self.tokens[None]), torch.Generator())  # looks at the ids
        firsts, seconds = self._neighbours()
        lengths = self._lengths(firsts, seconds)
        self.num_cut = int((lengths.sum(axis=0) < self._wanted(firsts, seconds)).sum())
        """How many documents, or pairs of neighbours, are too long."""
        in_pairs = pairs and before is None
        self.num_rows: int = max(1, len(firsts) // 2) if in_pairs else len(firsts)
        total = float(lengths.sum(axis=0).mean() + self._num_marks) * self.num_rows
        self.num_batches: int = min(self.num_rows, max(1, round(total / self.batch_tokens)))

    def __len__(self) -> int:
        """The number of batches in an epoch."""
        return self.num_batches

    def epoch(self, number: int, start: int = 0) -> Iterator[MaskedBatch]:
        """The batches of an epoch, from batch `start` on."""
        generator = np.random.default_rng([self.seed, number])
        firsts, seconds = self._neighbours()
        if self.pairs and not self.around:
            begin = int(generator.integers(len(firsts) - 2 * (self.num_rows - 1)))
            firsts, seconds = (row[begin::2][: self.num_rows] for row in (firsts, seconds))
        is_random = np.full(len(firsts), IGNORED)
        if self.pairs:
            seconds, drawn = _maybe_random(firsts, seconds, self.num_documents, generator)
            is_random = drawn.astype(np.int64)
        lengths = self._lengths(firsts, seconds)  # (2, P)
        order = generator.permutation(len(firsts))
        order = order[np.argsort(lengths.sum(axis=0)[order], kind="stable")]
        edges = even_edges(lengths.sum(axis=0)[order] + self._num_marks, len(self))
        batches = np.split(order, edges)
        for place, batch in enumerate(generator.permutation(len(self))):
            if place >= start:
                rows = batches[batch]
                chance = torch.Generator().manual_seed(self._seed(number, place))
                yield self._batch(
                    firsts[rows], seconds[rows], lengths[:, rows], is_random[rows], chance
                )

    def describe(self) -> dict[str, int | str]:
        """The kind, the sizes, the seed, and a checksum of the documents."""
        return {
            "kind": "MaskedPairs",
            "batch_tokens": self.batch_tokens,
            "max_length": self.max_length,
            "seed": self.seed,
            "rate": str(self.rate),
            "shares": str(self.shares),
            "whole_words": str(self.whole_words),
            "pairs": str(self.pairs),
            "before": str(self.around),
            "documents": self.num_documents,
            "sizes": fingerprint(self.sizes, None)["crc32"],
            **fingerprint(self.tokens, None),
        }

    @property
    def _num_marks(self) -> int:
        return 3 if self.pairs else 2

    def _seed(self, number: int, place: int) -> int:
        return int(np.random.default_rng([self.seed, number, place]).integers(2**63))

    def _neighbours(self) -> tuple[np.ndarray, np.ndarray]:
        """(P,) and (P,) the places of all documents and of those that follow them. Alone, a
        document has itself as the second, of which nothing is taken.
        """
        places = np.arange(self.num_documents)
        if self.around:
            return places + self.num_documents, places
        return (places[:-1], places[1:]) if self.pairs else (places, places)

    def _wanted(self, firsts: np.ndarray, seconds: np.ndarray) -> np.ndarray:
        """(P,) the tokens of each pair before it is cut."""
        return np.asarray(self.sizes[firsts] + self.pairs * self.sizes[seconds])

    def _lengths(self, firsts: np.ndarray, seconds: np.ndarray) -> np.ndarray:
        """(2, P) how much of the first and of the second texts is taken."""
        room = self.max_length - self._num_marks
        first, second = self.sizes[firsts], self.sizes[seconds] * self.pairs
        left = np.minimum(first, np.maximum(-(-room // 2), room - second))
        return np.stack([left, np.minimum(second, room - left)])

    def _mask(self, ids: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        marks = self.tokenizer
        return mask_tokens(
            ids,
            generator,
            mask_id=marks.mask_id,
            vocab_size=marks.vocab_size,
            special_ids=marks.special_ids,
            rate=self.rate,
            continues_word=self._goes_on,
            shares=self.shares,
        )

    def _batch(
        self,
        firsts: np.ndarray,
        seconds: np.ndarray,
        lengths: np.ndarray,
        is_random: np.ndarray,
        generator: torch.Generator,
    ) -> MaskedBatch:
        """The rows of some pairs: where each token stands is computed for all at once."""
        first, second = lengths[0][:, None], lengths[1][:, None]  # (B, 1)
        last = first + second + 2 if self.pairs else first + 1  # (B, 1) the last [SEP]
        place = np.arange(int(last.max()) + 1)  # (T,)
        source = np.where(
            place <= first + 1,
            self.starts[firsts][:, None] + place - 1,
            self.starts[seconds][:, None] + place - first - 2,
        )  # (B, T)
        ids = self.tokens[np.clip(source, 0, len(self.tokens) - 1)]
        ids[:, 0] = self.tokenizer.cls_id
        ids[(place == first + 1) | (place == last)] = self.tokenizer.sep_id
        ids[place > last] = self.tokenizer.pad_id
        inputs, labels = self._mask(torch.from_numpy(ids), generator)
        return MaskedBatch(
            inputs,
            mask=torch.from_numpy(place <= last),
            segments=torch.from_numpy(((place > first + 1) & (place <= last)).astype(np.int64)),
            labels=labels,
            second_is_random=torch.from_numpy(is_random),
        )
