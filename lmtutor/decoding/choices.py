"""Choosing among given answers: the model does not write, but says how likely each answer is.

Sources: Brown et al. 2020, "Language Models are Few-Shot Learners" (examples in the prompt, and
answers compared by their probability); Zhao et al. 2021, "Calibrate Before Use: Improving
Few-Shot Performance of Language Models" (`calibrated`). Left out: answers that belong to one
prompt alone, and dividing by the length of an answer.

Letters in the shapes: N prompts, A answers, M prompts without content, R rows of a batch, P
beginnings of answers, V vocabulary.
"""

import copy
import operator
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from lmtutor.decoding.generation import check_numbers
from lmtutor.models.language_model import LanguageModel, Reader, check_ids, inference

if TYPE_CHECKING:
    from lmtutor.tokenizers import Tokenizer

REVIEW_TEMPLATE = "Review: {text}\nSentiment: {answer}\n\n"


@dataclass(frozen=True)
class AnswerPrompts:
    """What `answer_log_probs` asks a model, as ids without marks."""

    prompts: list[list[int]]
    """N prompts, each without the prefix."""
    answers: list[list[int]]
    """A answers, the same for each prompt."""
    prefix: list[int]
    """What all prompts begin with, such as examples."""


def answer_log_probs(
    model: LanguageModel,
    prompts: Sequence[Sequence[int]],
    answers: Sequence[Sequence[int]],
    prefix: Sequence[int] = (),
    batch_size: int = 16,
) -> Tensor:
    """ln P(answer | begin mark, prefix, prompt), summed over the tokens of the answer.

    Nothing is said about what follows an answer: "good" is at least as likely as "good idea".
    The prefix is read once and not with each prompt. Prompts of about the same length share a
    batch.

    Args:
        model: any language model.
        prompts: N lists of ids without marks; with a prefix or without, they may be empty.
        answers: A lists of ids without marks, none of them empty.
        prefix: ids that all prompts begin with.
        batch_size: how many prompts are read together. Memory grows with it, and with the
            length of the prefix.

    Returns:
        (N, A), on the CPU.

    Raises:
        ValueError: there is no prompt or no answer, an answer is empty, one is no list of ids
            or holds an id outside the vocabulary, the mark, the prefix, a prompt and an answer
            are longer together than the model's context, batch_size is below 1, or the model's
            probabilities are no numbers.

    >>> from lmtutor.models import NgramModel
    >>> model = NgramModel(2).fit([[2, 3], [2, 4], [2, 4], [5, 6]])
    >>> answer_log_probs(model, [[2], [5]], [[3], [4], [6]]).exp().round(decimals=2)
    tensor([[0.3300, 0.6700, 0.0000],
            [0.0000, 0.0000, 1.0000]], dtype=torch.float64)
    """
    if batch_size < 1:
        raise ValueError(f"batch_size is {batch_size}; read at least one prompt at a time")
    start = [model.bos_id, *_checked(model, [prefix], "the prefix")[0]]
    asked, choices = _checked(model, prompts, "prompt"), _checked(model, answers, "answer")
    _check_sizes(model, start, asked, choices)
    # Each row reads the last token of what is shared, so that no row is empty.
    rows = [[start[-1], *prompt] for prompt in asked]
    order = sorted(range(len(rows)), key=lambda number: -len(rows[number]))
    found: dict[int, Tensor] = {}
    with inference(model):
        prefix_reader = model.start_reading(batch_size=1)
        if start[1:]:
            prefix_reader.read(torch.tensor([start[:-1]]))
        for first in range(0, len(order), batch_size):
            numbers = order[first : first + batch_size]
            reader = _copied(prefix_reader, model)
            reader.select(torch.zeros(len(numbers), dtype=torch.long))
            scores = _read_answers(reader, [rows[number] for number in numbers], choices)
            found |= dict(zip(numbers, scores, strict=True))
    return torch.stack([found[number] for number in range(len(rows))])


def few_shot_prompt(
    examples: Sequence[tuple[str, str]], text: str, template: str = REVIEW_TEMPLATE
) -> str:
    """Examples with their answers, and a text whose answer is missing.

    Args:
        examples: texts and their answers, in this order; none gives a zero-shot prompt.
        text: what is asked about.
        template: has {text} and, after it, {answer}, once each.

    Returns:
        The template filled for each example, and then for `text`, up to the white space in
        front of the answer: that is where most tokenizers cut, and so it belongs to the answer.

    Raises:
        ValueError: the template has not these two in this order.

    >>> few_shot_prompt([("Dull.", "bad")], "A joy.", template="{text} It was {answer}. ")
    'Dull. It was bad. A joy. It was'
    """
    before, between, _, after = _parts(template)
    # Not str.format, for which the braces of a text would be fields.
    shown = [f"{before}{one}{between}{answer}{after}" for one, answer in examples]
    return "".join([*shown, f"{before}{text}{between.rstrip()}"])


def few_shot_ids(
    tokenizer: "Tokenizer",
    examples: Sequence[tuple[str, str]],
    texts: Sequence[str],
    answers: Sequence[str],
    template: str = REVIEW_TEMPLATE,
) -> AnswerPrompts:
    """The prompts of `few_shot_prompt` as ids, for `answer_log_probs`.

    Each prompt is encoded as a whole, since pieces that are encoded one by one may give other
    tokens than their text does; the prefix is what all prompts have in common.

    Args:
        tokenizer: that of the model.
        examples: as in `few_shot_prompt`.
        texts: N texts that are asked about.
        answers: A answers, as they stand in the examples.
        template: as in `few_shot_prompt`.

    Raises:
        ValueError: there is no text or no answer, or one string instead of a list, the template
            is wrong, an example has an answer that is none of the answers, or an answer and
            what stands before it share a token.

    >>> from lmtutor.tokenizers import CharacterTokenizer
    >>> tokenizer = CharacterTokenizer().fit(["ab: +-"])
    >>> template = "{text}: {answer} "
    >>> asked = few_shot_ids(tokenizer, [("a", "+")], ["b", "aa"], ["+", "-"], template)
    >>> tokenizer.decode(asked.prefix), [tokenizer.decode(ids) for ids in asked.prompts]
    ('a: + ', ['b:', 'aa:'])
    """
    if isinstance(texts, str) or isinstance(answers, str):
        raise ValueError("give lists of texts and of answers, not one string")
    if not len(texts) or not len(answers):
        raise ValueError(
            f"there are {len(texts)} texts and {len(answers)} answers; give at least one of "
            "each"
        )
    for number, (_, answer) in enumerate(examples):
        if answer not in answers:
            raise ValueError(
                f"the answer of example {number} is {answer!r}, which is none of "
                f"{list(answers)}"
            )
    wholes = [few_shot_prompt(examples, text, template) for text in texts]
    encoded = [tokenizer.encode(whole) for whole in wholes]
    _, between, space, _ = _parts(template)
    # What stands before an answer ends alike for all texts, if there is more than the text.
    ends = 1 if between.strip() else len(texts)
    ids = [
        _answer_ids(tokenizer, wholes[:ends], encoded, f"{space}{answer}") for answer in answers
    ]
    shared = _shared_length(encoded)
    return AnswerPrompts([one[shared:] for one in encoded], ids, encoded[0][:shared])


def calibrated(log_probs: Tensor, content_free: Tensor) -> Tensor:
    """Log-probabilities of answers, without what the model prefers whatever the text says
    (contextual calibration, Zhao et al. 2021).

    The preference is the mean of P(answer) over prompts with nothing to judge, such as "N/A".
    The probabilities of each text are divided by it, and brought back to a sum of 1. Where that
    is the text itself, each answer gets 1 / A.

    Args:
        log_probs: (N, A) of the texts, as `answer_log_probs` gives them.
        content_free: (M, A) of the prompts without content, with the same examples.

    Returns:
        (N, A), exp of which sums to 1 in each row.

    Raises:
        ValueError: the shapes do not fit, there is a value that is no number, or all answers of
            a row, or one answer in all of `content_free`, have the probability 0.

    >>> texts, nothing = torch.tensor([[0.3, 0.1], [0.6, 0.2]]), torch.tensor([[0.6, 0.2]])
    >>> calibrated(texts.log(), nothing.log()).exp()
    tensor([[0.5000, 0.5000],
            [0.5000, 0.5000]])
    """
    shapes = tuple(log_probs.shape), tuple(content_free.shape)
    if log_probs.ndim != 2 or content_free.ndim != 2 or shapes[0][1:] != shapes[1][1:]:
        raise ValueError(
            f"log_probs have shape {shapes[0]} and content_free {shapes[1]}; give (N, A) and "
            "(M, A)"
        )
    if not content_free.numel():
        raise ValueError(
            f"content_free has shape {shapes[1]}; calibrate with one prompt at least"
        )
    free, texts = content_free.log_softmax(1), log_probs.log_softmax(1)
    if free.isnan().any() or texts.isnan().any():
        raise ValueError(
            "a row of log_probs or content_free has no finite value, or one that is no number"
        )
    preference = free.logsumexp(0)  # (A,), up to the factor 1 / M, which falls out below
    never = preference.isneginf().nonzero()
    if len(never):
        raise ValueError(
            f"answer {int(never[0])} has the probability 0 in all of content_free, and nothing "
            "can be divided by that"
        )
    return (texts - preference).log_softmax(1)


def _answer_ids(
    tokenizer: "Tokenizer", wholes: list[str], encoded: list[list[int]], answer: str
) -> list[int]:
    """The ids of an answer, which are the same after each of the texts, or a ValueError."""
    ids: list[int] = []
    for whole, before in zip(wholes, encoded, strict=False):
        both = tokenizer.encode(f"{whole}{answer}")
        found = both[len(before) :]
        if both[: len(before)] != before or not found or (ids and found != ids):
            raise ValueError(
                f"the answer {answer!r} shares a token with what stands before it, "
                f"{whole[-20:]!r}; put a space between them in the template"
            )
        ids = found
    return ids


def _copied(reader: Reader, model: LanguageModel) -> Reader:
    """A reader of the same model that has read the same."""
    return copy.deepcopy(reader, {id(model): model})


def _read_answers(
    reader: Reader, rows: list[list[int]], answers: list[list[int]]
) -> Iterator[Tensor]:
    """For each of the R rows that the reader reads next, (A,) log-probabilities of the answers
    after it.

    After t tokens the reader has a text for each row and each of the P beginnings, of t tokens,
    of answers that are longer: row by row, and for each the beginnings in their order.
    """
    sizes = [len(row) for row in rows]
    padded = [row + row[-1:] * (max(sizes) - len(row)) for row in rows]
    log_probs = reader.read(torch.tensor(padded), sizes)  # (R * P, V)
    beginnings: list[tuple[int, ...]] = [()]
    total = log_probs.new_zeros(len(rows), len(answers))
    for done in range(max(map(len, answers))):
        by_row = log_probs.unflatten(0, (len(rows), len(beginnings)))  # (R, P, V)
        for number, answer in enumerate(answers):
            if len(answer) > done:
                place = beginnings.index(tuple(answer[:done]))
                total[:, number] += by_row[:, place, answer[done]]
        longer = sorted({tuple(one[: done + 1]) for one in answers if len(one) > done + 1})
        if not longer:
            break
        before = torch.tensor([beginnings.index(one[:-1]) for one in longer])  # (P,)
        starts = torch.arange(len(rows))[:, None] * len(beginnings)
        reader.select((starts + before).flatten())
        log_probs = reader.read(torch.tensor([one[-1:] for one in longer] * len(rows)))
        beginnings = longer
    total = total.cpu()
    check_numbers(total)
    yield from total


def _checked(
    model: LanguageModel, sequences: Sequence[Sequence[int]], name: str
) -> list[list[int]]:
    """The ids as lists, or a ValueError that names the first sequence that is wrong."""
    rows = []
    for number, sequence in enumerate(sequences):
        which = name if name.startswith("the ") else f"{name} {number}"
        try:
            ids = [operator.index(token) for token in sequence]
        except TypeError as error:
            raise ValueError(
                f"{which} is {repr(sequence)[:80]}, and should be a list of ids ({error})"
            ) from error
        try:
            check_ids(torch.tensor([ids], dtype=torch.long), model.vocab_size)
        except ValueError as error:
            raise ValueError(f"{which}: {error}") from error
        rows.append(ids)
    return rows


def _check_sizes(
    model: LanguageModel, start: list[int], prompts: list[list[int]], answers: list[list[int]]
) -> None:
    if not prompts or not answers:
        raise ValueError(
            f"there are {len(prompts)} prompts and {len(answers)} answers; give at least one "
            "of each"
        )
    empty = [number for number, answer in enumerate(answers) if not answer]
    if empty:
        raise ValueError(f"answer {empty[0]} is empty; each answer needs at least one token")
    longest = max(range(len(prompts)), key=lambda number: len(prompts[number]))
    sizes = len(start), len(prompts[longest]), max(map(len, answers))
    if model.context_length is not None and sum(sizes) > model.context_length:
        raise ValueError(
            f"the begin mark and the prefix have {sizes[0]} tokens, prompt {longest} "
            f"{sizes[1]} and the longest answer {sizes[2]}, together {sum(sizes)}; the model "
            f"takes {model.context_length} at the most"
        )


def _parts(template: str) -> tuple[str, str, str, str]:
    """What stands before the text, between text and answer, the white space at the end of that,
    and what stands after the answer.
    """
    if template.count("{text}") != 1 or template.count("{answer}") != 1:
        raise ValueError(
            f"the template {template!r} must have {{text}} and {{answer}}, once each"
        )
    before, _, rest = template.partition("{text}")
    between, answer, after = rest.partition("{answer}")
    if not answer:
        raise ValueError(f"in the template {template!r}, {{answer}} must come after {{text}}")
    return before, between, between[len(between.rstrip()) :], after


def _shared_length(sequences: list[list[int]]) -> int:
    """With how many ids in common the sequences begin."""
    lowest, highest = min(sequences), max(sequences)
    for place, (one, other) in enumerate(zip(lowest, highest, strict=False)):
        if one != other:
            return place
    return len(lowest)
