"""The exercises of the chapter "Myths, tested"."""

import math

from lmtutor.exercises.checker import Case, Exercise


def is_distribution(values: list[float]) -> bool:
    """Whether numbers can be the probabilities of all classes, to six digits."""
    return all(value >= 0 for value in values) and math.isclose(sum(values), 1, abs_tol=1e-6)


def changed_parameters(
    before: dict[str, list[float]], after: dict[str, list[float]]
) -> list[str]:
    """The names of the parameters in which any number is another one, in alphabetic order."""
    return sorted(name for name, values in before.items() if after[name] != values)


def compute_optimal(flops: float, tokens_per_parameter: float) -> tuple[float, float]:
    """Parameters N and tokens D with 6 N D = flops and D = tokens_per_parameter * N."""
    num_parameters = math.sqrt(flops / (6 * tokens_per_parameter))
    return num_parameters, tokens_per_parameter * num_parameters


def paper_month(identifier: str) -> tuple[int, int]:
    """The year and the month that an identifier of arXiv states."""
    digits = identifier.rsplit("/", 1)[-1]
    year, month = int(digits[:2]), int(digits[2:4])
    return (1900 if year > 90 else 2000) + year, month


EXERCISES = [
    Exercise(
        "is_distribution",
        is_distribution,
        [
            Case(([0.2, 0.3, 0.5],), "Probabilities that sum to one are a distribution."),
            Case(([0.2, 0.3, 0.4],), "Together, the probabilities of all classes are one."),
            Case(([1.5, -0.5],), "No probability is below zero."),
            Case(([0.1] * 10,), "Ten times 0.1 is not exactly 1 in a computer: round."),
            Case(([1.0, 0.0],), "A class may be impossible, and one certain."),
            Case(([0.5, 0.5001],), "The rounding is to six digits, and this is off by more."),
        ],
    ),
    Exercise(
        "changed_parameters",
        changed_parameters,
        [
            Case(
                ({"a": [1.0], "b": [2.0]}, {"a": [1.0], "b": [2.5]}),
                "A list of names, of those parameters alone that are not what they were.",
            ),
            Case(
                ({"a": [1.0, 2.0]}, {"a": [1.0, 2.0]}),
                "Where nothing has changed, the list is empty.",
            ),
            Case(
                ({"a": [1.0, 2.0]}, {"a": [2.0, 1.0]}),
                "Compare number by number: sums can be equal where the numbers are not.",
            ),
            Case(
                ({"a": [1.0]}, {"a": [1.0 + 1e-12]}),
                "A small change is a change; compare exactly.",
            ),
            Case(
                ({"b": [1.0], "a": [1.0]}, {"b": [0.0], "a": [0.0]}),
                "The names are in alphabetic order.",
            ),
        ],
    ),
    Exercise(
        "compute_optimal",
        compute_optimal,
        [
            Case(
                (6.0, 1.0),
                "Return two numbers: the parameters, and then the tokens. For each parameter "
                "and token there are six operations.",
            ),
            Case(
                (480.0, 20.0),
                "The tokens are so many times the parameters, and six times the product of "
                "both is all the operations.",
            ),
            Case((5.88e23, 20.0), "Twice the operations do not mean twice the parameters."),
        ],
    ),
    Exercise(
        "paper_month",
        paper_month,
        [
            Case(("1810.04805",), "The first two digits are the year, the next two the month."),
            Case(("2005.14165v4",), "What stands behind the month, a version too, is ignored."),
            Case(
                ("cs/0112017",),
                "In identifiers from before April 2007 the digits stand behind the archive.",
            ),
            Case(("cmp-lg/9408010",), "arXiv began in 1991, so 94 is of the last century."),
        ],
    ),
]
