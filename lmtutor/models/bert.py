"""BERT: a stack of transformer blocks that reads a text from both sides at once.

Source: Devlin et al. 2019, "BERT: Pre-training of Deep Bidirectional Transformers for Language
Understanding", section 3 (architecture and input), appendix A.2 (GELU). A BERT gives no
probability to a text, and so is no `LanguageModel`. Left out: dropout on the weights of
attention; what is predicted from the vectors, which `bert_heads.py` has.

Letters in the shapes: B batch, T positions, E hidden size, V vocabulary.
"""

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from lmtutor.layers import FeedForward, MultiHeadAttention, PostNormBlock
from lmtutor.models.causal_transformer import check_sizes
from lmtutor.models.language_model import check_ids
from lmtutor.models.neural_ngram import check_share
from lmtutor.models.stored import StoredModel


@dataclass(frozen=True)
class BertConfig:
    """The sizes of a `Bert`.

    Raises:
        ValueError: a size is below 1, num_heads does not divide hidden_size, dropout is no
            share, or norm_epsilon is below 0.
    """

    vocab_size: int
    context_length: int = 512
    hidden_size: int = 256
    num_layers: int = 4
    num_heads: int = 4
    inner_size: int | None = None
    """Of the feed-forward networks. None: 4 * hidden_size, as in all published sizes."""
    dropout: float = 0.0
    """The share of numbers left out at random while training: of the input vectors, and of what
    each part of a block gives."""
    num_segments: int = 2
    """How many parts of an input are told apart: the first and the second sentence."""
    norm_epsilon: float = 1e-12
    """What the norms add to the variance."""

    def __post_init__(self) -> None:
        check_sizes(
            vocab_size=self.vocab_size,
            context_length=self.context_length,
            hidden_size=self.hidden_size,
            num_layers=self.num_layers,
            num_heads=self.num_heads,
            inner_size=1 if self.inner_size is None else self.inner_size,
            num_segments=self.num_segments,
        )
        if self.hidden_size % self.num_heads:
            raise ValueError(
                f"hidden_size {self.hidden_size} does not divide into {self.num_heads} heads "
                "of equal size; num_heads must divide hidden_size"
            )
        check_share(self.dropout)
        if not 0 <= self.norm_epsilon < math.inf:
            raise ValueError(
                f"norm_epsilon is {self.norm_epsilon}; it is 0 or above, and finite"
            )


class Bert(StoredModel):
    """Vectors of tokens, positions and segments, a norm, and blocks that look both ways.

    >>> model = Bert(vocab_size=10, hidden_size=8, num_layers=2, num_heads=2)
    >>> ids = torch.tensor([[2, 5, 7, 3], [2, 6, 3, 0]])
    >>> model.encode(ids, mask=ids != 0).shape
    torch.Size([2, 4, 8])
    """

    config_class = BertConfig
    config: BertConfig

    def __init__(self, config: BertConfig | None = None, **settings: Any):
        super().__init__(config, **settings)
        sizes = self.config
        self.vocab_size, self.context_length = sizes.vocab_size, sizes.context_length
        self.embedding = nn.Embedding(sizes.vocab_size, sizes.hidden_size)
        self.positions = nn.Embedding(sizes.context_length, sizes.hidden_size)
        self.segments = nn.Embedding(sizes.num_segments, sizes.hidden_size)
        self.norm = self.make_norm()
        self.dropout = nn.Dropout(sizes.dropout)
        self.blocks = nn.ModuleList(self.make_block() for _ in range(sizes.num_layers))
        self.pooler = nn.Linear(sizes.hidden_size, sizes.hidden_size)
        self.apply(initialize_as_bert)

    def make_norm(self) -> nn.LayerNorm:
        """A norm of hidden states."""
        return nn.LayerNorm(self.config.hidden_size, eps=self.config.norm_epsilon)

    def make_block(self) -> PostNormBlock:
        """Attention to all tokens, then a feed-forward network, each with a norm after it."""
        sizes = self.config
        attention = MultiHeadAttention(sizes.hidden_size, sizes.num_heads)
        feed_forward = FeedForward(
            sizes.hidden_size, sizes.inner_size or 4 * sizes.hidden_size, "gelu"
        )
        norms = (self.make_norm(), self.make_norm())
        return PostNormBlock(attention, feed_forward, norms, sizes.dropout)

    def embed(self, ids: Tensor, segments: Tensor) -> Tensor:
        """(B, T), (B, T) -> (B, T, E): what goes into the first block."""
        places = torch.arange(ids.shape[1], device=ids.device)  # (T,)
        summed = self.embedding(ids) + self.positions(places) + self.segments(segments)
        embedded: Tensor = self.dropout(self.norm(summed))
        return embedded

    def encode(
        self, ids: Tensor, mask: Tensor | None = None, segments: Tensor | None = None
    ) -> Tensor:
        """One vector for each token, which depends on all tokens of its row.

        Args:
            ids: (B, T), with the marks: [CLS] first [SEP] second [SEP].
            mask: (B, T), boolean, True where a token is and False at the padding. It has to be
                given: a batch in which nobody thought of the padding looks right and is not.
            segments: (B, T), 0 for the first part and 1 for the second. None: 0 everywhere.

        Returns:
            (B, T, E). What stands at the padding has no meaning.

        Raises:
            ValueError: there is no mask, it is not boolean or of another shape or hides a whole
                row; an id or a segment is out of range or no whole number; there is no row; or
                the rows are empty or longer than the context.
        """
        ids, mask, segments = self.check(ids, mask, segments)
        where = None if bool(mask.all()) else mask[:, None, None, :]  # (B, 1, 1, T)
        hidden = self.embed(ids, segments)
        for block in self.blocks:
            hidden = block(hidden, where)
        return hidden

    def pool(self, hidden: Tensor) -> Tensor:
        """(B, T, E) -> (B, E): one vector for each row, made of that of its first token, and
        trained on what the row is to be used for.
        """
        pooled: Tensor = torch.tanh(self.pooler(hidden[:, 0]))
        return pooled

    def check(
        self, ids: Tensor, mask: Tensor | None, segments: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """The three on the model's device, or a ValueError that says what is wrong."""
        check_ids(ids, self.vocab_size)
        shape, device = tuple(ids.shape), self.embedding.weight.device
        if not shape[0]:
            raise ValueError(f"the ids have shape {shape}, without a row; give one at least")
        if not 1 <= shape[1] <= self.context_length:
            raise ValueError(
                f"the rows have {shape[1]} positions, marks included, and the model reads from "
                f"1 to {self.context_length}; cut them"
            )
        if mask is None:
            raise ValueError(
                "there is no mask, which says where the padding is; give mask=(ids != pad_id), "
                "or torch.ones_like(ids, dtype=torch.bool) where nothing is padded"
            )
        for name, given in {"mask": mask, "segments": segments}.items():
            if given is not None and not isinstance(given, Tensor):
                raise ValueError(f"{name} is a {type(given).__name__}; give a tensor {shape}")
        if mask.dtype != torch.bool or tuple(mask.shape) != shape:
            raise ValueError(
                f"mask is {mask.dtype} of shape {tuple(mask.shape)}, and the ids have shape "
                f"{shape}; give one truth value for each of them"
            )
        if not bool(mask.any(dim=1).all()):
            empty = int((~mask.any(dim=1)).nonzero()[0])
            raise ValueError(f"the mask hides all of row {empty}; a row has at least one token")
        segments = torch.zeros_like(ids) if segments is None else segments
        if tuple(segments.shape) != shape or segments.is_floating_point():
            raise ValueError(
                f"segments are {segments.dtype} of shape {tuple(segments.shape)}, and the ids "
                f"have shape {shape}; give one whole number for each of them"
            )
        lowest, highest = (int(value) for value in segments.aminmax())
        if lowest < 0 or highest >= self.config.num_segments:
            raise ValueError(
                f"segments go from {lowest} to {highest}, and the model tells "
                f"{self.config.num_segments} apart, from 0 on"
            )
        return ids.long().to(device), mask.to(device), segments.long().to(device)


def count_bert_parameters(config: BertConfig) -> int:
    """How many numbers a `Bert` of these sizes trains, pooler included and heads not, without
    building it.

    >>> base = BertConfig(30522, hidden_size=768, num_layers=12, num_heads=12)
    >>> count_bert_parameters(base)
    109482240
    """
    size, inner = config.hidden_size, config.inner_size or 4 * config.hidden_size
    rows = config.vocab_size + config.context_length + config.num_segments
    norm = 2 * size  # a factor and a shift for each number
    attention = 4 * (size * size + size)  # queries, keys, values, output; weights and biases
    feed_forward = (size * inner + inner) + (inner * size + size)
    block = attention + feed_forward + 2 * norm
    pooler = size * size + size
    return rows * size + norm + config.num_layers * block + pooler


def initialize_as_bert(module: nn.Module) -> None:
    """From a normal distribution of standard deviation 0.02, biases 0, as in BERT's code."""
    if isinstance(module, nn.Linear | nn.Embedding):
        nn.init.normal_(module.weight, std=0.02)
    if isinstance(module, nn.Linear):
        nn.init.zeros_(module.bias)
