"""Runs the tests of an exercise on the reader's function, and says what failed without giving
the answer away.

Left out: a limit on time. A function that never returns is stopped as any cell is, with the
    stop button.
"""

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from lmtutor.display import show_verdict

_TOPICS = (
    "bert",
    "decoding",
    "families",
    "fine_tuning_bert",
    "fine_tuning_gpt",
    "gated_networks",
    "language_models",
    "myths",
    "neural_networks",
    "ngrams",
    "recurrent_networks",
    "self_attention",
    "sequence_to_sequence",
    "tokens",
    "transformers",
    "word_vectors",
)


@dataclass(frozen=True)
class Case:
    """One input, and what is asked of the result."""

    arguments: tuple[Any, ...]
    hint: str
    """What to look at if this case is the first to fail; never the answer."""
    holds: Callable[..., bool] | None = None
    """Takes the result and then the arguments; where it is None, the result must equal the
    solution's.
    """


@dataclass(frozen=True)
class Exercise:
    """A function to write, and its tests from the smallest input to the largest."""

    name: str
    solution: Callable[..., Any]
    cases: Sequence[Case]


class ExerciseError(AssertionError):
    """A solution that the book itself shows does not pass."""


def available_exercises() -> dict[str, Exercise]:
    """Every exercise, by name.

    >>> "perplexity" in available_exercises()
    True
    """
    topics = (import_module(f"lmtutor.exercises.{topic}") for topic in _TOPICS)
    exercises = [exercise for topic in topics for exercise in topic.EXERCISES]
    found = {exercise.name: exercise for exercise in exercises}
    assert len(found) == len(exercises), "two exercises have the same name"
    return found


def check(name: str, function: Callable[..., Any], must_pass: bool = False) -> bool:
    """Test the reader's function, and show the first thing that is wrong with it.

    Args:
        name: of the exercise.
        function: the reader's.
        must_pass: raise where it fails; for the solutions that the book shows.

    Returns:
        Whether it passed. A function that fails, raises or is not written yet never breaks the
        page.

    Raises:
        ValueError: there is no such exercise.
        ExerciseError: it failed and must not.
    """
    exercises = available_exercises()
    if name not in exercises:
        raise ValueError(
            f"there is no exercise {name!r}; there are "
            f"{', '.join(map(repr, sorted(exercises)))}"
        )
    exercise = exercises[name]
    for number, case in enumerate(exercise.cases):
        problem = _problem(exercise, case, function, is_first=number == 0)
        if problem is None:
            continue
        if must_pass:
            raise ExerciseError(f"{name}: {problem}")
        show_verdict("Not yet", f"{_name(exercise, function)}:", problem, good=False)
        return False
    passed = f"{len(exercise.cases)} tests passed"
    show_verdict("Solved", _name(exercise, function), passed, good=True)
    return True


def _name(exercise: Exercise, function: Callable[..., Any]) -> str:
    """What the reader called the function."""
    own = getattr(function, "__name__", "")
    return own if own.isidentifier() else exercise.name


def _problem(
    exercise: Exercise, case: Case, function: Callable[..., Any], is_first: bool
) -> str | None:
    """What is wrong with the function on one case, or None."""
    call = f"{_name(exercise, function)}({', '.join(map(_brief, case.arguments))})"
    given = copy.deepcopy(case.arguments)
    try:
        result = function(*given)
    except (Exception, SystemExit) as error:
        return f"{call} raised {type(error).__name__}: {_brief(error, str)}. {case.hint}"
    if result is None or result is ...:
        if is_first:
            return "nothing was returned yet; write the body and run the cell again."
        return f"{call} returned None."
    try:
        if given != case.arguments:
            return f"{call} changed its arguments; work on a copy."
        if case.holds is None:
            passed = _equal(result, exercise.solution(*copy.deepcopy(case.arguments)))
        else:
            passed = bool(case.holds(result, *case.arguments))
    except Exception as error:
        return (
            f"{call} returned {_brief(result)}, which cannot be tested ({_brief(error, str)}). "
            f"{case.hint}"
        )
    return None if passed else f"{call} returned {_brief(result)}. {case.hint}"


def _equal(result: Any, expected: Any) -> bool:
    """Equality, to nine digits for numbers, and entry by entry for what holds them."""
    if isinstance(expected, bool):
        return bool(result) is expected
    if isinstance(expected, int | float):
        if isinstance(result, str | bytes):
            return False
        return math.isclose(float(result), expected, rel_tol=1e-9, abs_tol=1e-12)
    if isinstance(expected, dict):
        return result.keys() == expected.keys() and all(
            _equal(result[key], expected[key]) for key in expected
        )
    if isinstance(expected, list | tuple):
        return len(result) == len(expected) and all(map(_equal, result, expected))
    return bool(result == expected)


def _brief(value: Any, form: Callable[[Any], str] = repr) -> str:
    """A short form of anything, also of what refuses to be shown."""
    try:
        text = form(value)
    except Exception:
        return f"a {type(value).__name__}"
    return text if len(text) <= 80 else f"{text[:60]} ..."
