"""What all word vectors can be asked: similarity, neighbours, analogies.

Source: Mikolov, Yih and Zweig 2013, "Linguistic Regularities in Continuous Space Word
Representations" (the offset method for analogies); Levy and Goldberg 2014, "Linguistic
Regularities in Sparse and Explicit Word Representations" (the same on unit vectors, 3CosAdd).
Left out: approximate search; every question is answered by comparing with all words.

Letters in the shapes: V words, D size of a vector.
"""

import operator
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any, Self

import torch
from torch import Tensor
from torch.nn import functional as F

from lmtutor.files import PathLike, load_arrays, save_arrays


class WordVectors:
    """A vector for each of V different words.

    Args:
        words: the words, in the order of the rows.
        vectors: (V, D)

    Raises:
        ValueError: there is not one finite row for each word, or a word stands there twice.

    >>> rows = torch.tensor([[1., 2.], [1., 1.], [-1., 1.]])
    >>> model = WordVectors(["up", "down", "cat"], rows)
    >>> model.nearest("up", 1)
    [('down', 0.948...)]
    """

    kind = "word vectors"
    vectors_: Tensor
    """(V, D), a row for each word."""

    def __init__(self, words: Sequence[str], vectors: Tensor):
        if vectors.ndim != 2 or len(vectors) != len(words) or vectors.shape[1] < 1:
            raise ValueError(
                f"there are {len(words)} words and vectors of shape {tuple(vectors.shape)}; "
                "give a matrix with one row for each word"
            )
        if not vectors.isfinite().all():
            raise ValueError("a vector holds a number that is infinite or NaN")
        self._set_words(words)
        self.vectors_ = vectors

    def _set_words(self, words: Sequence[str]) -> None:
        self._words = list(words)
        self._ids = {word: place for place, word in enumerate(self._words)}
        if len(self._ids) < len(self._words):
            twice = next(w for place, w in enumerate(self._words) if self._ids[w] != place)
            raise ValueError(f"the word {twice!r} stands there twice; give each word one row")

    @property
    def words(self) -> list[str]:
        """The words, in the order of the rows of `vectors_`."""
        self._check_fitted()
        return list(self._words)

    def __len__(self) -> int:
        self._check_fitted()
        return len(self._words)

    def __contains__(self, word: object) -> bool:
        self._check_fitted()
        return word in self._ids

    def id_of(self, word: str) -> int:
        """The row of a word.

        Raises:
            ValueError: the word is unknown; the message names known words with a like spelling.
        """
        self._check_fitted()
        if word in self._ids:
            return self._ids[word]
        alike = get_close_matches(str(word), self._words, 3, 0.6)
        hint = f"; spelt alike: {', '.join(alike)}" if alike else ""
        raise ValueError(f"the word {word!r} is not among the {len(self._words)} known{hint}")

    def __getitem__(self, word: str) -> Tensor:
        """(D,): the vector of a word.

        Raises:
            ValueError: the word is unknown.
        """
        row = self.id_of(word)
        return self.vectors_[row]

    def similarity(self, first: str, second: str) -> float:
        """The cosine of the angle between two words' vectors, from -1 to 1.

        Raises:
            ValueError: a word is unknown.

        >>> model = WordVectors(["a", "b"], torch.tensor([[1., 0.], [3., 4.]]))
        >>> round(model.similarity("a", "b"), 4)
        0.6
        """
        return float(_unit(self[first]) @ _unit(self[second]))

    def nearest(self, query: str | Tensor, count: int = 10) -> list[tuple[str, float]]:
        """The words with the largest cosines, the nearest first.

        Args:
            query: a word, which is then left out of the answer, or a vector (D,), from whose
                answer nothing is left out.
            count: how many; all there are if there are fewer.

        Raises:
            ValueError: the word is unknown, the vector has another size, or `count` is below 1.
        """
        if isinstance(query, str):
            return self._search(self[query], count, {query})
        return self._search(query, count, set())

    def analogy(self, a: str, b: str, c: str, count: int = 10) -> list[tuple[str, float]]:
        """What is to `c` as `b` is to `a`: the words nearest to b - a + c, of unit vectors.

        The three words themselves are left out, or one of them would mostly be the answer. To
        see them, ask `nearest` for the vector.

        Raises:
            ValueError: a word is unknown, or `count` is below 1.

        >>> rows = torch.tensor([[1., 0., 1.], [0., 1., 1.], [3., 0., 1.], [0., 3., 1.]])
        >>> WordVectors(["man", "woman", "king", "queen"], rows).analogy("man", "woman", "king")
        [('queen', 0.9...)]
        """
        target = _unit(self[b]) - _unit(self[a]) + _unit(self[c])
        return self._search(target, count, {a, b, c})

    def _search(
        self, vector: Tensor, count: int, left_out: set[str]
    ) -> list[tuple[str, float]]:
        self._check_fitted()
        size = self.vectors_.shape[1]
        if vector.shape != (size,):
            raise ValueError(
                f"a vector of shape {tuple(vector.shape)} was given, but those of the words "
                f"have shape ({size},)"
            )
        if operator.index(count) < 1:
            raise ValueError(f"count is {count}; ask for 1 word at least")
        cosines = _unit(self.vectors_) @ _unit(vector.to(self.vectors_))  # (V,)
        best = cosines.argsort(descending=True, stable=True)[: count + len(left_out)].tolist()
        found = [(self._words[row], float(cosines[row])) for row in best]
        return [pair for pair in found if pair[0] not in left_out][:count]

    # --- files

    def save(self, path: PathLike) -> None:
        """Write words, vectors and settings to one file, safetensors with a checksum."""
        self._check_fitted()
        arrays = {name: tensor.numpy() for name, tensor in self._tensors().items()}
        settings = {"words": self._words, "options": self._options()}
        save_arrays(path, self.kind, settings, arrays)

    @classmethod
    def load(cls, path: PathLike) -> Self:
        """Read what `save` wrote.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: it is damaged, or another class saved it.
        """
        settings, arrays = load_arrays(path, cls.kind)
        tensors = {name: torch.from_numpy(array.copy()) for name, array in arrays.items()}
        return cls._restore(settings["words"], settings["options"], tensors)

    @classmethod
    def _restore(
        cls, words: list[str], options: Mapping[str, Any], tensors: dict[str, Tensor]
    ) -> Self:
        return cls(words, tensors["vectors_"])

    def _options(self) -> dict[str, Any]:
        """The arguments with which the constructor makes an equal, untrained model."""
        return {}

    def _tensors(self) -> dict[str, Tensor]:
        """What was learnt, by the name of the attribute."""
        return {"vectors_": self.vectors_}

    def _check_fitted(self) -> None:
        if not hasattr(self, "vectors_"):
            raise ValueError("the model has learnt nothing yet; call fit(sentences) first")


class TrainedVectors(WordVectors):
    """Word vectors that learn: the constructor takes options, `fit` takes text."""

    _OPTIONS: tuple[str, ...] = ()
    _TENSORS: tuple[str, ...] = ()

    def _options(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self._OPTIONS}

    def _tensors(self) -> dict[str, Tensor]:
        return {name: getattr(self, name) for name in self._TENSORS}

    @classmethod
    def _restore(
        cls, words: list[str], options: Mapping[str, Any], tensors: dict[str, Tensor]
    ) -> Self:
        model = cls(**options)
        model._set_words(words)
        for name, tensor in tensors.items():
            setattr(model, name, tensor)
        return model


def check_at_least(least: float, **numbers: float) -> None:
    """Refuse whole numbers or sizes that are too small, by their name."""
    for name, value in numbers.items():
        if not value >= least or value == float("inf"):
            raise ValueError(f"{name} is {value}; give a number from {least} up")


def check_above_zero(**numbers: float) -> None:
    """Refuse what is not a finite number above 0, by its name."""
    for name, value in numbers.items():
        if not 0 < value < float("inf"):
            raise ValueError(f"{name} is {value}; give a number above 0")


def _unit(vectors: Tensor) -> Tensor:
    """(..., D), each of length 1; a vector of zeros stays as it is."""
    return F.normalize(vectors, dim=-1)
