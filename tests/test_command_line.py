"""The commands do what the package does, and say what is wrong in one line."""

import re
import subprocess
import sys

import pytest
import torch

from lmtutor import decoding, metrics, models, pretrained
from lmtutor.command_line import main, read_documents
from lmtutor.models import NgramModel
from lmtutor.tokenizers import BytePairTokenizer, CharacterTokenizer, WordTokenizer

NUMBERS = ("one", "two", "three", "four")
LINES = [f"the king said unto the people {number}, go" for number in NUMBERS] * 15


@pytest.fixture
def text(tmp_path):
    path = tmp_path / "text.txt"
    path.write_text("\n\n".join(LINES) + "\n", encoding="utf-8")
    return str(path)


def run(capsys, *arguments):
    """The exit code, and what was printed and what was complained of."""
    code = main([str(argument) for argument in arguments])
    return (code, *capsys.readouterr())


def test_without_a_command_it_says_what_there_is():
    done = subprocess.run(
        [sys.executable, "-m", "lmtutor"], capture_output=True, text=True, check=True
    )
    for word in ("tokenizers", "kjv", "rotten_tomatoes", "gpt-kjv", "perplexity"):
        assert re.search(rf"\b{word}\b", done.stdout)


def test_an_ngram_model_is_trained_measured_and_written_with(capsys, text, tmp_path):
    folder = tmp_path / "mine"
    code, said, _ = run(
        capsys, "train", text, "--out", folder, "--order", 3, "--vocab-size", 280
    )
    assert code == 0
    assert "57 documents to train on, 3 held out" in said
    kept = [line for place, line in enumerate(LINES) if place % 20 != 19]
    tokenizer = BytePairTokenizer(280).fit(kept)
    model = NgramModel(3, "kneser_ney", vocab_size=tokenizer.vocab_size)
    model.fit(map(tokenizer.encode, kept))
    held_out = LINES[19::20]
    assert f"held-out documents: {metrics.bits_per_byte(model, tokenizer, held_out)}" in said
    found = pretrained.load_model(folder)
    assert found.tokenizer.merges == tokenizer.merges

    code, said, _ = run(capsys, "perplexity", folder, text)
    score = metrics.bits_per_byte(model, tokenizer, LINES)
    assert code == 0
    assert str(score) in said
    perplexity = metrics.perplexity(model, map(tokenizer.encode, LINES))
    assert f"perplexity {perplexity:.2f} per token" in said

    arguments = ("generate", folder, "--prompt", "the king", "--tokens", 9)
    code, said, _ = run(capsys, *arguments, "--temperature", 0)
    assert said == f"the king{decoding.generate_text(model, tokenizer, 'the king', 9)}\n"
    code, said, _ = run(capsys, *arguments, "--seed", 3, "--top-k", 5)
    strategy = decoding.Sample(0.8, top_k=5, top_p=0.95)
    expected = decoding.generate_text(model, tokenizer, "the king", 9, strategy, seed=3)
    assert said == f"the king{expected}\n"


@pytest.mark.parametrize("kind", ["rnn", "lstm", "gru", "gpt"])
@pytest.mark.parametrize("tokenizer", ["characters", "byte-pair"])
def test_networks_are_trained(capsys, text, tmp_path, kind, tokenizer):
    arguments = ("train", text, "--kind", kind, "--tokenizer", tokenizer)
    sizes = ("--hidden-size", 16, "--layers", 1, "--heads", 2, "--context", 32)
    sizes += ("--vocab-size", 290) if tokenizer == "byte-pair" else ()
    rates = ("--batch-tokens", 128, "--learning-rate", 0.01)
    bits = {}
    for steps in (1, 40):
        folder = tmp_path / f"after {steps}"
        out = ("--out", folder, "--steps", steps)
        code, said, _ = run(capsys, *arguments, *out, *sizes, *rates)
        assert code == 0
        assert "numbers learnt" in said
        bits[steps] = float(re.search(r"([\d.]+) bits per byte", said)[1])
        loaded = pretrained.load_model(folder)
        score = metrics.bits_per_byte(loaded.model, loaded.tokenizer, LINES[19::20])
        assert f"held-out documents: {score}" in said
    assert bits[40] < 0.8 * bits[1]


def test_whole_files_are_documents_too(text, tmp_path):
    other = tmp_path / "other.txt"
    other.write_text("one\n\ntwo\n", encoding="utf-8")
    assert read_documents([text, str(other)]) == [*LINES, "one", "two"]
    assert read_documents([str(other)], whole=True) == ["one\n\ntwo\n"]


def test_models_of_the_package_are_known_by_name(capsys, text, tmp_path):
    code, said, _ = run(capsys, "perplexity", "lstm-kjv", text)
    lstm = pretrained.load_pretrained("lstm-kjv")
    assert code == 0
    assert str(metrics.bits_per_byte(lstm.model, lstm.tokenizer, LINES)) in said
    page = tmp_path / "play.html"
    code, said, _ = run(capsys, "playground", "lstm-kjv", "--out", page, "--prompt", "In the")
    assert code == 0
    assert "<lm-playground" in page.read_text(encoding="utf-8")
    assert said.startswith(f"{page}: lstm-kjv, 1.6 MB")


def test_faults_are_one_line_and_exit_code_2(capsys, text, tmp_path):
    latin = tmp_path / "latin.txt"
    latin.write_bytes(b"caf\xe9")
    empty = tmp_path / "empty.txt"
    empty.write_text(" \n")
    out = ("--out", tmp_path / "out")
    for arguments, words in (
        (("perplexity", "no-such", text), "neither a folder with a model nor one of bert-kjv"),
        (("perplexity", "bert-kjv", text), "bert-kjv is a BertForPreTraining and no language"),
        (("perplexity", "lstm-kjv", tmp_path / "none.txt"), "No such file"),
        (("perplexity", "lstm-kjv", latin), "is not in UTF-8 (byte 3"),
        (("perplexity", "lstm-kjv", empty), "there is no text in"),
        (("perplexity", tmp_path, text), "model.safetensors"),
        (("generate", "lstm-kjv", "--tokens", -1), "max_new_tokens is -1"),
        (("generate", "lstm-kjv", "--top-p", 2), "top_p is 2.0"),
        (("train", text, *out, "--order", 0), "order is 0"),
        (("train", text, *out, "--vocab-size", 9), "vocab_size is 9"),
        (("train", text, *out, "--kind", "gpt", "--heads", 3), "does not divide into 3 heads"),
        (("train", text, *out, "--kind", "lstm", "--steps", 0), "num_steps is 0"),
    ):
        code, _, complaint = run(capsys, *arguments)
        assert code == 2, arguments
        assert complaint.startswith("lmtutor: ")
        assert words in complaint
        assert complaint.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_control_c_ends_without_a_traceback(capsys, monkeypatch, text):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("lmtutor.command_line.read_documents", interrupt)
    assert run(capsys, "perplexity", "lstm-kjv", text) == (130, "", "lmtutor: stopped\n")


# --- folders


WORDS = WordTokenizer().fit(LINES)
SIZES = {"vocab_size": WORDS.vocab_size, "hidden_size": 8}
SAVED = {
    "n-gram": NgramModel(2, "kneser_ney", vocab_size=WORDS.vocab_size).fit(
        map(WORDS.encode, LINES)
    ),
    "RNN": models.RNNLanguageModel(**SIZES),
    "LSTM": models.LSTMLanguageModel(**SIZES, tied=True),
    "GRU": models.GRULanguageModel(**SIZES, num_layers=2),
    "GPT": models.GPT(**SIZES, num_heads=2, num_layers=1),
    "ModernGPT": models.ModernGPT(**SIZES, num_heads=2, num_layers=1),
    "Llama": models.Llama(**SIZES, num_heads=2, num_layers=1),
    "neural n-gram": models.NeuralNgram(**SIZES, order=3),
}


@pytest.mark.parametrize("model", SAVED.values(), ids=SAVED)
def test_a_saved_model_comes_back(tmp_path, model):
    pretrained.save_model(tmp_path / "a" / "b", model, WORDS)
    found = pretrained.load_model(tmp_path / "a" / "b")
    assert type(found.model) is type(model)
    assert list(found.tokenizer.vocabulary) == list(WORDS.vocabulary)
    ids = torch.tensor([[0, *WORDS.encode(LINES[0])]])
    with models.language_model.inference(model):
        assert torch.equal(found.model.log_probs(ids), model.log_probs(ids))


def test_what_does_not_belong_together_is_refused(tmp_path):
    other = CharacterTokenizer().fit(["abc"])
    with pytest.raises(ValueError, match=f"{WORDS.vocab_size} ids and the tokenizer 261"):
        pretrained.save_model(tmp_path, SAVED["GPT"], other)
    bert = models.Bert(vocab_size=9, hidden_size=8, num_layers=1, num_heads=2)
    with pytest.raises(ValueError, match="not a Bert with a"):
        pretrained.save_model(tmp_path, bert, WORDS)
    pretrained.save_model(tmp_path, SAVED["GPT"], WORDS)
    other.save(tmp_path / "tokenizer.json")
    with pytest.raises(ValueError, match="do not belong together"):
        pretrained.load_model(tmp_path)
    (tmp_path / "tokenizer.json").write_text("{")
    with pytest.raises(ValueError, match="not a whole file of ours"):
        pretrained.load_model(tmp_path)
    (tmp_path / "tokenizer.json").unlink()
    with pytest.raises(FileNotFoundError):
        pretrained.load_model(tmp_path)
    bert.save(tmp_path / "model.safetensors")
    with pytest.raises(ValueError, match="holds a Bert; here one of GPT"):
        pretrained.load_model(tmp_path)
