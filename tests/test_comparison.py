"""Two models on the same documents: the paired bootstrap."""

import math

import numpy as np
import pytest
import torch

from lmtutor.metrics import bits_per_byte, compare_bits_per_byte
from lmtutor.models import LanguageModel, NgramModel, UniformModel
from lmtutor.tokenizers import CharacterTokenizer

DOCUMENTS = ["abab", "ba", "aabbab", "b", "abba" * 9, ""]


def setting():
    tokenizer = CharacterTokenizer().fit(DOCUMENTS)
    ids = [tokenizer.encode(document) for document in DOCUMENTS]
    model = NgramModel(2, "add_k", k=0.5, vocab_size=tokenizer.vocab_size).fit(ids)
    return tokenizer, model, UniformModel(tokenizer.vocab_size)


def test_the_difference_is_that_of_the_two_numbers():
    tokenizer, model, uniform = setting()
    result = compare_bits_per_byte(model, uniform, tokenizer, DOCUMENTS)
    values = [bits_per_byte(one, tokenizer, DOCUMENTS).value for one in (model, uniform)]
    assert result.value == pytest.approx(values[0] - values[1], abs=1e-12)
    assert result.low <= result.value <= result.high < 0
    assert compare_bits_per_byte(model, uniform, tokenizer, iter(DOCUMENTS)) == result
    assert compare_bits_per_byte(model, uniform, tokenizer, DOCUMENTS, seed=1) != result
    back = compare_bits_per_byte(uniform, model, tokenizer, DOCUMENTS)
    assert (back.value, back.low, back.high) == pytest.approx(
        (-result.value, -result.high, -result.low), abs=0.01
    )


def test_the_unit_is_a_byte_and_not_a_character():
    tokenizer = CharacterTokenizer().fit(["äb"])
    size = tokenizer.vocab_size
    result = compare_bits_per_byte(
        UniformModel(2 * size), UniformModel(size), tokenizer, ["äb", "b"]
    )
    assert result.value == pytest.approx(5 / 6)  # one bit more for 5 tokens, in 6 bytes


def test_a_model_does_not_differ_from_itself():
    tokenizer, model, _ = setting()
    result = compare_bits_per_byte(model, model, tokenizer, DOCUMENTS)
    assert (result.value, result.low, result.high) == (0, 0, 0)
    assert str(result) == "+0.000 bits per byte (95%: +0.000 to +0.000)"


class Handicapped(LanguageModel):
    """Another model that wastes a fixed share of its probability."""

    def __init__(self, model, wasted):
        self.model, self.wasted = model, wasted
        self.vocab_size, self.bos_id, self.eos_id = model.vocab_size, model.bos_id, model.eos_id

    def log_probs(self, ids):
        return self.model.log_probs(ids) + math.log1p(-self.wasted)


def test_what_both_find_hard_does_not_blur_the_difference():
    """A constant loss per token, under documents of very unequal difficulty."""
    tokenizer, model, _ = setting()
    generator = np.random.default_rng(0)
    hard = ["".join(generator.choice(list("ab"), size=20)) for _ in range(40)]
    easy = ["ab" * 10] * 40
    result = compare_bits_per_byte(
        Handicapped(model, 0.05), model, tokenizer, hard + easy, num_resamples=300
    )
    expected = -math.log2(0.95)  # per token, of which there is one a byte, the end included
    assert (result.value, result.low, result.high) == pytest.approx((expected,) * 3, abs=1e-9)
    own = bits_per_byte(model, tokenizer, hard + easy, num_resamples=300)
    assert own.high - own.low > 0.02


def test_bad_input_is_refused():
    tokenizer, model, uniform = setting()
    with pytest.raises(ValueError, match="no documents"):
        compare_bits_per_byte(model, uniform, tokenizer, [])
    with pytest.raises(ValueError, match="is one string"):
        compare_bits_per_byte(model, uniform, tokenizer, "abab")
    sharp = NgramModel(2, vocab_size=tokenizer.vocab_size).fit([tokenizer.encode("ab")])
    with pytest.raises(ValueError, match="both models call document 1 impossible"):
        compare_bits_per_byte(sharp, sharp, tokenizer, ["ab", "ba"])
    with pytest.raises(ValueError, match="num_resamples is 0"):
        compare_bits_per_byte(model, uniform, tokenizer, DOCUMENTS, num_resamples=0)
    with pytest.raises(ValueError, match="outside the vocabulary of 3"):
        compare_bits_per_byte(model, UniformModel(3), tokenizer, DOCUMENTS)
    assert torch.is_grad_enabled()
