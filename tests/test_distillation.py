"""Distillation: its loss and gradient, what is trained and what is not, and blocks that are
taken over.
"""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from parity import EXACT, loud

from lmtutor.data import IGNORED, Batch, WholeDocuments
from lmtutor.models import GPT, BertForPreTraining, ModernGPT
from lmtutor.training import (
    Distillation,
    TrainingConfig,
    fit_model,
    soft_target_loss,
    take_blocks,
)

SIZES = {"vocab_size": 11, "context_length": 8, "hidden_size": 8, "num_heads": 2}
BATCH = Batch(
    torch.tensor([[0, 4, 7, 3], [0, 5, 1, 1]]),
    torch.tensor([[4, 7, 3, 1], [5, 1, IGNORED, IGNORED]]),
)


def gpt(num_layers, seed, **settings):
    return loud(GPT(num_layers=num_layers, **SIZES, **settings), seed)


def pair(**settings):
    return Distillation(gpt(1, 0), gpt(2, 1), **settings)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
@pytest.mark.parametrize("share", [0.25, 1.0])
def test_the_loss_is_that_of_the_definition(temperature, share):
    both = pair(temperature=temperature, share=share)
    with torch.no_grad():
        said, wanted = both.student(BATCH.inputs), both.teacher(BATCH.inputs)
    total = 0.0
    for row in range(2):
        for place in range(4):
            target = BATCH.targets[row, place].item()
            if target == IGNORED:
                continue
            p = (wanted[row, place] / temperature).softmax(-1)
            q = (said[row, place] / temperature).softmax(-1)
            soft = temperature**2 * (p * (p / q).log()).sum()
            hard = -said[row, place].log_softmax(-1)[target]
            total += share * soft + (1 - share) * hard
    torch.testing.assert_close(both.loss(BATCH).detach(), total, **EXACT)


def test_without_a_share_it_is_the_loss_of_the_student():
    both = pair(share=0.0)
    torch.testing.assert_close(both.loss(BATCH), both.student.loss(BATCH), **EXACT)
    almost = pair(share=1e-12)  # the other way of computing it
    torch.testing.assert_close(almost.loss(BATCH), both.loss(BATCH), rtol=1e-8, atol=1e-8)


def test_a_student_that_is_its_teacher_has_nothing_to_learn():
    both = Distillation(gpt(2, 1), gpt(2, 1), temperature=2.0)
    loss = both.loss(BATCH)
    loss.backward()
    assert abs(loss.item()) < 1e-12
    assert max(p.grad.abs().max() for p in both.student.parameters()) < 1e-12


@given(
    st.lists(st.floats(-5, 5), min_size=3, max_size=3),
    st.lists(st.floats(-5, 5), min_size=3, max_size=3),
    st.floats(0.3, 10),
)
def test_the_gradient_is_that_of_hinton(student, teacher, temperature):
    """Equation 2: (q - p) / T, times T^2."""
    logits = torch.tensor([student], dtype=torch.float64, requires_grad=True)
    wanted = torch.tensor([teacher], dtype=torch.float64)
    loss = soft_target_loss(logits, wanted, temperature)
    loss.backward()
    p, q = (wanted / temperature).softmax(-1), (logits.detach() / temperature).softmax(-1)
    torch.testing.assert_close(logits.grad, temperature * (q - p), rtol=1e-7, atol=1e-9)
    assert loss.item() > -1e-9


def test_with_a_high_temperature_the_gradient_goes_to_the_difference_of_logits():
    """Equation 4, and the reason for the factor T^2: without it, this would go to 0."""
    logits = torch.tensor([[1.0, -2.0, 1.0]], dtype=torch.float64, requires_grad=True)
    teacher = torch.tensor([[0.5, 1.0, -1.5]], dtype=torch.float64)  # means 0, as in the paper
    soft_target_loss(logits, teacher, 1e4).backward()
    torch.testing.assert_close(
        logits.grad, (logits.detach() - teacher) / 3, rtol=1e-3, atol=1e-3
    )


def test_the_teacher_is_neither_trained_nor_saved_nor_changed():
    teacher = gpt(2, 1, dropout=0.5).train()
    both = Distillation(gpt(1, 0), teacher)
    before = {name: weight.clone() for name, weight in teacher.state_dict().items()}
    assert {name.split(".")[0] for name in both.state_dict()} == {"student"}
    first, second = both.loss(BATCH), both.loss(BATCH)
    assert first == second  # the teacher's dropout is off
    assert all(module.training for module in teacher.modules())
    first.backward()
    assert all(parameter.grad is None for parameter in teacher.parameters())
    assert all(torch.equal(before[name], w) for name, w in teacher.state_dict().items())


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_fit_model_teaches_the_student(optimizer):
    torch.manual_seed(0)
    teacher = GPT(num_layers=2, **SIZES).eval()
    for weight in teacher.parameters():
        torch.nn.init.normal_(weight, std=0.3)
    student = take_blocks(teacher, [1])
    both = Distillation(student, teacher)
    batches = WholeDocuments([[4, 7, 3], [5, 6], [9, 2, 8, 10]] * 4, batch_size=6)
    config = TrainingConfig(num_steps=60, learning_rate=0.02, optimizer=optimizer)
    history = fit_model(both, batches, config, progress=False)
    assert history.losses[-1] < 0.3 * history.losses[0]


def test_what_does_not_fit_is_refused():
    other = GPT(vocab_size=12, context_length=8, hidden_size=8, num_layers=1, num_heads=2)
    with pytest.raises(ValueError, match="the student has 12 tokens and the teacher 11"):
        Distillation(other, gpt(2, 1))
    with pytest.raises(ValueError, match="temperature is 0"):
        pair(temperature=0)
    with pytest.raises(ValueError, match="share 1.5"):
        pair(share=1.5)
    with pytest.raises(ValueError, match="share nan"):
        pair(share=math.nan)


# --- blocks


def test_blocks_are_taken_with_all_else():
    teacher = gpt(4, 0)
    student = take_blocks(teacher, [1, 3])
    taken = student.state_dict()
    for name, weight in teacher.state_dict().items():
        if not name.startswith("blocks."):
            assert torch.equal(weight, taken[name]), name
    for old, new in ((1, 0), (3, 1)):
        for name, weight in teacher.blocks[old].state_dict().items():
            assert torch.equal(weight, taken[f"blocks.{new}.{name}"])
    assert student.config.num_layers == len(student.blocks) == 2


def test_all_blocks_make_the_same_model():
    teacher = gpt(3, 0).float().eval()
    student = take_blocks(teacher, [0, 1, 2]).eval()
    assert torch.equal(student(BATCH.inputs), teacher(BATCH.inputs))
    with torch.no_grad():
        student.blocks[0].attention.output.weight.zero_()
    assert not torch.equal(student(BATCH.inputs), teacher(BATCH.inputs))  # a copy


def test_tied_weights_stay_tied_and_the_kind_stays():
    teacher = ModernGPT(vocab_size=11, hidden_size=8, num_layers=3, num_heads=2, dropout=0.2)
    student = take_blocks(teacher, [0, 2])
    assert type(student) is ModernGPT
    assert student.output.weight is student.embedding.weight
    assert student.config.dropout == 0.0


def test_blocks_of_a_model_inside_a_model():
    teacher = BertForPreTraining(vocab_size=11, hidden_size=8, num_layers=3, num_heads=2)
    student = take_blocks(teacher, [0, 2])
    for name, weight in teacher.bert.blocks[2].state_dict().items():
        assert torch.equal(weight, student.bert.blocks[1].state_dict()[name])


def test_random_numbers_are_left_as_they_are():
    teacher = gpt(2, 0)
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    take_blocks(teacher, [0])
    assert torch.rand(1) == expected


@pytest.mark.parametrize("numbers", [[], [0, 4], [-1], [1, 0], [1, 1]])
def test_impossible_blocks_are_refused(numbers):
    with pytest.raises(ValueError, match="the blocks to take are .*from 0 to 3"):
        take_blocks(gpt(4, 0), numbers)
