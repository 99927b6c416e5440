"""The one contract that every language model of the book keeps, from the unigram to the
transformer.

Letters in the shapes: B batch, T positions, V vocabulary.
Left out: BERT and word vectors, which give no probability to the next token and so are no
    language models here.
"""

import operator
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor, nn


class LanguageModel(ABC):
    """Gives every next token a probability, from the tokens before it alone.

    Tokens are ids from 0 to `vocab_size` - 1. Log-probabilities are natural logarithms. A model
    is told nothing of the text before the first id it gets: it is the caller who puts the begin
    mark there.
    """

    vocab_size: int
    bos_id: int
    """The begin mark, which stands before the first token."""
    eos_id: int
    """The end mark, which is predicted after the last token."""
    context_length: int | None = None
    """The largest T that `log_probs` takes; None if there is no limit."""

    @abstractmethod
    def log_probs(self, ids: Tensor) -> Tensor:
        """(B, T) -> (B, T, V): row t holds log P(token t + 1 | tokens 0 ... t), and sums to one
        when exponentiated.

        Raises:
            ValueError: `ids` is not a matrix of whole numbers, or holds an id outside the
                vocabulary.
        """

    def token_log_probs(self, ids: Tensor) -> Tensor:
        """(B, T) -> (B, T): log P(token t | begin mark, tokens 0 ... t - 1), of the tokens that
        are there.
        """
        check_ids(ids, self.vocab_size)
        ids = ids.long()  # narrower ids could have no room for the mark
        begin = ids.new_full((ids.shape[0], 1), self.bos_id)
        before = torch.cat([begin, ids[:, :-1]], dim=1)[:, : ids.shape[1]]  # (B, T)
        return self.log_probs(before).gather(-1, ids[..., None]).squeeze(-1)

    def next_log_probs(self, ids: Tensor) -> Tensor:
        """(B, T) -> (B, V): the last row of `log_probs`, for those who generate.

        Raises:
            ValueError: T is 0, or as `log_probs`.
        """
        check_ids(ids, self.vocab_size)
        check_not_empty(ids)
        return self.log_probs(ids)[:, -1]

    def start_reading(self, batch_size: int) -> "Reader":
        """Nothing has been read of `batch_size` texts; what comes back reads them on.

        Raises:
            ValueError: batch_size is below 1.
        """
        return _Rereader(self, batch_size)


class Reader(ABC):
    """A batch of texts that a model reads on, token by token, and what it has kept of them.

    Letter in the shapes: R rows, one for each text.

    >>> reader = UniformModel(vocab_size=4).start_reading(batch_size=2)
    >>> reader.read(torch.tensor([[0, 2], [0, 3]])).shape
    torch.Size([2, 4])
    >>> reader.select(torch.tensor([1, 1, 0]))  # the second text goes on in two ways
    >>> reader.read(torch.tensor([[2], [3], [2]])).shape
    torch.Size([3, 4])
    """

    @abstractmethod
    def read(self, ids: Tensor, lengths: Sequence[int] | None = None) -> Tensor:
        """(R, T) the next tokens of every text, T from 1 up -> (R, V) log-probabilities of the
        token after the last.

        A model has no begin mark of its own: it is the first token to read. Gradients and
        dropout are as they are outside (see `inference`), but that readers with a cache compute
        no gradients.

        Args:
            ids: (R, T)
            lengths: how many tokens of each row are there, from 1 to T; what stands behind
                them is not read. None: all.

        Raises:
            ValueError: `ids` is not a matrix of whole numbers, has no column or not one row a
                text, holds an id outside the vocabulary, or the lengths do not fit. Nothing
                has been read then.
        """

    @abstractmethod
    def select(self, rows: Tensor) -> None:
        """Keep these texts alone, in this order; a row may come several times.

        Args:
            rows: (N,) whole numbers from 0 to R - 1. There are N rows from now on.

        Raises:
            ValueError: `rows` is no list of whole numbers, or holds one that is no row.
        """


class _Rereader(Reader):
    """Keeps the ids and reads them anew for each token: right for every model, and slow."""

    def __init__(self, model: LanguageModel, batch_size: int):
        check_batch_size(batch_size)
        self.model = model
        self.texts: list[list[int]] = [[] for _ in range(batch_size)]

    def read(self, ids: Tensor, lengths: Sequence[int] | None = None) -> Tensor:
        new = next_ids(ids, lengths, len(self.texts), self.model.vocab_size)
        texts = [old + more for old, more in zip(self.texts, new, strict=True)]
        if self.model.context_length is not None:
            texts = [text[-self.model.context_length :] for text in texts]
        sizes = [len(text) for text in texts]
        padded = torch.tensor([text + text[-1:] * (max(sizes) - len(text)) for text in texts])
        padded = padded.to(ids.device)
        if min(sizes) == max(sizes):
            log_probs = self.model.next_log_probs(padded)
        else:
            last = torch.tensor(sizes) - 1
            log_probs = self.model.log_probs(padded)[torch.arange(len(sizes)), last]
        self.texts = texts
        return log_probs

    def select(self, rows: Tensor) -> None:
        check_rows(rows, len(self.texts))
        self.texts = [self.texts[row] for row in rows.tolist()]


class MaskedModel(Protocol):
    """What fills gaps, such as `lmtutor.models.BertForPreTraining`. It reads what stands after
    a gap as well as what stands before it, and so is no language model.
    """

    @property
    def vocab_size(self) -> int:
        """V"""

    @property
    def context_length(self) -> int:
        """The largest T."""

    def masked_log_probs(
        self, ids: Tensor, mask: Tensor | None = None, segments: Tensor | None = None
    ) -> Tensor:
        """(B, T) -> (B, T, V): log-probabilities of the token at each position."""


class UniformModel(LanguageModel):
    """Knows nothing: every one of the V tokens is as likely as any other. Its perplexity is V.

    Raises:
        ValueError: `vocab_size` is too small for the two marks.

    >>> UniformModel(vocab_size=4).next_log_probs(torch.tensor([[2]])).exp()
    tensor([[0.2500, 0.2500, 0.2500, 0.2500]], dtype=torch.float64)
    """

    num_parameters = 0

    def __init__(self, vocab_size: int, bos_id: int = 0, eos_id: int = 1):
        check_marks(vocab_size, bos_id, eos_id)
        self.vocab_size, self.bos_id, self.eos_id = vocab_size, bos_id, eos_id

    def log_probs(self, ids: Tensor) -> Tensor:
        """(B, T) -> (B, T, V), every entry -log V."""
        check_ids(ids, self.vocab_size)
        row = torch.full((self.vocab_size,), 1 / self.vocab_size, dtype=torch.float64).log()
        return row.expand(*ids.shape, -1)


_ID_TYPES = (torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8)


def check_ids(ids: Tensor, vocab_size: int) -> None:
    """Refuse what is not a (B, T) tensor of ids from 0 to `vocab_size` - 1, naming the first
    offender.
    """
    if not isinstance(ids, Tensor) or ids.ndim != 2 or ids.dtype not in _ID_TYPES:
        is_tensor = isinstance(ids, Tensor)
        got = f"{ids.dtype} of shape {tuple(ids.shape)}" if is_tensor else type(ids).__name__
        raise ValueError(
            f"ids must be a tensor of whole numbers of shape (batch, length), but got {got}"
        )
    if not ids.numel():
        return
    lowest, highest = ids.aminmax()
    if int(lowest) < 0 or int(highest) >= vocab_size:
        wide = ids.long()
        wrong = ((wide < 0) | (wide >= vocab_size)).nonzero()
        row, column = wrong[0].tolist()
        raise ValueError(
            f"id {int(ids[row, column])} at position {column} of row {row} is outside the "
            f"vocabulary of {vocab_size} ids; was the model made for another tokenizer?"
        )


def check_not_empty(ids: Tensor) -> None:
    """Refuse (B, 0) ids where the next token is asked for."""
    if ids.shape[1] == 0:
        raise ValueError("there is nothing to continue; put the begin mark in front")


def check_batch_size(batch_size: int) -> None:
    """Refuse to read fewer than one text."""
    if batch_size < 1:
        raise ValueError(f"batch_size is {batch_size}; a reader has at least one text")


def next_ids(
    ids: Tensor, lengths: Sequence[int] | None, num_rows: int, vocab_size: int
) -> list[list[int]]:
    """What a reader of `num_rows` texts is to read, or a ValueError: see `Reader.read`."""
    check_ids(ids, vocab_size)
    if len(ids) != num_rows:
        raise ValueError(
            f"ids have {len(ids)} rows, and the reader {num_rows} texts; give one row a text"
        )
    check_not_empty(ids)
    rows: list[list[int]] = ids.tolist()
    if lengths is None:
        return rows
    sizes = [operator.index(length) for length in lengths]
    if len(sizes) != num_rows or not all(1 <= size <= ids.shape[1] for size in sizes):
        raise ValueError(
            f"lengths are {sizes} for ids of shape {tuple(ids.shape)}; give each of the "
            f"{num_rows} rows a length from 1 to {ids.shape[1]}"
        )
    return [row[:size] for row, size in zip(rows, sizes, strict=True)]


def check_rows(rows: Tensor, num_rows: int) -> None:
    """Refuse what cannot be selected from a reader of `num_rows` texts: see `Reader.select`."""
    if not isinstance(rows, Tensor) or rows.ndim != 1 or rows.dtype not in _ID_TYPES:
        is_tensor = isinstance(rows, Tensor)
        got = f"{rows.dtype} of shape {tuple(rows.shape)}" if is_tensor else type(rows).__name__
        raise ValueError(f"rows must be a tensor of whole numbers in one line, but got {got}")
    if not len(rows):
        raise ValueError(f"rows are none of the {num_rows} texts; keep at least one")
    wrong = ((rows < 0) | (rows >= num_rows)).nonzero()
    if len(wrong):
        raise ValueError(
            f"row {int(rows[wrong[0, 0]])} is none of the {num_rows} of the reader"
        )


def check_marks(vocab_size: int, bos_id: int, eos_id: int) -> None:
    """Refuse a vocabulary in which the two marks have no place."""
    if not (0 <= bos_id < vocab_size and 0 <= eos_id < vocab_size):
        raise ValueError(
            f"the begin mark {bos_id} and the end mark {eos_id} must be ids below vocab_size, "
            f"which is {vocab_size}"
        )


def windowed_rows(model: LanguageModel, ids: Tensor) -> Iterator[tuple[int, Tensor]]:
    """`log_probs` of one text of any length, a piece at a time.

    A text longer than the model's context is read in windows that overlap by half, and of each
    window but the first only the second half is kept.

    Args:
        model: any language model.
        ids: (1, T)

    Yields:
        Where the piece starts, and its rows, (length of the piece, V).
    """
    total, done = ids.shape[1], 0
    length = model.context_length or total
    while done < total:
        stop = min(total, length if done == 0 else done + max(1, length // 2))
        start = max(0, stop - length)
        yield done, model.log_probs(ids[:, start:stop])[0, done - start :]
        done = stop


class inference:
    """No gradients, and a neural model out of training mode for as long as this lasts.

    >>> with inference(UniformModel(vocab_size=4)):
    ...     torch.is_grad_enabled()
    False

    Args:
        model: any object; what is no network is left alone. An instance can be entered again
            and again, and so need not look for the parts of the model each time.
    """

    def __init__(self, model: object):
        self._modules = list(model.modules()) if isinstance(model, nn.Module) else []
        self._before: list[tuple[torch.inference_mode, list[nn.Module]]] = []

    def __enter__(self) -> None:
        training = [module for module in self._modules if module.training]
        for module in training:
            module.training = False
        mode = torch.inference_mode()
        mode.__enter__()
        self._before.append((mode, training))

    def __exit__(self, *error: Any) -> None:
        mode, training = self._before.pop()
        mode.__exit__(*error)
        for module in training:
            module.training = True
