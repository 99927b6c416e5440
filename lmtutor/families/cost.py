"""What a training costs: operations, days and money.

Sources: Kaplan et al. 2020, "Scaling Laws for Neural Language Models", section 2.1 (6 N D);
Chowdhery et al. 2022, "PaLM", section 4.1 (utilization as the share of the peak that goes into
these operations). Speeds are what the makers give for dense products of matrices in 16 bits:
Google in its pages on each version of the TPU, NVIDIA in its data sheets, for the fastest form
of each chip (SXM).
Left out: trials that failed, which cost more than the run that is published; electricity; what
it costs to have the machines at all.
"""

from dataclasses import dataclass

_SECONDS_PER_DAY = 24 * 60 * 60


@dataclass(frozen=True)
class Accelerator:
    """A chip for products of matrices."""

    name: str
    year: int
    peak_flops: float
    """Operations per second at best, dense, in float16 or bfloat16."""
    memory_gb: float
    """Its own memory, in gigabytes; of the version with the most."""


ACCELERATORS = {
    chip.name: chip
    for chip in (
        Accelerator("TPU v2", 2017, 45e12, 16),
        Accelerator("V100", 2017, 125e12, 32),
        Accelerator("TPU v3", 2018, 123e12, 32),
        Accelerator("A100", 2020, 312e12, 80),
        Accelerator("H100", 2022, 989e12, 80),
    )
}
"""Chips on which models of the table were trained, by name. A TPU here is one chip; four of
them were rented as one "Cloud TPU"."""


def training_flops(parameters: float, tokens: float) -> float:
    """About how many operations a training takes: 6 N D (Kaplan et al. 2020, section 2.1).

    A parameter is used for one multiplication and one addition per token on the way forward,
    and twice that on the way back. The rule holds for models whose every parameter is used
    once for every token.

    Raises:
        ValueError: a number is below 0.

    >>> f"{training_flops(175e9, 300e9):.2e}"
    '3.15e+23'
    """
    if not (parameters >= 0 and tokens >= 0):
        raise ValueError(
            f"there are {parameters} parameters and {tokens} tokens; neither can be below 0"
        )
    return 6 * parameters * tokens


@dataclass(frozen=True)
class TrainingCost:
    """How long a training takes on some machines, and what it costs, under stated assumptions.

    Raises:
        ValueError: the utilization is not above 0 and at most 1, there is no chip, or another
            number is below 0.

    >>> cost = TrainingCost(3.15e23, ACCELERATORS["A100"], num_chips=1024, utilization=0.4,
    ...                     dollars_per_hour=2.0)
    >>> round(cost.days), f"{cost.dollars:,.0f}"
    (29, '1,402,244')
    """

    flops: float
    """Of the whole training, such as 6 N D."""
    chip: Accelerator
    num_chips: int
    utilization: float
    """The share of the peak that goes into these operations."""
    dollars_per_hour: float = 0.0
    """Of one chip."""

    def __post_init__(self) -> None:
        if not 0 < self.utilization <= 1:
            raise ValueError(f"utilization is {self.utilization}; it is above 0 and at most 1")
        if self.num_chips < 1 or not (self.flops >= 0 and self.dollars_per_hour >= 0):
            raise ValueError(
                f"there are {self.num_chips} chips (at least 1), {self.flops} operations and "
                f"{self.dollars_per_hour} dollars per hour (neither below 0)"
            )

    @property
    def days(self) -> float:
        """From the first step to the last."""
        speed = self.num_chips * self.chip.peak_flops * self.utilization
        return self.flops / speed / _SECONDS_PER_DAY

    @property
    def chip_hours(self) -> float:
        """Of all chips together; how many there are makes no difference."""
        return 24 * self.days * self.num_chips

    @property
    def dollars(self) -> float:
        """For the chips alone."""
        return self.chip_hours * self.dollars_per_hour


def utilization(flops: float, chip: Accelerator, chip_hours: float) -> float:
    """The share of the peak that went into the operations of a training.

    Args:
        flops: of the training.
        chip: what it ran on.
        chip_hours: hours times chips.

    Raises:
        ValueError: chip_hours is not above 0.

    >>> round(utilization(6 * 6.7e9 * 1e12, ACCELERATORS["A100"], 82_432), 2)  # Llama 7B
    0.43
    """
    if not chip_hours > 0:
        raise ValueError(f"chip_hours are {chip_hours}; they must be above 0")
    return flops / (chip.peak_flops * chip_hours * 3600)
