"""Low-rank parts against `peft`'s, and adapters that know their base."""

import copy
import pickle

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from parity import EXACT, loud
from torch import nn

from lmtutor.data import Batch, WholeDocuments
from lmtutor.layers import LoRALinear, add_lora, lora_layers, merge_lora
from lmtutor.models import BertForClassification, ModernGPT, TextCNN
from lmtutor.pretrained import (
    base_fingerprint,
    load_adapter,
    load_peft_adapter,
    save_adapter,
    save_peft_adapter,
    to_hf,
)
from lmtutor.training import TrainingConfig, fit_model

# peft asks transformers for something under its old name
pytestmark = pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")

GPT_SIZES = {"vocab_size": 11, "context_length": 8, "hidden_size": 8, "num_heads": 2}
BERT_SIZES = {"vocab_size": 11, "hidden_size": 8, "num_layers": 2, "num_heads": 2}


def network(seed=0):
    return loud(nn.Sequential(nn.Linear(6, 10), nn.Tanh(), nn.Linear(10, 4)), seed)


def make_loud(model, seed=1):
    """Low-rank parts as after a training: B is not zero."""
    torch.manual_seed(seed)
    with torch.no_grad():
        for _, layer in lora_layers(model):
            layer.down.normal_(std=0.5)
            layer.up.normal_(std=0.5)
    return model


def peft_twin(model, rank, alpha, targets):
    """`peft`'s model with the same base and the same low-rank parts."""
    from peft import LoraConfig, get_peft_model

    layers = {name: copy.deepcopy(layer) for name, layer in lora_layers(model)}
    base = copy.deepcopy(model)
    for name, layer in layers.items():
        owner, _, last = name.rpartition(".")
        setattr(base.get_submodule(owner), last, layer.base)
    config = LoraConfig(r=rank, lora_alpha=alpha, target_modules=targets)
    theirs = get_peft_model(base, config, autocast_adapter_dtype=False)
    with torch.no_grad():
        for name, layer in layers.items():
            twin = theirs.base_model.model.get_submodule(name)
            twin.lora_A["default"].weight.copy_(layer.down)
            twin.lora_B["default"].weight.copy_(layer.up)
    return theirs


@pytest.mark.parametrize(("rank", "alpha"), [(1, 1.0), (3, 16.0), (4, None)])
def test_forward_gradients_and_merge_equal_those_of_peft(rank, alpha):
    model = network()
    add_lora(model, rank, alpha, targets=["0", "2"])
    make_loud(model)
    theirs = peft_twin(model, rank, 2 * rank if alpha is None else alpha, ["0", "2"])
    x = torch.randn(5, 6, dtype=torch.float64)
    ours, expected = model(x), theirs(x)
    torch.testing.assert_close(ours, expected, **EXACT)

    ours.square().sum().backward()
    expected.square().sum().backward()
    for name, layer in lora_layers(model):
        twin = theirs.base_model.model.get_submodule(name)
        torch.testing.assert_close(layer.down.grad, twin.lora_A["default"].weight.grad, **EXACT)
        torch.testing.assert_close(layer.up.grad, twin.lora_B["default"].weight.grad, **EXACT)
        assert layer.base.weight.grad is None

    merge_lora(model)
    merged = theirs.merge_and_unload()
    assert isinstance(model[0], nn.Linear)
    torch.testing.assert_close(model[0].weight, merged[0].weight, **EXACT)
    torch.testing.assert_close(model(x), merged(x), **EXACT)
    torch.testing.assert_close(model(x), expected, **EXACT)


def test_a_step_of_training_equals_pefts():
    model = network()
    add_lora(model, 2, 8.0, targets=["0", "2"])
    make_loud(model)
    theirs = peft_twin(model, 2, 8.0, ["0", "2"])
    x = torch.randn(5, 6, dtype=torch.float64)
    for each in (model, theirs):
        optimizer = torch.optim.AdamW([p for p in each.parameters() if p.requires_grad], lr=0.1)
        for _ in range(3):
            optimizer.zero_grad()
            each(x).square().mean().backward()
            optimizer.step()
    torch.testing.assert_close(model(x), theirs(x), **EXACT)


def test_dropout_is_of_the_low_rank_part_alone_as_in_peft():
    layer = LoRALinear(loud(nn.Linear(6, 4)), rank=2, dropout=0.5)
    x = torch.randn(7, 6, dtype=torch.float64)
    torch.testing.assert_close(layer.train()(x), layer.base(x), **EXACT)  # B is zero
    nn.init.normal_(layer.up)
    torch.manual_seed(3)
    noisy = layer(x)
    torch.manual_seed(3)
    kept = nn.functional.dropout(x, 0.5)
    expected = layer.base(x) + 2 * kept @ layer.down.T @ layer.up.T
    torch.testing.assert_close(noisy, expected, **EXACT)


@given(
    sizes=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    rank=st.integers(1, 9),
    alpha=st.floats(0.1, 64),
)
def test_merged_computes_the_same_and_unmerged_is_the_old_matrix(sizes, rank, alpha):
    layer = LoRALinear(loud(nn.Linear(*sizes)), min(rank, *sizes), alpha)
    before = layer.base.weight.clone()
    torch.testing.assert_close(
        layer(torch.ones(1, sizes[0]).double()),
        layer.base(torch.ones(1, sizes[0]).double()),
        **EXACT,
    )
    nn.init.normal_(layer.up)
    x = torch.randn(3, sizes[0], dtype=torch.float64)
    open_output = layer(x)
    layer.merge()
    layer.merge()
    torch.testing.assert_close(layer(x), open_output, **EXACT)
    assert torch.linalg.matrix_rank(layer.change(), rtol=1e-9) <= layer.rank
    layer.unmerge()
    layer.unmerge()
    torch.testing.assert_close(layer.base.weight, before, **EXACT)
    torch.testing.assert_close(layer(x), open_output, **EXACT)


def test_only_low_rank_parts_and_the_named_head_are_trained():
    torch.manual_seed(0)
    model = BertForClassification(num_labels=2, **BERT_SIZES)
    trained = add_lora(model, rank=2, also=["bert.pooler", "output"])
    per_block = 2 * (8 + 24) + 2 * (8 + 8) + 2 * 2 * (8 + 32)
    assert trained == 2 * per_block + (8 * 8 + 8) + (8 * 2 + 2)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    ids = torch.tensor([[2, 5, 4, 3], [2, 6, 7, 3]])
    loss = nn.functional.cross_entropy(
        model(ids, torch.ones_like(ids, dtype=torch.bool)), torch.tensor([0, 1])
    )
    config = TrainingConfig(num_steps=1, learning_rate=0.1, weight_decay=0.1)
    optimizer = config.make_optimizer(model)
    loss.backward()
    optimizer.step()
    changed = {
        name
        for name, tensor in model.state_dict().items()
        if not torch.equal(tensor, before[name])
    }
    assert changed
    assert all(
        name.split(".")[-1] in ("down", "up") or name.startswith(("output.", "bert.pooler."))
        for name in changed
    )
    assert {"output.weight", "bert.pooler.weight"} <= changed


def test_fit_model_trains_an_adapted_gpt_and_leaves_its_base():
    torch.manual_seed(0)
    model = ModernGPT(num_layers=2, **GPT_SIZES)
    nn.init.normal_(model.embedding.weight)  # which also makes the scores, and stays as it is
    base = copy.deepcopy(model)
    batches = WholeDocuments([[5, 6, 7, 8], [5, 6, 9]] * 4, batch_size=4)
    add_lora(model, rank=4)
    ids = torch.tensor([[0, 5, 6, 7]])
    torch.testing.assert_close(model(ids), base(ids))  # nothing is changed at the start
    fingerprint = base_fingerprint(base)
    history = fit_model(
        model, batches, TrainingConfig(num_steps=30, learning_rate=0.03), progress=False
    )
    assert history.losses[-1] < history.losses[0] - 0.5
    assert base_fingerprint(model) == fingerprint
    adapted = model.eval()(ids)
    merge_lora(model)
    torch.testing.assert_close(model(ids), adapted, rtol=1e-4, atol=1e-4)
    assert base_fingerprint(model) != fingerprint
    assert all(parameter.requires_grad for parameter in model.parameters())


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: add_lora(network(), 0, targets=["0"]), "rank is 0; .* from 6 to 10 .* 1 to 6"),
        (lambda: add_lora(network(), 7, targets=["0"]), "rank is 7; .* from 1 to 6"),
        (lambda: add_lora(network(), 2.0, targets=["0"]), r"rank is 2\.0; .* a whole number"),
        (lambda: add_lora(network(), 2, alpha=0, targets=["0"]), "alpha is 0"),
        (lambda: add_lora(network(), 2, alpha=torch.inf, targets=["0"]), "alpha is inf"),
        (lambda: add_lora(network(), 2, dropout=1, targets=["0"]), "dropout is 1"),
        (lambda: add_lora(network(), 2, targets=["7"]), "ends with '7'; they end with 0, 2"),
        (lambda: add_lora(network(), 2, targets=[]), "give a list of names"),
        (lambda: add_lora(network(), 2, targets="0"), "give a list of names"),
        (lambda: add_lora(network(), 2), "Sequential has no blocks"),
        (lambda: add_lora(nn.Sequential(network()), 2), "Sequential has no blocks"),
        (lambda: add_lora(nn.ModuleDict({"subblocks": network()}), 2), "has no blocks"),
        (lambda: add_lora(nn.Linear(3, 3), 2, targets=[""]), "no linear layer's name"),
        (lambda: add_lora(network(), 2, targets=["0"], also=["5"]), "no part '5'"),
        (lambda: add_lora(network(), 2, targets=["0"], also="2"), "also is '2'; give a list"),
        (lambda: add_lora(network(), 2, targets=["0"], also=["0"]), "'0' is a target and in"),
        (lambda: LoRALinear(nn.Embedding(3, 4), 2), "Embedding is no nn.Linear"),
    ],
)
def test_what_cannot_be_adapted_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize("rank", [5, 2.0])
def test_a_refused_model_is_as_it_was(rank):
    model = network()
    with pytest.raises(ValueError, match=f"rank is {rank}"):
        add_lora(model, rank, targets=["0", "2"])  # 5 fits the first and not the second
    assert all(parameter.requires_grad for parameter in model.parameters())
    assert [type(part) for part in model] == [nn.Linear, nn.Tanh, nn.Linear]


def test_a_matrix_that_is_used_elsewhere_gets_no_low_rank_part():
    """Merged, the part would change the other use as well; unmerged, it would not."""
    model = ModernGPT(num_layers=1, **GPT_SIZES)
    with pytest.raises(ValueError, match=r"'output' .* also embedding\.weight"):
        add_lora(model, 2, targets=["query_key_value", "output"])
    assert all(parameter.requires_grad for parameter in model.parameters())
    assert not any(lora_layers(model))
    twice = nn.Linear(4, 4)
    with pytest.raises(ValueError, match=r"'0' .* also 2\.weight"):
        add_lora(nn.Sequential(twice, nn.Tanh(), twice), 2, targets=["0"])


@pytest.mark.parametrize(
    ("build", "targets"),
    [
        (lambda: BertForClassification(num_labels=2, **BERT_SIZES), ["pooler", "output"]),
        (lambda: TextCNN(vocab_size=11, num_labels=2, embedding_size=4), ["output"]),
    ],
)
def test_any_linear_layer_of_our_models_can_be_adapted(build, targets):
    model = loud(build()).eval()
    before = model(IDS, MASK)
    add_lora(model, 1, targets=targets)
    torch.testing.assert_close(model(IDS, MASK), before, **EXACT)
    make_loud(model)
    adapted = model(IDS, MASK)
    assert (adapted - before).abs().max() > 1e-3
    merge_lora(model)
    torch.testing.assert_close(model(IDS, MASK), adapted, **EXACT)


def test_one_layer_has_no_place_for_its_merged_self():
    with pytest.raises(ValueError, match=r"merge\(\)"):
        merge_lora(LoRALinear(nn.Linear(3, 3), 1))


def test_a_training_goes_on_bit_for_bit_and_with_the_same_alpha_alone(tmp_path):
    batches = WholeDocuments([[5, 6, 7, 8], [5, 6, 9]] * 4, batch_size=4)
    config = TrainingConfig(num_steps=10, learning_rate=0.03, evaluate_every=5)

    def adapted(alpha=None, dropout=0.2):
        torch.manual_seed(0)
        model = ModernGPT(num_layers=1, dropout=0.1, **GPT_SIZES)
        add_lora(model, 2, alpha, dropout)
        return model

    whole, stopped, goes_on = adapted(), adapted(), adapted()
    fit_model(whole, batches, config, progress=False)
    loss, calls = stopped.loss, iter(range(7))

    def stopping(batch):
        if next(calls, None) is None:
            raise KeyboardInterrupt
        return loss(batch)

    stopped.loss = stopping
    file = tmp_path / "state"
    with pytest.raises(KeyboardInterrupt):
        fit_model(stopped, batches, config, checkpoint=file, progress=False)
    for other, message in ((adapted(alpha=32), "low_rank"), (adapted(dropout=0.3), "low_rank")):
        with pytest.raises(ValueError, match=message):
            fit_model(other, batches, config, checkpoint=file, resume=True, progress=False)
    history = fit_model(goes_on, batches, config, checkpoint=file, resume=True, progress=False)
    assert history.num_steps == 10
    for name, parameter in whole.named_parameters():
        assert torch.equal(parameter, goes_on.get_parameter(name)), name


def test_a_second_set_of_low_rank_parts_is_refused():
    model = network()
    add_lora(model, 2, targets=["0"])
    with pytest.raises(ValueError, match="has low-rank parts already"):
        add_lora(model, 2, targets=["2"])


# --- adapters


def classifier(seed=0, **sizes):
    torch.manual_seed(seed)
    model = BertForClassification(num_labels=2, **(BERT_SIZES | sizes))
    return model.eval()


def with_new_head(model, seed):
    torch.manual_seed(seed)
    nn.init.normal_(model.output.weight)
    return model


IDS = torch.tensor([[2, 5, 4, 3]])
MASK = torch.ones_like(IDS, dtype=torch.bool)


@pytest.mark.parametrize(("dtype", "close"), [(None, 0.0), (torch.float16, 2e-2)])
def test_an_adapter_comes_back_on_a_fresh_base_with_its_head(tmp_path, dtype, close):
    model = classifier()
    add_lora(model, rank=2, alpha=3.0, also=["output"])
    make_loud(model)
    save_adapter(model, tmp_path / "adapter.safetensors", dtype)
    fresh = with_new_head(classifier(), seed=9)  # the head is no part of the base
    load_adapter(tmp_path / "adapter.safetensors", fresh)
    torch.testing.assert_close(fresh(IDS, MASK), model(IDS, MASK), rtol=close, atol=close)
    assert (tmp_path / "adapter.safetensors").stat().st_size < 14_000


def test_an_adapter_for_another_base_is_refused(tmp_path):
    path = tmp_path / "adapter.safetensors"
    model = classifier()
    add_lora(model, rank=2, also=["output"])
    save_adapter(model, path)
    found = base_fingerprint(classifier(), ["output"])
    assert base_fingerprint(model) == found
    assert base_fingerprint(classifier().double(), ["output"]) == found
    with pytest.raises(ValueError, match=f"another base model: that one has {found}, and this"):
        load_adapter(path, classifier(seed=1))
    with pytest.raises(ValueError, match="another base model"):
        load_adapter(path, classifier(num_layers=3))
    with pytest.raises(
        ValueError, match="for a BertForClassification, and this is a ModernGPT"
    ):
        load_adapter(path, ModernGPT(**GPT_SIZES))
    with pytest.raises(ValueError, match="has low-rank parts already"):
        load_adapter(path, model)
    with pytest.raises(FileNotFoundError):
        load_adapter(tmp_path / "none.safetensors", classifier())
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(ValueError, match="not a whole file"):
        load_adapter(path, classifier())


def test_what_is_no_adapter_is_not_saved(tmp_path):
    path = tmp_path / "adapter.safetensors"
    with pytest.raises(ValueError, match="no low-rank parts to save"):
        save_adapter(network(), path)
    model = network()
    add_lora(model, 2, targets=["0"])
    model[0].merge()
    with pytest.raises(ValueError, match="unmerge"):
        save_adapter(model, path)
    assert not path.exists()


def test_what_does_not_fit_into_half_precision_is_not_saved(tmp_path):
    path = tmp_path / "adapter.safetensors"
    model = network()
    add_lora(model, 2, targets=["0"])
    with torch.no_grad():
        model[0].up[3, 1] = 1e5  # half precision ends at 65,504
    with pytest.raises(ValueError, match=r"0\.up .* no finite numbers in torch\.float16"):
        save_adapter(model, path, torch.float16)
    with pytest.raises(ValueError, match=r"dtype is torch\.int8"):
        save_adapter(model, path, torch.int8)
    assert not path.exists()
    save_adapter(model, path, torch.float32)
    model[0].up.data[3, 1] = torch.nan
    with pytest.raises(ValueError, match=r"0\.up .* no finite numbers"):
        save_adapter(model, path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda model: model.requires_grad_(False), r"0\.down is frozen"),
        (lambda model: model.requires_grad_(True), r"0\.base\.weight is trained"),
        (lambda model: model[2].bias.requires_grad_(True), r"2\.weight is frozen"),
    ],
)
def test_an_adapter_is_saved_as_add_lora_left_it(change, message, tmp_path):
    model = network()
    add_lora(model, 2, targets=["0"])
    change(model)
    with pytest.raises(ValueError, match=f"{message}.* add_lora"):
        save_adapter(model, tmp_path / "adapter.safetensors")


def test_parts_of_several_ranks_are_not_saved_as_one(tmp_path):
    model = network()
    add_lora(model, 2, targets=["0"])
    model[2] = LoRALinear(model[2], rank=2, alpha=1.0)
    with pytest.raises(ValueError, match=r"rank=2, alpha=1\.0.* and rank=2, alpha=4\.0"):
        save_adapter(model, tmp_path / "adapter.safetensors")


def test_a_head_for_other_classes_is_refused_and_the_model_stays_as_it_was(tmp_path):
    path = tmp_path / "adapter.safetensors"
    encoder = classifier().bert
    model = BertForClassification.from_encoder(encoder, num_labels=2)
    add_lora(model, rank=2, also=["output"])
    save_adapter(model, path)
    other = BertForClassification.from_encoder(encoder, num_labels=3)
    with pytest.raises(ValueError, match=r"output\.weight .* \(2, 8\) .* \(3, 8\)"):
        load_adapter(path, other)
    assert not any(lora_layers(other))
    assert all(parameter.requires_grad for parameter in other.parameters())


class OddNames(nn.Module):
    """Parts and parameters with the names that an adapter uses."""

    def __init__(self):
        super().__init__()
        self.base = nn.Linear(4, 4)
        self.up, self.down = nn.Parameter(torch.ones(4)), nn.Linear(4, 4)
        self.weight = nn.Parameter(torch.ones(4))

    def forward(self, x):
        return self.down(self.base(x) * self.up) * self.weight


def test_a_base_may_have_parts_called_base_up_and_down(tmp_path):
    path, model = tmp_path / "adapter.safetensors", loud(OddNames())
    plain = copy.deepcopy(model)
    found = base_fingerprint(model)
    assert found.startswith("48 weights")
    for name in ("up", "base.weight", "weight"):
        other = copy.deepcopy(model)
        with torch.no_grad():
            other.get_parameter(name)[0] += 1
        assert base_fingerprint(other) != found, name
    add_lora(model, 2, targets=["base", "down"])
    assert base_fingerprint(model) == found
    make_loud(model)
    save_adapter(model, path)
    load_adapter(path, plain)
    x = torch.ones(1, 4, dtype=torch.float64)
    torch.testing.assert_close(plain(x), model(x), **EXACT)


def test_an_adapter_of_the_other_format_is_named():
    with pytest.raises(ValueError, match="'smollm2-king-james' .* load_peft_adapter"):
        load_adapter("smollm2-king-james", network())
    with pytest.raises(ValueError, match="'minilm-reviews' .* load_adapter"):
        load_peft_adapter("minilm-reviews", network())


def test_copies_of_an_adapted_model_are_adapted_and_independent():
    model = classifier()
    add_lora(model, rank=2, also=["output"])
    make_loud(model)
    before = model(IDS, MASK)
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert torch.equal(other(IDS, MASK), before)
        trained = [name for name, one in other.named_parameters() if one.requires_grad]
        assert trained == [name for name, one in model.named_parameters() if one.requires_grad]
        merge_lora(other)
        assert torch.equal(model(IDS, MASK), before)


def test_a_model_with_low_rank_parts_is_not_taken_for_a_plain_one(tmp_path):
    model = classifier()
    add_lora(model, rank=2)
    with pytest.raises(ValueError, match="low-rank parts; merge_lora"):
        model.save(tmp_path / "model.safetensors")
    with pytest.raises(ValueError, match="low-rank parts; merge_lora"):
        to_hf(model)
    with pytest.raises(ValueError, match="low-rank parts; merge_lora"):
        BertForClassification.from_encoder(model.bert, num_labels=2)
    make_loud(model)
    adapted = model(IDS, MASK)
    merge_lora(model)
    torch.testing.assert_close(to_hf(model)(IDS).logits, adapted, rtol=1e-4, atol=1e-5)


def test_an_adapter_of_peft_knows_its_base(tmp_path):
    from peft import LoraConfig, get_peft_model

    def base(seed):
        return to_hf(classifier(seed=seed))

    theirs = get_peft_model(base(0), LoraConfig(r=2, target_modules=["query", "value"]))
    with torch.no_grad():
        for name, parameter in theirs.named_parameters():
            if "lora_B" in name:
                parameter.normal_(std=0.5)
    save_peft_adapter(theirs, tmp_path / "adapter")
    assert base_fingerprint(theirs.get_base_model()) == base_fingerprint(base(0))
    loaded = load_peft_adapter(tmp_path / "adapter", base(0))
    assert not loaded.training
    torch.testing.assert_close(
        loaded(IDS).logits, theirs.eval()(IDS).logits, rtol=2e-2, atol=2e-2
    )
    with pytest.raises(ValueError, match=r"another base model: that one has \d,\d+ weights"):
        load_peft_adapter(tmp_path / "adapter", base(1))
    with pytest.raises(FileNotFoundError):
        load_peft_adapter(tmp_path / "none", base(0))


def test_peft_adapters_with_parts_trained_whole_are_left_to_peft(tmp_path):
    from peft import LoraConfig, get_peft_model

    config = LoraConfig(r=2, target_modules=["query"], modules_to_save=["classifier"])
    theirs = get_peft_model(to_hf(classifier()), config)
    with pytest.raises(ValueError, match=r"classifier\.modules_to_save\S* is trained whole"):
        save_peft_adapter(theirs, tmp_path / "adapter")
    config = LoraConfig(r=2, target_modules=["query"], bias="all")
    theirs = get_peft_model(to_hf(classifier()), config)
    with pytest.raises(ValueError, match=r"bias is trained whole"):
        save_peft_adapter(theirs, tmp_path / "adapter")
    assert not (tmp_path / "adapter").exists()


def test_adapters_of_peft_that_would_come_back_wrong_are_not_saved(tmp_path):
    from peft import LoraConfig, get_peft_model

    def make(**settings):
        config = LoraConfig(r=2, target_modules=["query"])
        return get_peft_model(to_hf(classifier()), config, **settings)

    with pytest.raises(ValueError, match=r"adapters are \['mine'\]"):
        save_peft_adapter(make(adapter_name="mine"), tmp_path / "adapter")
    merged = make()
    merged.merge_adapter()
    with pytest.raises(ValueError, match="merged into the model; unmerge_adapter"):
        save_peft_adapter(merged, tmp_path / "adapter")
    large = make()
    with torch.no_grad():
        next(p for name, p in large.named_parameters() if "lora_B" in name).fill_(1e5)
    with pytest.raises(ValueError, match=r"lora_B\S* .* no finite numbers in torch\.float16"):
        save_peft_adapter(large, tmp_path / "adapter")
    assert not (tmp_path / "adapter").exists()


def test_the_loss_of_an_adapted_model_reaches_no_frozen_weight():
    model = ModernGPT(num_layers=1, **GPT_SIZES)
    add_lora(model, rank=1)
    batch = Batch(torch.tensor([[0, 4, 7]]), torch.tensor([[4, 7, 1]]))
    model.loss(batch).backward()
    touched = {name for name, p in model.named_parameters() if p.grad is not None}
    assert touched == {name for name, p in model.named_parameters() if p.requires_grad}
    assert all(name.endswith((".down", ".up")) for name in touched)
