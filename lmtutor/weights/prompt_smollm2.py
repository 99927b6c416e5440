"""Ask SmolLM2 for the verdict of film reviews, with more and more examples in the prompt.

Run `python -m lmtutor.weights.prompt_smollm2 FOLDER`. It takes about an hour of one core; cut
short, it goes on where it stopped. What the model said is kept in `scores.safetensors`:
for the first reviews of the test and each number of examples, drawn three times; for all of the
test, with the two examples that did best on the first validation reviews; and, with these, for
all of the training reviews, which teaches "minilm-reviews".
"""

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from tqdm.auto import tqdm

from lmtutor.data import load_task
from lmtutor.decoding import answer_log_probs, few_shot_ids
from lmtutor.files import load_arrays, save_arrays
from lmtutor.pretrained import load_smollm2
from lmtutor.pretrained.own import WEIGHTS
from lmtutor.pretrained.results import (
    EMPTY_REVIEWS,
    REVIEW_ANSWERS,
    SCORES_KIND,
    review_examples,
)
from lmtutor.runtime import set_threads

SHOTS, SEEDS = (0, 1, 2, 4, 8), (0, 1, 2)
CANDIDATES = (0, 1, 2, 3)  # seeds of two examples, of which the best is taken
NUM_TEST, NUM_VALIDATION = 400, 250
AT_ONCE = 512


def main(folder: Path) -> None:
    """Score everything, and write the results into `folder`."""
    set_threads()
    folder.mkdir(parents=True, exist_ok=True)
    task = load_task("rotten_tomatoes", source="package")
    validation, test = task["validation"], task["test"]
    sheet = _Sheet(folder / "scores.safetensors")
    for seed in CANDIDATES:
        sheet.score("validation", 2, seed, validation["text"][:NUM_VALIDATION])
    best = max(CANDIDATES, key=lambda seed: _fit(sheet, seed, validation["label"]))
    sheet.settings["chosen_seed"] = best
    sheet.score("train", 2, best, task["train"]["text"])
    for shots in SHOTS:
        for seed in SEEDS if shots else SEEDS[:1]:
            sheet.score("test", shots, seed, test["text"][:NUM_TEST])
    sheet.score("all-test", 2, best, test["text"])


class _Sheet:
    """The scores so far, on disk after every few hundred reviews."""

    def __init__(self, path: Path):
        self.path = path
        self.settings, self.arrays = (
            load_arrays(path, SCORES_KIND) if path.exists() else ({}, {})
        )
        loaded = load_smollm2(context_length=2048)
        assert loaded.tokenizer is not None
        self.model, self.tokenizer = loaded.model, loaded.tokenizer
        self.train = load_task("rotten_tomatoes", source="package")["train"]

    def score(self, split: str, shots: int, seed: int, texts: Sequence[str]) -> None:
        """(N, 2) log-probabilities of the two answers, and (M, 2) of them without content."""
        name, texts = f"{split}.{shots}.{seed}", list(texts)
        done = len(self.arrays.get(name, ()))
        if f"{name}.free" not in self.arrays:
            self.arrays[f"{name}.free"] = self._ask(shots, seed, EMPTY_REVIEWS)
        with tqdm(total=len(texts), initial=done, desc=name) as bar:
            while done < len(texts):
                new = self._ask(shots, seed, texts[done : done + AT_ONCE])
                old = [self.arrays[name]] if name in self.arrays else []
                self.arrays[name] = np.concatenate([*old, new])
                done += len(new)
                save_arrays(self.path, SCORES_KIND, self.settings, self.arrays)
                bar.update(len(new))

    def _ask(self, shots: int, seed: int, texts: Sequence[str]) -> np.ndarray:
        examples = review_examples(self.train, shots, seed)
        asked = few_shot_ids(self.tokenizer, examples, texts, REVIEW_ANSWERS)
        found = answer_log_probs(self.model, asked.prompts, asked.answers, asked.prefix)
        return found.to(torch.float16).numpy()


def _fit(sheet: _Sheet, seed: int, labels: Sequence[int]) -> float:
    """How well the scores put fresh reviews above rotten ones: the share of such pairs in the
    right order, which does not depend on where the line between the two is drawn.
    """
    scores = sheet.arrays[f"validation.2.{seed}"].astype(np.float64)
    margins = scores[:, 1] - scores[:, 0]
    fresh = np.array(labels[: len(margins)], bool)
    return float((margins[fresh][:, None] > margins[~fresh]).mean())


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else WEIGHTS / "smollm2-reviews")
