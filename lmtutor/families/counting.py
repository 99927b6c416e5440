"""How large a published model is, and how much it computes: built from its configuration and
counted, on a device without memory.

On PyTorch's device "meta" a tensor has a shape and no numbers, so that the largest model takes
as little time and room as the smallest. The classes are those of the library transformers.
Left out: what attention saves by not computing the half that a causal mask hides, and the gaps
in every other attention of GPT-3.
"""

from functools import cache
from typing import TYPE_CHECKING, Any

from lmtutor.families.specs import ModelSpec, find_model
from lmtutor.families.tree import find_family

if TYPE_CHECKING:
    from torch import nn

BYTES_PER_PARAMETER = {"float32": 4.0, "bfloat16": 2.0, "int8": 1.0, "4-bit": 0.5}
"""What a weight takes. The factors that eight and four bits need beside them come on top, a few
per cent."""
_MAKES_ITS_MASK = {"OpenAIGPTLMHeadModel"}  # of ones and zeros, and asks for no numbers


def build_on_meta(model: ModelSpec | str) -> "nn.Module":
    """The model with all its shapes and none of its numbers.

    Args:
        model: a specification, or the name of one of `MODELS`.

    Raises:
        ValueError: there is no model of this name, or no such class in transformers.

    >>> build_on_meta("BERT base").cls.seq_relationship.weight
    Parameter containing:
    tensor(..., device='meta', size=(2, 768), requires_grad=True)
    """
    import torch
    import transformers

    spec = find_model(model) if isinstance(model, str) else model
    model_class: Any = getattr(transformers, spec.model_class, None)
    if model_class is None:
        raise ValueError(
            f"the library transformers has no class {spec.model_class!r}, which {spec.name!r} "
            "is built from"
        )
    # Written out, attention is two products of matrices, which the counter below can see.
    config = model_class.config_class(**spec.settings, attn_implementation="eager")
    with torch.device("meta"):
        built: nn.Module = model_class(config)
    return built.eval()


@cache
def count_parameters(name: str) -> int:
    """How many numbers a model trains; weights that are used twice count once.

    Args:
        name: of one of `MODELS`.

    Raises:
        ValueError: there is no such model.

    >>> count_parameters("GPT-3")
    174604259328
    """
    return sum(parameter.numel() for parameter in build_on_meta(name).parameters())


@cache
def count_flops(name: str, length: int) -> float:
    """The operations of a forward pass per token, as they are: each multiplication and each
    addition in a product of matrices is one.

    Args:
        name: of one of `MODELS`.
        length: of the text in tokens. A model with an encoder and a decoder reads so many and
            writes as many, and both are counted as tokens.

    Raises:
        ValueError: there is no such model, or length is below 1.
    """
    return flops_of(find_model(name), length)


def flops_of(spec: ModelSpec, length: int) -> float:
    """As `count_flops`, for a specification."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    if length < 1:
        raise ValueError(f"length is {length}; a text has at least 1 token")
    model = build_on_meta(spec)
    two_halves = find_family(spec.family).kind == "encoder-decoder"
    with torch.device("meta"), torch.no_grad():
        ids = torch.zeros(1, length, dtype=torch.long)
        inputs = {"input_ids": ids}
        if spec.model_class not in _MAKES_ITS_MASK:
            # A mask of four dimensions is taken as it is; of others the numbers are asked for.
            inputs["attention_mask"] = torch.zeros(1, 1, length, length)
        if two_halves:
            inputs["decoder_input_ids"] = ids
            inputs["decoder_attention_mask"] = inputs["attention_mask"]
        with FlopCounterMode(display=False) as counter:
            model(**inputs)
    return float(counter.get_total_flops() / (length * (2 if two_halves else 1)))


def memory_gb(parameters: float, precision: str = "float32") -> float:
    """What the weights take, in gigabytes of 10^9 bytes.

    Args:
        parameters: how many.
        precision: one of `BYTES_PER_PARAMETER`.

    Raises:
        ValueError: there is no such precision, or fewer than 0 parameters.

    >>> memory_gb(175e9, "bfloat16")
    350.0
    """
    _check_not_negative(parameters=parameters)
    if precision not in BYTES_PER_PARAMETER:
        raise ValueError(
            f"there is no precision {precision!r}; there are "
            f"{', '.join(map(repr, BYTES_PER_PARAMETER))}"
        )
    return parameters * BYTES_PER_PARAMETER[precision] / 1e9


def training_memory_gb(parameters: float) -> float:
    """What training with Adam takes in float32 besides the numbers on the way through the
    layers: weights, gradients and two running means, four bytes each; in gigabytes of 10^9.

    Raises:
        ValueError: there are fewer than 0 parameters.

    >>> training_memory_gb(1e9)
    16.0
    """
    return 4 * memory_gb(parameters)


def _check_not_negative(**numbers: float) -> None:
    for name, number in numbers.items():
        if not number >= 0:
            raise ValueError(f"{name} is {number}; it cannot be below 0")
