"""Training a small model to say what a large one says.

Sources: Hinton et al. 2015, "Distilling the Knowledge in a Neural Network", section 2 (soft
targets, and the factor T^2 that keeps their gradients in size); Sanh et al. 2019, "DistilBERT",
section 3 (a student that begins with every other layer of its teacher). Left out: DistilBERT's
third loss, the cosine between hidden states of the two.

Letters in the shapes: B batch, T positions, N targets in a batch, V vocabulary.
"""

import dataclasses
import re
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lmtutor.data.batches import IGNORED, Batch
from lmtutor.models import NeuralLanguageModel, StoredModel


class Distillation(nn.Module):
    """A student with a teacher beside it: what `fit_model` needs to train the one on the other.

    The loss of a target is `share` times the divergence of the student's distribution from the
    teacher's, T^2 KL(teacher || student) with all logits divided by the temperature T, plus
    1 - `share` times -log P(target). With a share of 0 the teacher is not asked, and the
    student is trained as any language model.

    The teacher is read in inference mode, where it lies, and is no part of what is trained and
    saved. On a GPU, put it there first.

    Args:
        student: what is trained.
        teacher: a language model with the same vocabulary.
        temperature: T, above 0. Above 1 the likeliest tokens count less, and the order of the
            unlikely ones more.
        share: of the soft targets, from 0 to 1.

    Raises:
        ValueError: the two differ in vocabulary, the temperature is not above 0, or the share
            is none.

    >>> from lmtutor.models import GPT
    >>> sizes = {"vocab_size": 10, "context_length": 8, "hidden_size": 8, "num_heads": 2}
    >>> pair = Distillation(GPT(num_layers=1, **sizes), GPT(num_layers=2, **sizes))
    >>> batch = Batch(torch.tensor([[0, 4, 7]]), torch.tensor([[4, 7, 1]]))
    >>> bool(pair.loss(batch) > 0)
    True
    """

    def __init__(
        self,
        student: NeuralLanguageModel,
        teacher: NeuralLanguageModel,
        temperature: float = 1.0,
        share: float = 1.0,
    ):
        super().__init__()
        if student.vocab_size != teacher.vocab_size:
            raise ValueError(
                f"the student has {student.vocab_size} tokens and the teacher "
                f"{teacher.vocab_size}; both must score the same vocabulary"
            )
        if not temperature > 0 or not 0 <= share <= 1:
            raise ValueError(
                f"temperature is {temperature} (above 0) and share {share} (from 0 to 1)"
            )
        self.student = student
        self._teacher = (teacher,)  # in a tuple, for a module would become a part of this one
        self.temperature, self.share = float(temperature), float(share)

    @property
    def teacher(self) -> NeuralLanguageModel:
        """What the student learns from."""
        return self._teacher[0]

    @property
    def blocks(self) -> nn.ModuleList:
        """Those of the student, which some optimisers ask for."""
        blocks = self.student.blocks
        assert isinstance(blocks, nn.ModuleList)
        return blocks

    def loss(self, batch: Batch) -> Tensor:
        """The sum over the targets of a batch, in nats; a scalar.

        Raises:
            ValueError: as the losses of the two models.
        """
        if self.share == 0:
            return self.student.loss(batch)
        asked = batch.targets != IGNORED  # (B, T)
        logits = self.student(self.student.check(batch.inputs))[asked.to(_device(self.student))]
        soft = soft_target_loss(
            logits,
            self._teacher_logits(batch)[asked.to(_device(self.teacher))],
            self.temperature,
        )
        hard = F.cross_entropy(
            logits, batch.targets[asked].long().to(logits.device), reduction="sum"
        )
        return self.share * soft + (1 - self.share) * hard

    def _teacher_logits(self, batch: Batch) -> Tensor:
        """(B, T, V), without a gradient, dropout or a change of the teacher's mode."""
        teacher = self.teacher
        training = [module for module in teacher.modules() if module.training]
        try:
            teacher.eval()
            with torch.no_grad():
                logits: Tensor = teacher(teacher.check(batch.inputs))
        finally:
            for module in training:
                module.training = True
        return logits


def soft_target_loss(logits: Tensor, teacher_logits: Tensor, temperature: float) -> Tensor:
    """T^2 KL(teacher || student) at the temperature T, summed over N targets, in nats.

    Its gradient is that of Hinton et al. 2015, section 2, whose cross entropy differs by the
    entropy of the teacher, which the student cannot change.

    Args:
        logits: (N, V) of the student.
        teacher_logits: (N, V)
        temperature: T

    >>> same = torch.tensor([[1.0, 2.0, 3.0]])
    >>> soft_target_loss(same, same + 5, temperature=2.0).item()
    0.0
    """
    wanted = (teacher_logits.to(logits.device) / temperature).log_softmax(dim=-1)  # (N, V)
    said = (logits / temperature).log_softmax(dim=-1)  # (N, V)
    return temperature**2 * F.kl_div(said, wanted, reduction="sum", log_target=True)


def take_blocks(
    teacher: StoredModel, numbers: Sequence[int], dropout: float = 0.0
) -> StoredModel:
    """A smaller model that begins with some blocks of a larger one, and with all else of it
    (Sanh et al. 2019, section 3).

    Args:
        teacher: a model whose configuration has `num_layers` and `dropout`.
        numbers: of the blocks to take, from 0, in their order.
        dropout: of the new model.

    Raises:
        ValueError: there is no block of a number, none is asked for, or a number comes twice.

    >>> from lmtutor.models import GPT
    >>> teacher = GPT(vocab_size=10, hidden_size=8, num_layers=4, num_heads=2)
    >>> student = take_blocks(teacher, [0, 3])
    >>> student.config.num_layers, teacher.num_parameters - student.num_parameters
    (2, 1744)
    """
    layers = teacher.config.num_layers
    if not numbers or sorted({*numbers}) != [*numbers] or not {*numbers} <= {*range(layers)}:
        raise ValueError(
            f"the blocks to take are {[*numbers]}; give numbers from 0 to {layers - 1}, one at "
            "least, each once, in ascending order"
        )
    config = dataclasses.replace(teacher.config, num_layers=len(numbers), dropout=dropout)
    with torch.random.fork_rng():
        student = type(teacher)(config).to(next(teacher.parameters()))
    weights = {}
    for name, tensor in teacher.state_dict().items():
        found = re.search(r"(?<![^.])blocks\.(\d+)\.", name)
        if found is None:
            weights[name] = tensor
        elif (number := int(found[1])) in numbers:
            place = f"blocks.{numbers.index(number)}."
            weights[name[: found.start()] + place + name[found.end() :]] = tensor
    student.load_state_dict(weights)
    return student


def _device(model: nn.Module) -> torch.device:
    return next(model.parameters()).device
