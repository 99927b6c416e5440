"""Folders of weights as the Hugging Face hub lays them out: found, checked and read.

A folder holds `config.json` and safetensors, in one file or in several with an index. Left out:
pickles, which can run a stranger's code when they are opened; weights in eight bits and fewer.
"""

import json
import re
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lmtutor.files import PathLike

_PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle")
_WANTED = ("*.json", "*.safetensors", "merges.txt", "vocab.txt", "*.model", "*.jinja")
_NAME = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?")
_WEIGHTS, _INDEX = "model.safetensors", "model.safetensors.index.json"
_TYPES = (torch.float32, torch.float16, torch.bfloat16, torch.float64)


def find_folder(
    path_or_name: PathLike, cache_dir: PathLike | None = None, revision: str | None = None
) -> Path:
    """The folder itself, or where the hub's library keeps that name.

    Args:
        path_or_name: a folder, or a name on the hub such as "openai-community/gpt2".
        cache_dir: where the hub's library keeps what it has loaded. None: where it always does.
        revision: a branch, tag or commit on the hub. None: the main branch.

    Raises:
        ValueError: it is a file, or neither a folder nor a possible name.
        ConnectionError: the hub does not have that name, or cannot be reached, and the cache
            does not hold it.
    """
    path = Path(path_or_name)
    if path.is_dir():
        return path
    if path.suffix in _PICKLES:
        raise ValueError(_refusal([path.name]))
    if path.exists():
        raise ValueError(f"{path} is a file; give the folder that holds it and config.json")
    name = str(path_or_name)
    if not isinstance(path_or_name, str) or not _NAME.fullmatch(name):
        raise ValueError(f"{name!r} is no folder, and no name on the hub such as 'org/model'")
    return _from_hub(name, cache_dir, revision)


def _from_hub(name: str, cache_dir: PathLike | None, revision: str | None) -> Path:
    from huggingface_hub import snapshot_download

    try:
        folder = snapshot_download(
            name,
            revision=revision,
            cache_dir=None if cache_dir is None else str(cache_dir),
            allow_patterns=list(_WANTED),
        )
    except (OSError, ValueError) as error:
        raise ConnectionError(
            f"{name!r} is no folder here, and neither the hub nor its local cache gave it "
            f"({type(error).__name__}); check the name and the network, unset HF_HUB_OFFLINE "
            "to let it be loaded, or give a folder"
        ) from error
    return Path(folder)


def read_config(folder: Path) -> dict[str, Any]:
    """What `config.json` says.

    Raises:
        ValueError: there is none, or it is not an object of JSON.
    """
    return _read_object(folder / "config.json", "as the hub's library writes it")


def read_weights(folder: Path, ignored: str) -> dict[str, Tensor]:
    """All tensors of a folder by name, in float32.

    Args:
        folder: with the safetensors.
        ignored: a pattern of names to leave out.

    Raises:
        ValueError: there are none, or only pickles; a file is cut short or missing; the index
            does not fit the files; a tensor holds no plain real numbers.
    """
    from safetensors import SafetensorError, safe_open

    tensors: dict[str, Tensor] = {}
    for path, expected in _weight_files(folder):
        try:
            with safe_open(path, framework="pt") as stored:
                names = set(stored.keys())
                _check_index(path, names, expected)
                for name in sorted(names):
                    if not re.fullmatch(ignored, name):
                        tensors[name] = _as_float32(path, name, stored.get_tensor(name))
        except (SafetensorError, OSError) as error:
            raise ValueError(f"{path} is no whole file of safetensors ({error})") from error
    return tensors


def _weight_files(folder: Path) -> list[tuple[Path, set[str] | None]]:
    """Each file, and the names that the index says are in it."""
    if (folder / _WEIGHTS).exists():
        return [(folder / _WEIGHTS, None)]
    if (folder / _INDEX).exists():
        return _indexed_files(folder)
    found = sorted(folder.glob("*.safetensors"))
    if len(found) == 1:
        return [(found[0], None)]
    if found:
        raise ValueError(
            f"{folder} holds {len(found)} files of safetensors and no {_INDEX} that says "
            "what is in which"
        )
    pickles = sorted(path.name for path in folder.iterdir() if path.suffix in _PICKLES)
    if pickles:
        raise ValueError(_refusal(pickles))
    raise ValueError(f"{folder} holds no weights; there should be {_WEIGHTS} or {_INDEX}")


def _indexed_files(folder: Path) -> list[tuple[Path, set[str] | None]]:
    index = _read_object(folder / _INDEX, "as the hub's library writes it")
    names: dict[str, set[str]] = {}
    weight_map = index.get("weight_map")
    if not isinstance(weight_map, dict) or not weight_map:
        raise ValueError(f"{folder / _INDEX} has no 'weight_map' of names and files")
    for name, file in weight_map.items():
        if not isinstance(file, str) or Path(file).name != file:
            raise ValueError(f"{folder / _INDEX} puts {name} into {file!r}, no file beside it")
        names.setdefault(file, set()).add(name)
    missing = sorted(file for file in names if not (folder / file).exists())
    if missing:
        raise ValueError(f"{folder} lacks {some(missing)}, which its index names")
    return [(folder / file, names[file]) for file in sorted(names)]


def _check_index(path: Path, names: set[str], expected: set[str] | None) -> None:
    if expected is not None and names != expected:
        raise ValueError(
            f"{path} does not hold what the index says: it lacks {some(expected - names)}, and "
            f"has besides {some(names - expected)}"
        )


def _as_float32(path: Path, name: str, tensor: Tensor) -> Tensor:
    if tensor.dtype not in _TYPES:
        raise ValueError(
            f"{name} in {path} is of {tensor.dtype}; there can be float32, float16, bfloat16 "
            "or float64"
        )
    return tensor.to(torch.float32, copy=True)  # else it stays a window into the file


def _read_object(path: Path, how: str) -> dict[str, Any]:
    try:
        content = json.loads(path.read_bytes())
    except OSError as error:
        raise ValueError(f"{path.parent} holds no {path.name} to read ({error})") from error
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is no JSON {how} ({error})") from error
    if not isinstance(content, dict):
        raise ValueError(f"{path} holds a {type(content).__name__}, not an object {how}")
    return content


def _refusal(pickles: list[str]) -> str:
    return (
        f"{some(pickles)}: that is a pickle, and opening one can run any code that its author "
        "put in. Take the safetensors of the same model; or, if you trust the author, load it "
        "with transformers and write safetensors with save_pretrained"
    )


def check_tensors(
    expected: dict[str, tuple[int, ...]], found: dict[str, tuple[int, ...]]
) -> None:
    """Refuse tensors that are not those of the configuration, which are given by name, with
    their shapes.
    """
    wrong = [
        f"{name} {found[name]} in place of {shape}"
        for name, shape in expected.items()
        if name in found and found[name] != shape
    ]
    missing, extra = expected.keys() - found.keys(), found.keys() - expected.keys()
    if missing or extra or wrong:
        raise ValueError(
            f"the tensors do not fit config.json: missing {some(set(missing))}; not known "
            f"{some(set(extra))}; of another shape {some(wrong)}"
        )


def some(names: set[str] | list[str], most: int = 8) -> str:
    """The first few of many names, for a message."""
    shown = ", ".join(sorted(names)[:most]) or "nothing"
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"
