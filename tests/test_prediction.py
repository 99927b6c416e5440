"""What a classifier says of texts does not depend on their order, their batch or its mode."""

import pytest
import torch
from parity import EXACT, loud

from lmtutor.data import LabelledBatches
from lmtutor.models import BertForClassification, FastTextClassifier, LSTMClassifier, TextCNN
from lmtutor.tokenizers import WordPieceTokenizer, WordTokenizer
from lmtutor.training import class_probabilities

TEXTS = ["a b c", "d", "a a a a a", "e f", "g h a b", "c d e f g h a", "h"]
LABELS = [0, 1, 2, 1, 0, 2, 1]
WORDS = WordTokenizer().fit(TEXTS)
PIECES = WordPieceTokenizer(vocab_size=30).fit(TEXTS)
SIZES = {"vocab_size": WORDS.vocab_size, "num_labels": 3}


def make(tokenizer=WORDS, batch_size=3, **settings):
    settings = {"vocab_size": tokenizer.vocab_size, "num_labels": 3} | settings
    return LabelledBatches(TEXTS, LABELS, tokenizer, batch_size=batch_size, **settings)


def bert():
    return BertForClassification(
        num_labels=3,
        vocab_size=PIECES.vocab_size,
        hidden_size=8,
        num_heads=2,
        num_layers=2,
        context_length=16,
    )


MODELS = [
    (lambda: TextCNN(**SIZES, embedding_size=6, num_filters=4), WORDS),
    (lambda: LSTMClassifier(**SIZES, embedding_size=6, hidden_size=4), WORDS),
    (lambda: FastTextClassifier(**SIZES, embedding_size=6, dropout=0.3), WORDS),
    (bert, PIECES),
]


@pytest.mark.parametrize(("build", "tokenizer"), MODELS)
@pytest.mark.parametrize("batch_size", [1, 3, 50])
def test_each_text_gets_what_it_gets_alone(build, tokenizer, batch_size):
    model = loud(build())
    batches = make(tokenizer, batch_size)
    found = class_probabilities(model.train(), batches)
    model.eval()
    for text, probabilities in zip(TEXTS, found, strict=True):
        ids = tokenizer.encode(text)
        if tokenizer is PIECES:
            ids = [PIECES.cls_id, *ids, PIECES.sep_id]
        alone = torch.tensor([ids])
        logits = model(alone, torch.ones_like(alone, dtype=torch.bool))[0]
        expected = logits.exp() / logits.exp().sum()
        torch.testing.assert_close(probabilities, expected, **EXACT)
    assert found.dtype == torch.float64


def test_nothing_of_the_caller_is_changed():
    model = TextCNN(**SIZES, embedding_size=6, num_filters=4).train()
    model.convolutions.eval()  # some parts may be frozen
    modes = [module.training for module in model.modules()]
    before = torch.get_rng_state()
    first = class_probabilities(model, make())
    assert torch.equal(first, class_probabilities(model, make()))
    assert [module.training for module in model.modules()] == modes
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.is_grad_enabled()
    assert first.dtype == torch.float32
    # It can be worked on with gradients, which a tensor of inference mode cannot.
    weight = torch.ones(3, requires_grad=True)
    (first * weight).sum().backward()
    assert weight.grad is not None


def test_the_mode_comes_back_after_an_error():
    model = TextCNN(**SIZES, embedding_size=6, num_filters=4).train()
    with torch.no_grad():
        model.output.bias[1] = torch.nan
    with pytest.raises(ValueError, match="logits of text 1 are .*nan.*diverged"):
        class_probabilities(model, make())
    assert all(module.training for module in model.modules())
    assert torch.is_grad_enabled()


def test_the_first_text_with_logits_that_are_no_numbers_is_named():
    model = TextCNN(**SIZES, embedding_size=6, num_filters=4, widths=(1,))
    with torch.no_grad():
        model.embedding.weight[WORDS.encode("f")] = torch.inf
    with pytest.raises(ValueError, match="logits of text 3 are"):  # "e f"
        class_probabilities(model, make(batch_size=2))


def test_a_model_for_other_classes_or_ids_is_refused():
    other = SIZES | {"num_labels": 4}
    with pytest.raises(ValueError, match=r"shape \(3, 4\) for 3 texts of 3 classes"):
        class_probabilities(TextCNN(**other), make())
    wider = SIZES | {"vocab_size": 99}
    with pytest.raises(ValueError, match="for a model of 11 ids, and this one has 99"):
        class_probabilities(TextCNN(**wider), make())
    model = BertForClassification(num_labels=3, vocab_size=99, hidden_size=8, num_heads=2)
    with pytest.raises(ValueError, match="and this one has 99"):
        class_probabilities(model, make())
    class_probabilities(TextCNN(**wider), make(vocab_size=99))
