"""GPT is GPT-2: against transformers, with and without a cache, by formula and by count."""

import dataclasses
import math

import pytest
import torch
from parity import EXACT, loud
from torch import nn

from lmtutor.data import Batch
from lmtutor.decoding import generate
from lmtutor.models import (
    GPT,
    GPT2_SIZES,
    GPTConfig,
    Llama,
    ModernGPT,
    count_gpt_parameters,
)
from lmtutor.pretrained import to_hf

SMALL = {"vocab_size": 29, "context_length": 12, "hidden_size": 12, "num_layers": 2}
SHAPES = [
    {"num_heads": 1},
    {"num_heads": 2, "tied": False},
    {"num_heads": 3, "inner_size": 7},
    {"num_heads": 4, "inner_size": 61, "num_layers": 3, "tied": False},
    {"num_heads": 5, "hidden_size": 15, "context_length": 1},
    {"num_heads": 6, "vocab_size": 2, "context_length": 33, "num_layers": 1},
    {"num_heads": 12, "hidden_size": 12, "inner_size": 1},
]
READERS = {
    "GPT": lambda: GPT(**SMALL, num_heads=3),
    "ModernGPT": lambda: ModernGPT(**SMALL, num_heads=3),
    "Llama": lambda: Llama(**SMALL, num_heads=6, num_key_value_heads=2),
    "Llama with one key head": lambda: Llama(**SMALL, num_heads=3, num_key_value_heads=1),
}


STEPS = [[5, 1, 3], [1, 1, 1], [2, 4, 1], [1, 1, 3], [1, 2, 4]]  # how many tokens are read


def random_ids(model, rows, length, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(model.vocab_size, (rows, length), generator=generator)


@pytest.mark.parametrize("kind", [GPT, Llama, ModernGPT])
def test_a_configuration_and_settings_are_refused(kind):
    config = kind(**SMALL, num_heads=3).config
    assert kind(config).config == config
    with pytest.raises(ValueError, match="a configuration and besides hidden_size, num_heads"):
        kind(config, hidden_size=16, num_heads=4)


@pytest.mark.parametrize("sizes", SHAPES)
def test_logits_equal_transformers(sizes):
    model = loud(GPT(**SMALL | sizes)).eval()
    theirs = to_hf(model)
    for length in {1, model.context_length // 2 or 1, model.context_length}:
        ids = random_ids(model, 3, length, seed=length)
        torch.testing.assert_close(model(ids), theirs(ids).logits, **EXACT)


def test_gradients_equal_transformers():
    model = loud(GPT(**SMALL, num_heads=3))
    theirs = to_hf(model)
    ids = random_ids(model, 3, 12)
    direction = torch.randn(3, 12, 29).double()
    (mine,) = torch.autograd.grad((model(ids) * direction).sum(), model.embedding.weight)
    (other,) = torch.autograd.grad(
        (theirs(ids).logits * direction).sum(), theirs.transformer.wte.weight
    )
    torch.testing.assert_close(mine, other, **EXACT)  # also through the scores


@pytest.mark.parametrize("kind", READERS)
def test_nothing_is_seen_of_the_future(kind):
    model = loud(READERS[kind]())
    vectors = torch.randn(1, 12, 12, dtype=torch.float64, requires_grad=True)
    model.embedding.forward = lambda ids: vectors
    for place in (0, 5, 11):
        logits = model(torch.zeros(1, 12).long())[0, place]
        (gradient,) = torch.autograd.grad(logits.square().sum(), vectors)
        assert gradient[0, place + 1 :].eq(0).all()
        assert gradient[0, : place + 1].abs().sum(-1).gt(0).all()


def whole(model, ids):
    """(V,) what is read without a cache: the window from its start."""
    return model.log_probs(torch.tensor([ids]))[0, -1]


@torch.no_grad()
@pytest.mark.parametrize("kind", READERS)
@pytest.mark.parametrize("first", [1, 5, 12])
def test_cached_equals_uncached(kind, first):
    model = loud(READERS[kind]()).eval()
    ids = random_ids(model, 3, 12)
    expected = model.log_probs(ids)
    reader = model.start_reading(3)
    torch.testing.assert_close(reader.read(ids[:, :first]), expected[:, first - 1], **EXACT)
    for place in range(first, 12):
        read = reader.read(ids[:, place : place + 1])
        torch.testing.assert_close(read, expected[:, place], **EXACT)


@torch.no_grad()
@pytest.mark.parametrize("kind", READERS)
def test_cached_equals_uncached_for_texts_of_different_lengths(kind):
    model = loud(READERS[kind]()).eval()
    reader, texts = model.start_reading(3), [[], [], []]
    for step, lengths in enumerate(STEPS):
        ids = random_ids(model, len(texts), max(lengths), seed=step)
        for row, length in enumerate(lengths):
            texts[row] = texts[row] + ids[row, :length].tolist()
        read = reader.read(ids, lengths)
        for row, text in zip(read, texts, strict=True):
            torch.testing.assert_close(row, whole(model, text), **EXACT)
        if step in (1, 3):
            order = [2, 0, 2] if step == 1 else [1, 0, 2]
            reader.select(torch.tensor(order))
            texts = [texts[row] for row in order]
    assert [len(text) for text in texts] == [12, 9, 12]


@torch.no_grad()
@pytest.mark.parametrize("kind", READERS)
def test_a_full_context_goes_on_with_its_newer_half(kind):
    """Of 12 positions the newer 6, then 7, 8 and so on up to 12, then again 6; each text at its
    own time.
    """
    model = loud(READERS[kind]()).eval()
    ids = random_ids(model, 2, 40)
    reader, counts = model.start_reading(2), [5, 1]
    read = reader.read(ids[:, :5], counts)
    while counts[0] < 40:
        for row, text, count in zip(read, ids.tolist(), counts, strict=True):
            start = 0 if count <= 12 else -(-(count - 12) // 6) * 6
            torch.testing.assert_close(row, whole(model, text[start:count]), **EXACT)
        read = reader.read(ids[[0, 1], counts][:, None])
        counts = [count + 1 for count in counts]


@torch.no_grad()
@pytest.mark.parametrize("kind", READERS)
def test_padding_behind_a_short_text_needs_no_room_in_the_context(kind):
    """One text is nearly full, and another reads many tokens at once."""
    model = loud(READERS[kind]()).eval()
    reader = model.start_reading(2)
    first, more = random_ids(model, 2, 11), random_ids(model, 2, 10, seed=1)
    reader.read(first, [11, 2])
    read = reader.read(more, [1, 10])
    texts = [[*first[0].tolist(), int(more[0, 0])], [*first[1, :2].tolist(), *more[1].tolist()]]
    for row, text in zip(read, texts, strict=True):
        torch.testing.assert_close(row, whole(model, text), **EXACT)


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("seed", range(3))
def test_greedy_generation_equals_transformers(tied, seed):
    # The mark at the end of the vocabulary is never likely enough, so that all tokens come.
    model = GPT(**SMALL | {"context_length": 40}, num_heads=3, tied=tied, bos_id=28, eos_id=28)
    model = loud(model, seed).eval()
    theirs = to_hf(model)
    prompt = random_ids(model, 1, 6, seed)[0].tolist()
    ours = generate(model, prompt, max_new_tokens=30)
    expected = theirs.generate(
        torch.tensor([[28, *prompt]]),
        attention_mask=torch.ones(1, 7),
        max_new_tokens=30,
        do_sample=False,
        pad_token_id=28,
    )[0].tolist()
    assert [28, *ours, *([28] if expected[-1] == 28 else [])] == expected
    assert len(ours) > 10


def test_the_published_sizes_by_formula():
    counts = {name: count_gpt_parameters(config) for name, config in GPT2_SIZES.items()}
    assert counts == {
        "small": 124_439_808,
        "medium": 354_823_168,
        "large": 774_030_080,
        "xl": 1_557_611_200,
    }
    # Brown et al. 2020, table 2.1: layers, hidden size, heads; 2048 positions.
    table = {
        "125M": (12, 768, 12),
        "350M": (24, 1024, 16),
        "760M": (24, 1536, 16),
        "6.7B": (32, 4096, 32),
        "175.0B": (96, 12288, 96),
    }
    for name, (layers, size, heads) in table.items():
        config = GPTConfig(50257, 2048, size, layers, heads)
        stated = float(name[:-1]) * {"M": 1e6, "B": 1e9}[name[-1]]
        assert count_gpt_parameters(config) == pytest.approx(stated, rel=0.02)
    assert count_gpt_parameters(GPTConfig(50257, 2048, 12288, 96, 96)) == 174_604_259_328


@pytest.mark.parametrize("sizes", SHAPES)
def test_the_formula_counts_what_is_there(sizes):
    model = GPT(**SMALL | sizes)
    assert count_gpt_parameters(model.config) == model.num_parameters


def test_gpt2_small_is_what_transformers_builds():
    from transformers import GPT2Config, GPT2LMHeadModel

    with torch.device("meta"):
        ours, theirs = GPT(GPT2_SIZES["small"]), GPT2LMHeadModel(GPT2Config())
    assert ours.num_parameters == theirs.num_parameters() == 124_439_808
    assert (ours.bos_id, ours.eos_id) == (50256, 50256)


def test_the_first_weights_are_gpt2s():
    torch.manual_seed(0)
    model = GPT(vocab_size=500, context_length=64, hidden_size=128, num_layers=8, tied=False)
    residual = 0.02 / math.sqrt(16)
    for name, parameter in model.named_parameters():
        if "norm" in name:
            assert parameter.eq(name.endswith("weight")).all()
        elif name.endswith("bias"):
            assert parameter.eq(0).all()
        else:
            is_residual = "blocks" in name and "output" in name
            expected = residual if is_residual else 0.02
            assert parameter.std().item() == pytest.approx(expected, rel=0.05), name
    assert model.blocks[0].attention_norm.eps == 1e-5


@pytest.mark.parametrize("kind", ["GPT", "Llama"])
def test_an_untrained_model_knows_nothing_and_one_batch_can_be_learnt(kind):
    torch.manual_seed(0)
    model = READERS[kind]()
    ids = random_ids(model, 4, 12)
    batch = Batch(ids[:, :-1], ids[:, 1:])
    count = batch.targets.numel()
    assert model.loss(batch).item() / count == pytest.approx(math.log(29), abs=0.05)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    for _ in range(150):
        optimizer.zero_grad()
        loss = model.loss(batch) / count
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.05


def test_tied_scores_are_the_token_vectors():
    tied, untied = GPT(**SMALL, num_heads=3), GPT(**SMALL, num_heads=3, tied=False)
    assert tied.output.weight is tied.embedding.weight
    assert untied.output.weight is not untied.embedding.weight
    assert untied.num_parameters - tied.num_parameters == 29 * 12


@pytest.mark.parametrize("tied", [True, False])
def test_a_saved_model_is_the_same(tied, tmp_path):
    model = GPT(**SMALL, num_heads=3, tied=tied, dropout=0.1)
    model.save(tmp_path / "m")
    loaded = GPT.load(tmp_path / "m")
    assert loaded.config == model.config
    assert (loaded.output.weight is loaded.embedding.weight) == tied
    ids = random_ids(model, 2, 12)
    assert torch.equal(loaded(ids), model.eval()(ids))


def test_dropout_counts_in_training_alone():
    model = GPT(**SMALL, num_heads=3, dropout=0.5)
    ids = random_ids(model, 2, 12)
    assert not torch.equal(model(ids), model(ids))
    model.eval()
    assert torch.equal(model(ids), model(ids))
    assert sum(isinstance(module, nn.Dropout) for module in model.modules()) == 3


def test_impossible_sizes_are_refused():
    assert len(dataclasses.fields(GPTConfig)) <= 10
    with pytest.raises(ValueError, match="hidden_size 10 does not divide into 3 heads"):
        GPTConfig(5, hidden_size=10, num_heads=3)
    for name in ("context_length", "hidden_size", "num_layers", "num_heads", "inner_size"):
        with pytest.raises(ValueError, match=f"{name} is 0; it must be at least 1"):
            GPTConfig(5, **{name: 0})
    with pytest.raises(ValueError, match="dropout is 1"):
        GPTConfig(5, dropout=1)
    with pytest.raises(ValueError, match="mark 0 and the end mark 7 .* vocab_size, which is 5"):
        GPT(vocab_size=5, eos_id=7)
    with pytest.raises(ValueError, match="13 positions, and the model's context_length is 12"):
        GPT(**SMALL, num_heads=3).log_probs(torch.zeros(1, 13).long())
    with pytest.raises(dataclasses.FrozenInstanceError):
        GPTConfig(5).num_heads = 2
