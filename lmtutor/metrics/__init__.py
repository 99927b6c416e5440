"""How good a model is, in units that compare."""

from typing import TYPE_CHECKING, Any

from lmtutor.metrics.brackets import bracket_sureness
from lmtutor.metrics.classification import (
    AVERAGES,
    ClassificationScore,
    McNemarTest,
    accuracy,
    bootstrap_score,
    confusion_matrix,
    expected_calibration_error,
    f1,
    matthews_correlation,
    mcnemar,
    precision,
    recall,
)
from lmtutor.metrics.diversity import NgramSet, copied_share, distinct_n, self_bleu
from lmtutor.metrics.language_modelling import (
    BitsPerByte,
    Difference,
    bits_per_byte,
    compare_bits_per_byte,
    perplexity,
    sequence_nats,
)
from lmtutor.metrics.masked import (
    MaskedAccuracy,
    PseudoPerplexity,
    masked_accuracy,
    ngram_guesses,
    pseudo_log_probs,
    pseudo_perplexity,
)
from lmtutor.metrics.translation import CorpusScore, bleu, chrf, compare_bleu, compare_chrf

if TYPE_CHECKING:
    from lmtutor.metrics.for_evaluate import (
        AccuracyMetric,
        BitsPerByteMetric,
        BleuMetric,
        CalibrationErrorMetric,
        ChrfMetric,
        ConfusionMatrixMetric,
        F1Metric,
        MatthewsCorrelationMetric,
        McNemarMetric,
        PerplexityMetric,
        PrecisionMetric,
        RecallMetric,
    )

__all__ = [
    "AVERAGES",
    "AccuracyMetric",
    "BitsPerByte",
    "BitsPerByteMetric",
    "BleuMetric",
    "CalibrationErrorMetric",
    "ChrfMetric",
    "ClassificationScore",
    "ConfusionMatrixMetric",
    "CorpusScore",
    "Difference",
    "F1Metric",
    "MaskedAccuracy",
    "MatthewsCorrelationMetric",
    "McNemarMetric",
    "McNemarTest",
    "NgramSet",
    "PerplexityMetric",
    "PrecisionMetric",
    "PseudoPerplexity",
    "RecallMetric",
    "accuracy",
    "bits_per_byte",
    "bleu",
    "bootstrap_score",
    "bracket_sureness",
    "chrf",
    "compare_bits_per_byte",
    "compare_bleu",
    "compare_chrf",
    "confusion_matrix",
    "copied_share",
    "distinct_n",
    "expected_calibration_error",
    "f1",
    "masked_accuracy",
    "matthews_correlation",
    "mcnemar",
    "ngram_guesses",
    "perplexity",
    "precision",
    "pseudo_log_probs",
    "pseudo_perplexity",
    "recall",
    "self_bleu",
    "sequence_nats",
]


def __getattr__(name: str) -> Any:
    if name in __all__:  # what is not there yet needs `evaluate`, a slow import
        from lmtutor.metrics import for_evaluate

        return getattr(for_evaluate, name)
    raise AttributeError(f"lmtutor.metrics has no {name!r}; it has {', '.join(__all__)}")
