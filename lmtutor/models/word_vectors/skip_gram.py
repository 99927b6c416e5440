"""Skip-gram with negative sampling: vectors that tell real neighbours of a word from noise.

Source: Mikolov et al. 2013, "Distributed Representations of Words and Phrases and their
Compositionality", section 2.2, equation 4, and section 2.3; the order of the work follows the
authors' program word2vec. Left out: hierarchical softmax, CBOW, phrases.

Two roads: `skip_gram_loss` says what is learnt and can be differentiated by torch;
`skip_gram_gradients` is the same by hand, which training uses. The tests hold them equal.

Letters in the shapes: B pairs, K negatives, V words, D size of a vector.
"""

import math
from collections.abc import Iterable, Sequence
from typing import Self

import torch
from torch import Tensor
from torch.nn import functional as F
from tqdm.auto import tqdm

from lmtutor.models.word_vectors.pairs import (
    NegativeSampler,
    NumberedText,
    context_pairs,
    keep_probabilities,
    number_words,
)
from lmtutor.models.word_vectors.vectors import (
    TrainedVectors,
    check_above_zero,
    check_at_least,
)

_CHUNK = 2**16
"""So many words are turned into pairs at a time, to bound the memory."""
_MOST_REPEATS = 128
"""A batch is made smaller where one word would come up in it more often than that."""


def skip_gram_loss(centres: Tensor, contexts: Tensor, negatives: Tensor) -> Tensor:
    """-log sigma(u.v) - sum over k of log sigma(-u.v_k): minus equation 4, one number a pair.

    Args:
        centres: (..., D) u, the vectors of the words in the middle.
        contexts: (..., D) v, of words that stood near them.
        negatives: (..., K, D) v_k, of words that were drawn at random.

    Returns:
        (...), in nats.

    >>> skip_gram_loss(torch.zeros(3), torch.ones(3), torch.ones(2, 3)) / torch.tensor(2.).log()
    tensor(3.)
    """
    real = (centres * contexts).sum(dim=-1)  # (...)
    noise = (centres[..., None, :] * negatives).sum(dim=-1)  # (..., K)
    return -F.logsigmoid(real) - F.logsigmoid(-noise).sum(dim=-1)


def skip_gram_gradients(inputs: Tensor, outputs: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The sum of `skip_gram_loss` over the pairs of a batch, and its gradients.

    The derivative of -log sigma(s) is sigma(s) - 1 and that of -log sigma(-s) is sigma(s), so
    each of the 1 + K products of a pair has the error: probability minus truth.

    Args:
        inputs: (B, D) u.
        outputs: (B, 1 + K, D) v in front, then v_k.

    Returns:
        The loss, and its derivatives by the inputs and by the outputs, in their shapes.
    """
    scores = torch.einsum("bd,bkd->bk", inputs, outputs)  # (B, 1 + K)
    loss = F.softplus(scores).sum() - scores[:, 0].sum()
    errors = scores.sigmoid_()
    errors[:, 0] -= 1
    of_inputs = torch.bmm(errors[:, None], outputs).squeeze(1)  # (B, D)
    return loss, of_inputs, errors[:, :, None] * inputs[:, None]


class SkipGram(TrainedVectors):
    """Skip-gram with negative sampling.

    Each word has two vectors: one as the centre of a window, and one as its context. In each
    epoch frequent words are thinned out, each word that remains is paired with the words up to
    r places away, with r drawn evenly from 1 to `window`, and each pair meets `negatives` words
    that are drawn in proportion to count ** 0.75. The learning rate falls evenly to 0.

    Args:
        size: D.
        window: the largest distance of a pair.
        negatives: K.
        subsample: the share of the text above which words are thinned out; 0 for no word.
        min_count: rarer words are dropped.
        epochs: how often the text is read.
        learning_rate: at the start.
        batch_size: pairs whose gradients are taken at once. It is made smaller where one word
            would fill the batch, for the sum of its steps would be too long.
        seed: of everything random.

    Raises:
        ValueError: an argument is too small to make sense.

    >>> text = [["salt", "and", "pepper"], ["salt", "and", "oil"], ["sea", "and", "land"]] * 99
    >>> model = SkipGram(size=8, window=2, subsample=0, epochs=40).fit(text)
    >>> model.similarity("pepper", "oil") > model.similarity("pepper", "land")
    True
    """

    kind = "skip-gram"
    _OPTIONS: tuple[str, ...] = (
        "size",
        "window",
        "negatives",
        "subsample",
        "min_count",
        "epochs",
        "learning_rate",
        "batch_size",
        "seed",
    )
    _TENSORS: tuple[str, ...] = ("vectors_", "contexts_", "counts_")

    contexts_: Tensor
    """(V, D), the vectors of words as contexts."""
    counts_: Tensor
    """(V,), how often each word occurred."""
    losses_: list[float]
    """The mean loss of a pair in each epoch, in nats. It is not saved."""

    def __init__(
        self,
        size: int = 100,
        window: int = 5,
        negatives: int = 5,
        subsample: float = 1e-3,
        min_count: int = 5,
        epochs: int = 5,
        learning_rate: float = 0.025,
        batch_size: int = 512,
        seed: int = 0,
    ):
        check_at_least(1, size=size, window=window, negatives=negatives, min_count=min_count)
        check_at_least(1, epochs=epochs, batch_size=batch_size)
        check_at_least(0, subsample=subsample)
        check_above_zero(learning_rate=learning_rate)
        self.size, self.window, self.negatives = size, window, negatives
        self.subsample, self.min_count, self.epochs = subsample, min_count, epochs
        self.learning_rate, self.batch_size, self.seed = learning_rate, batch_size, seed

    def fit(self, sentences: Iterable[Sequence[str]], progress: bool = False) -> Self:
        """Learn from sentences, and return the model.

        Args:
            sentences: lists of words; may be a generator, which is read once.
            progress: whether to show a bar.

        Raises:
            ValueError: a sentence is a string, fewer than two different words are frequent
                enough, no two of them stand near each other once frequent ones are thinned out
                (as may happen in a small text unless `subsample` is 0), or the training
                diverges.
        """
        text = number_words(sentences, self.min_count)
        generator = torch.Generator().manual_seed(self.seed)
        self._start(text, generator)
        with torch.no_grad():
            self.losses_ = [
                self._run_epoch(text, epoch, generator)
                for epoch in tqdm(range(self.epochs), "epochs", disable=not progress)
            ]
        self._finish()
        return self

    def mean_loss(self, sentences: Iterable[Sequence[str]], seed: int = 0) -> float:
        """The mean of `skip_gram_loss` over the pairs of a text, known words only, in nats.

        Args:
            sentences: lists of words, best of other text than `fit` saw.
            seed: of the thinning out, the windows and the negatives.

        Raises:
            ValueError: no two known words stand near each other.
        """
        self._check_fitted()
        known = [[self._ids[w] for w in words if w in self._ids] for words in sentences]
        ids = torch.tensor([word for words in known for word in words], dtype=torch.int64)
        numbers = torch.arange(len(known))
        text_of = numbers.repeat_interleave(torch.tensor([len(words) for words in known]))
        text = NumberedText(self._words, self.counts_, ids, text_of)
        generator = torch.Generator().manual_seed(seed)
        total = pairs = 0.0
        with torch.no_grad():
            for centres, outputs, _ in self._batches(text, generator, _CHUNK):
                vectors = F.embedding(outputs, self.contexts_)
                loss, *_ = skip_gram_gradients(F.embedding(centres, self.vectors_), vectors)
                total, pairs = total + float(loss), pairs + len(centres)
        if not pairs:
            raise ValueError("no two known words stand near each other in this text")
        return total / pairs

    # --- training

    def _start(self, text: NumberedText, generator: torch.Generator) -> None:
        """Small random vectors for centres, zeros for contexts, as word2vec does."""
        self._set_words(text.words)
        self.counts_ = text.counts
        self._inputs = self._first_inputs(len(text.words), generator)
        self.contexts_ = torch.zeros(len(text.words), self.size)

    def _first_inputs(self, rows: int, generator: torch.Generator) -> Tensor:
        return (torch.rand(rows, self.size, generator=generator) - 0.5) / self.size

    def _finish(self) -> None:
        self.vectors_ = self._inputs
        del self._inputs

    def _run_epoch(self, text: NumberedText, epoch: int, generator: torch.Generator) -> float:
        """Once through the text; returns the mean loss."""
        total = pairs = 0.0
        for centres, outputs, done in self._batches(text, generator, self._safe_batch(text)):
            rate = self.learning_rate * (1 - (epoch + done) / self.epochs)
            total += self._step(centres, outputs, rate)
            pairs += len(centres)
        if not pairs:
            raise ValueError(
                f"no two of the {len(text.words)} known words stand near each other once "
                f"frequent ones are thinned out (subsample is {self.subsample}); give more "
                "text or longer sentences, or set subsample=0"
            )
        chance = (1 + self.negatives) * math.log(2)  # what even guesses cost
        if not total / pairs < 3 * chance:
            raise ValueError(
                f"the loss of epoch {epoch + 1} is {total / pairs:.3g} nats a pair, where even "
                f"guesses cost {chance:.3g}: the steps are too long; take a smaller "
                f"learning_rate than {self.learning_rate}, or a smaller batch_size"
            )
        return total / pairs

    def _step(self, centres: Tensor, outputs: Tensor, rate: float) -> float:
        """One step down the gradient: centres (B,), outputs (B, 1 + K), the context first."""
        inputs = self._look_up(centres)  # (B, D)
        loss, of_inputs, of_outputs = skip_gram_gradients(
            inputs, F.embedding(outputs, self.contexts_)
        )
        self._move_inputs(centres, of_inputs.mul_(-rate))
        self.contexts_.index_add_(0, outputs.flatten(), of_outputs.mul_(-rate).flatten(0, 1))
        return float(loss)

    def _look_up(self, centres: Tensor) -> Tensor:
        """(B,) -> (B, D)"""
        return F.embedding(centres, self._inputs)

    def _move_inputs(self, centres: Tensor, steps: Tensor) -> None:
        """Add (B, D) to the vectors of (B,)."""
        self._inputs.index_add_(0, centres, steps)

    def _batches(
        self, text: NumberedText, generator: torch.Generator, batch_size: int
    ) -> Iterable[tuple[Tensor, Tensor, float]]:
        """Centres (B,), contexts with negatives (B, 1 + K), and the share of the text done."""
        sampler = NegativeSampler(self.counts_)
        keep = keep_probabilities(self.counts_, self.subsample)
        draws = torch.rand(text.ids.shape, generator=generator, dtype=torch.float64)
        kept = draws < keep[text.ids]
        ids, sentences = text.ids[kept], text.sentences[kept]
        radii = torch.randint(1, self.window + 1, ids.shape, generator=generator)
        for start in range(0, len(ids), _CHUNK):
            centres, near = context_pairs(sentences, radii, start, start + _CHUNK)
            negatives = sampler.draw(len(centres), self.negatives, generator=generator)
            inputs, outputs = ids[centres], torch.cat([ids[near][:, None], negatives], dim=1)
            for first in range(0, len(centres), batch_size):
                batch = slice(first, first + batch_size)
                yield inputs[batch], outputs[batch], int(centres[first]) / len(ids)

    def _safe_batch(self, text: NumberedText) -> int:
        """The batch size, or less if the most frequent word would come up too often."""
        kept = text.counts * keep_probabilities(text.counts, self.subsample)
        noise = NegativeSampler(text.counts).probabilities
        per_pair = (kept / kept.sum() + self.negatives * noise).max()
        return max(1, min(self.batch_size, int(_MOST_REPEATS / per_pair)))
