"""Which token to take when the model says how likely each is.

Sources: Fan et al. 2018, "Hierarchical Neural Story Generation", section 5.4 (top-k);
Holtzman et al. 2020, "The Curious Case of Neural Text Degeneration", section 3.1 (top-p,
"nucleus"); Nguyen et al. 2024, "Turning Up the Heat: Min-p Sampling for Creative and Coherent
LLM Outputs" (min-p); Meister et al. 2023, "Locally Typical Sampling" (typical-p); Keskar et al.
2019, "CTRL: A Conditional Transformer Language Model for Controllable Generation" (repetition
penalty). Left out: penalties that grow with the number of repetitions, n-grams that may not
come twice, and what follows several texts at once, such as contrastive search.

Letter in the shapes: V vocabulary.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

_ROUNDING = 1e-9  # sums of probabilities that differ by less count as equal


class Strategy(ABC):
    """Picks the next token."""

    @abstractmethod
    def choose(
        self, log_probs: Tensor, generator: torch.Generator, previous_ids: Sequence[int] = ()
    ) -> int:
        """One token from (V,) log-probabilities.

        Args:
            log_probs: (V,) of each token to come next.
            generator: all chance comes from it.
            previous_ids: the prompt and what was written so far, without marks.
        """


@dataclass(frozen=True)
class Greedy(Strategy):
    """The most likely token; of several, the one with the lowest id.

    Args:
        repetition_penalty: as in `Sample`.

    Raises:
        ValueError: repetition_penalty is not above 0 or not finite.
    """

    repetition_penalty: float = 1.0

    def __post_init__(self) -> None:
        _check_penalty(self.repetition_penalty)

    def choose(
        self, log_probs: Tensor, generator: torch.Generator, previous_ids: Sequence[int] = ()
    ) -> int:
        """The arg-max of (V,) log-probabilities, after the penalty."""
        scores = log_probs.detach()
        if self.repetition_penalty != 1:
            scores = penalize(scores, previous_ids, self.repetition_penalty)
        elif scores.dtype == torch.bfloat16:  # which NumPy does not know
            scores = scores.float()
        return int(scores.cpu().numpy().argmax())  # the first of several, unlike PyTorch's


@dataclass(frozen=True)
class Sample(Strategy):
    """Draw from the distribution, after sharpening it and cutting its tail.

    The steps are taken in the order repetition penalty, temperature, top-k, top-p, min-p,
    typical-p, which is that of `transformers`. Each works on the distribution that the one
    before it left, and a step at its default changes nothing.

    Args:
        temperature: log-probabilities are divided by it; below 1 the likely tokens gain, above
            1 they lose.
        top_k: keep the k most likely tokens, exactly k of them also where there are ties (the
            lowest ids stay).
        top_p: keep the most likely tokens until their probabilities reach p, the one that
            reaches it included.
        min_p: keep the tokens that are at least min_p times as likely as the most likely one.
        typical_p: keep the tokens whose surprise, -log P, is closest to the mean surprise (the
            entropy), until their probabilities reach typical_p. The most likely token may be
            cut.
        repetition_penalty: the log-probability of each token of the prompt and of what was
            written so far is multiplied by it, once. Above 1 such tokens become less likely:
            P becomes P ** penalty, before all are brought back to a sum of one. The paper
            divides scores instead, which helps only those above 0; log-probabilities never are,
            and `transformers` multiplies negative scores too. Unlike scores, they do not depend
            on a constant that the model may add to all.

    Raises:
        ValueError: temperature or repetition_penalty is not above 0 or not finite, top_k is
            below 1, top_p or typical_p is not above 0 and at most 1, or min_p is not from 0 to
            1.
    """

    temperature: float = 1.0
    top_k: int | None = None
    top_p: float = 1.0
    min_p: float = 0.0
    typical_p: float = 1.0
    repetition_penalty: float = 1.0

    def __post_init__(self) -> None:
        if not 0 < self.temperature < math.inf:
            raise ValueError(
                f"temperature is {self.temperature}; it must be above 0 (for the limit 0 "
                "use Greedy())"
            )
        if self.top_k is not None and (self.top_k != int(self.top_k) or self.top_k < 1):
            raise ValueError(f"top_k is {self.top_k}; it must be a whole number from 1 up")
        for name in ("top_p", "typical_p"):
            if not 0 < getattr(self, name) <= 1:
                raise ValueError(
                    f"{name} is {getattr(self, name)}; it must be above 0 and at most 1"
                )
        if not 0 <= self.min_p <= 1:
            raise ValueError(
                f"min_p is {self.min_p}; it must be from 0 to 1, and 0 cuts nothing"
            )
        _check_penalty(self.repetition_penalty)

    def probabilities(self, log_probs: Tensor, previous_ids: Sequence[int] = ()) -> Tensor:
        """(V,) log-probabilities -> (V,) the distribution that `choose` draws from, in float64.

        >>> Sample(top_k=2).probabilities(torch.tensor([0.4, 0.1, 0.4, 0.1]).log())
        tensor([0.5000, 0.0000, 0.5000, 0.0000], dtype=torch.float64)
        """
        if not (log_probs > -torch.inf).any():  # also where all is NaN
            raise ValueError("no token has a probability above zero; is the model smoothed?")
        scores = penalize(log_probs, previous_ids, self.repetition_penalty)
        scaled = (scores - scores.max()) / self.temperature
        scaled, order = scaled.sort(descending=True, stable=True)
        kept = scaled.softmax(dim=-1)  # (V,) the most likely first
        if self.top_k is not None:
            kept = _only(kept, torch.arange(len(kept), device=kept.device) < self.top_k)
        if self.top_p < 1:
            kept = _only(kept, _until(kept, self.top_p))
        if self.min_p > 0:
            kept = _only(kept, kept >= self.min_p * kept[0] * (1 - _ROUNDING))
        if self.typical_p < 1:
            kept = _only(kept, _typical(kept, self.typical_p))
        return torch.zeros_like(kept).scatter(0, order, kept)

    def choose(
        self, log_probs: Tensor, generator: torch.Generator, previous_ids: Sequence[int] = ()
    ) -> int:
        """A draw from `probabilities`."""
        probabilities = self.probabilities(log_probs, previous_ids)
        return int(torch.multinomial(probabilities, 1, generator=generator))


STRATEGIES: dict[str, type[Strategy]] = {"greedy": Greedy, "sample": Sample}
"""What a strategy can be called by where its settings are the defaults."""


def find_strategy(strategy: Strategy | str | None) -> Strategy:
    """The strategy of that name, `Greedy()` for None, or what was given if it is one.

    Raises:
        ValueError: there is none of that name, or it is no strategy.
    """
    if strategy is None:
        return Greedy()
    if isinstance(strategy, Strategy):
        return strategy
    if isinstance(strategy, str) and strategy in STRATEGIES:
        return STRATEGIES[strategy]()
    raise ValueError(
        f"strategy is {strategy!r}; give one of the names {', '.join(map(repr, STRATEGIES))}, "
        "or an object such as Greedy() or Sample(temperature=0.8) (beam search is called as "
        "BeamSearch(width=5).search(model, ...))"
    )


def penalize(log_probs: Tensor, previous_ids: Sequence[int], penalty: float) -> Tensor:
    """(V,) log-probabilities -> (V,) scores in float64: those of the tokens that came before
    are multiplied by the penalty, once for each token.

    >>> penalize(torch.tensor([-1.0, -2.0, -3.0]), [1, 1], penalty=1.5)
    tensor([-1., -3., -3.], dtype=torch.float64)
    """
    scores = log_probs.double().clone()
    if penalty != 1 and len(previous_ids):
        scores[torch.tensor(sorted(set(previous_ids)), device=scores.device)] *= penalty
    return scores


def _only(probabilities: Tensor, mask: Tensor) -> Tensor:
    """(V,) the probabilities where (V,) `mask` is True, brought back to a sum of one."""
    kept = probabilities * mask
    return kept / kept.sum()


def _until(probabilities: Tensor, mass: float) -> Tensor:
    """(V,) which of them, from the first on, are needed to reach the mass; never none."""
    needed = probabilities.cumsum(dim=-1) - probabilities < mass - _ROUNDING
    needed[0] = True
    return needed


def _typical(probabilities: Tensor, mass: float) -> Tensor:
    """(V,) which of them are needed to reach the mass, those of typical surprise first."""
    entropy = torch.special.entr(probabilities).sum()
    order = (-probabilities.log() - entropy).abs().argsort(stable=True)  # impossible ones last
    needed = _until(probabilities[order], mass)
    return torch.zeros_like(needed).scatter(0, order, needed)


def _check_penalty(penalty: float) -> None:
    if not 0 < penalty < math.inf:
        raise ValueError(
            f"repetition_penalty is {penalty}; it must be above 0 and finite, and 1 leaves all "
            "as it is"
        )
