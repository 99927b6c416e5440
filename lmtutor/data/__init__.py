"""Text to learn from: real corpora, tasks, and sources whose entropy is known."""

from lmtutor.data.corpora import Corpus, CorpusInfo, available_corpora, load_corpus
from lmtutor.data.gpt2 import load_gpt2_merges
from lmtutor.data.synthetic import BracketSource, HiddenMarkovSource, MarkovSource
from lmtutor.data.tasks import load_task

__all__ = [
    "BracketSource",
    "Corpus",
    "CorpusInfo",
    "HiddenMarkovSource",
    "MarkovSource",
    "available_corpora",
    "load_corpus",
    "load_gpt2_merges",
    "load_task",
]
