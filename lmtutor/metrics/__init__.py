"""How good a model is, in units that compare."""

from lmtutor.metrics.language_modelling import (
    BitsPerByte,
    bits_per_byte,
    perplexity,
    sequence_nats,
)

__all__ = ["BitsPerByte", "bits_per_byte", "perplexity", "sequence_nats"]
