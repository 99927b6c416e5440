"""Smaller elements, each for one question of a chapter, run by the same scripts.

Left out: what needs Python while the reader plays; that is `lmtutor.widgets.live`.

Letters in the shapes: T positions, L layers, H heads or units, V words, D size of a vector.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from lmtutor.widgets.playground.element import PageElement, as_typed, check_title, picture_table
from lmtutor.widgets.playground.exporting import export_model, export_tokenizer
from lmtutor.widgets.playground.model_file import (
    ModelFile,
    in_eighth,
    in_steps,
    whole_numbers,
)
from lmtutor.widgets.playground.playground import as_pair, by_title, next_log_probs, shown

if TYPE_CHECKING:
    from torch import Tensor

    from lmtutor.models import WordVectors
    from lmtutor.tokenizers import Tokenizer, WordTokenizer
    from lmtutor.widgets.playground.playground import Pair

NOW = "worked out when this page was made. Where scripts run, one can try others here."


class HeadExplorer(PageElement):
    """Where each head of a transformer looks, on any text.

    Args:
        model: a `GPT`, `ModernGPT` or `Llama` with its tokenizer.
        prompt: the text to begin with.
        title: what the reader sees.
        dtype: as in `export_model`.

    Raises:
        ValueError: the model is no transformer; or as `export_model` and `PageElement`.
    """

    tag = "lm-attention"

    def __init__(self, model: "Pair", prompt: str, title: str = "GPT", dtype: str = "int8"):
        import torch

        from lmtutor.models import CausalTransformer
        from lmtutor.models.language_model import inference

        network, tokenizer = as_pair(model)
        if not isinstance(network, CausalTransformer):
            raise ValueError(f"a {type(network).__name__} has no heads to look at")
        file = export_model(network, tokenizer, title, dtype)
        prompt = as_typed(prompt)
        ids = network.cut_to_context([network.bos_id, *tokenizer.encode(prompt)])
        with inference(network):
            weights = network.attention_weights(torch.tensor([ids]))[:, 0, :, -1]  # (L, H, T)
        rows = {
            f"layer {layer}, head {head}": [
                f"“{shown(tokenizer, ids[place])}” {weight:.0%}"
                for weight, place in zip(*row.topk(min(3, len(ids))), strict=True)
            ]
            for layer, heads in enumerate(weights, 1)
            for head, row in enumerate(heads, 1)
        }
        caption = f"Where each head looks from the last token of “{prompt}”, {NOW}"
        heads = ["head", "looks most at", "then at", "then at"][: 1 + min(3, len(ids))]
        super().__init__([file], prompt, picture_table(heads, rows, caption))


class TemperatureExplorer(PageElement):
    """What temperature, top-k and top-p make of the distribution of a model.

    Args:
        model: a language model with its tokenizer; see `export_model` for which.
        prompt: the text to begin with.
        title: what the reader sees.
        dtype: as in `export_model`.

    Raises:
        ValueError: as `export_model` and `PageElement`.
    """

    tag = "lm-distribution"

    def __init__(self, model: "Pair", prompt: str, title: str = "GPT", dtype: str = "int8"):
        from lmtutor.decoding import Sample

        network, tokenizer = as_pair(model)
        file = export_model(network, tokenizer, title, dtype)
        prompt = as_typed(prompt)
        scores = next_log_probs(network, [network.bos_id, *tokenizer.encode(prompt)])
        temperatures = (0.5, 1.0, 1.5)
        columns = [Sample(temperature).probabilities(scores) for temperature in temperatures]
        rows = {
            f"“{shown(tokenizer, token)}”": [f"{column[token]:.1%}" for column in columns]
            for token in columns[0].topk(min(8, len(scores))).indices.tolist()
        }
        heads = ["next token", *(f"temperature {temperature}" for temperature in temperatures)]
        caption = f"What comes after “{prompt}” at three temperatures, {NOW}"
        super().__init__([file], prompt, picture_table(heads, rows, caption))


class GateExplorer(PageElement):
    """Which gate of an LSTM is open, at each token of any text.

    Args:
        model: an `LSTMLanguageModel` with its tokenizer; its first layer is shown.
        prompt: the text to begin with.
        unit: which unit of the state to show first, from 0 up. None: the mean of all.
        title: what the reader sees.
        dtype: as in `export_model`.

    Raises:
        ValueError: the model is no LSTM, or has no such unit; or as `export_model` and
            `PageElement`.
    """

    tag = "lm-gates"

    def __init__(
        self,
        model: "Pair",
        prompt: str,
        unit: int | None = None,
        title: str = "LSTM",
        dtype: str = "int8",
    ):
        from lmtutor.models import LSTMLanguageModel

        network, tokenizer = as_pair(model)
        if not isinstance(network, LSTMLanguageModel):
            raise ValueError(f"a {type(network).__name__} has no gates to look at")
        size = network.config.hidden_size
        if unit is not None and (type(unit) is not int or not 0 <= unit < size):
            raise ValueError(
                f"unit is {unit!r}, and the units are numbered from 0 to {size - 1}"
            )
        file = export_model(network, tokenizer, title, dtype)
        prompt = as_typed(prompt)
        ids = [network.bos_id, *tokenizer.encode(prompt)][:24]
        seen = {
            name: rows[:, unit] if unit is not None else rows.abs().mean(dim=1)
            for name, rows in _watch(network, ids).items()
        }
        names = {"forget": "forget gate", "input": "input gate", "output": "output gate"}
        names["cell"] = "cell" if unit is not None else "size of the cell"
        rows = {
            f"{place}: “{shown(tokenizer, token)}”": [
                f"{seen[name][place]:.2f}" for name in names
            ]
            for place, token in enumerate(ids)
        }
        of = "all units on average" if unit is None else f"unit {unit}"
        caption = f"The gates of {of} at the first tokens of “{prompt}”, {NOW}"
        super().__init__(
            [file], prompt, picture_table(["token", *names.values()], rows, caption)
        )
        self.unit = unit

    def _attributes(self) -> dict[str, str]:
        unit = {} if self.unit is None else {"unit": str(self.unit)}
        return {**super()._attributes(), **unit}


class ContextExplorer(PageElement):
    """What came after the last one, two, ... words in a text, and how often.

    The page has no model: it has the text, and walks through it.

    Args:
        documents: the text, cut into documents, across which no context reaches.
        tokenizer: of words, fitted.
        prompt: the words to begin with.
        longest: how many words a context has at the most.
        title: what the reader sees.

    Raises:
        ValueError: there are no documents, or `longest` is below 1; or as `PageElement`.
    """

    tag = "lm-contexts"

    def __init__(
        self,
        documents: Iterable[str],
        tokenizer: "WordTokenizer",
        prompt: str,
        longest: int = 8,
        title: str = "text",
    ):
        from lmtutor.tokenizers import WordTokenizer

        if type(longest) is not int or longest < 1:
            raise ValueError(f"longest is {longest!r}; a context has at least one word")
        if not isinstance(tokenizer, WordTokenizer):
            raise ValueError(f"contexts are of words, and {type(tokenizer).__name__} cuts none")
        if isinstance(documents, str):
            raise ValueError("documents is one string; give a list of documents")
        tokens: list[int] = []
        for document in documents:
            tokens += [tokenizer.bos_id, *tokenizer.encode(document), tokenizer.eos_id]
        if not tokens:
            raise ValueError("there are no documents; give at least one")
        text = np.array(tokens)
        settings = export_tokenizer(tokenizer)
        file = ModelFile(
            "Text",
            check_title(title),
            {"longest": longest},
            settings,
            {"tokens": whole_numbers(text)},
        )
        prompt = as_typed(prompt)
        ids = tokenizer.encode(prompt)[-longest:]
        rows = {}
        for length in range(1, len(ids) + 1):
            found = continuations(text, ids[-length:])
            words = [f"{tokenizer.vocabulary[id_]} {n:,}" for id_, n in found.most_common(4)]
            seen = f"{found.total():,}"
            rows[str(length)] = [tokenizer.decode(ids[-length:]), seen, " · ".join(words)]
        caption = f"What came after the last words of “{prompt}”, and how often, {NOW}"
        heads = ["words", "the context", "seen", "what came next"]
        super().__init__([file], prompt, picture_table(heads, rows, caption))


class TokenExplorer(PageElement):
    """How tokenizers cut a text in any language, and how many bytes a token holds.

    Args:
        tokenizers: titles and tokenizers, of characters, words or byte pairs.
        prompt: the text to begin with.

    Raises:
        ValueError: as `export_tokenizer` and `PageElement`.
    """

    tag = "lm-tokens"

    def __init__(self, tokenizers: "Mapping[str, Tokenizer]", prompt: str):
        files = [
            ModelFile("Tokenizer", check_title(title), {}, export_tokenizer(tokenizer), {})
            for title, tokenizer in by_title(tokenizers).items()
        ]
        prompt = as_typed(prompt)
        num_bytes = len(prompt.encode())
        rows = {}
        for title, tokenizer in tokenizers.items():
            ids = tokenizer.encode(prompt)
            pieces = " | ".join(shown(tokenizer, token) for token in ids[:40])
            per_token = f"{num_bytes / len(ids):.2f}" if ids else "-"
            rows[title] = [str(len(ids)), per_token, pieces]
        caption = f"“{prompt}”, cut by each tokenizer, {NOW}"
        heads = ["tokenizer", "tokens", "bytes per token", "the first pieces"]
        super().__init__(files, prompt, picture_table(heads, rows, caption))


class WordMap(PageElement):
    """A map of words in two dimensions with a search, and the nearest words in all dimensions.

    The map shows the two directions in which the vectors differ most, after each was brought to
    length 1.

    Args:
        vectors: word vectors.
        words: which of them to show.
        word: the one to begin with.
        title: what the reader sees.

    Raises:
        ValueError: a word is unknown, there are fewer than three, `word` is none of them, or a
            vector is zero.
    """

    tag = "lm-word-map"

    def __init__(
        self,
        vectors: "WordVectors",
        words: Sequence[str],
        word: str,
        title: str = "word vectors",
    ):
        words = list(words)
        if len(words) < 3 or word not in words:
            raise ValueError(
                f"there are {len(words)} words, and the first to show is {word!r}; give at "
                "least three, that one among them"
            )
        rows = np.stack([vectors[name].detach().double().numpy() for name in words])
        lengths = np.linalg.norm(rows, axis=1, keepdims=True)  # (V, 1)
        if rows.shape[1] < 2:
            raise ValueError("the vectors have one number; a map needs two at least")
        if not lengths.all():
            raise ValueError(f"the vector of {words[int(lengths.argmin())]!r} is zero")
        rows /= lengths  # (V, D)
        centred = rows - rows.mean(axis=0)
        flat = centred @ np.linalg.svd(centred, full_matrices=False)[2][:2].T  # (V, 2)
        low, high = flat.min(axis=0), flat.max(axis=0)
        arrays = {
            "places": in_steps((flat - low) / np.where(high > low, high - low, 1), bits=16),
            **in_eighth("vectors", rows),
        }
        file = ModelFile("WordMap", check_title(title), {"words": words}, None, arrays)
        cosines = rows @ rows[words.index(word)]  # (V,)
        order = [place for place in (-cosines).argsort() if words[place] != word][:10]
        table = {words[place]: [f"{cosines[place]:.2f}"] for place in order}
        caption = f"The words nearest to “{word}”, {NOW}"
        super().__init__([file], word, picture_table(["word", "cosine"], table, caption))


def continuations(text: np.ndarray, context: Sequence[int]) -> Counter[int]:
    """What comes after each place of a text where a context stands, and how often.

    >>> continuations(np.array([5, 6, 7, 5, 6, 8, 6, 7]), [5, 6])
    Counter({7: 1, 8: 1})
    """
    ends = np.ones(len(text), dtype=bool)  # where the context ends
    for back, token in enumerate(reversed(context)):
        ends[back:] &= text[: len(text) - back] == token
        ends[:back] = False
    ends[-1] = False
    return Counter(text[1:][ends[:-1]].tolist())


def _watch(model: "object", ids: list[int]) -> "dict[str, Tensor]":
    """The gates and the cell of the first layer at each of T tokens, (T, H)."""
    import torch

    from lmtutor.layers import LSTMCell
    from lmtutor.models import LSTMLanguageModel
    from lmtutor.models.language_model import inference

    assert isinstance(model, LSTMLanguageModel)
    with inference(model):
        cell = LSTMCell.from_torch(model.recurrent)
        seen = cell.watch(model.embedding(torch.tensor([ids])))
    return {name: rows[0] for name, rows in seen.items()}
