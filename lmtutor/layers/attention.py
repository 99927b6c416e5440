"""Scaled dot-product attention in the open, and the masks that say where it may look.

Source: Vaswani et al. 2017, "Attention Is All You Need", section 3.2.1. Left out: heads, which
`multi_head_attention.py` adds together with PyTorch's fused kernel; dropout on the weights.

Letters in the shapes: B batch, H heads, T queries, S keys, D size of a query and a key.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor


def causal_mask(num_queries: int, num_keys: int, device: torch.device | None = None) -> Tensor:
    """(T, S), True where a query may look: at its own position and before it.

    The last query stands at the last key, so that with T < S the queries continue a past that
    is already there.

    >>> causal_mask(2, 3).int()
    tensor([[1, 1, 0],
            [1, 1, 1]], dtype=torch.int32)

    Raises:
        ValueError: a number is below 1, or there are more queries than keys.
    """
    if not 1 <= num_queries <= num_keys:
        raise ValueError(
            f"there are {num_queries} queries and {num_keys} keys; give at least one query and "
            "at least as many keys, as the last query stands at the last key"
        )
    everywhere = torch.ones(num_queries, num_keys, dtype=torch.bool, device=device)
    return everywhere.tril(diagonal=num_keys - num_queries)


def padding_mask(lengths: Sequence[int] | Tensor, num_keys: int) -> Tensor:
    """(B, S), True at the keys that are there, False at the padding after them.

    To meet scores of shape (B, H, T, S), index it as `mask[:, None, None, :]`; `&` joins that
    with a `causal_mask`.

    >>> padding_mask([1, 3], 3).int()
    tensor([[1, 0, 0],
            [1, 1, 1]], dtype=torch.int32)

    Args:
        lengths: (B,), the number of keys of each sequence.
        num_keys: S, to which the sequences are padded.

    Raises:
        ValueError: lengths are no whole numbers in one row, or one is not in 1 .. S.
    """
    lengths = torch.as_tensor(lengths)
    if lengths.ndim != 1 or lengths.is_floating_point() or lengths.dtype == torch.bool:
        raise ValueError(
            f"lengths have shape {tuple(lengths.shape)} and type {lengths.dtype}; give one "
            "whole number for each sequence, shape (B,)"
        )
    wrong = ((lengths < 1) | (lengths > num_keys)).nonzero().flatten().tolist()
    if wrong:
        raise ValueError(
            f"sequence {wrong[0]} has length {int(lengths[wrong[0]])}; with {num_keys} keys it "
            f"must be between 1 and {num_keys}"
        )
    return torch.arange(num_keys, device=lengths.device) < lengths[:, None]


def masked_softmax(scores: Tensor, mask: Tensor | None = None) -> Tensor:
    """Softmax over the last axis, as if the keys behind False were not there.

    >>> scores = torch.tensor([[1.0, 1.0, 5.0], [1.0, 1.0, 5.0]])
    >>> masked_softmax(scores, torch.tensor([[True, True, False], [False, False, False]]))
    tensor([[0.5000, 0.5000, 0.0000],
            [0.0000, 0.0000, 0.0000]])

    Args:
        scores: (..., S)
        mask: boolean, broadcast to (..., S); True where a query may look. None: everywhere.

    Returns:
        (..., S); every row sums to one, or is all zeros where a query may look nowhere, as in
        PyTorch's fused kernel.

    Raises:
        ValueError: the mask is not boolean, or does not broadcast to the scores.
    """
    if mask is None:
        return scores.softmax(dim=-1)
    check_mask(mask, tuple(scores.shape))
    # The lowest number and not -inf, with which a row without keys would be 0 / 0.
    lowest = torch.finfo(scores.dtype).min
    return scores.masked_fill(~mask, lowest).softmax(dim=-1).masked_fill(~mask, 0.0)


def attention_weights(queries: Tensor, keys: Tensor, mask: Tensor | None = None) -> Tensor:
    """How much each query looks at each key: softmax(Q Kᵀ / √D), Vaswani et al. 2017, eq. 1.

    >>> attention_weights(torch.tensor([[1.0, 0.0]]), torch.eye(2))
    tensor([[0.6698, 0.3302]])

    Args:
        queries: (..., T, D)
        keys: (..., S, D)
        mask: boolean, broadcast to (..., T, S); True where a query may look. None: everywhere.

    Returns:
        (..., T, S); see `masked_softmax`.

    Raises:
        ValueError: queries and keys differ in their last size, there is no key, or the mask
            does not fit (see `masked_softmax`).
    """
    if queries.shape[-1] != keys.shape[-1]:
        raise ValueError(
            f"queries have size {queries.shape[-1]} but keys have size {keys.shape[-1]}; "
            "project both to the same head size first"
        )
    if not keys.shape[-2]:
        raise ValueError(f"keys have shape {tuple(keys.shape)}; give at least one key")
    scores = queries @ keys.mT / math.sqrt(queries.shape[-1])  # (..., T, S)
    return masked_softmax(scores, mask)


def attention(
    queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None = None
) -> Tensor:
    """The values, averaged for each query with its weights: softmax(Q Kᵀ / √D) V, Vaswani et
    al. 2017, eq. 1.

    The same as `F.scaled_dot_product_attention`, with every step in the open.

    >>> attention(torch.tensor([[1.0, 0.0]]), torch.eye(2), torch.tensor([[10.0], [20.0]]))
    tensor([[13.3024]])

    Args:
        queries: (..., T, D)
        keys: (..., S, D)
        values: (..., S, any size)
        mask: boolean, broadcast to (..., T, S); True where a query may look. None: everywhere.

    Returns:
        (..., T, size of the values); zeros for a query that may look nowhere.

    Raises:
        ValueError: as in `attention_weights`, or there are more or fewer values than keys.
    """
    if keys.shape[-2] != values.shape[-2]:
        raise ValueError(
            f"there are {keys.shape[-2]} keys but {values.shape[-2]} values; give one value "
            "for each key"
        )
    return attention_weights(queries, keys, mask) @ values  # (..., T, S) @ (..., S, D)


def check_mask(mask: Tensor, scores: tuple[int, ...]) -> None:
    """Refuse a mask that is not boolean or does not broadcast to scores of this shape.

    Raises:
        ValueError: with the type, or with both shapes.
    """
    kind = mask.dtype if isinstance(mask, Tensor) else type(mask).__name__
    if kind != torch.bool:
        raise ValueError(
            f"mask has type {kind}; give a boolean one, a tensor that is True where a "
            "query may look"
        )
    pairs = zip(reversed(mask.shape), reversed(scores), strict=False)
    if mask.ndim > len(scores) or any(size not in (1, whole) for size, whole in pairs):
        raise ValueError(
            f"mask has shape {tuple(mask.shape)}, which does not broadcast to the scores, "
            f"{scores}; a padding mask (B, S) meets scores (B, H, T, S) as "
            "mask[:, None, None, :]"
        )
