"""How well a model fills gaps: the share of masked tokens it finds, and pseudo-perplexity.

Sources: Devlin et al. 2019, "BERT", section 3.1 (the masked tokens); Salazar et al. 2020,
"Masked Language Model Scoring" (pseudo-log-likelihoods and pseudo-perplexities). Left out:
hiding the other pieces of a word while one of them is scored.

Letters in the shapes: B rows of a batch, T positions, V vocabulary, M tokens asked for.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from lmtutor.metrics.language_modelling import check_resamples
from lmtutor.models.language_model import LanguageModel, MaskedModel, inference

if TYPE_CHECKING:
    from lmtutor.data import Batches, MaskedBatch
    from lmtutor.tokenizers import WordPieceTokenizer

_IGNORED = -100


@dataclass(frozen=True)
class MaskedAccuracy:
    """The share of the masked tokens that were found, with the 95% bootstrap interval over the
    rows they stood in.
    """

    value: float
    low: float
    high: float
    num_tokens: int

    def __str__(self) -> str:
        return f"{self.value:.1%} (95%: {self.low:.1%} to {self.high:.1%})"


@dataclass(frozen=True)
class PseudoPerplexity:
    """What a model of gaps makes of texts. It says nothing about their probability."""

    value: float
    """exp of the mean -log P of a token, given all others of its text."""
    bits_per_byte: float
    """The same -log2 P summed up, over the bytes that `lmtutor.metrics.bits_per_byte` counts.
    No code that short could be read again: see `pseudo_perplexity`."""
    num_tokens: int
    num_bytes: int


def masked_accuracy(
    model: "MaskedModel | Callable[[MaskedBatch], Tensor]",
    batches: "Batches",
    num_resamples: int = 1000,
    seed: int = 0,
) -> MaskedAccuracy:
    """How many of the tokens asked for are the ones that the model finds likeliest.

    Args:
        model: a BERT; or a function from a batch to the (M,) ids that it guesses for the
            labels, row by row, such as `ngram_guesses` with a model given.
        batches: of `MaskedBatch`; those of epoch 0. With shares other than (1, 0, 0) some
            of the tokens asked for are there to be read.
        num_resamples: how often the rows are drawn anew, with replacement, for the interval.
        seed: of those draws.

    Raises:
        ValueError: there are no resamples, no token is asked for, or there is not one guess
            for each.
    """
    check_resamples(num_resamples)
    found: list[np.ndarray] = []
    asked: list[np.ndarray] = []
    for batch in batches.epoch(0):
        wanted = batch.labels != _IGNORED  # (B, T)
        guesses = _guesses(model, batch)
        if guesses.shape != (int(wanted.sum()),):
            raise ValueError(
                f"there are {int(wanted.sum())} tokens to guess and guesses of shape "
                f"{tuple(guesses.shape)}; give one for each, row by row"
            )
        hits = torch.zeros_like(wanted)
        hits[wanted] = guesses.cpu() == batch.labels[wanted]
        found.append(hits.sum(dim=1).numpy())
        asked.append(wanted.sum(dim=1).numpy())
    hit, count = np.concatenate(found), np.concatenate(asked)  # (rows,) each
    if not count.sum():
        raise ValueError(f"none of the tokens in {len(count)} rows is asked for; ask for some")
    keep = count > 0
    hit, count = hit[keep], count[keep]
    generator = np.random.default_rng(seed)
    drawn = generator.integers(len(hit), size=(num_resamples, len(hit)))
    shares = hit[drawn].sum(axis=1) / count[drawn].sum(axis=1)
    low, high = np.quantile(shares, [0.025, 0.975])
    return MaskedAccuracy(
        float(hit.sum() / count.sum()), float(low), float(high), int(count.sum())
    )


def _guesses(
    model: "MaskedModel | Callable[[MaskedBatch], Tensor]", batch: "MaskedBatch"
) -> Tensor:
    """(M,) the likeliest id at each label."""
    if not hasattr(model, "masked_log_probs"):
        assert callable(model)
        return model(batch)
    with inference(model):
        log_probs = model.masked_log_probs(batch.inputs, batch.mask, batch.segments)
        return log_probs[batch.labels != _IGNORED].argmax(dim=-1)


def ngram_guesses(
    model: LanguageModel,
    batch: "MaskedBatch",
    special_ids: Sequence[int],
    order: int,
    both_sides: bool = False,
    num_candidates: int | None = None,
) -> Tensor:
    """What a model that reads from left to right puts into the gaps.

    From the left alone it is the likeliest next token. From both sides it is the token with
    which the whole row is likeliest: P(row) is a product of next tokens, and the token in the
    gap has a part in its own factor and in those of the order - 1 tokens after it.

    Args:
        model: an n-gram model, whose begin and end marks are [CLS] and [SEP].
        batch: (M,) places are asked for. The model sees in other gaps what BERT sees there.
        special_ids: which are no guesses.
        order: n; the model looks back at n - 1 tokens.
        both_sides: whether the tokens after the gap count, too.
        num_candidates: how many of the likeliest from the left are tried from both sides;
            None: all.

    Returns:
        (M,) ids, row by row.

    Raises:
        ValueError: the order or num_candidates is below 1, or an id is outside the model's
            vocabulary.
    """
    if order < 1 or (num_candidates is not None and num_candidates < 1):
        raise ValueError(
            f"order is {order} and num_candidates {num_candidates}; the smallest is 1"
        )
    ordinary = torch.ones(model.vocab_size, dtype=torch.bool)
    ordinary[list(special_ids)] = False
    count = min(num_candidates or model.vocab_size, int(ordinary.sum()))
    guesses = []
    for row, column in (batch.labels != _IGNORED).nonzero().tolist():
        text = batch.inputs[row, : int(batch.mask[row].sum())]  # (T,) [CLS] to [SEP]
        first = max(0, column - order + 1)
        left = model.next_log_probs(text[None, first:column] if order > 1 else text[None, :1])
        allowed = left[0].where(ordinary, -math.inf)
        likeliest = allowed.argsort(descending=True, stable=True)[:count]  # (C,)
        if not both_sides:
            guesses.append(likeliest[0])
            continue
        rows = text[max(1, first) : column + order].repeat(count, 1)  # (C, up to 2 n - 1)
        place = column - max(1, first)
        rows[:, place] = likeliest
        scores = model.token_log_probs(rows)[:, place:].sum(dim=1)
        guesses.append(likeliest[scores.argmax()])
    return torch.stack(guesses) if guesses else torch.zeros(0, dtype=torch.long)


def pseudo_log_probs(
    model: MaskedModel, tokenizer: "WordPieceTokenizer", text: str, batch_size: int = 32
) -> Tensor:
    """(T,) ln P of each token of a text, given all its other tokens: each is hidden in turn.

    Args:
        model: a BERT with a trained head.
        tokenizer: its own.
        text: of T tokens, marks not counted.
        batch_size: how many tokens are hidden at once, each in a copy of the text.

    Raises:
        ValueError: the text has no token or is too long, the tokenizer has more ids than the
            model, or batch_size is below 1.
    """
    if tokenizer.vocab_size > model.vocab_size:
        raise ValueError(
            f"the tokenizer has {tokenizer.vocab_size} ids, and the model knows "
            f"{model.vocab_size}; take the tokenizer that belongs to the model"
        )
    if batch_size < 1:
        raise ValueError(f"batch_size is {batch_size}; the smallest is 1")
    ids = tokenizer.encode(text)
    if not 1 <= len(ids) <= model.context_length - 2:
        raise ValueError(
            f"{text[:40]!r} has {len(ids)} tokens; between the two marks the model has room "
            f"for 1 to {model.context_length - 2}"
        )
    row = torch.tensor([tokenizer.cls_id, *ids, tokenizer.sep_id])
    found = []
    with inference(model):
        for places in torch.arange(1, len(ids) + 1).split(batch_size):
            rows, number = row.repeat(len(places), 1), torch.arange(len(places))
            rows[number, places] = tokenizer.mask_id
            log_probs = model.masked_log_probs(rows, torch.ones_like(rows, dtype=torch.bool))
            found.append(log_probs[number, places, row[places]].cpu())
    return torch.cat(found)


def pseudo_perplexity(
    model: MaskedModel,
    tokenizer: "WordPieceTokenizer",
    documents: Sequence[str],
    batch_size: int = 32,
) -> PseudoPerplexity:
    """exp of the mean -ln P of a token, given all other tokens of its text (Salazar et al.
    2020).

    It compares models of gaps with the same tokens. It does not compare with a perplexity: what
    is multiplied are no factors of one probability, as every token helps to guess the others
    before it is paid for. Over all texts the products do not sum to one, and nobody could
    read a text again from that many bits.

    Args:
        model: as in `pseudo_log_probs`, as are the other arguments.
        tokenizer: what it loses of the text costs nothing here.
        documents: each by itself.
        batch_size: of the copies of one text.

    Raises:
        ValueError: there are no documents, or as `pseudo_log_probs`.
    """
    if isinstance(documents, str) or not len(documents):
        raise ValueError("give a list with at least one document; for one text write [text]")
    rows = [pseudo_log_probs(model, tokenizer, text, batch_size) for text in documents]
    nats = -sum(float(row.double().sum()) for row in rows)
    num_tokens = sum(len(row) for row in rows)
    num_bytes = sum(len(text.encode()) + 1 for text in documents)
    bits = nats / math.log(2) / num_bytes
    return PseudoPerplexity(math.exp(nats / num_tokens), bits, num_tokens, num_bytes)
