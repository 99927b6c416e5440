"""GPT-2: a stack of transformer blocks that reads text from left to right.

Sources: Radford et al. 2019, "Language Models are Unsupervised Multitask Learners", section 2.3
(norms, first weights, sizes); Radford et al. 2018, "Improving Language Understanding by
Generative Pre-Training" (learned positions, GELU, first weights). Scores are tied as in the
published weights. GPT-3 is the same but for its size and for attention that is sparse in every
other block (Brown et al. 2020, "Language Models are Few-Shot Learners", section 2.1). Left out:
that; dropout on the weights of attention.

Letters in the shapes: B batch, T positions, E hidden size, V vocabulary.
"""

import math
from dataclasses import dataclass

from torch import Tensor, nn

from lmtutor.layers import (
    CausalSelfAttention,
    FeedForward,
    KeyValueCache,
    LearnedPositions,
    PreNormBlock,
)
from lmtutor.models.causal_transformer import CausalTransformer, check_sizes
from lmtutor.models.neural_ngram import check_share


@dataclass(frozen=True)
class GPTConfig:
    """The sizes of a `GPT`.

    Raises:
        ValueError: a size is below 1, num_heads does not divide hidden_size, or dropout is no
            share.
    """

    vocab_size: int
    context_length: int = 256
    hidden_size: int = 256
    num_layers: int = 4
    num_heads: int = 4
    inner_size: int | None = None
    """Of the feed-forward networks. None: 4 * hidden_size, as in all published sizes."""
    dropout: float = 0.0
    """The share of numbers left out at random while training: of the token vectors, and of
    what each part of a block gives."""
    tied: bool = True
    """Whether tokens are scored with the vectors that stand for them in the input."""
    bos_id: int = 0
    eos_id: int = 1

    def __post_init__(self) -> None:
        check_sizes(
            context_length=self.context_length,
            hidden_size=self.hidden_size,
            num_layers=self.num_layers,
            num_heads=self.num_heads,
            inner_size=1 if self.inner_size is None else self.inner_size,
        )
        if self.hidden_size % self.num_heads:
            raise ValueError(
                f"hidden_size {self.hidden_size} does not divide into {self.num_heads} heads "
                "of equal size; num_heads must divide hidden_size"
            )
        check_share(self.dropout)


def _gpt2(hidden_size: int, num_layers: int, num_heads: int) -> GPTConfig:
    end = 50256  # GPT-2 has one mark, which stands before a text and after it
    return GPTConfig(50257, 1024, hidden_size, num_layers, num_heads, bos_id=end, eos_id=end)


GPT2_SIZES = {
    "small": _gpt2(768, num_layers=12, num_heads=12),
    "medium": _gpt2(1024, num_layers=24, num_heads=16),
    "large": _gpt2(1280, num_layers=36, num_heads=20),
    "xl": _gpt2(1600, num_layers=48, num_heads=25),
}
"""The four published sizes of GPT-2 (Radford et al. 2019, table 2; its counts of parameters are
wrong, see `count_gpt_parameters`). The numbers of heads are those of the released weights."""


class GPT(CausalTransformer):
    """Token vectors plus position vectors, pre-norm blocks, a last norm, and scores.

    >>> import torch
    >>> model = GPT(vocab_size=10, context_length=8, hidden_size=8, num_layers=2, num_heads=2)
    >>> model.log_probs(torch.tensor([[0, 4, 7]])).shape
    torch.Size([1, 3, 10])
    """

    config_class = GPTConfig
    config: GPTConfig

    def __init__(self, config: GPTConfig | None = None, **settings: int | float):
        super().__init__(config, **settings)
        sizes = self.config
        self.context_length = sizes.context_length
        self.embedding = nn.Embedding(sizes.vocab_size, sizes.hidden_size)
        self.positions = LearnedPositions(sizes.context_length, sizes.hidden_size)
        self.dropout = nn.Dropout(sizes.dropout)
        self.blocks = nn.ModuleList(self.make_block() for _ in range(sizes.num_layers))
        self.norm = nn.LayerNorm(sizes.hidden_size)
        self.output = nn.Linear(sizes.hidden_size, sizes.vocab_size, bias=False)
        if sizes.tied:
            self.output.weight = self.embedding.weight
        initialize_as_gpt2(self)

    def make_block(self) -> PreNormBlock:
        """Attention, then a feed-forward network, each with a norm before it."""
        sizes = self.config
        attention = CausalSelfAttention(sizes.hidden_size, sizes.num_heads)
        inner_size = sizes.inner_size or 4 * sizes.hidden_size
        feed_forward = FeedForward(sizes.hidden_size, inner_size, "gelu_tanh")
        return PreNormBlock(attention, feed_forward, dropout=sizes.dropout)

    def hidden_states(self, inputs: Tensor, cache: KeyValueCache | None = None) -> Tensor:
        """(B, T) ids -> (B, T, E); see `CausalTransformer`."""
        start = 0 if cache is None else cache.start
        hidden = self.positions(self.embedding(inputs), start)
        hidden = self.dropout(hidden) if self.training else hidden
        caches = [None] * len(self.blocks) if cache is None else cache.layers
        for block, layer_cache in zip(self.blocks, caches, strict=True):
            hidden = block(hidden, cache=layer_cache)
        normed: Tensor = self.norm(hidden)
        return normed


def initialize_as_gpt2(model: CausalTransformer) -> None:
    """Draw the first weights as GPT-2 does: from a normal distribution of standard deviation
    0.02, biases 0 (Radford et al. 2018).

    Each block adds to its input twice, so that N = 2 * num_layers numbers pile up on the way
    through the stack. The layers that give them begin smaller by 1 / √N (Radford et al. 2019,
    section 2.3).
    """
    for module in model.modules():
        if isinstance(module, nn.Linear | nn.Embedding):
            nn.init.normal_(module.weight, std=0.02)
        if isinstance(module, nn.Linear) and module.bias is not None:
            nn.init.zeros_(module.bias)
    for name, parameter in model.blocks.named_parameters():
        if name.endswith(".output.weight"):  # of attention and of the feed-forward network
            nn.init.normal_(parameter, std=0.02 / math.sqrt(2 * len(model.blocks)))


def count_gpt_parameters(config: GPTConfig) -> int:
    """How many numbers a `GPT` of these sizes trains, without building it.

    Radford et al. 2019 give 117 million for the smallest GPT-2 and 345 million for the next;
    both are counted wrong, as its authors say where they published the weights.

    >>> [round(count_gpt_parameters(sizes) / 1e6) for sizes in GPT2_SIZES.values()]
    [124, 355, 774, 1558]
    """
    size, inner = config.hidden_size, config.inner_size or 4 * config.hidden_size
    tokens = config.vocab_size * size * (1 if config.tied else 2)
    positions = config.context_length * size
    norm = 2 * size  # a factor and a shift for each number
    attention = 4 * (size * size + size)  # queries, keys, values, output; weights and biases
    feed_forward = (size * inner + inner) + (inner * size + size)
    block = 2 * norm + attention + feed_forward
    return tokens + positions + config.num_layers * block + norm
