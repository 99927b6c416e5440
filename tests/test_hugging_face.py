"""Hugging Face's `Trainer` and our loop bring twins to the same weights."""

import copy
import dataclasses
import random

import numpy as np
import pytest
import torch

from lmtutor.data import LabelledBatches, PromptedAnswers, Recall
from lmtutor.layers import add_lora
from lmtutor.models import GPT, BertForClassification
from lmtutor.pretrained import to_hf
from lmtutor.tokenizers import WordTokenizer
from lmtutor.training import (
    DivergedError,
    TrainingConfig,
    classification_metrics,
    evaluate_loss,
    fit_model,
    hugging_face_trainer,
)

EXACT = {"rtol": 1e-9, "atol": 1e-9}
WORDS = ["good", "bad", "film", "plot", "the", "a", "so"]
CONFIG = TrainingConfig(
    num_steps=12, learning_rate=0.01, weight_decay=0.1, warmup_steps=3, max_gradient_norm=0.5
)


def some_batches(seed=0, number=22, batch_size=4):
    """Five and a half batches: the last of an epoch is shorter than the others."""
    drawn = random.Random(seed)
    texts = [" ".join(drawn.choices(WORDS, k=drawn.randint(2, 6))) for _ in range(number)]
    labels = [text.split().count("good") % 2 for text in texts]
    tokenizer = WordTokenizer().fit([" ".join(WORDS)])
    sizes = {"vocab_size": tokenizer.vocab_size, "num_labels": 2, "batch_size": batch_size}
    return LabelledBatches(texts, labels, tokenizer, seed=seed, **sizes)


def a_bert(dropout=0.0, **settings):
    from lmtutor.models import BertConfig, BertForClassificationConfig

    encoder = BertConfig(
        vocab_size=some_batches().vocab_size,
        hidden_size=8,
        num_layers=2,
        num_heads=2,
        context_length=16,
        dropout=dropout,
        **settings,
    )
    torch.manual_seed(5)
    config = BertForClassificationConfig(num_labels=2, encoder=encoder, dropout=dropout)
    return loud(BertForClassification(config))


def a_gpt():
    torch.manual_seed(5)
    sizes = {"hidden_size": 8, "num_layers": 2, "num_heads": 2, "context_length": 16}
    return loud(GPT(vocab_size=16, dropout=0.0, **sizes))


def loud(model):
    for parameter in model.double().parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return model.eval()


def some_answers(number=10):
    drawn = random.Random(1)
    prompts = [drawn.choices(range(2, 12), k=drawn.randint(0, 6)) for _ in range(number)]
    answers = [drawn.choices(range(2, 12), k=drawn.randint(1, 3)) for _ in range(number)]
    return PromptedAnswers(prompts, answers, batch_tokens=20, context_length=16)


def twins(ours):
    theirs = to_hf(ours).double()
    for parameter in theirs.parameters():
        parameter.requires_grad_(True)
    return ours, theirs.eval()


def assert_same_weights(ours, theirs, **tolerance):
    for (name, mine), other in zip(
        to_hf(ours).double().named_parameters(), theirs.parameters(), strict=True
    ):
        assert torch.allclose(mine.double(), other, **(tolerance or EXACT)), name


def trainer_of(model, batches, config=CONFIG, validation=None, *, tmp_path, **options):
    return hugging_face_trainer(
        model, batches, config, validation, output_dir=tmp_path / "out", **options
    )


CONFIGS = {
    "clipped": CONFIG,
    "free": dataclasses.replace(CONFIG, max_gradient_norm=None, optimizer="momentum"),
    "accumulated": dataclasses.replace(CONFIG, accumulation=4, num_steps=7),
    "adam": dataclasses.replace(CONFIG, optimizer="adam", weight_decay=0.0, warmup_steps=0),
}


@pytest.mark.parametrize("name", CONFIGS)
def test_both_come_to_the_same_classifier(name, tmp_path):
    config, batches = CONFIGS[name], some_batches()
    ours, theirs = twins(a_bert())
    before = copy.deepcopy(theirs.state_dict())
    history = fit_model(ours, batches, config, progress=False)
    trainer = trainer_of(theirs, batches, config, tmp_path=tmp_path)
    trainer.train()
    assert_same_weights(ours, theirs)
    assert any(not torch.equal(before[k], v) for k, v in theirs.state_dict().items())
    steps = [entry for entry in trainer.state.log_history if "loss" in entry]
    assert np.allclose([entry["loss"] for entry in steps], history.losses)
    assert np.allclose([entry["learning_rate"] for entry in steps], history.learning_rates)
    assert np.allclose([entry["grad_norm"] for entry in steps], history.gradient_norms)
    epochs = config.num_steps * config.accumulation / len(batches)
    assert steps[-1]["epoch"] == pytest.approx(epochs)


def test_both_leave_out_the_same_at_random(tmp_path):
    config, batches = dataclasses.replace(CONFIG, seed=7), some_batches()
    ours, theirs = twins(a_bert(dropout=0.2))
    theirs.set_attn_implementation("eager")
    fit_model(ours, batches, config, progress=False)
    trainer_of(theirs, batches, config, tmp_path=tmp_path).train()
    assert_same_weights(ours, theirs)


@pytest.mark.parametrize("kind", ["answers", "recall"])
def test_both_come_to_the_same_language_model(kind, tmp_path):
    batches = {"answers": some_answers(), "recall": Recall(4, num_batches=5, num_keys=3)}[kind]
    config = dataclasses.replace(CONFIG, accumulation=2)
    ours, theirs = twins(a_gpt())
    history = fit_model(ours, batches, config, batches, progress=False)
    trainer = trainer_of(theirs, batches, config, batches, tmp_path=tmp_path)
    trainer.train()
    assert_same_weights(ours, theirs)
    assert evaluations(trainer) == pytest.approx({12: history.validation_losses[-1]})


def evaluations(trainer, name="eval_loss"):
    return {e["step"]: e[name] for e in trainer.state.log_history if name in e}


# peft still asks transformers by an old name.
@pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated:FutureWarning")
def test_lora_and_peft_come_to_the_same(tmp_path):
    from peft import LoraConfig, TaskType, get_peft_model

    batches, config = some_batches(), dataclasses.replace(CONFIG, num_steps=12)
    ours, theirs = twins(a_bert())
    before = copy.deepcopy(theirs)
    peft = get_peft_model(
        theirs,
        LoraConfig(
            task_type=TaskType.SEQ_CLS,
            r=2,
            lora_alpha=6,
            lora_dropout=0.0,
            target_modules=["attention.output.dense"],
            modules_to_save=["classifier"],
        ),
    )
    add_lora(ours, rank=2, alpha=6, targets=["attention.output"], also=["output"])
    mine = [part for part in ours.modules() if hasattr(part, "down")]
    other = [part for part in peft.modules() if hasattr(part, "lora_A")]
    other = [part for part in other if len(part.lora_A)]
    assert len(mine) == len(other) == 2
    with torch.no_grad():
        for one, two in zip(mine, other, strict=True):
            two.lora_A["default"].weight.copy_(torch.randn_like(one.down))
            one.down.copy_(two.lora_A["default"].weight)
    fit_model(ours, batches, config, progress=False)
    trainer = trainer_of(peft, batches, config, batches, tmp_path=tmp_path)
    trainer.train()
    for one, two in zip(mine, other, strict=True):
        assert torch.allclose(one.down, two.lora_A["default"].weight, **EXACT)
        assert torch.allclose(one.up, two.lora_B["default"].weight, **EXACT)
        assert one.up.abs().max() > 0.01
    head = peft.base_model.model.classifier.modules_to_save["default"]
    assert torch.allclose(ours.output.weight, head.weight, **EXACT)
    assert evaluations(trainer)[12] == pytest.approx(evaluate_loss(ours, batches), rel=1e-9)
    kept = dict(before.named_parameters())["bert.embeddings.word_embeddings.weight"]
    assert torch.equal(ours.bert.embedding.weight, kept)


# --- looking at the validation data


def test_the_evaluation_is_a_mean_over_all_examples(tmp_path):
    batches, validation = some_batches(), some_batches(seed=3, number=7, batch_size=3)
    config = dataclasses.replace(CONFIG, evaluate_every=5)
    ours, theirs = twins(a_bert())
    history = fit_model(ours, batches, config, validation, progress=False)
    trainer = trainer_of(
        theirs,
        batches,
        config,
        validation,
        tmp_path=tmp_path,
        compute_metrics=classification_metrics,
    )
    trainer.train()
    expected = dict(zip(history.validation_steps, history.validation_losses, strict=True))
    assert evaluations(trainer) == pytest.approx(expected, rel=1e-9)
    assert list(expected) == [5, 10, 12]
    right = 0
    for rows, batch in validation.in_order():
        right += int((ours(batch.inputs, batch.mask).argmax(1) == batch.labels).sum())
        assert len(rows) <= 3
    assert evaluations(trainer, "eval_accuracy")[12] == pytest.approx(right / 7)
    measured = trainer.evaluate(batches)
    assert measured["eval_loss"] == pytest.approx(evaluate_loss(ours, batches), rel=1e-9)
    assert {"eval_f1", "eval_matthews_correlation"} < measured.keys()
    with pytest.raises(ValueError, match="give Batches to evaluate on, not list"):
        trainer.evaluate([1])


def test_classification_metrics_are_ours():
    from transformers import EvalPrediction

    labels = np.array([0, 2, 2, 1])
    logits = np.eye(3)[[0, 2, 1, 1]]
    found = classification_metrics(EvalPrediction(predictions=logits, label_ids=labels))
    assert found["accuracy"] == 0.75
    assert found["f1"] == pytest.approx((1 + 2 / 3 + 2 / 3) / 3)
    assert all(type(value) is float for value in found.values())
    for wrong, message in (
        (logits[0], r"shape \(3,\), and 0 of"),
        (logits * np.nan, r"shape \(4, 3\), and 12 of"),
    ):
        with pytest.raises(ValueError, match=message):
            classification_metrics(EvalPrediction(predictions=wrong, label_ids=labels))


# --- what it leaves alone


def test_it_is_quiet_and_leaves_everything_else_alone(tmp_path, capfd):
    batches, theirs = some_batches(), to_hf(a_gpt()).double()
    batches = some_answers()
    theirs.eval()
    theirs.transformer.h[0].train()
    modes = [part.training for part in theirs.modules()]
    theirs.config.use_cache = True
    random.seed(1), np.random.seed(1), torch.manual_seed(1)
    states = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state()
    trainer = trainer_of(theirs, batches, validation=batches, tmp_path=tmp_path)
    trainer.train()
    assert random.getstate() == states[0]
    assert np.random.get_state()[1].tolist() == states[1]
    assert torch.equal(torch.get_rng_state(), states[2])
    assert [part.training for part in theirs.modules()] == modes
    assert theirs.config.use_cache is True
    assert list((tmp_path / "out").iterdir()) == []
    assert capfd.readouterr() == ("", "")
    trainer.save_model()
    assert (tmp_path / "out" / "model.safetensors").exists()


def test_a_training_goes_on_from_its_checkpoint(tmp_path):
    batches = some_batches()
    config = dataclasses.replace(CONFIG, evaluate_every=4, accumulation=2)
    whole, parts, again = (twins(a_bert(dropout=0.2))[1] for _ in range(3))
    trainer_of(whole, batches, config, tmp_path=tmp_path / "whole").train()
    trainer_of(parts, batches, config, tmp_path=tmp_path, checkpoints=True).train()
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {"checkpoint-4", "checkpoint-8", "checkpoint-12"}
    goes_on = trainer_of(again, batches, config, tmp_path=tmp_path, checkpoints=True)
    random.seed(7), np.random.seed(7)  # not those that are in the checkpoint
    states = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state()
    goes_on.train(resume_from_checkpoint=str(tmp_path / "out" / "checkpoint-8"))
    assert random.getstate() == states[0]
    assert np.random.get_state()[1].tolist() == states[1]
    assert torch.equal(torch.get_rng_state(), states[2])
    for mine, other in zip(whole.parameters(), again.parameters(), strict=True):
        assert torch.allclose(mine, other, **EXACT)


# --- what it refuses


def test_what_cannot_be_trained_is_refused(tmp_path):
    batches, model = some_batches(), to_hf(a_bert())
    patient = dataclasses.replace(CONFIG, patience=2, evaluate_every=1)
    with pytest.raises(ValueError, match="patience is 2, which only fit_model knows"):
        trainer_of(model, batches, patient, tmp_path=tmp_path)
    with pytest.raises(ValueError, match=r"BertForClassification .* to_hf gives its twin"):
        trainer_of(a_bert(), batches, tmp_path=tmp_path)
    long = PromptedAnswers([[5] * 90], [[6]], batch_tokens=12, context_length=99)
    with pytest.raises(ValueError, match=r"rows have 92 positions, and the model reads up to"):
        trainer_of(to_hf(a_gpt()), long, tmp_path=tmp_path).train()
    frozen = copy.deepcopy(model).requires_grad_(False)
    with pytest.raises(ValueError, match="has no parameters to train"):
        trainer_of(frozen, batches, tmp_path=tmp_path)
    with pytest.raises(
        ValueError, match="id 1. at position 2 of row 0 .* vocabulary of 10 ids"
    ):
        trainer_of(model, Recall(4, num_batches=2), tmp_path=tmp_path).train()
    batches.labels[:] = 2
    with pytest.raises(
        ValueError, match="row 0 has class 2; with 2 classes they go from 0 to 1"
    ):
        trainer_of(model, batches, tmp_path=tmp_path).train()
    batches.labels[:] = 1
    broken = loud(to_hf(a_bert()))
    broken.classifier.bias.data[0] = torch.nan
    with pytest.raises(DivergedError, match="at step 1 the loss is nan"):
        trainer_of(broken, batches, tmp_path=tmp_path).train()


def test_other_batches_and_batches_without_targets_are_refused(tmp_path):
    from lmtutor.data import Batch, SentencePairs
    from lmtutor.data.batches import Batches

    class Given(Batches):
        def __init__(self, batch):
            self.batch = batch

        def __len__(self):
            return 1

        def epoch(self, number, start=0):
            yield self.batch

        def describe(self):
            return {}

    model = to_hf(a_gpt())
    with pytest.raises(ValueError, match=r"shape \(4, .*, 16\) for targets of shape \(4,\)"):
        trainer_of(model, some_batches(), tmp_path=tmp_path).train()
    ids = torch.full((2, 3), 4)
    nothing = Given(Batch(ids, torch.full_like(ids, -100)))
    with pytest.raises(ValueError, match="the batches of step 1 hold no targets"):
        trainer_of(model, nothing, tmp_path=tmp_path).train()
    pairs = SentencePairs([[5], [6]], [[5], [6]], batch_size=2)
    with pytest.raises(ValueError, match="of the kind PairBatch; there can be LabelledBatch"):
        trainer_of(model, pairs, tmp_path=tmp_path).train()


def test_several_processes_are_refused(tmp_path, monkeypatch):
    from accelerate import PartialState

    PartialState()
    monkeypatch.setitem(PartialState._shared_state, "num_processes", 3)
    with pytest.raises(ValueError, match="3 processes would all read the same rows"):
        trainer_of(to_hf(a_bert()), some_batches(), tmp_path=tmp_path)
