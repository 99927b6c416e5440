"""What every tokenizer of the book can do.

Left out: truncation, padding and batches, which belong to the data and not to the text.
"""

import operator
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar, Self

from lmtutor.files import PathLike, load_json, save_json
from lmtutor.tokenizers.vocabulary import BEGIN, END, Vocabulary


class Tokenizer(ABC):
    """Text to ids and back. A vocabulary opens with the begin mark, id 0, and the end mark,
    id 1; a subclass that has other marks says so.

    `encode` adds neither mark: metrics append the end mark and models put the begin mark in
    front, so that no text can be scored with a mark too many. `decode` passes over both.
    """

    kind: ClassVar[str]
    is_lossless: ClassVar[bool]
    """Whether `decode(encode(text)) == text` for every text."""
    bos_id: int = 0
    eos_id: int = 1
    _marks: ClassVar[tuple[str, ...]] = (BEGIN, END)
    """The tokens with which `fit` lets the vocabulary begin."""

    def __init__(self) -> None:
        self._vocabulary: Vocabulary | None = None

    @property
    def vocabulary(self) -> Vocabulary:
        """Tokens and ids; there once `fit` or `load` has run."""
        if self._vocabulary is None:
            raise ValueError(
                f"this {type(self).__name__} has no vocabulary yet: call fit(documents) first"
            )
        return self._vocabulary

    @property
    def vocab_size(self) -> int:
        """The number of ids, marks included."""
        return len(self.vocabulary)

    def fit(self, documents: Iterable[str]) -> Self:
        """Learn the vocabulary from `documents`, and return the tokenizer.

        Raises:
            ValueError: there are no documents, one is not a string, or one holds a lone
                surrogate.
        """
        if isinstance(documents, str):
            raise ValueError(
                "fit takes a list of documents, and got one string; write fit([text])"
            )
        self._vocabulary = Vocabulary([*self._marks, *self._learn(_checked(documents))])
        return self

    def encode(self, text: str) -> list[int]:
        """The ids of `text`, without marks.

        Raises:
            ValueError: the text is no string or holds a lone surrogate, or there is no
                vocabulary yet.
        """
        return self.encode_with_offsets(text)[0]

    @abstractmethod
    def encode_with_offsets(self, text: str) -> tuple[list[int], list[tuple[int, int]]]:
        """`encode`, and for each id where its text starts and stops, counted in characters."""

    @abstractmethod
    def decode(self, ids: Sequence[int]) -> str:
        """The text of `ids`, begin and end marks left out.

        Raises:
            ValueError: an id is outside the vocabulary.
        """

    def _checked_ids(self, ids: Sequence[int]) -> list[int]:
        """The ids as Python's own numbers, or a ValueError that names the first that is none
        of the vocabulary.
        """
        vocabulary = self.vocabulary
        checked = []
        for token_id in ids:
            try:
                checked.append(operator.index(token_id))
            except TypeError as error:
                raise ValueError(f"{token_id!r} is no id; give whole numbers") from error
            vocabulary[checked[-1]]  # refuses what is outside
        return checked

    @abstractmethod
    def _learn(self, documents: Iterable[str]) -> list[str]:
        """The tokens after the marks."""

    def save(self, path: PathLike) -> None:
        """Write the tokenizer to a JSON file; an older file at `path` stays whole if that
        fails.
        """
        learnt = self._learnt()
        content = {"tokens": list(self.vocabulary), **self._settings()}
        save_json(path, self.kind, content if learnt is None else {**content, "learnt": learnt})

    @classmethod
    def load(cls, path: PathLike) -> Self:
        """Read what `save` wrote.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: the file is cut short or was changed, or another kind of tokenizer wrote
                it.
        """
        content = load_json(path, cls.kind)
        try:
            tokens, learnt = content.pop("tokens"), content.pop("learnt", None)
            tokenizer = cls(**content)
            tokenizer._vocabulary = Vocabulary(tokens)
            if not isinstance(tokens, list):
                raise ValueError("its tokens are no list")
            tokenizer._check_tokens(tokens)
            tokenizer._restore(learnt)
        except (TypeError, KeyError, AttributeError, ValueError) as error:
            raise ValueError(f"{path} holds no {cls.kind} of this release ({error})") from error
        return tokenizer

    def _check_tokens(self, tokens: list[str]) -> None:
        """Raise a ValueError if a file's tokens cannot be those of such a tokenizer."""
        first = [*self._marks, *self._learn([])]
        if tokens[: len(first)] != first:
            raise ValueError(f"its tokens do not begin with {first[:3]}")

    def _settings(self) -> dict[str, Any]:
        """The arguments that make the same tokenizer again."""
        return {}

    def _learnt(self) -> Any:
        """What `fit` learnt besides the vocabulary, in a form that JSON can hold."""
        return None

    def _restore(self, learnt: Any) -> None:  # noqa: B027  (most have nothing to restore)
        """Take over what `_learnt` gave; the vocabulary is there already."""


def check_text(text: object) -> str:
    """`text` as it is, or a ValueError that says why it cannot be encoded."""
    if isinstance(text, bytes):
        raise ValueError(
            "text must be a string, not bytes; decode it first, for instance with "
            ".decode('utf-8')"
        )
    if not isinstance(text, str):
        raise ValueError(f"text must be a string, not {type(text).__name__}")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise ValueError(
            f"the text has a lone surrogate, {text[error.start]!r}, at position {error.start}; "
            "such text has no UTF-8 form: mend what read it, or use text.encode('utf-8', "
            "'replace').decode()"
        ) from error
    return text


def _checked(documents: Iterable[str]) -> Iterable[str]:
    empty = True
    for number, document in enumerate(documents):
        empty = False
        try:
            yield check_text(document)
        except ValueError as error:
            raise ValueError(f"document {number}: {error}") from error
    if empty:
        raise ValueError("there are no documents to fit on; give at least one")
