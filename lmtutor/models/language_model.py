"""The one contract that every language model of the book keeps, from the unigram to the
transformer.

Letters in the shapes: B batch, T positions, V vocabulary.
Left out: BERT and word vectors, which give no probability to the next token and so are no
    language models here.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager

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
        if ids.shape[1] == 0:
            raise ValueError("there is nothing to continue; put the begin mark in front")
        return self.log_probs(ids)[:, -1]


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
    wide = ids.long()
    wrong = ((wide < 0) | (wide >= vocab_size)).nonzero()
    if len(wrong):
        row, column = wrong[0].tolist()
        raise ValueError(
            f"id {int(ids[row, column])} at position {column} of row {row} is outside the "
            f"vocabulary of {vocab_size} ids; was the model made for another tokenizer?"
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


@contextmanager
def inference(model: LanguageModel) -> Iterator[None]:
    """No gradients, and a neural model out of training mode for as long as this lasts."""
    modules = list(model.modules()) if isinstance(model, nn.Module) else []
    were_training = [module.training for module in modules]
    for module in modules:
        module.training = False
    try:
        with torch.inference_mode():
            yield
    finally:
        for module, was_training in zip(modules, were_training, strict=True):
            module.training = was_training
