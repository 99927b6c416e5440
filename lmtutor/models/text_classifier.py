"""What the classifiers of texts without attention share: the mask, the loss, the output.

Left out: classifiers that read pairs of texts; `BertForClassification` does.

Letters in the shapes: B batch, T positions, H features of a text, C classes.
"""

from abc import abstractmethod
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lmtutor.models.bert_heads import check_classes
from lmtutor.models.language_model import check_ids
from lmtutor.models.neural_ngram import check_share
from lmtutor.models.stored import StoredModel


class LabelledTexts(Protocol):
    """What a `TextClassifier` learns from, such as `lmtutor.data.LabelledBatch`."""

    @property
    def inputs(self) -> Tensor:
        """(B, T) ids."""

    @property
    def mask(self) -> Tensor:
        """(B, T) True where a token is, False at the padding."""

    @property
    def labels(self) -> Tensor:
        """(B,) the classes, from 0 to C - 1."""


class ClassifierConfig(Protocol):
    """What the configuration of every `TextClassifier` has."""

    @property
    def vocab_size(self) -> int:
        """V"""

    @property
    def num_labels(self) -> int:
        """C"""

    @property
    def dropout(self) -> float:
        """The share of the features that is left out at random while training."""


class TextClassifier(StoredModel):
    """Makes one vector of a text, its features, and classes of that with one linear layer.

    A subclass says in `features` how a text becomes a vector, and makes the two layers below.
    """

    config: ClassifierConfig
    dropout: nn.Dropout
    output: nn.Linear

    @property
    def vocab_size(self) -> int:
        """V"""
        return self.config.vocab_size

    @abstractmethod
    def features(self, ids: Tensor, mask: Tensor | None = None) -> Tensor:
        """One vector for each text. What stands in the padding changes nothing.

        Args:
            ids: (B, T), the padding behind the tokens.
            mask: (B, T), boolean, True where a token is and False at the padding. It has to be
                given: a batch in which nobody thought of the padding looks right and is not.

        Returns:
            (B, H)

        Raises:
            ValueError: there is no mask, it is not boolean or of another shape, hides a whole
                row or something before a token; or an id is outside the vocabulary.
        """

    def forward(self, ids: Tensor, mask: Tensor | None = None) -> Tensor:
        """(B, T), as in `features` -> (B, C) logits"""
        logits: Tensor = self.output(self.dropout(self.features(ids, mask)))
        return logits

    def loss(self, batch: LabelledTexts) -> Tensor:
        """The sum of -log P(label) over the rows, in nats; a scalar.

        Raises:
            ValueError: the labels are not one for each row, from 0 to C - 1; and as `features`.
        """
        logits = self(batch.inputs, batch.mask)
        labels = batch.labels.to(logits.device)
        check_classes(labels, len(logits), self.config.num_labels)
        return F.cross_entropy(logits, labels.long(), reduction="sum")

    def check(self, ids: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor]:
        """Both on the model's device, or a ValueError that says what is wrong."""
        check_ids(ids, self.vocab_size)
        if mask is None:
            raise ValueError(
                "there is no mask, which says where the padding is; give mask=(ids != pad_id), "
                "or torch.ones_like(ids, dtype=torch.bool) where nothing is padded"
            )
        if mask.dtype != torch.bool or mask.shape != ids.shape:
            raise ValueError(
                f"mask is {mask.dtype} of shape {tuple(mask.shape)}, and the ids have shape "
                f"{tuple(ids.shape)}; give one truth value for each of them"
            )
        empty = (~mask.any(dim=1)).nonzero().flatten().tolist()
        if empty:
            raise ValueError(f"row {empty[0]} has no token; a row has at least one")
        holes = (mask[:, 1:] & ~mask[:, :-1]).nonzero().tolist()  # padding before a token
        if holes:
            row, column = holes[0]
            raise ValueError(
                f"row {row} has padding at position {column} and a token behind it; put all "
                "padding at the end"
            )
        device = next(self.parameters()).device
        return ids.long().to(device), mask.to(device)


def check_classifier_sizes(num_labels: int, dropout: float, **sizes: int) -> None:
    """Refuse fewer than 2 classes, sizes below 1, and a share to drop that is none."""
    if num_labels < 2:
        raise ValueError(f"num_labels is {num_labels}; give 2 classes at least")
    if min(sizes.values()) < 1:
        named = ", ".join(f"{name}={size}" for name, size in sizes.items())
        raise ValueError(f"the sizes are {named}; the smallest is 1")
    check_share(dropout)
