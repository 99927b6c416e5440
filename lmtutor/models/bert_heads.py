"""What a BERT is trained on, and what for: masked tokens, pairs of sentences, classes.

Source: Devlin et al. 2019, "BERT: Pre-training of Deep Bidirectional Transformers for Language
Understanding", section 3.1 (masked words and next sentences), section 3.2 (fine-tuning),
appendix A.2 (the loss is the sum of two means). Left out: heads for spans of an answer and for
labels of single tokens.

Letters in the shapes: B batch, T positions, E hidden size, V vocabulary, C classes.
"""

from dataclasses import dataclass
from typing import Any, Protocol, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lmtutor.files import PathLike
from lmtutor.models.bert import Bert, BertConfig, initialize_as_bert
from lmtutor.models.language_model import check_ids
from lmtutor.models.neural_ngram import check_share
from lmtutor.models.stored import StoredModel, check_no_lora

MASKED_HEAD, NEXT_HEAD = "masked-LM head", "next-sentence head"


class EncoderInput(Protocol):
    """What an encoder reads."""

    @property
    def inputs(self) -> Tensor:
        """(B, T) ids."""

    @property
    def mask(self) -> Tensor:
        """(B, T) True where a token is, False at the padding."""

    @property
    def segments(self) -> Tensor:
        """(B, T) 0 in the first part of the input, 1 in the second."""


class PretrainingInput(EncoderInput, Protocol):
    """What `BertForPreTraining` learns from."""

    @property
    def labels(self) -> Tensor:
        """(B, T) the tokens to be found again; -100 where nothing is asked."""

    @property
    def second_is_random(self) -> Tensor:
        """(B,) 0 where the second sentence follows the first, 1 where it is a random one, -100
        where there is none."""

    @property
    def num_targets(self) -> int:
        """How many tokens are to be found again."""


class LabelledInput(EncoderInput, Protocol):
    """What `BertForClassification` learns from."""

    @property
    def labels(self) -> Tensor:
        """(B,) the classes, from 0 to C - 1."""


class BertForPreTraining(StoredModel):
    """A `Bert` that finds masked tokens again, and says whether a second sentence follows.

    >>> import torch
    >>> model = BertForPreTraining(vocab_size=10, hidden_size=8, num_layers=2, num_heads=2)
    >>> ids = torch.tensor([[2, 5, 4, 3]])
    >>> words, pairs = model(ids, torch.ones_like(ids, dtype=torch.bool))
    >>> words.shape, pairs.shape
    (torch.Size([1, 4, 10]), torch.Size([1, 2]))
    """

    config_class = BertConfig
    config: BertConfig

    def __init__(self, config: BertConfig | None = None, **settings: Any):
        super().__init__(config, **settings)
        sizes = self.config
        self.bert = Bert(sizes)
        self.transform = nn.Linear(sizes.hidden_size, sizes.hidden_size)
        self.transform_norm = self.bert.make_norm()
        self.output = nn.Linear(sizes.hidden_size, sizes.vocab_size)
        self.next_sentence = nn.Linear(sizes.hidden_size, 2)
        for layer in (self.transform, self.output, self.next_sentence):
            initialize_as_bert(layer)
        self.output.weight = self.bert.embedding.weight
        self.untrained: frozenset[str] = frozenset()
        """Heads with random weights, because no file had others. Who trains them sets this to
        what is left."""

    @property
    def blocks(self) -> nn.ModuleList:
        """Those of the encoder."""
        return self.bert.blocks

    @property
    def vocab_size(self) -> int:
        """V"""
        return self.config.vocab_size

    @property
    def context_length(self) -> int:
        """The largest T."""
        return self.config.context_length

    def encode(
        self, ids: Tensor, mask: Tensor | None = None, segments: Tensor | None = None
    ) -> Tensor:
        """(B, T), as in `Bert.encode` -> (B, T, E)"""
        return self.bert.encode(ids, mask, segments)

    def forward(
        self, ids: Tensor, mask: Tensor | None = None, segments: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Both heads.

        Args:
            ids: (B, T), and the others as in `Bert.encode`.
            mask: (B, T)
            segments: (B, T)

        Returns:
            (B, T, V) logits of the token that stands at each position, and (B, 2) logits of
            "the second sentence follows the first" and "it was drawn at random".
        """
        hidden = self.encode(ids, mask, segments)
        return self._words(hidden), self._pairs(hidden)

    def losses(self, batch: PretrainingInput) -> tuple[Tensor, Tensor]:
        """The mean over the masked tokens, and the mean over the pairs, of -log P of what is
        true, in nats; two scalars. The second is 0 where no row has a second sentence.

        Raises:
            ValueError: no token is asked for, a label is outside the vocabulary, at the padding
                or of another shape than the ids, or `second_is_random` is not one number, 0 or
                1, for each row; and as `Bert.encode`.
        """
        hidden = self.encode(batch.inputs, batch.mask, batch.segments)
        labels = batch.labels.to(hidden.device)
        if labels.shape != batch.inputs.shape:
            raise ValueError(
                f"labels have shape {tuple(labels.shape)} and inputs "
                f"{tuple(batch.inputs.shape)}; each input has one label, -100 for none"
            )
        asked = labels != -100
        if not bool(asked.any()):
            raise ValueError("no token of the batch is masked: every label is -100")
        check_ids(labels.where(asked, 0), self.vocab_size)
        behind = (asked & ~batch.mask.to(hidden.device)).nonzero().tolist()
        if behind:
            raise ValueError(
                f"the label at position {behind[0][1]} of row {behind[0][0]} stands at "
                "padding, where the mask says that there is no token; give -100 there"
            )
        random = batch.second_is_random.to(hidden.device)
        known = random != -100
        check_classes(random.where(known, 0), len(hidden), 2)
        masked = F.cross_entropy(self._words(hidden[asked]), labels[asked].long())
        pairs = F.cross_entropy(self._pairs(hidden), random.long(), reduction="sum")
        return masked, pairs / known.sum().clamp_min(1)

    def loss(self, batch: PretrainingInput) -> Tensor:
        """The sum of the two means of `losses`, times the number of masked tokens, as a
        training divides by that; a scalar. 0 where no token is masked, which may happen to the
        part of a batch that one of several processes has. With several, the pairs of each count
        as much as it has masked tokens.

        Raises:
            ValueError: as `losses`, but for that.
        """
        if not batch.num_targets:
            logits = self(batch.inputs, batch.mask, batch.segments)
            return torch.stack([part.sum() for part in logits]).sum() * 0
        masked, pairs = self.losses(batch)
        return batch.num_targets * (masked + pairs)

    def masked_log_probs(
        self, ids: Tensor, mask: Tensor | None = None, segments: Tensor | None = None
    ) -> Tensor:
        """(B, T), as in `Bert.encode` -> (B, T, V) log-probabilities of the token that stands
        at each position. It sees that token, unless the ids have the mask there.

        Raises:
            ValueError: nobody has trained this head.
        """
        self._check_trained(MASKED_HEAD)
        return self._words(self.encode(ids, mask, segments)).log_softmax(dim=-1)

    def pair_log_probs(
        self, ids: Tensor, mask: Tensor | None = None, segments: Tensor | None = None
    ) -> Tensor:
        """(B, T), as in `Bert.encode` -> (B, 2) log-probabilities: the second sentence follows
        the first, or is a random one.

        Raises:
            ValueError: nobody has trained this head.
        """
        self._check_trained(NEXT_HEAD)
        return self._pairs(self.encode(ids, mask, segments)).log_softmax(dim=-1)

    def save(self, path: PathLike, dtype: torch.dtype | None = None) -> None:
        """As `StoredModel.save`.

        Raises:
            ValueError: nobody has trained a head, which the file could not say; or as there.
        """
        if self.untrained:
            raise ValueError(
                f"nobody has trained the {' and the '.join(sorted(self.untrained))}, and the "
                "file could not say so; save the encoder alone, model.bert.save(path), or "
                "train them first and then set model.untrained = frozenset()"
            )
        super().save(path, dtype)

    def _words(self, hidden: Tensor) -> Tensor:
        """(..., E) -> (..., V)"""
        logits: Tensor = self.output(self.transform_norm(F.gelu(self.transform(hidden))))
        return logits

    def _pairs(self, hidden: Tensor) -> Tensor:
        """(B, T, E) -> (B, 2)"""
        logits: Tensor = self.next_sentence(self.bert.pool(hidden))
        return logits

    def _check_trained(self, head: str) -> None:
        if head in self.untrained:
            raise ValueError(
                f"the {head} of this model is new: no file had its weights, and what it says "
                "is random. Train it first, and then set model.untrained = frozenset()"
            )


@dataclass(frozen=True)
class BertForClassificationConfig:
    """The sizes of a `BertForClassification`.

    Raises:
        ValueError: there are fewer than 2 classes, or dropout is no share.
    """

    num_labels: int
    encoder: BertConfig
    dropout: float = 0.1
    """Of the pooled vector, while training."""

    def __post_init__(self) -> None:
        if isinstance(self.encoder, dict):  # as it comes from a file
            object.__setattr__(self, "encoder", BertConfig(**self.encoder))
        if self.num_labels < 2:
            raise ValueError(f"num_labels is {self.num_labels}; give 2 classes at least")
        check_share(self.dropout)


class BertForClassification(StoredModel):
    """A `Bert` with one linear layer on top, which tells C classes of rows apart.

    The settings of the encoder can be given beside `num_labels`.

    >>> import torch
    >>> model = BertForClassification(num_labels=3, vocab_size=10, hidden_size=8)
    >>> ids = torch.tensor([[2, 5, 4, 3]])
    >>> model(ids, torch.ones_like(ids, dtype=torch.bool)).shape
    torch.Size([1, 3])
    """

    config_class = BertForClassificationConfig
    config: BertForClassificationConfig

    def __init__(self, config: BertForClassificationConfig | None = None, **settings: Any):
        if config is None and "encoder" not in settings:
            own = {name: settings.pop(name) for name in ("num_labels",) if name in settings}
            config = BertForClassificationConfig(encoder=BertConfig(**settings), **own)
            settings = {}
        super().__init__(config, **settings)
        self.bert = Bert(self.config.encoder)
        self.dropout = nn.Dropout(self.config.dropout)
        self.output = nn.Linear(self.config.encoder.hidden_size, self.config.num_labels)
        initialize_as_bert(self.output)

    @classmethod
    def from_encoder(
        cls, encoder: Bert | BertForPreTraining, num_labels: int, dropout: float = 0.1
    ) -> Self:
        """A classifier on a trained encoder, with a copy of its weights. The layer on top is
        new and random, drawn from PyTorch's random numbers.

        Args:
            encoder: such as `load_minilm().model`; the heads of pre-training are left behind.
            num_labels: C
            dropout: of the pooled vector, while training.

        Raises:
            ValueError: the encoder has low-rank parts that are not merged, there are fewer than
                2 classes, or dropout is no share.

        >>> import torch
        >>> encoder = Bert(vocab_size=10, hidden_size=8)
        >>> model = BertForClassification.from_encoder(encoder, num_labels=3)
        >>> torch.equal(model.bert.embedding.weight, encoder.embedding.weight)
        True
        """
        if isinstance(encoder, BertForPreTraining):
            encoder = encoder.bert
        check_no_lora(encoder)
        with torch.random.fork_rng():  # of the encoder's weights, which are overwritten
            model = cls(BertForClassificationConfig(num_labels, encoder.config, dropout))
        model.to(next(encoder.parameters())).bert.load_state_dict(encoder.state_dict())
        initialize_as_bert(model.output)
        return model

    @property
    def blocks(self) -> nn.ModuleList:
        """Those of the encoder."""
        return self.bert.blocks

    @property
    def vocab_size(self) -> int:
        """V"""
        return self.config.encoder.vocab_size

    def forward(
        self, ids: Tensor, mask: Tensor | None = None, segments: Tensor | None = None
    ) -> Tensor:
        """(B, T), as in `Bert.encode` -> (B, C) logits"""
        pooled = self.bert.pool(self.bert.encode(ids, mask, segments))
        logits: Tensor = self.output(self.dropout(pooled))
        return logits

    def loss(self, batch: LabelledInput) -> Tensor:
        """The sum of -log P(label) over the rows, in nats; a scalar.

        Raises:
            ValueError: the labels are not one for each row, from 0 to C - 1; and as
                `Bert.encode`.
        """
        logits = self(batch.inputs, batch.mask, batch.segments)
        labels = batch.labels.to(logits.device)
        check_classes(labels, len(logits), self.config.num_labels)
        return F.cross_entropy(logits, labels.long(), reduction="sum")


def check_classes(classes: Tensor, num_rows: int, num_classes: int) -> None:
    """Refuse what is not one class for each row, from 0 to `num_classes` - 1."""
    if tuple(classes.shape) != (num_rows,) or classes.is_floating_point():
        raise ValueError(
            f"the classes are {classes.dtype} of shape {tuple(classes.shape)}; give one whole "
            f"number for each of the {num_rows} rows"
        )
    wrong = ((classes < 0) | (classes >= num_classes)).nonzero().flatten().tolist()
    if wrong:
        raise ValueError(
            f"row {wrong[0]} has class {int(classes[wrong[0]])}; with {num_classes} classes "
            f"they go from 0 to {num_classes - 1}"
        )
