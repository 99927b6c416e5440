"""fastText: a word's vector is the mean of vectors of its pieces, so any word has one.

Source: Bojanowski et al. 2017, "Enriching Word Vectors with Subword Information", section 3.2;
the hash is FNV-1a, 32 bits, of Fowler, Noll and Vo. The paper adds the pieces up, the authors'
program takes their mean, and so do we: the direction is the same, the length does not grow with
the word. Left out: supervised classification, pruning and quantisation.
"""

from collections.abc import Sequence
from itertools import chain
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from lmtutor.models.word_vectors.pairs import NumberedText
from lmtutor.models.word_vectors.skip_gram import SkipGram
from lmtutor.models.word_vectors.vectors import check_at_least


def fnv1a(text: str) -> int:
    """The 32-bit FNV-1a hash of the UTF-8 bytes of `text`.

    >>> hex(fnv1a("a"))
    '0xe40c292c'
    """
    value = 2166136261
    for byte in text.encode():
        value = (value ^ byte) * 16777619 % 2**32
    return value


def character_ngrams(word: str, shortest: int = 3, longest: int = 6) -> list[str]:
    """The runs of `shortest` to `longest` characters of a word between the marks < and >.

    >>> character_ngrams("where", 3, 4)
    ['<wh', 'whe', 'her', 'ere', 're>', '<whe', 'wher', 'here', 'ere>']
    """
    marked = f"<{word}>"
    return [
        marked[start : start + length]
        for length in range(shortest, longest + 1)
        for start in range(len(marked) - length + 1)
    ]


class FastText(SkipGram):
    """Skip-gram whose centre vectors are means over pieces of words.

    The pieces of a word are its runs of characters, `character_ngrams`, hashed into `buckets`
    rows, and the whole word if `fit` saw it. Two runs may share a row. Each piece takes the
    whole gradient of the mean and not its n-th part, as in the authors' program: otherwise a
    word would learn the more slowly, the longer it is.

    Args:
        size: D, and so on as for `SkipGram`.
        shortest: of the runs of characters.
        longest: the same.
        buckets: rows for runs of characters.
        options: the other arguments of `SkipGram`.

    Raises:
        ValueError: an argument is too small to make sense.

    >>> model = FastText(size=4, min_count=1, subsample=0, buckets=50).fit([["boats", "sea"]])
    >>> "boating" in model, model["boating"].shape
    (False, torch.Size([4]))
    """

    kind = "fastText"
    _OPTIONS = (*SkipGram._OPTIONS, "shortest", "longest", "buckets")
    _TENSORS = (*SkipGram._TENSORS, "pieces_")

    pieces_: Tensor
    """(V + buckets, D), the vectors of whole words, then those of runs of characters."""

    def __init__(
        self,
        size: int = 100,
        shortest: int = 3,
        longest: int = 6,
        buckets: int = 100_000,
        **options: Any,
    ):
        super().__init__(size, **options)
        check_at_least(1, shortest=shortest, buckets=buckets)
        check_at_least(shortest, longest=longest)
        self.shortest, self.longest, self.buckets = shortest, longest, buckets

    def piece_ids(self, word: str) -> list[int]:
        """The rows of `pieces_` whose mean is the vector of `word`."""
        runs = character_ngrams(word, self.shortest, self.longest)
        rows = [len(self._words) + fnv1a(run) % self.buckets for run in runs]
        return [self._ids[word], *rows] if word in self._ids else rows

    def __getitem__(self, word: str) -> Tensor:
        """(D,): the vector of any word, seen or not.

        Raises:
            ValueError: the word is unknown and too short to have a piece.
        """
        self._check_fitted()
        if word in self._ids:
            return self.vectors_[self._ids[word]]
        pieces = self.piece_ids(word) if isinstance(word, str) and word else []
        if not pieces:
            raise ValueError(
                f"the word {word!r} is unknown, and has no run of {self.shortest} to "
                f"{self.longest} characters, < and > included, to make a vector from"
            )
        return self.pieces_[pieces].mean(dim=0)

    # --- training

    def _start(self, text: NumberedText, generator: torch.Generator) -> None:
        super()._start(text, generator)
        self._inputs = self._first_inputs(len(text.words) + self.buckets, generator)
        self._index_pieces()

    def _index_pieces(self) -> None:
        """All pieces of all words in one row, and for each word where its own begin."""
        pieces: Sequence[list[int]] = [self.piece_ids(word) for word in self._words]
        self._numbers = torch.tensor([len(rows) for rows in pieces])  # (V,)
        self._starts = self._numbers.cumsum(0) - self._numbers  # (V,)
        self._rows = torch.tensor(list(chain.from_iterable(pieces)))

    def _pieces_of(self, words: Tensor) -> tuple[Tensor, Tensor]:
        """(W,) -> the pieces of all these words, and (W,) the place of each word's first."""
        numbers = self._numbers[words]
        first = numbers.cumsum(0) - numbers
        shift = (self._starts[words] - first).repeat_interleave(numbers)
        return self._rows[shift + torch.arange(len(shift))], first

    def _look_up(self, centres: Tensor) -> Tensor:
        # The pairs of one centre follow one another, so its pieces are added up only once.
        words, places = torch.unique_consecutive(centres, return_inverse=True)
        return F.embedding(places, self._mean_of_pieces(words))

    def _mean_of_pieces(self, words: Tensor) -> Tensor:
        rows, first = self._pieces_of(words)
        return F.embedding_bag(rows, self._inputs, first, mode="mean")

    def _move_inputs(self, centres: Tensor, steps: Tensor) -> None:
        words, places = torch.unique_consecutive(centres, return_inverse=True)
        per_word = steps.new_zeros(len(words), self.size).index_add_(0, places, steps)
        rows, _ = self._pieces_of(words)
        spread = per_word.repeat_interleave(self._numbers[words], dim=0)
        self._inputs.index_add_(0, rows, spread)

    def _finish(self) -> None:
        self.vectors_ = self._mean_of_pieces(torch.arange(len(self._words)))
        self.pieces_ = self._inputs
        del self._inputs, self._rows, self._starts, self._numbers
