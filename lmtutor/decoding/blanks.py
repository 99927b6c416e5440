"""Filling the blanks of a text, which is what a BERT is trained on.

Left out: blanks of an unknown number of tokens. Each [MASK] is one token.

Letters in the shapes: T positions, V vocabulary.
"""

from typing import TYPE_CHECKING

import torch

from lmtutor.models.language_model import MaskedModel, inference

if TYPE_CHECKING:
    from lmtutor.tokenizers import WordPieceTokenizer


def fill_blanks(
    model: MaskedModel, tokenizer: "WordPieceTokenizer", text: str, count: int = 5
) -> list[list[tuple[str, float]]]:
    """The likeliest tokens for each [MASK] of a text.

    All blanks are filled at once, and each as if nothing were known of the others: the
    likeliest tokens of two blanks need not fit together.

    Args:
        model: a BERT with a trained head.
        tokenizer: its own.
        text: with [MASK] where a token is missing.
        count: how many tokens to give for each blank.

    Returns:
        For each blank, from left to right, `count` tokens with their probabilities, the
        likeliest first. A token that begins with "##" continues the word before it.

    Raises:
        ValueError: there is no [MASK], the text is longer than the model takes, the tokenizer
            has more ids than the model, or count is below 1 or above the number of tokens.
    """
    if tokenizer.vocab_size > model.vocab_size:
        raise ValueError(
            f"the tokenizer has {tokenizer.vocab_size} ids, and the model knows "
            f"{model.vocab_size}; take the tokenizer that belongs to the model"
        )
    if not 1 <= count <= tokenizer.vocab_size:
        raise ValueError(
            f"count is {count}; give a number from 1 to {tokenizer.vocab_size}, which is how "
            "many tokens there are"
        )
    ids = [tokenizer.cls_id, *tokenizer.encode(text), tokenizer.sep_id]
    blanks = [place for place, token in enumerate(ids) if token == tokenizer.mask_id]
    if not blanks:
        raise ValueError(f"there is no [MASK] in {text[:40]!r}; write one for each blank")
    if len(ids) > model.context_length:
        raise ValueError(
            f"the text has {len(ids)} tokens with its two marks, and the model takes "
            f"{model.context_length}; shorten it"
        )
    row = torch.tensor([ids])
    with inference(model):
        log_probs = model.masked_log_probs(row, torch.ones_like(row, dtype=torch.bool))[0]
    best = log_probs[blanks, : tokenizer.vocab_size].exp().topk(count)  # (blanks, count)
    return [
        [(tokenizer.vocabulary[token], p) for token, p in zip(tokens, row_of, strict=True)]
        for tokens, row_of in zip(best.indices.tolist(), best.values.tolist(), strict=True)
    ]
