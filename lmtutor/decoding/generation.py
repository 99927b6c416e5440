"""A text that grows by one token at a time. Left out: stop sequences, several texts at once."""

import operator
from collections.abc import Sequence

import torch

from lmtutor.decoding.strategies import Greedy, Strategy
from lmtutor.models.language_model import LanguageModel, check_ids, inference


def generate(
    model: LanguageModel,
    prompt_ids: Sequence[int],
    max_new_tokens: int,
    strategy: Strategy | None = None,
    seed: int = 0,
) -> list[int]:
    """Let a model go on from a prompt, one token at a time.

    The begin mark is put in front of the prompt and never chosen. The end mark ends the text
    and is not returned. Where the text outgrows the model's context, the model sees its last
    `context_length` tokens.

    Args:
        model: any language model.
        prompt_ids: ids without marks; none is fine.
        max_new_tokens: how many to add at the most.
        strategy: `Greedy()` if it is not given, or `Sample(...)`.
        seed: the same seed gives the same text.

    Returns:
        The prompt and what follows it.

    Raises:
        ValueError: max_new_tokens is negative, a prompt id is outside the model's vocabulary,
            or the model's probabilities are no numbers or all zero.
    """
    strategy = strategy or Greedy()
    generator = torch.Generator().manual_seed(seed)
    first_ids = prompt_tensor(model, prompt_ids, max_new_tokens)
    text = first_ids[0, 1:].tolist()
    with inference(model):
        reader, unread = model.start_reading(batch_size=1), first_ids
        for _ in range(max_new_tokens):
            log_probs = reader.read(unread)[0].clone().cpu()
            check_numbers(log_probs)
            if model.bos_id != model.eos_id:
                log_probs[model.bos_id] = -torch.inf
            token = strategy.choose(log_probs, generator)
            if token == model.eos_id:
                break
            text.append(token)
            unread = torch.tensor([[token]])
    return text


def prompt_tensor(
    model: LanguageModel, prompt_ids: Sequence[int], max_new_tokens: int
) -> torch.Tensor:
    """The begin mark and the prompt, (1, T), or a ValueError that says what is wrong."""
    check_max_new_tokens(max_new_tokens)
    ids = torch.tensor([[model.bos_id, *map(operator.index, prompt_ids)]], dtype=torch.long)
    check_ids(ids, model.vocab_size)
    return ids


def check_max_new_tokens(max_new_tokens: int) -> None:
    """Refuse to write fewer than no tokens."""
    if max_new_tokens < 0:
        raise ValueError(f"max_new_tokens is {max_new_tokens}; it cannot be negative")


def check_numbers(log_probs: torch.Tensor) -> None:
    """Refuse what a network that has diverged says."""
    if log_probs.isnan().any():
        raise ValueError("the model's probabilities are no numbers (NaN); look at its weights")
