"""What a reader can choose of a small model and its training."""

import math
import operator
from dataclasses import dataclass, field

KINDS = ("RNN", "LSTM", "GPT")
HEAD_SIZE = 16
"""Of the heads of a GPT; its hidden size is a multiple of it."""
RANGES = {
    "hidden_size": (1, 256),
    "num_layers": (1, 4),
    "num_steps": (1, 2000),
    "seed": (0, 2**32 - 1),
}


@dataclass(frozen=True)
class TrainingSettings:
    """A language model small enough to be trained while one looks on, and its training.

    Raises:
        ValueError: there is no such kind of model, a number is out of its range, or the hidden
            size of a GPT is no multiple of 16, the size of its heads.

    >>> TrainingSettings(kind="GPT", hidden_size=48).name
    'GPT, 48 wide, 1 layer'
    """

    kind: str = "LSTM"
    """"RNN", "LSTM" or "GPT"."""
    hidden_size: int = 64
    """Up to 256; a token has a vector of the same size."""
    num_layers: int = 1
    """Up to 4."""
    learning_rate: float = 0.01
    """The largest, after a warm-up of a tenth of the steps; then it falls to 0."""
    num_steps: int = 100
    """Up to 2,000."""
    seed: int = 0
    """Of the first weights and of the order of the text."""

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"there is no kind {self.kind!r}; there are {', '.join(KINDS)}")
        for name, (least, most) in RANGES.items():
            value = getattr(self, name)
            try:
                number = operator.index(value)
            except TypeError as error:
                raise ValueError(f"{name} is {value!r}; give a whole number") from error
            if not least <= number <= most:
                raise ValueError(f"{name} is {value}; give a number from {least} to {most:,}")
        if not 0 < self.learning_rate <= 1 or not math.isfinite(self.learning_rate):
            raise ValueError(
                f"learning_rate is {self.learning_rate}; give a number above 0 and up to 1"
            )
        if self.kind == "GPT" and self.hidden_size % HEAD_SIZE:
            raise ValueError(
                f"hidden_size is {self.hidden_size}, and a GPT has heads of {HEAD_SIZE}; give "
                f"a multiple of {HEAD_SIZE}"
            )

    @property
    def name(self) -> str:
        """The model in words."""
        layers = "1 layer" if self.num_layers == 1 else f"{self.num_layers} layers"
        return f"{self.kind}, {self.hidden_size} wide, {layers}"


@dataclass
class TrainingRun:
    """One training, and what has come of it so far."""

    number: int
    """Counted from 1."""
    settings: TrainingSettings
    num_parameters: int
    losses: list[float] = field(default_factory=list)
    """Of each step, before it was taken, in nats per token."""
    ended: str = ""
    """"finished", "stopped", or what went wrong; empty while it runs."""

    @property
    def last_loss(self) -> float:
        """The mean of the last tenth of the steps so far, for one step says little; NaN where
        there is none.
        """
        last = self.losses[-max(1, len(self.losses) // 10) :]
        return sum(last) / len(last) if last else math.nan
