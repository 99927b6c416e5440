"""The playground: several models, one prompt.

Left out: beam search and the strategies beyond temperature, top-k and top-p, which
`lmtutor.decoding` has.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

from lmtutor.widgets.playground.element import PageElement, as_typed, picture_table
from lmtutor.widgets.playground.exporting import export_model

if TYPE_CHECKING:
    from torch import Tensor

    from lmtutor.models import LanguageModel
    from lmtutor.tokenizers import Tokenizer


class WithTokenizer(Protocol):
    """A model and its tokenizer, such as `load_pretrained` gives."""

    @property
    def model(self) -> "LanguageModel":
        """The model."""

    @property
    def tokenizer(self) -> "Tokenizer":
        """Its tokenizer."""


if TYPE_CHECKING:
    Pair = WithTokenizer | tuple[LanguageModel, Tokenizer]


def as_pair(given: "Pair") -> "tuple[LanguageModel, Tokenizer]":
    """A model and its tokenizer, however they were given.

    Raises:
        ValueError: they are neither a pair nor an object with both.
    """
    if isinstance(given, tuple) and len(given) == 2:
        return given
    if hasattr(given, "model") and hasattr(given, "tokenizer"):
        return given.model, given.tokenizer
    raise ValueError(
        f"give each model with its tokenizer, as (model, tokenizer) or as load_pretrained "
        f"returns them, not a {type(given).__name__}"
    )


def by_title(named: "Mapping[str, Any]") -> "Mapping[str, Any]":
    """What was given by titles, or a ValueError where it was given without."""
    if not isinstance(named, Mapping):
        raise ValueError(
            f"give titles and what they stand for, as in {{'GPT': ...}}, not a "
            f"{type(named).__name__}"
        )
    return named


def next_log_probs(model: "LanguageModel", ids: list[int]) -> "Tensor":
    """(V,) log-probabilities of the token after T ids; the begin mark has none."""
    import torch

    from lmtutor.models.language_model import inference

    with inference(model):
        scores = model.start_reading(batch_size=1).read(torch.tensor([ids]))[0].clone()
        scores[model.bos_id] = -torch.inf
    return scores


def shown(tokenizer: "Tokenizer", token: int) -> str:
    """A token as a person reads it."""
    if token in (tokenizer.bos_id, tokenizer.eos_id):
        return tokenizer.vocabulary[token]
    text = tokenizer.decode([token])
    if "\ufffd" in text:  # bytes that are no whole character
        return tokenizer.vocabulary[token]
    return text.replace(" ", "␣").replace("\n", "⏎")


class Playground(PageElement):
    """Models that answer a prompt side by side in the browser: what each expects next, and what
    it writes. Of the first transformer among them, it shows where each head looks.

    Args:
        models: titles, and for each a model with its tokenizer; see `export_model` for which.
        prompt: the text to begin with.
        dtype: "int8" or "float16"; see `export_model`.

    Raises:
        ValueError: as `export_model` and `PageElement`.

    >>> from lmtutor.models import NgramModel
    >>> from lmtutor.tokenizers import CharacterTokenizer
    >>> tokenizer = CharacterTokenizer().fit(["abba"])
    >>> model = NgramModel(2, vocab_size=tokenizer.vocab_size).fit([tokenizer.encode("abba")])
    >>> Playground({"bigram": (model, tokenizer)}, prompt="ab")
    <Playground: bigram-...; a browser shows it>
    """

    tag = "lm-playground"

    def __init__(self, models: "Mapping[str, Pair]", prompt: str = "", dtype: str = "int8"):
        pairs = {title: as_pair(given) for title, given in by_title(models).items()}
        files = [export_model(*pair, title, dtype) for title, pair in pairs.items()]
        prompt = as_typed(prompt)
        rows = {title: _guesses(*pair, prompt) for title, pair in pairs.items()}
        heads = ["after the prompt", "likeliest next tokens"]
        caption = (
            f"What each model expects after “{prompt}”, worked out when this page was made. "
            "Where scripts run, the models themselves stand here, to be asked anything."
        )
        super().__init__(files, prompt, picture_table(heads, rows, caption))


def _guesses(model: "LanguageModel", tokenizer: "Tokenizer", prompt: str) -> list[str]:
    """The five likeliest next tokens with their probabilities."""
    from lmtutor.decoding import Sample

    ids = [model.bos_id, *tokenizer.encode(prompt)]
    probabilities = Sample().probabilities(next_log_probs(model, ids))
    likeliest = probabilities.topk(min(5, len(probabilities)))
    pairs = zip(likeliest.indices.tolist(), likeliest.values.tolist(), strict=True)
    return [", ".join(f"“{shown(tokenizer, token)}” {p:.0%}" for token, p in pairs)]
