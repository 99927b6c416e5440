"""Files that survive: written aside and renamed, and checked by a checksum when they are read.

Every `save` and `load` of the package goes through here. A file is JSON or safetensors, never a
pickle, so that opening a stranger's file runs none of the stranger's code. Left out: locks; two
processes that save to one path at once both succeed, and the later one stays.
"""

import hashlib
import json
import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast

if TYPE_CHECKING:
    import numpy as np

PathLike = str | os.PathLike[str]


@contextmanager
def writing_aside(path: PathLike) -> Iterator[BinaryIO]:
    """A file to write to, which becomes the one at `path` whole or not at all.

    It is a new file in the same folder, forced to the disk, and then renamed. If the disk fills
    up or the process is killed on the way, what stood at `path` before is still there. A link
    is followed, and the permissions of an older file stay.

    Raises:
        OSError: the folder does not exist or cannot be written, or the disk is full.
    """
    target = Path(os.path.realpath(path))
    handle, name = tempfile.mkstemp(prefix=".lmtutor-", suffix=".part", dir=target.parent)
    try:
        with os.fdopen(handle, "wb") as aside:
            yield aside
            aside.flush()
            os.fsync(aside.fileno())
        os.chmod(name, _permissions(target))
        os.replace(name, target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def write_aside(path: PathLike, content: bytes) -> None:
    """Put `content` at `path` whole or not at all, as `writing_aside` does."""
    with writing_aside(path) as aside:
        aside.write(content)


def _permissions(target: Path) -> int:
    """What a file written to this path shall have: those of the file that is there, or what
    the user's mask leaves of read and write.
    """
    if target.exists():
        return target.stat().st_mode & 0o777
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask


def save_json(path: PathLike, kind: str, content: dict[str, Any]) -> None:
    """Write `content`, the kind of thing it is, and its checksum, as JSON."""
    document = {"kind": kind, "sha256": _digest([_canonical(content)]), "content": content}
    write_aside(path, json.dumps(document, indent=1).encode())


def load_json(path: PathLike, kind: str) -> dict[str, Any]:
    """Read what `save_json` wrote.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is cut short, edited, or holds another kind of thing.
    """
    try:
        document = json.loads(Path(path).read_bytes())
        found, digest, content = document["kind"], document["sha256"], document["content"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ValueError(
            f"{path} is not a whole file of ours ({error}); save it again"
        ) from error
    _expect(path, kind, found, digest, _digest([_canonical(content)]))
    return cast("dict[str, Any]", content)


def save_arrays(
    path: PathLike, kind: str, settings: dict[str, Any], arrays: "dict[str, np.ndarray]"
) -> None:
    """Write NumPy arrays with their settings and a checksum over both, as safetensors."""
    import numpy as np
    from safetensors.numpy import save

    # In C order, in which the checksum reads them; a transposed array may lie otherwise.
    arrays = {
        name: np.ascontiguousarray(array).reshape(array.shape) for name, array in arrays.items()
    }
    text = _canonical(settings).decode()
    digest = _digest(chain([text.encode()], _array_bytes(arrays)))
    write_aside(path, save(arrays, metadata={"kind": kind, "sha256": digest, "settings": text}))


def load_arrays(path: PathLike, kind: str) -> "tuple[dict[str, Any], dict[str, np.ndarray]]":
    """Read what `save_arrays` wrote: the settings, and the arrays by name.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is cut short, edited, or holds another kind of thing.
    """
    from safetensors import SafetensorError, safe_open

    Path(path).open("rb").close()  # a file that is not there says so in Python's own words
    try:
        with safe_open(path, framework="numpy") as stored:
            header = stored.metadata() or {}
            arrays = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118
        found, digest, text = header["kind"], header["sha256"], header["settings"]
    except (SafetensorError, KeyError, ValueError, TypeError, AttributeError) as error:
        raise ValueError(
            f"{path} is not a whole file of ours ({error}); save it again"
        ) from error
    _expect(path, kind, found, digest, _digest(chain([text.encode()], _array_bytes(arrays))))
    return json.loads(text), arrays


def stored_kind(path: PathLike) -> str:
    """The kind of thing that `save_json` or `save_arrays` wrote into a file.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: neither of the two wrote it.
    """
    from safetensors import SafetensorError, safe_open

    content = Path(path).read_bytes()
    try:
        if content[:1] == b"{":
            return str(json.loads(content)["kind"])
        with safe_open(path, framework="numpy") as stored:
            return str((stored.metadata() or {})["kind"])
    except (SafetensorError, KeyError, ValueError, TypeError) as error:
        raise ValueError(
            f"{path} is not a whole file of ours ({error}); save it again"
        ) from error


def _expect(path: PathLike, kind: str, found: str, digest: str, actual: str) -> None:
    if found != kind:
        raise ValueError(
            f"{path} holds a {found}, not a {kind}; load it with the class that saved it"
        )
    if str(digest) != actual:
        raise ValueError(
            f"{path} was changed after it was saved: checksum {actual[:12]}, expected "
            f"{str(digest)[:12]}"
        )


def _canonical(content: dict[str, Any]) -> bytes:
    return json.dumps(content, sort_keys=True, separators=(",", ":")).encode()


def _array_bytes(arrays: "dict[str, np.ndarray]") -> Iterator[bytes | memoryview]:
    """Names, types, shapes and values, so that a change to any of them is seen."""
    for name in sorted(arrays):
        array = arrays[name]
        yield f"{name} {array.dtype.str} {array.shape}".encode()
        yield array.reshape(-1).view("u1").data


def _digest(pieces: Iterable[bytes | memoryview]) -> str:
    digest = hashlib.sha256()
    for piece in pieces:
        digest.update(piece)
    return digest.hexdigest()
