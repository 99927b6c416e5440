"""A language model of the reader's own and its tokenizer, together in one folder.

Left out: how it was trained, which a checkpoint knows (`lmtutor.training`), and models that are
no language models.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lmtutor.files import PathLike, stored_kind
from lmtutor.models import (
    GPT,
    GRULanguageModel,
    LanguageModel,
    Llama,
    LSTMLanguageModel,
    ModernGPT,
    NeuralNgram,
    NgramModel,
    RNNLanguageModel,
)
from lmtutor.tokenizers import BytePairTokenizer, CharacterTokenizer, Tokenizer, WordTokenizer

_NETWORKS = (
    GPT,
    GRULanguageModel,
    Llama,
    LSTMLanguageModel,
    ModernGPT,
    NeuralNgram,
    RNNLanguageModel,
)
_MODELS: dict[str, Any] = {kind.__name__: kind for kind in _NETWORKS}
_MODELS["n-gram model"] = NgramModel
_TOKENIZERS: dict[str, type[Tokenizer]] = {
    kind.kind: kind for kind in (BytePairTokenizer, CharacterTokenizer, WordTokenizer)
}
_MODEL, _TOKENIZER = "model.safetensors", "tokenizer.json"


@dataclass(frozen=True)
class SavedModel:
    """A language model and the tokenizer that it was trained with."""

    model: LanguageModel
    tokenizer: Tokenizer


def save_model(folder: PathLike, model: LanguageModel, tokenizer: Tokenizer) -> None:
    """Write a language model and its tokenizer into a folder, which is made if need be.

    Args:
        folder: where to; older files of these names stay whole if writing fails.
        model: an n-gram model or a network of this package.
        tokenizer: of characters, words or byte pairs, with as many ids.

    Raises:
        ValueError: the model or the tokenizer is of another kind, or they differ in size.
        OSError: the folder cannot be made or written.
    """
    known = (*_NETWORKS, NgramModel)
    if type(model) not in known or type(tokenizer) not in _TOKENIZERS.values():
        raise ValueError(
            f"a folder holds one of {', '.join(kind.__name__ for kind in known)} with a "
            "tokenizer of characters, words or byte pairs, not a "
            f"{type(model).__name__} with a {type(tokenizer).__name__}"
        )
    if model.vocab_size != tokenizer.vocab_size:
        raise ValueError(
            f"the model has {model.vocab_size} ids and the tokenizer {tokenizer.vocab_size}; "
            "save each model with the tokenizer that it was trained with"
        )
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    model.save(folder / _MODEL)  # type: ignore[attr-defined]
    tokenizer.save(folder / _TOKENIZER)


def load_model(folder: PathLike) -> SavedModel:
    """Read what `save_model` wrote.

    Raises:
        FileNotFoundError: a file is missing.
        ValueError: a file is cut short or was changed, holds something else, or the two do not
            belong together.
    """
    folder = Path(folder)
    parts: list[Any] = []
    for name, kinds in ((_MODEL, _MODELS), (_TOKENIZER, _TOKENIZERS)):
        kind = stored_kind(folder / name)
        if kind not in kinds:
            raise ValueError(
                f"{folder / name} holds a {kind}; here one of {', '.join(kinds)} is needed"
            )
        parts.append(kinds[kind].load(folder / name))
    model, tokenizer = parts
    if model.vocab_size != tokenizer.vocab_size:
        raise ValueError(
            f"in {folder} the model has {model.vocab_size} ids and the tokenizer "
            f"{tokenizer.vocab_size}; they do not belong together"
        )
    return SavedModel(model, tokenizer)
