"""Prompts and the answers that a model shall learn to give to them.

Source: Ouyang et al. 2022, "Training language models to follow instructions with human
feedback", whose first step is training on answers that people wrote. Left out: several turns in
a row, and prompts packed into one row after another.

Letters in the shapes: B rows of a batch, T positions.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from lmtutor.data.batches import (
    IGNORED,
    Batch,
    Batches,
    check_seed,
    check_sizes,
    even_edges,
    fingerprint,
    pad,
)
from lmtutor.data.token_file import whole_numbers


class PromptedAnswers(Batches):
    """Prompts with their answers, one pair to a row: begin mark, prompt, answer, end mark. The
    loss is on the answer and the end mark, unless `score_prompt` is set.

    All batches have about the same number of tokens; rows of about the same length share one,
    so that little of it is padding.

    Args:
        prompts: ids without marks; they may be empty.
        answers: ids without marks, one sequence for each prompt, none empty.
        batch_tokens: about as many tokens does a batch have, prompts included.
        context_length: a row has at most as many inputs. A longer one loses the beginning of
            its prompt, and never its begin mark or a part of its answer.
        seed: of the order.
        bos_id: the begin mark.
        eos_id: the end mark.
        score_prompt: whether the tokens of the prompt are targets as well.

    Raises:
        ValueError: there is no pair, there are not as many answers as prompts, an answer is
            empty or too long by itself, one of them is no list of ids, a size is below 1, or
            the seed below 0.

    >>> pairs = PromptedAnswers([[5, 6, 7]], [[8]], batch_tokens=9, context_length=4)
    >>> batch = next(pairs.epoch(0))
    >>> batch.inputs.tolist(), batch.targets.tolist(), pairs.num_cut
    ([[0, 6, 7, 8]], [[-100, -100, 8, 1]], 1)
    """

    num_cut: int
    """How many prompts have lost their beginning."""

    def __init__(
        self,
        prompts: Sequence[Sequence[int]],
        answers: Sequence[Sequence[int]],
        *,
        batch_tokens: int,
        context_length: int,
        seed: int = 0,
        bos_id: int = 0,
        eos_id: int = 1,
        score_prompt: bool = False,
    ):
        check_sizes(batch_tokens=batch_tokens, context_length=context_length)
        if not len(prompts) or len(prompts) != len(answers):
            raise ValueError(
                f"there are {len(prompts)} prompts and {len(answers)} answers; give at least "
                "one pair, and an answer for each prompt"
            )
        self.batch_tokens, self.context_length = int(batch_tokens), int(context_length)
        self.seed, self.bos_id, self.eos_id = check_seed(seed), bos_id, eos_id
        self.score_prompt, self.num_cut = bool(score_prompt), 0
        self.rows = [
            self._row(number, prompt, answer)
            for number, (prompt, answer) in enumerate(zip(prompts, answers, strict=True))
        ]
        self._sizes = [int(row.shape[1]) for row in self.rows]
        self.num_batches = min(-(-sum(self._sizes) // self.batch_tokens), len(self.rows))

    def _row(self, number: int, prompt: Sequence[int], answer: Sequence[int]) -> np.ndarray:
        """(2, T), what is read and what is to be said."""
        asked = whole_numbers(prompt, number, "prompt")
        said = [*whole_numbers(answer, number, "answer"), self.eos_id]
        if len(said) == 1:
            raise ValueError(f"answer {number} is empty; give it at least one token")
        room = self.context_length - len(said)  # for the prompt; the last token is not read
        if room < 0:
            raise ValueError(
                f"answer {number} has {len(said) - 1} tokens, and with its marks it needs a "
                f"context of {len(said)}; context_length is {self.context_length}"
            )
        if len(asked) > room:
            asked = asked[len(asked) - room :]
            self.num_cut += 1
        hidden = asked if self.score_prompt else [IGNORED] * len(asked)
        return np.array([[self.bos_id, *asked, *said], [IGNORED, *hidden, *said]], np.int64)

    def __len__(self) -> int:
        """The number of batches in an epoch."""
        return self.num_batches

    def epoch(self, number: int, start: int = 0) -> Iterator[Batch]:
        """The batches of an epoch, from batch `start` on."""
        generator = np.random.default_rng([self.seed, number])
        order = generator.permutation(len(self.rows))
        order = np.array(sorted(order, key=lambda k: self._sizes[k]))
        edges = even_edges(np.array([self._sizes[k] for k in order]), len(self))
        batches = np.split(order, edges)
        for batch in generator.permutation(len(self))[start:]:
            chosen = [self.rows[k] for k in batches[batch]]
            targets = pad([row[1, 1:] for row in chosen], IGNORED)
            yield Batch(pad([row[0, :-1] for row in chosen], self.eos_id), targets)

    def describe(self) -> dict[str, int | str]:
        """The kind, the sizes, the seed, and a checksum of the rows and of where in them the
        targets are.
        """
        targets = [(row[1] != IGNORED).sum(keepdims=True) for row in self.rows]
        return {
            "kind": "PromptedAnswers",
            "batch_tokens": self.batch_tokens,
            "context_length": self.context_length,
            "seed": self.seed,
            "score_prompt": str(self.score_prompt),
            "rows": len(self.rows),
            **fingerprint(np.concatenate([*(row[0] for row in self.rows), *targets]), None),
        }
