"""Filling blanks, counting how many are filled right, and pseudo-perplexity."""

import functools
import itertools
import math

import numpy as np
import pytest
import torch

from lmtutor.data import IGNORED, MaskedBatch, MaskedPairs
from lmtutor.decoding import fill_blanks
from lmtutor.metrics import (
    masked_accuracy,
    ngram_guesses,
    pseudo_log_probs,
    pseudo_perplexity,
)
from lmtutor.models import BertForPreTraining, NgramModel
from lmtutor.tokenizers import WordPieceTokenizer

TEXTS = [
    "the king sent men to the city",
    "the men of the city sent to the king",
    "the king of the city went out",
    "men went out to the king",
] * 3


@pytest.fixture(scope="module")
def tokenizer():
    return WordPieceTokenizer(vocab_size=90).fit(TEXTS)


@pytest.fixture(scope="module")
def bert(tokenizer):
    torch.manual_seed(3)
    model = BertForPreTraining(
        vocab_size=tokenizer.vocab_size,
        context_length=16,
        hidden_size=12,
        num_layers=2,
        num_heads=2,
    )
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    return model.double().eval()


def by_hand(bert, ids, place):
    """(V,) of one place, with everything written out."""
    hidden = bert.encode(torch.tensor([ids]), torch.ones(1, len(ids), dtype=torch.bool))
    words, _ = bert(torch.tensor([ids]), torch.ones(1, len(ids), dtype=torch.bool))
    assert hidden.shape[1] == words.shape[1] == len(ids)
    return words[0, place].log_softmax(dim=-1)


# --- blanks


def test_each_blank_gets_its_likeliest_tokens(bert, tokenizer):
    filled = fill_blanks(bert, tokenizer, "the [MASK] of the [MASK] .", count=4)
    ids = [tokenizer.cls_id, *tokenizer.encode("the [MASK] of the [MASK] ."), tokenizer.sep_id]
    places = [place for place, token in enumerate(ids) if token == tokenizer.mask_id]
    assert len(filled) == len(places) == 2
    for found, place in zip(filled, places, strict=True):
        best = by_hand(bert, ids, place).topk(4)
        assert [
            tokenizer.vocabulary.id_of(token) for token, _ in found
        ] == best.indices.tolist()
        np.testing.assert_allclose([p for _, p in found], best.values.exp().tolist(), 1e-9)
    (everything,) = fill_blanks(bert, tokenizer, "[MASK]", count=tokenizer.vocab_size)
    assert math.isclose(sum(p for _, p in everything), 1, rel_tol=1e-9)


def test_filling_leaves_the_model_as_it_was(bert, tokenizer):
    bert.train()
    fill_blanks(bert, tokenizer, "the [MASK]")
    assert all(module.training for module in bert.modules())
    bert.eval()


def test_texts_that_cannot_be_filled_are_refused(bert, tokenizer):
    with pytest.raises(ValueError, match=r"there is no \[MASK\] in 'the king'"):
        fill_blanks(bert, tokenizer, "the king")
    size = len(tokenizer.encode("the king " * 9)) + 3
    with pytest.raises(ValueError, match=f"has {size} tokens .* takes 16; shorten it"):
        fill_blanks(bert, tokenizer, "the king " * 9 + "[MASK]")
    for count in (0, tokenizer.vocab_size + 1):
        with pytest.raises(
            ValueError, match=f"count is {count}; .* 1 to {tokenizer.vocab_size}"
        ):
            fill_blanks(bert, tokenizer, "[MASK]", count=count)


def test_a_tokenizer_of_another_model_is_refused(tokenizer):
    small = BertForPreTraining(vocab_size=20, hidden_size=8, num_layers=1, num_heads=2)
    message = f"the tokenizer has {tokenizer.vocab_size} ids, and the model knows 20"
    with pytest.raises(ValueError, match=message):
        fill_blanks(small, tokenizer, "the [MASK]")
    with pytest.raises(ValueError, match=message):
        pseudo_perplexity(small, tokenizer, ["the king"])


def test_a_head_that_nobody_trained_is_refused(tokenizer):
    model = BertForPreTraining(
        vocab_size=tokenizer.vocab_size, hidden_size=8, num_layers=1, num_heads=2
    )
    model.untrained = frozenset({"masked-LM head"})
    with pytest.raises(ValueError, match="masked-LM head of this model is new"):
        fill_blanks(model, tokenizer, "the [MASK]")


# --- accuracy


def batches_of(tokenizer, seed=0, rate=0.4, **settings):
    documents = [tokenizer.encode(text) for text in TEXTS]
    return MaskedPairs(
        documents, tokenizer, 60, 16, seed, rate, pairs=False, shares=(1, 0, 0), **settings
    )


def test_accuracy_counts_the_tokens_that_are_the_likeliest(bert, tokenizer):
    batches = batches_of(tokenizer)
    hits, count = 0, 0
    for batch in batches.epoch(0):
        for row in range(len(batch.inputs)):
            ids = batch.inputs[row][batch.mask[row]].tolist()
            for place in range(len(ids)):
                if batch.labels[row, place] != IGNORED:
                    count += 1
                    hits += int(by_hand(bert, ids, place).argmax() == batch.labels[row, place])
    found = masked_accuracy(bert, batches)
    assert found.num_tokens == count
    assert math.isclose(found.value, hits / count)
    assert found.low <= found.value <= found.high
    assert found == masked_accuracy(bert, batches)
    assert str(found).startswith(f"{found.value:.1%} (95%: ")


def test_accuracy_of_those_who_know_and_of_those_who_never_do(tokenizer):
    batches = batches_of(tokenizer)
    knows = masked_accuracy(lambda batch: batch.labels[batch.labels != IGNORED], batches)
    assert (knows.value, knows.low, knows.high) == (1, 1, 1)
    never = masked_accuracy(lambda batch: torch.zeros(batch.num_targets).long(), batches)
    assert (never.value, never.low, never.high) == (0, 0, 0)


def test_the_interval_covers_about_as_often_as_it_says():
    """Rows in which a guess is right with probability 0.3, again and again."""

    class Rows:
        def __init__(self, seed):
            self.generator = torch.Generator().manual_seed(seed)

        def epoch(self, number):
            labels = (torch.rand(80, 10, generator=self.generator) < 0.3).long()
            asked = torch.rand(80, 10, generator=self.generator) < 0.5
            labels = labels.where(asked, IGNORED)
            yield MaskedBatch(labels, labels == labels, labels * 0, labels, labels[:, 0])

    def ones(batch):
        return torch.ones(batch.num_targets).long()

    found = [masked_accuracy(ones, Rows(seed), num_resamples=200) for seed in range(300)]
    covered = sum(one.low <= 0.3 <= one.high for one in found)
    assert 0.90 * 300 <= covered <= 0.985 * 300


def test_rows_count_by_their_tokens():
    """Rows of one token that is found, and as many of nine that are not: a tenth in all."""

    class Rows:
        def epoch(self, number):
            labels = torch.full((100, 9), IGNORED)
            labels[:50, 0], labels[50:] = 1, 0
            yield MaskedBatch(labels, labels == labels, labels * 0, labels, labels[:, 0])

    found = masked_accuracy(lambda batch: torch.ones(batch.num_targets).long(), Rows())
    assert found.value == 50 / 500
    assert 0.05 < found.low < 0.1 < found.high < 0.16


def test_accuracy_needs_something_to_count(bert, tokenizer):
    with pytest.raises(ValueError, match="none of the tokens in 12 rows is asked for"):
        masked_accuracy(bert, batches_of(tokenizer, rate=0.0))
    with pytest.raises(ValueError, match=r"tokens to guess and guesses of shape \(1,\)"):
        masked_accuracy(lambda batch: torch.zeros(1), batches_of(tokenizer))
    with pytest.raises(ValueError, match="num_resamples is 0"):
        masked_accuracy(bert, batches_of(tokenizer), num_resamples=0)


# --- what n-grams guess


@pytest.fixture(scope="module")
def ngrams(tokenizer):
    documents = [tokenizer.encode(text) for text in TEXTS[:4]]
    return {
        order: NgramModel(
            order,
            "kneser_ney",
            vocab_size=tokenizer.vocab_size,
            bos_id=tokenizer.cls_id,
            eos_id=tokenizer.sep_id,
        ).fit(documents)
        for order in (1, 2, 3, 4)
    }


@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_both_sides_are_the_probability_of_the_whole_sentence(ngrams, tokenizer, order):
    model = ngrams[order]
    ordinary = set(range(tokenizer.vocab_size)) - set(tokenizer.special_ids)
    for batch in itertools.islice(batches_of(tokenizer, rate=0.3).epoch(0), 2):
        guessed = ngram_guesses(model, batch, tokenizer.special_ids, order, both_sides=True)
        left = ngram_guesses(model, batch, tokenizer.special_ids, order)
        asked = (batch.labels != IGNORED).nonzero().tolist()
        for (row, place), both, one in zip(asked, guessed.tolist(), left.tolist(), strict=True):
            text = batch.inputs[row][batch.mask[row]][1:]  # what follows the begin mark
            scores, next_scores = {}, {}
            for candidate in ordinary:
                changed = text.clone()
                changed[place - 1] = candidate
                log_probs = model.token_log_probs(changed[None])[0]
                scores[candidate] = float(log_probs.sum())
                next_scores[candidate] = float(log_probs[place - 1])
            assert scores[both] >= max(scores.values()) - 1e-9
            assert next_scores[one] >= max(next_scores.values()) - 1e-9


def test_a_unigram_always_guesses_the_most_frequent_token(ngrams, tokenizer):
    for batch in batches_of(tokenizer).epoch(0):
        guesses = ngram_guesses(ngrams[1], batch, tokenizer.special_ids, 1)
        assert set(guesses.tolist()) == {tokenizer.encode("the")[0]}


def test_one_candidate_is_the_guess_from_the_left(ngrams, tokenizer):
    for batch in batches_of(tokenizer).epoch(0):
        arguments = (ngrams[3], batch, tokenizer.special_ids, 3)
        one = ngram_guesses(*arguments, both_sides=True, num_candidates=1)
        assert torch.equal(one, ngram_guesses(*arguments))
        with pytest.raises(ValueError, match="num_candidates 0; the smallest is 1"):
            ngram_guesses(*arguments, num_candidates=0)


def test_both_sides_help(ngrams, tokenizer):
    guess = functools.partial(
        ngram_guesses, ngrams[3], special_ids=tokenizer.special_ids, order=3
    )
    batches = batches_of(tokenizer, rate=0.15)
    left = masked_accuracy(guess, batches)
    both = masked_accuracy(functools.partial(guess, both_sides=True), batches)
    assert both.value > left.value


# --- pseudo-perplexity


def test_each_token_is_hidden_in_turn(bert, tokenizer):
    text = "the king sent men"
    ids = [tokenizer.cls_id, *tokenizer.encode(text), tokenizer.sep_id]
    expected = []
    for place in range(1, len(ids) - 1):
        hidden = [*ids[:place], tokenizer.mask_id, *ids[place + 1 :]]
        expected.append(float(by_hand(bert, hidden, place)[ids[place]].detach()))
    for batch_size in (1, 3, 32):
        found = pseudo_log_probs(bert, tokenizer, text, batch_size)
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)
    whole = pseudo_perplexity(bert, tokenizer, [text, text])
    assert math.isclose(whole.value, math.exp(-sum(expected) / len(expected)), rel_tol=1e-9)
    assert whole.num_tokens == 2 * len(expected)
    assert whole.num_bytes == 2 * (len(text) + 1)
    bits = -2 * sum(expected) / math.log(2) / whole.num_bytes
    assert math.isclose(whole.bits_per_byte, bits, rel_tol=1e-9)


def test_a_uniform_model_has_the_pseudo_perplexity_of_its_vocabulary(tokenizer):
    model = BertForPreTraining(
        vocab_size=tokenizer.vocab_size, hidden_size=8, num_layers=1, num_heads=2
    ).double()
    for parameter in model.parameters():
        torch.nn.init.zeros_(parameter)
    found = pseudo_perplexity(model, tokenizer, ["the king", "men"])
    assert math.isclose(found.value, tokenizer.vocab_size, rel_tol=1e-9)


def test_texts_that_cannot_be_scored_are_refused(bert, tokenizer):
    size = len(tokenizer.encode("the king " * 9))
    with pytest.raises(ValueError, match=f"has {size} tokens; .* room for 1 to 14"):
        pseudo_perplexity(bert, tokenizer, ["the king " * 9])
    with pytest.raises(ValueError, match="'' has 0 tokens"):
        pseudo_perplexity(bert, tokenizer, [""])
    with pytest.raises(ValueError, match="at least one document"):
        pseudo_perplexity(bert, tokenizer, [])
    with pytest.raises(ValueError, match=r"for one text write \[text\]"):
        pseudo_perplexity(bert, tokenizer, "the king")
    with pytest.raises(ValueError, match="batch_size is 0"):
        pseudo_perplexity(bert, tokenizer, ["the king"], batch_size=0)
