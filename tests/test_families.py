"""The table of published models: counted on the meta device, held against published sizes, our
own formulas, and the operations that PyTorch counts.
"""

import subprocess
import sys

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from lmtutor import families
from lmtutor.families import (
    ACCELERATORS,
    FAMILIES,
    KINDS,
    MODELS,
    ModelSpec,
    TrainingCost,
    count_flops,
    count_parameters,
    family_table,
    find_family,
    find_model,
    memory_gb,
    show_family_table,
    training_flops,
    training_memory_gb,
    utilization,
)
from lmtutor.models import (
    GPT2_SIZES,
    BertForPreTraining,
    GPTConfig,
    LlamaConfig,
    count_gpt_parameters,
    count_llama_parameters,
)


def test_importing_it_loads_nothing_heavy():
    code = "import sys, lmtutor.families; print({'torch', 'transformers'} & {*sys.modules})"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert found.stdout.strip() == "set()", found.stderr


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_every_count_is_within_one_unit_of_the_published_size(model):
    if model.published is None:
        assert model.name == "GPT"  # its report gives no number
        return
    assert model.published.source
    gap = abs(count_parameters(model.name) - model.published.parameters)
    assert gap < model.published.unit


def test_the_published_units_are_those_of_the_last_digit():
    for model in MODELS:
        if model.published is not None:
            digits = model.published.parameters / model.published.unit
            assert digits == pytest.approx(round(digits))
            assert model.published.unit <= 0.3 * model.published.parameters


@pytest.mark.parametrize("size", GPT2_SIZES)
def test_gpt_2_is_counted_as_by_our_formula(size):
    assert count_parameters(f"GPT-2 {size}") == count_gpt_parameters(GPT2_SIZES[size])


@pytest.mark.parametrize(
    ("name", "sizes"), [("GPT-3 small", (768, 12, 12)), ("GPT-3", (12288, 96, 96))]
)
def test_gpt_3_is_counted_as_by_our_formula(name, sizes):
    config = GPTConfig(50257, 2048, *sizes, bos_id=50256, eos_id=50256)
    assert count_parameters(name) == count_gpt_parameters(config)


@pytest.mark.parametrize("name", ["Llama 7B", "Llama 2 7B", "Llama 3 8B"])
def test_llama_is_counted_as_by_our_formula(name):
    settings = find_model(name).settings
    config = LlamaConfig(
        settings["vocab_size"],
        hidden_size=settings["hidden_size"],
        num_layers=settings["num_hidden_layers"],
        num_heads=settings["num_attention_heads"],
        num_key_value_heads=settings.get("num_key_value_heads"),
        inner_size=settings["intermediate_size"],
    )
    assert count_parameters(name) == count_llama_parameters(config)


@pytest.mark.parametrize(
    ("name", "sizes"), [("BERT base", (768, 12, 12)), ("BERT large", (1024, 24, 16))]
)
def test_bert_has_as_many_parameters_as_ours(name, sizes):
    hidden_size, num_layers, num_heads = sizes
    with torch.device("meta"):
        ours = BertForPreTraining(
            vocab_size=30522,
            hidden_size=hidden_size,
            num_layers=num_layers,
            num_heads=num_heads,
        )
    assert count_parameters(name) == ours.num_parameters


def test_a_class_that_transformers_has_not_is_refused():
    spec = ModelSpec("odd", "GPT", "ChatBotModel", {}, None)
    with pytest.raises(ValueError, match="no class 'ChatBotModel', which 'odd'"):
        families.build_on_meta(spec)


def test_nothing_is_allocated():
    model = families.build_on_meta("T5 11B")
    assert {parameter.device.type for parameter in model.parameters()} == {"meta"}
    assert not model.training


# --- operations


def test_operations_are_those_that_pytorch_counts_in_a_real_pass():
    from transformers import GPT2LMHeadModel

    tiny = ModelSpec(
        "tiny",
        "GPT-2",
        "GPT2LMHeadModel",
        {"vocab_size": 50, "n_positions": 16, "n_embd": 8, "n_layer": 2, "n_head": 2},
        None,
    )
    config = GPT2LMHeadModel.config_class(**tiny.settings, attn_implementation="eager")
    with FlopCounterMode(display=False) as counter:
        GPT2LMHeadModel(config)(torch.zeros(1, 16, dtype=torch.long))
    blocks = 2 * (2 * 12 * 8 * 8 + 2 * 2 * 16 * 8)  # matrices; queries with keys, and values
    assert counter.get_total_flops() / 16 == blocks + 2 * 50 * 8
    assert families.counting.flops_of(tiny, 16) == counter.get_total_flops() / 16


def test_two_operations_for_each_parameter_where_each_is_used_once():
    assert count_flops("GPT-2 small", 64) / 2 == pytest.approx(
        count_parameters("GPT-2 small"), rel=0.02
    )


def test_shared_layers_are_used_again_and_again():
    ratio = count_flops("ALBERT base", 64) / (2 * count_parameters("ALBERT base"))
    assert 6 < ratio < 12


def test_a_token_meets_one_half_of_an_encoder_decoder():
    ratio = count_flops("T5 small", 64) / (2 * count_parameters("T5 small"))
    assert 0.4 < ratio < 0.8


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_every_model_of_the_table_can_be_run_on_the_meta_device(model):
    if count_parameters(model.name) < 1e9:  # the others are these with larger numbers
        assert count_flops(model.name, 8) > 0


def test_longer_texts_cost_more_per_token():
    assert count_flops("BERT base", 256) > count_flops("BERT base", 16)


def test_a_text_without_tokens_is_refused():
    with pytest.raises(ValueError, match="length is 0; a text has at least 1 token"):
        count_flops("GPT", 0)


# --- the tree


def test_the_families_are_in_the_order_of_their_dates_and_children_are_younger():
    dates = {family.name: (family.year, family.month) for family in FAMILIES}
    assert list(dates.values()) == sorted(dates.values())
    for family in FAMILIES:
        assert family.kind in KINDS
        assert 1 <= family.month <= 12
        if family.parent is not None:
            assert dates[family.parent] < dates[family.name]
    assert [family.name for family in FAMILIES if family.parent is None] == ["Transformer"]


def test_every_model_belongs_to_a_family_and_names_come_once():
    assert {model.family for model in MODELS} == {family.name for family in FAMILIES[1:]}
    assert len({model.name for model in MODELS}) == len(MODELS)


def test_the_dates_of_bert_gpt_2_and_gpt_3():
    assert [find_family(name).year for name in ("BERT", "GPT-2", "GPT-3")] == [2018, 2019, 2020]


def test_unknown_names_are_refused():
    with pytest.raises(ValueError, match="no family 'GPT-5'; there are 'Transformer', 'GPT'"):
        find_family("GPT-5")
    with pytest.raises(ValueError, match="no model 'BERT huge'; there are 'GPT', 'BERT base'"):
        find_model("BERT huge")
    with pytest.raises(ValueError, match="no model 'x'"):
        count_parameters("x")


# --- memory, time and money


def test_memory_by_precision():
    sizes = [memory_gb(2e9, name) for name in ("float32", "bfloat16", "int8", "4-bit")]
    assert sizes == [8.0, 4.0, 2.0, 1.0]
    assert training_memory_gb(2e9) == 32.0
    with pytest.raises(
        ValueError, match="no precision 'int3'; there are 'float32', 'bfloat16'"
    ):
        memory_gb(1e9, "int3")
    with pytest.raises(ValueError, match="parameters is -1"):
        memory_gb(-1)


def test_gpt_3_took_as_many_operations_as_its_paper_says():
    """Table D.1 of Brown et al. 2020: 3.14e23, counted with 174,600 million parameters."""
    assert training_flops(count_parameters("GPT-3"), 300e9) == pytest.approx(3.14e23, rel=0.002)


def test_six_operations_for_a_parameter_and_a_token():
    assert training_flops(10, 100) == 6000
    with pytest.raises(ValueError, match="-10 parameters and 5 tokens"):
        training_flops(-10, 5)


def test_days_hours_and_dollars_fit_together():
    cost = TrainingCost(8.64e20, ACCELERATORS["V100"], 4, 0.5, 3.0)
    assert cost.days == pytest.approx(8.64e20 / (4 * 125e12 * 0.5) / 86_400)
    assert cost.chip_hours == pytest.approx(4 * 24 * cost.days)
    assert cost.dollars == pytest.approx(3 * cost.chip_hours)
    more = TrainingCost(8.64e20, ACCELERATORS["V100"], 8, 0.5, 3.0)
    assert (more.days, more.dollars) == pytest.approx((cost.days / 2, cost.dollars))


def test_utilization_undoes_the_cost():
    cost = TrainingCost(1e21, ACCELERATORS["A100"], 16, 0.37)
    assert utilization(cost.flops, cost.chip, cost.chip_hours) == pytest.approx(0.37)
    with pytest.raises(ValueError, match="chip_hours are 0"):
        utilization(1e21, ACCELERATORS["A100"], 0)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((1e21, 4, 0.0), "utilization is 0.0"),
        ((1e21, 4, 1.2), "utilization is 1.2"),
        ((1e21, 0, 0.5), "there are 0 chips"),
        ((-1.0, 4, 0.5), "-1.0 operations"),
    ],
)
def test_impossible_costs_are_refused(arguments, words):
    flops, chips, share = arguments
    with pytest.raises(ValueError, match=words):
        TrainingCost(flops, ACCELERATORS["A100"], chips, share)


# --- the table


def test_the_rows_hold_what_was_counted():
    (row,) = family_table(["GPT-3 small"])
    assert row.parameters == 125_226_240
    assert row.family.name == "GPT-3"
    assert row.flops == 6.0 * 125_226_240 * 300e9
    assert row.flops_per_token == 2 * 125_226_240
    (row,) = family_table(["GPT"])
    assert row.flops is row.published is row.tokens is None


def test_the_table_is_shown_with_a_line_for_each_model(capsys):
    show_family_table(["BERT base", "Llama 3 8B"])
    head, first, second = capsys.readouterr().out.splitlines()
    assert head.split()[:3] == ["model", "year", "kind"]
    assert "110,106,428" in first
    assert "110M" in first
    assert "42.6B" in first
    assert "15T" in second
    assert "7.2e+23" in second
