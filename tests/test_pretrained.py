"""The models that the project trained: whole, small, as good as their log says."""

import shutil
from pathlib import Path

import pytest

from lmtutor import pretrained
from lmtutor.metrics import bits_per_byte
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


def test_unknown_names_and_broken_files_are_refused(monkeypatch, tmp_path):
    with pytest.raises(ValueError, match="no trained model 'gpt_kjv'; there are 'lstm_kjv'"):
        load_trained("gpt_kjv")
    shutil.copytree(HERE / "lstm_kjv", tmp_path / "lstm_kjv")
    weights = tmp_path / "lstm_kjv" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    monkeypatch.setattr(pretrained.own, "_HERE", tmp_path)
    with pytest.raises(ValueError, match="not a whole file"):
        load_trained("lstm_kjv")
