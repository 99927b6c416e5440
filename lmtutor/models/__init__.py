"""Language models, all behind one contract."""

from lmtutor.models.language_model import LanguageModel, UniformModel
from lmtutor.models.ngram import NgramModel, arpa_tokens, count_ngrams

__all__ = ["LanguageModel", "NgramModel", "UniformModel", "arpa_tokens", "count_ngrams"]
