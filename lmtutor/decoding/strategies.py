"""Which token to take when the model says how likely each is.

Sources: Fan et al. 2018, "Hierarchical Neural Story Generation", section 5.4 (top-k);
Holtzman et al. 2020, "The Curious Case of Neural Text Degeneration", section 3.1 (top-p,
"nucleus"). Left out: penalties for what was said before.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor


class Strategy(ABC):
    """Picks the next token."""

    @abstractmethod
    def choose(self, log_probs: Tensor, generator: torch.Generator) -> int:
        """One token from (V,) log-probabilities; all chance comes from `generator`."""


@dataclass(frozen=True)
class Greedy(Strategy):
    """The most likely token; of several, the one with the lowest id."""

    def choose(self, log_probs: Tensor, generator: torch.Generator) -> int:
        """The arg-max of (V,) log-probabilities."""
        return int((log_probs == log_probs.max()).nonzero()[0])


@dataclass(frozen=True)
class Sample(Strategy):
    """Draw from the distribution, after sharpening it and cutting its tail.

    The three steps are taken in this order, each on the distribution that the one before it
    left.

    Args:
        temperature: log-probabilities are divided by it; below 1 the likely tokens gain, above
            1 they lose.
        top_k: keep the k most likely tokens, exactly k of them also where there are ties (the
            lowest ids stay).
        top_p: keep the most likely tokens until their probabilities reach p, the one that
            reaches it included.

    Raises:
        ValueError: temperature is not above 0, top_k is below 1, or top_p is not above 0 and at
            most 1.
    """

    temperature: float = 1.0
    top_k: int | None = None
    top_p: float = 1.0

    def __post_init__(self) -> None:
        if not 0 < self.temperature < float("inf"):
            raise ValueError(
                f"temperature is {self.temperature}; it must be above 0 (for the limit 0 "
                "use Greedy())"
            )
        if self.top_k is not None and (self.top_k != int(self.top_k) or self.top_k < 1):
            raise ValueError(f"top_k is {self.top_k}; it must be a whole number from 1 up")
        if not 0 < self.top_p <= 1:
            raise ValueError(f"top_p is {self.top_p}; it must be above 0 and at most 1")

    def probabilities(self, log_probs: Tensor) -> Tensor:
        """(V,) log-probabilities -> (V,) the distribution that `choose` draws from, in float64.

        >>> Sample(top_k=2).probabilities(torch.tensor([0.4, 0.1, 0.4, 0.1]).log())
        tensor([0.5000, 0.0000, 0.5000, 0.0000], dtype=torch.float64)
        """
        if not (log_probs > -torch.inf).any():  # also where all is NaN
            raise ValueError("no token has a probability above zero; is the model smoothed?")
        scaled = (log_probs.double() - log_probs.max()) / self.temperature
        scores, order = scaled.sort(descending=True, stable=True)
        kept = scores.softmax(dim=-1)
        if self.top_k is not None:
            kept[self.top_k :] = 0
            kept /= kept.sum()
        if self.top_p < 1:
            before = kept.cumsum(dim=-1) - kept  # the mass of the tokens that are more likely
            kept[1:][before[1:] >= self.top_p - 1e-9] = 0
        return torch.zeros_like(kept).scatter(0, order, kept / kept.sum())

    def choose(self, log_probs: Tensor, generator: torch.Generator) -> int:
        """A draw from `probabilities`."""
        return int(torch.multinomial(self.probabilities(log_probs), 1, generator=generator))
