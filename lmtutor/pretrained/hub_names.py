"""Which tensors of the Hugging Face hub are which of ours.

Left out: everything that is no weight; old files have buffers besides.
"""

from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor

from lmtutor.models import GPT, Bert, Llama


@dataclass(frozen=True)
class Entry:
    """One of our tensors, and where theirs are it."""

    ours: str
    theirs: tuple[str, ...]
    rows: tuple[int, ...] = ()
    """If there are several: how many rows of ours each of them is."""
    turned: bool = False
    """Whether rows and columns are exchanged."""

    def under(self, theirs: str, ours: str = "") -> Self:
        """The same, where both stand within something larger: with these prefixes."""
        names = tuple(f"{theirs}{name}" for name in self.theirs)
        return replace(self, ours=f"{ours}{self.ours}", theirs=names)

    def split(self, tensor: Tensor) -> dict[str, Tensor]:
        """Ours -> theirs by name."""
        parts = tensor.split(self.rows) if self.rows else (tensor,)
        return {
            name: part.T if self.turned else part
            for name, part in zip(self.theirs, parts, strict=True)
        }

    def join(self, tensors: dict[str, Tensor]) -> Tensor:
        """Theirs by name -> ours."""
        parts = [tensors[name] for name in self.theirs]
        joined = torch.cat(parts) if self.rows else parts[0]
        return joined.T.contiguous() if self.turned else joined


SCORES = Entry("output.weight", ("lm_head.weight",))
"""From hidden states to logits, in GPT-2 and in Llama."""


def gpt2_names(model: GPT) -> list[Entry]:
    """GPT-2 of transformers keeps its matrices as (inputs, outputs), and we the other way."""
    names = [
        Entry("embedding.weight", ("wte.weight",)),
        Entry("positions.table", ("wpe.weight",)),
    ]
    for number in range(len(model.blocks)):
        ours, theirs = f"blocks.{number}", f"h.{number}"
        for mine, other in {
            "attention.query_key_value": "attn.c_attn",
            "attention.output": "attn.c_proj",
            "feed_forward.inner": "mlp.c_fc",
            "feed_forward.output": "mlp.c_proj",
        }.items():
            weight = (f"{theirs}.{other}.weight",)
            names.append(Entry(f"{ours}.{mine}.weight", weight, turned=True))
            names.append(Entry(f"{ours}.{mine}.bias", (f"{theirs}.{other}.bias",)))
        for mine, other in {"attention_norm": "ln_1", "feed_forward_norm": "ln_2"}.items():
            for kind in ("weight", "bias"):
                names.append(Entry(f"{ours}.{mine}.{kind}", (f"{theirs}.{other}.{kind}",)))
    return [*names, *(Entry(f"norm.{kind}", (f"ln_f.{kind}",)) for kind in ("weight", "bias"))]


def llama_names(model: Llama) -> list[Entry]:
    """Numbers i and i + D/2 of a head are one point of the rotary positions here and there."""
    names = [Entry("embedding.weight", ("embed_tokens.weight",))]
    size, shared = model.config.hidden_size, model.config.groups * model.config.head_size
    for number in range(len(model.blocks)):
        ours, theirs = f"blocks.{number}", f"layers.{number}"
        heads = tuple(f"{theirs}.self_attn.{part}_proj.weight" for part in "qkv")
        rows = (size, shared, shared)
        names.append(Entry(f"{ours}.attention.query_key_value.weight", heads, rows))
        for mine, other in {
            "attention.output": "self_attn.o_proj",
            "feed_forward.gate": "mlp.gate_proj",
            "feed_forward.inner": "mlp.up_proj",
            "feed_forward.output": "mlp.down_proj",
            "attention_norm": "input_layernorm",
            "feed_forward_norm": "post_attention_layernorm",
        }.items():
            names.append(Entry(f"{ours}.{mine}.weight", (f"{theirs}.{other}.weight",)))
    return [*names, Entry("norm.weight", ("norm.weight",))]


def bert_names(model: Bert) -> list[Entry]:
    """BERT of transformers keeps queries, keys and values apart, and we in one matrix."""
    names = [
        Entry("embedding.weight", ("embeddings.word_embeddings.weight",)),
        Entry("positions.weight", ("embeddings.position_embeddings.weight",)),
        Entry("segments.weight", ("embeddings.token_type_embeddings.weight",)),
        *_both("norm", "embeddings.LayerNorm"),
    ]
    rows = (model.config.hidden_size,) * 3
    for number in range(len(model.blocks)):
        ours, theirs = f"blocks.{number}", f"encoder.layer.{number}"
        for kind in ("weight", "bias"):
            parts = tuple(
                f"{theirs}.attention.self.{part}.{kind}" for part in ("query", "key", "value")
            )
            names.append(Entry(f"{ours}.attention.query_key_value.{kind}", parts, rows))
        for mine, other in {
            "attention.output": "attention.output.dense",
            "attention_norm": "attention.output.LayerNorm",
            "feed_forward.inner": "intermediate.dense",
            "feed_forward.output": "output.dense",
            "feed_forward_norm": "output.LayerNorm",
        }.items():
            names += _both(f"{ours}.{mine}", f"{theirs}.{other}")
    return [*names, *_both("pooler", "pooler.dense")]


def _both(ours: str, theirs: str) -> list[Entry]:
    """The weights and the biases of a layer."""
    return [Entry(f"{ours}.{kind}", (f"{theirs}.{kind}",)) for kind in ("weight", "bias")]


MASKED_HEAD_NAMES = [
    *_both("transform", "cls.predictions.transform.dense"),
    *_both("transform_norm", "cls.predictions.transform.LayerNorm"),
    Entry("output.bias", ("cls.predictions.bias",)),
]
NEXT_HEAD_NAMES = _both("next_sentence", "cls.seq_relationship")
CLASSIFIER_NAMES = _both("output", "classifier")
