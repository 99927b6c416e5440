"""How much a translation has in common with those of people: BLEU and chrF, with intervals.

Sources: Papineni et al. 2002, "BLEU: a Method for Automatic Evaluation of Machine Translation",
sections 2.1 (clipped counts) and 2.3 (brevity penalty); Popović 2015, "chrF: character n-gram
F-score for automatic MT evaluation"; Post 2018, "A Call for Clarity in Reporting BLEU Scores"
(a score means nothing without its tokens and settings, hence the signature); Koehn 2004,
"Statistical Significance Tests for Machine Translation Evaluation" (both bootstraps).

Both are counted by sacrebleu: a score of one's own compares with no other. Left out: TER,
metrics that are themselves trained, and tokens that need a download.

Letters in the shapes: N sentences, K counts.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from lmtutor.metrics.bootstrap import bootstrap_interval
from lmtutor.metrics.language_modelling import Difference

BLEU_TOKENS = ("13a", "char", "intl", "none", "zh")
"""How BLEU can cut text into tokens: as Western languages are, into characters, by Unicode's
classes, at spaces alone, or each Chinese character by itself and the rest as "13a"."""

References = Sequence[str] | Sequence[Sequence[str]]


@dataclass(frozen=True)
class CorpusScore:
    """A score of a whole test set, from 0 to 100, with the 95% bootstrap interval over its
    sentences.
    """

    value: float
    low: float
    high: float
    metric: str
    """ "BLEU", "chrF2" or "chrF2++"; 2 says that recall counts twice as much."""
    num_sentences: int
    signature: str
    """sacrebleu's account of the settings, to be given with the score."""

    def __str__(self) -> str:
        return f"{self.value:.2f} {self.metric} (95%: {self.low:.2f} to {self.high:.2f})"


def bleu(
    hypotheses: Sequence[str],
    references: References,
    tokenize: str = "13a",
    num_resamples: int = 1000,
    seed: int = 0,
) -> CorpusScore:
    """BLEU: the geometric mean of the shares of n-grams, n from 1 to 4, that a reference has as
    well, times a penalty for being short.

    An n-gram counts no more often than a single reference has it. All counts are of the whole
    corpus: a mean over the scores of sentences would be another number.

    Args:
        hypotheses: one translation a sentence, as text and not as tokens.
        references: for each sentence one string, or a list of equally many.
        tokenize: one of `BLEU_TOKENS`; "zh" for Chinese.
        num_resamples: how often the sentences are drawn anew, with replacement.
        seed: of those draws.

    Raises:
        ValueError: there are no sentences or resamples, hypotheses and references differ in
            number, sentences have no or differently many references, a list is one string, or
            `tokenize` is unknown.

    >>> score = bleu(["the cat sat on the mat ."], [["The cat sat on the mat."]])
    >>> round(score.value, 2)  # 6 of 7 tokens, 5 of 6 pairs, 4 of 5, 3 of 4
    80.91
    >>> score.signature.split("|")[:4]
    ['nrefs:1', 'case:mixed', 'eff:no', 'tok:13a']
    """
    counted = _count_for_bleu(hypotheses, references, tokenize)
    return _corpus_score(counted, num_resamples, seed)


def chrf(
    hypotheses: Sequence[str],
    references: References,
    word_order: int = 0,
    num_resamples: int = 1000,
    seed: int = 0,
) -> CorpusScore:
    """chrF: an F-score over the n-grams of characters, n from 1 to 6, spaces left out.

    Precision and recall are means over n, and recall counts twice as much as precision. It
    needs no tokens, and half a word is better than none. Of several references a sentence is
    held against the one that suits it best.

    Args:
        hypotheses: one translation a sentence.
        references: for each sentence one string, or a list of equally many.
        word_order: 2 also counts words and pairs of words (chrF++).
        num_resamples: how often the sentences are drawn anew, with replacement.
        seed: of those draws.

    Raises:
        ValueError: as `bleu`, or word_order is negative.

    >>> score = chrf(["the cats sat"], ["the cat sat"])
    >>> score.metric, round(score.value, 2)
    ('chrF2', 74.78)
    """
    counted = _count_for_chrf(hypotheses, references, word_order)
    return _corpus_score(counted, num_resamples, seed)


def compare_bleu(
    first: Sequence[str],
    second: Sequence[str],
    references: References,
    tokenize: str = "13a",
    num_resamples: int = 1000,
    seed: int = 0,
) -> Difference:
    """BLEU of one system less that of another on the same sentences; above 0, the first is
    better.

    What is hard for one is mostly hard for the other. So both are scored on the very sentences
    that a bootstrap draws, which shows smaller differences than two intervals do.

    Args:
        first: one translation a sentence.
        second: those of the other system.
        references: as in `bleu`, and so are the other arguments.

    Raises:
        ValueError: as `bleu`.
    """
    ours = _count_for_bleu(first, references, tokenize)
    theirs = _count_for_bleu(second, references, tokenize)
    return _difference(ours, theirs, num_resamples, seed)


def compare_chrf(
    first: Sequence[str],
    second: Sequence[str],
    references: References,
    word_order: int = 0,
    num_resamples: int = 1000,
    seed: int = 0,
) -> Difference:
    """chrF of one system less that of another, as `compare_bleu`.

    Raises:
        ValueError: as `chrf`.
    """
    ours = _count_for_chrf(first, references, word_order)
    theirs = _count_for_chrf(second, references, word_order)
    return _difference(ours, theirs, num_resamples, seed)


@dataclass(frozen=True)
class _Counted:
    """Counts whose sums over sentences are all that a score depends on."""

    counts: np.ndarray
    """(N, K)"""
    score_of: Callable[[list[int]], float]
    """From the K sums to the score."""
    metric: str
    signature: str

    def score(self, picked: np.ndarray | slice = np.s_[:]) -> float:
        """Of these sentences together."""
        return self.score_of(self.counts[picked].sum(axis=0).tolist())


def _count_for_bleu(
    hypotheses: Sequence[str], references: References, tokenize: str
) -> _Counted:
    from sacrebleu.metrics.bleu import BLEU

    if tokenize not in BLEU_TOKENS:
        raise ValueError(f"tokenize is {tokenize!r}; it can be {', '.join(BLEU_TOKENS)}")
    texts, reference_sets = _checked_sentences(hypotheses, references)
    metric = BLEU(tokenize=tokenize, effective_order=True)  # as is right for single sentences
    counts = []
    for text, reference_set in zip(texts, reference_sets, strict=True):
        one = metric.sentence_score(text, reference_set)
        counts.append([one.sys_len, one.ref_len, *one.counts, *one.totals])
    signature = metric.get_signature()
    signature.update("eff", "no")  # as is right for the corpus, which is what we score
    return _Counted(np.array(counts), _bleu_of, "BLEU", str(signature))


def _bleu_of(sums: list[int]) -> float:
    from sacrebleu.metrics.bleu import BLEU

    length, reference_length, *rest = sums
    score = BLEU.compute_bleu(
        rest[:4], rest[4:], length, reference_length, smooth_method="exp"
    ).score
    return float(score)


def _count_for_chrf(
    hypotheses: Sequence[str], references: References, word_order: int
) -> _Counted:
    from sacrebleu.metrics.chrf import CHRF

    if word_order < 0:
        raise ValueError(f"word_order is {word_order}; it is 0 for chrF and 2 for chrF++")
    texts, reference_sets = _checked_sentences(hypotheses, references)
    metric = CHRF(word_order=word_order)
    # Of chrF sacrebleu gives no counts in public; its own significance tests go this way.
    streams = list(zip(*reference_sets, strict=True))
    counts = np.array(metric._extract_corpus_statistics(texts, streams))
    name = f"chrF{metric.beta}" + "+" * word_order
    return _Counted(counts, metric._compute_f_score, name, str(metric.get_signature()))


def _corpus_score(counted: _Counted, num_resamples: int, seed: int) -> CorpusScore:
    low, high = bootstrap_interval(counted.score, len(counted.counts), num_resamples, seed)
    return CorpusScore(
        value=counted.score(),
        low=low,
        high=high,
        metric=counted.metric,
        num_sentences=len(counted.counts),
        signature=counted.signature,
    )


def _difference(first: _Counted, second: _Counted, num_resamples: int, seed: int) -> Difference:
    def less(picked: np.ndarray | slice = np.s_[:]) -> float:
        return first.score(picked) - second.score(picked)

    low, high = bootstrap_interval(less, len(first.counts), num_resamples, seed)
    return Difference(less(), low, high, unit=first.metric)


def _checked_sentences(
    hypotheses: Sequence[str], references: References
) -> tuple[list[str], list[list[str]]]:
    """Lists of one text and of some references a sentence, or a ValueError."""
    for name, given in (("hypotheses", hypotheses), ("references", references)):
        if isinstance(given, str):
            raise ValueError(f"{name} must be a list, and are one string; write [text]")
    texts = list(hypotheses)
    reference_sets = [[one] if isinstance(one, str) else list(one) for one in references]
    if len(texts) != len(reference_sets):
        raise ValueError(
            f"there are {len(texts)} hypotheses, and references for {len(reference_sets)} "
            "sentences; give the references sentence by sentence"
        )
    if not texts:
        raise ValueError("there are no sentences to score; give at least one")
    for number, (text, some) in enumerate(zip(texts, reference_sets, strict=True)):
        if not some:
            raise ValueError(f"sentence {number} has no reference; give each at least one")
        if len(some) != len(reference_sets[0]):
            raise ValueError(
                f"sentence 0 has {len(reference_sets[0])} references, and sentence {number} "
                f"has {len(some)}; give all equally many"
            )
        for one in (text, *some):
            if not isinstance(one, str):
                raise ValueError(f"sentence {number} holds {one!r}, which is no string")
    return texts, reference_sets
