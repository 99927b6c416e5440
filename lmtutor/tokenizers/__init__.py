"""From text to whole numbers and back."""

from lmtutor.tokenizers.base import Tokenizer
from lmtutor.tokenizers.character import CharacterTokenizer
from lmtutor.tokenizers.vocabulary import BEGIN, END, UNKNOWN, Vocabulary
from lmtutor.tokenizers.word import WordTokenizer

__all__ = [
    "BEGIN",
    "END",
    "UNKNOWN",
    "CharacterTokenizer",
    "Tokenizer",
    "Vocabulary",
    "WordTokenizer",
]
