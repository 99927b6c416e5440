"""A classifier that knows which words and pairs of neighbours are in a text, and not where.

Source: Joulin et al. 2017, "Bag of Tricks for Efficient Text Classification": the mean of the
vectors, the linear layer, and bigrams that share rows of a table by a hash. The hash is that of
their program fastText, which feeds it hashes of words where ids stand here. Left out: the
hierarchical softmax for many classes, parts of words, and longer n-grams.

Letters in the shapes: B batch, T positions, E size of a vector, C classes.
"""

from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from lmtutor.models.text_classifier import TextClassifier, check_classifier_sizes

_FACTOR = 116_049_371  # a prime


@dataclass(frozen=True)
class FastTextClassifierConfig:
    """The sizes of a `FastTextClassifier`.

    Raises:
        ValueError: there are fewer than 2 classes, a size is below 1, num_buckets is below 0,
            or dropout is no share.
    """

    vocab_size: int
    num_labels: int
    embedding_size: int = 64
    num_buckets: int = 20_000
    """How many vectors the bigrams share; 0: no bigrams, a bag of words alone."""
    dropout: float = 0.0
    """The share of the numbers of the mean that is left out at random while training."""

    def __post_init__(self) -> None:
        check_classifier_sizes(
            self.num_labels,
            self.dropout,
            vocab_size=self.vocab_size,
            embedding_size=self.embedding_size,
        )
        if self.num_buckets < 0:
            raise ValueError(
                f"num_buckets is {self.num_buckets}; the smallest is 0, which is no bigrams"
            )


class FastTextClassifier(TextClassifier):
    """The mean of the vectors of a text's words and bigrams, and one linear layer.

    >>> import torch
    >>> model = FastTextClassifier(vocab_size=10, num_labels=2, embedding_size=8)
    >>> ids = torch.tensor([[5, 7, 2, 3], [6, 1, 0, 0]])
    >>> model(ids, mask=ids != 0).shape
    torch.Size([2, 2])
    """

    config_class = FastTextClassifierConfig
    config: FastTextClassifierConfig

    def __init__(self, config: FastTextClassifierConfig | None = None, **settings: Any):
        super().__init__(config, **settings)
        sizes = self.config
        self.embedding = nn.Embedding(sizes.vocab_size, sizes.embedding_size)
        self.bigrams = nn.Embedding(sizes.num_buckets, sizes.embedding_size)
        self.dropout = nn.Dropout(sizes.dropout)
        self.output = nn.Linear(sizes.embedding_size, sizes.num_labels)
        for table in (self.embedding, self.bigrams):
            nn.init.normal_(table.weight, std=0.1)

    def features(self, ids: Tensor, mask: Tensor | None = None) -> Tensor:
        """The mean of the vectors of all words and bigrams of a text; a text of one word has no
        bigram. What is padding changes nothing.

        Args:
            ids: (B, T), the padding behind the tokens.
            mask: (B, T), boolean, True where a token is and False at the padding; needed, as in
                `TextClassifier.features`.

        Returns:
            (B, E)

        Raises:
            ValueError: as `TextClassifier.features`.
        """
        ids, mask = self.check(ids, mask)
        total = (self.embedding(ids) * mask[:, :, None]).sum(dim=1)  # (B, E)
        count = mask.sum(dim=1, keepdim=True)  # (B, 1)
        if self.config.num_buckets:
            both = mask[:, 1:]  # (B, T - 1) padding comes last: the token before is there too
            pairs = self.bigrams(self.buckets(ids)) * both[:, :, None]
            total = total + pairs.sum(dim=1)
            count = count + both.sum(dim=1, keepdim=True)
        mean: Tensor = total / count
        return mean

    def buckets(self, ids: Tensor) -> Tensor:
        """(B, T) ids -> (B, T - 1), the row of the table for each two neighbours. Other
        pairs may have the same row.
        """
        return (ids[:, :-1] * _FACTOR + ids[:, 1:]) % self.config.num_buckets
