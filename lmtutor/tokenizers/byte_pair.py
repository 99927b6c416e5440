"""Sub-words by byte-pair encoding of UTF-8 bytes, as GPT-2 has them.

Source: Radford et al. 2019, "Language Models are Unsupervised Multitask Learners", section 2.2.
Left out: special tokens are never read from text. A text that holds the letters `<s>` is
encoded as these letters, so that no document can end itself.
"""

import operator
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any, Self

from lmtutor.tokenizers.base import Tokenizer, check_text
from lmtutor.tokenizers.merges import Pair, apply_merges, learn_merges
from lmtutor.tokenizers.splitting import PATTERN, split_chunks
from lmtutor.tokenizers.vocabulary import BEGIN, END, Vocabulary

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

_VISIBLE = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
_HIDDEN = sorted(set(range(256)) - set(_VISIBLE))
_BYTES = _VISIBLE + _HIDDEN  # in the order of their ids, which is GPT-2's
_LETTER = {byte: chr(byte) for byte in _VISIBLE} | {
    byte: chr(256 + number) for number, byte in enumerate(_HIDDEN)
}
# Between these two every text is cut, so no piece holds both; 's and its like are chunks.
_BOUNDARY = re.compile(r"[A-Za-z0-9][!-/:-@\[-`{-~]|[!-&(-/:-@\[-`{-~][A-Za-z0-9]")
_BYTE = {letter: byte for byte, letter in _LETTER.items()}


class BytePairTokenizer(Tokenizer):
    """Pieces of words, learnt by joining the most frequent neighbours, from bytes up.

    The text is cut into chunks: a run of letters, of digits or of other signs, each with the
    space in front of it. Pairs are joined within chunks alone. Ids 0 and 1 are the marks, then
    come the special tokens, the 256 bytes, and the pieces in the order in which they were made.
    Every text is a sequence of bytes, so nothing is unknown, and `decode(encode(text)) == text`
    for every text.

    In `vocabulary` a piece is written with one letter for each byte, as in GPT-2: `Ġ` for the
    space, `Ċ` for the line feed, the ASCII signs as they are.

    Args:
        vocab_size: how many ids to learn, the marks, the special tokens and the bytes included.
            There are fewer where the text has no more pairs to join.
        special_tokens: names of ids that no text is encoded to and that `decode` passes over,
            for the data of a model to use. In each a letter from A to Z or a digit must stand
            beside another sign of ASCII, as in `<|pad|>`, so that no piece is ever written the
            same.

    Raises:
        ValueError: vocab_size is smaller than the marks, the special tokens and the bytes
            together, or a special token is given twice or could be a piece.

    >>> tokenizer = BytePairTokenizer(vocab_size=264).fit(["low lower lowest slow"])
    >>> ids = tokenizer.encode("lower and slower")
    >>> [tokenizer.vocabulary[number] for number in ids]
    ['low', 'e', 'r', 'Ġ', 'a', 'n', 'd', 'Ġ', 'slow', 'e', 'r']
    >>> tokenizer.decode(ids)
    'lower and slower'
    """

    kind = "byte-pair tokenizer"
    is_lossless = True

    def __init__(self, vocab_size: int, special_tokens: Sequence[str] = ()):
        super().__init__()
        self.special_tokens = _check_special_tokens(special_tokens)
        try:
            self.largest_vocab_size = operator.index(vocab_size)
        except TypeError as error:
            raise ValueError(f"vocab_size is {vocab_size!r}; give a whole number") from error
        fixed = 2 + len(self.special_tokens) + 256
        if self.largest_vocab_size < fixed:
            raise ValueError(
                f"vocab_size is {vocab_size}, but 2 marks, {len(self.special_tokens)} special "
                f"tokens and 256 bytes need {fixed}; give more"
            )
        self.merges: list[Pair] = []
        """The pairs of ids that were joined, in order."""

    @classmethod
    def from_merges(
        cls, merges: Iterable[tuple[str, str]], special_tokens: Sequence[str] = ()
    ) -> Self:
        """A tokenizer that was learnt elsewhere, GPT-2's for instance.

        Its ids are ours: the marks and special tokens first, then bytes and pieces in the order
        that GPT-2 has as well, so without special tokens an id is GPT-2's plus 2.

        Args:
            merges: the pairs in the order in which they were learnt, spelt as in `vocabulary`.
            special_tokens: as above.

        Raises:
            ValueError: a merge joins what no earlier one made.
        """
        tokenizer = cls(2 + len(special_tokens) + 256, special_tokens)
        first = 2 + len(tokenizer.special_tokens)
        id_of = {_LETTER[byte]: number for number, byte in enumerate(_BYTES, first)}
        pairs: dict[Pair, None] = {}
        for rank, (left, right) in enumerate(merges):
            if left not in id_of or right not in id_of:
                raise ValueError(
                    f"merge {rank} joins {left!r} and {right!r}, and no earlier one made "
                    f"{left if left not in id_of else right!r}"
                )
            pair = id_of[left], id_of[right]
            if pair in pairs:
                raise ValueError(f"merge {rank} joins {left!r} and {right!r} a second time")
            pairs[pair] = None
            id_of.setdefault(left + right, first + len(id_of))
        tokenizer.largest_vocab_size = first + len(id_of)
        tokenizer._vocabulary = Vocabulary([BEGIN, END, *tokenizer.special_tokens, *id_of])
        tokenizer._restore(list(pairs))
        return tokenizer

    def _learn(self, documents: Iterable[str]) -> list[str]:
        chunks: Counter[str] = Counter()
        for document in documents:
            chunks.update(split_chunks(document))
        words = {chunk.encode(): count for chunk, count in chunks.items()}
        # No bytes for marks and special tokens: nothing is ever joined with them.
        first = [b""] * (2 + len(self.special_tokens)) + [bytes([byte]) for byte in _BYTES]
        merges, pieces = learn_merges(words, first, self.largest_vocab_size)
        self._remember(merges, pieces)
        return [*self.special_tokens, *map(_spell, pieces[2 + len(self.special_tokens) :])]

    def _remember(self, merges: list[Pair], pieces: list[bytes]) -> None:
        """Make the tables that `encode` and `decode` read."""
        id_of = {piece: number for number, piece in enumerate(pieces)}
        self.merges, self._pieces = merges, pieces
        self._chunk_ids = _ChunkIds(
            [id_of[bytes([byte])] for byte in range(256)],
            {
                (left, right): (rank, id_of[pieces[left] + pieces[right]])
                for rank, (left, right) in enumerate(merges)
            },
        )

    def encode(self, text: str) -> list[int]:
        """The ids of `text`, without marks."""
        self.vocabulary  # noqa: B018  (says so where there is none yet)
        chunks = split_chunks(check_text(text))
        return list(chain.from_iterable(map(self._chunk_ids.__getitem__, chunks)))

    def encode_with_offsets(self, text: str) -> tuple[list[int], list[tuple[int, int]]]:
        """`encode`, and for each id the first character of which it holds a byte, and the place
        behind the last.
        """
        ids = self.encode(text)
        character_of = [
            place for place, character in enumerate(text) for _ in character.encode()
        ]
        offsets, start = [], 0
        for number in ids:
            stop = start + len(self._pieces[number])
            offsets.append((character_of[start], character_of[stop - 1] + 1))
            start = stop
        return ids, offsets

    def decode(self, ids: Sequence[int]) -> str:
        """The text of `ids`, marks and special tokens left out; bytes that are no valid UTF-8
        become the replacement character U+FFFD.

        Raises:
            ValueError: an id is no whole number, or outside the vocabulary.
        """
        content = b"".join(self._pieces[number] for number in self._checked_ids(ids))
        return content.decode("utf-8", errors="replace")

    def to_hf(self) -> "PreTrainedTokenizerFast":
        """The same tokenizer for `transformers`, with the same ids on every text.

        It is given our pattern with our tables of Unicode, not those of its own engine, so the
        two agree on all characters. Like ours it reads no special tokens from text and adds no
        marks.
        """
        from tokenizers import Regex, decoders, models, pre_tokenizers
        from tokenizers import Tokenizer as Engine
        from transformers import PreTrainedTokenizerFast

        tokens = list(self.vocabulary)
        engine = Engine(
            models.BPE(
                vocab={token: number for number, token in enumerate(tokens)},
                merges=[(tokens[left], tokens[right]) for left, right in self.merges],
            )
        )
        engine.pre_tokenizer = pre_tokenizers.Sequence(
            [
                pre_tokenizers.Split(Regex(PATTERN), behavior="isolated"),
                pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
            ]
        )
        engine.decoder = decoders.ByteLevel()
        return PreTrainedTokenizerFast(
            tokenizer_object=engine,
            bos_token=BEGIN,
            eos_token=END,
            additional_special_tokens=list(self.special_tokens),
            split_special_tokens=True,
            clean_up_tokenization_spaces=False,
        )

    def _settings(self) -> dict[str, Any]:
        return {
            "vocab_size": self.largest_vocab_size,
            "special_tokens": list(self.special_tokens),
        }

    def _learnt(self) -> Any:
        return [list(pair) for pair in self.merges]

    def _restore(self, learnt: Any) -> None:
        tokens = list(self.vocabulary)
        marks = 2 + len(self.special_tokens)
        pieces = [b""] * marks + [bytes(map(_BYTE.__getitem__, t)) for t in tokens[marks:]]
        merges = [(int(left), int(right)) for left, right in learnt]
        if any(not marks <= number < len(tokens) for pair in merges for number in pair):
            raise ValueError("a merge joins what is not there")
        self._remember(merges, pieces)


class _ChunkIds(dict[str, list[int]]):
    """The ids of chunks, worked out when they are first asked for, so that a frequent word is
    merged once. Long chunks are seldom asked for again, and are not kept.
    """

    most = 200_000
    longest = 100

    def __init__(self, byte_ids: list[int], merged: dict[Pair, tuple[int, int]]):
        super().__init__()
        self.byte_ids, self.merged = byte_ids, merged

    def __missing__(self, chunk: str) -> list[int]:
        ids = apply_merges([self.byte_ids[byte] for byte in chunk.encode()], self.merged)
        if len(chunk) <= self.longest:
            if len(self) >= self.most:
                self.clear()
            self[chunk] = ids
        return ids

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.byte_ids, self.merged)  # a copy begins empty


def _spell(piece: bytes) -> str:
    return "".join(_LETTER[byte] for byte in piece)


def _check_special_tokens(tokens: Sequence[str]) -> tuple[str, ...]:
    if isinstance(tokens, str):
        raise ValueError(
            f"special_tokens must be a list, and is one string; write [{tokens!r}]"
        )
    if len({BEGIN, END, *tokens}) < 2 + len(tokens):
        raise ValueError(
            f"the special tokens {list(tokens)} must be different from one another and from "
            f"{BEGIN} and {END}, which are always there"
        )
    for token in tokens:
        if not _BOUNDARY.search(check_text(token)):
            raise ValueError(
                f"the special token {token!r} could be learnt from text as well; put a letter "
                "from A to Z or a digit beside another sign of ASCII, as in '<|pad|>'"
            )
    return tuple(tokens)
