"""The metrics for those who work with Hugging Face's `evaluate`.

`evaluate.load("perplexity")` downloads a script, runs a model of its own choice, and averages
the perplexities of single texts. These classes download nothing, take the log-probabilities of
any model, the translations of any system or the classes that any classifier chose, and are
those of the whole corpus. Importing this
module imports `evaluate`, which takes seconds; `lmtutor.metrics` does so when one of the
classes is first asked for.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

import datasets
import evaluate
import numpy as np

from lmtutor.metrics import classification
from lmtutor.metrics.language_modelling import bootstrap_bits_per_byte
from lmtutor.metrics.translation import CorpusScore, bleu, chrf

_PREDICTIONS = datasets.Sequence(datasets.Value("float64"))
_INPUTS = (
    "predictions: for each document ln P of each of its tokens and of its end mark, as "
    "`token_log_probs` gives them"
)


class PerplexityMetric(evaluate.Metric):
    """exp of the mean -log P per token, over all documents together.

    Predictions are, for each document, the natural log-probabilities of its tokens and of its
    end mark.

    >>> PerplexityMetric().compute(predictions=[[math.log(0.5)], [math.log(0.125)]])
    {'perplexity': 4.0}
    """

    def _info(self) -> evaluate.MetricInfo:
        return evaluate.MetricInfo(
            description="How many equally likely choices a token feels like.",
            citation="",
            inputs_description=_INPUTS,
            features=datasets.Features({"predictions": _PREDICTIONS}),
        )

    def _compute(self, predictions: Sequence[Sequence[float]]) -> dict[str, float]:
        nats = _nats(predictions)
        mean = float(nats.sum() / sum(map(len, predictions)))
        return {"perplexity": math.exp(mean) if mean < 709 else math.inf}


class BitsPerByteMetric(evaluate.Metric):
    """Bits per UTF-8 byte of the documents and one byte more for the end of each, with the 95%
    bootstrap interval over documents, as `lmtutor.metrics.bits_per_byte`.

    Predictions are as those of `PerplexityMetric`, references are the documents.

    >>> scores = BitsPerByteMetric().compute(predictions=[[-math.log(16)]], references=["abc"])
    >>> round(scores["bits_per_byte"], 9)
    1.0
    """

    def _info(self) -> evaluate.MetricInfo:
        return evaluate.MetricInfo(
            description="Bits that a model needs for a byte of text, whatever its tokens are.",
            citation="",
            inputs_description=f"{_INPUTS}; references: the documents",
            features=datasets.Features(
                {"predictions": _PREDICTIONS, "references": datasets.Value("string")}
            ),
        )

    def _compute(
        self,
        predictions: Sequence[Sequence[float]],
        references: Sequence[str],
        num_resamples: int = 1000,
        seed: int = 0,
    ) -> dict[str, float]:
        sizes = np.array([len(document.encode()) + 1 for document in references])
        value, low, high = bootstrap_bits_per_byte(
            _nats(predictions), sizes, num_resamples, seed
        )
        return {"bits_per_byte": value, "low": low, "high": high}


_TRANSLATIONS = (
    "predictions: one translation a sentence; references: one for each, or a list of equally "
    "many"
)
_TEXT = datasets.Value("string")


def _info_on_translations(description: str) -> evaluate.MetricInfo:
    several = {"predictions": _TEXT, "references": datasets.Sequence(_TEXT)}
    single = {"predictions": _TEXT, "references": _TEXT}
    return evaluate.MetricInfo(
        description=description,
        citation="",
        inputs_description=_TRANSLATIONS,
        features=[datasets.Features(several), datasets.Features(single)],
    )


def _named(name: str, score: CorpusScore) -> dict[str, float | str]:
    """With names of their own, so that scores can be combined."""
    return {
        name: score.value,
        f"{name}_low": score.low,
        f"{name}_high": score.high,
        f"{name}_signature": score.signature,
    }


class BleuMetric(evaluate.Metric):
    """BLEU of the corpus with its 95% interval and sacrebleu's signature, as
    `lmtutor.metrics.bleu`, whose settings `compute` takes.

    >>> scores = BleuMetric().compute(predictions=["a b c d e"], references=["a b c d f"])
    >>> round(scores["bleu"], 2)
    66.87
    """

    def _info(self) -> evaluate.MetricInfo:
        return _info_on_translations("The share of n-grams of words that are in a reference.")

    def _compute(
        self,
        predictions: Sequence[str],
        references: Sequence[str] | Sequence[Sequence[str]],
        tokenize: str = "13a",
        num_resamples: int = 1000,
        seed: int = 0,
    ) -> dict[str, float | str]:
        score = bleu(predictions, references, tokenize, num_resamples, seed)
        return _named("bleu", score)


class ChrfMetric(evaluate.Metric):
    """chrF of the corpus with its 95% interval and sacrebleu's signature, as
    `lmtutor.metrics.chrf`, whose settings `compute` takes.

    >>> scores = ChrfMetric().compute(predictions=["a cat"], references=[["the cat", "a cat"]])
    >>> scores["chrf"], scores["chrf_low"]
    (100.0, 100.0)
    """

    def _info(self) -> evaluate.MetricInfo:
        return _info_on_translations("An F-score over the n-grams of characters.")

    def _compute(
        self,
        predictions: Sequence[str],
        references: Sequence[str] | Sequence[Sequence[str]],
        word_order: int = 0,
        num_resamples: int = 1000,
        seed: int = 0,
    ) -> dict[str, float | str]:
        score = chrf(predictions, references, word_order, num_resamples, seed)
        return _named("chrf", score)


_CLASS, _SHARES = datasets.Value("int64"), datasets.Sequence(datasets.Value("float64"))
_CLASSES = (
    "predictions: a class for each example, or a row of probabilities; references: classes"
)
Predicted = Sequence[int] | Sequence[Sequence[float]]


def _info_on_classes(description: str) -> evaluate.MetricInfo:
    single = {"predictions": _CLASS, "references": _CLASS}
    rows = {"predictions": _SHARES, "references": _CLASS}
    return evaluate.MetricInfo(
        description=description,
        citation="",
        inputs_description=_CLASSES,
        features=[datasets.Features(single), datasets.Features(rows)],
    )


def _likeliest(predictions: Predicted) -> np.ndarray:
    """(N,) classes, of classes or of probabilities."""
    given = np.asarray(predictions)
    return given.argmax(axis=1) if given.ndim == 2 else given


def _scored(
    name: str, measure: Callable[..., Any], *given: Any, **settings: Any
) -> dict[str, float]:
    """With names of their own, so that scores can be combined."""
    score = classification.bootstrap_score(measure, *given, **settings)
    return {name: score.value, f"{name}_low": score.low, f"{name}_high": score.high}


class AccuracyMetric(evaluate.Metric):
    """The share of right answers with its 95% interval, as `lmtutor.metrics.accuracy`.

    >>> scores = AccuracyMetric().compute(predictions=[0, 1, 1, 0], references=[0, 1, 0, 0])
    >>> scores["accuracy"]
    0.75
    """

    def _info(self) -> evaluate.MetricInfo:
        return _info_on_classes("The share of examples whose predicted class is the true one.")

    def _compute(
        self, predictions: Predicted, references: Sequence[int], **settings: Any
    ) -> dict[str, float]:
        classes = _likeliest(predictions)
        return _scored("accuracy", classification.accuracy, classes, references, **settings)


class _AveragedMetric(evaluate.Metric):
    """One of the measures that each class has."""

    name_of_measure: str
    measure: Callable[..., Any]

    def __init__(
        self, average: str | None = "macro", num_labels: int | None = None, **settings: Any
    ):
        self.average, self.num_labels = average, num_labels
        super().__init__(**settings)

    def _compute(
        self, predictions: Predicted, references: Sequence[int], **settings: Any
    ) -> dict[str, Any]:
        settings = {"average": self.average, "num_labels": self.num_labels} | settings
        measure, classes = type(self).measure, _likeliest(predictions)
        if settings["average"] is None:
            values = measure(classes, references, **settings)
            return {f"{self.name_of_measure}_per_class": values.tolist()}
        name = f"{self.name_of_measure}_{settings['average']}"
        return _scored(name, measure, classes, references, **settings)


class PrecisionMetric(_AveragedMetric):
    """Precision with its 95% interval, as `lmtutor.metrics.precision`, whose settings both the
    class and `compute` take.

    >>> scores = PrecisionMetric("micro").compute(predictions=[0, 1, 1], references=[0, 1, 0])
    >>> round(scores["precision_micro"], 3)
    0.667
    """

    name_of_measure, measure = "precision", staticmethod(classification.precision)

    def _info(self) -> evaluate.MetricInfo:
        return _info_on_classes("Of what was called a class, the share that belongs to it.")


class RecallMetric(_AveragedMetric):
    """Recall with its 95% interval, as `lmtutor.metrics.recall`, whose settings both the class
    and `compute` take.

    >>> RecallMetric(average=None).compute(predictions=[0, 1, 1], references=[0, 1, 0])
    {'recall_per_class': [0.5, 1.0]}
    """

    name_of_measure, measure = "recall", staticmethod(classification.recall)

    def _info(self) -> evaluate.MetricInfo:
        return _info_on_classes("Of what belongs to a class, the share that was called it.")


class F1Metric(_AveragedMetric):
    """F1 with its 95% interval, as `lmtutor.metrics.f1`, whose settings both the class and
    `compute` take.

    >>> scores = F1Metric().compute(predictions=[0, 1, 1], references=[0, 1, 0])
    >>> round(scores["f1_macro"], 3)
    0.667
    """

    name_of_measure, measure = "f1", staticmethod(classification.f1)

    def _info(self) -> evaluate.MetricInfo:
        return _info_on_classes("The harmonic mean of precision and recall.")


class MatthewsCorrelationMetric(evaluate.Metric):
    """Matthews correlation with its 95% interval, as `lmtutor.metrics.matthews_correlation`.

    >>> metric = MatthewsCorrelationMetric()
    >>> metric.compute(predictions=[0, 1], references=[0, 1])["matthews_correlation"]
    1.0
    """

    def _info(self) -> evaluate.MetricInfo:
        return _info_on_classes("The correlation of predicted and true classes.")

    def _compute(
        self, predictions: Predicted, references: Sequence[int], **settings: Any
    ) -> dict[str, float]:
        measure, classes = classification.matthews_correlation, _likeliest(predictions)
        return _scored("matthews_correlation", measure, classes, references, **settings)


class ConfusionMatrixMetric(evaluate.Metric):
    """How often each true class (row) was called each class (column), as
    `lmtutor.metrics.confusion_matrix`.

    >>> ConfusionMatrixMetric().compute(predictions=[0, 1, 1], references=[0, 1, 0])
    {'confusion_matrix': [[1, 1], [0, 1]]}
    """

    def _info(self) -> evaluate.MetricInfo:
        return _info_on_classes("Counts of examples by true and by predicted class.")

    def _compute(
        self,
        predictions: Predicted,
        references: Sequence[int],
        num_labels: int | None = None,
    ) -> dict[str, list[list[int]]]:
        classes = _likeliest(predictions)
        table = classification.confusion_matrix(classes, references, num_labels)
        return {"confusion_matrix": table.tolist()}


class CalibrationErrorMetric(evaluate.Metric):
    """The expected calibration error with its 95% interval, as
    `lmtutor.metrics.expected_calibration_error`. Predictions are rows of probabilities.

    >>> metric = CalibrationErrorMetric()
    >>> scores = metric.compute(predictions=[[0.25, 0.75]], references=[1])
    >>> scores["expected_calibration_error"]
    0.25
    """

    def _info(self) -> evaluate.MetricInfo:
        return evaluate.MetricInfo(
            description="How far confidence is from accuracy.",
            citation="",
            inputs_description="predictions: a row of probabilities for each example",
            features=datasets.Features({"predictions": _SHARES, "references": _CLASS}),
        )

    def _compute(
        self, predictions: Sequence[Sequence[float]], references: Sequence[int], **settings: Any
    ) -> dict[str, float]:
        name, measure = "expected_calibration_error", classification.expected_calibration_error
        return _scored(name, measure, predictions, references, **settings)


class McNemarMetric(evaluate.Metric):
    """McNemar's exact test of two classifiers on the same examples, as
    `lmtutor.metrics.mcnemar`. The second classifier's classes are `other_predictions`; beside
    other metrics, combine it with `add_batch` and not with `compute`.

    >>> metric = McNemarMetric()
    >>> metric.compute(predictions=[1, 1], other_predictions=[0, 0], references=[1, 1])
    {'first_only': 2, 'second_only': 0, 'p_value': 0.5}
    """

    def _info(self) -> evaluate.MetricInfo:
        names = ("predictions", "other_predictions", "references")
        return evaluate.MetricInfo(
            description="Whether two classifiers differ by more than chance.",
            citation="",
            inputs_description="classes by both classifiers, and the true ones",
            features=datasets.Features(dict.fromkeys(names, _CLASS)),
        )

    def _compute(
        self,
        predictions: Sequence[int],
        other_predictions: Sequence[int],
        references: Sequence[int],
    ) -> dict[str, float]:
        return asdict(classification.mcnemar(predictions, other_predictions, references))


def _nats(predictions: Sequence[Sequence[float]]) -> np.ndarray:
    """(N,) -ln P of each document."""
    if not len(predictions):
        raise ValueError("there are no predictions; give those of one document at least")
    for number, log_probs in enumerate(predictions):
        wrong = [value for value in log_probs if value is None or not value <= 1e-6]  # rounding
        if wrong or not len(log_probs):
            what = f"holds {wrong[0]}" if wrong else "is empty"
            raise ValueError(
                f"prediction {number} {what}; give ln P, which is never above 0, of each token "
                "of the document and of its end mark"
            )
    return np.array([-sum(log_probs) for log_probs in predictions])
