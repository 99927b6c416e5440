"""Many texts through a model that reads one text and writes another.

Left out: texts longer than the model can read, which are to be cut into sentences before.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

import torch

from lmtutor.decoding.beam_search import BeamSearch
from lmtutor.models.language_model import Reader, inference

if TYPE_CHECKING:
    from lmtutor.tokenizers import Tokenizer


class TranslationModel(Protocol):
    """What `translate` asks of a model. Its ids are those of the target."""

    @property
    def bos_id(self) -> int:
        """The begin mark of a target."""

    @property
    def eos_id(self) -> int:
        """The end mark of a target."""

    def start_reading(self, sources: list[list[int]]) -> Reader:
        """A reader that has one row a source, ids without marks, and has read no target yet."""


def translate(
    model: TranslationModel,
    source_tokenizer: "Tokenizer",
    target_tokenizer: "Tokenizer",
    texts: Sequence[str],
    search: BeamSearch | None = None,
    max_new_tokens: int = 128,
    batch_size: int = 64,
) -> list[str]:
    """What the model makes of each text.

    Texts of about one length are translated together, so that little is padded.

    Args:
        model: reads sources and writes targets.
        source_tokenizer: makes the ids of the sources.
        target_tokenizer: makes text of the ids that are written.
        texts: the sources.
        search: `BeamSearch(width=1)`, greedy search, if it is not given. Only the best text of
            each search is used.
        max_new_tokens: how long a target gets at the most, its end mark counted. One that has
            not ended by then is cut there.
        batch_size: how many are translated at once.

    Returns:
        The targets, in the order of `texts`.

    Raises:
        ValueError: texts are one string, one of them has no tokens or more than the model
            takes, batch_size is below 1, max_new_tokens is negative, or the model's
            probabilities are no numbers or all zero.
    """
    if isinstance(texts, str):
        raise ValueError("texts must be a list, and is one string; write [text]")
    if batch_size < 1:
        raise ValueError(f"batch_size is {batch_size}; the smallest is 1")
    search = search or BeamSearch(width=1)
    sources = [source_tokenizer.encode(text) for text in texts]
    if not all(sources):
        number = sources.index([])
        raise ValueError(
            f"text {number} ({texts[number]!r}) has no tokens; drop it, as there is nothing to "
            "translate"
        )
    longest = getattr(model, "max_source_length", None)
    for number, source in enumerate(sources):
        if longest is not None and len(source) > longest:
            raise ValueError(
                f"text {number} ({texts[number][:40]!r}) has {len(source)} tokens, and the "
                f"model takes {longest} at the most; cut it into sentences"
            )
    by_length = sorted(range(len(sources)), key=lambda number: len(sources[number]))
    targets = [""] * len(sources)
    with inference(model):
        for first in range(0, len(sources), batch_size):
            batch = by_length[first : first + batch_size]
            found = search.search_batch(
                model.start_reading([sources[number] for number in batch]),
                torch.full((len(batch), 1), model.bos_id),
                max_new_tokens,
                bos_id=model.bos_id,
                eos_id=model.eos_id,
            )
            for number, (best, *_) in zip(batch, found, strict=True):
                targets[number] = target_tokenizer.decode(best.ids)
    return targets
