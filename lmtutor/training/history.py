"""What happened in a training."""

from dataclasses import dataclass, field


@dataclass
class TrainingHistory:
    """The numbers that `fit_model` saw, step by step; losses are nats per target."""

    losses: list[float] = field(default_factory=list)
    """Of each step, on its own batches, before the step was taken."""
    learning_rates: list[float] = field(default_factory=list)
    gradient_norms: list[float] = field(default_factory=list)
    """Of each step, before clipping."""
    validation_steps: list[int] = field(default_factory=list)
    """After how many steps the validation data was looked at."""
    validation_losses: list[float] = field(default_factory=list)
    num_targets: int = 0
    """Predictions trained on, in all."""
    seconds: float = 0.0
    """Wall-clock time, looks at the validation data included."""
    stopped: str = "not finished"
    """Why training ended: "finished" or "no improvement"."""

    @property
    def num_steps(self) -> int:
        """The steps that were taken."""
        return len(self.losses)

    @property
    def best_step(self) -> int | None:
        """The number of steps with the lowest validation loss; None without validation."""
        if not self.validation_losses:
            return None
        lowest = min(self.validation_losses)
        return self.validation_steps[self.validation_losses.index(lowest)]

    @property
    def waited(self) -> int:
        """How many looks at the validation data ago it was best."""
        if not self.validation_losses:
            return 0
        lowest = min(self.validation_losses)
        return len(self.validation_losses) - 1 - self.validation_losses.index(lowest)

    def smooth_losses(self, window: int = 50) -> tuple[list[int], list[float]]:
        """Steps and the mean loss of the `window` steps up to each, for a curve to look at.

        Steps at the end that fill no window are left out, unless there is no whole window.

        Raises:
            ValueError: the window is below 1.
        """
        if window < 1:
            raise ValueError(f"window is {window}; the smallest is 1")
        if not self.losses:
            return [], []
        window = min(window, len(self.losses))
        stops = list(range(window, len(self.losses) + 1, window))
        return stops, [sum(self.losses[stop - window : stop]) / window for stop in stops]
