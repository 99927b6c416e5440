"""Attention in the open, against PyTorch's fused kernel: forward and backward, with memory."""

from collections.abc import Callable
from functools import partial
from multiprocessing import get_context

import torch
from run import compare
from torch import Tensor, nn
from torch.nn import functional as F

from lmtutor.layers import CausalSelfAttention, MultiHeadAttention, attention, causal_mask
from lmtutor.runtime import peak_memory, set_threads

LENGTHS = (1024, 4096)
HEADS, HEAD_SIZE = 4, 32
Road = Callable[[Tensor, Tensor, Tensor], Tensor]


def in_the_open(queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """All scores at once, as the book shows it."""
    length = queries.shape[-2]
    return attention(queries, keys, values, causal_mask(length, length))


def fused(queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """What `MultiHeadAttention` calls with a mask."""
    length = queries.shape[-2]
    mask = causal_mask(length, length)
    return F.scaled_dot_product_attention(queries, keys, values, attn_mask=mask)


def fused_without_mask(queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """What `CausalSelfAttention` calls: the kernel passes over what the mask would hide."""
    return F.scaled_dot_product_attention(queries, keys, values, is_causal=True)


ROADS: dict[str, Road] = {
    "lmtutor, in the open": in_the_open,
    "lmtutor, fused, with a mask": fused,
    "lmtutor, fused, without one": fused_without_mask,
}


def train_step(road: Road, length: int) -> None:
    """What training costs: the output, and the gradients of queries, keys and values."""
    shape = (1, HEADS, length, HEAD_SIZE)
    inputs = [torch.randn(shape, requires_grad=True) for _ in range(3)]
    road(*inputs).square().sum().backward()


def layer_step(layer: nn.Module, hidden: Tensor, *arguments: object, **named: object) -> None:
    """The same for a layer with its projections; `nn.MultiheadAttention` returns a pair."""
    layer.zero_grad()
    output = layer(hidden, *arguments, **named)
    (output[0] if isinstance(output, tuple) else output).square().sum().backward()


def peak(name: str, length: int) -> float:
    """MiB by which one step raises the highest mark of a process that has done nothing big."""
    set_threads(1)
    train_step(ROADS[name], 16)  # what the first call loads
    before = peak_memory()
    train_step(ROADS[name], length)
    return (peak_memory() - before) / 2**20


def main() -> None:
    """Tokens per second, their ratio, and the memory, in one run."""
    size = HEADS * HEAD_SIZE
    for length in LENGTHS:
        compare(
            f"causal attention, {HEADS} heads of {HEAD_SIZE}, {length} tokens, forward and "
            "backward",
            "tokens",
            length,
            {name: partial(train_step, road, length) for name, road in ROADS.items()},
        )
        for name in ROADS:
            # A new process each, as the highest mark never falls.
            with get_context("spawn").Pool(1) as pool:
                print(f"  {name:<34} {pool.apply(peak, (name, length)):8.0f} MiB at the peak")
        hidden, mask = torch.randn(1, length, size), causal_mask(length, length)
        theirs = nn.MultiheadAttention(size, HEADS, batch_first=True)
        named = {"attn_mask": ~mask, "is_causal": True, "need_weights": False}
        compare(
            f"the same with the projections, {size} wide",
            "tokens",
            length,
            {
                "lmtutor, CausalSelfAttention": partial(
                    layer_step, CausalSelfAttention(size, HEADS), hidden
                ),
                "lmtutor, MultiHeadAttention": partial(
                    layer_step, MultiHeadAttention(size, HEADS), hidden, mask
                ),
                "torch, MultiheadAttention": partial(
                    layer_step, theirs, hidden, hidden, hidden, **named
                ),
            },
        )
