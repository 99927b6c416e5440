"""How far a number would wander had other examples been drawn.

Source: Koehn 2004, "Statistical Significance Tests for Machine Translation Evaluation" (a score
of a whole test set, on sets drawn from it with replacement). Left out: corrections for bias,
and examples that belong together and should be drawn together.
"""

from collections.abc import Callable

import numpy as np

from lmtutor.metrics.language_modelling import check_resamples


def bootstrap_interval(
    value_of: Callable[[np.ndarray], float], size: int, num_resamples: int, seed: int
) -> tuple[float, float]:
    """The 2.5% and 97.5% points of a value over `size` examples drawn with replacement.

    Args:
        value_of: from the numbers of the drawn examples, (size,), to the value.
        size: how many examples there are.
        num_resamples: how often they are drawn.
        seed: of the draws.

    Raises:
        ValueError: num_resamples is below 1.

    >>> bootstrap_interval(lambda picked: float(picked.mean()), 10, num_resamples=99, seed=0)
    (2.9, 6.6)
    """
    check_resamples(num_resamples)
    generator = np.random.default_rng(seed)
    values = [value_of(generator.integers(size, size=size)) for _ in range(num_resamples)]
    low, high = np.quantile(values, [0.025, 0.975], method="inverted_cdf")
    return float(low), float(high)
