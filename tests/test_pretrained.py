"""The models that the project trained: whole, small, as good as their log says."""

import shutil
import time
from dataclasses import replace

import pytest
import torch

from lmtutor import pretrained
from lmtutor.data import load_task
from lmtutor.decoding import translate
from lmtutor.metrics import bits_per_byte, bleu, masked_accuracy
from lmtutor.pretrained import available_pretrained, load_ablations, load_pretrained
from lmtutor.pretrained.own import WEIGHTS
from lmtutor.tokenizers import BytePairTokenizer, WordPieceTokenizer
from lmtutor.weights.ablate_gpt_kjv import VARIANTS
from lmtutor.weights.train_bert_kjv import gaps


@pytest.mark.parametrize("name", available_pretrained())
def test_everything_that_belongs_to_a_model_is_there(name):
    trained = load_pretrained(name)
    assert not trained.model.training
    assert trained.tokenizer.vocab_size == trained.model.vocab_size
    assert {"config", "seconds", "tokens", "threads", "validation_losses"} <= trained.log.keys()
    assert trained.log["config"]["seed"] == 0
    script = f"train_{name.replace('-', '_')}"
    for part in ("## Trained by", script, "## Licence", "MIT", "seed"):
        assert part in trained.card
    assert (WEIGHTS / f"{script}.py").is_file()


def test_weights_are_small():
    sizes = {path: path.stat().st_size for path in WEIGHTS.rglob("*.safetensors")}
    assert sum(sizes.values()) < 16e6
    assert sizes[WEIGHTS / "lstm-kjv" / "model.safetensors"] < 3e6
    assert sizes[WEIGHTS / "gpt-kjv" / "model.safetensors"] < 7e6
    assert sizes[WEIGHTS / "bert-kjv" / "model.safetensors"] < 3e6
    assert sum(size for path, size in sizes.items() if "seq2seq" in str(path)) < 3.5e6


LANGUAGE_MODELS = ("gpt-kjv", "lstm-kjv")


@pytest.mark.parametrize("name", LANGUAGE_MODELS)
def test_a_language_model_scores_what_its_log_says(name, kjv):
    trained = load_pretrained(name)
    result = bits_per_byte(trained.model, trained.tokenizer, kjv.validation)
    assert result.value == pytest.approx(trained.log["validation_bits_per_byte"], abs=0.002)


def test_the_tokenizers_are_that_of_the_corpus(kjv):
    learnt = BytePairTokenizer(vocab_size=4096).fit(kjv.train)
    for name in LANGUAGE_MODELS:
        stored = load_pretrained(name).tokenizer
        assert all(learnt.encode(verse) == stored.encode(verse) for verse in kjv.test)


@pytest.mark.parametrize("name", LANGUAGE_MODELS)
def test_the_numbers_in_the_card_are_those_of_the_log(name):
    trained = load_pretrained(name)
    assert f"{trained.log['validation_bits_per_byte']:.3f}" in trained.card
    assert f"{trained.model.num_parameters:,}" in trained.card


def test_the_bert_finds_what_its_log_says(kjv):
    trained = load_pretrained("bert-kjv")
    found = masked_accuracy(trained.model, gaps(kjv, trained.tokenizer), num_resamples=1).value
    assert found == pytest.approx(trained.log["validation_masked_accuracy"], abs=0.002)
    assert f"{found:.1%}" in trained.card
    assert f"{trained.model.num_parameters:,}" in trained.card
    assert trained.model.untrained == frozenset()


def test_the_bert_reads_the_pieces_of_the_corpus(kjv):
    learnt = WordPieceTokenizer(vocab_size=4096).fit(kjv.train)
    assert list(learnt.vocabulary) == list(load_pretrained("bert-kjv").tokenizer.vocabulary)


TRANSLATORS = ("seq2seq-kjv-web", "seq2seq-kjv-web-summary")


@pytest.fixture(scope="module")
def verses():
    return load_task("verses_kjv_web", source="package")


@pytest.mark.parametrize("name", [*TRANSLATORS, "seq2seq-en-zh"])
def test_the_translators_score_what_their_logs_say(name, verses):
    trained = load_pretrained(name)
    if name == "seq2seq-en-zh":
        rows = load_task("interface_en_zh", source="package")["validation"]
        sources, references, tokenize, longest = rows["en"], rows["zh"], "zh", 60
    else:
        rows = verses["validation"]
        sources, references, tokenize, longest = rows["kjv"], rows["web"], "13a", 128
    written = translate(
        trained.model,
        trained.source_tokenizer,
        trained.tokenizer,
        sources,
        max_new_tokens=longest,
        batch_size=128,
    )
    score = bleu(written, references, tokenize=tokenize, num_resamples=1).value
    assert score == pytest.approx(trained.log["validation_bleu"], abs=0.3)
    assert f"{trained.log['validation_bleu']:.1f}" in trained.card
    assert f"{trained.model.num_parameters:,}" in trained.card


def test_the_translators_differ_in_their_attention_alone(verses):
    both = [load_pretrained(name) for name in TRANSLATORS]
    assert [one.model.config.attention for one in both] == ["additive", None]
    assert replace(both[0].model.config, attention=None) == both[1].model.config
    for setting in ("config", "batch_size", "tokens"):
        assert both[0].log[setting] == both[1].log[setting]
    learnt = BytePairTokenizer(vocab_size=4096).fit(
        [*verses["train"]["kjv"], *verses["train"]["web"]]
    )
    for one in both:
        assert list(one.tokenizer.vocabulary) == list(learnt.vocabulary)
        assert all(
            learnt.encode(verse) == one.tokenizer.encode(verse)
            for verse in verses["test"]["web"]
        )


def test_the_gpt_is_loaded_in_less_than_a_second():
    load_pretrained("gpt-kjv")  # what the first call imports
    times = []
    for _ in range(3):
        began = time.perf_counter()
        load_pretrained("gpt-kjv")
        times.append(time.perf_counter() - began)
    assert min(times) < 1


def test_ablations_change_one_thing_each():
    rows = load_ablations()
    assert [row.seed for row in rows if row.name == "with all"] == [0, 1, 2]
    made = {(v.name, v.learning_rate, v.seed) for v in VARIANTS}
    assert {(row.name, row.learning_rate, row.seed) for row in rows} == made
    assert all(1.2 < row.validation_bits_per_byte < 3 for row in rows)
    torch.manual_seed(0)
    sizes = {"context_length": 8, "hidden_size": 16, "num_layers": 2, "num_heads": 2}
    ids = torch.randint(0, 9, (2, 8))
    for variant in VARIANTS:
        model = variant.model(vocab_size=9, **sizes).double().eval()
        for parameter in model.parameters():
            torch.nn.init.normal_(parameter, std=0.5)
        reader = model.start_reading(2)
        read = torch.stack([reader.read(ids[:, t : t + 1]) for t in range(8)], dim=1)
        torch.testing.assert_close(read, model.log_probs(ids), rtol=1e-9, atol=1e-9)


def test_unknown_names_and_broken_files_are_refused(monkeypatch, tmp_path):
    with pytest.raises(
        ValueError, match="no trained model 'gpt_kjv'; there are 'bert-kjv', 'gpt"
    ):
        load_pretrained("gpt_kjv")
    shutil.copytree(WEIGHTS / "lstm-kjv", tmp_path / "lstm-kjv")
    weights = tmp_path / "lstm-kjv" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    monkeypatch.setattr(pretrained.own, "WEIGHTS", tmp_path)
    with pytest.raises(ValueError, match="not a whole file"):
        load_pretrained("lstm-kjv")
