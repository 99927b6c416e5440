"""The one file that a page reads a model from.

Everything is little-endian.

| bytes | what |
|---|---|
| 0-3 | `LMTF` |
| 4-7 | version, a whole number: 1 |
| 8-11 | CRC-32 (as in zlib) of all bytes from 12 on |
| 12-15 | the length of the header in bytes |
| 16- | the header, JSON in UTF-8, and zeros up to the next multiple of 8 |
| then | the arrays, in C order, each beginning at a multiple of 8 |

The header has `kind` (the class of the model), `title`, `config`, `tokenizer`, and `tensors`:
for each array its `name`, `dtype`, `shape` and `offset`, counted from where the arrays begin.

- `float32`, `float16`, `uint8`, `uint16` and `uint32` are what they are called.
- `int8` holds the rows of a matrix as whole numbers from -127 to 127; the array of the same
  name with `.factors` behind it says what each row is multiplied by.
- `steps8` and `steps16` hold numbers as `low + step * code`, both in the header; the largest
  code stands for minus infinity.

Left out: reading it in Python to run the model; a model is kept with its own `save`.
"""

import json
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

MAGIC, VERSION = b"LMTF", 1
_HEAD = struct.Struct("<4sIII")


@dataclass(frozen=True)
class Stored:
    """An array as it lies in a file."""

    dtype: str
    """One of those above."""
    array: np.ndarray
    scale: Mapping[str, float] = field(default_factory=dict)
    """`low` and `step` of an array of steps."""


@dataclass(frozen=True)
class ModelFile:
    """What a page needs to run a model, or to show something that is none."""

    kind: str
    """The name of the model's class."""
    title: str
    """What the reader sees."""
    config: Mapping[str, Any]
    tokenizer: Mapping[str, Any] | None
    arrays: Mapping[str, Stored]

    def to_bytes(self) -> bytes:
        """The file.

        >>> ModelFile("Nothing", "", {}, None, {}).to_bytes()[:4]
        b'LMTF'
        """
        tensors, pieces, offset = [], [], 0
        for name, stored in self.arrays.items():
            content = np.ascontiguousarray(stored.array).tobytes()
            tensors.append(
                {
                    "name": name,
                    "dtype": stored.dtype,
                    "shape": list(stored.array.shape),
                    "offset": offset,
                    **stored.scale,
                }
            )
            pieces += [content, bytes(-len(content) % 8)]
            offset += len(content) + -len(content) % 8
        header = {
            "kind": self.kind,
            "title": self.title,
            "config": dict(self.config),
            "tokenizer": self.tokenizer,
            "tensors": tensors,
        }
        text = json.dumps(header, separators=(",", ":"), allow_nan=False).encode()
        rest = struct.pack("<I", len(text)) + text
        rest += bytes(-(_HEAD.size + len(text)) % 8) + b"".join(pieces)
        return _HEAD.pack(MAGIC, VERSION, zlib.crc32(rest), len(text)) + rest[4:]


def in_half(name: str, array: np.ndarray) -> Stored:
    """Numbers in 16 bits (IEEE 754 binary16).

    Raises:
        ValueError: a number is not finite, or too large for 16 bits.
    """
    array = np.asarray(array, dtype=np.float64)
    largest = float(np.abs(array).max(initial=0.0))
    if not largest <= 65504:
        raise ValueError(
            f"{name} holds a number of size {largest}, and 16 bits hold up to 65504; a model "
            "whose training diverged cannot be exported"
        )
    return Stored("float16", array.astype("<f2"))


def in_eighth(name: str, matrix: np.ndarray) -> dict[str, Stored]:
    """The rows of a matrix in 8 bits, with a factor for each, as `StoredModel.save` has them.

    Raises:
        ValueError: a number is not finite.
    """
    matrix = np.asarray(matrix, dtype=np.float32)
    if not np.isfinite(matrix).all():
        raise ValueError(
            f"{name} holds numbers that are not finite; a model whose training diverged cannot "
            "be exported"
        )
    factors = np.maximum(np.abs(matrix).max(axis=1, keepdims=True), np.float32(1e-12)) / 127
    return {
        name: Stored("int8", np.round(matrix / factors).astype("i1")),
        f"{name}.factors": Stored("float32", factors.astype("<f4")),
    }


def in_steps(array: np.ndarray, bits: int) -> Stored:
    """Numbers in equal steps from the smallest to the largest; minus infinity stays what it is.

    The error is at most half a step: of log-probabilities from -20 to 0, 0.04 in 8 bits and
    0.00015 in 16.

    >>> stored = in_steps(np.array([-np.inf, -2.0, 0.0]), bits=8)
    >>> stored.array, round(stored.scale["step"], 4)
    (array([255,   0, 254], dtype=uint8), 0.0079)

    Args:
        array: of numbers that are finite or minus infinity.
        bits: 8 or 16.
    """
    nothing = 2**bits - 1
    finite = np.isfinite(array)
    low = float(array[finite].min(initial=np.inf)) if finite.any() else 0.0
    high = float(array[finite].max(initial=-np.inf)) if finite.any() else 0.0
    step = (high - low) / (nothing - 1) or 1.0
    codes = np.full(array.shape, nothing, dtype=f"<u{bits // 8}")
    codes[finite] = np.round((array[finite] - low) / step)
    return Stored(f"steps{bits}", codes, {"low": low, "step": step})


def whole_numbers(array: np.ndarray) -> Stored:
    """Whole numbers from 0 up in the narrowest type that holds them.

    Raises:
        ValueError: one is above 2 ** 32 - 1.
    """
    largest = int(array.max(initial=0))
    for size in (1, 2, 4):
        if largest < 2 ** (8 * size):
            return Stored(f"uint{8 * size}", array.astype(f"<u{size}"))
    raise ValueError(f"{largest} is too large for a page, which counts up to {2**32 - 1}")
