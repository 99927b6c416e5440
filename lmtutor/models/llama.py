"""Llama: GPT-2's stack with rotary positions, root mean square norms, gates, shared keys and
values, and no biases.

Sources: Touvron et al. 2023, "LLaMA: Open and Efficient Foundation Language Models", section
2.2 (the three changes); Ainslie et al. 2023, "GQA" (heads that share keys and
values, in Llama from its second release on). The papers do not say how the first weights are
drawn; here they are GPT-2's. Left out: what stretches the positions beyond the length of the
training texts, as Llama 3.1 does.

Letters in the shapes: B batch, T positions, E hidden size, V vocabulary.
"""

import math
from dataclasses import asdict, dataclass
from typing import Any, Self

from torch import Tensor, nn

from lmtutor.layers import (
    CausalSelfAttention,
    KeyValueCache,
    PreNormBlock,
    RotaryPositions,
    SwiGLU,
)
from lmtutor.models.causal_transformer import CausalTransformer, check_sizes
from lmtutor.models.gpt import initialize_as_gpt2


@dataclass(frozen=True)
class LlamaVariant:
    """In what models of Llama's kind differ, besides their sizes.

    Raises:
        ValueError: rope_theta is not above 1, norm_epsilon is below 0, or one is not finite.
    """

    rope_theta: float = 10000.0
    """The base of the rotary positions; 10000 in Llama 1 and 2, 500000 in Llama 3."""
    norm_epsilon: float = 1e-5
    """What the norms add to the mean square; 1e-6 in Llama 1, 1e-5 since."""
    tied: bool = False
    """Whether tokens are scored with the vectors that stand for them in the input."""

    def __post_init__(self) -> None:
        if not 1 < self.rope_theta < math.inf or not 0 <= self.norm_epsilon < math.inf:
            raise ValueError(
                f"rope_theta is {self.rope_theta} (above 1) and norm_epsilon "
                f"{self.norm_epsilon} (at least 0); both are finite"
            )


@dataclass(frozen=True)
class LlamaConfig:
    """The sizes of a `Llama`.

    Raises:
        ValueError: a size is below 1, num_heads does not divide hidden_size,
            num_key_value_heads does not divide num_heads, or the size of a head is odd, so
            that its numbers do not go in pairs.
    """

    vocab_size: int
    context_length: int = 256
    hidden_size: int = 256
    num_layers: int = 4
    num_heads: int = 4
    num_key_value_heads: int | None = None
    """How many pairs of keys and values a position has. None: num_heads, nothing is shared."""
    inner_size: int | None = None
    """Of the feed-forward networks. None: 8/3 * hidden_size, rounded down, which with three
    matrices makes as many weights as two of 4 * hidden_size."""
    variant: LlamaVariant = LlamaVariant()
    bos_id: int = 0
    eos_id: int = 1

    def __post_init__(self) -> None:
        check_sizes(
            context_length=self.context_length,
            hidden_size=self.hidden_size,
            num_layers=self.num_layers,
            num_heads=self.num_heads,
            num_key_value_heads=self.groups,
            inner_size=self.gate_size,
        )
        if self.hidden_size % self.num_heads or self.hidden_size // self.num_heads % 2:
            raise ValueError(
                f"hidden_size {self.hidden_size} does not divide into {self.num_heads} heads "
                "of equal and even size; num_heads must divide half of hidden_size"
            )
        if self.num_heads % self.groups:
            raise ValueError(
                f"{self.num_heads} heads do not divide into {self.groups} groups of equal "
                "size; num_key_value_heads must divide num_heads"
            )

    @property
    def groups(self) -> int:
        """num_key_value_heads, also where it is not given."""
        return self.num_heads if self.num_key_value_heads is None else self.num_key_value_heads

    @property
    def head_size(self) -> int:
        """How many numbers a head has."""
        return self.hidden_size // self.num_heads

    @property
    def gate_size(self) -> int:
        """inner_size, also where it is not given."""
        return 8 * self.hidden_size // 3 if self.inner_size is None else self.inner_size

    @classmethod
    def make(
        cls, variant: LlamaVariant | dict[str, Any] | None = None, **settings: Any
    ) -> Self:
        """A configuration from the names of both, its own and those of `LlamaVariant`.

        >>> LlamaConfig.make(vocab_size=10, rope_theta=500000.0).variant.rope_theta
        500000.0
        """
        chosen = asdict(variant or LlamaVariant()) if not isinstance(variant, dict) else variant
        given = {name: settings.pop(name) for name in set(settings) & set(chosen)}
        return cls(variant=LlamaVariant(**{**chosen, **given}), **settings)


class Llama(CausalTransformer):
    """Token vectors, pre-norm blocks whose attention knows the positions, a last norm, and
    scores.

    The settings of `LlamaVariant` can be given beside those of `LlamaConfig`.

    >>> import torch
    >>> model = Llama(vocab_size=10, hidden_size=8, num_heads=4, num_key_value_heads=2)
    >>> model.log_probs(torch.tensor([[0, 4, 7]])).shape
    torch.Size([1, 3, 10])
    """

    config_class = LlamaConfig
    config: LlamaConfig

    def __init__(self, config: LlamaConfig | None = None, **settings: Any):
        if config is None:
            config, settings = LlamaConfig.make(**settings), {}
        super().__init__(config, **settings)
        sizes = self.config
        self.context_length = sizes.context_length
        self.embedding = nn.Embedding(sizes.vocab_size, sizes.hidden_size)
        self.blocks = nn.ModuleList(self.make_block() for _ in range(sizes.num_layers))
        self.norm = self.make_norm()
        self.output = nn.Linear(sizes.hidden_size, sizes.vocab_size, bias=False)
        if sizes.variant.tied:
            self.output.weight = self.embedding.weight
        initialize_as_gpt2(self)

    def make_norm(self) -> nn.Module:
        """A norm of hidden states."""
        return nn.RMSNorm(self.config.hidden_size, eps=self.config.variant.norm_epsilon)

    def make_block(self) -> PreNormBlock:
        """Attention, then a gated feed-forward network, each with a norm before it."""
        sizes = self.config
        rotary = RotaryPositions(sizes.head_size, sizes.variant.rope_theta)
        attention = CausalSelfAttention(
            sizes.hidden_size, sizes.num_heads, sizes.groups, bias=False, rotary=rotary
        )
        feed_forward = SwiGLU(sizes.hidden_size, sizes.gate_size)
        return PreNormBlock(attention, feed_forward, (self.make_norm(), self.make_norm()))

    def hidden_states(self, inputs: Tensor, cache: KeyValueCache | None = None) -> Tensor:
        """(B, T) ids -> (B, T, E); see `CausalTransformer`."""
        hidden = self.embedding(inputs)
        caches = [None] * len(self.blocks) if cache is None else cache.layers
        for block, layer_cache in zip(self.blocks, caches, strict=True):
            hidden = block(hidden, cache=layer_cache)
        normed: Tensor = self.norm(hidden)
        return normed


def count_llama_parameters(config: LlamaConfig) -> int:
    """How many numbers a `Llama` of these sizes trains, without building it.

    >>> sizes = {"vocab_size": 32000, "hidden_size": 4096, "num_layers": 32, "num_heads": 32}
    >>> count_llama_parameters(LlamaConfig(**sizes, inner_size=11008))  # Llama 2, "7B"
    6738415616
    """
    size = config.hidden_size
    tokens = config.vocab_size * size * (1 if config.variant.tied else 2)
    shared = config.head_size * config.groups  # numbers of all keys of a position
    attention = 2 * size * size + 2 * size * shared  # queries and output; keys and values
    feed_forward = 3 * size * config.gate_size
    block = 2 * size + attention + feed_forward
    return tokens + config.num_layers * block + size
