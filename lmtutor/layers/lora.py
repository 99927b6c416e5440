"""Low-rank adaptation: a large layer that is trained through two thin ones beside it.

Source: Hu et al. 2022, "LoRA: Low-Rank Adaptation of Large Language Models", section 4.1
(equation 3: h = W0 x + BA x, with B = 0 at the start and BA scaled by alpha / r). Left out:
layers of convolution and of embedding, layers whose matrix is read by others (tied to an
embedding, or inside `nn.MultiheadAttention`), and several adapters on one layer.

Letters in the shapes: I inputs of a layer, O its outputs, R rank.
"""

import math
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn


class LoRALinear(nn.Module):
    """A linear layer whose matrix stays as it is, and beside it a matrix of low rank that is
    trained: W x + b + (alpha / R) B A dropout(x) (Hu et al. 2022, equation 3).

    B begins with zeros, so that nothing is changed at the start.

    >>> layer = LoRALinear(nn.Linear(64, 32), rank=2)
    >>> sum(p.numel() for p in layer.parameters() if p.requires_grad), 64 * 32 + 32
    (192, 2080)

    Args:
        base: the layer, which is frozen.
        rank: R, from 1 to the smaller of the layer's two sizes.
        alpha: how much the low-rank part counts, above 0 and finite. None: 2 R.
        dropout: the share of the inputs of that part that is left out at random in training.

    Raises:
        ValueError: `base` is no `nn.Linear`, or a number is out of its range.
    """

    def __init__(
        self, base: nn.Linear, rank: int, alpha: float | None = None, dropout: float = 0.0
    ):
        super().__init__()
        _check(base, rank, alpha, dropout)
        self.base = base.requires_grad_(False)
        self.rank, self.merged = int(rank), False
        self.alpha = 2.0 * rank if alpha is None else float(alpha)
        self.dropout = nn.Dropout(dropout)
        self.down = nn.Parameter(base.weight.new_empty(rank, base.in_features))  # A (R, I)
        self.up = nn.Parameter(base.weight.new_zeros(base.out_features, rank))  # B (O, R)
        nn.init.kaiming_uniform_(self.down, a=5**0.5)

    def forward(self, x: Tensor) -> Tensor:
        """(..., I) -> (..., O)"""
        y: Tensor = self.base(x)
        if self.merged:
            return y
        low = self.dropout(x) @ self.down.T @ self.up.T  # (..., I) -> (..., R) -> (..., O)
        adapted: Tensor = y + self.alpha / self.rank * low
        return adapted

    def change(self) -> Tensor:
        """(O, I), what the low-rank part adds to the matrix: (alpha / R) B A."""
        return self.alpha / self.rank * (self.up @ self.down)

    @torch.no_grad()
    def merge(self) -> None:
        """Add the low-rank part to the matrix: the same outputs, at the cost of one layer."""
        if not self.merged:
            self.base.weight += self.change()
            self.merged = True

    @torch.no_grad()
    def unmerge(self) -> None:
        """Take it out again; up to rounding, the matrix is what it was."""
        if self.merged:
            self.base.weight -= self.change()
            self.merged = False


def add_lora(
    model: nn.Module,
    rank: int,
    alpha: float | None = None,
    dropout: float = 0.0,
    targets: Sequence[str] | None = None,
    also: Sequence[str] = (),
) -> int:
    """Freeze a model, and give linear layers of it low-rank parts to be trained, in place.

    Args:
        model: any network.
        rank: R, of each part.
        alpha: as in `LoRALinear`.
        dropout: as in `LoRALinear`.
        targets: the ends of the names of linear layers, such as "attention.output". None: all
            those in the blocks of a transformer (`model.blocks`).
        also: the names of parts that are trained whole, such as "output", a new head.

    Returns:
        How many numbers are trained.

    Raises:
        ValueError: the model has low-rank parts already, a target or a name in `also` is not
            there, or one is both, or the matrix of a target has a second use, such as an
            embedding; and as `LoRALinear`. The model is as it was then.

    >>> model = nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 2))
    >>> add_lora(model, rank=2, targets=["0"], also=["2"])
    50
    """
    if any(lora_layers(model)):
        raise ValueError("the model has low-rank parts already; merge_lora takes them in")
    if isinstance(also, str):
        raise ValueError(f"also is {also!r}; give a list of names")
    parts = dict(model.named_modules())
    absent = [name for name in also if name not in parts or not name]
    if absent:
        raise ValueError(f"the model has no part {absent[0]!r} that could be trained whole")
    chosen = _chosen(model, targets)
    for name in chosen:
        inside = [part for part in also if f"{name}.".startswith(f"{part}.")]
        if inside:
            raise ValueError(
                f"{name!r} is a target and in {inside[0]!r}, which is trained whole"
            )
    for name, layer in chosen.items():
        _check(layer, rank, alpha, dropout)
        _check_single_use(model, name, layer)
    layers = {name: LoRALinear(layer, rank, alpha, dropout) for name, layer in chosen.items()}
    model.requires_grad_(False)
    for name, adapted in layers.items():
        owner, _, last = name.rpartition(".")
        adapted.requires_grad_(True).base.requires_grad_(False)
        setattr(model.get_submodule(owner), last, adapted.train(model.training))
    for name in also:
        parts[name].requires_grad_(True)
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


def merge_lora(model: nn.Module) -> None:
    """Put plain linear layers in the place of those with a low-rank part, which is added to
    their matrices: the model computes the same and looks as before. All of it can be trained
    again.

    Raises:
        ValueError: the model is itself a `LoRALinear`, which has a `merge` of its own.
    """
    if isinstance(model, LoRALinear):
        raise ValueError("this is one layer and no model that has one; use its merge()")
    for name, layer in list(lora_layers(model)):
        layer.merge()
        owner, _, last = name.rpartition(".")
        setattr(model.get_submodule(owner), last, layer.base)
    model.requires_grad_(True)


def lora_layers(model: nn.Module) -> Iterator[tuple[str, LoRALinear]]:
    """The layers of a model that have a low-rank part, with their names."""
    for name, layer in model.named_modules():
        if isinstance(layer, LoRALinear):
            yield name, layer


def _chosen(model: nn.Module, targets: Sequence[str] | None) -> dict[str, nn.Linear]:
    """The layers that are to get a low-rank part, by name."""
    linear = {
        name: part
        for name, part in model.named_modules()
        if isinstance(part, nn.Linear) and name  # the model itself has no place in another
    }
    if targets is None:
        chosen = {name: part for name, part in linear.items() if ".blocks." in f".{name}"}
        if not chosen:
            raise ValueError(
                f"{type(model).__name__} has no blocks with linear layers; name the targets"
            )
        return chosen
    if isinstance(targets, str) or not targets:
        raise ValueError(f"targets are {targets!r}; give a list of names, one at least")
    chosen = {}
    for target in targets:
        found = {
            name: part for name, part in linear.items() if f".{name}".endswith(f".{target}")
        }
        if not found:
            ends = sorted({".".join(name.split(".")[-2:]) for name in linear})
            raise ValueError(
                f"no linear layer's name ends with {target!r}; they end with {', '.join(ends)}"
            )
        chosen |= found
    return {name: chosen[name] for name in linear if name in chosen}


def _check(base: nn.Module, rank: int, alpha: float | None, dropout: float) -> None:
    if not isinstance(base, nn.Linear):
        raise ValueError(f"{type(base).__name__} is no nn.Linear, and only those are adapted")
    smaller = min(base.in_features, base.out_features)
    if not hasattr(rank, "__index__") or not 1 <= rank <= smaller:
        raise ValueError(
            f"rank is {rank}; for a layer from {base.in_features} to {base.out_features} it "
            f"is a whole number from 1 to {smaller}"
        )
    if alpha is not None and not 0 < alpha < math.inf:
        raise ValueError(f"alpha is {alpha}; it must be above 0 and finite")
    if not 0 <= dropout < 1:
        raise ValueError(f"dropout is {dropout}; it must be from 0 up and below 1")


def _check_single_use(model: nn.Module, name: str, layer: nn.Linear) -> None:
    """Refuse a matrix to which a merged low-rank part would be added for others as well."""
    parameters = model.named_parameters(remove_duplicate=False)
    uses = [use for use, parameter in parameters if parameter is layer.weight]
    others = [use for use in uses if use != f"{name}.weight"]
    if others:
        raise ValueError(
            f"the matrix of {name!r} is also {others[0]}, which a low-rank part would change "
            "when it is merged; name other targets"
        )
