"""One table for all models: bits per byte on one held-out text, and what they cost.

A chapter calls `enter`. The result is shown, and travels in the metadata of the cell's output,
so that the scoreboard page can gather the results of all chapters from their outputs, executed
now or cached. Left out: anything that ranks models by perplexity, which depends on their
tokens.
"""

import math
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from lmtutor.display import html_table, show_verdict

if TYPE_CHECKING:
    from torch import Tensor

    from lmtutor.data import Corpus
    from lmtutor.models import LanguageModel
    from lmtutor.tokenizers import Tokenizer


@dataclass(frozen=True)
class ScoreboardEntry:
    """One model on one corpus."""

    model: str
    corpus: str
    bits_per_byte: float
    low: float
    high: float
    """The 95% bootstrap interval runs from `low` to `high`."""
    parameters: int
    training_seconds: float
    tokens_per_second: float
    """How many tokens of the test text were scored per second, from the text to the
    interval.
    """
    memory_bytes: int
    """What the model holds in memory: its weights, or the tables of its n-grams."""
    seeds: tuple[int, ...] = ()
    """The seeds whose models were averaged; none where nothing is random."""

    def __post_init__(self) -> None:
        if not math.isfinite(self.bits_per_byte):
            raise ValueError(
                f"{self.model} needs {self.bits_per_byte} bits per byte, for it calls a part "
                "of the test text impossible; smooth it before it goes on the scoreboard"
            )
        if not self.low <= self.bits_per_byte <= self.high:
            raise ValueError(
                f"{self.model}: {self.bits_per_byte} bits per byte do not lie between "
                f"{self.low} and {self.high}"
            )


def enter(
    name: str,
    model: "LanguageModel | Sequence[LanguageModel]",
    tokenizer: "Tokenizer",
    corpus: "Corpus",
    training_seconds: float,
    seeds: Sequence[int] = (),
    character_model: "tuple[LanguageModel, Tokenizer] | None" = None,
) -> ScoreboardEntry:
    """Score a model on the test text of a corpus, and put the result on the scoreboard.

    Args:
        name: as it shall stand there.
        model: a language model, or one per seed; then their bits per byte are averaged, and the
            interval runs from the lowest end of theirs to the highest.
        tokenizer: the model's.
        corpus: its test documents are scored, each alone.
        training_seconds: wall-clock time of the training, of one model.
        seeds: of the models.
        character_model: pays for what a lossy tokenizer loses, as in `bits_per_byte`.

    Raises:
        ValueError: there is not one model per seed, or `bits_per_byte` refuses what it got.
    """
    from lmtutor.metrics import bits_per_byte

    models = list(model) if isinstance(model, Sequence) else [model]
    if len(models) != max(1, len(seeds)):
        raise ValueError(
            f"{name}: {len(models)} models and {len(seeds)} seeds; give one model per seed"
        )
    began = time.perf_counter()
    results = [bits_per_byte(one, tokenizer, corpus.test, character_model) for one in models]
    seconds = time.perf_counter() - began
    value = sum(result.value for result in results) / len(results)
    entry = ScoreboardEntry(
        model=name,
        corpus=corpus.name,
        bits_per_byte=value,
        low=min(value, *(result.low for result in results)),  # rounding must not leave it out
        high=max(value, *(result.high for result in results)),
        parameters=count_parameters(models[0]),
        training_seconds=training_seconds,
        tokens_per_second=sum(result.num_tokens for result in results) / seconds,
        memory_bytes=count_bytes(models[0]),
        seeds=tuple(seeds),
    )
    evidence = (
        f"{entry.bits_per_byte:.3f} bits per byte, 95%: {entry.low:.3f} to {entry.high:.3f}"
    )
    record = {"scoreboard": asdict(entry)}
    show_verdict("On the scoreboard", name, evidence, good=True, record=record)
    return entry


def count_parameters(model: "LanguageModel") -> int:
    """The trained numbers of a model: weights, or for an n-gram model its counts."""
    if hasattr(model, "num_parameters"):
        return int(model.num_parameters)
    return sum(parameter.numel() for parameter in model.parameters())  # type: ignore[attr-defined]


def count_bytes(model: "LanguageModel") -> int:
    """What a model holds in memory, in bytes: its weights, or the tables of its n-grams."""
    if hasattr(model, "num_bytes"):
        return int(model.num_bytes)
    held: list[Tensor] = []
    for name in ("parameters", "buffers"):  # of a network
        held += getattr(model, name, list)()
    return sum(tensor.nbytes for tensor in held)


def enter_source(name: str, unit: str, floor: float, needed: Mapping[str, float]) -> None:
    """Put models of a source whose entropy rate is known on the scoreboard, beside that floor.

    Args:
        name: of the source, as it shall stand there.
        unit: of the numbers, such as "bits per symbol".
        floor: the entropy rate of the source, or what the source itself needs for this text.
        needed: each model's name, and what it needs for the same text.

    Raises:
        ValueError: there are no models, or a number is not finite or not above 0.
    """
    if not needed:
        raise ValueError(f"{name}: there are no models; give at least one")
    for what, value in [("the floor", floor), *needed.items()]:
        if not (math.isfinite(value) and value > 0):
            raise ValueError(f"{name}: {what} is {value} {unit}; give a finite number above 0")
    best = min(needed, key=lambda model: needed[model])
    evidence = f"{best} needs {needed[best]:.3f} {unit}, the source itself {floor:.3f}"
    record = {"name": name, "unit": unit, "floor": floor, "needed": dict(needed)}
    show_verdict("On the scoreboard", name, evidence, good=True, record={"source": record})


def sources_to_html(records: Iterable[Mapping[str, Any]]) -> str:
    """What `enter_source` recorded as a table: for each source the floor, then its models, the
    best first.
    """
    rows = []
    for record in records:
        floor, unit = record["floor"], record["unit"]
        rows.append((record["name"], "the source itself", f"{floor:.3f} {unit}", ""))
        for model, value in sorted(record["needed"].items(), key=lambda item: item[1]):
            rows.append(
                (record["name"], model, f"{value:.3f} {unit}", f"{value / floor - 1:+.1%}")
            )
    return html_table(("source", "model", "needs", "above the source"), rows)


def from_record(record: dict[str, Any]) -> ScoreboardEntry:
    """An entry from the form in which it travelled in a cell's output."""
    return ScoreboardEntry(**{**record, "seeds": tuple(record["seeds"])})


def to_html(entries: Iterable[ScoreboardEntry]) -> str:
    """The entries as a table, the best first."""
    return html_table(
        (
            "model",
            "bits per byte",
            "95% interval",
            "parameters",
            "memory, MB",
            "training, s",
            "tokens per s",
            "seeds",
        ),
        [
            (
                entry.model,
                f"{entry.bits_per_byte:.3f}",
                f"{entry.low:.3f} to {entry.high:.3f}",
                f"{entry.parameters:,}",
                f"{entry.memory_bytes / 1e6:.2g}",
                f"{entry.training_seconds:.1f}",
                f"{_round(entry.tokens_per_second):,}",
                ", ".join(map(str, entry.seeds)) or "none",
            )
            for entry in sorted(entries, key=lambda entry: entry.bits_per_byte)
        ],
    )


def _round(number: float) -> int:
    """To two digits: a speed is no more certain than that."""
    return int(float(f"{number:.2g}"))
