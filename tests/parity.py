"""What the tests of layers share: parameters that hide nothing, and references in float64."""

import torch
from torch import nn

EXACT = {"rtol": 1e-9, "atol": 1e-9}


def loud(module, seed=0):
    """Large float64 parameters: with the usual small ones a missing 1/√D hides below the
    tolerance.
    """
    torch.manual_seed(seed)
    module.double()
    for parameter in module.parameters():
        nn.init.normal_(parameter, std=0.5)
    return module


def copy_parameters(pairs):
    """Give each parameter on the left the numbers on the right."""
    with torch.no_grad():
        for mine, other in pairs:
            mine.copy_(other)


class Float64Torch:
    """`torch`, but what asks for float32 gets float64.

    transformers compute parts of Llama in float32, whatever the parameters are: the norm, the
    softmax, and the angles of the rotary positions. Put in the place of `torch` in that module,
    this lifts the casts and leaves the rest of the code as it is.
    """

    float32 = float = torch.float64

    def __getattr__(self, name):
        return getattr(torch, name)


def llama_in_float64(monkeypatch):
    """The module of transformers' Llama, with its casts to float32 lifted."""
    from transformers.models.llama import modeling_llama

    monkeypatch.setattr(modeling_llama, "torch", Float64Torch())
    return modeling_llama
