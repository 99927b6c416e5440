"""The models on a page compute what they compute in Python."""

import itertools
import math

import pytest
import torch
from page_scripts import PageScripts

from lmtutor import models
from lmtutor.decoding import Sample
from lmtutor.layers import LSTMCell
from lmtutor.models import NgramModel
from lmtutor.models.language_model import inference
from lmtutor.tokenizers import CharacterTokenizer
from lmtutor.widgets import export_model

TOKENIZER = CharacterTokenizer().fit(["abc"])
V = TOKENIZER.vocab_size  # 261
MODEL = """
const bytes = new Uint8Array(readFile(path));
const model = LMEngine.buildModel(LMModelFile.readModelFile(bytes));
const reader = model.startReading();
"""
SCORES = f"""{MODEL}
return texts.map((ids) => ids.map((_, t) => reader.scoresAfter(ids.slice(0, t + 1))));
"""


@pytest.fixture(scope="module")
def page():
    scripts = PageScripts("model_file.js", "engine.js")
    yield scripts
    scripts.close()


def written(tmp_path, model, dtype="float16", tokenizer=TOKENIZER):
    path = tmp_path / "model.lmtf"
    path.write_bytes(export_model(model, tokenizer, "a model", dtype).to_bytes())
    return str(path)


def rows(answer):
    """(T, V) log-probabilities in float64 of what a page answered."""
    numbers = [[float(score) for score in row] for row in answer]
    return torch.tensor(numbers, dtype=torch.float64).log_softmax(dim=-1)


def loud(make, std=0.7, seed=0):
    """A model with large random weights, rounded to 16 bits, so that a file keeps them."""
    torch.manual_seed(seed)
    model = make().eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_((torch.randn_like(parameter) * std).half())
    return model


def random_ids(length, seed=1):
    generator = torch.Generator().manual_seed(seed)
    return [0, *torch.randint(2, V, (length - 1,), generator=generator).tolist()]


SIZES = {
    "GPT": {"context_length": 12, "hidden_size": 8, "num_layers": 2, "num_heads": 2},
    "GPT, head size 2, own inner size": {
        "context_length": 9,
        "hidden_size": 6,
        "num_layers": 1,
        "num_heads": 3,
        "inner_size": 10,
    },
    "GPT, one head, odd sizes, not tied": {
        "context_length": 7,
        "hidden_size": 7,
        "num_layers": 3,
        "num_heads": 1,
        "tied": False,
    },
    "ModernGPT": {"context_length": 12, "hidden_size": 8, "num_layers": 2, "num_heads": 2},
    "ModernGPT, heads of size 2": {
        "context_length": 11,
        "hidden_size": 6,
        "num_layers": 3,
        "num_heads": 3,
    },
    "Llama": {"context_length": 12, "hidden_size": 8, "num_layers": 2, "num_heads": 2},
    "Llama, shared keys, tied, another base": {
        "context_length": 10,
        "hidden_size": 16,
        "num_layers": 2,
        "num_heads": 4,
        "num_key_value_heads": 2,
        "inner_size": 11,
        "rope_theta": 500000.0,
        "norm_epsilon": 1e-6,
        "tied": True,
    },
    "Llama, one key head": {
        "context_length": 10,
        "hidden_size": 12,
        "num_layers": 1,
        "num_heads": 6,
        "num_key_value_heads": 1,
    },
    "RNNLanguageModel": {"embedding_size": 8, "hidden_size": 8},
    "RNNLanguageModel, two layers, odd sizes": {
        "embedding_size": 5,
        "hidden_size": 7,
        "num_layers": 2,
    },
    "LSTMLanguageModel": {"embedding_size": 8, "hidden_size": 8},
    "LSTMLanguageModel, three layers, odd sizes": {
        "embedding_size": 3,
        "hidden_size": 5,
        "num_layers": 3,
    },
    "LSTMLanguageModel, tied through a projection": {
        "embedding_size": 5,
        "hidden_size": 9,
        "tied": True,
    },
    "LSTMLanguageModel, tied, no projection": {
        "embedding_size": 6,
        "hidden_size": 6,
        "tied": True,
    },
    "GRULanguageModel": {"embedding_size": 8, "hidden_size": 8},
    "GRULanguageModel, two layers, tied": {
        "embedding_size": 5,
        "hidden_size": 7,
        "num_layers": 2,
        "tied": True,
    },
}
NETWORKS = pytest.mark.parametrize("name", SIZES)


def network(name, **more):
    kind = getattr(models, name.partition(",")[0])
    return loud(lambda: kind(vocab_size=V, **SIZES[name], **more))


@NETWORKS
def test_a_network_gives_the_logits_of_pytorch(page, tmp_path, name):
    model = network(name)
    ids = random_ids(7)
    (answer,) = page.run(SCORES, path=written(tmp_path, model), texts=[ids])
    with inference(model):
        expected = model.double().log_probs(torch.tensor([ids]))[0]
    assert rows(answer).shape == (7, V)
    assert (expected.max() - expected.min()) > 2  # loud enough to tell something
    torch.testing.assert_close(rows(answer), expected, rtol=0, atol=2e-5)


@NETWORKS
def test_eight_bits_are_those_of_a_saved_model(page, tmp_path, name):
    model = network(name)
    model.save(tmp_path / "saved.safetensors", torch.int8)
    stored = type(model).load(tmp_path / "saved.safetensors")
    ids = random_ids(5)
    (answer,) = page.run(SCORES, path=written(tmp_path, model, "int8"), texts=[ids])
    with inference(stored):
        expected = stored.double().log_probs(torch.tensor([ids]))[0]
    torch.testing.assert_close(rows(answer), expected, rtol=0, atol=5e-5)


@NETWORKS
def test_a_long_text_moves_on_in_the_context_as_in_python(page, tmp_path, name):
    model = network(name)
    ids = random_ids(30)
    (answer,) = page.run(SCORES, path=written(tmp_path, model), texts=[ids])
    model.double()
    with inference(model):
        reader = model.start_reading(batch_size=1)
        expected = torch.cat([reader.read(torch.tensor([[token]])) for token in ids])
    torch.testing.assert_close(rows(answer), expected, rtol=0, atol=5e-5)


def test_a_context_of_one_token(page, tmp_path):
    model = loud(lambda: models.GPT(vocab_size=V, **{**SIZES["GPT"], "context_length": 1}))
    ids = random_ids(3)
    (answer,) = page.run(SCORES, path=written(tmp_path, model), texts=[ids])
    with inference(model):
        expected = torch.cat([model.double().log_probs(torch.tensor([[i]]))[0] for i in ids])
    torch.testing.assert_close(rows(answer), expected, rtol=0, atol=2e-5)


@NETWORKS
def test_a_changed_end_is_read_as_if_the_text_were_new(page, tmp_path, name):
    path = written(tmp_path, network(name))
    long, other = random_ids(20), random_ids(20, seed=2)
    texts = [long, long[:8], [*long[:5], *other[5:14]], long[:14], [0], other, long[:1]]
    kept, fresh = page.run(
        MODEL
        + """
        const kept = texts.map((ids) => reader.scoresAfter(ids));
        return [kept, texts.map((ids) => model.startReading().scoresAfter(ids))];
        """,
        path=path,
        texts=texts,
    )
    assert kept == fresh


def test_a_cache_that_grows_keeps_what_it_has(page, tmp_path):
    model = loud(
        lambda: models.Llama(vocab_size=V, **{**SIZES["Llama"], "context_length": 150})
    )
    ids = random_ids(150)
    (answer,) = page.run(SCORES, path=written(tmp_path, model), texts=[ids])
    with inference(model):
        expected = model.double().log_probs(torch.tensor([ids]))[0]
    torch.testing.assert_close(rows(answer), expected, rtol=0, atol=5e-5)


def test_what_is_known_is_not_read_again(page, tmp_path):
    pending = page.run(
        MODEL
        + """
        return texts.map((ids) => {
          reader.goTo(ids);
          const { pending } = reader;
          reader.scoresAfter(ids);
          return pending;
        });
        """,
        path=written(tmp_path, network("GPT")),
        texts=[[0, 5, 6, 7], [0, 5, 6, 7, 8], [0, 5, 6, 7, 8], [0, 5, 6, 9], [0, 5], [4]],
    )
    assert pending == [4, 1, 0, 1, 1, 1]


@pytest.mark.parametrize("name", [name for name in SIZES if "head" in name or name == "Llama"])
def test_heads_look_where_they_look_in_python(page, tmp_path, name):
    model = network(name)
    ids = random_ids(6)
    answer = page.run(
        MODEL
        + """
        reader.scoresAfter(ids);
        return reader.weights;
        """,
        path=written(tmp_path, model),
        ids=ids,
    )
    with inference(model):
        expected = model.double().attention_weights(torch.tensor([ids]))[:, 0]  # (L, H, T, T)
    for position, layers in enumerate(answer):
        got = torch.tensor(layers, dtype=torch.float64)  # (L, H, position + 1)
        torch.testing.assert_close(
            got, expected[:, :, position, : position + 1], rtol=0, atol=1e-5
        )


def test_gates_open_as_in_python(page, tmp_path):
    model = network("LSTMLanguageModel, three layers, odd sizes")
    ids = random_ids(6)
    answer = page.run(
        MODEL
        + """
        reader.keepsGates = true;
        reader.scoresAfter(ids);
        return reader.states.map((layers) => layers[0]);
        """,
        path=written(tmp_path, model),
        ids=ids,
    )
    with inference(model):
        cell = LSTMCell.from_torch(model.recurrent)
        seen = cell.watch(model.embedding(torch.tensor([ids])))
    names = ("input", "forget", "candidate", "output")
    gates = torch.cat([seen[name][0] for name in names], dim=-1)  # (T, 4 H)
    for position, state in enumerate(answer):
        torch.testing.assert_close(torch.tensor(state["gates"]), gates[position])
        torch.testing.assert_close(torch.tensor(state["cell"]), seen["cell"][0, position])


# --- n-grams


TEXTS = ["abcab", "", "cacbba", "aaaa", "bé", "abcabcabc", "ab"]
SMOOTHINGS = [
    *((name, {}) for name in ("maximum_likelihood", "absolute_discounting", "katz")),
    *(("kneser_ney", {}), ("jelinek_mercer", {}), ("add_k", {"k": 0.25}), ("add_k", {"k": 0})),
]


def ngram(order, smoothing, settings):
    model = NgramModel(order, smoothing, vocab_size=V, **settings)
    sequences = [TOKENIZER.encode(text) for text in TEXTS]
    if smoothing == "jelinek_mercer":
        return model.fit(sequences[:-2], validation=sequences[-2:])
    return model.fit(sequences)


@pytest.mark.parametrize("order", [1, 2, 3, 5, 14])
@pytest.mark.parametrize(
    ("smoothing", "settings"), SMOOTHINGS, ids=lambda value: str(value).replace(" ", "")
)
@pytest.mark.parametrize(("dtype", "steps"), [("float16", 65534), ("int8", 254)])
def test_an_ngram_model_gives_its_log_probabilities(
    page, tmp_path, order, smoothing, settings, dtype, steps
):
    model = ngram(order, smoothing, settings)
    texts = [[0, *TOKENIZER.encode(text)] for text in ("abcabca", "cabé", "bbbz", "")]
    answers = page.run(SCORES, path=written(tmp_path, model, dtype), texts=texts)
    for ids, answer in zip(texts, answers, strict=True):
        got = torch.tensor([[float(p) for p in row] for row in answer], dtype=torch.float64)
        expected = model.log_probs(torch.tensor([ids]))[0]
        assert torch.equal(got.isfinite(), expected.isfinite())
        counted = smoothing in ("maximum_likelihood", "add_k")
        # Half a step for the entry and for each back-off weight on the way to it.
        tolerance = 1e-9 if counted else 0.51 * order * 8 / steps
        finite = expected.isfinite()
        torch.testing.assert_close(got[finite], expected[finite], rtol=0, atol=tolerance)


def test_a_model_read_from_an_arpa_file(page, tmp_path):
    tokens = [token if token else "?" for token in TOKENIZER.vocabulary]
    ngram(3, "kneser_ney", {}).to_arpa(tmp_path / "model.arpa", tokens)
    model = NgramModel.from_arpa(tmp_path / "model.arpa", tokens)
    ids = [0, *TOKENIZER.encode("abcc")]
    (answer,) = page.run(SCORES, path=written(tmp_path, model), texts=[ids])
    expected = model.log_probs(torch.tensor([ids]))[0]
    finite = expected.isfinite()
    torch.testing.assert_close(rows(answer)[finite], expected[finite], rtol=0, atol=1e-3)


@pytest.mark.parametrize(("smoothing", "settings"), SMOOTHINGS[:2] + SMOOTHINGS[-1:])
def test_the_begin_mark_has_no_probability(page, tmp_path, smoothing, settings):
    path = written(tmp_path, ngram(2, smoothing, settings))
    (answer,) = page.run(SCORES, path=path, texts=[[0, 258]])
    assert [row[0] for row in answer] == ["-Infinity", "-Infinity"]


# --- choosing


SCORE_ROWS = {
    "loud": (torch.randn(50, generator=torch.Generator().manual_seed(0)) * 3).tolist(),
    "ties": [0.0, 1.0, 1.0, 1.0, -2.0, 1.0, 0.0, 0.0],
    "a share just reached": [math.log(p) for p in (0.5, 0.4, 0.0995, 0.0005)],
    "impossible ones": [-math.inf, 0.5, -math.inf, 0.5, 2.0, -math.inf],
    "one": [3.0],
}
CHOICES = list(
    itertools.product((0.3, 1.0, 1.7), (None, 1, 3, 1000), (1.0, 0.999, 0.9, 0.5, 0.05, 1e-6))
)


@pytest.mark.parametrize("scores", SCORE_ROWS.values(), ids=SCORE_ROWS)
def test_tokens_are_drawn_from_the_distribution_of_sample(page, scores):
    answers = page.run(
        """
        const row = Float64Array.from(scores, (score) => (score === null ? -Infinity : score));
        return choices.map(([temperature, topK, topP]) =>
          LMEngine.distribution(row, { temperature, topK: topK ?? Infinity, topP }));
        """,
        scores=[None if score == -math.inf else score for score in scores],
        choices=CHOICES,
    )
    log_probs = torch.tensor(scores, dtype=torch.float64).log_softmax(dim=-1)
    for (temperature, top_k, top_p), answer in zip(CHOICES, answers, strict=True):
        expected = Sample(temperature, top_k, top_p).probabilities(log_probs)
        got = torch.zeros_like(expected)
        got[answer["ids"]] = torch.tensor(answer["probabilities"], dtype=torch.float64)
        torch.testing.assert_close(got, expected, rtol=1e-9, atol=1e-12)
        assert answer["probabilities"] == sorted(answer["probabilities"], reverse=True)


def test_temperature_zero_is_greedy_and_takes_the_lowest_of_equal_ids(page):
    code = (
        "return LMEngine.distribution(Float64Array.from(scores), { temperature: 0, topP: 0.9 })"
    )
    assert page.run(code, scores=SCORE_ROWS["ties"]) == {"ids": [1], "probabilities": [1]}


DRAW = """
const random = LMEngine.randomNumbers(seed);
const from = { ids: Uint32Array.from(ids), probabilities: Float64Array.from(probabilities) };
return Array.from({ length: count }, () => LMEngine.draw(from, random));
"""


def test_draws_follow_the_probabilities_and_the_seed(page):
    settings = {"ids": [7, 3, 9], "probabilities": [0.6, 0.3, 0.1], "count": 20_000}
    drawn = page.run(DRAW, seed=4, **settings)
    for token, probability in zip((7, 3, 9), (0.6, 0.3, 0.1), strict=True):
        deviation = math.sqrt(probability * (1 - probability) / 20_000)
        assert abs(drawn.count(token) / 20_000 - probability) < 4 * deviation
    assert page.run(DRAW, seed=4, **settings) == drawn
    assert page.run(DRAW, seed=5, **settings) != drawn


def test_random_numbers_are_even_and_fill_their_range(page):
    code = "const r = LMEngine.randomNumbers(seed); return Array.from({ length: 50000 }, r)"
    for seed in (0, 1, 99, 2**32 - 1):
        numbers = torch.tensor(page.run(code, seed=seed), dtype=torch.float64)
        assert numbers.min() >= 0
        assert numbers.max() < 1
        parts = torch.histc(numbers, bins=20, min=0, max=1)
        chi_squared = ((parts - 2500) ** 2 / 2500).sum().item()
        assert chi_squared < 43.8  # one in a thousand is larger, with 19 degrees of freedom
        assert abs(torch.corrcoef(torch.stack([numbers[:-1], numbers[1:]]))[0, 1]) < 0.02
