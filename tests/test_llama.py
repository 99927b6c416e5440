"""Llama is Llama: against transformers, by formula and by count. What the cache does is tested
with GPT's.
"""

import dataclasses

import pytest
import torch
from parity import EXACT, llama_in_float64, loud

from lmtutor.decoding import generate
from lmtutor.models import Llama, LlamaConfig, LlamaVariant, count_llama_parameters
from lmtutor.pretrained import to_hf

SMALL = {"vocab_size": 29, "context_length": 12, "hidden_size": 24, "num_layers": 2}
SHAPES = [
    {"num_heads": 1, "num_key_value_heads": 1},
    {"num_heads": 2, "num_key_value_heads": 1, "tied": True},
    {"num_heads": 3, "rope_theta": 500000.0},
    {"num_heads": 4, "num_key_value_heads": 2, "inner_size": 7},
    {"num_heads": 6, "num_key_value_heads": 3, "norm_epsilon": 1e-6, "tied": True},
    {"num_heads": 6, "num_key_value_heads": 2, "hidden_size": 60, "rope_theta": 7.5},
    {"num_heads": 12, "num_key_value_heads": 1, "inner_size": 1, "num_layers": 3},
    {"num_heads": 5, "hidden_size": 10, "vocab_size": 2, "context_length": 1},
    {"num_heads": 12, "num_key_value_heads": 4, "context_length": 133, "norm_epsilon": 0.1},
]


def random_ids(model, rows, length, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(model.vocab_size, (rows, length), generator=generator)


@torch.no_grad()
@pytest.mark.parametrize("sizes", SHAPES)
def test_logits_equal_transformers(sizes, monkeypatch):
    llama_in_float64(monkeypatch)
    model = loud(Llama(**SMALL | sizes)).eval()
    theirs = to_hf(model)
    for length in {1, model.context_length // 2 or 1, model.context_length}:
        ids = random_ids(model, 3, length, seed=length)
        torch.testing.assert_close(model(ids), theirs(ids).logits, **EXACT)


@torch.no_grad()
@pytest.mark.parametrize("sizes", SHAPES)
def test_logits_nearly_equal_transformers_as_it_is(sizes):
    """In float32, with angles that they compute in float32."""
    model = loud(Llama(**SMALL | sizes)).float().eval()
    ids = random_ids(model, 3, model.context_length)
    theirs = to_hf(model)
    assert theirs.dtype == torch.float32
    torch.testing.assert_close(model(ids), theirs(ids).logits, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("tied", [True, False])
def test_gradients_equal_transformers(tied, monkeypatch):
    llama_in_float64(monkeypatch)
    model = loud(Llama(**SMALL, num_heads=6, num_key_value_heads=2, tied=tied))
    theirs = to_hf(model)
    ids = random_ids(model, 3, 12)
    direction = torch.randn(3, 12, 29).double()
    (mine,) = torch.autograd.grad((model(ids) * direction).sum(), model.embedding.weight)
    (other,) = torch.autograd.grad(
        (theirs(ids).logits * direction).sum(), theirs.model.embed_tokens.weight
    )
    torch.testing.assert_close(mine, other, **EXACT)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("groups", [1, 2, 6])
def test_greedy_generation_equals_transformers(groups, seed, monkeypatch):
    llama_in_float64(monkeypatch)
    sizes = SMALL | {"context_length": 40}
    model = Llama(**sizes, num_heads=6, num_key_value_heads=groups, bos_id=28, eos_id=28)
    model = loud(model, seed).eval()
    prompt = random_ids(model, 1, 6, seed)[0].tolist()
    ours = generate(model, prompt, max_new_tokens=30)
    expected = (
        to_hf(model)
        .generate(
            torch.tensor([[28, *prompt]]),
            attention_mask=torch.ones(1, 7),
            max_new_tokens=30,
            do_sample=False,
            pad_token_id=28,
        )[0]
        .tolist()
    )
    assert [28, *ours, *([28] if expected[-1] == 28 else [])] == expected
    assert len(ours) > 6


@pytest.mark.parametrize("sizes", SHAPES)
def test_the_formula_counts_what_is_there(sizes):
    model = Llama(**SMALL | sizes)
    assert count_llama_parameters(model.config) == model.num_parameters
    assert not [name for name, _ in model.named_parameters() if "bias" in name]


@pytest.mark.parametrize(
    ("count", "sizes"),
    [
        # Llama 2 7B, Llama 3 8B, SmolLM2 135M: as their weights on the hub
        (6_738_415_616, (32000, 4096, 4096, 32, 32, None, 11008, False)),
        (8_030_261_248, (128256, 8192, 4096, 32, 32, 8, 14336, False)),
        (134_515_008, (49152, 8192, 576, 30, 9, 3, 1536, True)),
    ],
)
def test_published_sizes_by_formula(count, sizes):
    config = LlamaConfig(*sizes[:-1], variant=LlamaVariant(tied=sizes[-1]))
    assert count_llama_parameters(config) == count


def test_the_settings_of_the_variant_stand_beside_the_sizes(tmp_path):
    variant = LlamaVariant(rope_theta=1e5, norm_epsilon=1e-6, tied=True)
    model = Llama(**SMALL, num_heads=3, rope_theta=1e5, norm_epsilon=1e-6, tied=True)
    assert model.config == LlamaConfig(**SMALL, num_heads=3, variant=variant)
    assert Llama(model.config).config == model.config
    assert Llama(**SMALL, num_heads=3, variant=variant).config == model.config
    assert model.output.weight is model.embedding.weight
    assert model.norm.eps == model.blocks[1].feed_forward_norm.eps == 1e-6
    assert model.blocks[1].attention.rotary.base == 1e5
    model.save(tmp_path / "m")
    loaded = Llama.load(tmp_path / "m")
    assert loaded.config == model.config
    ids = random_ids(model, 2, 12)
    assert torch.equal(loaded(ids), model.eval()(ids))


def test_defaults_are_those_of_the_paper():
    config = LlamaConfig(5, hidden_size=96, num_heads=4)
    assert (config.groups, config.gate_size, config.head_size) == (4, 256, 24)
    assert config.variant == LlamaVariant(10000.0, 1e-5, False)


def test_impossible_sizes_are_refused():
    for kind in (LlamaConfig, LlamaVariant):
        assert len(dataclasses.fields(kind)) <= 10
    with pytest.raises(ValueError, match="hidden_size 10 does not divide into 3 heads"):
        LlamaConfig(5, hidden_size=10, num_heads=3)
    with pytest.raises(ValueError, match="hidden_size 12 does not divide into 4 heads .* even"):
        LlamaConfig(5, hidden_size=12, num_heads=4)
    with pytest.raises(ValueError, match="6 heads do not divide into 4 groups"):
        LlamaConfig(5, hidden_size=24, num_heads=6, num_key_value_heads=4)
    names = ("context_length", "hidden_size", "num_layers", "num_heads", "inner_size")
    for name in (*names, "num_key_value_heads"):
        with pytest.raises(ValueError, match=f"{name} is 0; it must be at least 1"):
            LlamaConfig(5, **{name: 0})
    for theta in (1.0, float("nan"), float("inf")):
        with pytest.raises(ValueError, match=rf"rope_theta is {theta} \(above 1\)"):
            Llama(vocab_size=5, rope_theta=theta)
    with pytest.raises(ValueError, match="norm_epsilon -0.1"):
        Llama(vocab_size=5, norm_epsilon=-0.1)
    with pytest.raises(TypeError, match="rope_base"):
        Llama(vocab_size=5, rope_base=10)
