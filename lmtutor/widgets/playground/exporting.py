"""From a model and its tokenizer to what a page runs.

Left out: BERT and translators, which continue no text, and `NeuralNgram`.
"""

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from lmtutor.widgets.playground.element import check_title
from lmtutor.widgets.playground.model_file import (
    ModelFile,
    Stored,
    in_eighth,
    in_half,
    in_steps,
    whole_numbers,
)

if TYPE_CHECKING:
    from lmtutor.models import LanguageModel, NgramModel
    from lmtutor.tokenizers import Tokenizer

DTYPES = ("int8", "float16")


def export_model(
    model: "LanguageModel", tokenizer: "Tokenizer", title: str, dtype: str = "int8"
) -> ModelFile:
    """A language model and its tokenizer as one file for a page.

    Args:
        model: an `NgramModel`, `RNNLanguageModel`, `LSTMLanguageModel`, `GRULanguageModel`,
            `GPT`, `ModernGPT` or `Llama`.
        tokenizer: of characters, words or byte pairs, with as many ids as the model.
        title: what the reader sees.
        dtype: "float16" keeps about three digits of each number, "int8" about two in half the
            space. For the log-probabilities of n-grams these are 16 and 8 bits as well; counts
            are kept whole.

    Raises:
        ValueError: the model or the tokenizer is of another kind, their vocabularies differ in
            size or in their marks, there is no such dtype, the model has low-rank parts or
            numbers that are not finite, or an n-gram model has not been fitted.

    >>> from lmtutor.models import NgramModel
    >>> from lmtutor.tokenizers import CharacterTokenizer
    >>> tokenizer = CharacterTokenizer().fit(["abba"])
    >>> ids = [tokenizer.encode("abba")]
    >>> model = NgramModel(2, "kneser_ney", vocab_size=tokenizer.vocab_size).fit(ids)
    >>> len(export_model(model, tokenizer, "two characters").to_bytes()) < 4000
    True
    """
    from lmtutor.models import NgramModel

    check_title(title)
    if dtype not in DTYPES:
        raise ValueError(f"dtype is {dtype!r}; it can be 'int8' or 'float16'")
    settings = export_tokenizer(tokenizer)
    _check_pair(model, tokenizer)
    if type(model) is NgramModel:
        config, arrays = _ngram(model, bits=8 if dtype == "int8" else 16)
    else:
        config, arrays = _network_config(model), _network_arrays(model, dtype)
    return ModelFile(type(model).__name__, title, config, settings, arrays)


def export_tokenizer(tokenizer: "Tokenizer") -> dict[str, Any]:
    """What a page needs to cut a text as this tokenizer does.

    Raises:
        ValueError: it is none of characters, words or byte pairs, or has no vocabulary yet.
    """
    from lmtutor.tokenizers import BytePairTokenizer, CharacterTokenizer, WordTokenizer
    from lmtutor.tokenizers.unicode_tables import LETTERS, NUMBERS, SPACES

    if type(tokenizer) is CharacterTokenizer:
        return {"kind": "character", "characters": list(tokenizer.vocabulary)[2 + 256 :]}
    if type(tokenizer) is WordTokenizer:
        return {"kind": "word", "tokens": list(tokenizer.vocabulary)}
    if type(tokenizer) is BytePairTokenizer:
        tokenizer.vocabulary  # noqa: B018  (says so where there is none yet)
        tables = {"letters": LETTERS, "numbers": NUMBERS, "spaces": SPACES}
        return {
            "kind": "byte-pair",
            "special_tokens": list(tokenizer.special_tokens),
            "merges": [list(pair) for pair in tokenizer.merges],
            **{name: " ".join(ranges.split()) for name, ranges in tables.items()},
        }
    raise ValueError(
        f"a page runs the tokenizers of characters, words and byte pairs, not a "
        f"{type(tokenizer).__name__}"
    )


def _check_pair(model: "LanguageModel", tokenizer: "Tokenizer") -> None:
    """Refuse a model with a tokenizer that is not its own."""
    from lmtutor.models import LanguageModel

    if not isinstance(model, LanguageModel):
        raise ValueError(
            f"a page continues texts, and a {type(model).__name__} is no language model"
        )
    if model.vocab_size != tokenizer.vocab_size:
        raise ValueError(
            f"the model has {model.vocab_size} ids and the tokenizer {tokenizer.vocab_size}; "
            "give each model the tokenizer that it was trained with"
        )
    marks = (model.bos_id, model.eos_id), (tokenizer.bos_id, tokenizer.eos_id)
    if marks[0] != marks[1]:
        raise ValueError(
            f"the marks of the model are {marks[0]} and those of the tokenizer {marks[1]}"
        )


def _network_config(model: Any) -> dict[str, Any]:
    """The sizes of a network, and what its class fixes, under the names in engine.js."""
    from lmtutor.models import (
        GPT,
        GRULanguageModel,
        Llama,
        LSTMLanguageModel,
        ModernGPT,
        RNNLanguageModel,
    )

    sizes = (
        {name: value for name, value in asdict(model.config).items() if name != "dropout"}
        if hasattr(model, "config")
        else {}
    )
    if type(model) in (RNNLanguageModel, LSTMLanguageModel, GRULanguageModel):
        return sizes
    if type(model) is GPT:
        inner_size = sizes["inner_size"] or 4 * sizes["hidden_size"]
        return {**sizes, "inner_size": inner_size, "norm_epsilon": 1e-5}
    if type(model) is ModernGPT:
        fixed = {"inner_size": 4 * sizes["hidden_size"], "norm_epsilon": 1e-6}
        return {**sizes, **fixed, "rope_theta": 10000.0, "tied": True}
    if type(model) is Llama:
        variant = sizes.pop("variant")
        return {**sizes, **variant, "inner_size": model.config.gate_size}
    raise ValueError(
        f"a page runs n-gram models, RNN, LSTM, GRU, GPT, ModernGPT and Llama, not a "
        f"{type(model).__name__}"
    )


def _network_arrays(model: Any, dtype: str) -> dict[str, Stored]:
    """The weights, those that are used twice once."""
    from lmtutor.models.stored import check_no_lora, distinct_tensors

    check_no_lora(model)
    arrays: dict[str, Stored] = {}
    for name, tensor in distinct_tensors(model).items():
        array = tensor.detach().cpu().float().numpy()
        if dtype == "int8" and array.ndim == 2:
            arrays.update(in_eighth(name, array))
        else:
            arrays[name] = in_half(name, array)
    return arrays


def _ngram(model: "NgramModel", bits: int) -> tuple[dict[str, Any], dict[str, Stored]]:
    """The tables of all orders, without what a page can work out."""
    from lmtutor.models.ngram.smoothing import BackoffTable

    vocab_size = model.vocab_size
    arrays: dict[str, Stored] = {}
    for order, table in enumerate(model.tables, 1):
        if order > 1:
            arrays[f"tokens_{order}"] = whole_numbers(table.keys % vocab_size)
        if isinstance(table, BackoffTable):
            arrays[f"log_probs_{order}"] = in_steps(table.log_probs, bits)
        else:
            arrays[f"counts_{order}"] = whole_numbers(table.counts)  # type: ignore[attr-defined]
        if order == model.order:
            continue
        if isinstance(table, BackoffTable):
            arrays[f"backoffs_{order}"] = in_steps(table.backoffs[:-1], bits)
        contexts = model.tables[order].keys // vocab_size
        sizes = np.bincount(contexts, minlength=len(table.keys))
        arrays[f"sizes_{order}"] = whole_numbers(sizes)
    backs_off = isinstance(model.tables[0], BackoffTable)
    config = {
        "order": model.order,
        "vocab_size": vocab_size,
        "bos_id": model.bos_id,
        "eos_id": model.eos_id,
        "smoothing": "backoff" if backs_off else "counts",
        "k": model.k,
    }
    return config, arrays
