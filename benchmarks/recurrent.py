"""Recurrent cells written out, against PyTorch's fused layers: forward and backward."""

from functools import partial

import torch
from run import compare
from torch import nn

from lmtutor.layers import GRUCell, LSTMCell, RecurrentCell, RNNCell

B, T, SIZE = 32, 64, 256


def train_step(layer: nn.Module, inputs: torch.Tensor) -> None:
    """What training costs: outputs, and the gradient of all weights."""
    layer.zero_grad()
    layer(inputs)[0].square().sum().backward()


def main() -> None:
    """Tokens per second of both, and their ratio, in one run."""
    inputs = torch.randn(B, T, SIZE)
    kinds: tuple[type[RecurrentCell], ...] = (RNNCell, LSTMCell, GRUCell)
    for kind in kinds:
        cell = kind(SIZE, SIZE)
        fused = cell.to_torch()
        compare(
            f"{kind.fused.__name__}: {B} x {T} tokens, {SIZE} wide, forward and backward",
            "tokens",
            B * T,
            {
                "lmtutor, gate by gate": partial(train_step, cell, inputs),
                "torch, fused": partial(train_step, fused, inputs),
            },
        )
