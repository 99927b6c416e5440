"""The first neural language model: a window of word vectors and one hidden layer.

Source: Bengio et al. 2003, "A Neural Probabilistic Language Model", section 2, equation 1.
Left out: the direct connections from the vectors to the output, with which the authors found
no better results in the end.
"""

from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional as F

from lmtutor.models.neural import NeuralLanguageModel


@dataclass(frozen=True)
class NeuralNgramConfig:
    """The sizes of a `NeuralNgram`."""

    vocab_size: int
    order: int = 4
    """n: the model looks at n - 1 tokens."""
    embedding_size: int = 64
    hidden_size: int = 128
    dropout: float = 0.0
    """The share of the hidden layer that is left out at random while training."""
    bos_id: int = 0
    eos_id: int = 1

    def __post_init__(self) -> None:
        if self.order < 2 or min(self.embedding_size, self.hidden_size) < 1:
            raise ValueError(
                f"order is {self.order} (at least 2), embedding_size {self.embedding_size} and "
                f"hidden_size {self.hidden_size} (at least 1)"
            )
        check_share(self.dropout)


class NeuralNgram(NeuralLanguageModel):
    """P(next | the last n - 1 tokens) = softmax(b + U tanh(d + H x)), x their vectors side by
    side (Bengio et al. 2003, equation 1, without W).

    Before the first token the window holds begin marks.

    >>> import torch
    >>> model = NeuralNgram(vocab_size=10, order=3)
    >>> model.log_probs(torch.tensor([[0, 4, 7]])).shape
    torch.Size([1, 3, 10])
    """

    config_class = NeuralNgramConfig
    config: NeuralNgramConfig

    def __init__(self, config: NeuralNgramConfig | None = None, **settings: int | float):
        super().__init__(config, **settings)
        sizes = self.config
        self.embedding = nn.Embedding(sizes.vocab_size, sizes.embedding_size)
        self.hidden = nn.Linear((sizes.order - 1) * sizes.embedding_size, sizes.hidden_size)
        self.dropout = nn.Dropout(sizes.dropout)
        self.output = nn.Linear(sizes.hidden_size, sizes.vocab_size)
        nn.init.normal_(self.embedding.weight, std=0.1)

    def forward(self, inputs: Tensor) -> Tensor:
        """(B, T) ids -> (B, T, V) logits."""
        back = self.config.order - 1
        padded = F.pad(inputs, (back - 1, 0), value=self.bos_id)  # (B, T + n - 2)
        windows = padded.unfold(1, back, 1)  # (B, T, n - 1)
        side_by_side = self.embedding(windows).flatten(2)  # (B, T, (n - 1) * E)
        logits: Tensor = self.output(self.dropout(self.hidden(side_by_side).tanh()))
        return logits

    def next_log_probs(self, ids: Tensor) -> Tensor:
        """(B, T) -> (B, V), from the last n - 1 ids alone."""
        return super().next_log_probs(
            ids[:, -(self.config.order - 1) :] if ids.ndim == 2 else ids
        )


def check_share(dropout: float) -> None:
    """Refuse a share to drop that is none."""
    if not 0 <= dropout < 1:
        raise ValueError(f"dropout is {dropout}; it must be from 0 to below 1")
