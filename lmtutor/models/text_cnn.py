"""A convolutional network that tells classes of texts apart.

Source: Kim 2014, "Convolutional Neural Networks for Sentence Classification", section 2 (one
layer of filters of several widths, the maximum over time, dropout). Left out: vectors that were
trained before and are kept as they are, a second channel of them, and the limit on the norm of
the output's weights.

Letters in the shapes: B batch, T positions, E size of a token's vector, F filters of one width,
W widths, C classes.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lmtutor.models.text_classifier import TextClassifier, check_classifier_sizes


@dataclass(frozen=True)
class TextCNNConfig:
    """The sizes of a `TextCNN`; those of the filters are the paper's.

    Raises:
        ValueError: there are fewer than 2 classes, a size is below 1, there are no widths or
            one twice, or dropout is no share.
    """

    vocab_size: int
    num_labels: int
    embedding_size: int = 128
    widths: tuple[int, ...] = (3, 4, 5)
    """How many tokens the filters see at a time."""
    num_filters: int = 100
    """Of each width."""
    dropout: float = 0.5
    """The share of the maxima that is left out at random while training."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "widths", tuple(self.widths))  # a file has a list
        check_classifier_sizes(
            self.num_labels,
            self.dropout,
            vocab_size=self.vocab_size,
            embedding_size=self.embedding_size,
            num_filters=self.num_filters,
        )
        if not self.widths or min(self.widths) < 1 or len({*self.widths}) < len(self.widths):
            raise ValueError(
                f"widths are {self.widths}; give at least one, each once, and none below 1"
            )


class TextCNN(TextClassifier):
    """Each filter looks for one pattern of a few tokens anywhere in a text, and reports how
    well its best place fits; one linear layer makes classes of these reports.

    >>> model = TextCNN(vocab_size=10, num_labels=2, embedding_size=8, num_filters=4)
    >>> ids = torch.tensor([[5, 7, 2, 3], [6, 1, 0, 0]])
    >>> model(ids, mask=ids != 0).shape
    torch.Size([2, 2])
    """

    config_class = TextCNNConfig
    config: TextCNNConfig

    def __init__(self, config: TextCNNConfig | None = None, **settings: Any):
        super().__init__(config, **settings)
        sizes = self.config
        self.embedding = nn.Embedding(sizes.vocab_size, sizes.embedding_size)
        self.convolutions = nn.ModuleList(
            nn.Conv1d(sizes.embedding_size, sizes.num_filters, width) for width in sizes.widths
        )
        self.dropout = nn.Dropout(sizes.dropout)
        self.output = nn.Linear(len(sizes.widths) * sizes.num_filters, sizes.num_labels)
        nn.init.normal_(self.embedding.weight, std=0.1)

    def features(self, ids: Tensor, mask: Tensor | None = None) -> Tensor:
        """The largest answer of each filter, after a ReLU.

        A filter sees only windows that lie inside a text. A text shorter than the filter gets
        vectors of zeros behind it until it is as long; what else is padding changes nothing.

        Args:
            ids: (B, T), the padding behind the tokens.
            mask: (B, T), boolean, True where a token is and False at the padding. It has to be
                given: a batch in which nobody thought of the padding looks right and is not.

        Returns:
            (B, W * F), 0 or above, filters of the first width first.

        Raises:
            ValueError: there is no mask, it is not boolean or of another shape, hides a whole
                row or something before a token; or an id is outside the vocabulary.
        """
        ids, mask = self.check(ids, mask)
        vectors = self.embedding(ids) * mask[:, :, None]  # (B, T, E)
        missing = max(self.config.widths) - ids.shape[1]
        vectors = F.pad(vectors.mT, (0, max(missing, 0)))  # (B, E, T or more)
        lengths = mask.sum(dim=1, keepdim=True)  # (B, 1)
        maxima = []
        for width, convolution in zip(self.config.widths, self.convolutions, strict=True):
            found = convolution(vectors).relu()  # (B, F, windows)
            starts = torch.arange(found.shape[2], device=ids.device)
            inside = starts < (lengths - width + 1).clamp_min(1)  # (B, windows)
            # 0 is never more than the largest of what is inside, as ReLU gives nothing below.
            maxima.append(found.where(inside[:, None, :], 0.0).amax(dim=2))
        return torch.cat(maxima, dim=1)
