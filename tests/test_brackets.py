"""How sure a model is of a closing bracket."""

import math

import pytest
import torch

from lmtutor.data import BracketSource
from lmtutor.metrics import bracket_sureness
from lmtutor.models import LanguageModel, NgramModel
from lmtutor.tokenizers import BEGIN, END, Vocabulary

KINDS = ("()", "[]")
VOCABULARY = Vocabulary([BEGIN, END, *"()[]"])


def test_a_pair_of_neighbours_is_certain_and_the_rest_is_as_counted():
    documents = ["()", "[]", "[]", "[()]"]
    ids = [[VOCABULARY.id_of(symbol) for symbol in document] for document in documents]
    model = NgramModel(2, vocab_size=6).fit(ids)
    # After "[": "]" twice, "(" once; after "(": ")" twice; after ")": "]" once, the end once.
    assert bracket_sureness(model, VOCABULARY, KINDS, ["()", "[]"]) == {1: pytest.approx(1)}
    assert bracket_sureness(model, VOCABULARY, KINDS, ["[()]"])[3] == pytest.approx(1)
    unigram = NgramModel(1, vocab_size=6).fit(ids)
    found = bracket_sureness(unigram, VOCABULARY, KINDS, ["[()]", "", "()"])
    assert found == {1: pytest.approx(2 / 5), 3: pytest.approx(3 / 5)}


def test_closings_that_are_very_unlikely_still_have_a_share():
    class Shy(LanguageModel):
        bos_id, eos_id, vocab_size = 0, 1, 6

        def log_probs(self, ids):
            row = torch.tensor([-1.0, -1.0, -1.0, -150.0, -1.0, -151.0])
            return row.expand(*ids.shape, 6)

    found = bracket_sureness(Shy(), VOCABULARY, KINDS, ["()"])
    assert found == {1: pytest.approx(1 / (1 + math.exp(-1)))}
    with pytest.raises(ValueError, match="is one string"):
        bracket_sureness(Shy(), VOCABULARY, KINDS, "()")


def test_a_window_is_a_coin_beyond_itself():
    source = BracketSource(KINDS, open_probability=0.45)
    documents = source.sample(3000, seed=0)
    ids = [[VOCABULARY.id_of(symbol) for symbol in document] for document in documents]
    model = NgramModel(3, "kneser_ney", vocab_size=6).fit(ids)
    sure = bracket_sureness(model, VOCABULARY, KINDS, source.sample(300, seed=1))
    assert sure[1] > 0.99
    assert sure[7] < 0.6
    assert list(sure) == sorted(sure)


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ("(]", "position 1"),
        (")", "position 0"),
        ("(a)", "holds 'a'"),
        ("([]", "leaves open what it opens at position 0"),
    ],
)
def test_what_is_not_nested_is_refused(document, message):
    class Never(LanguageModel):
        bos_id = 0

        def log_probs(self, ids):
            return ids[..., None].expand(*ids.shape, 6).double()

    with pytest.raises(ValueError, match=message):
        bracket_sureness(Never(), VOCABULARY, KINDS, [document])
