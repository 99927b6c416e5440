"""A text after any number of byte-pair merges.

The merges are those that `BytePairTokenizer` learns from the text; `merge_pair` applies them
and `count_pairs` counts. Left out: other texts, cut with the merges of this one.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain

from lmtutor.tokenizers import BytePairTokenizer, count_pairs, merge_pair, split_chunks
from lmtutor.widgets.live.base import check_words

LONGEST = 1000
"""Characters of a text; in more one finds nothing."""
_MARKS_AND_BYTES = 2 + 256
_SEEN_AS = {" ": "␣", "\n": "↵", "\t": "⇥"}

Ids = tuple[int, ...]


@dataclass(frozen=True)
class MergeState:
    """A text after its first merges."""

    num_merges: int
    chunks: tuple[tuple[bytes, ...], ...]
    """The tokens of each chunk of the text, in order."""
    next_pair: tuple[bytes, bytes] | None
    """What is joined next; None where each chunk is one token."""
    next_count: int
    """How often these two stand side by side."""

    @property
    def tokens(self) -> tuple[bytes, ...]:
        """The tokens of the whole text."""
        return tuple(chain.from_iterable(self.chunks))

    @property
    def bytes_per_token(self) -> float:
        """The mean."""
        return len(b"".join(self.tokens)) / len(self.tokens)


class Merges:
    """All merges of a text, applied one by one when they are first asked for.

    Raises:
        ValueError: the text has nothing to see in it, is longer than 1,000 characters or has a
            lone surrogate.
    """

    def __init__(self, text: str):
        self.text = check_words(text, LONGEST)
        self.chunks = split_chunks(self.text)
        # So many ids that no pair is left.
        learnt = BytePairTokenizer(_MARKS_AND_BYTES + len(text.encode())).fit([text])
        single = BytePairTokenizer(_MARKS_AND_BYTES).fit([text])
        self.pairs, self._vocabulary = learnt.merges, learnt.vocabulary
        self._bytes = {
            number: bytes([byte])
            for number, byte in zip(single.encode(text), text.encode(), strict=True)
        }
        first: dict[str, Ids] = {chunk: tuple(single.encode(chunk)) for chunk in self.chunks}
        self._splits: list[Mapping[str, Ids]] = [first]

    def state(self, num_merges: int) -> MergeState:
        """The text after so many merges.

        Raises:
            ValueError: it has not so many.
        """
        if not 0 <= num_merges <= len(self.pairs):
            raise ValueError(
                f"num_merges is {num_merges}; this text has from 0 to {len(self.pairs)} merges"
            )
        while len(self._splits) <= num_merges:
            self._join_next()
        split, pair, count = self._splits[num_merges], None, 0
        if num_merges < len(self.pairs):
            left, right = self.pairs[num_merges]
            pair, count = (self._bytes[left], self._bytes[right]), self._count(num_merges)
        words = tuple(
            tuple(map(self._bytes.__getitem__, split[chunk])) for chunk in self.chunks
        )
        return MergeState(num_merges, words, pair, count)

    def _count(self, number: int) -> int:
        """How often the pair of merge `number` occurs before it is joined."""
        often: dict[Ids, int] = {}
        for chunk in self.chunks:
            word = self._splits[number][chunk]
            often[word] = often.get(word, 0) + 1
        return count_pairs(often)[self.pairs[number]]

    def _join_next(self) -> None:
        left, right = pair = self.pairs[len(self._splits) - 1]
        new_id = self._vocabulary.id_of(self._vocabulary[left] + self._vocabulary[right])
        self._bytes[new_id] = self._bytes[left] + self._bytes[right]
        split = self._splits[-1].items()
        self._splits.append({chunk: merge_pair(ids, pair, new_id) for chunk, ids in split})


def seen(piece: bytes) -> str:
    """A piece as it is shown: spaces as a sign, and bytes that are no text as numbers.

    >>> seen(b" low"), seen("é".encode()), seen(b"\\xc3")
    ('␣low', 'é', '\\\\xc3')
    """
    text = piece.decode("utf-8", errors="backslashreplace")
    signs = (_SEEN_AS.get(sign, sign) for sign in text)
    return "".join(
        sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in signs
    )
