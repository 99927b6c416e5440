"""Model files are whole or refused, and what cannot be exported says why."""

import json
import struct
import zlib

import numpy as np
import pytest
import torch
from page_scripts import PageScripts

from lmtutor import models
from lmtutor.layers import add_lora
from lmtutor.models import NgramModel, UniformModel
from lmtutor.tokenizers import CharacterTokenizer, WordPieceTokenizer
from lmtutor.widgets import ModelFile, export_model, export_tokenizer
from lmtutor.widgets.playground.model_file import Stored, in_half, in_steps, whole_numbers

TOKENIZER = CharacterTokenizer().fit(["abc"])
V = TOKENIZER.vocab_size
SMALL = {
    "vocab_size": V,
    "context_length": 4,
    "hidden_size": 8,
    "num_layers": 1,
    "num_heads": 2,
}
READ = "return LMModelFile.readModelFile(Uint8Array.from(bytes))"
BUILD = (
    "return LMEngine.buildModel(LMModelFile.readModelFile(Uint8Array.from(bytes))).vocabSize"
)


@pytest.fixture(scope="module")
def page():
    scripts = PageScripts("model_file.js", "engine.js")
    yield scripts
    scripts.close()


def file_of(arrays, kind="Text", config=None):
    return ModelFile(kind, "a title – ü", config or {}, None, arrays)


def test_the_layout_is_the_documented_one():
    content = file_of(
        {"a": in_half("a", np.array([1.5, -2.0])), "b": whole_numbers(np.array([[7], [300]]))}
    ).to_bytes()
    magic, version, checksum, length = struct.unpack("<4sIII", content[:16])
    assert (magic, version) == (b"LMTF", 1)
    assert checksum == zlib.crc32(content[12:])
    header = json.loads(content[16 : 16 + length])
    assert header["title"] == "a title – ü"
    assert [tensor["offset"] for tensor in header["tensors"]] == [0, 8]
    start = -(-(16 + length) // 8) * 8
    assert np.frombuffer(content, "<f2", 2, start).tolist() == [1.5, -2.0]
    assert header["tensors"][1] == {
        "name": "b",
        "dtype": "uint16",
        "shape": [2, 1],
        "offset": 8,
    }
    assert np.frombuffer(content, "<u2", 2, start + 8).tolist() == [7, 300]


def test_every_type_arrives_as_it_was_written(page):
    halves = np.array([0.0, -0.0, 1.0, -2.5, 65504.0, 6e-8, 6.1e-5, 1 / 3])
    steps = np.array([-3.0, -np.inf, 0.5, -1.25])
    arrays = {
        "halves": in_half("halves", halves),
        "floats": Stored("float32", np.array([1e-30, 3.5], dtype="<f4")),
        "bytes": whole_numbers(np.array([0, 255])),
        "shorts": whole_numbers(np.array([0, 65535])),
        "longs": whole_numbers(np.array([0, 2**32 - 1])),
        "coarse": in_steps(steps, bits=8),
        "fine": in_steps(steps, bits=16),
    }
    code = """
    const { title, tensors } = LMModelFile.readModelFile(Uint8Array.from(bytes));
    return [title, Object.fromEntries(Array.from(tensors, ([name, { data }]) => [name, data]))];
    """
    title, got = page.run(code, bytes=list(file_of(arrays).to_bytes()))
    assert title == "a title – ü"
    assert got["halves"] == halves.astype(np.float16).astype(float).tolist()
    assert got["floats"] == np.array([1e-30, 3.5], dtype=np.float32).astype(float).tolist()
    assert got["bytes"] == [0, 255]
    assert got["shorts"] == [0, 65535]
    assert got["longs"] == [0, 2**32 - 1]
    assert got["coarse"][1] == got["fine"][1] == "-Infinity"
    kept = [0, 2, 3]
    for name, tolerance in (("coarse", 3.5 / 254 / 2), ("fine", 3.5 / 65534 / 2)):
        for place in kept:
            assert abs(got[name][place] - steps[place]) <= tolerance + 1e-6


def test_the_checksum_is_that_of_zlib(page):
    for content in (b"", b"a", b"123456789", bytes(range(256)) * 3):
        got = page.run("return LMModelFile.crc32(Uint8Array.from(bytes))", bytes=list(content))
        assert got == zlib.crc32(content)


def test_a_file_that_was_cut_short_or_changed_is_refused(page):
    content = bytearray(file_of({"a": whole_numbers(np.arange(9))}).to_bytes())
    for size in (0, 3, 15):
        with pytest.raises(RuntimeError, match="ModelFileError: This is no model file"):
            page.run(READ, bytes=list(content[:size]))
    for size in (16, 40, len(content) - 1):
        with pytest.raises(RuntimeError, match="cut short or was changed"):
            page.run(READ, bytes=list(content[:size]))
    for place in (12, 20, len(content) - 1):
        changed = content.copy()
        changed[place] ^= 1
        with pytest.raises(RuntimeError, match="cut short or was changed"):
            page.run(READ, bytes=list(changed))


def test_another_version_is_named(page):
    content = bytearray(file_of({}).to_bytes())
    content[4] = 2
    with pytest.raises(RuntimeError, match="of version 2, and this page reads version 1"):
        page.run(READ, bytes=list(content))


def test_tensors_beyond_the_file_and_unknown_types_are_refused(page):
    outside = Stored("float32", np.zeros(3, dtype="<u1"))  # four times what there is
    with pytest.raises(RuntimeError, match=r"tensor a \(float32, 3\) reaches beyond"):
        page.run(READ, bytes=list(file_of({"a": outside}).to_bytes()))
    unknown = Stored("complex64", np.zeros(2, dtype="<u1"))
    with pytest.raises(RuntimeError, match="described as a, complex64"):
        page.run(READ, bytes=list(file_of({"a": unknown}).to_bytes()))


def with_arrays(model, change):
    """A model file whose arrays were changed."""
    file = export_model(model, TOKENIZER, "a model")
    arrays = dict(file.arrays)
    change(arrays)
    return list(ModelFile(file.kind, file.title, file.config, None, arrays).to_bytes())


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (models.GPT, "positions.table"),
        (models.ModernGPT, "blocks.0.attention.query_norm.weight"),
        (models.Llama, "blocks.0.feed_forward.gate.weight"),
    ],
)
def test_sizes_that_do_not_fit_are_named(page, kind, name):
    def drop(arrays):
        arrays.pop(f"{name}.factors", None)
        del arrays[name]

    def widen(arrays):
        arrays.pop(f"{name}.factors", None)
        arrays[name] = in_half(name, np.zeros((3, 5)))

    model = kind(**SMALL)
    assert page.run(BUILD, bytes=with_arrays(model, lambda arrays: None)) == V
    with pytest.raises(RuntimeError, match=f"no tensor {name}"):
        page.run(BUILD, bytes=with_arrays(model, drop))
    with pytest.raises(RuntimeError, match=f"tensor {name} is 3 x 5, and its model needs"):
        page.run(BUILD, bytes=with_arrays(model, widen))


def test_an_ngram_table_that_is_too_short_is_refused(page):
    model = NgramModel(2, vocab_size=V).fit([TOKENIZER.encode("abcab")])
    short = lambda arrays: arrays.update(tokens_2=whole_numbers(np.arange(2)))  # noqa: E731
    with pytest.raises(RuntimeError, match="tokens_2 is 2, and its model needs"):
        page.run(BUILD, bytes=with_arrays(model, short))


@pytest.mark.parametrize("kind", ["Mamba", "constructor", "__proto__"])
def test_an_unknown_kind_of_model_is_refused(page, kind):
    with pytest.raises(RuntimeError, match=f"no kind of model named {kind}"):
        page.run(BUILD, bytes=list(file_of({}, kind=kind).to_bytes()))


def raw_file(header):
    """A whole file, with the right checksum, around any header."""
    text = json.dumps(header).encode()
    rest = struct.pack("<I", len(text)) + text + bytes(-(16 + len(text)) % 8 + 64)
    return list(struct.pack("<4sII", b"LMTF", 1, zlib.crc32(rest)) + rest)


ENTRY = {"name": "a", "dtype": "float32", "shape": [2], "offset": 0}


@pytest.mark.parametrize(
    ("header", "words"),
    [
        (None, "lists no tensors"),
        ([], "lists no tensors"),
        ({}, "lists no tensors"),
        ({"tensors": [{}]}, "described as undefined"),
        ({"tensors": [{**ENTRY, "shape": 5}]}, "described as a, float32, 5"),
        ({"tensors": [{**ENTRY, "shape": [-1]}]}, "described as a, float32, -1"),
        ({"tensors": [{**ENTRY, "dtype": "constructor"}]}, "described as a, constructor"),
        ({"tensors": [{**ENTRY, "offset": -8}]}, "cannot begin at -8"),
        ({"tensors": [{**ENTRY, "offset": 1}]}, "cannot begin at 1"),
        ({"tensors": [{**ENTRY, "offset": "0"}]}, "cannot begin at 0"),
        ({"tensors": [{**ENTRY, "shape": [99]}]}, "reaches beyond"),
        ({"tensors": [{**ENTRY, "dtype": "int8", "shape": [2, 2]}]}, "no tensor a.factors"),
    ],
)
def test_headers_that_make_no_sense_are_refused(page, header, words):
    with pytest.raises(RuntimeError, match="ModelFileError: ") as found:
        page.run(READ, bytes=raw_file(header))
    assert words in str(found.value)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"num_heads": 3}, "8 numbers do not divide into 3 heads"),
        ({"num_layers": 0}, "num_layers is 0"),
        ({"hidden_size": "8"}, "hidden_size is 8"),
        ({"bos_id": None}, "bos_id is null"),
        ({"eos_id": 9999}, f"eos_id is 9999, with {V} tokens"),
        ({"norm_epsilon": None}, "norm_epsilon is null"),
    ],
)
def test_configurations_that_fit_no_model_are_refused(page, change, words):
    file = export_model(models.GPT(**SMALL), TOKENIZER, "a model")
    config = {**file.config, **change}
    content = ModelFile(file.kind, file.title, config, None, file.arrays).to_bytes()
    with pytest.raises(
        RuntimeError, match="configuration of this model cannot be used"
    ) as found:
        page.run(BUILD, bytes=list(content))
    assert words in str(found.value)


# --- what Python refuses to export


def test_numbers_too_large_or_not_finite_are_refused():
    model = models.GPT(**SMALL)
    for value, dtype, word in (
        (float("nan"), "float16", "nan"),
        (1e6, "float16", "1000000"),
        (float("inf"), "int8", "not finite"),
    ):
        with torch.no_grad():
            model.blocks[0].attention.output.weight[0, 0] = value
        with pytest.raises(ValueError, match=rf"attention\.output\.weight .*{word}"):
            export_model(model, TOKENIZER, "a model", dtype)


def test_steps_hold_equal_numbers_and_none():
    assert in_steps(np.array([]), 8).array.tolist() == []
    assert in_steps(np.array([2.0, 2.0]), 8).array.tolist() == [0, 0]
    assert in_steps(np.array([-np.inf]), 16).array.tolist() == [65535]


def test_whole_numbers_too_large_for_a_page_are_refused():
    with pytest.raises(ValueError, match="4294967296 is too large"):
        whole_numbers(np.array([2**32]))


def test_a_tokenizer_of_another_model_is_refused():
    model = models.GPT(**SMALL)
    other = CharacterTokenizer().fit(["abcd"])
    with pytest.raises(ValueError, match=f"{V} ids and the tokenizer {V + 1}"):
        export_model(model, other, "a model")
    swapped = models.GPT(**SMALL, bos_id=1, eos_id=0)
    with pytest.raises(ValueError, match=r"marks of the model are \(1, 0\)"):
        export_model(swapped, TOKENIZER, "a model")


def test_other_models_tokenizers_and_dtypes_are_refused():
    with pytest.raises(ValueError, match="not a UniformModel"):
        export_model(UniformModel(V), TOKENIZER, "a model")
    bert = models.Bert(vocab_size=V, hidden_size=8, num_layers=1, num_heads=2)
    with pytest.raises(ValueError, match="a Bert is no language model"):
        export_model(bert, TOKENIZER, "a model")

    class Mine(models.GPT):
        """A model of the reader's own."""

    with pytest.raises(ValueError, match="not a Mine"):
        export_model(Mine(**SMALL), TOKENIZER, "a model")
    with pytest.raises(ValueError, match="dtype is 'int4'"):
        export_model(models.GPT(**SMALL), TOKENIZER, "a model", "int4")
    with pytest.raises(ValueError, match="not a WordPieceTokenizer"):
        export_tokenizer(WordPieceTokenizer(300))

    class Lower(CharacterTokenizer):
        """Cuts in another way, which a page does not know of."""

    with pytest.raises(ValueError, match="not a Lower"):
        export_tokenizer(Lower().fit(["abc"]))
    for title in ("", " ", None, 7):
        with pytest.raises(ValueError, match="a title is"):
            export_model(models.GPT(**SMALL), TOKENIZER, title)


def test_what_is_not_ready_is_refused():
    with pytest.raises(ValueError, match="no counts yet"):
        export_model(NgramModel(2), TOKENIZER, "a model")
    with pytest.raises(ValueError, match="no vocabulary yet"):
        export_tokenizer(CharacterTokenizer())
    model = models.GPT(**SMALL)
    add_lora(model, rank=2)
    with pytest.raises(ValueError, match="low-rank parts"):
        export_model(model, TOKENIZER, "a model")
