"""Claims, checks, sources and scores say the same in a terminal and in a notebook."""

import json
import math
import re
import subprocess
import sys

import numpy as np
import pytest
import torch
from mistakes import WRONG

from lmtutor import (
    claim,
    display,
    page_cost,
    runtime,
    seed_everything,
    set_threads,
    show_source,
)
from lmtutor import scoreboard as board
from lmtutor.claims import ClaimError
from lmtutor.data import MarkovSource
from lmtutor.exercises import available_exercises, check
from lmtutor.exercises.checker import ExerciseError
from lmtutor.metrics import perplexity
from lmtutor.models import LanguageModel, NgramModel, UniformModel
from lmtutor.tokenizers import CharacterTokenizer


@pytest.fixture
def notebook(monkeypatch):
    """What a kernel would send, as a list of (data, metadata)."""
    sent = []
    monkeypatch.setattr(display, "_in_notebook", lambda: True)
    monkeypatch.setattr(
        "IPython.display.display", lambda data, metadata, raw: sent.append((data, metadata))
    )
    return sent


# --- claims


@pytest.mark.parametrize(
    ("left", "relation", "right"),
    [
        (1, "<", 2),
        (2, "<=", 2),
        ("a", "==", "a"),
        (1, "!=", 2),
        (2, ">=", 2),
        (3, ">", 2),
        (2, "between", (2, 3)),
        (torch.tensor(1.5), "<", np.float64(2)),
        (math.inf, ">", 1),
    ],
)
def test_true_claims_print_their_evidence(capsys, left, relation, right):
    claim("so it is", left, relation, right)
    assert capsys.readouterr().out.startswith("Claim holds: so it is [")


@pytest.mark.parametrize(
    ("left", "relation", "right"),
    [
        (2, "<", 2),
        (3, "<=", 2),
        ("a", "==", "b"),
        (1, "!=", 1),
        (1, ">=", 2),
        (2, ">", 2),
        (4, "between", (2, 3)),
        (1, "between", (2, 3)),
        (math.nan, "<", 1),
        (math.nan, "!=", 1),
        (1, "!=", math.nan),
        (math.nan, "==", math.nan),
        (1, "between", (0, math.nan)),
    ],
)
def test_false_claims_raise_with_their_evidence(left, relation, right):
    with pytest.raises((ClaimError, ValueError), match="so it is: found|ascending order"):
        claim("so it is", left, relation, right)


def test_claims_that_say_nothing_are_refused():
    with pytest.raises(ValueError, match="there is no relation '~'; there are <, <=, =="):
        claim("", 1, "~", 1)
    for right in (3, (3, 2), (1, 2, 3)):
        with pytest.raises(ValueError, match="ascending order"):
            claim("", 2, "between", right)


def test_evidence_has_digits_enough_to_be_believed(capsys):
    claim("", 1234.3, "<", 1234.4)
    claim("", 0.123456, "!=", 0.123457)
    claim("", True, "==", True)
    claim("", 13_274, "==", 13274.0)
    claim("", 12345.678, ">", 2)
    printed = capsys.readouterr().out
    for evidence in (
        "[1,234.3 < 1,234.4]",
        "[0.123456 != 0.123457]",
        "[True == True]",
        "[12,346 > 2]",
    ):
        assert evidence in printed


@pytest.mark.parametrize(
    ("left", "relation", "right"),
    [
        (torch.tensor([1, 2]), "<", 3),
        (np.array([1, 2]), "<", 3),
        ([1], "==", [1]),
        (None, "<", 1),
        (1, "<", "a"),
        (1, "between", ("a", 2)),
    ],
)
def test_what_does_not_compare_is_refused(left, relation, right):
    with pytest.raises(ValueError, match="single values|do not compare"):
        claim("so it is", left, relation, right)


def test_a_claim_in_a_notebook_is_escaped_html(notebook):
    claim("a < b & c", 1, "<", 2)
    ((data, metadata),) = notebook
    assert "a &lt; b &amp; c" in data["text/html"]
    assert data["text/plain"] == "Claim holds: a < b & c [1 < 2]"
    assert metadata == {}


# --- sources


def test_the_source_shown_is_the_source_in_the_file(capsys, notebook):
    show_source(perplexity)
    (data, _) = notebook[0]
    markdown = data["text/markdown"]
    assert markdown.startswith("*lmtutor/metrics/language_modelling.py, line ")
    shown = markdown.split("```python\n")[1].removesuffix("\n```")
    path = sys.modules[perplexity.__module__].__file__
    with open(path, encoding="utf-8") as file:
        assert f"\n{shown}\n" in file.read()
    assert shown.startswith("def perplexity(")


def test_classes_methods_and_properties_have_sources(capsys):
    show_source(LanguageModel)
    show_source(NgramModel.fit)
    show_source(MarkovSource.entropy_rate)
    printed = capsys.readouterr().out
    assert "class LanguageModel(ABC):" in printed
    assert "\ndef fit(" in printed  # without the indentation of the class
    assert "\n@property\ndef entropy_rate" in printed


@pytest.mark.parametrize("thing", [len, 3, "text", math])
def test_what_has_no_source_is_refused(thing):
    with pytest.raises(ValueError, match="has no source to show"):
        show_source(thing)


# --- scoreboard


def an_entry(**changes):
    fields = {
        "model": "a <b>",
        "corpus": "kjv",
        "bits_per_byte": 2.0,
        "low": 1.9,
        "high": 2.1,
        "parameters": 1234,
        "training_seconds": 0.5,
        "tokens_per_second": 98_765.0,
        "memory_bytes": 4936,
        "seeds": (0, 1),
    }
    return board.ScoreboardEntry(**{**fields, **changes})


def test_a_result_travels_through_json(kjv, notebook):
    tokenizer = CharacterTokenizer().fit(kjv.test)
    corpus = type(kjv)("small", kjv.test, kjv.test, kjv.test[:50], "", "")
    model = NgramModel(2, "add_k").fit(map(tokenizer.encode, kjv.test))
    entry = board.enter("bigram", model, tokenizer, corpus, training_seconds=1.5)
    ((data, metadata),) = notebook
    assert (
        board.from_record(json.loads(json.dumps(metadata))[display.RECORD]["scoreboard"])
        == entry
    )
    assert "bigram" in data["text/plain"]
    assert (entry.corpus, entry.parameters, entry.seeds) == ("small", model.num_parameters, ())
    assert entry.tokens_per_second > 0


def test_seeds_are_averaged_and_their_interval_covers_all(kjv):
    tokenizer = CharacterTokenizer().fit(kjv.test)
    corpus = type(kjv)("small", ["a"], ["a"], kjv.test[:30], "", "")
    ids = list(map(tokenizer.encode, kjv.test))
    models = [NgramModel(1, "add_k", k=k).fit(ids) for k in (1, 50)]
    both = board.enter("two", models, tokenizer, corpus, 0.0, seeds=(0, 1))
    each = [board.enter("one", model, tokenizer, corpus, 0.0) for model in models]
    assert both.bits_per_byte == pytest.approx(sum(entry.bits_per_byte for entry in each) / 2)
    assert (both.low, both.high) == (min(e.low for e in each), max(e.high for e in each))
    with pytest.raises(ValueError, match="2 models and 1 seeds"):
        board.enter("two", models, tokenizer, corpus, 0.0, seeds=(0,))


def test_the_table_is_sorted_and_escaped():
    table = board.to_html([an_entry(), an_entry(model="best", bits_per_byte=1.95)])
    assert table.index("best") < table.index("a &lt;b&gt;")
    assert "<td>1.900 to 2.100</td>" in table
    assert "<td>99,000</td>" in table
    assert "<td>0.0049</td>" in table  # MB
    assert "<td>0, 1</td>" in table


def test_an_infinite_result_is_refused_with_the_way_out(kjv):
    tokenizer = CharacterTokenizer().fit(["ab"])
    corpus = type(kjv)("small", ["a"], ["a"], ["ab"], "", "")
    model = NgramModel(2, vocab_size=tokenizer.vocab_size).fit([tokenizer.encode("a")])
    with pytest.raises(ValueError, match="inf bits per byte.* smooth it"):
        board.enter("m", model, tokenizer, corpus, 0.0)


def test_rounding_does_not_push_a_mean_out_of_its_interval(kjv):
    tokenizer = CharacterTokenizer().fit(["a"])
    corpus = type(kjv)("small", ["a"], ["a"], ["aa"], "", "")
    entry = board.enter("u", [UniformModel(300)] * 7, tokenizer, corpus, 1.0, seeds=range(7))
    assert entry.low <= entry.bits_per_byte <= entry.high


def test_a_result_outside_its_interval_is_refused():
    with pytest.raises(
        ValueError, match=r"2\.0 bits per byte do not lie between 2\.05 and 2\.1"
    ):
        an_entry(low=2.05)


def test_parameters_of_networks_and_of_counts():
    class Network(torch.nn.Linear, LanguageModel):
        def log_probs(self, ids):
            raise NotImplementedError

    assert board.count_parameters(Network(3, 4)) == 16
    assert board.count_parameters(UniformModel(5)) == 0


def test_bytes_of_networks_and_of_counts():
    class Network(torch.nn.Linear, LanguageModel):
        def log_probs(self, ids):
            raise NotImplementedError

    network = Network(3, 4)
    network.register_buffer("mask", torch.zeros(8, dtype=torch.bool))
    assert board.count_bytes(network) == 16 * 4 + 8
    assert board.count_bytes(UniformModel(5)) == 0
    bigram = NgramModel(2, "add_k", vocab_size=4).fit([[2, 3]])
    # keys and counts, and the sums of the counts from 0 on, of 4 unigrams and 3 bigrams
    assert board.count_bytes(bigram) == 8 * (4 + 4 + 5 + 3 + 3 + 4)


def test_models_of_a_source_travel_with_its_floor(notebook):
    board.enter_source("coin", "bits per toss", 1.0, {"unigram": 1.25, "bigram": 1.5})
    ((_, metadata),) = notebook
    record = json.loads(json.dumps(metadata))[display.RECORD]["source"]
    table = board.sources_to_html([record])
    assert table.index("the source itself") < table.index("unigram") < table.index("bigram")
    assert "<td>1.250 bits per toss</td>" in table
    assert "<td>+25.0%</td>" in table


@pytest.mark.parametrize(
    ("floor", "needed", "message"),
    [
        (1.0, {}, "coin: there are no models; give at least one"),
        (1.0, {"unigram": math.inf}, "coin: unigram is inf bits; give a finite number above 0"),
        (0.0, {"unigram": 1.0}, r"coin: the floor is 0\.0 bits"),
    ],
)
def test_what_is_no_result_of_a_source_is_refused(floor, needed, message):
    with pytest.raises(ValueError, match=message):
        board.enter_source("coin", "bits", floor, needed)


# --- exercises


@pytest.mark.parametrize("name", sorted(available_exercises()))
def test_every_exercise_has_a_solution_that_passes_and_mistakes_that_do_not(name, capsys):
    assert check(name, available_exercises()[name].solution, must_pass=True)
    assert "Solved" in capsys.readouterr().out
    assert len(WRONG[name]) >= 3
    for mistake, hint in WRONG[name]:
        assert not check(name, mistake)
        printed = capsys.readouterr().out
        assert printed.startswith("Not yet")
        assert re.search(hint, printed), printed


@pytest.mark.parametrize("name", sorted(available_exercises()))
def test_what_is_unsolved_or_broken_never_breaks_the_page(name, capsys):
    def unsolved(*_): ...

    def broken(*_):
        raise RuntimeError("oh no")

    assert not check(name, unsolved)
    assert "nothing was returned yet" in capsys.readouterr().out
    assert not check(name, broken)
    assert "raised RuntimeError: oh no" in capsys.readouterr().out
    assert not check(name, lambda *_: "a string")
    assert "Not yet" in capsys.readouterr().out
    assert not check(name, lambda: 0)
    assert "raised TypeError" in capsys.readouterr().out
    with pytest.raises(ExerciseError, match=f"{name}: .*nothing was returned"):
        check(name, unsolved, must_pass=True)


class Nasty:
    def __eq__(self, other):
        raise RuntimeError("no comparison")

    def __repr__(self):
        raise RuntimeError("no form")

    __hash__ = None


class SilentError(Exception):
    def __str__(self):
        raise RuntimeError("no words")


def spoil(p):
    p[0] = np.array([1.0, 2.0])
    return 1.0


@pytest.mark.parametrize(
    "function",
    [
        lambda p: 10**5000,
        lambda p: Nasty(),
        lambda p: sys.exit(),
        lambda p: (_ for _ in ()).throw(SilentError()),
        lambda p: "1.0",
        lambda p: math.nan,
        lambda p: torch.tensor([1.0, 2.0]),
        spoil,
    ],
)
def test_nothing_a_reader_writes_breaks_the_page(function, capsys):
    assert not check("perplexity", function)
    assert capsys.readouterr().out.startswith("Not yet")


def test_a_function_that_changes_its_arguments_is_told_so(capsys):
    def greedy(probabilities):
        probabilities.clear()
        return 1.0

    assert not check("perplexity", greedy)
    assert "changed its arguments" in capsys.readouterr().out


def test_the_answer_is_never_given_away(capsys):
    check("perplexity", lambda p: 7.0)
    printed = capsys.readouterr().out
    assert "perplexity([1.0]) returned 7.0" in printed
    assert "1.0." not in printed.replace("7.0.", "")


def test_an_exercise_that_does_not_exist():
    with pytest.raises(
        ValueError,
        match="no exercise 'ppl'; there are 'adam', 'analogy', 'bag_of_words', 'beam_step', ",
    ):
        check("ppl", len)


# --- threads, seeds, costs


def test_threads_come_from_the_call_the_environment_or_are_one(monkeypatch):
    monkeypatch.delenv("LMTUTOR_THREADS", raising=False)
    assert set_threads(2) == 2
    assert set_threads() == 1
    monkeypatch.setenv("LMTUTOR_THREADS", "2")
    assert set_threads() == 2
    monkeypatch.setenv("LMTUTOR_THREADS", "many")
    with pytest.raises(ValueError, match="threads is 'many'"):
        set_threads()
    with pytest.raises(ValueError, match="threads is 0"):
        set_threads(0)
    set_threads(1)


def test_seeds_repeat_all_three_generators():
    import random

    draws = []
    for _ in range(2):
        seed_everything(4)
        draws.append((random.random(), np.random.rand(), torch.rand(1).item()))
    assert draws[0] == draws[1]
    with pytest.raises(ValueError, match="seed is -1"):
        seed_everything(-1)


def test_a_page_records_its_cost(notebook):
    page_cost()
    ((data, metadata),) = notebook
    cost = json.loads(json.dumps(metadata))[display.RECORD]["cost"]
    assert cost["threads"] == torch.get_num_threads()
    # The peak may have grown a little since.
    assert 50 * 2**20 < cost["peak_bytes"] <= runtime.peak_memory() < 2**36
    assert cost["peak_bytes"] > 0.95 * runtime.peak_memory()
    assert cost["cpu_seconds"] > 0
    assert 1 <= cost["slowness"] < 100
    assert "of processor time" in data["text/html"]


def test_importing_the_package_is_quick_and_loads_nothing_heavy():
    program = """
import sys, time
began = time.perf_counter()
import lmtutor
took = time.perf_counter() - began
heavy = {"torch", "transformers", "datasets", "evaluate", "matplotlib", "IPython", "numpy"}
print(took, *sorted(heavy & sys.modules.keys()))
"""
    runs = [
        subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=True
        )
        for _ in range(3)
    ]
    times, *heavy = zip(*(run.stdout.split() for run in runs), strict=True)
    assert not heavy
    assert sorted(map(float, times))[1] < 0.3
