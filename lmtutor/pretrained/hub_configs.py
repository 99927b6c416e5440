"""What `config.json` on the Hugging Face hub means in our configurations, and what it must not
say.

Left out: settings that count only while training, such as dropout, and those of tasks other
than language modelling; they are passed over.
"""

import math
from typing import TYPE_CHECKING, Any

from lmtutor.models import BertConfig, GPTConfig, LlamaConfig, LlamaVariant

if TYPE_CHECKING:
    from transformers import BertConfig as TheirBertConfig
    from transformers import GPT2Config
    from transformers import LlamaConfig as TheirConfig

_TANH = ("gelu_new", "gelu_pytorch_tanh")  # two names of one function
# What else each option could say would change the numbers, and our models do not have it. The
# first value is the one that holds where the option is not given.
_GPT2_OPTIONS: dict[str, tuple[Any, ...]] = {
    "activation_function": _TANH,
    "layer_norm_epsilon": (1e-5,),
    "scale_attn_weights": (True,),
    "scale_attn_by_inverse_layer_idx": (False,),
    "reorder_and_upcast_attn": (False,),
    "add_cross_attention": (False,),
    "quantization_config": (None,),
}
_LLAMA_OPTIONS: dict[str, tuple[Any, ...]] = {
    "hidden_act": ("silu", "swish"),
    "attention_bias": (False,),
    "mlp_bias": (False,),
    "quantization_config": (None,),
}
_BERT_OPTIONS: dict[str, tuple[Any, ...]] = {
    "hidden_act": ("gelu",),
    "position_embedding_type": ("absolute", None),
    "is_decoder": (False,),
    "add_cross_attention": (False,),
    "tie_word_embeddings": (True,),
    "quantization_config": (None,),
}
_ROPE_OPTIONS: dict[str, tuple[Any, ...]] = {
    "rope_type": ("default",),
    "type": ("default",),
    "partial_rotary_factor": (1.0, None),
    "factor": (None, 1.0),
}


def gpt2_config(content: dict[str, Any]) -> GPTConfig:
    """The configuration of a `GPT`.

    Raises:
        ValueError: it is of another architecture, lacks a size, or has an option that `GPT`
            does not have.
    """
    _check_architecture(content, "gpt2", "load_gpt2")
    _check_options(content, _GPT2_OPTIONS)
    vocab_size = _size(content, "vocab_size")
    return GPTConfig(
        vocab_size=vocab_size,
        context_length=_size(content, "n_positions"),
        hidden_size=_size(content, "n_embd"),
        num_layers=_size(content, "n_layer"),
        num_heads=_size(content, "n_head"),
        inner_size=None if content.get("n_inner") is None else _size(content, "n_inner"),
        tied=_flag(content, "tie_word_embeddings", True),
        bos_id=_mark(content, "bos_token_id", 50256, vocab_size),
        eos_id=_mark(content, "eos_token_id", 50256, vocab_size),
    )


def llama_config(content: dict[str, Any]) -> LlamaConfig:
    """The configuration of a `Llama`.

    Raises:
        ValueError: it is of another architecture, lacks a size, or has an option that `Llama`
            does not have.
    """
    _check_architecture(content, "llama", "load_llama")
    _check_options(content, _LLAMA_OPTIONS)
    vocab_size = _size(content, "vocab_size")
    groups = content.get("num_key_value_heads")
    config = LlamaConfig(
        vocab_size=vocab_size,
        context_length=_size(content, "max_position_embeddings"),
        hidden_size=_size(content, "hidden_size"),
        num_layers=_size(content, "num_hidden_layers"),
        num_heads=_size(content, "num_attention_heads"),
        num_key_value_heads=None if groups is None else _size(content, "num_key_value_heads"),
        inner_size=_size(content, "intermediate_size"),
        variant=LlamaVariant(
            rope_theta=_rope_theta(content),
            norm_epsilon=_number("rms_norm_eps", content.get("rms_norm_eps", 1e-6)),
            tied=_flag(content, "tie_word_embeddings", False),
        ),
        bos_id=_mark(content, "bos_token_id", 1, vocab_size),
        eos_id=_mark(content, "eos_token_id", 2, vocab_size),
    )
    if content.get("head_dim") not in (None, config.head_size):
        raise ValueError(
            f"config.json says head_dim {content['head_dim']}, but hidden_size "
            f"{config.hidden_size} / num_attention_heads {config.num_heads} is "
            f"{config.head_size}; heads of another size are not supported"
        )
    return config


def bert_config(content: dict[str, Any]) -> BertConfig:
    """The configuration of a `Bert`.

    Raises:
        ValueError: it is of another architecture, lacks a size, or has an option that `Bert`
            does not have.
    """
    _check_architecture(content, "bert", "load_bert")
    _check_options(content, _BERT_OPTIONS)
    return BertConfig(
        vocab_size=_size(content, "vocab_size"),
        context_length=_size(content, "max_position_embeddings"),
        hidden_size=_size(content, "hidden_size"),
        num_layers=_size(content, "num_hidden_layers"),
        num_heads=_size(content, "num_attention_heads"),
        inner_size=_size(content, "intermediate_size"),
        num_segments=_size(content, "type_vocab_size"),
        norm_epsilon=_number("layer_norm_eps", content.get("layer_norm_eps", 1e-12)),
    )


def to_gpt2_config(config: GPTConfig) -> "GPT2Config":
    """The same for `transformers`."""
    from transformers import GPT2Config

    return GPT2Config(
        vocab_size=config.vocab_size,
        n_positions=config.context_length,
        n_embd=config.hidden_size,
        n_layer=config.num_layers,
        n_head=config.num_heads,
        n_inner=config.inner_size,
        resid_pdrop=config.dropout,
        embd_pdrop=config.dropout,
        attn_pdrop=0.0,
        tie_word_embeddings=config.tied,
        bos_token_id=config.bos_id,
        eos_token_id=config.eos_id,
    )


def to_llama_config(config: LlamaConfig) -> "TheirConfig":
    """The same for `transformers`."""
    from transformers import LlamaConfig as TheirConfig

    return TheirConfig(
        vocab_size=config.vocab_size,
        max_position_embeddings=config.context_length,
        hidden_size=config.hidden_size,
        intermediate_size=config.gate_size,
        num_hidden_layers=config.num_layers,
        num_attention_heads=config.num_heads,
        num_key_value_heads=config.groups,
        rms_norm_eps=config.variant.norm_epsilon,
        rope_parameters={"rope_type": "default", "rope_theta": config.variant.rope_theta},
        tie_word_embeddings=config.variant.tied,
        bos_token_id=config.bos_id,
        eos_token_id=config.eos_id,
    )


def to_bert_config(config: BertConfig, **options: Any) -> "TheirBertConfig":
    """The same for `transformers`."""
    from transformers import BertConfig as TheirBertConfig

    return TheirBertConfig(
        vocab_size=config.vocab_size,
        max_position_embeddings=config.context_length,
        hidden_size=config.hidden_size,
        intermediate_size=config.inner_size or 4 * config.hidden_size,
        num_hidden_layers=config.num_layers,
        num_attention_heads=config.num_heads,
        type_vocab_size=config.num_segments,
        layer_norm_eps=config.norm_epsilon,
        hidden_dropout_prob=config.dropout,
        attention_probs_dropout_prob=0.0,
        **options,
    )


def _check_architecture(content: dict[str, Any], expected: str, loader: str) -> None:
    loaders = {"bert": "load_bert", "gpt2": "load_gpt2", "llama": "load_llama"}
    found = content.get("model_type")
    if found == expected:
        return
    if isinstance(found, str) and found in loaders:
        raise ValueError(
            f"this is a {found!r}, and {loader} loads {expected!r}; use {loaders[found]}"
        )
    raise ValueError(
        f"the architecture (model_type) in config.json is {found!r}; supported are "
        f"{', '.join(f'{name!r} ({loader})' for name, loader in loaders.items())}"
    )


def _check_options(content: dict[str, Any], options: dict[str, tuple[Any, ...]]) -> None:
    for name, allowed in options.items():
        value = content.get(name, allowed[0])
        if value not in allowed:
            raise ValueError(
                f"config.json says {name} {value!r}, which would change the numbers and is not "
                f"supported; it can be {' or '.join(map(repr, allowed))}"
            )


def _rope_theta(content: dict[str, Any]) -> float:
    """Old files have rope_theta and rope_scaling, new ones rope_parameters."""
    theta = content.get("rope_theta", 10000.0)
    for name in ("rope_scaling", "rope_parameters"):
        given = content.get(name) or {}
        if not isinstance(given, dict):
            raise ValueError(f"config.json says {name} {given!r}; it should be an object")
        _check_options(given, _ROPE_OPTIONS)
        unknown = given.keys() - _ROPE_OPTIONS.keys() - {"rope_theta"}
        if unknown:
            raise ValueError(
                f"config.json says {name} {given!r}, and {', '.join(sorted(unknown))} is not "
                "supported, as it would change the numbers"
            )
        theta = given.get("rope_theta", theta)
    return _number("rope_theta", theta)


def _size(content: dict[str, Any], name: str) -> int:
    value = content.get(name)
    if not isinstance(value, int) or isinstance(value, bool):
        raise ValueError(f"config.json says {name} {value!r}; it should be a whole number")
    return value


def _number(name: str, value: Any) -> float:
    if (
        isinstance(value, bool)
        or not isinstance(value, int | float)
        or not math.isfinite(value)
    ):
        raise ValueError(f"config.json says {name} {value!r}; it should be a number")
    return float(value)


def _flag(content: dict[str, Any], name: str, default: bool) -> bool:
    value = content.get(name, default)
    if not isinstance(value, bool):
        raise ValueError(f"config.json says {name} {value!r}; it should be true or false")
    return value


def _mark(content: dict[str, Any], name: str, default: int, vocab_size: int) -> int:
    value = content.get(name, default)
    value = value[0] if isinstance(value, list) and value else value
    return value if isinstance(value, int) and 0 <= value < vocab_size else vocab_size - 1
