"""What a trained classifier says of each text.

Letters in the shapes: B rows of a batch, N texts in all, C classes.
"""

import numpy as np
import torch
from torch import Tensor, nn

from lmtutor.data.labelled_batches import LabelledBatch, LabelledBatches
from lmtutor.models.bert_heads import BertForClassification
from lmtutor.models.language_model import inference


def class_probabilities(model: nn.Module, batches: LabelledBatches) -> Tensor:
    """P(class | text) of every text, with nothing random inside the model.

    The model is left in the mode, training or not, in which it was, and the caller's random
    numbers as they were.

    Args:
        model: a `BertForClassification`, or another classifier whose `model(inputs, mask)`
            gives (B, C) logits.
        batches: the texts; what is padding and which texts share a batch change nothing.

    Returns:
        (N, C), rows in the order in which the texts were given, on the CPU.

    Raises:
        ValueError: the model has another number of classes or of ids than the batches were made
            for, or gives a text logits that are no numbers.

    >>> from lmtutor.data import LabelledBatches
    >>> from lmtutor.models import TextCNN
    >>> from lmtutor.tokenizers import WordTokenizer
    >>> texts = ["a good film", "bad"]
    >>> tokenizer = WordTokenizer().fit(texts)
    >>> batches = LabelledBatches(texts, [1, 0], tokenizer, vocab_size=7, num_labels=2)
    >>> probabilities = class_probabilities(TextCNN(vocab_size=7, num_labels=2), batches)
    >>> probabilities.shape, bool(probabilities.sum(dim=1).allclose(torch.ones(2)))
    (torch.Size([2, 2]), True)
    """
    own = getattr(model, "vocab_size", batches.vocab_size)
    if own != batches.vocab_size:
        raise ValueError(
            f"the batches were made for a model of {batches.vocab_size} ids, and this one has "
            f"{own}; make them with vocab_size=model.vocab_size"
        )
    numbers, parts = [], []
    with inference(model):
        for rows, batch in batches.in_order():
            logits = _logits(model, batch)
            _check(logits, rows, batches.num_labels)
            numbers.append(rows)
            parts.append(logits.softmax(dim=1).cpu())
    back = np.argsort(np.concatenate(numbers))
    return torch.cat(parts)[back]  # outside of inference mode: a tensor like any other


def _logits(model: nn.Module, batch: LabelledBatch) -> Tensor:
    """(B, C)"""
    logits: Tensor
    if isinstance(model, BertForClassification):
        logits = model(batch.inputs, batch.mask, batch.segments)
    else:
        logits = model(batch.inputs, batch.mask)
    return logits


def _check(logits: Tensor, rows: np.ndarray, num_labels: int) -> None:
    if logits.shape != (len(rows), num_labels):
        raise ValueError(
            f"the model gives logits of shape {tuple(logits.shape)} for {len(rows)} texts of "
            f"{num_labels} classes; take a model with num_labels={num_labels}"
        )
    broken = (~logits.isfinite().all(dim=1)).nonzero().flatten().tolist()
    if broken:
        raise ValueError(
            f"the logits of text {rows[broken[0]]} are {logits[broken[0]].tolist()}, which are "
            "not all numbers; has the training diverged?"
        )
