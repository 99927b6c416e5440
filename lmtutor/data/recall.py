"""A task that asks for nothing but memory: what was the first symbol?

Source: after the experiments of Hochreiter and Schmidhuber 1997, "Long Short-Term Memory",
section 5.2, in which a network must keep one symbol over a long time of noise. Ours is simpler.
"""

from collections.abc import Iterator

import numpy as np
import torch

from lmtutor.data.batches import IGNORED, Batch, Batches


class Recall(Batches):
    """Sequences of a key, noise, and a question mark, at which the key is to be named.

    Ids: 0 and 1 are the marks, 2 the question mark, then come the keys, then the noise. Only
    the answer is a target. To guess costs log(num_keys) nats.

    Args:
        distance: from the key to the question mark, in steps.
        num_keys: different keys.
        num_noise: different symbols between them.
        batch_size: B
        num_batches: in an epoch; each epoch has new sequences.
        seed: of the sequences.

    Raises:
        ValueError: a number is below 1.

    >>> batch = next(Recall(distance=3, batch_size=2).epoch(0))
    >>> batch.inputs.shape, batch.num_targets
    (torch.Size([2, 4]), 2)
    """

    def __init__(
        self,
        distance: int,
        num_keys: int = 4,
        num_noise: int = 8,
        batch_size: int = 32,
        num_batches: int = 1000,
        seed: int = 0,
    ):
        numbers = (distance, num_keys, num_noise, batch_size, num_batches)
        if min(numbers) < 1:
            raise ValueError(
                "distance, num_keys, num_noise, batch_size and num_batches must be at least 1, "
                f"and are {', '.join(map(str, numbers))}"
            )
        self.distance, self.num_keys, self.num_noise = distance, num_keys, num_noise
        self.batch_size, self.num_batches, self.seed = batch_size, num_batches, seed

    @property
    def vocab_size(self) -> int:
        """Two marks, the question mark, the keys and the noise."""
        return 3 + self.num_keys + self.num_noise

    def __len__(self) -> int:
        """The number of batches in an epoch."""
        return self.num_batches

    def epoch(self, number: int, start: int = 0) -> Iterator[Batch]:
        """The batches of an epoch, from batch `start` on."""
        for batch in range(start, self.num_batches):
            generator = np.random.default_rng([self.seed, number, batch])
            keys = 3 + generator.integers(self.num_keys, size=(self.batch_size, 1))
            noise = generator.integers(
                self.num_noise, size=(self.batch_size, self.distance - 1)
            )
            question = np.full((self.batch_size, 1), 2)
            inputs = np.hstack([keys, 3 + self.num_keys + noise, question])  # (B, distance + 1)
            targets = np.full_like(inputs, IGNORED)
            targets[:, -1] = keys[:, 0]
            yield Batch(torch.from_numpy(inputs), torch.from_numpy(targets))

    def describe(self) -> dict[str, int | str]:
        """The kind, the sizes and the seed."""
        return {"kind": "Recall", **vars(self)}
