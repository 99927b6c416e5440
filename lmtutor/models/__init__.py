"""Language models, all behind one contract."""

from lmtutor.models.language_model import LanguageModel, UniformModel
from lmtutor.models.ngram import NgramModel

__all__ = ["LanguageModel", "NgramModel", "UniformModel"]
