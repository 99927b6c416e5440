"""Token ids on disk, read as they are needed: a text of any size trains in little memory.

A token file is one safetensors file with a single array, "tokens", of uint16 or uint32, in
which each document stands between its begin and its end mark. Left out: compression.
"""

import json
import operator
from collections.abc import Iterable, Sequence
from itertools import chain
from pathlib import Path
from typing import BinaryIO

import numpy as np

from lmtutor.files import PathLike, writing_aside

_HEADER = 512  # bytes, the eight that give the header's length not counted
_KIND = "lmtutor token file 1"


class TokenFile:
    """A file of token ids, mapped into memory.

    Args:
        path: what `write` wrote.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no token file, or cut short.

    >>> import tempfile, os
    >>> path = os.path.join(tempfile.mkdtemp(), "tokens.safetensors")
    >>> stored = TokenFile.write(path, [[5, 6], [7]], vocab_size=10)
    >>> stored.tokens.tolist(), stored.num_documents
    ([0, 5, 6, 1, 0, 7, 1], 2)
    """

    def __init__(self, path: PathLike):
        self.path = Path(path)
        with self.path.open("rb") as file:
            size = int.from_bytes(file.read(8), "little")
            try:
                header = json.loads(file.read(size)) if size <= _HEADER else {}
                facts, array = header["__metadata__"], header["tokens"]
                if facts["kind"] != _KIND:
                    raise ValueError(f"it holds a {facts['kind']}")
                dtype = {"U16": np.uint16, "U32": np.uint32}[array["dtype"]]
                (length,) = array["shape"]
                self.vocab_size, self.num_documents = (
                    int(facts["vocab_size"]),
                    int(facts["documents"]),
                )
                self.bos_id, self.eos_id = int(facts["bos_id"]), int(facts["eos_id"])
            except (ValueError, KeyError, TypeError) as error:
                raise ValueError(f"{path} is no token file of ours ({error})") from error
        expected = 8 + size + length * np.dtype(dtype).itemsize
        if self.path.stat().st_size != expected:
            raise ValueError(
                f"{path} has {self.path.stat().st_size:,} bytes and should have {expected:,}; "
                "it was cut short: write it again"
            )
        self.tokens = np.memmap(path, dtype, mode="r", offset=8 + size, shape=(length,))
        """(N,) the ids; read from the disk where they are looked at."""

    def __len__(self) -> int:
        """The number of ids, marks included."""
        return len(self.tokens)

    @classmethod
    def write(
        cls,
        path: PathLike,
        sequences: Iterable[Sequence[int]],
        vocab_size: int,
        bos_id: int = 0,
        eos_id: int = 1,
    ) -> "TokenFile":
        """Write documents to a token file, one after the other, and open it.

        Args:
            path: of the file; an older one stays whole if writing fails.
            sequences: ids without marks, one sequence per document; any iterable, which is
                read once and never held.
            vocab_size: of the tokenizer. Up to 65,536 ids take two bytes each, else four.
            bos_id: the begin mark.
            eos_id: the end mark.

        Raises:
            ValueError: there is no document, or an id or a mark is none or lies outside the
                vocabulary.
        """
        if not (0 <= bos_id < vocab_size and 0 <= eos_id < vocab_size):
            raise ValueError(
                f"the marks {bos_id} and {eos_id} must be ids below vocab_size, which is "
                f"{vocab_size}"
            )
        dtype = np.dtype(np.uint16 if vocab_size <= 2**16 else np.uint32)
        with writing_aside(path) as file:
            file.write(bytes(8 + _HEADER))
            documents = -1
            for documents, ids in enumerate(sequences):
                marked = _checked(ids, documents, vocab_size)
                file.write(np.array([bos_id, *marked, eos_id], dtype).tobytes())
            if documents < 0:
                raise ValueError("there are no documents to write; give at least one")
            facts = {"kind": _KIND, "vocab_size": vocab_size, "documents": documents + 1}
            _write_header(file, {**facts, "bos_id": bos_id, "eos_id": eos_id}, dtype)
        return cls(path)


def whole_numbers(ids: Sequence[int], number: int, kind: str = "document") -> list[int]:
    """The ids of a document as Python's own numbers, or a ValueError that names it."""
    try:
        return list(map(operator.index, ids))
    except TypeError as error:
        raise ValueError(
            f"{kind} {number} is {repr(ids)[:60]}, and should be a list of ids ({error})"
        ) from error


def _checked(ids: Sequence[int], number: int, vocab_size: int) -> list[int]:
    checked = whole_numbers(ids, number)
    for position, token in enumerate(checked):
        if not 0 <= token < vocab_size:
            raise ValueError(
                f"id {token} at position {position} of document {number} is outside the "
                f"vocabulary of {vocab_size} ids"
            )
    return checked


def _write_header(file: BinaryIO, facts: dict[str, object], dtype: np.dtype) -> None:
    """As safetensors has it: the header's length, the header as JSON, filled with blanks."""
    size = file.tell() - 8 - _HEADER
    array = {
        "dtype": f"U{8 * dtype.itemsize}",
        "shape": [size // dtype.itemsize],
        "data_offsets": [0, size],
    }
    header = {"__metadata__": {k: str(v) for k, v in facts.items()}, "tokens": array}
    file.seek(0)
    file.write(_HEADER.to_bytes(8, "little") + json.dumps(header).encode().ljust(_HEADER))


def join_documents(
    sequences: Iterable[Sequence[int]], bos_id: int = 0, eos_id: int = 1
) -> np.ndarray:
    """(N,) the ids of all documents, each between its two marks: what a token file holds, in
    memory.

    Raises:
        ValueError: there are no documents.

    >>> join_documents([[5, 6], [7]]).tolist()
    [0, 5, 6, 1, 0, 7, 1]
    """
    marked = chain.from_iterable(
        (bos_id, *whole_numbers(ids, number), eos_id) for number, ids in enumerate(sequences)
    )
    tokens = np.fromiter(marked, np.int64)
    if not len(tokens):
        raise ValueError("there are no documents to join; give at least one")
    return tokens
