"""BLEU and chrF: sacrebleu's numbers, numbers by hand, and intervals that keep their word."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sacrebleu.metrics import BLEU, CHRF

from lmtutor.metrics import CorpusScore, bleu, chrf, compare_bleu, compare_chrf
from lmtutor.metrics.translation import BLEU_TOKENS

FEW = {"num_resamples": 3}
sentence = st.lists(
    st.sampled_from(["the", "cat", "The", "sat.", "on-to", "猫坐", "é", ",", "5.1%"]),
    max_size=9,
).map(" ".join)


@st.composite
def some_sets(draw):
    """Hypotheses, and as many references for each."""
    size, count = draw(st.integers(1, 6)), draw(st.integers(1, 3))
    hypotheses = draw(st.lists(sentence, min_size=size, max_size=size))
    some = st.lists(sentence, min_size=count, max_size=count)
    return hypotheses, draw(st.lists(some, min_size=size, max_size=size))


def streams(references):
    """As sacrebleu has them: all first references, all second ones, ..."""
    return [list(column) for column in zip(*references, strict=True)]


@settings(max_examples=60)
@given(data=some_sets(), tokenize=st.sampled_from(BLEU_TOKENS))
def test_bleu_is_sacrebleu_s(data, tokenize):
    hypotheses, references = data
    theirs = BLEU(tokenize=tokenize)
    expected = theirs.corpus_score(hypotheses, streams(references))
    ours = bleu(hypotheses, references, tokenize, **FEW)
    assert ours.value == pytest.approx(expected.score, abs=1e-9)
    assert ours.signature == str(theirs.get_signature())
    assert f"tok:{tokenize}|" in ours.signature
    assert f"nrefs:{len(references[0])}|" in ours.signature
    assert (ours.metric, ours.num_sentences) == ("BLEU", len(hypotheses))


@settings(max_examples=60)
@given(data=some_sets(), word_order=st.integers(0, 2))
def test_chrf_is_sacrebleu_s(data, word_order):
    hypotheses, references = data
    theirs = CHRF(word_order=word_order)
    expected = theirs.corpus_score(hypotheses, streams(references))
    ours = chrf(hypotheses, references, word_order, **FEW)
    assert ours.value == pytest.approx(expected.score, abs=1e-9)
    assert ours.signature == str(theirs.get_signature())
    assert ours.metric == expected.name == "chrF2" + "+" * word_order


@pytest.mark.parametrize("function", [bleu, chrf])
def test_one_reference_may_stand_without_a_list(function):
    hypotheses, references = ["the cat sat", "a dog"], ["the cat sat down", "a dog ran"]
    alone = function(hypotheses, references)
    assert alone == function(hypotheses, [[one] for one in references])
    assert alone == function(tuple(hypotheses), iter(references))


# --- by hand


def mean_of_logs(*shares):
    return math.exp(sum(map(math.log, shares)) / len(shares))


def test_bleu_by_hand():
    """'the' is said three times and counts twice, as often as in the reference; the second
    sentence is two words short, and so is the corpus of 11 words beside one of 13.
    """
    hypotheses = ["the the cat sat on the mat", "a b c d"]
    references = ["the cat sat on the mat today", "a b c d e f"]
    shares = [(6 + 4) / (7 + 4), (5 + 3) / (6 + 3), (4 + 2) / (5 + 2), (3 + 1) / (4 + 1)]
    expected = 100 * math.exp(1 - 13 / 11) * mean_of_logs(*shares)
    assert bleu(hypotheses, references).value == pytest.approx(expected, abs=1e-9)
    first = bleu(hypotheses[:1], references[:1]).value  # as long as the reference: no penalty
    assert first == pytest.approx(100 * mean_of_logs(6 / 7, 5 / 6, 4 / 5, 3 / 4), abs=1e-9)
    second = bleu(hypotheses[1:], references[1:]).value  # nothing wrong but the length
    assert second == pytest.approx(100 * math.exp(1 - 6 / 4), abs=1e-9)
    assert expected != pytest.approx((first + second) / 2, abs=1)


def test_too_long_is_no_brevity_and_the_nearest_reference_tells_the_length():
    long = bleu(["a b c d e f"], ["a b c d"]).value
    assert long == pytest.approx(100 * mean_of_logs(4 / 6, 3 / 5, 2 / 4, 1 / 3), abs=1e-9)
    assert bleu(["a b c d e"], [["a b c d e f g", "b c d e a"]]).value == pytest.approx(100)
    short = bleu(["a b c d e"], [["a b c d e f g"]]).value
    assert short == pytest.approx(100 * math.exp(1 - 7 / 5), abs=1e-9)


def test_an_n_gram_counts_as_often_as_the_reference_that_has_most_of_it():
    """The shares of Papineni et al.: 2 of 7, where without clipping all 7 would count."""
    references = ["the cat is on the mat", "there is a cat on the mat"]
    seven = "the the the the the the the"
    found = bleu([seven + " cat is on the mat"], [references]).value
    shares = [6 / 12, 5 / 11, 4 / 10, 3 / 9]  # two of the nine 'the' count, not three
    assert found == pytest.approx(100 * mean_of_logs(*shares), abs=1e-9)


def test_chinese_is_cut_into_characters_and_never_at_spaces_alone():
    hypothesis, reference = "我们今天去北京", "我们今天去了北京"
    shares = mean_of_logs(7 / 7, 5 / 6, 3 / 5, 2 / 4)
    found = bleu([hypothesis], [reference], tokenize="zh")
    assert found.value == pytest.approx(100 * math.exp(1 - 8 / 7) * shares, abs=1e-9)
    assert "tok:zh" in found.signature
    assert bleu([hypothesis], [reference]).value == 0  # one long word, and the wrong one
    assert chrf([hypothesis], [reference]).value > 40
    mixed = bleu(["我有 GPT-4 模型。"], ["我有 GPT-4 模型。"], tokenize="zh")
    assert mixed.value == pytest.approx(100)


def test_chrf_by_hand():
    """'abc' for 'abd': of one, two and three characters 2/3, 1/2 and 0/1 are right."""
    share = (
        2 / 3 + 1 / 2 + 0
    ) / 3  # precision and recall are one here; longer n-grams are none
    assert chrf(["abc"], ["abd"]).value == pytest.approx(100 * share, abs=1e-9)
    assert chrf(["a b c"], ["abd"]).value == pytest.approx(100 * share, abs=1e-9)
    precision, recall = (1 + 1) / 2, (2 / 3 + 1 / 2) / 2  # 'ab' for 'abd', up to two characters
    expected = 5 * precision * recall / (4 * precision + recall)
    assert chrf(["ab"], ["abd"]).value == pytest.approx(100 * expected, abs=1e-9)


@pytest.mark.parametrize("function", [bleu, chrf])
def test_the_ends_of_the_scale(function):
    assert function(["a b c d e"] * 3, ["a b c d e"] * 3).value == pytest.approx(100)
    nothing = function(["", ""], ["a b", "c"])
    assert (nothing.value, nothing.low, nothing.high) == (0, 0, 0)


# --- intervals


def spoilt(share, seed, size):
    """Sentences of ten words, and the same with a share of their words replaced."""
    generator = np.random.default_rng(seed)
    words = np.array([f"{a}{b}" for a in "bdfgk" for b in "aeiou"])
    references = words[generator.integers(len(words), size=(size, 10))]
    wrong = words[generator.integers(len(words), size=(size, 10))]
    bad = generator.random((size, 10)) < share * 2 * generator.random((size, 1))
    hypotheses = np.where(bad, wrong, references)
    return [" ".join(row) for row in hypotheses], [" ".join(row) for row in references]


@pytest.mark.parametrize(
    ("function", "theirs"), [(bleu, BLEU()), (chrf, CHRF())], ids=["BLEU", "chrF"]
)
def test_the_interval_is_that_of_sentences_drawn_anew(function, theirs):
    hypotheses, references = spoilt(0.4, 0, 9)
    found = function(hypotheses, references, num_resamples=40, seed=5)
    generator, values = np.random.default_rng(5), []
    for _ in range(40):
        picked = generator.integers(9, size=9)
        drawn = [hypotheses[number] for number in picked]
        against = [[references[number] for number in picked]]
        values.append(theirs.corpus_score(drawn, against).score)
    values.sort()
    assert (found.low, found.high) == pytest.approx((values[0], values[38]), abs=1e-9)
    assert found == function(hypotheses, references, num_resamples=40, seed=5)
    assert found != function(hypotheses, references, num_resamples=40, seed=6)


@pytest.mark.parametrize("function", [bleu, chrf])
def test_the_interval_covers_the_truth_about_as_often_as_it_says(function):
    """40 test sets from one source; 38 hits are expected, and fewer than 34 are a fault."""
    hypotheses, references = spoilt(0.3, 1, 2000)
    truth = function(hypotheses, references, **FEW).value
    hits = 0
    for first in range(0, 2000, 50):
        part = slice(first, first + 50)
        found = function(hypotheses[part], references[part], num_resamples=150, seed=first)
        hits += found.low <= truth <= found.high
    assert 34 <= hits < 40


@pytest.mark.parametrize(
    ("compare", "function"), [(compare_bleu, bleu), (compare_chrf, chrf)], ids=["BLEU", "chrF"]
)
def test_two_systems_are_compared_on_the_sentences_that_are_drawn(compare, function):
    """The second is the first but for one more wrong word in some sentences. Each alone is
    known badly, because some sentences are hard for both; the difference is known well.
    """
    first, references = spoilt(0.5, 2, 200)
    second = [f"x {one[3:]}" if number % 5 == 0 else one for number, one in enumerate(first)]
    found = compare(first, second, references, num_resamples=300)
    ours, theirs = (function(one, references, num_resamples=300) for one in (first, second))
    assert found.value == pytest.approx(ours.value - theirs.value, abs=1e-9)
    assert 0 < found.low <= found.value <= found.high
    assert ours.low < theirs.high  # apart, nothing could be said
    assert found.high - found.low < (ours.high - ours.low) / 2
    assert found.unit == ours.metric
    back = compare(second, first, references, num_resamples=300)
    assert (back.value, back.low, back.high) == pytest.approx(
        (-found.value, -found.high, -found.low), abs=0.2
    )
    same = compare(first, first, references, num_resamples=20)
    assert (same.value, same.low, same.high) == (0, 0, 0)
    assert found == compare(first, second, references, num_resamples=300)
    assert found != compare(first, second, references, num_resamples=300, seed=1)


def test_the_settings_reach_the_comparison():
    first, second, references = ["我们今天去北京"], ["我们今天去上海"], ["我们今天去了北京"]
    found = compare_bleu(first, second, references, tokenize="zh", **FEW)
    apart = [bleu(one, references, tokenize="zh", **FEW).value for one in (first, second)]
    assert found.value == pytest.approx(apart[0] - apart[1]) != 0
    words = compare_chrf(["a b c"], ["a c b"], ["a b c"], word_order=2, **FEW)
    assert words.unit == "chrF2++"  # of the second, single characters and words are right
    assert words.value == pytest.approx(100 * (1 - 2 / 5))
    characters = compare_chrf(["a b c"], ["a c b"], ["a b c"], **FEW)
    assert characters.value == pytest.approx(100 * (1 - 1 / 3))


def test_scores_are_written_with_what_they_are():
    score = CorpusScore(23.456, 21.0, 25.555, "BLEU", 7, "nrefs:1")
    assert str(score) == "23.46 BLEU (95%: 21.00 to 25.55)"
    difference = compare_chrf(["a"], ["a"], ["a"], **FEW)
    assert str(difference) == "+0.000 chrF2 (95%: +0.000 to +0.000)"


# --- bad input

PAIR = (["a b", "c"], ["a b", "c d"])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda f: f([], []), "no sentences to score; give at least one"),
        (lambda f: f(["a", "b"], ["a"]), "2 hypotheses, and references for 1 sentences"),
        (lambda f: f(["a"], []), "1 hypotheses, and references for 0 sentences"),
        (lambda f: f(["a"], [[]]), "sentence 0 has no reference; give each at least one"),
        (lambda f: f(["a", "b"], [["a"], []]), "sentence 1 has no reference"),
        (
            lambda f: f(["a", "b"], [["a", "b"], ["c"]]),
            "sentence 0 has 2 references, and sentence 1 has 1",
        ),
        (
            lambda f: f("ab", ["a", "b"]),
            r"hypotheses must be a list, and are one string; write",
        ),
        (lambda f: f(["a", "b"], "ab"), r"references must be a list, and are one string"),
        (lambda f: f(["a", None], ["a", "b"]), "sentence 1 holds None, which is no string"),
        (lambda f: f(["a"], [["a", 3]]), "sentence 0 holds 3, which is no string"),
        (lambda f: f(*PAIR, num_resamples=0), "num_resamples is 0"),
    ],
)
@pytest.mark.parametrize("function", [bleu, chrf])
def test_bad_input_is_refused_with_a_reason(function, make, message):
    with pytest.raises(ValueError, match=message):
        make(function)


def test_bad_settings_and_systems_are_refused_with_a_reason():
    with pytest.raises(ValueError, match="tokenize is 'klingon'; it can be 13a, char, intl, "):
        bleu(*PAIR, tokenize="klingon")
    with pytest.raises(ValueError, match="tokenize is 'flores200'"):  # needs a download
        compare_bleu(PAIR[0], *PAIR, tokenize="flores200")
    with pytest.raises(ValueError, match="word_order is -1"):
        chrf(*PAIR, word_order=-1)
    for compare in (compare_bleu, compare_chrf):
        with pytest.raises(ValueError, match="1 hypotheses, and references for 2 sentences"):
            compare(PAIR[0], ["a"], PAIR[1])
        with pytest.raises(ValueError, match="num_resamples is -3"):
            compare(PAIR[0], *PAIR, num_resamples=-3)


# --- for Hugging Face's evaluate


@pytest.mark.parametrize("count", [1, 2])
def test_evaluate_s_metrics_equal_the_functions_and_combine(count):
    import evaluate

    from lmtutor.metrics import BleuMetric, ChrfMetric

    hypotheses, references = spoilt(0.4, 3, 12)
    if count == 2:
        references = [[one, one + " la"] for one in references]
    settings = {"num_resamples": 50, "seed": 4}
    expected = {}
    for name, score in (
        ("bleu", bleu(hypotheses, references, **settings)),
        ("chrf", chrf(hypotheses, references, **settings)),
    ):
        expected |= {name: score.value, f"{name}_low": score.low, f"{name}_high": score.high}
        expected |= {f"{name}_signature": score.signature}
    both = evaluate.combine([BleuMetric(), ChrfMetric()])
    assert both.compute(predictions=hypotheses, references=references, **settings) == expected
    for text, some in zip(hypotheses, references, strict=True):  # one after the other
        both.add(prediction=text, reference=some)
    combined = both.compute()
    assert combined["bleu"] == pytest.approx(expected["bleu"], abs=1e-9)
    assert combined["chrf"] == pytest.approx(expected["chrf"], abs=1e-9)


def test_evaluate_s_metrics_take_the_settings():
    from lmtutor.metrics import BleuMetric, ChrfMetric

    texts = {"predictions": ["我们去北京"], "references": [["我们去北京"]]}
    scores = BleuMetric().compute(**texts, tokenize="zh", **FEW)
    assert scores["bleu"] == pytest.approx(100)
    assert "tok:zh" in scores["bleu_signature"]
    scores = ChrfMetric().compute(**texts, word_order=2, **FEW)
    assert "nw:2" in scores["chrf_signature"]
    with pytest.raises(ValueError, match="tokenize is 'klingon'"):
        BleuMetric().compute(**texts, tokenize="klingon")


def test_importing_the_metrics_imports_neither_sacrebleu_nor_evaluate():
    import subprocess
    import sys

    slow = "{'sacrebleu', 'evaluate'}"
    code = f"import lmtutor.metrics, sys; sys.exit(bool({slow} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
