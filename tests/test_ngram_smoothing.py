"""Smoothed n-grams: equal to KenLM's figures and to slow roads written from the formulas."""

import itertools
import math
import tracemalloc
from collections import Counter, defaultdict

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lmtutor.metrics import perplexity
from lmtutor.models import NgramModel, arpa_tokens
from lmtutor.models.ngram import smoothing
from lmtutor.models.ngram.counts import flatten
from lmtutor.models.ngram.smoothing import (
    FALLBACK_DISCOUNTS,
    good_turing_ratios,
    modified_discounts,
)
from lmtutor.tokenizers import CharacterTokenizer, WordTokenizer

BACKING_OFF = ("absolute_discounting", "katz", "kneser_ney")
V = 7
sequences_of_ids = st.lists(
    st.lists(st.integers(2, V - 1), max_size=9), min_size=1, max_size=12
)


def fitted(order, smoothing, sequences, **settings):
    """A model; "jelinek_mercer" learns its weights on the first half of its own text."""
    held_out = {"validation": sequences[: 1 + len(sequences) // 2]}
    model = NgramModel(order, smoothing, **settings)
    return model.fit(sequences, **(held_out if smoothing == "jelinek_mercer" else {}))


# --- KenLM


@pytest.fixture(scope="module")
def kenlm_text(kjv):
    """Train and validation together, in the order of the Bible: what `lmplz` was given."""
    train, validation = iter(kjv.train), iter(kjv.validation)
    verses = len(kjv.train) + len(kjv.validation) + len(kjv.test)
    return [
        next(validation if number % 20 == 9 else train)
        for number in range(verses)
        if number % 20 != 19
    ]


def perplexities(order, text, test):
    """With unknown words, and with them left out."""
    words = WordTokenizer().fit(text)
    model = NgramModel(order, "kneser_ney").fit(words.encode(verse) for verse in text)
    sequences = [words.encode(verse) for verse in test]
    nats, known_nats, known = 0.0, 0.0, 0
    for sequence in sequences:
        ids = torch.tensor([[*sequence, words.eos_id]])
        costs = -model.token_log_probs(ids)
        nats += costs.sum().item()
        known_nats += costs[ids != words.unk_id].sum().item()
        known += int((ids != words.unk_id).sum())
    whole = perplexity(model, sequences)
    assert whole == pytest.approx(
        math.exp(nats / sum(len(sequence) + 1 for sequence in sequences)), rel=1e-12
    )
    return model, whole, math.exp(known_nats / known)


@pytest.mark.parametrize(
    ("order", "lines", "with_unknown", "without"),
    [
        (2, None, 68.830696, 65.631021),
        (3, None, 47.373901, 45.066619),
        (5, None, 40.110819, 38.134401),
        (3, 2000, 131.504266, 77.230815),
        (5, 2000, 127.742194, 75.259271),
    ],
)
def test_kneser_ney_has_the_perplexities_of_kenlm(
    kenlm_text, kjv, order, lines, with_unknown, without
):
    _, whole, known = perplexities(order, kenlm_text[:lines], kjv.test)
    assert whole == pytest.approx(with_unknown, rel=1e-6)
    assert known == pytest.approx(without, rel=1e-6)


@pytest.mark.parametrize(
    ("lines", "sizes", "discounts"),
    [
        (
            None,
            [13_507, 144_076, 393_442, 590_603, 680_980],
            [
                (0.563847, 1.05841, 1.57763),
                (0.695263, 1.13689, 1.50133),
                (0.80198, 1.2239, 1.49677),
                (0.88348, 1.33016, 1.6201),
                (0.882445, 1.4188, 1.5625),
            ],
        ),
        (
            2000,
            None,
            [
                (0.561912, 1.17741, 1.67041),
                (0.730601, 1.154, 1.63406),
                (0.841866, 1.26842, 1.6645),
                (0.912179, 1.43462, 1.63381),
                (0.913134, 1.4904, 1.43588),
            ],
        ),
    ],
)
def test_kneser_ney_has_the_counts_and_discounts_of_kenlm(kenlm_text, lines, sizes, discounts):
    text = kenlm_text[:lines]
    words = WordTokenizer().fit(text)
    model = NgramModel(5, "kneser_ney").fit(words.encode(verse) for verse in text)
    if sizes:
        assert [len(table.keys) for table in model.tables] == sizes
    for ours, theirs in zip(model.smoothing_parameters, discounts, strict=True):
        assert ours == pytest.approx(theirs, rel=1e-5)  # printed with six digits


# --- slow roads, from the formulas


def marked(sequences):
    return [(0, *sequence, 1) for sequence in sequences]


def ngrams(sequences, order):
    """Counts of n-grams that end in something to predict."""
    counts = Counter(
        sequence[start : start + order]
        for sequence in marked(sequences)
        for start in range(len(sequence) - order + 1)
    )
    counts.pop((0,), None)
    return counts


def by_context(counts):
    grouped = defaultdict(dict)
    for gram, count in counts.items():
        grouped[gram[:-1]][gram[-1]] = count
    return grouped


def slow_interpolated(adjusted, discounts, context, token):
    """Chen and Goodman's recursion, one token at a time.

    Args:
        adjusted: for each order, counts by context and token.
        discounts: for each order, what is taken from counts of 1, 2, ...
    """
    lower = (
        slow_interpolated(adjusted, discounts, context[1:], token) if context else 1 / (V - 1)
    )
    row = adjusted[len(context)].get(tuple(context), {})
    if not row:
        return lower
    taken = discounts[len(context)]

    def take(count):
        return taken[min(count, len(taken)) - 1] if count else 0.0

    own = row.get(token, 0) - take(row.get(token, 0))
    return (own + sum(map(take, row.values())) * lower) / sum(row.values())


def slow_kneser_ney(sequences, order):
    adjusted = []
    for length in range(1, order + 1):
        counts = ngrams(sequences, length)
        if length < order:
            longer = ngrams(sequences, length + 1)
            for gram in counts:
                if gram[0] != 0:
                    counts[gram] = len({g[0] for g in longer if g[1:] == gram})
        adjusted.append(counts)
    discounts = []
    for counts in adjusted:
        n = [list(counts.values()).count(times) for times in range(5)]
        if 0 in n[1:4]:
            discounts.append((0.5, 1.0, 1.5))
            continue
        y = n[1] / (n[1] + 2 * n[2])
        found = tuple(j - (j + 1) * y * n[j + 1] / n[j] for j in (1, 2, 3))
        ok = all(0 < d <= j for j, d in enumerate(found, 1))
        discounts.append(found if ok else (0.5, 1.0, 1.5))
    return [by_context(counts) for counts in adjusted], discounts


def slow_absolute(sequences, order):
    adjusted = [ngrams(sequences, length) for length in range(1, order + 1)]
    discounts = []
    for counts in adjusted:
        n1, n2 = (list(counts.values()).count(times) for times in (1, 2))
        discounts.append((n1 / (n1 + 2 * n2) if n1 and n2 else 0.5,))
    return [by_context(counts) for counts in adjusted], discounts


FIVE_SENTENCES = [
    [2, 5, 3, 4, 6, 5, 3, 5, 4, 6, 2, 3, 5],
    [2, 3, 5, 6, 3, 4, 5, 2],
    [2, 3, 5, 3, 5, 6, 5, 4, 6, 2],
    [2, 3, 4, 2, 3, 2, 4, 5, 2, 3, 4, 5, 6],
    [2, 3, 2, 3, 4, 6, 5, 6, 3, 5, 6, 3, 4],
]


def last(length, context):
    return context[max(0, len(context) - length) :]


def all_contexts(order):
    return itertools.chain.from_iterable(
        itertools.product(range(V), repeat=length) for length in range(1, order)
    )


@pytest.mark.parametrize("order", [1, 2, 3, 4])
@pytest.mark.parametrize(
    ("smoothing", "slow"),
    [("kneser_ney", slow_kneser_ney), ("absolute_discounting", slow_absolute)],
)
def test_discounting_equals_chen_and_goodman_s_recursion(smoothing, slow, order):
    model = NgramModel(order, smoothing, vocab_size=V).fit(FIVE_SENTENCES)
    adjusted, discounts = slow(FIVE_SENTENCES, order)
    if smoothing == "kneser_ney" and order == 3:
        assert FALLBACK_DISCOUNTS not in discounts[1:]  # the true formula is tested, too
    for context in all_contexts(max(order, 2)):
        row = model.next_log_probs(torch.tensor([context])).exp()[0].tolist()
        used = last(order - 1, context)
        expected = [0.0] + [
            slow_interpolated(adjusted, discounts, used, token) for token in range(1, V)
        ]
        assert row == pytest.approx(expected, rel=1e-9, abs=1e-12)


@given(sequences=sequences_of_ids, order=st.integers(1, 4))
def test_kneser_ney_equals_the_recursion_on_any_text(sequences, order):
    model = NgramModel(order, "kneser_ney", vocab_size=V).fit(sequences)
    adjusted, discounts = slow_kneser_ney(sequences, order)
    for context in [(0,), (2,), (0, 2), (2, 3), (2, 3, 2), (0, 2, 2)]:
        used = last(order - 1, context)
        row = model.next_log_probs(torch.tensor([context])).exp()[0].tolist()
        expected = [slow_interpolated(adjusted, discounts, used, t) for t in range(1, V)]
        assert row[1:] == pytest.approx(expected, rel=1e-9)


def slow_katz(sequences, order, context, token):
    """Katz 1987: discounted where seen, the shorter context's share where not."""
    if order == 0:
        return 1 / (V - 1)
    context = last(order - 1, context)
    counts = ngrams(sequences, len(context) + 1)
    row = by_context(counts).get(tuple(context), {})
    lower = {t: slow_katz(sequences, len(context), context[1:], t) for t in range(1, V)}
    if not row:
        return lower[token]
    n = [list(counts.values()).count(times) for times in range(8)]
    ratios = ()
    for limit in (5, 4, 3, 2, 1):
        if 0 in n[1 : limit + 1] or (limit + 1) * n[limit + 1] == n[1]:
            continue
        a = (limit + 1) * n[limit + 1] / n[1]
        found = [((r + 1) * n[r + 1] / n[r] / r - a) / (1 - a) for r in range(1, limit + 1)]
        if all(0 < d < 1 for d in found):
            ratios = found
            break
    kept = {t: c * ratios[c - 1] if c <= len(ratios) else c for t, c in row.items()}
    total = sum(row.values())
    if sum(kept.values()) > total - 1e-9:
        total += 1
    free = 1 - sum(lower[t] for t in row)
    left = 1 - sum(kept.values()) / total
    if free < 1e-12:
        return kept[token] / sum(kept.values())
    return kept[token] / total if token in row else left / free * lower[token]


@given(sequences=sequences_of_ids, order=st.integers(1, 3))
def test_katz_equals_the_formulas_on_any_text(sequences, order):
    model = NgramModel(order, "katz", vocab_size=V).fit(sequences)
    for context in [(0,), (2,), (0, 2), (2, 3)]:
        row = model.next_log_probs(torch.tensor([context])).exp()[0].tolist()
        expected = [slow_katz(sequences, order, context, token) for token in range(1, V)]
        assert row[1:] == pytest.approx(expected, rel=1e-7)


def slow_mixture(sequences, weights, context, token):
    """Jelinek and Mercer: every order's own estimate, weighted."""
    lower = slow_mixture(sequences, weights, context[1:], token) if context else 1 / (V - 1)
    row = by_context(ngrams(sequences, len(context) + 1)).get(tuple(context), {})
    if not row:
        return lower
    total = sum(row.values())
    weight = weights[len(context)][int(math.log2(total))]
    return weight * row.get(token, 0) / total + (1 - weight) * lower


@pytest.mark.parametrize("order", [1, 2, 3])
def test_jelinek_mercer_is_a_mixture_whose_weights_cannot_be_improved(order):
    validation = [[2, 3, 4, 4], [5, 2, 3], [6, 2, 2, 3, 4, 2], [3, 3]]
    model = NgramModel(order, "jelinek_mercer", vocab_size=V)
    model.fit(FIVE_SENTENCES, validation=validation)
    weights = [list(row) for row in model.smoothing_parameters]
    for context in all_contexts(max(order, 2)):
        row = model.next_log_probs(torch.tensor([context])).exp()[0].tolist()
        used = last(order - 1, context)
        expected = [slow_mixture(FIVE_SENTENCES, weights, used, t) for t in range(1, V)]
        assert row[1:] == pytest.approx(expected, rel=1e-9)

    def score(weights):
        """Log-likelihood, and one token more on either side of each weight."""
        total = sum(math.log(w) + math.log(1 - w) for row in weights for w in row)
        for sequence in marked(validation):
            for end in range(1, len(sequence)):
                context = sequence[max(0, end - order + 1) : end] if order > 1 else ()
                total += math.log(slow_mixture(FIVE_SENTENCES, weights, context, sequence[end]))
        return total

    best = score(weights)
    for row in weights:
        for bucket in range(len(row)):
            kept = row[bucket]
            for step in (-0.02, 0.02):
                row[bucket] = kept + step
                assert score(weights) < best
            row[bucket] = kept


# --- properties of all


@given(
    sequences=sequences_of_ids,
    order=st.integers(1, 4),
    smoothing=st.sampled_from([*BACKING_OFF, "jelinek_mercer", "add_k", "maximum_likelihood"]),
    marks=st.permutations([0, 1, V, V + 1]).map(lambda order: order[:2]),
)
def test_the_marks_may_have_any_ids(sequences, order, smoothing, marks):
    names = [*range(V + 2)]  # swap the usual marks with others
    for usual, other in enumerate(marks):
        place = names.index(other)
        names[usual], names[place] = names[place], names[usual]
    usual = fitted(order, smoothing, sequences, vocab_size=V + 2)
    renamed = [[names[token] for token in sequence] for sequence in sequences]
    other = fitted(
        order, smoothing, renamed, vocab_size=V + 2, bos_id=names[0], eos_id=names[1]
    )
    ids = torch.tensor([[0, 2, 3, 2], [2, 4, 4, 6]])
    new = torch.tensor(names)
    torch.testing.assert_close(
        other.log_probs(new[ids])[..., new], usual.log_probs(ids), rtol=1e-9, atol=1e-12
    )
    torch.testing.assert_close(
        other.token_log_probs(new[ids]), usual.token_log_probs(ids), rtol=1e-9, atol=1e-12
    )


@given(
    sequences=sequences_of_ids,
    order=st.integers(1, 5),
    smoothing=st.sampled_from([*BACKING_OFF, "jelinek_mercer"]),
    size=st.integers(V, V + 3),
)
def test_every_row_is_a_distribution_and_the_fast_road_is_the_slow_one(
    sequences, order, smoothing, size
):
    model = fitted(order, smoothing, sequences, vocab_size=size)
    ids = torch.tensor(list(itertools.product(range(4), repeat=3)))
    rows = model.log_probs(ids)
    torch.testing.assert_close(
        rows.exp().sum(dim=-1), torch.ones_like(rows[..., 0]), rtol=1e-9, atol=1e-9
    )
    assert (rows[..., 0] == -math.inf).all()
    assert (rows[..., 1:] > -math.inf).all()  # nothing is impossible
    slow = type(model).__mro__[1].token_log_probs(model, ids)
    torch.testing.assert_close(model.token_log_probs(ids), slow, rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(model.next_log_probs(ids), rows[:, -1], rtol=1e-9, atol=1e-12)


@given(
    sequences=sequences_of_ids,
    order=st.integers(1, 4),
    smoothing=st.sampled_from([*BACKING_OFF, "jelinek_mercer"]),
)
def test_save_and_load_change_nothing(sequences, order, smoothing, tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "ngram.safetensors"
    model = fitted(order, smoothing, sequences, vocab_size=V)
    model.save(path)
    loaded = NgramModel.load(path)
    ids = torch.tensor([[0, 2, 3, 4], [2, 2, 6, 1]])
    assert torch.equal(model.log_probs(ids), loaded.log_probs(ids))
    assert loaded.smoothing_parameters == model.smoothing_parameters
    assert (loaded.order, loaded.smoothing) == (order, smoothing)
    assert loaded.num_parameters == model.num_parameters


@pytest.mark.parametrize("smoothing", [*BACKING_OFF, "jelinek_mercer"])
def test_an_order_larger_than_any_document_adds_nothing(smoothing):
    longest = max(map(len, FIVE_SENTENCES)) + 2
    exact, larger = (
        fitted(order, smoothing, FIVE_SENTENCES, vocab_size=V) for order in (longest, 30)
    )
    ids = torch.tensor([[0, 2, 3, 4, 2, 3, 5], [0, 6, 6, 2, 3, 4, 4]])
    torch.testing.assert_close(exact.log_probs(ids), larger.log_probs(ids))
    assert larger.num_parameters == exact.num_parameters


def test_undefined_discounts_get_the_stated_fallback():
    model = NgramModel(2, "kneser_ney").fit([[2, 3]] * 10)
    assert model.smoothing_parameters == [FALLBACK_DISCOUNTS] * 2
    rare = [1] * 20 + [2] * 4 + [3] * 2
    assert (
        modified_discounts(np.array(rare))[2] == 3
    )  # nothing was seen four times: as in lmplz
    assert modified_discounts(np.array([1] * 10 + [2] * 9 + [3] * 20)) == FALLBACK_DISCOUNTS
    assert NgramModel(1, "absolute_discounting").fit([[2, 3]]).smoothing_parameters == [(0.5,)]
    assert good_turing_ratios(np.array([9, 9])) == ()
    assert good_turing_ratios(np.array(rare)) == pytest.approx((0.1 / 0.7, 0.45 / 0.7))


def test_characters_are_counted_at_a_high_order(kjv):
    characters = CharacterTokenizer().fit(kjv.train)
    high, low = (
        NgramModel(order, "kneser_ney").fit(
            characters.encode(verse) for verse in kjv.train[:3000]
        )
        for order in (8, 2)
    )
    held_out = [characters.encode(verse) for verse in kjv.test[:50]]
    assert perplexity(high, held_out) < 0.5 * perplexity(low, held_out)


def test_a_text_from_a_generator_is_held_once():
    """Four bytes a token, and no document after it was read."""
    documents = ([2 + number % 97] * 10 for number in range(100_000))
    tracemalloc.start()
    tokens = flatten(documents, bos_id=0, eos_id=1)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(tokens) == 1_200_000
    assert peak < 1.5 * tokens.nbytes


# --- ARPA


@pytest.fixture(scope="module")
def small():
    text = ["a b c a b", "a b d", "c a b c", "d d a b"]
    words = WordTokenizer().fit(text)
    return words, NgramModel(3, "kneser_ney").fit(words.encode(line) for line in text)


@pytest.mark.parametrize("smoothing", [*BACKING_OFF, "jelinek_mercer"])
def test_an_arpa_file_holds_the_whole_model(tmp_path, small, smoothing):
    words, _ = small
    model = fitted(3, smoothing, [[3, 4, 5], [3, 4], [5, 6, 3, 4]], vocab_size=7)
    tokens = list(words.vocabulary)
    model.to_arpa(tmp_path / "m.arpa", tokens)
    read = NgramModel.from_arpa(tmp_path / "m.arpa", tokens)
    ids = torch.tensor([[0, 3, 4, 5], [0, 2, 6, 3], [5, 6, 3, 4]])
    torch.testing.assert_close(read.log_probs(ids), model.log_probs(ids), rtol=1e-7, atol=1e-8)
    assert (read.order, read.bos_id, read.eos_id) == (3, 0, 1)
    assert read.num_parameters == model.num_parameters
    read.to_arpa(tmp_path / "again.arpa", tokens)
    assert (tmp_path / "again.arpa").read_text() == (tmp_path / "m.arpa").read_text()
    read.save(tmp_path / "m.safetensors")
    loaded = NgramModel.load(tmp_path / "m.safetensors")
    assert torch.equal(loaded.log_probs(ids), read.log_probs(ids))


def test_the_ids_of_an_arpa_file_are_those_of_the_tokens_given(tmp_path, small):
    words, model = small
    path = tmp_path / "m.arpa"
    model.to_arpa(path, words.vocabulary)
    assert arpa_tokens(path) == list(words.vocabulary)
    other = ["c", "</s>", "d", "<unk>", "b", "<s>", "a"]
    read = NgramModel.from_arpa(path, other)
    ids = torch.tensor([[*words.encode("a b d c"), 1]])
    renamed = torch.tensor([[other.index(words.vocabulary[i]) for i in ids[0].tolist()]])
    torch.testing.assert_close(
        read.token_log_probs(renamed), model.token_log_probs(ids), rtol=1e-7, atol=1e-8
    )


WRITTEN_ELSEWHERE = """some words in front

\\data\\
ngram 1=4
ngram 2=2

\\1-grams:
-99\t<s>\t-0.30103
-0.30103\t</s>
-0.60206\ta\t-0.1
-0.60206 b

\\2-grams:
-0.1 <s> a
-0.2\ta  b

\\end\\
"""


def test_an_arpa_file_from_elsewhere_is_read_by_its_own_rules(tmp_path):
    path = tmp_path / "m.arpa"
    path.write_text(WRITTEN_ELSEWHERE)
    assert arpa_tokens(path) == ["<s>", "</s>", "a", "b"]
    model = NgramModel.from_arpa(path, arpa_tokens(path))
    log10 = model.token_log_probs(torch.tensor([[2, 3, 1], [3, 2, 1]])) / math.log(10)
    expected = [[-0.1, -0.2, -0.30103], [-0.30103 - 0.60206, -0.60206, -0.1 - 0.30103]]
    torch.testing.assert_close(log10, torch.tensor(expected, dtype=torch.float64))
    with_unknown = NgramModel.from_arpa(path, ["<s>", "</s>", "<unk>", "a", "b"])
    assert with_unknown.token_log_probs(torch.tensor([[2]])).item() == -math.inf
    assert [table.backoffs.shape for table in model.tables] == [(5,), (1,)]
    again = tmp_path / "again.arpa"  # what has probability 0 keeps it
    with_unknown.to_arpa(again, ["<s>", "</s>", "<unk>", "a", "b"])
    read = NgramModel.from_arpa(again, arpa_tokens(again))
    assert read.token_log_probs(torch.tensor([[2]])).item() == -math.inf
    assert read.num_parameters == with_unknown.num_parameters
    for content in (  # as others may have left it
        WRITTEN_ELSEWHERE.encode("utf-8-sig"),
        WRITTEN_ELSEWHERE.replace("\n", "\r\n").encode(),
        WRITTEN_ELSEWHERE.replace(" b", " b\u3000c\u00a0").encode(),
    ):
        path.write_bytes(content)
        same = NgramModel.from_arpa(path, arpa_tokens(path))
        ids = torch.tensor([[2, 3, 1]])
        assert torch.equal(same.token_log_probs(ids), model.token_log_probs(ids))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("\\data\\", "data", "line 18: the end of the file should be"),
        ("ngram 1=4\n", "ngram 2=4\n", "line 4: 'ngram 2=4' should be 'ngram 1='"),
        ("ngram 1=4\nngram 2=2\n", "", "line 5: .*should be 'ngram 1='"),
        ("ngram 1=4", "ngram 1=5", "line 13: .*2-grams.* should be 1-gram 5 of the 5"),
        ("ngram 1=4", "ngram 1=3", "line 11: .* is one 1-gram more than the 3"),
        ("ngram 2=2", "ngram 2=3", "line 1[78]: .*end.* should be 2-gram 3 of the 3"),
        ("\\2-grams:", "\\3-grams:", r"line 13: .*should be '\\\\2-grams:'"),
        ("\\end\\\n", "", "the end of the file should be"),
        ("-0.2\ta  b\n\n\\end\\\n", "", "the end of the file should be 2-gram 2 of the 2"),
        ("-0.2\ta", "-x\ta", "line 15: .*holds no number"),
        ("-0.2\ta", "0.2\ta", "line 15: .*no logarithm of a probability"),
        ("-0.2\ta", "nan\ta", "line 15: .*no logarithm of a probability"),
        ("-0.1 <s> a", "-0.1 <s> a b c", "line 14: .*should be 2-gram 1"),
        ("-0.1 <s> a", "-0.1 <s> z", "line 14: .*holds the token 'z'"),
        ("a  b", "<s> a", "line 15: this 2-gram stands there twice"),
        ("a  b", "a <s>", "line 15: .*ends in <s>, which is never predicted"),
        ("-0.1 <s> a", "-0.1 <s> a inf", "line 14: .*no logarithm of a probability"),
        ("ngram 1=4", "ngram 1=99999999999999", "line 4: .*a number of at most 18"),
        ("ngram 1=4", "ngram 1=" + "9" * 5000, "line 4: .*a number of at most 18"),
        ("-0.60206 b", "\\b 1", "line 11: .*should be 1-gram 4"),
        ("-0.60206 b", "-0.60206 a", "line 11: this 1-gram stands there twice"),
        ("-0.60206 b", "-0.60206 c", "line 11: .*holds the token 'c'"),
    ],
)
def test_a_broken_arpa_file_is_refused_with_the_line(tmp_path, old, new, message):
    path = tmp_path / "m.arpa"
    assert old in WRITTEN_ELSEWHERE
    path.write_text(WRITTEN_ELSEWHERE.replace(old, new))
    with pytest.raises(ValueError, match=message):
        NgramModel.from_arpa(path, ["<s>", "</s>", "a", "b"])


def test_an_arpa_file_whose_contexts_are_missing_is_refused(tmp_path, small):
    words, model = small
    path = tmp_path / "m.arpa"
    model.to_arpa(path, words.vocabulary)
    lines = path.read_text().split("\n")
    where = next(n for n, line in enumerate(lines) if line.split("\t")[1:2] == ["a b"])
    size = len(model.tables[1].keys)
    kept = "\n".join(lines[:where] + lines[where + 1 :])
    path.write_text(kept.replace(f"ngram 2={size}", f"ngram 2={size - 1}"))
    with pytest.raises(ValueError, match=r"line \d+: the context of this 3-gram is not listed"):
        NgramModel.from_arpa(path, words.vocabulary)


def by_rule(counts, taken):
    return smoothing.discount(counts, smoothing.plain_counts, lambda adjusted: (taken,))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda m, p: NgramModel(2).fit([[2]]).to_arpa(p, "ab"),
            "'maximum_likelihood' does not",
        ),
        (lambda m, p: NgramModel(2, "katz").to_arpa(p, "ab"), r"call fit\(sequences\) first"),
        (lambda m, p: m.to_arpa(p, ["a", "b"]), "has 7 ids, but there are 2 tokens"),
        (
            lambda m, p: m.to_arpa(p, ["</s>", "<s>", *"cdefg"]),
            r"the marks have the ids \(0, 1\), which are written \['</s>', '<s>'\]",
        ),
        (lambda m, p: m.to_arpa(p, ["a"] * 7), "7 tokens, 1 of them different"),
        (lambda m, p: m.to_arpa(p, ["<s>", "</s>", "a b", *"efgh"]), "token 2 is 'a b'"),
        (lambda m, p: m.to_arpa(p, ["<s>", "</s>", *"efgh", ""]), "token 6 is ''"),
        (lambda m, p: NgramModel.from_arpa(p, ["a", "b"]), "with <s> and </s> among them"),
        (lambda m, p: NgramModel(2, "arpa"), "there is no smoothing 'arpa'"),
        (
            lambda m, p: NgramModel.from_arpa(p, arpa_tokens(p)).fit([[2]]),
            "was read from an ARPA file",
        ),
        (lambda m, p: NgramModel(2, lambda counts: 3).fit([[2]]), "must return an Estimate"),
        (
            lambda m, p: NgramModel(2, lambda counts: by_rule(counts, 2.0)).fit([[2]]),
            r"discounts of order 1 are \(2.0,\); each must lie above 0",
        ),
        (
            lambda m, p: NgramModel(2, lambda counts: by_rule(counts, 0.0)).fit([[2]]),
            r"discounts of order 1 are \(0.0,\)",
        ),
        (lambda m, p: NgramModel(2, "jelinek_mercer").fit([[2]]), "text was not given"),
        (lambda m, p: NgramModel(2, "katz").fit([[2]], validation=[[2]]), "text was given"),
        (
            lambda m, p: NgramModel(2, "jelinek_mercer").fit([[2]], validation=[]),
            "there are no sequences",
        ),
        (
            lambda m, p: NgramModel(2, "jelinek_mercer").fit([[2]], validation=[[3]]),
            "ids run from 0 to 3, but vocab_size is 3",
        ),
    ],
)
def test_bad_input_is_refused_with_a_reason(small, tmp_path, make, message):
    path = tmp_path / "m.arpa"
    path.write_text(WRITTEN_ELSEWHERE)
    with pytest.raises(ValueError, match=message):
        make(small[1], path)


def test_missing_and_unreadable_files_say_so(tmp_path, small):
    words, _ = small
    with pytest.raises(FileNotFoundError):
        NgramModel.from_arpa(tmp_path / "none", words.vocabulary)
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ValueError, match="no ARPA file in UTF-8"):
        arpa_tokens(tmp_path / "binary")
    (tmp_path / "m").write_text(WRITTEN_ELSEWHERE)
    with pytest.raises(ValueError, match="has no unigram 'e', and lacks 1 of the 5"):
        NgramModel.from_arpa(tmp_path / "m", ["<s>", "</s>", "a", "b", "e"])


def test_the_kenlm_package_scores_the_file_as_we_do(tmp_path, kenlm_text, kjv):
    kenlm = pytest.importorskip("kenlm")
    words = WordTokenizer().fit(kenlm_text)
    model = NgramModel(4, "kneser_ney").fit(words.encode(verse) for verse in kenlm_text)
    path = tmp_path / "m.arpa"
    model.to_arpa(path, words.vocabulary)
    theirs = kenlm.Model(str(path))
    for verse in kjv.test[:300]:
        ids = torch.tensor([[*words.encode(verse), words.eos_id]])
        ours = model.token_log_probs(ids).sum().item() / math.log(10)
        assert ours == pytest.approx(theirs.score(" ".join(words.split(verse))), rel=1e-5)


def test_a_smoothing_of_one_s_own_is_a_function_of_the_counts(tmp_path):
    def one_discount(counts):
        return smoothing.discount(
            counts, smoothing.continuation_counts, smoothing.single_discount
        )

    model = NgramModel(3, one_discount, vocab_size=V).fit(FIVE_SENTENCES)
    adjusted, _ = slow_kneser_ney(FIVE_SENTENCES, 3)
    discounts = [
        smoothing.single_discount(
            np.array([n for row in counts.values() for n in row.values()])
        )
        for counts in adjusted
    ]
    assert model.smoothing_parameters == discounts
    for context in [(0, 2), (2, 3), (6, 6)]:
        row = model.next_log_probs(torch.tensor([context])).exp()[0].tolist()
        expected = [slow_interpolated(adjusted, discounts, context, t) for t in range(1, V)]
        assert row[1:] == pytest.approx(expected, rel=1e-9)
    with pytest.raises(ValueError, match="a function, which a file cannot hold; to_arpa"):
        model.save(tmp_path / "m")
