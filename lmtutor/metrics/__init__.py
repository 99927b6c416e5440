"""How good a model is, in units that compare."""

from typing import TYPE_CHECKING, Any

from lmtutor.metrics.brackets import bracket_sureness
from lmtutor.metrics.language_modelling import (
    BitsPerByte,
    Difference,
    bits_per_byte,
    compare_bits_per_byte,
    perplexity,
    sequence_nats,
)

if TYPE_CHECKING:
    from lmtutor.metrics.for_evaluate import BitsPerByteMetric, PerplexityMetric

__all__ = [
    "BitsPerByte",
    "BitsPerByteMetric",
    "Difference",
    "PerplexityMetric",
    "bits_per_byte",
    "bracket_sureness",
    "compare_bits_per_byte",
    "perplexity",
    "sequence_nats",
]


def __getattr__(name: str) -> Any:
    if name in ("BitsPerByteMetric", "PerplexityMetric"):  # they need `evaluate`, a slow import
        from lmtutor.metrics import for_evaluate

        return getattr(for_evaluate, name)
    raise AttributeError(f"lmtutor.metrics has no {name!r}; it has {', '.join(__all__)}")
