"""What n-gram models do about what they have not seen.

Every method here ends in the same form, that of a back-off model: each n-gram that was seen has
a probability, and each context has a weight with which the shorter context speaks for the rest,

    P(w | h) = p(h w)               where h w was seen,
    P(w | h) = b(h) P(w | h')       otherwise, h' being h without its first token.

A model that interpolates, whose p(h w) already holds a share of P(w | h'), has that form too.
Below the unigrams stands the uniform distribution over all ids but the begin mark.

Sources: Chen and Goodman 1998, "An Empirical Study of Smoothing Techniques for Language
    Modeling" (all four methods; equation 26 for the discounts of modified Kneser-Ney);
Katz 1987; Ney, Essen and Kneser 1994; Kneser and Ney 1995; Jelinek and Mercer 1980. Left out:
Witten-Bell and Good-Turing by themselves.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from lmtutor.models.ngram.counts import NgramCounts, NgramTable, find_ngrams

KATZ_LIMIT = 5
"""Counts above it are believed as they are (Katz 1987)."""
FALLBACK_DISCOUNTS = (0.5, 1.0, 1.5)
"""Kneser-Ney's discounts where the text is too small or too regular to estimate them."""


@dataclass(frozen=True)
class BackoffTable(NgramTable):
    """The n-grams of one order with their log-probabilities."""

    log_probs: np.ndarray
    """(N,) ln P(last token | the tokens before it)."""
    backoffs: np.ndarray
    """(N + 1,) ln b of each n-gram as a context; the last, 0, is that of any context that was
    never seen. The highest order has only that last one.
    """

    @property
    def num_ngrams(self) -> int:
        """How many n-grams have a probability above 0."""
        return int(np.isfinite(self.log_probs).sum())


@dataclass(frozen=True)
class Estimate:
    """A smoothed model."""

    tables: list[BackoffTable]
    parameters: Sequence[tuple[float, ...]]
    """What the smoothing itself learnt, for each order from the unigrams up."""


# --- discounting


def kneser_ney(counts: NgramCounts) -> Estimate:
    """Interpolated modified Kneser-Ney.

    Parameters: D1, D2 and D3+ of each order, taken from n-grams seen once, twice, and more
    often.
    """
    return discount(counts, continuation_counts, modified_discounts)


def absolute_discounting(counts: NgramCounts) -> Estimate:
    """Interpolated absolute discounting.

    Parameters: D of each order.
    """
    return discount(counts, plain_counts, single_discount)


def discount(
    counts: NgramCounts,
    adjust: Callable[[NgramCounts, int], np.ndarray],
    estimate: Callable[[np.ndarray], tuple[float, ...]],
) -> Estimate:
    """Take something from each count, and give what was taken from a context to the shorter
    one.

    Args:
        counts: what was counted.
        adjust: the counts to use for each order, `plain_counts` or `continuation_counts`.
        estimate: what to take from counts of 1, 2, ...; the last holds for all larger ones.
    """
    parts, parameters = [], []
    for order in range(1, len(counts.tables) + 1):
        adjusted = adjust(counts, order)
        discounts = estimate(adjusted)
        if not all(0 < taken <= count for count, taken in enumerate(discounts, 1)):
            raise ValueError(
                f"the discounts of order {order} are {discounts}; each must lie above 0 and be "
                "at most the count it is taken from"
            )
        contexts, size = counts.contexts(order), counts.num_contexts(order)
        taken = np.array([0.0, *discounts])[np.minimum(adjusted, len(discounts))]
        totals = np.bincount(contexts, adjusted, size)
        rest = np.ones(size)  # for a context that nothing followed
        np.divide(np.bincount(contexts, taken, size), totals, out=rest, where=totals > 0)
        parts.append(((adjusted - taken) / totals[contexts], rest))
        parameters.append(discounts)
    return Estimate(_interpolate(counts, parts), parameters)


def plain_counts(counts: NgramCounts, order: int) -> np.ndarray:
    """(N,): how often each n-gram was seen."""
    return counts.tables[order - 1].counts


def continuation_counts(counts: NgramCounts, order: int) -> np.ndarray:
    """(N,): after how many different tokens each n-gram was seen.

    The n-grams of the highest order, and those that begin with the begin mark, before which
    there is nothing, keep the number of times that they were seen.
    """
    table = counts.tables[order - 1]
    if order == len(counts.tables):
        return table.counts
    before = np.bincount(counts.suffixes[order], minlength=len(table.keys))
    adjusted: np.ndarray = np.where(before > 0, before, table.counts)
    return adjusted


def modified_discounts(adjusted: np.ndarray) -> tuple[float, float, float]:
    """D1, D2 and D3+ from the numbers of n-grams seen once to four times (Chen and Goodman
    1998, equation 26); FALLBACK_DISCOUNTS where one of n1, n2, n3 is 0 or a discount does not
    lie above 0 and at most at the count it is taken from.

    >>> modified_discounts(np.repeat([1, 2, 3, 4], [60, 20, 10, 5]))
    (0.6, 1.1, 1.8)
    >>> modified_discounts(np.array([7, 8]))
    (0.5, 1.0, 1.5)
    """
    n1, n2, n3, n4 = (int((adjusted == count).sum()) for count in (1, 2, 3, 4))
    if 0 in (n1, n2, n3):
        return FALLBACK_DISCOUNTS
    share = n1 / (n1 + 2 * n2)
    discounts = (1 - 2 * share * n2 / n1, 2 - 3 * share * n3 / n2, 3 - 4 * share * n4 / n3)
    if not all(0 < discount <= count for count, discount in enumerate(discounts, 1)):
        return FALLBACK_DISCOUNTS
    return discounts


def single_discount(adjusted: np.ndarray) -> tuple[float]:
    """D = n1 / (n1 + 2 n2), with n1 n-grams seen once and n2 seen twice (Ney, Essen and Kneser
    1994); 0.5 where there are none of one kind.

    >>> single_discount(np.repeat([1, 2], [60, 20]))
    (0.6,)
    """
    n1, n2 = (int((adjusted == count).sum()) for count in (1, 2))
    return (n1 / (n1 + 2 * n2) if n1 and n2 else 0.5,)


# --- interpolation with learnt weights


def jelinek_mercer(counts: NgramCounts, validation: np.ndarray) -> Estimate:
    """Maximum likelihood of every order, mixed with weights learnt on other text.

    The weight of a context depends on its order and on how often it was seen, rounded down to a
    power of two. The weights are found by expectation-maximisation; where the validation text
    has little to say, each is drawn towards 1/2, as if one token more had come from the longer
    context and one more from the shorter.

    Parameters: for each order, the weight of contexts seen once, 2 to 3 times, 4 to 7, ...

    Args:
        counts: of the training text.
        validation: (M,) the sequences to learn the weights on, flat, as `count_ngrams` takes
            them.
    """
    orders = range(1, len(counts.tables) + 1)
    totals = [_totals(counts, order) for order in orders]
    found = find_ngrams(counts.tables, validation[None], counts.vocab_size)
    wanted = (validation != counts.bos_id).nonzero()[0]  # the tokens to predict
    contexts = [np.zeros_like(wanted)] + [places[0, wanted - 1] for places in found[:-1]]
    shares, seen = np.zeros((2, len(orders), len(wanted)))
    for level, table in enumerate(counts.tables):
        place = found[level][0, wanted]
        known, hit = contexts[level] >= 0, place >= 0
        seen[level, known] = totals[level][contexts[level][known]]
        shares[level, hit] = table.counts[place[hit]] / seen[level, hit]
    weights = _learn_weights(shares, seen, 1 / (counts.vocab_size - 1))
    parts = []
    for level, (table, total) in enumerate(zip(counts.tables, totals, strict=True)):
        weight = np.where(total > 0, weights[level, _bucket(total)], 0.0)
        at = counts.contexts(level + 1)
        parts.append((weight[at] * table.counts / np.maximum(total[at], 1), 1 - weight))
    used = [int(_bucket(total).max(initial=0)) + 1 for total in totals]
    return Estimate(
        _interpolate(counts, parts),
        [tuple(row[:size].tolist()) for row, size in zip(weights, used, strict=True)],
    )


def _totals(counts: NgramCounts, order: int) -> np.ndarray:
    """How often each context of an order was followed by anything."""
    contexts, size = counts.contexts(order), counts.num_contexts(order)
    return np.bincount(contexts, counts.tables[order - 1].counts, size)


def _bucket(totals: np.ndarray) -> np.ndarray:
    """floor(log2 of each total); 0 for a total of 0, which no weight is asked for."""
    buckets: np.ndarray = np.log2(np.maximum(totals, 1)).astype(np.int64)
    return buckets


def _learn_weights(shares: np.ndarray, totals: np.ndarray, uniform: float) -> np.ndarray:
    """(orders, buckets): the weights under which M tokens are most likely, and for each weight
    one token more on either side.

    Args:
        shares: (orders, M) the maximum-likelihood probability of each token.
        totals: (orders, M) how often its context was seen; 0 passes the token on to the order
            below.
        uniform: the probability that stands below the unigrams.
    """
    known, buckets = totals > 0, _bucket(totals)
    weights = np.full((len(shares), 64), 0.5)
    for _ in range(200):
        mixed, own = [np.full(shares.shape[1], uniform)], []
        for level, share in enumerate(shares):
            weight = np.where(known[level], weights[level, buckets[level]], 0.0)
            own.append(weight * share)
            mixed.append(own[-1] + (1 - weight) * mixed[-1])
        previous = weights.copy()
        reached = np.ones(shares.shape[1])  # P(the token comes from this order or a lower one)
        for level in reversed(range(len(shares))):
            stayed = reached * own[level] / mixed[level + 1]
            at = buckets[level, known[level]]
            asked = np.bincount(at, reached[known[level]], 64)
            took = np.bincount(at, stayed[known[level]], 64)
            weights[level] = (took + 1) / (asked + 2)
            reached = reached - stayed
        if np.abs(weights - previous).max() < 1e-3:
            break
    return weights


def _interpolate(
    counts: NgramCounts, parts: list[tuple[np.ndarray, np.ndarray]]
) -> list[BackoffTable]:
    """P(w | h) = own share of h w + rest of h * P(w | h'), from the unigrams up.

    Args:
        counts: what was counted.
        parts: for each order, (N,) the own shares and, for each context, the rest.
    """
    lower = np.array([1 / (counts.vocab_size - 1)])  # the same for every id
    log_probs, rests = [], []
    for order, (share, rest) in enumerate(parts, 1):
        lower = share + rest[counts.contexts(order)] * lower[counts.suffixes[order - 1]]
        log_probs.append(np.log(lower))
        rests.append(rest)
    return _tables(counts, log_probs, rests)


# --- back-off


def katz(counts: NgramCounts) -> Estimate:
    """Katz's back-off with Good-Turing discounts for counts up to KATZ_LIMIT.

    Where the text has no n-grams of some of these counts, or their discount does not lie
    between 0 and 1, the limit is lowered until all are defined. A context from which nothing
    was taken counts as if one more token had followed it, as in SRILM, for otherwise it would
    leave nothing to unseen ones.

    Parameters: for each order, the discount ratios of n-grams seen once, twice, ...
    """
    lower = np.array([1 / (counts.vocab_size - 1)])
    log_probs, rests, parameters = [], [], []
    for order, table in enumerate(counts.tables, 1):
        contexts, size = counts.contexts(order), counts.num_contexts(order)
        ratios = good_turing_ratios(table.counts)
        seen = table.counts > 0
        totals = _totals(counts, order)
        ratio = np.append(ratios, 1.0)[np.minimum(table.counts, len(ratios) + 1) - 1]
        mass = np.where(seen, ratio * table.counts, 0.0)
        kept = np.bincount(contexts, mass, size)
        totals = np.where(kept >= totals * (1 - 1e-12), totals + 1, totals)
        share = mass / totals[contexts]
        below = lower[counts.suffixes[order - 1]]
        free = 1 - np.bincount(contexts, np.where(seen, below, 0.0), size)
        left = 1 - np.bincount(contexts, share, size)
        full = free < 1e-12  # every token was seen here: nothing is left to give away
        share = np.where(full[contexts], share / (1 - left[contexts]), share)
        rest = np.where(full, 1.0, left / np.where(full, 1.0, free))
        lower = np.where(seen, share, rest[contexts] * below)
        log_probs.append(np.log(lower))
        rests.append(rest)
        parameters.append(ratios)
    return Estimate(_tables(counts, log_probs, rests), parameters)


def good_turing_ratios(counts: np.ndarray, limit: int = KATZ_LIMIT) -> tuple[float, ...]:
    """d_r for r = 1 ... limit: the share that a count r keeps (Katz 1987).

    With n_r n-grams seen r times and r* = (r + 1) n_{r+1} / n_r,

        d_r = (r* / r - A) / (1 - A),   A = (limit + 1) n_{limit+1} / n_1.

    The limit is lowered until every d_r lies between 0 and 1; () where none is left.

    >>> good_turing_ratios(np.repeat([1, 2, 3], [12, 3, 1]), limit=2)
    (0.333..., 0.333...)
    """
    numbers = np.bincount(np.minimum(counts, limit + 2), minlength=limit + 3)
    for top in range(limit, 1, -1):  # at 1, d_1 is 0
        if not numbers[1 : top + 1].all():
            continue
        beyond = (top + 1) * numbers[top + 1] / numbers[1]
        if beyond == 1:
            continue
        ratios = tuple(
            float(((r + 1) * numbers[r + 1] / numbers[r] / r - beyond) / (1 - beyond))
            for r in range(1, top + 1)
        )
        if all(0 < ratio < 1 for ratio in ratios):
            return ratios
    return ()


def _tables(
    counts: NgramCounts, log_probs: list[np.ndarray], rests: list[np.ndarray]
) -> list[BackoffTable]:
    """The tables of a model; rests[i] are the back-off weights of the contexts one order
    below.
    """
    log_probs[0][counts.bos_id] = -np.inf
    nothing = np.zeros(1)
    backoffs = [np.append(np.log(rest), nothing) for rest in rests[1:]] + [nothing]
    return [
        BackoffTable(table.keys, log_prob, backoff)
        for table, log_prob, backoff in zip(counts.tables, log_probs, backoffs, strict=True)
    ]
