"""What all neural language models of the book share: a loss to train on, probabilities, files.

Left out: how they are trained; that is `lmtutor.training`.
"""

from abc import abstractmethod
from dataclasses import asdict
from typing import Any, ClassVar, Protocol, Self

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lmtutor.files import PathLike, load_arrays, save_arrays
from lmtutor.models.language_model import LanguageModel, check_ids, check_marks


class TokenBatch(Protocol):
    """What `loss` reads: ids and the ids that follow them, both (B, T)."""

    @property
    def inputs(self) -> Tensor:
        """(B, T) ids."""

    @property
    def targets(self) -> Tensor:
        """(B, T) the ids that follow them; -100 where there is nothing to predict."""

    @property
    def continues(self) -> bool:
        """Whether each row goes on where the same row of the batch before stopped."""


class NeuralLanguageModel(nn.Module, LanguageModel):
    """A network that gives logits to the next token: a language model that can be trained.

    A model is made from one configuration, a frozen dataclass with at least `vocab_size`,
    `bos_id` and `eos_id`; `Model(vocab_size=..., ...)` makes the configuration on the way.
    """

    config_class: ClassVar[type]

    def __init__(self, config: Any = None, **settings: Any):
        super().__init__()
        self.config = self.config_class(**settings) if config is None else config
        check_marks(self.config.vocab_size, self.config.bos_id, self.config.eos_id)
        self.vocab_size = self.config.vocab_size
        self.bos_id, self.eos_id = self.config.bos_id, self.config.eos_id

    @abstractmethod
    def forward(self, inputs: Tensor) -> Tensor:
        """(B, T) ids -> (B, T, V) logits, row t for the token after position t."""

    def log_probs(self, ids: Tensor) -> Tensor:
        """(B, T) -> (B, T, V), the logits normalised."""
        ids = self.check(ids)
        if ids.shape[1] == 0:
            return torch.zeros(len(ids), 0, self.vocab_size, device=ids.device)
        logits: Tensor = self(ids)
        return logits.log_softmax(dim=-1)

    def loss(self, batch: TokenBatch) -> Tensor:
        """The sum of -log P(target) over the targets of a batch, in nats; a scalar.

        Targets of -100 (`lmtutor.data.IGNORED`) are passed over.

        Raises:
            ValueError: inputs and targets differ in shape, an id is outside the vocabulary, or
                the sequences are longer than the model's context.
        """
        logits = self._training_logits(batch)  # (B, T, V)
        if batch.targets.shape != batch.inputs.shape:
            raise ValueError(
                f"inputs have shape {tuple(batch.inputs.shape)} and targets "
                f"{tuple(batch.targets.shape)}; each input has one target, -100 for none"
            )
        targets = self._check_targets(batch.targets)  # (B * T,)
        return F.cross_entropy(
            logits.flatten(0, 1), targets, ignore_index=-100, reduction="sum"
        )

    def _training_logits(self, batch: TokenBatch) -> Tensor:
        logits: Tensor = self(self.check(batch.inputs))
        return logits

    def check(self, ids: Tensor) -> Tensor:
        """The ids on the model's device, or a ValueError that says what is wrong with them."""
        check_ids(ids, self.vocab_size)
        if self.context_length is not None and ids.shape[1] > self.context_length:
            raise ValueError(
                f"the sequences have {ids.shape[1]} positions, and the model's context_length "
                f"is {self.context_length}; cut them, or score them in windows"
            )
        return ids.long().to(next(self.parameters()).device)

    def _check_targets(self, targets: Tensor) -> Tensor:
        """(B, T) -> (B * T,), on the model's device."""
        check_ids(targets.where(targets != -100, 0), self.vocab_size)
        return targets.long().flatten().to(next(self.parameters()).device)

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
            ValueError: dtype is another one.
        """
        if dtype not in (None, torch.float32, torch.float16, torch.int8):
            raise ValueError(f"dtype is {dtype}; it can be float32, float16, int8 or None")
        arrays: dict[str, np.ndarray] = {}
        for name, tensor in distinct_tensors(self).items():
            tensor = tensor.detach().cpu()
            if dtype == torch.int8 and tensor.ndim == 2:
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


_FACTORS = ".factors"


def distinct_tensors(model: nn.Module) -> dict[str, Tensor]:
    """The tensors of a model, each once, under its first name."""
    names: dict[int, str] = {}
    tensors = model.state_dict()
    for name, tensor in tensors.items():
        names.setdefault(tensor.data_ptr(), name)
    return {name: tensors[name] for name in names.values()}


def as_array(tensor: Tensor) -> np.ndarray:
    """A tensor as NumPy has it.

    Raises:
        ValueError: it is of bfloat16, which NumPy does not know.
    """
    if tensor.dtype == torch.bfloat16:
        raise ValueError("files hold no bfloat16; turn the model into float32 with .float()")
    return tensor.detach().cpu().numpy()
