"""The learning rate over time.

Source: Loshchilov and Hutter 2017, "SGDR: Stochastic Gradient Descent with Warm Restarts",
equation 5, with one period and a lowest rate of 0.
"""

import math

from lmtutor.training.config import TrainingConfig


def learning_rate_at(step: int, config: TrainingConfig) -> float:
    """The learning rate of a step, counted from 0: a straight line up, then half a cosine down.

    >>> config = TrainingConfig(num_steps=12, learning_rate=1.0, warmup_steps=2)
    >>> [round(learning_rate_at(step, config), 2) for step in (0, 1, 2, 7, 11)]
    [0.5, 1.0, 1.0, 0.5, 0.02]
    """
    if step < config.warmup_steps:
        return config.learning_rate * (step + 1) / config.warmup_steps
    falling = max(1, config.num_steps - config.warmup_steps)
    done = min(1.0, (step - config.warmup_steps) / falling)
    return config.learning_rate * 0.5 * (1 + math.cos(math.pi * done))
