"""Models that this project trained by a script of its own, with weights that come with it.

Each has a folder in `lmtutor/weights`: the weights, the tokenizer, a log of the training, and a
card that says how it was made. The script that made it stands there too and bears its name.
Left out: models of others; their weights do not come with this package.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lmtutor.models import (
    BertForPreTraining,
    LSTMLanguageModel,
    ModernGPT,
    Seq2Seq,
    StoredModel,
)
from lmtutor.tokenizers import BytePairTokenizer, Tokenizer, WordPieceTokenizer

WEIGHTS = Path(__file__).parents[1] / "weights"
"""Where the weights of these models lie, one folder each."""

_KINDS: dict[str, tuple[type[StoredModel], type[Tokenizer]]] = {
    "bert-kjv": (BertForPreTraining, WordPieceTokenizer),
    "gpt-kjv": (ModernGPT, BytePairTokenizer),
    "lstm-kjv": (LSTMLanguageModel, BytePairTokenizer),
    "seq2seq-en-zh": (Seq2Seq, BytePairTokenizer),
    "seq2seq-kjv-web": (Seq2Seq, BytePairTokenizer),
    "seq2seq-kjv-web-summary": (Seq2Seq, BytePairTokenizer),
}


@dataclass(frozen=True)
class TrainedModel:
    """A model, its tokenizer, and how it was trained."""

    model: Any
    """Of the class that was trained."""
    tokenizer: Tokenizer
    """Of what it writes."""
    source_tokenizer: Tokenizer
    """Of what it reads; the same one, but for a translator between two languages."""
    log: dict[str, Any]
    """The configuration, the seconds, and the losses on the way, in nats per token."""
    card: str
    """What it is, on which text, under which licence; Markdown."""


@dataclass(frozen=True)
class Ablation:
    """A recipe with one thing changed, and what it reached; see `load_ablations`."""

    name: str
    """What was changed."""
    learning_rate: float
    seed: int
    num_parameters: int
    validation_bits_per_byte: float
    """Each validation verse scored alone."""
    seconds: int
    """Of one core."""


def load_ablations(path: Path | None = None) -> list[Ablation]:
    """What each part of the recipe of "gpt-kjv" bought, on a smaller model trained on half of
    the text by `python -m lmtutor.weights.ablate_gpt_kjv`.

    The recipe itself, "with all", is there with several seeds, as a measure of chance.

    Args:
        path: of a file that the script wrote. None: the one that comes with the model.

    >>> load_ablations()[0].name
    'with all'
    """
    path = WEIGHTS / "gpt-kjv" / "ablations.json" if path is None else path
    return [Ablation(**row) for row in json.loads(path.read_text(encoding="utf-8"))]


def available_pretrained() -> list[str]:
    """The names that `load_pretrained` knows.

    >>> available_pretrained()
    ['bert-kjv', 'gpt-kjv', 'lstm-kjv', 'seq2seq-en-zh', 'seq2seq-kjv-web',
     'seq2seq-kjv-web-summary']
    """
    return sorted(_KINDS)


def load_pretrained(name: str) -> TrainedModel:
    """A model that this project trained.

    Args:
        name: one of `available_pretrained()`.

    Raises:
        ValueError: there is no such model, or its files were changed.

    >>> load_pretrained("lstm-kjv").model.vocab_size
    4096
    """
    if name not in _KINDS:
        raise ValueError(
            f"there is no trained model {name!r}; there are "
            f"{', '.join(map(repr, available_pretrained()))}"
        )
    model_class, tokenizer_class = _KINDS[name]
    folder = WEIGHTS / name
    tokenizer = tokenizer_class.load(folder / "tokenizer.json")
    of_source = folder / "source_tokenizer.json"
    return TrainedModel(
        model_class.load(folder / "model.safetensors"),
        tokenizer,
        tokenizer_class.load(of_source) if of_source.exists() else tokenizer,
        json.loads((folder / "log.json").read_text(encoding="utf-8")),
        (folder / "README.md").read_text(encoding="utf-8"),
    )
