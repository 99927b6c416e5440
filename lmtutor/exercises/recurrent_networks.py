"""The exercises of the chapter "Recurrent networks"."""

import math
from itertools import pairwise
from typing import Any

from lmtutor.exercises.checker import Case, Exercise

Batches = list[tuple[list[list[int]], list[list[int]]]]


def rnn_step(
    x: list[float], h: list[float], W: list[list[float]], U: list[list[float]], b: list[float]
) -> list[float]:
    """tanh(W x + U h + b)."""
    sums = [
        sum(w * v for w, v in zip([*row, *back], [*x, *h], strict=True)) + bias
        for row, back, bias in zip(W, U, b, strict=True)
    ]
    return [math.tanh(z) for z in sums]


def read_sequence(inputs: list[float], h: float, w: float, u: float, b: float) -> list[float]:
    """The states after each input, in a network of one unit."""
    states = []
    for x in inputs:
        h = math.tanh(w * x + u * h + b)
        states.append(h)
    return states


def gradient_through_time(inputs: list[float], h: float, w: float, u: float, b: float) -> float:
    """The derivative of the last state by the first: a product of u (1 - h_t^2)."""
    return math.prod(u * (1 - state**2) for state in read_sequence(inputs, h, w, u, b))


def recurrent_weight_gradient(
    inputs: list[float], gs: list[float], w: float, u: float, b: float
) -> float:
    """The derivative of sum_t g_t h_t by u, from right to left."""
    states = [0.0, *read_sequence(inputs, 0.0, w, u, b)]
    total = later = 0.0
    for t in reversed(range(len(inputs))):
        dz = (1 - states[t + 1] ** 2) * (gs[t] + later)
        total += dz * states[t]
        later = u * dz
    return total


def streams(tokens: list[int], num_streams: int, length: int) -> Batches:
    """Inputs and targets of the next tokens of each stream."""
    size = (len(tokens) - 1) // num_streams
    begins = [size * stream for stream in range(num_streams)]
    batches = []
    for first in range(0, size, length):
        last = min(first + length, size)
        inputs = [tokens[begin + first : begin + last] for begin in begins]
        targets = [tokens[begin + first + 1 : begin + last + 1] for begin in begins]
        batches.append((inputs, targets))
    return batches


def _rows_go_on(result: Any, tokens: list[int], num_streams: int, length: int) -> bool:
    """Whether each row of a batch follows on the same row of the batch before; for tokens that
    count upwards.
    """
    return all(
        before[row][-1] + 1 == after[row][0]
        for (before, _), (after, _) in pairwise(result)
        for row in range(num_streams)
    )


EXERCISES = [
    Exercise(
        "rnn_step",
        rnn_step,
        [
            Case(
                ([1.0], [0.0], [[0.5]], [[2.0]], [0.0]),
                "With an empty state and no bias it is tanh(W x).",
            ),
            Case(([0.0], [0.5], [[3.0]], [[2.0]], [0.0]), "The old state enters through U."),
            Case(([1.0], [0.5], [[1.0]], [[-1.0]], [0.25]), "The bias is added, once."),
            Case(
                (
                    [1.0, 2.0],
                    [0.5, -0.5],
                    [[0.1, 0.2], [0.3, 0.4]],
                    [[1.0, 2.0], [0.0, 1.0]],
                    [0.0, 0.1],
                ),
                "Each entry of the new state has its own row of W and of U.",
            ),
            Case(
                (
                    [1.0, 2.0, 3.0],
                    [0.5, -0.5],
                    [[0.1, 0.2, 0.3], [0.3, 0.4, 0.1]],
                    [[1.0, 2.0], [0.0, 1.0]],
                    [0.0, 0.1],
                ),
                "x and h may be of different sizes; the result has the size of h.",
            ),
        ],
    ),
    Exercise(
        "read_sequence",
        read_sequence,
        [
            Case(([1.0], 0.0, 0.5, 2.0, 0.1), "One input: tanh(w x + u h + b), in a list."),
            Case(([1.0], 0.5, 0.5, 2.0, 0.1), "The reading begins with the state h."),
            Case(
                ([1.0, -1.0], 0.5, 0.5, 2.0, 0.1),
                "The state after one input is the state before the next; return all of them, "
                "without the first h.",
            ),
            Case(([], 0.5, 0.5, 2.0, 0.1), "No inputs, no states."),
        ],
    ),
    Exercise(
        "gradient_through_time",
        gradient_through_time,
        [
            Case(
                ([0.0], 0.0, 1.0, 0.5, 0.0),
                "Where the state is 0, the slope of tanh is 1, and the derivative of one step "
                "is u.",
            ),
            Case(
                ([1.0], 0.0, 1.0, 0.5, 0.0),
                "The slope of tanh is 1 less the square of the state after the step.",
            ),
            Case(
                ([1.0, 0.5, -1.0], 0.2, 1.0, 1.5, 0.1),
                "The steps multiply, each with u and with the slope at its own state.",
            ),
            Case(([], 0.2, 1.0, 1.5, 0.1), "With no step, the state is h itself."),
        ],
    ),
    Exercise(
        "recurrent_weight_gradient",
        recurrent_weight_gradient,
        [
            Case(
                ([1.0], [1.0], 0.5, 2.0, 0.1),
                "At the first position the state before is 0, so u has no effect there.",
            ),
            Case(
                ([1.0, -1.0], [0.0, 1.0], 0.5, 2.0, 0.1),
                "u acts on the state before: dz_t is multiplied by h_{t-1}.",
            ),
            Case(
                ([1.0, -1.0, 0.5], [0.0, 0.0, 1.0], 0.5, 0.8, 0.1),
                "A loss at the end also depends on u through the earlier states: what comes "
                "from later is u dz_{t+1}.",
            ),
            Case(
                ([1.0, -1.0, 0.5, 2.0], [1.0, -2.0, 0.5, 1.0], 0.5, 0.8, 0.1),
                "Each position has a g of its own, which is added to what comes from later.",
            ),
        ],
    ),
    Exercise(
        "streams",
        streams,
        [
            Case(
                ([0, 1, 2, 3, 4], 1, 2),
                "One stream: windows one after the other, and as targets the tokens that "
                "follow the inputs.",
            ),
            Case(
                (list(range(13)), 2, 3),
                "A row goes on where the same row of the batch before stopped.",
                _rows_go_on,
            ),
            Case(
                (list(range(13)), 2, 3),
                "The first stream begins at token 0, the second n tokens later; the targets "
                "are one token further.",
            ),
            Case((list(range(8)), 1, 3), "The last batch may be shorter than the others."),
            Case(
                (list(range(12)), 2, 5),
                "What is left over at the end is left out, so that all streams are equally "
                "long.",
            ),
        ],
    ),
]
