"""From text to whole numbers and back."""

from lmtutor.tokenizers.base import Tokenizer
from lmtutor.tokenizers.byte_pair import BytePairTokenizer
from lmtutor.tokenizers.character import CharacterTokenizer
from lmtutor.tokenizers.merges import (
    apply_merges,
    count_pairs,
    learn_merges,
    learn_merges_slowly,
    merge_pair,
)
from lmtutor.tokenizers.splitting import split_chunks
from lmtutor.tokenizers.vocabulary import BEGIN, END, UNKNOWN, Vocabulary
from lmtutor.tokenizers.word import WordTokenizer
from lmtutor.tokenizers.wordpiece import WordPieceTokenizer

__all__ = [
    "BEGIN",
    "END",
    "UNKNOWN",
    "BytePairTokenizer",
    "CharacterTokenizer",
    "Tokenizer",
    "Vocabulary",
    "WordPieceTokenizer",
    "WordTokenizer",
    "apply_merges",
    "count_pairs",
    "learn_merges",
    "learn_merges_slowly",
    "merge_pair",
    "split_chunks",
]
