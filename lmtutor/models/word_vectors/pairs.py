"""From sentences to what word vectors learn from: ids, pairs of near words, and noise.

Source: Mikolov et al. 2013, "Distributed Representations of Words and Phrases and their
Compositionality", sections 2.2 (negative sampling, the power 3/4) and 2.3 (subsampling);
Pennington et al. 2014, "GloVe", section 3.1 (counts weighted by 1/distance); Vose 1991, "A
Linear Algorithm for Generating Random Numbers with a Given Distribution" (alias tables).
Left out: phrases; text that does not fit into memory as numbers (the words themselves may be
streamed, and are dropped once they were read).

Letters in the shapes: N words of text, V different words.
"""

from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True)
class NumberedText:
    """A text as numbers; the ids go from the most frequent word to the rarest."""

    words: list[str]
    """The V different words, in the order of their ids."""
    counts: Tensor
    """(V,) int64, how often each occurs."""
    ids: Tensor
    """(N,) int64, the text, one word after the other."""
    sentences: Tensor
    """(N,) int64, the number of the sentence in which each word stands."""


def number_words(sentences: Iterable[Sequence[str]], min_count: int = 1) -> NumberedText:
    """Give each word that occurs at least `min_count` times an id; rarer words are dropped from
    the text, as if they had never stood there.

    Args:
        sentences: lists of words; may be a generator.
        min_count: how often a word must occur.

    Raises:
        ValueError: a sentence is a string and not a list of strings, or fewer than two
            different words remain.

    >>> text = number_words([["a", "b", "a"], ["b", "a", "c"]], min_count=2)
    >>> text.words, text.ids.tolist(), text.sentences.tolist()
    (['a', 'b'], [0, 1, 0, 1, 0], [0, 0, 0, 1, 1])
    """
    first_ids: dict[str, int] = {}
    ids, lengths = array("q"), array("q")
    for sentence in sentences:
        if isinstance(sentence, str) or not all(isinstance(word, str) for word in sentence):
            raise ValueError(
                f"a sentence must be a list of words, but got {repr(sentence)[:60]}; split it "
                "into words first"
            )
        ids.extend([first_ids.setdefault(word, len(first_ids)) for word in sentence])
        lengths.append(len(sentence))
    seen, met = list(first_ids), np.array(ids, dtype=np.int64)
    counts = np.bincount(met, minlength=len(seen))
    frequent = [place for place in range(len(seen)) if counts[place] >= min_count]
    if len(frequent) < 2:
        raise ValueError(
            f"{len(frequent)} of {len(seen)} different words occur {min_count} times or more; "
            "give more text or a smaller min_count, so that there are two at least"
        )
    order = sorted(frequent, key=lambda place: (-counts[place], seen[place]))
    new_ids = np.full(len(seen), -1)
    new_ids[order] = np.arange(len(order))
    renamed, numbers = new_ids[met], np.repeat(np.arange(len(lengths)), lengths)
    kept = renamed >= 0
    return NumberedText(
        [seen[place] for place in order],
        torch.from_numpy(counts[order].astype(np.int64)),
        torch.from_numpy(renamed[kept]),
        torch.from_numpy(numbers[kept].astype(np.int64)),
    )


def keep_probabilities(counts: Tensor, threshold: float) -> Tensor:
    """With what probability each word of the text is kept when frequent words are thinned out.

    For a word with the share f of the text it is sqrt(t / f) + t / f, at most 1: the formula of
    the word2vec program. The paper's equation 5 has the first term alone.

    Args:
        counts: (V,) how often each word occurs.
        threshold: t; 0 keeps everything.

    Returns:
        (V,) float64

    >>> keep_probabilities(torch.tensor([990, 10]), threshold=0.01)
    tensor([0.1106, 1.0000], dtype=torch.float64)
    """
    shares = counts.double() / counts.sum()
    if threshold == 0:
        return torch.ones_like(shares)
    ratio = threshold / shares
    return (ratio.sqrt() + ratio).clamp(max=1.0)


def context_pairs(
    sentences: Tensor, radii: Tensor, start: int = 0, stop: int | None = None
) -> tuple[Tensor, Tensor]:
    """All pairs of a centre and a word near it in the same sentence, in the order of the text.

    Args:
        sentences: (N,) the number of each word's sentence.
        radii: (N,) how far each word looks to both sides when it is the centre.
        start: of the centres; `stop` is behind the last one, by default N.

    Returns:
        Two tensors (P,) of positions in the text: of the centre, and of the word near it.

    >>> radii = torch.tensor([1, 1, 2, 1])
    >>> centres, contexts = context_pairs(torch.tensor([0, 0, 0, 1]), radii)
    >>> list(zip(centres.tolist(), contexts.tolist()))
    [(0, 1), (1, 0), (1, 2), (2, 0), (2, 1)]
    """
    total = len(sentences)
    reach = int(radii.max()) if total else 0
    steps = torch.tensor([step for step in range(-reach, reach + 1) if step], dtype=torch.int64)
    end = total if stop is None else min(stop, total)
    centres = torch.arange(min(start, end), end)[:, None]
    near = centres + steps  # (centres, 2 * reach)
    inside = (near >= 0) & (near < total) & (steps.abs() <= radii[centres])
    near = near.clamp(0, max(0, total - 1))
    inside &= sentences[near] == sentences[centres]
    return centres.expand_as(near)[inside], near[inside]


class NegativeSampler:
    """Draws words with probabilities that are proportional to count ** power.

    It uses an alias table: one even choice and one throw of a coin for each draw, whatever V.

    Args:
        counts: (V,) how often each word occurs.
        power: 3/4 in word2vec; 1 draws as often as words occur, 0 draws all alike.

    >>> NegativeSampler(torch.tensor([16, 1])).probabilities
    tensor([0.8889, 0.1111], dtype=torch.float64)
    """

    def __init__(self, counts: Tensor, power: float = 0.75):
        weights = counts.double() ** power
        self.probabilities = weights / weights.sum()  # (V,)
        self._stay, self._alias = _alias_table(self.probabilities)

    def draw(self, *shape: int, generator: torch.Generator) -> Tensor:
        """Ids of words, drawn independently of one another, in a tensor of this shape."""
        ids = torch.randint(len(self._alias), shape, generator=generator)
        stays = torch.rand(shape, generator=generator) < self._stay[ids]
        return torch.where(stays, ids, self._alias[ids])


def _alias_table(probabilities: Tensor) -> tuple[Tensor, Tensor]:
    """V boxes of equal probability, each shared by its own word and at most one other."""
    filled = (probabilities * len(probabilities)).tolist()
    alias = list(range(len(filled)))
    small = [place for place, height in enumerate(filled) if height < 1]
    large = [place for place, height in enumerate(filled) if height >= 1]
    while small and large:
        low, high = small.pop(), large[-1]
        alias[low] = high
        filled[high] -= 1 - filled[low]
        if filled[high] < 1:
            small.append(large.pop())
    for place in small + large:  # what rounding left over
        filled[place] = 1.0
    return torch.tensor(filled, dtype=torch.float32), torch.tensor(alias)


def count_cooccurrences(
    text: NumberedText, window: int, by_distance: bool = True
) -> tuple[Tensor, Tensor, Tensor]:
    """How often each word stands near each other one, in the same sentence.

    Args:
        text: as `number_words` gives it.
        window: how far apart two words may stand.
        by_distance: two words d places apart count 1/d, as in GloVe; otherwise 1.

    Returns:
        Three tensors (P,): the words of each pair that occurs at all, in both orders, and its
        count, float64. A word next to itself counts from both sides.

    >>> rows, columns, counts = count_cooccurrences(number_words([["a", "b", "a"]]), window=2)
    >>> list(zip(rows.tolist(), columns.tolist(), counts.tolist()))
    [(0, 0, 1.0), (0, 1, 2.0), (1, 0, 2.0)]
    """
    size, ids, sentences = len(text.words), text.ids.numpy(), text.sentences.numpy()
    keys, weights = [], []
    for step in range(1, window + 1):
        same = sentences[:-step] == sentences[step:]
        first, second = ids[:-step][same], ids[step:][same]
        key, times = np.unique(
            np.minimum(first, second) * size + np.maximum(first, second), return_counts=True
        )
        keys.append(key)
        weights.append(times / step if by_distance else times.astype(float))
    key, places = np.unique(np.concatenate(keys), return_inverse=True)
    counts = np.bincount(places, np.concatenate(weights), len(key))
    rows, columns = np.divmod(key, size)
    counts[rows == columns] *= 2
    other = rows != columns
    both = np.concatenate([rows, columns[other]]), np.concatenate([columns, rows[other]])
    counts = np.concatenate([counts, counts[other]])
    order = np.lexsort((both[1], both[0]))
    rows, columns, counts = both[0][order], both[1][order], counts[order]
    return torch.from_numpy(rows), torch.from_numpy(columns), torch.from_numpy(counts)
