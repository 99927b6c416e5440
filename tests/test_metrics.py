"""Perplexity and bits per byte: properties, worked examples, and what lossy tokens must pay."""

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lmtutor.metrics import bits_per_byte, perplexity, sequence_nats
from lmtutor.metrics.spelling import Speller
from lmtutor.models import LanguageModel, NgramModel, UniformModel
from lmtutor.tokenizers import CharacterTokenizer, WordTokenizer

some_sequences = st.lists(st.lists(st.integers(2, 6), max_size=9), min_size=1, max_size=12)


class Limited(LanguageModel):
    """Looks at all of a short window, so that it notices where the window begins; float32 like
    a network.
    """

    def __init__(self, context_length, vocab_size=7, look_back=None):
        self.vocab_size, self.bos_id, self.eos_id = vocab_size, 0, 1
        self.context_length, self.look_back = context_length, look_back

    def log_probs(self, ids):
        assert ids.shape[1] <= (self.context_length or 10**9)
        rows = []
        for stop in range(1, ids.shape[1] + 1):
            start = 0 if self.look_back is None else max(0, stop - self.look_back)
            seen = ids[:, start:stop].float()
            weights = torch.arange(1, self.vocab_size + 1).float()
            rows.append(torch.sin(seen.cumsum(1)[:, -1:] * weights + seen[:, -1:]))
        return torch.stack(rows, dim=1).log_softmax(dim=-1)


class NoNumber(UniformModel):
    """A network that has diverged."""

    def __init__(self):
        super().__init__(5)

    def log_probs(self, ids):
        return super().log_probs(ids) * torch.nan


@given(vocab_size=st.integers(7, 50), sequences=some_sequences)
def test_a_uniform_model_has_the_perplexity_v(vocab_size, sequences):
    assert perplexity(UniformModel(vocab_size), sequences) == pytest.approx(vocab_size)


@given(sequences=some_sequences, batch_size=st.integers(1, 13))
def test_nothing_depends_on_batches_padding_or_order(sequences, batch_size):
    model = Limited(None)
    alone = [
        -model.token_log_probs(torch.tensor([[*sequence, 1]])).sum().item()
        for sequence in sequences
    ]
    np.testing.assert_allclose(sequence_nats(model, sequences, batch_size), alone, rtol=1e-5)
    np.testing.assert_allclose(
        sequence_nats(model, sequences[::-1], batch_size)[::-1], alone, rtol=1e-5
    )


@given(
    sequences=some_sequences,
    before=st.lists(some_sequences, min_size=12, max_size=12),
    length=st.none() | st.integers(12, 30),
)
def test_what_stands_before_is_read_whole_and_not_scored(sequences, before, length):
    model, before = Limited(length), before[: len(sequences)]
    expected = []
    for sequence, texts in zip(sequences, before, strict=True):
        ids = [*sequence, 1]
        fitting = [[]]
        for text in reversed(texts):
            fitting.append([*text, 1, 0, *fitting[-1]])
        limit = length or 10**9
        whole = [read for read in fitting if len(read) + len(ids) <= limit]
        read = whole[-1] if len(whole) == len(fitting) else fitting[len(whole) - 1]
        scores = model.token_log_probs(torch.tensor([[*read, *ids]]))[0, len(read) :]
        expected.append(-scores.sum().item())
    found = sequence_nats(model, sequences, batch_size=3, before=before)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_bits_per_byte_charges_for_the_document_alone():
    tokenizer = CharacterTokenizer().fit(["abc de"])
    model = Limited(None, vocab_size=tokenizer.vocab_size)
    texts = ["abc", "de d", "a"]
    read = [["de"], [], ["c", "ab"]]
    result = bits_per_byte(model, tokenizer, texts, before=read)
    encoded = [[tokenizer.encode(text) for text in some] for some in read]
    nats = sequence_nats(model, [tokenizer.encode(text) for text in texts], before=encoded)
    assert result.value == pytest.approx(nats.sum() / math.log(2) / 11)
    assert result.num_bytes == 11
    assert result.value != bits_per_byte(model, tokenizer, texts).value
    with pytest.raises(ValueError, match="before has 1 entries for 3 sequences"):
        bits_per_byte(model, tokenizer, texts, before=read[:1])


@given(sequences=some_sequences, length=st.integers(2, 9))
def test_windows_change_nothing_where_the_memory_fits_into_their_overlap(sequences, length):
    """Each window keeps half of the one before, so a model that looks back no further sees all
    it wants.
    """
    look_back = length - length // 2
    expected = sequence_nats(Limited(None, look_back=look_back), sequences)
    windowed = sequence_nats(Limited(length, look_back=look_back), sequences)
    np.testing.assert_allclose(windowed, expected, rtol=1e-5)


def test_a_context_of_one_token_still_scores_everything():
    assert perplexity(Limited(1, look_back=1), [[2, 3, 4]]) == pytest.approx(
        perplexity(Limited(None, look_back=1), [[2, 3, 4]])
    )
    assert perplexity(UniformModel(9), [list(range(2, 9)) * 40]) == pytest.approx(9)


def test_perplexity_of_a_worked_example():
    model = NgramModel(1).fit([[2, 2, 3]])  # 2: 1/2, 3: 1/4, end: 1/4
    assert perplexity(model, [[2, 3]]) == pytest.approx((1 / 2 * 1 / 4 * 1 / 4) ** (-1 / 3))
    # Over a corpus it is one mean over all tokens, not a mean of the sequences' perplexities.
    assert perplexity(model, [[2, 3], []]) == pytest.approx(
        (1 / 2 * 1 / 4 * 1 / 4 * 1 / 4) ** (-1 / 4)
    )


def test_something_impossible_makes_it_infinite():
    model, tokenizer = NgramModel(2).fit([[258], [259]]), CharacterTokenizer().fit(["ab"])
    assert perplexity(model, [[258, 259]]) == math.inf
    result = bits_per_byte(model, tokenizer, ["a", "ab", "b"])
    assert (result.value, result.high) == (math.inf, math.inf)


@given(documents=st.lists(st.text("abé \U0001f600", max_size=8), min_size=1, max_size=6))
def test_a_uniform_character_model_pays_for_every_id_and_every_end(documents):
    tokenizer = CharacterTokenizer().fit(["ab "])
    result = bits_per_byte(UniformModel(tokenizer.vocab_size), tokenizer, documents)
    ids = sum(len(tokenizer.encode(document)) + 1 for document in documents)
    size = sum(len(document.encode()) + 1 for document in documents)
    assert result.value == pytest.approx(ids * math.log2(tokenizer.vocab_size) / size)
    assert (result.num_tokens, result.num_bytes) == (ids, size)
    assert result.low <= result.value <= result.high


def test_bits_per_byte_and_perplexity_are_two_forms_of_one_number(kjv):
    tokenizer = CharacterTokenizer().fit(kjv.validation)
    model = NgramModel(3, "add_k", k=0.1).fit(map(tokenizer.encode, kjv.validation))
    documents = kjv.test[:100]
    result = bits_per_byte(model, tokenizer, documents)
    per_token = math.log2(perplexity(model, map(tokenizer.encode, documents)))
    assert result.value == pytest.approx(per_token * result.num_tokens / result.num_bytes)


def test_the_interval_covers_the_truth_about_as_often_as_it_says():
    """100 test sets from a source with a known answer; 95 hits expected, and fewer than 85 are
    a fault.
    """
    tokenizer = CharacterTokenizer().fit(["ab"])
    a, b = tokenizer.encode("ab")
    model = NgramModel(1).fit([[a] * 7 + [b] * 2])  # a 0.7, b 0.2, end 0.1
    generator = np.random.default_rng(0)
    entropy = -(0.7 * math.log2(0.7) + 0.2 * math.log2(0.2) + 0.1 * math.log2(0.1))
    hits = 0
    for draw in range(100):
        documents = []
        for _ in range(60):
            length = generator.geometric(0.1) - 1
            documents.append(
                "".join(generator.choice(["a", "b"], size=length, p=[7 / 9, 2 / 9]))
            )
        result = bits_per_byte(model, tokenizer, documents, num_resamples=300, seed=draw)
        hits += result.low <= entropy <= result.high
    assert 85 <= hits <= 100


def test_the_interval_repeats_with_its_seed():
    tokenizer = CharacterTokenizer().fit(["ab"])
    model = NgramModel(1).fit([tokenizer.encode("aab")])
    documents = ["a" * n + "b" for n in range(20)]
    assert bits_per_byte(model, tokenizer, documents) == bits_per_byte(
        model, tokenizer, documents
    )
    assert bits_per_byte(model, tokenizer, documents, seed=1) != bits_per_byte(
        model, tokenizer, documents
    )


# --- lossy tokenizers


def a_character_model(documents=("ab, ba.  a", "b a.", " a"), k=1e-3):
    characters = CharacterTokenizer().fit(documents)
    model = NgramModel(2, "add_k", k=k, vocab_size=characters.vocab_size)
    return model.fit(map(characters.encode, documents)), characters


@pytest.mark.parametrize("seen", ["a . aa", "", "b ba. a,"])
def test_what_is_paid_for_lost_text_is_a_probability(seen):
    """Over all texts with the same tokens, exp(-paid) sums to at most one, and to nearly one if
    none is unknown.
    """
    model, characters = a_character_model()
    words = WordTokenizer().fit([seen])
    speller = Speller(model, characters, words)
    mass: dict[tuple[int, ...], float] = {}
    for length in range(6):
        for letters in itertools.product("ab., ", repeat=length):
            text = "".join(letters)
            tokens = tuple(words.encode(text))
            mass[tokens] = mass.get(tokens, 0.0) + math.exp(-speller.nats(text))
    assert max(mass.values()) <= 1 + 1e-9
    assert max(mass.values()) > 0.2  # the bound is not an idle one


@pytest.mark.parametrize("mark", ["'", "-"])
def test_a_mark_behind_an_unknown_word_is_not_paid_for_twice(mark):
    """After the tokens `<unk> '`, the text may be b' or b'c', with the mark inside a word."""
    documents = [f"b{mark}"] + [f"b{mark}c{mark}"] * 99
    characters = CharacterTokenizer().fit(documents)
    model = NgramModel(4, vocab_size=characters.vocab_size).fit(
        map(characters.encode, documents)
    )
    speller = Speller(model, characters, WordTokenizer().fit([mark]))
    assert sum(math.exp(-speller.nats(text)) for text in set(documents)) <= 1 + 1e-9


def test_a_character_model_with_a_short_context_spells_too():
    characters = CharacterTokenizer().fit(["a b"])
    words = WordTokenizer().fit(["a b"])
    limited = Limited(4, vocab_size=characters.vocab_size, look_back=2)
    free = Limited(None, vocab_size=characters.vocab_size, look_back=2)
    text = "a b a c d e"
    assert Speller(limited, characters, words).nats(text) == pytest.approx(
        Speller(free, characters, words).nats(text)
    )


def test_a_space_that_must_be_there_costs_next_to_nothing():
    model, characters = a_character_model(["a b", "a b."], k=1e-6)
    words = WordTokenizer().fit(["a b."])
    speller = Speller(model, characters, words)
    assert speller.nats("a b") < 1e-3  # two words: something white must stand between them
    assert speller.nats("a .") > 5  # before a full stop, nothing is usual


def test_a_space_that_must_be_there_is_certain_whatever_the_character_model_thinks():
    """It has mostly seen a b right behind an a; but two words cannot stand there."""
    model, characters = a_character_model(["ab", "ab", "a b"], k=1e-6)
    words = WordTokenizer().fit(["a b"])
    assert Speller(model, characters, words).nats("a b") < 1e-3


def test_an_unknown_word_costs_its_letters():
    model, characters = a_character_model(k=0.01)
    words = WordTokenizer().fit(["a"])
    rows = model.log_probs(torch.tensor([[0, *characters.encode("ab")]]))[0]
    spelled = -sum(
        rows[place, token].item() for place, token in enumerate([*characters.encode("ab"), 1])
    )
    assert Speller(model, characters, words).nats("ab") == pytest.approx(spelled)


def test_longer_unknown_words_cost_more_and_known_ones_less():
    model, characters = a_character_model(["abba."], k=0.5)
    words = WordTokenizer().fit(["ab"])
    speller = Speller(model, characters, words)
    assert speller.nats("ab") < speller.nats("ba") < speller.nats("baba")
    assert speller.nats("é") > speller.nats("b")  # two bytes that were never seen


def test_lossy_tokens_need_a_character_model():
    words = WordTokenizer().fit(["a b"])
    model = NgramModel(1).fit([words.encode("a b")])
    with pytest.raises(
        ValueError, match=r"WordTokenizer loses part of the text .* give character_model="
    ):
        bits_per_byte(model, words, ["a b"])
    result = bits_per_byte(model, words, ["a b"], character_model=a_character_model())
    assert result.value > sequence_nats(model, [words.encode("a b")])[0] / math.log(2) / 4


def test_a_lossy_or_too_small_character_model_is_refused():
    model, characters = a_character_model()
    words = WordTokenizer().fit(["a b"])
    with pytest.raises(ValueError, match="must read every text"):
        Speller(model, words, words)
    with pytest.raises(ValueError, match=rf"has {characters.vocab_size} ids .* the model 9"):
        Speller(UniformModel(9), characters, words)


def test_an_impossible_spelling_is_infinite_not_nan():
    characters = CharacterTokenizer().fit(["ab"])
    never = NgramModel(2, vocab_size=characters.vocab_size).fit([characters.encode("ab")])
    words = WordTokenizer().fit(["a"])
    assert Speller(never, characters, words).nats("b b") == math.inf


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: perplexity(UniformModel(5), []), "no sequences to score"),
        (lambda: perplexity(UniformModel(5), [2, 3]), "sequence 0 is 2, and should be a list"),
        (lambda: perplexity(UniformModel(5), [[2.5]]), r"sequence 0 is \[2.5\]"),
        (lambda: perplexity(NoNumber(), [[2], [3]]), r"sequence 0 a probability .* \(NaN\)"),
        (lambda: bits_per_byte(UniformModel(5), None, "ab"), r"is one string; write \[text\]"),
        (
            lambda: bits_per_byte(UniformModel(5), None, ["a"], num_resamples=0),
            "num_resamples is 0",
        ),
        (lambda: sequence_nats(UniformModel(5), [[2]], batch_size=0), "batch_size is 0"),
        (lambda: perplexity(UniformModel(5), [[7]]), "id 7 at position 0 .* vocabulary of 5"),
        (
            lambda: bits_per_byte(UniformModel(400), CharacterTokenizer().fit(["a"]), []),
            "no documents to score",
        ),
        (
            lambda: bits_per_byte(UniformModel(99), CharacterTokenizer().fit(["a"]), ["a"]),
            "tokenizer has 259 ids, but the model knows 99",
        ),
    ],
)
def test_bad_input_is_refused_with_a_reason(make, message):
    with pytest.raises(ValueError, match=message):
        make()


# --- for Hugging Face's evaluate


@pytest.fixture(scope="module")
def predictions_and_texts():
    tokenizer = CharacterTokenizer().fit(["abba", "b"])
    model = NgramModel(2, "kneser_ney", vocab_size=tokenizer.vocab_size)
    model.fit([tokenizer.encode("abba")])
    texts = ["ab", "", "bbaé", "a"]
    ids = [torch.tensor([[*tokenizer.encode(text), tokenizer.eos_id]]) for text in texts]
    return model, tokenizer, [model.token_log_probs(row)[0].tolist() for row in ids], texts


def test_evaluate_s_metrics_equal_the_functions_and_combine(predictions_and_texts):
    import evaluate

    from lmtutor.metrics import BitsPerByteMetric, PerplexityMetric

    model, tokenizer, log_probs, texts = predictions_and_texts
    expected = bits_per_byte(model, tokenizer, texts, num_resamples=50, seed=3)
    scores = BitsPerByteMetric().compute(
        predictions=log_probs, references=texts, num_resamples=50, seed=3
    )
    assert scores == pytest.approx(
        {"bits_per_byte": expected.value, "low": expected.low, "high": expected.high}
    )
    of_tokens = perplexity(model, map(tokenizer.encode, texts))
    both = evaluate.combine([PerplexityMetric(), BitsPerByteMetric()])
    for row, text in zip(log_probs, texts, strict=True):  # one document after the other
        both.add(predictions=row, references=text)
    combined = both.compute()
    assert combined["perplexity"] == pytest.approx(of_tokens)
    assert combined["bits_per_byte"] == pytest.approx(expected.value)


def test_evaluate_s_metrics_are_of_the_corpus_and_no_mean_over_texts():
    from lmtutor.metrics import PerplexityMetric

    predictions = [[math.log(0.5)] * 3, [math.log(1 / 32)]]
    found = PerplexityMetric().compute(predictions=predictions)["perplexity"]
    assert found == pytest.approx(4.0)
    assert found != pytest.approx((2 + 32) / 2)
    assert PerplexityMetric().compute(predictions=[[-math.inf]]) == {"perplexity": math.inf}
    large = PerplexityMetric().compute(predictions=[[-20.0]])["perplexity"]
    assert large == pytest.approx(math.exp(20))
    assert PerplexityMetric().compute(predictions=[[1e-9]])["perplexity"] == pytest.approx(1)


@pytest.mark.parametrize(
    ("predictions", "message"),
    [
        ([[-1.0], [0.3]], "prediction 1 holds 0.3"),
        ([[-1.0], []], "prediction 1 is empty"),
        ([[math.nan]], "prediction 0 holds nan"),
        ([], "there are no predictions"),
    ],
)
def test_evaluate_s_metrics_refuse_what_is_no_log_probability(predictions, message):
    from lmtutor.metrics import BitsPerByteMetric, PerplexityMetric

    with pytest.raises(ValueError, match=message):
        PerplexityMetric().compute(predictions=predictions)
    with pytest.raises(ValueError, match=message):
        BitsPerByteMetric().compute(
            predictions=predictions, references=["x"] * len(predictions)
        )


def test_importing_the_metrics_does_not_import_evaluate():
    import subprocess
    import sys

    code = "import lmtutor.metrics, sys; sys.exit('evaluate' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
    import lmtutor.metrics

    with pytest.raises(
        AttributeError, match="has no 'rouge'; it has AVERAGES, AccuracyMetric, BitsPerByte, "
    ):
        _ = lmtutor.metrics.rouge


def test_before_is_a_list_for_each_document():
    tokenizer = CharacterTokenizer().fit(["abc def"])
    model = UniformModel(tokenizer.vocab_size)
    with pytest.raises(ValueError, match="entry 0 is the string 'def'"):
        bits_per_byte(model, tokenizer, ["abc"], before=["def"])
