"""N-gram models: counting, smoothing, and the ARPA format."""

from lmtutor.models.ngram.arpa import arpa_tokens
from lmtutor.models.ngram.counts import count_ngrams
from lmtutor.models.ngram.model import SMOOTHINGS, NgramModel

__all__ = ["SMOOTHINGS", "NgramModel", "arpa_tokens", "count_ngrams"]
