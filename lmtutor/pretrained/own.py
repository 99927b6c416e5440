"""Models that this project trained by a script of its own, with weights that come with it.

Each has a folder here: the weights, the tokenizer, a log of the training, and a card that says
how it was made. The script stands beside the folder and bears its name. Left out: models of
others; their weights do not come with this package.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lmtutor.models import LSTMLanguageModel, Seq2Seq, StoredModel
from lmtutor.tokenizers import BytePairTokenizer, Tokenizer

_HERE = Path(__file__).parent
_KINDS: dict[str, tuple[type[StoredModel], type[Tokenizer]]] = {
    "lstm_kjv": (LSTMLanguageModel, BytePairTokenizer),
    "seq2seq_en_zh": (Seq2Seq, BytePairTokenizer),
    "seq2seq_kjv_web": (Seq2Seq, BytePairTokenizer),
    "seq2seq_kjv_web_summary": (Seq2Seq, BytePairTokenizer),
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


def available_trained() -> list[str]:
    """The names that `load_trained` knows.

    >>> available_trained()
    ['lstm_kjv', 'seq2seq_en_zh', 'seq2seq_kjv_web', 'seq2seq_kjv_web_summary']
    """
    return sorted(_KINDS)


def load_trained(name: str) -> TrainedModel:
    """A model that this project trained.

    Args:
        name: one of `available_trained()`.

    Raises:
        ValueError: there is no such model, or its files were changed.

    >>> load_trained("lstm_kjv").model.vocab_size
    4096
    """
    if name not in _KINDS:
        raise ValueError(
            f"there is no trained model {name!r}; there are "
            f"{', '.join(map(repr, available_trained()))}"
        )
    model_class, tokenizer_class = _KINDS[name]
    folder = _HERE / name
    tokenizer = tokenizer_class.load(folder / "tokenizer.json")
    of_source = folder / "source_tokenizer.json"
    return TrainedModel(
        model_class.load(folder / "model.safetensors"),
        tokenizer,
        tokenizer_class.load(of_source) if of_source.exists() else tokenizer,
        json.loads((folder / "log.json").read_text(encoding="utf-8")),
        (folder / "README.md").read_text(encoding="utf-8"),
    )
