"""The road of the full profile, from the hub's data and models to a classifier for others, with
a small cache in the place of the network.
"""

import json
import random
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from test_hub import hub_cache, write_gpt2
from test_labelled import snapshot

from lmtutor.data import LabelledBatches, load_task
from lmtutor.metrics import accuracy
from lmtutor.pretrained import load_bert
from lmtutor.training import TrainingConfig, classification_metrics, hugging_face_trainer

NAME = "some-org/tiny-reviews-bert"
MARKS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
GOOD, BAD, OTHER = (
    ["fine", "bright", "joy"],
    ["dull", "flat", "bore"],
    ["film", "the", "##s", "plot"],
)


def some_reviews(number, seed):
    drawn = random.Random(seed)
    labels = [index // 3 % 2 for index in range(number)]
    texts = [
        " ".join(
            drawn.choices([*OTHER[:2], "Plots"], k=4) + drawn.choices([BAD, GOOD][label], k=2)
        )
        for label in labels
    ]
    return {"text": texts, "label": labels}


PAPER = "google-bert/bert-base-uncased"


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """What an earlier run with a network has left: a data set, a BERT and its tokenizer."""
    from datasets import load_dataset
    from huggingface_hub.constants import HF_HUB_CACHE
    from transformers import BertConfig, BertModel, BertTokenizerFast

    splits = {"train": some_reviews(60, 0), "test": some_reviews(21, 1)}
    folder = snapshot(tmp_path / "imdb", splits, ["neg", "pos"], "plain_text")
    load_dataset(str(folder), "plain_text", cache_dir=tmp_path / "made")
    shutil.copytree(tmp_path / "made" / "imdb", tmp_path / "cache" / "stanfordnlp___imdb")
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    tokens = [*MARKS, *GOOD, *BAD, *OTHER]
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2}
    config = BertConfig(vocab_size=len(tokens), num_attention_heads=2, **sizes)
    model = BertModel(config)
    for parameter in (one for one in model.parameters() if one.ndim == 2):
        torch.nn.init.normal_(parameter, std=0.3)  # larger than usual, to learn in few steps
    model.save_pretrained(tmp_path / "bert")
    ids = {token: number for number, token in enumerate(tokens)}
    BertTokenizerFast(vocab=ids).save_pretrained(tmp_path / "bert")
    for name in (NAME, PAPER):
        hub_cache(HF_HUB_CACHE, tmp_path / "bert", name)
    yield
    for name in (NAME, PAPER):
        shutil.rmtree(Path(HF_HUB_CACHE) / f"models--{name.replace('/', '--')}")


def cells_of(page):
    """What a chapter imports, and its cell for the full profile, as text."""
    text = (Path(__file__).parents[1] / "book" / page).read_text(encoding="utf-8")
    cells = re.findall(r"^```\{code-cell\}[^\n]*\n(.*?)^```", text, re.M | re.S)
    imports = next(cell for cell in cells if "\nfrom lmtutor import" in cell)
    (asked,) = (cell for cell in cells if 'current_profile() == "full"' in cell)
    return imports.partition("\nset_threads")[0], asked


def test_the_gpt_of_the_hub_learns_in_the_chapter(tmp_path, monkeypatch, capsys):
    from huggingface_hub.constants import HF_HUB_CACHE

    name = "openai-community/gpt2"
    write_gpt2(tmp_path / "gpt2", n_embd=32)
    hub_cache(HF_HUB_CACHE, tmp_path / "gpt2", name)
    imports, asked = cells_of("14-fine-tuning-gpt.md")
    new = ["In the beginning, God created the heavens.", "Jesus wept."]
    names = {"verses": {"train": {"web": new * 4}}, "tests": {"new": new}}
    names["sizes"] = {"new": np.array([len(verse) + 1 for verse in new])}
    try:
        exec(imports, names)
        exec(asked, names)
        assert "only in the profile full" in capsys.readouterr().out
        monkeypatch.setenv("LMTUTOR_PROFILE", "full")
        exec(asked, names)
    finally:
        shutil.rmtree(Path(HF_HUB_CACHE) / f"models--{name.replace('/', '--')}")
    said = capsys.readouterr().out
    before, after = map(float, re.findall(r"(\d+\.\d+) bits per byte before, (\S+)", said)[0])
    assert after < before
    assert "numbers are trained" in said


def test_the_bert_of_the_hub_learns_in_the_chapter(hub, monkeypatch, capsys):
    imports, asked = cells_of("15-fine-tuning-bert.md")
    names = {}
    exec(imports, names)
    exec(asked, names)
    assert "only in the profile full" in capsys.readouterr().out

    monkeypatch.setenv("LMTUTOR_PROFILE", "full")
    exec(asked, names)
    said = capsys.readouterr().out
    assert "All 54 texts fit into 512 tokens, and none was cut." in said
    assert "accuracy" in said
    assert names["large_shares"].shape == (21, 2)
    encoder = load_bert(PAPER).model.bert.state_dict()
    trained = names["large"].bert.state_dict()
    assert any(not torch.equal(trained[name], encoder[name]) for name in encoder)


def test_a_classifier_from_the_hub_and_back(hub, tmp_path, monkeypatch):
    from transformers import AutoModelForSequenceClassification, AutoTokenizer, pipeline

    monkeypatch.setenv("LMTUTOR_PROFILE", "full")
    reviews = load_task("imdb")
    assert reviews.num_rows == {"train": 54, "validation": 6, "test": 21}
    names = reviews["train"].features["label"].names

    tokenizer = load_bert(NAME).tokenizer
    model = AutoModelForSequenceClassification.from_pretrained(
        NAME, id2label=dict(enumerate(names)), label2id={n: k for k, n in enumerate(names)}
    )
    options = {"vocab_size": model.config.vocab_size, "max_length": 16, "batch_size": 9}
    train, validation, test = (
        LabelledBatches.from_dataset(reviews[split], tokenizer, **options) for split in reviews
    )
    trainer = hugging_face_trainer(
        model,
        train,
        TrainingConfig(num_steps=60, learning_rate=0.01, warmup_steps=3, evaluate_every=30),
        validation,
        output_dir=tmp_path / "tuned",
        compute_metrics=classification_metrics,
    )
    before = trainer.evaluate(test)["eval_loss"]
    trainer.train()
    scores = trainer.evaluate(test)
    assert scores["eval_loss"] < 0.5 * before
    trainer.save_model()
    AutoTokenizer.from_pretrained(NAME).save_pretrained(tmp_path / "tuned")

    expected = probabilities(model, test)
    assert scores["eval_accuracy"] == accuracy(expected.argmax(1), reviews["test"]["label"])
    assert scores["eval_accuracy"] > 0.9
    again = AutoModelForSequenceClassification.from_pretrained(tmp_path / "tuned")
    np.testing.assert_allclose(probabilities(again, test), expected, rtol=0, atol=1e-6)
    classify = pipeline(
        "text-classification", str(tmp_path / "tuned"), top_k=None, device="cpu"
    )
    for row, scored in zip(expected, classify(list(reviews["test"]["text"])), strict=True):
        assert {one["label"]: one["score"] for one in scored} == pytest.approx(
            dict(zip(names, row.tolist(), strict=True)), abs=1e-6
        )
    settings = json.loads((tmp_path / "tuned" / "config.json").read_text())
    assert settings["id2label"] == {"0": "neg", "1": "pos"}
    assert settings["architectures"] == ["BertForSequenceClassification"]


@torch.inference_mode()
def probabilities(model, batches):
    """(N, C) in the order of the texts, by a model of `transformers`."""
    found = {}
    for rows, batch in batches.in_order():
        logits = model(batch.inputs, attention_mask=batch.mask.long()).logits
        found |= dict(zip(rows.tolist(), logits.softmax(dim=1).numpy(), strict=True))
    return np.stack([found[row] for row in sorted(found)])
