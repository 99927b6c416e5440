"""The exercises of the chapter "The family tree"."""

import math

from lmtutor.exercises.checker import Case, Exercise


def corrupt_spans(
    tokens: list[str], spans: list[tuple[int, int]]
) -> tuple[list[str], list[str]]:
    """T5's question and answer, for spans that are given as (start, stop)."""
    inputs: list[str] = []
    targets: list[str] = []
    place = 0
    for number, (start, stop) in enumerate(spans):
        inputs += [*tokens[place:start], f"<{number}>"]
        targets += [f"<{number}>", *tokens[start:stop]]
        place = stop
    return [*inputs, *tokens[place:]], [*targets, f"<{len(spans)}>"]


def infill(tokens: list[str], spans: list[tuple[int, int]]) -> list[str]:
    """What BART reads: one mask for each span, however long it is."""
    damaged: list[str] = []
    place = 0
    for start, stop in spans:
        damaged += [*tokens[place:start], "[MASK]"]
        place = stop
    return [*damaged, *tokens[place:]]


def detect_replaced(
    tokens: list[str], proposals: dict[int, str]
) -> tuple[list[str], list[int]]:
    """What ELECTRA reads, and for each token 1 if it was replaced and 0 if not."""
    inputs = [proposals.get(place, token) for place, token in enumerate(tokens)]
    return inputs, [int(new != old) for new, old in zip(inputs, tokens, strict=True)]


def soft_loss(student: list[float], teacher: list[float], temperature: float) -> float:
    """T^2 KL(teacher || student) of two rows of logits at a temperature."""
    wanted, said = _log_softmax(teacher, temperature), _log_softmax(student, temperature)
    gap = sum(math.exp(p) * (p - q) for p, q in zip(wanted, said, strict=True))
    return temperature**2 * gap


def encoder_weights(
    vocab_size: int, embedding_size: int, hidden_size: int, num_layers: int, shared: bool
) -> int:
    """The weights in the matrices of an encoder, as in BERT or as in ALBERT."""
    tokens = vocab_size * embedding_size
    if embedding_size != hidden_size:
        tokens += embedding_size * hidden_size
    return tokens + 12 * hidden_size**2 * (1 if shared else num_layers)


def training_bill(
    num_parameters: float,
    num_tokens: float,
    peak_flops: float,
    utilization: float,
    dollars_per_hour: float,
) -> float:
    """What the chips of a training cost, by six operations for each parameter and token."""
    hours = 6 * num_parameters * num_tokens / (peak_flops * utilization) / 3600
    return hours * dollars_per_hour


def fits(num_parameters: float, bits: int, memory_gb: float, reserve: float) -> bool:
    """Whether the weights of a model go into a memory of which a share is kept free."""
    return num_parameters * bits / 8 / 1e9 <= memory_gb * (1 - reserve)


def _log_softmax(logits: list[float], temperature: float) -> list[float]:
    scaled = [logit / temperature for logit in logits]
    top = max(scaled)
    total = top + math.log(sum(math.exp(value - top) for value in scaled))
    return [value - total for value in scaled]


_TEXT = ["let", "there", "be", "light", "and", "there", "was", "light"]

EXERCISES = [
    Exercise(
        "corrupt_spans",
        corrupt_spans,
        [
            Case(
                (["a", "b", "c"], [(1, 2)]),
                "The first span becomes <0> in the question. The answer has <0>, the span, and "
                "at its end the next sentinel, <1>.",
            ),
            Case(
                (_TEXT, [(1, 3), (6, 7)]),
                "Each span has a sentinel of its own, one for all of its tokens. What stands "
                "behind the last span stays in the question.",
            ),
            Case((["a", "b"], [(0, 1)]), "A span may stand at the begin of the text."),
        ],
    ),
    Exercise(
        "infill",
        infill,
        [
            Case((["a", "b", "c"], [(1, 2)]), "The tokens of the span make room for [MASK]."),
            Case(
                (_TEXT, [(1, 3), (6, 7)]),
                "One [MASK] for each span, however many tokens it has: how many are missing is "
                "for the model to find out.",
            ),
            Case(
                (_TEXT, [(2, 2), (4, 6)]),
                "A span of no tokens puts a [MASK] in between and takes nothing out.",
            ),
        ],
    ),
    Exercise(
        "detect_replaced",
        detect_replaced,
        [
            Case(
                (["a", "b", "c"], {1: "x"}),
                "The proposal stands in the text that is read. There is a label for each "
                "token, also for those that nobody touched: 0.",
            ),
            Case(
                (["a", "b", "c"], {1: "x", 2: "c"}),
                "A proposal that happens to be the true token is no replacement.",
            ),
            Case((_TEXT, {}), "Without proposals the text stays as it is."),
        ],
    ),
    Exercise(
        "soft_loss",
        soft_loss,
        [
            Case(
                ([1.0, 2.0], [3.0, 4.0], 1.0),
                "Logits that differ by a constant are the same distribution, and the loss is "
                "0: what counts is how far the student's distribution is from the teacher's.",
            ),
            Case(
                ([0.0, 0.0, 0.0], [3.0, 1.0, -1.0], 1.0),
                "Each difference of log-probabilities, teacher's less student's, has the "
                "teacher's probability as its weight.",
            ),
            Case(
                ([0.5, 2.0, -1.0], [3.0, 1.0, -1.0], 2.0),
                "Both rows of logits are divided by the temperature, and the result is "
                "multiplied by its square.",
            ),
            Case(([0.0, 1000.0], [0.0, 990.0], 1.0), "Take the largest logit off first."),
        ],
    ),
    Exercise(
        "encoder_weights",
        encoder_weights,
        [
            Case(
                (10, 4, 4, 0, False),
                "Without blocks there is the table of tokens alone; vectors that have the "
                "right size already need no projection.",
            ),
            Case(
                (10, 2, 4, 0, False),
                "Smaller vectors of tokens need a matrix that brings them to the hidden size.",
            ),
            Case(
                (30522, 768, 768, 12, False),
                "A block has four square matrices in its attention, and two of four times that "
                "size in its feed-forward network.",
            ),
            Case(
                (30000, 128, 768, 12, True),
                "Where the blocks are shared, all of them are one and the same.",
            ),
        ],
    ),
    Exercise(
        "training_bill",
        training_bill,
        [
            Case(
                (1e6, 3600, 6e6, 1.0, 1.0),
                "Six operations for each parameter and each token, divided by the operations "
                "in an hour, which has 3,600 seconds.",
            ),
            Case(
                (1e9, 2e10, 312e12, 0.4, 2.0),
                "Of the peak only a share is reached: the less, the longer it takes.",
            ),
        ],
    ),
    Exercise(
        "fits",
        fits,
        [
            Case((1e9, 32, 4.0, 0.0), "A byte has 8 bits, and a gigabyte is 10^9 bytes here."),
            Case((1e9, 32, 3.9, 0.0), "The weights must not take more than there is."),
            Case(
                (7e9, 16, 16.0, 0.2),
                "What is kept free is a share of the memory, and the weights have the rest.",
            ),
            Case((7e9, 4, 4.0, 0.1), "With fewer bits the same model takes less."),
        ],
    ),
]
