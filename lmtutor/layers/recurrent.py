"""Recurrent cells written out gate by gate, and the way to PyTorch's fused ones and back.

Sources: Elman 1990, "Finding Structure in Time" (RNN);
Hochreiter and Schmidhuber 1997, "Long Short-Term Memory", with the forget gate of Gers et al.
2000, "Learning to Forget" (LSTM); Cho et al. 2014, "Learning Phrase Representations using RNN
Encoder-Decoder", section 2.3, in the variant of PyTorch, where the reset gate acts after the
hidden projection (GRU). Left out: peepholes, projections, several layers and both directions;
`nn.LSTM` has the last three.

Letters in the shapes: B batch, T positions, E input size, H hidden size, G number of gates.
"""

import math
from abc import ABC, abstractmethod
from typing import ClassVar, Self

import torch
from torch import Tensor, nn

State = tuple[Tensor, ...]
"""What a cell carries from one position to the next: (hidden,), or (hidden, cell) of an LSTM,
each (B, H)."""


class RecurrentCell(nn.Module, ABC):
    """A cell, and the loop over time around it.

    What the input contributes to the gates does not depend on the past, so that it is computed
    for all positions at once, before the loop.

    Args:
        input_size: E
        hidden_size: H

    Raises:
        ValueError: a size is below 1.
    """

    gates: ClassVar[tuple[str, ...]]
    """The blocks of H rows in the weights, in PyTorch's order."""
    fused: ClassVar[type[nn.RNNBase]]
    """PyTorch's layer that computes the same."""
    state_size: ClassVar[int] = 1
    """How many tensors the state has."""

    def __init__(self, input_size: int, hidden_size: int):
        super().__init__()
        if input_size < 1 or hidden_size < 1:
            raise ValueError(
                f"input_size is {input_size} and hidden_size {hidden_size}; both must be at "
                "least 1"
            )
        self.input_size, self.hidden_size = input_size, hidden_size
        rows = len(self.gates) * hidden_size
        self.weight_input = nn.Parameter(torch.empty(rows, input_size))  # (G * H, E)
        self.weight_hidden = nn.Parameter(torch.empty(rows, hidden_size))  # (G * H, H)
        self.bias = nn.Parameter(torch.empty(rows))
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -1 / math.sqrt(hidden_size), 1 / math.sqrt(hidden_size))

    @abstractmethod
    def step(self, projected: Tensor, state: State) -> State:
        """One position: (B, G * H) of the input's contributions, and the state before it, give
        the state after it. Its first tensor is the output.
        """

    def initial_state(self, batch_size: int) -> State:
        """Zeros: nothing has been read yet."""
        zeros = self.weight_hidden.new_zeros(batch_size, self.hidden_size)
        return (zeros,) * self.state_size

    def forward(self, inputs: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Read a batch of sequences from left to right.

        Args:
            inputs: (B, T, E)
            state: what an earlier call returned; None: nothing has been read.

        Returns:
            (B, T, H), the hidden state after each position, and the state after the last.

        Raises:
            ValueError: the inputs are no (B, T, E) of this cell's E, or hold no position.
        """
        if inputs.ndim != 3 or inputs.shape[-1] != self.input_size or not inputs.shape[1]:
            raise ValueError(
                f"inputs have shape {tuple(inputs.shape)}; this cell reads (batch, length from "
                f"1 up, {self.input_size})"
            )
        projected = inputs @ self.weight_input.mT + self.bias  # (B, T, G * H), all at once
        state = self.initial_state(len(inputs)) if state is None else state
        outputs = []
        for now in projected.unbind(dim=1):
            state = self.step(now, state)
            outputs.append(state[0])
        return torch.stack(outputs, dim=1), state

    @classmethod
    def from_torch(cls, layer: nn.RNNBase, number: int = 0) -> Self:
        """The cell that computes what one layer of `nn.RNN`, `nn.LSTM` or `nn.GRU` does.

        Raises:
            ValueError: the layer is of another kind, reads in both directions, has a projection
                or no biases, or is an `nn.RNN` with ReLU; or there is no layer of that number.
        """
        _check_layer(cls.fused, layer, number)
        weight = layer.get_parameter(f"weight_ih_l{number}")
        cell = cls(weight.shape[1], layer.hidden_size).to(weight.device, weight.dtype)
        with torch.no_grad():
            cell.weight_input.copy_(weight)
            cell.weight_hidden.copy_(layer.get_parameter(f"weight_hh_l{number}"))
            cell._take_biases(
                layer.get_parameter(f"bias_ih_l{number}"),
                layer.get_parameter(f"bias_hh_l{number}"),
            )
        return cell

    def to_torch(self) -> nn.RNNBase:
        """PyTorch's layer with the weights of this cell; it reads (B, T, E)."""
        layer = self.fused(self.input_size, self.hidden_size, batch_first=True)  # type: ignore[call-arg, arg-type]
        layer = layer.to(self.bias.device, self.bias.dtype)
        with torch.no_grad():
            layer.get_parameter("weight_ih_l0").copy_(self.weight_input)
            layer.get_parameter("weight_hh_l0").copy_(self.weight_hidden)
            self._give_biases(
                layer.get_parameter("bias_ih_l0"), layer.get_parameter("bias_hh_l0")
            )
        return layer

    def _take_biases(self, of_input: Tensor, of_hidden: Tensor) -> None:
        """PyTorch keeps two biases where one would do."""
        self.bias.copy_(of_input + of_hidden)

    def _give_biases(self, of_input: Tensor, of_hidden: Tensor) -> None:
        of_input.copy_(self.bias)
        of_hidden.zero_()


class RNNCell(RecurrentCell):
    """h_t = tanh(W x_t + U h_{t-1} + b), Elman 1990.

    >>> outputs, (hidden,) = RNNCell(3, 5)(torch.zeros(2, 7, 3))
    >>> outputs.shape, hidden.shape
    (torch.Size([2, 7, 5]), torch.Size([2, 5]))
    """

    gates = ("candidate",)
    fused = nn.RNN

    def step(self, projected: Tensor, state: State) -> State:
        """(B, H), (h,) -> (h,)"""
        (hidden,) = state
        return (torch.addmm(projected, hidden, self.weight_hidden.mT).tanh(),)


class LSTMCell(RecurrentCell):
    """A memory that is added to and not overwritten, behind three gates (Hochreiter and
    Schmidhuber 1997; forget gate: Gers et al. 2000).

    >>> outputs, (hidden, cell) = LSTMCell(3, 5)(torch.zeros(2, 7, 3))
    >>> outputs.shape, cell.shape
    (torch.Size([2, 7, 5]), torch.Size([2, 5]))
    """

    gates = ("input", "forget", "candidate", "output")
    fused = nn.LSTM
    state_size = 2

    def step(self, projected: Tensor, state: State) -> State:
        """(B, 4 * H), (h, c) -> (h, c)"""
        hidden, cell = state
        write, keep, candidate, show = self._open(projected, hidden)
        cell = keep * cell + write * candidate  # the old, in part, and the new, in part
        return show * cell.tanh(), cell

    def _open(self, projected: Tensor, hidden: Tensor) -> tuple[Tensor, ...]:
        """The input gate, the forget gate, the candidate and the output gate, each (B, H)."""
        sums = torch.addmm(projected, hidden, self.weight_hidden.mT)  # (B, 4 * H)
        write, keep, candidate, show = sums.chunk(4, dim=-1)
        return write.sigmoid(), keep.sigmoid(), candidate.tanh(), show.sigmoid()

    def watch(self, inputs: Tensor, state: State | None = None) -> dict[str, Tensor]:
        """What went on inside while reading (B, T, E): each gate by its name in `gates`,
        "cell" and "hidden", all (B, T, H).
        """
        state = self.initial_state(len(inputs)) if state is None else state
        seen: dict[str, list[Tensor]] = {name: [] for name in (*self.gates, "hidden", "cell")}
        for now in (inputs @ self.weight_input.mT + self.bias).unbind(dim=1):
            opened = self._open(now, state[0])
            state = self.step(now, state)
            for name, value in zip(seen, (*opened, *state), strict=True):
                seen[name].append(value)
        return {name: torch.stack(values, dim=1) for name, values in seen.items()}


class GRUCell(RecurrentCell):
    """One gate that both keeps and writes, and one that may hide the past from the candidate
    (Cho et al. 2014, section 2.3).

    >>> outputs, (hidden,) = GRUCell(3, 5)(torch.zeros(2, 7, 3))
    >>> outputs.shape
    torch.Size([2, 7, 5])
    """

    gates = ("reset", "update", "candidate")
    fused = nn.GRU

    def __init__(self, input_size: int, hidden_size: int):
        super().__init__(input_size, hidden_size)
        self.bias_hidden = nn.Parameter(torch.zeros(hidden_size))  # inside the reset gate

    def step(self, projected: Tensor, state: State) -> State:
        """(B, 3 * H), (h,) -> (h,)"""
        (hidden,) = state
        recurrent = hidden @ self.weight_hidden.mT  # (B, 3 * H)
        size = 2 * self.hidden_size
        reset, update = (projected[:, :size] + recurrent[:, :size]).sigmoid().chunk(2, dim=-1)
        past = reset * (recurrent[:, size:] + self.bias_hidden)
        candidate = (projected[:, size:] + past).tanh()
        return (candidate + update * (hidden - candidate),)  # u h + (1 - u) candidate

    def _take_biases(self, of_input: Tensor, of_hidden: Tensor) -> None:
        size = 2 * self.hidden_size
        self.bias.copy_(torch.cat([of_input[:size] + of_hidden[:size], of_input[size:]]))
        self.bias_hidden.copy_(of_hidden[size:])

    def _give_biases(self, of_input: Tensor, of_hidden: Tensor) -> None:
        of_input.copy_(self.bias)
        of_hidden.zero_()[2 * self.hidden_size :] = self.bias_hidden


def _check_layer(kind: type[nn.RNNBase], layer: nn.RNNBase, number: int) -> None:
    if not isinstance(layer, kind):
        raise ValueError(
            f"the layer is an {type(layer).__name__}, and this cell an {kind.__name__}"
        )
    if layer.bidirectional or layer.proj_size or not layer.bias:
        raise ValueError(
            f"the layer has bidirectional={layer.bidirectional}, proj_size={layer.proj_size}, "
            f"bias={layer.bias}; a cell reads one way, has no projection, and has biases"
        )
    if getattr(layer, "nonlinearity", "tanh") != "tanh":
        raise ValueError(
            f"the layer has nonlinearity={layer.nonlinearity!r}; a cell has 'tanh'"
        )
    if not 0 <= number < layer.num_layers:
        raise ValueError(f"there is no layer {number}; there are {layer.num_layers}, from 0")
