"""An LSTM that reads a text from both sides and tells classes apart.

Source: Conneau et al. 2017, "Supervised Learning of Universal Sentence Representations from
Natural Language Inference Data": an LSTM in both directions and the maximum over time, the best
of the encoders compared there. A mean would let many indifferent words drown a decisive one,
and the last state alone would have to carry all of a text. Left out: attention over the
positions.

Letters in the shapes: B batch, T positions, H hidden size, D directions, C classes.
"""

import math
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from lmtutor.models.text_classifier import TextClassifier, check_classifier_sizes


@dataclass(frozen=True)
class LSTMClassifierConfig:
    """The sizes of an `LSTMClassifier`.

    Raises:
        ValueError: there are fewer than 2 classes, a size is below 1, or dropout is no share.
    """

    vocab_size: int
    num_labels: int
    embedding_size: int = 64
    hidden_size: int = 64
    """Of each direction."""
    num_layers: int = 1
    bidirectional: bool = True
    """Whether a second LSTM reads each text from its end."""
    dropout: float = 0.5
    """The share of numbers left out at random while training: of the token vectors, between the
    layers, and of the maxima."""

    def __post_init__(self) -> None:
        check_classifier_sizes(
            self.num_labels,
            self.dropout,
            vocab_size=self.vocab_size,
            embedding_size=self.embedding_size,
            hidden_size=self.hidden_size,
            num_layers=self.num_layers,
        )


class LSTMClassifier(TextClassifier):
    """An LSTM in both directions, the maximum over time, and one linear layer.

    >>> import torch
    >>> model = LSTMClassifier(vocab_size=10, num_labels=2, embedding_size=8, hidden_size=6)
    >>> ids = torch.tensor([[5, 7, 2, 3], [6, 1, 0, 0]])
    >>> model(ids, mask=ids != 0).shape
    torch.Size([2, 2])
    """

    config_class = LSTMClassifierConfig
    config: LSTMClassifierConfig

    def __init__(self, config: LSTMClassifierConfig | None = None, **settings: Any):
        super().__init__(config, **settings)
        sizes = self.config
        self.embedding = nn.Embedding(sizes.vocab_size, sizes.embedding_size)
        self.recurrent = nn.LSTM(
            sizes.embedding_size,
            sizes.hidden_size,
            num_layers=sizes.num_layers,
            batch_first=True,
            dropout=sizes.dropout if sizes.num_layers > 1 else 0.0,
            bidirectional=sizes.bidirectional,
        )
        self.dropout = nn.Dropout(sizes.dropout)
        directions = 2 if sizes.bidirectional else 1
        self.output = nn.Linear(directions * sizes.hidden_size, sizes.num_labels)
        nn.init.normal_(self.embedding.weight, std=0.1)

    def features(self, ids: Tensor, mask: Tensor | None = None) -> Tensor:
        """The largest value that each number of the hidden states has anywhere in a text.

        Each reader begins at its end of the text, not at the padding, which changes nothing.

        Args:
            ids: (B, T), the padding behind the tokens.
            mask: (B, T), boolean, True where a token is and False at the padding; needed, as in
                `TextClassifier.features`.

        Returns:
            (B, D * H), first those of the LSTM that reads from left to right.

        Raises:
            ValueError: as `TextClassifier.features`.
        """
        ids, mask = self.check(ids, mask)
        vectors = self.dropout(self.embedding(ids))
        lengths = mask.sum(dim=1).cpu()  # (B,)
        packed = pack_padded_sequence(vectors, lengths, batch_first=True, enforce_sorted=False)
        states, _ = self.recurrent(packed)
        hidden, _ = pad_packed_sequence(states, batch_first=True, total_length=ids.shape[1])
        return hidden.masked_fill(~mask[:, :, None], -math.inf).amax(dim=1)
