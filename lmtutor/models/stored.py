"""Networks that are made from one configuration, and the files they are kept in.

Left out: how they are trained; that is `lmtutor.training`.
"""

from dataclasses import asdict
from typing import Any, ClassVar, Self

import numpy as np
import torch
from torch import Tensor, nn

from lmtutor.files import PathLike, load_arrays, save_arrays
from lmtutor.layers.lora import lora_layers

_FACTORS = ".factors"


class StoredModel(nn.Module):
    """A network that knows its configuration and can be saved and loaded.

    The configuration is a frozen dataclass; `Model(vocab_size=..., ...)` makes it on the way.

    Raises:
        ValueError: there are both, a configuration and settings.
    """

    config_class: ClassVar[type]

    def __init__(self, config: Any = None, **settings: Any):
        super().__init__()
        if config is not None and settings:
            raise ValueError(
                f"there is a configuration and besides {', '.join(sorted(settings))}; give "
                "one of the two, or change the one with dataclasses.replace"
            )
        self.config = self.config_class(**settings) if config is None else config

    @property
    def num_parameters(self) -> int:
        """The trained numbers; weights that are used twice count once."""
        return sum(parameter.numel() for parameter in self.parameters())

    def save(self, path: PathLike, dtype: torch.dtype | None = None) -> None:
        """Write the model to a safetensors file; weights that are used twice are written once.

        Args:
            path: of the file; an older one stays whole if writing fails.
            dtype: torch.float16 halves the file and rounds the weights to about three digits.
                torch.int8 quarters it: each row of a matrix becomes whole numbers from -127 to
                127 and one factor; the rest is kept in float16. None keeps all as it is.

        Raises:
            ValueError: dtype is another one, or the model has low-rank parts that are not
                merged.
        """
        check_no_lora(self)
        if dtype not in (None, torch.float32, torch.float16, torch.int8):
            raise ValueError(f"dtype is {dtype}; it can be float32, float16, int8 or None")
        arrays: dict[str, np.ndarray] = {}
        for name, tensor in distinct_tensors(self).items():
            tensor = tensor.detach().cpu()
            if dtype == torch.int8 and tensor.ndim == 2:
                tensor = tensor.float()  # in bfloat16, 127 may round to 128, which is no int8
                factors = tensor.abs().amax(dim=1, keepdim=True).clamp_min(1e-12) / 127
                arrays[f"{name}{_FACTORS}"] = factors.float().numpy()  # (rows, 1)
                arrays[name] = (tensor / factors).round().to(torch.int8).numpy()
            else:
                kept = torch.float16 if dtype == torch.int8 else dtype
                arrays[name] = as_array(tensor.to(kept or tensor.dtype))
        save_arrays(path, type(self).__name__, asdict(self.config), arrays)

    @classmethod
    def load(cls, path: PathLike) -> Self:
        """Read what `save` wrote, in float32, ready to be used and not trained (`eval`).

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: it is cut short or was changed, or holds another model.
        """
        settings, arrays = load_arrays(path, cls.__name__)
        try:
            with torch.random.fork_rng(), torch.no_grad():
                model = cls(**settings)
                for name, tensor in distinct_tensors(model).items():
                    stored = torch.from_numpy(arrays[name]).float()
                    if f"{name}{_FACTORS}" in arrays:
                        stored *= torch.from_numpy(arrays[f"{name}{_FACTORS}"])
                    tensor.copy_(stored)
        except (TypeError, KeyError, RuntimeError) as error:
            raise ValueError(
                f"{path} holds no {cls.__name__} of this release ({error})"
            ) from error
        return model.eval()


def distinct_tensors(model: nn.Module) -> dict[str, Tensor]:
    """The tensors of a model, each once, under its first name."""
    names: dict[int, str] = {}
    tensors = model.state_dict()
    for name, tensor in tensors.items():
        names.setdefault(tensor.data_ptr(), name)
    return {name: tensors[name] for name in names.values()}


def check_no_lora(model: nn.Module) -> None:
    """Refuse a model with low-rank parts where a plain one is expected."""
    if any(lora_layers(model)):
        raise ValueError(
            f"this {type(model).__name__} has low-rank parts; merge_lora(model) takes them in, "
            "and save_adapter writes them alone"
        )


def low_rank_settings(model: nn.Module) -> dict[str, list[float]]:
    """Alpha and dropout of each layer with a low-rank part, which its weights do not tell."""
    return {name: [layer.alpha, layer.dropout.p] for name, layer in lora_layers(model)}


def as_array(tensor: Tensor) -> np.ndarray:
    """A tensor as NumPy has it.

    Raises:
        ValueError: it is of bfloat16, which NumPy does not know.
    """
    if tensor.dtype == torch.bfloat16:
        raise ValueError("files hold no bfloat16; turn the model into float32 with .float()")
    return tensor.detach().cpu().numpy()
