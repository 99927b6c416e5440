"""What a transformer has computed of the texts so far, so that it need not compute it again.

Sources: Shazeer 2019, "Fast Transformer Decoding: One Write-Head is All You Need", section 2.4
(keys and values of earlier positions are kept while a text grows). Left out: caches on disk or
in pages; cutting the oldest positions off, which would change those after them; gradients, as
what is kept is written over: read within `torch.no_grad` or `torch.inference_mode`.

Letters in the shapes: L layers, R texts, G key/value heads, S room, T new positions, D size of
one head.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from lmtutor.layers.attention import causal_mask

_FIRST_ROOM = 512  # positions


class KeyValueCache:
    """Keys and values of all layers, for R texts that may have different lengths.

    The memory is taken before it is needed: for 512 positions, and for twice as many whenever
    they are full, up to `max_length`. A model gives each layer its `LayerCache`, which puts new
    positions after the old ones; once all layers have read, the one who called the model says
    with `advance` how many positions were real.

    Args:
        num_layers: L
        num_rows: R
        num_heads: G
        max_length: S
        head_size: D
        like: the type and the device of the numbers.

    Raises:
        ValueError: a size is below 1.
    """

    def __init__(
        self,
        num_layers: int,
        num_rows: int,
        num_heads: int,
        max_length: int,
        head_size: int,
        like: Tensor,
    ):
        sizes = (num_layers, num_rows, num_heads, max_length, head_size)
        if min(sizes) < 1:
            raise ValueError(f"the sizes of the cache are {sizes}; each must be at least 1")
        self.num_rows, self.max_length = num_rows, max_length
        # Zeros, as what lies behind the end of a text is multiplied by a weight of 0.
        room = min(max_length, _FIRST_ROOM)
        self.lengths = [0] * num_rows
        self.start: int | Tensor = 0
        """Where the next position stands: one number for all texts, or (R,)."""
        self._remember(_zeros((num_layers, 2, num_rows, num_heads, room, head_size), like))

    @property
    def layers(self) -> "list[LayerCache]":
        """The shares of the L layers. They are made when they are asked for: were they kept
        here, the memory would wait for the collector of reference cycles.
        """
        return [LayerCache(self, number) for number in range(len(self.views))]

    def advance(self, lengths: Sequence[int]) -> None:
        """So many of the positions that the layers have just added are real, in each text."""
        self._set_lengths([old + new for old, new in zip(self.lengths, lengths, strict=True)])

    def clear(self) -> None:
        """Nothing has been read."""
        self._set_lengths([0] * self.num_rows)

    def select(self, rows: Tensor) -> None:
        """Keep these texts alone, (N,) numbers from 0 to R - 1, in this order."""
        rows = rows.long()  # bytes would be taken for a mask
        filled = max(self.lengths)
        kept = self.memory[:, :, rows.to(self.memory.device), :, :filled]  # a copy
        if len(rows) <= self.num_rows:
            with _writable_views():
                fewer = self.memory[:, :, : len(rows)]
            self._remember(fewer)
        else:
            shape = (*self.memory.shape[:2], len(rows), *self.memory.shape[3:])
            self._remember(_zeros(shape, like=kept))
        self.memory[..., :filled, :] = kept
        self.num_rows = len(rows)
        self._set_lengths([self.lengths[row] for row in rows.tolist()])

    def mask(self, num_queries: int) -> Tensor | None:
        """Where each of T new positions may look, (T, S so far) or (R, 1, T, S so far); None
        where nothing is to be hidden.
        """
        if not isinstance(self.start, Tensor):
            if num_queries == 1:
                return None
            return causal_mask(num_queries, self.start + num_queries, self.memory.device)
        device = self.memory.device
        keys = torch.arange(max(self.lengths) + num_queries, device=device)
        queries = self.start[:, None] + torch.arange(num_queries, device=device)  # (R, T)
        return (keys <= queries[..., None])[:, None]

    def make_room(self, length: int) -> None:
        """See that texts of this length fit.

        Raises:
            ValueError: it is above `max_length`.
        """
        if length > self.max_length:
            raise ValueError(
                f"the longest text would have {length} positions, and the cache has room for "
                f"{self.max_length}"
            )
        room = self.memory.shape[-2]
        if length > room:
            more = min(self.max_length, max(length, 2 * room))
            old = self.memory
            self._remember(_zeros((*old.shape[:-2], more, old.shape[-1]), like=old))
            self.memory[..., :room, :] = old

    def _remember(self, memory: Tensor) -> None:
        """Keep all in this memory, (L, 2, R, G, S, D), of which each layer has its part."""
        self.memory = memory
        with _writable_views():
            self.views = [(memory[layer, 0], memory[layer, 1]) for layer in range(len(memory))]

    def __getstate__(self) -> dict[str, Any]:
        """Without the views, which a copy would take for memory of their own."""
        return {name: value for name, value in self.__dict__.items() if name != "views"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """A copy: its layers have their parts of the memory of the copy."""
        self.__dict__.update(state)
        self._remember(self.memory)

    def _set_lengths(self, lengths: list[int]) -> None:
        self.lengths = lengths
        same = len(set(lengths)) <= 1
        self.start = (
            (lengths[0] if lengths else 0)
            if same
            else torch.tensor(lengths, device=self.memory.device)
        )


@contextmanager
def _writable_views() -> Iterator[None]:
    """Views that are made here can be written to in every mode."""
    with torch.inference_mode(False), torch.enable_grad():
        yield


def _zeros(shape: tuple[int, ...], like: Tensor) -> Tensor:
    """Memory that can be written in `torch.inference_mode` and out of it."""
    with torch.inference_mode(False):
        return torch.zeros(shape, dtype=like.dtype, device=like.device)


class LayerCache:
    """The share of one layer in a `KeyValueCache`."""

    def __init__(self, cache: KeyValueCache, number: int):
        self.cache, self.number = cache, number

    @property
    def keys(self) -> Tensor:
        """(R, G, S, D), of which the first positions are filled."""
        return self.cache.views[self.number][0]

    @property
    def values(self) -> Tensor:
        """The same."""
        return self.cache.views[self.number][1]

    @property
    def start(self) -> int | Tensor:
        """Where the next position stands."""
        return self.cache.start

    def mask(self, num_queries: int) -> Tensor | None:
        """As `KeyValueCache.mask`."""
        return self.cache.mask(num_queries)

    def extend(self, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Put T new positions after the old ones.

        Args:
            keys: (R, G, T, D)
            values: (R, G, T, D)

        Returns:
            All keys and values up to the longest text, (R, G, S so far, D).

        Raises:
            ValueError: there is no room for them, or R, G or D are not those of the cache.
        """
        cache, length = self.cache, keys.shape[2]
        rows, heads, _, size = self.keys.shape
        if keys.shape != (rows, heads, length, size):  # one row would be copied to all
            raise ValueError(
                f"the new keys have shape {tuple(keys.shape)}, and the cache keeps {rows} "
                f"texts of {heads} heads of size {size}"
            )
        end = max(cache.lengths) + length
        cache.make_room(end)
        start, (old_keys, old_values) = cache.start, cache.views[self.number]
        if isinstance(start, Tensor):
            texts = torch.arange(rows, device=start.device)[:, None]  # (R, 1)
            places = start[:, None] + torch.arange(length, device=start.device)  # (R, T)
            old_keys[texts, :, places] = keys.transpose(1, 2)
            old_values[texts, :, places] = values.transpose(1, 2)
        else:
            old_keys.narrow(2, start, length).copy_(keys)
            old_values.narrow(2, start, length).copy_(values)
        return old_keys.narrow(2, 0, end), old_values.narrow(2, 0, end)
