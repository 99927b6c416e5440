"""Encoder and decoder: as PyTorch's layers, padded or not, step by step or at once."""

import math
from dataclasses import replace
from random import Random

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from lmtutor.data import IGNORED, SentencePairs
from lmtutor.decoding import BeamSearch, translate
from lmtutor.models import Seq2Seq, Seq2SeqConfig, WordSubstitutions
from lmtutor.tokenizers import WordTokenizer
from lmtutor.training import TrainingConfig, evaluate_loss, fit_model

EXACT = {"rtol": 1e-9, "atol": 1e-9}
KINDS = ("additive", "multiplicative", None)
V, S = 11, 9  # vocabularies of target and source


def loud(kind, seed=0, **settings):
    torch.manual_seed(seed)
    sizes = {"vocab_size": V, "source_vocab_size": S, "embedding_size": 4, "hidden_size": 6}
    model = Seq2Seq(attention=kind, **{**sizes, **settings}).double().eval()
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.5)
    return model


def pairs(seed, number=5):
    generator = torch.Generator().manual_seed(seed)

    def texts(vocabulary):
        lengths = torch.randint(1, 7, (number,), generator=generator).tolist()
        return [
            torch.randint(2, vocabulary, (length,), generator=generator).tolist()
            for length in lengths
        ]

    return texts(S), texts(V)


def one_batch(sources, targets):
    (batch,) = SentencePairs(sources, targets, batch_size=len(sources)).epoch(0)
    return batch


def reference(model, source, target):
    """(T, V) log-probabilities of one pair, by PyTorch's layers and loops over positions."""
    vectors = model.source_embedding(torch.tensor([[*source, 1]]))
    states, last = model.encoder.gru(vectors)  # nothing is padded, so nothing is packed
    summary = torch.cat([last[0], last[1]], dim=-1)
    decoder = model.decoder
    state = torch.tanh(decoder.start(summary))
    cell = nn.GRUCell(decoder.cell.input_size, decoder.cell.hidden_size).double()
    fused = decoder.cell.to_torch()
    cell.load_state_dict(
        {name.removesuffix("_l0"): value for name, value in fused.state_dict().items()}
    )
    rows = []
    for token in [0, *target]:
        vector = model.embedding(torch.tensor([token]))
        if model.config.attention == "additive":
            look = decoder.attention
            inner = look.of_query(state)[:, None] + look.of_memory(states)
            weights = look.of_both(inner.tanh())[..., 0].softmax(dim=-1)
            context = (weights[..., None] * states).sum(dim=1)
            state = cell(torch.cat([vector, context], dim=-1), state)
        elif model.config.attention == "multiplicative":
            state = cell(vector, state)
            scores = (decoder.attention.of_memory(states) * state[:, None]).sum(dim=-1)
            context = (scores.softmax(dim=-1)[..., None] * states).sum(dim=1)
        else:
            context = summary
            state = cell(torch.cat([vector, context], dim=-1), state)
        features = torch.tanh(decoder.readout(torch.cat([vector, state, context], dim=-1)))
        rows.append(model.output(features).log_softmax(dim=-1))
    return torch.cat(rows)


@settings(max_examples=25)
@given(kind=st.sampled_from(KINDS), seed=st.integers(0, 999))
def test_a_padded_batch_gives_what_pytorch_gives_one_by_one(kind, seed):
    model = loud(kind, seed)
    sources, targets = pairs(seed)
    batch = one_batch(sources, targets)
    logits = model(batch.sources, batch.source_lengths, batch.inputs)
    total = 0.0
    for source, length, inputs, wanted, row in zip(
        batch.sources, batch.source_lengths, batch.inputs, batch.targets, logits, strict=True
    ):
        steps = int((wanted != IGNORED).sum())
        expected = reference(model, source[: length - 1].tolist(), inputs[1:steps].tolist())
        torch.testing.assert_close(row[:steps].log_softmax(dim=-1), expected, **EXACT)
        total -= expected.gather(1, wanted[:steps, None]).sum().item()
    assert model.loss(batch).item() == pytest.approx(total, rel=1e-9)


@pytest.mark.parametrize("kind", KINDS)
def test_reading_step_by_step_equals_all_at_once(kind):
    model = loud(kind)
    sources, _ = pairs(3, number=3)
    ids = torch.randint(2, V, (3, 6))
    ids[:, 0] = 0
    lengths = torch.tensor([len(source) + 1 for source in sources])
    padded = torch.ones(3, int(lengths.max()), dtype=torch.long)
    for row, source in enumerate(sources):
        padded[row, : len(source)] = torch.tensor(source)
    expected = model(padded, lengths, ids).log_softmax(dim=-1)
    reader = model.start_reading(sources)
    torch.testing.assert_close(reader.read(ids[:, :2]), expected[:, 1], **EXACT)
    torch.testing.assert_close(reader.read(ids[:, 2:3]), expected[:, 2], **EXACT)
    rows = torch.tensor([2, 0, 0])
    reader.select(rows)
    torch.testing.assert_close(reader.read(ids[rows, 3:]), expected[rows, 5], **EXACT)


@pytest.mark.parametrize("kind", KINDS)
def test_a_target_does_not_feel_its_future_but_all_of_its_source(kind):
    model = loud(kind)
    vectors = torch.randn(1, 5, 4, dtype=torch.float64, requires_grad=True)
    memory = model.encode(torch.tensor([[3, 4, 5, 1]]), torch.tensor([4]))
    features, _, _ = model.decoder(vectors, memory, model.decoder.first_state(memory))
    features[0, 2].sum().backward()
    felt = vectors.grad[0].abs().sum(dim=-1)
    assert (felt[:3] > 0).all()
    assert (felt[3:] == 0).all()
    base = model(torch.tensor([[3, 4, 5, 1]]), torch.tensor([4]), torch.tensor([[0]]))
    for place in range(3):
        changed = torch.tensor([[3, 4, 5, 1]])
        changed[0, place] = 7
        other = model(changed, torch.tensor([4]), torch.tensor([[0]]))
        assert (base - other).abs().max() > 1e-6


def test_alignments_are_distributions_over_what_is_there():
    sources, targets = pairs(4)
    batch = one_batch(sources, targets)
    where = torch.arange(batch.sources.shape[1]) < batch.source_lengths[:, None]
    for kind in ("additive", "multiplicative"):
        weights = loud(kind).alignments(batch.sources, batch.source_lengths, batch.inputs)
        assert weights.shape == (*batch.inputs.shape, batch.sources.shape[1])
        torch.testing.assert_close(
            weights.sum(dim=-1), torch.ones_like(weights[..., 0]), **EXACT
        )
        assert (weights[~where[:, None].expand_as(weights)] == 0).all()
    with pytest.raises(ValueError, match="made with attention=None"):
        loud(None).alignments(batch.sources, batch.source_lengths, batch.inputs)


@pytest.mark.parametrize("kind", KINDS)
def test_a_fresh_model_knows_nothing_and_can_learn_one_batch_by_heart(kind):
    torch.manual_seed(0)
    sources, targets = pairs(5, number=8)
    data = SentencePairs(sources, targets, batch_size=8)
    model = Seq2Seq(
        vocab_size=V,
        source_vocab_size=S,
        attention=kind,
        embedding_size=16,
        hidden_size=32,
    )
    assert evaluate_loss(model, data) == pytest.approx(math.log(V), abs=0.1)
    fit_model(model, data, TrainingConfig(num_steps=150, learning_rate=0.02), progress=False)
    assert evaluate_loss(model, data) < 0.05
    reader = model.eval().start_reading(sources)
    found = BeamSearch(1).search_batch(
        reader, torch.zeros(8, 1, dtype=torch.long), 12, bos_id=0, eos_id=1
    )
    assert [list(best.ids) for (best,) in found] == targets


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_saved_and_loaded(kind, shared, tmp_path):
    sizes = {"source_vocab_size": V} if shared else {}
    model = loud(kind, shared=shared, **sizes).float()
    model.save(tmp_path / "model.safetensors")
    again = Seq2Seq.load(tmp_path / "model.safetensors")
    assert again.config == model.config
    assert again.num_parameters == model.num_parameters
    assert (again.output.weight is again.source_embedding.weight) == shared
    batch = one_batch(*pairs(6))
    assert again.loss(batch).item() == model.loss(batch).item()


def test_translation_end_to_end_on_a_cipher():
    letters = list("abcdef")
    random = Random(0)
    sources = [" ".join(random.choices(letters, k=random.randint(1, 5))) for _ in range(400)]
    cipher = dict(zip(letters, "UVWXYZ", strict=True))
    targets = [" ".join(cipher[letter] for letter in text.split()) for text in sources]
    old, new = WordTokenizer().fit(sources), WordTokenizer().fit(targets)
    torch.manual_seed(1)
    model = Seq2Seq(
        vocab_size=new.vocab_size,
        source_vocab_size=old.vocab_size,
        embedding_size=16,
        hidden_size=32,
    )
    data = SentencePairs(
        [old.encode(text) for text in sources], [new.encode(text) for text in targets], 32
    )
    fit_model(model, data, TrainingConfig(num_steps=150, learning_rate=0.02), progress=False)
    held_out = ["f e d c b", "a a b", "c"]
    assert translate(model, old, new, held_out) == ["Z Y X W V", "U U V", "W"]
    weights = model.alignments(
        torch.tensor([[*old.encode("f e d c b"), 1]]),
        torch.tensor([6]),
        torch.tensor([[0, *new.encode("Z Y X W")]]),
    )
    looked_at = weights[0].argmax(
        dim=-1
    )  # each word at its own, or beside it: states know both
    assert (looked_at - torch.arange(5)).abs().max() <= 1
    assert looked_at.diff().min() >= 0


# --- bad input


def test_configurations_that_cannot_be_are_refused():
    good = {"vocab_size": 9, "source_vocab_size": 9}
    for settings_, message in (
        ({"hidden_size": 7}, "hidden_size even.* 7 and 512"),
        ({"embedding_size": 0}, "must be at least 1.* 0, 256 and 512"),
        ({"attention": "bahdanau"}, "no attention 'bahdanau'; there are 'additive'"),
        ({"shared": True, "source_vocab_size": 8}, "vocab_size is 9 and source_vocab_size 8"),
        ({"dropout": 1.0}, "1.0"),
        ({"max_source_length": 0}, "and 0"),
    ):
        with pytest.raises(ValueError, match=message):
            Seq2SeqConfig(**{**good, **settings_})


@pytest.mark.parametrize("kind", KINDS)
def test_sources_that_do_not_fit_are_refused(kind):
    model = loud(kind, max_source_length=3)
    with pytest.raises(ValueError, match="source 1 has 4 tokens; this model takes from 1 to 3"):
        model.start_reading([[2], [2, 3, 4, 5]])
    with pytest.raises(ValueError, match="source 0 has 0 tokens"):
        model.start_reading([[]])
    with pytest.raises(ValueError, match="there is no source"):
        model.start_reading([])
    with pytest.raises(ValueError, match=rf"{S}"):
        model.start_reading([[S]])
    sources, lengths = torch.tensor([[2, 1]]), torch.tensor([2])
    with pytest.raises(ValueError, match=r"lengths \[3\]; give one length"):
        model(sources, lengths + 1, torch.tensor([[0]]))
    with pytest.raises(
        ValueError, match=r"there are 1 sources, and inputs have shape \(2, 1\)"
    ):
        model(sources, lengths, torch.tensor([[0], [0]]))
    with pytest.raises(ValueError, match=r"inputs have shape \(1, 0\)"):
        model(sources, lengths, torch.zeros(1, 0, dtype=torch.long))


def test_pairs_that_are_none_are_refused():
    with pytest.raises(ValueError, match="2 sources and 1 targets"):
        SentencePairs([[2], [3]], [[2]], batch_size=1)
    with pytest.raises(ValueError, match="0 sources and 0 targets"):
        SentencePairs([], [], batch_size=1)
    with pytest.raises(ValueError, match="source 1 is empty"):
        SentencePairs([[2], []], [[2], [3]], batch_size=1)
    with pytest.raises(ValueError, match="batch_size is 0"):
        SentencePairs([[2]], [[2]], batch_size=0)
    with pytest.raises(ValueError, match="source 0 is 'ab'"):
        SentencePairs(["ab"], [[2]], batch_size=1)


# --- batches of pairs


@settings(max_examples=25)
@given(seed=st.integers(0, 99), batch_size=st.integers(1, 7), number=st.integers(1, 20))
def test_an_epoch_holds_every_pair_once(seed, batch_size, number):
    sources, targets = pairs(seed, number)
    data = SentencePairs(sources, targets, batch_size, seed)
    batches = list(data.epoch(1))
    assert len(batches) == len(data)
    seen = []
    for batch in batches:
        assert batch.num_targets == int((batch.targets != IGNORED).sum())
        for source, length, inputs, wanted in zip(
            batch.sources, batch.source_lengths, batch.inputs, batch.targets, strict=True
        ):
            there = wanted != IGNORED
            assert (source[length - 1 :] == 1).all()  # the end mark, and padding after it
            assert int(inputs[0]) == 0
            assert inputs[there][1:].tolist() == wanted[there][:-1].tolist()
            assert int(wanted[there][-1]) == 1
            seen.append((source[: length - 1].tolist(), wanted[there][:-1].tolist()))
    assert sorted(seen) == sorted(zip(sources, targets, strict=True))
    again = list(data.epoch(1, start=len(data) - 1))
    assert torch.equal(again[0].sources, batches[-1].sources)


def test_pairs_of_about_one_length_share_a_batch():
    sources = [[2] * length for length in range(1, 41)]
    batches = SentencePairs(sources, sources, batch_size=8).epoch(0)
    assert all(
        int(batch.source_lengths.max() - batch.source_lengths.min()) == 7 for batch in batches
    )


def test_the_share_of_a_process_gives_the_loss_of_its_rows():
    model = loud("additive")
    batch = one_batch(*pairs(7))
    shares = [batch.share(number, 2) for number in range(2)]
    assert sum(model.loss(share).item() for share in shares) == pytest.approx(
        model.loss(batch).item(), rel=1e-9
    )


def test_pairs_describe_themselves():
    one = SentencePairs([[2, 3]], [[4]], 1).describe()
    assert one["kind"] == "SentencePairs"
    assert one != SentencePairs([[2]], [[3, 4]], 1).describe()


# --- a table in place of a network


def test_a_table_learns_what_words_become():
    old = ["thou art he", "thou hast it; he hath it", "and the LORD said", "verily he hath it"]
    new = ["you are he", "you have it; he has it", "Yahweh said", "he has it"]
    table = WordSubstitutions().fit(old, new)
    assert table.table_["thou"] == "you"
    assert table.table_["hath"] == "has"
    assert table.table_["verily"] == ""
    assert table.table_["LORD"] == "Yahweh"
    assert "it" not in table.table_
    assert table.translate("verily thou hath Zelophehad; it") == "you has Zelophehad; it"


def test_a_table_refuses_what_it_cannot_count():
    with pytest.raises(ValueError, match="2 sources and 1 targets"):
        WordSubstitutions().fit(["a", "b"], ["a"])
    with pytest.raises(ValueError, match="call fit"):
        WordSubstitutions().translate("a")


def test_dropout_is_there_in_training_only():
    batch = one_batch(*pairs(8))
    model = loud("multiplicative", dropout=0.5)
    assert model.loss(batch).item() == model.loss(batch).item()
    model.train()
    assert model.loss(batch).item() != model.loss(batch).item()


# --- what could go wrong unseen


@pytest.mark.parametrize("kind", KINDS)
def test_dropout_meets_sources_targets_and_features_and_a_reader_drops_likewise(kind):
    model, shapes = loud(kind, dropout=0.5).train(), []
    model.dropout.register_forward_hook(lambda _, given, out: shapes.append(out.shape))
    model(torch.tensor([[2, 3, 1]]), torch.tensor([3]), torch.tensor([[0, 2]]))
    assert shapes == [(1, 3, 4), (1, 2, 4), (1, 2, 4)]
    shapes.clear()
    model.start_reading([[2, 3]]).read(torch.tensor([[0, 2]]))
    assert shapes == [(1, 3, 4), (1, 2, 4), (1, 4)]


@pytest.mark.parametrize("kind", KINDS)
def test_the_marks_are_those_of_the_configuration(kind):
    model = loud(kind, bos_id=3, eos_id=2)
    sources, targets = [[4, 5, 6], [7]], [[4], [5, 6]]
    (batch,) = SentencePairs(sources, targets, 2, bos_id=3, eos_id=2).epoch(0)
    first = int(batch.source_lengths.argmax())
    assert batch.sources.tolist()[first] == [4, 5, 6, 2]
    assert batch.sources.tolist()[1 - first] == [7, 2, 2, 2]
    assert batch.inputs.tolist()[first] == [3, 4, 2]
    assert batch.targets.tolist()[1 - first] == [5, 6, 2]
    read = model.start_reading(sources).read(torch.tensor([[3], [3]]))
    expected = model(batch.sources, batch.source_lengths, batch.inputs)[:, 0].log_softmax(-1)
    torch.testing.assert_close(read, expected[[first, 1 - first]], **EXACT)
    with pytest.raises(ValueError, match="end mark 9 must be ids below vocab_size, which is 9"):
        loud(kind, eos_id=S)  # the target's vocabulary has room for it, the source's has not


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int8, torch.int16, torch.int32])
def test_a_reader_keeps_rows_of_any_whole_type_and_refuses_what_does_not_fit(dtype):
    model = loud("additive")
    reader = model.start_reading([[2], [3, 4], [5]])
    for wrong, message in (
        (torch.tensor([[0], [0]]), "ids have 2 rows, and the reader 3 texts"),
        (torch.tensor([[0], [0], [V]]), f"id {V} at position 0 of row 2"),
    ):
        with pytest.raises(ValueError, match=message):
            reader.read(wrong)
    with pytest.raises(ValueError, match="row 3 is none of the 3"):
        reader.select(torch.tensor([3]))
    reader.select(torch.tensor([1, 0], dtype=dtype))
    expected = model.start_reading([[3, 4], [2]]).read(torch.tensor([[0], [0]]))
    torch.testing.assert_close(reader.read(torch.tensor([[0], [0]])), expected, **EXACT)


@pytest.mark.parametrize("kind", KINDS)
def test_lengths_and_targets_that_do_not_fit_are_refused(kind):
    model = loud(kind, max_source_length=3)
    model.start_reading([[2, 3, 4]])  # as long as it may be
    sources, inputs = torch.tensor([[2, 3, 1], [2, 1, 1]]), torch.tensor([[0], [0]])
    for lengths in ([3, 0], [3], [2.5, 2.0], [4, 2]):
        with pytest.raises(ValueError, match="one length for each row, a whole number from 1"):
            model(sources, torch.tensor(lengths), inputs)
    with pytest.raises(ValueError, match=r"shape \(0, 3\) and lengths \[\]"):
        model(sources[:0], torch.empty(0).long(), inputs[:0])
    with pytest.raises(ValueError, match=f"id {V} at position 0 of row 1"):
        model(sources, torch.tensor([3, 2]), torch.tensor([[0], [V]]))
    for ids, message in (
        ([[2.7, 3.2]], "each source must be a list of ids .*float"),
        ([2, 3], "each source must be a list of ids .*int"),
    ):
        with pytest.raises(ValueError, match=message):
            model.start_reading(ids)
    batch = one_batch([[2]], [[3]])
    for targets, message in (
        (torch.tensor([[3]]), r"inputs have shape \(1, 2\) and targets \(1, 1\)"),
        (torch.tensor([[3, V]]), f"id {V} at position 1 of row 0"),
    ):
        with pytest.raises(ValueError, match=message):
            model.loss(replace(batch, targets=targets))


def test_a_text_longer_than_the_model_takes_is_named_before_any_is_translated():
    words = WordTokenizer().fit(["a b c"])
    size = words.vocab_size
    model = loud("additive", vocab_size=size, source_vocab_size=size, max_source_length=2)
    with pytest.raises(ValueError, match=r"text 2 \('a b c'\) has 3 tokens, .* takes 2"):
        translate(model, words, words, ["a", "b", "a b c", "c"], batch_size=1)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_eight_bits_are_near_the_weights_of_any_type(dtype, tmp_path):
    model = loud("additive").to(dtype)
    model.save(tmp_path / "model", dtype=torch.int8)
    again = Seq2Seq.load(tmp_path / "model")
    for one, other in zip(model.parameters(), again.parameters(), strict=True):
        assert (one.float() - other).abs().max() <= one.abs().max().float() / 100


def test_pairs_are_ordered_by_the_seed_and_by_both_sides():
    short, long = [2], [2] * 9
    batches = SentencePairs([short, long] * 4, [long, long] * 2 + [short, short] * 2, 2).epoch(
        0
    )
    for batch in batches:  # of four kinds of pairs, two of each
        assert len(set(batch.source_lengths.tolist())) == 1
        assert len(set((batch.targets != -100).sum(dim=1).tolist())) == 1
    ids = [[number] for number in range(2, 42)]
    orders = [
        [batch.sources.tolist() for batch in SentencePairs(ids, ids, 4, seed).epoch(epoch)]
        for seed, epoch in ((0, 0), (1, 0), (0, 1), (0, 0))
    ]
    assert orders[0] == orders[3]
    assert orders[0] != orders[1]
    assert orders[0] != orders[2]
    one = SentencePairs([[2, 3]], [[4]], 1).describe()
    assert one["crc32"] != SentencePairs([[2, 3]], [[5]], 1).describe()["crc32"]
    assert one["crc32"] != SentencePairs([[2, 4]], [[4]], 1).describe()["crc32"]
    with pytest.raises(ValueError, match=r"target 0 is \[3\.0\]"):
        SentencePairs([[2]], [[3.0]], batch_size=1)
