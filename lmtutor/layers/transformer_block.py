"""One block of a transformer: attention, then a feed-forward network, each added to its input.

Sources: Vaswani et al. 2017, "Attention Is All You Need", sections 3.1 and 5.4 (norm after the
sum); Xiong et al. 2020, "On Layer Normalization in the Transformer Architecture" (norm before,
and the comparison of the two). Left out: attention to a memory between the two parts, as in the
decoder of Vaswani et al.

Letters in the shapes: B batch, H heads, T positions, E hidden size.
"""

from abc import ABC, abstractmethod

from torch import Tensor, nn

from lmtutor.layers.feed_forward import FeedForward, SwiGLU
from lmtutor.layers.key_value_cache import LayerCache
from lmtutor.layers.multi_head_attention import MultiHeadAttention


class TransformerBlock(nn.Module, ABC):
    """What the blocks share: their parts. They differ in where the norms stand.

    Args:
        attention: mixes the positions.
        feed_forward: works on each position by itself; its hidden size is that of attention.
        norms: of attention and of feed_forward. None: two `nn.LayerNorm`, which compute what
            `LayerNorm` shows.
        dropout: share of the numbers of each part's output that are set to 0 in training.

    Raises:
        ValueError: the hidden sizes differ, or dropout is not in [0, 1).
    """

    def __init__(
        self,
        attention: MultiHeadAttention,
        feed_forward: FeedForward | SwiGLU,
        norms: tuple[nn.Module, nn.Module] | None = None,
        dropout: float = 0.0,
    ):
        super().__init__()
        size = attention.hidden_size
        if feed_forward.hidden_size != size:
            raise ValueError(
                f"attention has hidden_size {size} and feed_forward "
                f"{feed_forward.hidden_size}; build both for the same"
            )
        if not 0 <= dropout < 1:
            raise ValueError(f"dropout is {dropout}; it must be at least 0 and below 1")
        self.attention, self.feed_forward = attention, feed_forward
        norms = (nn.LayerNorm(size), nn.LayerNorm(size)) if norms is None else norms
        self.attention_norm, self.feed_forward_norm = norms
        self.dropout = nn.Dropout(dropout)

    @abstractmethod
    def forward(
        self, hidden: Tensor, mask: Tensor | None = None, cache: LayerCache | None = None
    ) -> Tensor:
        """(B, T, E) -> (B, T, E); mask and cache are those of `MultiHeadAttention`."""

    def _dropped(self, part: Tensor) -> Tensor:
        """Dropout in training; out of it nothing is called, which counts when one token at a
        time is read.
        """
        return self.dropout(part) if self.training else part


class PreNormBlock(TransformerBlock):
    """Normalizes what each part reads; what it gives is added to a sum that is never normalized
    itself, so that a last norm belongs after the last block. GPT-2 and Llama.

    >>> import torch
    >>> block = PreNormBlock(MultiHeadAttention(8, num_heads=2), FeedForward(8, 32))
    >>> block(torch.zeros(3, 5, 8)).shape
    torch.Size([3, 5, 8])
    """

    def forward(
        self, hidden: Tensor, mask: Tensor | None = None, cache: LayerCache | None = None
    ) -> Tensor:
        """(B, T, E) -> (B, T, E); mask and cache are those of `MultiHeadAttention`."""
        mixed = self.attention(self.attention_norm(hidden), mask, cache)
        hidden = hidden + self._dropped(mixed)
        inner = self.feed_forward(self.feed_forward_norm(hidden))
        return hidden + self._dropped(inner)


class PostNormBlock(TransformerBlock):
    """Normalizes each sum; what comes out of the block is normalized. The transformer of
    Vaswani et al. 2017, and BERT.

    >>> import torch
    >>> block = PostNormBlock(MultiHeadAttention(8, num_heads=2), FeedForward(8, 32))
    >>> block(torch.zeros(3, 5, 8)).shape
    torch.Size([3, 5, 8])
    """

    def forward(
        self, hidden: Tensor, mask: Tensor | None = None, cache: LayerCache | None = None
    ) -> Tensor:
        """(B, T, E) -> (B, T, E); mask and cache are those of `MultiHeadAttention`."""
        mixed = self.attention(hidden, mask, cache)
        hidden = self.attention_norm(hidden + self._dropped(mixed))
        inner = self.feed_forward(hidden)
        output: Tensor = self.feed_forward_norm(hidden + self._dropped(inner))
        return output
