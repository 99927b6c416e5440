"""Language models, all behind one contract, and word vectors, which are none."""

from lmtutor.models.language_model import LanguageModel, UniformModel
from lmtutor.models.neural import NeuralLanguageModel
from lmtutor.models.neural_ngram import NeuralNgram, NeuralNgramConfig
from lmtutor.models.ngram import NgramModel, arpa_tokens, count_ngrams
from lmtutor.models.recurrent import (
    GRULanguageModel,
    LSTMLanguageModel,
    RecurrentConfig,
    RecurrentLanguageModel,
    RNNLanguageModel,
)
from lmtutor.models.word_vectors import FastText, GloVe, SkipGram, WordVectors, skip_gram_loss

__all__ = [
    "FastText",
    "GRULanguageModel",
    "GloVe",
    "LSTMLanguageModel",
    "LanguageModel",
    "NeuralLanguageModel",
    "NeuralNgram",
    "NeuralNgramConfig",
    "NgramModel",
    "RNNLanguageModel",
    "RecurrentConfig",
    "RecurrentLanguageModel",
    "SkipGram",
    "UniformModel",
    "WordVectors",
    "arpa_tokens",
    "count_ngrams",
    "skip_gram_loss",
]
