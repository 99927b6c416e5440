"""The table of published models, all computed from their configurations.

Left out: how good the models are, which depends on the task.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from lmtutor.display import html_table, show
from lmtutor.families.cost import training_flops
from lmtutor.families.counting import count_parameters, memory_gb
from lmtutor.families.specs import MODELS, find_model
from lmtutor.families.tree import Family, find_family


@dataclass(frozen=True)
class ModelRow:
    """One model, counted."""

    name: str
    family: Family
    parameters: int
    published: float | None
    """What its authors give; None where they give no number."""
    tokens: float | None
    """That it read in pre-training; None where that is not published."""

    @property
    def flops_per_token(self) -> float:
        """About what a forward pass takes, two operations for each parameter."""
        return 2.0 * self.parameters

    @property
    def flops(self) -> float | None:
        """About what the training took, 6 N D; None where the tokens are not known."""
        return None if self.tokens is None else training_flops(self.parameters, self.tokens)


def family_table(names: Sequence[str] | None = None) -> list[ModelRow]:
    """The rows of some models.

    Args:
        names: of the models. None: all of `MODELS`.

    Raises:
        ValueError: there is no model of a name.

    >>> [row.parameters for row in family_table(["GPT-2 small", "T5 small"])]
    [124439808, 60506624]
    """
    models = MODELS if names is None else [find_model(name) for name in names]
    return [
        ModelRow(
            model.name,
            find_family(model.family),
            count_parameters(model.name),
            None if model.published is None else model.published.parameters,
            model.tokens,
        )
        for model in models
    ]


_HEADS = (
    "model",
    "year",
    "kind",
    "parameters",
    "published",
    "GB, 32 bits",
    "GB, 16 bits",
    "GB, 4 bits",
    "tokens",
    "6 N D",
)


def show_family_table(names: Sequence[str] | None = None) -> None:
    """Show the table of `family_table`: sizes counted and published, memory of the weights, the
    tokens of the training and its operations.

    Raises:
        ValueError: there is no model of a name.
    """
    rows = [_cells(row) for row in family_table(names)]
    widths = [max(map(len, column)) for column in zip(_HEADS, *rows, strict=True)]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in (_HEADS, *rows)
    ]
    show("\n".join(lines), {"text/html": html_table(_HEADS, rows)})


def _cells(row: ModelRow) -> tuple[str, ...]:
    gigabytes = (memory_gb(row.parameters, name) for name in ("float32", "bfloat16", "4-bit"))
    return (
        row.name,
        str(row.family.year),
        row.family.kind,
        f"{row.parameters:,}",
        _short(row.published),
        *(f"{size:.3g}" for size in gigabytes),
        _short(row.tokens),
        "" if row.flops is None else f"{row.flops:.1e}",
    )


def _short(number: float | None) -> str:
    """As papers write it: 110M, 6.7B, 15T."""
    if number is None:
        return ""
    for unit, letter in ((1e12, "T"), (1e9, "B"), (1e6, "M")):
        if number >= unit:
            return f"{number / unit:.3g}{letter}"
    return f"{number:g}"
