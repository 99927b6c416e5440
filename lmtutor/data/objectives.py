"""What the families of transformers are trained to do, each as a function of one text.

An objective makes a question and an answer of a text that nobody has labelled. Here the tokens
are strings or ids, whichever is at hand, and what comes back can be read. Left out: batches and
padding; `lmtutor.data.masking` makes those that BERT is trained on.
"""

import math
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from lmtutor.data.batches import IGNORED, check_seed
from lmtutor.data.masking import mask_tokens

Token = Hashable
"""A string or an id."""


@dataclass(frozen=True)
class Question:
    """What a model reads, and what it shall say."""

    inputs: tuple[Token, ...]
    targets: tuple[Token | None, ...]
    """For a decoder, the next tokens in turn; for an encoder one entry for each input, None
    where nothing is asked."""

    @property
    def num_targets(self) -> int:
        """How many predictions are asked for."""
        return sum(target is not None for target in self.targets)


def causal(tokens: Sequence[Token], begin: Token = "[BEGIN]", end: Token = "[END]") -> Question:
    """The next token at every place, each from those before it alone: GPT, Llama.

    Source: Radford et al. 2018, section 3.1, equation 1.

    Args:
        tokens: of a text.
        begin: the mark that stands before it.
        end: the mark that stands after it.

    >>> question = causal(["let", "there", "be"])
    >>> question.inputs
    ('[BEGIN]', 'let', 'there', 'be')
    >>> question.targets
    ('let', 'there', 'be', '[END]')
    """
    return Question((begin, *tokens), (*tokens, end))


def masked(
    tokens: Sequence[Token],
    vocabulary: Iterable[Token],
    seed: int = 0,
    rate: float = 0.15,
    mask: Token = "[MASK]",
) -> Question:
    """The tokens that were hidden, each from both sides: BERT, RoBERTa.

    Of those that are asked for, 80 % become the mask, 10 % a random token, and 10 % stay as
    they are; the drawing is that of `lmtutor.data.mask_tokens`.

    Source: Devlin et al. 2019, section 3.1, task 1.

    Args:
        tokens: of a text.
        vocabulary: where random tokens come from; those of the text are added.
        seed: of all draws.
        rate: the probability of a token to be asked for.
        mask: what stands for a hidden token. It is no token itself.

    Raises:
        ValueError: the mask is among the tokens, there is no token to hide or to put in, or the
            rate is outside [0, 1].

    >>> question = masked("let there be light".split(), ["dark"], seed=1, rate=0.5)
    >>> question.inputs
    ('let', '[MASK]', '[MASK]', 'light')
    >>> question.targets
    (None, 'there', 'be', None)
    """
    names = [mask, *dict.fromkeys([*tokens, *vocabulary])]  # each once, in a fixed order
    if mask in names[1:]:
        raise ValueError(f"the mask {mask!r} is also a token; choose another mark")
    if len(names) == 1:
        raise ValueError("there are no tokens to hide, and none in the vocabulary")
    places = {name: place for place, name in enumerate(names)}
    ids = torch.tensor([[places[token] for token in tokens]], dtype=torch.long)
    inputs, labels = mask_tokens(
        ids,
        torch.Generator().manual_seed(check_seed(seed)),
        mask_id=0,
        vocab_size=len(names),
        special_ids=[0],
        rate=rate,
    )
    return Question(
        tuple(names[place] for place in inputs[0].tolist()),
        tuple(None if place == IGNORED else names[place] for place in labels[0].tolist()),
    )


def replaced_tokens(
    tokens: Sequence[Token],
    propose: Callable[[tuple[Token, ...], int], Token],
    seed: int = 0,
    rate: float = 0.15,
    mask: Token = "[MASK]",
) -> Question:
    """Which tokens are not those of the text: ELECTRA.

    Tokens are hidden, and another model writes what it finds likely in their places. Where it
    happens to write the true one, that counts as the text's own.

    Source: Clark et al. 2020, section 2.

    Args:
        tokens: of a text.
        propose: the other model: from the text with its masks and a place, a token.
        seed: of the choice of tokens.
        rate: the probability of a token to be hidden.
        mask: what stands for a hidden token.

    Returns:
        The text with the proposals in it, and for each token whether it was replaced.

    Raises:
        ValueError: the rate is outside [0, 1].

    >>> question = replaced_tokens("let there be light".split(),
    ...                            lambda text, place: "dark" if place == 3 else "be",
    ...                            seed=4, rate=0.5)
    >>> question.inputs
    ('let', 'there', 'be', 'dark')
    >>> question.targets
    (False, False, False, True)
    """
    _check_rate(rate)
    hidden = np.random.default_rng(check_seed(seed)).random(len(tokens)) < rate
    blanked = tuple(mask if hide else token for token, hide in zip(tokens, hidden, strict=True))
    inputs = tuple(
        propose(blanked, place) if hide else tokens[place] for place, hide in enumerate(hidden)
    )
    replaced = (new != old for new, old in zip(inputs, tokens, strict=True))
    return Question(inputs, tuple(map(bool, replaced)))


def span_corruption(
    tokens: Sequence[Token],
    seed: int = 0,
    rate: float = 0.15,
    mean_length: float = 3.0,
    sentinel: Callable[[int], Token] = "<extra_id_{}>".format,
) -> Question:
    """What stood in the gaps: T5.

    Spans of tokens are taken out, and each leaves a mark of its own, a sentinel. The answer is
    the spans one after another, each behind its sentinel, and one more sentinel to end it.

    Source: Raffel et al. 2020, sections 3.1.4 (sentinels) and 3.3.4 (spans). The number of
    spans, and that a text begins with a token of its own and two spans never touch, are as in
    the authors' program.

    Args:
        tokens: of a text, two at least.
        seed: of the choice of spans.
        rate: the share of tokens that are taken out, rounded; at least one, and not all.
        mean_length: of the spans.
        sentinel: the mark of gap number 0, 1, 2, ...

    Raises:
        ValueError: there are fewer than two tokens, the rate is outside [0, 1], or mean_length
            is below 1.

    >>> question = span_corruption("let there be light and".split(), seed=1, rate=0.4)
    >>> question.inputs
    ('let', 'there', 'be', '<extra_id_0>')
    >>> question.targets
    ('<extra_id_0>', 'light', 'and', '<extra_id_1>')
    """
    _check_rate(rate)
    if len(tokens) < 2 or not mean_length >= 1:
        raise ValueError(
            f"there are {len(tokens)} tokens (at least 2: one stays, one goes) and mean_length "
            f"is {mean_length} (at least 1)"
        )
    generator = np.random.default_rng(check_seed(seed))
    if taken := {sentinel(number) for number in range(len(tokens))} & set(tokens):
        raise ValueError(f"{min(map(str, taken))!r} is a token of the text and a sentinel")
    num_gone = min(max(1, round(len(tokens) * rate)), len(tokens) - 1)
    num_kept = len(tokens) - num_gone
    num_spans = min(max(1, round(num_gone / mean_length)), num_gone, num_kept)
    inputs: list[Token] = []
    targets: list[Token] = []
    place = 0
    kept_sizes, gone_sizes = (_parts(n, num_spans, generator) for n in (num_kept, num_gone))
    for number, (kept, gone) in enumerate(zip(kept_sizes, gone_sizes, strict=True)):
        inputs += [*tokens[place : place + kept], sentinel(number)]
        targets += [sentinel(number), *tokens[place + kept : place + kept + gone]]
        place += kept + gone
    return Question(tuple(inputs), (*targets, sentinel(num_spans)))


def fill_spans(
    question: Question, sentinel: Callable[[int], Token] = "<extra_id_{}>".format
) -> tuple[Token, ...]:
    """The text again, from what `span_corruption` made of it.

    Raises:
        ValueError: a sentinel of the question is missing in the answer.

    >>> fill_spans(span_corruption("let there be light".split()))
    ('let', 'there', 'be', 'light')
    """
    marks = {sentinel(number) for number in range(len(question.targets))}
    spans: dict[Token, list[Token]] = {}
    span: list[Token] = []
    for token in question.targets:
        if token in marks:
            span = spans[token] = []
        else:
            span.append(token)
    text: list[Token] = []
    for token in question.inputs:
        if token in marks and token not in spans:
            raise ValueError(f"the answer says nothing about {token!r}")
        text += spans[token] if token in marks else [token]
    return tuple(text)


def denoising(
    sentences: Sequence[Sequence[Token]],
    seed: int = 0,
    rate: float = 0.3,
    mean_length: float = 3.0,
    permute: bool = True,
    mask: Token = "[MASK]",
) -> Question:
    """The whole text as it was, from a damaged one: BART.

    The sentences change places, and spans of tokens are replaced by one mask each, however
    long they are. Some spans have no tokens: there a mask is put in between.

    Source: Lewis et al. 2020, section 2.2 (text infilling, with lengths from a Poisson
    distribution of mean 3; sentence permutation); the shares are those of its large models.

    Args:
        sentences: of a text, each a list of tokens.
        seed: of all draws.
        rate: the share of tokens that are hidden, rounded up.
        mean_length: of the spans.
        permute: whether the sentences change places.
        mask: what stands for a span.

    Returns:
        The damaged text, and the true one.

    Raises:
        ValueError: the rate is outside [0, 1], or mean_length is not above 0.

    >>> question = denoising(["let there be light .".split(), "and so it was .".split()],
    ...                      seed=6)
    >>> " ".join(question.inputs)
    'and so it [MASK] let [MASK] be light .'
    >>> " ".join(question.targets)
    'let there be light . and so it was .'
    """
    _check_rate(rate)
    if not mean_length > 0:
        raise ValueError(f"mean_length is {mean_length}; it must be above 0")
    generator = np.random.default_rng(check_seed(seed))
    order = generator.permutation(len(sentences)) if permute else range(len(sentences))
    shuffled = [token for number in order for token in sentences[number]]
    num_hidden = math.ceil(rate * len(shuffled) - 1e-9)
    num_gaps = len(shuffled) - num_hidden + 1  # before, between and after those that stay
    lengths = _poisson_lengths(num_hidden, mean_length, generator)
    if len(lengths) > num_gaps:  # each gap has room for one span
        lengths = [*lengths[: num_gaps - 1], sum(lengths[num_gaps - 1 :])]
    gaps = np.sort(generator.choice(num_gaps, size=len(lengths), replace=False))
    return Question(
        _infilled(shuffled, dict(zip(gaps.tolist(), lengths, strict=True)), mask),
        tuple(token for sentence in sentences for token in sentence),
    )


def _check_rate(rate: float) -> None:
    if not 0 <= rate <= 1:
        raise ValueError(f"the rate is {rate}; it is a share, from 0 to 1")


def _parts(total: int, count: int, generator: np.random.Generator) -> list[int]:
    """`count` sizes of at least 1 that sum to `total`, all such lists being equally likely."""
    cuts = np.sort(generator.choice(total - 1, size=count - 1, replace=False)) + 1
    return [int(size) for size in np.diff([0, *cuts, total])]


def _poisson_lengths(total: int, mean: float, generator: np.random.Generator) -> list[int]:
    """Lengths, some of them 0, that sum to `total`; the last is cut to fit."""
    lengths: list[int] = []
    left = total
    while left:
        lengths.append(min(int(generator.poisson(mean)), left))
        left -= lengths[-1]
    return lengths


def _infilled(tokens: Sequence[Token], spans: dict[int, int], mask: Token) -> tuple[Token, ...]:
    """The tokens with masks for spans; `spans` gives each by how many tokens that stay stand
    before it, and by its length.
    """
    text: list[Token] = []
    place = 0
    for number in range(len(tokens) - sum(spans.values()) + 1):
        if number in spans:
            text.append(mask)
            place += spans[number]
        text += tokens[place : place + 1]
        place += 1
    return tuple(text)
