"""A page cuts every text as Python does."""

import random

import pytest
from page_scripts import PageScripts

from lmtutor.data import load_gpt2_merges
from lmtutor.tokenizers import BytePairTokenizer, CharacterTokenizer, WordTokenizer
from lmtutor.widgets import export_tokenizer

ALPHABETS = (
    "abcdeABC '.,;:!?()-\n",
    "The king's son said unto him, I'll go; we've 3 isn't  it\t\r\n",
    "éüßçñÆøœ çä",
    "начало ἀρχή שלום العربية शुरुआत 太初有道 こんにちは 안녕 ไทย",
    "👩‍🚀🎉🇩🇪✂️ⅷ²½٣൬\u00ad\u200b\ufeff\u2028\u3000\x85\xa0\x1c\x1f\x00",
    "<s></s><unk>aaaaaaaaaab",
)


def random_strings(count, seed=0):
    """Strings of known trouble, and of code points from all planes but for lone surrogates."""
    draw = random.Random(seed)
    for number in range(count):
        length = draw.choice((0, 1, 2, 5, 12, 30))
        if number % 3 == 0:
            points = [draw.randrange(0x110000) for _ in range(length)]
            yield "".join(chr(point) for point in points if not 0xD800 <= point < 0xE000)
        else:
            letters = "".join(draw.choices(ALPHABETS, k=2))
            yield "".join(draw.choices(letters, k=length))


@pytest.fixture(scope="module")
def page():
    scripts = PageScripts("model_file.js", "tokenizers.js")
    yield scripts
    scripts.close()


@pytest.fixture(scope="module")
def tokenizers(kjv):
    train = kjv.train[:3000]
    strange = [*train, *ALPHABETS, "太初有道太初有道"]
    return {
        "characters": CharacterTokenizer().fit(train),
        "characters of many scripts": CharacterTokenizer().fit(strange),
        "words": WordTokenizer().fit(train),
        "rare words unknown": WordTokenizer(min_count=5).fit(strange),
        "byte pairs": BytePairTokenizer(1000).fit(strange),
        "byte pairs with special tokens": BytePairTokenizer(400, ["<|pad|>"]).fit(train),
        "GPT-2": BytePairTokenizer.from_merges(load_gpt2_merges()),
    }


KINDS = (
    "characters",
    "characters of many scripts",
    "words",
    "rare words unknown",
    "byte pairs",
    "byte pairs with special tokens",
    "GPT-2",
)


@pytest.mark.parametrize("kind", KINDS)
def test_ten_thousand_strings_get_the_same_ids_and_come_back(page, tokenizers, kind):
    tokenizer = tokenizers[kind]
    texts = list(random_strings(10_000))
    ids, decoded = page.run(
        """
        const tokenizer = LMTokenizers.build(settings);
        const ids = texts.map((text) => tokenizer.encode(text));
        return [ids, ids.map((one) => tokenizer.decode(one))];
        """,
        settings=export_tokenizer(tokenizer),
        texts=texts,
    )
    for text, got, back in zip(texts, ids, decoded, strict=True):
        assert got == tokenizer.encode(text), repr(text)
        assert back == tokenizer.decode(got), repr(text)
        assert not tokenizer.is_lossless or back == text


@pytest.mark.parametrize("kind", KINDS)
def test_any_ids_decode_to_the_same_text(page, tokenizers, kind):
    tokenizer, draw = tokenizers[kind], random.Random(1)
    rows = [
        [draw.randrange(min(600, tokenizer.vocab_size)) for _ in range(draw.randrange(12))]
        for _ in range(2000)
    ]
    size, decoded = page.run(
        """
        const tokenizer = LMTokenizers.build(settings);
        return [tokenizer.vocabSize, rows.map((ids) => tokenizer.decode(ids))];
        """,
        settings=export_tokenizer(tokenizer),
        rows=rows,
    )
    assert size == tokenizer.vocab_size
    assert decoded == [tokenizer.decode(ids) for ids in rows]


def test_a_whole_text_of_the_book(page, tokenizers, kjv):
    text = "\n".join(kjv.test)
    got = page.run(
        "return LMTokenizers.build(settings).encode(text)",
        settings=export_tokenizer(tokenizers["byte pairs"]),
        text=text,
    )
    assert got == tokenizers["byte pairs"].encode(text)


def test_half_a_surrogate_pair_becomes_the_replacement_character(page, tokenizers):
    tokenizer = tokenizers["byte pairs"]
    got = page.run(
        "return LMTokenizers.build(settings).encode('a\\ud800b')",
        settings=export_tokenizer(tokenizer),
    )
    assert got == tokenizer.encode("a\ufffdb")


def test_tokens_have_labels_that_can_be_seen(page, tokenizers):
    labels = page.run(
        """
        const tokenizer = LMTokenizers.build(settings);
        const ids = [0, 1, ...tokenizer.encode(" a\\n\\t\\u200bé")];
        return ids.map((id) => tokenizer.label(id));
        """,
        settings=export_tokenizer(CharacterTokenizer().fit(["a \n\t\u200b"])),
    )
    assert labels == ["<s>", "</s>", "␣", "a", "⏎", "⇥", "U+200B", "‹C3›", "‹A9›"]


def test_an_unknown_kind_is_refused(page):
    with pytest.raises(RuntimeError, match="no kind of tokenizer named wordpiece"):
        page.run("return LMTokenizers.build({ kind: 'wordpiece' })")
