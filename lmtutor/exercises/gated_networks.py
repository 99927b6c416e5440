"""The exercises of the chapter "LSTM and GRU"."""

import math

from lmtutor.exercises.checker import Case, Exercise


def _sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def lstm_step(sums: dict[str, float], cell: float) -> tuple[float, float]:
    """One unit of an LSTM: from what goes into the gates, the new hidden state and cell."""
    keep, write = _sigmoid(sums["forget"]), _sigmoid(sums["input"])
    cell = keep * cell + write * math.tanh(sums["candidate"])
    return _sigmoid(sums["output"]) * math.tanh(cell), cell


def gru_step(sums: dict[str, float], past: float, hidden: float) -> float:
    """One unit of a GRU; `past` is what the hidden state sends to the candidate."""
    update, reset = _sigmoid(sums["update"]), _sigmoid(sums["reset"])
    candidate = math.tanh(sums["candidate"] + reset * past)
    return update * hidden + (1 - update) * candidate


def half_life(forget: float) -> float:
    """Steps until half of a memory is left."""
    return math.log(0.5) / math.log(forget)


def forget_bias(steps: int) -> float:
    """The bias with which half of a memory is left after so many steps."""
    gate = 0.5 ** (1 / steps)
    return math.log(gate / (1 - gate))


def paired_bootstrap(first: list[float], second: list[float], draws: list[list[int]]) -> float:
    """The share of draws in which the first model needs fewer nats in all."""
    wins = [sum(first[k] - second[k] for k in draw) < 0 for draw in draws]
    return sum(wins) / len(draws)


_OPEN, _SHUT = 50.0, -50.0

EXERCISES = [
    Exercise(
        "lstm_step",
        lstm_step,
        [
            Case(
                ({"forget": _OPEN, "input": _SHUT, "candidate": 3.0, "output": _OPEN}, 0.7),
                "The three gates go through the sigmoid. With the forget gate open and the "
                "input gate shut, the cell stays as it is, and goes through tanh on its way "
                "out. Return the hidden state, then the cell.",
            ),
            Case(
                ({"forget": _SHUT, "input": _OPEN, "candidate": 0.4, "output": _OPEN}, 0.7),
                "With the forget gate shut and the input gate open, the cell is the candidate, "
                "which goes through tanh.",
            ),
            Case(
                ({"forget": _OPEN, "input": _OPEN, "candidate": 1.0, "output": _OPEN}, 2.0),
                "What is written is added to what is kept, and the cell may exceed 1; it goes "
                "through tanh on its way out.",
            ),
            Case(
                ({"forget": 0.3, "input": -0.2, "candidate": 0.5, "output": -1.0}, -1.2),
                "The three gates go through the sigmoid.",
            ),
        ],
    ),
    Exercise(
        "gru_step",
        gru_step,
        [
            Case(
                ({"update": _OPEN, "reset": 0.0, "candidate": 2.0}, 0.3, 0.6),
                "With the update gate open (1), the hidden state stays as it is.",
            ),
            Case(
                ({"update": _SHUT, "reset": _SHUT, "candidate": 0.4}, 5.0, 0.6),
                "With both gates shut, the past does not reach the candidate, and the "
                "candidate replaces the hidden state.",
            ),
            Case(
                ({"update": _SHUT, "reset": _OPEN, "candidate": 0.1}, 0.5, 0.6),
                "With the reset gate open, the past is added inside the tanh.",
            ),
            Case(
                ({"update": 0.3, "reset": -0.4, "candidate": 0.1}, 0.5, -0.2),
                "What the update gate does not keep, it writes: the two shares sum to one.",
            ),
        ],
    ),
    Exercise(
        "half_life",
        half_life,
        [
            Case((0.5,), "A gate of one half leaves half of it after one step."),
            Case((0.9,), "After n steps the gate to the power of n is left."),
            Case((0.999,), "The result need not be a whole number."),
        ],
    ),
    Exercise(
        "forget_bias",
        forget_bias,
        [
            Case((1,), "Half after one step is a gate of one half, and the sigmoid of 0."),
            Case((2,), "The gate to the power of 2 is to be one half."),
            Case((100,), "Turn the sigmoid around: b = log(g / (1 - g))."),
        ],
    ),
    Exercise(
        "paired_bootstrap",
        paired_bootstrap,
        [
            Case(
                ([1.0, 2.0], [3.0, 4.0], [[0, 1], [1, 1]]),
                "The first needs fewer nats on both documents, so it wins every draw.",
            ),
            Case(
                ([1.0, 9.0], [3.0, 4.0], [[0, 0], [1, 1], [0, 1], [1, 0]]),
                "Add up the nats of the documents that were drawn, some of them twice, and "
                "compare the sums.",
            ),
            Case(
                ([1.0, 2.0, 3.0], [1.0, 2.0, 4.0], [[0, 1, 1], [0, 0, 2]]),
                "A draw in which both need the same is not won.",
            ),
        ],
    ),
]
