"""Tokenizers lose nothing but what they say they lose."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lmtutor.tokenizers import BEGIN, END, CharacterTokenizer, Vocabulary, WordTokenizer
from lmtutor.tokenizers.word import _WORD

any_text = st.text(st.characters(exclude_categories=["Cs"]))
english = st.text("ab cdXY'-.,;:()!? \n0é", max_size=40)


@given(seen=any_text, text=any_text)
def test_characters_are_lossless_for_every_text_seen_or_not(seen, text):
    tokenizer = CharacterTokenizer().fit([seen])
    ids = tokenizer.encode(text)
    assert tokenizer.decode(ids) == text
    assert all(2 <= token < tokenizer.vocab_size for token in ids)
    assert ids == tokenizer.encode_with_offsets(text)[0]


@given(text=any_text)
def test_characters_are_lossless_after_save_and_load(text, tmp_path_factory):
    path = tmp_path_factory.mktemp("tokenizer") / "characters.json"
    tokenizer = CharacterTokenizer().fit([text[::2]])
    tokenizer.save(path)
    loaded = CharacterTokenizer.load(path)
    assert loaded.encode(text) == tokenizer.encode(text)
    assert loaded.decode(loaded.encode(text)) == text


def test_known_characters_have_one_id_and_unknown_ones_their_bytes():
    tokenizer = CharacterTokenizer().fit(["ba"])
    assert tokenizer.encode("ab") == [258, 259]
    assert tokenizer.encode("\U0001f600") == [2 + byte for byte in "\U0001f600".encode()]
    assert tokenizer.vocab_size == 260
    assert tokenizer.encode_with_offsets("aéb")[1] == [(0, 1), (1, 2), (1, 2), (2, 3)]


def test_bytes_that_are_no_utf8_become_the_replacement_character():
    tokenizer = CharacterTokenizer().fit(["a"])
    assert tokenizer.decode([2 + 0xFF, 258]) == "\ufffda"


@given(text=english)
def test_words_are_those_of_the_pattern_and_offsets_point_at_them(text):
    tokenizer = WordTokenizer().fit([text])
    ids, offsets = tokenizer.encode_with_offsets(text)
    assert [text[start:stop] for start, stop in offsets] == tokenizer.split(text)
    assert ids == tokenizer.encode(text)
    assert "".join(tokenizer.split(text)) == "".join(
        text.split()
    )  # nothing but white space is lost
    assert tokenizer.unk_id not in ids


@given(text=english)
def test_decoded_words_encode_to_the_same_ids(text):
    tokenizer = WordTokenizer().fit([text])
    ids = tokenizer.encode(text)
    assert tokenizer.encode(tokenizer.decode(ids)) == ids


def test_word_pattern_on_hard_cases():
    split = WordTokenizer().split
    assert split("lovers' Beth-el isn't 'a - b--c x'-y") == (
        [
            "lovers",
            "'",
            "Beth-el",
            "isn't",
            "'",
            "a",
            "-",
            "b",
            "-",
            "-",
            "c",
            "x",
            "'",
            "-",
            "y",
        ]
    )
    assert split("  \n\t ") == []
    assert _WORD.pattern == r"[A-Za-z]+(?:['-][A-Za-z]+)*|[^\sA-Za-z]"


def test_rare_words_are_unknown_and_frequent_ones_come_first():
    tokenizer = WordTokenizer(min_count=2).fit(["a b b c c c", "a"])
    assert list(tokenizer.vocabulary) == [BEGIN, END, "<unk>", "c", "a", "b"]
    assert tokenizer.encode("a d") == [4, 2]
    assert WordTokenizer(min_count=3).fit(["a b b c c c", "a"]).encode("a c") == [2, 3]


def test_min_count_survives_save_and_load(tmp_path):
    WordTokenizer(min_count=2).fit(["a a b"]).save(tmp_path / "words.json")
    loaded = WordTokenizer.load(tmp_path / "words.json")
    assert loaded.min_count == 2
    assert loaded.encode("a b") == [3, 2]


def test_a_file_of_the_other_tokenizer_is_refused(tmp_path):
    CharacterTokenizer().fit(["a"]).save(tmp_path / "t.json")
    with pytest.raises(ValueError, match="holds a character tokenizer, not a word tokenizer"):
        WordTokenizer.load(tmp_path / "t.json")


@pytest.mark.parametrize("kind", [CharacterTokenizer, WordTokenizer])
class TestBadInput:
    def test_no_documents(self, kind):
        with pytest.raises(ValueError, match="no documents"):
            kind().fit([])

    def test_a_string_in_place_of_a_list(self, kind):
        with pytest.raises(ValueError, match=r"write fit\(\[text\]\)"):
            kind().fit("text")

    def test_an_empty_document_and_a_text_of_one_character_are_fine(self, kind):
        tokenizer = kind().fit([""])
        assert tokenizer.encode("") == []
        assert tokenizer.decode([]) == ""
        assert kind().fit(["x"]).decode(kind().fit(["x"]).encode("x")) == "x"

    def test_a_lone_surrogate_is_named_with_its_place(self, kind):
        with pytest.raises(ValueError, match="document 1: .*surrogate.* at position 2"):
            kind().fit(["fine", "ab\ud800"])
        with pytest.raises(ValueError, match="surrogate.* at position 0"):
            kind().fit(["a"]).encode("\udfff")

    def test_bytes_and_other_things_are_no_text(self, kind):
        with pytest.raises(ValueError, match="not bytes; decode it first"):
            kind().fit(["a"]).encode(b"a")
        with pytest.raises(ValueError, match="not int"):
            kind().fit([3])

    def test_before_fit(self, kind):
        with pytest.raises(ValueError, match=r"call fit\(documents\) first"):
            kind().encode("a")
        with pytest.raises(ValueError, match=r"call fit\(documents\) first"):
            _ = kind().vocab_size

    def test_ids_outside_the_vocabulary(self, kind):
        tokenizer = kind().fit(["a"])
        for token in (-1, tokenizer.vocab_size):
            with pytest.raises(ValueError, match=f"id {token} is outside the vocabulary of"):
                tokenizer.decode([token])

    def test_marks_are_not_decoded(self, kind):
        tokenizer = kind().fit(["a"])
        assert tokenizer.decode([0, *tokenizer.encode("a"), 1]) == "a"


@pytest.mark.parametrize(
    "content", [{}, {"tokens": "abc"}, {"tokens": ["a"]}, {"tokens": [], "depth": 3}]
)
def test_a_whole_file_with_the_wrong_content_is_refused(tmp_path, content):
    from lmtutor.files import save_json

    for kind in (CharacterTokenizer, WordTokenizer):
        save_json(tmp_path / "t", kind.kind, content)
        with pytest.raises(ValueError, match=f"holds no {kind.kind} of this release"):
            kind.load(tmp_path / "t")


def test_min_count_below_one():
    with pytest.raises(ValueError, match="min_count is 0"):
        WordTokenizer(min_count=0)


def test_a_vocabulary_lists_every_token_once():
    with pytest.raises(ValueError, match="'b' stands in the vocabulary twice"):
        Vocabulary(["a", "b", "c", "b"])
    with pytest.raises(ValueError, match="does not hold 'x'"):
        Vocabulary(["a"]).id_of("x")
    assert Vocabulary(["a"]).ids_of("axa", default=-1) == [0, -1, 0]


def test_the_words_of_the_corpus_are_the_published_ones(kjv):
    """Counts and checksum of the token text that KenLM's reference figures are computed on."""
    import hashlib

    split = WordTokenizer().split
    # Train and validation together, in their order: verse i with i % 20 == 9 is validation.
    verses = [*kjv.train]
    for number, verse in enumerate(kjv.validation):
        verses.insert(number * 19 + 9, verse)
    text = "".join(" ".join(split(verse)) + "\n" for verse in verses)
    assert hashlib.sha256(text.encode()).hexdigest() == (
        "dae4584c92c44b2e04b06df2d30ddd7b7b22f6ed06c2a11b13153f59427054de"
    )
    assert (len(text.split()), len(set(text.split()))) == (867_555, 13_504)
    test = "".join(" ".join(split(verse)) + "\n" for verse in kjv.test)
    assert hashlib.sha256(test.encode()).hexdigest() == (
        "c0aa62f6798c4b708034111aab3750b5949659ce50819c5fb1e50a6133c14e93"
    )
    unknown = set(test.split()) - set(text.split())
    assert sum(word in unknown for word in test.split()) == 230
