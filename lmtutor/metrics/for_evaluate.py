"""The metrics for those who work with Hugging Face's `evaluate`.

`evaluate.load("perplexity")` downloads a script, runs a model of its own choice, and averages
the perplexities of single texts. These classes download nothing, take the log-probabilities of
any model or the translations of any system, and are those of the whole corpus. Importing this
module imports `evaluate`, which takes seconds; `lmtutor.metrics` does so when one of the
classes is first asked for.
"""

import math
from collections.abc import Sequence

import datasets
import evaluate
import numpy as np

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
