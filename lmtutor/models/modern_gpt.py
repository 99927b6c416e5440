"""A small GPT with what the field has learnt since GPT-2.

Sources, for what differs from GPT-2: Su et al. 2024, "RoFormer" (rotary positions); Zhang and
Sennrich 2019, "Root Mean Square Layer Normalization"; Henry et al. 2020, "Query-Key
Normalization for Transformers"; So et al. 2021, "Primer" (squared ReLU). No layer has biases,
and the last layer of each part begins at 0, so that the untrained stack passes its input on.
The book trains this model on its default text; `lmtutor.pretrained` has the result. Left out:
grouped queries and gates, which `llama.py` has.

Letters in the shapes: B batch, T positions, E hidden size, V vocabulary.
"""

from dataclasses import dataclass

from torch import Tensor, nn

from lmtutor.layers import (
    CausalSelfAttention,
    FeedForward,
    KeyValueCache,
    NormedCausalSelfAttention,
    PreNormBlock,
    RotaryPositions,
)
from lmtutor.models.causal_transformer import CausalTransformer, check_sizes
from lmtutor.models.neural_ngram import check_share


@dataclass(frozen=True)
class ModernGPTConfig:
    """The sizes of a `ModernGPT`."""

    vocab_size: int
    context_length: int = 256
    hidden_size: int = 256
    num_layers: int = 4
    num_heads: int = 4
    dropout: float = 0.0
    """The share of numbers left out at random while training: of the token vectors, and of
    what each part of a block gives."""
    bos_id: int = 0
    eos_id: int = 1

    def __post_init__(self) -> None:
        check_sizes(
            context_length=self.context_length,
            hidden_size=self.hidden_size,
            num_layers=self.num_layers,
            num_heads=self.num_heads,
        )
        check_share(self.dropout)


class ModernGPT(CausalTransformer):
    """Token vectors, pre-norm blocks, and scores with the same vectors.

    >>> import torch
    >>> model = ModernGPT(vocab_size=10, hidden_size=8, num_layers=2, num_heads=2)
    >>> model.log_probs(torch.tensor([[0, 4, 7]])).shape
    torch.Size([1, 3, 10])
    """

    config_class = ModernGPTConfig
    config: ModernGPTConfig

    def __init__(self, config: ModernGPTConfig | None = None, **settings: int | float):
        super().__init__(config, **settings)
        sizes = self.config
        self.context_length = sizes.context_length
        self.embedding = nn.Embedding(sizes.vocab_size, sizes.hidden_size)
        self.embedding_norm = self.make_norm()
        self.dropout = nn.Dropout(sizes.dropout)
        self.blocks = nn.ModuleList(self.make_block() for _ in range(sizes.num_layers))
        self.norm = self.make_norm()
        self.output = nn.Linear(sizes.hidden_size, sizes.vocab_size, bias=False)
        self.output.weight = self.embedding.weight
        nn.init.normal_(self.embedding.weight, std=0.02)

    def make_norm(self) -> nn.Module:
        """A norm of hidden states."""
        return nn.RMSNorm(self.config.hidden_size, eps=1e-6)

    def make_attention(self) -> CausalSelfAttention:
        """The first part of a block."""
        sizes = self.config
        rotary = RotaryPositions(sizes.hidden_size // sizes.num_heads)
        return NormedCausalSelfAttention(
            sizes.hidden_size, sizes.num_heads, bias=False, rotary=rotary
        )

    def make_feed_forward(self) -> FeedForward:
        """The second part of a block."""
        size = self.config.hidden_size
        return FeedForward(size, 4 * size, "relu_squared", bias=False)

    def make_block(self) -> PreNormBlock:
        """One block, which begins by passing its input on."""
        attention, feed_forward = self.make_attention(), self.make_feed_forward()
        for part in (attention, feed_forward):
            nn.init.zeros_(part.output.weight)
        norms = (self.make_norm(), self.make_norm())
        return PreNormBlock(attention, feed_forward, norms, self.config.dropout)

    def embed(self, inputs: Tensor, start: int | Tensor = 0) -> Tensor:
        """(B, T) ids from position `start` on -> (B, T, E)"""
        embedded: Tensor = self.embedding_norm(self.embedding(inputs))
        return embedded

    def hidden_states(self, inputs: Tensor, cache: KeyValueCache | None = None) -> Tensor:
        """(B, T) ids -> (B, T, E); see `CausalTransformer`."""
        hidden = self.embed(inputs, 0 if cache is None else cache.start)
        hidden = self.dropout(hidden) if self.training else hidden
        caches = [None] * len(self.blocks) if cache is None else cache.layers
        for block, layer_cache in zip(self.blocks, caches, strict=True):
            hidden = block(hidden, cache=layer_cache)
        normed: Tensor = self.norm(hidden)
        return normed
