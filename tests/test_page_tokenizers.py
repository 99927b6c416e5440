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


@pytest.mark.parametrize("kind", ["byte pairs", "characters", "words"])
def test_half_a_surrogate_pair_becomes_the_replacement_character(page, tokenizers, kind):
    tokenizer = tokenizers[kind]
    got = page.run(
        "return LMTokenizers.build(settings).encode('a\\ud800b')",
        settings=export_tokenizer(tokenizer),
    )
    assert got == tokenizer.encode("a\ufffdb")


@pytest.mark.parametrize("kind", ["byte pairs", "GPT-2"])
def test_long_runs_without_a_space(page, tokenizers, kind):
    draw = random.Random(2)
    texts = ["a" * 2000, "ab" * 1000, "太初有道" * 500, "".join(draw.choices("aein", k=3000))]
    code = "return texts.map((text) => LMTokenizers.build(settings).encode(text))"
    got = page.run(code, settings=export_tokenizer(tokenizers[kind]), texts=texts)
    assert got == [tokenizers[kind].encode(text) for text in texts]


def test_pairs_that_spell_the_same_are_joined_in_the_order_of_python(page):
    # abc is made of a + bc first, and of ab + c later, so both share an id, and a join can make
    # a pair that was learnt before the one that is being joined.
    letters = [("b", "c"), ("a", "bc"), ("abc", "d"), ("a", "b"), ("ab", "c"), ("c", "a")]
    tokenizer = BytePairTokenizer.from_merges(letters)
    draw = random.Random(3)
    texts = ["".join(draw.choices("abcd", k=draw.randrange(1, 30))) for _ in range(3000)]
    got = page.run(
        "const tokenizer = LMTokenizers.build(settings);"
        "return texts.map((text) => tokenizer.encode(text))",
        settings=export_tokenizer(tokenizer),
        texts=texts,
    )
    assert got == [tokenizer.encode(text) for text in texts]


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


@pytest.mark.parametrize("kind", ["wordpiece", "constructor", "__proto__"])
def test_an_unknown_kind_is_refused(page, kind):
    with pytest.raises(RuntimeError, match=f"no kind of tokenizer named {kind}"):
        page.run("return LMTokenizers.build({ kind })", kind=kind)
