"""Word vectors: skip-gram with negative sampling, GloVe, fastText.

They give no probability to a next token, so they are no language models here.
"""

from lmtutor.models.word_vectors.fast_text import FastText, character_ngrams, fnv1a
from lmtutor.models.word_vectors.glove import GloVe, glove_loss
from lmtutor.models.word_vectors.pairs import (
    NegativeSampler,
    context_pairs,
    count_cooccurrences,
    keep_probabilities,
    number_words,
)
from lmtutor.models.word_vectors.skip_gram import SkipGram, skip_gram_loss
from lmtutor.models.word_vectors.vectors import WordVectors

__all__ = [
    "FastText",
    "GloVe",
    "NegativeSampler",
    "SkipGram",
    "WordVectors",
    "character_ngrams",
    "context_pairs",
    "count_cooccurrences",
    "fnv1a",
    "glove_loss",
    "keep_probabilities",
    "number_words",
    "skip_gram_loss",
]
