"""Several heads of attention side by side, computed by PyTorch's fused kernel.

Sources: Vaswani et al. 2017, "Attention Is All You Need", sections 3.2.2 and 3.2.3; heads that
share keys and values: Ainslie et al. 2023, "GQA"; norms on queries and keys: Henry et al. 2020,
"Query-Key Normalization for Transformers". Left out: dropout on the weights.

Letters in the shapes: B batch, H heads, G key/value heads, T queries, S keys, D size of one
head, E = H * D hidden size, M size of the memory's vectors.
"""

from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lmtutor.layers.attention import attention_weights, causal_mask, check_mask
from lmtutor.layers.key_value_cache import LayerCache
from lmtutor.layers.positions import RotaryPositions


class MultiHeadAttention(nn.Module):
    """Self-attention in `num_heads` subspaces at once, then one output projection (Vaswani et
    al. 2017, section 3.2.2).

    `forward` takes PyTorch's fused kernel; `weights` gives the same numbers in the open, to be
    looked at. The tests hold the two against each other and against `nn.MultiheadAttention`.
    With `num_key_value_heads` below `num_heads`, neighbouring heads share their keys and values
    (grouped queries, Ainslie et al. 2023).

    >>> import torch
    >>> layer = MultiHeadAttention(hidden_size=8, num_heads=2)
    >>> hidden = torch.zeros(3, 5, 8)
    >>> layer(hidden).shape, layer.weights(hidden).shape
    (torch.Size([3, 5, 8]), torch.Size([3, 2, 5, 5]))

    Args:
        hidden_size: E
        num_heads: H, a divisor of E.
        num_key_value_heads: G, a divisor of H. None: H, each head has its own.
        bias: whether the projections have biases.
        rotary: turns queries and keys by their positions. None: the layer knows no positions.

    Raises:
        ValueError: the sizes do not divide, or `rotary` is made for another head size.
    """

    causal: ClassVar[bool] = False
    """Whether each position is kept from those after it, whatever the mask says."""

    def __init__(
        self,
        hidden_size: int,
        num_heads: int,
        num_key_value_heads: int | None = None,
        bias: bool = True,
        rotary: RotaryPositions | None = None,
    ):
        super().__init__()
        self.hidden_size, self.num_heads = hidden_size, num_heads
        self.head_size = _head_size(hidden_size, num_heads)
        groups = num_heads if num_key_value_heads is None else num_key_value_heads
        if groups < 1 or num_heads % groups:
            raise ValueError(
                f"{num_heads} heads do not divide into {groups} groups of equal size; "
                "num_key_value_heads must divide num_heads"
            )
        if rotary is not None and rotary.head_size != self.head_size:
            raise ValueError(
                f"rotary turns heads of size {rotary.head_size}, and these have size "
                f"{self.head_size}, hidden_size {hidden_size} / {num_heads} heads"
            )
        self.num_key_value_heads, self.rotary = groups, rotary
        rows = (num_heads + 2 * groups) * self.head_size
        self.query_key_value = nn.Linear(hidden_size, rows, bias=bias)
        self.output = nn.Linear(hidden_size, hidden_size, bias=bias)

    def forward(
        self, hidden: Tensor, mask: Tensor | None = None, cache: LayerCache | None = None
    ) -> Tensor:
        """Mix the values of each sequence.

        Args:
            hidden: (B, T, E)
            mask: boolean, (T, T), or four axes broadcast to (B, H, T, T); True where a query
                may look. None: everywhere.
            cache: keys and values of the positions before these, to which these are added; for
                layers that never look ahead, and without a mask.

        Returns:
            (B, T, E)

        Raises:
            ValueError: hidden is no (B, T, E) of this layer's E, or holds no position; the
                mask does not fit; or there is a cache together with a mask, in a layer that
                looks ahead, or without room.
        """
        if cache is not None:
            return self._read_on(hidden, mask, cache)
        queries, keys, values = self._heads(hidden)
        output: Tensor = self.output(_fused(queries, keys, values, mask, self.causal))
        return output

    def _read_on(self, hidden: Tensor, mask: Tensor | None, cache: LayerCache) -> Tensor:
        """`forward` after the positions of a cache."""
        if mask is not None or not self.causal:
            raise ValueError(
                "a cache is for layers that never look ahead, and brings its own mask; leave "
                "one of the two out"
            )
        queries, new_keys, new_values = self._heads(hidden, cache.start)
        keys, values = cache.extend(new_keys, new_values)  # (B, G, S, D)
        is_first = keys.shape[2] == hidden.shape[1]  # then the kernel needs no mask
        mask = None if is_first else cache.mask(hidden.shape[1])
        output: Tensor = self.output(_fused(queries, keys, values, mask, causal=is_first))
        return output

    def weights(self, hidden: Tensor, mask: Tensor | None = None) -> Tensor:
        """(B, T, E) -> (B, H, T, T), the matrix that the heat maps of the book show."""
        queries, keys, _ = self._heads(hidden)
        return _weights(queries, keys, mask, self.causal)

    def _heads(self, hidden: Tensor, start: int | Tensor = 0) -> tuple[Tensor, Tensor, Tensor]:
        """(B, T, E) -> queries (B, H, T, D), keys and values (B, G, T, D)"""
        _check_sequences("hidden", hidden, self.hidden_size)
        packed = self.query_key_value(hidden)  # (B, T, (H + 2 * G) * D)
        heads = _split_heads(packed, self.head_size)  # (B, H + 2 * G, T, D)
        own, shared = self.num_heads, self.num_key_value_heads
        matched, values = heads.split_with_sizes((own + shared, shared), dim=1)
        queries, keys = self._prepare(matched, start).split_with_sizes((own, shared), dim=1)
        return queries, keys, values

    def _prepare(self, matched: Tensor, start: int | Tensor) -> Tensor:
        """(B, H + G, T, D) -> the same: queries and keys, as they are before they meet."""
        return matched if self.rotary is None else self.rotary.rotate(matched, start)


class CausalSelfAttention(MultiHeadAttention):
    """`MultiHeadAttention` that never looks ahead: the same numbers as with `causal_mask`, and
    with any mask that is given on top of it.

    Without one, the kernel passes over the scores that would be hidden, and no mask lies in
    memory, which counts on long sequences.

    >>> import torch
    >>> CausalSelfAttention(hidden_size=8, num_heads=2).weights(torch.zeros(1, 2, 8))[0, 0]
    tensor([[1.0000, 0.0000],
            [0.5000, 0.5000]], grad_fn=<SelectBackward0>)
    """

    causal = True


class NormedCausalSelfAttention(CausalSelfAttention):
    """`CausalSelfAttention` whose queries and keys are normalized in each head, so that no
    score grows without bound in training (Henry et al. 2020; here with the norm of the root
    mean square and trained factors).

    >>> import torch
    >>> layer = NormedCausalSelfAttention(hidden_size=8, num_heads=2, bias=False)
    >>> layer(torch.zeros(3, 5, 8)).shape, layer.key_norm.weight.shape
    (torch.Size([3, 5, 8]), torch.Size([4]))
    """

    def __init__(
        self,
        hidden_size: int,
        num_heads: int,
        num_key_value_heads: int | None = None,
        bias: bool = True,
        rotary: RotaryPositions | None = None,
    ):
        super().__init__(hidden_size, num_heads, num_key_value_heads, bias, rotary)
        self.query_norm = nn.RMSNorm(self.head_size, eps=1e-6)
        self.key_norm = nn.RMSNorm(self.head_size, eps=1e-6)

    def _prepare(self, matched: Tensor, start: int | Tensor) -> Tensor:
        sizes = (self.num_heads, self.num_key_value_heads)
        queries, keys = matched.split_with_sizes(sizes, dim=1)
        normed = torch.cat((self.query_norm(queries), self.key_norm(keys)), dim=1)
        return super()._prepare(normed, start)


class CrossAttention(nn.Module):
    """Attention from one sequence to another, the memory: queries from the first, keys and
    values from the second (Vaswani et al. 2017, section 3.2.3).

    >>> import torch
    >>> layer = CrossAttention(hidden_size=8, num_heads=2, memory_size=6)
    >>> layer(torch.zeros(3, 5, 8), torch.zeros(3, 7, 6)).shape
    torch.Size([3, 5, 8])

    Args:
        hidden_size: E
        num_heads: H, a divisor of E.
        memory_size: M. None: E.
        bias: whether the projections have biases.

    Raises:
        ValueError: the sizes do not divide, or the memory size is below 1.
    """

    def __init__(
        self,
        hidden_size: int,
        num_heads: int,
        memory_size: int | None = None,
        bias: bool = True,
    ):
        super().__init__()
        self.hidden_size, self.num_heads = hidden_size, num_heads
        self.head_size = _head_size(hidden_size, num_heads)
        self.memory_size = hidden_size if memory_size is None else memory_size
        if self.memory_size < 1:
            raise ValueError(f"memory_size is {memory_size}; it must be at least 1")
        self.query = nn.Linear(hidden_size, hidden_size, bias=bias)
        self.key_value = nn.Linear(self.memory_size, 2 * hidden_size, bias=bias)
        self.output = nn.Linear(hidden_size, hidden_size, bias=bias)

    def forward(self, hidden: Tensor, memory: Tensor, mask: Tensor | None = None) -> Tensor:
        """Bring to each position what it needs of the memory.

        Args:
            hidden: (B, T, E)
            memory: (B, S, M)
            mask: boolean, (T, S), or four axes broadcast to (B, H, T, S); True where a query
                may look. None: everywhere.

        Returns:
            (B, T, E)

        Raises:
            ValueError: hidden or memory have another shape or hold no position, they differ in
                B, or the mask does not fit.
        """
        queries, keys, values = self._heads(hidden, memory)
        output: Tensor = self.output(_fused(queries, keys, values, mask, causal=False))
        return output

    def weights(self, hidden: Tensor, memory: Tensor, mask: Tensor | None = None) -> Tensor:
        """(B, T, E), (B, S, M) -> (B, H, T, S), the same weights in the open."""
        queries, keys, _ = self._heads(hidden, memory)
        return _weights(queries, keys, mask, causal=False)

    def _heads(self, hidden: Tensor, memory: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(B, T, E), (B, S, M) -> queries (B, H, T, D), keys and values (B, H, S, D)"""
        _check_sequences("hidden", hidden, self.hidden_size)
        _check_sequences("memory", memory, self.memory_size)
        if len(hidden) != len(memory):
            raise ValueError(
                f"hidden holds {len(hidden)} sequences and memory {len(memory)}; give one "
                "memory for each sequence"
            )
        parts = (self.query(hidden), *self.key_value(memory).chunk(2, dim=-1))
        queries, keys, values = (_split_heads(part, self.head_size) for part in parts)
        return queries, keys, values


def _fused(
    queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None, causal: bool
) -> Tensor:
    """(B, H, T, D), (B, G, S, D) twice -> (B, T, H * D), all steps in one kernel."""
    _check_head_mask(mask, queries, keys)
    if causal and mask is not None:  # without, the kernel knows how, if T = S
        mask = mask & causal_mask(queries.shape[2], keys.shape[2], mask.device)
    mixed = F.scaled_dot_product_attention(
        queries,
        keys,
        values,
        attn_mask=mask,
        is_causal=causal and mask is None,
        enable_gqa=queries.shape[1] != keys.shape[1],
    )
    return mixed.transpose(1, 2).flatten(2)  # (B, H, T, D) -> (B, T, H * D)


def _weights(queries: Tensor, keys: Tensor, mask: Tensor | None, causal: bool) -> Tensor:
    """(B, H, T, D), (B, G, S, D) -> (B, H, T, S)"""
    _check_head_mask(mask, queries, keys)
    if causal:
        before = causal_mask(queries.shape[2], keys.shape[2], queries.device)
        mask = before if mask is None else mask & before
    shared_by = queries.shape[1] // keys.shape[1]
    return attention_weights(queries, keys.repeat_interleave(shared_by, dim=1), mask)


def _split_heads(packed: Tensor, head_size: int) -> Tensor:
    """(B, T, H * D) -> (B, H, T, D)"""
    batch, length, _ = packed.shape
    return packed.view(batch, length, -1, head_size).transpose(1, 2)


def _head_size(hidden_size: int, num_heads: int) -> int:
    if hidden_size < 1 or num_heads < 1 or hidden_size % num_heads:
        raise ValueError(
            f"hidden_size {hidden_size} does not divide into {num_heads} heads of equal size"
        )
    return hidden_size // num_heads


def _check_sequences(name: str, sequences: Tensor, size: int) -> None:
    if sequences.ndim != 3 or sequences.shape[-1] != size or not sequences.shape[1]:
        raise ValueError(
            f"{name} has shape {tuple(sequences.shape)}; this layer reads (batch, length from "
            f"1 up, {size})"
        )


def _check_head_mask(mask: Tensor | None, queries: Tensor, keys: Tensor) -> None:
    """With three axes, (B, T, S) would be taken for one mask per head."""
    if mask is None:
        return
    scores = (*queries.shape[:3], keys.shape[2])
    if isinstance(mask, Tensor) and mask.ndim not in (2, 4):
        raise ValueError(
            f"mask has shape {tuple(mask.shape)}, and the scores (B, H, T, S) are {scores}; "
            "give two axes or four: of (B, T, S) take mask[:, None], of (H, T, S) mask[None]"
        )
    check_mask(mask, scores)
