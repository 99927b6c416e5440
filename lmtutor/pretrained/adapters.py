"""Adapters: what fine-tuning by low-rank parts has learnt, in a small file without the model.

An adapter is worth nothing with another base model, and fits many: a file names its base by a
checksum over the base's weights, and is refused by others. Left out: several adapters on one
model.
"""

import warnings
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import nn

from lmtutor.files import PathLike, load_arrays, save_arrays
from lmtutor.layers.lora import LoRALinear, add_lora, lora_layers
from lmtutor.models.stored import as_array
from lmtutor.pretrained.own import WEIGHTS

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel

_KIND = "adapter"
_OURS = ("minilm-reviews",)
_OF_PEFT = ("smollm2-king-james",)
_BASE = "base.txt"


def available_adapters() -> list[str]:
    """The names that `load_adapter` and `load_peft_adapter` know.

    >>> available_adapters()
    ['minilm-reviews', 'smollm2-king-james']
    """
    return sorted(_OURS + _OF_PEFT)


def save_adapter(model: nn.Module, path: PathLike, dtype: torch.dtype | None = None) -> None:
    """Write what `add_lora` made trainable: the low-rank parts, and the parts trained whole.

    Args:
        model: has been through `add_lora`, and is not merged.
        path: of the file, safetensors.
        dtype: torch.float16 halves the file; None keeps the numbers as they are.

    Raises:
        ValueError: the model has no low-rank parts, they are merged, they differ in rank, alpha
            or dropout, or other parameters are trained than after `add_lora`; dtype is neither
            float32 nor float16; or a number is not finite, or too large for float16.
    """
    if dtype not in (None, torch.float32, torch.float16):
        raise ValueError(f"dtype is {dtype}; it can be float32, float16 or None")
    layers = dict(lora_layers(model))
    if not layers:
        raise ValueError(
            f"this {type(model).__name__} has no low-rank parts to save; add_lora makes them"
        )
    if any(layer.merged for layer in layers.values()):
        raise ValueError("the low-rank parts are merged into the model; unmerge() them first")
    also = _whole_parts(model)
    _check_trained(model, also)
    settings = {
        **_common_settings(layers.values()),
        "targets": list(layers),
        "also": also,
        "model": type(model).__name__,
        "base": base_fingerprint(model),
    }
    arrays = {
        name: as_array(_finite(name, parameter, dtype or parameter.dtype))
        for name, parameter in model.named_parameters()
        if parameter.requires_grad
    }
    save_arrays(path, _KIND, settings, arrays)


def load_adapter(path_or_name: PathLike, model: nn.Module) -> None:
    """Put an adapter on its base model, in place; `merge_lora` then takes it in.

    Args:
        path_or_name: a file that `save_adapter` wrote, or the one of `available_adapters()`
            that is ours, "minilm-reviews".
        model: the base, without low-rank parts. It is left ready to be used and not trained
            (`eval`).

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the adapter was made for another base model or another number of classes, is
            one of `peft`, or the file was changed. The model is as it was then.
    """
    if str(path_or_name) in _OF_PEFT:
        raise ValueError(
            f"{str(path_or_name)!r} is an adapter of peft, for a model of transformers; "
            "load_peft_adapter puts it there"
        )
    path = Path(path_or_name)
    if str(path_or_name) in _OURS:
        path = WEIGHTS / path / "adapter.safetensors"
    settings, arrays = load_arrays(path, _KIND)
    if settings["model"] != type(model).__name__:
        raise ValueError(
            f"{path} is an adapter for a {settings['model']}, and this is a "
            f"{type(model).__name__}"
        )
    _check_base(path, settings["base"], base_fingerprint(model, settings["also"]))
    for name, parameter in model.named_parameters():  # of the parts trained whole
        if name in arrays and arrays[name].shape != parameter.shape:
            raise ValueError(
                f"{name} has shape {arrays[name].shape} in {path}, and {tuple(parameter.shape)}"
                " in this model; make the model with the sizes, such as num_labels, of that one"
            )
    names = ("rank", "alpha", "dropout", "targets", "also")
    add_lora(model, **{name: settings[name] for name in names})
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.requires_grad:
                parameter.copy_(torch.from_numpy(arrays[name]))
    model.eval()


def load_peft_adapter(path_or_name: PathLike, model: "PreTrainedModel") -> "PeftModel":
    """An adapter in the format of `peft` on its base model.

    `peft` itself does not look at the weights of the base, and takes any of the same sizes.

    Args:
        path_or_name: a folder that `save_peft_adapter` wrote, or the one of
            `available_adapters()` that is of `peft`, "smollm2-king-james".
        model: the base, of `transformers`.

    Returns:
        The model with the adapter on it, ready to be used and not trained.

    Raises:
        FileNotFoundError: there is no such folder, or no adapter in it.
        ValueError: the adapter was made for another base model, or is none of `peft`.
    """
    from peft import PeftModel

    if str(path_or_name) in _OURS:
        raise ValueError(
            f"{str(path_or_name)!r} is an adapter for a model of this package; load_adapter "
            "puts it there"
        )
    folder = WEIGHTS / path_or_name if str(path_or_name) in _OF_PEFT else Path(path_or_name)
    _check_base(
        folder, (folder / _BASE).read_text(encoding="utf-8").strip(), base_fingerprint(model)
    )
    with warnings.catch_warnings():  # peft asks transformers for something under its old name
        warnings.filterwarnings("ignore", "`is_gradient_checkpointing`", FutureWarning)
        return PeftModel.from_pretrained(model, str(folder)).eval()


def save_peft_adapter(model: "PeftModel", folder: PathLike) -> None:
    """Write an adapter as `peft` does, in half precision, and beside it which base it is for.

    Args:
        model: with one adapter, under the name that `peft` gives it.
        folder: made if it is not there.

    Raises:
        ValueError: parts of the model are trained whole, of which the base would not be known;
            there are several adapters, or one of another name; it is merged; or a number of it
            is not finite, or too large for half precision.
    """
    from safetensors.torch import load_file, save_file

    if list(model.peft_config) != ["default"]:
        raise ValueError(
            f"the adapters are {list(model.peft_config)}; save a model with the one that "
            "get_peft_model calls 'default'"
        )
    if any(getattr(part, "merged", False) for part in model.modules()):
        raise ValueError("the adapter is merged into the model; unmerge_adapter() first")
    for name, parameter in model.named_parameters():
        ours = "lora_" in name
        if "modules_to_save" in name or (parameter.requires_grad and not ours):
            raise ValueError(f"{name} is trained whole; save this model with peft alone")
        if ours:
            _finite(name, parameter, torch.float16)

    folder = Path(folder)
    fingerprint = base_fingerprint(model.get_base_model())
    model.save_pretrained(str(folder))
    (folder / "README.md").unlink(missing_ok=True)  # peft's form with nothing filled in
    file = folder / "adapter_model.safetensors"
    halves = {name: tensor.half() for name, tensor in load_file(file).items()}
    save_file(halves, file, metadata={"format": "pt"})
    (folder / _BASE).write_text(fingerprint + "\n", encoding="utf-8")


def base_fingerprint(model: nn.Module, also: list[str] | None = None) -> str:
    """How many weights a model has without its adapter, and a checksum over them.

    The same in float32 and float64, for ours and before and after an adapter is added.

    Args:
        model: with or without an adapter, not merged.
        also: parts that are no part of the base, such as a new head. None: those that are
            trained whole beside low-rank parts.
    """
    also = _whole_parts(model) if also is None else also
    checksum = count = 0
    for name, tensor in sorted(_base_tensors(model).items()):
        if not any(f"{name}.".startswith(f"{part}.") for part in also):
            checksum = zlib.crc32(f"{name} {tuple(tensor.shape)}".encode(), checksum)
            values = tensor.detach().cpu().float().contiguous().numpy()
            checksum, count = zlib.crc32(values.data, checksum), count + tensor.numel()
    return f"{count:,} weights, checksum {checksum:08x}"


def _base_tensors(model: nn.Module) -> dict[str, torch.Tensor]:
    """The parameters under the names that they have without low-rank parts."""
    tensors: dict[str, torch.Tensor] = {}
    layers = {name for name, _ in lora_layers(model)}
    for name, parameter in model.named_parameters():
        owner, _, last = name.rpartition(".")
        if owner in layers or ".lora_" in name:
            continue
        if owner.removesuffix(".base") in layers:
            name = f"{owner.removesuffix('.base')}.{last}"
        tensors[name.replace(".base_layer.", ".")] = parameter
    return tensors


def _whole_parts(model: nn.Module) -> list[str]:
    """The modules that are trained whole: all parameters are, and none is of low rank."""
    layers = [name for name, part in lora_layers(model)]
    if not layers:
        return []
    owners = {
        name.rpartition(".")[0]
        for name, parameter in model.named_parameters()
        if parameter.requires_grad
    }
    return sorted(owners - {*layers})


def _check_trained(model: nn.Module, also: list[str]) -> None:
    """Refuse to save what would not come back: another choice of parameters to train than that
    of `add_lora`.
    """
    layers = {name for name, _ in lora_layers(model)}
    for name, parameter in model.named_parameters():
        owner = name.rpartition(".")[0]
        base = owner.removesuffix(".base") in layers and owner not in layers
        whole = not base and any(f"{name}.".startswith(f"{part}.") for part in also)
        if parameter.requires_grad != (owner in layers or whole):
            raise ValueError(
                f"{name} is {'trained' if parameter.requires_grad else 'frozen'}, which is not "
                "how add_lora left it; save the adapter before requires_grad is changed"
            )


def _common_settings(layers: Iterable[LoRALinear]) -> dict[str, float]:
    """The rank, alpha and dropout of all low-rank parts, which a file has once."""
    found = {(layer.rank, layer.alpha, layer.dropout.p) for layer in layers}
    if len(found) > 1:
        listed = [f"rank={r}, alpha={a}, dropout={d}" for r, a, d in sorted(found)]
        raise ValueError(
            f"the low-rank parts have {' and '.join(listed)}; make all with one add_lora"
        )
    rank, alpha, dropout = found.pop()
    return {"rank": rank, "alpha": alpha, "dropout": dropout}


def _finite(name: str, parameter: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """The numbers as `dtype` has them."""
    numbers = parameter.detach().to(dtype)
    if not numbers.isfinite().all():
        raise ValueError(
            f"{name} has values that are no finite numbers in {dtype}; the largest is "
            f"{float(parameter.detach().abs().max()):.3g}"
        )
    return numbers


def _check_base(path: Path, expected: str, found: str) -> None:
    if expected != found:
        raise ValueError(
            f"{path} is an adapter for another base model: that one has {expected}, and this "
            f"one {found}; load the model that it was trained on"
        )
