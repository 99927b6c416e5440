"""The models that the project trained: whole, small, as good as their log says."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from lmtutor import pretrained
from lmtutor.data import load_task
from lmtutor.decoding import translate
from lmtutor.metrics import bits_per_byte, bleu
from lmtutor.pretrained import available_trained, load_trained
from lmtutor.tokenizers import BytePairTokenizer

HERE = Path(pretrained.__file__).parent


@pytest.mark.parametrize("name", available_trained())
def test_everything_that_belongs_to_a_model_is_there(name):
    trained = load_trained(name)
    assert not trained.model.training
    assert trained.tokenizer.vocab_size == trained.model.vocab_size
    assert {"config", "seconds", "tokens", "threads", "validation_losses"} <= trained.log.keys()
    assert trained.log["config"]["seed"] == 0
    for part in ("## Trained by", f"train_{name}", "## Licence", "MIT", "seed"):
        assert part in trained.card
    assert (HERE / f"train_{name}.py").is_file()


def test_weights_are_small():
    sizes = {path: path.stat().st_size for path in HERE.rglob("*.safetensors")}
    assert sum(sizes.values()) < 16e6
    assert sizes[HERE / "lstm_kjv" / "model.safetensors"] < 3e6
    assert sum(size for path, size in sizes.items() if "seq2seq" in str(path)) < 3.5e6


def test_the_lstm_scores_what_its_log_says(kjv):
    trained = load_trained("lstm_kjv")
    result = bits_per_byte(trained.model, trained.tokenizer, kjv.validation)
    assert result.value == pytest.approx(trained.log["validation_bits_per_byte"], abs=0.002)


def test_the_tokenizer_is_that_of_the_corpus(kjv):
    learnt = BytePairTokenizer(vocab_size=4096).fit(kjv.train)
    stored = load_trained("lstm_kjv").tokenizer
    assert all(learnt.encode(verse) == stored.encode(verse) for verse in kjv.test)


def test_the_numbers_in_the_card_are_those_of_the_log():
    trained = load_trained("lstm_kjv")
    assert f"{trained.log['validation_bits_per_byte']:.3f}" in trained.card
    assert f"{trained.model.num_parameters:,}" in trained.card


TRANSLATORS = ("seq2seq_kjv_web", "seq2seq_kjv_web_summary")


@pytest.fixture(scope="module")
def verses():
    return load_task("verses_kjv_web", source="package")


@pytest.mark.parametrize("name", [*TRANSLATORS, "seq2seq_en_zh"])
def test_the_translators_score_what_their_logs_say(name, verses):
    trained = load_trained(name)
    if name == "seq2seq_en_zh":
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
    both = [load_trained(name) for name in TRANSLATORS]
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


def test_unknown_names_and_broken_files_are_refused(monkeypatch, tmp_path):
    with pytest.raises(
        ValueError, match="no trained model 'gpt_kjv'; there are 'lstm_kjv', 'seq"
    ):
        load_trained("gpt_kjv")
    shutil.copytree(HERE / "lstm_kjv", tmp_path / "lstm_kjv")
    weights = tmp_path / "lstm_kjv" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    monkeypatch.setattr(pretrained.own, "_HERE", tmp_path)
    with pytest.raises(ValueError, match="not a whole file"):
        load_trained("lstm_kjv")
