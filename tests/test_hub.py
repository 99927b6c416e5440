"""Weights of others come into our models and go back, or are refused with what is wrong."""

import json
import pickle
import shutil
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from parity import EXACT, llama_in_float64
from safetensors.torch import load_file, save_file
from torch import nn

from lmtutor.data import load_gpt2_merges
from lmtutor.decoding import generate_text
from lmtutor.metrics import bits_per_byte
from lmtutor.models import GPT, Llama, ModernGPT
from lmtutor.pretrained import HubTokenizer, load_gpt2, load_llama, to_hf
from lmtutor.tokenizers import BytePairTokenizer

LOADERS = {"gpt2": load_gpt2, "llama": load_llama}
GPT2 = [
    {"n_head": 1, "n_embd": 6, "n_positions": 1},
    {"n_head": 2, "n_embd": 6, "tie_word_embeddings": False},
    {"n_head": 3, "n_embd": 9, "n_inner": 5, "activation_function": "gelu_pytorch_tanh"},
    {"n_head": 4, "n_embd": 8, "n_inner": 31, "n_layer": 3, "n_positions": 40},
    {"n_head": 5, "n_embd": 20, "vocab_size": 2, "tie_word_embeddings": False},
]
LLAMA = [
    {"num_attention_heads": 1, "hidden_size": 6, "tie_word_embeddings": True},
    {"num_attention_heads": 2, "num_key_value_heads": 1, "hidden_size": 8},
    {"num_attention_heads": 3, "hidden_size": 6, "rms_norm_eps": 1e-3},
    {"num_attention_heads": 6, "num_key_value_heads": 2, "hidden_size": 24},
    {"num_attention_heads": 6, "num_key_value_heads": 3, "hidden_size": 36, "vocab_size": 5},
]


def make_gpt2(**options):
    from transformers import GPT2Config, GPT2LMHeadModel

    sizes = {"vocab_size": 23, "n_positions": 11, "n_layer": 2, "n_embd": 6, "n_head": 2}
    return loud32(GPT2LMHeadModel(GPT2Config(**sizes | options)))


def make_llama(**options):
    from transformers import LlamaConfig, LlamaForCausalLM

    sizes = {
        "vocab_size": 23,
        "max_position_embeddings": 11,
        "hidden_size": 8,
        "intermediate_size": 13,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
    }
    return loud32(LlamaForCausalLM(LlamaConfig(**sizes | options)))


MAKERS = {"gpt2": make_gpt2, "llama": make_llama}


def loud32(model):
    """Large weights that a file in float32 keeps as they are."""
    torch.manual_seed(0)
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.5)
    return model.eval()


def assert_same_logits(ours, theirs):
    assert not ours.training
    torch.manual_seed(1)
    ids = torch.randint(ours.vocab_size, (3, ours.context_length))
    with torch.no_grad():
        expected = theirs.double()(ids).logits
        torch.testing.assert_close(ours.double()(ids), expected, **EXACT)


@pytest.mark.parametrize("options", GPT2)
def test_gpt2_is_loaded(options, tmp_path):
    theirs = make_gpt2(**options)
    theirs.save_pretrained(tmp_path)
    loaded = load_gpt2(tmp_path)
    assert loaded.tokenizer is None
    assert loaded.model.num_parameters == theirs.num_parameters()
    assert_same_logits(loaded.model, theirs)


@pytest.mark.parametrize("theta", [10000.0, 500.0])
@pytest.mark.parametrize("options", LLAMA)
def test_llama_is_loaded(options, theta, tmp_path, monkeypatch):
    llama_in_float64(monkeypatch)
    theirs = make_llama(
        **options, rope_parameters={"rope_type": "default", "rope_theta": theta}
    )
    theirs.save_pretrained(tmp_path)
    loaded = load_llama(str(tmp_path))
    assert loaded.model.config.variant.rope_theta == theta
    assert loaded.model.num_parameters == theirs.num_parameters()
    assert_same_logits(loaded.model, theirs)


@pytest.mark.parametrize("kind", LOADERS)
@pytest.mark.parametrize("tied", [True, False])
def test_there_and_back_is_the_same_bit_for_bit(kind, tied, tmp_path):
    torch.manual_seed(0)
    sizes = {"vocab_size": 17, "hidden_size": 12, "num_heads": 3, "tied": tied, "eos_id": 5}
    model = (
        GPT(**sizes, inner_size=7)
        if kind == "gpt2"
        else Llama(**sizes, inner_size=7, num_key_value_heads=1, norm_epsilon=1e-6)
    )
    theirs = to_hf(model)
    theirs.save_pretrained(tmp_path)
    back = LOADERS[kind](tmp_path).model
    assert back.config == model.config
    assert (back.output.weight is back.embedding.weight) == tied
    for name, tensor in model.state_dict().items():
        assert torch.equal(back.state_dict()[name], tensor), name
    again = to_hf(back).state_dict()
    assert all(torch.equal(again[name], tensor) for name, tensor in theirs.state_dict().items())
    assert theirs.num_parameters() == model.num_parameters
    with torch.no_grad():
        theirs.get_input_embeddings().weight.zero_()  # it is a copy
    assert model.embedding.weight.ne(0).all()


def test_to_hf_takes_gpt_and_llama_alone():
    with pytest.raises(ValueError, match="a ModernGPT has no twin there"):
        to_hf(ModernGPT(vocab_size=5, hidden_size=8, num_heads=2))


def rewrite(folder, change):
    """Change the tensors of a folder."""
    tensors = load_file(folder / "model.safetensors")
    save_file(change(tensors), folder / "model.safetensors", metadata={"format": "pt"})


def reconfigure(folder, **options):
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | options))


def test_the_layout_of_the_first_gpt2_files(tmp_path):
    """Without a prefix, with the causal masks, and with the scores that are the vectors."""
    theirs = make_gpt2()
    theirs.save_pretrained(tmp_path)

    def change(tensors):
        new = {name.removeprefix("transformer."): part for name, part in tensors.items()}
        for number in range(2):
            new[f"h.{number}.attn.bias"] = torch.ones(1, 1, 11, 11).tril()
            new[f"h.{number}.attn.masked_bias"] = torch.tensor(-1e4)
        return new | {"lm_head.weight": new["wte.weight"].clone()}

    rewrite(tmp_path, change)
    assert_same_logits(load_gpt2(tmp_path).model, theirs)
    rewrite(tmp_path, lambda tensors: tensors | {"lm_head.weight": torch.ones(23, 6)})
    with pytest.raises(ValueError, match=r"tie_word_embeddings.*lm_head.weight holds other"):
        load_gpt2(tmp_path)


def test_the_layout_of_the_first_llama_files(tmp_path, monkeypatch):
    llama_in_float64(monkeypatch)
    theirs = make_llama(rope_parameters={"rope_type": "default", "rope_theta": 77.0})
    theirs.save_pretrained(tmp_path)
    content = json.loads((tmp_path / "config.json").read_text())
    for name in ("rope_parameters", "head_dim", "num_key_value_heads", "tie_word_embeddings"):
        content.pop(name, None)
    content |= {"rope_theta": 77.0, "rope_scaling": None, "eos_token_id": [7, 9]}
    (tmp_path / "config.json").write_text(json.dumps(content))
    name = "model.layers.0.self_attn.rotary_emb.inv_freq"
    rewrite(tmp_path, lambda tensors: tensors | {name: torch.ones(2)})
    loaded = load_llama(tmp_path).model
    assert loaded.eos_id == 7
    assert_same_logits(loaded, theirs)


@pytest.mark.parametrize("kind", LOADERS)
def test_files_in_several_parts(kind, tmp_path, monkeypatch):
    llama_in_float64(monkeypatch)
    theirs = MAKERS[kind]()
    theirs.save_pretrained(tmp_path, max_shard_size="2KB")
    parts = sorted(tmp_path.glob("model-*.safetensors"))
    assert len(parts) > 2
    load = LOADERS[kind]
    assert_same_logits(load(tmp_path).model, theirs)
    index = tmp_path / "model.safetensors.index.json"
    content = json.loads(index.read_text())
    name = next(name for name, file in content["weight_map"].items() if file == parts[1].name)
    changed = dict(content["weight_map"]) | {name: parts[0].name}
    index.write_text(json.dumps({"weight_map": changed}))
    with pytest.raises(ValueError, match=f"does not hold what the index says.* {name}"):
        load(tmp_path)
    index.write_text(json.dumps({"weight_map": {name: "../x.safetensors"}}))
    with pytest.raises(ValueError, match=r"'\.\./x.safetensors', no file beside it"):
        load(tmp_path)
    index.write_text("[]")
    with pytest.raises(ValueError, match="holds a list, not an object"):
        load(tmp_path)
    index.write_text(json.dumps(content))
    parts[1].unlink()
    with pytest.raises(ValueError, match=f"lacks {parts[1].name}, which its index names"):
        load(tmp_path)
    index.unlink()
    with pytest.raises(ValueError, match="files of safetensors and no model.safetensors.index"):
        load(tmp_path)


@pytest.mark.parametrize("kind", LOADERS)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_precisions_become_float32(kind, dtype, tmp_path, monkeypatch):
    llama_in_float64(monkeypatch)
    theirs = MAKERS[kind]()
    for parameter in theirs.parameters():  # not the angles, which no file holds
        parameter.data = parameter.data.half().to(dtype)
    theirs.save_pretrained(tmp_path)
    loaded = LOADERS[kind](tmp_path).model
    assert {parameter.dtype for parameter in loaded.parameters()} == {torch.float32}
    assert_same_logits(loaded, theirs)
    rewrite(tmp_path, lambda tensors: {n: t.to(torch.int8) for n, t in tensors.items()})
    with pytest.raises(ValueError, match=r"is of torch.int8; there can be float32"):
        LOADERS[kind](tmp_path)


def hub_cache(cache, source, name="some-org/tiny", commit="0123456789abcdef" * 2 + "01234567"):
    """Lay a folder out as the hub's library keeps it."""
    root = Path(cache) / f"models--{name.replace('/', '--')}"
    shutil.copytree(source, root / "snapshots" / commit)
    (root / "refs").mkdir()
    (root / "refs" / "main").write_text(commit)
    return commit


def test_a_name_is_looked_up_in_the_cache_of_the_hub(tmp_path):
    from huggingface_hub.constants import HF_HUB_CACHE

    theirs = make_gpt2()
    theirs.save_pretrained(tmp_path / "source")
    commit = hub_cache(tmp_path / "cache", tmp_path / "source")
    loaded = load_gpt2("some-org/tiny", cache_dir=tmp_path / "cache").model
    assert_same_logits(loaded, theirs)
    load_gpt2("some-org/tiny", cache_dir=tmp_path / "cache", revision=commit)
    for name, options in {
        "some-org/tiny": {},
        "other": {"cache_dir": tmp_path / "cache"},
        "some-org/tiny-2": {"cache_dir": tmp_path / "cache", "revision": "main"},
    }.items():
        with pytest.raises(ConnectionError, match=f"'{name}' is no folder .*HF_HUB_OFFLINE"):
            load_gpt2(name, **options)
    hub_cache(HF_HUB_CACHE, tmp_path / "source")  # HF_HOME, which is a folder of the tests
    assert_same_logits(load_gpt2("some-org/tiny").model, theirs)


def test_what_is_no_folder_is_refused(tmp_path):
    for name in ("../nowhere", "/no/such/folder", "a/b/c", tmp_path / "nowhere"):
        with pytest.raises(ValueError, match="is no folder, and no name on the hub"):
            load_gpt2(name)
    with pytest.raises(ValueError, match=r"holds no config.json"):
        load_llama(tmp_path)
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(ValueError, match=r"config.json is no JSON"):
        load_llama(tmp_path)
    with pytest.raises(ValueError, match=r"config.json is a file; give the folder"):
        load_llama(tmp_path / "config.json")
    make_llama().config.save_pretrained(tmp_path)
    with pytest.raises(ValueError, match=r"holds no weights; there should be model"):
        load_llama(tmp_path)
    make_llama().save_pretrained(tmp_path)
    path = tmp_path / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ValueError, match=r"model.safetensors is no whole file of safetensors"):
        load_llama(tmp_path)


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pt", "model.pth", "x.ckpt"])
def test_pickles_are_refused_and_never_opened(name, tmp_path):
    class Trap:
        def __reduce__(self):
            return exec, ("raise SystemExit('it was opened')",)

    make_gpt2().config.save_pretrained(tmp_path)
    (tmp_path / name).write_bytes(pickle.dumps(Trap()))
    for path in (tmp_path, tmp_path / name):
        with pytest.raises(ValueError, match=f"{name}: that is a pickle.*write safetensors"):
            load_gpt2(path)


@pytest.mark.parametrize("kind", LOADERS)
def test_tensors_that_do_not_fit_are_listed(kind, tmp_path):
    MAKERS[kind]().save_pretrained(tmp_path)
    whole = load_file(tmp_path / "model.safetensors")
    first, second, third, *_ = sorted(whole)

    def change(tensors):
        del tensors[first]
        tensors[second] = tensors[second][:-1].clone()
        return tensors | {"score.weight": torch.ones(2)}

    rewrite(tmp_path, change)
    prefix = {"gpt2": "transformer.", "llama": "model."}[kind]
    shape = tuple(whole[second].shape)
    with pytest.raises(ValueError, match="the tensors do not fit config.json") as error:
        LOADERS[kind](tmp_path)
    message = str(error.value)
    assert f"missing {first.removeprefix(prefix)};" in message
    assert "not known score.weight;" in message
    assert f"{second.removeprefix(prefix)} {(shape[0] - 1, *shape[1:])} in place of" in message
    assert str(shape) in message
    assert third.removeprefix(prefix) not in message


def test_a_long_list_is_cut(tmp_path):
    make_gpt2().save_pretrained(tmp_path)
    reconfigure(tmp_path, n_layer=4)
    with pytest.raises(ValueError, match=r"missing h.2.attn.c_attn.bias, .* and 16 more; not"):
        load_gpt2(tmp_path)
    reconfigure(tmp_path, n_layer=1, tie_word_embeddings=False)
    with pytest.raises(ValueError, match=r"missing lm_head.weight; not known h.1.*and 4 more"):
        load_gpt2(tmp_path)


@pytest.mark.parametrize("kind", LOADERS)
def test_other_architectures_are_refused(kind, tmp_path):
    MAKERS[kind]().save_pretrained(tmp_path)
    load = LOADERS[kind]
    for other in ("mistral", "t5", None):
        reconfigure(tmp_path, model_type=other)
        message = (
            rf"is {other!r}; supported are 'bert' \(load_bert\), 'gpt2' \(load_gpt2\), "
            r"'llama' \(load_llama\)"
        )
        with pytest.raises(ValueError, match=message):
            load(tmp_path)
    for other in {"bert", "gpt2", "llama"} - {kind}:
        reconfigure(tmp_path, model_type=other)
        with pytest.raises(ValueError, match=f"this is a '{other}', .* use load_{other}"):
            load(tmp_path)


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        ("gpt2", {"activation_function": "gelu"}, "activation_function 'gelu'.*'gelu_new'"),
        ("gpt2", {"activation_function": "relu"}, "activation_function 'relu'"),
        ("gpt2", {"scale_attn_by_inverse_layer_idx": True}, "inverse_layer_idx True.*False"),
        ("gpt2", {"scale_attn_weights": False}, "scale_attn_weights False"),
        ("gpt2", {"reorder_and_upcast_attn": True}, "reorder_and_upcast_attn True"),
        ("gpt2", {"add_cross_attention": True}, "add_cross_attention True"),
        ("gpt2", {"layer_norm_epsilon": 1e-6}, "layer_norm_epsilon 1e-06.*1e-05"),
        ("gpt2", {"quantization_config": {"bits": 4}}, "quantization_config {'bits': 4}"),
        ("gpt2", {"n_head": 4}, "hidden_size 6 does not divide into 4 heads"),
        ("gpt2", {"n_embd": None}, "n_embd None; it should be a whole number"),
        ("gpt2", {"n_layer": "2"}, "n_layer '2'; it should be a whole number"),
        ("gpt2", {"tie_word_embeddings": "no"}, "tie_word_embeddings 'no'; it should be true"),
        ("llama", {"rope_scaling": {"type": "linear", "factor": 2.0}}, "type 'linear'"),
        ("llama", {"rope_scaling": {"rope_type": "llama3"}}, "rope_type 'llama3'"),
        ("llama", {"rope_scaling": 2}, "rope_scaling 2; it should be an object"),
        ("llama", {"rope_parameters": {"rope_type": "yarn"}}, "rope_type 'yarn'.*'default'"),
        ("llama", {"rope_parameters": {"partial_rotary_factor": 0.5}}, "rotary_factor 0.5"),
        ("llama", {"rope_parameters": {"beta_fast": 32}}, "beta_fast is not supported"),
        ("llama", {"attention_bias": True}, "attention_bias True"),
        ("llama", {"mlp_bias": True}, "mlp_bias True"),
        ("llama", {"hidden_act": "gelu"}, "hidden_act 'gelu'.*'silu'"),
        (
            "llama",
            {"head_dim": 8},
            "head_dim 8, but hidden_size 8 / .* 2 is 4",
        ),
        ("llama", {"num_key_value_heads": 3}, "2 heads do not divide into 3 groups"),
        ("llama", {"quantization_config": {"bits": 4}}, "quantization_config {'bits': 4}"),
        ("llama", {"hidden_size": None}, "hidden_size None; it should be a whole number"),
    ],
)
def test_options_that_would_change_the_numbers_are_refused(kind, options, message, tmp_path):
    MAKERS[kind]().save_pretrained(tmp_path)
    LOADERS[kind](tmp_path)
    reconfigure(tmp_path, **options)
    with pytest.raises(ValueError, match=message):
        LOADERS[kind](tmp_path)


def test_fewer_positions_than_the_model_has(tmp_path):
    make_llama().save_pretrained(tmp_path)
    model, short = load_llama(tmp_path).model, load_llama(tmp_path, context_length=5).model
    assert (model.context_length, short.context_length) == (11, 5)
    ids = torch.tensor([[3, 1, 4, 1, 5]])
    assert torch.equal(short(ids), model(ids))
    with pytest.raises(ValueError, match="context_length is 12, .* read 11 positions"):
        load_llama(tmp_path, context_length=12)
    with pytest.raises(ValueError, match="context_length is 0"):
        load_llama(tmp_path, context_length=0)


@pytest.fixture(scope="module")
def gpt2_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("gpt2")
    return folder, write_gpt2(folder)


def write_gpt2(folder, **options):
    """A small GPT-2 with the real tokenizer, as two files of the first releases; returns that
    tokenizer as ours.
    """
    make_gpt2(vocab_size=50257, n_positions=64, **options).save_pretrained(folder)
    merges = load_gpt2_merges()
    ours = BytePairTokenizer.from_merges(merges)
    vocab = {token: number - 2 for number, token in enumerate(ours.vocabulary) if number > 1}
    vocab["<|endoftext|>"] = 50256
    (folder / "vocab.json").write_text(json.dumps(vocab))
    lines = ["#version: 0.2", *(" ".join(pair) for pair in merges)]
    (folder / "merges.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return ours


@pytest.fixture(scope="module")
def gpt2(gpt2_folder):
    return load_gpt2(gpt2_folder[0])


@settings(max_examples=60)
@given(text=st.text())
def test_the_tokenizer_of_gpt2_is_ours_with_other_ids(gpt2, gpt2_folder, text):
    tokenizer = gpt2.tokenizer
    assert tokenizer.encode(text) == [number - 2 for number in gpt2_folder[1].encode(text)]
    assert tokenizer.decode(tokenizer.encode(text)) == text


def test_the_tokenizer_keeps_the_contract(gpt2):
    tokenizer = gpt2.tokenizer
    assert isinstance(tokenizer, HubTokenizer)
    assert tokenizer.is_lossless
    assert tokenizer.vocab_size == gpt2.model.vocab_size == 50257
    assert tokenizer.bos_id == tokenizer.eos_id == gpt2.model.bos_id == 50256
    assert tokenizer.vocabulary[50256] == "<|endoftext|>"
    text = "a<|endoftext|>b"
    ids = tokenizer.encode(text)
    assert 50256 not in ids  # no document can end itself
    assert tokenizer.decode([50256, *ids, 50256]) == text
    ids, offsets = tokenizer.encode_with_offsets("Let there be light")
    assert "".join("Let there be light"[a:b] for a, b in offsets) == "Let there be light"
    assert len(ids) == len(offsets)
    for wrong, message in (
        (50257, "id 50257 is outside"),
        (-1, "id -1 is"),
        (0.5, "0.5 is no"),
    ):
        with pytest.raises(ValueError, match=message):
            tokenizer.decode([wrong])
    with pytest.raises(ValueError, match="lone surrogate"):
        tokenizer.encode("\ud800")
    with pytest.raises(ValueError, match="must be a string"):
        tokenizer.encode(b"a")
    with pytest.raises(ValueError, match="has been learnt already"):
        tokenizer.fit(["a"])
    with pytest.raises(ValueError, match=r"\.hf\.save_pretrained"):
        tokenizer.save("x.json")
    with pytest.raises(ValueError, match="no template for conversations"):
        tokenizer.chat_prompt([{"role": "user", "content": "Hello"}])


def test_what_is_loaded_serves_metrics_and_generation(gpt2):
    score = bits_per_byte(gpt2.model, gpt2.tokenizer, ["Let there be light", "And it was so."])
    assert score.num_bytes > 30
    assert len(generate_text(gpt2.model, gpt2.tokenizer, "Let there", 5)) > 5


def test_a_tokenizer_that_is_broken_is_named(tmp_path):
    make_gpt2().save_pretrained(tmp_path)
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(ValueError, match="the tokenizer in .* could not be loaded"):
        load_gpt2(tmp_path)


NINE = {
    "vocab_size": 9,
    "context_length": 5,
    "hidden_size": 8,
    "num_layers": 2,
    "num_heads": 2,
}


def saved(model, folder, **changes):
    to_hf(model).save_pretrained(folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **changes}))
    return folder


@pytest.mark.parametrize("value", [None, [1], float("nan"), True])
def test_numbers_of_a_configuration(value, tmp_path):
    folder = saved(Llama(**NINE), tmp_path, rms_norm_eps=value)
    with pytest.raises(ValueError, match="rms_norm_eps .* should be a number"):
        load_llama(folder)


def test_a_model_does_not_change_with_its_file(tmp_path):
    model = load_gpt2(saved(GPT(**NINE), tmp_path)).model
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    path = tmp_path / "model.safetensors"
    with path.open("r+b") as file:
        header = int.from_bytes(file.read(8), "little") + 8
        size = path.stat().st_size
        file.seek(header)
        file.write(b"\0" * (size - header))
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, before[name]), name


def test_a_tensor_under_two_names(tmp_path):
    from safetensors.torch import load_file, save_file

    folder = saved(GPT(**NINE), tmp_path)
    tensors = load_file(folder / "model.safetensors")
    tensors["wte.weight"] = torch.zeros(9, 8)
    save_file(tensors, folder / "model.safetensors")
    with pytest.raises(ValueError, match="wte.weight both with and without"):
        load_gpt2(folder)
