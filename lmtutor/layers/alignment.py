"""The attention of a decoder: how well each state of the source fits what is written now.

Sources: Bahdanau et al. 2015, "Neural Machine Translation by Jointly Learning to Align and
Translate" (additive); Luong et al. 2015, "Effective Approaches to Attention-based Neural
Machine Translation" (multiplicative: what the paper calls "general"; with W fixed to the
identity it would be "dot"). Left out: local attention, and coverage.

Letters in the shapes: B batch, T positions of the target, S positions of the source, H decoder
size, M size of a source state, A size of the layer that compares.
"""

from abc import ABC, abstractmethod

from torch import Tensor, nn

from lmtutor.layers.attention import check_mask, masked_softmax


class Alignment(nn.Module, ABC):
    """Weights over the source for each decoder state, and the mean of the source under them."""

    @abstractmethod
    def keys(self, memory: Tensor) -> Tensor:
        """(B, S, M) -> (B, S, A): what can be computed once for each source."""

    @abstractmethod
    def scores(self, queries: Tensor, keys: Tensor) -> Tensor:
        """(B, T, H), (B, S, A) -> (B, T, S): how well they fit; any number."""

    def forward(
        self, queries: Tensor, memory: Tensor, mask: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Look back at the source.

        Args:
            queries: (B, T, H), states of the decoder.
            memory: (B, S, M), states of the encoder.
            mask: (B, S), boolean, False at padding; None: all is there.

        Returns:
            (B, T, M) the contexts, and (B, T, S) the weights, which sum to one over S.

        Raises:
            ValueError: the batch sizes differ, the source is empty, or the mask is not boolean
                or of another shape.
        """
        return self.look(queries, memory, self.keys(memory), mask)

    def look(
        self, queries: Tensor, memory: Tensor, keys: Tensor, mask: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """`forward` with the keys of the memory at hand."""
        both = (queries.ndim, memory.ndim)
        if both != (3, 3) or len(queries) != len(memory) or not memory.shape[1]:
            raise ValueError(
                f"queries have shape {tuple(queries.shape)} and the memory "
                f"{tuple(memory.shape)}; give both three axes and the same batch size, "
                "and the memory one position at least"
            )
        if isinstance(mask, Tensor) and mask.shape != memory.shape[:2]:
            raise ValueError(
                f"the mask has shape {tuple(mask.shape)}, and the memory is "
                f"{tuple(memory.shape[:2])}; give one truth value for each position of it"
            )
        if mask is not None:
            check_mask(mask, tuple(memory.shape[:2]))
        weights = masked_softmax(  # (B, T, S)
            self.scores(queries, keys), None if mask is None else mask[:, None]
        )
        return weights @ memory, weights


class AdditiveAttention(Alignment):
    """A small network that compares: vᵀ tanh(W q + U h), Bahdanau et al. 2015.

    >>> import torch
    >>> layer = AdditiveAttention(query_size=8, memory_size=6, size=4)
    >>> contexts, weights = layer(torch.zeros(2, 3, 8), torch.zeros(2, 5, 6))
    >>> contexts.shape, weights.shape
    (torch.Size([2, 3, 6]), torch.Size([2, 3, 5]))

    Args:
        query_size: H
        memory_size: M
        size: A

    Raises:
        ValueError: a size is below 1.
    """

    def __init__(self, query_size: int, memory_size: int, size: int):
        super().__init__()
        _check_sizes(query_size=query_size, memory_size=memory_size, size=size)
        self.of_query = nn.Linear(query_size, size, bias=False)
        self.of_memory = nn.Linear(memory_size, size)
        self.of_both = nn.Linear(size, 1, bias=False)

    def keys(self, memory: Tensor) -> Tensor:
        """(B, S, M) -> (B, S, A)"""
        keys: Tensor = self.of_memory(memory)
        return keys

    def scores(self, queries: Tensor, keys: Tensor) -> Tensor:
        """(B, T, H), (B, S, A) -> (B, T, S)"""
        sums = self.of_query(queries)[:, :, None] + keys[:, None]  # (B, T, S, A)
        scores: Tensor = self.of_both(sums.tanh())[..., 0]
        return scores


class MultiplicativeAttention(Alignment):
    """A product that compares: qᵀ W h, Luong et al. 2015, "general".

    >>> import torch
    >>> layer = MultiplicativeAttention(query_size=8, memory_size=6)
    >>> contexts, weights = layer(torch.zeros(2, 3, 8), torch.zeros(2, 5, 6))
    >>> weights[0, 0]
    tensor([0.2000, 0.2000, 0.2000, 0.2000, 0.2000], grad_fn=<SelectBackward0>)

    Args:
        query_size: H
        memory_size: M

    Raises:
        ValueError: a size is below 1.
    """

    def __init__(self, query_size: int, memory_size: int):
        super().__init__()
        _check_sizes(query_size=query_size, memory_size=memory_size)
        self.of_memory = nn.Linear(memory_size, query_size, bias=False)

    def keys(self, memory: Tensor) -> Tensor:
        """(B, S, M) -> (B, S, H)"""
        keys: Tensor = self.of_memory(memory)
        return keys

    def scores(self, queries: Tensor, keys: Tensor) -> Tensor:
        """(B, T, H), (B, S, H) -> (B, T, S)"""
        return queries @ keys.mT


def _check_sizes(**sizes: int) -> None:
    for name, size in sizes.items():
        if size < 1:
            raise ValueError(f"{name} is {size}; the smallest is 1")
