"""Text to learn from: real corpora, and sources whose entropy is known."""

from lmtutor.data.corpora import Corpus, CorpusInfo, available_corpora, load_corpus
from lmtutor.data.synthetic import BracketSource, HiddenMarkovSource, MarkovSource

__all__ = [
    "BracketSource",
    "Corpus",
    "CorpusInfo",
    "HiddenMarkovSource",
    "MarkovSource",
    "available_corpora",
    "load_corpus",
]
