"""The exercises of the chapter "Neural networks"."""

import math
from typing import Any

from lmtutor.exercises.checker import Case, Exercise

Matrix = list[list[float]]


def neuron(inputs: list[float], weights: list[float], bias: float) -> float:
    """The sigmoid of the weighted sum."""
    total = bias + sum(w * x for w, x in zip(weights, inputs, strict=True))
    return 1 / (1 + math.exp(-total)) if total > 0 else math.exp(total) / (1 + math.exp(total))


def cross_entropy(logits: list[float], target: int) -> float:
    """-log softmax(logits)[target], in nats."""
    top = max(logits)
    return top - logits[target] + math.log(sum(math.exp(logit - top) for logit in logits))


def hidden_gradient(
    inputs: Matrix,
    targets: list[float],
    W1: Matrix,
    b1: list[float],
    w2: list[float],
    b2: float,
) -> Matrix:
    """dL/dW1 of a network with tanh in its hidden layer, a linear output and the loss
    Σ (prediction - target)² / 2N.
    """
    gradient = [[0.0] * len(w2) for _ in W1]
    for x, y in zip(inputs, targets, strict=True):
        sums = [
            b1[j] + sum(x[i] * W1[i][j] for i in range(len(x))) for j in range(len(w2))
        ]  # (H,)
        h = [math.tanh(z) for z in sums]
        error = b2 + sum(w * a for w, a in zip(w2, h, strict=True)) - y
        for i in range(len(x)):
            for j in range(len(w2)):
                gradient[i][j] += x[i] * error * w2[j] * (1 - h[j] ** 2) / len(inputs)
    return gradient


def adam(start: float, gradients: list[float], learning_rate: float) -> list[float]:
    """Where one parameter stands after each step."""
    mean = square = 0.0
    path = []
    for step, gradient in enumerate(gradients, 1):
        mean = 0.9 * mean + 0.1 * gradient
        square = 0.999 * square + 0.001 * gradient**2
        corrected_mean, corrected_square = mean / (1 - 0.9**step), square / (1 - 0.999**step)
        start = start - learning_rate * corrected_mean / (math.sqrt(corrected_square) + 1e-8)
        path.append(start)
    return path


def clip_by_norm(gradients: Matrix, max_norm: float) -> Matrix:
    """All gradients by one factor, so that together they are not longer than `max_norm`."""
    norm = math.sqrt(sum(number**2 for gradient in gradients for number in gradient))
    factor = min(1.0, max_norm / norm) if norm else 1.0
    return [[number * factor for number in gradient] for gradient in gradients]


def dropout(
    hidden: list[float], probability: float, draws: list[float], training: bool
) -> list[float]:
    """Inverted dropout, with the random draws from 0 to 1 given."""
    if not training:
        return list(hidden)
    return [
        value / (1 - probability) if draw >= probability else 0.0
        for value, draw in zip(hidden, draws, strict=True)
    ]


def _is_probability(result: float, *_: Any) -> bool:
    return 0 <= float(result) <= 1


_NETWORK = ([[1.0, -2.0], [0.5, 3.0]], [0.1, 0.2, -0.3], [2.0, -1.0, 0.5], 0.25)
_W1 = [[0.5, -0.4, 0.3], [-0.2, 0.1, 0.6]]

EXERCISES = [
    Exercise(
        "neuron",
        neuron,
        [
            Case(([1.0, 2.0], [0.0, 0.0], 0.0), "A sum of 0 gives 1/2.", None),
            Case(
                ([1.0, 2.0], [3.0, -1.0], 0.5),
                "A sigmoid's value is a probability.",
                _is_probability,
            ),
            Case(([1.0, 2.0], [3.0, -1.0], 0.5), "The weighted sum is 3 - 2 + 0.5."),
            Case(([0.0, 0.0], [3.0, -1.0], -2.0), "Without any input, the bias decides."),
            Case(
                ([1.0], [-800.0], 0.0),
                "e to the power of 800 overflows; for sums below 0 write the sigmoid as "
                "e^z / (1 + e^z).",
            ),
        ],
    ),
    Exercise(
        "cross_entropy",
        cross_entropy,
        [
            Case(([0.0, 0.0, 0.0, 0.0], 1), "Four equal logits: every class has 1/4."),
            Case(([2.0, 0.0], 0), "The natural logarithm of the softmax, with a minus."),
            Case(([2.0, -1.0, 0.5], 2), "The softmax divides by the sum over all classes."),
            Case(
                ([1000.0, 999.0], 1),
                "e to the power of 1000 overflows; subtract the largest logit first.",
            ),
            Case(
                ([0.0, -2000.0], 1),
                "The probability is too small for a number, its logarithm is not; do not "
                "take the logarithm of the softmax, but simplify it first.",
            ),
        ],
    ),
    Exercise(
        "hidden_gradient",
        hidden_gradient,
        [
            Case(
                ([[1.0, 0.0]], [0.0], _W1, [0.0, 0.0, 0.0], [1.0, 1.0, 1.0], 0.0),
                "The result has the shape of W1; the row of an input that is 0 is 0.",
                lambda result, *_: (
                    [len(row) for row in result] == [3, 3] and not any(map(float, result[1]))
                ),
            ),
            Case(
                ([[1.0, -2.0]], [0.3], _W1, *_NETWORK[1:]),
                "The derivative of tanh at z is 1 - tanh(z)², that is 1 - h².",
            ),
            Case(
                (_NETWORK[0], [0.3, -0.7], _W1, *_NETWORK[1:]),
                "The loss is a mean over the examples, and so is its gradient.",
            ),
        ],
    ),
    Exercise(
        "adam",
        adam,
        [
            Case(
                (1.0, [0.004], 0.1),
                "The first step is as long as the learning rate, however small the gradient "
                "is.",
            ),
            Case(
                (1.0, [2.0, 2.0, 2.0], 0.1),
                "Under a constant gradient every step is as long as the learning rate; "
                "correct both means by the number of steps so far.",
            ),
            Case(
                (0.0, [1.0, -3.0, 0.5, 0.25], 0.01),
                "The second mean is that of the squares of the gradients.",
            ),
            Case(
                (0.0, [0.0, 1e-8], 0.1),
                "ε is added outside the root, and a gradient of 0 must not divide by 0.",
            ),
        ],
    ),
    Exercise(
        "clip_by_norm",
        clip_by_norm,
        [
            Case(
                ([[3.0], [4.0]], 1.0),
                "Together the two have the norm 5, so both are divided by 5: [[0.6], [0.8]] "
                "points where [[3], [4]] pointed.",
            ),
            Case(([[3.0, 0.0], [0.0, -4.0]], 10.0), "What is short enough stays as it is."),
            Case(([[1.0, 2.0], [2.0]], 3.0), "The norm is 3, and that is allowed."),
            Case(([[0.0]], 1.0), "A gradient of 0 has nothing to clip."),
        ],
    ),
    Exercise(
        "dropout",
        dropout,
        [
            Case(
                ([1.0, 2.0, 3.0], 0.0, [0.3, 0.0, 0.9], True),
                "With probability 0 nothing is dropped.",
            ),
            Case(
                ([1.0, 2.0, 3.0, 4.0], 0.25, [0.3, 0.1, 0.9, 0.2], True),
                "A draw below the probability drops the entry; what stays is divided by the "
                "probability of staying, so that the mean does not change.",
            ),
            Case(
                ([1.0, 2.0], 0.5, [0.1, 0.9], False),
                "When the network is used, nothing is dropped and nothing is scaled.",
            ),
        ],
    ),
]
