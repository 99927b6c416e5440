"""The adapters and scores that come with the package: whole, small, and what their logs say."""

import json

import numpy as np
import pytest
import torch

from lmtutor.data import LabelledBatches, load_task
from lmtutor.decoding import answer_log_probs, few_shot_ids
from lmtutor.layers import lora_layers, merge_lora
from lmtutor.metrics import accuracy
from lmtutor.models import BertForClassification
from lmtutor.pretrained import (
    EMPTY_REVIEWS,
    REVIEW_ANSWERS,
    available_adapters,
    base_fingerprint,
    load_adapter,
    load_learning_curve,
    load_minilm,
    load_peft_adapter,
    load_shot_scores,
    load_smollm2,
    review_examples,
    save_adapter,
    to_hf,
)
from lmtutor.pretrained.own import WEIGHTS
from lmtutor.training import class_probabilities, hugging_face_trainer
from lmtutor.training.config import TrainingConfig
from lmtutor.weights import prompt_smollm2, train_minilm_reviews, train_smollm2_king_james


@pytest.fixture(scope="module")
def reviews():
    return load_task("rotten_tomatoes", source="package")


@pytest.fixture(scope="module")
def smollm2():
    return load_smollm2(context_length=1024)


@pytest.mark.parametrize("name", available_adapters())
def test_everything_that_belongs_to_an_adapter_is_there(name):
    card = (WEIGHTS / name / "README.md").read_text(encoding="utf-8")
    log = json.loads((WEIGHTS / name / "log.json").read_text(encoding="utf-8"))
    assert {"config", "seconds", "tokens", "threads", "validation_losses"} <= log.keys()
    assert log["config"]["seed"] == 0
    script = f"train_{name.replace('-', '_')}"
    for part in ("## Trained by", script, "## Licence", "MIT", "Apache", "seed"):
        assert part in card
    assert (WEIGHTS / f"{script}.py").is_file()


def test_adapters_are_small():
    names = [*available_adapters(), "smollm2-reviews"]
    sizes = [path.stat().st_size for name in names for path in (WEIGHTS / name).iterdir()]
    assert sum(sizes) < 3e6


# --- minilm-reviews


def adapted():
    torch.manual_seed(1)  # of a head that is written over
    model = BertForClassification.from_encoder(load_minilm().model, num_labels=2)
    load_adapter("minilm-reviews", model)
    return model


def test_the_classifier_is_as_good_as_its_log_and_card_say(reviews):
    log = json.loads((WEIGHTS / "minilm-reviews" / "log.json").read_text(encoding="utf-8"))
    card = (WEIGHTS / "minilm-reviews" / "README.md").read_text(encoding="utf-8")
    assert f"{log['test_accuracy']:.1%}" in card
    model = adapted()
    count = sum(
        parameter.numel() for parameter in model.parameters() if parameter.requires_grad
    )
    assert f"{count:,} numbers" in card
    rows = reviews["test"].select(range(300))
    batches = LabelledBatches.from_dataset(
        rows, load_minilm().tokenizer, vocab_size=model.vocab_size
    )
    found = class_probabilities(model, batches)
    assert accuracy(found.argmax(dim=1), batches.labels) == pytest.approx(
        log["test_accuracy"], abs=0.06
    )
    merge_lora(model)
    torch.testing.assert_close(class_probabilities(model, batches), found, rtol=0, atol=1e-4)


def test_the_adapter_is_refused_by_another_encoder():
    model = BertForClassification.from_encoder(load_minilm().model, num_labels=2)
    with torch.no_grad():
        model.bert.embedding.weight[5, 5] += 1
    with pytest.raises(ValueError, match="another base model: that one has 22,"):
        load_adapter("minilm-reviews", model)


def test_a_saved_adapter_is_the_same(tmp_path):
    model = adapted()
    save_adapter(model, tmp_path / "again.safetensors", torch.float16)
    again = BertForClassification.from_encoder(load_minilm().model, num_labels=2)
    load_adapter(tmp_path / "again.safetensors", again)
    for (name, one), (_, other) in zip(lora_layers(model), lora_layers(again), strict=True):
        assert torch.equal(one.up, other.up), name
    assert torch.equal(model.output.weight, again.output.weight)


def test_the_learning_curve_goes_from_fifty_to_all(reviews):
    points = load_learning_curve()
    for method in ("frozen", "fine-tuned"):
        sizes = {point.num_examples for point in points if point.method == method}
        assert sizes == set(train_minilm_reviews.SIZES)
        assert max(sizes) == len(reviews["train"])
    assert all(0.3 < point.accuracy < 0.95 and point.seconds >= 0 for point in points)
    assert len({(one.method, one.num_examples, one.seed) for one in points}) == len(points)


def test_the_script_of_the_curve_trains_low_rank_parts_and_the_head(monkeypatch):
    monkeypatch.setattr(train_minilm_reviews, "LEAST_SEEN", 64)
    monkeypatch.setattr(train_minilm_reviews, "EPOCHS", 1)
    monkeypatch.setattr(train_minilm_reviews, "accuracy_of", lambda model: 0.5)
    point = train_minilm_reviews.fine_tune(size=50, seed=1)
    assert (point.method, point.num_examples, point.seed) == ("fine-tuned", 50, 1)
    assert point.seconds > 0


def test_the_teacher_leans_no_more_to_one_side_than_the_critics(reviews):
    scores = train_minilm_reviews.teacher_scores()
    labels = np.array(reviews["train"]["label"])
    assert scores.shape == (len(labels), 2)
    assert (scores.argmax(axis=1) == 1).mean() == pytest.approx(labels.mean(), abs=0.001)
    assert (scores.argmax(axis=1) == labels).mean() > 0.8


def test_a_taught_batch_has_the_scores_of_its_rows(monkeypatch):
    batches = train_minilm_reviews.batches_of(train_minilm_reviews.TaughtBatches, "train", 40)
    batches.teacher = np.stack([np.zeros(40), np.arange(40.0)], axis=1)
    for batch in batches.epoch(0):
        for ids, label, teacher in zip(batch.inputs, batch.labels, batch.teacher, strict=True):
            row = batches.rows[int(teacher[1])]
            assert ids[: len(row)].tolist() == row.tolist()
            assert label == batches.labels[int(teacher[1])]


# --- smollm2-reviews


def test_every_setting_of_the_prompts_is_there(reviews):
    found = {(one.split, one.shots, one.seed): one for one in load_shot_scores()}
    for shots in prompt_smollm2.SHOTS:
        for seed in prompt_smollm2.SEEDS if shots else (0,):
            assert len(found["test", shots, seed].log_probs) == prompt_smollm2.NUM_TEST
    (whole,) = (one for one in found.values() if one.split == "all-test")
    assert len(whole.log_probs) == len(reviews["test"])
    (train,) = (one for one in found.values() if one.split == "train")
    assert len(train.log_probs) == len(reviews["train"])
    assert (train.shots, train.seed) == (whole.shots, whole.seed)
    for one in found.values():
        assert one.log_probs.shape[1] == 2
        assert one.content_free.shape == (len(EMPTY_REVIEWS), 2)
        assert np.isfinite(one.log_probs).all()
        assert (np.exp(one.log_probs).sum(axis=1) <= 1.002).all()


@pytest.mark.parametrize(("shots", "seed"), [(0, 0), (2, 1), (4, 2)])
def test_stored_scores_are_what_the_model_says(shots, seed, reviews, smollm2):
    stored = next(
        one
        for one in load_shot_scores()
        if (one.split, one.shots, one.seed) == ("test", shots, seed)
    )
    examples = review_examples(reviews["train"], shots, seed)
    texts = [*reviews["test"]["text"][:5], *EMPTY_REVIEWS]
    asked = few_shot_ids(smollm2.tokenizer, examples, texts, REVIEW_ANSWERS)
    scores = answer_log_probs(smollm2.model, asked.prompts, asked.answers, asked.prefix)
    expected = np.concatenate([stored.log_probs[:5], stored.content_free])
    np.testing.assert_allclose(scores.numpy(), expected, rtol=2e-3, atol=2e-3)


def test_examples_are_of_both_kinds_mixed_and_never_from_the_test(reviews):
    answers = dict(zip(reviews["train"]["text"], reviews["train"]["label"], strict=True))
    seen = set()
    for seed in range(8):
        examples = review_examples(reviews["train"], 4, seed)
        assert [REVIEW_ANSWERS[answers[text]] for text, _ in examples] == [
            answer for _, answer in examples
        ]
        assert sorted(answer for _, answer in examples) == ["negative"] * 2 + ["positive"] * 2
        seen.add(tuple(answer for _, answer in examples))
        assert examples == review_examples(reviews["train"], 4, seed)
    assert len(seen) > 2
    assert review_examples(reviews["train"], 0, 0) == []
    assert {review_examples(reviews["train"], 1, seed)[0][1] for seed in range(8)} == {
        *REVIEW_ANSWERS
    }
    with pytest.raises(ValueError, match="shots is -1"):
        review_examples(reviews["train"], -1, 0)
    with pytest.raises(ValueError, match="too few for 5000 examples"):
        review_examples(reviews["train"], 5000, 0)


def test_the_chosen_examples_order_the_validation_reviews_best(reviews):
    labels = np.array(reviews["validation"]["label"][: prompt_smollm2.NUM_VALIDATION], bool)
    shares = {}
    for one in load_shot_scores():
        if one.split == "validation":
            margins = one.log_probs[:, 1] - one.log_probs[:, 0]
            shares[one.seed] = (margins[labels][:, None] > margins[~labels]).mean()
    (train,) = (one for one in load_shot_scores() if one.split == "train")
    assert len(shares) == len(prompt_smollm2.CANDIDATES)
    assert max(shares, key=shares.get) == train.seed


# --- smollm2-king-james


def test_the_adapter_of_smollm2_rewrites_better_than_its_base(smollm2, tmp_path):
    log = json.loads((WEIGHTS / "smollm2-king-james" / "log.json").read_text(encoding="utf-8"))
    batches = train_smollm2_king_james.pairs_of(smollm2.tokenizer, "test", 4)
    base = to_hf(smollm2.model)
    config = TrainingConfig(num_steps=1, learning_rate=1e-9)
    losses = {}
    for name in ("base", "adapted"):
        model = base if name == "base" else load_peft_adapter("smollm2-king-james", base)
        for parameter in model.parameters():  # something to train, or the trainer is not made
            parameter.requires_grad_(True)
        trainer = hugging_face_trainer(model, batches, config, batches, output_dir=tmp_path)
        losses[name] = trainer.evaluate()["eval_loss"]
    assert losses["adapted"] < losses["base"] - 0.3
    assert log["validation_losses"][-1] < log["loss_before"] - 0.3
    card = (WEIGHTS / "smollm2-king-james" / "README.md").read_text(encoding="utf-8")
    count = sum(p.numel() for name, p in model.named_parameters() if "lora_" in name)
    assert f"{count:,} numbers" in card


def test_the_adapter_of_smollm2_knows_its_base(smollm2):
    stored = (WEIGHTS / "smollm2-king-james" / "base.txt").read_text(encoding="utf-8").strip()
    base = to_hf(smollm2.model)
    assert base_fingerprint(base) == stored
    with torch.no_grad():
        base.model.norm.weight[0] += 1
    with pytest.raises(ValueError, match="another base model: that one has 134,515,008"):
        load_peft_adapter("smollm2-king-james", base)
