"""Words and punctuation marks as tokens.

Left out: every script but the Latin letters A to Z counts, character by character, as
    punctuation. That is
right for the King James text and wrong for most others, which is why sub-words were invented.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from lmtutor.tokenizers.base import Tokenizer, check_text
from lmtutor.tokenizers.vocabulary import UNKNOWN

_WORD = re.compile(r"[A-Za-z]+(?:['-][A-Za-z]+)*|[^\sA-Za-z]")
_CLOSES = frozenset(".,;:!?)")
_OPENS = frozenset("(")


class WordTokenizer(Tokenizer):
    """Words, with the hyphens and apostrophes inside them, and single punctuation marks.

    What `fit` saw fewer than `min_count` times is unknown and becomes `<unk>`, id 2; the other
    tokens follow, the most frequent first. White space is dropped, and `decode` puts it back by
    a simple rule, so the tokenizer is not lossless.

    Args:
        min_count: how often a token must occur to get an id of its own.

    Raises:
        ValueError: min_count is below 1.

    >>> tokenizer = WordTokenizer().fit(["Let there be light: and there was light."])
    >>> tokenizer.encode("there was dark")
    [4, 10, 2]
    >>> tokenizer.decode(tokenizer.encode("Let there be  light."))
    'Let there be light.'
    """

    kind = "word tokenizer"
    is_lossless = False
    unk_id: int = 2

    def __init__(self, min_count: int = 1):
        super().__init__()
        if min_count < 1:
            raise ValueError(f"min_count is {min_count}; the smallest that makes sense is 1")
        self.min_count = min_count

    def split(self, text: str) -> list[str]:
        """The tokens of `text` as strings, known or not.

        >>> WordTokenizer().split("He said, Rabbi; isn't it?")
        ['He', 'said', ',', 'Rabbi', ';', "isn't", 'it', '?']
        """
        return _WORD.findall(check_text(text))

    def _learn(self, documents: Iterable[str]) -> list[str]:
        counts = Counter(token for document in documents for token in self.split(document))
        frequent = [token for token, count in counts.items() if count >= self.min_count]
        return [UNKNOWN, *sorted(frequent, key=lambda token: (-counts[token], token))]

    def encode(self, text: str) -> list[int]:
        """The ids of `text`, without marks; `<unk>` for what is unknown."""
        return self.vocabulary.ids_of(self.split(text), default=self.unk_id)

    def encode_with_offsets(self, text: str) -> tuple[list[int], list[tuple[int, int]]]:
        """`encode`, and for each token where it starts and stops."""
        vocabulary = self.vocabulary
        matches = list(_WORD.finditer(check_text(text)))
        return [vocabulary.id_of(match[0], self.unk_id) for match in matches], [
            match.span() for match in matches
        ]

    def decode(self, ids: Sequence[int]) -> str:
        """The tokens of `ids` with one space between them, save before `. , ; : ! ? )` and
        after `(`.

        Raises:
            ValueError: an id is outside the vocabulary.
        """
        vocabulary = self.vocabulary
        text = ""
        for token_id in self._checked_ids(ids):
            token = vocabulary[token_id]
            if token_id in (self.bos_id, self.eos_id):
                continue
            glued = not text or token in _CLOSES or text[-1] in _OPENS
            text += token if glued else f" {token}"
        return text

    def _settings(self) -> dict[str, Any]:
        return {"min_count": self.min_count}
