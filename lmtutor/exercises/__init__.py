"""Exercises that check themselves, with the project's own tests."""

from lmtutor.exercises.checker import (
    Case,
    Exercise,
    ExerciseError,
    available_exercises,
    check,
)

__all__ = ["Case", "Exercise", "ExerciseError", "available_exercises", "check"]
