"""What the transformers of the book share as language models: how they read on with a cache.

Left out: their layers, which each model builds for itself, to be read in one place.

Letters in the shapes: B batch, R texts, T positions, E hidden size, V vocabulary, L blocks,
H heads.
"""

from abc import abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from lmtutor.layers import KeyValueCache, MultiHeadAttention, TransformerBlock
from lmtutor.models.language_model import (
    Reader,
    check_batch_size,
    check_not_empty,
    check_rows,
    next_ids,
)
from lmtutor.models.neural import NeuralLanguageModel, normalized


class CausalTransformer(NeuralLanguageModel):
    """A stack of blocks that never look ahead, and a score for each token of the vocabulary.

    A model of this kind has `blocks`, whose attention tells the sizes of the cache, and
    `output`, from hidden states to logits.
    """

    blocks: nn.ModuleList
    output: nn.Module

    @abstractmethod
    def hidden_states(self, inputs: Tensor, cache: KeyValueCache | None = None) -> Tensor:
        """All but the scores.

        Args:
            inputs: (B, T) ids.
            cache: what has been read before; the keys and values of `inputs` are added to it,
                and the caller moves it on with `cache.advance`.

        Returns:
            (B, T, E)
        """

    def forward(self, inputs: Tensor) -> Tensor:
        """(B, T) ids -> (B, T, V) logits."""
        logits: Tensor = self.output(self.hidden_states(inputs))
        return logits

    def next_log_probs(self, ids: Tensor) -> Tensor:
        """(B, T) -> (B, V); only the last position is scored."""
        ids = self.check(ids)
        check_not_empty(ids)
        logits: Tensor = self.output(self.hidden_states(ids)[:, -1])
        return normalized(logits)

    def attention_weights(self, inputs: Tensor) -> Tensor:
        """(B, T) ids -> (L, B, H, T, T): how much each head of each of L blocks takes, at each
        position (second to last axis), from each position (last axis).
        """
        inputs = self.check(inputs)
        check_not_empty(inputs)
        found: list[Tensor] = []

        def look(attention: nn.Module, arguments: tuple[Tensor, ...]) -> None:
            assert isinstance(attention, MultiHeadAttention)
            found.append(attention.weights(arguments[0]))

        hooks = [
            block.attention.register_forward_pre_hook(look)  # type: ignore[union-attr]
            for block in self.blocks
        ]
        try:
            self.hidden_states(inputs)
        finally:
            for hook in hooks:
                hook.remove()
        return torch.stack(found)

    def new_cache(self, num_rows: int) -> KeyValueCache:
        """An empty cache for R texts, with room for the whole context."""
        assert self.context_length is not None
        block = self.blocks[0]
        assert isinstance(block, TransformerBlock)
        attention = block.attention
        return KeyValueCache(
            len(self.blocks),
            num_rows,
            attention.num_key_value_heads,
            self.context_length,
            attention.head_size,
            like=next(self.parameters()),
        )

    def cut_to_context(self, ids: list[int]) -> list[int]:
        """The ids without their beginning, if they are too many for the context: whole halves
        of that are left out, as by a reader that got them one by one.
        """
        assert self.context_length is not None
        half = max(1, self.context_length // 2)
        too_many = len(ids) - self.context_length
        return ids[-(-too_many // half) * half :] if too_many > 0 else ids

    def start_reading(self, batch_size: int) -> Reader:
        """A reader with a cache: it computes each token once, and no gradients.

        A text that fills the context goes on with its newer half, which is read anew from
        position 0 (of L tokens the last L - L // 2): so each token sees between half the
        context and all of it, as in the windows in which metrics score long texts.

        Raises:
            ValueError: batch_size is below 1.
        """
        return _CacheReader(self, batch_size)


class _CacheReader(Reader):
    def __init__(self, model: CausalTransformer, batch_size: int):
        check_batch_size(batch_size)
        self.model = model
        self.cache = model.new_cache(batch_size)
        self.windows: list[list[int]] = [[] for _ in range(batch_size)]  # what the cache holds

    def read(self, ids: Tensor, lengths: Sequence[int] | None = None) -> Tensor:
        new = next_ids(ids, lengths, len(self.windows), self.model.vocab_size)
        windows = [old + more for old, more in zip(self.windows, new, strict=True)]
        # What pads a short text stands behind its window, and needs room there as well.
        if max(self.cache.lengths) + max(map(len, new)) > self.cache.max_length:
            windows = new = [self.model.cut_to_context(window) for window in windows]
            self.cache.clear()
        log_probs = self._read(new)
        self.windows = windows
        return log_probs

    def select(self, rows: Tensor) -> None:
        check_rows(rows, len(self.windows))
        self.cache.select(rows)
        self.windows = [self.windows[row] for row in rows.tolist()]

    @torch.no_grad()  # what is kept is written over
    def _read(self, rows: list[list[int]]) -> Tensor:
        """R rows of ids -> (R, V)"""
        sizes = [len(row) for row in rows]
        padded = [row + [0] * (max(sizes) - len(row)) for row in rows]
        ids = torch.tensor(padded, device=self.cache.memory.device)
        hidden = self.model.hidden_states(ids, self.cache)  # (R, T, E)
        self.cache.advance(sizes)
        last = hidden[:, -1]  # (R, E)
        if min(sizes) < max(sizes):
            last = hidden[range(len(sizes)), [size - 1 for size in sizes]]
        logits: Tensor = self.model.output(last)
        return normalized(logits)


def check_sizes(**sizes: int) -> None:
    """Refuse sizes below 1, by name."""
    for name, size in sizes.items():
        if size < 1:
            raise ValueError(f"{name} is {size}; it must be at least 1")
