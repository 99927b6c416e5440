"""The layers of neural models, each proven equal to the reference of its kind."""

from lmtutor.layers.alignment import AdditiveAttention, Alignment, MultiplicativeAttention
from lmtutor.layers.attention import (
    attention,
    attention_weights,
    causal_mask,
    masked_softmax,
    padding_mask,
)
from lmtutor.layers.feed_forward import FeedForward, SwiGLU, gelu, gelu_tanh
from lmtutor.layers.key_value_cache import KeyValueCache, LayerCache
from lmtutor.layers.lora import LoRALinear, add_lora, lora_layers, merge_lora
from lmtutor.layers.multi_head_attention import (
    CausalSelfAttention,
    CrossAttention,
    MultiHeadAttention,
    NormedCausalSelfAttention,
)
from lmtutor.layers.normalization import LayerNorm, RMSNorm
from lmtutor.layers.positions import LearnedPositions, RotaryPositions, sinusoidal_positions
from lmtutor.layers.recurrent import GRUCell, LSTMCell, RecurrentCell, RNNCell
from lmtutor.layers.transformer_block import PostNormBlock, PreNormBlock, TransformerBlock

__all__ = [
    "AdditiveAttention",
    "Alignment",
    "CausalSelfAttention",
    "CrossAttention",
    "FeedForward",
    "GRUCell",
    "KeyValueCache",
    "LSTMCell",
    "LayerCache",
    "LayerNorm",
    "LearnedPositions",
    "LoRALinear",
    "MultiHeadAttention",
    "MultiplicativeAttention",
    "NormedCausalSelfAttention",
    "PostNormBlock",
    "PreNormBlock",
    "RMSNorm",
    "RNNCell",
    "RecurrentCell",
    "RotaryPositions",
    "SwiGLU",
    "TransformerBlock",
    "add_lora",
    "attention",
    "attention_weights",
    "causal_mask",
    "gelu",
    "gelu_tanh",
    "lora_layers",
    "masked_softmax",
    "merge_lora",
    "padding_mask",
    "sinusoidal_positions",
]
