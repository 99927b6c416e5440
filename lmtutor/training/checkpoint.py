"""A training on disk, so complete that one cut off at any point goes on as if it had not been.

One safetensors file holds the weights, buffers, optimiser state and random state as arrays, and
the rest as JSON in its header; it is written aside and renamed. Nothing in it is a pickle.
Of several processes each writes a file of its own, since each has random numbers and a
recurrent state of its own. Left out: going on with another number of processes.
"""

import json
from dataclasses import asdict, dataclass, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from lmtutor.data.batches import Batches
from lmtutor.files import load_arrays, save_arrays
from lmtutor.models.stored import as_array, low_rank_settings
from lmtutor.training.config import TrainingConfig
from lmtutor.training.history import TrainingHistory

_KIND = "lmtutor checkpoint"


@dataclass
class Progress:
    """Where a training stands."""

    history: TrainingHistory
    epoch: int = 0
    batch: int = 0
    """Of the epoch: the next one to read."""
    best: dict[str, Tensor] | None = None
    """The weights with the lowest validation loss so far."""


def save_checkpoint(
    path: Path,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    progress: Progress,
    settings: dict[str, Any],
) -> None:
    """Write everything that the rest of the training depends on.

    Raises:
        ValueError: the model holds bfloat16, which the file cannot.
    """
    tensors = {f"model.{name}": tensor for name, tensor in _all_tensors(model).items()}
    tensors |= {f"best.{name}": tensor for name, tensor in (progress.best or {}).items()}
    for number, state in optimizer.state_dict()["state"].items():
        for name, value in state.items():
            if value is not None:
                tensors[f"optimizer.{number}.{name}"] = torch.as_tensor(value)
    tensors["random.cpu"] = torch.get_rng_state()
    if torch.cuda.is_available():
        tensors["random.cuda"] = torch.cuda.get_rng_state()
    position = {"epoch": progress.epoch, "batch": progress.batch}
    facts = {"training": settings, **position, "history": asdict(progress.history)}
    arrays = {name: as_array(tensor) for name, tensor in tensors.items()}
    save_arrays(path, _KIND, facts, arrays)


def load_checkpoint(
    path: Path,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    settings: dict[str, Any],
) -> Progress:
    """Put a model, its optimiser and the random numbers into the state of a checkpoint.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is cut short or was changed, or another model, configuration or data made
            it; nothing is changed then.
    """
    facts, arrays = load_arrays(path, _KIND)
    difference = _difference(facts["training"], settings)
    if difference:
        raise ValueError(
            f"{path} was made by another training: {difference}; delete the file to begin anew"
        )
    parts = _by_part(arrays)
    _restore_model(model, parts["model"])
    _restore_optimizer(optimizer, parts.get("optimizer", {}))
    torch.set_rng_state(torch.from_numpy(arrays["random.cpu"]))
    if "random.cuda" in arrays and torch.cuda.is_available():
        torch.cuda.set_rng_state(torch.from_numpy(arrays["random.cuda"]))
    best = {name: torch.from_numpy(array) for name, array in parts.get("best", {}).items()}
    history = TrainingHistory(**facts["history"])
    return Progress(history, facts["epoch"], facts["batch"], best or None)


def describe_training(
    model: nn.Module,
    config: TrainingConfig,
    batches: Batches,
    validation: Batches | None,
    num_processes: int,
) -> dict[str, Any]:
    """What must be the same for a training to go on; the learning rate and the clipping need
    not.
    """
    own = getattr(model, "config", None)
    described = asdict(own) if is_dataclass(own) and not isinstance(own, type) else {}
    parameters = {
        name: [list(parameter.shape), str(parameter.dtype), parameter.requires_grad]
        for name, parameter in model.named_parameters()
    }
    low_rank = low_rank_settings(model)
    free = ("learning_rate", "max_gradient_norm")
    settings = {
        "model": type(model).__name__,
        "model_config": described,
        "parameters": parameters,
        **({"low_rank": low_rank} if low_rank else {}),  # older checkpoints have none
        "buffers": sorted(name for name, _ in model.named_buffers()),
        "config": {name: value for name, value in asdict(config).items() if name not in free},
        "data": batches.describe(),
        "validation": {} if validation is None else validation.describe(),
        "num_processes": num_processes,
    }
    plain: dict[str, Any] = json.loads(json.dumps(settings))  # as it comes back from a file
    return plain


def _all_tensors(model: nn.Module) -> dict[str, Tensor]:
    """Parameters and buffers, those included that a saved model leaves out."""
    return {**dict(model.named_parameters()), **dict(model.named_buffers())}


def _by_part(arrays: dict[str, np.ndarray]) -> dict[str, dict[str, np.ndarray]]:
    """{"model.embedding.weight": ...} -> {"model": {"embedding.weight": ...}}"""
    parts: dict[str, dict[str, np.ndarray]] = {}
    for name, array in arrays.items():
        part, _, rest = name.partition(".")
        parts.setdefault(part, {})[rest] = array
    return parts


def _restore_model(model: nn.Module, arrays: dict[str, np.ndarray]) -> None:
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(torch.from_numpy(arrays[name]))
        for name, buffer in model.named_buffers():
            owner, _, last = name.rpartition(".")
            # Assigned and not copied: a state that is carried along changes its shape.
            stored = torch.from_numpy(arrays[name]).to(buffer.device)
            setattr(model.get_submodule(owner), last, stored)


def _restore_optimizer(optimizer: torch.optim.Optimizer, arrays: dict[str, np.ndarray]) -> None:
    states: dict[int, dict[str, Tensor]] = {}
    for name, array in arrays.items():
        number, _, key = name.partition(".")
        states.setdefault(int(number), {})[key] = torch.from_numpy(array)
    current = optimizer.state_dict()
    optimizer.load_state_dict({"state": states, "param_groups": current["param_groups"]})


def _difference(found: dict[str, Any], expected: dict[str, Any], of: str = "") -> str:
    """The first thing that is not as expected, in words; nothing if there is none."""
    for name in [*expected, *(found.keys() - expected.keys())]:
        there, here = found.get(name, "missing"), expected.get(name, "missing")
        if isinstance(here, dict) and isinstance(there, dict):
            inner = _difference(there, here, f"{of}{name} ")
            if inner:
                return inner
        elif here != there:
            return f"its {of}{name} is {there}, and here it is {here}"
    return ""
