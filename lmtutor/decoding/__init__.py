"""From a language model to text: token by token, or the likeliest text as a whole."""

from lmtutor.decoding.beam_search import BeamSearch, Hypothesis
from lmtutor.decoding.blanks import fill_blanks
from lmtutor.decoding.choices import (
    AnswerPrompts,
    answer_log_probs,
    calibrated,
    few_shot_ids,
    few_shot_prompt,
)
from lmtutor.decoding.generation import generate, generate_batch
from lmtutor.decoding.strategies import Greedy, Sample, Strategy
from lmtutor.decoding.text import generate_text
from lmtutor.decoding.translation import TranslationModel, translate

__all__ = [
    "AnswerPrompts",
    "BeamSearch",
    "Greedy",
    "Hypothesis",
    "Sample",
    "Strategy",
    "TranslationModel",
    "answer_log_probs",
    "calibrated",
    "few_shot_ids",
    "few_shot_prompt",
    "fill_blanks",
    "generate",
    "generate_batch",
    "generate_text",
    "translate",
]
