"""WordPiece: pieces of words, as BERT has them.

Sources: Devlin et al. 2019, "BERT: Pre-training of Deep Bidirectional Transformers for Language
    Understanding", section 3, and Hugging Face's engine `tokenizers`.
Google has published how BERT cuts words, but not the program that chose the pieces. Schuster
and Nakajima (2012, "Japanese and Korean voice search") describe one that joins what raises the
likelihood of the text most. `fit` does what Hugging Face does in its place: it joins the most
frequent neighbours, as in byte-pair encoding. Left out: a limit to the number of letters, and a
least frequency of a pair.
"""

import operator
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Any, Self

from lmtutor.files import PathLike
from lmtutor.tokenizers.base import Tokenizer, check_text
from lmtutor.tokenizers.merges import learn_merges_of
from lmtutor.tokenizers.normalisation import find_words, normalise_with_places, split_words
from lmtutor.tokenizers.vocabulary import Vocabulary

_MARKS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
_PREFIX = "##"
_LONGEST_WORD = 100
_find_marks = re.compile("|".join(map(re.escape, _MARKS))).finditer


class WordPieceTokenizer(Tokenizer):
    """Words, and pieces of the words that have no id of their own.

    The text is cleaned and cut into words at white space and punctuation, and each punctuation
    mark is a word. From each word the longest token with which it begins is taken, then the
    longest with which the rest begins, and so on. A token that continues a word is written with
    `##` in front. A word that cannot be cut so, or is longer than 100 characters, is unknown.

    There are five marks, `[PAD]`, `[UNK]`, `[CLS]`, `[SEP]` and `[MASK]`; after `fit` they have
    the ids 0 to 4. `[CLS]` is the begin mark of the book's tokenizers and `[SEP]` the end mark.
    `encode` adds none, but a mark that is written in the text becomes its id, so that a text
    can have a blank. `decode` joins the pieces of each word, leaves out marks and puts a space
    between words, so white space, capitals and accents are lost.

    Args:
        vocab_size: how many ids to learn, marks and letters included; BERT has 30,522. There
            are fewer where the text has no more pairs to join.
        lowercase: whether to take away capitals and accents, as BERT's uncased models do.

    Raises:
        ValueError: vocab_size is no whole number or leaves no room for the marks, or lowercase
            is neither True nor False.

    >>> tokenizer = WordPieceTokenizer(vocab_size=30).fit(["low lower lowest, slow slowest"])
    >>> tokenizer.tokens("Slower, [MASK] and slowest")
    ['slow', '##er', ',', '[MASK]', '[UNK]', 'slowest']
    >>> tokenizer.decode(tokenizer.encode("Slower, slowest"))
    'slower , slowest'
    """

    kind = "WordPiece tokenizer"
    is_lossless = False
    _marks = _MARKS
    pad_id: int = 0
    unk_id: int = 1
    cls_id: int = 2
    sep_id: int = 3
    mask_id: int = 4
    bos_id: int = 2
    eos_id: int = 3

    def __init__(self, vocab_size: int = 30522, lowercase: bool = True):
        super().__init__()
        try:
            self.largest_vocab_size = operator.index(vocab_size)
        except TypeError as error:
            raise ValueError(f"vocab_size is {vocab_size!r}; give a whole number") from error
        if self.largest_vocab_size < len(_MARKS):
            raise ValueError(
                f"vocab_size is {vocab_size}, but there are {len(_MARKS)} marks; give more"
            )
        if not isinstance(lowercase, bool):
            raise ValueError(f"lowercase is {lowercase!r}; give True or False")
        self.lowercase = lowercase
        self._pieces: _Pieces | None = None

    @classmethod
    def from_file(cls, path: PathLike, lowercase: bool = True) -> Self:
        """A tokenizer that was learnt elsewhere, from the `vocab.txt` that BERT models have.

        The line of a token, counted from 0, is its id; the marks may stand on any lines.

        Args:
            path: of a text file in UTF-8 with one token a line.
            lowercase: as above; the file does not say.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: it is empty or is no UTF-8, a line is empty, a token stands there twice,
                or a mark is missing.
        """
        try:
            with open(path, encoding="utf-8") as file:
                tokens = [line.removesuffix("\n") for line in file]
        except UnicodeDecodeError as error:
            raise ValueError(f"{path} is no text in UTF-8 ({error})") from error
        try:
            return cls.from_tokens(tokens, lowercase)
        except ValueError as error:
            raise ValueError(f"{path} holds no vocabulary of BERT's: {error}") from error

    @classmethod
    def from_tokens(cls, tokens: Iterable[str], lowercase: bool = True) -> Self:
        """A tokenizer that was learnt elsewhere, from its tokens in the order of their ids.

        Raises:
            ValueError: there are none, one is empty or stands there twice, or a mark is
                missing.

        >>> marks = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
        >>> WordPieceTokenizer.from_tokens([*marks, "un", "##able"]).tokens("unable able")
        ['un', '##able', '[UNK]']
        """
        tokens = list(tokens)
        _check_tokens(tokens)
        tokenizer = cls(len(tokens), lowercase)
        tokenizer._vocabulary = Vocabulary(tokens)
        tokenizer._restore(None)
        return tokenizer

    @property
    def special_ids(self) -> tuple[int, ...]:
        """The ids of the five marks: padding, unknown, begin, end, blank."""
        return self.pad_id, self.unk_id, self.cls_id, self.sep_id, self.mask_id

    @property
    def continues_word(self) -> list[bool]:
        """For each id whether its token begins with `##`, and so continues a word."""
        return [token.startswith(_PREFIX) for token in self.vocabulary]

    def _learn(self, documents: Iterable[str]) -> list[str]:
        words: Counter[str] = Counter()
        for document in documents:
            words.update(split_words(document, self.lowercase))
        first = sorted(set(chain.from_iterable(words)))
        later = sorted({character for word in words for character in word[1:]})
        letters = [*_MARKS, *first, *map(_PREFIX.__add__, later)]
        if self.largest_vocab_size < len(letters):
            raise ValueError(
                f"vocab_size is {self.largest_vocab_size}, but {len(_MARKS)} marks, "
                f"{len(first)} letters and {len(later)} letters inside of words need "
                f"{len(letters)}; give more"
            )
        id_of = {letter: number for number, letter in enumerate(letters)}
        split = [
            [id_of[word[0]], *(id_of[_PREFIX + character] for character in word[1:])]
            for word in words
        ]
        size = self.largest_vocab_size
        _, tokens = learn_merges_of(split, list(words.values()), letters, size, _join)
        self._take_ids(tokens)
        return tokens[len(_MARKS) :]

    def _take_ids(self, tokens: Sequence[str]) -> None:
        """Note the ids of the marks."""
        self.pad_id, self.unk_id, self.cls_id, self.sep_id, self.mask_id = map(
            tokens.index, _MARKS
        )
        self.bos_id, self.eos_id = self.cls_id, self.sep_id
        self._pieces = None

    def _ready(self) -> "_Pieces":
        """The pieces of words, looked up in the vocabulary of now."""
        vocabulary = self.vocabulary  # says so where there is none yet
        if self._pieces is None:
            self._pieces = _Pieces(vocabulary, self.unk_id)
        return self._pieces

    def encode(self, text: str) -> list[int]:
        """The ids of `text`; marks are those that it holds itself."""
        pieces = self._ready()
        ids: list[int] = []
        for start, stop, mark in _parts(check_text(text)):
            if mark:
                ids.append(self.vocabulary.id_of(text[start:stop]))
            else:
                words = split_words(text[start:stop], self.lowercase)
                ids.extend(chain.from_iterable(map(pieces.__getitem__, words)))
        return ids

    def encode_with_offsets(self, text: str) -> tuple[list[int], list[tuple[int, int]]]:
        """`encode`, and for each id the first character that has a part in it, and the place
        behind the last.
        """
        pieces = self._ready()
        ids: list[int] = []
        offsets: list[tuple[int, int]] = []
        for start, stop, mark in _parts(check_text(text)):
            if mark:
                ids.append(self.vocabulary.id_of(text[start:stop]))
                offsets.append((start, stop))
                continue
            clean, places = normalise_with_places(text[start:stop], self.lowercase)
            for word in find_words(clean):
                found = pieces[word[0]]
                ids += found
                begin = word.start()
                for length in self._lengths(word[0], found):
                    covered = places[begin : begin + length]
                    offsets.append((start + min(covered), start + max(covered) + 1))
                    begin += length
        return ids, offsets

    def _lengths(self, word: str, ids: Sequence[int]) -> list[int]:
        """How many characters of a word each of its ids takes."""
        if len(ids) == 1:  # a token that is all of it, or the mark for the unknown
            return [len(word)]
        first, *others = map(self.vocabulary.__getitem__, ids)
        return [len(first), *(len(token) - len(_PREFIX) for token in others)]

    def tokens(self, text: str) -> list[str]:
        """The tokens of `text` as strings.

        >>> WordPieceTokenizer(11).fit(["aa ab"]).tokens("ab! aab")
        ['ab', '[UNK]', 'aa', '##b']
        """
        return [self.vocabulary[number] for number in self.encode(text)]

    def decode(self, ids: Sequence[int]) -> str:
        """The words of `ids` with a space between them, marks left out. A token that continues
        a word keeps its `##` where it comes first.

        Raises:
            ValueError: an id is no whole number, or outside the vocabulary.
        """
        marks = self.special_ids
        text = ""
        for number in self._checked_ids(ids):
            if number not in marks:
                token = self.vocabulary[number]
                continues = text and token.startswith(_PREFIX)
                text += token.removeprefix(_PREFIX) if continues else f" {token}"
        return text.removeprefix(" ")

    def _check_tokens(self, tokens: list[str]) -> None:
        _check_tokens(tokens)
        if len(tokens) > self.largest_vocab_size:
            raise ValueError(
                f"it has {len(tokens)} tokens, and vocab_size is {self.largest_vocab_size}"
            )

    def _restore(self, learnt: Any) -> None:
        self._take_ids(self.vocabulary.tokens)

    def _settings(self) -> dict[str, Any]:
        return {"vocab_size": self.largest_vocab_size, "lowercase": self.lowercase}


class _Pieces(dict[str, list[int]]):
    """The ids of words, worked out when they are first asked for, so that a frequent word is
    cut once.
    """

    most = 200_000

    def __init__(self, vocabulary: Vocabulary, unk_id: int):
        super().__init__()
        self.vocabulary, self.unk_id = vocabulary, unk_id

    def __missing__(self, word: str) -> list[int]:
        if len(word) > _LONGEST_WORD:
            return [self.unk_id]
        ids = self.cut(word)
        if len(self) >= self.most:
            self.clear()
        self[word] = ids
        return ids

    def cut(self, word: str) -> list[int]:
        """The longest token first, again and again."""
        ids: list[int] = []
        start = 0
        while start < len(word):
            prefix = _PREFIX if start else ""
            for stop in range(len(word), start, -1):
                found = self.vocabulary.id_of(prefix + word[start:stop], default=-1)
                if found >= 0:
                    break
            else:
                return [self.unk_id]
            ids.append(found)
            start = stop
        return ids

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.vocabulary, self.unk_id)  # a copy begins empty


def _join(left: str, right: str) -> str:
    return left + right.removeprefix(_PREFIX)


def _parts(text: str) -> Iterator[tuple[int, int, bool]]:
    """Where the marks in a text and the parts between them start and stop, and which are
    marks.
    """
    place = 0
    for match in _find_marks(text):
        yield place, match.start(), False
        yield *match.span(), True
        place = match.end()
    yield place, len(text), False


def _check_tokens(tokens: Sequence[object]) -> None:
    """Raise a ValueError unless these are strings with something in them, the marks among
    them.
    """
    if not tokens:
        raise ValueError("it is empty")
    for number, token in enumerate(tokens):
        if not isinstance(token, str) or not token:
            raise ValueError(f"token {number} is {token!r}; each must be a string, not empty")
    missing = [mark for mark in _MARKS if mark not in tokens]
    if missing:
        raise ValueError(f"it has no {' and no '.join(missing)}; all five marks are needed")
