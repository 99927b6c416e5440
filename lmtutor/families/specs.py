"""Published models: what it takes to build each, and how large its authors say it is.

The number that a paper or a model card gives for a size stands here beside its source, and is
never used to compute one: `lmtutor.families.counting` builds the model and counts.

The tokens that were read are from: Devlin et al. 2019, appendix A.2 (a million steps of 256
rows, nine in ten steps with rows of 128 tokens, the others of 512); the model card of RoBERTa
(500,000 steps of 8,192 rows of 512); Lan et al. 2020, section 4.1 (125,000 steps of 4,096 rows
of at most 512); Raffel et al. 2020, section 3.7 (a million steps of 2,048 rows of 512); Brown
et al. 2020, table 2.1; Touvron et al. 2023, table 2, and 2023b, table 1; the model card of
Llama 3 ("15T+"). Left out: weights.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any


@dataclass(frozen=True)
class Published:
    """A number of parameters as it was printed, and how finely."""

    parameters: float
    unit: float
    """Of the last digit that is given: 1e7 for "340M"."""
    source: str


@dataclass(frozen=True)
class ModelSpec:
    """One model of a family: what it takes to build it."""

    name: str
    family: str
    model_class: str
    """Of the library transformers."""
    settings: Mapping[str, Any]
    """Of its configuration, where it differs from what the library takes by itself, and also
    where it does not but the number matters."""
    published: Published | None
    """None: the paper gives no number."""
    tokens: float | None = None
    """That were read in pre-training, repeated ones again; None: not published."""


def _spec(
    name: str,
    family: str,
    model_class: str,
    settings: dict[str, Any],
    published: tuple[float, float, str] | None,
    tokens: float | None = None,
) -> ModelSpec:
    printed = None if published is None else Published(*published)
    return ModelSpec(name, family, model_class, MappingProxyType(settings), printed, tokens)


def _bert_like(hidden: int, layers: int, heads: int, **others: Any) -> dict[str, Any]:
    """The names that BERT, RoBERTa, ALBERT, ELECTRA and Llama share."""
    return {
        "hidden_size": hidden,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "intermediate_size": 4 * hidden,
        **others,
    }


def _gpt(hidden: int, layers: int, heads: int, context: int = 1024) -> dict[str, Any]:
    return {
        "vocab_size": 50257,
        "n_positions": context,
        "n_embd": hidden,
        "n_layer": layers,
        "n_head": heads,
    }


def _t5(hidden: int, layers: int, heads: int, head: int, inner: int) -> dict[str, Any]:
    return {
        "vocab_size": 32128,
        "d_model": hidden,
        "num_layers": layers,  # of the encoder, and as many of the decoder
        "num_decoder_layers": layers,
        "num_heads": heads,
        "d_kv": head,
        "d_ff": inner,
    }


def _bart(hidden: int, layers: int, heads: int) -> dict[str, Any]:
    sizes: dict[str, Any] = {"vocab_size": 50265, "d_model": hidden}
    for half in ("encoder", "decoder"):
        sizes[f"{half}_layers"], sizes[f"{half}_attention_heads"] = layers, heads
        sizes[f"{half}_ffn_dim"] = 4 * hidden
    return sizes


_BERT = {"vocab_size": 30522, "max_position_embeddings": 512, "type_vocab_size": 2}
_ROBERTA = {"vocab_size": 50265, "max_position_embeddings": 514, "type_vocab_size": 1}
_BERT_TOKENS = 1e6 * 256 * (0.9 * 128 + 0.1 * 512)  # steps, rows, lengths
_ROBERTA_TOKENS = 5e5 * 8192 * 512
_T5_TOKENS = 1e6 * 2048 * 512
_PAPER_3 = "Devlin et al. 2019, section 3"
_TABLE_2_1 = "Brown et al. 2020, table 2.1"
_FAIRSEQ = "model list of the authors' repository (fairseq)"
_ELECTRA = "model list of the authors' repository"
_GPT2_CARD = "model card of the released weights"

MODELS = (
    _spec(
        "GPT",
        "GPT",
        "OpenAIGPTLMHeadModel",
        {"vocab_size": 40478, "n_positions": 512, "n_embd": 768, "n_layer": 12, "n_head": 12},
        None,
    ),
    _spec(
        "BERT base",
        "BERT",
        "BertForPreTraining",
        _bert_like(768, 12, 12, **_BERT),
        (110e6, 1e7, _PAPER_3),
        _BERT_TOKENS,
    ),
    _spec(
        "BERT large",
        "BERT",
        "BertForPreTraining",
        _bert_like(1024, 24, 16, **_BERT),
        (340e6, 1e7, _PAPER_3),
        _BERT_TOKENS,
    ),
    *(
        _spec(f"GPT-2 {name}", "GPT-2", "GPT2LMHeadModel", _gpt(*sizes), (*printed, _GPT2_CARD))
        for name, sizes, printed in (
            ("small", (768, 12, 12), (124e6, 1e6)),
            ("medium", (1024, 24, 16), (355e6, 1e6)),
            ("large", (1280, 36, 20), (774e6, 1e6)),
            ("xl", (1600, 48, 25), (1.5e9, 1e8)),
        )
    ),
    _spec(
        "RoBERTa base",
        "RoBERTa",
        "RobertaForMaskedLM",
        _bert_like(768, 12, 12, **_ROBERTA),
        (125e6, 1e6, _FAIRSEQ),
        _ROBERTA_TOKENS,
    ),
    _spec(
        "RoBERTa large",
        "RoBERTa",
        "RobertaForMaskedLM",
        _bert_like(1024, 24, 16, **_ROBERTA),
        (355e6, 1e6, _FAIRSEQ),
        _ROBERTA_TOKENS,
    ),
    _spec(
        "ALBERT base",
        "ALBERT",
        "AlbertForPreTraining",
        _bert_like(768, 12, 12, vocab_size=30000, embedding_size=128),
        (12e6, 1e6, "Lan et al. 2020, table 1"),
        125e3 * 4096 * 512,
    ),
    _spec(
        "DistilBERT",
        "DistilBERT",
        "DistilBertModel",  # without a head, as its paper counts
        {"vocab_size": 30522, "dim": 768, "n_layers": 6, "n_heads": 12, "hidden_dim": 3072},
        (66e6, 1e6, "Sanh et al. 2019, table 3"),
    ),
    _spec(
        "T5 small",
        "T5",
        "T5ForConditionalGeneration",
        _t5(512, 6, 8, 64, 2048),
        (60e6, 1e7, "Raffel et al. 2020, section 3.7"),
        _T5_TOKENS,
    ),
    _spec(
        "T5 base",
        "T5",
        "T5ForConditionalGeneration",
        _t5(768, 12, 12, 64, 3072),
        (220e6, 1e7, "Raffel et al. 2020, section 3.1.1"),
        _T5_TOKENS,
    ),
    _spec(
        "T5 11B",
        "T5",
        "T5ForConditionalGeneration",
        _t5(1024, 24, 128, 128, 65536),
        (11e9, 1e9, "Raffel et al. 2020, section 3.7"),
        _T5_TOKENS,
    ),
    _spec(
        "BART base",
        "BART",
        "BartForConditionalGeneration",
        _bart(768, 6, 12),
        (140e6, 1e7, _FAIRSEQ),
    ),
    _spec(
        "BART large",
        "BART",
        "BartForConditionalGeneration",
        _bart(1024, 12, 16),
        (400e6, 1e8, _FAIRSEQ),
    ),
    _spec(
        "ELECTRA small",
        "ELECTRA",
        "ElectraForPreTraining",
        _bert_like(256, 12, 4, embedding_size=128, **_BERT),
        (14e6, 1e6, _ELECTRA),
    ),
    _spec(
        "ELECTRA base",
        "ELECTRA",
        "ElectraForPreTraining",
        _bert_like(768, 12, 12, embedding_size=768, **_BERT),
        (110e6, 1e7, _ELECTRA),
    ),
    _spec(
        "GPT-3 small",
        "GPT-3",
        "GPT2LMHeadModel",  # the same but for gaps in every other attention
        _gpt(768, 12, 12, context=2048),
        (125e6, 1e6, _TABLE_2_1),
        300e9,
    ),
    _spec(
        "GPT-3",
        "GPT-3",
        "GPT2LMHeadModel",
        _gpt(12288, 96, 96, context=2048),
        (175e9, 1e9, _TABLE_2_1),
        300e9,
    ),
    _spec(
        "Llama 7B",
        "Llama",
        "LlamaForCausalLM",
        _bert_like(4096, 32, 32, vocab_size=32000) | {"intermediate_size": 11008},
        (6.7e9, 1e8, "Touvron et al. 2023, table 2"),
        1.0e12,
    ),
    _spec(
        "Llama 2 7B",
        "Llama 2",
        "LlamaForCausalLM",
        _bert_like(4096, 32, 32, vocab_size=32000) | {"intermediate_size": 11008},
        (7e9, 1e9, "Touvron et al. 2023b, table 1"),
        2.0e12,
    ),
    _spec(
        "Llama 3 8B",
        "Llama 3",
        "LlamaForCausalLM",
        _bert_like(4096, 32, 32, vocab_size=128256, num_key_value_heads=8)
        | {"intermediate_size": 14336},
        (8e9, 1e9, "model card"),
        15e12,
    ),
)
"""From the first to the last, by the dates of their families."""


def find_model(name: str) -> ModelSpec:
    """A model by its name.

    Raises:
        ValueError: there is none.

    >>> find_model("GPT-3").settings["n_embd"]
    12288
    """
    for model in MODELS:
        if model.name == name:
            return model
    names = ", ".join(repr(model.name) for model in MODELS)
    raise ValueError(f"there is no model {name!r}; there are {names}")
