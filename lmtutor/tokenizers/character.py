"""One id per character, and bytes for the characters that were never seen.

Left out: normalisation. Two spellings of one letter (é as one code point or as two) stay two.
"""

from collections.abc import Iterable, Sequence

from lmtutor.tokenizers.base import Tokenizer, check_text

_FIRST_BYTE, _FIRST_CHARACTER = 2, 2 + 256


class CharacterTokenizer(Tokenizer):
    """Characters as tokens; a character that `fit` did not see becomes its UTF-8 bytes.

    Ids 0 and 1 are the marks, 2 to 257 the bytes 0 to 255, and from 258 on the characters in
    the order of their code points. So nothing is unknown, and `decode(encode(text)) == text`
    for every text.

    >>> tokenizer = CharacterTokenizer().fit(["abba"])
    >>> tokenizer.encode("ab"), tokenizer.encode("é")
    ([258, 259], [197, 171])
    >>> tokenizer.decode(tokenizer.encode("a café"))
    'a café'
    """

    kind = "character tokenizer"
    is_lossless = True

    def _learn(self, documents: Iterable[str]) -> list[str]:
        characters: set[str] = set()
        for document in documents:
            characters.update(document)
        return [f"<0x{byte:02X}>" for byte in range(256)] + sorted(characters)

    def encode(self, text: str) -> list[int]:
        """The ids of `text`, without marks; quick where every character is known."""
        ids = self.vocabulary.ids_of(check_text(text), default=-1)
        return ids if -1 not in ids else self.encode_with_offsets(text)[0]

    def encode_with_offsets(self, text: str) -> tuple[list[int], list[tuple[int, int]]]:
        """`encode`, and for each id where its character starts and stops; all bytes of one
        share a place.
        """
        vocabulary = self.vocabulary
        ids: list[int] = []
        offsets: list[tuple[int, int]] = []
        for position, character in enumerate(check_text(text)):
            known = vocabulary.id_of(character, default=-1)
            pieces = (
                [_FIRST_BYTE + byte for byte in character.encode()] if known < 0 else [known]
            )
            ids += pieces
            offsets += [(position, position + 1)] * len(pieces)
        return ids, offsets

    def decode(self, ids: Sequence[int]) -> str:
        """The text of `ids`; bytes that are no valid UTF-8 become the replacement character
        U+FFFD.

        Raises:
            ValueError: an id is outside the vocabulary.
        """
        vocabulary = self.vocabulary
        content = bytearray()
        for token_id in self._checked_ids(ids):
            token = vocabulary[token_id]
            if token_id >= _FIRST_CHARACTER:
                content += token.encode()
            elif token_id >= _FIRST_BYTE:
                content.append(token_id - _FIRST_BYTE)
        return content.decode("utf-8", errors="replace")
