"""Texts of ids that grow by one token at a time, alone or many together.

Left out: text in place of ids (see `lmtutor.decoding.text`), and rows that join a batch later.
"""

import operator
from collections.abc import Iterator, Sequence
from typing import Literal, overload

import torch
from torch import Tensor

from lmtutor.decoding.stop_sequences import StopFilter
from lmtutor.decoding.strategies import Strategy, find_strategy
from lmtutor.models.language_model import LanguageModel, check_ids, inference


@overload
def generate(
    model: LanguageModel,
    prompt_ids: Sequence[int],
    max_new_tokens: int,
    strategy: Strategy | str | None = None,
    seed: int = 0,
    stop: Sequence[Sequence[int]] = (),
    stream: Literal[False] = False,
) -> list[int]:
    """The whole text."""


@overload
def generate(
    model: LanguageModel,
    prompt_ids: Sequence[int],
    max_new_tokens: int,
    strategy: Strategy | str | None = None,
    seed: int = 0,
    stop: Sequence[Sequence[int]] = (),
    *,
    stream: Literal[True],
) -> Iterator[int]:
    """The new tokens, one by one."""


def generate(
    model: LanguageModel,
    prompt_ids: Sequence[int],
    max_new_tokens: int,
    strategy: Strategy | str | None = None,
    seed: int = 0,
    stop: Sequence[Sequence[int]] = (),
    stream: bool = False,
) -> list[int] | Iterator[int]:
    """Let a model go on from a prompt, one token at a time.

    The begin mark is put in front of the prompt and never chosen. The end mark ends the text
    and is not returned. Where the text outgrows the model's context, the model no longer sees
    its oldest tokens.

    Args:
        model: any language model.
        prompt_ids: ids without marks; none is fine.
        max_new_tokens: how many to add at the most.
        strategy: such as `Sample(temperature=0.8)`, or "greedy" or "sample" for one with its
            default settings. Greedy if it is not given.
        seed: the same seed gives the same text.
        stop: sequences of ids. The text also ends when the new tokens end with one of them,
            and is returned without it. A sequence that begins in the prompt does not count.
        stream: whether to give the new tokens one by one, as they are chosen. Those that may
            begin a stop sequence are held back until it is clear that they do not.

    Returns:
        The prompt and what follows it; with `stream`, an iterator over what follows the prompt.

    Raises:
        ValueError: max_new_tokens is negative, a prompt id is outside the model's vocabulary,
            the prompt and its begin mark are longer than the model's context, there is no such
            strategy, a stop sequence is empty, no sequence of ids or outside the vocabulary, or
            the model's probabilities are no numbers or all zero. All but the last is found
            before the first token is asked for.

    >>> from lmtutor.models import NgramModel
    >>> model = NgramModel(2).fit([[2, 3, 4, 2, 3, 4, 5]])
    >>> generate(model, [2], 6)
    [2, 3, 4, 2, 3, 4, 2]
    >>> generate(model, [2, 3, 4], 6, stop=[[3, 4]])
    [2, 3, 4, 2]
    >>> list(generate(model, [2, 3, 4], 6, stop=[[3, 4]], stream=True))
    [2]
    """
    first_ids = prompt_tensor(model, prompt_ids, max_new_tokens)
    text = _Text(model, first_ids, find_strategy(strategy), seed, check_stops(model, stop))
    new = _new_tokens(model, first_ids, max_new_tokens, text)
    return new if stream else [*first_ids[0, 1:].tolist(), *new]


def generate_batch(
    model: LanguageModel,
    prompts: Sequence[Sequence[int]],
    max_new_tokens: int,
    strategy: Strategy | str | None = None,
    seed: int = 0,
    stop: Sequence[Sequence[int]] = (),
) -> list[list[int]]:
    """`generate` for many prompts at once, which are read together.

    Prompts of different lengths are padded on the right, which the model does not see. A text
    that has ended leaves the batch.

    Args:
        model: any language model.
        prompts: ids without marks, for each text; their lengths may differ.
        max_new_tokens: how many to add to each at the most; so are the other arguments, which
            hold for each text.
        seed: text r is that of `generate(..., seed=seed + r)`, up to the rounding of the model.

    Returns:
        Each prompt and what follows it.

    Raises:
        ValueError: prompts is one sequence of ids, or as `generate`.

    >>> from lmtutor.models import NgramModel
    >>> model = NgramModel(2).fit([[2, 3, 4, 2, 3, 4, 5]])
    >>> generate_batch(model, [[2], [4, 2, 3, 4]], 2)
    [[2, 3, 4], [4, 2, 3, 4, 2, 3]]
    """
    chosen, stops = find_strategy(strategy), check_stops(model, stop)
    check_max_new_tokens(max_new_tokens)
    first = [_numbered_prompt(model, number, ids) for number, ids in enumerate(prompts)]
    texts = [_Text(model, ids, chosen, seed + row, stops) for row, ids in enumerate(first)]
    found = [ids[0, 1:].tolist() for ids in first]
    if not texts or max_new_tokens == 0:
        return found
    lengths = [ids.shape[1] for ids in first]
    unread = torch.full((len(first), max(lengths)), model.bos_id)  # (R, T)
    for row, ids in enumerate(first):
        unread[row, : lengths[row]] = ids[0]
    alive = list(range(len(texts)))
    with inference(model):
        reader = model.start_reading(batch_size=len(texts))
        log_probs = reader.read(unread, lengths)  # (R, V)
        for count in range(max_new_tokens):
            for row, one in zip(alive, log_probs, strict=True):
                found[row] += texts[row].go_on(one)
            kept = [place for place, row in enumerate(alive) if not texts[row].done]
            if not kept or count == max_new_tokens - 1:
                break
            if len(kept) < len(alive):
                reader.select(torch.tensor(kept))
                alive = [alive[place] for place in kept]
            log_probs = reader.read(torch.tensor([[texts[row].ids[-1]] for row in alive]))
    return [[*ids, *text.finish()] for ids, text in zip(found, texts, strict=True)]


class _Text:
    """One text that grows, with the chance and the stop sequences that are its own."""

    def __init__(
        self,
        model: LanguageModel,
        first_ids: Tensor,
        strategy: Strategy,
        seed: int,
        stops: list[list[int]],
    ):
        self.ids: list[int] = first_ids[0, 1:].tolist()
        """The prompt and all that was chosen, also what is held back."""
        self.done = False
        """Whether the end mark or a stop sequence has come."""
        self._marks = model.bos_id, model.eos_id
        self._begin = torch.tensor([model.bos_id])
        self._strategy, self._filter = strategy, StopFilter(stops)
        self._generator = torch.Generator().manual_seed(seed)

    def go_on(self, log_probs: Tensor) -> list[int]:
        """Choose one more token from (V,) log-probabilities.

        Returns:
            The tokens that are now certain to stay: none, one, or some that were held back.
        """
        log_probs = log_probs.cpu()
        check_numbers(log_probs)
        bos_id, eos_id = self._marks
        if bos_id != eos_id:
            log_probs = log_probs.index_fill(0, self._begin, -torch.inf)
        token = self._strategy.choose(log_probs, self._generator, self.ids)
        if token == eos_id:
            self.done = True
            return self.finish()
        self.ids.append(token)
        passed = self._filter.push([token])
        self.done = self._filter.stopped
        return passed

    def finish(self) -> list[int]:
        """No token comes any more: those that were held back."""
        return self._filter.finish()


def _new_tokens(
    model: LanguageModel, first_ids: Tensor, max_new_tokens: int, text: _Text
) -> Iterator[int]:
    """What follows the prompt. Between two tokens the model is as its owner left it."""
    undisturbed = inference(model)
    with undisturbed:
        reader, unread = model.start_reading(batch_size=1), first_ids
    for _ in range(max_new_tokens):
        with undisturbed:
            passed = text.go_on(reader.read(unread)[0])
        yield from passed
        if text.done:
            return
        unread = torch.tensor([[text.ids[-1]]])
    yield from text.finish()


def prompt_tensor(
    model: LanguageModel, prompt_ids: Sequence[int], max_new_tokens: int
) -> torch.Tensor:
    """The begin mark and the prompt, (1, T), or a ValueError that says what is wrong."""
    check_max_new_tokens(max_new_tokens)
    if isinstance(prompt_ids, str):
        raise ValueError(
            f"the prompt is the string {prompt_ids[:40]!r}; encode it, or use generate_text"
        )
    try:
        numbers = [operator.index(number) for number in prompt_ids]
    except TypeError as error:
        raise ValueError(
            f"the prompt is {repr(prompt_ids)[:80]}, and should be a list of ids ({error})"
        ) from error
    ids = torch.tensor([[model.bos_id, *numbers]], dtype=torch.long)
    check_ids(ids, model.vocab_size)
    length, longest = ids.shape[1], model.context_length
    if longest is not None and length > longest:
        raise ValueError(
            f"the prompt has {length - 1} tokens, {length} with its begin mark, and the model "
            f"takes {longest} at the most; shorten the prompt to {longest - 1}"
        )
    return ids


def _numbered_prompt(model: LanguageModel, number: int, prompt_ids: Sequence[int]) -> Tensor:
    """`prompt_tensor` that names the prompt which is wrong."""
    if isinstance(prompt_ids, int):
        raise ValueError(
            f"prompt {number} is the id {prompt_ids}; give a list of ids for each text, as in "
            f"[[{prompt_ids}]]"
        )
    try:
        return prompt_tensor(model, prompt_ids, max_new_tokens=0)
    except ValueError as error:
        raise ValueError(f"prompt {number}: {error}") from error


def check_stops(model: LanguageModel, stop: Sequence[Sequence[int]]) -> list[list[int]]:
    """The stop sequences as lists of ids, or a ValueError that says what is wrong."""
    stops = []
    for number, sequence in enumerate(stop):
        try:
            ids = [operator.index(token) for token in sequence]
        except TypeError as error:  # an id alone, or characters
            raise ValueError(
                f"stop sequence {number} is {sequence!r}; give sequences of ids, as in "
                "stop=[[5, 6]], or use generate_text for strings"
            ) from error
        if not ids:
            raise ValueError(f"stop sequence {number} is empty; give it at least one id")
        for token in ids:
            if not 0 <= token < model.vocab_size:
                raise ValueError(
                    f"stop sequence {number} holds the id {token}, which is outside the "
                    f"vocabulary of {model.vocab_size} ids"
                )
        stops.append(ids)
    return stops


def check_max_new_tokens(max_new_tokens: int) -> None:
    """Refuse to write fewer than no tokens."""
    if max_new_tokens < 0:
        raise ValueError(f"max_new_tokens is {max_new_tokens}; it cannot be negative")


def check_numbers(log_probs: torch.Tensor) -> None:
    """Refuse what a network that has diverged says."""
    if log_probs.max().isnan():  # the largest is no number if any is none
        raise ValueError("the model's probabilities are no numbers (NaN); look at its weights")
