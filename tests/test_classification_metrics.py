"""The measures of classifiers are scikit-learn's, those of plain loops, and evaluate's."""

import math
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lmtutor.metrics import (
    accuracy,
    bootstrap_score,
    confusion_matrix,
    expected_calibration_error,
    f1,
    matthews_correlation,
    mcnemar,
    precision,
    recall,
)

EXACT = {"rel": 1e-9, "abs": 1e-9}


@st.composite
def answers(draw):
    """Predictions, labels and C, of which some classes may be in neither."""
    size = draw(st.integers(1, 5))
    number = draw(st.integers(1, 30))
    classes = st.lists(st.integers(0, size - 1), min_size=number, max_size=number)
    return draw(classes), draw(classes), size


def by_loops(predictions, labels, size):
    """Precision, recall and F1 of each class and of all together, counted one by one."""
    triples = []
    for classes in [[c] for c in range(size)] + [range(size)]:
        pairs = [
            (p == c, t == c) for c in classes for p, t in zip(predictions, labels, strict=True)
        ]
        right = sum(p and t for p, t in pairs)
        called, there = sum(p for p, _ in pairs), sum(t for _, t in pairs)
        share = right / called if called else 0.0
        found = right / there if there else 0.0
        both = 2 * share * found / (share + found) if share + found else 0.0
        triples.append((share, found, both))
    return np.array(triples[:-1]), triples[-1]


@given(answers())
def test_counts_are_those_of_plain_loops(drawn):
    predictions, labels, size = drawn
    table = confusion_matrix(predictions, labels, size)
    assert table.shape == (size, size)
    for true in range(size):
        for called in range(size):
            pairs = list(zip(labels, predictions, strict=True))
            assert table[true, called] == pairs.count((true, called))
    each, together = by_loops(predictions, labels, size)
    for column, measure in enumerate((precision, recall, f1)):
        values = measure(predictions, labels, None, size)
        assert values == pytest.approx(each[:, column], **EXACT)
        macro = measure(predictions, labels, num_labels=size)
        assert macro == pytest.approx(each[:, column].mean(), **EXACT)
        micro = measure(predictions, labels, "micro", size)
        assert micro == pytest.approx(together[column], **EXACT)
        assert micro == pytest.approx(accuracy(predictions, labels, size), **EXACT)


@given(answers())
def test_matthews_correlation_is_that_of_the_indicators(drawn):
    """Gorodkin's definition: covariances of one column for each class, summed."""
    predictions, labels, size = drawn
    x, y = np.eye(size)[predictions], np.eye(size)[labels]
    x, y = x - x.mean(axis=0), y - y.mean(axis=0)
    spread = math.sqrt((x * x).sum() * (y * y).sum())
    expected = (x * y).sum() / spread if spread > 1e-12 else 0.0
    found = matthews_correlation(predictions, labels, size)
    assert found == pytest.approx(expected, **EXACT)
    assert -1 - 1e-9 <= found <= 1 + 1e-9


@pytest.mark.filterwarnings("ignore:A single label was found:UserWarning")
@settings(max_examples=40)
@given(answers())
def test_all_are_those_of_scikit_learn(drawn):
    from sklearn import metrics as theirs

    predictions, labels, size = drawn
    classes = list(range(size))
    assert accuracy(predictions, labels) == pytest.approx(
        theirs.accuracy_score(labels, predictions), **EXACT
    )
    expected = theirs.confusion_matrix(labels, predictions, labels=classes)
    assert confusion_matrix(predictions, labels, size).tolist() == expected.tolist()
    for average in ("macro", "micro", None):
        *three, _ = theirs.precision_recall_fscore_support(
            labels, predictions, labels=classes, average=average, zero_division=0
        )
        for measure, value in zip((precision, recall, f1), three, strict=True):
            found = measure(predictions, labels, average, size)
            assert found == pytest.approx(value, **EXACT)
    assert matthews_correlation(predictions, labels) == pytest.approx(
        theirs.matthews_corrcoef(labels, predictions), **EXACT
    )


def test_a_worked_example_with_an_absent_class():
    """Class 2 neither occurs nor is predicted; class 1 occurs and is never predicted."""
    predictions, labels = [0, 0, 0, 3], [0, 0, 1, 3]
    assert precision(predictions, labels, None).tolist() == pytest.approx([2 / 3, 0, 0, 1])
    assert recall(predictions, labels, None).tolist() == pytest.approx([1, 0, 0, 1])
    assert f1(predictions, labels, None).tolist() == pytest.approx([0.8, 0, 0, 1])
    assert f1(predictions, labels) == pytest.approx(0.45)  # of four classes
    assert f1(predictions, labels, num_labels=6) == pytest.approx(0.3)  # of six
    assert accuracy(predictions, labels) == 0.75


def test_macro_f1_is_a_mean_of_f1_and_not_the_f1_of_means():
    predictions, labels = [0, 0, 1, 1, 1], [0, 1, 1, 1, 0]
    p, r = precision(predictions, labels, None), recall(predictions, labels, None)
    assert f1(predictions, labels) == pytest.approx((2 * p * r / (p + r)).mean())
    lopsided = [0, 0, 0, 0, 1], [0, 1, 1, 1, 1]
    p, r = precision(*lopsided), recall(*lopsided)
    assert f1(*lopsided) < 2 * p * r / (p + r) - 0.1


def test_one_class_alone_is_right_and_correlates_with_nothing():
    assert accuracy([1, 1, 1], [1, 1, 1]) == 1
    assert matthews_correlation([1, 1, 1], [1, 1, 1]) == 0
    assert matthews_correlation([1, 1, 0], [1, 1, 1]) == 0
    assert matthews_correlation([1, 0], [0, 1]) == -1
    assert matthews_correlation([2, 0, 1], [2, 0, 1]) == 1


def test_tensors_and_arrays_are_read_as_lists_are():
    predictions, labels = [0, 2, 1, 1], [0, 1, 1, 2]
    for kind in (np.array, torch.tensor, tuple):
        assert f1(kind(predictions), kind(labels)) == f1(predictions, labels)
    tensor = torch.tensor([[0.25, 0.75]], dtype=torch.float32)
    assert expected_calibration_error(tensor, torch.tensor([1])) == 0.25


# --- calibration


@st.composite
def distributions(draw):
    size = draw(st.integers(2, 4))
    weight = st.floats(0.01, 1, allow_subnormal=False)
    rows = st.lists(st.lists(weight, min_size=size, max_size=size), min_size=1, max_size=20)
    shares = np.array(draw(rows))
    shares /= shares.sum(axis=1, keepdims=True)
    label = st.integers(0, size - 1)
    labels = draw(st.lists(label, min_size=len(shares), max_size=len(shares)))
    return shares, labels


@given(distributions(), st.integers(1, 20))
def test_calibration_error_is_that_of_plain_loops(drawn, num_bins):
    shares, labels = drawn
    total = 0.0
    for m in range(1, num_bins + 1):
        inside = [
            (row.max(), row.argmax() == label)
            for row, label in zip(shares, labels, strict=True)
            if (m - 1) / num_bins < row.max() <= m / num_bins
        ]
        if inside:
            confidence, right = np.array(inside, dtype=float).mean(axis=0)
            total += len(inside) / len(labels) * abs(right - confidence)
    found = expected_calibration_error(shares, labels, num_bins)
    assert found == pytest.approx(total, **EXACT)


def test_calibration_error_with_one_bin_is_confidence_less_accuracy():
    shares, labels = [[0.9, 0.1], [0.3, 0.7], [0.6, 0.4], [0.2, 0.8]], [0, 0, 0, 1]
    assert expected_calibration_error(shares, labels, 1) == pytest.approx(0.0, abs=1e-12)
    # In bins of a tenth each is alone: 0.1, 0.7, 0.4 and 0.2 too much or too little.
    assert expected_calibration_error(shares, labels, 10) == pytest.approx(1.4 / 4)


def test_the_upper_edge_of_a_bin_belongs_to_it():
    """0.7 · 10 is above 7 in floating point."""
    shares = [[0.7, 0.3], [0.65, 0.35]]
    assert expected_calibration_error(shares, [0, 1], 10) == pytest.approx(abs(1.35 - 1) / 2)
    assert expected_calibration_error([[1.0, 0.0]], [0]) == 0
    assert expected_calibration_error([[1.0, 0.0]], [1]) == 1


def test_a_calibrated_source_has_a_small_error_and_a_sharpened_one_a_large_one():
    generator = np.random.default_rng(0)
    share = generator.uniform(0.5, 1, size=20_000)
    labels = (generator.random(20_000) > share).astype(int)
    honest = np.stack([share, 1 - share], axis=1)
    assert expected_calibration_error(honest, labels) < 0.02
    bold = honest**3 / (honest**3).sum(axis=1, keepdims=True)
    assert expected_calibration_error(bold, labels) > 0.1


# --- how sure


def test_the_interval_of_an_accuracy_is_that_of_a_binomial():
    """1,000 examples of which 80% are right: 1.96 standard errors are 0.0248."""
    labels = np.zeros(1000, dtype=int)
    predictions = (np.arange(1000) % 5 == 0).astype(int)
    score = bootstrap_score(accuracy, predictions, labels, num_resamples=4000)
    assert (score.value, score.measure, score.num_examples) == (0.8, "accuracy", 1000)
    assert score.high - 0.8 == pytest.approx(0.0248, rel=0.1)
    assert 0.8 - score.low == pytest.approx(0.0248, rel=0.1)
    assert str(score).startswith("accuracy 0.800 (95%: 0.77")


def test_the_interval_covers_the_truth_about_as_often_as_it_says():
    """100 test sets on which macro F1 is 0.75 in the long run; 95 hits expected, and fewer
    than 85 are a fault.
    """
    generator = np.random.default_rng(1)
    hits = 0
    for draw in range(100):
        labels = generator.integers(2, size=300)
        predictions = np.where(generator.random(300) < 0.75, labels, 1 - labels)
        score = bootstrap_score(f1, predictions, labels, num_resamples=200, seed=draw)
        hits += score.low <= 0.75 <= score.high
    assert 85 <= hits <= 100


def test_the_interval_repeats_with_its_seed_and_takes_settings():
    generator = np.random.default_rng(2)
    labels, predictions = generator.integers(3, size=(2, 50))
    settings = {"average": "micro", "num_resamples": 100}
    score = bootstrap_score(f1, predictions, labels, **settings)
    assert score == bootstrap_score(f1, predictions, labels, **settings)
    assert score != bootstrap_score(f1, predictions, labels, **settings, seed=1)
    assert score.value == accuracy(predictions, labels)


def test_all_draws_have_the_classes_of_all_examples():
    """Class 2 is missing from a third of the draws, whose F1 is then 2/3 and not 1."""
    labels = [0, 1] * 20 + [2]
    score = bootstrap_score(f1, labels, labels, num_resamples=300)
    assert (score.value, score.high) == (1.0, 1.0)
    assert score.low == pytest.approx(2 / 3)


def test_the_interval_takes_probabilities_too():
    shares = np.array([[0.9, 0.1], [0.2, 0.8]] * 30)
    score = bootstrap_score(expected_calibration_error, shares, [0, 1] * 30, num_bins=10)
    assert score.value == pytest.approx(0.15)
    assert 0.1 <= score.low <= score.value <= score.high <= 0.2


# --- two classifiers


@given(st.integers(0, 40), st.integers(0, 40), st.integers(0, 3))
def test_mcnemar_is_the_two_sided_binomial_test(first_only, second_only, both):
    number = first_only + second_only
    few = min(first_only, second_only)
    tail = sum(Fraction(math.comb(number, k), 2**number) for k in range(few + 1))
    first = [1] * first_only + [0] * second_only + [1] * both + [0]
    second = [0] * first_only + [1] * second_only + [1] * both + [0]
    test = mcnemar(first, second, [1] * len(first))
    assert (test.first_only, test.second_only) == (first_only, second_only)
    assert test.p_value == pytest.approx(float(min(Fraction(1), 2 * tail)), rel=1e-12)
    assert mcnemar(second, first, [1] * len(first)).p_value == test.p_value


def test_mcnemar_of_a_published_table():
    """Armitage and Berry's sputum specimens: 12 grow in one medium only, 2 in the other."""
    first, second = [1] * 32 + [0] * 18, [1] * 20 + [0] * 12 + [1] * 2 + [0] * 16
    test = mcnemar(first, second, [1] * 50)
    assert (test.first_only, test.second_only) == (12, 2)
    assert test.p_value == pytest.approx(0.0129, abs=5e-5)
    assert str(test) == (
        "only the first is right on 12 examples, only the second on 2 (p = 0.0129)"
    )


def test_mcnemar_does_not_overflow_and_sees_what_intervals_do_not():
    number = 6000
    labels = np.zeros(number, dtype=int)
    test = mcnemar(np.zeros(number, dtype=int), np.ones(number, dtype=int), labels)
    assert test.p_value == 0.0
    even = (np.arange(number) % 2).astype(int)
    assert mcnemar(even, 1 - even, labels).p_value == 1.0
    assert mcnemar(even, even, labels).p_value == 1.0
    # 100 examples in 1,000 are hard for both: the intervals overlap, the test does not doubt.
    first = (np.arange(1000) < 100).astype(int)
    second = (np.arange(1000) < 112).astype(int)
    scores = [bootstrap_score(accuracy, one, labels[:1000]) for one in (first, second)]
    assert scores[0].low < scores[1].high
    assert mcnemar(first, second, labels[:1000]).p_value < 0.001


# --- bad input

ROW = [0.5, 0.5]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: accuracy([0, 1], [0]), "2 predictions for 1 labels"),
        (lambda: accuracy([], []), "there are no predictions"),
        (lambda: f1([0, 3], [0, 1], num_labels=3), "predictions hold 3 for example 1.*0 to 2"),
        (lambda: recall([0, 1], [0, -100]), "labels hold -100 for example 1; .* from 0 on"),
        (lambda: accuracy([0.0, 1.0], [0, 1]), "predictions are of type float64, as in"),
        (lambda: accuracy(["a"], ["a"]), "predictions are of type <U1"),
        (lambda: accuracy([ROW], [0]), r"predictions have shape \(1, 2\)"),
        (lambda: accuracy([0], [0], num_labels=0), "num_labels is 0"),
        (lambda: f1([0], [0], average="weighted"), "average is 'weighted'"),
        (lambda: matthews_correlation([0], [4], 2), "labels hold 4 for example 0.*0 to 1"),
        (lambda: confusion_matrix([0, 1, 1], [0, 1]), "3 predictions for 2 labels"),
        (lambda: mcnemar([0, 1], [0], [0, 1]), "1 predictions for 2 labels"),
        (lambda: mcnemar([], [], []), "there are no predictions"),
        (lambda: expected_calibration_error([ROW], [0, 1]), "1 predictions for 2 labels"),
        (lambda: expected_calibration_error([ROW], [2]), "labels hold 2 for example 0"),
        (lambda: expected_calibration_error([ROW], [0], 0), "num_bins is 0"),
        (lambda: expected_calibration_error([0.5], [0]), r"shape \(1,\); give a row"),
        (lambda: expected_calibration_error(np.ones((0, 2)), []), r"shape \(0, 2\)"),
        (
            lambda: expected_calibration_error([ROW, [2.0, -1.0]], [0, 0]),
            r"row 1 of the probabilities is \[2.0, -1.0\], with the sum 1",
        ),
        (lambda: expected_calibration_error([[0.5, 0.4]], [0]), "with the sum 0.9"),
        (lambda: expected_calibration_error([[math.nan, 1]], [0]), "with the sum nan"),
        (lambda: bootstrap_score(f1, [0, 1], [0, 1], average=None), "f1 gives 2 numbers"),
        (lambda: bootstrap_score(accuracy, [0], [0], 0), "num_resamples is 0"),
        (lambda: bootstrap_score(accuracy, [0], [0, 1]), "1 predictions for 2 labels"),
    ],
)
def test_bad_input_is_refused_with_a_reason(make, message):
    with pytest.raises(ValueError, match=message):
        make()


# --- for Hugging Face's evaluate


@pytest.fixture(scope="module")
def three_classes():
    generator = np.random.default_rng(5)
    shares = generator.dirichlet([1, 1, 1], size=40)
    labels = np.where(generator.random(40) < 0.6, shares.argmax(1), generator.integers(3))
    return shares, labels


def test_evaluate_s_metrics_equal_the_functions_and_combine(three_classes):
    import evaluate

    from lmtutor.metrics import (
        AccuracyMetric,
        CalibrationErrorMetric,
        ConfusionMatrixMetric,
        F1Metric,
        MatthewsCorrelationMetric,
        PrecisionMetric,
        RecallMetric,
    )

    shares, labels = three_classes
    classes = shares.argmax(axis=1)
    both = evaluate.combine(
        [
            AccuracyMetric(),
            PrecisionMetric(),
            RecallMetric(average="micro"),
            F1Metric(),
            F1Metric(average=None),
            MatthewsCorrelationMetric(),
            ConfusionMatrixMetric(),
        ]
    )
    expected = {
        "accuracy": accuracy(classes, labels),
        "precision_macro": precision(classes, labels),
        "recall_micro": accuracy(classes, labels),
        "f1_macro": f1(classes, labels),
        "f1_per_class": f1(classes, labels, None).tolist(),
        "matthews_correlation": matthews_correlation(classes, labels),
        "confusion_matrix": confusion_matrix(classes, labels).tolist(),
    }
    scores = both.compute(predictions=classes, references=labels)
    assert {name: scores[name] for name in expected} == expected
    interval = bootstrap_score(f1, classes, labels)
    assert (scores["f1_macro_low"], scores["f1_macro_high"]) == (interval.low, interval.high)
    # Of probabilities all take the likeliest class, and then calibration can be beside them.
    all_of_them = evaluate.combine([*both.evaluation_modules, CalibrationErrorMetric()])
    for row, label in zip(shares.tolist(), labels.tolist(), strict=True):
        all_of_them.add(predictions=row, references=label)
    combined = all_of_them.compute()
    error = combined.pop("expected_calibration_error")
    assert error == pytest.approx(expected_calibration_error(shares, labels))
    assert {name: combined[name] for name in expected} == expected


def test_evaluate_s_metrics_take_the_settings_of_the_functions(three_classes):
    from lmtutor.metrics import (
        AccuracyMetric,
        CalibrationErrorMetric,
        F1Metric,
        MatthewsCorrelationMetric,
        RecallMetric,
    )

    shares, labels = three_classes
    given = {"predictions": shares.argmax(axis=1), "references": labels}
    four = F1Metric(num_labels=4).compute(**given)["f1_macro"]
    assert four == pytest.approx(f1(given["predictions"], labels) * 3 / 4)
    assert F1Metric().compute(**given, num_labels=4)["f1_macro"] == four
    assert RecallMetric().compute(**given, average=None)["recall_per_class"] == pytest.approx(
        recall(given["predictions"], labels, None).tolist()
    )
    few = AccuracyMetric().compute(**given, num_resamples=7, seed=3)
    drawn = bootstrap_score(accuracy, given["predictions"], labels, 7, 3)
    assert few["accuracy_low"] == drawn.low
    bins = CalibrationErrorMetric().compute(
        predictions=shares, references=labels, num_bins=2, num_resamples=5
    )
    assert bins["expected_calibration_error"] == pytest.approx(
        expected_calibration_error(shares, labels, 2)
    )
    with pytest.raises(ValueError, match="hold 2 for example"):
        MatthewsCorrelationMetric().compute(**given, num_labels=2)


def test_mcnemar_for_evaluate_alone_and_beside_another(three_classes):
    import evaluate

    from lmtutor.metrics import AccuracyMetric, McNemarMetric

    shares, labels = three_classes
    one, other = shares.argmax(axis=1), shares.argmin(axis=1)
    test = mcnemar(one, other, labels)
    expected = {
        "first_only": test.first_only,
        "second_only": test.second_only,
        "p_value": test.p_value,
    }
    given = {"predictions": one, "other_predictions": other, "references": labels}
    assert McNemarMetric().compute(**given) == expected
    both = evaluate.combine([AccuracyMetric(), McNemarMetric()])
    both.add_batch(**given)
    scores = both.compute()
    assert scores["accuracy"] == accuracy(one, labels)
    assert {name: scores[name] for name in expected} == expected
