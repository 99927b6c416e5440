"""The exercises of the chapter "Fine-tuning a GPT"."""

from lmtutor.exercises.checker import Case, Exercise

_NOTHING_ASKED = -100


def instruction_targets(
    prompt: list[int], answer: list[int], bos_id: int, eos_id: int
) -> tuple[list[int], list[int]]:
    """What is read, and what is to be said: the answer and the end mark."""
    return [bos_id, *prompt, *answer], [_NOTHING_ASKED] * len(prompt) + [*answer, eos_id]


def write_chat(messages: list[tuple[str, str]]) -> str:
    """A conversation in the form of ChatML, up to the answer of the model."""
    turns = [f"<|im_start|>{role}\n{said}<|im_end|>\n" for role, said in messages]
    return "".join(turns) + "<|im_start|>assistant\n"


def lora_parameters(shapes: list[tuple[int, int]], rank: int) -> int:
    """How many numbers the low-rank parts of these layers have."""
    return sum(rank * (inputs + outputs) for inputs, outputs in shapes)


def training_bytes(num_parameters: int, num_trained: int, bytes_per_number: int) -> int:
    """Weights, and for those that are trained the gradient and the two means of Adam."""
    return (num_parameters + 3 * num_trained) * bytes_per_number


def rehearse(new: list[str], old: list[str], every: int) -> list[str]:
    """After each `every` new texts an old one, in turn."""
    mixed: list[str] = []
    for number, text in enumerate(new, start=1):
        mixed.append(text)
        if number % every == 0:
            mixed.append(old[(number // every - 1) % len(old)])
    return mixed


def calibrate(probabilities: list[float], content_free: list[list[float]]) -> list[float]:
    """Divided by the mean without content, and brought to a sum of 1."""
    means = [sum(column) / len(content_free) for column in zip(*content_free, strict=True)]
    divided = [p / mean for p, mean in zip(probabilities, means, strict=True)]
    return [value / sum(divided) for value in divided]


EXERCISES = [
    Exercise(
        "instruction_targets",
        instruction_targets,
        [
            Case(
                ([], [5], 0, 1),
                "Without a prompt it is as in any text: the begin mark is read, the answer and "
                "the end mark are asked for.",
            ),
            Case(
                ([7, 8], [5], 0, 1),
                "The token of the prompt that stands last says the first token of the answer; "
                "the begin mark and the rest of the prompt have -100 as their target.",
            ),
            Case(
                ([7, 8, 9], [5, 6, 5], 2, 3),
                "All tokens of the answer are read, and all of them are asked for, then the "
                "end mark, which is not read.",
            ),
        ],
    ),
    Exercise(
        "write_chat",
        write_chat,
        [
            Case(([("user", "Hello")],), "One turn, and then the model's, which stays open."),
            Case(
                (
                    [
                        ("system", "Be brief."),
                        ("user", "Hi"),
                        ("assistant", "Hi."),
                        ("user", "?"),
                    ],
                ),
                "Each turn names who speaks, and is closed and followed by a line feed, "
                "those of the model as well. The last turn is open: it is still to be "
                "written.",
            ),
            Case(
                ([("user", " two\nlines ")],),
                "What was said stays as it is, its white space too.",
            ),
        ],
    ),
    Exercise(
        "lora_parameters",
        lora_parameters,
        [
            Case(([(10, 10)], 1), "One direction of the input, and one of the output."),
            Case(
                ([(64, 32)], 4), "A has a row of inputs, B a column of outputs, for each rank."
            ),
            Case(([(64, 32), (8, 8), (16, 64)], 2), "Each layer has a part of its own."),
            Case(([], 8), "Without layers there is nothing to train."),
        ],
    ),
    Exercise(
        "training_bytes",
        training_bytes,
        [
            Case((100, 100, 4), "Four numbers for each weight that is trained."),
            Case(
                (100, 0, 4), "The frozen weights are needed all the same, to compute with them."
            ),
            Case(
                (1000, 10, 2),
                "A weight that is trained has a gradient and two running means; one that is "
                "frozen has none of them.",
            ),
        ],
    ),
    Exercise(
        "rehearse",
        rehearse,
        [
            Case((["a", "b"], ["x", "y"], 1), "After each new text, the next old one."),
            Case(
                (["a", "b", "c", "d", "e"], ["x", "y"], 2),
                "An old text after each two new ones, and none after the last one, which is "
                "alone.",
            ),
            Case(
                (["a", "b", "c", "d"], ["x", "y", "z"], 1),
                "When the old texts are used up, they begin again.",
            ),
            Case((["a"], ["x"], 3), "With too few new texts there is no old one."),
        ],
    ),
    Exercise(
        "calibrate",
        calibrate,
        [
            Case(
                ([0.75, 0.25], [[0.5, 0.5]]),
                "A model that prefers nothing without content keeps what it says.",
            ),
            Case(
                ([0.6, 0.4], [[0.6, 0.4]]),
                "A text of which it says what it says of nothing tells it nothing: each answer "
                "gets as much.",
            ),
            Case(
                ([0.5, 0.5], [[0.9, 0.1], [0.5, 0.5]]),
                "Divide by the mean over the texts without content, and bring the sum to 1.",
            ),
            Case(
                ([0.2, 0.1, 0.1], [[0.5, 0.25, 0.25], [0.3, 0.45, 0.25]]),
                "The answers may be more than two, and what is given need not sum to 1.",
            ),
        ],
    ),
]
